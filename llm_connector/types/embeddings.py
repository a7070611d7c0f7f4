"""One vector per text."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from llm_connector.types.usage import Usage

__all__ = ["Embeddings"]


class Embeddings(BaseModel):
    """One vector per input, in the order of the inputs."""

    model_config = ConfigDict(defer_build=True)

    vectors: list[list[float]] = Field(repr=False)
    usage: Usage = Field(default_factory=Usage)
    model: str | None = None
    raw: Any = Field(default=None, repr=False)
