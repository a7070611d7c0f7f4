"""Bytes to lines and events: line ends, keep-alives, limits, and blocks that are cut anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_connector.errors import ParseError
from llm_connector.framing import Framing, LineBuffer, NDJSONDecoder, SSEDecoder
from llm_connector.wire import Event
from tests.support.cuts import single_bytes, split_at

BOM = b"\xef\xbb\xbf"
SEPARATORS = ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"]  # str.splitlines() cuts at these


TOKENS = [
    *(b"data: ", b"data:", b"data", b"event: x", b"event:", b"id: 1", b": comment", b"data: : wrapped"),
    *(b'{"a":1}', b"{", b"}", b"[DONE]", b"<p>", b"x", b" ", b"\xe4\xb8\xad", b"\xff", BOM),
    *(b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", b"\n\n\n"),
    *(b'data: {"a":1}\n\n', b'event: x\ndata: {"a":1}\n\n', b'{"a":1}\n'),
]
BODIES = st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join)
PLACES = st.lists(st.integers(0, 100), max_size=6)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    return split_at(body, *(min(place, len(body)) for place in places))


def lines_of(blocks: Iterable[bytes]) -> list[bytes]:
    buffer = LineBuffer()
    return [line for block in blocks for line in buffer.feed(block)] + buffer.close()


def events_of(decoder: Framing, blocks: Iterable[bytes]) -> list[Event]:
    return [event for block in blocks for event in decoder.feed(block)] + list(decoder.close())


def read_until_error(decoder: Framing, blocks: Iterable[bytes]) -> tuple[list[bytes], str]:
    """The data of the events ahead of an error, and the error."""
    seen: list[bytes] = []
    try:
        for event in (event for block in blocks for event in decoder.feed(block)):
            seen.append(event.data)  # noqa: PERF401  # what came ahead of the error must not be lost
    except ParseError as error:
        return seen, str(error)
    raise AssertionError("no error")


def sse(*blocks: bytes) -> list[tuple[str, bytes]]:
    return [(event.name, event.data) for event in events_of(SSEDecoder(), blocks)]


def data(*blocks: bytes) -> list[bytes]:
    return [event.data for event in events_of(SSEDecoder(), blocks)]


def ndjson(*blocks: bytes) -> list[bytes]:
    return [event.data for event in events_of(NDJSONDecoder(), blocks)]


class TestLines:
    @pytest.mark.parametrize(
        ("body", "lines"),
        [
            (b"", []),
            (b"\n", [b""]),
            (b"a", [b"a"]),
            (b"a\n", [b"a"]),
            (b"a\nb", [b"a", b"b"]),
            (b"a\n\nb\n", [b"a", b"", b"b"]),
            (b"a\r\nb\rc\nd", [b"a", b"b", b"c", b"d"]),
            (b"a\r\r\nb", [b"a", b"", b"b"]),
            (b"a\r\n\r\nb", [b"a", b"", b"b"]),
            (b"a\r", [b"a"]),
            (BOM + b"a\nb", [b"a", b"b"]),
            (BOM, []),
            (b"a\n" + BOM + b"b", [b"a", BOM + b"b"]),
        ],
    )
    def test_lines_end_at_cr_lf_and_crlf_wherever_the_blocks_end(self, body, lines):
        assert lines_of([body]) == lines
        assert lines_of(single_bytes(body)) == lines
        for places in combinations(range(len(body) + 1), 2):
            assert lines_of(split_at(body, *places)) == lines

    @pytest.mark.parametrize("separator", SEPARATORS)
    def test_other_separators_are_part_of_the_line(self, separator):
        line = f"a{separator}b".encode()

        assert lines_of([line + b"\nc"]) == [line, b"c"]
        assert lines_of(single_bytes(line + b"\nc")) == [line, b"c"]

    def test_a_line_without_end_is_refused_above_the_limit(self):
        buffer = LineBuffer(max_line_bytes=10)

        assert buffer.feed(b"12345") == []
        assert buffer.feed(b"67890") == []
        buffer.check()
        assert buffer.feed(b"1") == []
        with pytest.raises(ParseError, match="exceeds 10 bytes; raise max_event_bytes"):
            buffer.check()

    def test_lines_ahead_of_one_that_is_too_long_still_come(self):
        buffer = LineBuffer(max_line_bytes=10)

        assert buffer.feed(b"a\nb\n" + b"x" * 11 + b"\nc\n") == [b"a", b"b"]
        with pytest.raises(ParseError, match="exceeds 10 bytes"):
            buffer.check()

    def test_the_limit_counts_one_line_not_the_stream(self):
        buffer = LineBuffer(max_line_bytes=10)

        assert [line for _ in range(1000) for line in buffer.feed(b"123456\n" * 3)] == [b"123456"] * 3000
        buffer.check()

    def test_a_long_line_in_small_blocks_is_not_joined_again_and_again(self):
        buffer = LineBuffer(max_line_bytes=1 << 30)

        for _ in range(200_000):  # quadratic joining takes minutes, linear a tenth of a second
            assert buffer.feed(b"x" * 100) == []

        assert [len(line) for line in buffer.feed(b"\n")] == [20_000_000]

    @given(body=st.one_of(BODIES, st.binary(max_size=60)), places=PLACES)
    def test_any_bytes_give_the_same_lines_however_they_are_cut(self, body, places):
        assert lines_of(cut(body, places)) == lines_of([body]) == lines_of(single_bytes(body))


class TestServerSentEvents:
    @pytest.mark.parametrize(
        ("body", "events"),
        [
            (b"data: a\n\n", [("", b"a")]),
            (b"data:a\n\n", [("", b"a")]),
            (b"data:  a\n\n", [("", b" a")]),  # exactly one space goes
            (b"data:   \n\ndata: a\n\n", [("", b"a")]),
            (b"data:\t: WAITING\n\ndata: a\n\n", [("", b"a")]),
            (b"data:  : WAITING", []),
            (b"data: a\n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
            (b"data: a\ndata: b\n\n", [("", b"a\nb")]),
            (b"data: a\ndata:\ndata: b\n\n", [("", b"a\n\nb")]),
            (b"event: ping\ndata: a\n\n", [("ping", b"a")]),
            (b"event:error\ndata:a\n\n", [("error", b"a")]),
            (b"data: a\nevent: late\n\n", [("late", b"a")]),
            (b"event: a\nevent: b\ndata: x\n\n", [("b", b"x")]),
            (b"event: alone\n\ndata: a\n\n", [("", b"a")]),
            (b": keep-alive\n\ndata: a\n\n", [("", b"a")]),
            (b"data: a\n: comment\ndata: b\n\n", [("", b"a\nb")]),
            (b"data:\n\ndata: a\n\n", [("", b"a")]),
            (b"data\n\ndata: a\n\n", [("", b"a")]),
            (b"data: : WAITING\n\ndata: a\n\n", [("", b"a")]),
            (b"id: 1\nretry: 10\ndata: a\n\n", [("", b"a")]),
            (b"unknown: x\ndata: a\n\n", [("", b"a")]),
            (b"data: a", [("", b"a")]),
            (b"data: a\n", [("", b"a")]),
            (b"data: a\n\nda", [("", b"a")]),
            (b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")]),
            (b"data: a\r\n\r\ndata: b\n\ndata: c\r\r", [("", b"a"), ("", b"b"), ("", b"c")]),
            (BOM + b"data: a\n\n", [("", b"a")]),
            (b'data: {"a":1}\n\n' + BOM + b'data: {"b":2}\n\n', [("", b'{"a":1}')]),  # it is one at the start only
            (b"\n\n\n", []),
            (b"", []),
            (b'{"a": 1}', [("body", b'{"a": 1}')]),
            (b'{\n "a":\n 1\n}\n', [("body", b'{\n "a":\n 1\n}')]),
            (b'\n\n  [{"a": 1}]', [("body", b'  [{"a": 1}]')]),
            (b"<html>\ndata: not an event\n</html>", [("body", b"<html>\ndata: not an event\n</html>")]),
            (b'{"a":\n\n1}', [("body", b'{"a":\n1}')]),
            (b'data: a\n\n{"error": 1}', [("", b"a"), ("body", b'{"error": 1}')]),
        ],
    )
    def test_events_are_read_wherever_the_blocks_end(self, body, events):
        assert sse(body) == events
        assert sse(*single_bytes(body)) == events
        for place in range(len(body) + 1):
            assert sse(*split_at(body, place)) == events

    @pytest.mark.parametrize("separator", SEPARATORS)
    def test_separators_inside_the_data_stay(self, separator):
        text = f'{{"text":"a{separator}b"}}'.encode()

        assert data(b"data: " + text + b"\n\n") == [text]

    def test_the_same_event_in_every_mix_of_line_ends(self):
        ends = [b"\n", b"\r\n", b"\r"]
        mixes = [(first, second, third) for first in ends for second in ends for third in ends]
        bodies = [b"event: x" + mix[0] + b"data: a" + mix[1] + mix[2] + b"data: b" + mix[0] + mix[0] for mix in mixes]
        # CR then LF is one line end, so two of the mixes close no event between the two `data` lines.
        expected = [
            [("x", b"a\nb")] if (second, third) == (b"\r", b"\n") else [("x", b"a"), ("", b"b")]
            for _, second, third in mixes
        ]

        assert [sse(body) for body in bodies] == expected
        assert [sse(*single_bytes(body)) for body in bodies] == expected

    @pytest.mark.parametrize(
        "long", [b"data: " + b"x" * 30, b"data: " + b"x" * 30 + b"\n\n", b"data: 0123456789\n" * 3, b"{" + b" \n" * 30]
    )
    def test_events_ahead_of_one_that_is_too_long_still_come(self, long):
        for blocks in ([b"data: a\n\n" + long], [b"data: a\n\n", long], single_bytes(b"data: a\n\n" + long)):
            seen, error = read_until_error(SSEDecoder(max_event_bytes=20), blocks)
            assert seen == [b"a"]
            assert "exceeds 20 bytes; raise max_event_bytes" in error

    def test_the_limit_counts_one_event_not_the_stream(self):
        decoder = SSEDecoder(max_event_bytes=40)

        seen = [event.data for _ in range(1000) for event in decoder.feed(b"event: a\ndata: 0123456789\n\n")]

        assert seen == [b"0123456789"] * 1000

    @given(body=st.one_of(BODIES, st.binary(max_size=60)), places=PLACES)
    def test_any_bytes_give_the_same_events_however_they_are_cut(self, body, places):
        assert sse(*cut(body, places)) == sse(body) == sse(*single_bytes(body))


class TestLinesOfJson:
    @pytest.mark.parametrize(
        ("body", "values"),
        [
            (b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
            (b'{"a":1}\n{"b":2}', [b'{"a":1}', b'{"b":2}']),
            (b'{"a":1}\r\n{"b":2}\r\n', [b'{"a":1}', b'{"b":2}']),
            (b'\n\n{"a":1}\n \n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
            (BOM + b'{"a":1}\n', [b'{"a":1}']),
            (b'{"a":1}\n' + BOM + b'{"b":2}\n', [b'{"a":1}', BOM + b'{"b":2}']),
            (b"", []),
            (b" \n", []),
        ],
    )
    def test_each_line_is_one_value_wherever_the_blocks_end(self, body, values):
        assert ndjson(body) == values
        assert ndjson(*single_bytes(body)) == values
        for place in range(len(body) + 1):
            assert ndjson(*split_at(body, place)) == values

    @pytest.mark.parametrize("separator", SEPARATORS)
    def test_separators_inside_a_line_stay(self, separator):
        line = f'{{"a":"x{separator}y"}}'.encode()

        assert ndjson(line + b"\n" + line) == [line, line]

    @pytest.mark.parametrize("end", [b"", b"\n"])
    def test_a_line_is_bounded_and_those_ahead_of_it_come(self, end):
        body = b'{"a":1}\n{"a": "0123456789"}' + end
        for blocks in ([body], single_bytes(body)):
            seen, error = read_until_error(NDJSONDecoder(max_event_bytes=10), blocks)
            assert seen == [b'{"a":1}']
            assert "exceeds 10 bytes" in error

    @given(body=st.one_of(BODIES, st.binary(max_size=60)), places=PLACES)
    def test_any_bytes_give_the_same_values_however_they_are_cut(self, body, places):
        assert ndjson(*cut(body, places)) == ndjson(body) == ndjson(*single_bytes(body))
