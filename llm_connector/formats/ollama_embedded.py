"""The legacy form: each object of Ollama's format as text in the content of a Chat Completions chunk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from llm_connector.errors import LlmConnectorError
from llm_connector.formats.base import Encoder, Format, Incoming, Output
from llm_connector.formats.ollama import FORMAT as OLLAMA
from llm_connector.formats.ollama import LineEncoder
from llm_connector.formats.openai import FORMAT as OPENAI
from llm_connector.formats.openai import CompletionEncoder
from llm_connector.protocols.assembly import Assembly
from llm_connector.types import ChatChunk, ChatResponse, Choice, Message, Text
from llm_connector.wire import Json, encode_json

__all__ = ["FORMAT", "EmbeddedEncoder", "OllamaEmbedded"]


@dataclass(frozen=True)
class OllamaEmbedded(Format):
    """Requests, errors and the wrapping are those of Chat Completions; what stands in the content is Ollama's."""

    end_marker: ClassVar[str] = OPENAI.end_marker

    def parse_request(self, body: Json) -> Incoming:
        """Read the body of `POST chat/completions`."""
        asked = OPENAI.parse_request(body)
        return Incoming(asked.request, asked.stream, self, asked.rest)

    def render_response(self, response: ChatResponse, model: str | None = None) -> dict[str, Any]:
        """A `chat.completion` whose content is one object of Ollama's."""
        return OPENAI.render_response(_wrapped(response, OLLAMA.render_response(response, model)), model)

    def render_error(self, error: LlmConnectorError) -> tuple[dict[str, Any], int]:
        """An error of Chat Completions."""
        return OPENAI.render_error(error)

    def encoder(
        self, model: str | None = None, *, assembly: Assembly | None = None, clock: Callable[[], float] = time.time
    ) -> Encoder:
        """The writer of one stream of `chat.completion.chunk`."""
        return EmbeddedEncoder(self, model, clock)


FORMAT = OllamaEmbedded()


class EmbeddedEncoder(Encoder):
    """Writes each line of Ollama's as the content of a chunk."""

    def __init__(self, format: Format, model: str | None, clock: Callable[[], float]) -> None:
        super().__init__(format, model, clock=clock)
        self._lines = LineEncoder(OLLAMA, model, clock)
        self._chunks = CompletionEncoder(OPENAI, model, None, clock)

    def feed(self, chunk: ChatChunk) -> Iterable[Output]:
        """A chunk per line."""
        inner = self._lines.feed(chunk)
        return self._chunks.feed(chunk) if chunk.id is not None or chunk.model is not None else self._wrap(inner)

    def write(self, chunk: ChatChunk) -> Iterable[Output]:
        """A chunk per line."""
        return self._wrap(self._lines.write(chunk))

    def finish(self, response: ChatResponse) -> Iterable[Output]:
        """The last line as a chunk, and the end of the outer stream."""
        last = self._wrap(self._lines.finish(response))
        return [*last, *self._chunks.finish(_wrapped(response, None))]

    def whole(self, response: ChatResponse) -> dict[str, Any]:
        """A `chat.completion` whose content is one object of Ollama's."""
        return OPENAI.render_response(_wrapped(response, self._lines.whole(response)), self.model)

    def _wrap(self, lines: Iterable[Output]) -> list[Output]:
        texts = [encode_json(body).decode() for _, body in lines]
        return [event for text in texts for event in self._chunks.write(ChatChunk(text))]


def _wrapped(response: ChatResponse, inner: Json) -> ChatResponse:
    """The answer as the outer format tells it: an object as its text, and nothing that is inside that."""
    parts = [] if inner is None else [Text(encode_json(inner).decode())]
    choice = Choice(message=Message(role="assistant", parts=[*parts]), finish_reason="stop")
    return response.model_copy(update={"choices": [choice], "citations": []})
