"""The base of objects that other frameworks configure: whom to ask, with which key, and the clients that do it.

A framework's class derives from `Connected` and from the framework's own pydantic base, in this order:

>>> class MyChatModel(Connected, TheirBaseModel, init=False):
...     model: str | None = None
...     spellings = {"model_name": "model"}
...     shared = ("callbacks",)
...
...     def ask(self, question):
...         return self.client.chat(question, model=self.model).text
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

from llm_connector.client.clients import AsyncLlmClient, LlmClient
from llm_connector.errors import ConfigurationError
from llm_connector.lazy import Lazy
from llm_connector.limits import DEFAULT_RETRIES
from llm_connector.wire import Timeout

if TYPE_CHECKING:
    from llm_connector import providers
    from llm_connector.providers import ProviderSpec
else:
    providers = Lazy("llm_connector.providers")

__all__ = ["Connected", "GivenKey"]

GivenKey: TypeAlias = SecretStr | str | Callable[[], Any] | None
"""What callers may write for `api_key`."""

_HOLDERS: Final = frozenset({"api_key", "base_url", "proxy", "credentials", "default_headers"})
_SECRET: Final = re.compile(r"auth|key|token|secret|cookie|password|credential|proxy", re.IGNORECASE)
_SECRET_ADDRESS: Final = re.compile(rf"@|[?].*(?:{_SECRET.pattern})", re.IGNORECASE)


class Connected(BaseModel):
    """Connection settings as pydantic fields. Nothing is opened, read or sent before the first request.

    An argument that is neither a field nor a credential of the provider is an error. Secrets are sealed in `SecretStr`:
    they stay in the object, its copies and pickles, and are in no `repr` and no dump. Copies and pickles begin without
    clients, and so does an object after one of its fields was assigned.

    `init=False` in the line of a class tells type checkers that its constructor is this one, where they make one up for
    classes of pydantic otherwise (https://peps.python.org/pep-0681/, checked 2026-11). `model` is the class's field of
    that name, or the one that it spells so.
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
    base_url: str | SecretStr | None = Field(
        default=None, description="Address of the server, where it is not the provider's own. Sealed if it holds a key."
    )
    region: str | None = Field(default=None, description="The provider's region.")
    credentials: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,
        description="What else the provider asks for; its names are taken as arguments too, for example `aws_profile`.",
    )
    default_headers: dict[str, Any] = Field(default_factory=dict, description="Headers of every request.")
    proxy: SecretStr | None = Field(default=None, exclude=True, repr=False, description="Address of a proxy.")
    timeout: float | Timeout | None = Field(default=None, description="Seconds for the first byte and between bytes.")
    max_retries: int | None = Field(
        default=DEFAULT_RETRIES, ge=0, description="How often a request is sent again; 0 sends it once."
    )
    fetch_media: bool = Field(default=False, description="Fetch media by URL for servers that take no URLs.")
    http_client: Any = Field(default=None, exclude=True, repr=False, description="An httpx.Client to use.")
    async_http_client: Any = Field(
        default=None, exclude=True, repr=False, description='An httpx.AsyncClient to use, or "aiohttp".'
    )

    spellings: ClassVar[Mapping[str, str]] = {}
    """Other names of fields; a class replaces it with `{**Base.spellings, "its": "own"}`."""
    shared: ClassVar[tuple[str, ...]] = ()
    """Fields that a deep copy shares with the original, since they hold locks or connections."""
    extra_field: ClassVar[str] = ""
    """The field that takes what the wire knows and this class does not, for the message about unknown arguments."""

    def __init_subclass__(cls, *, init: bool = False, **settings: Any) -> None:
        super().__init_subclass__(**settings)

    def __init__(self, provider: str, *, model: str | None = None, api_key: GivenKey = None, **settings: Any) -> None:
        named = {"model": model, "api_key": api_key}
        arguments = {**{name: value for name, value in named.items() if value is not None}, **settings}
        super().__init__(provider=provider, **self.read_arguments(providers.find(provider), arguments))

    @classmethod
    def read_arguments(cls, row: ProviderSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by the names of fields, credentials among them, secrets sealed; override it to read further forms.

        Raises ConfigurationError for an argument that is unknown, with a near match, or given by two names.
        """
        fields, values = cls.model_fields, dict[str, Any]()
        credentials = dict(arguments.get("credentials") or {})
        for given, value in arguments.items():
            name = cls.spellings.get(given, given)
            if name in fields:
                if value is not None and values.get(name) is not None:
                    raise ConfigurationError(f"{name!r} is given twice, once as {given!r}", provider=row.name)
                values[name] = values.get(name) if value is None else value
            elif name in row.credentials:
                credentials[name] = value
            else:
                raise ConfigurationError(f"unknown argument {given!r}; {cls._remedy(given, row)}", provider=row.name)
        values["credentials"] = credentials
        values["default_headers"] = values.get("default_headers") or {}
        return _sealed(values)

    @classmethod
    def _remedy(cls, name: str, row: ProviderSpec) -> str:
        from difflib import get_close_matches

        if near := get_close_matches(name, [*cls.model_fields, *cls.spellings, *row.credentials], n=1):
            return f"did you mean {near[0]!r}?"
        if cls.extra_field:
            return f"the wire's own fields go into {cls.extra_field}="
        return f"credentials here: {', '.join(row.credentials) or 'none besides api_key'}"

    @field_serializer("credentials", "default_headers")
    def _shown(self, values: dict[str, Any]) -> dict[str, Any]:
        """No secrets, and nothing that JSON cannot hold."""
        return {name: value for name, value in values.items() if isinstance(value, str | int | float | bool)}

    @field_serializer("base_url")
    def _address(self, value: str | SecretStr | None) -> str | None:
        return value if isinstance(value, str) else None

    @property
    def row(self) -> ProviderSpec:
        """What is known of the provider."""
        return providers.find(self.provider)

    @cached_property
    def client(self) -> LlmClient:
        """The blocking client behind this object, also for what the framework has no method for."""
        return LlmClient(self.provider, http_client=self.http_client, **self.client_settings())

    @cached_property
    def async_client(self) -> AsyncLlmClient:
        """The same for coroutines, in one event loop after another."""
        return AsyncLlmClient(self.provider, http_client=self.async_http_client, **self.client_settings())

    def client_settings(self) -> dict[str, Any]:
        """The arguments of both clients, secrets opened, a field `model` among them; override it to add some."""
        return {
            "model": getattr(self, "model", None),
            "api_key": _opened(self.api_key),
            "region": self.region,
            "base_url": _opened(self.base_url),
            "timeout": self.timeout,
            "max_retries": DEFAULT_RETRIES if self.max_retries is None else self.max_retries,
            "headers": {name: _opened(value) for name, value in self.default_headers.items()},
            "proxy": _opened(self.proxy),
            "fetch_media": self.fetch_media,
            **{name: _opened(value) for name, value in self.credentials.items()},
        }

    @property
    def secret_variables(self) -> dict[str, str]:
        """Variables of the environment for the secrets of this object, where a framework stores it without them.

        By the names of arguments; that of a header is dotted, `default_headers.X-Key`.
        """
        row = self.row
        keys = row.api_key_env or row.optional_key_env or (f"{row.name.upper()}_API_KEY",)
        found = {"api_key": next((name for name in keys if name in os.environ), keys[0])}
        if isinstance(self.base_url, SecretStr):
            found["base_url"] = f"{row.name.upper()}_BASE_URL"
        if self.proxy is not None:
            found["proxy"] = "HTTPS_PROXY"
        for name, value in self.credentials.items():
            if isinstance(value, SecretStr):
                found[name] = next(iter(row.credential_env.get(name, ())), name.upper())
        for name, value in self.default_headers.items():
            if isinstance(value, SecretStr):
                found[f"default_headers.{name}"] = re.sub(r"\W", "_", name).upper()
        return found

    def call_options(self, *layers: Mapping[str, Any]) -> dict[str, Any]:
        """The options of one call, of layers of which later ones win: those of the object, then those of the call.

        Names are the core's, or `spellings` of them; what is no option goes into the body, and `extra_body` after it.
        None leaves an option to the server. Raises ConfigurationError for a field that is a setting of the object.
        """
        options, body = dict[str, Any](), dict[str, Any]()
        for layer in layers:
            for given, value in layer.items():
                name = self.spellings.get(given, given)
                if name == "extra_body":
                    continue
                if name in _options():
                    options[name] = value
                elif name in type(self).model_fields:
                    raise ConfigurationError(f"{given!r} is a setting of the object, not of a call; make another one")
                elif value is not None:
                    body[name] = value
            body |= layer.get("extra_body") or {}
        if body:
            options["extra_body"] = body
        return {name: value for name, value in options.items() if value is not None}

    def close(self) -> None:
        """Release the connections of the blocking client; the next request opens new ones."""
        if (client := vars(self).pop("client", None)) is not None:
            client.close()

    async def aclose(self) -> None:
        """Release the connections of both clients."""
        self.close()
        if (client := vars(self).pop("async_client", None)) is not None:
            await client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    # Copies, pickles and changed objects: what was made of the settings is a cached property, which is no field.

    def _renewed(self) -> Self:
        for name in vars(self).keys() - type(self).model_fields.keys():
            del vars(self)[name]
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).model_fields:
            value = _sealed({name: value})[name]
            self._renewed()
        super().__setattr__(name, value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy without clients; secrets of `update` are sealed."""
        return super().model_copy(update=None if update is None else _sealed(update), deep=deep)

    def __copy__(self) -> Self:
        return super().__copy__()._renewed()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        made = vars(self).keys() - type(self).model_fields.keys()
        kept = (vars(self).get(name) for name in ("http_client", "async_http_client", *self.shared, *made))
        memo.update((id(value), value) for value in kept if value is not None)
        return super().__deepcopy__(memo)._renewed()

    def __getstate__(self) -> dict[Any, Any]:
        live = {name for name in ("http_client", "async_http_client") if not isinstance(getattr(self, name), str)}
        copied = self.model_copy(update=dict.fromkeys(live))
        return super(Connected, copied).__getstate__()


@cache
def _options() -> frozenset[str]:
    from llm_connector.types import ChatOptions

    return frozenset(ChatOptions.__annotations__)


def _sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with secrets sealed, those among headers and credentials too."""
    sealed = dict(values)
    for name in _HOLDERS & sealed.keys():
        held = sealed[name]
        within = isinstance(held, Mapping)
        sealed[name] = {key: _seal(key, value) for key, value in held.items()} if within else _seal(name, held)
    return sealed


def _seal(name: str, value: Any) -> Any:
    if isinstance(value, str) and (_SECRET_ADDRESS.search(value) if name == "base_url" else _SECRET.search(name)):
        return SecretStr(value)
    return value


def _opened(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
