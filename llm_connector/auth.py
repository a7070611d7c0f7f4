"""How a finished request is authorised. Pure: the time is an argument, so published vectors apply.

An auth function runs last, because signatures cover the body. Exactly one scheme is used; it replaces what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from llm_connector.errors import ConfigurationError
from llm_connector.wire import HttpRequest

__all__ = ["Auth", "Credentials", "api_key_header", "bearer", "clean_key", "no_auth"]


@dataclass(slots=True)  # frozen, they would take nearly four times as long to make
class Credentials:
    """What a caller authorises with; `extra` holds what the row names besides the key. Never shown by `repr`."""

    api_key: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


Auth: TypeAlias = Callable[[HttpRequest, Credentials, float], HttpRequest]
"""Takes the finished request, the credentials and the Unix time in seconds; returns the authorised request."""


def bearer(request: HttpRequest, credentials: Credentials, now: float) -> HttpRequest:
    """`Authorization: Bearer …`; nothing without a key."""
    if credentials.api_key is None:
        return request
    return _with_header(request, "authorization", f"Bearer {credentials.api_key}")


def api_key_header(name: str) -> Auth:
    """The key in a header of its own, such as `x-api-key` or `api-key`."""

    def authorise(request: HttpRequest, credentials: Credentials, now: float) -> HttpRequest:
        if credentials.api_key is None:
            return request
        return _with_header(request, name, credentials.api_key)

    return authorise


def no_auth(request: HttpRequest, credentials: Credentials, now: float) -> HttpRequest:
    """The request as it is."""
    return request


def _with_header(request: HttpRequest, name: str, value: str) -> HttpRequest:
    return HttpRequest(request.method, request.url, {**request.headers, name: value}, request.content)


def clean_key(key: object, provider: str) -> str:
    """The key without surrounding white space.

    Raises ConfigurationError, which never shows the key, for one that cannot stand in a header.
    """
    if not isinstance(key, str):
        raise ConfigurationError(f"the API key is a {type(key).__name__}, not a string", provider=provider)
    key = key.strip()
    if not key:
        raise ConfigurationError("the API key is empty", provider=provider)
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigurationError(
            "the API key holds a space, a line break or a character that is not ASCII; copy it again", provider=provider
        )
    return key
