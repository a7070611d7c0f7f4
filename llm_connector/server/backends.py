"""The providers behind a gateway: a client for each, made when the gateway is, so that what lacks shows at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from llm_connector.client.clients import AsyncLlmClient
from llm_connector.errors import (
    AuthenticationError,
    ConfigurationError,
    LlmConnectorError,
    PermissionDeniedError,
    ServerError,
)
from llm_connector.server.config import GatewayConfig, Model, Upstream
from llm_connector.server.routing import Routes
from llm_connector.types import ChatRequest, ModelInfo

if TYPE_CHECKING:
    from llm_connector.providers import ProviderSpec

__all__ = ["Backend", "Backends", "Target", "blamed", "sole_model"]


@dataclass(frozen=True, slots=True)
class Backend:
    """Who answers for a model: a client, with those that are asked when it fails. `defaults` are options by field."""

    model: Model
    client: AsyncLlmClient
    specs: tuple[ProviderSpec, ...]
    defaults: Mapping[str, Any]

    @property
    def spec(self) -> ProviderSpec:
        """The row of the provider that is asked first."""
        return self.specs[0]

    def speaks(self, wire: str) -> bool:
        """Whether everybody who may be asked speaks a wire format, or one made of it."""
        kinds = [type(spec.protocol).__mro__ for spec in self.specs]
        return all(any(vars(kind).get("name") == wire for kind in line) for line in kinds)


class Target(NamedTuple):
    """A name that a client asked for, who answers to it, and their name for it (None: their own model)."""

    asked: str
    backend: Backend
    name: str | None

    def info(self) -> ModelInfo:
        """What is known of the model without asking anybody."""
        try:
            known = self.backend.client.model_info(self.name)
        except ConfigurationError:  # the package of facts is not installed
            known = ModelInfo(id=self.name or self.asked)
        own = {name: getattr(self.backend.model, name) for name in ("context_window", "max_output")}
        return known.model_copy(update={name: value for name, value in own.items() if value is not None})


class Backends:
    """All backends, by the models of the configuration. Raises ConfigurationError for what a provider lacks."""

    def __init__(self, config: GatewayConfig) -> None:
        self.routes = Routes(config.models)
        upstreams = {id(model.upstream): model.upstream for model in config.models}
        self._clients = {key: _client(upstream) for key, upstream in upstreams.items()}
        self._backends = {model.name: self._backend(model) for model in config.models}

    def find(self, asked: str | None) -> Target:
        """Who answers to a name; without one, the first of the models. Raises ModelNotFoundError."""
        asked = asked or self.routes.first
        model, name = self.routes.find(asked)
        backend = self.of(model)
        return Target(asked, backend, None if sole_model(model, backend.spec) else name)

    def of(self, model: Model) -> Backend:
        """Who answers for a model of the configuration."""
        return self._backends[model.name]

    async def close(self) -> None:
        """Give back all connections."""
        for backend in self._backends.values():
            await backend.client.close()
        for client in self._clients.values():
            await client.close()

    def _backend(self, model: Model) -> Backend:
        others = [self.routes.named[name] for name in model.fallbacks]
        clients = [self._clients[id(one.upstream)] for one in (model, *others)]
        specs = tuple(client.spec for client in clients)
        client = clients[0].with_options()
        behind = [
            other if sole_model(one, spec) else other.with_options(model=one.model or one.name)
            for one, other, spec in zip(others, clients[1:], specs[1:], strict=True)
        ]
        return Backend(model, client.with_fallbacks(*behind) if behind else client, specs, _defaults(model))


def sole_model(model: Model, spec: ProviderSpec) -> str | None:
    """The provider's own model, where it has but one and nothing else is asked for by name."""
    return spec.default_model if model.model is None else None


def _defaults(model: Model) -> dict[str, Any]:
    """The options of a model, as the fields of a request hold them."""
    request = ChatRequest.of("…", model.options)
    return {name: getattr(request, name) for name in model.options}


def _client(upstream: Upstream) -> AsyncLlmClient:
    settings: dict[str, Any] = {"http_client": "aiohttp", **upstream.settings}  # it costs half of what httpx does
    if upstream.api_key_env is not None:
        key = os.environ.get(upstream.api_key_env, "").strip()
        if not key:
            message = f"no API key: set {upstream.api_key_env}, which api_key_env names"
            raise ConfigurationError(message, provider=upstream.provider)
        settings["api_key"] = key
    return AsyncLlmClient(upstream.provider, **settings)


def blamed(error: LlmConnectorError) -> LlmConnectorError:
    """An error of a provider, as the client of a gateway should hear it: 401 and 403 are about the gateway's key.

    Told as they are, they would send a client to look for a fault in its own key.
    """
    if not isinstance(error, AuthenticationError | PermissionDeniedError):
        return error
    told = ServerError(
        f"the gateway was refused by {error.provider}: {error.message}",
        status=502,
        code="upstream_refused_gateway",
        request_id=error.request_id,
    )
    told.__cause__ = error
    return told
