"""Events as bytes: server-sent events, a line of JSON each, or one body at the end.

https://html.spec.whatwg.org/multipage/server-sent-events.html (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable

from llm_connector.errors import LlmConnectorError
from llm_connector.formats.base import Encoder, Output
from llm_connector.types import ChatChunk, ChatResponse
from llm_connector.wire import Json, encode_json

__all__ = ["FRAMINGS", "StreamWriter", "event_lines", "json_line", "text_of"]

FRAMINGS = ("sse", "ndjson", "json")
"""The names of the framings."""


_SEPARATORS = ((b"\xe2\x80\xa8", rb"\u2028"), (b"\xe2\x80\xa9", rb"\u2029"), (b"\xc2\x85", rb"\u0085"))
"""What many readers of lines take for the end of one, httpx and with it the official clients among them."""


def text_of(body: Json) -> bytes:
    """The JSON of an event, without anything that might end a line."""
    text = encode_json(body)
    if b"\xe2\x80" in text or b"\xc2\x85" in text:
        for separator, escaped in _SEPARATORS:
            text = text.replace(separator, escaped)
    return text


def event_lines(output: Output) -> bytes:
    """A server-sent event; the JSON holds no line end, so one line of data is enough."""
    name, body = output
    if name:
        return b"event: %b\ndata: %b\n\n" % (name.encode(), text_of(body))
    return b"data: %b\n\n" % text_of(body)


def json_line(output: Output) -> bytes:
    """A line of JSON. What names an event stands in its body as well, in all formats that name events."""
    return text_of(output[1]) + b"\n"


class StreamWriter:
    """Chunks in, bytes out, for one stream; an empty block means that there is nothing to send yet.

    With `json` everything is written at the end.
    """

    __slots__ = ("_encoder", "_framing", "_marker", "_written")

    def __init__(self, encoder: Encoder, framing: str | None = None) -> None:
        self._encoder = encoder
        self._framing = framing or encoder.format.framing
        self._marker = encoder.format.end_marker if self._framing == "sse" else ""
        self._written = False

    def feed(self, chunk: ChatChunk) -> bytes:
        """The bytes of one chunk."""
        return b"" if self._framing == "json" else self._join(self._encoder.feed(chunk))

    def finish(self, response: ChatResponse) -> bytes:
        """The last bytes of a complete answer."""
        if self._framing == "json":
            return encode_json(self._encoder.whole(response))
        end = b"data: %b\n\n" % self._marker.encode() if self._marker else b""
        return self._join(self._encoder.finish(response)) + end

    def fail(self, error: LlmConnectorError) -> bytes:
        """The last bytes of an answer that failed; none where none were written, so that a status can still say it."""
        return self._join(self._encoder.fail(error)) if self._written else b""

    def idle(self) -> bytes:
        """What keeps the connection alive while there is nothing to say; a reader passes it over.

        It counts as written: from then on an error has to be told inside the stream.
        """
        if self._framing == "json":
            return b""
        block = self._join(self._encoder.idle())
        if not block and self._framing == "sse":
            block = b": keep-alive\n\n"
            self._written = True
        return block

    def _join(self, events: Iterable[Output]) -> bytes:
        frame = json_line if self._framing == "ndjson" else event_lines
        block = b"".join([frame(event) for event in events])
        self._written = self._written or bool(block)
        return block
