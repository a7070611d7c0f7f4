"""Streams as callers hold them: iterate, then read `response`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from types import AsyncGeneratorType, TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, cast

from llm_connector.errors import (
    APIError,
    ConfigurationError,
    LlmConnectorError,
    ParseError,
    StreamError,
    TransportError,
)
from llm_connector.lazy import Lazy
from llm_connector.operations import ChatDecoder, OpenStream, RenderedChat
from llm_connector.transport import AsyncBody, AsyncTransport, SyncBody, SyncTransport
from llm_connector.types import Adaptation, ChatChunk, ChatResponse, Message
from llm_connector.wire import Steps, Timeout

if TYPE_CHECKING:
    from llm_connector import formats
    from llm_connector.formats import Format, StreamWriter
    from llm_connector.observing import Observation
else:
    formats = Lazy("llm_connector.formats")

__all__ = ["AsyncChatStream", "ChatStream", "FormatName", "FramingName", "StreamStatus"]

FormatName: TypeAlias = Literal["unified", "openai", "openai_responses", "anthropic", "ollama", "ollama_embedded"]
FramingName: TypeAlias = Literal["sse", "ndjson", "json"]
StreamStatus: TypeAlias = Literal["open", "complete", "interrupted", "error", "cancelled"]


class _Stream:
    """What both streams know of their answer."""

    def __init__(
        self, rendered: RenderedChat, steps: Steps[OpenStream], timeout: Timeout, observation: Observation | None
    ) -> None:
        self._rendered = rendered
        self._steps = steps if observation is None else observation.steps(steps)
        self._observation = observation
        self._opening = False
        self._timeout = timeout
        self._decoder: ChatDecoder | None = None
        self._response: ChatResponse | None = None
        self._status: StreamStatus = "open"

    @property
    def status(self) -> StreamStatus:
        """`open` until the end; then how it ended: `interrupted` by the network, by an `error` of the server, or
        `cancelled` by the caller."""
        return self._status

    @property
    def adaptations(self) -> list[Adaptation]:
        """What was not sent as it was asked for; known before anything is sent."""
        return list(self._rendered.adaptations)

    @property
    def response(self) -> ChatResponse:
        """The whole answer, of the type that `chat()` returns. Raises ConfigurationError before the end."""
        if self._response is None:
            raise ConfigurationError(
                f"the stream is {self._status}, so there is no whole answer; iterate to its end, or read .partial",
                provider=self._rendered.endpoint.spec.name,
            )
        return self._response

    @property
    def message(self) -> Message:
        """The message so far, of the first choice; cheap enough to be read at every chunk."""
        if self._response is not None:
            return self._response.message
        return Message(role="assistant", parts=[]) if self._decoder is None else self._decoder.message()

    @property
    def partial(self) -> ChatResponse:
        """What has arrived so far, with all that is known of it; always readable."""
        if self._response is not None:
            return self._response
        if self._decoder is None:
            return ChatDecoder.empty(self._rendered)
        return self._decoder.partial()

    def _writer(self, format: Format, framing: FramingName | None, begun: float) -> StreamWriter:
        """What writes this stream, now that it is open."""
        assembly = self._decoder.assembly if self._decoder is not None else None
        encoder = format.encoder(self._rendered.request.model, assembly=assembly)
        encoder.begun = begun
        return formats.StreamWriter(encoder, framing)

    def _over(self) -> ConfigurationError:
        return ConfigurationError(
            f"the stream is {self._status}; call stream() again", provider=self._rendered.endpoint.spec.name
        )

    def _ended(self, error: BaseException) -> None:
        if self._status != "open":
            return
        if not isinstance(error, LlmConnectorError):
            self._settle("cancelled", error)
        elif isinstance(error, TransportError | StreamError) and not isinstance(error, APIError | ParseError):
            self._settle("interrupted", error)
        else:
            self._settle("error", error)

    def _settle(self, status: StreamStatus, error: BaseException | None = None) -> None:
        self._status = status
        if self._observation is not None:
            self._observation.end(status, self._response or (self._decoder and self.partial), error)


class ChatStream(_Stream):
    """A streamed answer: an iterator of chunks and a context manager.

    Nothing is sent before the first step or `with`. The end, an exception, `close()` or leaving the block release the
    connection.
    """

    def __init__(
        self,
        rendered: RenderedChat,
        steps: Steps[OpenStream],
        timeout: Timeout,
        transport: SyncTransport,
        observation: Observation | None = None,
    ) -> None:
        super().__init__(rendered, steps, timeout, observation)
        self._transport = transport
        self._body: SyncBody | None = None
        self._chunks: Generator[ChatChunk, None, None] = self._read()

    def __iter__(self) -> Iterator[ChatChunk]:
        return self._chunks

    def __next__(self) -> ChatChunk:
        return next(self._chunks)

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException as error:
            self._ended(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the connection; a stream that had not ended is `cancelled`.

        Another thread that iterates gets an error at once, or when the answer begins if it still waits for that.
        """
        if self._status == "open":
            self._settle("cancelled")
        try:
            self._chunks.close()
        except ValueError:  # the generator runs, in another thread, which releases the connection
            if self._body is not None:
                self._body.abort()
            return
        if not self._opening:  # in another thread, which releases the connection
            self._steps.close()
        if self._body is not None:
            self._body.close()

    def encode(self, format: FormatName | Format, framing: FramingName | None = None) -> Generator[bytes, None, None]:
        """The answer in the words of another wire format, as bytes, while it comes.

        `framing` is `sse` (what openai, openai_responses, anthropic and ollama_embedded use), `ndjson` (ollama,
        unified) or `json`, one body at the end. Errors are raised as iteration raises them; one that comes after bytes
        were written is first written as the format reports it. The end, an exception and closing the iterator release
        the connection. Raises ConfigurationError for an unknown name.
        """
        return self._encode(formats.checked(format, framing), framing)

    def _encode(self, format: Format, framing: FramingName | None) -> Generator[bytes, None, None]:
        begun = time.time()
        with self:
            writer = self._writer(format, framing, begun)
            try:
                for chunk in self._chunks:
                    block = writer.feed(chunk)
                    if block:
                        yield block
                yield writer.finish(self.response)
            except LlmConnectorError as error:
                last = writer.fail(error)
                if last:
                    yield last
                raise

    def _open(self) -> ChatDecoder:
        if self._decoder is None:
            if self._status != "open":
                raise self._over()
            self._opening = True
            try:
                opened = self._transport.run(self._steps, self._timeout)
            finally:
                self._opening = False
            self._body, self._decoder = opened.source, opened.decoder
            if self.status != "open":  # closed while it waited
                opened.source.close()
                raise self._over()
        return self._decoder

    def _read(self) -> Generator[ChatChunk, None, None]:
        try:
            decoder = self._open()
            assert self._body is not None  # set by _open
            cut: TransportError | None = None
            blocks = self._body.blocks()  # kept: dropping it would end the connection, which may be used again
            try:
                yield from decoder.begun
                for block in () if decoder.done else blocks:
                    yield from decoder.feed(block)
                    if decoder.done:
                        break
            except TransportError as error:
                if isinstance(error, StreamError):
                    raise
                cut = error
            yield from decoder.close(cut)
            self._response = decoder.response()
            self._settle("complete")
            if cut is None:
                self._body.drain()
        except BaseException as error:
            self._ended(error)
            raise
        finally:
            if self._body is not None:
                self._body.close()


