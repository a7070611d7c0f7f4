"""SF: server-sent events as servers and gateways really send them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector.errors import (
    APIError,
    BadRequestError,
    ParseError,
    RateLimitError,
    ServerError,
    StreamError,
)
from llm_connector.types import user
from tests.support.answers import STOP, Reading, ask, completion, delta, sse, streamed, whole
from tests.support.cuts import single_bytes, split_at

HELLO = sse(delta(content="Hello"), STOP, done=True)


def read(body: bytes) -> Reading:
    """The reading of a body, which is the same one byte at a time."""
    reading = streamed(body)
    slow = streamed(single_bytes(body))
    assert slow.chunks == reading.chunks
    assert type(slow.error) is type(reading.error)
    return reading


def text_of(body: bytes) -> str:
    reading = read(body)
    assert reading.answer.text == reading.text
    return reading.text


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\v", "\f", "\x1c"])
def test_SF_01_only_cr_and_lf_end_lines(separator):
    text = f"Hello{separator}World"
    raw = json.dumps(delta(content="…"), ensure_ascii=False).replace("…", text)  # not escaped: legal from U+0020 on
    if ord(separator) < 0x20:
        raw = json.dumps(delta(content=text))

    assert text_of(sse(raw, STOP, done=True)) == text


@pytest.mark.parametrize("space", [b"  ", b"\t", b" \t"])
def test_SF_02_more_space_than_one_belongs_to_the_data(space):
    assert text_of(HELLO.replace(b"data: ", b"data:" + space)) == "Hello"


def test_SF_02_the_space_after_the_colon_is_optional():
    assert text_of(HELLO.replace(b"data: ", b"data:")) == "Hello"
    anthropic = b'event:error\ndata:{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}\n\n'
    assert isinstance(streamed(anthropic, ask(provider="anthropic", stream=True)).error, ServerError)


@pytest.mark.parametrize("comment", [b": OPENROUTER PROCESSING\n\n", b": keep-alive\n\n", b":\n", b":\r\n\r\n"])
def test_SF_03_comments_are_ignored(comment):
    events = HELLO.split(b"\n\n")

    assert text_of(comment + (b"\n\n" + comment).join(events)) == "Hello"


@pytest.mark.parametrize(
    "wrapped", [b"data: : OPENROUTER PROCESSING\n\n", b"data: :\n\n", b"data::x\n\n", b"data:   :\n\n"]
)
def test_SF_04_comments_wrapped_as_data_are_ignored(wrapped):
    assert text_of(wrapped + HELLO) == "Hello"


def test_SF_04_other_data_that_is_not_json_is_an_error_with_the_text_in_it():
    reading = read(sse(delta(content="Hel"), "upstream broke"))

    assert isinstance(reading.error, ParseError)
    assert "upstream broke" in str(reading.error)
    assert reading.partial.text == reading.text == "Hel"


@pytest.mark.parametrize("empty", [b"data:\n\n", b"data: \n\n", b"data\n\n"])
def test_SF_05_empty_data_is_a_heartbeat(empty):
    assert text_of(empty + HELLO) == "Hello"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_SF_06_every_line_end_wherever_the_network_cuts_it(end):
    body = sse(delta(content="Hel"), delta(content="lo"), STOP, end=end, done=True)

    assert text_of(body) == "Hello"
    for place in range(len(body)):
        assert streamed(split_at(body, place)).text == "Hello"


def test_SF_07_data_lines_of_one_event_are_joined():
    event = json.dumps(delta(content="Hello"), indent=1).replace("\n", "\ndata: ")

    assert text_of(f"data: {event}\n\n".encode() + sse(STOP)) == "Hello"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r"])
def test_SF_08_the_last_event_counts_without_its_blank_line(end):
    body = sse(delta(content="Hello"), delta("stop", content="!"))

    assert text_of(body.rstrip(b"\n") + end) == "Hello!"


def test_SF_08_a_last_event_that_does_not_parse_is_an_interrupted_stream():
    body = sse(delta(content="Hello"), STOP)
    broken = body[: body.index(b'"stop"') + 3]

    reading = read(broken)

    assert isinstance(reading.error, StreamError)
    assert reading.partial.text == "Hello"
    assert reading.partial.finish_reason is None


def test_SF_09_a_bom_is_dropped():
    bom = b"\xef\xbb\xbf"

    assert text_of(bom + HELLO) == "Hello"
    assert whole(bom + json.dumps(completion(content="Hello")).encode()).text == "Hello"


@pytest.mark.parametrize("text", ["中文", "é", "🙂🙂", "a\u0301"])
def test_SF_10_characters_may_be_cut_by_the_network(text):
    body = sse(delta(content=text), STOP, done=True)

    for place in range(len(body)):
        assert streamed(split_at(body, place)).text == text


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("finish", ["stop", None])
def test_SF_11_a_finish_reason_or_done_is_an_end(done, finish):
    reading = read(sse(delta(content="Hello"), delta(finish), done=done))

    assert (reading.error is None) == (done or finish is not None)


def test_SF_11_nothing_is_read_after_done():
    reading = read(sse(delta(content="Hello"), STOP, done=True) + b"data: garbage\n\n" + sse(delta(content="!")))

    assert reading.answer.text == "Hello"


@pytest.mark.parametrize("end", [b"data: [DONE] ", b"data: [DONE]\t", b"data:  [DONE]", b"[DONE]"])
def test_SF_11_done_may_come_in_disorder(end):
    assert text_of(sse(delta(content="Hello"), delta()) + end + b"\n\n") == "Hello"


def test_SF_12_an_end_without_either_is_an_interruption_with_what_had_arrived():
    reading = read(sse(delta(content="Hel"), delta(content="lo")))

    assert isinstance(reading.error, StreamError)
    assert not isinstance(reading.error, APIError)
    assert reading.partial.text == reading.text == "Hello"
    assert reading.partial.finish_reason is None
    assert "cut" in str(reading.error)


@pytest.mark.parametrize(
    ("error", "kind", "status", "code"),
    [
        ({"message": "Boom", "code": "server_error"}, ServerError, 200, "server_error"),
        ({"message": "Boom", "code": 429}, RateLimitError, 429, "429"),
        ({"message": "Boom", "code": 502}, ServerError, 502, "502"),
        (
            {"message": "Boom", "code": None, "type": "invalid_request_error"},
            BadRequestError,
            200,
            "invalid_request_error",
        ),
        ({"message": "Boom"}, APIError, 200, None),
        ("Boom", APIError, 200, None),
    ],
)
@pytest.mark.parametrize("beside", [{}, delta(content="lo")])
def test_SF_13_an_error_object_inside_the_stream_is_raised(error, kind, status, code, beside):
    reading = read(sse(delta(content="Hel"), {**beside, "error": error}, STOP, done=True))

    assert isinstance(reading.error, kind)
    assert isinstance(reading.error, StreamError)
    raised: Any = reading.error
    assert (raised.message, raised.status, raised.code) == ("Boom", status, code)
    assert reading.text == reading.partial.text == ("Hello" if beside else "Hel")


@pytest.mark.parametrize(
    "error",
    [
        {"object": "error", "message": "Boom", "type": "BadRequestError", "param": None, "code": 400},
        {"code": 400, "message": "Boom", "data": None},
        {"detail": "Boom", "status_code": 400},
    ],
)
def test_SF_13_an_error_without_that_key_is_raised_too(error):
    reading = read(sse(delta(content="Hel"), error))

    assert isinstance(reading.error, BadRequestError)
    assert reading.error.message == "Boom"
    assert reading.text == reading.partial.text == "Hel"


def test_SF_14_an_error_event_is_raised_by_its_name():
    overloaded = {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
        "request_id": "req_1",
    }
    body = b"event: ping\ndata: {}\n\n" + sse(overloaded, named=True)

    for provider in ("anthropic", "openai_compatible"):
        error = streamed(body, ask(provider=provider, stream=True)).error
        assert isinstance(error, ServerError)
        assert (error.message, error.code, error.request_id) == ("Overloaded", "overloaded_error", "req_1")
        assert error.retryable


@pytest.mark.parametrize("data", ['{"code":"InvalidParameter","message":"Boom"}', '{"message":"Boom"}'])
def test_SF_14_an_error_event_needs_no_error_key(data):
    reading = read(sse(delta(content="Hel")) + f"event: error\ndata: {data}\n\n".encode())

    assert isinstance(reading.error, APIError)
    assert reading.error.message == "Boom"


def test_SF_14_an_error_event_is_an_error_whatever_it_says():
    reading = read(sse(delta(content="Hel"), STOP) + b'event: error\ndata: {"type":"overloaded_error"}\n\n')

    assert isinstance(reading.error, ServerError)
    assert reading.partial.text == "Hel"


@pytest.mark.parametrize("before", [b"", sse(delta(content="Hel"))])
@pytest.mark.parametrize(
    "shape", [b'{"error": {"message": "Boom"}}', b'{\n  "error": {\n    "message": "Boom"\n  }\n}\n']
)
def test_SF_15_a_bare_json_error_in_a_stream_is_raised(before, shape):
    reading = read(before + shape)

    assert isinstance(reading.error, APIError)
    assert reading.error.message == "Boom"


def test_SF_15_a_whole_answer_to_a_streaming_request_is_read():
    body = json.dumps(completion(content="Hello"), indent=1).encode()

    reading = read(body)

    assert reading.answer.text == reading.text == "Hello"
    assert reading.answer.finish_reason == "stop"
    assert len([chunk for chunk in reading.chunks if chunk.finish_reason]) == 1


@pytest.mark.parametrize("body", [b"", b"\n\n", b": comment\n\n", b"data:\n\n"])
def test_SF_15_a_stream_without_a_single_event_is_an_error(body):
    assert isinstance(read(body).error, StreamError)


def test_SF_15_a_web_page_instead_of_a_stream_points_at_the_base_url():
    reading = read(b"<!DOCTYPE html>\n<html><body>Welcome</body></html>")

    assert isinstance(reading.error, APIError)
    assert "base_url" in str(reading.error)


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "text/event-stream"])
def test_SF_16_the_body_decides_and_not_its_content_type(kind):
    stream = whole(HELLO, headers={"content-type": kind})
    late = whole(b": PROCESSING\n\n" + HELLO, headers={"content-type": kind})
    plain = whole(json.dumps(completion(content="Hello")), headers={"content-type": kind})

    assert stream.text == late.text == plain.text == "Hello"
    assert stream.finish_reason == late.finish_reason == plain.finish_reason == "stop"


def test_SF_17_an_error_after_a_broken_write_is_the_error():
    error = b'{"type":"error","error":{"message":"Boom","code":"server_error"}}'
    broken = b'data: {"choices":[{"delta":{"content":"unfin\ndata: ' + error + b"\n\n"

    reading = read(sse(delta(content="Hel")) + broken)

    assert isinstance(reading.error, ServerError)
    assert reading.error.message == "Boom"


def test_SF_18_unknown_events_and_deltas_are_ignored():
    body = sse(
        {"type": "message_start", "message": {"id": "m", "model": "claude", "usage": {}}},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "sparkle_delta", "sparkle": 1}},
        {"type": "content_block_stop", "index": 0},
        {"type": "from_the_future", "index": 9},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
        named=True,
    )

    assert streamed(body, ask(provider="anthropic", stream=True)).answer.text == "Hello"
    assert text_of(b'event: unknown\ndata: {"object":"unknown"}\n\n' + HELLO) == "Hello"


def test_SF_18_unknown_blocks_are_kept_and_go_back():
    block = {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {"query": "x"}}
    content = [block, {"type": "text", "text": "Found."}]
    body = {"type": "message", "content": content, "stop_reason": "end_turn", "usage": {}}

    message = whole(body, ask(provider="anthropic")).message

    assert message.text == "Found."
    assert ask([user("?"), message, user("And?")], provider="anthropic").body["messages"][1]["content"] == content


def test_SF_19_ids_and_indices_that_count_up_belong_to_one_answer():
    events = [{**delta(content=text, index=number), "id": f"chat.id.{number}"} for number, text in enumerate("abc")]

    reading = read(sse(*events, {**delta("stop", index=3), "id": "chat.id.3"}, done=True))

    assert reading.answer.text == reading.text == "abc"
    assert (reading.answer.id, len(reading.answer.choices)) == ("chat.id.0", 1)
    assert [chunk.id for chunk in reading.chunks if chunk.id] == ["chat.id.0"]


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"delta": {"content": "Hello"}, "message": {"content": "Hello"}}, "Hello"),
        ({"message": {"content": "Hello"}}, "Hello"),
        ({"delta": None, "message": {"content": "Hello"}}, "Hello"),
    ],
)
def test_SF_20_a_message_counts_only_where_there_is_no_delta(choice, text):
    assert text_of(sse({"choices": [{"index": 0, **choice}]}, STOP, done=True)) == text


def test_SF_20_a_whole_message_beside_an_empty_delta_is_not_read_again():
    last = {"choices": [{"index": 0, "delta": {}, "message": {"content": "Hello"}, "finish_reason": "stop"}]}

    assert text_of(sse(delta(content="Hel"), delta(content="lo"), last, done=True)) == "Hello"


def test_SF_21_events_without_a_delta():
    filtered: dict[str, Any] = {
        "finish_reason": None,
        "index": 0,
        "content_filter_results": {},
        "content_filter_offsets": {},
    }

    assert text_of(sse(delta(content="Hello"), {"choices": [filtered]}, STOP, done=True)) == "Hello"


def test_SF_22_the_first_id_and_model_that_are_not_empty_count():
    first: Any = {
        "id": "",
        "choices": [],
        "created": 0,
        "model": "",
        "object": "",
        "prompt_filter_results": [{"index": 0}],
    }

    reading = read(sse(first, {**delta(content="Hi"), "id": "c", "model": "gpt"}, {**STOP, "id": "d"}, done=True))

    assert (reading.answer.id, reading.answer.model) == ("c", "gpt")
    assert [(chunk.id, chunk.model) for chunk in reading.chunks if chunk.id or chunk.model] == [("c", "gpt")]
