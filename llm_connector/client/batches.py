"""Embeddings of any number of texts, in requests of the size that the provider takes.

>>> vectors = embed_in_batches(LlmClient("aliyun", model="text-embedding-v4"), texts)
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from llm_connector.errors import ConfigurationError, LlmConnectorError
from llm_connector.lazy import Lazy

if TYPE_CHECKING:
    from llm_connector.client.clients import AsyncLlmClient, LlmClient
    from llm_connector.transport import together
else:
    together = Lazy("llm_connector.transport.together")

__all__ = ["aembed_in_batches", "embed_in_batches"]


def embed_in_batches(
    client: LlmClient, texts: Sequence[str], *, size: int | None = None, **options: Any
) -> list[list[float]]:
    """One vector per text, in order; no texts, no request.

    `size` is how many texts go into a request, by default what the provider's row says. `options` are those of
    `client.embed`. Raises its errors; where there are several batches, a note names the one that failed.
    ConfigurationError is for a single string, and for a size below 1.
    """
    vectors: list[list[float]] = []
    for start, batch in _batches(client, texts, size):
        with _named(start, batch, texts):
            vectors += client.embed(batch, **options).vectors
    return vectors


async def aembed_in_batches(
    client: AsyncLlmClient, texts: Sequence[str], *, size: int | None = None, max_concurrency: int = 4, **options: Any
) -> list[list[float]]:
    """The same from a coroutine, with some requests at a time; the first that fails ends the others."""
    if max_concurrency < 1:
        raise ConfigurationError(f"max_concurrency is {max_concurrency}; 1 request at a time is the least")

    async def embed(start: int, batch: Sequence[str]) -> list[list[float]]:
        with _named(start, batch, texts):
            return (await client.embed(batch, **options)).vectors

    jobs = (partial(embed, start, batch) for start, batch in _batches(client, texts, size))
    found = await together.together(jobs, most=max_concurrency)
    return [vector for vectors in found for vector in vectors]


def _batches(
    client: LlmClient | AsyncLlmClient, texts: Sequence[str], size: int | None
) -> Iterator[tuple[int, Sequence[str]]]:
    if isinstance(texts, str):
        raise ConfigurationError("texts is one string, which would be cut into batches; give a list")
    size = client.spec.embedding_batch if size is None else size
    if size < 1:
        raise ConfigurationError(f"size is {size}; a request holds 1 text or more")
    return ((start, texts[start : start + size]) for start in range(0, len(texts), size))


@contextmanager
def _named(start: int, batch: Sequence[str], texts: Sequence[str]) -> Generator[None]:
    try:
        yield
    except LlmConnectorError as error:
        if len(batch) < len(texts):
            error.add_note(f"texts[{start}:{start + len(batch)}] of {len(texts)}")
        raise
