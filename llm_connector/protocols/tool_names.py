"""Tool names that the wire allows, and the way back."""

from __future__ import annotations

import re

from llm_connector.types import ChatRequest, Notes

__all__ = ["ToolNames"]

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}").fullmatch
_AS_THEY_ARE: dict[str, str] = {}
_LETTER_FIRST = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}").fullmatch


class ToolNames:
    """Renames tools whose names the wire refuses, and names them as the caller did when they come back.

    `^[a-zA-Z0-9_-]{1,64}$` is what OpenAI, Anthropic and DeepSeek accept; names of MCP servers hold dots and slashes.
    `letter_first`: names begin with a letter or an underscore (Gemini).
    """

    __slots__ = ("_fits", "_original", "_wire")

    def __init__(self, request: ChatRequest | None, notes: Notes | None = None, *, letter_first: bool = False) -> None:
        self._fits = _LETTER_FIRST if letter_first else _TOOL_NAME
        self._wire = self._original = _AS_THEY_ARE
        tools = request.tools if request is not None else ()
        if not tools:
            return
        self._wire, self._original = {}, {}
        renamed = [tool.name for tool in tools if not tool.native and not self._fits(tool.name)]
        taken = {tool.name for tool in tools}
        for name in renamed:
            wire = base = self._tidied(name)
            count = 1
            while wire in taken:
                count += 1
                wire = f"{base[: 63 - len(str(count))]}_{count}"
            taken.add(wire)
            self._wire[name], self._original[wire] = wire, name
            if notes is not None:
                notes.add("renamed", f"tool {name!r}", f"sent as {wire!r}; calls come back under its own name")

    def wire(self, name: str) -> str:
        """The name to send. A call in the history to a tool that is no longer offered is tidied as well."""
        if name in self._wire or self._fits(name):
            return self._wire.get(name, name)
        return self._tidied(name)

    def _tidied(self, name: str) -> str:
        tidy = re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "tool"
        return tidy if self._fits(tidy) else f"_{tidy}"[:64]

    def original(self, name: str) -> str:
        """The caller's name of a tool the server named."""
        return self._original.get(name, name) if self._original else name
