"""The output items of a Responses answer under assembly, whole or from their events.

https://platform.openai.com/docs/api-reference/responses-streaming (checked 2026-11)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from llm_connector.protocols.assembly import Assembly, ChoiceAssembly, ReasoningBlock
from llm_connector.protocols.responses_messages import CUSTOM_CALL, bare_reasoning, phase_mark
from llm_connector.protocols.tool_calls import Slot
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.types import ChatChunk, ChatRequest, Opaque, ToolCallDelta

__all__ = ["OutputItem", "OutputItems"]

_PARTS = 4096
"""Keys that are kept free for the parts of one item."""
_CALLS = ("function_call", CUSTOM_CALL)
_NOT_CALL_EXTRA = frozenset({"type", "id", "call_id", "name", "arguments", "input", "status"})
_NOT_DETAILS = frozenset({"id", "encrypted_content", "status"})
_OF_DELTA = {
    "response.custom_tool_call_input.delta": CUSTOM_CALL,
    "response.custom_tool_call_input.done": CUSTOM_CALL,
}


class OutputItem:
    """One item: its kind, its place among the blocks, and its block where it has but one."""

    __slots__ = ("done", "key", "kind", "slot", "thinking", "thought")

    def __init__(self, kind: str, key: int) -> None:
        self.kind = kind
        self.key = key
        self.done = False
        self.slot: Slot | None = None
        self.thought: ReasoningBlock | None = None
        self.thinking: tuple[Any, ...] = ()


class OutputItems:
    """All items of an answer, by the `output_index` of their events: ids may change between two events of one item."""

    __slots__ = (
        "_assembly",
        "_at",
        "_behind",
        "_choice",
        "_items",
        "_keys",
        "_logprobs",
        "_names",
        "_pieces",
        "_refusals",
        "begun",
    )

    def __init__(self, assembly: Assembly, request: ChatRequest | None) -> None:
        self._assembly = assembly
        self._choice = assembly.choices[0]
        self._names = ToolNames(request)
        self._items: dict[Any, OutputItem] = {}
        self._keys: set[int] = set()
        self._behind = 0
        self._refusals: dict[int, list[str]] = {}
        self._logprobs: dict[int, list[Any]] = {}
        self._at: tuple[Any, Any] | None = None
        self._pieces: list[str] = []
        self.begun: list[OutputItem] = []

    def add_text(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """More visible text; mostly of the part that the event before was of."""
        text = body.get("delta")
        place = (body.get("output_index"), body.get("content_index"))
        if place != self._at:
            item = self._of(body, "message")
            self._pieces = self._choice.text(item.key + _number(place[1])).pieces
            self._at = place
        if body.get("logprobs"):
            item = self._of(body, "message")
            self._logprobs.setdefault(item.key + _number(place[1]), []).extend(body["logprobs"])
        if not text or type(text) is not str:
            return ()
        self._pieces.append(text)
        return (ChatChunk(text),)

    def begin(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """`output_item.added`. One that comes where another was begins anew: some imitators do not count."""
        wire = body.get("item")
        return self._begin(body.get("output_index"), wire)[1] if isinstance(wire, dict) else ()

    def end(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """`output_item.done`, which holds all that the events before it brought in pieces."""
        wire = body.get("item")
        if not isinstance(wire, dict):
            return ()
        item = self._items.get(body.get("output_index"))
        if item is not None and item.kind == wire.get("type") and not item.done:
            return self._settle(item, wire)
        item, chunks = self._begin(body.get("output_index"), wire)
        return [*chunks, *self._settle(item, wire)]

    def complete(self, output: Iterable[Any]) -> list[ChatChunk]:
        """The items as the end of the answer lists them: what was not ended is; what did not come does."""
        chunks: list[ChatChunk] = []
        known: dict[Any, deque[OutputItem]] = {}
        for item in self.begun:
            known.setdefault(item.kind, deque()).append(item)
        for number, wire in enumerate(output):
            if not isinstance(wire, dict):
                continue
            same = known.get(wire.get("type"))
            if same:
                item = same.popleft()
            else:
                item, begun = self._begin(number, wire)
                chunks += begun
            if not item.done:
                chunks += self._settle(item, wire)
            elif item.thought is not None and not item.thought.encrypted:
                item.thought.encrypted = _text(wire.get("encrypted_content")) or None
        return chunks

    def end_part(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The end of a text or a refusal, in case its pieces did not come."""
        part = body.get("part")
        if not isinstance(part, dict):
            known = (("output_text", body.get("text")), ("refusal", body.get("refusal")))
            part = next(({"type": kind, "text": text, kind: text} for kind, text in known if text), {})
        if part.get("type") == "reasoning_text":
            return self.end_thought(body)
        if part.get("type") not in ("output_text", "refusal"):
            return ()
        item = self._of(body, "message")
        return self._settle_part(item.key + _number(body.get("content_index")), part, end=False)

    def annotate(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """A citation of the text so far."""
        item = self._of(body, "message")
        if isinstance(body.get("annotation"), dict):
            self._choice.text(item.key + _number(body.get("content_index"))).citations.append(body["annotation"])
        return ()

    def refuse(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """More of a refusal."""
        item = self._of(body, "message")
        self._refusals.setdefault(item.key + _number(body.get("content_index")), []).append(_text(body.get("delta")))
        return ()

    def think(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """More thinking, of a summary or of the thought itself; a blank line stands between the parts."""
        return self._think(body, body.get("delta"))

    def end_thought(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The end of a part of a thought, in case its pieces did not come."""
        item = self._of(body, "reasoning")
        part = body.get("part")
        text = part.get("text") if isinstance(part, dict) else body.get("text")
        return () if item.thinking == _place(body) else self._think(body, text)

    def _think(self, body: dict[str, Any], text: Any) -> Iterable[ChatChunk]:
        item = self._of(body, "reasoning")
        if item.thought is None or not text or not isinstance(text, str):
            return ()
        if item.thinking != _place(body):
            item.thinking = _place(body)
            text = f"\n\n{text}" if item.thought.pieces else text
        item.thought.pieces.append(text)
        return (ChatChunk(reasoning=text),)

    def call(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """More of the arguments of a call."""
        piece = body.get("delta")
        item = self._items.get(body.get("output_index"))
        if item is None or item.slot is None:
            item = self._of(body, _OF_DELTA.get(body["type"], "function_call"))
        if item.slot is None or not piece or not isinstance(piece, str):
            return ()
        item.slot.pieces.append(piece)
        return _told(item.slot, piece)

    def end_call(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The end of the arguments of a call, in case their pieces did not come."""
        item = self._of(body, _OF_DELTA.get(body["type"], "function_call"))
        return self._settle_arguments(item.slot, body) if item.slot is not None else ()

    def tell(self, choice: ChoiceAssembly) -> None:
        """Give the choice what is kept by place here: refusals and log probabilities, in order."""
        choice.refusal = ["".join(self._refusals[key]) for key in sorted(self._refusals)]
        tokens = [token for key in sorted(self._logprobs) for token in self._logprobs[key]]
        choice.logprobs = {"content": tokens} if tokens else {}

    def _of(self, body: Mapping[str, Any], kind: str) -> OutputItem:
        """The item that an event is of; one that nothing began begins with it."""
        index = body.get("output_index")
        item = self._items.get(index)
        if item is None or item.kind != kind:
            item = self._begin(index, {"type": kind, "id": body.get("item_id")})[0]
        return item

    def _begin(self, index: Any, wire: Mapping[str, Any]) -> tuple[OutputItem, list[ChatChunk]]:
        free = type(index) is int and index >= 0 and index not in self._keys
        key = index if free else self._behind
        self._keys.add(key)
        self._behind = max(self._behind, key + 1)
        item = OutputItem(str(wire.get("type")), key * _PARTS)
        self._items[index] = item
        self._at = None
        self.begun.append(item)
        if item.kind == "reasoning":
            item.thought = self._choice.reasoning(item.key)
            item.thought.id = _text(wire.get("id")) or None
        elif item.kind in _CALLS:
            item.slot = slot = self._choice.calls.open(_call_id(wire) if wire.get("name") else None)
            slot.extra = {"type": CUSTOM_CALL} if item.kind == CUSTOM_CALL else None
            slot.name = self._names.original(_text(wire.get("name")))
            self._choice.place(item.key, slot)
            return item, _told(slot, "")
        return item, []

    def _settle(self, item: OutputItem, wire: dict[str, Any]) -> list[ChatChunk]:
        item.done = True
        if item.kind == "message":
            phase = _text(wire.get("phase"))
            if phase:
                self._choice.place(item.key + _PARTS - 1, Opaque(data=phase_mark(phase)))
            content = wire.get("content")
            if isinstance(content, str):
                content = [{"type": "output_text", "text": content}]
            parts = enumerate(_list(content))
            settled = (self._settle_part(item.key + number, part) for number, part in parts if isinstance(part, dict))
            return [chunk for chunks in settled for chunk in chunks]
        if item.thought is not None:
            return self._settle_thought(item.thought, wire)
        if item.slot is not None:
            return self._settle_call(item.slot, wire)
        self._choice.place(item.key, Opaque(data=wire))
        return []

    def _settle_part(self, key: int, part: Mapping[str, Any], *, end: bool = True) -> list[ChatChunk]:
        kind = part.get("type")
        if kind == "refusal":
            _rest(self._refusals.setdefault(key, []), part.get("refusal"))
            return []
        if kind not in ("output_text", "text"):
            return []
        block = self._choice.text(key)
        if end:
            annotations, logprobs = part.get("annotations"), part.get("logprobs")
            if isinstance(annotations, list) and annotations:
                block.citations = [citation for citation in annotations if isinstance(citation, dict)]
            if isinstance(logprobs, list) and logprobs:
                self._logprobs[key] = logprobs
        text = _rest(block.pieces, part.get("text"))
        return [ChatChunk(text)] if text else []

    def _settle_thought(self, thought: ReasoningBlock, wire: Mapping[str, Any]) -> list[ChatChunk]:
        parts = [*_list(wire.get("summary")), *_list(wire.get("content"))]
        texts = [_text(part.get("text")) for part in parts if isinstance(part, dict)]
        text = _rest(thought.pieces, "\n\n".join(text for text in texts if text))
        thought.id = _text(wire.get("id")) or thought.id
        thought.encrypted = _text(wire.get("encrypted_content")) or None
        details = {key: value for key, value in wire.items() if key not in _NOT_DETAILS and value not in (None, [])}
        details.setdefault("summary", [])
        plain = details == bare_reasoning("".join(thought.pieces))
        thought.details = [] if plain else [details]
        return [ChatChunk(reasoning=text)] if text else []

    def _settle_call(self, slot: Slot, wire: Mapping[str, Any]) -> list[ChatChunk]:
        call_id = _call_id(wire)
        if call_id and not (slot.wire_id or slot.told):
            slot.id = slot.wire_id = call_id
        if not slot.name:
            slot.name = self._names.original(_text(wire.get("name")))
        more = {key: value for key, value in wire.items() if key not in _NOT_CALL_EXTRA and value is not None}
        slot.extra = {**(slot.extra or {}), **more} or None
        chunks = self._settle_arguments(slot, wire)
        return [*(chunks or _told(slot, "")), *self._assembly.announce(self._choice, slot)]

    def _settle_arguments(self, slot: Slot, wire: Mapping[str, Any]) -> list[ChatChunk]:
        given = wire.get("arguments", wire.get("input"))
        if isinstance(given, Mapping):
            return [] if slot.pieces or slot.merged is not None else _told(slot, slot.merge(given))
        rest = _rest(slot.pieces, given)
        return _told(slot, rest) if rest else []


def _told(slot: Slot, piece: str) -> list[ChatChunk]:
    """The chunk of one more piece of a call; the first one brings its id and name, as soon as there is a name."""
    if not slot.name:
        return []
    if not slot.told:
        slot.told = True
        return [ChatChunk("", "", ToolCallDelta(slot.index, slot.id, slot.name, slot.arguments))]
    return [ChatChunk("", "", ToolCallDelta(slot.index, None, None, piece))] if piece else []


def _rest(pieces: list[str], whole: Any) -> str:
    """Put the whole text in the place of its pieces; what it adds to them, if they were its beginning."""
    if not whole or not isinstance(whole, str):
        return ""
    known = "".join(pieces)
    pieces[:] = [whole]
    return whole[len(known) :] if whole.startswith(known) else ""


def _call_id(wire: Mapping[str, Any]) -> str | None:
    """The id that a result names; some imitators have but one id."""
    return _text(wire.get("call_id")) or _text(wire.get("id")) or None


def _place(body: Mapping[str, Any]) -> tuple[Any, ...]:
    """Which part of a thought an event is of."""
    return body.get("summary_index"), body.get("content_index")


def _number(index: Any) -> int:
    return index if type(index) is int and 0 <= index < _PARTS - 1 else 0


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
