"""Servers of Anthropic Messages besides Anthropic: addresses, keys and tokens."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from llm_connector import AsyncLlmClient, LlmClient, user
from llm_connector.errors import APIError, AuthenticationError, ConfigurationError, UnsupportedError
from tests.support.answers import anthropic_events, ask, sse, streamed, whole
from tests.support.wire_server import Answer, WireServer

KEY = "key-0123456789abcdef"
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


def request_of(client: LlmClient) -> Any:
    call = client._settings.call("Hi", {"model": "m"}, stream=False)
    return client._settings.endpoint.request(call.rendered.path, call.rendered.body, operation="chat")


def authorised(client: LlmClient) -> dict[str, str]:
    names = ("authorization", "x-api-key", "api-key")
    return {name: value for name, value in request_of(client).headers.items() if name in names}


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"resource": "my-resource"}, "https://my-resource.services.ai.azure.com/anthropic/v1/messages"),
        ({"base_url": "https://r.services.ai.azure.com"}, "https://r.services.ai.azure.com/anthropic/v1/messages"),
        (
            {"base_url": "https://r.services.ai.azure.com/anthropic/v1/messages"},
            "https://r.services.ai.azure.com/anthropic/v1/messages",
        ),
        ({"base_url": "https://apim.example/claude"}, "https://apim.example/claude/v1/messages"),
    ],
)
def test_foundry_is_found_by_resource_or_address(given, url):
    assert request_of(LlmClient("anthropic_azure", api_key=KEY, **given)).url == url


def test_foundry_is_found_in_the_environment(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_FOUNDRY_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_FOUNDRY_RESOURCE", "mine")

    assert request_of(LlmClient("anthropic_azure")).url.startswith("https://mine.services.ai.azure.com/anthropic/")
    assert authorised(LlmClient("anthropic_azure")) == {"x-api-key": KEY}
    monkeypatch.setenv("ANTHROPIC_FOUNDRY_BASE_URL", "https://gateway.example/anthropic")
    assert request_of(LlmClient("anthropic_azure")).url == "https://gateway.example/anthropic/v1/messages"
    assert request_of(LlmClient("anthropic_azure", base_url="https://h/x")).url == "https://h/x/v1/messages"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "base_url"),
        ({"resource": "https://mine.services.ai.azure.com"}, "the name alone"),
        ({"resource": "a.evil.example/"}, "the name alone"),
        ({"resource": "mine", "region": "eastus2"}, "no regions"),
    ],
)
def test_foundry_without_an_address_is_refused(given, said):
    with pytest.raises(ConfigurationError, match=said):
        LlmClient("anthropic_azure", api_key=KEY, **given)


def test_a_token_takes_the_place_of_the_key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_FOUNDRY_API_KEY", KEY)

    client = LlmClient("anthropic_azure", resource="mine", azure_ad_token="token-0123456789")

    assert authorised(client) == {"authorization": "Bearer token-0123456789"}
    assert client._settings.endpoint.redact("token-0123456789") == "[secret]"


def test_a_key_beside_a_token_is_refused():
    client = LlmClient("anthropic_azure", resource="mine", api_key=KEY, azure_ad_token="token-0123456789")

    with pytest.raises(ConfigurationError, match="both given") as raised:
        client.chat("Hi", model="m")
    assert KEY not in str(raised.value)


TOKEN = "token-0123456789"


class TestTokensOfGateways:
    """`ANTHROPIC_AUTH_TOKEN` is what gateways give out: https://code.claude.com/docs/en/llm-gateway."""

    def test_a_token_is_a_bearer(self, monkeypatch):
        assert authorised(LlmClient("anthropic", auth_token=TOKEN)) == {"authorization": f"Bearer {TOKEN}"}
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", f" {TOKEN} ")
        assert authorised(LlmClient("anthropic")) == {"authorization": f"Bearer {TOKEN}"}

    def test_a_key_goes_before_the_token_of_the_environment(self, monkeypatch):
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", TOKEN)
        assert authorised(LlmClient("anthropic", api_key=KEY)) == {"x-api-key": KEY}
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        assert authorised(LlmClient("anthropic")) == {"x-api-key": KEY}
        assert authorised(LlmClient("anthropic", auth_token="given-0123456789")) == {
            "authorization": "Bearer given-0123456789"
        }

    def test_a_copy_may_have_a_key(self):
        client = LlmClient("anthropic", auth_token=TOKEN).with_options(api_key=KEY)
        assert authorised(client) == {"x-api-key": KEY}

    def test_mistakes_are_named(self):
        with pytest.raises(ConfigurationError, match="both given") as both:
            LlmClient("anthropic", api_key=KEY, auth_token=TOKEN)
        assert TOKEN not in str(both.value)
        with pytest.raises(ConfigurationError, match="no regions"):
            LlmClient("anthropic", api_key=KEY, region="eu")
        with pytest.raises(ConfigurationError, match="set ANTHROPIC_API_KEY"):
            LlmClient("anthropic")
        with pytest.raises(ConfigurationError, match="is a int, not a string"):
            authorised(LlmClient("anthropic", auth_token=7))

    def test_a_function_gives_fresh_tokens_and_an_echo_is_hidden(self, wire_server: WireServer):
        wire_server.script(Answer.json(MESSAGE), Answer.json({"error": {"message": f"Bad {TOKEN}2"}}, 401))
        tokens = iter([f"{TOKEN}1", f"{TOKEN}2"])
        with LlmClient("anthropic", base_url=wire_server.url, auth_token=lambda: next(tokens), model="m") as client:
            client.chat("Hi")
            with pytest.raises(AuthenticationError) as failure:
                client.chat("Hi")
        seen = [request.headers["authorization"] for request in wire_server.requests]
        assert seen == [f"Bearer {TOKEN}1", f"Bearer {TOKEN}2"]
        assert TOKEN not in str(failure.value) + str(failure.value.body)


