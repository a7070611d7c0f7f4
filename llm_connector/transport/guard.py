"""Which hosts a client may be sent to by a URL that somebody else wrote: those with public addresses only.

A name is resolved once, all its addresses are checked, and the connection is made to one of those: whoever owns the
name cannot have it mean another place a moment later.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator
from typing import Any

import anyio
import httpcore
import httpx

from llm_connector.errors import ConfigurationError, TransportError

__all__ = ["AsyncGuardedBackend", "GuardedBackend", "check_host", "check_host_async", "check_peer", "is_public"]

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_OF_A_CLOUD = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Public by number only: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
(checked 2026-11)"""


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet, also where an IPv6 address stands for one of IPv4."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None:
            return address in _GLOBAL_UNICAST and address.is_global
        address = inner
    return address.is_global and not address.is_multicast and address not in _OF_A_CLOUD


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections to public addresses only."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.NetworkStream:
        attempts = _Attempts(timeout)
        for address, seconds in attempts.each(_resolved(host, port)):
            try:
                return self._backend.connect_tcp(address, port, seconds, *args, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                attempts.failed = error
        raise attempts.failed


class AsyncGuardedBackend(httpcore.AsyncNetworkBackend):
    """The same for coroutines."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        self._backend = backend

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.AsyncNetworkStream:
        attempts = _Attempts(timeout)
        for address, seconds in attempts.each(await _resolved_async(host, port, timeout)):
            try:
                return await self._backend.connect_tcp(address, port, seconds, *args, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                attempts.failed = error
        raise attempts.failed


class _Attempts:
    """Addresses to be tried in turn, each with its share of the time that is left."""

    def __init__(self, timeout: float | None) -> None:
        self._until = None if timeout is None else time.monotonic() + timeout
        self.failed: Exception = httpcore.ConnectError("the name has no address")

    def each(self, addresses: list[str]) -> Iterator[tuple[str, float | None]]:
        for position, address in enumerate(addresses):
            left = None if self._until is None else max(self._until - time.monotonic(), 0.001)
            yield address, None if left is None else left / (len(addresses) - position)


def check_host(url: httpx.URL) -> None:
    """Raises ConfigurationError for a host that is not public, where somebody else makes the connection."""
    try:
        _resolved(url.host, url.port or 0)
    except httpcore.ConnectError as error:
        raise TransportError(str(error)) from None


async def check_host_async(url: httpx.URL, timeout: float) -> None:
    """The same for coroutines."""
    try:
        await _resolved_async(url.host, url.port or 0, timeout)
    except httpcore.ConnectError as error:
        raise TransportError(str(error)) from None


def check_peer(response: httpx.Response) -> None:
    """Raises ConfigurationError for an answer from a host that is not public, where its connection tells."""
    stream = response.extensions.get("network_stream")
    peer = None if stream is None else stream.get_extra_info("server_addr")
    if isinstance(peer, tuple) and peer:
        _public([str(peer[0])])


def _resolved(host: str, port: int) -> list[str]:
    try:
        return _public([str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
    except (OSError, UnicodeError) as error:
        raise _unknown(host, error) from error


async def _resolved_async(host: str, port: int, timeout: float | None) -> list[str]:
    try:
        with anyio.fail_after(timeout):
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return _public([str(info[4][0]) for info in found])
    except (OSError, UnicodeError) as error:
        raise _unknown(host, error) from error


def _unknown(host: str, error: Exception) -> httpcore.ConnectError:
    reason = getattr(error, "strerror", None) or str(error) or "it takes too long"
    return httpcore.ConnectError(f"the address of {host} cannot be found: {reason}")


def _public(addresses: list[str]) -> list[str]:
    """The addresses, each once. One that is not public condemns all: nothing says which would be used."""
    for address in addresses:
        if not is_public(address):
            raise ConfigurationError(
                f"its address {address} is not public; FetchPolicy(private_addresses=True) allows such hosts"
            )
    return list(dict.fromkeys(addresses))
