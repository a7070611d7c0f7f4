"""Who may ask: keys, and what a page in the user's own browser must not do. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from llm_connector.errors import AuthenticationError, BadRequestError, PermissionDeniedError
from llm_connector.server.config import ANY, GatewayConfig, is_loopback

__all__ = ["MAX_HEAD_BYTES", "Guard"]

MAX_HEAD_BYTES = 64 << 10

_KEY_HEADERS = ("x-api-key", "api-key")


class Guard:
    """Checks the headers of a request, whose names are lower-case. `origins` are those of pages that may ask."""

    def __init__(self, config: GatewayConfig) -> None:
        self._keys = tuple(key.encode() for key in config.api_keys)
        self._local = is_loopback(config.host)
        self._hosts = frozenset(host.lower() for host in config.allowed_hosts)
        self.origins = frozenset(origin.rstrip("/").lower() for origin in config.cors_origins)

    def check_size(self, path: str, headers: Mapping[str, str]) -> None:
        """Raise BadRequestError for a large head: servers let through what comes in one piece, whatever its size."""
        if len(path) + sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEAD_BYTES:
            raise BadRequestError(f"the head is larger than the {MAX_HEAD_BYTES:,} bytes that are taken", status=431)

    def check_address(self, headers: Mapping[str, str]) -> None:
        """Refuse what other web pages send through the user's browser.

        A page may have its own name resolve to 127.0.0.1 (DNS rebinding), so a gateway on loopback answers to names of
        this machine only. A page may also send without reading the answer, which costs money all the same, so an
        origin must be the gateway's own or an allowed one. Raises PermissionDeniedError.
        """
        if self._local:
            name = _hostname(headers.get("host", ""))
            if not is_loopback(name) and name not in self._hosts:
                raise PermissionDeniedError(
                    f"the host {name!r} is not one that this gateway answers to; list it in allowed_hosts", status=403
                )
        origin = headers.get("origin")
        if origin is not None and not self._allows(origin, headers.get("host", "")):
            raise PermissionDeniedError(
                f"pages of {origin!r} may not use this gateway; allow them with --cors-origin", status=403
            )

    def check_key(self, headers: Mapping[str, str]) -> None:
        """Raise AuthenticationError unless the request carries one of the keys."""
        if not self._keys:
            return
        given = _key(headers).encode("utf-8", "surrogateescape")
        right = [hmac.compare_digest(given, key) for key in self._keys]  # all of them, so that time tells nothing
        if not any(right):
            missing = "no API key was sent" if not given else "the API key is not one of this gateway's"
            raise AuthenticationError(f"{missing}; send it as a bearer token or as x-api-key", status=401)

    def _allows(self, origin: str, host: str) -> bool:
        own = origin.lower().partition("://")[2] == host.lower() != ""
        return own or ANY in self.origins or origin.lower() in self.origins


def _key(headers: Mapping[str, str]) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    return next((headers[name] for name in _KEY_HEADERS if name in headers), "")


def _hostname(host: str) -> str:
    """The name in a `Host` header, without its port."""
    if host.startswith("["):
        return host.partition("]")[0].removeprefix("[").lower()
    return host.partition(":")[0].lower()
