"""What each family of models behind Converse takes, by the names of the models.

https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html
(checked 2026-11)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from llm_connector.protocols.reasoning import Efforts, effort_of, switched_off
from llm_connector.types import Notes, ReasoningOption

__all__ = ["Family", "family_of", "foundation_model", "reasoning_fields"]


@dataclass(frozen=True, slots=True)
class Family:
    """What one family takes.

    `thinking`: how thinking is asked for: as Claude wants it, by a field of that name, or not at all; `always`
    where it cannot be changed. `efforts`: what that field may say. `top_k`: where it goes. `json_schema`: answers
    and strict tools can be held to a schema. `choices`: what `toolChoice` may force. `streams_calls`: tools work in
    streams. `system`: there is a system prompt. `short_ids`: ids of calls have nine letters and digits. `caches`:
    where cache points may stand. `apart`: what may not share a turn with tool results. `shown`: media that a tool
    result may hold. `signs`: thoughts come signed, and go back. `opens`: the assistant may speak first. `hidden`:
    the name does not say which family it is.
    """

    thinking: Literal["claude", "reasoningConfig", "reasoning_effort", "reasoning_config", "always", ""] = ""
    efforts: Efforts = ()
    top_k: Literal["top_k", "inferenceConfig", ""] = ""
    json_schema: bool = False
    choices: frozenset[str] = frozenset({"any", "tool"})
    streams_calls: bool = True
    system: bool = True
    caches: Literal["everywhere", "prompts", ""] = ""
    apart: frozenset[str] = frozenset()
    shown: frozenset[str] = frozenset({"image", "document", "text"})
    signs: bool = False
    opens: bool = False
    hidden: bool = False
    short_ids: bool = False


_ANY = frozenset({"any"})
_NONE: frozenset[str] = frozenset()
_ALL = frozenset({"text", "image", "document", "video", "audio"})
_DOCUMENTS = frozenset({"document", "text"})

_CLAUDE = Family(
    "claude", (), "top_k", json_schema=True, caches="everywhere",
    apart=frozenset({"document", "video"}), signs=True, opens=True,
)  # fmt: skip
_NOVA = Family("", (), "inferenceConfig", caches="prompts", shown=frozenset({"image", "text"}))
_NOVA_2 = Family(
    "reasoningConfig", ("low", "medium", "high"), "inferenceConfig", caches="prompts",
    shown=frozenset({"image", "text"}),
)  # fmt: skip
_EFFORT = Family("reasoning_effort", ("low", "medium", "high"), json_schema=True)
_KIMI = Family("reasoning_effort", ("low", "medium", "high"), json_schema=True, shown=_NONE, opens=True)
_QWEN = Family("reasoning_config", ("low", "high"), json_schema=True, choices=_NONE, shown=_NONE, opens=True)
_GLM = Family("always", json_schema=True, choices=_ANY, opens=True)
_SCHEMA = Family(json_schema=True)
_MISTRAL_3 = Family(json_schema=True, choices=_ANY, apart=_ALL, shown=_DOCUMENTS, short_ids=True)
_MISTRAL = Family(choices=_NONE, streams_calls=False, apart=_ALL, shown=_DOCUMENTS, short_ids=True)
_MISTRAL_LARGE = Family(choices=_ANY, apart=_ALL, shown=_DOCUMENTS, short_ids=True)
_MISTRAL_OLD = Family(choices=_NONE, system=False, apart=_ALL, shown=_DOCUMENTS, short_ids=True)
_LLAMA = Family(choices=_NONE, streams_calls=False, apart=_ALL)
_PALMYRA = Family(choices=_NONE, streams_calls=False, apart=_ALL)
_HIDDEN = Family(json_schema=True, caches="everywhere", signs=True, opens=True, hidden=True)

# The first pattern that is found. What no pattern fits, an opaque ARN for instance, is sent as it was asked for.
_FAMILIES: tuple[tuple[re.Pattern[str], Family], ...] = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"claude", _CLAUDE),
        (r"nova-2", _NOVA_2),
        (r"amazon\.nova|nova-(?:micro|lite|pro|premier)", _NOVA),
        (r"gpt-oss", _EFFORT),
        (r"kimi", _KIMI),
        (r"qwen", _QWEN),
        (r"glm-", _GLM),
        (r"deepseek[.-]r1", Family("always", choices=_NONE)),
        (r"deepseek[.-]", Family(json_schema=True)),
        (r"magistral", replace(_MISTRAL_3, thinking="always")),
        (r"mistral-large-3|ministral-3", _MISTRAL_3),
        (r"mistral-large", _MISTRAL_LARGE),
        (r"mistral-7b|mixtral", _MISTRAL_OLD),
        (r"mistral[.-]|pixtral", _MISTRAL),
        (r"llama", _LLAMA),
        (r"gemma-3", _SCHEMA),
        (r"minimax-m|nemotron", Family("always", json_schema=True)),
        (r"palmyra", _PALMYRA),
        (r"titan-t", Family(choices=_NONE, system=False)),
        (r"cohere\.|ai21\.|jamba|command-r", Family(choices=_NONE)),
    )
)
_GROUP = re.compile(r"(?:us|eu|apac|jp|au|ca|sa|amer|us-gov|global)\.")
_NAMING_ARNS = re.compile(r"arn:[^/]*:(?:inference-profile|foundation-model)/(.+)")


def foundation_model(model: str) -> str | None:
    """The model's own id, without the region group of a profile; None for an ARN that does not say it."""
    if model.startswith("arn:"):
        named = _NAMING_ARNS.fullmatch(model)
        if named is None:
            return None
        model = named[1]
    group = _GROUP.match(model)
    return model[group.end() :] if group else model


@lru_cache(maxsize=256)
def family_of(model: str) -> Family:
    """The family of a model, by its name."""
    name = (foundation_model(model) or "").lower()
    return next((family for pattern, family in _FAMILIES if pattern.search(name)), _HIDDEN)


def reasoning_fields(family: Family, asked: ReasoningOption, notes: Notes) -> dict[str, Any]:
    """The model's own fields that ask a family other than Claude to think."""
    if asked is None:
        return {}
    if family.thinking == "always":
        if switched_off(asked):
            notes.add("downgraded", "reasoning", "thinking is left to this model: there is no switch for it here")
        elif asked is not True:
            notes.add("dropped", "reasoning", "how much this model thinks cannot be changed")
        return {}
    if not family.thinking:
        if asked or family.hidden:
            reason = (
                "this name does not say which model it is" if family is _HIDDEN else "this model has no switch for it"
            )
            notes.add("dropped", "reasoning", f"{reason}; extra_body= takes additionalModelRequestFields")
        return {}
    if family.thinking == "reasoning_effort":
        word = effort_of(asked, family.efforts, notes)
        return {family.thinking: word} if word else {}
    if switched_off(asked):
        return {}  # off unless asked for
    word = effort_of("medium" if asked is True else asked, family.efforts, Notes() if asked is True else notes)
    if family.thinking == "reasoning_config":
        return {family.thinking: word}
    return {family.thinking: {"type": "enabled", "maxReasoningEffort": word}}
