"""What a client is made of: the row, the caller's settings and the environment, checked before any I/O."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from llm_connector import operations
from llm_connector.auth import clean_key
from llm_connector.errors import ConfigurationError
from llm_connector.lazy import Lazy
from llm_connector.limits import DEFAULT_RETRIES
from llm_connector.providers import Endpoint, ProviderSpec, find
from llm_connector.providers.spec import ApiKey, joined_base
from llm_connector.retry import Retry
from llm_connector.types import (
    ChatRequest,
    Embeddings,
    InputType,
    Messages,
    ModelInfo,
    RankedDocument,
    ToolLike,
    conversation,
)
from llm_connector.wire import FetchPolicy, Steps, Timeout

if TYPE_CHECKING:
    from llm_connector import observing
    from llm_connector.client import learned as lessons
    from llm_connector.client import rate_limits
    from llm_connector.client.rate_limits import RateLimit
    from llm_connector.observing import Observation
else:
    observing = Lazy("llm_connector.observing")
    lessons = Lazy("llm_connector.client.learned")
    rate_limits = Lazy("llm_connector.client.rate_limits")

__all__ = ["Call", "Configuration"]

T = TypeVar("T")

_NO_CREDENTIALS: Final[Mapping[str, Any]] = {}
_TOKENS = frozenset({"auth_token", "azure_ad_token"})
"""Credentials that take the place of a key."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OUR_HEADERS = frozenset({"accept-encoding", "content-length", "transfer-encoding"})


class Call(NamedTuple):
    """A chat that is ready to be sent."""

    rendered: operations.RenderedChat
    timeout: Timeout
    retry: Retry


@dataclass(slots=True, eq=False, repr=False)
class Configuration:
    """Settings of a client, and the requests it makes of them. Makes no connection."""

    endpoint: Endpoint
    model: str | None
    timeout: Timeout
    retry: Retry
    strict: bool
    policy: FetchPolicy | None
    max_event_bytes: int
    rate_limit: RateLimit | None
    log_content: bool

    @classmethod
    def of(
        cls,
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
        fetch_media: bool | FetchPolicy,
        max_event_bytes: int,
        rate_limit: RateLimit | None,
        log_content: bool,
        learned: Mapping[str, Any] | None,
        credentials: Mapping[str, Any],
    ) -> Self:
        """What the arguments of a client mean. Raises ConfigurationError for what cannot be."""
        spec = find(provider) if isinstance(provider, str) else provider
        if not isinstance(spec, ProviderSpec):
            raise ConfigurationError(f"provider is of type {type(spec).__name__}; give a name or a ProviderSpec")
        known = _NO_CREDENTIALS
        if credentials or spec.credential_env:
            known = _credentials(spec, credentials, keyed=api_key is not None)
        if spec.configure is not None:
            known = dict(known)
            region = region or known.pop("region", None)
            spec = spec.configure(spec, region, known if api_key is None else {**known, "api_key": api_key})
        endpoint = Endpoint(
            spec,
            _base_url(spec, base_url, region),
            _key(spec, api_key),
            _headers(spec, headers) if headers else {},
            known,
        )
        if learned is not None:
            endpoint.learned.update(lessons.taught(endpoint, learned))
        return cls(
            endpoint,
            model if model is not None else spec.default_model,
            _timeout(timeout),
            _retry(max_retries),
            strict,
            _policy(fetch_media),
            max_event_bytes,
            rate_limit if rate_limit is None else _rate_limit(rate_limit),
            log_content,
        )

    def call(self, messages: Messages | ChatRequest, options: dict[str, Any], *, stream: bool) -> Call:
        """A chat as it will be sent, with its own limits. Raises every mistake that can be seen before."""
        timeout, retries = options.pop("timeout", None), options.pop("max_retries", None)
        request = ChatRequest.of(messages, options, self.model)
        self.model_or_raise(request.model)
        if request.extra_headers:
            request.extra_headers = _headers(self.endpoint.spec, request.extra_headers)
        return Call(
            operations.render(self.endpoint, request, stream=stream, strict=self.strict, policy=self.policy),
            self.timeout if timeout is None else _timeout(timeout),
            self.retry if retries is None else _retry(retries),
        )

    def models(self) -> Steps[list[ModelInfo]]:
        """Every model the provider lists."""
        return self.told("models", operations.list_models(self.endpoint, self.retry))

    def embed(
        self, inputs: str | Sequence[str], model: str | None, dimensions: int | None, input_type: InputType | None
    ) -> Steps[Embeddings]:
        """One vector per input, in order."""
        model, texts = self.embedding_model(model), _texts(inputs)
        steps = operations.embed(self.endpoint, texts, model, self.retry, dimensions, input_type)
        return self.told("embed", steps, model, texts=texts, dimensions=dimensions)

    def rerank(
        self, query: str, documents: Sequence[str], model: str | None, top_n: int | None
    ) -> Steps[list[RankedDocument]]:
        """The documents by relevance to the query."""
        model, texts = self.model_or_raise(model), _documents(query, documents, top_n)
        steps = operations.rerank(self.endpoint, query, texts, model, self.retry, top_n)
        return self.told("rerank", steps, model, texts=texts)

    def count_tokens(
        self, messages: Messages, tools: Sequence[ToolLike] | None, system: str | None, model: str | None
    ) -> Steps[int]:
        """Tokens of a prompt, as the server counts them."""
        request = _prompt(messages, tools, system, self.model_or_raise(model))
        steps = operations.count_tokens(self.endpoint, request, self.retry, self.policy)
        return self.told("count_tokens", steps, request.model)

    def told(self, name: str, steps: Steps[T], model: str | None = None, **facts: Any) -> Steps[T]:
        """The steps of an operation, told to whoever watches, and in their turn."""
        observation = self.observation(name, model, **facts)
        return steps if observation is None else observation.steps(steps)

    def observation(
        self,
        name: str,
        model: str | None = None,
        *,
        request: ChatRequest | None = None,
        texts: Sequence[str] = (),
        dimensions: int | None = None,
    ) -> Observation | None:
        """Who watches an operation; None for nobody."""
        if self.rate_limit is None and not observing.wanted():
            return None
        model = model if request is None else request.model
        operation = observing.Operation(name, self.endpoint, model, request, dimensions, self.log_content)
        if self.rate_limit is None:
            return observing.Observation(operation)
        return observing.Observation(operation, rate_limits.Turn(self.rate_limit, request, texts))

    def model_or_raise(self, model: str | None) -> str:
        """The model of a call, or the client's. Raises ConfigurationError without either."""
        chosen = model or self.model
        if not chosen:
            raise ConfigurationError(
                "no model: pass model= to the client or to this call", provider=self.endpoint.spec.name
            )
        return chosen

    def embedding_model(self, model: str | None) -> str:
        """The same for embeddings, for which a row may have a model of its own."""
        return self.model_or_raise(model or self.endpoint.spec.default_embedding_model)

    def model_info(self, model: str | ModelInfo | None) -> ModelInfo:
        """What is known of a model without asking anybody."""
        from llm_connector.model_facts import find_facts

        known = model if isinstance(model, ModelInfo) else ModelInfo(id=self.model_or_raise(model))
        if self.endpoint.spec.context_window is not None:
            return known.with_facts({"context_window": self.endpoint.spec.context_window})
        facts = find_facts(known.id, self.endpoint.spec.name, self.endpoint.base_url)
        return known if facts is None else known.with_facts(facts)

    def changed(
        self,
        *,
        api_key: ApiKey = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | float | None = None,
        model: str | None = None,
    ) -> Self:
        """A copy with other settings; None keeps one. Learned facts stay with the address they were learned of."""
        old, spec = self.endpoint, self.endpoint.spec
        new = copy.copy(self)
        new.endpoint = Endpoint(
            spec,
            old.base_url if base_url is None else _address(spec, base_url),
            old.api_key if api_key is None else _key(spec, api_key),
            {**old.headers, **_headers(spec, headers)} if headers else old.headers,
            old.credentials,
            old.learned if base_url is None else {},
        )
        new.timeout = self.timeout if timeout is None else _timeout(timeout)
        new.model = model or self.model
        return new


