"""Calls whose arguments come value by value, as Vertex AI sends them where `streamFunctionCallArguments` is set.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from llm_connector.protocols.tool_calls import Slot

__all__ = ["PartialCall"]

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d{1,4})\]|\[(?:'([^']*)'|"([^"]*)")\]""")
_VALUES = ("stringValue", "numberValue", "boolValue")


class PartialCall:
    """One call under assembly. A text may come in several pieces; the path names the place of each."""

    __slots__ = ("_open", "arguments", "slot")

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.arguments: dict[str, Any] = {}
        self._open: str | None = None

    def take(self, call: Mapping[str, Any]) -> None:
        """What one event adds: whole arguments, or pieces of values."""
        whole = call.get("args")
        if isinstance(whole, dict):
            self.arguments.update(whole)
        for piece in call.get("partialArgs") or ():
            if isinstance(piece, Mapping):
                self._set(piece)

    def _set(self, piece: Mapping[str, Any]) -> None:
        path = str(piece.get("jsonPath") or "")
        found = _STEP.findall(path)
        steps = [int(index) if index else name or quoted or double for name, index, quoted, double in found]
        if not steps or isinstance(steps[0], int):
            return
        value = next((piece[kind] for kind in _VALUES if kind in piece), None)
        home: Any = self.arguments
        for step, following in pairwise(steps):
            home = _child(home, step, [] if isinstance(following, int) else {})
        known = _child(home, steps[-1], None) if path == self._open else None
        joined = known + value if isinstance(known, str) and isinstance(value, str) else value
        _put(home, steps[-1], joined)
        self._open = path if piece.get("willContinue") is True else None


def _child(home: Any, step: int | str, empty: Any) -> Any:
    """What is at `step`; `empty` is put there if there is nothing yet."""
    found = home.get(step) if isinstance(home, dict) else home[step] if _has(home, step) else None
    if found is None and empty is not None:
        _put(home, step, empty)
        return empty
    return found


def _has(home: Any, step: int | str) -> bool:
    return isinstance(home, list) and isinstance(step, int) and step < len(home)


def _put(home: Any, step: int | str, value: Any) -> None:
    if isinstance(home, list) and isinstance(step, int):
        home.extend([None] * (step + 1 - len(home)))
        home[step] = value
    elif isinstance(home, dict):
        home[step] = value
