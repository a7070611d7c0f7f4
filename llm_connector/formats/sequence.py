"""Streams whose blocks stand one after the other, written from chunks that may alternate.

Formats that know blocks (Anthropic's, and Responses) want each one ended before the next begins, its signature with it.
"""

from __future__ import annotations

import itertools
import operator
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from llm_connector.formats.base import CallLog, Encoder, Format, Output, arguments_of
from llm_connector.protocols.assembly import Assembly, Block, ReasoningBlock, TextBlock
from llm_connector.protocols.tool_calls import Slot
from llm_connector.types import AnyPart, ChatChunk, ChatResponse, Reasoning, ToolCall, parsed_arguments

__all__ = ["BlockEncoder", "OpenBlock"]

Kind: TypeAlias = Literal["text", "reasoning", "call"]
Held: TypeAlias = tuple[int | None, ChatChunk]
"""A chunk, and the index of the call it is of."""


class OpenBlock:
    """The block that is being written. `source` is where it grows in the answer, if that is known."""

    __slots__ = ("call", "call_id", "index", "kind", "length", "name", "number", "pieces", "source")

    def __init__(self, kind: Kind, source: TextBlock | ReasoningBlock | Slot | None, number: int) -> None:
        self.kind: Kind = kind
        self.source = source
        self.number = number
        self.pieces: list[str] = []
        self.length = 0
        self.index: int | None = None
        self.call_id = ""
        self.name = ""
        self.call: ToolCall | None = None

    @property
    def text(self) -> str:
        """What has been written of it."""
        return "".join(self.pieces)

    @property
    def thought(self) -> Reasoning | None:
        """The thought that this is, with its signature and its like; None unless it is all of it."""
        source = self.source
        whole = isinstance(source, ReasoningBlock) and sum(map(len, source.pieces)) == self.length
        return source.part() if isinstance(source, ReasoningBlock) and whole else None


