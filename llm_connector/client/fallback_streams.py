"""Streams of clients with fallbacks: whichever begins first, in the order of the clients."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from llm_connector.client.attempts import Attempts
from llm_connector.client.clients import AsyncLlmClient, LlmClient, _Client
from llm_connector.client.streams import AsyncChatStream, ChatStream
from llm_connector.errors import LlmConnectorError

if TYPE_CHECKING:
    from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, Messages

__all__ = ["AsyncFallbackStream", "FallbackStream"]

ClientT = TypeVar("ClientT", bound="_Client[Any, Any]")
StreamT = TypeVar("StreamT", ChatStream, AsyncChatStream)


class _Following(Generic[ClientT, StreamT]):
    """A stream that is whichever stream has begun; until then, the one that is being tried."""

    def __init__(self, attempts: Attempts[ClientT], messages: Messages | ChatRequest) -> None:
        self._attempts = attempts
        self._messages = messages
        self._held: list[ChatChunk] = []
        self._begun = False
        self._closed = False
        self._current: StreamT = self._next()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What a stream knows of its answer is what the current one knows."""
            if name == "_current":
                raise AttributeError(name)
            return getattr(self._current, name)

    def _next(self) -> StreamT:
        """The stream of the next client that can be asked."""
        client: Any
        for client in self._attempts:
            try:
                stream: StreamT = client.stream(self._messages, **self._attempts.options)
                return stream
            except LlmConnectorError as error:
                self._attempts.failed(error)
        raise self._attempts.error

    def _hold(self, chunk: ChatChunk) -> bool:
        """Keep a chunk back; whether the answer has begun with it. What only names the answer begins nothing."""
        self._held.append(chunk)
        delta = chunk.text or chunk.reasoning or chunk.tool_call_delta or chunk.tool_call
        return bool(delta or chunk.finish_reason)

    def _after(self, error: LlmConnectorError) -> StreamT:
        """The next stream, now that the current one has failed; raises the error if it was closed."""
        if self._closed:
            raise error
        self._held.clear()
        self._attempts.failed(error)
        return self._next()

    @property
    def response(self) -> ChatResponse:
        """The whole answer; `extra["fallbacks"]` says who failed before. Raises ConfigurationError before the end."""
        whole: ChatResponse = super().response  # type: ignore[misc]  # of the stream class beside it
        return self._attempts.reported(whole)

    @property
    def partial(self) -> ChatResponse:
        """What has arrived so far; always readable."""
        arrived: ChatResponse = super().partial  # type: ignore[misc]  # of the stream class beside it
        return self._attempts.reported(arrived)


class FallbackStream(_Following[LlmClient, ChatStream], ChatStream):
    """A streamed answer of the first client that begins one."""

    def __init__(self, attempts: Attempts[LlmClient], messages: Messages | ChatRequest) -> None:
        super().__init__(attempts, messages)
        self._chunks: Generator[ChatChunk, None, None] = self._read()

    def __enter__(self) -> Self:
        if self._closed:
            raise self._over()
        self._begin()
        return self

    def close(self) -> None:
        """Release the connection; a stream that had not ended is `cancelled`."""
        self._closed = True
        self._current.close()
        with contextlib.suppress(ValueError):  # another thread iterates: it gets an error
            self._chunks.close()

    def _begin(self) -> None:
        """Wait for an answer to begin. Nobody else is asked after that."""
        while not self._begun:
            try:
                for chunk in self._current:
                    if self._hold(chunk):
                        break
                self._begun = True
            except LlmConnectorError as error:
                self._current = self._after(error)
            if self._closed:  # by another thread, which may not have seen who is asked now
                self._current.close()
                raise self._over()

    def _read(self) -> Generator[ChatChunk, None, None]:
        try:
            self._begin()
            yield from self._held
            yield from self._current
        finally:
            self._current.close()


class AsyncFallbackStream(_Following[AsyncLlmClient, AsyncChatStream], AsyncChatStream):
    """A streamed answer of the first client that begins one."""

    def __init__(self, attempts: Attempts[AsyncLlmClient], messages: Messages | ChatRequest) -> None:
        super().__init__(attempts, messages)
        # the type that has `ag_running`, as what `async def` with `yield` makes always is
        self._chunks = cast("AsyncGeneratorType[ChatChunk, None]", self._read())

    async def __aenter__(self) -> Self:
        if self._closed:
            raise self._over()
        await self._begin()
        return self

    async def close(self) -> None:
        """Release the connection; a stream that had not ended is `cancelled`."""
        self._closed = True
        await self._current.close()
        if not self._chunks.ag_running:
            await self._chunks.aclose()

    aclose = close

    async def _begin(self) -> None:
        """Wait for an answer to begin. Nobody else is asked after that."""
        while not self._begun:
            try:
                async for chunk in self._current:
                    if self._hold(chunk):
                        break
                self._begun = True
            except LlmConnectorError as error:
                self._current = self._after(error)

    async def _read(self) -> AsyncGenerator[ChatChunk, None]:
        try:
            await self._begin()
            for chunk in self._held:
                yield chunk
            async for chunk in self._current:
                yield chunk
        finally:
            await self._current.close()
