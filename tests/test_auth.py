from __future__ import annotations

import pytest

from llm_connector import ConfigurationError, api_key_header, bearer, no_auth
from llm_connector.auth import Credentials, clean_key
from llm_connector.wire import HttpRequest

KEY = "sk-planted-0123456789abcdef"
REQUEST = HttpRequest("POST", "https://example.test/v1/chat", {"accept": "application/json"}, b"{}")
NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("scheme", "headers"),
    [
        (bearer, {"authorization": f"Bearer {KEY}"}),
        (api_key_header("x-api-key"), {"x-api-key": KEY}),
        (api_key_header("api-key"), {"api-key": KEY}),
        (no_auth, {}),
    ],
    ids=["bearer", "x-api-key", "api-key", "none"],
)
def test_a_scheme_adds_its_header_and_nothing_else(scheme, headers):
    signed = scheme(REQUEST, Credentials(KEY), NOW)

    assert signed.headers == {"accept": "application/json", **headers}
    assert (signed.method, signed.url, signed.content) == (REQUEST.method, REQUEST.url, REQUEST.content)
    assert REQUEST.headers == {"accept": "application/json"}, "the request given must stay as it was"


@pytest.mark.parametrize("scheme", [bearer, api_key_header("x-api-key"), no_auth], ids=["bearer", "x-api-key", "none"])
def test_without_a_key_nothing_is_added(scheme):
    assert scheme(REQUEST, Credentials(), NOW) is REQUEST


@pytest.mark.parametrize(("scheme", "name"), [(bearer, "authorization"), (api_key_header("x-api-key"), "x-api-key")])
def test_exactly_one_key_is_sent_whatever_was_there(scheme, name):
    stale = HttpRequest("POST", "https://example.test", {name: "stale"})

    assert list(scheme(stale, Credentials(KEY), NOW).headers) == [name]
    assert "stale" not in scheme(stale, Credentials(KEY), NOW).headers[name]


@pytest.mark.parametrize("given", [KEY, f" {KEY}", f"{KEY}\n", f"\r\n\t{KEY}\r\n", f"\u00a0{KEY}\u2003"])
def test_white_space_around_a_key_is_taken_off(given):
    assert clean_key(given, "openai") == KEY


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("sk-planted 0123456789", "a space"),
        ("sk-planted\n0123456789", "a line break"),
        ("sk-planted\r\nx-evil: 1", "a line break"),
        ("sk-planted\x000123456789", "not ASCII"),
        ("sk-planted\x7f0123456789", "not ASCII"),
        ("sk-planted-ключ", "not ASCII"),
        ("sk-planted\u20110123", "not ASCII"),
        (None, "NoneType"),
        (b"sk-planted-bytes", "bytes"),
        (123456, "int"),
    ],
)
def test_a_key_that_cannot_stand_in_a_header_is_refused_and_never_shown(given, reason):
    with pytest.raises(ConfigurationError, match=reason) as failed:
        clean_key(given, "openai")

    assert failed.value.provider == "openai"
    assert "planted" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_credentials_never_show_themselves():
    credentials = Credentials(KEY, {"secret_key": "also-planted"})

    assert "planted" not in repr(credentials)
    assert "planted" not in str(credentials)


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"])
def test_a_request_never_shows_its_key(name):
    request = HttpRequest("POST", f"https://example.test/v1?key={KEY}", {name: KEY}, KEY.encode())

    assert "planted" not in repr(request)
    assert "https://example.test/v1" in repr(request)