class BlockEncoder(Encoder):
    """Puts chunks into blocks; what the blocks look like is the subclass's. It writes the first answer only."""

    def __init__(
        self, format: Format, model: str | None, assembly: Assembly | None, clock: Callable[[], float]
    ) -> None:
        super().__init__(format, model, assembly, clock)
        self._choice = assembly.choices[0] if assembly is not None else None
        self._current: OpenBlock | None = None
        self._numbers = 0
        self._seen = 0
        self._ahead = False
        self._left: list[tuple[int, Block]] = []
        self._held: list[Held] = []
        self._log = CallLog()
        self._written_calls: set[int] = set()

    @abstractmethod
    def open(self, block: OpenBlock) -> Iterable[Output]:
        """The beginning of a block."""

    @abstractmethod
    def piece(self, block: OpenBlock, text: str) -> Output:
        """More of a block."""

    @abstractmethod
    def close(self, block: OpenBlock) -> Iterable[Output]:
        """The end of a block."""

    @abstractmethod
    def silent(self, part: AnyPart) -> Iterable[Output]:
        """A part that no chunk brings: thoughts without text, and blocks this library does not interpret."""

    @abstractmethod
    def end(self, response: ChatResponse) -> Iterable[Output]:
        """The end of the answer."""

    def write(self, chunk: ChatChunk) -> Iterable[Output]:
        """The events of a chunk; the next one of the same block is the usual case."""
        if chunk.choice:
            return ()
        current = self._current
        if current is not None and not (self._held or self._ahead):
            text = chunk.text if current.kind == "text" else chunk.reasoning if current.kind == "reasoning" else ""
            if text and (self._choice is None or len(self._choice.by_key) == self._seen):
                current.pieces.append(text)
                current.length += len(text)
                return (self.piece(current, text),)
        if not (chunk.text or chunk.reasoning or chunk.tool_call_delta or chunk.tool_call):
            return ()
        return [*self.start(), *self._offer(self._named(chunk))]

    def finish(self, response: ChatResponse) -> Iterable[Output]:
        """What was held back, the end of the last block, what no chunk brought, and the end."""
        events = [*self.start()]
        while self._held:
            events += self._close()
            events += self._release()
        events += self._close()
        events += self._silent(None)
        return [*events, *self.end(response)]

    def next_number(self) -> int:
        """The number of one more block."""
        self._numbers += 1
        return self._numbers - 1

    def _named(self, chunk: ChatChunk) -> Held:
        """The chunk with the index of its call."""
        delta, call = chunk.tool_call_delta, chunk.tool_call
        if delta is not None:
            if delta.id is not None:
                self._log.begin(0, delta.index, delta.id)
            return delta.index, chunk
        if call is None:
            return None, chunk
        known = self._log.finish(0, call.id)
        if known is None:
            index = self._log.next_index(0)
            self._log.begin(0, index, call.id)
            self._log.finish(0, call.id)
            return index, chunk
        return known.index, chunk

    def _offer(self, held: Held) -> list[Output]:
        """Write a chunk now, or keep it until the call that is open has come to its end."""
        current = self._current
        own = current is not None and current.kind == "call" and held[0] == current.index
        if held[0] in self._written_calls and not own:
            return []  # it was ended when the next one began
        if current is not None and current.kind == "call" and not own:
            if self._held or parsed_arguments(current.text)[1] is not None or not current.length:
                self._held.append(held)
                return []
            return [*self._close(), *self._take(held)]
        events = self._take(held)
        return [*events, *self._release()] if self._held and self._current is None else events

    def _release(self) -> list[Output]:
        held, self._held = self._held, []
        return [event for item in held for event in self._offer(item)]

    def _take(self, held: Held) -> list[Output]:
        index, chunk = held
        if index is None:
            return self._extend("text", chunk.text) if chunk.text else self._extend("reasoning", chunk.reasoning)
        delta = chunk.tool_call_delta
        if delta is not None:
            begun = self._begin_call(index, delta.id or "", delta.name or "")
            return [*begun, *self._add(delta.arguments)] if self._current is not None else []
        return self._end_call(index, chunk.tool_call) if chunk.tool_call is not None else []

    def _extend(self, kind: Kind, text: str) -> list[Output]:
        source = self._source(TextBlock if kind == "text" else ReasoningBlock)
        current, events = self._current, list[Output]()
        if current is None or current.kind != kind or (source is not None and source is not current.source):
            events += self._close()
            events += self._silent(source) if source is not None else ()
            events += self._open(kind, source)
        return [*events, *self._add(text)]

    def _look(self) -> list[Block]:
        """The blocks of the answer of which something may be left to write, in order."""
        if self._choice is None:
            return []
        blocks = self._choice.by_key
        fresh = len(blocks) - self._seen
        if fresh > 0:
            self._seen = len(blocks)
            self._left += itertools.islice(reversed(blocks.items()), fresh)
            self._left.sort(key=operator.itemgetter(0))
        return [block for _, block in self._left]

    def _pass(self, written: object) -> None:
        self._left = [item for item in self._left if item[1] is not written]

    def _source(self, kind: type[TextBlock] | type[ReasoningBlock]) -> TextBlock | ReasoningBlock | None:
        """The block of the answer that a piece of text belongs to: the first that has more than has been written.

        Usually there is one. There are more where a block has just begun, and where a whole answer came at once.
        """
        left = [block for block in self._look() if isinstance(block, kind)]
        while len(left) > 1:
            current = self._current
            written = current.length if current is not None and current.source is left[0] else 0
            if sum(map(len, left[0].pieces)) > written:
                break
            left.pop(0)
        self._ahead = len(left) > 1
        return left[0] if left else None

    def _silent(self, until: object | None) -> list[Output]:
        """The parts without text that stand before a block; all of them where there is none."""
        events: list[Output] = []
        for block in self._look():
            if block is until:
                break
            if isinstance(block, TextBlock | Slot) or (isinstance(block, ReasoningBlock) and block.pieces):
                continue
            part = block.part() if isinstance(block, ReasoningBlock) else block
            if part is not None:
                self._pass(block)
                events += self.silent(part)
        return events

    def _open(self, kind: Kind, source: TextBlock | ReasoningBlock | Slot | None) -> list[Output]:
        self._current = OpenBlock(kind, source, self.next_number())
        return [*self.open(self._current)] if kind != "call" else []

    def _add(self, text: str) -> list[Output]:
        current = self._current
        if current is None or not text:
            return []
        current.pieces.append(text)
        current.length += len(text)
        return [self.piece(current, text)]

    def _close(self) -> list[Output]:
        current, self._current = self._current, None
        if current is None:
            return []
        events = [*self.close(current)]
        if current.source is not None:
            self._pass(current.source)
        return events

    def _begin_call(self, index: int, call_id: str, name: str) -> list[Output]:
        """The beginning of a call, unless it is the one that is open."""
        if index in self._written_calls:
            return []
        self._written_calls.add(index)
        slots = self._choice.calls.slots if self._choice is not None else []
        slot = slots[index] if index < len(slots) else None
        events = self._close()
        events += self._silent(slot)
        events += self._open("call", slot)
        assert self._current is not None  # just opened
        self._current.index, self._current.call_id, self._current.name = index, call_id, name
        return [*events, *self.open(self._current)]

    def _end_call(self, index: int, call: ToolCall) -> list[Output]:
        """The end of a call, with what its pieces left out."""
        events = self._begin_call(index, call.id, call.name)
        current = self._current
        if current is None:
            return events
        current.call = call
        arguments, written = arguments_of(call), current.text
        if arguments.startswith(written):
            events += self._add(arguments[len(written) :])
        return [*events, *self._close()]
