"""The slot rule: streamed pieces of tool calls become calls, whatever a server leaves out, repeats or reorders.

Servers disagree on `index`, `id`, names and arguments; each branch here names the deviation it is for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from typing import Any

from pydantic_core import from_json

from llm_connector.types import ToolCall, ToolCallDelta, parsed_arguments
from llm_connector.wire import decode_json

__all__ = ["Slot", "ToolCallSlots", "gathered", "made_up_id"]

_MOST_CHECKED = 64 << 20
"""Characters of one call that are read to see whether it is complete, again with each piece: a bound for the work."""


def made_up_id() -> str:
    """An id for a call that came without one; alphanumeric, since some servers refuse more when it goes back."""
    return f"call_{os.urandom(8).hex()}"


def gathered(pieces: list[str], before: int) -> int:
    """Join the pieces behind those that were gathered `before`, but for the first and the last of all, which tell how
    an answer is sent; how many are gathered now."""
    start = min(max(before, 1), len(pieces))
    if len(pieces) - start > 2:
        pieces[start:-1] = ["".join(pieces[start:-1])]
        start += 1
    return start


class Slot:
    """One call under assembly. Name and id are set once, arguments are appended and joined once."""

    __slots__ = (
        "checked",
        "cumulative",
        "extra",
        "gathered",
        "id",
        "index",
        "length",
        "merged",
        "name",
        "pieces",
        "snapshot",
        "told",
        "wire_id",
    )

    def __init__(self, index: int, wire_id: str | None) -> None:
        self.index = index
        self.wire_id = wire_id
        self.id = wire_id or made_up_id()
        self.name = ""
        self.pieces: list[str] = []
        self.gathered = 0
        self.length = 0
        self.checked = 0
        self.cumulative = False
        self.snapshot: str | None = None
        self.told = False
        self.merged: dict[str, Any] | None = None
        self.extra: dict[str, Any] | None = None

    @property
    def arguments(self) -> str:
        """The JSON text so far."""
        if self.merged is not None:
            return json.dumps(self.merged, ensure_ascii=False)
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""

    def complete(self) -> bool:
        """Whether the arguments are one whole JSON object."""
        if not self.pieces or not self.pieces[-1].rstrip().endswith("}"):
            return self.merged is not None
        self.checked += self.length
        if self.checked > _MOST_CHECKED and len(self.pieces) > 1:
            return False
        try:
            return isinstance(decode_json(self.arguments.encode("utf-8", "surrogatepass")), dict)
        except ValueError:
            return False

    def append(self, piece: str) -> str:
        """Take one more piece of JSON text and return what is new in it."""
        if self.cumulative:
            return self._replace(piece)
        known_length = self.length if self.snapshot is None else len(self.snapshot)
        if len(piece) >= known_length > 0 and piece[:1] == "{" and self.pieces[0][:1] == "{":
            known = self.arguments
            if self.snapshot is not None and piece.startswith(self.snapshot):
                self.pieces, self.length = [self.snapshot], len(self.snapshot)
                self.cumulative = True
                return self._replace(piece)
            if len(piece) > len(known) and piece.startswith(known):
                if not _may_be_json(known + piece):
                    self.cumulative = True
                    return self._replace(piece)
                self.snapshot = piece  # all of it once more, or an object inside: what follows will tell
            elif piece == known and self.complete():  # the whole call sent once more at the end
                return ""
        self.pieces.append(piece)
        self.length += len(piece)
        return piece

    def merge(self, arguments: Mapping[str, Any]) -> str:
        """Take arguments that came as an object, whole or key by key; return the JSON text if it is the first."""
        if self.merged is None:
            self.merged = dict(arguments)
            return json.dumps(self.merged, ensure_ascii=False)
        for key, value in arguments.items():
            known = self.merged.get(key)
            joined = isinstance(known, str) and isinstance(value, str) and not value.startswith(known)
            self.merged[key] = f"{known}{value}" if joined else value
        return ""

    def call(self, *, interrupted: bool = False, name: str | None = None) -> ToolCall:
        """The finished call; `interrupted` marks one whose end never came."""
        raw = self.arguments
        if interrupted:
            arguments, error = self.merged or {}, "the stream ended before the call was complete"
        elif self.merged is not None:
            arguments, error = self.merged, None
        else:
            arguments, error = parsed_arguments(raw)
            if error and self.snapshot is not None and parsed_arguments(self.snapshot)[1] is None:
                raw = self.snapshot
                arguments, error = parsed_arguments(raw)
        return ToolCall(
            id=self.id, name=name or self.name, arguments=arguments, arguments_raw=raw, error=error, extra=self.extra
        )

    def _replace(self, piece: str) -> str:
        known = self.arguments
        if not piece.startswith(known):
            piece = known + piece
        self.pieces, self.length = [piece], len(piece)
        return piece[len(known) :]


class ToolCallSlots:
    """The calls of one answer, in the order in which they began."""

    __slots__ = ("_by_id", "_by_index", "_last", "_tools", "slots")

    def __init__(self, tools: Collection[str] = ()) -> None:
        self._tools = tools
        self.slots: list[Slot] = []
        self._by_id: dict[str, Slot] = {}
        self._by_index: dict[int, Slot] = {}
        self._last: Slot | None = None

    def open(self, call_id: str | None = None, index: int | None = None) -> Slot:
        """A new slot."""
        slot = Slot(len(self.slots), call_id or None)
        self.slots.append(slot)
        if call_id:
            self._by_id[call_id] = slot
        if index is not None:
            self._by_index[index] = slot
        self._last = slot
        return slot

    def feed(self, piece: Mapping[str, Any]) -> ToolCallDelta | None:
        """Take one element of a `tool_calls` list; None when it adds nothing."""
        if len(piece) == 2 and "index" in piece and "function" in piece:
            more = self._continued(piece["index"], piece["function"])
            if more is not None:
                return more
        function = piece.get("function") or piece.get("custom") or {}
        name = function.get("name") or None
        if name is not None and type(name) is not str:
            raise TypeError(f"the name of a tool call is a {type(name).__name__}")
        arguments = function.get("arguments", function.get("input"))
        call_id = str(piece.get("id") or "") or None  # an empty string equals absent
        index = piece.get("index")
        slot = self._find(call_id, index if isinstance(index, int) else None, name, arguments)
        if name and not slot.name:
            slot.name = name
        elif name and not slot.pieces and slot.name not in self._tools and slot.name + name in self._tools:
            slot.name += name  # a name cut in two
        if call_id and not slot.wire_id:
            self._identify(slot, call_id)
        if len(piece) > 2:
            self._keep_extra(slot, piece)
        if isinstance(arguments, str):
            added = slot.append(arguments) if (arguments and arguments != "null") or slot.pieces else ""
        elif isinstance(arguments, Mapping):
            added = slot.merge(arguments)
        else:
            added = slot.append(json.dumps(arguments)) if arguments else ""  # wrong, which the call will say
        if not slot.name:
            return None
        if not slot.told:  # the first piece brings id and name, and what came ahead of them
            slot.told = True
            return ToolCallDelta(slot.index, slot.id, slot.name, slot.arguments)
        return ToolCallDelta(slot.index, None, None, added) if added else None

    def _continued(self, index: Any, function: Any) -> ToolCallDelta | None:
        """What an ordinary continuation adds: an index and more text that begins nothing new; None for all else."""
        slot = self._by_index.get(index)
        if slot is None or not slot.told or slot.cumulative or not isinstance(function, dict) or len(function) != 1:
            return None
        text = function.get("arguments")
        if type(text) is not str or text[:1] in ("", "{") or not slot.pieces:
            return None
        slot.pieces.append(text)
        slot.length += len(text)
        return ToolCallDelta(slot.index, None, None, text)

    def _find(self, call_id: str | None, index: int | None, name: str | None, arguments: Any) -> Slot:
        if call_id:
            known = self._by_id.get(call_id)
            if known is not None:
                return known
            unnamed = self._by_index.get(index) if index is not None else None
            if unnamed is not None and unnamed.wire_id is None and not unnamed.complete():
                return unnamed  # the id follows the first piece
            return self.open(call_id, index)
        slot = self._by_index.get(index) if index is not None else self._last
        if slot is None:
            return self.open(None, index)
        begins = name or (slot.wire_id is None and isinstance(arguments, str) and arguments[:1] == "{")
        if begins and slot.name and slot.complete() and arguments != slot.arguments:
            # Ids and indices are missing: a name, or a second object, after a whole object begins a call.
            further = self.open(None, index)
            further.name = name or slot.name
            return further
        return slot

    def _identify(self, slot: Slot, call_id: str) -> None:
        slot.wire_id = call_id
        if not slot.told:
            slot.id = call_id
        self._by_id[call_id] = slot

    def _keep_extra(self, slot: Slot, piece: Mapping[str, Any]) -> None:
        for key, value in piece.items():
            ordinary = key in ("id", "index", "function", "custom") or value is None
            if not (ordinary or (key == "type" and value in ("", "function", "custom"))):
                slot.extra = {**(slot.extra or {}), key: value}


def _may_be_json(text: str) -> bool:
    """Whether this may be the beginning of a JSON text."""
    try:
        from_json(text, allow_partial=True)
    except ValueError:
        return False
    return True
