"""Limits, pools, loops, threads, forks, proxies, cancellation: what happens to connections."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import gc
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpcore
import httpx
import pytest

from llm_connector import (
    AsyncLlmClient,
    ConfigurationError,
    LlmClient,
    LlmConnectorError,
    ServerError,
    StreamError,
    Timeout,
    TimeoutError,
    TransportError,
)
from llm_connector.transport import phases, pools
from llm_connector.transport.over_aiohttp import AiohttpTransport
from tests.conftest import ROOT
from tests.support.answers import completion
from tests.support.drivers import DRIVERS, TRANSPORTS, AsyncDriver, Driver, RawServer, SyncDriver, unfinished, words
from tests.support.interrupting import Interrupting
from tests.support.wire_server import Answer, Pause, Refuse, Request, Stream, WireServer

T = TypeVar("T", bound=Driver)

OK = Answer.json(completion(content="Hello"))
CHAT = "/v1/chat/completions"
SILENCE = Stream([], end="hold")


@pytest.fixture
def new_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools that no client of another test has shared."""
    monkeypatch.setattr(pools.SYNC_POOLS, "_pools", {})
    monkeypatch.setattr(pools.ASYNC_POOLS, "_loops", weakref.WeakKeyDictionary())


def cleared(driver: T) -> Iterator[T]:
    """A driver that leaves no connection."""
    yield driver
    driver.close()
    assert driver.server.wait_closed(), "a connection is still open although every client is closed"


@pytest.fixture(params=TRANSPORTS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer, new_pools: None) -> Iterator[Driver]:
    yield from cleared(request.param(wire_server))


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def over_httpx(request: pytest.FixtureRequest, wire_server: WireServer, new_pools: None) -> Iterator[Driver]:
    yield from cleared(request.param(wire_server))


@pytest.fixture
def sync(wire_server: WireServer, new_pools: None) -> Iterator[SyncDriver]:
    yield from cleared(SyncDriver(wire_server))


@pytest.fixture(params=[None, "aiohttp"], ids=["httpx", "aiohttp"])
def http_client(request: pytest.FixtureRequest) -> str | None:
    """Whose pool carries the requests of an `AsyncLlmClient`."""
    name: str | None = request.param
    return name


def busy(transport: Any) -> int:
    """The places in a pool that requests take."""
    if isinstance(transport, AiohttpTransport):
        connector: Any = transport._session and transport._session.connector
        return len(connector._acquired) if connector else 0
    pool = transport._pool
    return len(pool._requests) + sum(not connection.is_idle() for connection in pool.connections)


def failing(driver: Driver, *, stream: bool, **settings: Any) -> tuple[LlmConnectorError, float]:
    """The error of one call, and the seconds it took."""
    client = driver.client(**settings)
    started = time.monotonic()
    with pytest.raises(LlmConnectorError) as failed:
        _ = driver.text(client.stream("Hi")) if stream else driver.run(client.chat("Hi"))
    return failed.value, time.monotonic() - started


# limits


