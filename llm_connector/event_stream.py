"""The binary event stream of AWS, decoded and checked by botocore, as events.

https://smithy.io/2.0/aws/amazon-eventstream.html (checked 2026-11)
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any

from llm_connector.errors import ConfigurationError, ParseError
from llm_connector.limits import DEFAULT_MAX_EVENT_BYTES
from llm_connector.wire import Event, Json, decode_json, encode_json

__all__ = ["EventStreamDecoder", "require_botocore"]

_PRELUDE = 12
"""Bytes that begin a message: its length, that of its headers, and their checksum."""

_LEAST = 16
"""Bytes of a message without headers and payload."""

_LARGEST_FIRST_BYTE = 0x01
"""A message of 32 MB, more than there may be, begins with 0x02: what begins so, or with more, is text."""


def require_botocore() -> None:
    """Raises ConfigurationError, with the remedy, where botocore is not installed. Imports nothing."""
    if find_spec("botocore") is None:
        raise ConfigurationError("AWS needs botocore: pip install 'llm-connector-core[bedrock]'")


class EventStreamDecoder:
    """One event per message: its `:event-type` and its payload.

    Chunks that wrap the event of a model as base64 are unwrapped and have no name, as the event names itself.
    Exceptions and errors come out as an event named `"error"` with the JSON `{"error": {"code": …, "message": …}}`. A
    body that is no event stream, such as JSON or a web page, comes out as one event named `"body"`.
    """

    __slots__ = ("_body", "_buffer", "_failures", "_held", "_limit", "_new", "_pieces", "_started", "_wanted")

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        require_botocore()
        from botocore.eventstream import EventStreamBuffer, ParserError

        self._new = EventStreamBuffer
        self._failures = (ParserError, struct.error, LookupError, ValueError)
        self._limit = max_event_bytes
        self._started = False
        self._body: bytearray | None = None
        self._begin()

    def _begin(self) -> None:
        self._buffer: Any = self._new()
        self._pieces = bytearray()
        self._held = 0
        self._wanted = _PRELUDE

    def feed(self, block: bytes) -> Iterable[Event]:
        """The events that `block` completes. The length that a message gives is checked before the message is held."""
        if not self._held and _LEAST <= len(block) <= self._limit and int.from_bytes(block[:4], "big") == len(block):
            try:
                event = self._decoded(self._new(), block)
            except (ParseError, *self._failures):
                return self._feed(block)  # which raises it where the caller expects it
            self._started = True
            return iter(()) if event is None else (event,)
        return self._feed(block)

    def _feed(self, block: bytes) -> Iterator[Event]:
        if not self._started and block:
            self._started = True
            self._body = bytearray() if block[0] > _LARGEST_FIRST_BYTE else None
        if self._body is not None:
            self._hold(self._body, block, self._limit)
            return
        start = 0
        while start < len(block):
            end = start + self._wanted - self._held
            self._hold(self._pieces, block[start:end], self._wanted)
            start = end
            if self._held == _PRELUDE == self._wanted:
                self._wanted = self._length()
            if self._held == self._wanted:
                event = self._checked(bytes(self._pieces))
                self._begin()
                if event is not None:
                    yield event

    def close(self) -> Iterator[Event]:
        """Yield the body that was no event stream. What is left of a message is dropped: its stream was cut."""
        if self._body:
            yield Event("body", bytes(self._body))

    def _hold(self, pieces: bytearray, piece: bytes, most: int) -> None:
        pieces += piece
        self._held += len(piece)
        if self._held > most:
            raise ParseError(f"the answer exceeds {most} bytes; raise max_event_bytes to accept it")

    def _length(self) -> int:
        """The length of the message whose prelude is held. Raises ParseError if that is broken, or above the limit."""
        prelude = bytes(self._pieces)
        total = int.from_bytes(prelude[:4], "big")
        try:
            self._buffer.add_data(prelude)
            if total >= _LEAST:
                next(self._buffer, None)  # checks the checksum of the prelude
        except self._failures as error:
            raise _broken(error) from None
        if total < _LEAST:
            raise ParseError(f"the event stream is broken: a message of {total} bytes")
        if total > self._limit:
            raise ParseError(f"an event of {total} bytes exceeds {self._limit}; raise max_event_bytes to accept it")
        self._pieces = bytearray()
        return total

    def _checked(self, rest: bytes) -> Event | None:
        try:
            return self._decoded(self._buffer, rest)
        except self._failures as error:
            raise _broken(error) from None

    @staticmethod
    def _decoded(buffer: Any, data: bytes) -> Event | None:
        buffer.add_data(data)
        message = next(buffer)
        headers = message.headers
        payload: bytes = message.payload
        if headers.get(":message-type", "event") != "event":
            return Event("error", _failure(headers, payload))
        name = headers.get(":event-type")
        if name != "chunk":
            return Event(name if isinstance(name, str) else "", payload)
        wrapped = _json(payload).get("bytes")
        if not isinstance(wrapped, str) or not wrapped:
            return None
        return Event("", base64.b64decode(wrapped, validate=True))


def _failure(headers: dict[str, Any], payload: bytes) -> bytes:
    """The error object of an exception, which has a payload, or of an error, which has headers only."""
    error = dict(_json(payload))
    code = headers.get(":exception-type") or headers.get(":error-code")
    if isinstance(code, str):
        error["code"] = code
    if isinstance(headers.get(":error-message"), str):
        error["message"] = headers[":error-message"]
    error.setdefault("message", payload.decode("utf-8", "replace") or str(code or "the stream failed"))
    return encode_json({"error": error})


def _json(payload: bytes) -> dict[str, Json]:
    try:
        value = decode_json(payload)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _broken(error: Exception) -> ParseError:
    if isinstance(error, binascii.Error):
        return ParseError("the event stream is broken: a chunk is not base64")
    return ParseError(f"the event stream is broken: {error}")
