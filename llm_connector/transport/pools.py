"""Connection pools of the process, shared by clients of the same settings and counted.

One for each (scheme, proxy), and for coroutines one for each event loop as well: a pool belongs to the loop that made
it, and ends with it. A forked child begins with none, since sockets cannot be shared.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from llm_connector.errors import ConfigurationError
from llm_connector.transport.assigning import Assignment
from llm_connector.wire import FetchPolicy

if TYPE_CHECKING:
    import httpx

__all__ = [
    "ASYNC_POOLS",
    "SYNC_POOLS",
    "AsyncPools",
    "Pool",
    "PoolKey",
    "Pools",
    "aiohttp_key",
    "is_over",
    "lost_connections",
    "media_key",
    "pool_key",
]

MAX_CONNECTIONS = 1000
MAX_IDLE = 100  # httpcore counts all connections for each idle one, at each request
KEEPALIVE_SECONDS = 20.0  # below the idle limit of common load balancers, so that stale sockets are rare

_LOOPBACK = re.compile(r"localhost|::1|127(\.\d+){1,3}")

T = TypeVar("T")
PoolKey = tuple[str, str] | tuple[str, str, Literal["guarded", "aiohttp"]]
"""Scheme of the target and URL of the proxy, `""` for none; then whether only public hosts may be reached, or aiohttp
carries the requests."""


class Pool(Generic[T]):
    """An httpx transport, the host of the proxy it goes through, `""` for none, and the clients that use it.

    `closed` tells answers under way that nobody else will close their connection: httpcore has forgotten it.
    """

    __slots__ = ("closed", "proxy", "transport", "users")

    def __init__(self, transport: T, key: PoolKey) -> None:
        self.transport = transport
        self.closed = False
        self.proxy = key[1] and urlsplit(key[1]).netloc.rpartition("@")[2]
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()


class Pools(Generic[T]):
    """Pools by key. A forked child has another `epoch`: asking for the number of the process is a system call."""

    def __init__(self, make: Callable[[PoolKey], T]) -> None:
        self._make = make
        self._pools: dict[PoolKey, Pool[T]] = {}
        self._lock = threading.Lock()
        self.epoch = object()

    def share(self, key: PoolKey, user: object) -> Pool[T]:
        """The pool, with `user` counted among its clients; made at first use."""
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = Pool(self._make(key), key)
            pool.users.add(user)
            return pool

    def give_back(self, user: object, pools: Mapping[str, Pool[T]]) -> list[T]:
        """Count `user` no more; the transports that nobody uses any longer, for the caller to close."""
        unused: list[T] = []
        with self._lock:
            for pool in pools.values():
                pool.users.discard(user)
                if not pool.users:
                    for key in [key for key, known in self._pools.items() if known is pool]:
                        del self._pools[key]
                        pool.closed = True
                        unused.append(pool.transport)
        return unused

    def take_all(self) -> list[T]:
        """Every transport, for the caller to close; the pools are empty afterwards."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.closed = True
        return [pool.transport for pool in pools.values()]

    def forget(self) -> None:
        """Drop everything without touching a socket: they belong to the parent of this process."""
        self._lock = threading.Lock()
        self._pools = {}
        self.epoch = object()


class AsyncPools:
    """Pools by event loop and key; those of a loop end with it.

    An open connection refers to its loop, so a weak key alone would keep both for ever.
    """

    def __init__(self, make: Callable[[PoolKey], httpx.AsyncBaseTransport]) -> None:
        self._make = make
        self._loops: weakref.WeakKeyDictionary[Any, _LoopPools] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, loop: Any) -> Pools[httpx.AsyncBaseTransport]:
        """The pools of the running loop."""
        with self._lock:
            pools = self._loops.get(loop)
            if pools is None:
                for gone in [known for known in self._loops if is_over(known)]:
                    del self._loops[gone]
                pools = self._loops[loop] = _LoopPools(self._make)
            return pools

    def forget(self) -> None:
        """Drop everything without touching a socket."""
        self._lock = threading.Lock()
        self._loops = weakref.WeakKeyDictionary()


class _LoopPools(Pools["httpx.AsyncBaseTransport"]):
    """The pools of one loop.

    asyncio.run and its like finish the loop's open generators before they close it: that is when one of ours closes the
    connections. A loop that is closed without that leaves its sockets to the garbage collector.
    """

    def __init__(self, make: Callable[[PoolKey], httpx.AsyncBaseTransport]) -> None:
        super().__init__(make)
        self._end = self._until_the_end()
        with contextlib.suppress(StopIteration):
            self._end.__anext__().__await__().send(None)  # up to its `yield`, which waits for nothing

    async def _until_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            for transport in self.take_all():
                await transport.aclose()


def lost_connections(transport: Any) -> list[Any]:
    """Take the connections that no request uses any more out of a transport, for the caller to close.

    httpcore loses one when its request is cancelled after the connection was made and before it was used: it counts
    among the 1,000 for ever. aiohttp loses none.
    """
    pool = getattr(transport, "_pool", None)
    if pool is None:
        return []
    with pool._optional_thread_lock:
        used = {id(request.connection) for request in pool._requests}
        lost = [
            connection
            for connection in pool._connections
            if id(connection) not in used and not (connection.is_idle() or connection.is_closed())
        ]
        for connection in lost:
            pool._connections.remove(connection)
    return lost


