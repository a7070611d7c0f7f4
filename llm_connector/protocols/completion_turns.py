"""The order of turns that some chat templates insist on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

from llm_connector.types import AnyPart, Message, Notes, Text

__all__ = ["Turns", "bridged", "in_order"]

Turns: TypeAlias = Literal["any", "system_first", "alternating", "bridged"]
"""`system_first`: one system message, ahead of all. `alternating`: also no two user or assistant turns in a row.

`bridged`: also an assistant turn between tool results and a user turn.
"""
_BRIDGE = "OK."


def in_order(messages: Sequence[Message], turns: Turns, notes: Notes) -> Sequence[Message]:
    """The conversation in that order; a system message that has to move is reported."""
    if turns == "any":
        return messages
    rest = [message for message in messages if message.role != "system"]
    told = [message for message in messages if message.role == "system"]
    if any(message is not expected for message, expected in zip(messages, told, strict=False)):
        notes.add("converted", "system message", "moved to the front: chat templates refuse it anywhere else")
    merged = [_one(told)] if told else []
    for message in rest:
        last = merged[-1] if merged else None
        if turns != "system_first" and last is not None and _joins(last, message):
            merged[-1] = _one([last, message])
        else:
            merged.append(message)
    return merged


def bridged(messages: list[dict[str, Any]], notes: Notes) -> list[dict[str, Any]]:
    """Rendered messages with a short assistant turn wherever a user turn would follow a tool result."""
    whole: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "user" and whole and whole[-1]["role"] == "tool":
            whole.append({"role": "assistant", "content": _BRIDGE})
            notes.add("converted", "messages", f"{_BRIDGE!r} of the assistant stands between tool result and user turn")
        whole.append(message)
    return whole


def _joins(last: Message, message: Message) -> bool:
    if last.role != message.role or message.role not in ("user", "assistant"):
        return False
    return not any(part.type in ("tool_call", "tool_result") for part in (*last.parts, *message.parts))


def _one(messages: Iterable[Message]) -> Message:
    first, *more = messages
    if not more:
        return first
    parts: list[AnyPart] = [*first.parts]
    for message in more:
        if parts and message.parts and isinstance(parts[-1], Text) and isinstance(message.parts[0], Text):
            parts.append(Text("\n\n"))
        parts.extend(message.parts)
    return Message(role=first.role, parts=parts, name=first.name if all(m.name == first.name for m in more) else None)
