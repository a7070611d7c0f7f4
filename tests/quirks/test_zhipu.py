"""What Zhipu's servers do otherwise."""

from __future__ import annotations

import pytest

from llm_connector.providers import find
from llm_connector.providers.spec import joined_base
from llm_connector.types import Tool, ToolCall, assistant, tool_result, user
from tests.support.answers import ask, call_delta, completion, delta, piece, sse, streamed, whole

ROW = "zhipu"


def test_TC_01_negative_indices_say_nothing():
    calls = [
        piece('{"a":1}', "f", index=-1, id="call_1", type="function"),
        piece('{"a":2}', "f", index=-1, id="call_2", type="function"),
    ]
    rendered = ask(provider=ROW, stream=True, tools=[Tool("f")])

    together = streamed(sse(call_delta(*calls, finish="tool_calls"), done=True), rendered).answer
    apart = streamed(sse(*(call_delta(call) for call in calls), delta("tool_calls"), done=True), rendered).answer

    for answer in (together, apart):
        assert [(call.id, call.arguments) for call in answer.tool_calls] == [("call_1", {"a": 1}), ("call_2", {"a": 2})]


def test_TC_12_arguments_that_are_the_text_null_go_back_as_an_object():
    answer = whole(completion("tool_calls", content="", tool_calls=[piece("null", "f", id="c1")]), ask(provider=ROW))
    assert [(call.arguments, call.error) for call in answer.tool_calls] == [({}, None)]

    turn = ask([user("?"), answer.message, tool_result(answer.tool_calls[0], "ok")], provider=ROW).body["messages"][1]

    assert turn["tool_calls"][0]["function"]["arguments"] == "{}"


def test_TC_20_a_stream_of_one_event_is_a_stream():
    event = call_delta(piece('{"a":1}', "f", index=0, id="call_1", type="function"), finish="tool_calls")

    reading = streamed(sse(event, done=True), ask(provider=ROW, model="glm-4-flash", stream=True, tools=[Tool("f")]))

    assert [call.arguments for call in reading.calls] == [{"a": 1}]


def test_FR_03_running_events_have_no_finish_reason_at_all():
    events = [{"id": "c1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}]} for text in "ab"]

    assert streamed(sse(*events, delta("stop"), done=True), ask(provider=ROW, stream=True)).answer.text == "ab"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [("sensitive", "content_filter"), ("network_error", "error"), ("model_context_window_exceeded", "length")],
)
def test_FR_06_words_of_its_own_for_the_end(raw, reason):
    answer = streamed(sse(delta(raw, content="Hi"), done=True), ask(provider=ROW, stream=True)).answer

    assert (answer.finish_reason, answer.finish_reason_raw) == (reason, raw)


def test_a_stray_event_without_choices_is_survived():
    stray = {"id": "", "object": "", "created": 0, "model": "", "choices": None, "usage": None}

    assert (
        streamed(sse(stray, delta("stop", content="Hi"), done=True), ask(provider=ROW, stream=True)).answer.text == "Hi"
    )
    assert streamed(sse(stray), ask(provider=ROW, stream=True)).error is not None


def test_UR_01_the_path_of_version_4_stays_as_it_is():
    protocol = find(ROW).protocol

    assert joined_base("https://api.z.ai/api/paas/v4", protocol, ROW) == "https://api.z.ai/api/paas/v4"
    assert joined_base("https://api.z.ai", protocol, ROW) == "https://api.z.ai/api/paas/v4"


def test_MS_02_content_beside_calls_is_never_null():
    call = ToolCall(id="c1", name="f", arguments={})

    turn = ask([user("?"), assistant(call), tool_result(call, "ok")], provider=ROW).body["messages"][1]

    assert turn["content"] == ""


def test_MS_06_instructions_go_as_system():
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}]

    assert [turn["role"] for turn in ask(messages, provider=ROW).body["messages"]] == ["system", "user"]
