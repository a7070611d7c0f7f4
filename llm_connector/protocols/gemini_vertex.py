"""Gemini as Vertex AI speaks it.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from llm_connector.protocols.base import path_segment
from llm_connector.protocols.gemini import MODEL_CALLS, Gemini, bare_name
from llm_connector.protocols.vertex_models import publisher_models, publisher_page
from llm_connector.types import ChatRequest, Embeddings, InputType, ModelInfo, Notes, Usage
from llm_connector.wire import Json

__all__ = ["VertexGemini"]

_MODELS = "publishers/google/models"
_PLACE = re.compile(r"(?:publishers/)?(?!models/|endpoints/)([^/]+)/(?:models/)?([^/]+)|endpoints/([^/]+)")
_OF_PROJECT = re.compile(r"projects/[^/]+/locations/[^/]+/")
"""What a full resource name begins with; the address of the endpoint ends with it."""


@dataclass(frozen=True)
class VertexGemini(Gemini):
    """Gemini as Vertex AI speaks it: models have publishers, and embeddings and counts their own form."""

    name: ClassVar[str] = "Gemini on Vertex AI"
    default_path: ClassVar[str] = "/v1beta1"

    typed_urls: bool = True
    display_names: bool = True
    fetches: bool = True
    mixed_tools: bool = False
    labels: bool = True
    files: str = ""

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        own = "/publishers/google"
        return (*(f"{own}{call}" for call in MODEL_CALLS), f"{own}/models", own)

    def models_path(self, cursor: str | None) -> str:
        """Path below the version of the API."""
        return publisher_page(_MODELS, cursor)

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models of one page."""
        return publisher_models(body)

    def embed_path(self, model: str) -> str:
        """Path below the base URL. Only the newer models share their form with the Gemini API."""
        return f"{self._resource(model)}:{'batchEmbedContents' if _embeds_content(model) else 'predict'}"

    def render_embed(self, inputs: Sequence[str], model: str) -> dict[str, Any]:
        """The body of `batchEmbedContents` or of the older `predict`."""
        if not _embeds_content(model):
            return {"instances": [{"content": text} for text in inputs]}
        return {"requests": [{"content": {"role": "user", "parts": [{"text": text}]}} for text in inputs]}

    def with_dimensions(self, body: dict[str, Any], dimensions: int) -> dict[str, Any]:
        """The body that asks for vectors of that length."""
        if "instances" in body:
            return {**body, "parameters": {"outputDimensionality": dimensions}}
        return super().with_dimensions(body, dimensions)

    def with_input_type(self, body: dict[str, Any], input_type: InputType) -> dict[str, Any]:
        """The body that says what the texts are for."""
        if "instances" in body:
            task = f"RETRIEVAL_{input_type.upper()}"
            return {**body, "instances": [{**instance, "task_type": task} for instance in body["instances"]]}
        return super().with_input_type(body, input_type)

    def parse_embed(self, body: Json) -> Embeddings:
        """The vectors, in the order of the inputs; `predict` counts the tokens of each."""
        predictions = body.get("predictions") if isinstance(body, dict) else None
        if not isinstance(predictions, list):
            return super().parse_embed(body)
        found = [item["embeddings"] for item in predictions]
        counts = [(item.get("statistics") or {}).get("token_count") for item in found]
        known = [int(count) for count in counts if isinstance(count, int | float)]
        total = sum(known) if known and len(known) == len(counts) else None
        vectors = [item["values"] for item in found]
        return Embeddings(vectors=vectors, usage=Usage(input_tokens=total, total_tokens=total), raw=body)

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a token count."""
        return self._counted(request, notes)

    def _resource(self, model: str) -> str:
        """The path of a model below its project and location.

        It is given by its name, as `PUBLISHER/NAME`, `publishers/PUBLISHER/models/NAME`, `endpoints/ID` or with the
        project and the location ahead of those.
        """
        model = _OF_PROJECT.sub("", model, count=1)
        place = _PLACE.fullmatch(model)
        if place is None:
            return f"{_MODELS}/{_at(bare_name(model))}"
        publisher, name, own = place.groups()
        return f"endpoints/{path_segment(own)}" if own else f"publishers/{path_segment(publisher)}/models/{_at(name)}"


def _at(name: str) -> str:
    """The name as a segment, with the `@` before a version as it is."""
    return path_segment(name).replace("%40", "@")


def _embeds_content(model: str) -> bool:
    return "gemini-" in model
