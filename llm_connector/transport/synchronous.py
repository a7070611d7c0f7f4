"""The blocking driver."""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from llm_connector.errors import ConfigurationError, LlmConnectorError
from llm_connector.lazy import Lazy
from llm_connector.transport.body import OpenBody, unasked
from llm_connector.transport.inflate import inflated, is_compressed
from llm_connector.transport.pools import SYNC_POOLS, Pool, lost_connections, media_key, pool_key
from llm_connector.transport.settings import (
    DRAIN_SECONDS,
    Deadline,
    TransportSettings,
    body_error,
    cause_of,
    check_http_client,
    closed_error,
    failure,
    fetch_limits,
    http_request,
)
from llm_connector.wire import Call, FetchPolicy, HttpRequest, HttpResponse, Read, Send, Sleep, Steps, Timeout

if TYPE_CHECKING:
    import httpx
else:
    httpx = Lazy("httpx")

__all__ = ["SyncBody", "SyncTransport"]

T = TypeVar("T")


class SyncTransport:
    """Performs steps with httpx. One per client; the pools behind it are shared."""

    __slots__ = ("__weakref__", "_closed", "_epoch", "_pools", "settings")

    def __init__(self, settings: TransportSettings) -> None:
        if settings.aiohttp or settings.http_client is not None:
            check_http_client(settings, asynchronous=False)
        self.settings = settings
        self._pools: dict[str, Pool[httpx.HTTPTransport]] | None = None
        self._epoch: object = None
        self._closed = False

    def run(self, steps: Steps[T], timeout: Timeout) -> T:
        """Perform each step and feed the outcome back until the operation returns."""
        deadline = Deadline(timeout)
        try:
            step = next(steps)
            while True:
                try:
                    outcome = self._perform(step, timeout, deadline)
                except LlmConnectorError as error:
                    step = steps.throw(error)
                except StopIteration as error:  # of a caller's function: it must not pass for the end of the steps
                    raise RuntimeError("a function that the client calls raised StopIteration") from error
                else:
                    step, outcome = steps.send(outcome), None  # a key must not stay where crash reporters look
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            steps.close()

    def close(self) -> None:
        """Give back this client's share of the pools; the last one closes the connections. Later calls raise."""
        self._closed = True
        pools, self._pools = self._pools, None
        if self._epoch is SYNC_POOLS.epoch:
            for transport in SYNC_POOLS.give_back(self, pools or {}):
                transport.close()

    def _perform(self, step: Send | Read | Sleep | Call, timeout: Timeout, deadline: Deadline) -> Any:
        if isinstance(step, Send):
            if step.policy is not None:
                return self._fetch(step.request, step.policy, deadline)
            return self._send(step.request, timeout, deadline, stream=step.stream)
        if isinstance(step, Read):
            return step.source.next_block()
        if isinstance(step, Sleep):
            deadline.check(ahead=step.seconds)
            time.sleep(step.seconds)
            return None
        value = step.function()
        if inspect.iscoroutine(value):
            value.close()
            raise ConfigurationError("an async function gives the API key: use AsyncLlmClient")
        return value

    def _fetch(self, request: HttpRequest, policy: FetchPolicy, deadline: Deadline) -> HttpResponse:
        """An answer of a host that is not the provider's."""
        from llm_connector.transport.guard import check_host, check_peer

        limits, deadline = fetch_limits(policy), deadline.within(policy.timeout)
        pool = self._pool(request.url, policy)
        outgoing = http_request(request, limits, deadline, stream=False)
        others = not policy.private_addresses and (pool is None or bool(pool.proxy))
        if others:
            check_host(outgoing.url)
        response = self._answer(request, outgoing, limits, deadline, pool, auth=None)
        body = SyncBody(response, outgoing, request, limits, deadline, pool)
        try:
            if others and pool is None:
                check_peer(response)
            return HttpResponse(response.status_code, body.headers, body.read(policy.max_bytes))
        finally:
            body.close()

    def _send(self, request: HttpRequest, timeout: Timeout, deadline: Deadline, *, stream: bool) -> HttpResponse:
        deadline.check()
        pool = self._pool(request.url)
        outgoing = http_request(request, timeout, deadline, stream=stream)
        response = self._answer(request, outgoing, timeout, deadline, pool)
        body = SyncBody(response, outgoing, request, timeout, deadline, pool)
        if stream and 200 <= response.status_code < 300:
            return HttpResponse(response.status_code, body.headers, source=body)
        return HttpResponse(response.status_code, body.headers, body.read(self.settings.max_body_bytes))

    def _answer(
        self,
        request: HttpRequest,
        outgoing: httpx.Request,
        timeout: Timeout,
        deadline: Deadline,
        pool: Pool[httpx.HTTPTransport] | None,
        **options: Any,
    ) -> httpx.Response:
        """The answer, its body unread; `options` are for the caller's own client."""
        try:
            if pool is None:
                client = self.settings.http_client
                response: httpx.Response = client.send(outgoing, stream=True, follow_redirects=False, **options)
            else:
                while unasked(response := pool.transport.handle_request(outgoing)):
                    response.close()
        except (httpx.RequestError, httpx.InvalidURL, UnicodeError) as error:
            proxy = pool.proxy if pool is not None else ""
            cause = cause_of(error)
            raise failure(error, request, timeout, deadline, begun=False, proxy=proxy) from cause
        except KeyboardInterrupt:
            for connection in lost_connections(pool.transport) if pool is not None else ():
                connection.close()
            raise
        return response

    def _pool(self, url: str, policy: FetchPolicy | None = None) -> Pool[httpx.HTTPTransport] | None:
        """The pool that serves a URL; None where the caller's own client does."""
        settings = self.settings
        if self._closed or (settings.http_client is not None and settings.http_client.is_closed):
            raise closed_error()
        if settings.http_client is not None:
            return None
        pools = self._pools
        if pools is None or self._epoch is not SYNC_POOLS.epoch:
            pools = {}
            self._pools, self._epoch = pools, SYNC_POOLS.epoch
        key = None if policy is None else media_key(url, settings.proxy, settings.provider, policy)
        origin = url[: url.find("/", 8)] if key is None else " ".join(key)
        pool = pools.get(origin)
        if pool is None:
            key = key or pool_key(url, settings.proxy, settings.provider)
            pool = pools[origin] = SYNC_POOLS.share(key, self)
        return pool


