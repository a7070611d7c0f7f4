"""Planted keys: no text that this library makes may hold one, also when the server sends it back."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import vcr
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from vcr.record_mode import RecordMode

from llm_connector import (
    ChatRequest,
    ChatResponse,
    ConfigurationError,
    LlmClient,
    LlmConnectorError,
    PermissionDeniedError,
    StreamError,
    Timeout,
    limits,
    operations,
    telemetry,
)
from llm_connector.cli import main
from llm_connector.providers import find
from llm_connector.retry import LONGEST_WAIT, Retry
from llm_connector.server.app import Gateway
from llm_connector.server.config import GatewayConfig, Upstream, single
from llm_connector.server.guard import MAX_HEAD_BYTES
from llm_connector.transport import SyncTransport, TransportSettings
from llm_connector.transport.inflate import PIECE
from llm_connector.wire import FetchPolicy, HttpRequest, Send
from tests.support.answers import completion
from tests.support.asgi import asked
from tests.support.drivers import KEY, TRANSPORTS, AsyncDriver, Driver, RawServer, SyncDriver, words
from tests.support.planted import FAULTS, OK, SCHEMES, Planted, chain_of, planted, succeeds, texts_of
from tests.support.wire_server import Answer, Answering, Pause, Refuse, Stream, WireServer, sse

SECRET = "planted"
LIBRARY = str(Path(__file__).parent.parent / "llm_connector")


@pytest.fixture(params=TRANSPORTS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    driver: Driver = request.param(wire_server)
    yield driver
    driver.close()


@pytest.fixture(autouse=True)
def everything_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def frames_of(error: BaseException) -> Iterator[str]:
    """What a crash reporter shows of the library's own frames: the values of their variables."""
    for seen in chain_of(error):
        for frame, _ in traceback.walk_tb(seen.__traceback__):
            if frame.f_code.co_filename.startswith(LIBRARY):
                yield f"{frame.f_code.co_qualname}: {frame.f_locals!r}"


def check(caplog: pytest.LogCaptureFixture, *values: object) -> None:
    for value in values:
        texts = [*texts_of(value), *([pickle.dumps(value).decode("latin-1")] if isinstance(value, Exception) else [])]
        for text in texts:
            assert SECRET not in text, text
    for record in caplog.records:
        if ours(record):
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


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": f"http://me:{KEY}@api.test/v1"},
        {"base_url": f"ftp://me:{KEY}@api.test/v1"},
        {"base_url": f"http://[/v1?key={KEY}"},
        {"proxy": f"http://me:{KEY}@proxy.test:port"},
        {"proxy": f"gopher://me:{KEY}@proxy.test"},
        {"headers": {"x-key": f"{KEY}\n"}},
        {"headers": {"x key": KEY}},
    ],
)
def test_a_setting_that_is_refused_shows_no_secret(settings, driver, caplog):
    with pytest.raises(ConfigurationError) as failed:
        driver.run(driver.client(**settings).chat("Hi"))
    check(caplog, *chain_of(failed.value))


@pytest.mark.parametrize("shown", [12, 20, len(KEY) - 1])
def test_a_part_of_a_key_is_taken_out(shown, driver, wire_server, caplog):
    wire_server.script(Answer.json({"error": {"message": f"Incorrect API key provided: {KEY[:shown]}***"}}, 401))

    error = failure_of(driver, driver.client(), stream=False)

    assert "provided: [secret]***" in str(error)
    check(caplog, error)


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


# every kind of key

UNHEARD = ("no answer", "no TLS", "refused")
"""Faults by which nothing comes back."""

IN_VARIABLES = ("a query", "headers of a call")
"""What callers pass to each call, and addresses, stand in variables as they are."""


