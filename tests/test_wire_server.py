from __future__ import annotations

import json
import socket
import time

import httpx
import pytest

from tests.support.wire_server import Answer, Pause, Refuse, Request, Stream, WireServer, ndjson, sse


@pytest.fixture
def client(wire_server: WireServer):
    with httpx.Client(base_url=wire_server.url, trust_env=False, timeout=5) as client:
        yield client


def test_answers_come_in_the_order_of_the_script(wire_server, client):
    wire_server.script(Answer(status=529, headers={"retry-after": "2"}), Answer.json({"text": "é"}))

    first, second = client.get("/a"), client.get("/b")

    assert (first.status_code, first.headers["retry-after"], first.content) == (529, "2", b"")
    assert second.json() == {"text": "é"}
    assert second.headers["content-type"] == "application/json"


def test_requests_are_kept_as_they_arrived(wire_server, client):
    wire_server.script(Answer(), Answer())

    client.post("/chat?x=1", json={"model": "m"}, headers={"X-Api-Key": "secret"})
    client.post("/upload", content=iter([b"ab", b"c"]))

    chat, upload = wire_server.requests
    assert (chat.method, chat.path, chat.json) == ("POST", "/chat?x=1", {"model": "m"})
    assert chat.headers["x-api-key"] == "secret"
    assert upload.headers["transfer-encoding"] == "chunked"
    assert upload.body == b"abc"


def test_a_connection_is_kept_alive_and_its_end_is_seen(wire_server):
    wire_server.script(Answer(body=b"1"), Stream([b"2"]), Answer(body=b"3"))

    with httpx.Client(base_url=wire_server.url, trust_env=False) as client:
        assert [client.get("/").text for _ in range(3)] == ["1", "2", "3"]
        assert [request.connection for request in wire_server.requests] == [1, 1, 1]
        assert wire_server.open_connections == 1
        assert not wire_server.wait_closed(0.01)

    assert wire_server.wait_closed()
    assert wire_server.open_connections == 0


def test_a_route_answers_every_request_to_its_path(wire_server, client):
    wire_server.route("/models", Answer.json({"data": []}))
    wire_server.script(lambda request: Answer(body=request.method.encode()))

    assert client.get("/models?page=2").json() == {"data": []}
    assert client.get("/other").text == "GET"
    assert client.get("/models").json() == {"data": []}


def test_what_is_not_scripted_is_an_error_that_nothing_retries(wire_server, client):
    response = client.get("/surprise")

    assert response.status_code == 418
    assert "nothing scripted for GET /surprise" in response.text


def test_blocks_arrive_as_they_were_cut(wire_server, client):
    blocks = ["data: né".encode()[:-1], "é".encode()[1:], b"x\n\n"]
    wire_server.script(Stream(blocks, headers={"content-type": "text/plain"}))

    with client.stream("GET", "/") as response:
        assert response.headers["content-type"] == "text/plain"
        assert list(response.iter_raw()) == blocks


def test_pauses_and_delays_are_kept(wire_server, client):
    wire_server.script(Stream([b"a", Pause(0.1), b"b"], delay=0.1))

    started = time.monotonic()
    with client.stream("GET", "/") as response:
        head = time.monotonic() - started
        assert response.read() == b"ab"

    assert head >= 0.1
    assert time.monotonic() - started >= 0.2


def test_a_cut_stream_lacks_its_end(wire_server, client):
    wire_server.script(Stream([b"a"], end="cut"))

    with (
        client.stream("GET", "/") as response,
        pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"),
    ):
        response.read()


def test_a_reset_stream_breaks_the_connection(wire_server, client):
    wire_server.script(Stream([b"a", Pause(0.05)], end="reset"))
    received = []

    with client.stream("GET", "/") as response, pytest.raises(httpx.ReadError):
        received.extend(response.iter_raw())

    assert wire_server.wait_closed()


def test_a_held_stream_stays_open_until_the_client_goes(wire_server, client):
    wire_server.script(Stream([b"a"], end="hold"))

    with client.stream("GET", "/") as response:
        blocks = response.iter_raw()
        assert next(blocks) == b"a"
        assert not wire_server.wait_closed(0.05)

    assert wire_server.wait_closed()


def test_a_client_that_leaves_during_a_pause_is_noticed(wire_server, client):
    wire_server.script(Stream([b"a", Pause(60), b"b"]))

    with client.stream("GET", "/") as response:
        blocks = response.iter_raw()
        assert next(blocks) == b"a"

    assert wire_server.wait_closed(1)


def test_a_refused_request_gets_no_answer(wire_server, client):
    wire_server.script(Refuse(), Answer())

    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        client.get("/")

    assert client.get("/").status_code == 200
    assert [request.connection for request in wire_server.requests] == [1, 2]


def test_a_body_may_be_shorter_than_announced(wire_server, client):
    wire_server.script(Answer(headers={"content-length": "10"}, body=b"short"))

    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/")


def test_leaving_the_server_ends_what_is_under_way():
    started = time.monotonic()
    with WireServer() as server, socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as peer:
        server.script(Stream([b"a"], end="hold"))
        peer.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert peer.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        server.__exit__(None, None, None)
        while peer.recv(65536):
            pass
        assert server.open_connections == 0

    assert time.monotonic() - started < 2


def test_events_and_lines_are_one_block_each():
    assert sse({"n": 1}, "raw") == [b'data: {"n": 1}\n\n', b"data: raw\n\n", b"data: [DONE]\n\n"]
    assert sse({"type": "ping"}, done=False, named=True) == [b'event: ping\ndata: {"type": "ping"}\n\n']
    assert [json.loads(line) for line in ndjson({"n": 1}, {"n": "é"})] == [{"n": 1}, {"n": "é"}]


def test_a_request_reads_as_json():
    assert Request("POST", "/", {}, b'{"a": 1}', 1).json == {"a": 1}
