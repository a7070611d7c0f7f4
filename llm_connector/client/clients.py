"""`LlmClient` and `AsyncLlmClient`: the public surface."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from llm_connector import operations
from llm_connector.client.setup import DEFAULT_RETRIES, ClientBase
from llm_connector.client.streams import AsyncChatStream, ChatStream
from llm_connector.errors import ConfigurationError
from llm_connector.framing import DEFAULT_MAX_EVENT_BYTES
from llm_connector.providers import ProviderSpec, supported_providers
from llm_connector.providers.spec import ApiKey
from llm_connector.transport import AsyncTransport, SyncTransport, TransportSettings
from llm_connector.transport.settings import DEFAULT_MAX_BODY_BYTES
from llm_connector.types import (
    ChatOptions,
    ChatRequest,
    ChatResponse,
    Embeddings,
    Message,
    Messages,
    ModelInfo,
    ToolLike,
    conversation,
)
from llm_connector.wire import Timeout

if TYPE_CHECKING:
    import httpx

    from llm_connector.client.ollama import AsyncOllamaManager, OllamaManager

__all__ = ["AsyncLlmClient", "LlmClient"]


class LlmClient(ClientBase):
    """A blocking client of one provider; safe to share between threads.

    Settings are checked when it is made (ConfigurationError), connections when it is used. `timeout` is a `Timeout` or
    seconds for the first byte and between bytes. `base_url` wins over `region`. `strict` refuses what would have to be
    adapted. `proxy=""` switches the environment's proxies off.
    """

    __slots__ = ("_transport",)

    supported_providers = staticmethod(supported_providers)

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
        http_client: httpx.Client | None = None,
        strict: bool = False,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
        max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES,
        **credentials: Any,
    ) -> None:
        super().__init__(
            provider,
            model=model,
            api_key=api_key,
            region=region,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            headers=headers,
            strict=strict,
            max_event_bytes=max_event_bytes,
            credentials=credentials,
        )
        self._transport = SyncTransport(TransportSettings(self.provider, proxy, http_client, max_body_bytes))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def chat(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> ChatResponse:
        """The whole answer. Raises the errors of `llm_connector.errors`."""
        settings: dict[str, Any] = {**options}
        timeout, retry = self._limits(settings)
        rendered = self._render(messages, settings, stream=False)
        return self._transport.run(operations.chat(rendered, retry), timeout)

    def stream(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> ChatStream:
        """The answer in pieces. Mistakes raise here; nothing is sent before the first step."""
        settings: dict[str, Any] = {**options}
        timeout, retry = self._limits(settings)
        rendered = self._render(messages, settings, stream=True)
        return ChatStream(
            rendered, operations.open_stream(rendered, retry, self._max_event_bytes), timeout, self._transport
        )

    def models(self) -> list[ModelInfo]:
        """Every model the provider lists."""
        return self._transport.run(operations.list_models(self._endpoint, self._retry), self._timeout)

    fetch_models = models

    def embed(self, inputs: str | Sequence[str], /, *, model: str | None = None) -> Embeddings:
        """One vector per input, in order."""
        texts = _texts(inputs)
        steps = operations.embed(self._endpoint, texts, self._embedding_model(model), self._retry)
        return self._transport.run(steps, self._timeout)

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
        request = _prompt(messages, tools, system, self._model_or_raise(model))
        return self._transport.run(operations.count_tokens(self._endpoint, request, self._retry), self._timeout)

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
        changed = copy.copy(self)
        changed._configure(api_key=api_key, base_url=base_url, headers=headers, timeout=timeout, model=model)
        changed._transport = SyncTransport(self._transport.settings)
        return changed

    @property
    def ollama(self) -> OllamaManager:
        """Model management of an Ollama server. Raises UnsupportedError on other providers."""
        from llm_connector.client.ollama import OllamaManager

        return OllamaManager(self._endpoint, self._transport, self._timeout, self._retry)

    def close(self) -> None:
        """Give back this client's share of the connections; later calls raise."""
        self._transport.close()


class AsyncLlmClient(ClientBase):
    """The client for coroutines: the same, awaited. It may be used from one event loop after another."""

    __slots__ = ("_transport",)

    supported_providers = staticmethod(supported_providers)

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
        http_client: httpx.AsyncClient | None = None,
        strict: bool = False,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
        max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES,
        **credentials: Any,
    ) -> None:
        super().__init__(
            provider,
            model=model,
            api_key=api_key,
            region=region,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            headers=headers,
            strict=strict,
            max_event_bytes=max_event_bytes,
            credentials=credentials,
        )
        self._transport = AsyncTransport(TransportSettings(self.provider, proxy, http_client, max_body_bytes))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def chat(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> ChatResponse:
        """The whole answer. Raises the errors of `llm_connector.errors`."""
        settings: dict[str, Any] = {**options}
        timeout, retry = self._limits(settings)
        rendered = self._render(messages, settings, stream=False)
        return await self._transport.run(operations.chat(rendered, retry), timeout)

    def stream(self, messages: Messages | ChatRequest, /, **options: Unpack[ChatOptions]) -> AsyncChatStream:
        """The answer in pieces. Mistakes raise here; nothing is sent before the first step."""
        settings: dict[str, Any] = {**options}
        timeout, retry = self._limits(settings)
        rendered = self._render(messages, settings, stream=True)
        return AsyncChatStream(
            rendered, operations.open_stream(rendered, retry, self._max_event_bytes), timeout, self._transport
        )

    async def models(self) -> list[ModelInfo]:
        """Every model the provider lists."""
        return await self._transport.run(operations.list_models(self._endpoint, self._retry), self._timeout)

    fetch_models = models

    async def embed(self, inputs: str | Sequence[str], /, *, model: str | None = None) -> Embeddings:
        """One vector per input, in order."""
        texts = _texts(inputs)
        steps = operations.embed(self._endpoint, texts, self._embedding_model(model), self._retry)
        return await self._transport.run(steps, self._timeout)

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
        request = _prompt(messages, tools, system, self._model_or_raise(model))
        return await self._transport.run(operations.count_tokens(self._endpoint, request, self._retry), self._timeout)

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
        changed = copy.copy(self)
        changed._configure(api_key=api_key, base_url=base_url, headers=headers, timeout=timeout, model=model)
        changed._transport = AsyncTransport(self._transport.settings)
        return changed

    @property
    def ollama(self) -> AsyncOllamaManager:
        """Model management of an Ollama server. Raises UnsupportedError on other providers."""
        from llm_connector.client.ollama import AsyncOllamaManager

        return AsyncOllamaManager(self._endpoint, self._transport, self._timeout, self._retry)

    async def close(self) -> None:
        """Give back this client's share of the connections; later calls raise."""
        await self._transport.close()

    aclose = close


def _texts(inputs: str | Sequence[str]) -> list[str]:
    texts = [inputs] if isinstance(inputs, str) else list(inputs)
    for position, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            raise ConfigurationError(f"inputs[{position}]: give text that is not empty")
    if not texts:
        raise ConfigurationError("inputs: there are none; give a string or a list of them")
    return texts


def _prompt(messages: Messages, tools: Sequence[ToolLike] | None, system: str | None, model: str) -> ChatRequest:
    turns: list[Message] = [
        *conversation([{"role": "system", "content": system}] if system else []),
        *conversation(messages),
    ]
    return ChatRequest.of(turns, {"model": model, "tools": tools})
