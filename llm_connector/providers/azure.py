"""Azure's addresses and keys for the wire formats of OpenAI, which its two surfaces spell differently.

https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle (checked 2026-11)
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from llm_connector.auth import Auth, Credentials, api_key_header, bearer, clean_key
from llm_connector.errors import ConfigurationError
from llm_connector.protocols import Protocol, path_segment
from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.responses import Responses
from llm_connector.providers.openai import needs_responses
from llm_connector.providers.spec import Endpoint, ProviderSpec
from llm_connector.wire import HttpRequest, Json

__all__ = ["AzureCompletions", "AzureResponses", "azure_base", "configure_azure", "entra"]

_ENDPOINTS = ("/chat/completions", "/embeddings", "/responses", "/openai/models", "/openai/v1/models")
"""`/models` alone is none of them: it is the address of models that are not OpenAI's."""
_TOKEN_ENV = "AZURE_OPENAI_AD_TOKEN"
_VERSION_ENVS = ("OPENAI_API_VERSION", "AZURE_OPENAI_API_VERSION")
_DATED = re.compile(r"\d{4}-\d\d-\d\d")
_MODELS_VERSION = "2024-05-01-preview"
_KEY = api_key_header("api-key")


@dataclass(frozen=True)
class AzureCompletions(ChatCompletions):
    """Chat Completions on Azure, where the name of a deployment does not tell which models need the other endpoint.

    `reroute`: the wire format of that endpoint, for models that refuse what was asked on this one.
    """

    default_path: ClassVar[str] = ""
    alternatives: ClassVar[tuple[str, ...]] = ("reroute",)

    reroute: Protocol | None = None

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return _ENDPOINTS

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error body says; those of Responses have more codes."""
        return super().parse_error(body) if self.reroute is None else self.reroute.parse_error(body)

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """The other wire format, where the refusal names it."""
        if self.reroute is not None and needs_responses(failure):
            return self.reroute, f"{self.reroute.name} is used: what was asked is not to be had on {self.name}"
        return super().learn(failure, status)


@dataclass(frozen=True)
class AzureResponses(Responses):
    """Responses on Azure."""

    default_path: ClassVar[str] = ""

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return _ENDPOINTS


def configure_azure(row: ProviderSpec, region: str | None, credentials: Mapping[str, Any]) -> ProviderSpec:
    """The row with the surface that `api_version` means, and with the token of Entra ID if there is one.

    A token of the environment goes before a key of the environment, and behind a key that is given.
    """
    if region is not None:
        message = f"there are no regions here, base_url names the resource; leave out region={region!r}"
        raise ConfigurationError(message, provider=row.name)
    version, token = credentials.get("api_version"), credentials.get("azure_ad_token")
    if version is not None and not isinstance(version, str):
        raise ConfigurationError(f"api_version is {version!r}; give a string", provider=row.name)
    asked = version is not None and version not in map(_variable, _VERSION_ENVS)
    row = replace(row, prepare=functools.partial(_addressed, version, asked))
    if token is None:
        return row
    given = token != _variable(_TOKEN_ENV)
    if given and credentials.get("api_key") is not None:
        raise _both(row.name)
    return replace(row, auth=entra(row.name, given=given), optional_key_env=())


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _both(provider: str) -> ConfigurationError:
    return ConfigurationError("api_key and azure_ad_token are both given; one of them is enough", provider=provider)


def entra(provider: str, *, given: bool) -> Auth:
    """The token as a bearer; `given` ones exclude a key."""

    def authorise(request: HttpRequest, credentials: Credentials, now: float) -> HttpRequest:
        if credentials.api_key is not None:
            if given:
                raise _both(provider)
            return _KEY(request, credentials, now)
        token = credentials.extra.get("azure_ad_token")
        if not isinstance(token, str):
            message = f"azure_ad_token gave a {type(token).__name__}; give a string, or a function that returns one"
            raise ConfigurationError(message, provider=provider)
        return bearer(request, Credentials(clean_key(token, provider)), now)

    return authorise


def _addressed(version: str | None, asked: bool, endpoint: Endpoint, operation: str, model: str | None) -> Endpoint:
    """The endpoint at the address of one operation; a `prepare` hook, since the deployment may be part of it."""
    named = operation == "embed" or isinstance(endpoint.protocol(model), ChatCompletions)
    deployment = (model or "") if named and operation != "models" else None
    return replace(endpoint, base_url=azure_base(endpoint.base_url, version, deployment, asked=asked))


@functools.lru_cache(maxsize=1024)
def azure_base(base_url: str, version: str | None, deployment: str | None = None, *, asked: bool = True) -> str:
    """What paths are joined to: the caller's address up to the resource, then the surface.

    A dated version means the surface with deployments in its paths; none, or an undated one, means `/openai/v1`. One
    that was not `asked` for by the caller yields to what the address says.
    """
    parts = urlsplit(base_url)
    query = dict(parse_qsl(parts.query))
    written = query.pop("api-version", None)
    if not asked:
        version = written or version
    surface = _SURFACE.search(parts.path)
    root = parts.path[: surface.start()] if surface else parts.path.rstrip("/")
    kind = surface[1] if surface else "/openai"
    if kind == "/models":
        path, version = root + kind, version or written or _MODELS_VERSION
    elif version and _DATED.match(version) and (asked or kind != "/openai/v1"):
        path = f"{root}/openai" if deployment is None else f"{root}/openai/deployments/{path_segment(deployment)}"
    else:
        path, version = f"{root}/openai/v1", None if version is None or _DATED.match(version) else version
    if version not in (None, "v1"):
        query["api-version"] = str(version)
    return f"{parts.scheme}://{parts.netloc}{path}" + (f"?{urlencode(query)}" if query else "")


_SURFACE = re.compile(r"(/openai/v1|/openai|/models)(?:/deployments/[^/]*)?/*$")
