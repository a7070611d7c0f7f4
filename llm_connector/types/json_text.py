"""JSON as models write it: inside a fence, between words, or not yet to its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

__all__ = ["json_candidates", "partial_json"]

_FENCED = re.compile(r"```(?:[a-zA-Z]+\b)?(.*)```", re.DOTALL)


def json_candidates(text: str) -> Iterator[str]:
    """What may be the JSON in a text: all of it but a fence around it, then the outermost object or list."""
    text = text.strip()
    fenced = _FENCED.fullmatch(text)
    text = fenced[1].strip() if fenced else text
    yield text
    for opening, closing in ("{}", "[]"):
        start, end = text.find(opening), text.rfind(closing)
        if 0 <= start < end and (start, end) != (0, len(text) - 1):
            yield text[start : end + 1]


def partial_json(text: str) -> Any:
    """The object or list that a text has begun, as far as it can be read; None before it begins.

    For answers that are streamed: the last value may be shorter than it will be. Words around the JSON are skipped.

    >>> partial_json('Here you are: {"city": "Oslo", "tags": ["por')
    {'city': 'Oslo', 'tags': ['por']}
    """
    starts = [start for start in (text.find("{"), text.find("[")) if start >= 0]
    if not starts:
        return None
    begun = text[min(starts) :]
    whole = begun[: max(begun.rfind("}"), begun.rfind("]")) + 1]
    for candidate in (begun, whole):  # the end of a fence, or words, may stand behind it
        try:
            return from_json(candidate, allow_partial="trailing-strings")
        except ValueError:
            continue
    return None