class Everything:
    """All that a caller, a log or a file gets to see, each under the name of what it came from."""

    def __init__(self, driver: Driver, *, variables: bool) -> None:
        self.driver = driver
        self.variables = variables
        self.seen: list[tuple[str, str]] = []

    def add(self, name: str, *values: object) -> None:
        self.seen += [(name, text) for value in values for text in texts_of(value)]

    def add_answer(self, name: str, answer: ChatResponse) -> None:
        self.add(name, answer, answer.adaptations, answer.headers, answer.raw)
        self.seen += [(name, answer.model_dump_json()), (name, repr(answer.model_dump()))]
        self.seen.append((name, pickle.dumps(answer).decode("latin-1")))

    def perform(self, name: str, client: Any, key: Planted, timeout: Timeout) -> None:
        """A chat, a stream and the rest of what a client can do."""
        options = {**key.options, "timeout": timeout}
        self.attempt(f"{name}, chat", lambda: self.driver.run(client.chat("Hi", **options)))
        self.attempt(f"{name}, stream", lambda: self.stream(name, client.stream("Hi", **options)))
        self.add(f"{name}, client", client, client._settings, client._settings.endpoint, client._transport)
        if name in ("success", "401", "a text", *UNHEARD):
            self.attempt(f"{name}, embed", lambda: self.driver.run(client.embed("Hi")))
            self.attempt(f"{name}, models", lambda: self.driver.run(client.models()))

    def stream(self, name: str, stream: Any) -> ChatResponse:
        self.add(f"{name}, stream", stream)
        try:
            self.add(f"{name}, chunks", *self.driver.chunks(stream))
        finally:
            self.add_answer(f"{name}, partial", stream.partial)
        response: ChatResponse = stream.response
        return response

    def attempt(self, name: str, call: Callable[[], Any]) -> None:
        try:
            result = call()
        except LlmConnectorError as error:
            self.add(name, error, copy.copy(error))
            if self.variables and name.startswith(UNHEARD):  # those of others hold what the server sent
                self.seen += [(f"{name}, variables", text) for text in frames_of(error)]
            self.seen.append((f"{name}, pickled", pickle.dumps(error).decode("latin-1")))
            if isinstance(error, StreamError) and error.partial is not None:
                self.add_answer(name, error.partial)
        else:
            self.add(name, result)
            if isinstance(result, ChatResponse):
                self.add_answer(name, result)


