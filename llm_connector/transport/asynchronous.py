"""The driver for coroutines: the same steps, awaited."""

from __future__ import annotations

import contextlib
import inspect
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from llm_connector.errors import LlmConnectorError
from llm_connector.lazy import Lazy
from llm_connector.transport.body import OpenBody, unasked
from llm_connector.transport.inflate import inflated_async, is_compressed
from llm_connector.transport.pools import (
    ASYNC_POOLS,
    Pool,
    aiohttp_key,
    is_over,
    lost_connections,
    media_key,
    pool_key,
)
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

__all__ = ["AsyncBody", "AsyncTransport"]

T = TypeVar("T")


class AsyncTransport:
    """Performs steps with httpx. One per client; each running loop has pools of its own."""

    __slots__ = ("__weakref__", "_closed", "_loops", "settings")

    def __init__(self, settings: TransportSettings) -> None:
        if settings.aiohttp or settings.http_client is not None:
            check_http_client(settings, asynchronous=True)
        self.settings = settings
        self._loops: weakref.WeakKeyDictionary[Any, dict[str, Pool[httpx.AsyncBaseTransport]]] | None = None
        self._closed = False

    async def run(self, steps: Steps[T], timeout: Timeout) -> T:
        """Perform each step and feed the outcome back until the operation returns."""
        deadline = Deadline(timeout)
        try:
            step = next(steps)
            while True:
                try:
                    outcome = await self._perform(step, timeout, deadline)
                except LlmConnectorError as error:
                    step = steps.throw(error)
                else:
                    step, outcome = steps.send(outcome), None  # a key must not stay where crash reporters look
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            steps.close()

    async def close(self) -> None:
        """Give back this client's share of the running loop's pools; the last one closes the connections."""
        self._closed = True
        loops, self._loops = self._loops, None
        if loops:
            import anyio

            loop = _running_loop()
            with anyio.CancelScope(shield=True):
                for transport in ASYNC_POOLS.of(loop).give_back(self, loops.get(loop, {})):
                    await _Unbroken(transport.aclose())

    async def _perform(self, step: Send | Read | Sleep | Call, timeout: Timeout, deadline: Deadline) -> Any:
        if isinstance(step, Send):
            if step.policy is not None:
                return await self._fetch(step.request, step.policy, deadline)
            return await self._send(step.request, timeout, deadline, stream=step.stream)
        if isinstance(step, Read):
            return await step.source.next_block()
        import anyio

        if isinstance(step, Sleep):
            deadline.check(ahead=step.seconds)
            await anyio.sleep(step.seconds)
            return None
        if step.blocking:
            return await anyio.to_thread.run_sync(step.function)
        value = step.function()
        return await value if inspect.isawaitable(value) else value

    async def _fetch(self, request: HttpRequest, policy: FetchPolicy, deadline: Deadline) -> HttpResponse:
        """An answer of a host that is not the provider's."""
        from llm_connector.transport.guard import check_host_async, check_peer

        limits, deadline = fetch_limits(policy), deadline.within(policy.timeout)
        pool = self._pool(request.url, policy)
        outgoing = http_request(request, limits, deadline, stream=False)
        others = not policy.private_addresses and (pool is None or bool(pool.proxy))
        if others:
            await check_host_async(outgoing.url, policy.timeout)
        response = await self._answer(request, outgoing, limits, deadline, pool, auth=None)
        body = AsyncBody(response, outgoing, request, limits, deadline, pool)
        try:
            if others and pool is None:
                check_peer(response)
            content = await body.read(policy.max_bytes)
        finally:
            await body.close()
        return HttpResponse(response.status_code, body.headers, content)

    async def _send(self, request: HttpRequest, timeout: Timeout, deadline: Deadline, *, stream: bool) -> HttpResponse:
        deadline.check()
        pool = self._pool(request.url)
        outgoing = http_request(request, timeout, deadline, stream=stream)
        response = await self._answer(request, outgoing, timeout, deadline, pool)
        body = AsyncBody(response, outgoing, request, timeout, deadline, pool)
        if stream and 200 <= response.status_code < 300:
            return HttpResponse(response.status_code, body.headers, source=body)
        return HttpResponse(response.status_code, body.headers, await body.read(self.settings.max_body_bytes))

    async def _answer(
        self,
        request: HttpRequest,
        outgoing: httpx.Request,
        timeout: Timeout,
        deadline: Deadline,
        pool: Pool[httpx.AsyncBaseTransport] | None,
        **options: Any,
    ) -> httpx.Response:
        """The answer, its body unread; `options` are for the caller's own client."""
        try:
            if pool is None:
                client = self.settings.http_client
                response: httpx.Response = await client.send(outgoing, stream=True, follow_redirects=False, **options)
            else:
                while unasked(response := await pool.transport.handle_async_request(outgoing)):
                    await response.aclose()
        except (httpx.RequestError, httpx.InvalidURL, UnicodeError) as error:
            proxy = pool.proxy if pool is not None else ""
            cause = cause_of(error)
            raise failure(error, request, timeout, deadline, begun=False, proxy=proxy) from cause
        except BaseException as error:
            if pool is not None and not isinstance(error, Exception | GeneratorExit):
                await _close_lost(pool)
            raise
        return response

    def _pool(self, url: str, policy: FetchPolicy | None = None) -> Pool[httpx.AsyncBaseTransport] | None:
        """The pool of the running loop that serves a URL; None where the caller's own client does."""
        settings = self.settings
        if self._closed or (settings.http_client is not None and settings.http_client.is_closed):
            raise closed_error()
        if settings.http_client is not None:
            return None
        if self._loops is None:
            self._loops = weakref.WeakKeyDictionary()
        loop = _running_loop()
        pools = self._loops.get(loop)
        if pools is None:
            for gone in [known for known in self._loops if is_over(known)]:
                del self._loops[gone]
            pools = self._loops[loop] = {}
        key = None if policy is None else media_key(url, settings.proxy, settings.provider, policy)
        origin = url[: url.find("/", 8)] if key is None else " ".join(key)
        pool = pools.get(origin)
        if pool is None:
            if key is None:
                plain = pool_key(url, settings.proxy, settings.provider)
                key = aiohttp_key(plain) if settings.aiohttp else plain
            pool = pools[origin] = ASYNC_POOLS.of(loop).share(key, self)
        return pool