class _OneAtATime:
    """What httpcore does under the lock of a pool, made safe to be entered again by its own thread.

    The garbage collector may end an abandoned stream at any moment, also while its thread holds the lock. httpcore's
    lock would wait for itself, for ever, and so would every other thread.
    """

    def __init__(self, assign: Callable[[], list[Any]]) -> None:
        self._assign = assign
        self._running = self._again = False

    def __call__(self) -> list[Any]:
        """The connections to close."""
        if self._running:
            self._again = True
            return []
        self._running = True
        try:
            unwanted = self._assign()
            while self._again:
                self._again = False
                unwanted += self._assign()
            return unwanted
        finally:
            self._running = False


def is_over(loop: Any) -> bool:
    """Whether a loop has been closed; trio's tokens cannot say so."""
    is_closed: Callable[[], bool] | None = getattr(loop, "is_closed", None)
    return is_closed is not None and is_closed()


def pool_key(url: str, proxy: str | None, provider: str) -> tuple[str, str]:
    """Which pool serves a URL. `proxy` None reads the environment, which never applies to loopback."""
    parts = urlsplit(url)
    if proxy is None:
        proxy = _environment_proxy(parts.scheme, parts.hostname or "")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy.startswith("socks://"):
        proxy = "socks5" + proxy.removeprefix("socks")
    if proxy:
        _check_proxy(proxy, provider)
    return parts.scheme, proxy


def aiohttp_key(key: tuple[str, str]) -> PoolKey:
    """The pool of aiohttp that serves the same; it knows no SOCKS proxies."""
    return key if key[1].startswith("socks") else (*key, "aiohttp")


def media_key(url: str, proxy: str | None, provider: str, policy: FetchPolicy) -> PoolKey:
    """Which pool serves a URL that may lead anywhere. A proxy connects by itself, and may stand in private."""
    scheme, proxy = pool_key(url, proxy, provider)
    return (scheme, proxy) if proxy or policy.private_addresses else (scheme, "", "guarded")


def _check_proxy(proxy: str, provider: str) -> None:
    """Raises ConfigurationError, which never shows the proxy's password."""
    scheme = proxy.partition("://")[0]
    if scheme not in ("http", "https", "socks5", "socks5h"):
        raise ConfigurationError(
            f"a proxy cannot be reached by {scheme}://; use http, https or socks5", provider=provider
        )
    try:
        parts = urlsplit(proxy)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            "the proxy (proxy=, or a variable such as HTTPS_PROXY) is not a URL; it reads 'http://host:port'",
            provider=provider,
        )


def _environment_proxy(scheme: str, host: str) -> str:
    if _LOOPBACK.fullmatch(host):
        return ""
    from urllib.request import getproxies, proxy_bypass

    if proxy_bypass(host):
        return ""
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all") or ""


@functools.cache
def _tls() -> ssl.SSLContext:
    """The one TLS context of the process: making it costs some 30 ms."""
    import httpx

    return httpx.create_ssl_context()


def _context(scheme: str, proxy: str) -> ssl.SSLContext:
    # Without TLS the context is never used: an empty one saves reading the certificates.
    return _tls() if scheme == "https" or proxy.startswith("https") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _options(key: PoolKey) -> dict[str, Any]:
    import httpx

    scheme, proxy = key[:2]
    limits = httpx.Limits(
        max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_IDLE, keepalive_expiry=KEEPALIVE_SECONDS
    )
    proxied = httpx.Proxy(proxy) if proxy else None
    return {"verify": _context(scheme, proxy), "limits": limits, "proxy": proxied, "trust_env": False}


def _sync_transport(key: PoolKey) -> httpx.HTTPTransport:
    import httpx

    from llm_connector.transport.phases import PhasedBackend

    transport = _with_socks(lambda: httpx.HTTPTransport(**_options(key)))
    pool: Any = transport._pool
    backend = pool._network_backend
    if len(key) > 2:
        from llm_connector.transport.guard import GuardedBackend

        backend = GuardedBackend(backend)
    pool._network_backend = PhasedBackend(backend)
    pool._optional_thread_lock = threading.RLock()
    pool._assign_requests_to_connections = _OneAtATime(Assignment(pool))
    return transport


def _async_transport(key: PoolKey) -> httpx.AsyncBaseTransport:
    import httpx

    if key[2:] == ("aiohttp",):
        from llm_connector.transport.over_aiohttp import AiohttpTransport

        context = _context(*key[:2])
        return AiohttpTransport(context, key[1], most=MAX_CONNECTIONS, keep_seconds=KEEPALIVE_SECONDS)

    from llm_connector.transport.phases import AsyncPhasedBackend

    transport = _with_socks(lambda: httpx.AsyncHTTPTransport(**_options(key)))
    backend: Any = transport._pool._network_backend
    if len(key) > 2:
        from llm_connector.transport.guard import AsyncGuardedBackend

        backend = AsyncGuardedBackend(backend)
    pool: Any = transport._pool
    pool._network_backend = AsyncPhasedBackend(backend)
    pool._assign_requests_to_connections = Assignment(pool)
    return transport


def _with_socks(make: Callable[[], T]) -> T:
    try:
        return make()
    except ImportError:
        raise ConfigurationError(
            "a SOCKS proxy (proxy=, ALL_PROXY or HTTPS_PROXY) needs one more package: pip install 'httpx[socks]'; "
            'proxy="" uses no proxy'
        ) from None


SYNC_POOLS = Pools(_sync_transport)
ASYNC_POOLS = AsyncPools(_async_transport)


def _forget() -> None:
    SYNC_POOLS.forget()
    ASYNC_POOLS.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
