"""Planted keys: no text that this library makes may hold one, also when the server sends it back."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_connector import (
    ChatRequest,
    ChatResponse,
    LlmClient,
    LlmConnectorError,
    PermissionDeniedError,
    StreamError,
    Timeout,
)
from llm_connector.providers import find
from llm_connector.transport import SyncTransport, TransportSettings
from llm_connector.wire import HttpRequest, Send
from tests.support.answers import completion
from tests.support.drivers import DRIVERS, KEY, Driver, RawServer, words
from tests.support.wire_server import Answer, Answering, Pause, Refuse, Stream, WireServer, sse

SECRET = "planted"
LIBRARY = str(Path(__file__).parent.parent / "llm_connector")


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    driver: Driver = request.param(wire_server)
    yield driver
    driver.close()


@pytest.fixture(autouse=True)
def everything_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def texts_of(value: object) -> Iterator[str]:
    """Everything that shows a value."""
    yield repr(value)
    yield str(value)
    yield f"{value}"
    if isinstance(value, BaseException):
        yield repr(value.args)
        yield repr(vars(value))
        yield pickle.dumps(value).decode("latin-1")
        yield "".join(traceback.format_exception(value))


def frames_of(error: BaseException) -> Iterator[str]:
    """What a crash reporter shows of the library's own frames: the values of their variables."""
    seen: BaseException | None = error
    while seen is not None:
        for frame, _ in traceback.walk_tb(seen.__traceback__):
            if frame.f_code.co_filename.startswith(LIBRARY):
                yield f"{frame.f_code.co_qualname}: {frame.f_locals!r}"
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def check(caplog: pytest.LogCaptureFixture, *values: object) -> None:
    for value in values:
        for text in texts_of(value):
            assert SECRET not in text, text
    for record in caplog.records:
        if record.name.partition(".")[0] != "httpcore":  # its debug log repeats the head of every answer
            assert SECRET not in record.getMessage()


def failure_of(driver: Driver, client: Any, *, stream: bool) -> LlmConnectorError:
    with pytest.raises(LlmConnectorError) as failed:
        _ = driver.text(client.stream("Hi")) if stream else driver.run(client.chat("Hi"))
    return failed.value


ECHOES: list[tuple[str, Answering]] = [
    ("a message", Answer.json({"error": {"message": f"Incorrect API key provided: {KEY}."}}, 401)),
    ("a deep body", Answer.json({"error": {"message": "no"}, "request": {"headers": [f"Bearer {KEY}"]}}, 400)),
    ("a code and an id", Answer.json({"error": {"message": "no", "code": KEY, "request_id": KEY}}, 400)),
    ("a text", Answer(403, body=f"key {KEY} is blocked".encode())),
    ("a text as long as an excerpt", Answer(403, body=b"x" * 485 + KEY.encode())),
    ("a web page", Answer(200, {"content-type": "text/html"}, f"<html>{KEY}</html>".encode())),
    ("a web page of a proxy", Answer(502, {"content-type": "text/html"}, f"<html>{KEY}</html>".encode())),
    ("a success that is none", Answer.json({"error": {"message": f"bad key {KEY}"}})),
    ("something else", Answer.json({"you": KEY})),
    ("not JSON", Answer(200, body=f"{KEY}".encode())),
    ("a header", Answer(429, {"x-request-id": KEY, "x-echo": KEY, "retry-after": KEY})),
    ("a redirect", Answer(302, {"location": f"https://login.test/{KEY}?key={KEY}"})),
    ("a redirect to another host", Answer(307, {"location": f"https://{KEY}@evil.test/"})),
    ("a bad length", Answer(200, {"content-length": KEY})),
    ("a compression", Answer(200, {"content-encoding": f"br, {KEY}"})),
    ("events", Stream(sse({"error": {"message": f"bad key {KEY}", "code": KEY}}))),
    ("late events", Stream([*words("Hel", finish=None, done=False), *sse({"error": {"message": f"bad {KEY}"}})])),
    ("broken events", Stream(sse(f"broken {KEY}"))),
    ("silence", Stream([], end="hold")),
    ("no answer", Refuse()),
    ("a reset", Stream([b"data: ", Pause(0.02)], end="reset")),
]


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize("rotating", [False, True], ids=["key", "function"])
@pytest.mark.parametrize(("name", "answer"), ECHOES, ids=[name for name, _ in ECHOES])
def test_a_failure_shows_no_key(name, answer, rotating, stream, driver, wire_server, caplog):
    wire_server.script(answer)
    patience = Timeout(first_byte=0.4 if name == "silence" else 20)
    client = driver.client(api_key=(lambda: KEY) if rotating else KEY, timeout=patience)

    error = failure_of(driver, client, stream=stream)

    assert wire_server.requests[0].headers["authorization"] == f"Bearer {KEY}", "the key was not even sent"
    check(caplog, error, copy.copy(error), client)
    if isinstance(error, StreamError):
        check(caplog, error.partial)


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize("rotating", [False, True], ids=["key", "function"])
@pytest.mark.parametrize("answer", [Answer(400), Answer(503), Refuse(), Stream([], end="hold"), Stream(sse("broken"))])
def test_a_crash_report_with_variables_shows_no_key(answer, rotating, stream, driver, wire_server):
    wire_server.script(answer, answer)
    client = driver.client(api_key=(lambda: KEY) if rotating else KEY, timeout=Timeout(first_byte=0.1), retries=1)

    for text in frames_of(failure_of(driver, client, stream=stream)):
        assert SECRET not in text, text


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_a_garbled_answer_shows_no_key(stream, driver, caplog):
    def answer(peer: Any) -> None:
        peer.sendall(f"HTTP/1.1 {KEY} {KEY}\r\n{KEY}\r\n\r\n".encode())

    with RawServer(answer) as server:
        check(caplog, failure_of(driver, driver.client(base_url=server.url), stream=stream))


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": f"http://127.0.0.1:1/v1?key={KEY}"},
        {"proxy": f"http://me:{KEY}@127.0.0.1:1", "base_url": "http://api.test"},
        {"headers": {"Authorization": f"Bearer {KEY}", "x-api-key": KEY}, "base_url": "http://127.0.0.1:1"},
    ],
    ids=["query", "proxy", "headers"],
)
def test_no_connection_shows_no_secret_of_the_settings(settings, driver, caplog):
    client = driver.client(api_key=None, **settings)

    check(caplog, failure_of(driver, client, stream=False), client, client._transport.settings)


