"""How servers of Chat Completions are told to think, and what differs between the models of one server.

Each spells it in its own words: `reasoning_effort`, `thinking.type`, `enable_thinking`, `reasoning.max_tokens`…
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from llm_connector.protocols.reasoning import RANKS, Efforts, budget_of, effort_of, switched_off
from llm_connector.types import Notes, ReasoningOption

__all__ = ["BY_EFFORT", "NO_THINKING", "Models", "Setting", "Thinking", "efforts_named", "for_models", "placed"]

Setting: TypeAlias = tuple[str, Any]
"""A field of the body and its value; `thinking.type` is the field `type` of the object `thinking`."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """How thinking is asked for.

    `on` and `off` are the fields that switch it. `effort` is the field for one of the words `efforts`, `budget` the
    field for a number of tokens; empty where there is none. `default`: the model thinks unless it is told not to.
    """

    on: tuple[Setting, ...] = ()
    off: tuple[Setting, ...] = ()
    effort: str = ""
    efforts: Efforts = ()
    budget: str = ""
    default: bool = True

    def thinks(self, asked: ReasoningOption) -> bool:
        """Whether the model thinks when this is asked."""
        if asked is None or not (self.on or self.off or self.efforts or self.budget):
            return self.default
        if switched_off(asked):
            return not (self.off or "none" in self.efforts)
        return True

    def render(self, asked: ReasoningOption, notes: Notes) -> dict[str, Any]:
        """The fields that say it; what cannot be said as asked goes into `notes`."""
        if asked is None:
            return {}
        return placed(self._off(notes) if switched_off(asked) else self._on(asked, notes))

    def _off(self, notes: Notes) -> tuple[Setting, ...]:
        if self.off or not (self.efforts or self.default):
            return self.off
        if not self.efforts:
            notes.add("dropped", "reasoning", "this model cannot stop thinking, or knows no switch for it")
            return ()
        return ((self.effort, effort_of(False, self.efforts, notes)),)

    def _on(self, asked: ReasoningOption, notes: Notes) -> tuple[Setting, ...]:
        counted = isinstance(asked, int) and not isinstance(asked, bool)
        if asked is True and self.on:
            return self.on
        if self.budget and (counted or (asked is not True and not self.efforts)):
            return (*self.on, (self.budget, budget_of(asked, notes)))
        if self.efforts:
            word = effort_of(asked, self.efforts, notes)
            return self.on if word is None else (*self.on, (self.effort, word))
        if not self.on and not self.default:
            notes.add("dropped", "reasoning", "this model does not think, or knows no switch for it")
        elif asked is not True:
            notes.add("downgraded", "reasoning", f"{asked!r} cannot be said: this model knows no efforts")
        return self.on


BY_EFFORT = Thinking(effort="reasoning_effort", efforts=("none", "minimal", "low", "medium", "high", "max"))
"""What most servers read; their refusals teach the rest."""
NO_THINKING = Thinking(default=False)
"""Models that do not think."""


@dataclass(frozen=True, slots=True)
class Models:
    """The fields of a protocol that differ for models with certain names."""

    pattern: str
    changes: tuple[tuple[str, Any], ...]

    def match(self, model: str) -> bool:
        """Whether the model is one of these."""
        return re.search(self.pattern, model, re.IGNORECASE) is not None


def for_models(pattern: str, **changes: Any) -> Models:
    """The protocol's fields for models in whose names the pattern is found."""
    return Models(pattern, tuple(changes.items()))


def placed(settings: Iterable[Setting]) -> dict[str, Any]:
    """The settings as a body, with their objects."""
    body: dict[str, Any] = {}
    for path, value in settings:
        *above, last = path.split(".")
        node = body
        for name in above:
            node = node.setdefault(name, {})
        node[last] = value
    return body


def efforts_named(message: str) -> Efforts:
    """The efforts that a refusal lists as those it would take, weakest first; none if it lists none."""
    listed = re.search(r"(?:supported values are|must be one of|expected one of|one of)\b(.*)", message, re.I | re.S)
    words = set(re.findall(r"[a-z]+", listed[1].lower())) if listed else set()
    return tuple(word for word in RANKS if word in words)
