"""Pieces of a streamed answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_connector.types.messages import ToolCall
    from llm_connector.types.response import FinishReason
    from llm_connector.types.usage import Usage

__all__ = ["ChatChunk", "ReasoningDelta", "TextDelta", "ToolCallDelta"]


@dataclass(slots=True)
class TextDelta:
    """More visible text."""

    text: str


@dataclass(slots=True)
class ReasoningDelta:
    """More thinking."""

    text: str


@dataclass(slots=True)
class ToolCallDelta:
    """A piece of one tool call. `index` counts the calls of the answer; id and name come on the first piece only.

    `arguments` is a fragment of JSON text. It is for display: `ChatChunk.tool_call` brings the parsed call afterwards,
    whether the server sent it in pieces or whole.
    """

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(slots=True)
class ChatChunk:
    """One piece of a streamed answer; it carries at most one delta.

    `tool_call` is a finished call: each comes exactly once, on a chunk of its own. `finish_reason`, `usage`, `id` and
    `model` come once each, on chunks without a delta. `choice` counts the answers when several were asked for.

    A slots dataclass because one is made per event: building it takes 0.3 µs, a pydantic model 1.7 µs.
    """

    text: str = ""
    reasoning: str = ""
    tool_call_delta: ToolCallDelta | None = None
    tool_call: ToolCall | None = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None
    choice: int = 0

    @property
    def delta(self) -> TextDelta | ReasoningDelta | ToolCallDelta | ToolCall | None:
        """Whichever delta the chunk carries, for `match`."""
        if self.text:
            return TextDelta(self.text)
        if self.reasoning:
            return ReasoningDelta(self.reasoning)
        return self.tool_call_delta or self.tool_call
