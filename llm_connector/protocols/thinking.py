"""Takes `<think>…</think>` out of text, for servers that put reasoning into the answer.

Only rows known to do so, or callers who ask, switch this on: in other answers the tags are legal text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

__all__ = ["Span", "ThinkSplitter", "overlap"]

Span: TypeAlias = tuple[Literal["text", "reasoning"], str]

PAIRS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("<mm:think>", "</mm:think>"),
)
_OPENERS = (*PAIRS, *((f"{opener[:-1]}/>", closer) for opener, closer in PAIRS if opener.endswith(">")))
"""With those of thoughts that are empty."""

_MOST_BLANK = 1000
"""Characters of white space around a thought that are held back; more of them are shown as they come."""


class ThinkSplitter:
    """Splits text, in pieces cut anywhere, into thought and answer.

    Only the first thought is taken out: after its end, tags are literal text. `opened` is for prompt templates that
    already wrote the opener: text up to the first closer is then reasoning. Holds back no more than the longest suffix
    that may begin the tag it looks for, and the blank lines around a thought, which belong to neither side.
    """

    __slots__ = ("_blank", "_closer", "_held", "_seen", "_state", "_trim")

    def __init__(self, *, opened: bool = False) -> None:
        self._held = ""
        self._closer = "</think>"
        self._trim = opened
        self._seen = False
        self._blank = False
        self._state: Literal["before", "inside", "after"] = "inside" if opened else "before"

    def feed(self, text: str) -> Iterator[Span]:
        """The spans that `text` completes, in order."""
        text, self._held = self._held + text, ""
        if self._state == "before":
            preface, text = self._open(text)
            if preface:
                yield "text", preface
        if self._state == "inside" and text:
            thought, text = self._close(text)
            if thought:
                yield "reasoning", thought
        if self._state == "after" and text:
            if self._trim:
                text = text.lstrip()
                self._trim = not text
            if text:
                yield "text", text

    def close(self) -> Iterator[Span]:
        """What was held back: an unfinished thought stays reasoning."""
        held, self._held = self._held, ""
        if held:
            yield ("reasoning" if self._state == "inside" else "text"), held

    def _open(self, text: str) -> tuple[str, str]:
        """Text ahead of the first opener, and what follows it."""
        found: list[tuple[int, str, str]] = []
        kept = 0
        if "<" in text or "[" in text:
            found = [(text.find(tag), tag, closer) for tag, closer in _OPENERS]
            kept = max(overlap(text, tag) for tag, _ in _OPENERS)
        at, tag, closer = min((match for match in found if match[0] >= 0), default=(-1, "", ""))
        if at >= 0:
            self._state = "after" if tag.endswith("/>") else "inside"
            self._closer, self._trim = closer, True
            preface = text[:at]
            return preface if self._seen or _shown(preface) else "", text[at + len(tag) :]
        preface, self._held = text[: len(text) - kept], text[len(text) - kept :]
        if not self._seen and not _shown(preface):
            preface, self._held = "", text
        self._seen = self._seen or bool(preface)
        return preface, ""

    def _close(self, text: str) -> tuple[str, str]:
        """The thought in `text`, and what follows its closer."""
        if self._trim:
            text = text.lstrip()
            self._trim = not text
        thought, closer, rest = text.partition(self._closer)
        if closer:
            self._state, self._trim = "after", True
            return self._ended(thought), rest
        thought = self._ended(text[: len(text) - overlap(text, self._closer)])
        self._held = text[len(thought) :]
        return thought, ""

    def _ended(self, thought: str) -> str:
        """The thought without white space at its end, unless there is, or was shown, more than may be held back."""
        ended = thought.rstrip()
        self._blank = (self._blank and not ended) or len(thought) - len(ended) > _MOST_BLANK
        return thought if self._blank else ended


def _shown(preface: str) -> bool:
    """Whether the text ahead of a thought is more than blank lines."""
    return len(preface) > _MOST_BLANK or bool(preface.strip())


def overlap(text: str, tag: str) -> int:
    """The length of the longest suffix of `text` that begins `tag`."""
    for length in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:length]):
            return length
    return 0
