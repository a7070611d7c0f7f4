"""What goes wrong on the way, by name: each makes of an answer what a client really gets.

reply("Hello", fault="cut")                     by name; `FAULTS` lists them all
reply("Hello", fault=faults.reset(at=20))       with other arguments
reply("Hello", fault="TC-03")                   a deviation of a server, see `llm_connector.testing.quirks`
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from itertools import repeat
from typing import TypeAlias

from llm_connector.errors import BadRequestError, ConfigurationError, LlmConnectorError, RateLimitError, ServerError
from llm_connector.testing.script import Answer, End, Pause, Raw, Refuse, Scripted, Stream, head_of
from llm_connector.testing.writing import Written

__all__ = [
    "FAULTS",
    "Fault",
    "cut",
    "drip",
    "endless",
    "failure",
    "find_fault",
    "gzip_bomb",
    "redirect",
    "reset",
    "slow_headers",
    "stall",
]

Play: TypeAlias = Callable[[Written], Scripted]

_PAGE = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
_NOISE = bytes(range(128, 256)) * 4
_BLOCK = 1 << 16
_ZEROS = 1 << 20


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. `play` makes of an answer what is sent; `about` says what that is.

    `wires` names the wire formats it is about; empty, all.
    """

    name: str
    about: str
    play: Play = field(repr=False)
    wires: frozenset[str] = frozenset()

    def __call__(self, written: Written) -> Scripted:
        """What is sent. Raises ConfigurationError for a request of a wire format that does not know the fault."""
        if self.wires and written.wire.name not in self.wires:
            known = ", ".join(sorted(self.wires))
            raise ConfigurationError(f"{self.name} is a fault of {known}; this request is of {written.wire.name}")
        return self.play(written)


# cut, broken and silent connections


def cut(*, clean: bool = False) -> Fault:
    """All that is said, and then the end of the connection, without what marks the end of the answer.

    With `clean` the HTTP body ends as it should.
    """

    def play(written: Written) -> Scripted:
        if not written.stream:
            return _whole(written, "cut", len(_body(written)) - 1)
        said = replace(written, ending=(), marked=False)
        return replace(_stream(said), end="clean" if clean else "cut")

    if clean:
        return Fault("cut_clean", "all is said, and the body ends without its end marker", play)
    return Fault("cut", "all is said, and the connection ends without the end marker", play)


def reset(at: int | None = None) -> Fault:
    """The connection is reset after `at` bytes of the body, or in its middle."""

    def play(written: Written) -> Scripted:
        return _broken(written, "reset", at)

    return Fault("reset", "the connection is reset in the middle of the answer", play)


def stall(seconds: float | None = None, *, at: int | None = None) -> Fault:
    """Silence after `at` bytes of the body, or in its middle; the rest follows after `seconds`, or never."""

    def play(written: Written) -> Scripted:
        if seconds is None:
            return _broken(written, "hold", at)
        if not written.stream:
            body = _body(written)
            return _sent(written, [body[:at], Pause(seconds), body[at or 0 :]] if at else [Pause(seconds), body])
        blocks = written.blocks()
        return replace(_stream(written), blocks=[*blocks[: written.half], Pause(seconds), *blocks[written.half :]])

    return Fault("stall", "nothing more comes, and the connection stays open", play)


def drip(size: int = 1) -> Fault:
    """The answer in blocks of `size` bytes."""

    def play(written: Written) -> Scripted:
        if not written.stream:
            return _sent(written, _cut_up(_body(written), size))
        return replace(_stream(written), blocks=_cut_up(b"".join(written.blocks()), size))

    return Fault("drip", "the answer comes in single bytes", play)


def slow_headers(seconds: float = 0.01) -> Fault:
    """Seconds between the lines of the head."""

    def play(written: Written) -> Scripted:
        scripted = written.scripted()
        whole = b"".join(written.blocks()) if written.stream else _body(written)
        head = head_of(200, {**scripted.headers, "content-length": str(len(whole))})
        lines = [block for line in head.splitlines(keepends=True) for block in (line, Pause(seconds))]
        return Raw([*lines, whole], "clean")

    return Fault("slow_headers", "the head comes line by line, with pauses", play)


# bodies without end


def endless(kind: str) -> Fault:
    """A `"line"` or a `"body"` that never ends; readers must bound what they hold."""

    def play(written: Written) -> Scripted:
        begun = b"data: " if written.stream else b'{"choices": "'
        scripted = written.scripted()
        return Stream(_endless(begun, repeat(b"x" * _BLOCK)), scripted.headers)

    return Fault(f"endless_{kind}", f"a {kind} without end", play)


def gzip_bomb() -> Fault:
    """A compressed body without end, of which a kilobyte is a megabyte."""

    def play(written: Written) -> Scripted:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        begun = packer.compress(b"data: " if written.stream else b'{"choices": "') + packer.flush(zlib.Z_FULL_FLUSH)
        more = packer.compress(b"x" * _ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)
        return Stream(_endless(begun, repeat(more)), {**written.scripted().headers, "content-encoding": "gzip"})

    return Fault("gzip_bomb", "a small compressed body that is endless when unpacked", play)


# refusals


def failure(error: LlmConnectorError, headers: Mapping[str, str] | None = None, name: str = "failure") -> Fault:
    """The server refuses with this error, in the words of the wire format."""
    return Fault(name, f"refused: {error.message}", lambda written: written.refused(error, headers))


