"""`dumpd` and `load`, cache keys, pickles and traces."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, dumps, load
from langchain_core.messages import HumanMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from pydantic import SecretStr

from langchain_llm_connector import ChatLlmConnector
from tests.integrations.langchain.little_model import settings

IN_BETA = pytest.mark.filterwarnings("ignore:The function `load` is in beta")

FULL: dict[str, Any] = {
    "model": "glm-4.6",
    "temperature": 0,
    "stop": ["END"],
    "reasoning": "low",
    "extra_body": {"do_sample": False},
    "timeout": 7.5,
    "max_retries": 0,
}


def restored(model: ChatLlmConnector, **secrets: str) -> Any:
    where: dict[str, Any] = {"secrets_map": secrets} if secrets else {"secrets_from_env": True}
    namespace = ["langchain_llm_connector"]
    return load(dumpd(model), valid_namespaces=namespace, allowed_objects=[ChatLlmConnector], **where)


@IN_BETA
def test_a_model_is_restored_with_its_key_from_elsewhere(monkeypatch):
    monkeypatch.setenv("ZHIPU_API_KEY", "key-of-the-environment")
    model = ChatLlmConnector(provider="zhipu", **FULL)
    again = restored(model)
    assert again == model
    assert again.asdict() == model.asdict()
    assert again.api_key == SecretStr("key-of-the-environment")
    assert restored(model, ZHIPU_API_KEY="another").api_key == SecretStr("another")


@IN_BETA
def test_every_secret_stays_out_of_the_serialized_form(monkeypatch):
    monkeypatch.setenv("X_API_KEY", "c")
    model = ChatLlmConnector(
        provider="bedrock",
        model="m",
        region="us-east-1",
        aws_access_key_id="AKIA000000000000",
        aws_secret_access_key="very-secret-indeed",
        default_headers={"X-Api-Key": "header-secret", "X-Team": "blue"},
    )
    text = dumps(model)
    assert "secret-indeed" not in text
    assert "header-secret" not in text
    assert "AKIA" not in text
    assert "blue" in text
    again = restored(model, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    assert again.credentials["aws_secret_access_key"] == SecretStr("b")
    assert again.default_headers == {"X-Api-Key": SecretStr("c"), "X-Team": "blue"}


def test_the_cache_tells_settings_apart(little_model):
    cache = InMemoryCache()
    model = ChatLlmConnector(**settings(little_model, "openai_compatible", model="one", cache=cache))

    def asked(some: Any, **options: Any) -> int:
        little_model.requests.clear()
        assert some.invoke([HumanMessage("Hello")], **options).content.startswith("Hello")
        return len(little_model.requests)

    assert [asked(model), asked(model)] == [1, 0]
    for other in (
        model.model_copy(update={"model": "two"}),
        model.model_copy(update={"extra_body": {"seed": 1}}),
        model.model_copy(update={"reasoning": "high"}),
        model.bind(temperature=1),
    ):
        assert [asked(other), asked(other)] == [1, 0]
    assert asked(model, stop=["x"]) == 1
    assert asked(model) == 0


def test_a_cached_answer_keeps_its_thoughts(little_model):
    model = ChatLlmConnector(**settings(little_model, "deepseek", model="think", cache=InMemoryCache()))
    first, second = model.invoke("Hello"), model.invoke("Hello")
    assert len(little_model.requests) == 1
    assert second.additional_kwargs == first.additional_kwargs
    assert second.content_blocks == first.content_blocks


def test_a_pickle_leaves_clients_and_a_copy_shares_them(little_model):
    limiter = InMemoryRateLimiter(requests_per_second=1000)
    model = ChatLlmConnector(**settings(little_model, "ollama", model="m", rate_limiter=limiter))
    model.invoke("Hello")
    copied = model.__deepcopy__()
    assert copied.rate_limiter is limiter
    assert "client" in vars(model)
    assert "client" not in vars(copied)
    without = model.model_copy(update={"rate_limiter": None})
    assert pickle.loads(pickle.dumps(without)).invoke("Hello").content


@pytest.mark.parametrize("provider", ["openai", "zhipu", "bedrock", "azure_openai"])
def test_parameters_of_traces_hold_no_secret(provider, monkeypatch):
    where = {"base_url": "https://example.openai.azure.com"} if provider.startswith("azure") else {}
    where |= {"region": "us-east-1"} if provider == "bedrock" else {}
    model = ChatLlmConnector(provider=provider, model="m", api_key="sk-secret-0123456789", **where)
    params: Any = model._get_invocation_params()
    assert "sk-secret" not in str(params)
    assert (params["provider"], params["model"], params["_type"]) == (provider, "m", "llm-connector-chat")


@IN_BETA
def test_an_address_that_holds_a_key_is_a_secret():
    address = "https://gateway.example/v1?team=blue&api_key=very-secret-indeed"
    model = ChatLlmConnector(provider="openai", model="m", api_key="k", base_url=address)
    for shown in (dumps(model), repr(model), str(model.asdict()), str(model._get_invocation_params())):
        assert "very-secret" not in shown
    assert restored(model, OPENAI_API_KEY="k", OPENAI_BASE_URL=address) == model
    plain = model.model_copy(update={"base_url": "https://gateway.example/v1?api-version=1"})
    assert plain.asdict()["base_url"] == "https://gateway.example/v1?api-version=1"
