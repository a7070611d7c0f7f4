"""What each format writes, in its own words, where the laws do not say it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContentFilterError,
    ContextLengthError,
    InsufficientBalanceError,
    LlmConnectorError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
    TimeoutError,
    TransportError,
    UnsupportedError,
)
from llm_connector.formats import FORMATS, StreamWriter, find_format
from llm_connector.formats.base import status_of
from llm_connector.formats.ollama import Ollama
from llm_connector.formats.openai import OpenAI
from llm_connector.protocols import error_class
from llm_connector.types import (
    ChatChunk,
    ChatResponse,
    Choice,
    Reasoning,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
    assistant,
)
from tests.formats.support import PAIRS, encoded
from tests.support.answers import ask, call_delta, delta, piece, sse, streamed, whole

CALLED = ToolCall(id="call_1", name="weather", arguments={"city": "Oslo"}, arguments_raw='{"city": "Oslo"}')


def response(*parts: Any, finish: Any = "stop", **fields: Any) -> ChatResponse:
    more = {name: fields.pop(name) for name in ("refusal", "logprobs") if name in fields}
    choice = Choice(message=assistant(*parts), finish_reason=finish, **more)
    return ChatResponse(choices=[choice], id="a1", model="m1", **fields)


def events(name: str, chunks: list[ChatChunk], answer: ChatResponse, **settings: Any) -> list[dict[str, Any]]:
    encoder = find_format(name).encoder("m", **settings)
    written = [*itertools.chain.from_iterable(map(encoder.feed, chunks)), *encoder.finish(answer)]
    return [body for _, body in written]


def test_the_names_are_those_of_the_modules():
    for name in FORMATS:
        assert type(find_format(name)).__module__ == f"llm_connector.formats.{name}"


# unified


def test_unified_is_as_short_as_it_can_be():
    chunks = [
        ChatChunk(id="a1", model="m1"), ChatChunk(reasoning="Hm."), ChatChunk("Hello"), ChatChunk(tool_call=CALLED),
        ChatChunk("of another answer", choice=1),
    ]  # fmt: skip
    usage = Usage(input_tokens=3, output_tokens=4, total_tokens=7)
    answer = response(Reasoning("Hm."), Text("Hello"), CALLED, finish="tool_calls", usage=usage)
    call = {"id": "call_1", "name": "weather", "arguments": {"city": "Oslo"}}
    end = {"finish_reason": "tool_calls", "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}
    end |= {"model": "m1", "id": "a1"}

    assert events("unified", chunks, answer) == [{"reasoning": "Hm."}, {"content": "Hello"}, {"tool_call": call}, end]
    whole = find_format("unified").render_response(answer)
    assert whole == {"content": "Hello", "reasoning": "Hm.", "tool_calls": [call], **end}


# openai


def test_usage_is_the_callers_choice():
    asked = find_format("openai").parse_request(
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    )
    answer = response("Hi", usage=Usage(input_tokens=1, output_tokens=2))
    told = [list(format.encoder().finish(answer)) for format in (OpenAI(), asked.format)]

    assert told[0][-1][1]["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert told[0][-1][1]["choices"] == []
    assert not any("usage" in body for _, body in told[1])


def test_the_arguments_of_a_call_are_never_empty():
    """Clients parse them."""
    call = ToolCall(id="c", name="now")
    chunks = [ChatChunk(tool_call_delta=ToolCallDelta(0, "c", "now", "")), ChatChunk(tool_call=call)]
    written = events("openai", chunks, response(call, finish="tool_calls"))
    pieces = [part for body in written for choice in body["choices"] for part in choice["delta"].get("tool_calls", ())]

    assert "".join(part["function"]["arguments"] for part in pieces) == "{}"
    message = find_format("openai").render_response(response(call))["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"
    assert message["content"] is None


def test_log_probabilities_and_refusals_come_at_the_end():
    entry = {"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    tokens: dict[str, Any] = {"content": [entry], "refusal": None}
    answer = response(finish="refusal", refusal="No.", logprobs=tokens)
    written, body = events("openai", [], answer), find_format("openai").render_response(answer)

    assert {"refusal": "No."} in [choice["delta"] for event in written for choice in event["choices"]]
    assert [choice["logprobs"] for event in written for choice in event["choices"] if "logprobs" in choice] == [tokens]
    assert body["choices"][0]["logprobs"] == tokens
    assert body["choices"][0]["message"]["refusal"] == "No."


@pytest.mark.parametrize("name", ["openai", "openai_responses", "ollama"])
def test_our_reader_finds_log_probabilities_and_refusals(name: str):
    tokens = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]
    answer = response("a", logprobs={"content": tokens})
    writer = StreamWriter(PAIRS[name].format.encoder())
    written = writer.feed(ChatChunk("a")) + writer.finish(answer)

    read = streamed(written, ask(provider=PAIRS[name].row, stream=True)).answer
    assert read.logprobs["content"] == tokens
    assert (
        whole(PAIRS[name].format.render_response(answer), ask(provider=PAIRS[name].row)).logprobs["content"] == tokens
    )
    if name != "ollama":
        refused = PAIRS[name].format.render_response(response(finish="refusal", refusal="No."))
        assert whole(refused, ask(provider=PAIRS[name].row)).refusal == "No."


# anthropic


def blocks_of(body: bytes) -> list[Any]:
    """The blocks of a stream: type, and what its deltas add up to."""
    blocks: list[list[Any]] = []
    for line in body.decode().splitlines():
        event = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
        if event.get("type") == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append([event["content_block"]["type"], "", False])
        elif event.get("type") == "content_block_delta":
            assert not blocks[event["index"]][2], "the block has been ended"
            delta = event["delta"]
            blocks[event["index"]][1] += delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
        elif event.get("type") == "content_block_stop":
            blocks[event["index"]][2] = True
    assert all(ended for _, _, ended in blocks)
    return [(kind, text) for kind, text, _ in blocks]


INTERLEAVED = [
    call_delta({"index": 0, "id": "a", **piece('{"x"', "f")}),
    call_delta({"index": 1, "id": "b", **piece('{"y"', "g")}),
    delta(content="Both."),
    call_delta({"index": 0, **piece(": 1}")}),
    call_delta({"index": 1, **piece(": 2}")}),
    delta("tool_calls"),
]


@pytest.mark.parametrize("name", ["anthropic", "openai_responses"])
def test_calls_that_alternate_are_written_one_after_the_other(name: str):
    body, answer = encoded(sse(*INTERLEAVED), ask(stream=True), PAIRS[name].format)
    read = streamed(body, ask(provider=PAIRS[name].row, stream=True)).answer

    if name == "anthropic":
        assert blocks_of(body) == [("tool_use", '{"x": 1}'), ("tool_use", '{"y": 2}'), ("text", "Both.")]
    assert [(call.id, call.arguments) for call in read.tool_calls] == [("a", {"x": 1}), ("b", {"y": 2})]
    assert read.text == answer.text == "Both."


def test_a_thought_between_texts_has_a_block_of_its_own():
    body, _ = encoded(
        sse(*[delta(content="a"), delta(reasoning_content="b"), delta(content="c"), delta("stop")]),
        ask(stream=True),
        PAIRS["anthropic"].format,
    )

    assert blocks_of(body) == [("text", "a"), ("thinking", "b"), ("text", "c")]


def test_cached_tokens_are_not_among_the_input():
    usage = Usage(input_tokens=10, output_tokens=5, cached_tokens=3, cache_write_tokens=2, reasoning_tokens=4)
    told = find_format("anthropic").render_response(response("Hi", usage=usage))["usage"]

    assert told == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 3,
        "output_tokens": 5,
        "output_tokens_details": {"thinking_tokens": 4},
    }


def test_encrypted_state_beside_text_has_a_block_of_its_own():
    content = find_format("anthropic").render_response(response(Reasoning("Hm.", encrypted="e")))["content"]

    assert [block["type"] for block in content] == ["thinking", "redacted_thinking"]
    turn = {"model": "m", "messages": [{"role": "assistant", "content": content}, {"role": "user", "content": "x"}]}
    parts = find_format("anthropic").parse_request(turn).request.messages[0].parts
    assert parts == [Reasoning("Hm."), Reasoning(encrypted="e")]


# ollama


def ticking(*times: float) -> Any:
    moments: Iterator[float] = itertools.chain(times, itertools.repeat(times[-1]))
    return lambda: next(moments)


def test_the_lines_are_what_zed_reads():
    chunks = [ChatChunk(reasoning="Hm."), ChatChunk("Hi"), ChatChunk(tool_call=CALLED)]
    usage = Usage(input_tokens=3, output_tokens=4)
    answer = response(Reasoning("Hm."), Text("Hi"), CALLED, finish="tool_calls", usage=usage)
    lines = events("ollama", chunks, answer, clock=ticking(100.0, 100.5, 100.75, 101.0, 101.0, 102.0))
    heads = [(line["model"], line["message"]["role"], line["done"]) for line in lines]

    assert heads == [("m", "assistant", False)] * 3 + [("m", "assistant", True)]
    assert lines[0]["created_at"] == "1970-01-01T00:01:40.500000Z"
    assert [line["message"] for line in lines] == [
        {"role": "assistant", "content": "", "thinking": "Hm."},
        {"role": "assistant", "content": "Hi"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}],
        },
        {"role": "assistant", "content": ""},
    ]
    end = {name: value for name, value in lines[-1].items() if name not in ("model", "created_at", "message", "done")}
    assert end == {
        "done_reason": "stop",
        "prompt_eval_count": 3,
        "eval_count": 4,
        "total_duration": 2_000_000_000,
        "load_duration": 0,
        "prompt_eval_duration": 500_000_000,
        "eval_duration": 1_500_000_000,
    }


def test_durations_of_the_server_are_kept():
    answer = response("Hi", extra={"total_duration": 9, "load_duration": 8})
    last = events("ollama", [ChatChunk("Hi")], answer)[-1]

    assert (last["total_duration"], last["load_duration"]) == (9, 8)
    assert find_format("ollama").render_response(answer)["total_duration"] == 9


def test_generate_answers_in_its_own_shape():
    asked = find_format("ollama").parse_request({"model": "m", "prompt": "Hi", "system": "Be brief.", "stream": False})
    encoder = asked.format.encoder("m")
    line = next(iter(encoder.feed(ChatChunk("Hello"))))[1]

    assert [(message.role, message.text) for message in asked.request.messages] == [
        ("system", "Be brief."),
        ("user", "Hi"),
    ]
    assert asked.stream is False
    assert (line["response"], "message" in line) == ("Hello", False)
    body = asked.format.render_response(response(Reasoning("Hm."), Text("Hello")))
    assert (body["response"], body["thinking"], body["done"]) == ("Hello", "Hm.", True)


@pytest.mark.parametrize("body", [{"prompt": ""}, {"messages": []}, {"keep_alive": 0}])
def test_a_request_without_a_prompt_loads_a_model(body: dict[str, Any]):
    asked = find_format("ollama").parse_request({"model": "m", **body})
    assert isinstance(asked.format, Ollama)

    assert asked.loads
    assert asked.format.render_loaded("m", unloaded=True)["done_reason"] == "unload"


def test_calls_and_results_without_ids_find_each_other():
    def called(name: str) -> dict[str, Any]:
        return {"function": {"name": name, "arguments": {}}}

    turns = [
        {"role": "user", "content": "Both?"},
        {"role": "assistant", "content": "", "tool_calls": [called("f"), called("g"), called("f")]},
        {"role": "tool", "tool_name": "g", "content": "of g"},
        {"role": "tool", "tool_name": "f", "content": "of f"},
        {"role": "tool", "content": "of the other f"},
    ]
    messages = find_format("ollama").parse_request({"model": "m", "messages": turns}).request.messages
    ids = [call.id for call in messages[1].tool_calls]
    results = [(part.call_id, part.text) for part in messages[2].parts if part.type == "tool_result"]

    assert len(set(ids)) == 3
    assert results == [(ids[1], "of g"), (ids[0], "of f"), (ids[2], "of the other f")]


def test_an_embedded_line_is_the_content_of_a_chunk():
    written = events("ollama_embedded", [ChatChunk(id="a1", model="m1"), ChatChunk("Hi")], response("Hi"))
    contents = [choice["delta"].get("content") for body in written for choice in body["choices"]]
    lines = [json.loads(content) for content in contents if content]

    assert [line["message"]["content"] for line in lines] == ["Hi", ""]
    assert [line["done"] for line in lines] == [False, True]
    assert [choice["finish_reason"] for body in written for choice in body["choices"]][-1] == "stop"
    body = find_format("ollama_embedded").render_response(response("Hi"))
    assert json.loads(body["choices"][0]["message"]["content"])["message"]["content"] == "Hi"


# bytes


@pytest.mark.parametrize("framing", ["sse", "ndjson"])
def test_nothing_in_a_text_looks_like_the_end_of_a_line(framing: str):
    text = "a\u2028b\u2029c\u0085d\ne\rf\x0bg\x1ch\u2026i"
    writer = StreamWriter(find_format("unified").encoder(), framing)
    block = writer.feed(ChatChunk(text)).decode()

    assert len(block.rstrip("\n").splitlines()) == 1
    assert json.loads(block.removeprefix("data: ")) == {"content": text}


# errors

TOLD: list[tuple[type[APIError], int]] = [
    (BadRequestError, 400),
    (ContextLengthError, 400),
    (AuthenticationError, 401),
    (InsufficientBalanceError, 402),
    (PermissionDeniedError, 403),
    (NotFoundError, 404),
    (ModelNotFoundError, 404),
    (RateLimitError, 429),
    (ServerError, 500),
]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(("kind", "status"), TOLD)
def test_our_reader_raises_the_class_that_was_written(name: str, kind: type[APIError], status: int):
    body, given = PAIRS[name].format.render_error(kind("it went wrong", status=status))

    assert given == status
    assert error_class(status, PAIRS[name].protocol.parse_error(body)) is kind
    assert "it went wrong" in PAIRS[name].protocol.parse_error(body).message


@pytest.mark.parametrize("name", ["openai", "openai_responses", "anthropic"])
@pytest.mark.parametrize("kind", [kind for kind, _ in TOLD] + [ContentFilterError])
def test_our_reader_raises_it_inside_a_stream_too(name: str, kind: type[APIError]):
    writer = StreamWriter(PAIRS[name].format.encoder())
    body = writer.feed(ChatChunk("Hi")) + writer.fail(kind("it went wrong", status=200))
    error = streamed(body, ask(provider=PAIRS[name].row, stream=True)).error

    assert isinstance(error, StreamError)
    assert isinstance(error, kind)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigurationError("x"), 400),
        (UnsupportedError("x"), 400),
        (TimeoutError("x"), 504),
        (TransportError("x"), 502),
        (StreamError("x"), 502),
        (RateLimitError("x"), 429),
        (RateLimitError("x", status=200), 429),
        (ServerError("x", status=529), 529),
        (APIError("x", status=418), 418),
        (APIError("x", status=200), 502),
    ],
)
def test_a_status_says_what_went_wrong(error: LlmConnectorError, status: int):
    assert status_of(error) == status
    assert {find_format(name).render_error(error)[1] for name in FORMATS} == {status}


# responses


def test_the_phase_of_a_message_comes_through_a_stream():
    """The server wants it back: https://platform.openai.com/docs/api-reference/responses/create (checked 2026-11)."""

    def message(phase: str, number: int) -> list[dict[str, Any]]:
        content = [{"type": "output_text", "text": phase, "annotations": []}]
        item = {"type": "message", "id": f"msg_{number}", "role": "assistant", "phase": phase}
        return [
            {"type": "response.output_item.added", "output_index": number, "item": {**item, "content": []}},
            {"type": "response.output_text.delta", "output_index": number, "content_index": 0, "delta": phase},
            {"type": "response.output_item.done", "output_index": number, "item": {**item, "content": content}},
        ]

    end = {"type": "response.completed", "response": {"id": "r", "status": "completed", "model": "m"}}
    body = sse(*message("commentary", 0), *message("final_answer", 1), end, named=True)
    written, answer = encoded(body, ask(provider="openai_responses", stream=True), PAIRS["openai_responses"].format)

    read = streamed(written, ask(provider="openai_responses", stream=True)).answer
    phases = [part.data.get("phase") for part in read.message.parts if part.type == "opaque"]
    assert phases == ["commentary", "final_answer"]
    assert read.message.parts == answer.message.parts
    texts = [event["item"] for event in events_in(written) if event["type"] == "response.output_item.done"]
    assert [item["phase"] for item in texts] == phases


