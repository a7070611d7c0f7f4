"""Every target for a moment, every input that once was too much, and bounds of memory and work.

`FUZZ=long` takes longer; `python -m tests.fuzz` is guided by what the inputs reach.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from itertools import islice, repeat
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from llm_connector.errors import ParseError
from llm_connector.event_stream import EventStreamDecoder
from llm_connector.framing import Framing, LineBuffer, NDJSONDecoder, SSEDecoder
from llm_connector.protocols import tool_calls
from llm_connector.protocols.thinking import ThinkSplitter
from llm_connector.transport.inflate import PIECE, inflated
from llm_connector.wire import decode_json
from tests.fuzz import __main__ as command
from tests.fuzz.mutations import mutate_frames, mutate_lines
from tests.fuzz.targets import TARGETS
from tests.support.answers import ask, open_decoder, sse
from tests.support.event_streams import frame

FOUND = Path(__file__).parent / "found"
EXAMPLES = 2000 if os.environ.get("FUZZ") == "long" else 50
LIMIT = 1 << 12
over_all_targets = pytest.mark.parametrize("name", TARGETS)


@functools.cache
def seeds_of(name: str) -> list[bytes]:
    return list(TARGETS[name].seeds())


@over_all_targets
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_bytes_are_read_or_refused(name, data):
    target = TARGETS[name]
    body = data.draw(st.binary(max_size=300) | st.sampled_from(seeds_of(name)))
    random = Random(data.draw(st.integers(0, 2**32)))
    for _ in range(data.draw(st.integers(0, 3))):
        body = target.mutate(random, body)
    note(f"{body!r}")

    target.law(body)


@pytest.mark.parametrize("path", sorted(FOUND.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_too_much_once_is_read_or_refused(path):
    TARGETS[path.parent.name].law(path.read_bytes())


def test_a_law_that_is_broken_is_noticed():
    forgetful = mock.patch.object(LineBuffer, "feed", lambda self, block: block.split(b"\n")[:-1])
    with forgetful, pytest.raises(AssertionError):
        TARGETS["sse"].law(b'data: {"a": 1}\ndata: 2\n\n')


def is_read(framing: type[Framing], body: bytes) -> bool:
    """Whether a body is events of JSON, all of them."""
    decoder = framing(LIMIT)
    try:
        return all(decode_json(event.data) is not None for event in (*decoder.feed(body), *decoder.close()))
    except (ParseError, ValueError):
        return False


@pytest.mark.parametrize(
    ("mutate", "framing", "body"),
    [
        (mutate_lines, SSEDecoder, b'data: {"a": [1, {"b": "c"}]}\n\n' * 3),
        (mutate_lines, NDJSONDecoder, b'{"a": [1, {"b": "c"}]}\n' * 3),
        (mutate_frames, EventStreamDecoder, frame("a", {"a": [1, {"b": "c"}]}) * 3),
    ],
)
def test_half_of_the_changed_inputs_reach_the_parsers(mutate, framing, body):
    changed = [mutate(Random(seed), body) for seed in range(300)]

    assert len(set(changed)) > 200
    assert sum(is_read(framing, one) for one in changed) > 150


@pytest.mark.parametrize(
    ("name", "said"), [("sse", "pip install atheris"), ("sss", "no such target: sss; there are sse,")]
)
def test_the_command_says_what_is_missing(name, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fuzz", name])
    monkeypatch.setattr(command, "find_spec", lambda _name: None)

    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert said in capsys.readouterr().err


# memory


def peak(work: Callable[[], object]) -> int:
    """The most bytes that were held at once, beside what there was before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def blocks(*texts: bytes) -> Iterator[bytes]:
    """The blocks in turn, without end; each is an object of its own, as a network brings them."""
    for text in repeat(texts):
        yield from (bytes(bytearray(part)) for part in text)


ENDLESS: dict[str, tuple[bytes, ...]] = {
    "a line": (b"x" * 1000,),
    "a line in single bytes": (b"x",),
    "a line in pairs of bytes": (b"xy",),
    "data": (b"data: x\n" * 50,),
    "data in single bytes": (b"d", b"a", b"t", b"a", b":", b"\n"),
    "names": (b"event: x\n",),
    "comments": (b": x\n",),
    "ids": (b"id: 1\nretry: 1\n",),
    "blank lines": (b"\n",),
    "carriage returns": (b"\r",),
    "a body": (b"{\n",),
    "a body in single bytes": (b"{", b"\n"),
    "a page": (b"<p>\n",),
    "a message without end": (frame("x", b"x")[:12], b"\x00"),
    "zeros": (b"\x00",),
}


