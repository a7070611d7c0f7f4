"""`llm-connector chat`: one question and its answer, or a conversation."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm_connector.cli.answers import answer
from llm_connector.cli.defaults import DEFAULT_PROVIDER, MODEL_VARIABLE, PROVIDER_VARIABLE
from llm_connector.cli.session import Session
from llm_connector.cli.terminal import Terminal
from llm_connector.client.clients import LlmClient
from llm_connector.errors import ConfigurationError
from llm_connector.types import (
    AnyPart,
    ChatOptions,
    ChatResponse,
    Document,
    Image,
    ReasoningOption,
    Text,
    user,
)
from llm_connector.types import system as system_message

__all__ = ["ChatSettings", "run"]

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
    client = _open(settings)
    options = settings.options()
    parts = settings.attachments()
    with client:
        if not prompt and not as_json and sys.stdin is not None and sys.stdin.isatty():
            return Session(terminal, client, settings.system, options, parts).run()
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


def _open(settings: ChatSettings) -> LlmClient:
    """A client with the model that was asked for.

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
    return client


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
