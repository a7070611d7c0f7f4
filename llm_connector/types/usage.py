"""Token counts, and what they cost."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from llm_connector.types.models import ModelInfo, Prices

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

    def cost(self, model: str | ModelInfo, provider: str | None = None) -> float | None:
        """US dollars, by list prices that come with the extra `[models]`; None if a count or a price is not known.

        `provider` names who was paid; without one, the model's maker. A `ModelInfo` of `client.model_info` knows the
        region as well. Not counted: sound at a price of its own, caches kept for an hour, searches, discounts.
        Raises ConfigurationError without the package.
        """
        if isinstance(model, ModelInfo):
            prices = model.prices
        else:
            from llm_connector.model_facts import find_facts

            facts = find_facts(model, provider) or {}
            prices = Prices.model_validate(facts["prices"]) if facts.get("prices") else None
        prompt, answer = self._counts()
        if prices is None or prompt is None or answer is None:
            return None
        prices = prices.of_prompt(prompt)
        read, written, thought = self.cached_tokens or 0, self.cache_write_tokens or 0, self.reasoning_tokens or 0
        millions = 0.0
        for tokens, own, common in (
            (max(prompt - read - written, 0), None, prices.input),
            (read, prices.cache_read, prices.input),
            (written, prices.cache_write, prices.input),
            (max(answer - thought, 0), None, prices.output),
            (thought, prices.reasoning, prices.output),
        ):
            price = common if own is None else own
            if tokens and price is None:
                return None
            millions += tokens * (price or 0.0)
        return millions / 1_000_000

    def _counts(self) -> tuple[int | None, int | None]:
        """Tokens of the prompt and of the answer; one of them may follow from the total."""
        prompt, answer, total = self.input_tokens, self.output_tokens, self.total_tokens
        if total is not None and answer is None and prompt is not None:
            answer = max(total - prompt, 0)
        elif total is not None and prompt is None and answer is not None:
            prompt = max(total - answer, 0)
        return prompt, answer
