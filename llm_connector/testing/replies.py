"""What a scripted model says: text, thoughts, tool calls, errors; and the chunks in which it comes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from llm_connector.errors import ConfigurationError, LlmConnectorError
from llm_connector.protocols.assembly import Assembly, ChoiceAssembly
from llm_connector.testing.script import Answer, Raw, Refuse, Scripted, Stream
from llm_connector.types import (
    AnyPart,
    ChatChunk,
    ChatResponse,
    Choice,
    FinishReason,
    Message,
    Reasoning,
    Text,
    ToolCall,
    Usage,
    assistant,
)
from llm_connector.types.part import Part

if TYPE_CHECKING:
    from llm_connector.testing.faults import Fault
    from llm_connector.testing.model import ReceivedRequest

__all__ = ["Reply", "Saying", "pieces_of", "reply", "said", "tool_call"]

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the model. `reply` makes one.

    `error` comes instead of its end: inside the stream, once there are parts. `fault` is what goes wrong on the way,
    and `headers` are those of the answer.
    """

    response: ChatResponse
    error: LlmConnectorError | None = None
    fault: Fault | None = None
    headers: Mapping[str, str] | None = None


Saying: TypeAlias = (
    str
    | AnyPart
    | Sequence[Any]
    | Message
    | ChatResponse
    | Reply
    | Mapping[str, Any]
    | BaseException
    | Scripted
    | Callable[["ReceivedRequest"], Any]
)
"""What may be scripted: see `ScriptedModel`."""


def tool_call(name: str, /, **arguments: Any) -> ToolCall:
    """A call of a tool with these arguments, and an id of its own."""
    raw = json.dumps(arguments, ensure_ascii=False)
    return ToolCall(id=f"call_{next(_numbers)}", name=name, arguments=arguments, arguments_raw=raw)


def reply(
    *parts: str | AnyPart,
    usage: Usage | None = None,
    finish_reason: FinishReason | None = None,
    error: LlmConnectorError | None = None,
    fault: str | Fault | None = None,
    headers: Mapping[str, str] | None = None,
    model: str | None = None,
) -> Reply:
    """An answer made of text, `Reasoning(...)` and `tool_call(...)`.

    `finish_reason` is `"tool_calls"` where there are calls, else `"stop"`. `error` ends a stream that has begun.
    `fault` is the name of one (`"cut"`, `"stall"`, `"TC-03"`; `FAULTS` lists them) or a `Fault`. `model`
    is who says that it answered, else the model that was asked. Raises ConfigurationError for an unknown fault.
    """
    message = assistant(*parts)
    reason = finish_reason or ("tool_calls" if message.tool_calls else "stop")
    choice = Choice(message=message, finish_reason=reason)
    response = ChatResponse(choices=[choice], usage=usage or Usage(), model=model, id=f"reply-{next(_numbers)}")
    if isinstance(fault, str):
        from llm_connector.testing.faults import find_fault

        fault = find_fault(fault)
    return Reply(response, error, fault, headers)


def said(saying: Any) -> Reply | Scripted | BaseException:
    """What was scripted, in one of three forms. Raises ConfigurationError for what says nothing."""
    match saying:
        case Reply() | Answer() | Stream() | Raw() | Refuse() | BaseException():
            return saying
        case str() | Part():
            return reply(cast("AnyPart", saying))
        case Message():
            return reply(*saying.parts)
        case ChatResponse():
            return Reply(saying)
        case Mapping():
            return Answer.json(saying)
        case [*parts] if all(isinstance(part, str | Part) for part in parts):
            return reply(*parts)
        case _:
            raise ConfigurationError(
                f"{type(saying).__name__!r} cannot be an answer; give text, tool_call(...), reply(...), an exception, "
                "a dict (the JSON body, as it is) or a function of the request"
            )


def pieces_of(text: str) -> list[str]:
    """The words of a text, each with the space behind it."""
    return re.findall(r"\s*\S+\s*", text) or ([text] if text else [])


def chunks(response: ChatResponse, assembly: Assembly) -> Iterator[ChatChunk]:
    """The chunks of an answer, a word each, while it grows in `assembly` as it would in a reader."""
    head = assembly.head(response.id, response.model)
    if head is not None:
        yield head
    for answer in response.choices:
        choice = assembly.choice(answer.index)
        for key, part in enumerate(answer.message.parts):
            yield from _part(choice, key, part, assembly)


def _part(choice: ChoiceAssembly, key: int, part: AnyPart, assembly: Assembly) -> Iterator[ChatChunk]:
    if isinstance(part, ToolCall):
        yield from _call(choice, key, part, assembly)
        return
    if not isinstance(part, Text | Reasoning):
        return
    thinks = isinstance(part, Reasoning)
    block = choice.reasoning(key) if thinks else choice.text(key)
    for name in ("signature", "encrypted", "id", "field") if thinks else ():
        setattr(block, name, getattr(part, name))
    for piece in pieces_of(part.text):
        block.pieces.append(piece)
        yield ChatChunk(reasoning=piece, choice=choice.index) if thinks else ChatChunk(text=piece, choice=choice.index)


def _call(choice: ChoiceAssembly, key: int, call: ToolCall, assembly: Assembly) -> Iterator[ChatChunk]:
    """A call in three pieces: its name, and two of its arguments."""
    index = len(choice.calls.slots)
    raw = call.arguments_raw or json.dumps(call.arguments, ensure_ascii=False)
    half = len(raw) // 2
    names: dict[str, Any] = {**(call.extra or {}), "index": index, "id": call.id}
    for piece in (
        {**names, "function": {"name": call.name, "arguments": ""}},
        {"index": index, "function": {"arguments": raw[:half]}},
        {"index": index, "function": {"arguments": raw[half:]}},
    ):
        delta = choice.calls.feed(piece)
        if delta is not None:
            yield ChatChunk(tool_call_delta=delta, choice=choice.index)
    slot = choice.calls.slots[index]
    choice.place(key, slot)
    yield from assembly.announce(choice, slot)
