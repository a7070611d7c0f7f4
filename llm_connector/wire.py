"""Requests, answers and steps as values, and JSON in both directions. Nothing here waits or sends."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar

from pydantic_core import from_json, to_json

from llm_connector.errors import ConfigurationError, ParseError, excerpt

__all__ = [
    "Call",
    "Event",
    "FetchPolicy",
    "HttpRequest",
    "HttpResponse",
    "Json",
    "Read",
    "Send",
    "Sleep",
    "Steps",
    "Timeout",
    "decode_json",
    "encode_json",
]

Json: TypeAlias = Any
"""Undecoded JSON; it stops at `parse_*`."""

T = TypeVar("T")

_SHOWN_HEADERS = frozenset({"accept", "anthropic-beta", "anthropic-version", "content-type", "user-agent"})
_BOM = b"\xef\xbb\xbf"


def decode_json(content: bytes) -> Json:
    """Decode a JSON text; raises ValueError. A BOM and blank lines ahead of it are tolerated.

    Half a surrogate pair becomes U+FFFD: no text that holds one can be printed, stored or sent.
    """
    try:
        return from_json(content, cache_strings="keys")
    except ValueError as error:
        if "recursion" in str(error):
            raise  # nested without end: what reads it next would fail in other ways
        try:
            value = json.loads(content.removeprefix(_BOM).decode("utf-8", "replace").strip())
        except RecursionError:
            raise error from None
        text = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return from_json(text, cache_strings="keys")


def encode_json(body: Json) -> bytes:
    """The body as UTF-8 JSON without spaces. Raises ConfigurationError for values that JSON cannot hold."""
    try:
        return to_json(body, inf_nan_mode="constants")
    except ValueError as error:
        if "surrogates" in str(error):  # half a pair: legal in JSON only as an escape
            return json.dumps(body, separators=(",", ":")).encode()
        raise ConfigurationError(f"the request cannot be written as JSON: {error}") from None


@dataclass(frozen=True, slots=True)
class Timeout:
    """Limits in seconds; None switches one off.

    `connect`: until the connection (and TLS) stands. `first_byte`: from there until the first byte of the answer's
    body. `idle`: between two bytes after that; keep-alive bytes feed it. `total`: the whole call, retries and waits
    included, checked at each block, so it may overshoot by one idle period.
    """

    connect: float | None = 10.0
    first_byte: float | None = 300.0
    idle: float | None = 120.0
    total: float | None = None

    def __post_init__(self) -> None:
        for name in ("connect", "first_byte", "idle", "total"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"timeout: {name} is {value!r}; give seconds above 0, or None for no limit")

    @classmethod
    def of(cls, value: Timeout | float | None) -> Timeout:
        """A float sets `first_byte` and `idle`; None gives the defaults."""
        if value is None:
            return DEFAULT_TIMEOUT
        return value if isinstance(value, Timeout) else cls(first_byte=value, idle=value)


DEFAULT_TIMEOUT = Timeout()


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Which media a client may fetch for a server that takes no URLs.

    `max_bytes` bounds a file as it is read, decompressed; `timeout` its download in seconds. `media_types` lists types
    and beginnings of types. Hosts whose address is loopback, private or otherwise not public are refused unless
    `private_addresses` allows them.
    """

    max_bytes: int = 20 << 20
    private_addresses: bool = False
    media_types: tuple[str, ...] = ("image/", "application/pdf", "audio/", "video/")
    timeout: float = 30.0

    def __post_init__(self) -> None:
        if isinstance(self.media_types, str) or not all(isinstance(kind, str) and kind for kind in self.media_types):
            raise ConfigurationError(f"media_types is {self.media_types!r}; give a tuple such as ('image/',)")
        for name in ("max_bytes", "timeout"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not value > 0:
                raise ConfigurationError(f"{name} is {value!r}; give a number above 0")


@dataclass(slots=True)  # frozen, it would take nearly four times as long to make
class HttpRequest:
    """A request that has not been sent; nobody changes one. Header names are lower-case."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    def __repr__(self) -> str:
        shown = {name: value if name in _SHOWN_HEADERS else "[hidden]" for name, value in self.headers.items()}
        return f"HttpRequest({self.method} {self.url.partition('?')[0]} {shown} {len(self.content)} bytes)"


@dataclass(slots=True)
class HttpResponse:
    """An answer. It has been read into `content`, unless a stream succeeded: then `source` is the open body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    source: Any = field(default=None, compare=False, repr=False)

    def json(self) -> Json:
        """The decoded body. Raises ParseError when it is not JSON, with a hint when it is a web page."""
        try:
            return decode_json(self.content)
        except ValueError as error:
            kind = self.headers.get("content-type", "no content type")
            page = self.content.lstrip()[:1] == b"<"
            hint = "a web page: check base_url" if page else str(error)
            message = f"HTTP {self.status} with a body that is not JSON ({kind}): {hint}"
            raise ParseError(message, body=excerpt(self.content)) from None


class Event(NamedTuple):
    """One event of a stream: its name (`""` if it has none) and its data, undecoded."""

    name: str
    data: bytes


@dataclass(slots=True)
class Send:
    """Ask the driver to send; it replies with an `HttpResponse`, or throws a `TransportError` in.

    `stream` leaves a 2xx body open in `HttpResponse.source`. Any other body is read, up to `max_bytes`. `policy` marks
    a request to a host that is not the provider's, and bounds it.
    """

    request: HttpRequest
    stream: bool = False
    policy: FetchPolicy | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """Ask the driver for the next block of an open body: empty at the end. A `TransportError` closes the body."""

    source: Any


@dataclass(frozen=True, slots=True)
class Sleep:
    """Ask the driver to wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """Ask the driver for the value of a function; `blocking` ones leave the event loop, awaitables are awaited."""

    function: Callable[[], Any]
    blocking: bool = False


Steps: TypeAlias = Generator[Send | Read | Sleep | Call, Any, T]
"""An operation: yields what it needs done, is sent the outcome, returns its result."""