@contextlib.contextmanager
def full_house() -> Generator[str]:
    """The address of a server that has no room for another connection: attempts to connect wait."""
    with socket.socket() as listener, contextlib.ExitStack() as guests:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        guests.enter_context(contextlib.closing(socket.create_connection(listener.getsockname())))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def drip_head(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nx-slow: ")
    for _ in range(600):
        peer.sendall(b"a")
        time.sleep(0.05)


def drip_body(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
    for _ in range(600):
        peer.sendall(b": still here\n\n")
        time.sleep(0.05)


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
class TestLimits:
    @pytest.mark.parametrize(
        ("answer", "timeout", "says"),
        [
            (Refuse(delay=60), Timeout(first_byte=0.1), "silent for 0.1 s before the first byte"),
            (Refuse(delay=60), 0.1, "silent for 0.1 s before the first byte"),
            (SILENCE, Timeout(first_byte=0.1, idle=30), "silent for 0.1 s before the first byte"),
            (Stream([b"\n"], end="hold"), Timeout(first_byte=30, idle=0.1), "silent for 0.1 s between two bytes"),
            (Stream([b"\n"], end="hold"), 0.3, "silent for 0.3 s between two bytes"),
            (SILENCE, Timeout(total=0.1), "total limit of 0.1 s"),
            (SILENCE, Timeout(first_byte=None, total=0.1), "total limit of 0.1 s"),
            (Stream([b"\n"], end="hold"), Timeout(idle=None, total=0.1), "total limit of 0.1 s"),
        ],
        ids=[
            "no head",
            "a number",
            "head only",
            "idle",
            "idle by a number",
            "total",
            "only total",
            "total in the body",
        ],
    )
    def test_silence_ends(self, answer, timeout, says, stream, driver, wire_server):
        wire_server.script(answer)

        error, seconds = failing(driver, stream=stream, timeout=timeout)

        assert isinstance(error, TimeoutError)
        assert says in str(error)
        assert error.provider == "openai_compatible"
        assert 0.05 < seconds < 5
        assert wire_server.wait_closed()

    @pytest.mark.parametrize(
        ("timeout", "says"),
        [
            (Timeout(connect=0.1), "no connection to 127.0.0.1:.* within 0.1 s"),
            (Timeout(connect=None, total=0.1), "total limit of 0.1 s"),
        ],
    )
    def test_a_connection_that_does_not_come_ends(self, timeout, says, stream, driver):
        with full_house() as url:
            error, seconds = failing(driver, stream=stream, base_url=url, timeout=timeout)

        assert isinstance(error, TimeoutError)
        assert seconds < 5
        with pytest.raises(TimeoutError, match=says):
            raise error

    @pytest.mark.parametrize(
        ("drip", "timeout", "says"),
        [
            (drip_head, Timeout(first_byte=0.2), "before the first byte"),
            (drip_head, Timeout(total=0.2), "total limit"),
            (drip_body, Timeout(total=0.2, idle=5), "total limit"),
        ],
        ids=["head", "head, total", "body, total"],
    )
    def test_a_server_that_drips_cannot_hold_a_call_for_ever(self, drip, timeout, says, stream, driver):
        with RawServer(drip) as server:
            error, seconds = failing(driver, stream=stream, base_url=server.url, timeout=timeout)

        assert isinstance(error, TimeoutError)
        assert says in str(error)
        assert seconds < 5

    def test_no_limit_at_all_is_possible(self, stream, driver, wire_server):
        forever = float("inf")
        for timeout in (forever, 1e300, Timeout(None, None, None, None), Timeout(forever, forever, forever, forever)):
            wire_server.script(Stream(words("Hello"), delay=0.01))
            client = driver.client(timeout=timeout)
            assert (driver.text(client.stream("Hi")) if stream else driver.run(client.chat("Hi")).text) == "Hello"

    def test_silence_is_worth_a_retry(self, stream, driver, wire_server):
        wire_server.route(CHAT, lambda request: Refuse(60) if request.connection == 1 else Stream(words("Hello")))
        client = driver.client(timeout=0.3, retries=1)

        assert (driver.text(client.stream("Hi")) if stream else driver.run(client.chat("Hi")).text) == "Hello"

    def test_the_total_limit_counts_all_attempts_and_the_waits_between(self, stream, driver, wire_server):
        wire_server.script(*[Refuse(delay=0.1)] * 50)

        error, seconds = failing(driver, stream=stream, timeout=Timeout(total=0.25), retries=50)

        assert isinstance(error, TransportError)
        assert seconds < 5
        assert len(wire_server.requests) < 10

    def test_a_wait_beyond_the_total_limit_is_not_begun(self, stream, driver, wire_server):
        wire_server.script(Answer(503, {"retry-after": "60"}))

        error, seconds = failing(driver, stream=stream, timeout=Timeout(total=5), retries=3)

        assert isinstance(error, ServerError)
        assert seconds < 4

    def test_a_limit_of_one_call_is_its_own(self, stream, driver, wire_server):
        wire_server.route(CHAT, lambda request: SILENCE if request.connection == 1 else OK)
        client = driver.client()

        with pytest.raises(TimeoutError):
            _ = driver.text(client.stream("Hi", timeout=0.1)) if stream else driver.run(client.chat("Hi", timeout=0.1))
        assert driver.run(client.chat("Hi")).text == "Hello"


def test_what_arrived_before_silence_is_kept(driver, wire_server):
    wire_server.script(unfinished("Hel"))
    stream = driver.client(timeout=Timeout(idle=0.3)).stream("Hi")

    with pytest.raises(StreamError) as failed:
        driver.text(stream)

    assert isinstance(failed.value, TimeoutError)
    assert isinstance(failed.value, builtins.TimeoutError)
    assert failed.value.partial is not None
    assert failed.value.partial.text == "Hel"
    assert stream.status == "interrupted"


@pytest.mark.parametrize("value", [0, -1, float("nan"), "5", [5]])
def test_a_limit_that_is_none_is_refused(value, driver):
    with pytest.raises(ConfigurationError, match="timeout"):
        driver.client(timeout=value)
    with pytest.raises(ConfigurationError, match="timeout"):
        driver.client().stream("Hi", timeout=value)


# pools


def connections(server: WireServer) -> list[int]:
    return [request.connection for request in server.requests]


def test_clients_of_the_same_settings_share_connections(driver, wire_server):
    wire_server.script(*[OK] * 4)
    first, second = driver.client(), driver.client(model="other")
    third = second.with_options(api_key="sk-another-0123456789", model="third", timeout=3)
    driver._made.append(third)

    for client in (first, second, third, first):
        driver.run(client.chat("Hi"))

    assert connections(wire_server) == [1, 1, 1, 1]
    assert wire_server.requests[2].headers["authorization"] == "Bearer sk-another-0123456789"


def test_connections_stay_until_the_last_client_of_them_is_closed(driver, wire_server):
    wire_server.script(*[OK] * 4)
    first, second = driver.client(), driver.client()
    copied = first.with_options(model="copied")
    for client in (first, second, copied):
        driver.run(client.chat("Hi"))

    driver.run(first.close())
    driver.run(second.close())
    assert driver.run(copied.chat("Hi")).text == "Hello"
    assert connections(wire_server) == [1] * 4
    driver.run(copied.close())

    assert wire_server.wait_closed()


def test_a_client_that_was_never_used_closes_nothing(driver, wire_server):
    wire_server.script(OK, OK)
    used = driver.client()
    driver.run(used.chat("Hi"))

    driver.run(driver.client().close())

    assert driver.run(used.chat("Hi")).text == "Hello"
    assert connections(wire_server) == [1, 1]


def test_a_closed_client_raises_and_its_copies_do_not(driver, wire_server):
    wire_server.script(OK)
    client = driver.client()
    copied = client.with_options(model="copied")
    driver._made.append(copied)
    for _ in range(2):
        driver.run(client.close())

    for call in (
        lambda: driver.run(client.chat("Hi")),
        lambda: driver.text(client.stream("Hi")),
        lambda: driver.run(client.models()),
        lambda: driver.run(client.embed("Hi")),
    ):
        with pytest.raises(ConfigurationError, match="openai_compatible: the client is closed"):
            call()
    assert driver.run(copied.chat("Hi")).text == "Hello"
    assert len(wire_server.requests) == 1


def test_a_client_is_a_context_manager(wire_server):
    wire_server.script(OK, OK)

    async def use() -> None:
        async with AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m") as client:
            await client.chat("Hi")
            await client.aclose()

    with LlmClient("openai_compatible", base_url=wire_server.url, model="m") as client:
        client.chat("Hi")
    assert wire_server.wait_closed()
    asyncio.run(use())
    assert wire_server.wait_closed()


def test_closing_the_client_ends_its_open_stream(driver, wire_server):
    wire_server.script(unfinished("Hel"))
    client = driver.client()
    stream = client.stream("Hi")
    chunks = driver.chunks(stream)
    while next(chunks).text != "Hel":
        pass

    driver.run(client.close())

    with pytest.raises(StreamError) as failed:
        list(chunks)
    assert isinstance(failed.value, TransportError)
    assert stream.partial.text == "Hel"


def test_a_connection_made_while_the_client_is_closed_is_closed_after_its_answer(over_httpx, wire_server, monkeypatch):
    wire_server.script(OK)
    client = over_httpx.client()

    class Backend(phases.PhasedBackend):
        def connect_tcp(self, *arguments: Any, **settings: Any) -> Any:
            stream = super().connect_tcp(*arguments, **settings)
            client.close()
            return stream

    class AsyncBackend(phases.AsyncPhasedBackend):
        async def connect_tcp(self, *arguments: Any, **settings: Any) -> Any:
            stream = await super().connect_tcp(*arguments, **settings)
            await client.close()
            return stream

    monkeypatch.setattr(phases, "PhasedBackend", Backend)
    monkeypatch.setattr(phases, "AsyncPhasedBackend", AsyncBackend)

    assert over_httpx.run(client.chat("Hi")).text == "Hello"
    assert wire_server.wait_closed()


def test_a_client_that_is_dropped_leaves_its_connections_to_the_next(driver, wire_server):
    wire_server.script(OK, OK)
    driver.client()
    client = driver._made.pop()
    driver.run(client.chat("Hi"))
    del client
    gc.collect()

    driver.run(driver.client().chat("Hi"))

    assert connections(wire_server) == [1, 1]


def test_there_is_one_tls_context(driver, new_pools, monkeypatch):
    made: list[ssl.SSLContext] = []
    create = httpx.create_ssl_context

    def counted() -> ssl.SSLContext:
        made.append(create())
        return made[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    pools._tls.cache_clear()

    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"https://127.0.0.1:{gone.getsockname()[1]}"
    for number in range(3):
        with pytest.raises(TransportError, match="cannot connect"):
            driver.run(driver.client(base_url=f"{address}/{number}", headers={"x-n": str(number)}).chat("Hi"))

    assert len(made) == 1
    pools._tls.cache_clear()


def test_creating_a_client_makes_neither_pools_nor_a_tls_context(driver, new_pools):
    pools._tls.cache_clear()

    driver.client(base_url="https://127.0.0.1:1")

    assert pools.SYNC_POOLS._pools == {}
    assert len(pools.ASYNC_POOLS._loops) == 0
    assert pools._tls.cache_info().currsize == 0


def test_a_server_without_tls_is_a_transport_error(driver):
    with (
        RawServer(lambda peer: peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server,
        pytest.raises(TransportError, match=r"cannot connect to 127\.0\.0\.1:\d+: .*(SSL|ssl)"),
    ):
        driver.chat(base_url=server.url.replace("http:", "https:"))


# loops


def test_one_client_serves_one_loop_after_another(http_client, wire_server):
    wire_server.route(CHAT, OK)
    client = AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m", http_client=http_client)
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def use() -> str:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await client.chat("Hi")
        return (await client.chat("Hi")).text

    for _ in range(5):
        assert asyncio.run(use()) == "Hello"
        assert wire_server.wait_closed(), "the connections must end with their loop"

    gc.collect()
    assert connections(wire_server) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert sum(loop() is not None for loop in loops) <= 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_loops_that_are_closed_without_ceremony_do_not_pile_up(http_client, wire_server):
    wire_server.route(CHAT, OK)
    client = AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m", http_client=http_client)

    for _ in range(4):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(client.chat("Hi")).text == "Hello"
        loop.close()
        del loop
        gc.collect()

    assert wire_server.wait_closed(but=1)
    del client
    asyncio.run(
        AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m", http_client=http_client).chat("Hi")
    )
    gc.collect()
    assert wire_server.wait_closed()


def test_an_abandoned_stream_ends_with_its_loop(http_client, wire_server):
    wire_server.script(unfinished("Hel"))
    client = AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m", http_client=http_client)

    async def abandon() -> None:
        async for chunk in client.stream("Hi"):
            if chunk.text:
                break

    asyncio.run(abandon())

    assert wire_server.wait_closed()


def test_two_loops_in_two_threads_share_a_client(http_client, wire_server):
    wire_server.route(CHAT, lambda request: Answer.json(completion(content=request.json["messages"][0]["content"])))
    client = AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m", http_client=http_client)
    together = threading.Barrier(2)

    async def use(name: str) -> list[str]:
        together.wait(10)
        answers = await asyncio.gather(*(client.chat(f"{name}{number}") for number in range(10)))
        return [answer.text for answer in answers]

    with ThreadPoolExecutor(2) as threads:
        for name, texts in zip("ab", threads.map(lambda name: asyncio.run(use(name)), "ab"), strict=True):
            assert texts == [f"{name}{number}" for number in range(10)]

    assert wire_server.wait_closed()


# threads


def test_threads_share_a_client_from_its_first_use_on(sync, wire_server, new_pools):
    wire_server.route(CHAT, lambda request: Answer.json(completion(content=request.json["messages"][0]["content"])))
    client = sync.client(timeout=20)
    together = threading.Barrier(8)

    def use(thread: int) -> list[str]:
        together.wait(10)
        return [client.chat(f"{thread}/{number}").text for number in range(20)]

    with ThreadPoolExecutor(8) as threads:
        for thread, texts in enumerate(threads.map(use, range(8))):
            assert texts == [f"{thread}/{number}" for number in range(20)]

    assert len(pools.SYNC_POOLS._pools) == 1
    assert max(connections(wire_server)) <= 8


def test_threads_stream_side_by_side(sync, wire_server):
    wire_server.route(CHAT, lambda request: Stream(words(*request.json["messages"][0]["content"])))
    client = sync.client(timeout=20)

    with ThreadPoolExecutor(6) as threads:
        texts = list(threads.map(lambda number: sync.text(client.stream(f"thread {number}")), range(24)))

    assert texts == [f"thread {number}" for number in range(24)]


@pytest.mark.parametrize("closing", ["stream", "client"])
def test_closing_from_another_thread_wakes_the_one_that_reads(closing, sync, wire_server):
    wire_server.script(unfinished("Hel"))
    client = sync.client(timeout=60)
    stream = client.stream("Hi")
    reading = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for chunk in stream:
                if chunk.text:
                    reading.set()
        except LlmConnectorError as error:
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(10)
    time.sleep(0.05)  # until it waits for the next block
    (stream if closing == "stream" else client).close()
    thread.join(10)

    assert not thread.is_alive()
    assert isinstance(failures[0], StreamError)
    assert isinstance(failures[0], TransportError)
    assert stream.partial.text == "Hel"
    assert wire_server.wait_closed()
    if closing == "stream":
        assert stream.status == "cancelled"


def test_a_stream_closed_while_another_thread_waits_for_it_to_begin_never_begins(sync, wire_server):
    asked, closed = threading.Event(), threading.Event()

    def answer(request: Request) -> Stream:
        asked.set()
        assert closed.wait(10)
        return unfinished("Hel")

    wire_server.script(answer)
    stream = sync.client(timeout=60).stream("Hi")
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(list, stream)
        assert asked.wait(10)
        stream.close()
        closed.set()
        with pytest.raises(ConfigurationError, match="the stream is cancelled"):
            reading.result(10)

    assert wire_server.wait_closed()


def test_closing_from_another_task_wakes_the_one_that_reads(wire_server):
    wire_server.script(unfinished("Hel"))

    async def use() -> None:
        async with AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m", timeout=60) as client:
            stream = client.stream("Hi")
            reading = asyncio.Event()

            async def read() -> None:
                async for chunk in stream:
                    if chunk.text:
                        reading.set()

            task = asyncio.create_task(read())
            await asyncio.wait_for(reading.wait(), 10)
            await asyncio.sleep(0)
            await stream.close()
            with pytest.raises(StreamError):
                await asyncio.wait_for(task, 10)
            assert stream.status == "cancelled"

    asyncio.run(use())
    assert wire_server.wait_closed()


# cancellation


async def whole(client: AsyncLlmClient) -> str:
    return (await client.chat("Hi")).text


async def in_pieces(client: AsyncLlmClient) -> str:
    return "".join([chunk.text async for chunk in client.stream("Hi")])


async def in_a_block(client: AsyncLlmClient) -> str:
    async with client.stream("Hi") as stream:
        return "".join([chunk.text async for chunk in stream])


def cancelled_at_each_wait(server: WireServer, call: Callable[[AsyncLlmClient], Any], **settings: Any) -> int:
    """Cancel a call wherever it waits, with a new client each time, and say how often that was."""

    async def attempt(at: int) -> bool:
        client = AsyncLlmClient(base_url=server.url, model="m", **settings)

        async def run() -> str:
            text: str = await Interrupting(call(client), at)
            return text

        task = asyncio.create_task(run())
        try:
            cancelled = await asyncio.wait_for(task, 10) != "Hello"
        except asyncio.CancelledError:
            cancelled = True
        (shared,) = pools.ASYNC_POOLS.of(asyncio.get_running_loop())._pools.values()
        assert busy(shared.transport) == 0, "a place in the pool is taken for ever"
        assert await call(client) == "Hello", "the client must work after that"
        await client.close()
        return cancelled

    at = 1
    while asyncio.run(attempt(at)):
        assert server.wait_closed(), f"a connection is open after a cancellation at wait {at}"
        at += 1
    return at


@pytest.mark.parametrize("call", [whole, in_pieces, in_a_block])
def test_a_task_may_be_cancelled_wherever_it_waits(call, http_client, wire_server):
    blocks = [part for block in words("Hel", "lo") for part in (block, Pause(0.005))]
    wire_server.route(CHAT, lambda request: Stream(blocks, delay=0.005))

    settings = {"provider": "openai_compatible", "http_client": http_client, "max_retries": 0}
    at = cancelled_at_each_wait(wire_server, call, **settings)

    assert at > 5, "it waits for the connection, the head and each block"
    assert wire_server.wait_closed()


def test_cancellations_under_load_take_no_place_for_ever(http_client, wire_server):
    wire_server.route(CHAT, lambda request: Stream([OK.body], headers={}, delay=random.random() * 0.004))

    async def ask(client: AsyncLlmClient, number: int, end: float) -> int:
        rng, cancelled = random.Random(number), 0
        while time.monotonic() < end:
            try:
                async with asyncio.timeout(rng.choice([5, rng.random() * 0.02])):
                    await client.chat("Hi")
            except builtins.TimeoutError:
                cancelled += 1
        return cancelled

    async def use() -> None:
        settings: dict[str, Any] = {"base_url": wire_server.url, "http_client": http_client, "max_retries": 0}
        async with AsyncLlmClient("openai_compatible", model="m", **settings) as client:
            end = time.monotonic() + 1
            assert sum(await asyncio.gather(*(ask(client, number, end) for number in range(40)))) > 10
            (pool,) = pools.ASYNC_POOLS.of(asyncio.get_running_loop())._pools.values()
            assert busy(pool.transport) == 0

    asyncio.run(use())
    assert wire_server.wait_closed()


def test_a_handshake_may_be_cancelled(http_client, wire_server):
    gone = threading.Event()

    def wait_for_the_end(peer: socket.socket) -> None:
        peer.settimeout(10)
        if peer.recv(1) == b"":
            gone.set()

    async def use(url: str) -> None:
        client = AsyncLlmClient("openai_compatible", base_url=url, model="m", http_client=http_client)
        with pytest.raises(builtins.TimeoutError):
            await asyncio.wait_for(client.chat("Hi"), 0.5)
        assert await asyncio.to_thread(gone.wait, 5), "the socket is still open"

    with RawServer(wait_for_the_end) as server:
        asyncio.run(use(server.url.replace("http:", "https:")))


def test_a_limit_of_the_caller_frees_the_connection(http_client, wire_server):
    wire_server.script(unfinished("Hel"), SILENCE)
    settings: dict[str, Any] = {"base_url": wire_server.url, "http_client": http_client}

    async def use() -> None:
        async with AsyncLlmClient("openai_compatible", model="m", **settings) as client:
            stream = client.stream("Hi")
            while (await anext(stream)).text != "Hel":
                pass
            with contextlib.suppress(builtins.TimeoutError):
                async with asyncio.timeout(0.1):
                    async for _ in stream:
                        pass
            assert stream.status == "cancelled"
            assert stream.partial.text == "Hel"
            with contextlib.suppress(builtins.TimeoutError):
                await asyncio.wait_for(client.chat("Hi"), 0.2)
            assert await asyncio.to_thread(wire_server.wait_closed)

    asyncio.run(use())


def test_a_wait_between_attempts_can_be_cancelled(wire_server):
    wire_server.script(Answer(503, {"retry-after": "60"}))

    async def use() -> None:
        async with AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m") as client:
            with pytest.raises(builtins.TimeoutError):
                await asyncio.wait_for(client.chat("Hi"), 0.3)

    started = time.monotonic()
    asyncio.run(use())
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize("phase", ["head", "body"])
def test_an_interrupt_leaves_no_open_connection(phase, stream, driver, wire_server):
    main = threading.main_thread().ident
    assert main is not None

    def answer(request: Request) -> Refuse | Stream:
        threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
        return Refuse(delay=60) if phase == "head" else unfinished("Hel")

    wire_server.script(answer, OK)
    client = driver.client(timeout=60)
    opened = client.stream("Hi") if stream else None

    with pytest.raises(KeyboardInterrupt):
        _ = driver.text(opened) if stream else driver.run(client.chat("Hi"))

    assert wire_server.wait_closed()
    if opened is not None:
        assert opened.status == "cancelled"
    assert driver.run(client.chat("Hi")).text == "Hello"


def test_a_dropped_stream_frees_its_connection(sync, wire_server):
    wire_server.script(*[unfinished("Hel")] * 3)
    client = sync.client()

    for _ in range(3):
        next(iter(client.stream("Hi")))
    gc.collect()

    assert wire_server.wait_closed()


@pytest.mark.parametrize("moment", ["is_closed", "is_available", "is_idle", "can_handle_request"])
def test_the_collector_may_end_a_stream_while_its_thread_holds_the_pool(moment, sync, wire_server, monkeypatch):
    wire_server.route(CHAT, lambda request: unfinished("Hel") if b'"stream":true' in request.body else OK)
    monkeypatch.setattr(pools, "MAX_IDLE", 0)  # so that idle ones are looked for
    client = sync.client(timeout=20)
    original = getattr(httpcore.HTTPConnection, moment)
    dropped: list[weakref.ref[Any]] = []
    ended: list[bool] = []

    def collect(self: httpcore.HTTPConnection, *arguments: Any) -> Any:
        if dropped:
            stream = dropped.pop()
            gc.collect()
            ended.append(stream() is None)
        return original(self, *arguments)

    def use() -> None:
        stream = client.stream("Hi")
        next(iter(stream))
        dropped.append(weakref.ref(stream))
        del stream  # a reference cycle: only the collector ends it
        monkeypatch.setattr(httpcore.HTTPConnection, moment, collect)
        texts.append(client.chat("Hi").text)

    texts: list[str] = []
    gc.collect()
    gc.disable()
    try:
        thread = threading.Thread(target=use, daemon=True)
        thread.start()
        thread.join(10)
    finally:
        gc.enable()

    assert not thread.is_alive(), "the collector waits for a lock that its own thread holds"
    assert texts == ["Hello"]
    assert ended == [True]


# other processes


def run_python(script: str, *arguments: str) -> str:
    """What a script prints in a new interpreter in which every warning is fatal; it must say nothing else."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_a_forked_child_works_and_does_not_disturb_its_parent(http_client, wire_server):
    child_has_answered = threading.Event()

    def answer(request: Request) -> Answer | Stream:
        text = request.json["messages"][0]["content"]
        if text != "stream":
            if text == "child":
                child_has_answered.set()
            return Answer.json(completion(content=text))

        def blocks() -> Iterable[bytes]:
            first, *rest = words("Hel", "lo")
            yield first
            assert child_has_answered.wait(20)
            yield from rest

        return Stream(blocks())

    wire_server.route(CHAT, answer)
    printed = run_python(
        """
        import asyncio, gc, os, sys
        from llm_connector import AsyncLlmClient, LlmClient

        settings = {"base_url": sys.argv[1], "model": "m", "timeout": 20, "max_retries": 0}
        client = LlmClient("openai_compatible", **settings)
        other = AsyncLlmClient("openai_compatible", http_client=sys.argv[2] or None, **settings)
        print(client.chat("parent").text)
        stream = client.stream("stream")
        next(stream)
        with asyncio.Runner() as runner:
            print(runner.run(other.chat("parent")).text)
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                import warnings
                warnings.simplefilter("ignore", ResourceWarning)  # copies of the parent's sockets are dropped
                stream.close()
                del stream
                gc.collect()
                asked = (asyncio.run(other.chat("child")).text, client.chat("child").text)
                client.close()
                os._exit(0 if asked == ("child", "child") else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            print("".join(chunk.text for chunk in stream), stream.status)
            print(client.chat("parent").text, runner.run(other.chat("parent")).text)
            runner.run(other.close())
        client.close()
        """,
        wire_server.url,
        http_client or "",
    )

    assert printed.split() == ["parent", "parent", "0", "Hello", "complete", "parent", "parent"]
    parents = [request.connection for request in wire_server.requests if b"parent" in request.body]
    children = [request.connection for request in wire_server.requests if b"child" in request.body]
    assert not {*parents} & {*children}
    assert wire_server.wait_closed()


def test_whatever_way_a_stream_is_left_nothing_is_said_about_it(http_client, wire_server):
    wire_server.route(CHAT, lambda request: unfinished("Hel", "lo"))
    printed = run_python(
        """
        import asyncio, gc, sys
        from llm_connector import AsyncLlmClient, LlmClient

        settings = {"base_url": sys.argv[1], "model": "m", "timeout": 20}

        async def leave(client):
            client.stream("never used")
            async for chunk in client.stream("break"):
                if chunk.text:
                    break
            async with client.stream("break in a block") as stream:
                async for chunk in stream:
                    if chunk.text:
                        break
            stream = client.stream("close")
            await anext(stream)
            await stream.close()
            task = asyncio.create_task(read(client))
            await asyncio.sleep(0.1)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
            gc.collect()
            await anext(client.stream("left to the end of the loop"))

        async def read(client):
            async for chunk in client.stream("cancel"):
                pass

        for _ in range(2):
            asyncio.run(leave(AsyncLlmClient("openai_compatible", http_client=sys.argv[2] or None, **settings)))
        client = LlmClient("openai_compatible", **settings)
        client.stream("never used")
        for chunk in client.stream("break"):
            if chunk.text:
                break
        with client.stream("break in a block") as stream:
            next(stream)
        gc.collect()
        print("done")
        """,
        wire_server.url,
        http_client or "",
    )

    assert printed == "done\n"
    assert wire_server.wait_closed()


# proxies


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://api.test/v1", ""),
        ({"HTTPS_PROXY": "http://p:1"}, "https://api.test/v1", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://api.test/v1", ""),
        ({"http_proxy": "http://p:1"}, "http://api.test/v1", "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "https://api.test/v1", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:2"}, "https://api.test/v1", "http://q:2"),
        ({"HTTPS_PROXY": "p:1"}, "https://api.test/v1", "http://p:1"),
        ({"ALL_PROXY": "socks://p:1"}, "https://api.test/v1", "socks5://p:1"),
        ({"ALL_PROXY": "socks5h://p:1"}, "https://api.test/v1", "socks5h://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.test"}, "https://api.test/v1", ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".test"}, "https://api.test/v1", ""),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other.test"}, "https://api.test/v1", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://api.test/v1", ""),
        ({"ALL_PROXY": "http://p:1"}, "http://127.0.0.1:8000/v1", ""),
        ({"ALL_PROXY": "http://p:1"}, "http://127.1.2.3/v1", ""),
        ({"ALL_PROXY": "http://p:1"}, "http://localhost:11434", ""),
        ({"ALL_PROXY": "http://p:1"}, "http://LOCALHOST:11434", ""),
        ({"ALL_PROXY": "http://p:1"}, "http://[::1]:8000/v1", ""),
        ({"ALL_PROXY": "http://p:1"}, "http://127.evil.test/v1", "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "http://localhost.evil.test/v1", "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "http://192.168.0.7/v1", "http://p:1"),
    ],
)
def test_proxies_of_the_environment_are_found_per_host(environment, url, proxy, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert pools.pool_key(url, None, "openai") == (url.partition(":")[0], proxy)
    assert pools.pool_key(url, "", "openai") == (url.partition(":")[0], "")
    assert pools.pool_key(url, "http://mine:9", "openai") == (url.partition(":")[0], "http://mine:9")


def test_a_request_goes_through_the_proxy(driver, wire_server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", wire_server.url)
    wire_server.script(OK, Stream(words("Hello")))
    client = driver.client(base_url="http://api.test/v1")

    assert driver.run(client.chat("Hi")).text == "Hello"
    assert driver.text(client.stream("Hi")) == "Hello"
    assert [request.path for request in wire_server.requests] == ["http://api.test/v1/chat/completions"] * 2
    assert wire_server.requests[0].headers["host"] == "api.test"


def test_loopback_is_never_asked_of_a_proxy_of_the_environment(driver, wire_server, monkeypatch):
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    wire_server.script(OK)

    assert driver.chat().text == "Hello"


def test_a_proxy_that_the_caller_names_serves_every_host_and_gets_its_password(driver, wire_server):
    wire_server.script(OK)
    proxy = wire_server.url.replace("http://", "http://me:hunter2@")

    assert driver.chat(base_url="http://127.0.0.1:1/v1", proxy=proxy).text == "Hello"
    assert wire_server.requests[0].path == "http://127.0.0.1:1/v1/chat/completions"
    assert wire_server.requests[0].headers["proxy-authorization"].startswith("Basic ")


def test_a_proxy_that_refuses_is_named_without_its_password(driver, wire_server):
    wire_server.script(Answer(403))
    proxy = wire_server.url.replace("http://", "http://me:hunter2@")

    with pytest.raises(
        TransportError, match=r"the proxy 127\.0\.0\.1:\d+ refused the connection to api\.test"
    ) as failed:
        driver.chat(base_url="https://api.test/v1", proxy=proxy)

    assert wire_server.requests[0].method == "CONNECT"
    assert "authorization" not in wire_server.requests[0].headers
    assert "hunter2" not in str(failed.value)


def test_a_proxy_that_is_not_there_is_named(driver):
    with pytest.raises(TransportError, match=r'through the proxy 127\.0\.0\.1:1: .*proxy="" goes without it') as failed:
        driver.chat(base_url="http://api.test/v1", proxy="http://me:hunter2@127.0.0.1:1")

    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "socks5h://127.0.0.1:1", "socks://127.0.0.1:1"])
def test_a_socks_proxy_without_its_package_says_what_to_install(proxy, driver, new_pools, monkeypatch):
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", proxy)

    with pytest.raises(ConfigurationError) as failed:
        driver.chat(base_url="http://api.test/v1")

    for word in ("ALL_PROXY", "httpx[socks]", 'proxy=""', "openai_compatible"):
        assert word in str(failed.value)


@pytest.mark.parametrize(
    "proxy",
    [
        "gopher://me:hunter2@p:1",
        "http://me:hunter2@[bad",
        "http://me:hunter2@p:99999",
        "http://",
        "http://me:hunter2@p:x",
    ],
)
def test_a_proxy_that_is_no_url_is_a_mistake_that_shows_no_password(proxy, driver):
    with pytest.raises(ConfigurationError, match="prox") as failed:
        driver.chat(base_url="http://api.test/v1", proxy=proxy)

    assert "hunter2" not in str(failed.value)


# the caller's own HTTP client


def closing(driver: Driver, client: Any) -> None:
    if isinstance(driver, AsyncDriver):
        driver.run(client.aclose())
    else:
        client.close()


@pytest.fixture
def own(driver: Driver) -> Iterator[Callable[..., Any]]:
    """Makes HTTP clients as a caller does."""
    made: list[Any] = []

    def make(**settings: Any) -> Any:
        made.append(driver.http_client(trust_env=False, **settings))
        return made[-1]

    yield make
    for client in made:
        closing(driver, client)


def test_the_callers_client_sends_everything_and_is_never_closed(driver, wire_server, own):
    wire_server.script(OK, Stream(words("Hello")), OK)
    http_client = own()
    client = driver.client(http_client=http_client)

    assert driver.run(client.chat("Hi")).text == "Hello"
    assert driver.text(client.stream("Hi")) == "Hello"
    driver.run(client.close())

    assert not http_client.is_closed
    assert driver.run(driver.client(http_client=http_client).chat("Hi")).text == "Hello"
    assert connections(wire_server)[:2] == [1, 1]
    with pytest.raises(ConfigurationError, match="the client is closed"):
        driver.run(client.chat("Hi"))


def test_hooks_of_the_callers_client_see_everything(driver, wire_server, own):
    wire_server.script(OK, Stream(words("Hello")), Answer(400))
    seen: list[str] = []

    def on_request(request: httpx.Request) -> None:
        request.headers["x-hook"] = "1"
        seen.append(request.url.path)

    def on_response(response: httpx.Response) -> None:
        seen.append(str(response.status_code))

    async def on_request_later(request: httpx.Request) -> None:
        on_request(request)

    async def on_response_later(response: httpx.Response) -> None:
        on_response(response)

    later = isinstance(driver, AsyncDriver)
    hooks: dict[str, list[Callable[..., Any]]] = {
        "request": [on_request_later if later else on_request],
        "response": [on_response_later if later else on_response],
    }
    client = driver.client(http_client=own(event_hooks=hooks))

    driver.run(client.chat("Hi"))
    driver.text(client.stream("Hi"))
    with pytest.raises(LlmConnectorError):
        driver.run(client.chat("Hi"))

    assert seen == [CHAT, "200", CHAT, "200", CHAT, "400"]
    assert [request.headers["x-hook"] for request in wire_server.requests] == ["1"] * 3


def test_a_hook_may_read_the_answer(driver, wire_server, own):
    wire_server.script(OK, Stream(words("Hello")), Answer(400, body=b"no"))

    def read(response: httpx.Response) -> None:
        response.read()

    async def read_later(response: httpx.Response) -> None:
        await response.aread()

    hook: Any = read_later if isinstance(driver, AsyncDriver) else read
    client = driver.client(http_client=own(event_hooks={"response": [hook]}), timeout=5)

    assert driver.run(client.chat("Hi")).text == "Hello"
    assert driver.text(client.stream("Hi")) == "Hello"
    with pytest.raises(LlmConnectorError, match="no"):
        driver.run(client.chat("Hi"))


def test_a_transport_of_the_caller_needs_no_socket(driver, own):
    def answer(request: httpx.Request) -> httpx.Response:
        if b'"stream":true' in request.content:
            return httpx.Response(200, content=b"".join(words("Hel", "lo")))
        return httpx.Response(200, json=completion(content=str(request.url)))

    client = driver.client(base_url="http://api.test/v1", http_client=own(transport=httpx.MockTransport(answer)))

    assert driver.run(client.chat("Hi")).text == "http://api.test/v1/chat/completions"
    assert driver.text(client.stream("Hi")) == "Hello"


def test_the_callers_client_does_not_follow_redirects_for_us(driver, wire_server, own):
    with WireServer() as other:
        wire_server.script(Answer(307, {"location": other.url}))
        with pytest.raises(LlmConnectorError, match="which is not followed"):
            driver.chat(http_client=own(follow_redirects=True))
        assert other.requests == []


def test_limits_hold_for_the_callers_client_too(driver, wire_server, own):
    wire_server.script(Refuse(delay=60), unfinished("Hel"))
    client = driver.client(http_client=own(timeout=60), timeout=0.3)

    for call in (lambda: driver.run(client.chat("Hi")), lambda: driver.text(client.stream("Hi"))):
        with pytest.raises(TimeoutError, match=r"silent for 0\.3 s"):
            call()


def test_leaving_a_stream_of_the_callers_client_frees_its_connection(driver, wire_server, own):
    wire_server.script(unfinished("Hel"))
    with driver.entered(driver.client(http_client=own()).stream("Hi")) as stream:
        next(driver.chunks(stream))

    assert wire_server.wait_closed()


def test_a_client_of_the_other_kind_is_refused_when_it_is_given(driver):
    wrong = httpx.Client if isinstance(driver, AsyncDriver) else httpx.AsyncClient
    for value in (wrong(), "httpx", httpx):
        with pytest.raises(ConfigurationError, match=rf"give an httpx\.{driver.http_client.__name__}\b"):
            driver.client(http_client=value)


def test_a_client_that_the_caller_has_closed_is_a_mistake(driver, own):
    http_client = own()
    closing(driver, http_client)

    with pytest.raises(ConfigurationError, match="closed"):
        driver.chat(http_client=http_client)


# functions that give keys


def test_an_async_function_may_give_the_key_on_the_async_client(driver, wire_server):
    wire_server.script(OK)

    async def key() -> str:
        await asyncio.sleep(0)
        return "sk-from-a-coroutine"

    if isinstance(driver, AsyncDriver):
        driver.chat(api_key=key)
        assert wire_server.requests[0].headers["authorization"] == "Bearer sk-from-a-coroutine"
    else:
        with pytest.raises(ConfigurationError, match="use AsyncLlmClient"):
            driver.chat(api_key=key)


def test_a_function_that_runs_out_of_keys_does_not_pass_for_an_answer(driver, wire_server):
    with pytest.raises(RuntimeError, match="StopIteration"):
        driver.chat(api_key=iter(()).__next__)

    assert wire_server.requests == []


# growth


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_thousands_of_requests_leave_nothing_behind(stream, sync, wire_server):
    wire_server.route(CHAT, Stream(words("Hello")) if stream else OK)
    client = sync.client()
    rounds = 500 if stream else 2000

    def ask(times: int) -> None:
        for _ in range(times):
            _ = sync.text(client.stream("Hi")) if stream else client.chat("Hi")
            wire_server.requests.clear()

    ask(200)
    gc.collect()
    before = sys.getallocatedblocks()
    ask(rounds)
    gc.collect()
    grown = sys.getallocatedblocks() - before

    assert grown < rounds / 4, "less than one object for every fourth request"
    assert wire_server.open_connections == 1
