"""Anthropic Messages through Bedrock's InvokeModel: the body says less, and streams are binary.

https://platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock-legacy (checked 2026-11)
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from llm_connector.event_stream import EventStreamDecoder
from llm_connector.protocols.anthropic import AnthropicMessages
from llm_connector.protocols.anthropic_chunks import MessagesParser
from llm_connector.protocols.base import ChunkParser, path_segment
from llm_connector.protocols.converse import Converse, counted_model
from llm_connector.protocols.converse_failures import aws_error
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.turns import embedded
from llm_connector.types import (
    ChatChunk,
    ChatRequest,
    Document,
    Image,
    Media,
    ModelInfo,
    Notes,
)
from llm_connector.wire import Event, Json, encode_json

__all__ = ["AnthropicBedrock"]

_NO_HEADERS: Mapping[str, str] = {}
_NOT_IN_THE_BODY = ("model", "stream")


@dataclass(frozen=True)
class AnthropicBedrock(AnthropicMessages):
    """InvokeModel with a body of Anthropic's.

    `version`: the `anthropic_version` of the body. `betas`: what every body asks for in `anthropic_beta`; those of one
    request are its `anthropic-beta` header.
    """

    framing: ClassVar[type[EventStreamDecoder]] = EventStreamDecoder  # type: ignore[assignment]  # binary, not SSE
    count_field: ClassVar[str] = "inputTokens"
    name: ClassVar[str] = "Anthropic on Bedrock"

    version: str = "bedrock-2023-05-31"
    betas: tuple[str, ...] = ()

    def headers(self, operation: str, *, stream: bool = False) -> Mapping[str, str]:
        """None: the version stands in the body."""
        return _NO_HEADERS

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return ("/model/{model}/invoke", "/model/{model}/invoke-with-response-stream")

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path below the base URL."""
        return f"model/{path_segment(model)}/{'invoke-with-response-stream' if stream else 'invoke'}"

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of `POST model/…/invoke`: no model and no `stream`, which the path says."""
        notes = notes or Notes()
        body = super().render_chat(embedded(request, notes), stream=stream, notes=notes)
        body = {name: value for name, value in body.items() if name not in _NOT_IN_THE_BODY}
        asked = (request.extra_headers or {}).get("anthropic-beta", "")
        betas = [*self.betas, *(beta for name in asked.split(",") if (beta := name.strip()))]
        if betas:
            body = {"anthropic_beta": betas, **body}
        return {"anthropic_version": self.version, **body}

    def must_embed(self, part: Media, model: str) -> bool:
        """Pictures and documents: this service fetches nothing."""
        return isinstance(part, Image | Document)

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer."""
        return _GuardedParser(request)

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error says, in the words of AWS; inside a stream it may be in those of Anthropic."""
        if isinstance(body, Mapping) and body.get("type") == "error":
            return super().parse_error(body)
        return aws_error(body)

    def models_path(self, cursor: str | None) -> str:
        """The list of all models of the cloud, as Converse has it."""
        return _LISTS.models_path(cursor)

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models of Anthropic in one page."""
        models, following = _LISTS.parse_models(body)
        return [model for model in models if "claude" in model.id], following

    def count_path(self, model: str) -> str:
        """Path below the base URL; it takes a model, never a profile."""
        return f"model/{path_segment(counted_model(model))}/count-tokens"

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a token count: a whole request, as text."""
        body = encode_json(self.render_chat(request, stream=False, notes=notes))
        return {"input": {"invokeModel": {"body": base64.b64encode(body).decode()}}}


_LISTS = Converse()


class _GuardedParser(MessagesParser):
    """Reads one answer, which a guardrail may have replaced. Messages that hold no event of the model are ignored."""

    def feed(self, event: Event) -> Iterable[ChatChunk]:
        return super().feed(event) if event.name in ("", "body", "error") else ()

    def _end(self, fields: Mapping[str, Any]) -> None:
        super()._end(fields)
        if self._message.get("amazon-bedrock-guardrailAction") == "INTERVENED":
            self._choice.raw_reason = "guardrail_intervened"
