"""Token counts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Usage"]


class Usage(BaseModel):
    """Tokens of one call. None means the server did not say; it never means zero.

    `input_tokens` includes the cached ones and those written to the cache, `output_tokens` includes reasoning;
    `total_tokens` is the server's number, else the sum. `details` holds the provider's own object.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    details: dict[str, Any] | None = None
