"""Who may use a gateway."""

from __future__ import annotations

import hmac

import httpx
import pytest

from llm_connector.errors import AuthenticationError, PermissionDeniedError
from llm_connector.server import GatewayConfig, Upstream
from llm_connector.server.config import single
from llm_connector.server.guard import Guard
from tests.support.gateway import gateway

MODELS = single(Upstream("local"))
KEYED = Guard(GatewayConfig(MODELS, api_keys=("sk-one", "sk-two")))
PLAIN = Guard(GatewayConfig(MODELS))


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer sk-one"},
        {"authorization": "bearer  sk-two"},
        {"x-api-key": "sk-two"},
        {"api-key": "sk-one"},
    ],
)
def test_a_key_may_come_in_any_of_the_usual_headers(headers):
    KEYED.check_key(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer sk-thre"},
        {"authorization": "Basic sk-one"},
        {"x-api-key": "sk-on"},
        {"x-api-key": "sk-one,"},
        {"x-api-key": "\xff"},
    ],
)
def test_no_other_key_is_taken(headers):
    with pytest.raises(AuthenticationError) as caught:
        KEYED.check_key(headers)
    assert caught.value.status == 401
    assert "sk-" not in str(caught.value)


def test_all_keys_are_compared_in_constant_time(monkeypatch):
    compared = []

    def compare(given, key):
        compared.append((given, key))
        return given == key

    monkeypatch.setattr(hmac, "compare_digest", compare)

    KEYED.check_key({"x-api-key": "sk-one"})

    assert compared == [(b"sk-one", b"sk-one"), (b"sk-one", b"sk-two")]


def test_without_keys_none_is_asked_for():
    PLAIN.check_key({})


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8642", "box.localhost", "LOCALHOST"])
def test_this_machine_may_be_called_by_its_own_names(host):
    PLAIN.check_address({"host": host})


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "", "10.0.0.1"])
def test_another_name_that_resolves_to_loopback_is_refused(host):
    with pytest.raises(PermissionDeniedError, match="allowed_hosts"):
        PLAIN.check_address({"host": host})
    Guard(GatewayConfig(MODELS, host="0.0.0.0", api_keys=("k",))).check_address({"host": host})


def test_a_name_can_be_allowed():
    Guard(GatewayConfig(MODELS, allowed_hosts=("Box.lan",))).check_address({"host": "box.LAN:8642"})


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "file://", "http://["])
def test_pages_of_others_may_not_ask(origin):
    with pytest.raises(PermissionDeniedError, match="--cors-origin"):
        PLAIN.check_address({"host": "127.0.0.1:8642", "origin": origin})


def test_its_own_page_and_allowed_ones_may():
    PLAIN.check_address({"host": "127.0.0.1:8642", "origin": "http://127.0.0.1:8642"})
    allowing = Guard(GatewayConfig(MODELS, cors_origins=("https://chat.example/", "app://obsidian.md")))
    for origin in ("https://chat.example", "app://obsidian.md"):
        allowing.check_address({"host": "localhost", "origin": origin})
    with pytest.raises(PermissionDeniedError):
        allowing.check_address({"host": "localhost", "origin": "https://chat.example.evil"})
    Guard(GatewayConfig(MODELS, cors_origins=("*",))).check_address({"host": "localhost", "origin": "https://any"})


def test_over_http_keys_are_asked_for_in_the_dialect_of_the_client():
    with gateway(provider="local", api_keys=("sk-one",)) as running, httpx.Client(base_url=running.url) as client:
        openai = client.get("/v1/models")
        assert (openai.status_code, openai.json()["error"]["code"]) == (401, "invalid_api_key")
        assert openai.headers["www-authenticate"] == "Bearer"
        anthropic = client.post("/v1/messages", json={})
        assert (anthropic.status_code, anthropic.json()["error"]["type"]) == (401, "authentication_error")
        ollama = client.post("/api/chat", json={}, headers={"x-api-key": "sk-wrong"})
        assert ollama.status_code == 401
        assert ollama.json()["error"].startswith("the API key is not one of this gateway's")
        assert client.get("/v1/models", headers={"authorization": "Bearer sk-one"}).status_code == 200
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/", headers={"accept": "text/html"}).status_code == 200


def test_over_http_cors_is_off_unless_asked_for():
    origin = {"origin": "https://chat.example"}
    asks = {**origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    with gateway(provider="local") as running:
        refused = httpx.options(f"{running.url}/v1/chat/completions", headers=asks)
        assert refused.status_code == 403
        assert not [name for name in refused.headers if name.startswith("access-control")]
    with gateway(provider="local", cors_origins=("https://chat.example",), api_keys=("k",)) as running:
        allowed = httpx.options(f"{running.url}/v1/chat/completions", headers=asks)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == "https://chat.example"
        assert "POST" in allowed.headers["access-control-allow-methods"]
        assert "authorization" in allowed.headers["access-control-allow-headers"]
        answer = httpx.get(f"{running.url}/v1/models", headers=origin)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, "https://chat.example")
        assert answer.headers["vary"] == "Origin"
        assert httpx.get(f"{running.url}/v1/models", headers={"origin": "https://evil.example"}).status_code == 403
