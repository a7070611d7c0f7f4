"""The log: nothing unless somebody listens, one line per call at INFO, no secret and no content at DEBUG."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from llm_connector import LlmConnectorError, RateLimitError, Timeout, observing
from tests.support.answers import completion
from tests.support.drivers import DRIVERS, KEY, Driver, unfinished, words
from tests.support.programs import output_of
from tests.support.wire_server import Answer, Refuse, Stream, WireServer, sse

BODY = completion(content="the answer") | {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}
GOOD = Answer.json(BODY, headers={"x-request-id": "req_7"})
BUSY = Answer.json({"error": {"message": "slow down"}}, 429, {"x-request-id": "req_8"})
VECTORS = Answer.json({"data": [{"index": 0, "embedding": [1.0]}], "usage": {"prompt_tokens": 2}})
QUESTION = "a private question"


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    made: Driver = request.param(wire_server)
    yield made
    made.close()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """The messages of a level and above, of this library."""

    def listen(level: int) -> Any:
        caplog.set_level(level, "llm_connector")
        return lambda: [record for record in caplog.records if record.name == "llm_connector"]

    return listen


def without_time(message: str) -> str:
    words = (word.partition("=") for word in message.split())
    return " ".join(
        f"{name}=…" if name in ("duration", "first_chunk") else f"{name}{mark}{value}" for name, mark, value in words
    )


def test_a_call_is_one_line(driver, wire_server, lines):
    said = lines(logging.INFO)
    wire_server.script(GOOD)
    driver.run(driver.client().chat(QUESTION))
    (record,) = said()
    assert record.levelno == logging.INFO
    assert without_time(record.getMessage()) == (
        "operation=chat provider=openai_compatible model=m status=complete http_status=200 duration=… "
        "input_tokens=3 output_tokens=4 finish_reason=stop request_id=req_7"
    )
    assert record.llm_call["provider"] == "openai_compatible"
    assert record.llm_call["duration"] > 0
    assert json.loads(json.dumps(record.llm_call)) == record.llm_call


def test_a_stream_is_one_line_when_it_is_over(driver, wire_server, lines):
    said = lines(logging.INFO)
    wire_server.script(Stream(words("Hel", "lo")))
    stream = driver.client().stream(QUESTION)
    chunks = driver.chunks(stream)
    next(chunks)
    assert said() == []
    assert len(list(chunks)) > 1
    (record,) = said()
    assert without_time(record.getMessage()) == (
        "operation=stream provider=openai_compatible model=m status=complete http_status=200 duration=… "
        "first_chunk=… finish_reason=stop"
    )
    assert 0 < record.llm_call["first_chunk"] < record.llm_call["duration"]


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (BUSY, "error", "RateLimitError"),
        (Refuse(), "interrupted", "TransportError"),
        (Stream(words("Hel", finish=None, done=False), end="cut"), "interrupted", "TransportError"),
        (
            Stream([*words("Hel", finish=None, done=False), *sse({"error": {"message": "no", "code": 503}})]),
            "error",
            "ServerError",
        ),
    ],
    ids=["refused", "no answer", "cut", "broken off"],
)
def test_a_stream_that_fails_is_one_line(answer, status, error, driver, wire_server, lines):
    said = lines(logging.INFO)
    wire_server.script(answer)
    with pytest.raises(LlmConnectorError):
        driver.text(driver.client().stream(QUESTION))
    (record,) = said()
    assert (record.llm_call["status"], record.llm_call["error"]) == (status, error)


def test_a_refusal_is_one_line_with_its_request_id(driver, wire_server, lines):
    said = lines(logging.INFO)
    wire_server.script(BUSY, BUSY)
    with pytest.raises(RateLimitError):
        driver.run(driver.client(retries=1).chat(QUESTION))
    (record,) = said()
    assert without_time(record.getMessage()) == (
        "operation=chat provider=openai_compatible model=m status=error error=RateLimitError http_status=429 "
        "duration=… request_id=req_8"
    )


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_stream_that_is_left_is_cancelled(steps, driver, wire_server, lines):
    said = lines(logging.INFO)
    wire_server.script(unfinished("Hel", "lo"))
    stream = driver.client().stream(QUESTION)
    chunks = driver.chunks(stream)
    for _ in range(steps):
        next(chunks)
    driver.run(stream.close())
    assert [record.llm_call["status"] for record in said()] == ["cancelled"] * bool(steps)


def test_other_operations_are_told_too(driver, wire_server, lines):
    said = lines(logging.INFO)
    wire_server.script(VECTORS, Answer.json({"data": [{"id": "m"}]}))
    client = driver.client()
    driver.run(client.embed(["a"], model="e"))
    driver.run(client.models())
    assert [(record.llm_call["operation"], record.llm_call.get("model")) for record in said()] == [
        ("embed", "e"),
        ("models", None),
    ]
    assert said()[0].llm_call["input_tokens"] == 2


def test_each_client_of_a_chain_has_its_line(driver, wire_server, lines):
    said = lines(logging.INFO)
    wire_server.script(BUSY, GOOD)
    client = driver.client().with_fallbacks(driver.client("deepseek", model="n"))
    driver._made.append(client)
    driver.run(client.chat(QUESTION))
    assert [(record.llm_call["provider"], record.llm_call["status"]) for record in said()] == [
        ("openai_compatible", "error"),
        ("deepseek", "complete"),
    ]


def test_debug_shows_each_request_without_secret_or_content(driver, wire_server, lines):
    said = lines(logging.DEBUG)
    wire_server.script(BUSY, GOOD)
    url = f"{wire_server.url}?key=of-the-query"
    driver.run(driver.client(base_url=url, retries=1, headers={"x-team": "of-the-header"}).chat(QUESTION))
    messages = [record.getMessage() for record in said()]
    assert messages[0].startswith(
        f"openai_compatible m: request POST {wire_server.url}/v1/chat/completions?... headers="
    )
    assert "authorization" in messages[0]
    assert messages[0].endswith(f"bytes={len(wire_server.requests[0].body)}")
    assert messages[1].startswith("openai_compatible m: answer status=429 content-type=application/json bytes=")
    assert messages[2].startswith("openai_compatible m: wait 0.0")
    assert len(messages) == 6
    for message in messages:
        for secret in (KEY, "of-the-query", "of-the-header", QUESTION, "the answer", "slow down"):
            assert secret not in message


def test_debug_counts_the_chunks_of_a_stream(driver, wire_server, lines):
    said = lines(logging.DEBUG)
    wire_server.script(Stream(words("Hel", "lo")))
    chunks = list(driver.chunks(driver.client().stream(QUESTION)))
    last = said()[-1].getMessage()
    assert last.startswith(f"openai_compatible m: stream of {len(chunks)} chunks, the first after 0.")


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
def test_content_is_logged_if_the_caller_allows_it(stream, driver, wire_server, lines):
    said = lines(logging.DEBUG)
    wire_server.script(Stream(words("the answer")) if stream else GOOD)
    client = driver.client(log_content=True)
    _ = driver.text(client.stream(QUESTION)) if stream else driver.run(client.chat(QUESTION))
    messages = "\n".join(record.getMessage() for record in said())
    assert QUESTION in messages
    assert "the answer" in messages
    assert KEY not in messages


def test_content_that_holds_the_key_is_logged_without_it(driver, wire_server, lines):
    said = lines(logging.DEBUG)
    wire_server.script(Answer.json(completion(content=f"you sent {KEY}")))
    driver.run(driver.client(log_content=True).chat(f"my key is {KEY}"))
    messages = "\n".join(record.getMessage() for record in said())
    assert "my key is [secret]" in messages
    assert "you sent [secret]" in messages
    assert KEY not in messages


def test_content_is_not_logged_at_info(driver, wire_server, lines):
    said = lines(logging.INFO)
    wire_server.script(GOOD)
    driver.run(driver.client(log_content=True).chat(QUESTION))
    assert QUESTION not in "".join(record.getMessage() for record in said())


def test_a_call_that_is_interrupted_is_cancelled(wire_server, lines, monkeypatch):
    said = lines(logging.INFO)
    driver = DRIVERS[0](wire_server)
    client = driver.client()

    def interrupt(*_given: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(client._transport), "_perform", interrupt)
    with pytest.raises(KeyboardInterrupt):
        client.chat(QUESTION)
    (record,) = said()
    assert record.llm_call["status"] == "cancelled"
    driver.close()


def test_an_abandoned_stream_is_cancelled(wire_server, lines):
    said = lines(logging.INFO)
    driver = DRIVERS[0](wire_server)
    wire_server.script(unfinished("Hel", "lo"))
    stream = driver.client().stream(QUESTION)
    next(stream)
    del stream
    import gc

    gc.collect()
    assert [record.llm_call["status"] for record in said()] == ["cancelled"]
    driver.close()


def test_a_timeout_names_its_class(driver, wire_server, lines):
    said = lines(logging.INFO)
    wire_server.script(Stream([], end="hold"))
    with pytest.raises(LlmConnectorError):
        driver.run(driver.client(timeout=Timeout(first_byte=0.1)).chat(QUESTION))
    assert said()[0].llm_call["error"] == "TimeoutError"


def test_nothing_is_watched_unless_somebody_listens(driver, wire_server, monkeypatch):
    from llm_connector import observing

    monkeypatch.setattr(observing, "Observation", None)  # would fail where one is made
    logging.getLogger("llm_connector").setLevel(logging.WARNING)
    wire_server.script(GOOD, Stream(words("Hello")))
    client = driver.client()
    assert driver.run(client.chat("Hi")).text == "the answer"
    assert driver.text(client.stream("Hi")) == "Hello"
    logging.getLogger("llm_connector").setLevel(logging.NOTSET)


def test_it_is_quiet_by_default(wire_server):
    wire_server.script(Answer(status=500, body=b"{}"), GOOD)
    program = f"""
