"""What chat models and embeddings share: whom to ask, with which key, and the clients that do it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, model_validator

from llm_connector.errors import ConfigurationError
from llm_connector.lazy import Lazy

if TYPE_CHECKING:
    import llm_connector
    from llm_connector import AsyncLlmClient, LlmClient, providers
else:  # loaded when the first object is made
    llm_connector = Lazy("llm_connector")
    providers = Lazy("llm_connector.providers")

__all__ = ["ApiKey", "Settings"]

ApiKey: TypeAlias = SecretStr | str | Callable[[], Any] | None

_SECRET = re.compile(r"auth|key|token|secret|cookie|password|credential", re.IGNORECASE)
_SHARED = ("callbacks", "cache", "rate_limiter", "http_client", "http_async_client")
"""What a copy shares: it holds locks and connections."""


class _Clients:
    """The clients of one object, made when they are needed; copies and pickles begin without any."""

    __slots__ = ("awaited", "blocking")

    def __init__(self) -> None:
        self.blocking: LlmClient | None = None
        self.awaited: AsyncLlmClient | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Clients)  # two objects with the same settings are equal, used or not

    __hash__ = None  # type: ignore[assignment]  # as of every class whose values compare equal

    def __reduce__(self) -> tuple[type[_Clients], tuple[()]]:
        return _Clients, ()


class Settings(BaseModel):
    """Connection settings. Nothing is opened, read or sent before the first request."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True, hide_input_in_errors=True, populate_by_name=True, protected_namespaces=()
    )

    provider: str
    """A provider's name, for example "zhipu"; `llm_connector.supported_providers()` lists them."""
    model: str | None = Field(default=None, validation_alias=AliasChoices("model", "model_name"))
    api_key: SecretStr | Callable[[], Any] | None = None
    """By default the provider's environment variable. A function is called for each request."""
    base_url: str | None = Field(default=None, validation_alias=AliasChoices("base_url", "api_base"))
    region: str | None = None
    credentials: dict[str, Any] = Field(default_factory=dict, exclude=True)
    """What else the provider asks for; its names are taken as arguments too, for example `aws_profile`."""
    default_headers: dict[str, Any] = Field(default_factory=dict)
    proxy: SecretStr | None = None
    timeout: float | dict[str, float | None] | None = Field(
        default=None, validation_alias=AliasChoices("timeout", "request_timeout")
    )
    """Seconds for the first byte and between bytes, or the fields of `llm_connector.Timeout`."""
    max_retries: int | None = None
    http_client: Any = Field(default=None, exclude=True, repr=False)
    http_async_client: Any = Field(default=None, exclude=True, repr=False)

    _clients: _Clients = PrivateAttr(default_factory=_Clients)

    @model_validator(mode="before")
    @classmethod
    def _sort_arguments(cls, values: Any) -> Any:
        """Credentials by their names, secrets sealed, the key of the environment; no argument is lost."""
        if not isinstance(values, dict) or "provider" not in values:
            return values
        values = dict(values)
        row = providers.find(values["provider"])
        given = dict(values.get("credentials") or {})
        for name in values.keys() - cls._names():
            if name not in row.credentials:
                near = get_close_matches(name, [*cls._names(), *row.credentials], n=1)
                hint = f"did you mean {near[0]!r}?" if near else "the wire's own fields go into extra_body="
                raise ConfigurationError(f"unknown argument {name!r}; {hint}")
            given[name] = values.pop(name)
        if given:
            values["credentials"] = _sealed(given)
        if headers := values.get("default_headers"):
            values["default_headers"] = _sealed(headers)
        if values.get("api_key") is None and not given:
            names = row.api_key_env or row.optional_key_env
            key = next((key for name in names if (key := os.environ.get(name, "").strip())), None)
            values["api_key"] = key and SecretStr(key)
        if isinstance(values.get("timeout"), llm_connector.Timeout):
            values["timeout"] = asdict(values["timeout"])
        return cls._spelled(values)

    @classmethod
    def _spelled(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Arguments with other names or forms of LangChain's world, as the fields hold them."""
        return values

    @classmethod
    def _names(cls) -> frozenset[str]:
        names = cls.__dict__.get("_known_names")
        if names is None:
            aliases = [field.validation_alias for field in cls.model_fields.values()]
            choices = [alias.choices for alias in aliases if isinstance(alias, AliasChoices)]
            names = frozenset([*cls.model_fields, *(str(name) for named in choices for name in named)])
            cls._known_names = names  # type: ignore[attr-defined]  # computed once per class
        return names

    @property
    def model_name(self) -> str | None:
        """The model, by its other name."""
        return self.model

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Where secrets come from when a serialized object is loaded: variables of the environment."""
        row = providers.find(self.provider)
        variables = row.api_key_env or row.optional_key_env or (f"{self.provider.upper()}_API_KEY",)
        names = {"api_key": next((name for name in variables if name in os.environ), variables[0])}
        for name, value in self.credentials.items():
            if isinstance(value, SecretStr):
                names[name] = next(iter(row.credential_env.get(name, ())), name.upper())
        for name, value in self.default_headers.items():
            if isinstance(value, SecretStr):
                names[f"default_headers.{name}"] = re.sub(r"\W", "_", name).upper()
        if self.proxy is not None:
            names["proxy"] = "HTTPS_PROXY"
        return names

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """The credentials by their names, as arguments of a constructor: inside a dict they would not be loaded."""
        return self.credentials

    @property
    def client(self) -> LlmClient:
        """The blocking client behind this object; it may be used for what LangChain has no method for."""
        clients = self._clients
        if clients.blocking is None:
            clients.blocking = llm_connector.LlmClient(self.provider, http_client=self.http_client, **self._arguments())
        return clients.blocking

    @property
    def async_client(self) -> AsyncLlmClient:
        """The same for coroutines, in one event loop after another."""
        clients = self._clients
        if clients.awaited is None:
            clients.awaited = llm_connector.AsyncLlmClient(
                self.provider, http_client=self.http_async_client, **self._arguments()
            )
        return clients.awaited

    def _arguments(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "model": self.model,
            "api_key": _open(self.api_key),
            "region": self.region,
            "base_url": self.base_url,
            "timeout": llm_connector.Timeout(**self.timeout) if isinstance(self.timeout, Mapping) else self.timeout,
            "headers": {name: _open(value) for name, value in self.default_headers.items()},
            "proxy": _open(self.proxy),
            **{name: _open(value) for name, value in self.credentials.items()},
        }
        return settings if self.max_retries is None else {**settings, "max_retries": self.max_retries}

    def close(self) -> None:
        """Release the connections of the blocking client; the next request opens new ones."""
        client, self._clients.blocking = self._clients.blocking, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Release the connections of both clients."""
        self.close()
        client, self._clients.awaited = self._clients.awaited, None
        if client is not None:
            await client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    def _renewed(self) -> Self:
        """Without what belongs to the object behind this copy: clients, and the trace and cache key of its settings."""
        self._clients = _Clients()
        vars(self).pop("_serialized", None)
        return self

    def __copy__(self) -> Self:
        return super().__copy__()._renewed()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        shared = (getattr(self, name, None) for name in _SHARED)
        memo.update((id(value), value) for value in shared if value is not None)
        return super().__deepcopy__(memo)._renewed()

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        fields = {name: value for name, value in state["__dict__"].items() if name != "_serialized"}
        return {**state, "__dict__": {**fields, "http_client": None, "http_async_client": None}}


def _sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with secrets sealed; one that `load` left as the name of a variable is read from there."""
    sealed: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict) and value.get("type") == "secret":
            value = os.environ.get(value["id"][0])
        if value is not None:
            sealed[name] = SecretStr(value) if isinstance(value, str) and _SECRET.search(name) else value
    return sealed


def _open(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