@pytest.mark.parametrize("framing", [SSEDecoder, NDJSONDecoder, EventStreamDecoder])
@pytest.mark.parametrize("endless", ENDLESS)
def test_a_stream_without_end_is_refused_or_forgotten(endless, framing):
    def read() -> None:
        decoder: Framing = framing(LIMIT)
        longest = max(map(len, ENDLESS[endless]))
        try:
            for block in islice(blocks(*ENDLESS[endless]), 4 * LIMIT // longest):
                for _ in decoder.feed(block):
                    pass
        except ParseError as error:
            assert "max_event_bytes" in str(error) or "broken" in str(error)  # noqa: PT017  # or no error at all

    assert peak(read) < 8 * LIMIT


@pytest.mark.parametrize("kind", ["content", "reasoning_content", "tool_calls"])
def test_a_long_answer_takes_little_beside_its_text(kind):
    said: Any = "token "
    if kind == "tool_calls":
        said = [{"index": 0, "function": {"arguments": said}}]
    first = {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f"}}]}}]}
    event = sse({"id": "1", "model": "m", "choices": [{"index": 0, "delta": {kind: said}}]}, done=False)
    decoder = open_decoder(ask(stream=True))
    for _ in decoder.feed(sse(first, done=False) if kind == "tool_calls" else event):
        pass

    def read() -> None:
        for _ in range(20_000):
            for _chunk in decoder.feed(event):
                pass

    assert peak(read) < 20_000 * 2 * len("token ")


def test_a_bomb_is_decompressed_in_pieces():
    bomb = zlib.compress(bytes(64 << 20), 9)

    def read() -> None:
        assert sum(map(len, inflated(iter([bomb])))) == 64 << 20

    assert peak(read) < 4 * PIECE


HUGE = 2**40


def with_huge_numbers(value: Any) -> Any:
    """The JSON value with every whole number in it made huge."""
    if isinstance(value, dict):
        return {key: with_huge_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_huge_numbers(item) for item in value]
    return HUGE if type(value) is int else value


def lines_with_huge_numbers(body: bytes) -> Iterator[bytes]:
    for line in body.split(b"\n"):
        start = line.find(b"{")
        try:
            yield line[:start] + json.dumps(with_huge_numbers(json.loads(line[start:]))).encode()
        except ValueError:
            yield line


@over_all_targets
def test_numbers_cost_no_memory(name):
    target = TARGETS[name]
    seeds = seeds_of(name)
    bodies = Random(name).sample(seeds, min(len(seeds), 4))
    hostile = [b"\n".join(lines_with_huge_numbers(body)) for body in bodies]
    for body in hostile:
        target.law(body)  # loads what is loaded at first use

    assert peak(lambda: [target.law(body) for body in hostile]) < 4 << 20


# work


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("text", [" ", "\n", "x \n", "<", "<think> ", "</think", "[THINK"])
def test_little_text_is_held_back(text, opened):
    splitter = ThinkSplitter(opened=opened)
    for pieces in range(1, 5000):
        list(splitter.feed(text))
        assert len(splitter._held) < 1100, pieces


@pytest.mark.parametrize("count", [900, 1000, 1001, 1500])
@pytest.mark.parametrize("text", ["{}<think>Hm.</think>Hi", "<think>Hm.{}</think>Hi", "<think>Hm.{}<{}</think>Hi"])
def test_white_space_is_shown_or_not_wherever_it_is_cut(text, count):
    body = text.format(" " * count, " " * count).encode()

    TARGETS["think_tags"].law(body)


def test_an_unfinished_call_is_not_read_again_with_every_piece():
    read = 0

    def count(content: bytes) -> Any:
        nonlocal read
        read += len(content)
        raise ValueError("not yet")

    slots = tool_calls.ToolCallSlots()
    with mock.patch.object(tool_calls, "decode_json", count), mock.patch.object(tool_calls, "_MOST_CHECKED", 10_000):
        for number in range(2000):
            slots.feed({"index": 0, "function": {"name": "f", "arguments": '{"a": "' if not number else "x}"}})

    assert len(slots.slots) == 1
    assert read <= 10_000
