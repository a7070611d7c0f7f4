"""An answer as the terminal shows it: while it arrives, and what it took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from llm_connector.cli.terminal import Terminal, clean
from llm_connector.client.streams import ChatStream
from llm_connector.types import Adaptation, ChatResponse, Usage

if TYPE_CHECKING:
    from rich.status import Status

__all__ = ["answer"]

_ENDINGS = {
    "length": "cut at the token limit",
    "content_filter": "stopped by the content filter",
    "refusal": "refused",
    "pause": "paused by the server",
    "error": "ended by an error",
}


def answer(terminal: Terminal, stream: ChatStream, known: Sequence[Adaptation] = ()) -> ChatResponse:
    """Print an answer while it arrives, then what it took; adaptations in `known` are not mentioned again.

    Whatever ends it early, what has arrived stays and the cursor stands on a new line.
    """
    notes = [note for note in stream.adaptations if note not in known]
    _tell(terminal, notes)
    page = _Page(terminal)
    started = time.monotonic()
    first = None
    try:
        with _waiting(terminal) as status, stream:
            for chunk in stream:
                if first is None and (chunk.text or chunk.reasoning):
                    first = time.monotonic()
                    if status is not None:
                        status.stop()
                if chunk.text:
                    page.text(chunk.text)
                elif chunk.reasoning:
                    page.reasoning(chunk.reasoning)
    finally:
        page.end()
    ended = time.monotonic()
    response = stream.response
    _tell(terminal, [note for note in response.adaptations if note not in (*notes, *known)])
    _tell_calls(terminal, response)
    speed = _speed(response.usage, ended - (first or ended), thoughts_seen=page.thoughts_seen)
    terminal.aside(_summary(response, ended - started, speed))
    return response


class _Page:
    """The answer as it is printed: reasoning on standard error, text on standard output, a blank line between."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._thinking = False
        self._last = "\n"
        self.thoughts_seen = False

    def reasoning(self, piece: str) -> None:
        if not self._thinking and self._last != "\n":
            self._terminal.write("\n")
        self._thinking = self.thoughts_seen = True
        self._terminal.aside(piece, end="")
        self._last = clean(piece)[-1:] or self._last

    def text(self, piece: str) -> None:
        if self._thinking:
            self._terminal.aside("\n" if self._last == "\n" else "\n\n", end="")
            self._thinking = False
        self._terminal.write(piece)
        self._last = clean(piece)[-1:] or self._last

    def end(self) -> None:
        if self._last != "\n":
            if self._thinking:
                self._terminal.aside("")
            else:
                self._terminal.write("\n")


def _waiting(terminal: Terminal) -> AbstractContextManager[Status | None]:
    """A spinner until the answer begins, where it can be seen."""
    return terminal.err.status("", spinner="dots", spinner_style="dim") if terminal.lively else nullcontext()


def _tell(terminal: Terminal, notes: Sequence[Adaptation]) -> None:
    for note in notes:
        terminal.aside(f"note: {note.subject} {note.action}: {note.detail}")


def _tell_calls(terminal: Terminal, response: ChatResponse) -> None:
    for call in response.tool_calls:
        terminal.aside(f"note: the model asked for the tool {call.name!r}; the command line has none")
    if response.refusal and not response.text:
        terminal.aside(f"the model refused: {response.refusal}", style="yellow")


def _speed(usage: Usage, seconds: float, *, thoughts_seen: bool) -> float | None:
    """Tokens per second while the answer was written. Hidden thinking happened before; None if it came all at once."""
    hidden = 0 if thoughts_seen else usage.reasoning_tokens or 0
    tokens = (usage.output_tokens or 0) - hidden
    return tokens / seconds if tokens > 0 and seconds >= 0.05 else None


def _summary(response: ChatResponse, seconds: float, speed: float | None) -> str:
    """Model, tokens, seconds and tokens per second, as far as they are known."""
    usage = response.usage
    facts = [response.model or ""]
    if usage.input_tokens is not None:
        facts.append(f"{usage.input_tokens:,} in{f' ({usage.cached_tokens:,} cached)' if usage.cached_tokens else ''}")
    if usage.output_tokens is not None:
        thought = f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else ""
        facts.append(f"{usage.output_tokens:,} out{thought}")
    facts.append(f"{seconds:.1f} s")
    if speed is not None:
        facts.append(f"{speed:,.0f} tokens/s")
    facts.append(_ENDINGS.get(response.finish_reason or "", ""))
    return " · ".join(filter(None, facts))