@pytest.fixture
def spans() -> Iterator[Callable[[], str]]:
    """All spans that were made, as text."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.instrument(tracer_provider=provider)
    yield lambda: "".join(span.to_json() for span in exporter.get_finished_spans())
    telemetry.uninstrument()


@pytest.mark.parametrize(
    ("driver", "name"),
    [*product([SyncDriver], SCHEMES), *product([AsyncDriver], ["a function", "a proxy", "sigv4"])],
    indirect=["driver"],
)
def test_a_key_of_any_kind_is_found_nowhere(name, driver, wire_server, caplog, spans, recwarn):
    scheme, forbidden = SCHEMES[name], set[str]()
    everything = Everything(driver, variables=name not in IN_VARIABLES)
    answers = {"success": succeeds(scheme.provider), **FAULTS}

    with RawServer(lambda peer: peer.sendall(b"no TLS\r\n")) as plain:
        places = {"": wire_server.url, "no TLS": plain.url.replace("http", "https", 1), "refused": "http://127.0.0.1:1"}
        for place, url in places.items():
            key = scheme.plant(url)
            client = driver.client(scheme.provider, **{"api_key": None, **key.settings})
            for fault, answer in answers.items() if not place else [(place, None)]:
                wire_server._queue.clear()
                wire_server.script(*[answer] * 4)
                everything.perform(fault, client, key, Timeout(first_byte=0.05 if fault == "silence" else 10))
            forbidden |= key.forbidden(wire_server.requests)

    arrived = [
        request for request in wire_server.requests if scheme.proof in (*request.headers, request.path.strip("a/"))
    ]
    assert arrived or scheme.proof == "?", "the key was not even sent"
    assert len(everything.seen) > 500
    everything.seen += [("a log", f"{record.getMessage()} {vars(record)}") for record in caplog.records if ours(record)]
    everything.seen += [("a warning", str(warning.message)) for warning in recwarn]
    everything.seen.append(("spans", spans()))
    leaks = {place: around(secret, text) for place, text in everything.seen for secret in forbidden if secret in text}
    assert not leaks, leaks


def around(secret: str, text: str) -> str:
    """Where a secret was found."""
    at = text.index(secret)
    return text[max(at - 80, 0) : at + len(secret)]


def ours(record: logging.LogRecord) -> bool:
    """Not of httpcore, whose debug log repeats the head of every answer."""
    return record.name.partition(".")[0] != "httpcore"


@pytest.mark.parametrize("name", [name for name in SCHEMES if name != "a proxy"])
def test_a_cassette_holds_no_key(name, wire_server, vcr_config, tmp_path):
    scheme = SCHEMES[name]
    key = scheme.plant(wire_server.url)
    wire_server.script(*[lambda request: Answer.json(OK.get(scheme.provider, completion(content="Hi")))] * 2)
    settings: dict[str, Any] = {"model": "m", **key.settings}
    recorder = vcr.VCR(**vcr_config, record_mode=RecordMode.ALL)

    with (
        recorder.use_cassette(str(tmp_path / "cassette.yaml")),
        LlmClient(scheme.provider, **settings) as client,
    ):
        client.chat("Hi", **key.options)
        list(client.stream("Hi", **key.options))

    written = (tmp_path / "cassette.yaml").read_text("utf-8")
    assert written.count("uri: ") == 2
    assert not [secret for secret in key.forbidden(wire_server.requests) if secret in written]


COMMANDS = {
    "chat": ["chat", "-m", "m", "Hi"],
    "chat as JSON": ["chat", "-m", "m", "--json", "Hi"],
    "models": ["models"],
    "models as JSON": ["models", "--json"],
    "doctor": ["doctor"],
    "doctor as JSON": ["doctor", "--json"],
}


@pytest.mark.parametrize(
    ("provider", "command"), [*product(["openai"], COMMANDS), *product(["gemini", "zhipu"], ["chat", "doctor"])]
)
def test_the_command_line_shows_no_key(provider, command, wire_server, monkeypatch, capsys):
    secrets = [planted(), planted(), planted()]
    monkeypatch.setattr(Retry, "delay", lambda *_args, **_options: 0.0)
    for name in find(provider).api_key_env or find(provider).optional_key_env:
        monkeypatch.setenv(name, secrets[0])
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{secrets[1]}@proxy.test:3128")
    first, *rest = COMMANDS[command]
    where = ["-p", provider, "--base-url", f"{wire_server.url}/v1?key={secrets[2]}"]

    for name, answer in {"success": succeeds(provider), **FAULTS}.items():
        if name != "silence":
            wire_server._queue.clear()
            wire_server.script(*[answer] * 4)
            main([first, *where, *rest])
    if first == "doctor":
        main(["providers"])
        main(["providers", "--json"])

    shown = "".join(capsys.readouterr())
    assert len(shown) > 1000
    sent = Planted({}, secrets).forbidden(wire_server.requests)
    assert not {secret: around(secret, shown) for secret in sent if secret in shown}


@pytest.mark.parametrize("name", ["bearer", "a function", "a query", "a signed token", "sigv4", "headers"])
def test_a_gateway_passes_no_key_on(name, wire_server):
    scheme = SCHEMES[name]
    key = scheme.plant(wire_server.url)
    gateway = Gateway(GatewayConfig(single(Upstream(scheme.provider, settings={**key.settings, "max_retries": 0}))))
    answers = []

    async def ask_everything() -> None:
        for fault, answer in {"success": succeeds(scheme.provider), **FAULTS}.items():
            for path, stream in product(["/v1/chat/completions", "/v1/messages", "/api/chat"], [True, False]):
                if fault != "silence":
                    wire_server._queue.clear()
                    wire_server.script(answer, answer)
                    body = {
                        "model": "m",
                        "max_tokens": 5,
                        "messages": [{"role": "user", "content": "Hi"}],
                        "stream": stream,
                    }
                    answers.append(await asked(gateway, "POST", path, json.dumps(body).encode()))
        await gateway._backends.close()

    asyncio.run(ask_everything())

    assert {200, 400, 429, 502} <= {answer.status for answer in answers}
    shown = repr(answers)
    assert not [around(secret, shown) for secret in key.forbidden(wire_server.requests) if secret in shown]


# the page


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("64 MB | `max_body_bytes`", limits.DEFAULT_MAX_BODY_BYTES >> 20),
        ("8 MB | `max_event_bytes`", limits.DEFAULT_MAX_EVENT_BYTES >> 20),
        ("300 s | `timeout=Timeout(first_byte", Timeout().first_byte),
        ("120 s | `timeout=Timeout(idle", Timeout().idle),
        ("120 s | none", LONGEST_WAIT),
        ("2 | `max_retries`", limits.DEFAULT_RETRIES),
        ("100 | none", operations._MAX_PAGES),
        ("20 MB, 30 s | `fetch_media", FetchPolicy().max_bytes >> 20),
        ("bodies to 32 MB", GatewayConfig(()).max_body_bytes >> 20),
        ("heads to 64 KB", MAX_HEAD_BYTES >> 10),
        ("inflated 256 KB at a time", PIECE >> 10),
    ],
)
def test_the_page_names_the_bounds_as_they_are(words, value):
    page = " ".join((Path(LIBRARY).parent / "SECURITY.md").read_text("utf-8").split())

    assert words in page
    assert f"{value:g}" in words
