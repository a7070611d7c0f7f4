"""`llm-connector chat`: one question and its answer, or a conversation."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llm_connector.cli.defaults import DEFAULT_PROVIDER, MODEL_VARIABLE, PROVIDER_VARIABLE
from llm_connector.cli.terminal import Terminal, clean
from llm_connector.client.clients import LlmClient
from llm_connector.client.streams import ChatStream
from llm_connector.errors import ConfigurationError
from llm_connector.types import (
    Adaptation,
    AnyPart,
    ChatOptions,
    ChatResponse,
    Document,
    Image,
    ReasoningOption,
    Text,
    Usage,
    user,
)
from llm_connector.types import system as system_message

if TYPE_CHECKING:
    from rich.status import Status

__all__ = ["ChatSettings", "answer", "run"]

PATIENCE_SECONDS = 3.0
"""How long a pipe may stay silent before we say that we are reading it."""

_LEVELS: dict[str, ReasoningOption] = {
    "off": False,
    "on": True,
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
}
_ENDINGS = {
    "length": "cut at the token limit",
    "content_filter": "stopped by the content filter",
    "refusal": "refused",
    "pause": "paused by the server",
    "error": "ended by an error",
}


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """The options of the command, as given."""

    provider: str
    model: str | None = None
    system: str | None = None
    images: Sequence[str] = ()
    files: Sequence[str] = ()
    reasoning: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    base_url: str | None = None
    region: str | None = None
    timeout: float | None = None

    def attachments(self) -> list[AnyPart]:
        """The documents and pictures, read. Raises ConfigurationError for what cannot be."""
        return [*map(Document, self.files), *map(Image, self.images)]

    def options(self) -> ChatOptions:
        """What goes with every request."""
        options: ChatOptions = {}
        if self.reasoning is not None:
            options["reasoning"] = _reasoning(self.reasoning)
        if self.max_tokens is not None:
            options["max_tokens"] = self.max_tokens
        if self.temperature is not None:
            options["temperature"] = self.temperature
        return options


def run(prompt: str, settings: ChatSettings, *, as_json: bool) -> int:
    """Answer `prompt` and what is piped in; without either, in a terminal, hold a conversation. The exit code."""
    terminal = Terminal()
    client, settings = _open(settings)
    options = settings.options()
    parts = settings.attachments()
    with client:
        if not prompt and not as_json and sys.stdin is not None and sys.stdin.isatty():
            from llm_connector.cli.session import Session

            return Session(terminal, client, settings, options, parts).run()
        text = "\n\n".join(filter(str.strip, (prompt, _piped(terminal, prompt))))
        if text:
            parts.append(Text(text))
        if not parts:
            raise ConfigurationError("the prompt is empty: give it as an argument or pipe it in")
        messages = [*([system_message(settings.system)] if settings.system else []), user(*parts)]
        if as_json:
            response = client.chat(messages, **options)
            terminal.json(_json(response))
        else:
            answer(terminal, client.stream(messages, **options))
    return 0


def _open(settings: ChatSettings) -> tuple[LlmClient, ChatSettings]:
    """A client, and the settings with the model it uses.

    LLM_CONNECTOR_MODEL goes with LLM_CONNECTOR_PROVIDER: it does not apply when another provider is named.
    """
    model = settings.model
    if not model and settings.provider == (os.environ.get(PROVIDER_VARIABLE) or DEFAULT_PROVIDER):
        model = os.environ.get(MODEL_VARIABLE)
    client = LlmClient(
        settings.provider,
        model=model or None,
        base_url=settings.base_url,
        region=settings.region,
        timeout=settings.timeout,
    )
    if client.model is None:
        raise ConfigurationError(
            f"no model: give -m NAME; `llm-connector models -p {settings.provider}` lists them",
            provider=settings.provider,
        )
    return client, replace(settings, model=client.model)


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


def _json(response: ChatResponse) -> dict[str, Any]:
    """The response with its text ahead of it, for jq; without the server's headers and its raw body."""
    return {"text": response.text, **response.model_dump(mode="json", exclude={"headers", "raw"})}


def _piped(terminal: Terminal, prompt: str) -> str:
    """What stands on standard input, unless that is a terminal."""
    stdin = sys.stdin
    if stdin is None or stdin.closed or stdin.isatty():
        return ""
    if prompt and os.name == "posix" and not _readable(PATIENCE_SECONDS):
        terminal.aside("reading the rest of the prompt from standard input (< /dev/null if there is none)")
    return stdin.read()


def _readable(seconds: float) -> bool:
    try:
        return bool(select.select([sys.stdin], [], [], seconds)[0])
    except (OSError, ValueError):  # not a file of the operating system
        return True


def _reasoning(text: str) -> ReasoningOption:
    word = text.strip().lower()
    if word.isdecimal():
        return int(word)
    if word not in _LEVELS:
        raise ConfigurationError(f"--reasoning {text!r} is none of {', '.join(_LEVELS)} or a number of tokens")
    return _LEVELS[word]
