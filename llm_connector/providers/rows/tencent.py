"""Tencent Cloud's own API for Hunyuan, whose requests are signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llm_connector.errors import ConfigurationError
from llm_connector.protocols.tencent import TencentChat
from llm_connector.providers.spec import CHAT_AND_TOOLS, ProviderSpec
from llm_connector.signatures import tencent_tc3

__all__ = ["ROWS"]

_SECRETS = {
    "secret_id": ("TENCENTCLOUD_SECRET_ID", "HUNYUAN_SECRET_ID"),
    "secret_key": ("TENCENTCLOUD_SECRET_KEY", "HUNYUAN_SECRET_KEY"),
}


def _signed(row: ProviderSpec, region: str | None, credentials: Mapping[str, Any]) -> ProviderSpec:
    """The row with its region. Raises ConfigurationError, which says where they belong, for missing secrets."""
    missing = [name for name in _SECRETS if not credentials.get(name)]
    if missing:
        names = " and ".join(variables[0] for variables in _SECRETS.values())
        raise ConfigurationError(
            f"no {' and no '.join(missing)}: set {names}, or pass secret_id= and secret_key=", provider=row.name
        )
    if region is None:
        return row
    if not region.replace("-", "").isalnum() or not region.isascii():
        raise ConfigurationError(f"region is {region!r}; give one such as 'ap-guangzhou'", provider=row.name)
    return replace(row, protocol=TencentChat(region=region))


ROWS = (
    ProviderSpec(
        name="tencent_native",
        protocol=TencentChat(),
        base_url="https://hunyuan.tencentcloudapi.com",
        auth=tencent_tc3("hunyuan"),
        credentials=(*_SECRETS, "session_token"),
        credential_env={
            **_SECRETS, "session_token": ("TENCENTCLOUD_SESSION_TOKEN",), "region": ("TENCENTCLOUD_REGION",),
        },
        configure=_signed,
        supports=CHAT_AND_TOOLS | {"images", "video", "reasoning", "structured_output", "embeddings", "count_tokens"},
        default_embedding_model="hunyuan-embedding",
        remedies={
            "AuthFailure.SignatureExpire": "set the clock of this machine: it may differ by five minutes",
            "ActionOffline": "this API is being retired: use the provider 'tencent'",
            "UnsupportedOperation": "this API is being retired: use the provider 'tencent'",
        },
        docs="https://cloud.tencent.com/document/product/1729/105701",
    ),
)  # fmt: skip
