"""`LlmConnectorEmbedding`: embeddings of LlamaIndex from every provider that has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field
from llama_index.llms.llm_connector.connection import ApiKey, Connection

__all__ = ["LlmConnectorEmbedding"]

_MOST = 2048
"""The most that LlamaIndex allows."""


class LlmConnectorEmbedding(Connection, BaseEmbedding):
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

    spellings: ClassVar[Mapping[str, str]] = {**Connection.spellings, "model": "model_name"}

    def __init__(self, provider: str, *, api_key: ApiKey = None, **settings: Any) -> None:
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
        return self._get_text_embeddings([query])[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self._aget_text_embeddings([query]))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        client, options, vectors = self.client, self._options(), list[Embedding]()
        for batch in self._batches(texts):
            vectors += client.embed(batch, **options).vectors
        return vectors

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        client, options, vectors = self.async_client, self._options(), list[Embedding]()
        for batch in self._batches(texts):
            vectors += (await client.embed(batch, **options)).vectors
        return vectors

    def _options(self) -> dict[str, Any]:
        return {"model": None if self.model_name == "unknown" else self.model_name, "dimensions": self.dimensions}

    def _batches(self, texts: list[str]) -> Iterator[list[str]]:
        """As many texts as the provider takes, whatever `embed_batch_size` says."""
        size = self.row.embedding_batch
        return ([text or " " for text in texts[start : start + size]] for start in range(0, len(texts), size))
