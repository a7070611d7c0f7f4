"""No more in any minute than an account has: decided without a clock, kept by clients, threads and coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_connector import (
    AsyncLlmClient,
    ConfigurationError,
    Image,
    LlmClient,
    LlmConnectorError,
    RateLimit,
    RateLimitError,
    Timeout,
    TimeoutError,
    Tool,
    user,
)
from llm_connector.client.rate_limits import MINUTE, Window
from llm_connector.operations import chat
from llm_connector.types import ChatRequest
from llm_connector.types.size import estimated_tokens, text_bytes
from llm_connector.wire import HttpResponse, Send, Sleep, encode_json
from tests.support.answers import completion
from tests.support.drivers import DRIVERS, Driver, unfinished, words
from tests.support.programs import output_of
from tests.support.wire_server import Answer, Refuse, Stream, WireServer, sse

QUESTION = "x" * 400  # a hundred tokens, by estimate


def answer(tokens: int | None = None) -> Answer:
    usage = {} if tokens is None else {"usage": {"prompt_tokens": tokens, "completion_tokens": 0}}
    return Answer.json(completion(content="Hello") | usage)


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# a window


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 150)), max_size=60))
def test_no_minute_has_more_than_its_limit(calls):
    limit, now = 100, 0.0
    window = Window(limit)
    taken: list[tuple[float, float]] = []
    for pause, amount in calls:
        now += pause
        at = window.earliest(now, amount)
        assert at >= now
        assert not taken or at >= taken[-1][0]
        window.spend(at, amount)
        taken.append((at, min(amount, limit)))
    for end, _ in taken:
        assert sum(amount for at, amount in taken if at <= end < at + MINUTE) <= limit + 1e-6


CORRECTED = st.none() | st.tuples(st.integers(0, 5), st.sampled_from([0, 0, 40, 200]))


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 100), CORRECTED), max_size=60))
def test_corrections_keep_the_count(calls):
    now, window = 0.0, Window(100)
    spent: list[Any] = []
    for pause, amount, actual in calls:
        now += pause
        spent.append(window.spend(window.earliest(now, amount), amount))
        if actual is not None:
            back, amount = actual
            window.correct(spent[-1 - back % len(spent)], amount)
        assert window._sum == sum(known.amount for known in window._entries)
        assert [known.at for known in window._entries] == sorted(known.at for known in window._entries)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 60), st.booleans()), max_size=60))
def test_no_minute_has_more_than_its_limit_when_turns_are_given_back(calls):
    now, window = 0.0, Window(100)
    taken: list[Any] = []
    for pause, amount, kept in calls:
        now += pause
        entry = window.spend(window.earliest(now, amount), amount)
        if kept:
            taken.append(entry)
        else:
            window.correct(entry, 0)
    for last in taken:
        counted = [entry for entry in taken if entry.at <= last.at < entry.at + MINUTE]
        assert sum(entry.amount for entry in counted) <= 100


def test_a_turn_is_not_later_than_it_must_be():
    window = Window(2)
    first = [window.earliest(0, 1)]
    window.spend(first[0], 1)
    assert window.earliest(10, 1) == 10
    window.spend(10, 1)
    assert window.earliest(20, 1) == MINUTE
    window.spend(MINUTE, 1)
    assert window.earliest(20, 1) == 10 + MINUTE


def test_more_than_the_limit_takes_a_minute_of_its_own():
    window = Window(100)
    window.spend(window.earliest(0, 1), 1)
    assert window.earliest(0, 5000) == MINUTE


def test_what_was_spent_long_ago_is_forgotten():
    window = Window(10)
    for moment in range(1000):
        window.spend(window.earliest(moment * 10.0, 1), 1)
    assert len(window._entries) <= 7


# the estimate


def test_tokens_are_estimated_from_all_text():
    request = ChatRequest.of(
        [user("ä" * 10, Image(b"\x89PNG\r\n\x1a\n"))], {"max_tokens": 50, "tools": [Tool("f", "does")]}
    )
    tool = len("does") + len(encode_json(request.tools[0].parameters))
    assert text_bytes(request) == 20 + tool
    assert estimated_tokens(request) == (20 + tool) // 4 + 1000 + 50 + 1


# the steps of a call


def steps_of(limit: RateLimit | None, retries: int = 0, **options: Any) -> Any:
    client = LlmClient("openai_compatible", base_url="http://h", model="m", max_retries=retries, rate_limit=limit)
    call = client._settings.call(QUESTION, options, stream=False)
    return client._settings.told("chat", chat(call.rendered, call.retry), request=call.rendered.request)


GOOD = HttpResponse(200, {}, answer(30).body)


def finished(steps: Any, outcome: Any) -> None:
    with pytest.raises(StopIteration):
        steps.send(outcome)


def test_a_call_beyond_the_limit_sleeps_before_it_sends():
    clock = Clock()
    limit = RateLimit(requests_per_minute=1, clock=clock)
    first, second = steps_of(limit), steps_of(limit)
    assert isinstance(next(first), Send)
    finished(first, GOOD)
    clock.now += 20
    assert next(second) == Sleep(40)
    assert isinstance(second.send(None), Send)


def test_tokens_are_corrected_by_what_the_server_counts():
    limit = RateLimit(tokens_per_minute=150, clock=Clock())
    first = steps_of(limit)
    assert isinstance(next(first), Send)  # 101 by estimate
    waiting = steps_of(limit)
    assert next(waiting) == Sleep(60)
    waiting.close()
    finished(first, GOOD)  # 30 in truth
    assert isinstance(next(steps_of(limit)), Send)


def test_each_attempt_takes_a_turn_and_a_refused_one_costs_no_tokens():
    limit = RateLimit(requests_per_minute=2, tokens_per_minute=101, clock=Clock())
    steps = steps_of(limit, retries=2)
    assert isinstance(next(steps), Send)
    retried = steps.send(HttpResponse(503, {}, b"{}"))
    assert isinstance(retried, Sleep)
    assert retried.seconds < 1
    assert isinstance(steps.send(None), Send)
    assert isinstance(steps.send(HttpResponse(503, {}, b"{}")), Sleep)
    assert steps.send(None) == Sleep(60)


def test_a_wait_that_is_left_gives_its_turn_back():
    clock = Clock()
    limit = RateLimit(requests_per_minute=1, clock=clock)
    next(steps_of(limit))
    waiting = steps_of(limit)
    assert next(waiting) == Sleep(60)
    waiting.close()
    clock.now += 60
    assert isinstance(next(steps_of(limit)), Send)


def test_waits_that_are_left_delay_nobody():
    clock = Clock()
    limit = RateLimit(requests_per_minute=1, clock=clock)
    first = steps_of(limit)
    next(first)
    waiting = [steps_of(limit) for _ in range(10)]
    assert [next(call) for call in waiting][-1] == Sleep(600)
    for call in waiting:
        call.close()
    clock.now += 10
    assert next(steps_of(limit)) == Sleep(50)


def test_calls_wait_in_order():
    limit = RateLimit(requests_per_minute=1, clock=Clock())
    calls = [steps_of(limit) for _ in range(4)]
    waits = [next(call) for call in calls]
    assert isinstance(waits[0], Send)
    assert waits[1:] == [Sleep(60), Sleep(120), Sleep(180)]


# clients


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    made: Driver = request.param(wire_server)
    yield made
    made.close()


def test_a_wait_respects_the_timeout_of_the_call(driver, wire_server):
    wire_server.script(answer())
    client = driver.client(rate_limit=RateLimit(requests_per_minute=1), timeout=Timeout(total=5))
    driver.run(client.chat("Hi"))
    with pytest.raises(TimeoutError, match=r"the rate limit of this client wants a wait of [56]\d\.\d s, and the call"):
        driver.run(client.chat("Hi"))
    with pytest.raises(TimeoutError, match="openai_compatible: the rate limit of this client"):
        driver.text(client.stream("Hi"))
    assert len(wire_server.requests) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_a_turn_that_comes_too_late_is_given_back_and_not_tried_for_again(stream, driver, wire_server):
    wire_server.script(answer())
    limit = RateLimit(requests_per_minute=1)
    client = driver.client(rate_limit=limit, timeout=Timeout(total=5), retries=2)
    driver.run(client.chat("Hi"))
    for _ in range(2):
        with pytest.raises(TimeoutError, match=r"wants a wait of [56]\d\.\d s, and the call") as raised:
            _ = driver.text(client.stream("Hi")) if stream else driver.run(client.chat("Hi"))
        assert not raised.value.retryable
    assert limit._requests is not None
    assert limit._requests._sum == 1


def spent(limit: RateLimit) -> tuple[float, float]:
    assert limit._requests is not None
    assert limit._tokens is not None
    return limit._requests._sum, limit._tokens._sum


def both() -> RateLimit:
    return RateLimit(requests_per_minute=100, tokens_per_minute=100_000)


@pytest.mark.parametrize(
    ("scripted", "tokens"),
    [
        (Stream(words("Hello")), 101),  # no usage: the estimate stands
        (Answer(429), 0),
        (Refuse(), 101),  # who knows
        (Stream(words("Hel", finish=None, done=False), end="cut"), 101),
    ],
    ids=["complete", "refused", "no answer", "cut"],
)
def test_a_stream_counts_when_it_ends(scripted, tokens, driver, wire_server):
    limit = both()
    wire_server.script(scripted)
    with contextlib.suppress(LlmConnectorError):
        driver.text(driver.client(rate_limit=limit).stream(QUESTION))
    assert spent(limit) == (1, tokens)


def test_usage_of_a_stream_is_counted(driver, wire_server):
    limit = both()
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    wire_server.script(Stream([*words("Hello", done=False), *sse(usage)]))
    driver.text(driver.client(rate_limit=limit).stream(QUESTION))
    assert spent(limit) == (1, 10)


def test_a_stream_that_is_left_counts_its_estimate(driver, wire_server):
    limit = both()
    wire_server.script(unfinished("Hel"))
    stream = driver.client(rate_limit=limit).stream(QUESTION)
    next(driver.chunks(stream))
    driver.run(stream.close())
    assert spent(limit) == (1, 101)


def test_a_stream_that_is_never_read_counts_nothing(driver, wire_server):
    limit = both()
    driver.run(driver.client(rate_limit=limit).stream(QUESTION).close())
    assert spent(limit) == (0, 0)


def test_a_refusal_counts_as_a_request_only(driver, wire_server):
    limit = both()
    wire_server.script(Answer(429))
    with pytest.raises(RateLimitError):
        driver.run(driver.client(rate_limit=limit).chat(QUESTION))
    assert spent(limit) == (1, 0)


def test_embeddings_and_other_operations_count(driver, wire_server):
    limit = both()
    wire_server.script(Answer.json({"data": [{"index": 0, "embedding": [1.0]}]}), Answer.json({"data": []}))
    client = driver.client(rate_limit=limit)
    driver.run(client.embed([QUESTION], model="e"))
    driver.run(client.models())
    assert spent(limit) == (2, 102)


def test_clients_share_what_they_are_given(driver, wire_server):
    limit = RateLimit(requests_per_minute=2)
    wire_server.script(answer(), answer())
    one = driver.client(rate_limit=limit, timeout=Timeout(total=5))
    other = driver.client("deepseek", rate_limit=limit, timeout=Timeout(total=5))
    driver.run(one.chat("Hi"))
    driver.run(other.with_options(model="n").chat("Hi"))
    with pytest.raises(TimeoutError):
        driver.run(one.chat("Hi"))
    with pytest.raises(TimeoutError):
        driver.run(other.chat("Hi"))


def test_threads_share_it(wire_server):
    limit = RateLimit(requests_per_minute=5)
    wire_server.script(*[answer()] * 5)
    client = LlmClient(
        "openai_compatible", base_url=wire_server.url, model="m", rate_limit=limit, timeout=Timeout(total=5)
    )
    barrier = threading.Barrier(12)

    def one(_number: int) -> bool:
        barrier.wait(10)
        try:
            return bool(client.chat("Hi").text)
        except TimeoutError:
            return False

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(one, range(12))) == 5
    client.close()


def test_coroutines_share_it(wire_server):
    limit = RateLimit(requests_per_minute=5)
    wire_server.script(*[answer()] * 5)

    async def main() -> int:
        settings: dict[str, Any] = {"base_url": wire_server.url, "model": "m", "timeout": Timeout(total=5)}
        async with AsyncLlmClient("openai_compatible", rate_limit=limit, **settings) as client:
            results = await asyncio.gather(*(client.chat("Hi") for _ in range(12)), return_exceptions=True)
        return sum(not isinstance(result, TimeoutError) for result in results)

    assert asyncio.run(main()) == 5


def test_a_cancelled_wait_gives_its_turn_back(wire_server):
    clock = Clock()
    limit = RateLimit(requests_per_minute=1, clock=clock)
    wire_server.script(answer(), answer())

    async def main() -> None:
        async with AsyncLlmClient("openai_compatible", base_url=wire_server.url, model="m", rate_limit=limit) as client:
            await client.chat("Hi")
            task = asyncio.create_task(client.chat("Hi"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            clock.now += 60
            await client.chat("Hi")

    asyncio.run(main())
    assert len(wire_server.requests) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_child_uses_the_client_and_counts_for_itself(wire_server):
    wire_server.script(answer(), answer(), answer())
    program = f"""
