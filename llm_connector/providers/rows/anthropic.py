"""Servers of Anthropic Messages."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from llm_connector.auth import Credentials, api_key_header, bearer, clean_key
from llm_connector.errors import ConfigurationError
from llm_connector.protocols.anthropic import AnthropicMessages
from llm_connector.providers.remedies import NO_PREFILL
from llm_connector.providers.spec import CHAT_AND_TOOLS, EVERYTHING, ProviderSpec
from llm_connector.wire import HttpRequest

__all__ = ["ROWS"]

_KEY = api_key_header("x-api-key")
_TOKEN_ENV = "ANTHROPIC_AUTH_TOKEN"
_RESOURCE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]*").fullmatch


@dataclass(frozen=True)
class _FoundryMessages(AnthropicMessages):
    """Claude in Microsoft Foundry: the endpoint of a resource is given without the path of one of its services."""

    default_path: ClassVar[str] = "/anthropic"


def _with_token(row: ProviderSpec, region: str | None, credentials: Mapping[str, Any]) -> ProviderSpec:
    """The row with the bearer token of a gateway, if there is one. A key goes before a token of the environment."""
    if region is not None:
        raise ConfigurationError(f"there are no regions here; leave out region={region!r}", provider=row.name)
    token = credentials.get("auth_token")
    if token is None:
        return row
    given = token != os.environ.get(_TOKEN_ENV, "").strip()
    if given and credentials.get("api_key") is not None:
        raise ConfigurationError("api_key and auth_token are both given; one of them is enough", provider=row.name)
    if not given and (credentials.get("api_key") is not None or any(map(os.environ.get, row.api_key_env))):
        return row
    return replace(row, auth=_token_or_key, api_key_env=())


def _token_or_key(request: HttpRequest, credentials: Credentials, now: float) -> HttpRequest:
    """The token, unless a copy of the client was given a key."""
    if credentials.api_key is not None:
        return _KEY(request, credentials, now)
    return bearer(request, Credentials(clean_key(credentials.extra.get("auth_token"), "anthropic")), now)


def _in_foundry(row: ProviderSpec, region: str | None, credentials: Mapping[str, Any]) -> ProviderSpec:
    """The row at the address of `resource`; no key is looked for where there is a token."""
    if region is not None:
        raise ConfigurationError(f"there are no regions here; leave out region={region!r}", provider=row.name)
    resource = credentials.get("resource")
    if resource is not None:
        if not isinstance(resource, str) or not _RESOURCE(resource):
            raise ConfigurationError(
                f"resource is {resource!r}; give the name alone, as in https://NAME.services.ai.azure.com",
                provider=row.name,
            )
        row = replace(row, base_url=f"https://{resource}.services.ai.azure.com/anthropic")
    if credentials.get("azure_ad_token") is None:
        return row
    from llm_connector.providers.azure import entra  # Azure's own formats load with it

    return replace(row, auth=entra(row.name, given=True), optional_key_env=())


ROWS = (
    ProviderSpec(
        name="anthropic",
        protocol=AnthropicMessages(),
        base_url="https://api.anthropic.com",
        base_url_env=("ANTHROPIC_BASE_URL",),
        api_key_env=("ANTHROPIC_API_KEY",),
        auth=_KEY,
        credentials=("auth_token",),
        credential_env={"auth_token": (_TOKEN_ENV,)},
        configure=_with_token,
        supports=EVERYTHING - {"audio", "video", "embeddings"} | {"count_tokens"},
        remedies=NO_PREFILL,
        docs="https://docs.anthropic.com/en/api/messages",
    ),
    ProviderSpec(
        name="anthropic_azure",
        protocol=_FoundryMessages(),
        base_url=None,
        base_url_env=("ANTHROPIC_FOUNDRY_BASE_URL",),
        optional_key_env=("ANTHROPIC_FOUNDRY_API_KEY",),
        auth=_KEY,
        credentials=("azure_ad_token", "resource"),
        credential_env={"resource": ("ANTHROPIC_FOUNDRY_RESOURCE",)},
        configure=_in_foundry,
        supports=EVERYTHING - {"audio", "video", "embeddings", "models"} | {"count_tokens"},
        remedies={"DeploymentNotFound": "model= is the name of a deployment of this resource", **NO_PREFILL},
        docs="https://platform.claude.com/docs/en/build-with-claude/claude-in-microsoft-foundry",
    ),
    ProviderSpec(
        name="deepseek_anthropic",
        protocol=AnthropicMessages(
            thinking="switch", efforts=("high", "max"), unsigned_thinking=True, forced_choice_thinking=False,
            cache_marks=0, most_temperature=2.0, unsupported=frozenset({"top_k"}),
        ),
        base_url="https://api.deepseek.com/anthropic",
        api_key_env=("DEEPSEEK_API_KEY",),
        auth=_KEY,
        supports=CHAT_AND_TOOLS | {"reasoning", "structured_output"},
        docs="https://api-docs.deepseek.com/guides/anthropic_api",
    ),
    ProviderSpec(
        name="longcat_anthropic",
        protocol=AnthropicMessages(thinking="switch", cache_marks=0),
        base_url="https://api.longcat.chat/anthropic",
        api_key_env=("LONGCAT_API_KEY",),
        supports=CHAT_AND_TOOLS | {"reasoning", "structured_output"},
        docs="https://longcat.chat/platform/docs/api-docs",
    ),
)  # fmt: skip
