"""Anthropic Messages as Vertex AI serves them: the model is in the path, the version in the body.

https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from llm_connector.protocols.anthropic import AnthropicMessages
from llm_connector.protocols.base import path_segment
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.gemini_failures import google_detail
from llm_connector.protocols.turns import embedded
from llm_connector.protocols.vertex_models import publisher_models, publisher_page
from llm_connector.types import ChatRequest, Document, Image, Media, ModelInfo, Notes
from llm_connector.wire import Json

__all__ = ["AnthropicVertex"]

_MODELS = "publishers/anthropic/models"


@dataclass(frozen=True)
class AnthropicVertex(AnthropicMessages):
    """Anthropic Messages on Vertex AI. `body_version` is the `anthropic_version` of every body."""

    name: ClassVar[str] = "Anthropic Messages on Vertex AI"
    default_path: ClassVar[str] = "/v1"

    body_version: str = "vertex-2023-10-16"

    def headers(self, operation: str, *, stream: bool = False) -> Mapping[str, str]:
        """None: the version is in the body. Beta headers are the caller's `extra_headers`."""
        return {}

    def must_embed(self, part: Media, model: str) -> bool:
        """Pictures and documents: this service fetches nothing."""
        return isinstance(part, Image | Document)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return (f"/{_MODELS}", f"/{_MODELS}/{{model}}:rawPredict", f"/{_MODELS}/{{model}}:streamRawPredict")

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path below the project and location; the `@` before a model's date stays as it is.

        Of a full resource name, the model's own name counts.
        """
        name = path_segment(model.rpartition("/models/")[2]).replace("%40", "@")
        return f"{_MODELS}/{name}:{'streamRawPredict' if stream else 'rawPredict'}"

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of `rawPredict` and `streamRawPredict`, which keeps `stream`."""
        notes = notes or Notes()
        body = super().render_chat(embedded(request, notes), stream=stream, notes=notes)
        del body["model"]
        return {"anthropic_version": self.body_version, **body}

    def models_path(self, cursor: str | None) -> str:
        """Path below the version of the API."""
        return publisher_page(_MODELS, cursor)

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models of one page."""
        return publisher_models(body)

    def count_path(self, model: str) -> str:
        """Path below the project and location; the model is in the body."""
        return f"{_MODELS}/count-tokens:rawPredict"

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a token count."""
        body = super().render_count(request, notes)
        return {"anthropic_version": self.body_version, "model": request.model, **body}

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error body says, be it Anthropic's or that of Google's front end."""
        return google_detail(body, super().parse_error(body))
