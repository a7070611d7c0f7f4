"""Messages of AWS event streams, written.

https://smithy.io/2.0/aws/amazon-eventstream.html (checked 2026-11)
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

__all__ = ["event_frame", "exception_frame", "failure_frame", "header", "message"]

_STRING = 7
"""The type of a header that holds text."""


def message(headers: bytes, payload: bytes) -> bytes:
    """A message with these header bytes and its two checksums."""
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack("!I", zlib.crc32(body))


def header(name: str, value: str) -> bytes:
    """A header that holds a string."""
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _STRING, len(text)) + text


def event_frame(kind: str, payload: bytes) -> bytes:
    """A message that is an event."""
    return _frame({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, payload)


def exception_frame(kind: str, payload: bytes) -> bytes:
    """A message that is an exception."""
    return _frame({":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}, payload)


def failure_frame(code: str, text: str) -> bytes:
    """A message that is an error: it has no payload."""
    return _frame({":error-code": code, ":error-message": text, ":message-type": "error"}, b"")


def _frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    return message(b"".join(header(*item) for item in headers.items()), payload)
