"""Answers from a script without sockets: an httpx transport for both clients, and through them for the adapters."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import Any, Self
from unittest.mock import patch

import anyio.lowlevel
import httpx

from llm_connector.client.clients import AsyncLlmClient, LlmClient
from llm_connector.providers import ProviderSpec
from llm_connector.testing.model import ScriptedModel
from llm_connector.testing.script import Answer, End, Pause, Raw, Refuse, Request, Scripted, Stream
from llm_connector.testing.settings import scripted_client
from llm_connector.testing.writing import played
from llm_connector.transport import AsyncTransport, SyncTransport, TransportSettings

__all__ = ["FakeTransport", "InProcess"]


class InProcess(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """What answers instead of the network, in both worlds. Time does not pass: a pause that is too long times out."""

    def _answer_to(self, request: Request) -> Scripted:
        """What a request gets."""
        raise NotImplementedError

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body to be read."""
        return self._response(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The same for coroutines."""
        await anyio.lowlevel.checkpoint()
        return self._response(request, await request.aread())

    def client(self, provider: str | ProviderSpec = "openai_compatible", **settings: Any) -> LlmClient:
        """A client of that provider which this answers: it has a key, waits for nothing, and takes all settings."""
        return scripted_client(LlmClient, provider, {"http_client": self.http_client, **settings})

    def async_client(self, provider: str | ProviderSpec = "openai_compatible", **settings: Any) -> AsyncLlmClient:
        """The same for coroutines."""
        return scripted_client(AsyncLlmClient, provider, {"http_client": self.async_http_client, **settings})

    @cached_property
    def http_client(self) -> httpx.Client:
        """What clients and adapters take as `http_client=`."""
        return httpx.Client(transport=self)

    @cached_property
    def async_http_client(self) -> httpx.AsyncClient:
        """What asynchronous clients take as `http_client=`, LangChain as `http_async_client=` and LlamaIndex by its
        name here."""
        return httpx.AsyncClient(transport=self)

    @contextlib.contextmanager
    def everywhere(self) -> Generator[Self]:
        """Answer every client that is made inside the block, whoever makes it, unless it is given an `http_client`.

        All else is as it is outside: keys are looked for, and retries wait.
        """
        blocking = _given(SyncTransport.__init__, self.http_client)
        awaited = _given(AsyncTransport.__init__, self.async_http_client)
        with patch.object(SyncTransport, "__init__", blocking), patch.object(AsyncTransport, "__init__", awaited):
            yield self

    def _response(self, request: httpx.Request, body: bytes) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = self._answer_to(Request(request.method, request.url.raw_path.decode("ascii"), headers, body))
        limit = request.extensions.get("timeout", {}).get("read")
        match answer:
            case Refuse():
                _pass(answer.delay, limit, request)
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
            case Raw():
                return _raw(answer, limit, request)
            case Answer():
                _pass(answer.delay, limit, request)
                promised = answer.headers.get("content-length", str(len(answer.body)))
                end: End = "clean" if promised == str(len(answer.body)) else "cut"
                body_stream = _Body([answer.body], end, limit, request)
                return httpx.Response(answer.status, headers=answer.headers, stream=body_stream)
            case Stream():
                _pass(answer.delay, limit, request)
                body_stream = _Body(answer.blocks, answer.end, limit, request)
                return httpx.Response(answer.status, headers=answer.headers, stream=body_stream)


class FakeTransport(ScriptedModel, InProcess):
    """A scripted model without a server: give `http_client` to a client or an adapter, or take `client()`.

        fake = FakeTransport("Hello!", RateLimitError("Slow down.", status=429))
        assert fake.client("anthropic").chat("Hi").text == "Hello!"
        assert fake.requests[0].text == "Hi"

    Requests are rendered, signed and sent, and answers read, by all of the library; only the network is not there.
    """

    def _answer_to(self, request: Request) -> Scripted:
        received, answer = self._next(request)
        return played(answer, received)


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The blocks of an answer, and how it ends."""

    def __init__(self, blocks: Any, end: End, limit: float | None, request: httpx.Request) -> None:
        self._blocks = blocks
        self._end: End = end
        self._limit = limit
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            if isinstance(block, Pause):
                _pass(block.seconds, self._limit, self._request)
            elif block:
                yield block
        _finish(self._end, self._request)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self:
            await anyio.lowlevel.checkpoint()
            yield block


def _given(made: Callable[[Any, TransportSettings], None], http_client: Any) -> Callable[..., None]:
    """How a driver is made that gets this HTTP client, if it has none."""

    def make(driver: Any, settings: TransportSettings) -> None:
        own = settings.http_client is not None
        made(driver, settings if own else replace(settings, http_client=http_client, proxy=None, aiohttp=False))

    return make


def _pass(seconds: float, limit: float | None, request: httpx.Request) -> None:
    """Time that the client would wait. Raises ReadTimeout if it would not."""
    if limit is not None and seconds >= limit:
        raise httpx.ReadTimeout("The read operation timed out", request=request)


def _finish(end: End, request: httpx.Request) -> None:
    if end == "hold":
        raise httpx.ReadTimeout("The read operation timed out", request=request)
    if end == "cut":
        message = "peer closed connection without sending complete message body (incomplete chunked read)"
        raise httpx.RemoteProtocolError(message, request=request)
    if end == "reset":
        raise httpx.ReadError("[Errno 104] Connection reset by peer", request=request)


def _raw(answer: Raw, limit: float | None, request: httpx.Request) -> httpx.Response:
    """Bytes with a head of their own, if it is one of HTTP."""
    blocks = iter(answer.blocks)
    head = b""
    for block in blocks:
        if isinstance(block, Pause):
            _pass(block.seconds, limit, request)
        else:
            head += block
        if b"\r\n\r\n" in head or not b"HTTP/1.1 ".startswith(head[:9]):
            break
    else:
        _finish("cut" if answer.end == "clean" else answer.end, request)
    first, _, rest = head.partition(b"\r\n\r\n")
    status, *lines = first.split(b"\r\n")
    if not status.startswith(b"HTTP/1.1 "):
        raise httpx.RemoteProtocolError(f"illegal status line: {status[:40]!r}", request=request)
    headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    body = _Body(chain([rest], blocks), answer.end, limit, request)
    return httpx.Response(int(status.split()[1]), headers=headers, stream=body)
