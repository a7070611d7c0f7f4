"""The classes themselves: conventions, settings, metadata, secrets, copies and pickles."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.callbacks import CallbackManager
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.settings import Settings
from llama_index.embeddings.llm_connector import LlmConnectorEmbedding
from llama_index.llms.llm_connector import LlmConnector
from llama_index.postprocessor.llm_connector import LlmConnectorRerank

from llm_connector import ConfigurationError, Timeout, UnsupportedError
from tests.integrations.llama_index.wires import WIRES, Turn, completion
from tests.support.wire_server import WireServer

SECRET = "sk-very-secret-0123456789"
MAKERS: list[Callable[..., Any]] = [LlmConnector, LlmConnectorEmbedding, LlmConnectorRerank]


def test_classes_are_what_llama_index_expects():
    names = [cls.__name__ for cls in LlmConnector.__mro__]
    assert {BaseLLM.__name__, FunctionCallingLLM.__name__} <= set(names)
    assert BaseEmbedding.__name__ in [cls.__name__ for cls in LlmConnectorEmbedding.__mro__]
    assert BaseNodePostprocessor.__name__ in [cls.__name__ for cls in LlmConnectorRerank.__mro__]
    assert [maker.class_name() for maker in MAKERS] == [  # type: ignore[attr-defined]  # they are classes
        "LlmConnector",
        "LlmConnectorEmbedding",
        "LlmConnectorRerank",
    ]


@pytest.mark.parametrize(
    ("provider", "model", "window", "calls"),
    [
        ("zhipu", "glm-4.6", 204_800, True),
        ("deepseek", "deepseek-chat", 1_000_000, True),
        ("anthropic", "claude-sonnet-4-5", 200_000, True),
        ("perplexity", "sonar", 128_000, False),
        ("openai", "o1-mini", 128_000, False),
        ("openai", "a-model-of-tomorrow", 32_768, True),
        ("local", None, 4096, True),
    ],
)
def test_metadata_is_that_of_the_model(provider: str, model: str | None, window: int, calls: bool):
    known = LlmConnector(provider, model=model, api_key="k.s").metadata
    assert (known.context_window, known.is_function_calling_model) == (window, calls)
    assert (known.is_chat_model, known.num_output, known.system_role) == (True, -1, MessageRole.SYSTEM)
    assert known.model_name == (model or "smollm2-135m-instruct")


def test_metadata_may_be_told():
    told = {"context_window": 9000, "is_function_calling_model": False, "is_chat_model": False, "max_tokens": 100}
    known = LlmConnector("zhipu", model="glm-4.6", api_key="k.s", **told).metadata
    assert (known.context_window, known.num_output) == (9000, 100)
    assert not known.is_function_calling_model
    assert not known.is_chat_model
    assert LlmConnector("zhipu", model="glm-4.6", api_key="k.s", max_tokens=100, num_output=7).metadata.num_output == 7


def test_metadata_needs_no_key_and_no_package_of_facts(monkeypatch: pytest.MonkeyPatch):
    assert LlmConnector("openai", model="gpt-4.1").metadata.context_window == 32_768
    from llm_connector import model_facts

    model_facts._data.cache_clear()
    monkeypatch.setattr("pkgutil.get_data", lambda *_: None)
    try:
        assert LlmConnector("openai", model="gpt-4.1", api_key="k").metadata.context_window == 32_768
    finally:
        model_facts._data.cache_clear()


def test_there_is_always_room_for_a_prompt():
    for provider, model in (("zhipu", "glm-4.6"), ("openai", "gpt-5.2"), ("local", None)):
        helper = PromptHelper.from_llm_metadata(LlmConnector(provider, model=model, api_key="k.s").metadata)
        assert helper.context_window - helper.num_output > 1000


def test_unknown_arguments_and_providers_are_refused_with_a_hint():
    with pytest.raises(ConfigurationError, match=r"'temprature'; did you mean 'temperature'"):
        LlmConnector("openai", model="m", temprature=1)
    with pytest.raises(ConfigurationError, match="deepseek"):
        LlmConnector("deepsek")
    with pytest.raises(ValueError, match="temperature"):
        LlmConnector("openai", temperature="warm")


def test_other_spellings_and_credentials_are_taken():
    llm = LlmConnector(provider="azure_openai", model_name="m", api_base="https://a.example", api_version="1")
    assert (llm.model, llm.base_url, llm.credentials) == ("m", "https://a.example", {"api_version": "1"})
    assert LlmConnectorEmbedding("openai", model="m").model_name == "m"
    assert LlmConnectorRerank("aliyun", model_name="m").model == "m"


@pytest.mark.parametrize("maker", MAKERS)
def test_no_secret_is_shown(maker: Callable[..., Any], wire_server: WireServer):
    made = maker(
        "azure_openai",
        base_url=wire_server.url,
        api_key=SECRET,
        azure_ad_token=SECRET,
        proxy=f"http://me:{SECRET}@127.0.0.1:9",
        default_headers={"Authorization": SECRET, "x-team": "blue"},
    )
    shown = [repr(made), str(made), str(made.to_dict()), made.to_json(), made.model_dump_json()]
    shown += [str(getattr(made, "to_payload", dict)()), repr(made.model_dump())]
    assert not [text for text in shown if SECRET in text]
    assert json.loads(made.to_json())["default_headers"] == {"x-team": "blue"}


def test_a_wrong_setting_does_not_show_the_key():
    with pytest.raises(ValueError, match="timeout") as caught:
        LlmConnector("openai", api_key=SECRET, timeout=[SECRET])
    assert SECRET not in str(caught.value)


def test_no_secret_reaches_events_and_callbacks(wire_server: WireServer, events: list[Any]):
    seen: list[Any] = []

    class Manager(CallbackManager):
        def on_event_start(self, *args: Any, **kwargs: Any) -> str:
            seen.append((args, kwargs))
            return super().on_event_start(*args, **kwargs)

    wire_server.script(completion("a"))
    llm = WIRES["deepseek"].llm(wire_server, api_key=SECRET, callback_manager=Manager([]))
    llm.chat([ChatMessage("Hi")])
    assert SECRET.encode() in wire_server.requests[0].headers["authorization"].encode()
    assert seen
    assert SECRET not in repr(seen) + repr([event.model_dump() for event in events])


def test_the_payload_names_the_model_both_ways():
    payload = LlmConnector("zhipu", model="glm-4.6", temperature=0.5, api_key="k.s").to_payload()
    assert payload["model"] == payload["model_name"] == "glm-4.6"
    assert (payload["class_name"], payload["provider"], payload["temperature"]) == ("LlmConnector", "zhipu", 0.5)


def test_a_dict_gives_it_back_with_the_key_of_the_environment(wire_server: WireServer, monkeypatch: pytest.MonkeyPatch):
    llm = WIRES["deepseek"].llm(
        wire_server,
        temperature=0.5,
        timeout=Timeout(connect=1),
        reasoning="low",
        default_headers={"x-team": "blue", "x-key": "no"},
        additional_kwargs={"top_p": 1},
        system_prompt="Be brief.",
    )
    restored = LlmConnector.from_dict(json.loads(llm.to_json()))
    assert restored.to_dict() == llm.to_dict()
    assert (restored.timeout, restored.api_key) == (Timeout(connect=1), None)
    with pytest.raises(ConfigurationError, match="DEEPSEEK_API_KEY"):
        restored.complete("Hi")
    monkeypatch.setenv("DEEPSEEK_API_KEY", "from-the-environment")
    wire_server.script(completion("a"))
    assert restored.complete("Hi").text == "a"
    assert wire_server.requests[0].headers["authorization"] == "Bearer from-the-environment"
    assert LlmConnector.from_json(llm.to_json(), api_key="k").api_key is not None


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it)), lambda it: it.model_copy()]
)
def test_copies_and_pickles_work_with_the_same_settings(
    copied: Callable[[Any], Any], wire_server: WireServer, caplog: pytest.LogCaptureFixture
):
    wire_server.script(*[completion("a")] * 3)
    llm = WIRES["deepseek"].llm(wire_server, http_client=httpx.Client(), default_headers={"x-token": SECRET})
    assert llm.complete("Hi").text == "a"
    other = copied(llm)
    assert other.metadata == llm.metadata
    assert other.complete("Hi").text == "a"
    llm.close()
    assert other.complete("Hi").text == "a"
    assert [request.headers["x-token"] for request in wire_server.requests] == [SECRET] * 3
    assert llm.http_client is not None
    assert not caplog.records
    llm.http_client.close()
    other.close()


def test_settings_may_be_changed_later(wire_server: WireServer):
    llm = LlmConnector("deepseek", model="a", api_key="first", base_url=wire_server.url)
    wire_server.script(*[completion("a")] * 3)
    llm.complete("Hi")
    llm.api_key, llm.model = "second", "b"  # type: ignore[assignment]  # a plain string, as users write it
    llm.complete("Hi")
    llm.model_copy(update={"default_headers": {"x-team": "blue"}}).complete("Hi")
    assert [request.headers["authorization"] for request in wire_server.requests] == [
        "Bearer first",
        "Bearer second",
        "Bearer second",
    ]
    assert [request.json["model"] for request in wire_server.requests] == ["a", "b", "b"]
    assert wire_server.requests[2].headers["x-team"] == "blue"


def test_a_key_may_be_a_function(wire_server: WireServer):
    keys = iter(["one", "two"])
    llm = WIRES["deepseek"].llm(wire_server, api_key=lambda: next(keys))
    wire_server.script(completion("a"), completion("a"))
    llm.complete("Hi")
    llm.complete("Hi")
    assert [request.headers["authorization"] for request in wire_server.requests] == ["Bearer one", "Bearer two"]


@pytest.mark.anyio
async def test_clients_of_the_caller_are_used_and_left_open(wire_server: WireServer):
    wire_server.script(completion("a"), completion("a"))
    seen: list[str] = []

    async def note(request: httpx.Request) -> None:
        seen.append(f"async {request.url.path}")

    hooks: dict[str, Any] = {"request": [lambda request: seen.append(request.url.path)]}
    async with httpx.AsyncClient(event_hooks={"request": [note]}) as aclient:
        with httpx.Client(event_hooks=hooks) as client:
            llm = WIRES["deepseek"].llm(wire_server, http_client=client, async_http_client=aclient)
            llm.complete("Hi")
            await llm.acomplete("Hi")
            await llm.aclose()
            assert not client.is_closed
            assert not aclient.is_closed
    assert seen == ["/chat/completions", "async /chat/completions"] or seen == [
        "/v1/chat/completions",
        "async /v1/chat/completions",
    ]


def test_closing_releases_connections_and_the_next_call_opens_new_ones(wire_server: WireServer):
    llm = WIRES["deepseek"].llm(wire_server)
    wire_server.script(completion("a"), WIRES["deepseek"].stream(Turn(text="b")))
    llm.complete("Hi")
    llm.close()
    assert wire_server.wait_closed()
    assert [*llm.stream_complete("Hi")][-1].text == "b"
    llm.close()


def test_the_settings_of_llama_index_take_it():
    Settings.llm = llm = LlmConnector("local")
    Settings.embed_model = LlmConnectorEmbedding("local")
    assert Settings.llm is llm
    assert Settings.llm.callback_manager is Settings.callback_manager


def test_what_a_provider_does_not_have_is_said(wire_server: WireServer):
    with pytest.raises(UnsupportedError, match="rerank"):
        LlmConnectorRerank("deepseek", api_key="k").client.rerank("a", ["b"], model="m")
