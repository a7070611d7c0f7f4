"""Entries of the catalogue as they show in the Responses wire format, and on Azure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector import Tool, assistant, system, tool_result, user
from llm_connector.errors import APIError, RateLimitError, StreamError
from llm_connector.operations import chat
from llm_connector.types import Image, Reasoning, ToolCall
from llm_connector.wire import Send
from tests.providers.test_azure import HOST, sent
from tests.support.answers import NO_RETRY, ask, json_answer, sse, streamed, whole

ROW = "openai_responses"
PNG = "iVBORw0KGgo="
CALL = ToolCall(id="call_1", name="f", arguments={"a": 1})
HI = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}


def response(*output: Any, status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "model": "m", "status": status, "output": list(output), **fields}


def call(arguments: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": arguments, **fields}


def read(*output: Any, **fields: Any) -> Any:
    return whole(response(*output, **fields), ask(provider=ROW))


def stream(*events: Any, done: bool = False, end: str = "\n") -> Any:
    return streamed(sse(*events, done=done, end=end), ask(provider=ROW, stream=True))


def delta(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text, **fields}


COMPLETED = {"type": "response.completed", "response": response(HI)}


@pytest.mark.parametrize("arguments", [{"a": 1}, '{"a": 1}'])
def test_TC_09_arguments_as_an_object(arguments):
    assert read(call(arguments)).tool_calls[0].arguments == {"a": 1}


@pytest.mark.parametrize("arguments", ["", None, "null"])
def test_TC_11_no_arguments(arguments):
    (found,) = read(call(arguments)).tool_calls

    assert (found.arguments, found.error) == ({}, None)
    sent = ask([user("?"), assistant(found), tool_result(found, "ok")], provider=ROW).body["input"]
    assert sent[1]["arguments"] == "{}"


def test_TC_16_calls_with_an_ordinary_end():
    assert read(call("{}")).finish_reason == "tool_calls"


def test_TC_24_a_call_that_was_cut():
    cut = call('{"a": ', status="incomplete")

    answer = read(cut, status="incomplete", incomplete_details={"reason": "max_output_tokens"})

    assert answer.finish_reason == "length"
    assert answer.tool_calls[0].error is not None
    assert answer.tool_calls[0].arguments_raw == '{"a": '
    added = {"type": "response.output_item.added", "output_index": 0, "item": call("")}
    piece = {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"a": '}
    silent = stream(added, piece)
    assert isinstance(silent.error, StreamError)
    assert silent.partial.tool_calls[0].error == "the stream ended before the call was complete"


def test_RS_16_thoughts_of_another_server_do_not_go_out():
    foreign = Reasoning("hm", encrypted="gAAAA", id="rs_1", provider="azure_openai_responses")

    rendered = ask([user("?"), assistant(foreign, "Hi"), user("!")], provider=ROW)

    assert "gAAAA" not in json.dumps(rendered.body)
    assert [(note.action, note.subject) for note in rendered.adaptations] == [("dropped", "reasoning")]


def test_RS_16_no_text_stands_between_a_thought_and_its_call():
    turn = assistant(Reasoning("hm", encrypted="gAAAA"), "", CALL)

    items = ask([user("?"), turn, tool_result(CALL, "7")], provider=ROW).body["input"]

    assert [item.get("type", "message") for item in items[1:]] == ["reasoning", "function_call", "function_call_output"]


def test_ids_of_another_provider_may_be_too_long():
    """Found in the wild: `Invalid 'input[2].call_id': string too long. Expected a string with maximum length 64`."""
    calls = [ToolCall(id=f"{'x' * 80}{number}", name="f") for number in range(2)]

    items = ask([user("?"), assistant(*calls), *(tool_result(call, "7") for call in calls)], provider=ROW).body["input"]

    ids = [item["call_id"] for item in items[1:]]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2
    assert {len(call_id) for call_id in ids} == {64}


@pytest.mark.parametrize("usage", [{}, None, {"input_tokens": 1, "output_tokens": 2, "input_tokens_details": None}])
def test_US_08_usage_without_details(usage):
    assert read(HI, usage=usage).usage.cached_tokens is None


def test_SF_11_no_end_marker():
    assert stream(delta("Hi"), COMPLETED).answer.text == "Hi"


@pytest.mark.parametrize("done", [False, True])
def test_SF_12_the_body_ends_early(done):
    reading = stream(delta("Hi"), done=done)

    assert type(reading.error) is StreamError
    assert reading.partial.text == "Hi"


def test_SF_13_an_error_object_in_a_stream():
    reading = stream(delta("Hi"), {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}})

    assert isinstance(reading.error, RateLimitError)
    assert reading.partial.text == "Hi"


def test_SF_14_an_error_event():
    body = sse(delta("Hi")) + b'event: error\ndata: {"message": "Broken", "code": "server_error"}\n\n'

    with pytest.raises(APIError, match="Broken"):
        _ = streamed(body, ask(provider=ROW, stream=True)).answer


def test_SF_18_unknown_events():
    noise: list[dict[str, Any]] = [{"type": "keepalive"}, {"type": "response.unheard_of", "delta": "no"}]

    assert stream(*noise, delta("Hi"), *noise, COMPLETED).text == "Hi"


def test_SF_19_ids_that_differ_within_one_answer():
    events = [delta("H", item_id="a"), delta("i", item_id="b")]

    assert stream(*events, {**COMPLETED, "response": {**response(HI), "id": "other"}}).answer.text == "Hi"


def test_SF_21_a_chunk_without_delta():
    text = {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}
    late = {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}]}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

    reading = streamed(sse(text, late, last), ask(provider="azure_openai", stream=True))

    assert (reading.text, reading.answer.finish_reason) == ("Hi", "stop")


def test_SF_22_the_first_chunk_of_azure():
    first = {"id": "", "choices": [], "created": 0, "model": "", "object": "", "prompt_filter_results": []}
    last = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}

    answer = streamed(sse(first, last), ask(provider="azure_openai", stream=True)).answer

    assert (answer.id, answer.model, answer.text) == ("c", "m", "Hi")


def test_CT_07_a_refusal():
    answer = read({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]})

    assert (answer.refusal, answer.finish_reason) == ("No.", "refusal")


def test_ER_04_an_error_with_status_200():
    with pytest.raises(RateLimitError, match="Slow down"):
        read(status="failed", error={"code": "rate_limit_exceeded", "message": "Slow down"})


@pytest.mark.parametrize("written", ["/", "/openai/v1/chat/completions", "/openai/deployments/x/chat/completions"])
def test_UR_03_the_address_may_be_the_whole_endpoint(written):
    assert sent("azure_openai", HOST + written).url == f"{HOST}/openai/v1/chat/completions"


@pytest.mark.parametrize(("name", "segment"), [("a/b:0", "a%2Fb%3A0"), ("../x?y#z", "..%2Fx%3Fy%23z")])
def test_UR_04_deployments_are_one_segment_of_the_path(name, segment):
    url = sent("azure_openai", model=name, api_version="2024-10-21").url

    assert url == f"{HOST}/openai/deployments/{segment}/chat/completions?api-version=2024-10-21"


def test_UR_08_exactly_one_header_holds_the_key():
    assert {"api-key", "authorization"} & sent("azure_openai").headers.keys() == {"api-key"}
    with_token = sent("azure_openai", api_key=None, azure_ad_token="entra-token")
    assert {"api-key", "authorization"} & with_token.headers.keys() == {"authorization"}


def test_MS_06_system_messages_say_system():
    assert ask([{"role": "developer", "content": "!"}, user("?")], provider=ROW).body["input"][0]["role"] == "system"


def test_MS_07_late_system_messages_stay_where_they_are():
    roles = [
        item["role"] for item in ask([user("?"), assistant("!"), system("#"), user("?")], provider=ROW).body["input"]
    ]

    assert roles == ["user", "assistant", "system", "user"]


def test_MS_10_images_in_tool_results_stay_there():
    rendered = ask([user("?"), assistant(CALL), tool_result(CALL, Image.base64("image/png", PNG))], provider=ROW)

    (image,) = rendered.body["input"][2]["output"]
    assert image["image_url"].endswith(PNG)
    assert rendered.adaptations == []


def test_MS_12_replayed_items_hold_what_requests_may_hold():
    message = {**HI, "id": "msg_1", "role": "assistant", "status": "completed"}

    answer = read(message, call("{}", status="completed"))

    sent = ask([user("?"), answer.message, tool_result("call_1", "ok")], provider=ROW).body["input"]
    assert [sorted(item) for item in sent[1:3]] == [["content", "role"], ["arguments", "call_id", "name", "type"]]


def test_SC_08_json_mode_needs_the_word():
    body = ask(provider=ROW, response_format="json").body

    assert "JSON" in body["input"][0]["content"]
    assert body["text"] == {"format": {"type": "json_object"}}


@pytest.mark.parametrize("strict", [None, False])
def test_SC_12_functions_say_that_they_are_not_strict(strict):
    (tool,) = ask(provider=ROW, tools=[Tool("f", strict=strict)]).body["tools"]

    assert tool["strict"] is False, "left out, it is true"


def test_PM_01_a_deployment_that_knows_the_old_name_of_the_limit():
    steps = chat(ask(provider="azure_openai", max_tokens=5), NO_RETRY)
    first = next(steps)
    error = {"message": "Unrecognized request argument supplied: max_completion_tokens; use 'max_tokens'"}
    second = steps.send(json_answer({"error": {**error, "param": "max_completion_tokens"}}, 400))

    assert isinstance(first, Send)
    assert isinstance(second, Send)
    assert "max_completion_tokens" in json.loads(first.request.content)
    assert json.loads(second.request.content)["max_tokens"] == 5


def test_PM_04_what_the_caller_did_not_ask_for_is_not_sent():
    assert ask(provider=ROW).body.keys() == {"model", "input", "store", "include"}


def test_PM_08_reasoning_is_learned_to_be_refused():
    steps = chat(ask(provider=ROW, reasoning="low"), NO_RETRY)
    next(steps)
    error = {"message": "Unsupported parameter: 'reasoning.effort' is not supported with this model."}

    step = steps.send(json_answer({"error": {**error, "param": "reasoning.effort"}}, 400))

    assert isinstance(step, Send)
    assert "reasoning" not in json.loads(step.request.content)
