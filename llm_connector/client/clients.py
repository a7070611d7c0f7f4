"""`LlmClient` and `AsyncLlmClient`: the public surface.

What they stand on loads when the first client is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, Unpack

from llm_connector.lazy import Lazy
from llm_connector.limits import DEFAULT_MAX_BODY_BYTES, DEFAULT_MAX_EVENT_BYTES, DEFAULT_RETRIES

if TYPE_CHECKING:
    from types import TracebackType

    import httpx

    from llm_connector import operations, providers, transport
    from llm_connector.client import fallbacks, ollama, setup, streams
    from llm_connector.client import learned as lessons
    from llm_connector.client.attempts import ErrorClasses
    from llm_connector.client.ollama import AsyncOllamaManager, OllamaManager
    from llm_connector.client.rate_limits import RateLimit
    from llm_connector.client.setup import Configuration
    from llm_connector.client.streams import AsyncChatStream, ChatStream
    from llm_connector.providers import ProviderSpec
    from llm_connector.providers.spec import ApiKey
    from llm_connector.transport import AsyncTransport, SyncTransport, TransportSettings
    from llm_connector.types import (
        ChatOptions,
        ChatRequest,
        ChatResponse,
        Embeddings,
        InputType,
        Messages,
        ModelInfo,
        RankedDocument,
        ToolLike,
    )
    from llm_connector.wire import FetchPolicy, Timeout
else:
    operations = Lazy("llm_connector.operations")
    providers = Lazy("llm_connector.providers")
    transport = Lazy("llm_connector.transport")
    fallbacks = Lazy("llm_connector.client.fallbacks")
    lessons = Lazy("llm_connector.client.learned")
    ollama = Lazy("llm_connector.client.ollama")
    setup = Lazy("llm_connector.client.setup")
    streams = Lazy("llm_connector.client.streams")

__all__ = ["AsyncLlmClient", "LlmClient"]

HttpT = TypeVar("HttpT")
TransportT = TypeVar("TransportT", "SyncTransport", "AsyncTransport")


class _Client(Generic[HttpT, TransportT]):
    """What both clients are made of."""

    __slots__ = ("_settings", "_transport")

    _settings: Configuration
    _transport: TransportT

    def __init__(
        self,
        provider: str | ProviderSpec,
        *,
        model: str | None = None,
        api_key: ApiKey = None,
        region: str | None = None,
        base_url: str | None = None,
        timeout: Timeout | float | None = None,
        max_retries: int = DEFAULT_RETRIES,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        http_client: HttpT | None = None,
        strict: bool = False,
        fetch_media: bool | FetchPolicy = False,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
        max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES,
        rate_limit: RateLimit | None = None,
        log_content: bool = False,
        learned: Mapping[str, Any] | None = None,
        **credentials: Any,
    ) -> None:
        self._settings = setup.Configuration.of(
            provider,
            model=model,
            api_key=api_key,
            region=region,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            headers=headers,
            strict=strict,
            fetch_media=fetch_media,
            max_event_bytes=max_event_bytes,
            rate_limit=rate_limit,
            log_content=log_content,
            learned=learned,
            credentials=credentials,
        )
        self._transport = self._connect(
            transport.TransportSettings.of(self.provider, proxy, http_client, max_body_bytes)
        )

    @staticmethod
    def _connect(settings: TransportSettings) -> TransportT:
        """The driver of this client; it opens nothing yet."""
        raise NotImplementedError

    @staticmethod
    def supported_providers() -> list[str]:
        """Names of all providers, those registered by the caller included."""
        return providers.supported_providers()

    @property
    def provider(self) -> str:
        """The row's name."""
        return self.spec.name

    @property
    def spec(self) -> ProviderSpec:
        """The row itself, fitted to this client's region and credentials: what the provider supports, its limits."""
        return self._settings.endpoint.spec

    @property
    def model(self) -> str | None:
        """The model used where a call names none."""
        return self._settings.model

    @property
    def learned(self) -> dict[str, Any]:
        """What refusals of the server have taught this client of its models, as data that JSON can hold.

        Given to another client of the same provider and address as `learned=`, it spares it those refusals.
        """
        return lessons.lessons(self._settings.endpoint)

    def model_info(self, model: str | ModelInfo | None = None) -> ModelInfo:
        """What is known of a model: limits, modalities, capabilities, prices. Nothing is sent.

        The facts come with the extra `[models]` and fill in what a `ModelInfo` of `models()` does not say; a model that
        they do not have has none. Raises ConfigurationError without that package.
        """
        return self._settings.model_info(model)

    def __repr__(self) -> str:
        model = f", model={self.model!r}" if self.model else ""
        address = self._settings.endpoint.base_url.partition("?")[0]  # a query may hold a key
        return f"{type(self).__name__}({self.provider!r}{model}, base_url={address!r})"

    def __copy__(self) -> Self:
        return self.with_options()

    def __deepcopy__(self, memo: Mapping[int, object]) -> Self:
        return self.with_options()

    def __reduce__(self) -> str:
        raise TypeError("a client holds a key and connections and cannot be pickled; make one where it is needed")

    def with_options(
        self,
        *,
        api_key: ApiKey = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | float | None = None,
        model: str | None = None,
    ) -> Self:
        """A cheap copy with other settings; it shares the connections."""
        settings = self._settings.changed(
            api_key=api_key, base_url=base_url, headers=headers, timeout=timeout, model=model
        )
        return self._sharing(settings)

    def with_fallbacks(self, *others: Self, on: ErrorClasses | None = None) -> Self:
        """A client that asks this one, and where it fails the others, in their order.

        `on` lists the errors after which the next is asked; unless it is given, those that are not the caller's fault:
        RateLimitError, ServerError, TransportError, InsufficientBalanceError, StreamError and ParseError. Nobody else
        is asked once an answer has begun. Each asks its own model; one without asks the model of the call. What goes
        wrong before is in `response.extra["fallbacks"]`; where all fail, the last error is raised, and its notes name
        the others. `chat`, `stream` and `embed` fall back; all else is asked of this client.
        """
        return fallbacks.chained(self, others, on)

    def _sharing(self, settings: Configuration) -> Self:
        """A client with these settings that shares the connections."""
        made = object.__new__(type(self))
        made._settings = settings
        made._transport = self._connect(self._transport.settings)
        return made