def _rate_limit(name: str, about: str, retry_after: Callable[[], Mapping[str, str]]) -> Fault:
    """Status 429, with these headers."""

    def play(written: Written) -> Scripted:
        return written.refused(RateLimitError("Rate limit reached.", status=429), retry_after())

    return Fault(name, f"status 429, {about}", play)


def redirect(target: str = "http://127.0.0.2:1/v1/elsewhere") -> Fault:
    """Status 307 to another host."""
    return Fault("redirect", "a redirect to another host", lambda written: Answer(307, {"location": target}))


# what a script or a quirk asks for by name


def _status(status: int) -> Fault:
    kind = ServerError if status >= 500 else BadRequestError
    refused = failure(kind(f"Status {status}.", status=status), name=str(status))
    return replace(refused, about=f"status {status}")


def _error_200(written: Written) -> Scripted:
    refused = written.refused(ServerError("The server is overloaded.", status=500))
    if not written.stream:
        return replace(refused, status=200)
    failures = written.request.format.encoder(written.request.model).fail(ServerError("Overloaded.", status=500))
    return Stream([written.error_block(failure) for failure in failures], {"content-type": written.wire.content_type})


def _failed(written: Written) -> Scripted:
    begun = replace(written, events=written.events[: written.half])
    return begun.failed(ServerError("The server is overloaded.", status=500))


def _repeated(written: Written, times: int) -> Scripted:
    """Each event of what is said `times` over; zero leaves out every second one."""
    events = [event for event in written.events for _ in range(times)] if times else list(written.events[::2])
    return replace(written, events=tuple(events)).scripted()


def _typed(written: Written, kind: str) -> Scripted:
    scripted = written.scripted()
    return replace(scripted, headers={**scripted.headers, "content-type": kind})


def _page(written: Written) -> Answer:
    return Answer(200, {"content-type": "text/html"}, _PAGE)


def _noise(written: Written) -> Answer:
    return Answer(200, {"content-type": written.scripted().headers["content-type"]}, _NOISE)


def _empty(written: Written) -> Answer:
    return Answer(200, {"content-type": written.scripted().headers["content-type"]})


_SIMPLE: tuple[Fault, ...] = (
    Fault("close", "the connection closes without an answer", lambda written: Refuse()),
    Fault("silence", "nothing comes at all", lambda written: Raw([], "hold")),
    Fault("no_marker", "the marker behind the last event is missing", lambda w: replace(w, marked=False).scripted()),
    Fault("duplicate", "events come twice", lambda written: _repeated(written, 2)),
    Fault("drop", "every second event is missing", lambda written: _repeated(written, 0)),
    Fault("garbage", "bytes that are no HTTP", lambda written: Raw([_NOISE])),
    Fault("garbage_body", "a body that is no text", _noise),
    Fault("empty_body", "a body without a byte", _empty),
    Fault("html", "a web page under status 200", _page),
    Fault("content_type", "the content type is that of plain text", lambda written: _typed(written, "text/plain")),
    Fault("error_200", "an error under status 200", _error_200),
    Fault("error_midstream", "an error in the middle of the answer", _failed),
)
_MADE: tuple[Fault, ...] = (
    *(cut(), cut(clean=True), reset(), stall(), drip(), slow_headers(), endless("line"), endless("body"), gzip_bomb()),
    *(redirect(), *_SIMPLE),
    _rate_limit("429", "which does not say how long to wait", dict),
    _rate_limit("429_seconds", "Retry-After in seconds", lambda: {"retry-after": "1"}),
    _rate_limit("429_date", "Retry-After as a date", lambda: {"retry-after": formatdate(time.time() + 1, usegmt=True)}),
    _rate_limit("429_ms", "the wait in milliseconds", lambda: {"retry-after-ms": "20"}),
    *map(_status, (400, 500, 503, 529)),
)

FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _MADE}
"""The faults of every wire format, by name."""


def find_fault(name: str) -> Fault:
    """A fault or a quirk of the catalogue. Raises ConfigurationError for an unknown one, or one with no simulation."""
    if name in FAULTS:
        return FAULTS[name]
    from llm_connector.testing.quirks import find_quirk

    return find_quirk(name)


def _stream(written: Written) -> Stream:
    scripted = written.scripted()
    assert isinstance(scripted, Stream)
    return scripted


def _body(written: Written) -> bytes:
    scripted = written.scripted()
    assert isinstance(scripted, Answer)
    return scripted.body


def _broken(written: Written, end: End, at: int | None) -> Scripted:
    """The first bytes of the body, and what ends it."""
    if not written.stream:
        return _whole(written, end, len(_body(written)) // 2 if at is None else at)
    if at is None:
        return replace(
            _stream(replace(written, events=written.events[: written.half], ending=(), marked=False)), end=end
        )
    return replace(_stream(written), blocks=[b"".join(written.blocks())[:at]], end=end)


def _whole(written: Written, end: End, at: int) -> Stream:
    return _sent(written, [_body(written)[:at]], end)


def _sent(written: Written, blocks: Iterable[bytes | Pause], end: End = "clean") -> Stream:
    """A whole answer in blocks."""
    return Stream(blocks, {**written.scripted().headers, "content-length": str(len(_body(written)))}, end)


def _cut_up(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _endless(begun: bytes, more: Iterable[bytes]) -> Iterator[bytes]:
    yield begun
    yield from more
