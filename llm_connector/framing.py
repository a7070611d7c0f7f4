"""Bytes to events, wherever the network cut them. Splits bytes, never text.

`str.splitlines()` and `httpx.Response.iter_lines()` also break at U+2028, U+2029 and U+0085, which are legal inside a
JSON string; https://html.spec.whatwg.org/multipage/server-sent-events.html allows CR, LF and CRLF only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol as Interface

from llm_connector.errors import ParseError
from llm_connector.limits import DEFAULT_MAX_EVENT_BYTES
from llm_connector.wire import Event

__all__ = ["Framing", "LineBuffer", "NDJSONDecoder", "SSEDecoder"]

_BOM = b"\xef\xbb\xbf"
_LF, _CR = b"\n\r"
"""As numbers: bytes look for one in a fifth of the time."""
_DOUBTFUL = b": \t"
"""First bytes of data that may be no more than a keep-alive."""


class Framing(Interface):
    """A decoder of one stream. `feed` is lazy, so events ahead of a failure in the same block are not lost.

    A block that is one whole event, as servers that flush each one send, comes back as a tuple, not as a generator.
    """

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None: ...

    def feed(self, block: bytes) -> Iterable[Event]:
        """The events that `block` completes. Raises ParseError for one above `max_event_bytes`."""
        ...

    def close(self) -> Iterator[Event]:
        """Yield what a clean end of the body completes."""
        ...


class LineBuffer:
    """Split byte blocks into lines. CR, LF and CRLF end a line and may straddle blocks; a leading BOM is dropped.

    A block without a line end costs its own length only, however short it is. A line above the limit ends the reading:
    `check`, called once the lines before it have been used, raises.
    """

    __slots__ = ("_held", "_limit", "_longest", "_started")

    @property
    def empty(self) -> bool:
        """Whether the next block begins a line, and not the first one, which may have a BOM."""
        return self._started and not self._held

    def __init__(self, max_line_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._held = bytearray()
        self._longest = 0
        self._limit = max_line_bytes
        self._started = False

    def feed(self, block: bytes) -> list[bytes]:
        """The lines that `block` completes, up to one above the limit."""
        if _LF not in block and _CR not in block and not self._held.endswith(b"\r"):
            self._held += block
            return []
        data = b"".join((self._held, block)) if self._held else block
        if not self._started:
            self._started = True
            data = data.removeprefix(_BOM)
        half = b""
        if _CR in data:
            half = b"\r" if data.endswith(b"\r") else b""  # of CRLF, it may be
            data = data.removesuffix(half).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        self._held = bytearray(lines.pop() + half)
        if len(data) > self._limit:
            for position, line in enumerate(lines):
                if len(line) > self._limit:
                    self._longest = len(line)
                    return lines[:position]
        return lines

    def check(self) -> None:
        """Raises ParseError after a line above the limit, finished or not."""
        if max(self._longest, len(self._held)) > self._limit:
            raise ParseError(f"a line of the stream exceeds {self._limit} bytes; raise max_event_bytes to accept it")

    def close(self) -> list[bytes]:
        """The last line, when the body did not end it."""
        rest = bytes(self._held).rstrip(b"\r")
        if not self._started:
            rest = rest.removeprefix(_BOM)
        self._held = bytearray()
        return [rest] if rest else []


class SSEDecoder:
    """Server-sent events, as servers send them.

    Comments, empty data, comments wrapped as data, `id` and `retry` are skipped; data of a body that ends without a
    blank line still counts. Bare JSON (or a web page) where events were due comes out as one event named `"body"`.
    """

    __slots__ = ("_between", "_body", "_data", "_limit", "_lines", "_name", "_size")

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._lines = LineBuffer(max_event_bytes)
        self._limit = max_event_bytes
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._body: bytearray | None = None
        self._between = False

    def feed(self, block: bytes) -> Iterable[Event]:
        """The events that `block` completes."""
        if self._between and block[-1:] == b"\n" and len(block) <= self._limit:
            end = 2 if block[-2:] == b"\n\n" else 4 if block[-4:] == b"\r\n\r\n" else 0
            text = block[:-end] if end else b""
            event = None if _CR in text else _whole(text)
            if event is not None:
                return (event,)
        return self._feed(block)

    def _feed(self, block: bytes) -> Iterator[Event]:
        if _CR in block:
            if block.count(b"\r") != block.count(b"\r\n"):
                yield from self._read(block)
                return
            block = block.replace(b"\r\n", b"\n")
        *texts, rest = block.split(b"\n\n")  # many events at once, as fast networks bring them
        for text in texts:
            event = _whole(text) if self._between and len(text) <= self._limit else None
            if event is not None:
                yield event
            else:
                yield from self._read(text + b"\n\n")
        if rest:
            yield from self._read(rest)

    def _read(self, block: bytes) -> Iterator[Event]:
        self._between = False
        for line in self._lines.feed(block):
            if line[:6] == b"data: " and not self._data and self._body is None:
                self._data.append(line[6:])
                self._size = len(line)
            elif line:
                self._field(line)
            elif self._data:
                event = self._event()
                if event.data and (event.data[0] not in _DOUBTFUL or _means_something(event.data)):
                    yield event
            else:
                self._name = ""
        self._lines.check()
        self._between = self._lines.empty and not self._data and not self._name and self._body is None

    def close(self) -> Iterator[Event]:
        """Yield the event that a clean end of the body completes."""
        for line in self._lines.close():
            self._field(line)
        if self._data:
            event = self._event()
            if _means_something(event.data):
                yield event
        if self._body is not None:
            yield Event("body", bytes(self._body))

    def _event(self) -> Event:
        data, name = self._data, self._name
        self._data = []
        self._name = ""
        return Event(name, data[0] if len(data) == 1 else b"\n".join(data))

    def _field(self, line: bytes) -> None:
        if self._body is not None:
            self._grow(len(line) + 1)
            self._body += b"\n" + line
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._grow(len(line))
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif not self._data and line.lstrip()[:1] in (b"{", b"[", b"<"):
            self._grow(len(line))
            self._body = bytearray(line)

    def _grow(self, size: int) -> None:
        self._size = self._size + size if self._data or self._body else size
        if self._size > self._limit:
            raise ParseError(f"an event of the stream exceeds {self._limit} bytes; raise max_event_bytes to accept it")


def _whole(text: bytes) -> Event | None:
    """The event that a text without its blank line is, if it has one line of JSON data and at most a name."""
    if text[:7] == b"data: {":
        return None if _LF in text else Event("", text[6:])
    if text[:7] == b"event: ":
        name, _, data = text.partition(b"\n")
        if data[:7] == b"data: {" and _LF not in data:
            return Event(name[7:].decode("utf-8", "replace"), data[6:])
    return None


class NDJSONDecoder:
    """One JSON value per line. Blank lines are skipped; a last line without a line end counts."""

    __slots__ = ("_limit", "_lines")

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        self._lines = LineBuffer(max_event_bytes)

    def feed(self, block: bytes) -> Iterable[Event]:
        """The events that `block` completes."""
        end = block.find(b"\n")
        if block[:1] == b"{" and end == len(block) - 1 <= self._limit and self._lines.empty and _CR not in block:
            return (Event("", block[:end]),)
        return self._feed(block)

    def _feed(self, block: bytes) -> Iterator[Event]:
        for line in self._lines.feed(block):
            if line.strip():
                yield Event("", line)
        self._lines.check()

    def close(self) -> Iterator[Event]:
        """Yield the event that a clean end of the body completes."""
        for line in self._lines.close():
            if line.strip():
                yield Event("", line)


def _means_something(data: bytes) -> bool:
    """Whether data is more than white space or a keep-alive comment that a gateway wrapped: `data: : PROCESSING`."""
    return data.lstrip()[:1] not in (b"", b":")
