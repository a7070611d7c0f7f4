"""`LlmConnectorEmbedding`: embeddings of LlamaIndex from every provider that has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field

from llm_connector.client.batches import aembed_in_batches, embed_in_batches
from llm_connector.client.connected import Connected, GivenKey
from llm_connector.types import InputType

__all__ = ["LlmConnectorEmbedding"]

_MOST = 2048
"""The most that LlamaIndex allows."""


class LlmConnectorEmbedding(Connected, BaseEmbedding):
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

    def __init__(self, provider: str, *, api_key: GivenKey = None, **settings: Any) -> None:
        super().__init__(provider, api_key=api_key, **settings)
        given = self.model_fields_set
        if "model_name" not in given:
            self.model_name = self.row.default_embedding_model or self.model_name
        if "embed_batch_size" not in given:
            self.embed_batch_size = min(self.row.embedding_batch, _MOST)

    @classmethod
    def class_name(cls) -> str:
        """The name in serialized forms and events."""
        return "LlmConnectorEmbedding"

    def to_payload(self) -> dict[str, Any]:
        """What events and tracers see: no secrets."""
        size = self.embed_batch_size
        known = {"provider": self.provider, "model_name": self.model_name, "model": self.model_name}
        return {"class_name": self.class_name(), **known, "embed_batch_size": size}

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._embed([query], "query")[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self._aembed([query], "query"))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._embed([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aembed([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._embed(texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await self._aembed(texts)

    def _embed(self, texts: list[str], input_type: InputType = "document") -> list[Embedding]:
        return embed_in_batches(self.client, [text or " " for text in texts], **self._options(input_type))

    async def _aembed(self, texts: list[str], input_type: InputType = "document") -> list[Embedding]:
        texts, options = [text or " " for text in texts], self._options(input_type)
        return await aembed_in_batches(self.async_client, texts, **options)

    def _options(self, input_type: InputType) -> dict[str, Any]:
        model = None if self.model_name == "unknown" else self.model_name
        return {"model": model, "dimensions": self.dimensions, "input_type": input_type}
