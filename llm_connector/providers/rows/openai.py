"""Servers of Responses, and Azure's of both formats of OpenAI."""

from __future__ import annotations

from dataclasses import replace

from llm_connector.auth import api_key_header
from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.responses import Responses
from llm_connector.providers.azure import AzureCompletions, AzureResponses, configure_azure
from llm_connector.providers.model_rules import OPENAI_MODELS
from llm_connector.providers.spec import EVERYTHING, ProviderSpec

__all__ = ["ROWS"]

_AZURE_CREDENTIALS = ("api_version", "azure_ad_token")
_AZURE_VARIABLES = {
    "api_version": ("OPENAI_API_VERSION", "AZURE_OPENAI_API_VERSION"),
    "azure_ad_token": ("AZURE_OPENAI_AD_TOKEN",),
}
_AZURE_REMEDIES = {
    "DeploymentNotFound": "model= is the name of the deployment, which may differ from that of the model",
    "Resource not found": "check api_version= and that base_url names the resource",
}
_TOP_K = frozenset({"top_k"})

_AZURE = ProviderSpec(
    name="azure_openai",
    protocol=AzureCompletions(
        max_tokens_field="max_completion_tokens", unsupported=_TOP_K, reroute=AzureResponses(least_tokens=16)
    ),
    base_url=None,
    base_url_env=("AZURE_OPENAI_ENDPOINT",),
    optional_key_env=("AZURE_OPENAI_API_KEY",),
    auth=api_key_header("api-key"),
    credentials=_AZURE_CREDENTIALS,
    credential_env=_AZURE_VARIABLES,
    configure=configure_azure,
    supports=EVERYTHING - {"video", "documents"},
    remedies=_AZURE_REMEDIES,
    docs="https://learn.microsoft.com/azure/foundry/openai/reference",
)
ROWS = (
    ProviderSpec(
        name="openai_responses",
        protocol=Responses(
            least_tokens=16,
            models=OPENAI_MODELS,
            fallback=ChatCompletions(
                max_tokens_field="max_completion_tokens", unsupported=_TOP_K, models=OPENAI_MODELS
            ),
        ),
        base_url="https://api.openai.com/v1",
        base_url_env=("OPENAI_BASE_URL",),
        api_key_env=("OPENAI_API_KEY",),
        supports=EVERYTHING - {"video"} | {"count_tokens"},
        docs="https://platform.openai.com/docs/api-reference/responses",
    ),
    _AZURE,
    replace(
        _AZURE,
        name="azure_openai_responses",
        protocol=AzureResponses(
            least_tokens=16, fallback=AzureCompletions(max_tokens_field="max_completion_tokens", unsupported=_TOP_K)
        ),
        supports=EVERYTHING - {"video"},
        docs="https://learn.microsoft.com/azure/foundry/openai/how-to/responses",
    ),
)  # fmt: skip
