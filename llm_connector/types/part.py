"""The base of all message parts."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

__all__ = ["CacheMark", "Part"]

CacheMark: TypeAlias = Literal[True, "5m", "1h"] | None
"""Prompt caching of everything up to here: True for the server's default lifetime."""


class Part(BaseModel):
    """A value: two parts with the same content are equal."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
