"""Aliyun's own API for Qwen and the models beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llm_connector.auth import Credentials, bearer
from llm_connector.protocols.completion_thinking import for_models
from llm_connector.protocols.dashscope import DashScope
from llm_connector.providers.model_rules import ALIYUN_MODELS
from llm_connector.providers.rows.compatible import in_workspace
from llm_connector.providers.spec import EVERYTHING, ProviderSpec
from llm_connector.wire import HttpRequest

__all__ = ["ROWS"]

_REGIONS = {"cn-beijing": "cn", "ap-southeast-1": "international", "us-east-1": "us", "cn-hongkong": "hongkong"}
"""The names that the provider's own tools have for the regions."""

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


def _located(row: ProviderSpec, region: str | None, credentials: Mapping[str, Any]) -> ProviderSpec:
    """The row at one address: that of a region, or the gateway of a workspace there."""
    region = _REGIONS.get(region or "", region)
    return replace(row, base_url=in_workspace(row, region, credentials).region_url(region))


def _authorised(request: HttpRequest, credentials: Credentials, now: float) -> HttpRequest:
    """The key, and the workspace it is for where there is one."""
    request = bearer(request, credentials, now)
    workspace = credentials.extra.get("workspace")
    if workspace is None:
        return request
    return replace(request, headers={**request.headers, "x-dashscope-workspace": workspace})


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
        api_key_env=("DASHSCOPE_API_KEY",),
        auth=_authorised,
        credentials=("workspace",),
        credential_env={
            "workspace": ("DASHSCOPE_WORKSPACE", "DASHSCOPE_WORKSPACE_ID"),
            "region": ("DASHSCOPE_REGION", "DASHSCOPE_API_REGION"),
        },
        configure=_located,
        supports=EVERYTHING - {"documents"} | {"rerank"},
        remedies={
            "InvalidApiKey": "check api_key (DASHSCOPE_API_KEY), and that it belongs to this region: keys work in the "
            "one they were made in, so set region= (cn, international, us, hongkong, finance) or workspace=",
            "thinking_budget": "give the most tokens of thinking as a number: reasoning=4096",
            "batch size is invalid": "embed fewer texts at a time",
        },
        docs="https://help.aliyun.com/en/model-studio/qwen-api-via-dashscope",
    ),
)  # fmt: skip
