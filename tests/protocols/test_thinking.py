"""Think tags in text: what comes out does not depend on how the text was cut, and equals what the whole text says."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_connector.protocols.thinking import PAIRS, ThinkSplitter

TAGS = [tag for pair in PAIRS for tag in pair] + ["<think/>", "<thinking/>"]
TEXTS = st.lists(
    st.sampled_from([*TAGS, " ", "\n", "a", "é", "<", ">", "/", "<th", "ink>", "[", "</"]), max_size=10
).map("".join)


def split(pieces: Iterable[str], *, opened: bool = False) -> list[tuple[str, str]]:
    """The spans of the pieces, neighbours of one kind joined."""
    splitter = ThinkSplitter(opened=opened)
    spans = [span for piece in pieces for span in splitter.feed(piece)] + list(splitter.close())
    assert all(text for _, text in spans), "no span is empty"
    return [(kind, "".join(text for _, text in run)) for kind, run in groupby(spans, lambda span: span[0])]


def cut(text: str, places: Iterable[int]) -> list[str]:
    edges = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def told_apart(text: str) -> list[tuple[str, str]]:
    """What a whole text says, written down plainly."""
    openers = [(text.find(tag), tag, closer) for opener, closer in PAIRS for tag in (opener, _empty(opener))]
    found = [match for match in openers if match[0] >= 0]
    if not found:
        return [("text", text)] if text else []
    at, tag, closer = min(found)
    before, rest = text[:at], text[at + len(tag) :]
    if tag == _empty(tag) or tag.endswith("/>"):
        thought, after = "", rest.lstrip()
    elif closer in rest:
        inside, _, rest = rest.partition(closer)
        thought, after = inside.strip(), rest.lstrip()
    else:
        thought, after = rest.lstrip(), ""
    spans = [("text", before if before.strip() else ""), ("reasoning", thought), ("text", after)]
    spans = [span for span in spans if span[1]]
    return [(kind, "".join(part for _, part in run)) for kind, run in groupby(spans, lambda span: span[0])]


def _empty(opener: str) -> str:
    return opener[:-1] + "/>" if opener.endswith(">") else opener + "/"


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("", []),
        ("plain", [("text", "plain")]),
        ("  \n", [("text", "  \n")]),
        ("<think>a</think>b", [("reasoning", "a"), ("text", "b")]),
        ("\n<think>\na\n</think>\n\nb\n", [("reasoning", "a"), ("text", "b\n")]),
        ("x <think>a</think>b", [("text", "x "), ("reasoning", "a"), ("text", "b")]),
        ("<think></think>b", [("text", "b")]),
        ("<think/>b", [("text", "b")]),
        ("<think>a", [("reasoning", "a")]),
        ("<think>a </thi", [("reasoning", "a </thi")]),
        ("a</think>b", [("text", "a</think>b")]),
        ("<think>a</think><think>b</think>", [("reasoning", "a"), ("text", "<think>b</think>")]),
        ("<think>a[/THINK]b</think>c", [("reasoning", "a[/THINK]b"), ("text", "c")]),
        ("<thinker>a</think>", [("text", "<thinker>a</think>")]),
        ("a < b and c <= d", [("text", "a < b and c <= d")]),
        ("ends with <", [("text", "ends with <")]),
    ],
)
def test_thoughts_are_told_apart_from_text(text, spans):
    assert split([text]) == spans == told_apart(text)
    assert split(text) == spans, "one character at a time"


@given(text=TEXTS, places=st.lists(st.integers(0, 60), max_size=6))
@example(text="<think>a </think>b", places=[9])
@example(text=" <th", places=[1, 2])
def test_any_text_however_it_is_cut(text, places):
    assert split(cut(text, places)) == told_apart(text)


@given(text=TEXTS, places=st.lists(st.integers(0, 60), max_size=6))
def test_a_thought_that_the_template_opened_may_be_cut_anywhere(text, places):
    assert split(cut(text, places), opened=True) == split([text], opened=True) == told_apart(f"<think>{text}")


def test_no_more_is_held_back_than_may_begin_a_tag():
    splitter = ThinkSplitter()

    shown = [list(splitter.feed(piece)) for piece in ("Hello", " wor<", "ld <thi", "rd>", "<")]

    assert shown == [[("text", "Hello")], [("text", " wor")], [("text", "<ld ")], [("text", "<third>")], []]
    assert list(splitter.close()) == [("text", "<")]


def test_text_after_the_thought_is_never_held_back():
    splitter = ThinkSplitter()
    assert list(splitter.feed("<think>a</think>b <th")) == [("reasoning", "a"), ("text", "b <th")]
    assert list(splitter.feed("ink>")) == [("text", "ink>")]