class AsyncChatStream(_Stream):
    """A streamed answer: an asynchronous iterator of chunks and an asynchronous context manager.

    Nothing is sent before the first step or `async with`. The end, an exception, cancellation, `close()` or leaving the
    block release the connection.
    """

    def __init__(
        self,
        rendered: RenderedChat,
        steps: Steps[OpenStream],
        timeout: Timeout,
        transport: AsyncTransport,
        observation: Observation | None = None,
    ) -> None:
        super().__init__(rendered, steps, timeout, observation)
        self._transport = transport
        self._body: AsyncBody | None = None
        # the type that has `ag_running`, as what `async def` with `yield` makes always is
        self._chunks = cast("AsyncGeneratorType[ChatChunk, None]", self._read())

    def __aiter__(self) -> AsyncIterator[ChatChunk]:
        return self._chunks

    async def __anext__(self) -> ChatChunk:
        return await anext(self._chunks)

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException as error:
            self._ended(error)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the connection; a stream that had not ended is `cancelled`.

        Another task that iterates gets an error at once, or when the answer begins if it still waits for that.
        """
        if self._status == "open":
            self._settle("cancelled")
        if not self._chunks.ag_running:
            await self._chunks.aclose()
            if not self._opening:  # in another task, which releases the connection
                self._steps.close()
        if self._body is not None:
            await self._body.close()

    aclose = close

    def encode(self, format: FormatName | Format, framing: FramingName | None = None) -> AsyncGenerator[bytes, None]:
        """The same as `ChatStream.encode`, as an asynchronous iterator; cancellation releases the connection too."""
        return self._encode(formats.checked(format, framing), framing)

    async def _encode(self, format: Format, framing: FramingName | None) -> AsyncGenerator[bytes, None]:
        begun = time.time()
        async with self:
            writer = self._writer(format, framing, begun)
            try:
                async for chunk in self._chunks:
                    block = writer.feed(chunk)
                    if block:
                        yield block
                yield writer.finish(self.response)
            except LlmConnectorError as error:
                last = writer.fail(error)
                if last:
                    yield last
                raise

    async def _open(self) -> ChatDecoder:
        if self._decoder is None:
            if self._status != "open":
                raise self._over()
            self._opening = True
            try:
                opened = await self._transport.run(self._steps, self._timeout)
            finally:
                self._opening = False
            self._body, self._decoder = opened.source, opened.decoder
            if self.status != "open":  # closed while it waited
                await opened.source.close()
                raise self._over()
        return self._decoder

    async def _read(self) -> AsyncGenerator[ChatChunk, None]:
        try:
            decoder = await self._open()
            assert self._body is not None  # set by _open
            cut: TransportError | None = None
            try:
                for chunk in decoder.begun:
                    yield chunk
                if not decoder.done:
                    async with contextlib.aclosing(self._body.blocks()) as blocks:
                        async for block in blocks:
                            for chunk in decoder.feed(block):
                                yield chunk
                            if decoder.done:
                                break
            except TransportError as error:
                if isinstance(error, StreamError):
                    raise
                cut = error
            for chunk in decoder.close(cut):
                yield chunk
            self._response = decoder.response()
            self._settle("complete")
            if cut is None:
                await self._body.drain()
        except BaseException as error:
            self._ended(error)
            raise
        finally:
            if self._body is not None:
                await self._body.close()
