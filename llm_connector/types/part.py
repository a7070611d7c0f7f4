"""The base of all message parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

__all__ = ["CacheMark", "Part", "Unmarked", "mark_of"]

CacheMark: TypeAlias = Literal[True, "5m", "1h"] | None
"""Prompt caching of everything up to here: True for the server's default lifetime."""


def mark_of(control: Any) -> CacheMark:
    """The mark that a `cache_control` object stands for."""
    if not isinstance(control, Mapping):
        return None
    ttl = control.get("ttl")
    return ttl if ttl in ("5m", "1h") else True


class Part(BaseModel):
    """A value: two parts with the same content are equal."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Unmarked(Part):
    """A part that takes no cache mark."""

    @property
    def cache(self) -> None:
        """None."""
