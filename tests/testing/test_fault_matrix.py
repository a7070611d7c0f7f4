"""Every fault, in every wire format, to both clients, for whole answers and streams: what the caller gets.

The wire formats of one case run side by side, so that those that wait do it together.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from llm_connector import (
    APIError,
    BadRequestError,
    LlmConnectorError,
    ParseError,
    RateLimitError,
    ServerError,
    StreamError,
    Timeout,
    TimeoutError,
    TransportError,
)
from llm_connector.errors import streamed
from llm_connector.testing import FAULTS, FakeTransport, ScriptedModel, WireSimulator, reply
from llm_connector.testing.settings import scripted_client
from tests.support.drivers import DRIVERS, TRANSPORTS, Driver, SyncDriver
from tests.testing.support import ROWS

TEXT = "one two three four five six"
HALF = "one two three "
PATIENCE = 0.3
"""Seconds that a client waits for a server that is silent on purpose."""

LIMIT = 1 << 20

pytestmark = pytest.mark.timeout(60)


@dataclass(frozen=True)
class Outcome:
    """What a caller sees: the class of the error, None for an answer; the text; the status; how many requests."""

    error: type[LlmConnectorError] | None = None
    text: str | None = TEXT
    status: str | None = "complete"
    requests: int = 1


def fails(
    stream: type[LlmConnectorError], whole: type[LlmConnectorError], text: str = "", status: str = "error",
    requests: tuple[int, int] = (1, 1),
) -> tuple[Outcome, Outcome]:  # fmt: skip
    """The outcomes of a stream that fails after that text, and of a whole answer."""
    return Outcome(stream, text, status, requests[0]), Outcome(whole, None, None, requests[1])


COMES = Outcome(), Outcome(status=None)
BROKEN = streamed(TransportError)
UNREADABLE = fails(streamed(ParseError), ParseError)
RETRIED = (3, 3)
AFTERWARDS = (1, 3)
"""A stream that has begun is not tried again; a whole answer that nobody has seen is."""

EXPECTED: dict[str, tuple[Outcome, Outcome]] = {
    "close": fails(TransportError, TransportError, "", "interrupted", RETRIED),
    "garbage": fails(TransportError, TransportError, "", "interrupted", RETRIED),
    "silence": fails(TimeoutError, TimeoutError, "", "interrupted", RETRIED),
    "cut": fails(BROKEN, TransportError, TEXT, "interrupted", AFTERWARDS),
    "cut_clean": fails(StreamError, TransportError, TEXT, "interrupted", AFTERWARDS),
    "reset": fails(BROKEN, TransportError, HALF, "interrupted", AFTERWARDS),
    "stall": fails(streamed(TimeoutError), TimeoutError, HALF, "interrupted", AFTERWARDS),
    "drip": COMES,
    "slow_headers": COMES,
    "content_type": COMES,
    "no_marker": COMES,
    "endless_line": UNREADABLE,
    "endless_body": UNREADABLE,
    "gzip_bomb": UNREADABLE,
    "garbage_body": fails(StreamError, ParseError),
    "empty_body": fails(StreamError, ParseError, "", "interrupted"),
    "html": fails(streamed(APIError), APIError),
    "redirect": fails(APIError, APIError),
    "error_200": fails(streamed(ServerError), ServerError, requests=RETRIED),
    "error_midstream": fails(streamed(ServerError), ServerError, HALF, requests=AFTERWARDS),
    "400": fails(BadRequestError, BadRequestError),
    **{name: fails(ServerError, ServerError, requests=RETRIED) for name in ("500", "503", "529")},
    **{
        name: fails(RateLimitError, RateLimitError, requests=RETRIED)
        for name in ("429", "429_seconds", "429_date", "429_ms")
    },
}
UNDETECTED = {"drop", "duplicate"}
"""Nothing in these wire formats tells that an event is missing, or came twice."""


def expected(fault: str, wire: str, *, stream: bool) -> Outcome:
    """The outcome, with what is particular to a wire format."""
    outcome = EXPECTED[fault][not stream]
    error, requests = outcome.error, outcome.requests
    status = outcome.status
    if wire == "tencent" and stream and error in (BadRequestError, RateLimitError, ServerError):
        error = streamed(error)  # its servers refuse under status 200
    if wire == "ollama" and fault == "error_200":
        error, requests = (streamed(APIError), 1) if stream else (APIError, 1)  # its errors have no class
    elif wire == "ollama" and fault == "error_midstream" and stream:
        error = streamed(APIError)
    elif wire == "openai_responses" and fault == "error_200" and stream:
        requests = 1  # the event before it has named the answer, which is a chunk
    if fault == "garbage_body" and stream:
        binary = wire in ("ollama", "anthropic_bedrock", "converse")
        error, status = (streamed(ParseError), "error") if binary else (StreamError, "interrupted")
    return Outcome(error, outcome.text, status, requests)


def settings(fault: str) -> dict[str, Any]:
    first, idle = (PATIENCE if fault == silent else 20 for silent in ("silence", "stall"))
    timeout = Timeout(connect=20, first_byte=first, idle=idle)
    return {"timeout": timeout, "max_retries": 2, "max_body_bytes": LIMIT, "max_event_bytes": LIMIT}


def seen_by(driver: Driver, client: Any, model: ScriptedModel, *, stream: bool) -> Outcome:
    """What the caller of one call sees."""
    error, text, status = None, None, None
    chunks = client.stream("Hi") if stream else None
    try:
        if chunks is None:
            text = driver.run(client.chat("Hi")).text
        else:
            driver.text(chunks)
    except LlmConnectorError as caught:
        error = caught
    if chunks is not None:
        text, status = chunks.partial.text, chunks.status
    check(error, text)
    return Outcome(None if error is None else type(error), text, status, len(model.requests))


def outcomes(kind: type[Driver], fault: str, wire: str, *, stream: bool) -> tuple[Outcome, Outcome]:
    """What a caller sees, and what it should."""
    simulator: Any = WireSimulator()
    with simulator, closing(kind(simulator)) as driver:
        simulator.otherwise(reply(TEXT, fault=fault))
        given = {"base_url": simulator.url, **kind.settings, **settings(fault)}
        client = scripted_client(kind.client_class, ROWS[wire], given)
        seen = seen_by(driver, client, simulator, stream=stream)
        wanted = expected(fault, wire, stream=stream)

        # no connection of a failed call stays open; one of an answer may, to be used again
        assert simulator.wait_closed(20, but=1)
        simulator.otherwise("still here")
        assert driver.run(client.chat("Again")).text == "still here"
        driver.run(client.close())
    return seen, wanted


def check(error: LlmConnectorError | None, text: str | None) -> None:
    """The error tells what the stream tells."""
    if isinstance(error, StreamError):
        assert error.partial is not None
        assert error.partial.text == text
        assert error.partial.finish_reason is None


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("kind", TRANSPORTS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - UNDETECTED))
def test_what_a_caller_sees(fault, kind, stream):
    def pair(wire: str) -> tuple[Outcome, Outcome]:
        return outcomes(kind, fault, wire, stream=stream)

    with ThreadPoolExecutor(len(ROWS)) as threads:
        pairs = dict(zip(ROWS, threads.map(pair, ROWS), strict=True))
    assert {wire: seen for wire, (seen, _) in pairs.items()} == {wire: wanted for wire, (_, wanted) in pairs.items()}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("kind", DRIVERS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("wire", ROWS)
def test_it_is_the_same_without_sockets(wire, kind, stream, wire_server):
    seen, wanted = {}, {}
    with closing(kind(wire_server)) as driver:
        for fault in EXPECTED:
            fake = FakeTransport()
            fake.otherwise(reply(TEXT, fault=fault))
            make = fake.client if kind is SyncDriver else fake.async_client
            client = make(ROWS[wire], **settings(fault))
            seen[fault] = seen_by(driver, client, fake, stream=stream)
            wanted[fault] = expected(fault, wire, stream=stream)
    assert seen == wanted


@pytest.mark.parametrize("wire", ROWS)
@pytest.mark.parametrize("fault", sorted(UNDETECTED))
def test_events_that_are_missing_or_doubled_break_nothing(fault, wire):
    with WireSimulator(*[reply(TEXT, fault=fault)] * 2) as simulator, simulator.client(ROWS[wire]) as client:
        stream = client.stream("Hi")
        said = "".join(chunk.text for chunk in stream)

        assert stream.status == "complete"
        assert stream.response.text
        assert said.startswith(("one ", "two "))
        assert client.chat("Hi").text == TEXT


@pytest.mark.parametrize("connection", ["refused", "tls"])
@pytest.mark.parametrize("wire", ROWS)
def test_no_connection(connection, wire):
    with WireSimulator(connection=connection) as simulator, simulator.client(ROWS[wire]) as client:
        said = "is the server running" if connection == "refused" else "certificate verify failed"
        with pytest.raises(TransportError, match=said):
            client.chat("Hi")
        stream = client.stream("Hi")
        with pytest.raises(TransportError, match=said):
            list(stream)
        assert stream.status == "interrupted"
        assert stream.partial.text == ""
    assert simulator.open_connections == 0
    assert not simulator.requests


def test_every_fault_has_its_place():
    assert EXPECTED.keys() | UNDETECTED == FAULTS.keys()