def test_an_endpoint_shows_neither_key_nor_headers(driver, caplog):
    check(caplog, driver.client(headers={"x-own": KEY})._settings.endpoint)


def test_a_success_shows_no_key(driver, wire_server, caplog):
    wire_server.script(Answer.json(completion(content="Hello")), Stream(words("Hello")))
    client = driver.client(headers={"x-api-key": KEY})

    response: ChatResponse = driver.run(client.chat("Hi"))
    stream = client.stream("Hi")
    chunks = list(driver.chunks(stream))

    check(caplog, client, response, stream, stream.response, *chunks)
    for answer in (response, stream.response):
        assert SECRET not in json.dumps(answer.model_dump(mode="json"))
        assert SECRET not in answer.model_dump_json()
        assert SECRET not in pickle.dumps(answer).decode("latin-1")


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_what_is_being_sent_shows_no_key(stream, driver, caplog):
    from llm_connector import operations
    from llm_connector.retry import Retry

    client = driver.client(headers={"x-api-key": KEY, "cookie": KEY}, base_url=f"http://127.0.0.1:1/v1?key={KEY}")
    rendered = client._settings.call("Hi", {}, stream=stream).rendered
    steps: Any = operations.open_stream(rendered, Retry(), 1) if stream else operations.chat(rendered, Retry())
    step = next(steps)
    assert isinstance(step, Send)

    check(caplog, step, step.request, steps)
    assert SECRET not in repr(step.request)
    steps.close()


def test_settings_of_a_transport_show_no_password(caplog):
    settings = TransportSettings("openai", f"http://me:{KEY}@p:1")

    check(caplog, settings, SyncTransport(settings))


@pytest.mark.parametrize("name", ["openai", "deepseek", "anthropic"])
@pytest.mark.parametrize("spoil", [lambda key: f"{key} x", lambda key: f"{key}\nx", lambda key: f"{key}é"])
def test_a_key_that_cannot_be_sent_is_not_shown(name, spoil, driver, monkeypatch, caplog):
    spoiled = spoil(KEY)
    monkeypatch.setenv(find(name).api_key_env[0], spoiled)
    makers: list[Callable[[], Any]] = [
        lambda: driver.client_class(name, api_key=spoiled),
        lambda: driver.client_class(name),
        lambda: driver.run(driver.client(name, api_key=lambda: spoiled).chat("Hi")),
    ]

    for make in makers:
        with pytest.raises(LlmConnectorError) as failed:
            make()
        text = "".join(traceback.format_exception(failed.value))
        for shown in (str(failed.value), repr(failed.value), pickle.dumps(failed.value).decode("latin-1"), text):
            assert SECRET not in shown


def test_a_client_is_copied_but_never_pickled():
    client = LlmClient("openai", api_key=KEY, model="m")

    assert copy.copy(client).model == copy.deepcopy(client).model == "m"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(client)


def test_headers_that_are_not_known_to_be_harmless_are_never_shown():
    request = HttpRequest("POST", "https://h/v1?key=" + KEY, {"ocp-apim-subscription-key": KEY, "accept": "a/b"})

    assert KEY not in repr(request)
    assert "a/b" in repr(request)
    assert KEY not in repr(ChatRequest.of("Hi", {"extra_headers": {"x-own": KEY}}))


def test_an_echoed_key_of_a_header_is_taken_out(wire_server):
    wire_server.script(Answer.json({"error": {"message": f"bad subscription {KEY}"}}, status=403))
    client = LlmClient("openai_compatible", base_url=wire_server.url, model="m", headers={"x-subscription-key": KEY})

    with pytest.raises(PermissionDeniedError) as refused:
        client.chat("Hi")
    assert KEY not in f"{refused.value} {refused.value!r} {refused.value.body}"
