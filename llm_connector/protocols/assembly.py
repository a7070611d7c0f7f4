"""An answer under assembly, shared by all protocols: its parts in order, its calls, its end.

A whole answer goes through the same door as a streamed one, which is why both come out equal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from llm_connector.protocols.tool_calls import Slot, ToolCallSlots, gathered
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.types import (
    AnyPart,
    Audio,
    ChatChunk,
    ChatResponse,
    Choice,
    Document,
    FinishReason,
    Image,
    Message,
    Opaque,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
    Video,
)
from llm_connector.types.unchecked import unchecked

__all__ = ["Assembly", "ChoiceAssembly", "ReasoningBlock", "TextBlock", "count_in", "finish_reason"]

_TOO_MANY = 1 << 53
"""More than any server counts: infinity, or a number that is none."""
_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "normal": "stop",
    "completed": "stop",
    "complete": "stop",
    "load": "stop",
    "unload": "stop",
    "length": "length",
    "incomplete:max_output_tokens": "length",
    "incomplete:max_tokens": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "incomplete:content_filter": "content_filter",
    "sensitive": "content_filter",
    "safety": "content_filter",
    "refusal": "refusal",
    "pause_turn": "pause",
    "error": "error",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
    "cancelled": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
    "abort": "error",
    "repetition": "error",
}


def finish_reason(raw: str | None, *, calls: bool, refused: bool) -> FinishReason | None:
    """The unified reason. Finished calls make a plain stop a request to run them; no call, no such request."""
    reason = _FINISH_REASONS.get(raw) if raw else None
    if calls and reason == "stop":
        return "tool_calls"
    if not calls and reason == "tool_calls":
        return "stop"
    return "refusal" if refused and reason == "stop" else reason


def count_in(counts: Mapping[str, Any], *names: str) -> int | None:
    """The first number under these names, as a whole one."""
    for name in names:
        value: Any = counts.get(name)
        if type(value) in (int, float) and abs(value) < _TOO_MANY:
            return int(value)
    return None


def _joined(pieces: list[str]) -> str:
    """The text of the pieces, which become one, so that reading it after each new one stays cheap."""
    text = "".join(pieces)  # raises TypeError for what is no text
    if len(pieces) > 1:
        pieces[:] = [text]
    return text


class _Said:
    """Text or thinking in pieces, the first `gathered` of them gathered from others."""

    __slots__ = ("gathered", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.gathered = 0


class TextBlock(_Said):
    """Visible text in pieces."""

    __slots__ = ("citations",)

    def __init__(self) -> None:
        super().__init__()
        self.citations: list[dict[str, Any]] = []

    def part(self) -> Text | None:
        """The part so far; None if it has no text."""
        text = _joined(self.pieces)
        if not text:
            return None
        return Text(text, citations=self.citations) if self.citations else unchecked(Text, text=text)


class ReasoningBlock(_Said):
    """Thinking in pieces, with what must go back with it."""

    __slots__ = ("details", "encrypted", "field", "id", "signature")

    def __init__(self) -> None:
        super().__init__()
        self.field: str | None = None
        self.signature: str | None = None
        self.encrypted: str | None = None
        self.id: str | None = None
        self.details: list[dict[str, Any]] = []

    def part(self) -> Reasoning | None:
        """The part so far; None if it has neither text nor state."""
        text = _joined(self.pieces)
        if not (text or self.signature or self.encrypted or self.details or self.id):
            return None
        return Reasoning(
            text,
            signature=self.signature,
            encrypted=self.encrypted,
            id=self.id,
            field=self.field,
            details=self.details or None,
        )


Placed = Slot | Opaque | Image | Document | Audio | Video
Block = TextBlock | ReasoningBlock | Placed


class ChoiceAssembly:
    """One of the answers. Blocks are ordered by their keys, whatever the order in which they came."""

    __slots__ = ("by_key", "calls", "index", "logprobs", "raw_reason", "refusal")

    def __init__(self, index: int, tools: Collection[str] = ()) -> None:
        self.index = index
        self.by_key: dict[int, Block] = {}
        self.calls = ToolCallSlots(tools)
        self.raw_reason: str | None = None
        self.refusal: list[str] = []
        self.logprobs: dict[str, list[Any]] = {}

    def text(self, key: int) -> TextBlock:
        """The text block at `key`, made at first use."""
        block = self.by_key.get(key)
        if not isinstance(block, TextBlock):
            block = self.by_key[key] = TextBlock()
        return block

    def reasoning(self, key: int) -> ReasoningBlock:
        """The reasoning block at `key`, made at first use."""
        block = self.by_key.get(key)
        if not isinstance(block, ReasoningBlock):
            block = self.by_key[key] = ReasoningBlock()
        return block

    def place(self, key: int, block: Placed) -> None:
        """Put a call, a picture or an opaque block among the parts. Calls that are not placed come last."""
        self.by_key[key] = block

    def blocks(self) -> list[Block]:
        """The blocks in order."""
        return [self.by_key[key] for key in sorted(self.by_key)]

    def citations(self) -> list[dict[str, Any]]:
        """What the texts rest on, in their order."""
        return [cited for block in self.blocks() if type(block) is TextBlock for cited in block.citations]

    def feed_call(self, piece: Mapping[str, Any], names: ToolNames, *, whole: bool = False) -> ToolCallDelta | None:
        """Take one element of a `tool_calls` list; a `whole` one never continues another."""
        if whole:
            self.calls.open(str(piece.get("id") or ""))
            piece = {**piece, "index": None}
        delta = self.calls.feed(piece)
        if delta is not None and delta.name is not None:
            delta.name = self.calls.slots[delta.index].name = names.original(delta.name)
        return delta

    def add_logprobs(self, logprobs: Any) -> None:
        """Take the `{"content": […], "refusal": […]}` of one event."""
        if isinstance(logprobs, dict):
            for key, tokens in logprobs.items():
                if isinstance(tokens, list):
                    self.logprobs.setdefault(key, []).extend(tokens)

    def gather(self) -> None:
        """Join pieces that have come: each takes sixty bytes beside its text."""
        for block in (*self.by_key.values(), *self.calls.slots):
            if isinstance(block, _Said | Slot):
                block.gathered = gathered(block.pieces, block.gathered)

    def begun(self) -> bool:
        """Whether anything of it has come."""
        return bool(self.calls.slots or self.refusal or any(getattr(it, "pieces", True) for it in self.blocks()))

    def finish(self) -> FinishReason | None:
        """Why it ended."""
        calls = any(slot.name for slot in self.calls.slots)
        return finish_reason(self.raw_reason, calls=calls, refused=bool(self.refusal))

    def message(self, *, interrupted: bool) -> Message:
        """The parts so far, in order; `interrupted` marks calls whose end has not come."""
        parts: list[AnyPart] = []
        placed: set[int] = set()
        for block in self.blocks():
            if isinstance(block, Slot):
                placed.add(block.index)
                if block.name:
                    parts.append(block.call(interrupted=interrupted and not block.complete()))
            elif not isinstance(block, _Said):
                parts.append(block)
            elif (part := block.part()) is not None:
                parts.append(part)
        parts.extend(
            slot.call(interrupted=interrupted and not slot.complete())
            for slot in self.calls.slots
            if slot.name and slot.index not in placed
        )
        return unchecked(Message, role="assistant", parts=parts)

    def choice(self, *, interrupted: bool) -> Choice:
        """The answer so far."""
        return unchecked(
            Choice,
            index=self.index,
            message=self.message(interrupted=interrupted),
            finish_reason=None if interrupted else self.finish(),
            finish_reason_raw=self.raw_reason,
            refusal="".join(self.refusal) or None,
            logprobs=self.logprobs or None,
        )


class Assembly:
    """All answers to one request, with what they share."""

    __slots__ = ("_tools", "announced", "choices", "id", "model", "owner", "usage")

    def __init__(self, tools: Collection[str] = ()) -> None:
        self._tools = tools
        self.choices: dict[int, ChoiceAssembly] = {0: ChoiceAssembly(0, tools)}
        self.id: str | None = None
        self.model: str | None = None
        self.usage: Usage | None = None
        self.announced: set[tuple[int, int]] = set()
        self.owner: str | None = None
        """Whose answer this is: what only they understand is marked so."""

    def choice(self, index: int) -> ChoiceAssembly:
        """The answer of that number, made at first use."""
        found = self.choices.get(index)
        if found is None:
            found = self.choices[index] = ChoiceAssembly(index, self._tools)
        return found

    def head(self, answer_id: Any, model: Any) -> ChatChunk | None:
        """A chunk with the id and the model, once each, when they are first known."""
        new_id = answer_id if self.id is None and isinstance(answer_id, str) and answer_id else None
        new_model = model if self.model is None and isinstance(model, str) and model else None
        if new_id is None and new_model is None:
            return None
        self.id = self.id or new_id
        self.model = self.model or new_model
        return ChatChunk(id=new_id, model=new_model)

    def announce(self, choice: ChoiceAssembly, slot: Slot) -> Iterator[ChatChunk]:
        """The chunk of a finished call, unless it has been sent."""
        key = (choice.index, slot.index)
        if slot.name and key not in self.announced:
            self.announced.add(key)
            call = slot.call()
            if call.extra is not None and self.owner is not None:
                call = call.model_copy(update={"provider": self.owner})
            yield ChatChunk(tool_call=call, choice=choice.index)

    def tail(self, response: ChatResponse) -> Iterator[ChatChunk]:
        """The last chunks of a complete answer: calls not yet announced, finish reasons, usage."""
        for choice in self.choices.values():
            for slot in choice.calls.slots:
                yield from self.announce(choice, slot)
        for number, choice in self.choices.items():
            reason = choice.finish()
            if reason is not None:
                yield ChatChunk(finish_reason=reason, choice=number)
        if response.usage != Usage():
            yield ChatChunk(usage=response.usage)

    def respond(self, *, interrupted: bool = False, **fields: Any) -> ChatResponse:
        """The response, with the protocol's other fields."""
        choices = [self.choices[index].choice(interrupted=interrupted) for index in sorted(self.choices)]
        fields |= {"choices": choices, "id": self.id, "model": self.model, "usage": self.usage or Usage()}
        return ChatResponse(**fields) if fields.get("citations") else unchecked(ChatResponse, **fields)
