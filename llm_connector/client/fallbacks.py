"""Clients that ask another one where the first fails: what `with_fallbacks` returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack, cast

from llm_connector.client.attempts import Attempts, ErrorClasses, Link, ResultT
from llm_connector.client.clients import AsyncLlmClient, LlmClient, _Client
from llm_connector.client.fallback_streams import AsyncFallbackStream, FallbackStream
from llm_connector.errors import ConfigurationError, LlmConnectorError

if TYPE_CHECKING:
    from llm_connector.client.setup import Configuration
    from llm_connector.client.streams import AsyncChatStream, ChatStream
    from llm_connector.types import ChatOptions, ChatRequest, ChatResponse, Embeddings, Messages

__all__ = ["AsyncFallbackClient", "FallbackClient", "chained"]

ClientT = TypeVar("ClientT", bound="_Client[Any, Any]")


def chained(first: ClientT, others: Sequence[ClientT], on: ErrorClasses | None) -> ClientT:
    """A client that asks `first`, and after an error the others in their order."""
    kind = LlmClient if isinstance(first, LlmClient) else AsyncLlmClient
    if not others or not all(isinstance(other, kind) for other in others):
        raise ConfigurationError(f"with_fallbacks: give one {kind.__name__} or several", provider=first.provider)
    classes = on if isinstance(on, tuple) else (on,)
    given = bool(classes) and all(isinstance(item, type) and issubclass(item, LlmConnectorError) for item in classes)
    if on is not None and not given:
        raise ConfigurationError(
            f"on is {on!r}; give classes of llm_connector.errors, such as RateLimitError", provider=first.provider
        )
    links = [link for client in (first, *others) for link in _links_of(client, on)]
    made: Any = object.__new__(FallbackClient if kind is LlmClient else AsyncFallbackClient)
    made._settings = first._settings
    made._transport = first._connect(first._transport.settings)
    made._links = tuple(links)
    return cast("ClientT", made)


def _links_of(client: ClientT, on: ErrorClasses | None) -> list[Link[ClientT]]:
    """A client as the links of a chain; one that has fallbacks brings its own."""
    links: Sequence[Link[ClientT]] = getattr(client, "_links", None) or (Link(client, on),)
    own: list[Link[ClientT]] = [link.sharing() for link in links]
    return [*own[:-1], Link(own[-1].client, on)]


class _Chain(Generic[ClientT]):
    """What both clients with fallbacks have: operations other than chat, stream and embed are those of the first."""

    __slots__ = ()

    _links: tuple[Link[ClientT], ...]

    def _sharing(self, settings: Configuration) -> Self:
        made: Any = super()._sharing(settings)  # type: ignore[misc]  # of the client class beside it
        made._links = (self._links[0].sharing(settings), *(link.sharing() for link in self._links[1:]))
        return cast("Self", made)

    def __repr__(self) -> str:
        first, *others = (link.client for link in self._links)
        return f"{first!r}.with_fallbacks({', '.join(map(repr, others))})"


class FallbackClient(_Chain[LlmClient], LlmClient):
    """A blocking client with others behind it."""

    __slots__ = ("_links",)

    def chat(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> ChatResponse:
        """The whole answer of the first client that has one."""
        attempts = Attempts(self._links, options, messages)
        return self._first(attempts, lambda client: client.chat(messages, **attempts.options))

    def stream(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> ChatStream:
        """The answer in pieces, of the first client that begins one."""
        return FallbackStream(Attempts(self._links, options, messages), messages)

    def embed(self, inputs: str | Sequence[str], /, *, model: str | None = None, **options: Any) -> Embeddings:
        """The vectors; every client is asked for the same model, since those of another one cannot be compared."""
        same = self._settings.embedding_model(model)
        attempts = Attempts(self._links, {"model": same}, own_models=False)
        return self._first(attempts, lambda client: client.embed(inputs, model=same, **options))

    def _first(self, attempts: Attempts[LlmClient], ask: Callable[[LlmClient], ResultT]) -> ResultT:
        """What the first client gives that does not fail."""
        for client in attempts:
            try:
                return attempts.reported(ask(client))
            except LlmConnectorError as error:
                attempts.failed(error)
        raise attempts.error

    def close(self) -> None:
        """Give back this client's share of the connections; the fallbacks that were given remain open."""
        super().close()
        for link in self._links:
            link.client.close()


class AsyncFallbackClient(_Chain[AsyncLlmClient], AsyncLlmClient):
    """The client for coroutines with others behind it."""

    __slots__ = ("_links",)

    async def chat(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> ChatResponse:
        """The whole answer of the first client that has one."""
        attempts = Attempts(self._links, options, messages)
        return await self._first(attempts, lambda client: client.chat(messages, **attempts.options))

    def stream(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> AsyncChatStream:
        """The answer in pieces, of the first client that begins one."""
        return AsyncFallbackStream(Attempts(self._links, options, messages), messages)

    async def embed(self, inputs: str | Sequence[str], /, *, model: str | None = None, **options: Any) -> Embeddings:
        """The vectors; every client is asked for the same model, since those of another one cannot be compared."""
        same = self._settings.embedding_model(model)
        attempts = Attempts(self._links, {"model": same}, own_models=False)
        return await self._first(attempts, lambda client: client.embed(inputs, model=same, **options))

    async def _first(
        self, attempts: Attempts[AsyncLlmClient], ask: Callable[[AsyncLlmClient], Awaitable[ResultT]]
    ) -> ResultT:
        """What the first client gives that does not fail."""
        for client in attempts:
            try:
                return attempts.reported(await ask(client))
            except LlmConnectorError as error:
                attempts.failed(error)
        raise attempts.error

    async def close(self) -> None:
        """Give back this client's share of the connections; the fallbacks that were given remain open."""
        await super().close()
        for link in self._links:
            await link.client.close()

    aclose = close
