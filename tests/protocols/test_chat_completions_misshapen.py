"""Answers in which something is not of the type that the wire format promises."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_connector.errors import APIError, ConfigurationError, ParseError, StreamError, UnsupportedError
from llm_connector.types import tool_result, user
from tests.support.answers import (
    STOP,
    Reading,
    ask,
    call_delta,
    completion,
    delta,
    piece,
    sse,
    streamed,
    whole,
)

ODD: list[Any] = [
    *(None, "", 0, -1, 1.5, True, [], {}, "x", [None], [1], {"a": 1}, [[]], [{}], "null", 10**30, math.inf),
]

USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
EVENTS: list[Any] = [
    {**delta(role="assistant", content=""), "created": 1, "service_tier": "default", "request_id": "r1"},
    delta(reasoning_content="Hm", encrypted_content="e"),
    delta(reasoning_details=[{"type": "reasoning.text", "text": "Hm", "index": 0}], reasoning="Hm"),
    delta(content="The "),
    delta(
        content=[{"type": "thinking", "thinking": [{"text": "Hm"}], "signature": "s"}, {"type": "text", "text": "w"}]
    ),
    delta(content="eather", annotations=[{"type": "url_citation", "url_citation": {"url": "u"}}]),
    delta(audio={"data": "AA", "transcript": "?"}),
    {**delta(content="!"), "x_groq": {"id": "x", "usage": USAGE}, "citations": ["u"]},
    call_delta(piece('{"city": ', "weather", index=0, id="call_1", type="function")),
    call_delta(piece('"Oslo"}', index=0)),
    delta(refusal="No."),
    {**delta("stop"), "usage": USAGE},
]
DASHSCOPE: list[Any] = [
    {
        "output": {"choices": [{"message": {"reasoning_content": "Hm", "content": ""}, "finish_reason": "null"}]},
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "prompt_tokens_details": {}},
        "request_id": "r1",
    },
    {"output": {"choices": [{"message": {"content": "The weather"}, "finish_reason": "null"}]}, "request_id": "r1"},
    {"output": {"choices": [{"message": {"content": [{"text": " is"}]}, "finish_reason": "null"}], "search_info": {}}},
    {
        "output": {
            "choices": [
                {
                    "message": {
                        "content": "",
                        "tool_calls": [piece('{"a": 1}', "f", index=0, id="c", type="function")],
                    },
                    "finish_reason": "tool_calls",
                }
            ]
        },
        "usage": {"input_tokens": 1, "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 1}},
    },
]
TENCENT: list[Any] = [
    {
        "Choices": [{"Index": 0, "Delta": {"Role": "assistant", "ReasoningContent": "Hm"}, "FinishReason": ""}],
        "Created": 1,
        "Id": "r1",
        "Usage": {"PromptTokens": 1, "PromptTokensDetails": {"CachedTokens": 0}},
    },
    {"Choices": [{"Index": 0, "Delta": {"Content": "The weather"}, "FinishReason": ""}], "SearchInfo": {}},
    {
        "Choices": [
            {
                "Index": 0,
                "Delta": {"ToolCalls": [{"Id": "c", "Index": 0, "Function": {"Name": "f", "Arguments": "{}"}}]},
                "FinishReason": "tool_calls",
            }
        ]
    },
]
STREAMS = {
    "openai_compatible": EVENTS,
    "zhipu": EVENTS,
    "minimax": EVENTS,
    "vllm": EVENTS,
    "aliyun": DASHSCOPE,
    "tencent_native": TENCENT,
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


@st.composite
def damaged(draw: st.DrawFn, events: list[Any]) -> list[Any]:
    """The events, one to three of whose values are of another kind, or missing."""
    events = copy.deepcopy(events)
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(list(places(events))))
        node: Any = events
        for key in above:
            node = node[key]
        if draw(st.integers(0, 4)):
            node[last] = copy.deepcopy(draw(st.sampled_from(ODD)))
        else:
            del node[last]
        if not events:
            break
    return events


def check(reading: Reading, provider: str) -> None:
    """What the caller has seen is in the answer, or in what the error carries; both can be stored and sent back."""
    answer = reading.response or reading.partial
    several = len(answer.choices) > 1
    for seen, kept in ((reading.text, answer.text), (reading.reasoning, answer.reasoning or "")):
        assert several or (kept.startswith(seen) if reading.error else kept == seen)
    assert json.dumps(answer.model_dump(mode="json"))
    history = [user("?"), answer.message, *(tool_result(call, "done") for call in answer.tool_calls), user("!")]
    with contextlib.suppress(ConfigurationError, UnsupportedError):  # of what cannot be sent, the caller is told
        ask(history, provider=provider)


@pytest.mark.parametrize("provider", STREAMS)
@settings(max_examples=150)
@given(data=st.data())
def test_nothing_that_arrived_is_lost(provider: str, data: st.DataObject) -> None:
    events = data.draw(damaged(STREAMS[provider]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(streamed([sse(event) for event in events], ask(provider=provider, stream=True)), provider)


class TestWhatOnlyInforms:
    """A count or a date of another type costs itself, not the answer that was paid for."""

    @pytest.mark.parametrize("usage", ["n/a", [1], 7, True])
    def test_usage_that_is_no_object(self, usage: Any) -> None:
        reading = streamed(sse(delta(content="Hi"), {**STOP, "usage": usage}, done=True))

        assert reading.answer.text == "Hi"
        assert reading.answer.usage.total_tokens is None
        assert whole({**completion(content="Hi"), "usage": usage}).text == "Hi"

    @pytest.mark.parametrize("details", ["x", [{"cached_tokens": 1}], 3])
    def test_details_that_are_no_object(self, details: Any) -> None:
        usage = {"prompt_tokens": 1, "prompt_tokens_details": details, "completion_tokens_details": details}
        assert whole({**completion(content="Hi"), "usage": usage}).usage.input_tokens == 1

    @pytest.mark.parametrize("count", [1e400, -1e400, float("nan"), 10**40, True, "7"])
    def test_counts_that_are_no_numbers(self, count: Any) -> None:
        body = {**completion(content="Hi"), "usage": {"prompt_tokens": count, "completion_tokens": 2}, "created": count}
        answer = whole(body)

        assert (answer.text, answer.created) == ("Hi", None)
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (None, 2)

    def test_other_types_of_text(self) -> None:
        message: dict[str, Any] = {
            "content": "Hi",
            "refusal": ["no"],
            "annotations": [{"url_citation": "u", "type": "x"}],
        }
        answer = whole(completion(**message))

        assert (answer.text, answer.refusal) == ("Hi", "['no']")
        assert answer.citations == [{"url_citation": "u", "type": "x"}]


class TestCalls:
    @pytest.mark.parametrize("name", [["f"], {"f": 1}, 7])
    def test_a_name_that_is_none_is_an_error_that_keeps_what_had_arrived(self, name: Any) -> None:
        reading = streamed(sse(delta(content="Wait"), call_delta({"function": {"name": name}}), STOP, done=True))

        assert isinstance(reading.error, ParseError)
        assert reading.partial.text == "Wait"
        with pytest.raises(ParseError):
            whole(completion("tool_calls", tool_calls=[{"function": {"name": name, "arguments": "{}"}}]))

    @pytest.mark.parametrize("number", [7, 0.5])
    def test_ids_that_are_numbers(self, number: Any) -> None:
        events = [call_delta(piece('{"a":', "f", id=number)), call_delta(piece(" 1}", id=number)), STOP]
        calls = [streamed(sse(*events, done=True)).answer.tool_calls]
        calls.append(whole(completion("tool_calls", tool_calls=[piece('{"a": 1}', "f", id=number)])).tool_calls)

        assert [[(call.id, call.arguments) for call in found] for found in calls] == [[(str(number), {"a": 1})]] * 2

    def test_arguments_that_are_a_list_are_not_taken_for_none(self) -> None:
        for arguments, failed in (([1, 2], True), ([], False), (None, False)):
            call = {"id": "c", "function": {"name": "f", "arguments": arguments}}
            for answer in (
                whole(completion("tool_calls", tool_calls=[call])),
                streamed(sse(call_delta(call), STOP, done=True)).answer,
            ):
                assert (answer.tool_calls[0].error is not None) is failed


@pytest.mark.parametrize(
    "body",
    [
        {"code": 20012, "msg": "Gone."},
        {"error_code": 336003, "error_msg": "Gone."},
        {"errors": {"message": "Gone."}, "request_id": "r"},
        {"detail": [{"loc": ["body"], "msg": "Gone."}]},
        {"code": "Gone", "message": "Gone."},
    ],
)
def test_a_refusal_of_any_shape_is_no_empty_answer(body: Any) -> None:
    reading = streamed(sse(body, done=True))

    assert "Gone." in str(reading.error)
    with pytest.raises(APIError, match=r"Gone\."):
        whole(body)


def test_an_index_that_is_no_number_is_the_first_answer() -> None:
    choices = [{"index": index, "delta": {"content": text}} for index, text in (("a", "H"), (None, "i"))]
    reading = streamed(sse({"id": "1", "model": "m", "choices": choices}, STOP, done=True))

    assert reading.answer.text == "Hi"


def test_an_end_before_anything_has_come_is_a_failure_of_zhipu() -> None:
    stray = {"id": "", "object": "", "created": 0, "model": "", "choices": None, "usage": None}

    assert isinstance(streamed(sse(stray, done=True), ask(provider="zhipu", stream=True)).error, StreamError)
