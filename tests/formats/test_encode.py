"""`encode` of both streams: bytes as the chunks come, errors in the format's words, and nothing left open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from llm_connector.errors import APIError, AuthenticationError, ConfigurationError, StreamError
from llm_connector.formats.ollama import Ollama
from tests.support.answers import completion, delta
from tests.support.drivers import DRIVERS, Driver, words
from tests.support.wire_server import Answer, Stream, WireServer, sse

FORMATS = ["unified", "openai", "openai_responses", "anthropic", "ollama", "ollama_embedded"]
ERROR = {"error": {"message": "overloaded", "code": "server_error"}}


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    driver: Driver = request.param(wire_server)
    yield driver
    driver.close()
    assert wire_server.wait_closed(), "a connection is still open although every client is closed"


def blocks_of(driver: Driver, stream: Any) -> Iterator[bytes]:
    """The blocks of an iterator of either kind."""
    blocks: Iterator[Any] = driver.chunks(stream)
    return blocks


def ended(driver: Driver, stream: Any) -> None:
    """Close a generator of blocks."""
    closed = stream.aclose() if driver.name == "async" else stream.close()
    driver.run(closed)


def test_blocks_come_while_the_answer_is_made(driver: Driver):
    driver.server.script(Stream(words("Hel", "lo", finish=None, done=False), end="hold"))
    stream = driver.client().stream("Hi")
    blocks = stream.encode("unified")

    reading = blocks_of(driver, blocks)
    first = [next(reading), next(reading)]

    assert first == [b'{"content":"Hel"}\n', b'{"content":"lo"}\n']
    assert stream.status == "open"
    ended(driver, blocks)
    assert stream.status == "cancelled"
    assert stream.partial.text == "Hello"


def test_nothing_is_sent_before_the_first_block(driver: Driver):
    blocks = driver.client().stream("Hi").encode("openai")

    assert driver.server.requests == []
    ended(driver, blocks)
    assert driver.server.requests == []


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("framing", [None, "sse", "ndjson", "json"])
def test_every_format_has_every_framing(driver: Driver, format: str, framing: Any):
    driver.server.script(Stream(words("Hel", "lo")))
    stream = driver.client().stream("Hi")
    body = b"".join(blocks_of(driver, stream.encode(format, framing)))

    assert stream.status == "complete"
    assert stream.response.text == "Hello"
    if framing == "json":
        assert b"Hello" in body
        assert json.loads(body)
    elif framing == "ndjson" or (framing is None and format in ("ollama", "unified")):
        assert all(json.loads(line) for line in body.splitlines())
        assert len(body.splitlines()) >= 3
    else:
        events = body.decode().removesuffix("\n\n").split("\n\n")
        lines = [line for event in events for line in event.split("\n")]
        assert all(line.startswith(("data: ", "event: ")) for line in lines)
        named = {json.loads(event.partition("data: ")[2])["type"] for event in events if event.startswith("event: ")}
        assert bool(named) is (format in ("anthropic", "openai_responses"))
        assert (lines[-1] == "data: [DONE]") is (format in ("openai", "ollama_embedded"))


def test_a_format_may_be_given_with_its_settings(driver: Driver):
    call = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}
    driver.server.script(Stream(sse(delta(tool_calls=[call]), delta("tool_calls"))))
    body = b"".join(blocks_of(driver, driver.client().stream("Hi").encode(Ollama(ids=True))))

    first = json.loads(body.splitlines()[0])
    assert first["message"]["tool_calls"] == [{"id": "c1", "function": {"name": "f", "arguments": {}}}]


def test_the_rest_of_a_stream_may_be_encoded(driver: Driver):
    driver.server.script(Stream(words("Hel", "lo")))
    stream = driver.client().stream("Hi")
    with driver.entered(stream):
        reading = driver.chunks(stream)
        read = [next(reading), next(reading)]
        body = b"".join(blocks_of(driver, stream.encode("unified")))

    assert "".join(chunk.text for chunk in read) == "Hel"
    assert body.splitlines()[0] == b'{"content":"lo"}'


def test_an_unknown_name_is_refused_at_once(driver: Driver):
    stream = driver.client().stream("Hi")

    with pytest.raises(ConfigurationError, match="unknown format 'xml'; give one of anthropic, ollama"):
        stream.encode("xml")
    with pytest.raises(ConfigurationError, match="unknown framing 'zip'; give one of sse, ndjson, json"):
        stream.encode("openai", "zip")
    assert driver.server.requests == []


LAST: dict[str, Any] = {
    "unified": lambda event: event["error"]["message"],
    "openai": lambda event: event["error"]["message"],
    "openai_responses": lambda event: event["response"]["error"]["message"],
    "anthropic": lambda event: event["error"]["message"],
    "ollama": lambda event: event["error"],
    "ollama_embedded": lambda event: event["error"]["message"],
}


@pytest.mark.parametrize("format", FORMATS)
def test_an_error_after_bytes_is_written_and_raised(driver: Driver, format: str):
    driver.server.script(Stream([*words("Hel", finish=None, done=False), *sse(ERROR)]))
    stream = driver.client().stream("Hi")
    blocks: list[bytes] = []

    with pytest.raises(StreamError) as failure:
        blocks.extend(blocks_of(driver, stream.encode(format)))

    assert isinstance(failure.value, APIError)
    assert failure.value.partial is not None
    assert failure.value.partial.text == "Hel"
    assert stream.status == "error"
    last = blocks[-1].decode().strip().split("\n")[-1].removeprefix("data: ")
    assert LAST[format](json.loads(last)) == failure.value.message


def test_a_cut_stream_never_looks_like_a_short_answer(driver: Driver):
    driver.server.script(Stream(words("Hel", finish=None, done=False), end="cut"))
    stream = driver.client().stream("Hi")
    blocks: list[bytes] = []

    with pytest.raises(StreamError):
        blocks.extend(blocks_of(driver, stream.encode("ollama")))

    lines = [json.loads(line) for line in b"".join(blocks).splitlines()]
    assert "error" in lines[-1]
    assert not any(line.get("done") for line in lines)
    assert stream.status == "interrupted"
    assert stream.partial.text == "Hel"


@pytest.mark.parametrize("answer", [Stream(sse(ERROR)), Answer.json(ERROR, 401)])
def test_an_error_before_any_bytes_is_raised_only(driver: Driver, answer: Any):
    """So that whoever passes the answer on can still answer with a status."""
    driver.server.script(answer)
    blocks: list[bytes] = []

    with pytest.raises(APIError) as failure:
        blocks.extend(blocks_of(driver, driver.client().stream("Hi").encode("openai")))

    assert blocks == []
    assert isinstance(failure.value, AuthenticationError | StreamError)


def test_one_body_is_whole_or_is_not(driver: Driver):
    driver.server.script(Stream([*words("Hel", finish=None, done=False), *sse(ERROR)]))
    blocks: list[bytes] = []

    with pytest.raises(StreamError):
        blocks.extend(blocks_of(driver, driver.client().stream("Hi").encode("openai", "json")))

    assert blocks == []


def test_the_connection_is_used_again(driver: Driver):
    driver.server.script(Stream(words("Hello")), Answer.json(completion(content="again")))
    client = driver.client()
    assert b"Hello" in b"".join(blocks_of(driver, client.stream("Hi").encode("anthropic")))

    assert driver.run(client.chat("Hi")).text == "again"
    assert [request.connection for request in driver.server.requests] == [1, 1]


def test_a_closed_stream_cannot_be_encoded(driver: Driver):
    stream = driver.client().stream("Hi")
    driver.run(stream.close())

    with pytest.raises(ConfigurationError, match="the stream is cancelled"):
        list(blocks_of(driver, stream.encode("openai")))
