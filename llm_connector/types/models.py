"""What a provider says about its models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ModelInfo"]


class ModelInfo(BaseModel):
    """A model as the provider lists it. None means that the list does not say.

    `context_window` and `max_output` are in tokens, `size` in bytes, `created` is a Unix time in seconds.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    name: str | None = None
    created: int | None = None
    owner: str | None = None
    context_window: int | None = None
    max_output: int | None = None
    size: int | None = None
    capabilities: list[str] | None = None
    raw: dict[str, Any] = Field(default={}, repr=False)
