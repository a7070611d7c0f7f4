"""Event streams of AWS from values that JSON holds: the code under test reads them with botocore."""

from __future__ import annotations

import base64
import json
from typing import Any

from llm_connector.testing.event_frames import event_frame, exception_frame, failure_frame, header, message

__all__ = ["chunk", "converse_stream", "exception", "failure", "frame", "header", "invoke_stream", "message"]

failure = failure_frame


def frame(kind: str, payload: Any) -> bytes:
    """A message that is an event; bytes are taken as they are."""
    text = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    return event_frame(kind, text)


def exception(kind: str, payload: Any) -> bytes:
    """A message that is an exception."""
    return exception_frame(kind, json.dumps(payload).encode())


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
