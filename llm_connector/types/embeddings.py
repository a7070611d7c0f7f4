"""One vector per text."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from llm_connector.types.usage import Usage

__all__ = ["Embeddings", "InputType"]

InputType: TypeAlias = Literal["query", "document"]
"""What a text is embedded for: to search with it, or to be found."""


class Embeddings(BaseModel):
    """One vector per input, in the order of the inputs. `extra` holds what has no field of its own."""

    model_config = ConfigDict(defer_build=True)

    vectors: list[list[float]] = Field(repr=False)
    usage: Usage = Field(default_factory=Usage)
    model: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
    raw: Any = Field(default=None, repr=False)
