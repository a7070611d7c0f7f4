"""What each generation of Gemini can do, and how a request spells thinking for it.

https://ai.google.dev/gemini-api/docs/thinking (checked 2026-11)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from llm_connector.protocols.reasoning import Efforts, budget_of, effort_of
from llm_connector.types import Notes, ReasoningOption

__all__ = ["Generation", "ThinkingForm", "generation_of", "thinking_config"]

ThinkingForm: TypeAlias = Literal["model", "budget", "level", "none"]
"""How thinking is asked for: as the named model wants it, by tokens, by a word, or not at all."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What one generation of models takes.

    `levels`: thinking by these words; it cannot be switched off. `budgets`: thinking by a number of tokens, least and
    most. `stops`: a budget of 0 switches it off. `modern` (Gemini 3 and later): calls of the running turn must be
    signed, tool results hold media, schemas go together with tools, and each image has its own resolution.
    """

    levels: Efforts = ()
    budgets: tuple[int, int] | None = None
    stops: bool = True
    modern: bool = False


_FROM_MINIMAL = Generation(levels=("minimal", "low", "medium", "high"), modern=True)
_FROM_LOW = Generation(levels=("low", "medium", "high"), modern=True)
_LOW_OR_HIGH = Generation(levels=("low", "high"), modern=True)

# The first row whose family and lowest version fit; "" fits every family. Later versions are taken for the newest row.
_GENERATIONS: tuple[tuple[str, tuple[int, int], Generation], ...] = (
    ("flash-lite", (3, 0), _FROM_MINIMAL),
    ("flash-lite", (2, 5), Generation(budgets=(512, 24_576))),
    ("flash", (3, 7), _FROM_LOW),
    ("flash", (3, 0), _FROM_MINIMAL),
    ("flash", (2, 5), Generation(budgets=(0, 24_576))),
    ("pro", (3, 1), _FROM_LOW),
    ("pro", (3, 0), _LOW_OR_HIGH),
    ("pro", (2, 5), Generation(budgets=(128, 32_768), stops=False)),
    ("", (3, 0), _FROM_LOW),
    ("", (2, 5), Generation(budgets=(0, 24_576))),
    ("", (0, 0), Generation()),
)
_NAMED = re.compile(r"gemini-(?:(\d{1,2})(?:\.(\d{1,2}))?(?!\d))?-?(flash-lite|[a-z]+)?")
_NEWEST = (99, 0)


@lru_cache(maxsize=256)
def generation_of(model: str, form: ThinkingForm, refused: frozenset[str] = frozenset()) -> Generation:
    """What a model takes, by its name unless the protocol knows better. `refused` are settings it was seen to refuse.

    Names without a version, such as `gemini-flash-latest` or those of tuned models, are taken for the newest.
    """
    named = _NAMED.search(model.lower())
    major, minor, family = named.groups() if named else (None, None, None)
    version = (int(major), int(minor or 0)) if major else _NEWEST
    rows = (row for row_family, lowest, row in _GENERATIONS if row_family in (family, "") and version >= lowest)
    found = next(rows)
    if form == "budget" and not found.budgets:
        found = replace(found, levels=(), budgets=(0, 24_576))
    elif form == "level" and not found.levels:
        found = replace(found, levels=_FROM_LOW.levels, budgets=None)
    elif form == "none":
        found = replace(found, levels=(), budgets=None)
    levels = tuple(level for level in found.levels if f"thinkingLevel.{level}" not in refused)
    return replace(found, levels=levels, stops=found.stops and "thinkingBudget.0" not in refused)


def thinking_config(asked: ReasoningOption, generation: Generation, notes: Notes) -> dict[str, Any] | None:
    """The `thinkingConfig` for what was asked. Whoever asks for thinking gets its summaries as well."""
    if asked is None:
        return None
    shown = {"includeThoughts": True} if asked else {}
    if generation.levels:
        level = effort_of(asked, generation.levels, notes)
        return {**shown, "thinkingLevel": level.upper()} if level else shown
    if generation.budgets:
        return {**shown, "thinkingBudget": _budget(asked, generation, generation.budgets, notes)}
    if asked:
        notes.add("dropped", "reasoning", "this model cannot think, or not at will")
    return None


def _budget(asked: ReasoningOption, generation: Generation, budgets: tuple[int, int], notes: Notes) -> int:
    least, most = budgets
    tokens = budget_of(asked, notes, least=least)
    if tokens is None:
        return -1  # as many as the model finds right
    if tokens == 0 and not generation.stops:
        notes.add("downgraded", "reasoning", f"this model cannot stop thinking; {least} tokens are the least")
        return least
    if tokens > most and type(asked) is int:
        notes.add("clamped", "reasoning", f"a budget of {asked} tokens became {most}, the most there is")
    return min(tokens, most)