def events_in(body: bytes) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in body.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_the_events_of_responses_are_numbered_and_name_their_item():
    chunks = [ChatChunk(id="a1", model="m1"), ChatChunk(reasoning="Hm."), ChatChunk("Hi"), ChatChunk(tool_call=CALLED)]
    answer = response(Reasoning("Hm."), Text("Hi"), CALLED, finish="tool_calls")
    written = events("openai_responses", chunks, answer)

    assert [event["sequence_number"] for event in written] == list(range(len(written)))
    ids = [event["item"]["id"] for event in written if event["type"] == "response.output_item.added"]
    assert len(set(ids)) == 3
    assert all(event["item_id"] == ids[event["output_index"]] for event in written if "item_id" in event)
    assert [item["id"] for item in written[-1]["response"]["output"]] == ids


def test_an_answer_repeats_what_its_request_said():
    asked = find_format("openai_responses").parse_request(
        {
            "model": "m",
            "input": "Hi",
            "instructions": "Be terse.",
            "temperature": 0.5,
            "tools": [{"type": "web_search"}],
        }
    )
    body = asked.format.render_response(response("Hello"))

    assert (body["instructions"], body["temperature"]) == ("Be terse.", 0.5)
    assert body["tools"] == [{"type": "web_search"}]
    assert body["parallel_tool_calls"] is True


def test_an_answer_that_was_cut_short_is_incomplete():
    body = find_format("openai_responses").render_response(response("Hel", finish="length"))

    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
