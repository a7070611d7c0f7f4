"""`LlmConnectorEmbeddings`: LangChain's embeddings for every provider that has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from langchain_core.embeddings import Embeddings
from pydantic import Field

from langchain_llm_connector.errors import both_trees
from langchain_llm_connector.settings import Settings
from llm_connector.client.batches import aembed_in_batches, embed_in_batches

__all__ = ["LlmConnectorEmbeddings"]


class LlmConnectorEmbeddings(Settings, Embeddings, init=False):
    """Vectors of texts. The texts are sent as they are, in batches that the provider takes.

    >>> vectors = LlmConnectorEmbeddings(provider="aliyun", model="text-embedding-v4").embed_documents(["a", "b"])
    """

    dimensions: int | None = Field(default=None, gt=0)
    """Length of the vectors, where the model can."""
    chunk_size: int | None = Field(default=None, gt=0)
    """Texts per request; by default as many as the provider takes."""
    max_concurrency: int = Field(default=4, gt=0)
    """Requests at a time, in `aembed_documents`."""

    spellings: ClassVar[Mapping[str, str]] = {**Settings.spellings, "batch_size": "chunk_size"}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector per text, in order: of texts to be found."""
        return self._embed(texts, input_type="document")

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text to search with."""
        return self._embed([text], input_type="query")[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector per text, in order: of texts to be found."""
        return await self._aembed(texts, input_type="document")

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of a text to search with."""
        return (await self._aembed([text], input_type="query"))[0]

    def _embed(self, texts: list[str], **options: Any) -> list[list[float]]:
        options |= {"model": self.model, "dimensions": self.dimensions, "size": self.chunk_size}
        with both_trees():
            return embed_in_batches(self.client, texts, **options)

    async def _aembed(self, texts: list[str], **options: Any) -> list[list[float]]:
        options |= {"model": self.model, "dimensions": self.dimensions, "size": self.chunk_size}
        with both_trees():
            return await aembed_in_batches(self.async_client, texts, max_concurrency=self.max_concurrency, **options)
