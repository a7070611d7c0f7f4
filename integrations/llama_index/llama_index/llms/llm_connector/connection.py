"""What the LLM, the embedding and the reranker share: whom to ask, with which key, and the clients that do it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from llama_index.core.bridge.pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_serializer,
)

from llm_connector import AsyncLlmClient, ConfigurationError, LlmClient, Timeout
from llm_connector.lazy import Lazy

if TYPE_CHECKING:
    from llm_connector import ProviderSpec, providers
else:
    providers = Lazy("llm_connector.providers")

__all__ = ["ApiKey", "Connection"]

ApiKey: TypeAlias = SecretStr | str | Callable[[], Any] | None

_SECRET = re.compile(r"auth|key|token|secret|cookie|password|credential", re.IGNORECASE)
_SHARED = ("http_client", "async_http_client", "callback_manager", "rate_limiter")
"""What a deep copy shares: it holds locks and connections."""


class Connection(BaseModel):
    """Connection settings. Nothing is opened, read or sent before the first request.

    Secrets are sealed: they stay in this object, its copies and pickles, and are in no dump, payload or `repr`.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, defer_build=True, hide_input_in_errors=True, protected_namespaces=()
    )

    provider: str = Field(description='Name of the provider, for example "zhipu", or "local".')
    api_key: SecretStr | Callable[[], Any] | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="By default the provider's environment variable. A function is called for each request.",
    )
    base_url: str | None = Field(default=None, description="Address of the server, where it is not the provider's own.")
    region: str | None = Field(default=None, description="The provider's region.")
    credentials: dict[str, Any] = Field(
        default_factory=dict,
        description="What else the provider asks for; its names are taken as arguments too, for example `aws_profile`.",
    )
    default_headers: dict[str, Any] = Field(default_factory=dict, description="Headers of every request.")
    proxy: SecretStr | None = Field(default=None, exclude=True, repr=False, description="Address of a proxy.")
    timeout: float | Timeout | None = Field(default=None, description="Seconds for the first byte and between bytes.")
    max_retries: int = Field(default=2, ge=0, description="How often a request is sent again; 0 sends it once.")
    fetch_media: bool = Field(default=False, description="Fetch media by URL for servers that take no URLs.")
    http_client: Any = Field(default=None, exclude=True, repr=False, description="An httpx.Client to use.")
    async_http_client: Any = Field(default=None, exclude=True, repr=False, description="An httpx.AsyncClient to use.")

    _client: tuple[dict[str, Any], LlmClient] | None = PrivateAttr(default=None)
    _async_client: tuple[dict[str, Any], AsyncLlmClient] | None = PrivateAttr(default=None)

    spellings: ClassVar[Mapping[str, str]] = {"api_base": "base_url"}
    """Other names of fields."""

    def __init__(self, provider: str, **settings: Any) -> None:
        row = providers.find(provider)
        fields = type(self).model_fields
        values: dict[str, Any] = {"credentials": dict(settings.pop("credentials", None) or {})}
        for name, value in settings.items():
            name = self.spellings.get(name, name)
            if name in fields:
                values[name] = value
            elif name in row.credentials:
                values["credentials"][name] = value
            else:
                near = get_close_matches(name, [*fields, *row.credentials], n=1)
                hint = f"did you mean {near[0]!r}?" if near else "fields of a request go into additional_kwargs="
                raise ConfigurationError(f"unknown argument {name!r}; {hint}", provider=provider)
        values["credentials"] = _sealed(values["credentials"])
        values["default_headers"] = _sealed(values.get("default_headers") or {})
        super().__init__(provider=provider, **values)

    @field_serializer("credentials", "default_headers")
    def _open_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """What may be seen: no secrets, and nothing that JSON cannot hold."""
        return {name: value for name, value in values.items() if isinstance(value, str | int | float | bool)}

    @property
    def row(self) -> ProviderSpec:
        """What llm-connector knows of the provider."""
        return providers.find(self.provider)

    @property
    def client(self) -> LlmClient:
        """The blocking client behind this object; it may be used for what LlamaIndex has no method for."""
        settings = self._settings(self.http_client)
        if self._client is None or self._client[0] != settings:
            self._client = (settings, LlmClient(self.provider, **_opened(settings)))
        return self._client[1]

    @property
    def async_client(self) -> AsyncLlmClient:
        """The same for coroutines, in one event loop after another."""
        settings = self._settings(self.async_http_client)
        if self._async_client is None or self._async_client[0] != settings:
            self._async_client = (settings, AsyncLlmClient(self.provider, **_opened(settings)))
        return self._async_client[1]

    def _settings(self, http_client: Any) -> dict[str, Any]:
        return {
            "api_key": self.api_key,
            "region": self.region,
            "base_url": self.base_url,
            "timeout": self.timeout,
            "max_retries": self.max_retries,
            "headers": self.default_headers,
            "proxy": self.proxy,
            "http_client": http_client,
            "fetch_media": self.fetch_media,
            **self.credentials,
        }

    def close(self) -> None:
        """Release the connections of the blocking client; the next request opens new ones."""
        made, self._client = self._client, None
        if made is not None:
            made[1].close()

    async def aclose(self) -> None:
        """Release the connections of both clients."""
        self.close()
        made, self._async_client = self._async_client, None
        if made is not None:
            await made[1].close()

    def _forget(self) -> Self:
        """Without clients, which belong to another object."""
        self._client = self._async_client = None
        return self

    def __copy__(self) -> Self:
        return super().__copy__()._forget()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        shared = (getattr(self, name, None) for name in _SHARED)
        memo.update((id(value), value) for value in (*shared, self._client, self._async_client) if value is not None)
        return super().__deepcopy__(memo)._forget()

    def __getstate__(self) -> dict[Any, Any]:
        # LlamaIndex's own takes what cannot be pickled out of the object itself, so it gets a copy.
        copied = self.model_copy(update={"http_client": None, "async_http_client": None})
        return super(Connection, copied).__getstate__()


def _sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: SecretStr(value) if isinstance(value, str) and _SECRET.search(name) else value
        for name, value in values.items()
    }


def _opened(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with secrets as clients take them."""
    return {
        name: _opened(value)
        if name == "headers"
        else value.get_secret_value()
        if isinstance(value, SecretStr)
        else value
        for name, value in values.items()
    }
