"""UR: addresses, redirects, authorisation and proxies."""

from __future__ import annotations

import contextlib

import pytest

from llm_connector.errors import APIError, ConfigurationError
from llm_connector.operations import chat
from llm_connector.providers import Endpoint, find
from llm_connector.providers.spec import joined_base
from llm_connector.transport.pools import pool_key
from llm_connector.transport.settings import Deadline, http_request
from llm_connector.wire import HttpRequest, HttpResponse, Send, Timeout
from tests.support.answers import KEY, NO_RETRY, ask, completion, finished, json_answer

CHAT = "chat/completions"


def chat_url(base_url: str, provider: str = "openai_compatible") -> str:
    """Where a chat request goes for a base URL as the caller wrote it."""
    spec = find(provider)
    endpoint = Endpoint(spec, joined_base(base_url, spec.protocol, provider), KEY)
    return endpoint.request(spec.protocol.chat_path("m", stream=False), {}).url


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://h", "https://h/v1/chat/completions"),
        ("https://h/v1", "https://h/v1/chat/completions"),
        ("https://h/v1beta/openai/", "https://h/v1beta/openai/chat/completions"),
        ("https://h/api/v3", "https://h/api/v3/chat/completions"),
        ("https://h/api/paas/v4", "https://h/api/paas/v4/chat/completions"),
        ("https://h/compatible-mode/v1", "https://h/compatible-mode/v1/chat/completions"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/chat/completions"),
    ],
)
def test_UR_01_v1_is_added_only_where_there_is_no_path(given, url):
    assert chat_url(given) == url


def test_UR_01_a_404_shows_the_address():
    rendered = ask()

    with pytest.raises(APIError, match=r"http://127\.0\.0\.1:1/v1") as raised:
        finished(chat(rendered, NO_RETRY), json_answer("404 page not found", 404))

    assert "base_url" in str(raised.value)


@pytest.mark.parametrize("slashes", ["", "/", "//"])
@pytest.mark.parametrize("query", ["", "?api-version=1&x=2"])
def test_UR_02_trailing_slashes_go_and_the_query_stays(slashes, query):
    assert chat_url(f"https://h/v1{slashes}{query}") == f"https://h/v1/chat/completions{query}"


@pytest.mark.parametrize(
    ("provider", "given", "url"),
    [
        ("openai_compatible", "https://h/v1/chat/completions", "https://h/v1/chat/completions"),
        ("openai_compatible", "https://h/v1/chat/completions/", "https://h/v1/chat/completions"),
        ("openai_compatible", "https://h/v1/embeddings", "https://h/v1/chat/completions"),
        ("openai_compatible", "https://h/v1/models", "https://h/v1/chat/completions"),
        ("anthropic", "https://h/v1/messages", "https://h/v1/messages"),
        ("anthropic", "https://h/v1", "https://h/v1/messages"),
        ("anthropic", "https://h", "https://h/v1/messages"),
        ("anthropic", "https://h/proxy/anthropic/", "https://h/proxy/anthropic/v1/messages"),
        ("ollama", "http://h:11434/api/chat", "http://h:11434/api/chat"),
        ("ollama", "http://h:11434", "http://h:11434/api/chat"),
    ],
)
def test_UR_03_a_pasted_endpoint_is_recognised(provider, given, url):
    assert chat_url(given, provider) == url


def test_UR_04_model_names_with_slashes_and_colons_stay_in_the_body():
    for model in ("org/model:free", "arn:aws:bedrock:us-east-1:123:application-inference-profile/abc", "m@2024"):
        rendered = ask(model=model)
        assert rendered.body["model"] == model
        assert rendered.path == CHAT


