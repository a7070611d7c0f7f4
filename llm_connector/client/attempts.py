"""Whom a client with fallbacks asks next, and what those said who were asked before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from llm_connector.client.clients import _Client
from llm_connector.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InsufficientBalanceError,
    LlmConnectorError,
    NotFoundError,
    ParseError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
    TransportError,
    UnsupportedError,
)
from llm_connector.observing import error_name
from llm_connector.types import ChatRequest

if TYPE_CHECKING:
    from llm_connector.client.setup import Configuration
    from llm_connector.types import ChatResponse, Embeddings, Messages

__all__ = ["Attempts", "ErrorClasses", "Link"]

ErrorClasses: TypeAlias = type[LlmConnectorError] | tuple[type[LlmConnectorError], ...]

ClientT = TypeVar("ClientT", bound="_Client[Any, Any]")
ResultT = TypeVar("ResultT", "ChatResponse", "Embeddings")

_NOT_THE_CALLERS_FAULT = (
    *(RateLimitError, ServerError, TransportError, InsufficientBalanceError),
    *(StreamError, ParseError),
)
"""What another provider may do better."""
_THE_CALLERS_FAULT = (BadRequestError, AuthenticationError, PermissionDeniedError, NotFoundError)
"""Also where the server says so in a stream."""
_NOTHING_WAS_SENT = (ConfigurationError, UnsupportedError)


@dataclass(frozen=True, slots=True)
class Link(Generic[ClientT]):
    """A client, and the errors after which the one behind it is asked: None for all but the caller's own."""

    client: ClientT
    on: ErrorClasses | None

    def sharing(self, settings: Configuration | None = None) -> Link[ClientT]:
        """The same with a client of its own, which shares the connections."""
        return Link(self.client._sharing(settings or self.client._settings), self.on)

    def passes_on(self, error: LlmConnectorError) -> bool:
        """Whether the next one is asked after this error."""
        if self.on is not None:
            return isinstance(error, self.on)
        return isinstance(error, _NOT_THE_CALLERS_FAULT) and not isinstance(error, _THE_CALLERS_FAULT)


class Attempts(Generic[ClientT]):
    """Whom to ask next, and what those said who were asked before: the clients in order, until one need not fail.

    After each that failed, tell `failed`; when there are no more, raise `error`.
    """

    def __init__(
        self,
        links: Sequence[Link[ClientT]],
        options: Mapping[str, Any],
        messages: Messages | ChatRequest = "",
        *,
        own_models: bool = True,
    ) -> None:
        self._links = iter(links)
        self._own_models = own_models
        asked = messages.model if isinstance(messages, ChatRequest) else None
        self._given = {"model": asked, **options} if asked else options
        self._errors: list[LlmConnectorError] = []
        self._failed: list[dict[str, str | None]] = []
        self._over = False
        self.options: dict[str, Any] = dict(options)

    def __iter__(self) -> Iterator[ClientT]:
        return self

    def __next__(self) -> ClientT:
        link = None if self._over else next(self._links, None)
        if link is None:
            raise StopIteration
        self._link = link
        own = link.client.model if self._errors and self._own_models else None
        self.options = {**self._given, "model": own} if own else dict(self._given)
        return link.client

    def failed(self, error: LlmConnectorError) -> None:
        """Take in the error of the client that was asked last. One that could not be asked is passed over."""
        unasked = bool(self._errors) and isinstance(error, _NOTHING_WAS_SENT)
        self._over = not (unasked or self._link.passes_on(error))
        client = self._link.client
        self._failed.append(
            {
                "provider": client.provider,
                "model": self.options.get("model") or client.model,
                "error": error_name(error),
                "message": str(error),
            }
        )
        if self._errors and not unasked:
            error.__context__ = self._errors[-1]
        self._errors.insert(0 if unasked else len(self._errors), error)

    @property
    def error(self) -> LlmConnectorError:
        """The error of the last client that was asked; its notes name the others."""
        *others, last = self._errors
        self._errors = []  # they hold the frames that hold this
        for other in others:
            last.add_note(f"asked besides: {error_name(other)}: {other}")
        return last

    def reported(self, result: ResultT) -> ResultT:
        """The result, which says who was asked before in vain."""
        if self._failed:
            result.extra["fallbacks"] = {"provider": self._link.client.provider, "failed": list(self._failed)}
        return result
