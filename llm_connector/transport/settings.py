"""What both drivers share: settings, requests for httpx, its failures in our words, limits."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from llm_connector.errors import ConfigurationError, LlmConnectorError, ParseError, TimeoutError, TransportError
from llm_connector.lazy import Lazy
from llm_connector.limits import DEFAULT_MAX_BODY_BYTES
from llm_connector.wire import FetchPolicy, HttpRequest, Timeout

if TYPE_CHECKING:
    import httpx
else:
    httpx = Lazy("httpx")

__all__ = [
    "Deadline",
    "TransportSettings",
    "cause_of",
    "check_http_client",
    "closed_error",
    "failure",
    "fetch_limits",
    "header_dict",
    "host_of",
    "http_request",
]

NO_LIMIT = 1e6
"""Seconds that stand for "no limit", and the most there is: sockets take no infinity."""

AIOHTTP: Final = "aiohttp"
"""In place of an HTTP client: that pool of ours which aiohttp serves."""

DRAIN_SECONDS = 0.25
"""How long the end of a finished stream is waited for so that its connection can be used again."""


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """How a client reaches its server. `proxy` None reads the environment, `""` uses none.

    `http_client` is the caller's own `httpx.Client` or `AsyncClient`; it is never closed here. `aiohttp` says that its
    pool carries the requests in place of httpx's.
    """

    provider: str
    proxy: str | None = field(default=None, repr=False)
    http_client: Any = field(default=None, repr=False)
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    aiohttp: bool = False

    @classmethod
    def of(cls, provider: str, proxy: str | None, http_client: Any, max_body_bytes: int) -> TransportSettings:
        """The settings; clients that leave them as they are share them."""
        if http_client == AIOHTTP:
            return cls(provider, proxy, None, max_body_bytes, aiohttp=True)
        if proxy is None and http_client is None and max_body_bytes == DEFAULT_MAX_BODY_BYTES:
            return _usual(provider)
        return cls(provider, proxy, http_client, max_body_bytes)


class Deadline:
    """The end of a whole call, by the monotonic clock; None never comes."""

    __slots__ = ("_at", "_seconds")

    def __init__(self, timeout: Timeout) -> None:
        self._seconds = timeout.total
        self._at = None if timeout.total is None else time.monotonic() + timeout.total

    @property
    def never(self) -> bool:
        """Whether there is none."""
        return self._at is None

    def within(self, seconds: float) -> Deadline:
        """The end of a part of the call that may take that long, or of the call if that comes first."""
        part = Deadline(Timeout(total=seconds))
        return part if self._at is None or part._at is None or part._at < self._at else self

    def check(self, ahead: float = 0.0) -> None:
        """Raises TimeoutError when the end has come, or will have come `ahead` seconds from now."""
        if self._at is not None and time.monotonic() + ahead >= self._at:
            raise TimeoutError(f"the call takes longer than its total limit of {self._seconds:g} s")

    def left(self, limit: float | None) -> float:
        """The limit of a phase, or what is left of the call if that is less."""
        seconds = NO_LIMIT if limit is None else min(limit, NO_LIMIT)
        return seconds if self._at is None else max(min(seconds, self._at - time.monotonic()), 0.001)


def http_request(request: HttpRequest, timeout: Timeout, deadline: Deadline, *, stream: bool) -> httpx.Request:
    """The request for httpx. Its read limit is a float of its own: body readers tell requests apart by it."""
    url, host = _url(request.url)
    headers = [] if "host" in request.headers else [(b"host", host)]
    headers += [(name.encode("ascii"), value.encode("latin-1")) for name, value in request.headers.items()]
    headers.append((b"accept-encoding", b"identity" if stream else b"gzip, deflate"))
    if request.content or request.method == "POST":
        headers.append((b"content-length", b"%d" % len(request.content)))
    first_byte = deadline.left(timeout.first_byte)
    limits = {
        "connect": deadline.left(timeout.connect),
        "read": first_byte + 0.0,
        "write": first_byte,
        "pool": first_byte,
    }
    return httpx.Request(
        request.method, url, headers=headers, stream=httpx.ByteStream(request.content), extensions={"timeout": limits}
    )


def check_http_client(settings: TransportSettings, *, asynchronous: bool) -> None:
    """Raises ConfigurationError for an HTTP client of the other kind or none, and where aiohttp cannot be used."""
    if settings.aiohttp:
        problem = None if asynchronous else 'http_client="aiohttp" serves coroutines: use AsyncLlmClient'
        if importlib.util.find_spec("aiohttp") is None:
            problem = "aiohttp is not installed: pip install 'llm-connector-core[aiohttp]'"
        if problem is not None:
            raise ConfigurationError(problem, provider=settings.provider)
        return
    send = getattr(settings.http_client, "send", None)
    if settings.http_client is not None and (send is None or inspect.iscoroutinefunction(send) != asynchronous):
        wanted, others = ("AsyncClient", ' or "aiohttp"') if asynchronous else ("Client", "")
        raise ConfigurationError(
            f"http_client is of type {type(settings.http_client).__name__}; give an httpx.{wanted}{others}",
            provider=settings.provider,
        )
    if settings.proxy:
        raise ConfigurationError(
            "proxy= says nothing to an http_client: give the proxy to that", provider=settings.provider
        )


def failure(
    error: Exception, request: HttpRequest, timeout: Timeout, deadline: Deadline, *, begun: bool, proxy: str = ""
) -> LlmConnectorError:
    """An httpx failure as ours; the message names the host and the phase, never a header."""
    host = host_of(request.url)
    reason = str(error).strip() or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        return _timed_out(error, host, timeout, deadline, begun=begun)
    if isinstance(error, UnicodeError):
        return ConfigurationError(f"{host!r} is not the name of a host; check base_url")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return ConfigurationError(f"{host}: {reason}")
    if isinstance(error, httpx.ProxyError):
        return TransportError(f"the proxy{proxy and ' '}{proxy} refused the connection to {host}: {reason}")
    if isinstance(error, httpx.LocalProtocolError):
        return ConfigurationError("the request cannot be written: a header holds a character that HTTP does not allow")
    if isinstance(error, httpx.DecodingError):
        return TransportError(f"the body from {host} cannot be decompressed: {reason}")
    if isinstance(error, httpx.ConnectError):
        local = urlsplit(request.url).hostname in ("localhost", "127.0.0.1", "::1")
        if proxy:
            return TransportError(f'cannot reach {host} through the proxy {proxy}: {reason}; proxy="" goes without it')
        return TransportError(f"cannot connect to {host}: {reason}{'; is the server running?' if local else ''}")
    broken = TransportError(f"the connection to {host} broke: {reason}")
    broken.stale = not begun
    return broken


def cause_of(error: Exception) -> Exception | None:
    """The cause to show beside our error: none where its text quotes what was sent or received."""
    return None if isinstance(error, httpx.ProtocolError) else error


def _timed_out(
    error: httpx.TimeoutException, host: str, timeout: Timeout, deadline: Deadline, *, begun: bool
) -> LlmConnectorError:
    try:
        deadline.check(ahead=0.01)  # a limit cut short by the end of the call fires just before it
    except TimeoutError as over:
        return over
    if isinstance(error, httpx.ConnectTimeout):
        return TimeoutError(f"no connection to {host} within {timeout.connect or 0:g} s; timeout= sets the limit")
    if isinstance(error, httpx.PoolTimeout):
        return TimeoutError(f"no free connection to {host}: 1,000 are in use")
    limit, phase = (timeout.idle, "between two bytes") if begun else (timeout.first_byte, "before the first byte")
    return TimeoutError(f"{host} was silent for {limit or 0:g} s {phase}; timeout= sets the limit")


def body_error(limit: int) -> ParseError:
    """The error of a body without end."""
    return ParseError(f"the body exceeds {limit} bytes; raise max_body_bytes to accept it")


def fetch_limits(policy: FetchPolicy) -> Timeout:
    """The limits of a download from a host that is not the provider's."""
    return Timeout(connect=policy.timeout, first_byte=policy.timeout, idle=policy.timeout)


def closed_error() -> LlmConnectorError:
    """The error of a client that was closed."""
    return ConfigurationError("the client is closed; make a new one")


def host_of(url: str) -> str:
    """Host and port of a URL, for messages."""
    return urlsplit(url).netloc.rpartition("@")[2]


def header_dict(headers: httpx.Headers) -> Mapping[str, str]:
    """Response headers with lower-case names; repeated ones are joined."""
    found: dict[str, str] = {}
    for name, value in headers.raw:
        key = name.decode("ascii", "replace").lower()
        text = value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


@functools.lru_cache(maxsize=256)
def _usual(provider: str) -> TransportSettings:
    return TransportSettings(provider)


@functools.lru_cache(maxsize=512)
def _url(url: str) -> tuple[httpx.URL, bytes]:
    """The URL for httpx, and the host in it as its header names it."""
    try:
        parsed = httpx.URL(url)
        return parsed, parsed.netloc
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"{url.partition('?')[0][:120]!r} is not a URL: {error}") from None
