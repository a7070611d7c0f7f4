"""One switch for thinking, in the words of each server."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from llm_connector.types import Notes, ReasoningOption

__all__ = ["BUDGETS", "RANKS", "EffortWord", "Efforts", "budget_of", "effort_of", "switched_off"]

EffortWord: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""Every word for an effort, weakest first."""

Efforts: TypeAlias = tuple[EffortWord, ...]
"""The words a server knows, weakest first; `"none"` among them if thinking can be switched off that way."""

BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "max": 32000}
"""Tokens of thinking that stand for an effort where the wire counts tokens."""

RANKS: Efforts = get_args(EffortWord)


def effort_of(asked: ReasoningOption, known: Efforts, notes: Notes) -> str | None:
    """The server's word for what was asked; None leaves it to the server.

    A word that the server lacks becomes its nearest stronger one, or its strongest; that is reported.
    """
    if asked is None or not known:
        return None
    if asked is True:
        return None if "none" not in known else ("medium" if "medium" in known else known[-1])
    if switched_off(asked):
        if "none" in known:
            return "none"
        notes.add("downgraded", "reasoning", f"this model cannot stop thinking; sent as {known[0]!r}")
        return known[0]
    word = asked if isinstance(asked, str) else _word(asked)
    if word in known:
        if not isinstance(asked, str):
            notes.add("converted", "reasoning", f"a budget of {asked} tokens became the effort {word!r}")
        return word
    rank = RANKS.index(word)
    nearest = next((name for name in known if RANKS.index(name) >= rank and name != "none"), known[-1])
    notes.add("converted", "reasoning", f"{asked!r} became {nearest!r}, the nearest effort this server knows")
    return nearest


def switched_off(asked: ReasoningOption) -> bool:
    """Whether thinking is refused: False, or a budget of no tokens."""
    return asked is not None and not asked


def budget_of(asked: ReasoningOption, notes: Notes, *, least: int = 0) -> int | None:
    """Tokens of thinking for what was asked; None leaves the number to the server, 0 switches thinking off."""
    if asked is None or asked is True:
        return None
    if asked is False:
        return 0
    if isinstance(asked, str):
        return max(BUDGETS[asked], least)
    if 0 < asked < least:
        notes.add("clamped", "reasoning", f"a budget of {asked} tokens became {least}, the least there is")
        return least
    return asked


def _word(budget: int) -> str:
    return next((word for word, most in BUDGETS.items() if budget <= most), "max")
