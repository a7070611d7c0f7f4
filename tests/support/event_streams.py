"""Event streams of AWS, written by hand: the code under test reads them with botocore."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

__all__ = ["chunk", "converse_stream", "exception", "failure", "frame", "invoke_stream", "message"]


def message(headers: bytes, payload: bytes) -> bytes:
    """A message with these header bytes, as https://smithy.io/2.0/aws/amazon-eventstream.html lays it out."""
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack("!I", zlib.crc32(body))


def header(name: str, value: str) -> bytes:
    """A header that holds a string."""
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value.encode())) + value.encode()


def frame(kind: str, payload: Any) -> bytes:
    """A message that is an event; bytes are taken as they are."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    text = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    return message(b"".join(header(*item) for item in headers.items()), text)


def exception(kind: str, payload: Any) -> bytes:
    """A message that is an exception."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return message(b"".join(header(*item) for item in headers.items()), json.dumps(payload).encode())


def failure(code: str, text: str) -> bytes:
    """A message that is an error: it has no payload."""
    headers = {":error-code": code, ":error-message": text, ":message-type": "error"}
    return message(b"".join(header(*item) for item in headers.items()), b"")


def converse_stream(*events: dict[str, Any]) -> bytes:
    """A stream of Converse: each event is `{name: payload}`, and is padded as the server does it."""
    return b"".join(frame(name, {**payload, "p": "abcdef"}) for event in events for name, payload in event.items())


def invoke_stream(*events: Any) -> bytes:
    """A stream of InvokeModel: each event in base64; text is taken as it is."""
    return b"".join(map(chunk, events))


def chunk(event: Any) -> bytes:
    """One event of a model, in base64."""
    text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
    return frame("chunk", {"bytes": base64.b64encode(text.encode()).decode(), "p": "abc"})
