"""What Tencent's own API does otherwise: names, envelopes, errors, and turns that must not be lost."""

from __future__ import annotations

from typing import Any

import pytest

from llm_connector.errors import APIError, AuthenticationError
from llm_connector.types import ToolCall, assistant, system, tool_result, user
from tests.support.answers import ask, sse, streamed, whole

ROW = "tencent_native"


def choice(key: str, finish: str, **fields: Any) -> dict[str, Any]:
    return {"Choices": [{"Index": 0, key: {"Role": "assistant", **fields}, "FinishReason": finish}], "Id": "c1"}


def test_CT_08_an_answer_is_wrapped_and_its_keys_are_capitalised():
    usage = {"PromptTokens": 3, "CompletionTokens": 2, "TotalTokens": 5}
    body = {"Response": {**choice("Message", "stop", Content="Hi"), "Usage": usage, "RequestId": "r1"}}

    response = whole(body, ask(provider=ROW))

    assert (response.text, response.finish_reason, response.request_id) == ("Hi", "stop", "r1")


@pytest.mark.parametrize("wrapped", [False, True])
def test_CT_08_events_come_without_the_wrapper_or_with_it(wrapped):
    events = [choice("Delta", "", Content="H"), choice("Delta", "", Content="i"), choice("Delta", "stop", Content="")]

    body = sse(*({"Response": event} if wrapped else event for event in events))

    assert streamed(body, ask(provider=ROW, stream=True)).answer.text == "Hi"


def test_US_09_usage_has_names_of_its_own_and_the_last_one_counts():
    usages = [{"PromptTokens": 3, "CompletionTokens": count, "TotalTokens": 3 + count} for count in (1, 2)]
    events = [
        {**choice("Delta", end, Content="x"), "Usage": usage} for end, usage in zip(["", "stop"], usages, strict=True)
    ]

    usage = streamed(sse(*events), ask(provider=ROW, stream=True)).answer.usage

    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (3, 2, 5)


def test_FR_01_an_empty_finish_reason_is_none():
    events = [choice("Delta", "", Content=text) for text in ("a", "b", "c")]

    reading = streamed(sse(*events, choice("Delta", "stop", Content="")), ask(provider=ROW, stream=True))

    assert reading.answer.text == "abc"
    assert streamed(sse(*events), ask(provider=ROW, stream=True)).error is not None


@pytest.mark.parametrize("stream", [False, True])
def test_ER_04_an_error_comes_with_status_200(stream):
    body = {"Response": {"Error": {"Code": "AuthFailure", "Message": "Who are you?"}, "RequestId": "r1"}}

    error: Exception | None
    if stream:
        error = streamed(sse(body), ask(provider=ROW, stream=True)).error
    else:
        with pytest.raises(APIError) as raised:
            whole(body, ask(provider=ROW))
        error = raised.value

    assert isinstance(error, AuthenticationError)
    assert (error.message.partition(";")[0], error.code, error.request_id) == ("Who are you?", "AuthFailure", "r1")


def test_MS_15_every_role_arrives():
    call = ToolCall(id="c1", name="f", arguments={})
    turns = [system("Be brief."), user("?"), assistant(call), tool_result(call, "ok"), assistant("Yes."), user("!")]

    messages = ask(turns, provider=ROW).body["Messages"]

    assert [message["Role"] for message in messages] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert messages[2]["ToolCalls"][0]["Id"] == messages[3]["ToolCallId"] == "c1"