def test_tokens_are_asked_for_before_each_request(wire_server: WireServer):
    wire_server.route("/anthropic/v1/messages", Answer.json(MESSAGE))
    tokens = iter(["first-token", "second-token"])

    with LlmClient(
        "anthropic_azure", base_url=wire_server.url, azure_ad_token=lambda: next(tokens), model="m"
    ) as client:
        assert client.chat("Hi").text == client.chat("Hi").text == "Hi"

    seen = [request.headers["authorization"] for request in wire_server.requests]
    assert seen == ["Bearer first-token", "Bearer second-token"]
    assert all("x-api-key" not in request.headers for request in wire_server.requests)
    assert wire_server.requests[0].headers["anthropic-version"] == "2023-06-01"


def test_RS_16_a_conversation_goes_on_with_another_model(wire_server: WireServer):
    thought = {"type": "thinking", "thinking": "", "signature": "bound-to-its-model"}
    first = {**MESSAGE, "content": [thought, *MESSAGE["content"]]}
    message = "messages.1.content.0: Invalid `signature` in `thinking` block"
    refused = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    wire_server.script(Answer.json(first), Answer.json(refused, 400), Answer.json(MESSAGE), Answer.json(MESSAGE))

    with LlmClient("anthropic", base_url=wire_server.url, api_key=KEY) as client:
        turns = [user("?"), client.chat("?", model="claude-opus-5").message, user("!")]
        other = client.chat(turns, model="claude-sonnet-5-5")
        client.chat(turns, model="claude-opus-5")

    bodies = [request.body for request in wire_server.requests]
    assert [b"bound-to-its-model" in body for body in bodies] == [False, True, False, True]
    assert [(note.action, note.subject) for note in other.adaptations] == [
        ("learned", "server"),
        ("dropped", "reasoning"),
    ]


@pytest.mark.anyio
async def test_tokens_may_be_awaited(wire_server: WireServer):
    wire_server.route("/anthropic/v1/messages", Answer.json(MESSAGE))

    async def token() -> str:
        return "awaited-token"

    async with AsyncLlmClient("anthropic_azure", base_url=wire_server.url, azure_ad_token=token, model="m") as client:
        assert (await client.chat("Hi")).text == "Hi"

    assert wire_server.requests[0].headers["authorization"] == "Bearer awaited-token"


def test_foundry_is_asked_as_the_official_client_asks(wire_server: WireServer):
    official: Any = importlib.import_module("anthropic").AnthropicFoundry
    wire_server.route("/anthropic/v1/messages", Answer.json(MESSAGE))
    messages: Any = [{"role": "user", "content": "Hi"}]

    with official(api_key=KEY, base_url=f"{wire_server.url}/anthropic/") as theirs:
        theirs.messages.create(model="claude-opus-5-5", max_tokens=99, messages=messages)
    with LlmClient("anthropic_azure", api_key=KEY, base_url=wire_server.url) as ours:
        ours.chat(messages, model="claude-opus-5-5", max_tokens=99)

    first, second = wire_server.requests
    assert (first.method, first.path, first.json) == (second.method, second.path, second.json)
    assert first.headers["x-api-key"] == second.headers["x-api-key"] == KEY


def test_foundry_has_no_list_of_models():
    with pytest.raises(UnsupportedError, match="models"):
        LlmClient("anthropic_azure", resource="mine", api_key=KEY).models()


@pytest.mark.parametrize(
    ("row", "variable", "url", "header"),
    [
        (
            "deepseek_anthropic",
            "DEEPSEEK_API_KEY",
            "https://api.deepseek.com/anthropic/v1/messages",
            {"x-api-key": KEY},
        ),
        (
            "longcat_anthropic",
            "LONGCAT_API_KEY",
            "https://api.longcat.chat/anthropic/v1/messages",
            {"authorization": f"Bearer {KEY}"},
        ),
    ],
)
def test_imitators_have_addresses_and_keys(row, variable, url, header, monkeypatch):
    monkeypatch.setenv(variable, KEY)
    client = LlmClient(row)

    assert request_of(client).url == url
    assert authorised(client) == header


def test_an_error_without_the_outer_type_is_read():
    body = {"error": {"message": "bad key", "type": "authentication_error", "code": "invalid_api_key"}}

    with pytest.raises(AuthenticationError) as raised:
        whole(body, ask(provider="longcat_anthropic"), status=401)

    assert raised.value.code == "invalid_api_key"
    reading = streamed(sse(body), ask(provider="longcat_anthropic", stream=True))
    assert isinstance(reading.error, APIError)
    assert "bad key" in str(reading.error)


def test_unsigned_thoughts_are_read_from_streams():
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}
    more = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}}
    events = anthropic_events(start, more, {"type": "content_block_stop", "index": 0})

    assert streamed(events, ask(provider="deepseek_anthropic", stream=True)).answer.reasoning == "Hm."
