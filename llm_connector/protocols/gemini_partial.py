"""Calls whose arguments come value by value, as Vertex AI sends them where `streamFunctionCallArguments` is set.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from llm_connector.errors import ParseError
from llm_connector.protocols.tool_calls import Slot

__all__ = ["PartialCall"]

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d{1,4})\]|\[(?:'([^']*)'|"([^"]*)")\]""")
_VALUES = ("stringValue", "numberValue", "boolValue")
_WIDEST_GAP = 100
"""Elements of a list that may be missing before the next: a path of a few bytes must not fill the memory."""


class PartialCall:
    """One call under assembly. A text may come in several pieces; the path names the place of each."""

    __slots__ = ("_arguments", "_open", "_pieces", "_place", "slot")

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self._arguments: dict[str, Any] = {}
        self._open: str | None = None
        self._pieces: list[str] = []
        self._place: tuple[Any, int | str] = (None, "")

    def take(self, call: Mapping[str, Any]) -> None:
        """What one event adds: whole arguments, or pieces of values."""
        whole = call.get("args")
        if isinstance(whole, dict):
            self._arguments.update(whole)
        for piece in call.get("partialArgs") or ():
            if isinstance(piece, Mapping):
                self._set(piece)

    def finish(self) -> dict[str, Any]:
        """The arguments."""
        self._close()
        return self._arguments

    def _set(self, piece: Mapping[str, Any]) -> None:
        path = str(piece.get("jsonPath") or "")
        value = next((piece[kind] for kind in _VALUES if kind in piece), None)
        if path == self._open and self._pieces and isinstance(value, str):
            self._pieces.append(value)
        else:
            self._close()
            self._begin(path, value)
        self._open = path if piece.get("willContinue") is True else None

    def _begin(self, path: str, value: Any) -> None:
        found = _STEP.findall(path)
        steps = [int(index) if index else name or quoted or double for name, index, quoted, double in found]
        if not steps or isinstance(steps[0], int):
            return
        home: Any = self._arguments
        for step, following in pairwise(steps):
            home = _child(home, step, [] if isinstance(following, int) else {})
        _put(home, steps[-1], value)
        self._place = home, steps[-1]
        self._pieces = [value] if isinstance(value, str) else []

    def _close(self) -> None:
        """Put the text that came in several pieces where it belongs."""
        if len(self._pieces) > 1:
            _put(*self._place, "".join(self._pieces))
        self._pieces = []


def _child(home: Any, step: int | str, empty: Any) -> Any:
    """What is at `step`; `empty` is put there if there is nothing yet."""
    found = home.get(step) if isinstance(home, dict) else home[step] if _has(home, step) else None
    if found is None:
        _put(home, step, empty)
        return empty
    return found


def _has(home: Any, step: int | str) -> bool:
    return isinstance(home, list) and isinstance(step, int) and step < len(home)


def _put(home: Any, step: int | str, value: Any) -> None:
    if isinstance(home, list) and isinstance(step, int):
        if step - len(home) > _WIDEST_GAP:
            raise ParseError(f"the arguments of a call have a list whose element {step} follows on {len(home)} others")
        home.extend([None] * (step + 1 - len(home)))
        home[step] = value
    elif isinstance(home, dict):
        home[step] = value
