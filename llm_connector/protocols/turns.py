"""What every wire format needs to know about a conversation before it is rendered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llm_connector.errors import ConfigurationError, UnsupportedError
from llm_connector.types import (
    AnyPart,
    CacheMark,
    ChatRequest,
    Document,
    Image,
    Media,
    Message,
    Notes,
    Opaque,
    PlainTurn,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

__all__ = [
    "NO_CITATIONS",
    "cache_control",
    "check_tool_turns",
    "embedded",
    "map_media",
    "map_parts",
    "own_parts",
    "stand_in",
    "thought_states",
]


NO_CITATIONS = "this wire format cannot ask for citations of a document"


def stand_in(part: AnyPart, reason: str, notes: Notes) -> str:
    """A visible text in place of a part that cannot be sent, reported in `notes`.

    Raises UnsupportedError for an uploaded file: its id would tell the model nothing.
    """
    if isinstance(part, Media) and part.file_id is not None:
        raise UnsupportedError(
            f"the {part.type} {part.file_id!r} cannot be sent: {reason}; "
            "the id of a file works only where the file was uploaded: give the bytes elsewhere"
        )
    name = getattr(part, "name", None) or (isinstance(part, Media) and (part.url or part.media_type)) or ""
    notes.add("converted", part.type, f"replaced by a text that names it: {reason}")
    return f"[{part.type}{' ' + name if name else ''}: not shown, {reason}]"


def cache_control(mark: CacheMark) -> dict[str, str]:
    """A cache mark in Anthropic's words; True is the server's default lifetime."""
    return {"type": "ephemeral", "ttl": mark} if isinstance(mark, str) else {"type": "ephemeral"}


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
                f"add a tool_result for each before messages[{number}], or let repair_history(messages) do it"
            )
        if message.role == "assistant" and not (len(parts) == 1 and type(parts[0]) is Text):
            position = number
            open_calls = {part.id: part.name for part in parts if isinstance(part, ToolCall)}


def own_parts(messages: list[Message], provider: str, notes: Notes) -> list[Message]:
    """The conversation without the state that belongs to other providers: thoughts, signatures and opaque blocks.

    A foreign signature is refused by the server, for as long as it stays in the history.
    """

    def keep(part: AnyPart) -> AnyPart | None:
        origin = part.provider if isinstance(part, Reasoning | Opaque | ToolCall) else None
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


def map_media(
    messages: list[Message], change: Callable[[AnyPart], AnyPart], kinds: tuple[type[Media], ...]
) -> list[Message]:
    """The same for media, those in tool results included."""

    def inside(part: AnyPart) -> AnyPart:
        if not isinstance(part, ToolResult):
            return change(part)
        shown = [change(item) if isinstance(item, kinds) else item for item in part.parts]
        same = all(new is old for new, old in zip(shown, part.parts, strict=True))
        return part if same else part.model_copy(update={"parts": shown})

    return map_parts(messages, inside, (*kinds, ToolResult))


def embedded(request: ChatRequest, notes: Notes) -> ChatRequest:
    """The request without pictures and documents by URL, for servers that load nothing from the web.

    Raises UnsupportedError for uploaded files, which such servers do not keep.
    """

    def change(part: AnyPart) -> AnyPart:
        if isinstance(part, Image | Document) and part.data is None:
            return Text(stand_in(part, "this server loads nothing from the web: pass the bytes", notes))
        return part

    turns = map_media(request.messages, change, (Image, Document))
    return request if turns is request.messages else request.model_copy(update={"messages": turns})
