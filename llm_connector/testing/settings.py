"""Clients of a scripted model: with whatever their row asks for, and without waits between attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from llm_connector.client.clients import AsyncLlmClient, LlmClient
from llm_connector.providers import ProviderSpec, find
from llm_connector.retry import Retry

__all__ = ["scripted_client"]

KEY = "sk-test-0123456789"
_ADDRESS = "https://scripted.example/v1"
_ASKED_FOR: Mapping[str, str] = {"region": "us-east-1", "project": "test", "secret_id": "AKID-test", "secret_key": KEY}
"""What rows ask for besides a key, by its name."""

ClientT = TypeVar("ClientT", LlmClient, AsyncLlmClient)


@dataclass(frozen=True, slots=True)
class _AtOnce(Retry):
    """Tries again without waiting."""

    def delay(self, attempt: int, wanted: float | None, *, stale: bool = False) -> float:
        return 0.0


def scripted_client(kind: type[ClientT], provider: str | ProviderSpec, settings: Mapping[str, Any]) -> ClientT:
    """A client that lacks nothing; `settings` win over what is made up."""
    row: ProviderSpec = find(provider) if isinstance(provider, str) else provider
    made_up: dict[str, Any] = {"model": "scripted"}
    if row.base_url is None:
        made_up["base_url"] = _ADDRESS
    if not settings.keys() & {*row.credentials, "api_key"}:
        wanted = {name: value for name, value in _ASKED_FOR.items() if name in row.credentials}
        made_up |= wanted if "secret_key" in wanted else {**wanted, "api_key": KEY}
        row = replace(row, prepare=None)  # nothing is looked up, and no engine is started
    client: ClientT = kind(row, **{**made_up, **settings})
    client._settings.retry = _AtOnce(client._settings.retry.retries)
    return client
