"""The base of adapters: settings, secrets, copies, pickles and clients, under a framework that has its own say."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import httpx
import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError

from llm_connector import AsyncLlmClient, ConfigurationError, LlmClient, ProviderSpec, Timeout
from llm_connector.client.connected import Connected
from tests.support.answers import completion
from tests.support.wire_server import Answer, WireServer
from tests.test_imports import modules

SECRET = "sk-very-secret-0123456789"


class FrameworkBase(BaseModel):
    """What a framework brings: fields of its own, one that cannot be copied, a constructor, a pickle."""

    lock: Any = None
    tags: list[str] = Field(default_factory=list)

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.tags.append("made")

    def __getstate__(self) -> dict[Any, Any]:
        return {**super().__getstate__(), "by_the_framework": True}


class Asker(Connected, FrameworkBase, init=False):
    model: str | None = None

    spellings: ClassVar[Mapping[str, str]] = {"model_name": "model", "api_base": "base_url"}
    shared: ClassVar[tuple[str, ...]] = ("lock",)
    extra_field: ClassVar[str] = "extra_body"

    def ask(self) -> str:
        return self.client.chat("Hi").text


class Unlocked:
    """Holds what cannot be copied."""

    def __deepcopy__(self, memo: object) -> object:
        raise TypeError("cannot be copied")


def asker(server: WireServer, **settings: Any) -> Asker:
    server.route("/v1/chat/completions", Answer.json(completion(content="Hello")))
    given: dict[str, Any] = {"base_url": server.url, "model": "m", "max_retries": 0, **settings}
    return Asker("openai_compatible", **given)


def sealed(**settings: Any) -> Asker:
    return Asker(
        "azure_openai",
        base_url="https://name.openai.azure.com",
        azure_ad_token=SECRET,
        api_version="1",
        proxy=f"http://me:{SECRET}@127.0.0.1:9",
        default_headers={"Authorization": SECRET, "X-Team": "blue"},
        **settings,
    )


def test_it_asks_with_what_it_was_given(wire_server: WireServer):
    with asker(wire_server, api_key=SECRET, default_headers={"X-Token": "t"}) as made:
        assert made.ask() == "Hello"
    request = wire_server.requests[0]
    assert (request.headers["authorization"], request.headers["x-token"]) == (f"Bearer {SECRET}", "t")
    assert request.json["model"] == "m"


@pytest.mark.anyio
async def test_coroutines_have_a_client_of_their_own(wire_server: WireServer):
    async with asker(wire_server) as made:
        assert (await made.async_client.chat("Hi")).text == "Hello"
        assert made.async_client is made.async_client
        assert "client" not in vars(made)


def test_nothing_is_made_before_it_is_needed():
    made = Asker("openai", api_key="k", timeout=5, max_retries=None)
    assert not vars(made).keys() - Asker.model_fields.keys()
    assert isinstance(made.client, LlmClient)
    assert isinstance(made.async_client, AsyncLlmClient)
    assert made.client is made.client
    assert made.row.name == "openai"


def test_importing_it_loads_no_rows_and_no_network_library():
    loaded = modules("import llm_connector.client.connected")
    assert not {"httpx", "llm_connector.providers", "llm_connector.operations", "difflib"} & loaded
    assert "llm_connector.client.connected" not in modules("from llm_connector import LlmClient")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"modle": "m"}, "unknown argument 'modle'; did you mean 'model'?"),
        ({"api_bse": "x"}, "did you mean 'api_base'?"),
        ({"aws_profil": "x"}, "did you mean 'aws_profile'?"),
        ({"zzzzzzzz": 1}, "unknown argument 'zzzzzzzz'; the wire's own fields go into extra_body="),
        ({"model": "a", "model_name": "b"}, "'model' is given twice, once as 'model_name'"),
    ],
)
def test_an_argument_is_never_lost(settings: dict[str, Any], said: str):
    with pytest.raises(ConfigurationError) as caught:
        Asker("bedrock", **settings)
    assert said in str(caught.value)
    assert caught.value.provider == "bedrock"


def test_without_a_field_for_the_rest_the_credentials_are_named():
    with pytest.raises(ConfigurationError, match="credentials here: auth"):
        Connected("zhipu", zzzzzzzz=1)
    with pytest.raises(ConfigurationError, match="credentials here: none besides api_key"):
        Connected("openai", zzzzzzzz=1)
    with pytest.raises(ConfigurationError, match="unknown argument 'model'"):
        Connected("openai", model="m")


def test_an_unknown_provider_is_refused_with_a_hint():
    with pytest.raises(ConfigurationError, match="did you mean 'deepseek'"):
        Asker("deepsek")


def test_names_and_forms_that_are_taken():
    made = Asker(provider="azure_openai", model_name="m", api_base="https://a.example", api_version="1", tags=["mine"])
    assert (made.model, made.base_url, made.credentials) == ("m", "https://a.example", {"api_version": "1"})
    assert made.tags == ["mine", "made"]
    assert Asker("openai", model="m", model_name=None).model == "m"
    assert Asker("openai", model=None, api_key=None).model_fields_set <= {"provider", "credentials", "default_headers"}
    assert Asker("openai", default_headers=None, credentials=None).default_headers == {}
    assert Asker("bedrock", credentials={"aws_profile": "a"}, aws_session_token="b").credentials == {
        "aws_profile": "a",
        "aws_session_token": SecretStr("b"),
    }
    assert Asker("openai", timeout={"connect": 1, "total": 9}).timeout == Timeout(connect=1, total=9)


def test_a_class_may_read_further_forms():
    class Reader(Asker, init=False):
        @classmethod
        def read_arguments(cls, row: ProviderSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
            values = super().read_arguments(row, arguments)
            return {**values, "model": values.get("model") or row.name}

    assert Reader("zhipu").model == "zhipu"
    assert Reader.model_validate({"provider": "zhipu", "model_name": "m"}).model == "m"


def test_no_secret_is_shown():
    made = sealed()
    for some in (made, Asker("openai", api_key=SECRET)):
        assert isinstance(some.client, LlmClient)
        for shown in (repr(some), str(some), some.model_dump_json(), repr(some.model_dump()), repr(vars(some))):
            assert SECRET not in shown
    assert made.model_dump()["default_headers"] == {"X-Team": "blue"}
    assert made.model_dump()["credentials"] == {"api_version": "1"}
    assert "client" not in made.model_dump()


def test_each_secret_has_a_variable(monkeypatch: pytest.MonkeyPatch):
    address = f"https://x.example/v1?key={SECRET}"
    assert Asker("openai", base_url="https://x.example/v1").secret_variables == {"api_key": "OPENAI_API_KEY"}
    assert Asker("openai", base_url=address, default_headers={"X-Api-Key": SECRET, "X-Team": "b"}).secret_variables == {
        "api_key": "OPENAI_API_KEY",
        "base_url": "OPENAI_BASE_URL",
        "default_headers.X-Api-Key": "X_API_KEY",
    }
    assert sealed().secret_variables == {
        "api_key": "AZURE_OPENAI_API_KEY",
        "azure_ad_token": "AZURE_OPENAI_AD_TOKEN",
        "default_headers.Authorization": "AUTHORIZATION",
        "proxy": "HTTPS_PROXY",
    }
    first, second = Asker("zhipu").row.api_key_env[:2]
    assert Asker("zhipu").secret_variables["api_key"] == first
    monkeypatch.setenv(second, SECRET)
    assert Asker("zhipu").secret_variables["api_key"] == second


def test_a_wrong_setting_does_not_show_the_key():
    with pytest.raises(ValidationError, match="timeout") as caught:
        Asker("openai", api_key=SECRET, timeout=[SECRET])
    assert SECRET not in str(caught.value)


def test_a_dump_restores_all_that_is_no_secret():
    made = sealed(model="m", timeout=Timeout(connect=1), fetch_media=True)
    again = Asker.model_validate_json(made.model_dump_json())
    assert again.model_dump(exclude={"tags"}) == made.model_dump(exclude={"tags"})
    assert (again.api_key, again.proxy) == (None, None)


COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda made: made.model_copy(),
    lambda made: made.model_copy(deep=True),
    lambda made: pickle.loads(pickle.dumps(made)),
]


@pytest.mark.parametrize("copied", COPIES)
def test_copies_and_pickles_begin_without_clients(copied: Callable[[Any], Any], wire_server: WireServer):
    made = asker(wire_server, api_key=SECRET, default_headers={"X-Token": SECRET})
    assert made.ask() == "Hello"
    other = copied(made)
    assert "client" in vars(made)
    assert "client" not in vars(other)
    assert other == made
    assert other.ask() == "Hello"
    assert other == made
    made.close()
    assert other.ask() == "Hello"
    assert {request.headers["x-token"] for request in wire_server.requests} == {SECRET}
    other.close()


def test_a_deep_copy_shares_what_holds_locks_and_connections():
    with httpx.Client() as http_client:
        made = Asker("openai", api_key="k", lock=Unlocked(), http_client=http_client, tags=["a"])
        copied = copy.deepcopy(made)
        assert (copied.lock, copied.http_client) == (made.lock, http_client)
        assert copied.tags == made.tags
        assert copied.tags is not made.tags
        unpickled = pickle.loads(pickle.dumps(made.model_copy(update={"lock": None, "async_http_client": "aiohttp"})))
        assert unpickled.http_client is None
        assert unpickled.async_http_client == "aiohttp", "a name is no connection"
        assert made.http_client is http_client


def test_the_framework_has_its_say_in_a_pickle():
    assert Asker("openai", api_key="k").__getstate__()["by_the_framework"]


def test_a_setting_that_is_changed_is_used(wire_server: WireServer):
    made = asker(wire_server, api_key="first")
    made.ask()
    made.api_key, made.default_headers = SECRET, {"Authorization-2": SECRET}  # type: ignore[assignment]  # as written
    assert made.api_key == SecretStr(SECRET)
    assert SECRET not in repr(made)
    made.ask()
    made.model_copy(update={"model": "other", "default_headers": {"x-key": SECRET}}).ask()
    assert [request.headers["authorization"] for request in wire_server.requests] == [
        "Bearer first",
        f"Bearer {SECRET}",
        f"Bearer {SECRET}",
    ]
    assert wire_server.requests[2].json["model"] == "other"
    assert SECRET not in repr(made.model_copy(update={"default_headers": {"x-key": SECRET}}))


def test_a_key_may_be_a_function(wire_server: WireServer):
    keys = iter(["one", "two"])
    made = asker(wire_server, api_key=lambda: next(keys))
    made.ask()
    made.ask()
    assert [request.headers["authorization"] for request in wire_server.requests] == ["Bearer one", "Bearer two"]


@pytest.mark.anyio
async def test_closing_releases_connections_and_the_next_call_opens_new_ones(wire_server: WireServer):
    made = asker(wire_server)
    made.close()  # nothing was made
    made.ask()
    await made.async_client.chat("Hi")
    await made.aclose()
    assert wire_server.wait_closed()
    assert made.ask() == "Hello"
    made.close()


@pytest.mark.anyio
async def test_clients_of_the_caller_are_used_and_left_open(wire_server: WireServer):
    seen: list[str] = []
    hooks: dict[str, Any] = {"request": [lambda _request: seen.append("blocking")]}

    async def note(_request: httpx.Request) -> None:
        seen.append("awaited")

    async with httpx.AsyncClient(event_hooks={"request": [note]}) as async_client:
        with httpx.Client(event_hooks=hooks) as client:
            made = asker(wire_server, http_client=client, async_http_client=async_client)
            made.ask()
            await made.async_client.chat("Hi")
            await made.aclose()
            assert not client.is_closed
            assert not async_client.is_closed
    assert seen == ["blocking", "awaited"]


def test_options_of_a_call_come_from_several_layers():
    made = Asker("openai", api_key="k")
    own = {"model": "m", "temperature": 0, "top_p": None, "extra_body": {"a": 1, "b": 1}, "x": 1}
    assert made.call_options(own, {"model_name": "n", "temperature": None, "max_tokens": 5, "b": 2, "c": None}) == {
        "model": "n",
        "max_tokens": 5,
        "extra_body": {"x": 1, "a": 1, "b": 2},
    }
    assert made.call_options({"b": 2}, {"b": 3, "extra_body": {"b": None}}) == {"extra_body": {"b": None}}
    assert made.call_options({}, {"timeout": 3, "extra_headers": {"a": "b"}}) == {
        "timeout": 3,
        "extra_headers": {"a": "b"},
    }
    assert made.call_options() == {}
    with pytest.raises(ConfigurationError, match="'api_base' is a setting of the object, not of a call"):
        made.call_options({"api_base": "https://example.com"})


@pytest.mark.parametrize("address", [f"https://x.example/v1?a=1&Key={SECRET}", f"https://me:{SECRET}@x.example/v1"])
def test_an_address_that_holds_a_key_is_sealed(address: str):
    some = Asker("openai", api_key="k", base_url=address)
    for shown in (repr(some), some.model_dump_json(), repr(some.model_dump()), repr(vars(some))):
        assert SECRET not in shown
    assert some.client_settings()["base_url"] == address
    assert pickle.loads(pickle.dumps(some)).client_settings()["base_url"] == address
    assert Asker("openai", base_url="https://x.example/v1?api-version=2").model_dump()["base_url"].endswith("=2")
