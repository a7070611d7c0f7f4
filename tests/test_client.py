"""Both clients over real sockets: one list of cases."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from llm_connector import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    LlmConnectorError,
    NotFoundError,
    ParseError,
    RateLimitError,
    ServerError,
    StreamError,
    Timeout,
    TransportError,
)
from tests.support.answers import completion
from tests.support.drivers import KEY, TRANSPORTS, Driver, RawServer, unfinished, words
from tests.support.wire_server import Answer, Answering, Pause, Refuse, Request, Stream, WireServer, sse

CHAT = "/v1/chat/completions"
BUSY = {"error": {"message": "busy", "type": "overloaded_error"}}
BAD_KEY = Answer.json({"error": {"message": "bad key"}}, 401)
GZIP = {"content-encoding": "gzip"}
SSE_GZIP = {"content-type": "text/event-stream", "content-encoding": "gzip"}


@pytest.fixture(params=TRANSPORTS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    driver: Driver = request.param(wire_server)
    yield driver
    driver.close()
    assert wire_server.wait_closed(), "a connection is still open although every client is closed"


def ok(text: str = "Hello", **fields: Any) -> Answer:
    return Answer.json({**completion(content=text), **fields})


@dataclass(frozen=True)
class Case:
    """What the server does, and what the caller gets: text, or an error of every class in `error`."""

    name: str
    script: tuple[Answering, ...]
    text: str | None = None
    error: tuple[type[BaseException], ...] = ()
    never: tuple[type[BaseException], ...] = ()
    says: tuple[str, ...] = ()
    partial: str = ""
    status: str = "complete"
    reused: bool | None = None
    sent: int = 1
    settings: dict[str, Any] = field(default_factory=dict)


def check_error(error: LlmConnectorError, case: Case) -> None:
    for kind in case.error:
        assert isinstance(error, kind), repr(error)
    for kind in case.never:
        assert not isinstance(error, kind), repr(error)
    assert error.provider == "openai_compatible"
    for word in case.says:
        assert word in str(error), str(error)
    assert KEY not in str(error)


def check_next_request(case: Case, driver: Driver, client: Any) -> None:
    """The client still works, on the same connection if the last one ended well."""
    server = driver.server
    assert len(server.requests) == case.sent
    if case.reused is False:
        assert server.wait_closed(), "the connection was left open"
    server.script(ok("again"))
    assert driver.run(client.chat("Hi")).text == "again"
    if case.reused is not None:
        assert (server.requests[-1].connection == server.requests[-2].connection) is case.reused


NO_CHOICES = Answer.json({"id": "x", "choices": []})
PAGE = Answer(body=b"<!doctype html><title>Welcome</title>", headers={"content-type": "text/html"})
LOST = Answer(404, {"content-type": "text/html"}, b"<html>Not here</html>")

CHATS = [
    Case("a whole answer", (ok(),), "Hello", reused=True),
    Case("503, then an answer", (Answer(503), ok()), "Hello", sent=2, reused=True, settings={"retries": 1}),
    Case("no answer at all, then one", (Refuse(), ok()), "Hello", sent=2, settings={"retries": 1}),
    Case("a chunked answer", (Stream([ok().body[:9], ok().body[9:]], headers={}),), "Hello", reused=True),
    Case("events although none were asked for", (Stream(words("Hel", "lo")),), "Hello", reused=True),
    Case("a compressed answer", (Answer(headers=GZIP, body=gzip.compress(ok().body)),), "Hello", reused=True),
    Case(
        "a deflated answer",
        (Answer(headers={"content-encoding": "deflate"}, body=zlib.compress(ok().body)),),
        "Hello",
        reused=True,
    ),
    Case(
        "a bare deflated answer",
        (Answer(headers={"content-encoding": "deflate"}, body=zlib.compress(ok().body, wbits=-15)),),
        "Hello",
        reused=True,
    ),
    Case("a content-encoding that is none", (Answer(headers={"content-encoding": "utf-8"}, body=ok().body),), "Hello"),
    Case("a wrong content type", (Answer(headers={"content-type": "text/plain"}, body=ok().body),), "Hello"),
    Case("401", (BAD_KEY,), error=(AuthenticationError,), says=("bad key", "api_key"), reused=True),
    Case("a web page", (PAGE,), error=(APIError,), says=("web page", "Welcome", "base_url"), reused=True),
    Case("404", (LOST,), error=(NotFoundError,), says=("Not here", "base_url", "127.0.0.1"), reused=True),
    Case("no choices", (NO_CHOICES,) * 2, error=(ParseError,), sent=2, settings={"retries": 1}, says=("choices",)),
    Case("200 with an error", (Answer.json(BUSY),), error=(ServerError,), says=("busy",), reused=True),
    Case("an empty body", (Answer(),), error=(ParseError,), says=("HTTP 200",)),
    Case("204", (Answer(204),), error=(ParseError,), says=("HTTP 204",)),
    Case("206", (Answer(206, body=ok().body),), "Hello"),
    Case("304", (Answer(304),), error=(APIError,), says=("HTTP 304", "base_url")),
    Case("101", (Answer(101, {"upgrade": "x", "connection": "upgrade"}),), error=(TransportError,)),
    Case("a status beyond all numbers", (Answer(999),), error=(APIError,), says=("HTTP 999",)),
    Case("a body cut short", (Answer(headers={"content-length": "999"}, body=b"{"),), error=(TransportError,)),
    Case("a chunked body cut short", (Stream([b'{"id"'], end="cut"),), error=(TransportError,), reused=False),
    Case("a reset", (Stream([b'{"id"', Pause(0.05)], end="reset"),), error=(TransportError,), reused=False),
    Case("a negative length", (Answer(headers={"content-length": "-5"}),), error=(TransportError,), reused=False),
    Case("a length in words", (Answer(headers={"content-length": "five"}),), error=(TransportError,), reused=False),
    Case("a header without end", (Answer(headers={"x": "a" * 200_000}),), error=(TransportError,), reused=False),
    Case(
        "a body without end",
        (Stream(b" " * 65536 for _ in range(10_000)),),
        error=(ParseError,),
        says=("1000000 bytes", "max_body_bytes"),
        reused=False,
        settings={"max_body_bytes": 1_000_000},
    ),
    Case(
        "a refusal without end",
        (Stream((b" " * 65536 for _ in range(10_000)), status=400),),
        error=(ParseError,),
        says=("max_body_bytes",),
        reused=False,
        settings={"max_body_bytes": 1_000_000},
    ),
    Case(
        "a small body that swells",
        (Answer(headers=GZIP, body=gzip.compress(b" " * (64 << 20))),),
        error=(ParseError,),
        says=("max_body_bytes",),
        settings={"max_body_bytes": 1_000_000},
    ),
    Case(
        "a body compressed twice",
        (Answer(headers={"content-encoding": "gzip, gzip"}, body=gzip.compress(gzip.compress(b" " * (64 << 20)))),),
        error=(TransportError,),
        says=("gzip, gzip, which was not asked for",),
    ),
    Case(
        "a compression not asked for", (Answer(headers={"content-encoding": "br"}, body=b"x"),), error=(TransportError,)
    ),
    Case("garbage as gzip", (Answer(headers=GZIP, body=b"garbage"),), error=(TransportError,), says=("decompressed",)),
    Case(
        "more after the end of gzip", (Answer(headers=GZIP, body=gzip.compress(b"{") + b"x"),), error=(TransportError,)
    ),
    Case("gzip cut short", (Answer(headers=GZIP, body=gzip.compress(ok().body)[:30]),), error=(ParseError,)),
]


@pytest.mark.parametrize("case", CHATS, ids=lambda case: case.name)
def test_chat(case, driver, wire_server):
    wire_server.script(*case.script)
    client = driver.client(**case.settings)

    if case.text is not None:
        response = driver.run(client.chat("Hi"))
        assert (response.text, response.finish_reason) == (case.text, "stop")
        assert wire_server.requests[-1].path == CHAT
    else:
        with pytest.raises(LlmConnectorError) as failed:
            driver.run(client.chat("Hi"))
        check_error(failed.value, case)

    check_next_request(case, driver, client)


SPLIT = "".join(block.decode() for block in words("Hel", "lo"))
HELLO = gzip.compress(SPLIT.encode())

STREAMS = [
    Case("a stream", (Stream(words("Hel", "lo")),), "Hello", reused=True),
    Case(
        "503, then a stream",
        (Answer(503), Stream(words("Hello"))),
        "Hello",
        sent=2,
        reused=True,
        settings={"retries": 1},
    ),
    Case("no answer, then a stream", (Refuse(), Stream(words("Hello"))), "Hello", sent=2, settings={"retries": 1}),
    Case("all in one block", (Stream([SPLIT.encode()]),), "Hello", reused=True),
    Case("no end marker", (Stream(words("Hello", done=False)),), "Hello", reused=True),
    Case("no finish reason", (Stream(words("Hello", finish=None)),), "Hello", reused=True),
    Case("kept open after its end", (Stream(words("Hello"), end="hold"),), "Hello", reused=False),
    Case("cut after its end", (Stream(words("Hello"), end="cut"),), "Hello"),
    Case("cut after its finish reason", (Stream(words("Hello", done=False), end="cut"),), "Hello", reused=False),
    Case("a whole answer instead", (ok(),), "Hello", reused=True),
    Case("a compressed stream", (Stream([HELLO[:40], HELLO[40:]], headers=SSE_GZIP),), "Hello", reused=True),
    Case("carriage returns", (Stream([SPLIT.replace("\n", "\r\n").encode()]),), "Hello", reused=True),
    Case(
        "truncated",
        (Stream(words("Hel", finish=None, done=False)),),
        error=(StreamError,),
        never=(APIError, TransportError),
        says=("before its finish marker",),
        partial="Hel",
        status="interrupted",
        reused=True,
    ),
    Case(
        "cut",
        (Stream(words("Hel", finish=None, done=False), end="cut"),),
        error=(StreamError, TransportError),
        partial="Hel",
        status="interrupted",
        reused=False,
    ),
    Case(
        "reset part-way",
        (Stream([*words("Hel", finish=None, done=False), Pause(0.05)], end="reset"),),
        error=(StreamError, TransportError),
        partial="Hel",
        status="interrupted",
        reused=False,
    ),
    Case(
        "an error event",
        (Stream([*words("Hel", finish=None, done=False), *sse(BUSY, done=False)]),),
        error=(StreamError, ServerError),
        says=("busy",),
        partial="Hel",
        status="error",
    ),
    Case(
        "an error event with a status",
        (Stream([*words("Hel", finish=None, done=False), *sse({"error": {"message": "slow", "code": 429}})]),),
        error=(StreamError, RateLimitError),
        partial="Hel",
        status="error",
    ),
    Case(
        "an error event in the block of the last words",
        (Stream([b"".join([*words("Hel", finish=None, done=False), *sse(BUSY, done=False)])]),),
        error=(StreamError, ServerError),
        partial="Hel",
        status="error",
    ),
    Case(
        "an error event that is not retried",
        (Stream([*words("Hel", finish=None, done=False), *sse(BUSY, done=False)]),),
        error=(StreamError, ServerError),
        partial="Hel",
        status="error",
        settings={"retries": 3},
    ),
    Case("an error instead of a stream", (Answer.json(BUSY),), error=(ServerError,), status="error", says=("busy",)),
    Case("401", (BAD_KEY,), error=(AuthenticationError,), status="error", never=(StreamError,), reused=True),
    Case("404", (LOST,), error=(NotFoundError,), status="error", says=("Not here", "base_url"), reused=True),
    Case("a web page", (PAGE,), error=(StreamError, APIError), status="error", says=("web page", "base_url")),
    Case(
        "no choices", (Stream(sse({"id": "x", "choices": []}, done=False)),), error=(StreamError,), status="interrupted"
    ),
    Case("nothing", (Stream([]),), error=(StreamError,), status="interrupted", says=("no event arrived",), reused=True),
    Case("204", (Answer(204),), error=(StreamError,), status="interrupted", says=("no event arrived",)),
    Case("304", (Answer(304),), error=(APIError,), status="error", says=("base_url",)),
    Case(
        "101", (Answer(101, {"upgrade": "x", "connection": "upgrade"}),), error=(TransportError,), status="interrupted"
    ),
    Case("no answer", (Refuse(),), error=(TransportError,), status="interrupted", never=(StreamError,), reused=False),
    Case("garbage", (Stream(sse("garbage")),), error=(StreamError, ParseError), status="error", says=("not JSON",)),
    Case(
        "garbage as gzip",
        (Stream([b"garbage"], headers=SSE_GZIP),),
        error=(StreamError, TransportError),
        status="interrupted",
    ),
    Case(
        "a line without end",
        (Stream(b"data: " + b"x" * 65536 for _ in range(10_000)),),
        error=(StreamError, ParseError),
        says=("max_event_bytes",),
        status="error",
        reused=False,
        settings={"max_event_bytes": 1_000_000},
    ),
    Case(
        "an event without end",
        (Stream(b"data: " + b"x" * 65536 + b"\n" for _ in range(10_000)),),
        error=(StreamError, ParseError),
        says=("max_event_bytes",),
        status="error",
        reused=False,
        settings={"max_event_bytes": 1_000_000},
    ),
    Case(
        "a chunk that never ends",
        (Stream([gzip.compress(b"x" * (64 << 20))], headers=SSE_GZIP),),
        error=(StreamError, ParseError),
        says=("max_event_bytes",),
        status="error",
        settings={"max_event_bytes": 1_000_000},
    ),
]


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)
def test_stream(case, driver, wire_server):
    wire_server.script(*case.script)
    client = driver.client(**case.settings)
    stream = client.stream("Hi")
    assert (stream.status, stream.partial.text, wire_server.requests) == ("open", "", [])

    if case.text is not None:
        assert driver.text(stream) == case.text
        assert stream.response.text == stream.partial.text == case.text
    else:
        seen: list[str] = []
        with pytest.raises(LlmConnectorError) as failed:
            seen.extend(chunk.text for chunk in driver.chunks(stream))
        check_error(failed.value, case)
        assert "".join(seen) == stream.partial.text == case.partial
        if isinstance(failed.value, StreamError):
            assert failed.value.partial is not None
            assert failed.value.partial.text == case.partial
        with pytest.raises(ConfigurationError, match=f"the stream is {case.status}"):
            _ = stream.response

    assert stream.status == case.status
    check_next_request(case, driver, client)


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)
def test_stream_in_a_with_block(case, driver, wire_server):
    wire_server.script(*case.script)
    client = driver.client(**case.settings)
    stream = client.stream("Hi")
    text = ""

    try:
        with driver.entered(stream):
            text = driver.text(stream)
    except LlmConnectorError as error:
        check_error(error, case)
    assert text == (case.text or "")
    assert stream.status == case.status
    check_next_request(case, driver, client)


# pacing


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_a_stream_may_drip(size, driver, wire_server):
    body = SPLIT.replace("Hel", "H\u00e9\U0001f600l").encode()
    wire_server.script(Stream([body[at : at + size] for at in range(0, len(body), size)]))

    assert driver.text(driver.client().stream("Hi")) == "H\u00e9\U0001f600llo"


@pytest.mark.parametrize(("coding", "wbits"), [("gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_a_compressed_stream_may_drip(coding, wbits, driver, wire_server):
    body = zlib.compress(SPLIT.encode(), wbits=wbits)
    headers = {"content-type": "text/event-stream", "content-encoding": coding}
    wire_server.script(Stream([body[at : at + 1] for at in range(len(body))], headers=headers))

    assert driver.text(driver.client().stream("Hi")) == "Hello"


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_may_be_cut_anywhere_with_pauses(seed, driver, wire_server):
    rng = random.Random(seed)
    body = SPLIT.replace("Hel", "H\u00e9\U0001f600l").encode()
    cuts = sorted(rng.sample(range(1, len(body)), 12))
    blocks: list[bytes | Pause] = []
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        blocks += [body[start:end], Pause(rng.choice([0, 0.002, 0.01]))]
    wire_server.script(Stream(blocks))

    stream = driver.client().stream("Hi")

    assert driver.text(stream) == "H\u00e9\U0001f600llo"
    assert stream.status == "complete"


def test_every_sign_of_life_feeds_the_idle_limit(driver, wire_server):
    signs = (b": OPENROUTER PROCESSING\n\n", b"\n", b": ping\n\n", b"\r\n") * 2
    alive: list[bytes | Pause] = [part for sign in signs for part in (sign, Pause(0.15))]
    wire_server.script(Stream([*words("Hel", finish=None, done=False), *alive, *words("lo")]))

    started = time.monotonic()
    assert driver.text(driver.client(timeout=Timeout(idle=1)).stream("Hi")) == "Hello"
    assert time.monotonic() - started > 1


def test_a_chunk_reaches_the_caller_before_the_next_is_sent(driver, wire_server):
    seen = threading.Event()

    def blocks() -> Iterable[bytes]:
        first, *rest = words("Hel", "lo")
        yield first
        assert seen.wait(5)
        yield from rest

    wire_server.script(Stream(blocks()))
    text = ""
    for chunk in driver.chunks(driver.client().stream("Hi")):
        text += chunk.text
        if text == "Hel":
            seen.set()

    assert text == "Hello"


def test_the_end_of_a_stream_is_not_waited_for_long(driver, wire_server):
    def blocks() -> Iterable[bytes | Pause]:
        yield from words("Hello")
        for _ in range(100):
            yield Pause(0.1)
            yield b": still here\n\n"

    wire_server.script(Stream(blocks()))
    started = time.monotonic()

    assert driver.text(driver.client().stream("Hi")) == "Hello"
    assert time.monotonic() - started < 3
    assert wire_server.wait_closed()


# leaving early


def test_leaving_the_loop_and_the_block_frees_the_connection(driver, wire_server):
    wire_server.script(unfinished("Hel"))
    stream = driver.client().stream("Hi")

    with driver.entered(stream):
        for chunk in driver.chunks(stream):
            if chunk.text:
                break

    assert wire_server.wait_closed()
    assert (stream.status, stream.partial.text) == ("cancelled", "Hel")
    with pytest.raises(ConfigurationError, match="the stream is cancelled"):
        _ = stream.response


def test_an_exception_of_the_caller_frees_the_connection(driver, wire_server):
    wire_server.script(unfinished("Hel"))
    stream = driver.client().stream("Hi")

    def use() -> None:
        with driver.entered(stream):
            next(driver.chunks(stream))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()

    assert wire_server.wait_closed()
    assert stream.status == "cancelled"


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_stream_can_be_closed_at_any_time_and_more_than_once(steps, driver, wire_server):
    wire_server.script(unfinished("Hel"))
    stream = driver.client().stream("Hi")
    chunks = driver.chunks(stream)
    for _ in range(steps):
        next(chunks)

    for _ in range(2):
        driver.run(stream.close())

    assert stream.status == "cancelled"
    assert wire_server.wait_closed()
    assert len(wire_server.requests) == (1 if steps else 0)
    assert list(driver.chunks(stream)) == []


def test_closing_a_finished_stream_changes_nothing(driver, wire_server):
    wire_server.script(Stream(words("Hello")))
    stream = driver.client().stream("Hi")
    driver.text(stream)

    driver.run(stream.close())

    assert stream.status == "complete"
    assert stream.response.text == "Hello"
    assert list(driver.chunks(stream)) == []


@pytest.mark.parametrize("answer", [Answer(500), unfinished("Hel")], ids=["failed", "closed"])
def test_a_stream_that_is_over_cannot_be_entered(answer, driver, wire_server):
    wire_server.script(answer)
    stream = driver.client().stream("Hi")
    try:
        next(driver.chunks(stream))
    except ServerError:
        pass
    else:
        driver.run(stream.close())
    stream._decoder = None

    with pytest.raises(ConfigurationError, match=r"call stream\(\) again"), driver.entered(stream):
        pass


def test_a_finished_stream_may_be_entered_again_to_no_effect(driver, wire_server):
    wire_server.script(Stream(words("Hello")))
    stream = driver.client().stream("Hi")
    driver.text(stream)

    with driver.entered(stream):
        assert list(driver.chunks(stream)) == []
    assert stream.response.text == "Hello"


def test_a_stream_that_is_never_used_sends_nothing(driver, wire_server):
    driver.client().stream("Hi")

    assert wire_server.requests == []
    assert wire_server.open_connections == 0


def test_mistakes_are_raised_before_anything_is_sent(driver, wire_server):
    client = driver.client()

    for wrong in ([], [{"role": "wizard", "content": "Hi"}], [{"content": "Hi"}], 7):
        with pytest.raises(ConfigurationError):
            client.stream(wrong)
        with pytest.raises(ConfigurationError):
            driver.run(client.chat(wrong))

    assert wire_server.requests == []


# addresses


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed_and_carries_no_key(status, driver, wire_server):
    with WireServer() as other:
        wire_server.script(*[Answer(status, {"location": f"{other.url}{CHAT}"})] * 2)
        client = driver.client()

        for call in (lambda: driver.run(client.chat("Hi")), lambda: driver.text(client.stream("Hi"))):
            with pytest.raises(APIError, match="which is not followed") as failed:
                call()
            assert failed.value.status == status
            assert other.url in str(failed.value)
        assert other.requests == []


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_on_the_same_host_repeats_the_request(status, driver, wire_server):
    wire_server.script(*[Answer(status, {"location": "/elsewhere"}), ok()] * 2)
    client = driver.client()

    assert driver.run(client.chat("Hi")).text == "Hello"
    assert driver.text(client.stream("Hi")) == "Hello"

    first, second = wire_server.requests[:2]
    assert (first.path, second.path) == (CHAT, "/elsewhere")
    assert (first.method, first.body, first.headers) == (second.method, second.body, second.headers)
    assert second.headers["authorization"] == f"Bearer {KEY}"


def test_nobody_listening_is_a_transport_error_with_a_hint(driver):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    for run in (
        lambda client: driver.run(client.chat("Hi")),
        lambda client: driver.text(client.stream("Hi")),
        lambda client: driver.run(client.models()),
        lambda client: driver.run(client.embed("Hi")),
    ):
        with pytest.raises(
            TransportError, match=f"cannot connect to 127.0.0.1:{port}.*is the server running"
        ) as failed:
            run(driver.client(base_url=f"http://127.0.0.1:{port}"))
        assert failed.value.provider == "openai_compatible"


@pytest.mark.parametrize("base", ["", "/v1", "/v1/", "/v1//", "/v1/chat/completions", "/v1/models", "/?x=1", "/v1?x=1"])
def test_any_form_of_the_address_reaches_the_endpoint(base, driver, wire_server):
    wire_server.script(ok())

    assert driver.chat(base_url=wire_server.url + base).text == "Hello"
    assert wire_server.requests[0].path == CHAT + ("?x=1" if "?" in base else "")


@pytest.mark.parametrize(
    "name", ["a/b:free", "hf.co/org/model:Q4_K_M", "модель", "with space", "arn:aws:x/y", "%2e%2e/"]
)
def test_a_model_name_arrives_as_it_is(name, driver, wire_server):
    wire_server.script(ok())

    driver.chat(model=name)

    assert wire_server.requests[0].json["model"] == name


# the exchange


def test_the_request_is_what_it_should_be(driver, wire_server):
    wire_server.script(ok(), Stream(words("Hello")))
    client = driver.client(headers={"X-Team": "blue"})

    driver.run(client.chat("Hi", temperature=0.5, extra_headers={"X-Trace": "t1"}))
    driver.text(client.stream("Hi"))

    whole, streamed = wire_server.requests
    for request in wire_server.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["host"] == wire_server.url.removeprefix("http://")
        assert request.headers["content-type"] == "application/json"
        assert request.headers["x-team"] == "blue"
        assert request.headers["user-agent"].startswith("llm-connector")
        assert "cookie" not in request.headers
        assert "transfer-encoding" not in request.headers
    assert whole.headers["x-trace"] == "t1"
    assert whole.headers["accept-encoding"] == "gzip, deflate"
    assert streamed.headers["accept-encoding"] == "identity"
    assert whole.json == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5}
    assert streamed.json["stream"] is True


def test_no_header_is_sent_twice(driver):
    headers = {"Host": "front.test", "User-Agent": "mine", "Authorization": "Bearer other", "Accept": "x/y"}
    with RawServer(raw(b"HTTP/1.1 200 OK\r\n\r\n" + ok().body)) as server:
        driver.chat(base_url=server.url, headers=headers)

    lines = server.heads[0].lower().split(b"\r\n")[1:]
    names = [line.partition(b":")[0] for line in lines]
    assert len(names) == len(set(names))
    assert {b"host: front.test", b"user-agent: mine", b"authorization: bearer " + KEY.encode()} <= set(lines)


def test_cookies_are_not_kept(driver, wire_server):
    wire_server.script(Answer(200, {"set-cookie": "session=1; path=/"}, ok().body), ok())
    client = driver.client()

    driver.run(client.chat("Hi"))
    driver.run(client.chat("Hi"))

    assert "cookie" not in wire_server.requests[1].headers


def test_the_answer_keeps_its_headers_and_request_id(driver, wire_server):
    head = {"x-request-id": "r1", "X-Twice": "a"}
    wire_server.script(Answer(200, head, ok().body), Stream(words("Hello"), headers=head))
    client = driver.client()

    response = driver.run(client.chat("Hi"))
    stream = client.stream("Hi")
    driver.text(stream)

    for answer in (response, stream.response):
        assert answer.request_id == "r1"
        assert answer.headers["x-twice"] == "a"


def test_a_large_prompt_is_sent_whole(driver, wire_server):
    wire_server.script(ok())
    text = "é" * 3_000_000

    driver.chat(text)

    assert wire_server.requests[0].json["messages"][0]["content"] == text


def test_a_refusal_that_comes_before_the_prompt_is_sent_is_read(driver):
    body = json.dumps({"error": {"message": "too large"}}).encode()

    def answer(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body))
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(1 << 20):
            pass

    with RawServer(answer) as server, pytest.raises(LlmConnectorError) as failed:
        driver.chat("x" * 20_000_000, base_url=server.url)

    assert "too large" in str(failed.value)


def test_models_of_every_page_and_embeddings(driver, wire_server):
    wire_server.script(
        Answer.json({"data": [{"id": "a"}], "has_more": True, "last_id": "a"}),
        Answer.json({"data": [{"id": "b"}]}),
        Answer.json({"data": [{"index": 0, "embedding": [0.5]}], "model": "e"}),
    )
    client = driver.client()

    assert [model.id for model in driver.run(client.fetch_models())] == ["a", "b"]
    assert driver.run(client.embed("Hi", model="e")).vectors == [[0.5]]
    assert {request.connection for request in wire_server.requests} == {1}


@pytest.mark.parametrize("inputs", [[], "", ["a", ""], ["a", 1]])
def test_an_empty_input_is_refused_before_anything_is_sent(inputs, driver, wire_server):
    with pytest.raises(ConfigurationError, match="inputs"):
        driver.run(driver.client().embed(inputs))
    assert wire_server.requests == []


def test_a_call_may_have_retries_of_its_own(driver, wire_server):
    wire_server.script(Answer(503), Answer(503), ok())
    client = driver.client(retries=5)

    with pytest.raises(ServerError):
        driver.run(client.chat("Hi", max_retries=0))
    assert driver.run(client.chat("Hi")).text == "Hello"


# servers that do not speak HTTP


def raw(data: bytes) -> Callable[[socket.socket], None]:
    return lambda peer: peer.sendall(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 1000,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffffffffff\r\nx",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nx",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
    ],
    ids=lambda data: data[:40].decode("latin-1").encode("unicode_escape").decode(),
)
def test_a_server_that_does_not_speak_http_is_a_transport_error(data, driver):
    with RawServer(raw(data)) as server:
        client = driver.client(base_url=server.url, timeout=5)
        for call in (lambda: driver.run(client.chat("Hi")), lambda: driver.text(client.stream("Hi"))):
            with pytest.raises(LlmConnectorError) as failed:
                call()
            assert isinstance(failed.value, TransportError), repr(failed.value)


def test_a_key_in_a_garbled_status_line_is_not_shown(driver):
    with RawServer(raw(f"HTTP/1.1 {KEY} {KEY}\r\n\r\n".encode())) as server, pytest.raises(TransportError) as failed:
        driver.chat(base_url=server.url)

    assert "planted" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_an_answer_may_end_with_the_connection(driver):
    with RawServer(raw(b"HTTP/1.1 200 OK\r\n\r\n" + ok().body)) as server:
        assert driver.chat(base_url=server.url).text == "Hello"
    with RawServer(raw(b"HTTP/1.0 200 OK\r\n\r\n" + SPLIT.encode())) as server:
        assert driver.text(driver.client(base_url=server.url).stream("Hi")) == "Hello"


def test_interim_answers_are_skipped(driver):
    early = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    body = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(ok().body), ok().body)
    with RawServer(raw(b"HTTP/1.1 100 Continue\r\n\r\n" + early + body)) as server:
        assert driver.chat(base_url=server.url).text == "Hello"


def test_what_follows_an_answer_is_not_taken_for_the_next(driver, wire_server):
    whole = ok("first").body
    forged = ok("forged").body
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"

    def answer(peer: socket.socket) -> None:
        peer.sendall(head % len(whole) + whole + head % len(forged) + forged)
        peer.settimeout(0.2)
        with contextlib.suppress(OSError):
            again.append(peer.recv(65536))  # keeps the connection open, so that it is used again

    again: list[bytes] = []
    with RawServer(answer) as server:
        client = driver.client(base_url=server.url)
        assert [driver.run(client.chat("Hi")).text for _ in range(3)] == ["first"] * 3
    assert not any(again), "a request was sent on a connection with an answer to nothing"


def test_a_request_can_be_answered_from_its_content(driver, wire_server):
    def answer(request: Request) -> Answer:
        return ok(request.json["messages"][0]["content"])

    wire_server.route(CHAT, answer)
    client = driver.client()

    assert [driver.run(client.chat(text)).text for text in "abc"] == ["a", "b", "c"]


def test_a_stream_can_be_closed_while_another_thread_or_task_enters_it(driver, wire_server):
    arrived, answered = threading.Event(), threading.Event()
    failed: list[LlmConnectorError] = []

    def slowly(_request: Request) -> Stream:
        arrived.set()
        answered.wait(10)
        return unfinished("Hel")

    wire_server.script(slowly)
    stream = driver.client().stream("Hi")

    def close() -> None:
        arrived.wait(10)
        if driver.name == "sync":
            stream.close()
        else:
            asyncio.run_coroutine_threadsafe(stream.close(), loops[0]).result(10)
        answered.set()

    async def enter() -> None:
        loops.append(asyncio.get_running_loop())
        await stream.__aenter__()

    loops: list[asyncio.AbstractEventLoop] = []
    closing = threading.Thread(target=close)
    closing.start()
    try:
        _ = stream.__enter__() if driver.name == "sync" else driver.run(enter())
    except LlmConnectorError as error:
        failed.append(error)
    closing.join(10)

    assert [str(error) for error in failed] == ["openai_compatible: the stream is cancelled; call stream() again"]
