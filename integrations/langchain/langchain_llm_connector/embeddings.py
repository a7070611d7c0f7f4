"""`LlmConnectorEmbeddings`: LangChain's embeddings for every provider that has them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings
from pydantic import AliasChoices, Field

from langchain_llm_connector.errors import adapted
from langchain_llm_connector.settings import ApiKey, Settings
from llm_connector import LlmConnectorError
from llm_connector.providers import find

__all__ = ["LlmConnectorEmbeddings"]


class LlmConnectorEmbeddings(Settings, Embeddings):
    """Vectors of texts. The texts are sent as they are, in batches that the provider takes.

    >>> vectors = LlmConnectorEmbeddings(provider="aliyun", model="text-embedding-v4").embed_documents(["a", "b"])
    """

    chunk_size: int | None = Field(default=None, gt=0, validation_alias=AliasChoices("chunk_size", "batch_size"))
    """Texts per request; by default as many as the provider takes."""
    max_concurrency: int = Field(default=4, gt=0)
    """Requests at a time, in `aembed_documents`."""

    if TYPE_CHECKING:

        def __init__(
            self, *, provider: str, model: str | None = None, api_key: ApiKey = None, **settings: Any
        ) -> None: ...

    def _batches(self, texts: list[str]) -> Iterator[tuple[int, list[str]]]:
        size = self.chunk_size or find(self.provider).embedding_batch
        return ((start, texts[start : start + size]) for start in range(0, len(texts), size))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector per text, in order."""
        vectors: list[list[float]] = []
        for start, batch in self._batches(texts):
            try:
                vectors += self.client.embed(batch).vectors
            except LlmConnectorError as error:
                raise _placed(error, start, batch, texts) from error
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector per text, in order."""
        gate = asyncio.Semaphore(self.max_concurrency)

        async def embed(start: int, batch: list[str]) -> list[list[float]]:
            async with gate:
                try:
                    return (await self.async_client.embed(batch)).vectors
                except LlmConnectorError as error:
                    raise _placed(error, start, batch, texts) from error

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(embed(start, batch)) for start, batch in self._batches(texts)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed.exceptions[0].__cause__
        return [vector for task in tasks for vector in task.result()]

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of one text."""
        return (await self.aembed_documents([text]))[0]


def _placed(error: LlmConnectorError, start: int, batch: list[str], texts: list[str]) -> LlmConnectorError:
    """The error, with the batch it is about where there are several."""
    made: Any = adapted(error)
    if len(batch) < len(texts):
        made.add_note(f"texts[{start}:{start + len(batch)}] of {len(texts)}")
    return made  # type: ignore[no-any-return]  # adapted() gave it
