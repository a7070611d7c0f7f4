"""Paths, methods, bodies and headers: what stands before every handler."""

from __future__ import annotations

import json
import socket

import httpx
import pytest

from llm_connector.server import Gateway, GatewayConfig, Upstream
from llm_connector.server.config import single
from llm_connector.server.guard import MAX_HEAD_BYTES
from tests.support.answers import completion
from tests.support.anybody import anybody
from tests.support.asgi import asked
from tests.support.gateway import gateway
from tests.support.wire_server import Answer, WireServer

LIMIT = 2000
HI = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(scope="module")
def client():
    with WireServer() as provider:
        provider.route("/v1/models", anybody)
        provider.route("/v1/chat/completions", Answer.json(completion(content="Hello")))
        with gateway(provider.url, max_body_bytes=LIMIT) as running, httpx.Client(base_url=running.url) as client:
            yield client


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions", "//v1/chat/completions"]
)
def test_a_base_url_with_v1_or_a_slash_too_often_or_too_seldom_works(client, path):
    path = f"{client.base_url}{path}"  # whole, as httpx would leave a slash out
    assert client.post(path, json=HI).json()["choices"][0]["message"]["content"] == "Hello"
    assert client.post(path + "/?beta=true", json=HI).status_code == 200


@pytest.mark.parametrize(
    ("path", "headers", "words"),
    [
        ("/v1/nothing", {}, lambda body: body["error"]["message"]),
        ("/v1/nothing", {"anthropic-version": "x"}, lambda body: body["error"]["message"] if body["type"] else ""),
        ("/api/nothing", {}, lambda body: body["error"]),
        ("/nothing", {}, lambda body: body["error"]["message"]),
    ],
)
def test_a_path_that_there_is_not_is_told_in_the_dialect_of_the_client(client, path, headers, words):
    answer = client.get(path, headers=headers)
    assert answer.status_code == 404
    assert words(answer.json()).startswith(f"there is no {path} here; there are")


def test_another_method_is_told(client):
    answer = client.get("/v1/chat/completions")
    assert answer.status_code == 405
    assert "takes POST, not GET" in answer.json()["error"]["message"]
    assert client.request("DELETE", "/api/tags").status_code == 405


@pytest.mark.parametrize("path", ["/", "/health", "/api/version", "/api/tags", "/v1/models"])
def test_a_head_is_what_a_get_would_say_without_its_body(client, path):
    asked = client.head(path)
    assert asked.content == b""
    assert asked.status_code == 200


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b"[" * 1900, "the body is not JSON"),
        (b"[]", "give a JSON object, not a list"),
        (b"null", "give a JSON object"),
        (b'{"model": 7, "messages": []}', "give"),
    ],
)
def test_what_is_no_request_is_told_in_the_dialect_of_the_client(client, content, words):
    for path in ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat", "/api/show", "/v1/embeddings"):
        answer = client.post(path, content=content)
        assert answer.status_code == 400, path
        assert words in answer.text
        assert "error" in answer.json()


def test_a_body_that_is_too_large_is_refused_before_it_is_read(client):
    sent = client.post("/v1/messages", content=b"x" * (LIMIT + 1))
    assert (sent.status_code, sent.json()["error"]["type"]) == (413, "request_too_large")
    pieces = client.post("/api/chat", content=iter([b"x" * LIMIT, b"x"]))
    assert pieces.status_code == 413
    assert f"{LIMIT:,} bytes" in pieces.json()["error"]
    host = client.base_url.host, client.base_url.port
    with socket.create_connection(host, timeout=20) as raw:
        raw.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 413")
    assert client.post("/v1/chat/completions", json=HI).status_code == 200


def test_a_body_that_does_not_come_is_waited_for_no_longer(client, monkeypatch):
    monkeypatch.setattr("llm_connector.server.calls._LONGEST_SILENCE", 0.05)
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=20) as raw:
        raw.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{")
        assert raw.recv(4096).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("length", ["x", "-1", ""])
def test_a_length_that_is_none_is_refused(client, length):
    host = client.base_url.host, client.base_url.port
    with socket.create_connection(host, timeout=20) as raw:
        raw.sendall(f"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n".encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 400")


async def test_a_whole_head_that_is_too_large_is_refused():
    application = Gateway(GatewayConfig(single(Upstream("local"))))
    for size, status in ((MAX_HEAD_BYTES - 100, 200), (MAX_HEAD_BYTES, 431)):
        assert (await asked(application, "GET", "/health", b"", {"x": "y" * size})).status == status
    assert (await asked(application, "GET", "/" + "y" * MAX_HEAD_BYTES, b"")).status == 431


def test_a_head_that_does_not_end_is_refused_at_the_limit(client):
    """To the byte, so that nothing is left unread, for which the system would reset the connection."""
    begun = b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: "
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=20) as raw:
        raw.sendall(begun + b"y" * (MAX_HEAD_BYTES + 1 - len(begun)))
        assert raw.recv(4096).startswith(b"HTTP/1.1 400")


def test_every_answer_has_an_id_of_its_own(client):
    ids = [client.get(path).headers["x-request-id"] for path in ("/health", "/v1/nothing", "/v1/models")]
    assert len(set(ids)) == 3
    assert client.get("/v1/models").headers["request-id"].startswith("req_")


def test_what_fails_inside_is_said_and_not_shown(client, monkeypatch):
    def fail(*_arguments):
        raise RuntimeError("sk-secret")

    monkeypatch.setattr("llm_connector.server.routing.Routes.find", fail)
    answer = client.post("/v1/chat/completions", json=HI)
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "the gateway failed; its log says more"


def test_the_page_may_load_nothing_from_elsewhere(client):
    page = client.get("/", headers={"accept": "text/html,*/*"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert client.get("/").text == client.get("/v1/").text == "Ollama is running"


def test_the_version_is_one_that_clients_can_compare(client):
    version = client.get("/api/version").json()["version"]
    assert [int(number) for number in version.split(".")] >= [0, 13, 0]
    assert client.get("/api/ps").json() == {"models": []}


async def test_lifespan_closes_what_is_open(anyio_backend):
    del anyio_backend
    application = Gateway(GatewayConfig(single(Upstream("local"))))
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent = []

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message["type"])

    await application({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert json.dumps(sent)


pytestmark = pytest.mark.anyio
