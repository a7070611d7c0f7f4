"""Another client is asked where the first fails, and never after the answer has begun."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from llm_connector import (
    AsyncLlmClient,
    AuthenticationError,
    BadRequestError,
    ChatRequest,
    ConfigurationError,
    ContextLengthError,
    LlmClient,
    LlmConnectorError,
    ModelNotFoundError,
    RateLimitError,
    ServerError,
    StreamError,
    Timeout,
    TransportError,
    UnsupportedError,
)
from tests.support.answers import completion
from tests.support.drivers import DRIVERS, Driver, unfinished, words
from tests.support.wire_server import Answer, Answering, Refuse, Request, Stream, WireServer, sse

GOOD = Answer.json(completion(content="Hello"))
BUSY = Answer.json({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, 429)
DOWN = Answer.json({"error": {"message": "it burns"}}, 503)
VECTORS = Answer.json({"data": [{"index": 0, "embedding": [1.0, 2.0]}], "model": "e1"})


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    made: Driver = request.param(wire_server)
    yield made
    made.close()


def pair(driver: Driver, *, on: Any = None, **settings: Any) -> Any:
    """A client of the model `m` with one of the model `n` behind it."""
    first = driver.client(**settings)
    made = first.with_fallbacks(driver.client("deepseek", model="n"), on=on)
    driver._made.append(made)
    return made


def models_asked(server: WireServer) -> list[str]:
    return [request.json["model"] for request in server.requests]


def failed(response: Any) -> list[tuple[str, str, str]]:
    return [(one["provider"], one["model"], one["error"]) for one in response.extra["fallbacks"]["failed"]]


def test_the_first_that_answers_is_the_only_one_asked(driver, wire_server):
    wire_server.script(GOOD)
    reply = driver.run(pair(driver).chat("Hi"))
    assert (reply.text, models_asked(wire_server)) == ("Hello", ["m"])
    assert "fallbacks" not in reply.extra


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (BUSY, "RateLimitError"),
        (DOWN, "ServerError"),
        (Refuse(), "TransportError"),
        (Answer.json({"error": {"message": "pay"}}, 402), "InsufficientBalanceError"),
        (Answer(200, {"content-type": "application/json"}, b'{"choices": ['), "ParseError"),
        (Stream([], end="hold"), "TimeoutError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_the_callers_fault_goes_to_the_next(answer: Answering, error, driver, wire_server):
    wire_server.script(answer, GOOD)
    client = pair(driver, timeout=Timeout(first_byte=0.1 if error == "TimeoutError" else 10))
    reply = driver.run(client.chat("Hi"))
    assert (reply.text, models_asked(wire_server)) == ("Hello", ["m", "n"])
    assert reply.extra["fallbacks"]["provider"] == "deepseek"
    assert failed(reply) == [("openai_compatible", "m", error)]
    assert reply.extra["fallbacks"]["failed"][0]["message"].startswith("openai_compatible: ")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer.json({"error": {"message": "no"}}, 400), BadRequestError),
        (Answer.json({"error": {"message": "no"}}, 401), AuthenticationError),
        (Answer.json({"error": {"message": "no", "code": "model_not_found"}}, 404), ModelNotFoundError),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_what_is_the_callers_fault_is_raised(answer, error, stream, driver, wire_server):
    wire_server.script(answer)
    client = pair(driver)
    with pytest.raises(error):
        _ = driver.text(client.stream("Hi")) if stream else driver.run(client.chat("Hi"))
    assert models_asked(wire_server) == ["m"]


@pytest.mark.parametrize(
    ("code", "error"), [("context_length_exceeded", ContextLengthError), ("invalid_api_key", AuthenticationError)]
)
def test_a_stream_that_reports_the_callers_fault_raises_it(code, error, driver, wire_server):
    wire_server.script(Stream([*sse({"error": {"message": "no", "code": code}})]), Stream(words("Hello")))
    stream = pair(driver).stream("Hi")
    with pytest.raises(error):
        driver.text(stream)
    assert models_asked(wire_server) == ["m"]
    wire_server.script(Stream([*sse({"error": {"message": "no", "code": code}})]), Stream(words("Hello")))
    assert driver.text(pair(driver, on=StreamError).stream("Hi")) == "Hello"


@pytest.mark.parametrize("on", [AuthenticationError, (AuthenticationError, BadRequestError)], ids=["one", "several"])
def test_the_caller_says_which_errors_count(on, driver, wire_server):
    wire_server.script(Answer.json({"error": {"message": "no"}}, 401), GOOD, BUSY)
    client = pair(driver, on=on)
    assert driver.run(client.chat("Hi")).text == "Hello"
    with pytest.raises(RateLimitError):
        driver.run(client.chat("Hi"))
    assert models_asked(wire_server) == ["m", "n", "m"]


def test_the_last_error_is_raised_and_names_the_others(driver, wire_server):
    wire_server.script(BUSY, DOWN, Refuse())
    third = driver.client("groq", model="o")
    client = driver.client().with_fallbacks(driver.client("deepseek", model="n"), third)
    driver._made.append(client)
    with pytest.raises(TransportError) as raised:
        driver.run(client.chat("Hi"))
    error = raised.value
    assert error.provider == "groq"
    assert error.__notes__ == [
        "asked besides: RateLimitError: openai_compatible: slow down [HTTP 429 rate_limit_exceeded]",
        "asked besides: ServerError: deepseek: it burns [HTTP 503]",
    ]
    assert isinstance(error.__context__, ServerError)
    assert isinstance(error.__context__.__context__, RateLimitError)
    assert "asked besides: ServerError" in "".join(traceback.format_exception(error))
    assert pickle.loads(pickle.dumps(error)).__notes__ == error.__notes__


def test_each_retries_as_it_is_told_before_the_next_is_asked(driver, wire_server):
    wire_server.script(DOWN, DOWN, GOOD)
    assert driver.run(pair(driver, retries=1).chat("Hi")).text == "Hello"
    assert models_asked(wire_server) == ["m", "m", "n"]


@pytest.mark.parametrize("given", ["option", "request"])
def test_a_client_without_a_model_asks_that_of_the_call(given, driver, wire_server):
    wire_server.script(BUSY, DOWN, GOOD)
    client = driver.client().with_fallbacks(driver.client(model=None), driver.client("deepseek", model="n"))
    driver._made.append(client)
    model = {"model": "of-the-call"}
    asked = client.chat("Hi", **model) if given == "option" else client.chat(ChatRequest.of("Hi", model))
    reply = driver.run(asked)
    assert models_asked(wire_server) == ["of-the-call", "of-the-call", "n"]
    assert [model for _, model, _ in failed(reply)] == ["of-the-call"] * 2


def test_options_go_to_all(driver, wire_server):
    wire_server.script(BUSY, GOOD)
    driver.run(pair(driver).chat("Hi", temperature=0.5, extra_body={"x": 1}))
    assert [(one.json["temperature"], one.json["x"]) for one in wire_server.requests] == [(0.5, 1), (0.5, 1)]


def test_one_that_cannot_be_asked_is_passed_over(driver, wire_server):
    wire_server.script(BUSY, GOOD, BUSY)
    strict = driver.client("deepseek", model="n", strict=True)
    client = driver.client().with_fallbacks(strict, driver.client("groq", model="o"))
    alone = driver.client().with_fallbacks(strict)
    driver._made.extend((client, alone))

    reply = driver.run(client.chat("Hi", cache=True))
    assert failed(reply) == [("openai_compatible", "m", "RateLimitError"), ("deepseek", "n", "UnsupportedError")]
    with pytest.raises(RateLimitError) as raised:  # not the UnsupportedError of one that could not help anyway
        driver.run(alone.chat("Hi", cache=True))
    assert raised.value.__notes__[0].startswith("asked besides: UnsupportedError: deepseek: cache would be dropped")


def test_mistakes_raise_at_once(driver, wire_server):
    client = driver.client(strict=True).with_fallbacks(driver.client("deepseek", model="n"))
    driver._made.append(client)
    with pytest.raises(UnsupportedError):
        client.stream("Hi", cache=True)
    with pytest.raises(ConfigurationError):
        client.stream([])
    assert wire_server.requests == []


# streams

FAILING: list[tuple[str, Answering]] = [
    ("a refusal", BUSY),
    ("no answer", Refuse()),
    ("an error first", Stream(sse({"error": {"message": "overloaded", "code": "rate_limit_exceeded"}}))),
    (
        "a name, then an error",
        Stream([*words("", finish=None, done=False), *sse({"error": {"message": "no", "code": 503}})]),
    ),
    ("nothing", Stream([])),
    ("a cut before the first word", Stream(words("", finish=None, done=False), end="cut")),
]


@pytest.mark.parametrize("entered", [False, True], ids=["iterated", "entered"])
@pytest.mark.parametrize(("name", "answer"), FAILING, ids=[name for name, _ in FAILING])
def test_a_stream_that_does_not_begin_goes_to_the_next(name, answer, entered, driver, wire_server):
    wire_server.script(answer, Stream(words("Hel", "lo")))
    stream = pair(driver).stream("Hi")
    assert (stream.status, stream.partial.text, wire_server.requests) == ("open", "", [])
    if entered:
        with driver.entered(stream):
            assert stream.partial.extra["fallbacks"]["provider"] == "deepseek"
            text = driver.text(stream)
    else:
        text = driver.text(stream)
    assert (text, stream.status, models_asked(wire_server)) == ("Hello", "complete", ["m", "n"])
    assert stream.response.text == "Hello"
    assert stream.response.extra["fallbacks"]["provider"] == "deepseek"
    assert len(failed(stream.response)) == 1


def test_nobody_else_is_asked_once_the_answer_has_begun(driver, wire_server):
    wire_server.script(Stream(words("Hel", finish=None, done=False), end="cut"), GOOD)
    stream = pair(driver).stream("Hi")
    with pytest.raises(StreamError) as raised:
        driver.text(stream)
    assert raised.value.partial == stream.partial
    assert stream.partial.text == "Hel"
    assert (stream.status, models_asked(wire_server)) == ("interrupted", ["m"])


def test_a_stream_of_the_first_reports_nothing(driver, wire_server):
    wire_server.script(Stream(words("Hello")))
    stream = pair(driver).stream("Hi")
    assert driver.text(stream) == "Hello"
    assert "fallbacks" not in stream.response.extra
    assert stream.message.text == "Hello"


def test_a_stream_that_nobody_begins_raises_the_last_error(driver, wire_server):
    wire_server.script(BUSY, DOWN)
    stream = pair(driver).stream("Hi")
    with pytest.raises(ServerError) as raised:
        driver.text(stream)
    assert len(raised.value.__notes__) == 1
    assert stream.status == "error"
    with pytest.raises(ConfigurationError, match="the stream is error"):
        _ = stream.response


@pytest.mark.parametrize("format", ["openai", "anthropic", "ollama", "unified"])
def test_an_encoded_stream_is_that_of_whoever_answers(format, driver, wire_server):
    named = Stream([*words("", finish=None, done=False), *sse({"error": {"message": "no", "code": 503}})])
    wire_server.script(named, Stream(words("Hel", "lo")), Stream(words("Hel", "lo")))
    blocks = list(driver.chunks(pair(driver).stream("Hi").encode(format)))
    plain = list(driver.chunks(driver.client("deepseek", model="n").stream("Hi").encode(format)))
    assert [len(block) for block in blocks if b"Hel" in block] == [len(block) for block in plain if b"Hel" in block]
    assert b"".join(blocks).count(b"Hel") == b"".join(plain).count(b"Hel")


@pytest.mark.parametrize("steps", [0, 1])
def test_closing_ends_whichever_stream_is_open(steps, driver, wire_server):
    wire_server.script(BUSY, unfinished("Hel", "lo"))
    stream = pair(driver).stream("Hi")
    chunks = driver.chunks(stream)
    for _ in range(steps):
        next(chunks)
    driver.run(stream.close())
    assert stream.status == "cancelled"
    assert list(driver.chunks(stream)) == []


def test_a_stream_that_was_closed_cannot_be_entered(driver, wire_server):
    stream = pair(driver).stream("Hi")
    driver.run(stream.close())
    with pytest.raises(ConfigurationError, match="the stream is cancelled"), driver.entered(stream):
        pass
    assert wire_server.requests == []


def test_closing_from_another_thread_asks_nobody_else(wire_server):
    arrived = threading.Event()

    def silent(_request: Request) -> Stream:
        arrived.set()
        return Stream(words("", finish=None, done=False), end="hold")

    wire_server.script(silent, GOOD)
    driver = DRIVERS[0](wire_server)
    stream = pair(driver).stream("Hi")
    raised: list[BaseException] = []

    def read() -> None:
        try:
            list(stream)
        except LlmConnectorError as error:
            raised.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert arrived.wait(10)
    stream.close()
    reader.join(10)
    assert not reader.is_alive()
    assert stream.status == "cancelled"
    assert models_asked(wire_server) == ["m"]
    driver.close()


def test_closing_from_another_thread_between_two_clients_opens_nothing(wire_server, monkeypatch):
    wire_server.script(BUSY, Stream(words("Hello")))
    driver = DRIVERS[0](wire_server)
    stream = pair(driver).stream("Hi")
    following = stream._next

    def closed_meanwhile() -> Any:
        made = following()
        closing = threading.Thread(target=stream.close)
        closing.start()
        closing.join(10)
        return made

    monkeypatch.setattr(stream, "_next", closed_meanwhile)
    with pytest.raises(ConfigurationError, match="the stream is cancelled"):
        list(stream)
    assert stream.status == "cancelled"
    driver.close()


def test_a_cancelled_task_asks_nobody_else(wire_server):
    async def main() -> None:
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()

        def silent(_request: Request) -> Stream:
            loop.call_soon_threadsafe(arrived.set)
            return Stream([], end="hold")

        wire_server.script(silent, GOOD)
        settings: dict[str, Any] = {"base_url": wire_server.url, "model": "m"}
        async with AsyncLlmClient("openai_compatible", **settings) as first:
            client = first.with_fallbacks(first)
            stream = client.stream("Hi")
            task = asyncio.ensure_future(anext(stream))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert stream.status == "cancelled"
            await client.close()

    asyncio.run(main())
    assert len(wire_server.requests) == 1


def test_a_forgotten_stream_is_collected_without_a_word(wire_server):
    """Warnings are errors here, those of the garbage collector too."""

    async def main() -> None:
        wire_server.script(BUSY, unfinished("Hel", "lo"))
        settings: dict[str, Any] = {"base_url": wire_server.url, "model": "m", "max_retries": 0}
        async with AsyncLlmClient("openai_compatible", **settings) as first:
            client = first.with_fallbacks(first)
            stream = client.stream("Hi")
            async for chunk in stream:
                if chunk.text:
                    break
            del stream
            gc.collect()
            await client.close()

    asyncio.run(main())
    assert len(wire_server.requests) == 2


# embeddings


def test_embeddings_are_asked_of_all_for_the_same_model(driver, wire_server):
    wire_server.script(BUSY, VECTORS)
    client = pair(driver)
    second = driver.client().with_fallbacks(driver.client(model="other"))
    driver._made.append(second)
    found = driver.run(second.embed("a", model="e1"))
    assert found.vectors == [[1.0, 2.0]]
    assert models_asked(wire_server) == ["e1", "e1"]
    assert failed(found) == [("openai_compatible", "e1", "RateLimitError")]
    wire_server.script(BUSY)
    with pytest.raises(RateLimitError) as raised:  # deepseek has no embeddings
        driver.run(client.embed("a", model="e1"))
    assert "UnsupportedError" in raised.value.__notes__[0]


# the client


def test_a_client_with_fallbacks_is_a_client(driver, wire_server):
    client = pair(driver)
    assert isinstance(client, driver.client_class)
    assert (client.provider, client.model) == ("openai_compatible", "m")
    assert repr(client) == f"{driver.client()!r}.with_fallbacks({driver.client('deepseek', model='n')!r})"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(client)


def test_other_options_are_those_of_the_first(driver, wire_server):
    wire_server.script(BUSY, GOOD)
    changed = pair(driver).with_options(model="m2")
    driver._made.append(changed)
    assert driver.run(changed.chat("Hi")).text == "Hello"
    assert models_asked(wire_server) == ["m2", "n"]


def test_chains_grow_in_order(driver, wire_server):
    wire_server.script(BUSY, DOWN, BUSY, GOOD)
    tail = driver.client("groq", model="o").with_fallbacks(driver.client("mistral", model="p"))
    client = pair(driver).with_fallbacks(tail)
    driver._made.append(client)
    reply = driver.run(client.chat("Hi"))
    assert models_asked(wire_server) == ["m", "n", "o", "p"]
    assert reply.extra["fallbacks"]["provider"] == "mistral"


def test_each_link_of_a_chain_keeps_its_errors(driver, wire_server):
    wire_server.script(BUSY)
    client = pair(driver, on=ServerError).with_fallbacks(driver.client("groq", model="o"), on=RateLimitError)
    driver._made.append(client)
    with pytest.raises(RateLimitError):
        driver.run(client.chat("Hi"))
    assert models_asked(wire_server) == ["m"]


def test_closing_leaves_the_clients_that_were_given_open(driver, wire_server):
    wire_server.script(GOOD, GOOD)
    first, second = driver.client(), driver.client("deepseek", model="n")
    client = first.with_fallbacks(second)
    driver.run(client.close())
    with pytest.raises(ConfigurationError, match="the client is closed"):
        driver.run(client.chat("Hi"))
    assert driver.run(first.chat("Hi")).text == driver.run(second.chat("Hi")).text == "Hello"


@pytest.mark.parametrize("on", [(), Exception, "RateLimitError", (RateLimitError, ValueError), RateLimitError("x")])
def test_on_is_checked(on):
    client = LlmClient("local")
    with pytest.raises(ConfigurationError, match="give classes of"):
        client.with_fallbacks(client, on=on)


@pytest.mark.parametrize("others", [(), ("openai",), (AsyncLlmClient("local"),)], ids=["none", "a name", "async"])
def test_fallbacks_are_clients_of_the_same_kind(others):
    with pytest.raises(ConfigurationError, match="give one LlmClient or several"):
        LlmClient("local").with_fallbacks(*others)


def test_an_async_client_wants_async_ones():
    with pytest.raises(ConfigurationError, match="give one AsyncLlmClient or several"):
        AsyncLlmClient("local").with_fallbacks(LlmClient("local"))  # type: ignore[arg-type]  # the mistake


def test_every_error_is_one_that_can_be_given():
    assert LlmClient("local").with_fallbacks(LlmClient("local"), on=LlmConnectorError).provider == "local"
