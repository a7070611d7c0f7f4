"""What is known about models: what a provider says, and facts that come with a package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ModelInfo", "Prices"]


class Prices(BaseModel):
    """What tokens cost, in US dollars per million. None means that no price is known.

    Tokens read from the cache, written to it or thought have prices of their own, or cost as much as any of `input` or
    `output`. Each of `tiers` holds for the whole of a request whose prompt has more tokens than its `above`.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None
    input_audio: float | None = None
    output_audio: float | None = None
    above: int = 0
    tiers: list[Prices] = []

    def of_prompt(self, tokens: int) -> Prices:
        """The prices of a request whose prompt has that many tokens."""
        return max((tier for tier in self.tiers if tokens > tier.above), key=lambda tier: tier.above, default=self)


class ModelInfo(BaseModel):
    """A model as the provider lists it, or as `client.model_info` completes it. None means that nobody says.

    `context_window` and `max_output` are in tokens, `size` in bytes, `created` is a Unix time in seconds. Modalities
    are `text`, `image`, `audio`, `video` and `pdf`. `capabilities` are in the provider's own words, or those of the
    facts: `reasoning`, `tools`, `structured_output`.
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
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None
    prices: Prices | None = None
    raw: dict[str, Any] = Field(default={}, repr=False)

    def with_facts(self, facts: Mapping[str, Any]) -> ModelInfo:
        """The same model with facts where nothing is known of it yet."""
        known = {name: value for name, value in self if value is not None}
        return ModelInfo.model_validate({**facts, **known})
