"""The slot rule, step by step: which call a piece belongs to, and what each piece adds."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_connector.protocols.tool_calls import Slot, ToolCallSlots, made_up_id
from llm_connector.types import ToolCallDelta
from tests.support.answers import piece
from tests.support.generated import OBJECTS, pieces


def fed(*deltas: dict[str, Any], tools: tuple[str, ...] = ()) -> tuple[list[tuple[str, str, str]], list[ToolCallDelta]]:
    """Id, name and text of the calls, and the deltas on the way."""
    slots = ToolCallSlots(tools)
    told = [delta for delta in map(slots.feed, deltas) if delta is not None]
    return [(slot.id, slot.name, slot.arguments) for slot in slots.slots], told


CASES: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str, str]]]] = {
    "a known id continues its call, whatever the index": (
        [piece("{", "f", id="x", index=0), piece("[", "g", id="y", index=1), piece("}", id="x", index=1)],
        [("x", "f", "{}"), ("y", "g", "[")],
    ),
    "an unknown id opens a call, although the index repeats": (
        [piece("{", "f", id="x", index=0), piece("}", "g", id="y", index=0)],
        [("x", "f", "{"), ("y", "g", "}")],
    ),
    "without id, a known index continues the call opened last there": (
        [piece("a", "f", id="x", index=0), piece("b", "g", id="y", index=0), piece("c", index=0)],
        [("x", "f", "a"), ("y", "g", "bc")],
    ),
    "without id, an unknown index opens a call": (
        [piece("a", "f", id="x", index=0), piece("b", "g", index=1)],
        [("x", "f", "a"), ("…", "g", "b")],
    ),
    "without both, the call opened last continues": (
        [piece("a", "f", id="x"), piece("b", "g", id="y"), piece("c")],
        [("x", "f", "a"), ("y", "g", "bc")],
    ),
    "an index that is no number is unknown": (
        [piece("a", "f", id="x", index="0"), piece("b", index="0")],
        [("x", "f", "ab")],
    ),
    "without id, a name after a whole object opens a call": (
        [piece("{}", "f", index=0), piece("{}", "f", index=0, id=None), piece('{"a":1}', "f", index=0)],
        [("…", "f", "{}"), ("…", "f", '{"a":1}')],
    ),
    "with an id, a name after a whole object does not": (
        [piece("{}", "f", index=0, id="x"), piece("", "f", index=0, id="x")],
        [("x", "f", "{}")],
    ),
    "an id after a whole call without one opens another, although the index repeats": (
        [piece("{}", "f", index=0), piece("{", "g", index=0, id="y"), piece("}", index=0)],
        [("…", "f", "{}"), ("y", "g", "{}")],
    ),
    "an id that comes after the name does not change what was told": (
        [piece("", "f", index=0), piece("{}", index=0, id="x")],
        [("…", "f", "{}")],
    ),
    "an id may come ahead of the name": (
        [{"id": "x", "index": 0}, piece("{", "f", index=0), piece("}", index=0)],
        [("x", "f", "{}")],
    ),
    "arguments may come ahead of the name": (
        [piece("{", index=0, id="x"), piece("}", "f", index=0)],
        [("x", "f", "{}")],
    ),
    "custom tools have free text": (
        [
            {"id": "x", "index": 0, "type": "custom", "custom": {"name": "f", "input": "free "}},
            {"index": 0, "custom": {"input": "text"}},
        ],
        [("x", "f", "free text")],
    ),
    "nothing at all opens nothing that has a name": (
        [{}, {"function": None}, {"index": 0, "id": ""}],
        [("…", "", ""), ("…", "", "")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_slot_rule(case):
    deltas, calls = CASES[case]

    found, _ = fed(*deltas)

    assert [name_and_text for _, *name_and_text in found] == [name_and_text for _, *name_and_text in calls]
    for (call_id, *_), (wanted, *_) in zip(found, calls, strict=True):
        assert call_id == wanted if wanted != "…" else call_id.startswith("call_")
    assert len({call_id for call_id, *_ in found}) == len(found)


@pytest.mark.parametrize("case", CASES)
def test_deltas_add_up_to_the_calls(case):
    found, told = fed(*CASES[case][0])

    for number, (call_id, name, text) in enumerate(found):
        mine = [delta for delta in told if delta.index == number]
        assert "".join(delta.arguments for delta in mine) == text
        assert [(delta.id, delta.name) for delta in mine] == ([(call_id, name)] + [(None, None)] * len(mine))[
            : len(mine)
        ]
        assert bool(mine) == bool(name)


@given(data=st.data(), arguments=OBJECTS, ascii_only=st.booleans())
def test_json_is_the_same_however_it_is_cut(data, arguments, ascii_only):
    text = json.dumps(arguments, ensure_ascii=ascii_only)
    first, *more = data.draw(pieces(text, most=6))

    found, told = fed(piece(first, "f", index=0, id="x"), *(piece(part, index=0) for part in more))

    assert found == [("x", "f", text)]
    assert "".join(delta.arguments for delta in told) == text


@given(data=st.data(), arguments=OBJECTS)
def test_json_sent_cumulatively_is_the_same(data, arguments):
    text = json.dumps(arguments)
    places = sorted(data.draw(st.sets(st.integers(1, len(text)), max_size=4)) | {len(text)})
    slots = ToolCallSlots()
    for number, place in enumerate(places):
        slots.feed(piece(text[:place], None if number else "f", index=0, id="x"))

    (slot,) = slots.slots

    assert slot.call().arguments == arguments
    assert slot.call().error is None


@given(data=st.data(), arguments=OBJECTS)
def test_json_sent_once_more_at_the_end_is_the_same(data, arguments):
    text = json.dumps(arguments)
    first, *more = data.draw(pieces(text))

    found, told = fed(
        *(piece(part, None if number else "f", index=0) for number, part in enumerate([first, *more, text]))
    )

    assert found[0][1:] == ("f", text)
    assert len(found) == 1
    assert "".join(delta.arguments for delta in told) == text


def test_made_up_ids_are_unique_and_what_every_server_takes_back():
    ids = {made_up_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(call_id.replace("_", "").isalnum() and len(call_id) <= 40 for call_id in ids)


@pytest.mark.parametrize(
    ("raw", "arguments", "wrong"),
    [
        ("", {}, False),
        ("{}", {}, False),
        ('{"a": 1}', {"a": 1}, False),
        (' {"a": 1}\n', {"a": 1}, False),
        ("null", {}, False),
        ('"{\\"a\\": 1}"', {"a": 1}, False),
        ('{"a": "\\ud83d"}', {"a": "\ufffd"}, False),
        ("[1]", {}, True),
        ("1", {}, True),
        ('{"a": ', {}, True),
        ('{"a": 1}}', {}, True),
        ("call me", {}, True),
    ],
)
def test_text_becomes_an_object_or_says_why_not(raw, arguments, wrong):
    slot = Slot(0, "x")
    slot.name = "f"
    slot.append(raw)

    call = slot.call()

    assert (call.arguments, call.error is not None, call.arguments_raw) == (arguments, wrong, raw)


def test_an_interrupted_call_is_never_complete():
    slot = Slot(0, "x")
    slot.name = "f"
    slot.append('{"a": 1')

    assert slot.call(interrupted=True).error == "the stream ended before the call was complete"


def test_the_work_for_a_piece_does_not_grow_with_the_call():
    tokens = ['{"', "a", '":', " 1", "}", ", ", '{"a": {"b": ["}', "{", '"', "]}}", ","]

    def steps(count: int) -> float:
        slots = ToolCallSlots()
        slots.feed(piece('{"items": [', "f", index=0, id="x"))
        deltas = [piece(tokens[number % len(tokens)], index=0) for number in range(count)]
        done = 0

        def count_one(frame: Any, event: str, argument: Any) -> None:
            nonlocal done
            done += event in ("call", "c_call")

        sys.setprofile(count_one)
        for delta in deltas:
            slots.feed(delta)
        sys.setprofile(None)
        return done / count

    assert steps(8_000) == pytest.approx(steps(500), rel=0.1)
