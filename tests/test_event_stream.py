"""Messages of AWS's event stream, wherever the network cut them."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_connector import event_stream
from llm_connector.errors import ConfigurationError, ParseError
from llm_connector.event_stream import EventStreamDecoder
from llm_connector.wire import Event
from tests.support.cuts import single_bytes, split_at
from tests.support.event_streams import exception, failure, frame, header, invoke_stream, message

# Made with botocore and printed on the pages about the wire.
MESSAGE_STOP = bytes.fromhex(
    "000000870000004b87ea2bf30b3a6576656e742d747970650700056368756e6b0d3a636f6e74656e742d747970650700106170706c6963617469"
    "6f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b226279746573223a2265794a306558426c496a6f696257567a6332"
    "466e5a56397a64473977496e303d227dba48ab22"
)
THROTTLED = bytes.fromhex(
    "00000090000000618e91a9b70f3a657863657074696f6e2d747970650700137468726f74746c696e67457863657074696f6e0d3a636f6e7465"
    "6e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070009657863657074696f6e7b226d6573"
    "73616765223a22546f6f206d616e79207265717565737473227de67f8005"
)
DELTA = bytes.fromhex(
    "0000009400000057b4ab9aee0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d747970"
    "650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22636f6e74656e74426c6f636b49"
    "6e646578223a302c2264656c7461223a7b2274657874223a224869227d7d1f944657"
)


def read(*blocks: bytes, limit: int = 1 << 20) -> list[Event]:
    """The events of a body in these blocks."""
    decoder = EventStreamDecoder(limit)
    return [*(event for block in blocks for event in decoder.feed(block)), *decoder.close()]


def test_an_event_has_a_name_and_a_payload():
    assert read(DELTA) == [Event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hi"}}')]


def test_a_chunk_is_unwrapped():
    assert read(MESSAGE_STOP) == [Event("", b'{"type":"message_stop"}')]


def test_an_exception_is_an_error_event_with_its_name():
    (event,) = read(THROTTLED)

    assert event.name == "error"
    assert json.loads(event.data) == {"error": {"code": "throttlingException", "message": "Too many requests"}}


def test_an_exception_keeps_what_else_it_says():
    told = {"message": "failed", "originalStatusCode": 424, "originalMessage": "upstream"}

    (event,) = read(exception("modelStreamErrorException", told))

    assert json.loads(event.data) == {"error": {**told, "code": "modelStreamErrorException"}}


def test_an_error_without_a_payload_is_told_by_its_headers():
    (event,) = read(failure("InternalError", "An internal server error occurred"))

    assert json.loads(event.data) == {
        "error": {"code": "InternalError", "message": "An internal server error occurred"}
    }


def test_an_exception_that_is_not_json_keeps_its_text():
    headers = header(":exception-type", "x") + header(":message-type", "exception")

    (event,) = read(message(headers, b"plain"))

    assert json.loads(event.data)["error"] == {"code": "x", "message": "plain"}


@pytest.mark.parametrize("payload", [{}, {"bytes": None}, {"bytes": ""}, {"bytes": 7}, {"p": "abc"}, [], "x"])
def test_a_chunk_without_bytes_is_skipped(payload):
    assert read(frame("chunk", payload)) == []


def test_events_of_other_names_and_without_one_pass():
    assert read(frame("initial-response", {}), message(b"", b"{}")) == [
        Event("initial-response", b"{}"),
        Event("", b"{}"),
    ]


def test_headers_of_every_type_are_read():
    values = (
        b"\x04true\x00\x05false\x01\x04byte\x02\x01\x05short\x03\x00\x01\x03int\x04\x00\x00\x00\x01"
        b"\x04long\x05" + bytes(8) + b"\x05bytes\x06\x00\x02ab\x04time\x08" + bytes(8) + b"\x04uuid\x09" + bytes(16)
    )

    assert read(message(values + header(":event-type", "x"), b"{}")) == [Event("x", b"{}")]


class TestCuts:
    BODY = MESSAGE_STOP + DELTA + frame("é中", {"text": "中\n\r\n"}) + THROTTLED

    def test_every_byte(self):
        events = read(self.BODY)

        assert len(events) == 4
        assert read(*single_bytes(self.BODY)) == events
        for place in range(len(self.BODY) + 1):
            assert read(*split_at(self.BODY, place)) == events

    @given(st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=40)), max_size=5), st.data())
    def test_any_places(self, events, data):
        named = [(name or "x", payload) for name, payload in events if name != "chunk"]
        body = b"".join(frame(name, payload) for name, payload in named)
        places = data.draw(st.lists(st.integers(0, len(body)), max_size=6))

        assert read(*split_at(body, *places)) == [Event(name, payload) for name, payload in named]

    def test_what_shares_a_block_with_a_failure_still_comes(self):
        events = iter(EventStreamDecoder().feed(DELTA + b"nonsense" * 9))

        assert next(events).name == "contentBlockDelta"
        with pytest.raises(ParseError):
            next(events)

    def test_a_body_that_breaks_off_says_what_was_whole(self):
        for end in range(len(DELTA), 2 * len(DELTA)):
            assert len(read((DELTA + DELTA)[:end])) == 1

    def test_an_event_alone_in_its_block_takes_no_generator(self):
        assert isinstance(EventStreamDecoder().feed(DELTA), tuple)
        assert list(EventStreamDecoder().feed(frame("chunk", {}))) == []


class TestLimits:
    def test_a_message_above_the_limit_is_refused_before_it_arrives(self):
        decoder = EventStreamDecoder(1000)
        body = frame("x", b"y" * 2000)

        with pytest.raises(ParseError, match=r"exceeds 1000; raise max_event_bytes"):
            list(decoder.feed(body[:12]))
        with pytest.raises(ParseError, match="exceeds 1000"):
            read(body, limit=1000)

    def test_one_at_the_limit_is_read(self):
        body = frame("x", b"y" * 200)

        assert read(body, limit=len(body)) == read(*single_bytes(body), limit=len(body)) == [Event("x", b"y" * 200)]

    def test_many_small_messages_are_not_one_large_one(self):
        assert len(read(DELTA * 100, limit=200)) == 100

    def test_a_body_without_end_that_is_no_stream_is_refused(self):
        with pytest.raises(ParseError, match="exceeds 100 bytes"):
            read(*[b"{" + b"x" * 60] * 2, limit=100)

    @pytest.mark.parametrize("length", [0, 1, 12, 15])
    def test_a_message_shorter_than_a_message_is_broken(self, length):
        with pytest.raises(ParseError, match=f"a message of {length} bytes"):
            read(struct.pack("!III", length, 0, 0) + bytes(20))


class TestBrokenStreams:
    @pytest.mark.parametrize("place", range(len(DELTA)))
    def test_every_broken_byte_is_noticed(self, place):
        body = bytearray(DELTA)
        body[place] ^= 0x40

        if place == 0:  # the first byte tells a stream from text
            assert [event.name for event in read(bytes(body))] == ["body"]
            return
        for blocks in ([bytes(body)], [bytes(body[:50]), bytes(body[50:])], [DELTA, bytes(body)]):
            with pytest.raises(ParseError, match=r"event stream is broken"):
                read(*blocks)

    def test_the_message_tells_what_is_wrong(self):
        with pytest.raises(ParseError, match="event stream is broken: Checksum mismatch"):
            read(DELTA[:-1] + b"\x00")

    def test_a_chunk_that_is_not_base64(self):
        with pytest.raises(ParseError, match="a chunk is not base64"):
            read(frame("chunk", {"bytes": "***"}))

    @pytest.mark.parametrize("headers", [b"\x01", b"\x01a\x0a", b"\x01a\x07\x00\x01\xff", b"\x01a\x00\x01a\x00"])
    def test_headers_that_cannot_be_read(self, headers):
        with pytest.raises(ParseError, match="event stream is broken"):
            read(message(headers, b"{}"))

    def test_headers_longer_than_their_message(self):
        prelude = struct.pack("!II", 20, 4000)
        body = prelude + struct.pack("!I", zlib.crc32(prelude)) + b"abcd"
        with pytest.raises(ParseError):
            read(body + struct.pack("!I", zlib.crc32(body)))

    @given(st.lists(st.binary(max_size=60), max_size=4))
    def test_rubbish_is_one_of_our_errors(self, blocks):
        with contextlib.suppress(ParseError):
            read(*blocks)

    @given(st.binary(max_size=40), st.binary(max_size=40), st.data())
    def test_rubbish_with_right_checksums_is_one_of_our_errors(self, headers, payload, data):
        body = message(headers, payload)
        places = data.draw(st.lists(st.integers(0, len(body)), max_size=3))

        def outcome(*blocks: bytes) -> object:
            try:
                return read(*blocks)
            except ParseError as error:
                return str(error)

        assert outcome(body) == outcome(*split_at(body, *places))


class TestOtherBodies:
    @pytest.mark.parametrize("body", [b'{"message": "no"}', b"<html>", b"[1]", b"\n {}", b"data: x"])
    def test_what_is_no_event_stream_is_one_event(self, body):
        assert read(body) == read(*single_bytes(body)) == [Event("body", body)]

    def test_nothing_is_nothing(self):
        assert read() == read(b"") == []


class TestWithoutBotocore:
    @pytest.fixture
    def _missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(event_stream, "find_spec", lambda name: None)

    @pytest.mark.usefixtures("_missing")
    def test_the_error_says_what_to_install(self):
        with pytest.raises(ConfigurationError, match=r"pip install 'llm-connector-core\[bedrock\]'"):
            EventStreamDecoder()

    def test_nothing_is_imported_before_a_stream_is_read(self):
        assert importlib.util.find_spec("botocore") is not None
        event_stream.require_botocore()


def test_base64_of_any_length():
    events = [json.dumps({"type": "x" * size}) for size in range(12)]

    assert [event.data.decode() for event in read(invoke_stream(*events))] == events
