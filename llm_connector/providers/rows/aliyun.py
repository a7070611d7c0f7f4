"""Aliyun: its own API for Qwen and the models beside it, and the same models as Chat Completions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from llm_connector.auth import Credentials, bearer
from llm_connector.errors import ConfigurationError
from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.completion_thinking import for_models
from llm_connector.protocols.dashscope import DashScope, failure_kind
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.providers.model_rules import ALIYUN_MODELS, SWITCH_AND_BUDGET
from llm_connector.providers.spec import EVERYTHING, ProviderSpec
from llm_connector.wire import HttpRequest, Json

__all__ = ["ROWS"]

_REGIONS = {"cn-beijing": "cn", "ap-southeast-1": "international", "us-east-1": "us", "cn-hongkong": "hongkong"}
"""The names that the provider's own tools have for the regions."""
_WORKSPACE_REGIONS = {
    **{name: place for place, name in _REGIONS.items()},
    "eu-central-1": "eu-central-1",
    "ap-northeast-1": "ap-northeast-1",
}

_MODELS = (
    *ALIYUN_MODELS,
    for_models(r"^qwen3-[\d.]+b(-a\d+b)?$", stream_only="thinking"),
    for_models(r"tts|omni|deep-research", increments=False),
    for_models(
        r"^qwen3\.[5-9]|^qwen[4-9]|^qwen-(vl|audio)|^qwen2-audio|^qvq|-vl\b|omni|-ocr|^kimi-k(2\.[5-9]|3)"
        r"|^deepseek-v4\.1|minimax-m3|step-3\.7",
        multimodal=True,
    ),
    for_models(r"^qwen3\.[67]-max", multimodal=False),
    for_models(r"^qwen3\.[78]-max", json_output="schema"),
)
"""Each model is bound to one of two services; where these rules are wrong, the first refusal corrects them.

https://help.aliyun.com/en/model-studio/visual-reasoning and .../deep-thinking (checked 2026-11)
"""


def _in_workspace(spec: ProviderSpec, region: str | None, credentials: Mapping[str, Any]) -> ProviderSpec:
    """A row of Aliyun at the gateway of `workspace=`, which becomes a part of the host name."""
    workspace = credentials.get("workspace")
    if workspace is None or not isinstance(spec.base_url, Mapping):
        return spec
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", str(workspace)):
        raise ConfigurationError(
            f"workspace is {workspace!r}; give its id: letters, digits, - and _", provider=spec.name
        )
    place = _WORKSPACE_REGIONS.get(region or "cn")
    if place is None:
        known = ", ".join(map(repr, _WORKSPACE_REGIONS))
        raise ConfigurationError(f"region {region!r} has no workspaces; those that do are {known}", provider=spec.name)
    path = spec.base_url["cn"].partition("aliyuncs.com")[2]
    return replace(spec, base_url={region or "cn": f"https://{workspace}.{place}.maas.aliyuncs.com{path}"})


def _located(row: ProviderSpec, region: str | None, credentials: Mapping[str, Any]) -> ProviderSpec:
    """The row at one address: that of a region, or the gateway of a workspace there."""
    region = _REGIONS.get(region or "", region)
    return replace(row, base_url=_in_workspace(row, region, credentials).region_url(region))


def _authorised(request: HttpRequest, credentials: Credentials, now: float) -> HttpRequest:
    """The key, and the workspace it is for where there is one."""
    request = bearer(request, credentials, now)
    workspace = credentials.extra.get("workspace")
    if workspace is None:
        return request
    return replace(request, headers={**request.headers, "x-dashscope-workspace": str(workspace)})


class _AliyunCompletions(ChatCompletions):
    """Chat Completions at an address, and with error codes, of Aliyun's own."""

    default_path: ClassVar[str] = "/compatible-mode/v1"

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error says."""
        detail = super().parse_error(body)
        return replace(detail, kind=failure_kind(detail))


_ENVIRONMENT = {
    "workspace": ("DASHSCOPE_WORKSPACE", "DASHSCOPE_WORKSPACE_ID"),
    "region": ("DASHSCOPE_REGION", "DASHSCOPE_API_REGION"),
}
_WRONG_KEY = (
    "check api_key (DASHSCOPE_API_KEY), and that it belongs to this region: keys work in the one they were made in, "
    "so set region= (cn, international, us, hongkong, finance) or workspace="
)
_REMEDIES = {
    "InvalidApiKey": _WRONG_KEY,
    "invalid_api_key": _WRONG_KEY,
    "thinking_budget": "give the most tokens of thinking as a number: reasoning=4096",
    "batch size is invalid": "embed fewer texts at a time",
}


ROWS = (
    ProviderSpec(
        name="aliyun",
        protocol=DashScope(models=_MODELS),
        base_url={
            "cn": "https://dashscope.aliyuncs.com/api/v1",
            "international": "https://dashscope-intl.aliyuncs.com/api/v1",
            "us": "https://dashscope-us.aliyuncs.com/api/v1",
            "hongkong": "https://cn-hongkong.dashscope.aliyuncs.com/api/v1",
            "finance": "https://dashscope-finance.aliyuncs.com/api/v1",
        },
        base_url_env=("DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL"),
        api_key_env=("DASHSCOPE_API_KEY", "ALIYUN_API_KEY"),
        auth=_authorised,
        credentials=("workspace",),
        credential_env=_ENVIRONMENT,
        configure=_located,
        supports=EVERYTHING - {"documents"} | {"rerank"},
        remedies=_REMEDIES,
        embedding_batch=10,
        docs="https://help.aliyun.com/en/model-studio/qwen-api-via-dashscope",
    ),
    ProviderSpec(
        name="aliyun_openai_compatible",
        protocol=_AliyunCompletions(
            thinking=replace(SWITCH_AND_BUDGET, default=False), thinking_forbids=frozenset({"tool_choice"}),
            stream_only="thinking", prefill="partial", empty_content="", audio_urls="data", temperatures=(0.0, 1.99),
            models=ALIYUN_MODELS,
        ),
        base_url={
            "cn": "https://dashscope.aliyuncs.com/compatible-mode/v1",
            "international": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            "us": "https://dashscope-us.aliyuncs.com/compatible-mode/v1",
            "hongkong": "https://cn-hongkong.dashscope.aliyuncs.com/compatible-mode/v1",
            "finance": "https://dashscope-finance.aliyuncs.com/compatible-mode/v1",
            "coding": "https://coding.dashscope.aliyuncs.com/v1",
            "coding_international": "https://coding-intl.dashscope.aliyuncs.com/v1",
        },
        base_url_env=("DASHSCOPE_COMPATIBLE_BASE_URL",),
        api_key_env=("DASHSCOPE_API_KEY", "ALIYUN_API_KEY"),
        credentials=("workspace",),
        credential_env=_ENVIRONMENT,
        configure=_located,
        supports=EVERYTHING - {"documents"},
        remedies=_REMEDIES,
        embedding_batch=10,
        docs="https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
    ),
)  # fmt: skip
