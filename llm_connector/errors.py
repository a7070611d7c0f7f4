"""What can go wrong, as a tree; every class carries `.provider`.

LlmConnectorError                   .provider
├── ConfigurationError              before any I/O: a setting or an argument is wrong (also ValueError)
├── UnsupportedError                before any I/O: this wire format or server cannot say that
├── TransportError                  no answer arrived         .retryable
│   └── TimeoutError                (also the builtin TimeoutError)
├── APIError                        the server said no        .status .code .request_id .retry_after .body .retryable
│   ├── BadRequestError             400, 413, 422
│   │   ├── ContextLengthError
│   │   └── ContentFilterError
│   ├── AuthenticationError         401
│   ├── InsufficientBalanceError    402 and the codes that mean it; never retried
│   ├── PermissionDeniedError       403
│   ├── NotFoundError               404
│   │   └── ModelNotFoundError
│   ├── RateLimitError              429
│   └── ServerError                 5xx, 529
├── StreamError                     failed or ended part-way  .partial
└── ParseError                      an answer we cannot read  .body

An error that a server reports inside a stream is both a `StreamError` and the `APIError` its code maps to.
"""

from __future__ import annotations

import builtins
import functools
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from llm_connector.types import ChatResponse

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ContentFilterError",
    "ContextLengthError",
    "InsufficientBalanceError",
    "LlmConnectorError",
    "ModelNotFoundError",
    "NotFoundError",
    "ParseError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "StreamError",
    "TimeoutError",
    "TransportError",
    "UnsupportedError",
    "excerpt",
    "streamed",
]

EXCERPT_LENGTH = 500


def excerpt(body: bytes | str, length: int = EXCERPT_LENGTH) -> str:
    """The beginning of a body as one printable line of at most `length` characters."""
    text = body[: length * 4].decode("utf-8", "replace") if isinstance(body, bytes) else body[: length * 4]
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= length else line[:length] + "…"


class LlmConnectorError(Exception):
    """Base of every error of this library. `provider` is the row's name, `""` where no provider is involved."""

    retryable: bool = False

    def __init__(self, message: str, *, provider: str = "") -> None:
        super().__init__(message)
        self.provider = provider

    @property
    def message(self) -> str:
        """The fact and its remedy, without the provider's name."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"{self.provider}: {self.message}" if self.provider else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (_base(type(self)), issubclass(type(self), _Streamed), self.args, self.__dict__)


class ConfigurationError(LlmConnectorError, ValueError):
    """A setting or an argument is wrong; nothing was sent."""


class UnsupportedError(LlmConnectorError):
    """The wire format or the server cannot say what was asked; nothing was sent."""


class TransportError(LlmConnectorError):
    """No answer arrived: the connection was refused, broken or not made.

    `stale` says that an open connection broke before any byte of the answer, as idle ones do.
    """

    retryable = True
    stale = False


class TimeoutError(TransportError, builtins.TimeoutError):
    """A phase took longer than its limit; the message names the phase and the limit in seconds."""


class APIError(LlmConnectorError):
    """The server refused.

    `status` is the HTTP status (200 for an error inside a successful answer), `code` the server's own word,
    `retry_after` the wait it asked for in seconds, `body` what it sent (decoded JSON, or text).
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        status: int = 0,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        body: Any = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message, provider=provider)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.body = body
        self.retryable = retryable

    def __str__(self) -> str:
        facts = [f"HTTP {self.status}" if self.status else "", self.code or ""]
        details = " ".join(fact for fact in facts if fact)
        suffix = f" (request {self.request_id})" if self.request_id else ""
        return f"{super().__str__()} [{details}]{suffix}" if details else f"{super().__str__()}{suffix}"


class BadRequestError(APIError):
    """The request itself is at fault (400, 413, 422); sending it again changes nothing."""


class ContextLengthError(BadRequestError):
    """The prompt, with the answer asked for, does not fit the model's context window."""


class ContentFilterError(BadRequestError):
    """The provider's content policy refused the request."""


class AuthenticationError(APIError):
    """The key is missing, wrong or expired (401)."""


class InsufficientBalanceError(APIError):
    """The account has no money or quota left (402 and the codes that mean it); never retried."""


class PermissionDeniedError(APIError):
    """The key is valid but may not do this (403)."""


class NotFoundError(APIError):
    """The path or the object does not exist (404)."""


class ModelNotFoundError(NotFoundError):
    """The model does not exist, or this key cannot see it."""


class RateLimitError(APIError):
    """Too many requests or tokens (429)."""


class ServerError(APIError):
    """The server failed (5xx, 529)."""


class StreamError(LlmConnectorError):
    """A stream failed or ended before its finish marker. `partial` holds what had arrived."""

    partial: ChatResponse | None = None


class ParseError(LlmConnectorError):
    """An answer that is not what the wire format promises. `body` is its beginning, as text."""

    def __init__(self, message: str, *, provider: str = "", body: str = "") -> None:
        super().__init__(message, provider=provider)
        self.body = body


class _Streamed(StreamError):
    """Marks the classes made by `streamed`."""


E = TypeVar("E", bound=LlmConnectorError)


def streamed(kind: type[E]) -> type[E]:
    """The class of an error that ended a stream: both `StreamError` and `kind`."""
    made: type[E] = _streamed(kind)  # type: ignore[arg-type]  # classes are hashable; mypy loses it in the cache
    return made


@functools.cache
def _streamed(kind: type[Any]) -> type[Any]:
    return type(f"Stream{kind.__name__}", (kind, _Streamed), {"__module__": __name__, "__doc__": kind.__doc__})


def _base(kind: type[LlmConnectorError]) -> type[LlmConnectorError]:
    """The importable class behind `kind`."""
    return kind.__bases__[0] if issubclass(kind, _Streamed) else kind


def _rebuild(
    kind: type[LlmConnectorError], in_stream: bool, args: tuple[Any, ...], state: dict[str, Any]
) -> LlmConnectorError:
    if in_stream:
        kind = streamed(kind)
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error
