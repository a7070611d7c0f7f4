"""Connection pools of the process, shared by clients of the same settings and counted.

One for each (scheme, proxy), and for coroutines one for each event loop as well: a pool belongs to the loop that made
it. A forked child begins with none, since sockets cannot be shared.
"""

from __future__ import annotations

import functools
import os
import ssl
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from llm_connector.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

__all__ = ["ASYNC_POOLS", "SYNC_POOLS", "AsyncPools", "Pool", "PoolKey", "Pools", "pool_key"]

MAX_CONNECTIONS = 1000
KEEPALIVE_SECONDS = 20.0  # below the idle limit of common load balancers, so that stale sockets are rare

T = TypeVar("T")
PoolKey = tuple[str, str]
"""Scheme of the target and URL of the proxy, `""` for none."""


class Pool(Generic[T]):
    """An httpx transport and the clients that use it."""

    __slots__ = ("transport", "users")

    def __init__(self, transport: T) -> None:
        self.transport = transport
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()


class Pools(Generic[T]):
    """Pools by key."""

    def __init__(self, make: Callable[[PoolKey], T]) -> None:
        self._make = make
        self._pools: dict[PoolKey, Pool[T]] = {}
        self._lock = threading.Lock()

    def share(self, key: PoolKey, user: object) -> Pool[T]:
        """The pool, with `user` counted among its clients; made at first use."""
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = Pool(self._make(key))
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
                        unused.append(pool.transport)
        return unused

    def forget(self) -> None:
        """Drop everything without touching a socket: they belong to the parent of this process."""
        self._lock = threading.Lock()
        self._pools = {}


class AsyncPools:
    """Pools by event loop and key; those of a loop that is gone go with it."""

    def __init__(self, make: Callable[[PoolKey], httpx.AsyncHTTPTransport]) -> None:
        self._make = make
        self._loops: weakref.WeakKeyDictionary[Any, Pools[httpx.AsyncHTTPTransport]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, loop: Any) -> Pools[httpx.AsyncHTTPTransport]:
        """The pools of a running loop."""
        with self._lock:
            pools = self._loops.get(loop)
            if pools is None:
                pools = self._loops[loop] = Pools(self._make)
            return pools

    def forget(self) -> None:
        """Drop everything without touching a socket."""
        self._lock = threading.Lock()
        self._loops = weakref.WeakKeyDictionary()


def pool_key(url: str, proxy: str | None, provider: str) -> PoolKey:
    """Which pool serves a URL. `proxy` None reads the environment, which never applies to loopback."""
    parts = urlsplit(url)
    if proxy is None:
        proxy = _environment_proxy(parts.scheme, parts.hostname or "")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy.startswith("socks://"):
        proxy = "socks5" + proxy.removeprefix("socks")
    if proxy and not proxy.startswith(("http://", "https://", "socks5://", "socks5h://")):
        scheme = proxy.partition("://")[0]
        raise ConfigurationError(
            f"a proxy cannot be reached by {scheme}://; use http, https or socks5", provider=provider
        )
    return parts.scheme, proxy


def _environment_proxy(scheme: str, host: str) -> str:
    if host == "localhost" or host == "::1" or host.startswith("127."):
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


def _options(key: PoolKey) -> dict[str, Any]:
    import httpx

    scheme, proxy = key
    # Without TLS the context is never used: an empty one saves reading the certificates.
    tls = _tls() if scheme == "https" or proxy.startswith("https") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    limits = httpx.Limits(
        max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS, keepalive_expiry=KEEPALIVE_SECONDS
    )
    return {"verify": tls, "limits": limits, "proxy": httpx.Proxy(proxy) if proxy else None, "trust_env": False}


def _sync_transport(key: PoolKey) -> httpx.HTTPTransport:
    import httpx

    from llm_connector.transport.phases import PhasedBackend

    transport = _guarded(lambda: httpx.HTTPTransport(**_options(key)))
    transport._pool._network_backend = PhasedBackend(transport._pool._network_backend)
    return transport


def _async_transport(key: PoolKey) -> httpx.AsyncHTTPTransport:
    import httpx

    from llm_connector.transport.phases import AsyncPhasedBackend

    transport = _guarded(lambda: httpx.AsyncHTTPTransport(**_options(key)))
    transport._pool._network_backend = AsyncPhasedBackend(transport._pool._network_backend)
    return transport


def _guarded(make: Callable[[], T]) -> T:
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
