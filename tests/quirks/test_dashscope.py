"""Entries of the catalogue that are about DashScope's own wire format."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector import operations
from llm_connector.types import assistant, tool_result, user
from llm_connector.wire import HttpResponse, Send
from tests.support.answers import NO_RETRY, ask, json_answer, sse, streamed, whole


def event(finish: str = "null", **message: Any) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"output": {"choices": [choice]}, "request_id": "r"}


def read(*events: Any, **options: Any) -> Any:
    return streamed(sse(*events), ask(provider="aliyun", stream=True, **options))


def first_request(steps: Any) -> Any:
    return next(steps).request


def parameters(**options: Any) -> Any:
    return ask(provider="aliyun", **options).body["parameters"]


@pytest.mark.parametrize("fields", [{"text": "Hi", "finish_reason": "stop"}, {"choices": event("stop", content="Hi")}])
def test_CT_09_answers_of_both_formats_are_read(fields):
    output = fields if "text" in fields else fields["choices"]["output"]
    body = {"output": output, "request_id": "r"}

    assert whole(body, ask(provider="aliyun")).text == read(body).answer.text == "Hi"


def test_CT_09_the_message_format_and_the_stream_header_are_always_asked_for():
    rendered = ask(provider="aliyun", stream=True)

    request = rendered.endpoint.request(rendered.path, rendered.body, operation="chat", stream=True)

    assert rendered.body["parameters"]["result_format"] == "message"
    assert request.headers["x-dashscope-sse"] == "enable"


def test_CT_10_the_flag_for_pieces_is_sent_and_a_cumulative_stream_is_cut_all_the_same():
    texts = ["根据", "根据当前", "根据当前的时间", "根据当前的时间, 根据"]

    reading = read(*(event(content=text) for text in texts), event("stop", content=texts[-1]))

    assert parameters(stream=True)["incremental_output"] is True
    assert reading.text == reading.answer.text == texts[-1]


def test_CT_10_text_that_comes_again_is_not_taken_out():
    assert read(event(content="ab"), event(content="abab"), event("stop", content="ababab!")).text == "ababab!"
    assert read(event(content="no"), event(content=" "), event(content="no"), event("stop", content="")).text == "no no"


def test_TC_07_the_request_decides_where_it_can():
    def call(arguments: str) -> dict[str, Any]:
        return {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}

    whole_so_far = [event(tool_calls=[call(text)]) for text in ("1", "12", "123")]
    asked = {"parameters": {"incremental_output": False}}

    cumulative = read(*whole_so_far, event("tool_calls"), extra_body=asked).answer
    pieces = read(*whole_so_far, event("tool_calls")).answer

    assert cumulative.tool_calls[0].arguments_raw == "123"
    assert pieces.tool_calls[0].arguments_raw == "112123"
    assert read(event(content="a"), event("stop", content="ab"), extra_body=asked).text == "ab"
    assert read(event(content="a"), event(content="ab"), event("stop", content="")).text == "aab"


def test_TC_04_an_empty_id_continues_the_call():
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
    second = {"index": 0, "id": "", "type": "function", "function": {"arguments": ": 1}"}}
    third = {"index": 0, "id": "", "type": "function", "function": {}}

    reading = read(
        *(event(content="", tool_calls=[piece]) for piece in (first, second)), event("tool_calls", tool_calls=[third])
    )

    assert [(call.id, call.name, call.arguments) for call in reading.answer.tool_calls] == [("call_1", "f", {"a": 1})]
    assert len(reading.calls) == 1


def test_FR_02_the_word_null_is_no_reason():
    cut = read(event(content="Hi"))

    assert cut.error is not None, "the answer has not ended"
    assert cut.partial.finish_reason_raw is None
    assert read(event(content="Hi"), event("stop", content="")).answer.finish_reason == "stop"


def test_US_03_US_09_the_last_usage_counts_under_its_own_names():
    counts = [{"input_tokens": 5, "output_tokens": number, "total_tokens": 5 + number} for number in (1, 2, 3)]
    events = [{**event(content="a"), "usage": usage} for usage in counts]

    usage = read(*events, event("stop", content="")).answer.usage

    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (5, 3, 8)


def test_US_01_a_last_event_without_choices_brings_the_usage():
    last = {"output": {"choices": []}, "usage": {"input_tokens": 5, "output_tokens": 3}, "request_id": "r"}

    assert read(event("stop", content="Hi"), last).answer.usage.total_tokens == 8


@pytest.mark.parametrize("reasoning", [None, True, "high"])
def test_RS_23_models_that_think_in_streams_only_are_asked_for_a_stream(reasoning):
    steps = operations.chat(ask(provider="aliyun", model="qwen3-235b-a22b", reasoning=reasoning), NO_RETRY)
    request = first_request(steps)

    assert request.headers["x-dashscope-sse"] == "enable"
    assert json.loads(request.content)["parameters"]["incremental_output"] is True
    body = sse(event(reasoning_content="Hm", content=""), event("stop", content="4"))
    with pytest.raises(StopIteration) as done:
        steps.send(HttpResponse(200, {}, body))
    assert (done.value.value.reasoning, done.value.value.text) == ("Hm", "4")


def test_RS_23_without_thinking_they_answer_whole():
    request = first_request(operations.chat(ask(provider="aliyun", model="qwen3-235b-a22b", reasoning=False), NO_RETRY))

    assert "x-dashscope-sse" not in request.headers
    assert json.loads(request.content)["parameters"] == {"result_format": "message", "enable_thinking": False}


@pytest.mark.parametrize(
    "message",
    [
        "parameter.enable_thinking must be set to false for non-streaming calls",
        "This model only support stream mode, please enable the stream parameter",
    ],
)
def test_RS_23_other_models_are_learned_by_their_refusal(message):
    steps = operations.chat(ask(provider="aliyun", model="qwen-turbo-2025-04-28", reasoning=True), NO_RETRY)
    assert "x-dashscope-sse" not in first_request(steps).headers

    again = steps.send(json_answer({"code": "InvalidParameter", "message": message}, 400))

    assert isinstance(again, Send)
    assert again.request.headers["x-dashscope-sse"] == "enable"
    assert json.loads(again.request.content)["parameters"]["incremental_output"] is True


def test_RS_24_switch_and_budget_go_together():
    assert parameters(model="qwen-plus", reasoning=4096) == {
        "result_format": "message",
        "enable_thinking": True,
        "thinking_budget": 4096,
    }


def test_RS_01_thoughts_go_back_under_their_own_name():
    turn = event("tool_calls", content="", reasoning_content="Hm", tool_calls=[{"id": "c", "function": {"name": "f"}}])
    message = whole(turn, ask(provider="aliyun")).message

    rendered = ask([user("?"), message, tool_result("c", "ok")], provider="aliyun")

    assert rendered.body["input"]["messages"][1]["reasoning_content"] == "Hm"


def test_MS_06_developers_speak_as_the_system():
    body = ask([{"role": "developer", "content": "Be brief."}, user("?")], provider="aliyun").body

    assert body["input"]["messages"][0] == {"role": "system", "content": "Be brief."}


def test_MS_07_the_system_has_one_message_ahead_of_all():
    late = [user("?"), assistant("!"), {"role": "system", "content": "Be brief."}, user("?")]

    rendered = ask(late, provider="aliyun")

    assert [message["role"] for message in rendered.body["input"]["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert [note.subject for note in rendered.adaptations] == ["system message"]


def f() -> None: ...
def g() -> None: ...


def test_SC_05_no_tool_is_forced_while_the_model_thinks():
    rendered = ask(provider="aliyun", model="qwen-plus", tools=[f, g], tool_choice="g", reasoning=True)

    assert rendered.body["parameters"]["tool_choice"] == "auto"
    assert [note.action for note in rendered.adaptations] == ["downgraded"]


def test_SC_06_there_is_no_word_for_any_tool():
    several = ask(provider="aliyun", model="qwen-plus", tools=[f, g], tool_choice="required")

    assert several.body["parameters"]["tool_choice"] == "auto"
    assert [note.action for note in several.adaptations] == ["downgraded"]
    assert parameters(tools=[f], tool_choice="required")["tool_choice"]["function"] == {"name": "f"}


def test_SC_08_json_mode_says_the_word():
    body = ask("List them.", provider="aliyun", response_format="json").body

    assert "JSON" in body["input"]["messages"][0]["content"]
