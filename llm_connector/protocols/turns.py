"""What every wire format needs to know about a conversation before it is rendered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llm_connector.errors import ConfigurationError
from llm_connector.types import (
    AnyPart,
    Document,
    Image,
    Message,
    Notes,
    Opaque,
    PlainTurn,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

__all__ = ["check_tool_turns", "embedded", "map_parts", "own_parts", "stand_in", "thought_states"]


def stand_in(part: AnyPart, reason: str, notes: Notes) -> str:
    """A visible text in place of a part that cannot be sent, reported in `notes`."""
    name = getattr(part, "name", None) or getattr(part, "url", None) or getattr(part, "media_type", None) or ""
    notes.add("converted", part.type, f"replaced by a text that names it: {reason}")
    return f"[{part.type}{' ' + name if name else ''}: not shown, {reason}]"


def check_tool_turns(messages: Sequence[Message]) -> None:
    """Every call must be answered before the conversation goes on.

    Servers refuse it otherwise, with errors that name no message. Raises ConfigurationError with the position and ids.
    """
    open_calls: dict[str, str] = {}
    position = 0
    for number, message in enumerate(messages):
        if type(message) is PlainTurn and not open_calls:
            continue
        parts = message.parts
        if open_calls:
            for part in parts:
                if isinstance(part, ToolResult):
                    open_calls.pop(part.call_id, None)
        if message.role == "tool":
            continue
        if open_calls:
            missing = ", ".join(f"{name} ({call_id})" for call_id, name in open_calls.items())
            raise ConfigurationError(
                f"messages[{position}]: these tool calls have no result: {missing}; "
                f"add a tool_result for each before messages[{number}]"
            )
        if message.role == "assistant" and not (len(parts) == 1 and type(parts[0]) is Text):
            position = number
            open_calls = {part.id: part.name for part in parts if isinstance(part, ToolCall)}


def own_parts(messages: list[Message], provider: str, notes: Notes) -> list[Message]:
    """The conversation without the state that belongs to other providers: thoughts, signatures and opaque blocks.

    A foreign signature is refused by the server, for as long as it stays in the history.
    """

    def keep(part: AnyPart) -> AnyPart | None:
        origin = getattr(part, "provider", None)
        if origin in (None, provider):
            return part
        if isinstance(part, ToolCall):
            return part.model_copy(update={"extra": None, "provider": None}) if part.extra else part
        notes.add("dropped", part.type, f"it belongs to {origin} and means nothing to {provider}")
        return None

    return map_parts(messages, keep, (Reasoning, Opaque, ToolCall))


def thought_states(messages: Sequence[Message]) -> frozenset[str]:
    """The signatures and encrypted contents of a conversation's thoughts, which another model or account may refuse."""
    turns = (message for message in messages if type(message) is not PlainTurn)
    thoughts = (part for message in turns for part in message.parts if isinstance(part, Reasoning))
    return frozenset(state for part in thoughts if (state := part.signature or part.encrypted))


def map_parts(
    messages: list[Message], change: Callable[[AnyPart], AnyPart | None], kinds: tuple[type, ...]
) -> list[Message]:
    """The messages with `change` applied to parts of `kinds`; None removes one.

    Unchanged messages are shared, and so is the list if all of them are.
    """
    changed: list[Message] | None = None
    for position, message in enumerate(messages):
        if type(message) is PlainTurn:
            continue
        parts = message.parts
        if (len(parts) == 1 and type(parts[0]) is Text) or not any(isinstance(part, kinds) for part in parts):
            continue  # most turns of a long history are one text
        mapped = [change(part) if isinstance(part, kinds) else part for part in parts]
        if any(new is not old for new, old in zip(mapped, parts, strict=True)):
            changed = list(messages) if changed is None else changed
            changed[position] = message.model_copy(update={"parts": [part for part in mapped if part is not None]})
    return messages if changed is None else changed


def embedded(messages: list[Message], notes: Notes) -> list[Message]:
    """The messages without pictures and documents by URL, for servers that load nothing from the web."""

    def change(part: AnyPart) -> AnyPart:
        if isinstance(part, Image | Document) and part.url is not None:
            return Text(stand_in(part, "this server loads nothing from the web: pass the bytes", notes))
        return part

    def change_all(part: AnyPart) -> AnyPart:
        if not isinstance(part, ToolResult):
            return change(part)
        shown = [change(item) for item in part.parts]
        return part.model_copy(update={"parts": shown}) if shown != part.parts else part

    return map_parts(messages, change_all, (Image, Document, ToolResult))
