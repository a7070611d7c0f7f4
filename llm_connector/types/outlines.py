"""An answer in the fields that most libraries have for it, and the outline that puts it together again.

They keep a text, a reasoning text and tool calls. What has no field there is in the outline: the order of the parts,
signatures, blocks of one provider. It is plain JSON, and as small as that, since it repeats none of the other fields.
`conversation()` reads it under `reasoning_details` of an assistant's message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import dropwhile
from typing import Any, TypeAlias, TypeGuard

from llm_connector.types.messages import AnyPart, Opaque, Reasoning, Text, ToolCall

__all__ = ["arranged", "is_outline", "outline", "state_of"]

Entry: TypeAlias = dict[str, Any]

_KINDS = frozenset({"text", "reasoning", "tool_call", "opaque", "image", "document", "audio", "video"})


def outline(parts: Sequence[AnyPart]) -> list[Entry]:
    """What the other fields do not say of these parts; empty for text that is followed by calls and nothing else."""
    rest = dropwhile(lambda part: isinstance(part, Text), parts)
    if all(isinstance(part, ToolCall) and part.extra is None for part in rest):
        return []
    return [{"index": index, "type": part.type, **_kept(part)} for index, part in enumerate(parts)]


def is_outline(details: Any) -> TypeGuard[list[Mapping[str, Any]]]:
    """Whether this is an outline; other structures go by the name of `reasoning_details`, too."""
    if not isinstance(details, list) or not details:
        return False
    return all(isinstance(entry, Mapping) and entry.get("type") in _KINDS for entry in details)


def arranged(details: Sequence[Mapping[str, Any]], parts: Iterable[AnyPart]) -> list[AnyPart]:
    """The parts as they were outlined, from parts that hold the same in any order, with their texts joined or cut.

    Text or thoughts of another length than outlined were edited since: they stand where the first of their kind stood,
    without state. Parts that the outline does not know follow at the end.
    """
    parts = list(parts)
    texts = "".join([part.text for part in parts if isinstance(part, Text)])
    thoughts = "".join([part.text for part in parts if isinstance(part, Reasoning)])
    rest = [part for part in parts if not isinstance(part, Text | Reasoning)]
    spoken: dict[str, list[AnyPart]] = {
        "text": [Text(text) for text, _ in _cut(texts, details, "text")],
        "reasoning": [Reasoning(text, **state) for text, state in _cut(thoughts, details, "reasoning")],
    }
    made: list[AnyPart] = []
    for entry in details:
        kind, state = entry["type"], state_of(entry)
        if kind in spoken:
            made += spoken[kind][:1]
            del spoken[kind][:1]
        elif kind == "opaque":
            made.append(Opaque(**state))
            rest = [part for part in rest if not isinstance(part, Opaque) or part.data != entry["data"]]
        elif (part := next((part for part in rest if _is(part, entry)), None)) is not None:
            rest.remove(part)
            made.append(ToolCall.model_validate({**vars(part), **state}) if "extra" in state else part)
    return [*spoken["reasoning"], *made, *spoken["text"], *rest]


def _kept(part: AnyPart) -> Entry:
    match part:
        case Text():
            return {"length": len(part.text)}
        case Reasoning():
            return {"length": len(part.text), **part.state}
        case ToolCall():
            kept = {"id", "provider", "extra"} if part.extra is not None else {"id"}
            return part.model_dump(include=kept, exclude_none=True)
        case Opaque():
            return part.model_dump(exclude={"type"}, exclude_none=True)
        case _:
            return {}


def state_of(entry: Mapping[str, Any]) -> Entry:
    """What an entry keeps beside the place of its part."""
    return {name: value for name, value in entry.items() if name not in ("index", "type", "length")}


def _is(part: AnyPart, entry: Mapping[str, Any]) -> bool:
    return part.type == entry["type"] and (not isinstance(part, ToolCall) or part.id == entry.get("id"))


def _cut(whole: str, details: Sequence[Mapping[str, Any]], kind: str) -> list[tuple[str, Entry]]:
    entries = [entry for entry in details if entry["type"] == kind]
    if sum(entry.get("length", 0) for entry in entries) != len(whole):
        return [(whole, {})] if whole else []
    pieces: list[tuple[str, Entry]] = []
    start = 0
    for entry in entries:
        end = start + entry.get("length", 0)
        pieces.append((whole[start:end], state_of(entry)))
        start = end
    return pieces
