"""What a client is made of: the row, the caller's settings and the environment, checked before any I/O."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from llm_connector.auth import clean_key
from llm_connector.errors import ConfigurationError
from llm_connector.operations import RenderedChat, render
from llm_connector.providers import Endpoint, ProviderSpec, find
from llm_connector.providers.spec import ApiKey, joined_base
from llm_connector.retry import Retry
from llm_connector.types import ChatRequest, Messages
from llm_connector.wire import Timeout

__all__ = ["ClientBase"]

DEFAULT_RETRIES = 2
_NO_CREDENTIALS: Final[Mapping[str, str]] = {}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OUR_HEADERS = frozenset({"accept-encoding", "content-length", "transfer-encoding"})


class ClientBase:
    """Settings of a client and the requests it makes of them. Makes no connection."""

    __slots__ = ("_endpoint", "_max_event_bytes", "_model", "_retry", "_strict", "_timeout")

    def __init__(
        self,
        provider: str | ProviderSpec,
        *,
        model: str | None,
        api_key: ApiKey,
        region: str | None,
        base_url: str | None,
        timeout: Timeout | float | None,
        max_retries: int,
        headers: Mapping[str, str] | None,
        strict: bool,
        max_event_bytes: int,
        credentials: Mapping[str, Any],
    ) -> None:
        spec = find(provider) if isinstance(provider, str) else provider
        if not isinstance(spec, ProviderSpec):
            raise ConfigurationError(f"provider is of type {type(spec).__name__}; give a name or a ProviderSpec")
        self._endpoint = Endpoint(
            spec,
            _base_url(spec, base_url, region),
            _key(spec, api_key),
            _headers(spec, headers) if headers else {},
            _credentials(spec, credentials) if credentials else _NO_CREDENTIALS,
        )
        self._model = model if model is not None else spec.default_model
        self._timeout = _timeout(timeout)
        self._retry = _retry(max_retries)
        self._strict = strict
        self._max_event_bytes = max_event_bytes

    @property
    def provider(self) -> str:
        """The row's name."""
        return self._endpoint.spec.name

    @property
    def model(self) -> str | None:
        """The model used where a call names none."""
        return self._model

    def __repr__(self) -> str:
        model = f", model={self._model!r}" if self._model else ""
        address = self._endpoint.base_url.partition("?")[0]  # a query may hold a key
        return f"{type(self).__name__}({self.provider!r}{model}, base_url={address!r})"

    def _render(self, messages: Messages | ChatRequest, options: dict[str, Any], *, stream: bool) -> RenderedChat:
        request = ChatRequest.of(messages, options)
        if request.model is None:
            request.model = self._model_or_raise(None)
        if request.extra_headers:
            request.extra_headers = _headers(self._endpoint.spec, request.extra_headers)
        return render(self._endpoint, request, stream=stream, strict=self._strict)

    def _model_or_raise(self, model: str | None) -> str:
        chosen = model or self._model
        if not chosen:
            raise ConfigurationError("no model: pass model= to the client or to this call", provider=self.provider)
        return chosen

    def _embedding_model(self, model: str | None) -> str:
        return self._model_or_raise(model or self._endpoint.spec.default_embedding_model)

    def _limits(self, options: dict[str, Any]) -> tuple[Timeout, Retry]:
        """The call's own timeout and retries, taken out of its options."""
        timeout = options.pop("timeout", None)
        retries = options.pop("max_retries", None)
        return (
            self._timeout if timeout is None else _timeout(timeout),
            self._retry if retries is None else _retry(retries),
        )

    def _configure(
        self,
        *,
        api_key: ApiKey = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | float | None = None,
        model: str | None = None,
    ) -> None:
        """Change a copy's settings; None keeps one. Learned facts stay with the address they were learned of."""
        old, spec = self._endpoint, self._endpoint.spec
        self._endpoint = Endpoint(
            spec,
            old.base_url if base_url is None else _address(spec, base_url),
            old.api_key if api_key is None else _key(spec, api_key),
            {**old.headers, **_headers(spec, headers)} if headers else old.headers,
            old.credentials,
            old.learned if base_url is None else {},
        )
        self._timeout = self._timeout if timeout is None else _timeout(timeout)
        self._model = model or self._model


def _base_url(spec: ProviderSpec, given: str | None, region: str | None) -> str:
    url = given
    if url is None and region is None:
        for name in spec.base_url_env:
            value = os.environ.get(name)
            if value:
                url = spec.read_base_url(value) if spec.read_base_url else value
                break
    row_url = spec.region_url(region)
    url = url or row_url
    if url is None:
        raise ConfigurationError(
            "no base_url: pass base_url=, for example 'http://127.0.0.1:8000/v1'", provider=spec.name
        )
    return url if url is row_url else _address(spec, url)


def _address(spec: ProviderSpec, base_url: str) -> str:
    """The caller's base URL as requests are joined to it."""
    try:
        joined = joined_base(base_url, spec.protocol, spec.name)
        urlsplit(joined).port  # noqa: B018  raises where it is no number, or none that can be
    except ConfigurationError:
        raise
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(f"base_url is not a URL: {error}", provider=spec.name) from None
    return joined


def _key(spec: ProviderSpec, given: ApiKey) -> ApiKey:
    if callable(given):
        return given
    if given is not None:
        return clean_key(given, spec.name)
    for name in spec.api_key_env or spec.optional_key_env:
        value = os.environ.get(name)
        if value and value.strip():
            return clean_key(value, spec.name)
    if spec.api_key_env:
        names = " or ".join(spec.api_key_env)
        raise ConfigurationError(f"no API key: set {names}, or pass api_key=", provider=spec.name)
    return None


def _headers(spec: ProviderSpec, headers: Mapping[str, str]) -> dict[str, str]:
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r} cannot be the name of a header", provider=spec.name)
        if name.lower() in _OUR_HEADERS:
            raise ConfigurationError(f"the header {name!r} is set for each request; leave it out", provider=spec.name)
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise ConfigurationError(
                f"the header {name!r} holds what a header cannot: printable ASCII only", provider=spec.name
            )
        checked[name.lower()] = value.strip()
    return checked


def _credentials(spec: ProviderSpec, credentials: Mapping[str, Any]) -> dict[str, str]:
    unknown = sorted(set(credentials) - set(spec.credentials))
    if unknown:
        known = ", ".join(spec.credentials) or "none besides api_key"
        raise ConfigurationError(f"unknown argument {unknown[0]!r}; credentials here: {known}", provider=spec.name)
    return {name: value for name, value in credentials.items() if value is not None}


def _timeout(value: Timeout | float | None) -> Timeout:
    try:
        return Timeout.of(value)
    except TypeError:
        raise ConfigurationError(f"timeout is {value!r}; give seconds or a Timeout") from None


def _retry(retries: int) -> Retry:
    if retries == DEFAULT_RETRIES:
        return _DEFAULT_RETRY
    if not isinstance(retries, int) or retries < 0:
        raise ConfigurationError(f"max_retries is {retries!r}; give 0 or more")
    return Retry(retries)


_DEFAULT_RETRY = Retry(DEFAULT_RETRIES)