class SyncBody(OpenBody["Iterator[bytes]"]):
    """The open body of an answer. `close` gives the connection back, or ends it if the body was not read."""

    __slots__ = ()

    def blocks(self) -> Iterator[bytes]:
        """Byte blocks as they arrive. Raises TransportError; checks the total limit at each."""
        deadline = self._deadline
        try:
            raw = self._raw()
            if not self._begun:
                for block in raw:
                    self._begin()
                    deadline.check()
                    yield block
                    break
            if deadline.never:
                yield from raw
            for block in raw:
                deadline.check()
                yield block
        except httpx.RequestError as error:
            raise self._failure(error) from cause_of(error)

    def next_block(self) -> bytes:
        """The next block ahead of `blocks`, empty at the end. What goes wrong closes the body."""
        try:
            block = b""
            for block in self._raw():
                if block:
                    break
            self._begin()
            self._deadline.check()
        except BaseException as error:
            self.close()
            if isinstance(error, httpx.RequestError):
                raise self._failure(error) from cause_of(error)
            raise
        return block

    def read(self, limit: int) -> bytes:
        """The whole body. Raises ParseError above `limit` bytes; closes it either way."""
        body = bytearray()  # a list would cost fifty bytes for each of a block of one
        try:
            for block in self.blocks():
                body += block
                if len(body) > limit:
                    raise body_error(limit)
        finally:
            self.close()
        return bytes(body)

    def drain(self) -> None:
        """Read the end of a finished stream, if it comes at once, so that the connection can be used again."""
        if self._set_limit(DRAIN_SECONDS):
            until = time.monotonic() + DRAIN_SECONDS
            with contextlib.suppress(Exception):
                while next(self._raw(), None) is not None and time.monotonic() < until:
                    pass

    def abort(self) -> None:
        """End the connection, so that a thread that reads the body wakes, fails and releases it."""
        from llm_connector.transport.phases import PhasedStream

        if isinstance(self._connection, PhasedStream):
            self._connection.abort()

    def close(self) -> None:
        """Release the connection."""
        stream: Any = self._response.stream
        stream.close()
        if self._pool is not None and self._pool.closed:
            self._response.extensions["network_stream"].close()

    def _raw(self) -> Iterator[bytes]:
        if self._blocks is None:
            response = self._response
            stream: Any = response.stream
            if response.is_stream_consumed:  # a hook of the caller's client has read it
                self._blocks = iter(response.iter_bytes())
            else:
                self._blocks = inflated(iter(stream)) if is_compressed(self.headers) else iter(stream)
        return self._blocks
