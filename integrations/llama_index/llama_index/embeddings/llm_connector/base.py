"""`LlmConnectorEmbedding`: embeddings of LlamaIndex from every provider that has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field

from llm_connector.client.batches import aembed_in_batches, embed_in_batches
from llm_connector.client.connected import Connected
from llm_connector.types import InputType

if TYPE_CHECKING:
    from llm_connector import ProviderSpec

__all__ = ["LlmConnectorEmbedding"]


class LlmConnectorEmbedding(Connected, BaseEmbedding, init=False):
    """Vectors of texts. A text without content is embedded as a space, which servers accept.

    Examples:
        `pip install llama-index-llms-llm-connector`

        ```python
        from llama_index.embeddings.llm_connector import LlmConnectorEmbedding

        embed_model = LlmConnectorEmbedding(provider="zhipu", model_name="embedding-3")
        vector = embed_model.get_text_embedding("Why is the sky blue?")
        ```
    """

    dimensions: int | None = Field(default=None, gt=0, description="Length of the vectors, where the model can.")

    spellings: ClassVar[Mapping[str, str]] = {"api_base": "base_url", "model": "model_name"}
    shared: ClassVar[tuple[str, ...]] = ("callback_manager", "rate_limiter")

    @classmethod
    def read_arguments(cls, row: ProviderSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """With the row's own model, and batches as long as the provider takes."""
        size = min(row.embedding_batch, 2048)  # LlamaIndex allows no more
        known = {"model_name": row.default_embedding_model or "unknown", "embed_batch_size": size}
        return {**known, **super().read_arguments(row, arguments)}

    @classmethod
    def class_name(cls) -> str:
        """The name in serialized forms and events."""
        return "LlmConnectorEmbedding"

    def to_payload(self) -> dict[str, Any]:
        """What events and tracers see: no secrets."""
        known = {"provider": self.provider, "model_name": self.model_name, "model": self.model_name}
        return {"class_name": self.class_name(), **known, "embed_batch_size": self.embed_batch_size}

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._get_text_embeddings([query], "query")[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self._aget_text_embeddings([query], "query"))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str], input_type: InputType = "document") -> list[Embedding]:
        return embed_in_batches(self.client, **self._request(texts, input_type))

    async def _aget_text_embeddings(self, texts: list[str], input_type: InputType = "document") -> list[Embedding]:
        return await aembed_in_batches(self.async_client, **self._request(texts, input_type))

    def _request(self, texts: list[str], input_type: InputType) -> dict[str, Any]:
        model = None if self.model_name == "unknown" else self.model_name
        texts = [text or " " for text in texts]
        return {"texts": texts, "model": model, "dimensions": self.dimensions, "input_type": input_type}