def _texts(inputs: str | Sequence[str], name: str = "inputs") -> list[str]:
    """One or several texts. Raises ConfigurationError that names the position of one without text."""
    given = [inputs] if isinstance(inputs, str) else list(inputs)
    for position, text in enumerate(given):
        if not isinstance(text, str) or not text:
            raise ConfigurationError(f"{name}[{position}]: give text that is not empty")
    if not given:
        raise ConfigurationError(f"{name}: there are none; give at least one text")
    return given


def _documents(query: str, given: Sequence[str], top_n: int | None) -> list[str]:
    """The documents of a ranking. Raises ConfigurationError for a query or a document without text."""
    if not isinstance(query, str) or not query:
        raise ConfigurationError("query: give text that is not empty")
    if isinstance(given, str):
        raise ConfigurationError("documents: give a list of texts, not one text")
    if top_n is not None and top_n < 1:
        raise ConfigurationError(f"top_n is {top_n!r}; give 1 or more")
    return _texts(given, "documents")


def _prompt(messages: Messages, tools: Sequence[ToolLike] | None, system: str | None, model: str) -> ChatRequest:
    """A prompt whose tokens are to be counted."""
    leading = conversation([{"role": "system", "content": system}]) if system else []
    return ChatRequest.of([*leading, *conversation(messages)], {"model": model, "tools": tools})


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


def _credentials(spec: ProviderSpec, credentials: Mapping[str, Any], *, keyed: bool) -> dict[str, Any]:
    """What was given, and what the environment has of the rest; no token beside a key that was given."""
    found = {name: value for name, value in credentials.items() if value is not None}
    unknown = sorted(set(credentials) - set(spec.credentials)) if credentials else ()
    if unknown:
        known = ", ".join(spec.credentials) or "none besides api_key"
        raise ConfigurationError(f"unknown argument {unknown[0]!r}; credentials here: {known}", provider=spec.name)
    for name, variables in spec.credential_env.items():
        if name not in found and not (keyed and name in _TOKENS):
            value = next((value for variable in variables if (value := os.environ.get(variable, "").strip())), None)
            if value is not None:
                found[name] = value
    return found


def _timeout(value: Timeout | float | None) -> Timeout:
    try:
        return Timeout.of(value)
    except TypeError:
        raise ConfigurationError(f"timeout is {value!r}; give seconds or a Timeout") from None


def _policy(given: bool | FetchPolicy) -> FetchPolicy | None:
    if isinstance(given, bool):
        return FetchPolicy() if given else None
    if not isinstance(given, FetchPolicy):
        raise ConfigurationError(f"fetch_media is {given!r}; give True, False or a FetchPolicy")
    return given


def _rate_limit(given: RateLimit) -> RateLimit:
    if not isinstance(given, rate_limits.RateLimit):
        raise ConfigurationError(f"rate_limit is of type {type(given).__name__}; give a RateLimit")
    return given


def _retry(retries: int) -> Retry:
    if retries == DEFAULT_RETRIES:
        return _DEFAULT_RETRY
    if not isinstance(retries, int) or retries < 0:
        raise ConfigurationError(f"max_retries is {retries!r}; give 0 or more")
    return Retry(retries)


_DEFAULT_RETRY = Retry(DEFAULT_RETRIES)