import os, signal, llm_connector
limit = llm_connector.RateLimit(requests_per_minute=2)
client = llm_connector.LlmClient("openai_compatible", base_url={wire_server.url!r}, model="m", rate_limit=limit)
client.chat("Hi")
limit._lock.acquire()  # as another thread may have
child = os.fork()
if not child:
    signal.alarm(10)
    client.chat("Hi")
    os._exit(0)
limit._lock.release()
print(os.waitpid(child, 0)[1])
client.chat("Hi")
"""
    assert output_of(program) == "0\n"
    assert len({request.connection for request in wire_server.requests}) == 2


# mistakes


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "60"])
@pytest.mark.parametrize("name", ["requests_per_minute", "tokens_per_minute"])
def test_limits_are_checked(name, value):
    with pytest.raises(ConfigurationError, match=f"{name} is .*; give a whole number above 0"):
        RateLimit(**{name: value})


def test_a_limit_limits_something():
    with pytest.raises(ConfigurationError, match="give requests_per_minute=, tokens_per_minute= or both"):
        RateLimit()


def test_a_client_takes_no_number_for_a_limit():
    with pytest.raises(ConfigurationError, match="rate_limit is of type int; give a RateLimit"):
        LlmClient("local", rate_limit=60)  # type: ignore[arg-type]  # the mistake


def test_it_shows_its_limits():
    assert repr(RateLimit(requests_per_minute=60)) == "RateLimit(requests_per_minute=60, tokens_per_minute=None)"