class AsyncBody(OpenBody["AsyncIterator[bytes]"]):
    """The open body of an answer. `close` gives the connection back, or ends it if the body was not read."""

    __slots__ = ()

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """Byte blocks as they arrive. Raises TransportError; checks the total limit at each."""
        deadline = self._deadline
        try:
            async for block in self._raw():
                if not self._begun:
                    self._begin()
                deadline.check()
                yield block
        except httpx.RequestError as error:
            raise self._failure(error) from cause_of(error)

    async def next_block(self) -> bytes:
        """The next block ahead of `blocks`, empty at the end. What goes wrong closes the body."""
        try:
            block = b""
            async for block in self._raw():
                if block:
                    break
            self._begin()
            self._deadline.check()
        except BaseException as error:
            await self.close()
            if isinstance(error, httpx.RequestError):
                raise self._failure(error) from cause_of(error)
            raise
        return block

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises ParseError above `limit` bytes; closes it either way."""
        body = bytearray()  # a list would cost fifty bytes for each of a block of one
        try:
            async for block in self.blocks():
                body += block
                if len(body) > limit:
                    raise body_error(limit)
        finally:
            await self.close()
        return bytes(body)

    async def drain(self) -> None:
        """Read the end of a finished stream, if it comes at once, so that the connection can be used again."""
        if self._set_limit(DRAIN_SECONDS):
            until = time.monotonic() + DRAIN_SECONDS
            with contextlib.suppress(Exception):
                while await anext(self._raw(), None) is not None and time.monotonic() < until:
                    pass

    async def close(self) -> None:
        """Release the connection, also when the task is being cancelled."""
        import anyio

        with anyio.CancelScope(shield=True):
            await _Unbroken(self._response.aclose())
            if self._pool is not None and self._pool.closed:
                await _Unbroken(self._response.extensions["network_stream"].aclose())

    def _raw(self) -> AsyncIterator[bytes]:
        if self._blocks is None:
            response = self._response
            stream: Any = response.stream
            if response.is_stream_consumed:  # a hook of the caller's client has read it
                self._blocks = aiter(response.aiter_bytes())
            else:
                self._blocks = inflated_async(aiter(stream)) if is_compressed(self.headers) else aiter(stream)
        return self._blocks


class _Unbroken:
    """Awaits a coroutine to its end; a cancellation that comes meanwhile is raised after that.

    anyio's shields hold against its own scopes only, not against `Task.cancel()`, which stops httpcore's clean-up
    half-way: the request keeps its place in the pool for ever. A task of its own would do the same, and cost more.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        self._cancelled: BaseException | None = None

    def __await__(self) -> Generator[Any, Any, None]:
        import asyncio

        proceed = partial(self._coroutine.send, None)
        while True:
            try:
                awaited = proceed()
            except StopIteration:
                break
            try:
                value = None
                if asyncio.isfuture(awaited):
                    yield from self._until_done(awaited)
                else:
                    value = yield awaited
                proceed = partial(self._coroutine.send, value)
            except asyncio.CancelledError as error:  # at a mere turn of the loop
                self._cancelled = error
                proceed = partial(self._coroutine.send, None)
            except BaseException as error:  # noqa: BLE001  the coroutine's to handle
                proceed = partial(self._coroutine.throw, error)
        if self._cancelled is not None:
            raise self._cancelled

    def _until_done(self, future: Any) -> Generator[Any, Any, None]:
        """Wait for a future that the task must not cancel; its outcome is for the coroutine to take."""
        import asyncio

        future._asyncio_future_blocking = False  # the task waits for the shield instead
        while not future.done():
            try:
                yield from asyncio.shield(future).__await__()
            except asyncio.CancelledError as error:
                self._cancelled = error
            except Exception:  # noqa: BLE001  the future's
                break


async def _close_lost(pool: Pool[httpx.AsyncBaseTransport]) -> None:
    import anyio

    with anyio.CancelScope(shield=True):
        for connection in lost_connections(pool.transport):
            await connection.aclose()


def _running_loop() -> Any:
    """What a pool belongs to: the running asyncio loop, or trio's token."""
    import asyncio
    import sys

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        if "trio" not in sys.modules:
            raise
    import trio

    return trio.lowlevel.current_trio_token()