if TYPE_CHECKING:
    _Blocking = _Client[httpx.Client, SyncTransport]
    _Awaited = _Client[httpx.AsyncClient | Literal["aiohttp"], AsyncTransport]
else:
    _Blocking = _Awaited = _Client


class LlmClient(_Blocking):
    """A blocking client of one provider; safe to share between threads.

    Settings are checked when it is made (ConfigurationError), connections when it is used. `timeout` is a `Timeout` or
    seconds for the first byte and between bytes. `base_url` wins over `region`. `strict` refuses what would have to be
    adapted. `fetch_media` allows to fetch images and files by URL for servers that take no URLs; a `FetchPolicy` says
    which. `proxy=""` switches the environment's proxies off. `http_client` is yours: it is used and never closed.
    `rate_limit` bounds what is sent in a minute; clients may share one. `log_content` lets the log have what is said.
    `learned` is what the property of that name has returned.
    """

    __slots__ = ()

    @staticmethod
    def _connect(settings: TransportSettings) -> SyncTransport:
        return transport.SyncTransport(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def chat(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> ChatResponse:
        """The whole answer. Raises the errors of `llm_connector.errors`."""
        call = self._settings.call(messages, {**options}, stream=False)
        steps = self._settings.told("chat", operations.chat(call.rendered, call.retry), request=call.rendered.request)
        return self._transport.run(steps, call.timeout)

    def stream(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> ChatStream:
        """The answer in pieces. Mistakes raise here; nothing is sent before the first step."""
        call = self._settings.call(messages, {**options}, stream=True)
        steps = operations.open_stream(call.rendered, call.retry, self._settings.max_event_bytes)
        observation = self._settings.observation("stream", request=call.rendered.request)
        return streams.ChatStream(call.rendered, steps, call.timeout, self._transport, observation)

    def models(self) -> list[ModelInfo]:
        """Every model the provider lists."""
        return self._transport.run(self._settings.models(), self._settings.timeout)

    fetch_models = models

    def embed(
        self,
        inputs: str | Sequence[str],
        /,
        *,
        model: str | None = None,
        dimensions: int | None = None,
        input_type: InputType | None = None,
    ) -> Embeddings:
        """One vector per input, in order.

        `dimensions` asks for vectors of that length, where the model can. `input_type` says what the texts are for:
        `"query"` or `"document"`; models that do not tell them apart are not told.
        """
        steps = self._settings.embed(inputs, model, dimensions, input_type)
        return self._transport.run(steps, self._settings.timeout)

    def rerank(
        self, query: str, documents: Sequence[str], /, *, model: str | None = None, top_n: int | None = None
    ) -> list[RankedDocument]:
        """The documents by relevance to the query, best first; `top_n` asks for the best ones only."""
        steps = self._settings.rerank(query, documents, model, top_n)
        return self._transport.run(steps, self._settings.timeout)

    def count_tokens(
        self,
        messages: Messages,
        /,
        *,
        tools: Sequence[ToolLike] | None = None,
        system: str | None = None,
        model: str | None = None,
    ) -> int:
        """Tokens of a prompt, as the server counts them. Raises UnsupportedError where no endpoint does."""
        steps = self._settings.count_tokens(messages, tools, system, model)
        return self._transport.run(steps, self._settings.timeout)

    @property
    def ollama(self) -> OllamaManager:
        """Model management of an Ollama server. Raises UnsupportedError on other providers."""
        settings = self._settings
        return ollama.OllamaManager(settings.endpoint, self._transport, settings.timeout, settings.retry)

    def close(self) -> None:
        """Give back this client's share of the connections; later calls raise."""
        self._transport.close()


class AsyncLlmClient(_Awaited):
    """The client for coroutines: the same, awaited. It may be used from one event loop after another.

    `http_client="aiohttp"` has aiohttp carry the requests, which costs about half (extra `[aiohttp]`, asyncio only).
    """

    __slots__ = ()

    @staticmethod
    def _connect(settings: TransportSettings) -> AsyncTransport:
        return transport.AsyncTransport(settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def chat(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> ChatResponse:
        """The whole answer. Raises the errors of `llm_connector.errors`."""
        call = self._settings.call(messages, {**options}, stream=False)
        steps = self._settings.told("chat", operations.chat(call.rendered, call.retry), request=call.rendered.request)
        return await self._transport.run(steps, call.timeout)

    def stream(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> AsyncChatStream:
        """The answer in pieces. Mistakes raise here; nothing is sent before the first step."""
        call = self._settings.call(messages, {**options}, stream=True)
        steps = operations.open_stream(call.rendered, call.retry, self._settings.max_event_bytes)
        observation = self._settings.observation("stream", request=call.rendered.request)
        return streams.AsyncChatStream(call.rendered, steps, call.timeout, self._transport, observation)

    async def models(self) -> list[ModelInfo]:
        """Every model the provider lists."""
        return await self._transport.run(self._settings.models(), self._settings.timeout)

    fetch_models = models

    async def embed(
        self,
        inputs: str | Sequence[str],
        /,
        *,
        model: str | None = None,
        dimensions: int | None = None,
        input_type: InputType | None = None,
    ) -> Embeddings:
        """One vector per input, in order.

        `dimensions` asks for vectors of that length, where the model can. `input_type` says what the texts are for:
        `"query"` or `"document"`; models that do not tell them apart are not told.
        """
        steps = self._settings.embed(inputs, model, dimensions, input_type)
        return await self._transport.run(steps, self._settings.timeout)

    async def rerank(
        self, query: str, documents: Sequence[str], /, *, model: str | None = None, top_n: int | None = None
    ) -> list[RankedDocument]:
        """The documents by relevance to the query, best first; `top_n` asks for the best ones only."""
        steps = self._settings.rerank(query, documents, model, top_n)
        return await self._transport.run(steps, self._settings.timeout)

    async def count_tokens(
        self,
        messages: Messages,
        /,
        *,
        tools: Sequence[ToolLike] | None = None,
        system: str | None = None,
        model: str | None = None,
    ) -> int:
        """Tokens of a prompt, as the server counts them. Raises UnsupportedError where no endpoint does."""
        steps = self._settings.count_tokens(messages, tools, system, model)
        return await self._transport.run(steps, self._settings.timeout)

    @property
    def ollama(self) -> AsyncOllamaManager:
        """Model management of an Ollama server. Raises UnsupportedError on other providers."""
        settings = self._settings
        return ollama.AsyncOllamaManager(settings.endpoint, self._transport, settings.timeout, settings.retry)

    async def close(self) -> None:
        """Give back this client's share of the connections; later calls raise."""
        await self._transport.close()

    aclose = close