def redirected(status: int, location: str) -> tuple[HttpRequest, object]:
    """The first request, and what the operation does about a redirect."""
    steps = chat(ask(), NO_RETRY)
    first = next(steps)
    assert isinstance(first, Send)
    try:
        return first.request, steps.send(HttpResponse(status, {"location": location}, b"moved"))
    except APIError as error:
        return first.request, error


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("location", ["/v2/chat/completions", "http://127.0.0.1:1/v2/chat/completions"])
def test_UR_06_a_redirect_on_the_same_origin_repeats_the_request(status, location):
    first, second = redirected(status, location)

    assert isinstance(second, Send)
    assert second.request.url == "http://127.0.0.1:1/v2/chat/completions"
    assert (second.request.method, second.request.content) == ("POST", first.content)
    assert second.request.headers == first.headers


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (301, "/v2/chat/completions"),
        (302, "http://127.0.0.1:1/v2"),
        (303, "/v2"),
        (307, "http://127.0.0.2:1/v1/chat/completions"),
        (308, "https://127.0.0.1:1/v1/chat/completions"),
        (308, "http://127.0.0.1:2/v1/chat/completions"),
        (307, "//evil.example/v1"),
    ],
)
def test_UR_06_any_other_redirect_is_an_error_that_names_the_target(status, location):
    _, error = redirected(status, location)

    assert isinstance(error, APIError)
    assert (error.status, error.retryable) == (status, False)
    assert f"redirects to {location}" in str(error)
    assert "base_url" in str(error)
    assert KEY not in str(error)


def test_UR_06_redirects_without_end_are_an_error():
    steps = chat(ask(), NO_RETRY)
    step = next(steps)
    sent = 0

    with contextlib.suppress(APIError):
        while isinstance(step, Send) and sent < 20:
            sent += 1
            step = steps.send(HttpResponse(307, {"location": "/again"}, b""))

    assert 1 < sent < 20


@pytest.mark.parametrize(("stream", "encoding"), [(True, "identity"), (False, "gzip, deflate")])
def test_UR_07_streams_are_asked_for_uncompressed(stream, encoding):
    request = HttpRequest("POST", "http://127.0.0.1:1/v1", {}, b"{}")

    sent = http_request(request, Timeout(), Deadline(Timeout()), stream=stream)

    assert sent.headers["accept-encoding"] == encoding


@pytest.mark.parametrize(
    ("provider", "header", "value"),
    [
        ("openai", "authorization", f"Bearer {KEY}"),
        ("openai_compatible", "authorization", f"Bearer {KEY}"),
        ("deepseek", "authorization", f"Bearer {KEY}"),
        ("ollama", "authorization", f"Bearer {KEY}"),
        ("anthropic", "x-api-key", KEY),
    ],
)
def test_UR_08_exactly_one_header_authorises(provider, header, value):
    names = {"authorization", "x-api-key", "api-key", "x-goog-api-key"}
    endpoint = Endpoint(find(provider), "https://h", KEY, {header: "the caller's own"})

    headers = endpoint.request("chat", {}).headers

    assert {name: headers[name] for name in names & set(headers)} == {header: value}
    assert ("anthropic-version" in headers) == (provider == "anthropic")


def test_UR_08_no_key_is_no_header():
    assert "authorization" not in Endpoint(find("openai_compatible"), "https://h").request("chat", {}).headers


@pytest.mark.parametrize(
    ("given", "used"),
    [("socks://p:1", "socks5://p:1"), ("socks5h://p:1", "socks5h://p:1"), ("p:1", "http://p:1"), ("", "")],
)
def test_UR_09_spellings_of_a_proxy(given, used):
    assert pool_key("https://h/v1", given, "openai") == ("https", used)


def test_UR_09_a_proxy_that_cannot_be_used_is_named():
    with pytest.raises(ConfigurationError, match="ftp"):
        pool_key("https://h/v1", "ftp://p:1", "openai")


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("https://api.example/v1", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://api.example/v1", {"https_proxy": "http://p:1"}, "http://p:1"),
        ("https://api.example/v1", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ("http://api.example/v1", {"HTTPS_PROXY": "http://p:1"}, ""),
        ("https://api.example/v1", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example"}, ""),
        ("https://api.example/v1", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example"}, ""),
        ("http://localhost:1/v1", {"HTTP_PROXY": "http://p:1"}, ""),
        ("http://127.0.0.1:1/v1", {"ALL_PROXY": "socks5://p:1"}, ""),
        ("http://[::1]:1/v1", {"ALL_PROXY": "socks5://p:1"}, ""),
        ("https://api.example/v1", {}, ""),
    ],
)
def test_UR_10_the_environment_counts_but_never_for_this_machine(url, environment, proxy, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert pool_key(url, None, "openai")[1] == proxy
    assert pool_key(url, "", "openai")[1] == "", "one switch turns it off"


def test_a_whole_answer_ends_the_operation():
    steps = chat(ask(), NO_RETRY)
    assert isinstance(next(steps), Send)
    with pytest.raises(StopIteration):
        steps.send(json_answer(completion(content="Hi")))