import llm_connector, logging
client = llm_connector.LlmClient("openai_compatible", base_url={wire_server.url!r}, model="m", max_retries=0)
try:
    client.chat("Hi")
except llm_connector.ServerError:
    pass
client.chat("Hi")
logger = logging.getLogger("llm_connector")
assert [type(handler) for handler in logger.handlers] == [logging.NullHandler], logger.handlers
assert logger.level == logging.NOTSET and logger.propagate
"""
    output = output_of(program)
    assert output == ""


def test_a_server_cannot_write_lines_of_its_own(driver, wire_server, lines):
    said = lines(logging.INFO)
    forged = "x\noperation=chat status=complete"
    wire_server.script(Answer.json({"error": {"message": "no", "request_id": forged}, "request_id": forged}, 400))
    with pytest.raises(LlmConnectorError):
        driver.run(driver.client(model="my model").chat(QUESTION))
    message = said()[0].getMessage()
    assert "\n" not in message
    assert 'model="my model"' in message
    assert r'request_id="x\noperation=chat status=complete"' in message


def test_a_server_cannot_put_a_key_or_a_book_into_the_line(driver, wire_server, lines):
    said = lines(logging.INFO)
    wire_server.script(Answer.json(BODY, headers={"x-request-id": KEY + "x" * 5000}))
    driver.run(driver.client().chat(QUESTION))
    (record,) = said()
    assert len(record.getMessage()) < 1000
    assert KEY not in str(record.llm_call)
    assert record.llm_call["request_id"].startswith("[secret]xxx")


def test_nobody_can_command_the_terminal(driver, wire_server, lines):
    said = lines(logging.DEBUG)
    headers = {"content-type": "application/json; x=\x1b[31m\x85forged", "x-request-id": "\x1b[2J"}
    wire_server.script(Answer.json(completion(content="a\u2028b\x9b"), headers=headers))
    driver.run(driver.client(model="m\nforged", log_content=True).chat("\x85 and \u202e"))
    messages = [record.getMessage() for record in said()]
    assert all(message.isprintable() for message in messages), messages
    assert any(r"content-type=application/json; x=\x1b[31m\x85forged" in message for message in messages)
    assert any(r"a\u2028b\x9b" in message for message in messages)


def test_an_observer_that_fails_costs_nobody_the_answer(driver, wire_server, lines, monkeypatch):
    class Failing(observing.Watch):
        def sent(self, step: Any) -> None:
            raise RuntimeError("sent")

        def ended(self, outcome: Any) -> None:
            raise RuntimeError("ended")

    def unwilling(operation: Any) -> Any:
        raise RuntimeError("began")

    said = lines(logging.INFO)
    monkeypatch.setattr(observing, "OBSERVERS", [unwilling, lambda operation: Failing()])
    wire_server.script(GOOD, Stream(words("Hello")))
    client = driver.client()
    assert driver.run(client.chat(QUESTION)).text == "the answer"
    assert driver.text(client.stream(QUESTION)) == "Hello"
    assert [record.levelname for record in said()] == ["ERROR", "ERROR", "INFO", "ERROR"] * 2


def test_long_content_is_cut(driver, wire_server, lines):
    said = lines(logging.DEBUG)
    wire_server.script(GOOD)
    driver.run(driver.client(log_content=True).chat("long " * 10_000))
    assert max(len(record.getMessage()) for record in said()) < 20_100
    assert any("characters)" in record.getMessage() for record in said())
