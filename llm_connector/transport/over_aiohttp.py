"""aiohttp under httpx's interface: the pool of clients made with `http_client="aiohttp"`.

aiohttp parses HTTP in C and waits without cancel scopes, so an answer costs about half of the processor time; it is an
extra since few need it. Facts of its client: https://docs.aiohttp.org/en/stable/client_reference.html (checked 2026-11)
"""

from __future__ import annotations

import asyncio
import io
import os
import ssl
import time
import weakref
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import aiohttp
import httpx
from yarl import URL

from llm_connector.errors import ConfigurationError

__all__ = ["AiohttpTransport"]

_LONGEST_LINE = 64 << 10
_READ_AT_ONCE = 32 << 10  # what is read is decoded at once, into some ten times its size
_SENT_AT_ONCE = 1 << 20  # more would keep the loop from other work
_BROKEN = (aiohttp.ClientError, OSError, asyncio.TimeoutError, RuntimeError)
"""What aiohttp raises; RuntimeError where the session was closed meanwhile."""

_KINDS: tuple[tuple[Any, type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (asyncio.TimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), httpx.UnsupportedProtocol),
    ((aiohttp.ClientResponseError, aiohttp.ClientPayloadError), httpx.RemoteProtocolError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (ValueError, httpx.LocalProtocolError),
)
"""The first that fits says the kind; what fits none is a connection that broke."""

_PATIENCE: ContextVar[asyncio.Timeout] = ContextVar("patience")
"""The limit of a head, which begins once there is a connection: one that drips meets no limit of aiohttp's."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends requests of httpx with a session of aiohttp, which belongs to the loop that sends the first.

    `proxy` is the URL of an HTTP proxy, `""` for none. Bodies stay compressed; cookies and redirects are left alone.
    """

    def __init__(self, tls: ssl.SSLContext, proxy: str, *, most: int, keep_seconds: float) -> None:
        self._tls = tls
        self._proxy = proxy or None
        self._most = most
        self._keep_seconds = keep_seconds
        self._session: aiohttp.ClientSession | None = None
        _ALL.add(self)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body unread. Raises the exceptions of httpx."""
        session = self._session = self._session or self._opened()
        limits = request.extensions["timeout"]
        connect, read = limits["connect"], limits["read"]
        assert isinstance(request.stream, httpx.SyncByteStream)  # what is sent is in memory
        content = b"".join(request.stream)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(None) as patience:
                told = _PATIENCE.set(patience)
                try:
                    response = await session.request(
                        request.method,
                        URL(str(request.url), encoded=True),
                        headers=[(name.decode("ascii"), value.decode("ascii")) for name, value in request.headers.raw],
                        data=(content or None) if len(content) <= _SENT_AT_ONCE else io.BytesIO(content),
                        allow_redirects=False,
                        proxy=self._proxy,
                        timeout=aiohttp.ClientTimeout(connect=limits["pool"], sock_connect=connect, sock_read=read),
                    )
                finally:
                    _PATIENCE.reset(told)
        except (*_BROKEN, ValueError) as error:
            raise _told(error, request) from None
        if response.status == 101:
            response.close()
            raise httpx.RemoteProtocolError("it switches to another protocol, which nobody asked for", request=request)
        line = _Line(response)
        line.replace(read, max(read - (time.monotonic() - begun), 0.001))
        return httpx.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=_Body(response, request),
            request=request,
            extensions={"network_stream": line},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def disown(self) -> None:
        """Forget the connections without closing them: in a forked child, they are those of its parent.

        aiohttp closes by the event loop, and the kernel's list of what a loop watches is one for both processes.
        """
        session, self._session = self._session, None
        if session is not None and session.connector is not None:
            session.connector._conns.clear()  # what its finalizer would close
            session.detach()

    def _opened(self) -> aiohttp.ClientSession:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError('aiohttp runs on asyncio: leave http_client="aiohttp" out elsewhere') from None
        return aiohttp.ClientSession(
            connector=_Connector(ssl=self._tls, limit=self._most, keepalive_timeout=self._keep_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )


_ALL: weakref.WeakSet[AiohttpTransport] = weakref.WeakSet()


class _Connector(aiohttp.TCPConnector):
    """Starts the limit of the head, and passes over a kept connection on which something came that nobody asked for."""

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout) -> Any:
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                _PATIENCE.get().reschedule(asyncio.get_running_loop().time() + (timeout.sock_read or 0))
                return connection
            connection.close()


class _Line:
    """The connection of an answer, as far as body readers want to know it; it is its own `phase`."""

    silent = False

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def phase(self) -> _Line:
        return self

    def replace(self, _asked: float, then: float) -> None:
        """Replace the limit of each read. While nobody reads, none is running, and none must be started."""
        connection = self._response.connection  # None once all has been read: it may serve another request by now
        protocol = connection.protocol if connection is not None else None
        if protocol is not None and protocol.transport is not None:
            protocol.read_timeout = then
            if protocol.transport.is_reading():
                protocol.start_timeout()

    async def aclose(self) -> None:
        self._response.close()

    def get_extra_info(self, name: str) -> Any:
        connection = self._response.connection
        transport = connection.transport if connection is not None else None
        return None if transport is None else transport.get_extra_info({"server_addr": "peername"}.get(name, name))


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        try:
            while block := await content.read(_READ_AT_ONCE):
                yield block
        except _BROKEN as error:
            if content._buffer:  # what came before the connection broke, which aiohttp withholds
                yield content._read_nowait(-1)
            raise _told(error, self._request) from None

    async def aclose(self) -> None:
        self._response.close()  # gives the connection back if all was read, and ends it if not


def _told(error: Exception, request: httpx.Request) -> httpx.TransportError:
    """A failure of aiohttp's as the one of httpx that says the same, without what it quotes of URLs and answers."""
    kind = next((known for theirs, known in _KINDS if isinstance(error, theirs)), httpx.ReadError)
    match error:
        case aiohttp.ClientResponseError():
            reason = f"{error.status} {error.message}".partition("\n")[0]
        case aiohttp.ClientConnectorCertificateError():
            reason = str(error.certificate_error)
        case aiohttp.ClientConnectorError():
            reason = str(error.os_error)
        case aiohttp.ServerDisconnectedError():
            reason = "the server closed it without an answer"
        case _:
            reason = str(error) or type(error).__name__
    return kind(reason, request=request)


def _disown() -> None:
    for transport in _ALL:
        transport.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
