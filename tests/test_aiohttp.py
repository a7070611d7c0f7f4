"""What is aiohttp's own: the rest of what it must do, the tests of clients and transports ask of it as well."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest
import trio

from llm_connector import AsyncLlmClient, ConfigurationError, LlmClient, StreamError, Timeout, TimeoutError
from llm_connector.transport import pools
from llm_connector.transport.over_aiohttp import AiohttpTransport
from tests.conftest import ROOT
from tests.support.answers import completion
from tests.support.drivers import KEY, RawServer, unfinished, words
from tests.support.wire_server import Answer, Stream, WireServer

CHAT = "/v1/chat/completions"
OK = Answer.json(completion(content="Hello"))


def client_of(url: str, **settings: Any) -> AsyncLlmClient:
    settings = {"api_key": KEY, "model": "m", "max_retries": 0, "http_client": "aiohttp", **settings}
    return AsyncLlmClient("openai_compatible", base_url=url, **settings)


def test_the_blocking_client_says_who_takes_it():
    with pytest.raises(ConfigurationError, match="use AsyncLlmClient"):
        LlmClient("openai_compatible", base_url="http://api.test", http_client="aiohttp")  # type: ignore[arg-type]  # why it raises


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "aiohttp" else found(name))

    with pytest.raises(ConfigurationError, match=r"llm-connector-core\[aiohttp\]"):
        client_of("http://api.test")


def test_another_name_is_refused():
    with pytest.raises(ConfigurationError, match=r'give an httpx\.AsyncClient or "aiohttp"'):
        client_of("http://api.test", http_client="requests")


def test_trio_is_told_that_aiohttp_is_not_for_it(wire_server):
    with pytest.raises(ConfigurationError, match="aiohttp runs on asyncio"):
        trio.run(client_of(wire_server.url).chat, "Hi")


def test_clients_share_a_pool_that_is_not_that_of_httpx(wire_server):
    wire_server.route(CHAT, OK)

    async def use() -> list[str]:
        clients = [client_of(wire_server.url), client_of(wire_server.url), client_of(wire_server.url, http_client=None)]
        for client in clients:
            await client.chat("Hi")
        shared = pools.ASYNC_POOLS.of(asyncio.get_running_loop())._pools
        for client in clients:
            await client.close()
        return [type(pool.transport).__name__ for pool in shared.values()]

    assert asyncio.run(use()) == []
    assert [request.connection for request in wire_server.requests] == [1, 1, 2]


def test_a_socks_proxy_is_left_to_httpx():
    assert pools.aiohttp_key(("https", "socks5://p:1")) == ("https", "socks5://p:1")
    assert pools.aiohttp_key(("https", "http://p:1")) == ("https", "http://p:1", "aiohttp")


def test_an_answer_that_was_there_before_its_question_belongs_to_nobody():
    planted = OK.body.replace(b"Hello", b"Wrong")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    asked = 0

    def answer(peer: socket.socket) -> None:
        nonlocal asked
        asked += 1
        peer.sendall(head % len(OK.body) + OK.body)
        if asked == 1:
            time.sleep(0.05)  # so that it comes in a piece of its own, after the answer was read
            peer.sendall(head % len(planted) + planted)
            peer.settimeout(10)
            peer.recv(65536)

    async def use(url: str) -> list[str]:
        async with client_of(url) as client:
            first = await client.chat("Hi")
            await asyncio.sleep(0.3)  # what is planted comes meanwhile
            return [first.text, (await client.chat("Hi")).text]

    with RawServer(answer) as server:
        assert asyncio.run(use(server.url)) == ["Hello", "Hello"]
    assert len(server.heads) == 2, "the second question goes over a new connection"


def test_paths_are_sent_as_they_are_written(wire_server):
    wire_server.route("/a%2Fb/%7Ec/chat/completions", OK)

    assert asyncio.run(client_of(f"{wire_server.url}/a%2Fb/%7Ec").chat("Hi")).text == "Hello"


def test_heads_may_be_long(wire_server):
    wire_server.route(CHAT, Answer.json(completion(content="Hello"), headers={"x-long": "a" * 30_000}))

    assert asyncio.run(client_of(wire_server.url).chat("Hi")).headers["x-long"] == "a" * 30_000


def test_only_the_headers_of_the_provider_are_sent(wire_server: WireServer):
    wire_server.route(CHAT, OK)
    for http_client in ("aiohttp", None):
        asyncio.run(client_of(wire_server.url, http_client=http_client).chat("Hi"))

    over_aiohttp, over_httpx = (request.headers for request in wire_server.requests)
    assert over_aiohttp == over_httpx


def test_a_reader_that_takes_its_time_is_not_a_silent_server(wire_server):
    """The limit of aiohttp runs whether somebody reads or not; it must not begin anew while the buffer is full."""
    wire_server.route(CHAT, lambda request: Stream(words(*["x" * 1000] * 600)))

    async def use() -> int:
        async with client_of(wire_server.url, timeout=Timeout(idle=0.3)) as client, client.stream("Hi") as stream:
            size = 0
            async for chunk in stream:
                if not size:
                    await asyncio.sleep(0.8)
                size += len(chunk.text)
            return size

    assert asyncio.run(use()) == 600_000


def test_what_came_before_the_connection_broke_is_kept_once(wire_server):
    blocks = words(*(f"{number} " for number in range(3000)), finish=None, done=False)
    wire_server.route(CHAT, lambda request: Stream([b"".join(blocks)], end="cut"))

    stream = client_of(wire_server.url).stream("Hi")

    async def use() -> None:
        async for _ in stream:
            await asyncio.sleep(0)

    with pytest.raises(StreamError):
        asyncio.run(use())
    assert stream.partial.text == "".join(f"{number} " for number in range(3000))


def test_a_silent_server_is_found_out_after_a_slow_reader(wire_server):
    wire_server.route(CHAT, lambda request: unfinished("Hel"))

    async def use() -> None:
        async with client_of(wire_server.url, timeout=Timeout(idle=0.2)) as client:
            async for _ in client.stream("Hi"):
                pass

    with pytest.raises(TimeoutError, match="between two bytes"):
        asyncio.run(use())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_child_that_ends_with_the_loop_of_its_parent_leaves_the_connections_alone(wire_server):
    wire_server.route(CHAT, OK)
    script = """
        import asyncio, os, sys
        from llm_connector import AsyncLlmClient

        async def main():
            client = AsyncLlmClient("openai_compatible", base_url=sys.argv[1], model="m", http_client="aiohttp")
            await asyncio.gather(*(client.chat("Hi") for _ in range(3)))
            child = os.fork()
            if child == 0:
                import warnings
                warnings.simplefilter("ignore", ResourceWarning)  # copies of the parent's sockets are dropped
                sys.exit(0)
            os.waitpid(child, 0)
            answers = await asyncio.wait_for(asyncio.gather(*(client.chat("Hi") for _ in range(3))), 10)
            print(*(answer.text for answer in answers))
            await client.close()

        asyncio.run(main())
        """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), wire_server.url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout, done.stderr) == ("Hello Hello Hello\n", "")
    assert {request.connection for request in wire_server.requests[3:]} <= {1, 2, 3}, "the parent's are still good"


def test_what_a_transport_was_never_asked_to_open_closes_quietly():
    transport = AiohttpTransport(pools._context("http", ""), "", most=1, keep_seconds=1)
    transport.disown()
    asyncio.run(transport.aclose())
