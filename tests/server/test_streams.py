"""Streams through a gateway, on real sockets: when the head is sent, who waits for whom, and what ends them."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from llm_connector.server import Gateway, GatewayConfig, Model, Upstream
from llm_connector.server.config import single
from tests.support.answers import delta
from tests.support.asgi import asked
from tests.support.gateway import gateway, upstream
from tests.support.wire_server import Answer, Pause, Refuse, Stream, WireServer, sse

HELLO = sse(delta(content="Hello"), delta(content=" there"), delta("stop"))
PATHS = ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat", "/api/generate", "/chat"]
SHORT = 0.05
PIECES = 400


@pytest.fixture(scope="module")
def served():
    """A provider, and a gateway before it."""
    with WireServer() as provider, gateway(provider.url) as running:
        yield provider, running


@pytest.fixture(scope="module")
def talkative():
    """The same, where the gateway soon fills a silence."""
    with WireServer() as provider, gateway(provider.url, keep_alive=SHORT) as running:
        yield provider, running


def body(path, **more):
    field = {"/v1/responses": "input", "/api/generate": "prompt"}.get(path, "messages")
    said = "Hi" if field != "messages" else [{"role": "user", "content": "Hi"}]
    return {"model": "m", field: said, "stream": True, **more}


def ask(url, path="/v1/chat/completions", **more):
    return httpx.post(url + path, json=body(path, **more), timeout=20)


class Client:
    """A client of one streamed request, which reads when it is told to."""

    def __init__(self, port, path="/v1/chat/completions", receive_buffer=None, **more):
        content = json.dumps(body(path, **more)).encode()
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(content)}\r\n\r\n"
        self.socket.sendall(head.encode() + content)
        self.read = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.socket.close()

    def until(self, mark):
        """All that has been read, once `mark` is in it."""
        searched = 0
        while mark not in self.read[searched:]:
            searched = max(len(self.read) - len(mark), 0)
            block = self.socket.recv(65536)
            assert block, f"closed before {mark!r}: {bytes(self.read[-300:])!r}"
            self.read += block
        return bytes(self.read)


@pytest.mark.parametrize("path", PATHS)
def test_a_piece_is_written_when_it_comes(path, served):
    """The second one is sent by the provider after the client has read the first."""
    go = threading.Event()

    def blocks():
        yield HELLO[0]
        go.wait(20)
        yield from HELLO[1:]

    provider, running = served
    provider.script(Stream(blocks()))
    with Client(running.port, path) as client:
        first = client.until(b"Hello")
        assert b"there" not in first
        assert first.startswith(b"HTTP/1.1 200 OK")
        assert b"x-accel-buffering: no" in first
        assert b"cache-control: no-cache" in first
        go.set()
        client.until(b"0\r\n\r\n")


@pytest.mark.parametrize("path", PATHS)
def test_an_error_before_the_first_piece_has_its_own_status(path, served):
    refused = Answer.json({"error": {"message": "Slow down."}}, 429, {"retry-after": "7"})
    provider, running = served
    provider.script(refused, Stream(sse({"error": {"message": "Busy", "code": 503}}, done=False)))
    early = ask(running.url, path)
    assert (early.status_code, early.headers["retry-after"]) == (429, "7")
    assert early.headers["content-type"] == "application/json"
    assert "Slow down." in early.text
    assert ask(running.url, path).status_code >= 500, "an error in place of the first event"


def test_an_error_after_the_first_piece_is_told_inside_and_nothing_ends_well(served):
    provider, running = served
    for path in PATHS:
        provider.script(Stream([HELLO[0]], end="cut"))
        answer = ask(running.url, path)
        assert answer.status_code == 200
        assert "Hello" in answer.text
        last = answer.text.rstrip().splitlines()[-1].removeprefix("data: ")
        assert "error" in json.loads(last) or json.loads(last)["response"]["error"], path
        for ending in ("[DONE]", "message_stop", "response.completed", '"done":true', 'finish_reason":"stop'):
            assert ending not in answer.text, path


def test_the_client_hears_nothing_of_a_key_of_the_gateway_that_is_refused_but_that_it_was():
    for status in (401, 403):
        with WireServer() as provider, gateway(provider.url) as running:
            provider.script(Answer.json({"error": {"message": "Incorrect API key"}}, status))
            answer = ask(running.url)
        assert answer.status_code == 502
        assert answer.headers["x-should-retry"] == "false"
        error = answer.json()["error"]
        assert error["message"].startswith("the gateway was refused by openai_compatible: Incorrect API key")
        assert error["type"] == "server_error"


def test_a_provider_that_cannot_be_reached_is_a_bad_gateway(served):
    provider, running = served
    provider.script(Refuse())
    assert ask(running.url).status_code == 502


def test_a_provider_that_is_silent_is_a_gateway_timeout():
    with WireServer() as provider, gateway(models=(Model("*", upstream(provider.url, timeout=SHORT)),)) as running:
        provider.script(Stream([], delay=20))
        assert ask(running.url).status_code == 504


@pytest.mark.parametrize(
    ("path", "sign"),
    [
        ("/v1/chat/completions", b": keep-alive\n\n"),
        ("/v1/responses", b": keep-alive\n\n"),
        ("/v1/messages", b'event: ping\ndata: {"type":"ping"}\n\n'),
        ("/api/chat", b'"message":{"role":"assistant","content":""},"done":false}\n'),
        ("/api/generate", b'"response":"","done":false}\n'),
        ("/chat", b'{"content":""}\n'),
    ],
)
@pytest.mark.parametrize("when", ["before the head", "before the first piece", "between pieces"])
def test_silence_is_filled(path, sign, when, talkative):
    go = threading.Event()

    def blocks():
        if when == "between pieces":
            yield HELLO[0]
        elif when == "before the first piece":
            yield b": \n\n"
        go.wait(20)
        yield from HELLO[1:] if when == "between pieces" else HELLO

    def answer(_request):
        if when == "before the head":
            go.wait(20)
        return Stream(blocks())

    provider, running = talkative
    provider.script(answer)
    with Client(running.port, path) as client:
        heard = client.until(sign)
        assert heard.startswith(b"HTTP/1.1 200 OK")
        go.set()
        whole = client.until(b"0\r\n\r\n")
        assert whole.index(b"there") > whole.index(sign)


@pytest.mark.parametrize("path", PATHS)
def test_an_error_after_a_keep_alive_is_told_inside(path, talkative):
    go = threading.Event()

    def answer(_request):
        go.wait(20)
        return Answer.json({"error": {"message": "No such luck."}}, 400)

    provider, running = talkative
    provider.script(answer)
    with Client(running.port, path) as client:
        client.until(b"HTTP/1.1 200 OK")
        go.set()
        assert b"No such luck." in client.until(b"0\r\n\r\n")


def held(provider):
    """A stream that begins and then says nothing more."""
    provider.script(Stream([HELLO[0]], end="hold"))


def test_a_client_that_goes_ends_the_call_to_the_provider_at_once():
    with WireServer() as provider, gateway(provider.url) as running:
        held(provider)
        with Client(running.port) as client:
            client.until(b"Hello")
            assert provider.open_connections == 1
            client.socket.close()
            assert provider.wait_closed()


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_before_the_answer_begins_ends_the_call_as_well(stream):
    came = threading.Event()

    def silent(_request):
        came.set()
        return Stream([], delay=60) if stream else Answer(delay=60)

    with WireServer() as provider, gateway(provider.url) as running:
        provider.script(silent)
        with Client(running.port, stream=stream) as client:
            assert came.wait(20)
            client.socket.close()
            assert provider.wait_closed()


def test_a_client_that_is_slow_makes_the_provider_wait():
    """What is on the way fits into the buffers of the sockets; nothing grows in the gateway."""
    piece = sse(delta(content="x" * 50_000), done=False)[0]  # 20 MB in all
    sent = 0

    def blocks():
        nonlocal sent
        for _ in range(PIECES):
            sent += 1
            yield piece
        yield from sse(delta("stop"))

    with WireServer() as provider, gateway(provider.url) as running:
        provider.script(Stream(blocks()))
        with Client(running.port, receive_buffer=1 << 16) as client:
            client.until(b"x")
            seen = -1
            while seen != sent:  # until it moves no more
                seen = sent
                time.sleep(0.3)
            assert sent < PIECES, "the rest is still at the provider"
            client.until(b"[DONE]")
            assert client.read.count(b"x") >= PIECES * 50_000


def test_a_connection_is_used_again():
    with WireServer() as provider, gateway(provider.url) as running, httpx.Client(base_url=running.url) as client:
        for _ in range(3):
            provider.script(Stream(HELLO))
            assert "there" in client.post("/chat", json=body("/chat")).text
        assert {request.connection for request in provider.requests} == {1}


def test_a_stop_lets_running_answers_finish():
    go = threading.Event()

    def blocks():
        yield HELLO[0]
        go.wait(20)
        yield from HELLO[1:]

    with WireServer() as provider, gateway(provider.url) as running:
        provider.script(Stream(blocks()))
        with Client(running.port) as client:
            client.until(b"Hello")
            running.stop()
            while True:
                try:
                    httpx.get(f"{running.url}/health")
                except httpx.TransportError:
                    break
            go.set()
            assert b"[DONE]" in client.until(b"0\r\n\r\n")
            running.join()


def test_a_stop_tells_answers_that_take_too_long():
    with WireServer() as provider, gateway(provider.url, shutdown=1) as running:
        held(provider)
        with Client(running.port) as client:
            client.until(b"Hello")
            waiting = threading.Event()

            def never(_request):
                waiting.set()
                return Answer(delay=60)

            provider.script(never)
            with Client(running.port, stream=False) as whole:
                assert waiting.wait(20)
                running.stop()
                assert b"shutting down" in client.until(b"0\r\n\r\n")
                assert b"HTTP/1.1 503" in whole.until(b"shutting down")
                running.join()
                assert provider.wait_closed()


def test_many_streams_at_once_lose_nothing():
    count, pieces = 200, 20
    paced: list[bytes | Pause] = [*sse(delta(content="x"), done=False), Pause(0.005)]
    answer = Stream([*paced * pieces, *sse(delta("stop"))])

    async def one(client):
        reply = await client.post("/chat", json=body("/chat"))
        return sum(json.loads(line).get("content") == "x" for line in reply.text.splitlines())

    async def all_of(url):
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
            return await asyncio.gather(*(one(client) for _ in range(count)))

    with WireServer() as provider, gateway(provider.url) as running:
        provider.route("/v1/chat/completions", answer)
        assert asyncio.run(all_of(running.url)) == [pieces] * count


async def test_the_application_alone_is_plain_asgi():
    """Any server can run it, and any framework mount it."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    with WireServer() as provider:
        application = Gateway(GatewayConfig((Model("a", upstream(provider.url)),)))
        scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": [(b"host", b"localhost")]}
        await application(scope, receive, send)
    assert sent[0]["status"] == 200
    assert json.loads(sent[1]["body"])["data"][0]["id"] == "a"


async def test_it_can_be_mounted_below_a_path():
    application = Starlette(routes=[Mount("/llm", Gateway(GatewayConfig(single(Upstream("local")))))])
    assert (await asked(application, "GET", "/llm/health", b"")).status == 200
    assert (await asked(application, "GET", "/llm/v1/models/none", b"")).status == 200


pytestmark = pytest.mark.anyio
