"""What each generation of Claude can do, and how a request spells thinking for it.

https://platform.claude.com/docs/en/build-with-claude/thinking (checked 2026-11)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from llm_connector.errors import ConfigurationError
from llm_connector.protocols.reasoning import BUDGETS, Efforts, budget_of, effort_of
from llm_connector.types import Notes, ReasoningOption

__all__ = ["Generation", "ThinkingForm", "ThinkingPlan", "generation_of", "plan_thinking"]

ThinkingForm: TypeAlias = Literal["model", "budget", "adaptive", "switch"]
"""How thinking is asked for: as the named model wants it, by tokens, by effort, or with a plain switch."""

LEAST_BUDGET = 1024


@dataclass(frozen=True, slots=True)
class Generation:
    """What one generation of models takes.

    `budget`: thinking by a number of tokens. `efforts`: adaptive thinking, with these words. `off`: what stops it; None
    where nothing does. `thinks`: it thinks unless told not to. `hidden`: thoughts come without their text unless it is
    asked for. `forced_choice`: a tool may be forced. `sampling`: temperature and its like are taken. `json_schema`: the
    server can hold answers and strict tools to a schema. `most`: the longest answer in tokens, where it is short.
    """

    budget: bool = False
    efforts: Efforts = ()
    off: Literal["disabled", "between_tools"] | None = "disabled"
    thinks: bool = False
    hidden: bool = False
    forced_choice: bool = True
    sampling: bool = True
    json_schema: bool = True
    most: int | None = None


_EFFORTS: Efforts = ("low", "medium", "high", "xhigh", "max")

_OLD_3 = Generation(json_schema=False, most=4096)
_OLD_3_5 = Generation(json_schema=False, most=8192)
_BUDGET_3_7 = Generation(budget=True, json_schema=False, most=64_000)
_BUDGET_OPUS_4 = Generation(budget=True, json_schema=False, most=32_000)
_BUDGET_OPUS_4_1 = Generation(budget=True, most=32_000)
_BUDGET_4_5 = Generation(budget=True, most=64_000)
_BOTH_4_6 = Generation(budget=True, efforts=("low", "medium", "high", "max"))
_ADAPTIVE_4_7 = Generation(efforts=_EFFORTS, hidden=True, sampling=False)
_ADAPTIVE_5 = Generation(efforts=_EFFORTS, thinks=True, hidden=True, sampling=False)
_SONNET_5_5 = Generation(
    efforts=_EFFORTS, off="between_tools", thinks=True, hidden=True, forced_choice=False, sampling=False
)
_ALWAYS = Generation(efforts=_EFFORTS, off=None, thinks=True, hidden=True, forced_choice=False, sampling=False)
_OTHER = Generation(budget=True, json_schema=False)
_SWITCHED = Generation(thinks=True, json_schema=False)

# The first row whose family and lowest version fit. Later versions are taken for their family's newest row, and
# families not named here for the newest of all.
_GENERATIONS: tuple[tuple[str, tuple[int, int], Generation], ...] = (
    ("fable", (0, 0), _ALWAYS),
    ("mythos", (0, 0), _ALWAYS),
    ("opus", (5, 5), _ALWAYS),
    ("opus", (5, 0), _ADAPTIVE_5),
    ("opus", (4, 7), _ADAPTIVE_4_7),
    ("opus", (4, 6), _BOTH_4_6),
    ("opus", (4, 5), _BUDGET_4_5),
    ("opus", (4, 1), _BUDGET_OPUS_4_1),
    ("opus", (4, 0), _BUDGET_OPUS_4),
    ("opus", (3, 0), _OLD_3),
    ("sonnet", (5, 5), _SONNET_5_5),
    ("sonnet", (5, 0), _ADAPTIVE_5),
    ("sonnet", (4, 6), _BOTH_4_6),
    ("sonnet", (4, 5), _BUDGET_4_5),
    ("sonnet", (3, 7), _BUDGET_3_7),
    ("sonnet", (3, 5), _OLD_3_5),
    ("sonnet", (3, 0), _OLD_3),
    ("haiku", (5, 0), _ADAPTIVE_5),
    ("haiku", (4, 5), _BUDGET_4_5),
    ("haiku", (3, 5), _OLD_3_5),
    ("haiku", (3, 0), _OLD_3),
    ("", (5, 0), _ALWAYS),
)
_VERSION = r"(\d{1,2})(?:-(\d{1,2}))?(?!\d)"
_NAMED = re.compile(rf"claude-([a-z]+)(?:-{_VERSION})?")
_NUMBERED = re.compile(rf"claude-{_VERSION}-([a-z]+)")  # claude-3-5-haiku, and claude-4.6-opus of some gateways


@lru_cache(maxsize=256)
def generation_of(model: str, form: ThinkingForm) -> Generation:
    """What a model takes, by its name (of any cloud or gateway) unless the protocol knows better."""
    if form != "model":
        return {"budget": _OTHER, "adaptive": _ADAPTIVE_5, "switch": _SWITCHED}[form]
    name = re.sub(r"[._@]", "-", model.lower())
    if numbered := _NUMBERED.search(name):
        major, minor, family = numbered.groups()
    elif named := _NAMED.search(name):
        family, major, minor = named.groups()
    else:
        return _OTHER
    version = (int(major or 0), int(minor or 0))
    rows = (row for row_family, lowest, row in _GENERATIONS if row_family in (family, "") and version >= lowest)
    return next(rows, _OTHER)


@dataclass(slots=True)
class ThinkingPlan:
    """What to send: `max_tokens`, `thinking`, and the effort of `output_config`."""

    max_tokens: int
    thinking: dict[str, Any] | None = None
    effort: str | None = None


def plan_thinking(
    asked: ReasoningOption, max_tokens: int | None, default: int, generation: Generation, efforts: Efforts, notes: Notes
) -> ThinkingPlan:
    """How to spell what was asked.

    The wire demands `max_tokens`, which counts thinking too: where the caller gives none, it is `default` with room for
    the thinking on top. Raises ConfigurationError when a budget of the caller's does not fit a limit of the caller's.
    """
    if asked is None:
        room = BUDGETS["high"] if generation.thinks else 0
        return ThinkingPlan(_limit(max_tokens, default + room, generation))
    if generation is _SWITCHED:
        return _switched(asked, max_tokens, default, efforts, notes)
    if not generation.budget and not generation.efforts:
        if asked:
            notes.add("dropped", "reasoning", "this model cannot think")
        return ThinkingPlan(_limit(max_tokens, default, generation))
    if not asked:
        return _stopped(max_tokens, default, generation, notes)
    if generation.budget and (not generation.efforts or type(asked) is int):
        return _budgeted(asked, max_tokens, default, generation, notes)
    effort = effort_of(asked, generation.efforts, notes)
    thinking = {"type": "adaptive", "display": "summarized"} if generation.hidden else {"type": "adaptive"}
    return ThinkingPlan(_limit(max_tokens, default + _room(effort), generation), thinking, effort)


def _limit(max_tokens: int | None, wanted: int, generation: Generation) -> int:
    if max_tokens is not None:
        return max_tokens
    return min(wanted, generation.most) if generation.most else wanted


def _room(effort: str | None) -> int:
    return BUDGETS.get(effort or "high", BUDGETS["max"])


def _stopped(max_tokens: int | None, default: int, generation: Generation, notes: Notes) -> ThinkingPlan:
    if generation.off is None:
        effort = effort_of(False, generation.efforts, notes)
        return ThinkingPlan(_limit(max_tokens, default + _room(effort), generation), effort=effort)
    if generation.off == "between_tools":
        notes.add("downgraded", "reasoning", "this model still thinks between tool calls")
    return ThinkingPlan(_limit(max_tokens, default, generation), {"type": generation.off})


def _switched(
    asked: ReasoningOption, max_tokens: int | None, default: int, efforts: Efforts, notes: Notes
) -> ThinkingPlan:
    if not asked:
        return ThinkingPlan(_limit(max_tokens, default, _SWITCHED), {"type": "disabled"})
    effort = None
    if efforts:
        effort = effort_of(asked, efforts, notes)
    elif asked is not True:
        notes.add("downgraded", "reasoning", f"{asked!r} became 'enabled': this server only switches thinking")
    return ThinkingPlan(_limit(max_tokens, default + _room(effort), _SWITCHED), {"type": "enabled"}, effort)


def _budgeted(
    asked: ReasoningOption, max_tokens: int | None, default: int, generation: Generation, notes: Notes
) -> ThinkingPlan:
    tokens = budget_of(asked, notes, least=LEAST_BUDGET) or BUDGETS["medium"]
    given = type(asked) is int
    if max_tokens is None:
        if generation.most and not given:
            tokens = max(min(tokens, generation.most - default), LEAST_BUDGET)
        max_tokens = _limit(None, tokens + default, generation)
    elif tokens >= max_tokens:
        if given:
            raise ConfigurationError(
                f"reasoning: a budget of {tokens} tokens does not fit max_tokens={max_tokens}, which counts thinking; "
                f"raise max_tokens above the budget, whose least is {LEAST_BUDGET}"
            )
        if max_tokens <= LEAST_BUDGET:
            notes.add("dropped", "reasoning", f"it takes {LEAST_BUDGET} tokens or more, max_tokens is {max_tokens}")
            return ThinkingPlan(max_tokens)
        tokens = max(max_tokens // 2, LEAST_BUDGET)
        notes.add("clamped", "reasoning", f"{tokens} tokens of thinking, to fit max_tokens={max_tokens}")
    return ThinkingPlan(max_tokens, {"type": "enabled", "budget_tokens": tokens})
