"""Settings of a client: checked when it is made, before any I/O."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from llm_connector import (
    AsyncLlmClient,
    ChatRequest,
    ConfigurationError,
    LlmClient,
    ProviderSpec,
    Timeout,
    UnsupportedError,
    register_provider,
    supported_providers,
)
from llm_connector.errors import StreamError
from llm_connector.operations import render
from llm_connector.protocols import ChatCompletions
from llm_connector.providers import PROVIDERS
from tests.test_providers import NEEDED

KEY = "sk-planted-0123456789abcdef"
SPEC = ProviderSpec(
    name="acme",
    protocol=ChatCompletions(),
    base_url={"near": "https://near.acme.test/v1", "far": "https://far.acme.test/v1"},
    api_key_env=("ACME_API_KEY", "ACME_TOKEN_API_KEY"),
    base_url_env=("ACME_BASE_URL",),
    credentials=("workspace",),
)


@pytest.fixture(params=[LlmClient, AsyncLlmClient], ids=["sync", "async"], autouse=True)
def make(request: pytest.FixtureRequest) -> type[Any]:
    """The class of client; all of this is the same for both."""
    kind: type[Any] = request.param
    return kind


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("settings are checked without a connection")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def registered() -> Iterator[None]:
    yield
    PROVIDERS.remove("acme")


def sent_to(client: Any, model: str = "m") -> str:
    """The URL of a chat request."""
    rendered = client._settings.call("Hi", {"model": model}, stream=False).rendered
    url: str = rendered.endpoint.request(rendered.path, rendered.body).url
    return url


def headers_of(client: Any, **options: Any) -> dict[str, str]:
    rendered = client._settings.call("Hi", {"model": "m", **options}, stream=False).rendered
    request = rendered.endpoint.request(rendered.path, rendered.body, headers=rendered.request.extra_headers or {})
    return dict(request.headers)


def refused(make: type[Any], *arguments: Any, **settings: Any) -> str:
    """The text of the error that these settings are."""
    with pytest.raises(ConfigurationError) as failed:
        make(*arguments, **settings)
    assert "planted" not in str(failed.value)
    assert isinstance(failed.value, ValueError)
    return str(failed.value)


# providers


def test_every_provider_of_the_table_can_be_made(make):
    for name in supported_providers():
        client = make(name, api_key=KEY, base_url="http://127.0.0.1:1", **NEEDED.get(name, {}))
        assert client.provider == name
        assert make.supported_providers() == supported_providers()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("openia", "'openai'"),
        ("OpenAI", "'openai'"),
        ("openai-compatible", "'openai_compatible'"),
        ("deepseak", "'deepseek'"),
        ("Ollama", "'ollama'"),
        ("claude", "openai_compatible"),
        ("", "openai_compatible"),
        ("zzz", "openai_compatible"),
    ],
)
def test_an_unknown_provider_names_the_near_matches(name, near, make):
    message = refused(make, name)

    assert f"unknown provider {name!r}" in message
    assert near in message


@pytest.mark.parametrize("value", [None, 5, ["openai"], ChatCompletions()])
def test_a_provider_is_a_name_or_a_row(value, make):
    assert "give a name or a ProviderSpec" in refused(make, value)


def test_a_row_of_the_caller_needs_no_registration(make):
    assert make(SPEC, api_key=KEY).provider == "acme"


def test_a_registered_row_has_a_name(make, registered):
    register_provider(SPEC)

    assert sent_to(make("acme", api_key=KEY)) == "https://near.acme.test/v1/chat/completions"
    assert "acme" in supported_providers()
    with pytest.raises(ConfigurationError, match="'acme' exists; pass replace=True"):
        register_provider(SPEC)
    register_provider(SPEC, replace=True)


# addresses


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://h", "http://h/v1/chat/completions"),
        ("http://h/", "http://h/v1/chat/completions"),
        ("http://h/v1", "http://h/v1/chat/completions"),
        ("http://h/v1///", "http://h/v1/chat/completions"),
        ("http://h/v1/chat/completions", "http://h/v1/chat/completions"),
        ("http://h/v1/chat/completions/", "http://h/v1/chat/completions"),
        ("http://h/chat/completions", "http://h/v1/chat/completions"),
        ("http://h/api/v3", "http://h/api/v3/chat/completions"),
        ("http://h/v1?api-version=1&x=%2F", "http://h/v1/chat/completions?api-version=1&x=%2F"),
        ("http://h?x=1", "http://h/v1/chat/completions?x=1"),
        ("  http://h/v1\n", "http://h/v1/chat/completions"),
        ("HTTP://H/v1", "http://H/v1/chat/completions"),
        ("http://h:8000", "http://h:8000/v1/chat/completions"),
        ("http://[::1]:8000", "http://[::1]:8000/v1/chat/completions"),
        ("http://[2001:db8::1]/v1", "http://[2001:db8::1]/v1/chat/completions"),
        ("http://127.0.0.1:8000/v1#fragment", "http://127.0.0.1:8000/v1/chat/completions"),
        ("https://münchen.test/v1", "https://münchen.test/v1/chat/completions"),
        ("http://h/a%20b/v1", "http://h/a%20b/v1/chat/completions"),
    ],
)
def test_an_address_may_be_written_in_many_ways(given, url, make):
    assert sent_to(make("openai_compatible", base_url=given)) == url
    assert sent_to(make("openai_compatible", base_url="http://other").with_options(base_url=given)) == url


@pytest.mark.parametrize(
    "given",
    [
        "localhost:8000",
        "api.example.test/v1",
        "//h/v1",
        "ftp://h/v1",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://",
        "http:///v1",
        "http://:8000",
        "http://[::1",
        "http://h:99999",
        "http://h:eighty",
        "h",
        "http://user:planted@h/v1",
        "http://planted@h/v1",
        "user:planted@h:8000/v1",
        b"http://h",
        7,
    ],
)
def test_what_is_no_address_is_refused_at_once_and_shows_no_password(given, make):
    message = refused(make, "openai_compatible", base_url=given)
    assert "base_url" in message
    assert message.startswith("openai_compatible: ")

    with pytest.raises(ConfigurationError, match="base_url"):
        make("openai_compatible", base_url="http://h").with_options(base_url=given)


def test_an_address_is_needed_where_the_row_has_none(make):
    assert "no base_url: pass base_url=, for example 'http://127.0.0.1:8000/v1'" in refused(make, "openai_compatible")


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "https://near.acme.test/v1"),
        ({"region": "near"}, "https://near.acme.test/v1"),
        ({"region": "far"}, "https://far.acme.test/v1"),
        ({"region": "far", "base_url": "http://mine/v2"}, "http://mine/v2"),
        ({"base_url": "http://mine"}, "http://mine/v1"),
    ],
)
def test_the_first_region_is_the_default_and_a_base_url_wins(settings, url, make):
    assert sent_to(make(SPEC, api_key=KEY, **settings)) == f"{url}/chat/completions"


def test_an_unknown_region_names_those_there_are(make):
    assert "unknown region 'middle'; it is one of 'near', 'far'" in refused(make, SPEC, api_key=KEY, region="middle")


def test_a_row_without_regions_takes_none(make):
    assert "there are no regions here" in refused(make, "openai", api_key=KEY, region="eu")


def test_the_address_may_come_from_the_environment(make, monkeypatch):
    monkeypatch.setenv("ACME_BASE_URL", " http://from.env:9 ")

    assert sent_to(make(SPEC, api_key=KEY)) == "http://from.env:9/v1/chat/completions"
    assert sent_to(make(SPEC, api_key=KEY, base_url="http://given")) == "http://given/v1/chat/completions"
    assert sent_to(make(SPEC, api_key=KEY, region="far")) == "https://far.acme.test/v1/chat/completions"
    monkeypatch.setenv("ACME_BASE_URL", "")
    assert sent_to(make(SPEC, api_key=KEY)) == "https://near.acme.test/v1/chat/completions"


def test_an_ollama_host_is_read_as_ollama_reads_it(make, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0")

    assert sent_to(make("ollama")) == "http://127.0.0.1:11434/api/chat"


@pytest.mark.parametrize(
    "model", ["a/b", "a:b", "a/b:free", "hf.co/org/model:Q4_K_M", "arn:aws:bedrock:x/y", "../x", "a?b#c"]
)
def test_the_name_of_a_model_stays_out_of_the_path_where_the_wire_says_so(model, make):
    client = make("openai_compatible", base_url="http://h")

    assert sent_to(client, model) == "http://h/v1/chat/completions"
    assert client._settings.call("Hi", {"model": model}, stream=False).rendered.body["model"] == model


# keys


def test_a_missing_key_names_the_provider_the_variable_and_the_argument(make):
    assert refused(make, "openai") == "openai: no API key: set OPENAI_API_KEY, or pass api_key="
    assert "set ACME_API_KEY or ACME_TOKEN_API_KEY" in refused(make, SPEC)


@pytest.mark.parametrize("name", ["openai_compatible", "ollama", "local"])
def test_some_rows_need_no_key(name, make):
    assert "authorization" not in headers_of(make(name, base_url="http://127.0.0.1:1"))


@pytest.mark.parametrize("key", [KEY, f" {KEY} ", f"{KEY}\n", f"{KEY}\r\n", f"\t{KEY}"])
def test_white_space_around_a_key_is_taken_off_wherever_it_comes_from(key, make, monkeypatch):
    assert headers_of(make("openai", api_key=key))["authorization"] == f"Bearer {KEY}"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert headers_of(make("openai"))["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "key",
    [
        "planted key",
        "planted\nkey",
        "planted\r\nx-evil: 1",
        "planted\x7f",
        "plantedключ",
        "planted\u2011",
        "",
        "  ",
        5,
        b"planted",
    ],
)
def test_a_key_that_cannot_be_sent_is_refused_and_never_shown(key, make, monkeypatch):
    assert "the API key" in refused(make, "openai", api_key=key)
    with pytest.raises(ConfigurationError) as failed:
        make("openai", api_key=KEY).with_options(api_key=key)
    assert "planted" not in str(failed.value)

    if isinstance(key, str) and key.strip():
        monkeypatch.setenv("OPENAI_API_KEY", key)
        assert "the API key" in refused(make, "openai")


def test_the_first_variable_that_is_set_gives_the_key(make, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN_API_KEY", "sk-second-0123456789")
    assert headers_of(make(SPEC))["authorization"] == "Bearer sk-second-0123456789"
    monkeypatch.setenv("ACME_API_KEY", "  ")
    assert headers_of(make(SPEC))["authorization"] == "Bearer sk-second-0123456789"
    monkeypatch.setenv("ACME_API_KEY", "sk-first-0123456789")
    assert headers_of(make(SPEC))["authorization"] == "Bearer sk-first-0123456789"
    assert headers_of(make(SPEC, api_key=KEY))["authorization"] == f"Bearer {KEY}"


def test_a_function_that_gives_the_key_is_not_called_when_the_client_is_made(make):
    def key() -> str:
        raise AssertionError("asked too early")

    make("openai", api_key=key)


@pytest.mark.parametrize("name", ["api_base", "token", "workspace", "aws_profile"])
def test_an_unknown_argument_is_refused(name, make):
    message = refused(make, "openai", api_key=KEY, **{name: KEY})

    assert f"unknown argument {name!r}" in message
    assert "none besides api_key" in message


def test_a_client_shows_the_row_that_was_fitted_to_it(make):
    fitted = replace(SPEC, default_model="of-far")
    client = make(replace(SPEC, configure=lambda row, region, known: fitted), api_key=KEY, region="far")

    assert (client.spec, client.provider, client.model) == (fitted, "acme", "of-far")
    assert client.with_options(model="other").spec is fitted


def test_a_credential_that_the_row_names_is_kept(make):
    assert make(SPEC, api_key=KEY, workspace="w1")._settings.endpoint.credentials == {"workspace": "w1"}
    assert "credentials here: workspace" in refused(make, SPEC, api_key=KEY, project="p")


# headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nx-evil: 1"),
        ("x", "a\n"),
        ("x", "\x00"),
        ("x", "planted\x7f"),
        ("x", "é"),
        ("x", "\u2028"),
        ("x", 1),
        ("x", None),
        ("x\r\nx-evil", "1"),
        ("x y", "1"),
        ("x:", "1"),
        ("", "1"),
        ("é", "1"),
        (1, "1"),
        ("content-length", "0"),
        ("Content-Length", "0"),
        ("transfer-encoding", "chunked"),
        ("accept-encoding", "br"),
    ],
)
def test_a_header_that_would_break_the_request_is_refused_everywhere(name, value, make):
    refused(make, "openai", api_key=KEY, headers={name: value})
    client = make("openai", api_key=KEY, model="m")
    with pytest.raises(ConfigurationError):
        client.with_options(headers={name: value})
    with pytest.raises(ConfigurationError):
        client.stream("Hi", extra_headers={name: value})


def test_headers_of_the_call_win_over_the_clients_which_win_over_ours(make):
    client = make("openai", api_key=KEY, headers={"User-Agent": "mine", "X-One": "1", "X-Two": " 1 "})

    found = headers_of(client.with_options(headers={"x-one": "2"}), extra_headers={"X-TWO": "3"})

    assert (found["user-agent"], found["x-one"], found["x-two"]) == ("mine", "2", "3")
    assert all(name == name.lower() for name in found)


def test_headers_in_a_chat_request_are_checked_and_kept(make):
    client = make("openai", api_key=KEY, model="m")
    good = ChatRequest.of("Hi", {"extra_headers": {"X-One": "1"}})
    bad = ChatRequest.of("Hi", {}).model_copy(update={"extra_headers": {"X\n": "1"}})

    assert client._settings.call(good, {}, stream=False).rendered.request.extra_headers == {"x-one": "1"}
    with pytest.raises(ConfigurationError):
        client.stream(bad)


# everything else


@pytest.mark.parametrize("retries", [-1, 1.5, "2"])
def test_retries_are_counted_in_whole_numbers(retries, make):
    assert "max_retries" in refused(make, "openai", api_key=KEY, max_retries=retries)


def test_a_call_may_have_limits_of_its_own(make):
    client = make("openai", api_key=KEY, max_retries=1)
    options: dict[str, Any] = {"max_retries": 4, "timeout": 3, "model": "m"}

    call = client._settings.call("Hi", {**options}, stream=False)

    assert (call.timeout.idle, call.retry.retries) == (3, 4)
    assert (client._settings.timeout, client._settings.retry.retries) == (Timeout(), 1)


@pytest.mark.parametrize(
    ("timeout", "limits"),
    [
        (None, Timeout()),
        (7, Timeout(first_byte=7, idle=7)),
        (0.5, Timeout(first_byte=0.5, idle=0.5)),
        (Timeout(total=9), Timeout(total=9)),
    ],
)
def test_a_timeout_is_seconds_or_a_limit_per_phase(timeout, limits, make):
    client = make("openai", api_key=KEY, timeout=timeout)

    assert client._settings.timeout == limits
    assert Timeout() == Timeout(connect=10, first_byte=300, idle=120, total=None)


@pytest.mark.parametrize("phase", ["connect", "first_byte", "idle", "total"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_that_leaves_no_time_is_refused(phase, value, make):
    with pytest.raises(ConfigurationError, match=phase):
        Timeout(**{phase: value})


@pytest.mark.parametrize("model", [None, ""])
def test_a_call_needs_a_model(model, make):
    client = make("openai", api_key=KEY, model=model)

    with pytest.raises(ConfigurationError, match="openai: no model: pass model= to the client or to this call"):
        client.stream("Hi")
    assert client._settings.call("Hi", {"model": "m"}, stream=False).rendered.body["model"] == "m"


def test_the_callers_http_client_brings_its_own_proxy(make):
    http_client: Any = httpx.AsyncClient() if make is AsyncLlmClient else httpx.Client()

    assert "proxy" in refused(make, "openai", api_key=KEY, http_client=http_client, proxy="http://p:1")
    make("openai", api_key=KEY, http_client=http_client, proxy="")


def test_a_copy_has_the_settings_it_was_given_and_the_others_of_its_origin(make):
    client = make("openai", api_key=KEY, model="one", headers={"x-one": "1"}, timeout=3, strict=True)
    http_client = client._transport.settings
    before = repr(client)

    copied = client.with_options(
        api_key="sk-other-0123456789", base_url="http://h", headers={"x-two": "2"}, timeout=4, model="two"
    )
    same = client.with_options()

    assert (copied.model, copied._settings.timeout.idle, sent_to(copied)) == ("two", 4, "http://h/v1/chat/completions")
    assert headers_of(copied)["authorization"] == "Bearer sk-other-0123456789"
    assert (headers_of(copied)["x-one"], headers_of(copied)["x-two"]) == ("1", "2")
    assert type(copied) is make
    assert copied._transport.settings is http_client
    assert copied._settings.strict is True
    assert (repr(client), client.model, client._settings.timeout.idle) == (before, "one", 3)
    assert "x-two" not in headers_of(client)
    assert (repr(same), headers_of(same)) == (before, headers_of(client))


def test_a_copy_at_another_address_forgets_what_was_learned_at_this_one(make):
    client = make("openai", api_key=KEY)
    client._settings.endpoint.learned["m"] = ChatCompletions()

    assert client.with_options(model="two")._settings.endpoint.learned is client._settings.endpoint.learned
    assert client.with_options(base_url="http://h")._settings.endpoint.learned == {}


def test_ollama_management_is_refused_elsewhere(make):
    with pytest.raises(UnsupportedError, match="use LlmClient\\('ollama'\\)"):
        _ = make("openai", api_key=KEY).ollama


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, "('openai', base_url='https://api.openai.com/v1')"),
        ({"model": "gpt"}, "('openai', model='gpt', base_url='https://api.openai.com/v1')"),
        ({"base_url": "http://h/v1?key=planted"}, "('openai', base_url='http://h/v1')"),
    ],
)
def test_a_client_shows_what_it_is_and_no_secret(settings, shown, make):
    client = make("openai", api_key=KEY, headers={"authorization": KEY}, proxy=f"http://me:{KEY}@p:1", **settings)

    assert repr(client) == str(client) == make.__name__ + shown


def test_strict_refuses_what_would_be_changed_before_anything_is_sent(make):
    lenient = make("deepseek", api_key=KEY, model="m")
    strict = make("deepseek", api_key=KEY, model="m", strict=True)

    assert [note.subject for note in lenient.stream("Hi", cache=True).adaptations] == ["cache"]
    rendered = render(lenient._settings.endpoint, ChatRequest.of("Hi", {"model": "m", "cache": True}), stream=False)
    assert [note.subject for note in rendered.adaptations] == ["cache"]
    with pytest.raises(UnsupportedError) as failed:
        strict.stream("Hi", cache=True)
    assert failed.value.provider == "deepseek"
    assert not isinstance(failed.value, StreamError)


def test_settings_are_not_part_of_a_pickled_error(make):
    with pytest.raises(ConfigurationError) as failed:
        make("openai", api_key=KEY, headers={"x": KEY + "\n"})

    assert b"planted" not in pickle.dumps(failed.value)
