"""Deviations in how a stream is framed and carried (SF, ND, UR), and in how it fails."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from llm_connector.errors import BadRequestError, ServerError
from llm_connector.testing.faults import FAULTS, Fault, Play, drip, redirect
from llm_connector.testing.quirk_calls import of, unchanged
from llm_connector.testing.script import Answer, Scripted, Stream
from llm_connector.testing.writing import Written
from llm_connector.wire import Json

__all__ = ["STREAMS"]

_C = "openai"
_SSE = "openai openai_responses anthropic anthropic_vertex gemini dashscope tencent"
_SEPARATORS = {rb"\u2028": b"\xe2\x80\xa8", rb"\u2029": b"\xe2\x80\xa9", rb"\u0085": b"\xc2\x85"}


def _blocks(change: Callable[[list[bytes]], Iterable[bytes]]) -> Play:
    """What a function makes of the blocks of a stream."""

    def play(written: Written) -> Scripted:
        scripted = written.scripted()
        return replace(scripted, blocks=list(change(written.blocks()))) if isinstance(scripted, Stream) else scripted

    return play


def _each(change: Callable[[bytes], bytes]) -> Play:
    return _blocks(lambda blocks: map(change, blocks))


def _between(block: bytes) -> Play:
    """The same block ahead of every other."""
    return _blocks(lambda blocks: [one for other in blocks for one in (block, other)])


def _separators(block: bytes) -> bytes:
    for escaped, raw in _SEPARATORS.items():
        block = block.replace(escaped, raw)
    return block


def _crlf(blocks: list[bytes]) -> list[bytes]:
    """CRLF, cut between its two bytes."""
    whole = b"".join(blocks).replace(b"\n", b"\r\n")
    cut = whole.split(b"\r")
    return [part + b"\r" for part in cut[:-1]] + [cut[-1]]


def _two_lines(block: bytes) -> bytes:
    """The JSON of an event in two lines of data, where white space may stand."""
    return block.replace(b"data: {", b"data: {\ndata: ", 1)


def _open_end(written: Written) -> Scripted:
    """No blank line behind the last event."""
    unmarked = replace(written, marked=False)
    return _blocks(lambda blocks: [*blocks[:-1], blocks[-1].rstrip(b"\n")])(unmarked)


def _failing(written: Written) -> Scripted:
    begun = replace(written, events=written.events[: written.half])
    return begun.failed(ServerError("The server is overloaded.", status=500))


def _bare_error(written: Written) -> Scripted:
    """An error as JSON, where events were asked for."""
    body, _ = written.request.format.render_error(ServerError("The server is overloaded.", status=500))
    return replace(Answer.json(body), headers={"content-type": written.scripted().headers["content-type"]})


def _broken_write(written: Written) -> Scripted:
    """An event that breaks off, and an error in the next line."""
    if not written.stream:
        return written.failed(ServerError("The server is overloaded.", status=500))
    begun = replace(written, events=written.events[: written.half], ending=(), marked=False)
    *blocks, last = begun.blocks()
    body, _ = written.request.format.render_error(ServerError("The server is overloaded.", status=500))
    broken = last.split(b"\n\n")[0][:-8] + b"\n" + written.wire.frame(("", body))
    return Stream([*blocks, broken], {"content-type": written.wire.content_type})


def _unknown_events(written: Written) -> Scripted:
    """Pings, and events and deltas that nobody knows."""
    if not written.stream:
        return written.scripted()
    first, *rest = written.events
    delta = {"type": "unheard_of_delta", "value": 1}
    unknown = (
        ("ping", {"type": "ping"}),
        ("unheard_of", {"type": "unheard_of"}),
        ("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}),
    )
    return replace(written, events=(first, unknown[0], *rest[:2], *unknown[1:], *rest[2:])).scripted()


def _ids_that_differ(written: Written) -> Scripted:
    """Another id and another index with every chunk."""
    if not written.stream:
        return written.scripted()
    events = copy.deepcopy((*written.events, *written.ending))
    for number, (_, body) in enumerate(events):
        body["id"] = f"chat.id.{number}"
        for choice in body["choices"]:
            choice["index"] = number
    return replace(written, events=events[: len(written.events)], ending=events[len(written.events) :]).scripted()


def _messages(written: Written) -> Scripted:
    """`message` instead of `delta`."""

    def change(body: Json) -> Json:
        body = copy.deepcopy(body)
        for choice in body["choices"]:
            if "delta" in choice:
                choice["message"] = choice.pop("delta")
        return body

    return written.changed(change).scripted()


def _filtered_later(written: Written) -> Scripted:
    """Chunks without a delta."""
    if not written.stream:
        return written.scripted()
    results = {"index": 0, "finish_reason": None, "content_filter_results": {"hate": {"filtered": False}}}
    chunk = {**written.ending[0][1], "choices": [results]}
    return replace(written, ending=(("", chunk), *written.ending)).scripted()


def _filtered_first(written: Written) -> Scripted:
    """A first chunk without anything but the verdict on the prompt."""
    if not written.stream:
        return written.scripted()
    empty: dict[str, Any] = {"id": "", "model": "", "object": "", "created": 0, "choices": []}
    first = {**empty, "prompt_filter_results": [{"prompt_index": 0}]}
    return replace(written, events=(("", first), *written.events)).scripted()


def _zipped(written: Written) -> Scripted:
    """The body compressed, each block to its end."""
    packer = zlib.compressobj(wbits=31)
    scripted = written.scripted()
    headers = {**scripted.headers, "content-encoding": "gzip"}
    blocks = [scripted.body] if isinstance(scripted, Answer) else written.blocks()
    packed = [packer.compress(block) + packer.flush(zlib.Z_SYNC_FLUSH) for block in blocks]
    return Stream([*packed, packer.flush()], headers)


def _short_of_room(written: Written) -> Scripted:
    """A prompt that was cut to what the context takes."""
    asked = written.request.json.get("options", {})

    def change(body: Json) -> Json:
        return {**body, "prompt_eval_count": asked.get("num_ctx", 4096)} if body.get("done") else body

    return written.changed(change).scripted()


def _json_for_frames(written: Written) -> Scripted:
    return Answer.json({"message": "The request was refused."}, 400, {"x-amzn-errortype": "ValidationException"})


STREAMS: tuple[Fault, ...] = (
    of(_SSE, "SF-01", "line separators of Unicode, as they are", _each(_separators)),
    of(_SSE, "SF-02", "no space behind data:", _each(lambda block: block.replace(b"data: ", b"data:", 1))),
    of(_SSE, "SF-03", "comments to keep the connection alive", _between(b": OPENROUTER PROCESSING\n\n")),
    of(_SSE, "SF-04", "a comment that a gateway made data", _between(b"data: : OPENROUTER PROCESSING\n\n")),
    of(_SSE, "SF-05", "empty lines of data", _between(b"data:\n\n")),
    of(_SSE, "SF-06", "CRLF, cut between its bytes", _blocks(_crlf)),
    of(_SSE, "SF-07", "an event in several lines of data", _each(_two_lines)),
    of(_SSE, "SF-08", "no blank line at the end", _open_end),
    of(_SSE, "SF-09", "a byte order mark", _blocks(lambda blocks: [b"\xef\xbb\xbf", *blocks])),
    of("", "SF-10", "characters cut in two", drip().play),
    of(_C, "SF-11", "no [DONE]", FAULTS["no_marker"].play),
    of("", "SF-12", "neither finish reason nor marker", FAULTS["cut_clean"].play),
    of(_C, "SF-13", "an error object in the stream", _failing),
    of("anthropic anthropic_vertex", "SF-14", "an event that is an error", _failing),
    of(_SSE, "SF-15", "an error as JSON instead of events", _bare_error),
    of("", "SF-16", "the content type of another format", FAULTS["content_type"].play),
    of(_C, "SF-17", "an event that breaks off, and an error", _broken_write),
    of("anthropic", "SF-18", "pings and unknown events", _unknown_events),
    of(_C, "SF-19", "ids and indices that differ from chunk to chunk", _ids_that_differ),
    of(_C, "SF-20", "messages instead of deltas", _messages),
    of(_C, "SF-21", "chunks without a delta", _filtered_later),
    of(_C, "SF-22", "a first chunk of nothing", _filtered_first),
    of("ollama", "ND-01", "lines cut and joined at random", drip(100).play),
    of("ollama", "ND-02", "lines of JSON, not events", unchanged),
    of("ollama", "ND-03", "an error line in the stream", _failing),
    of("ollama", "ND-04", "a prompt cut to the context", _short_of_room),
    of("", "CT-06", "a stream without an event", FAULTS["empty_body"].play),
    of("converse anthropic_bedrock", "UR-05", "JSON where binary frames were asked for", _json_for_frames),
    of("", "UR-06", "a redirect", redirect().play),
    of("", "UR-07", "a compressed stream", _zipped),
    of("", "ER-05", "Retry-After as a date", FAULTS["429_date"].play),
    of("", "ER-06", "overloaded, status 529", FAULTS["529"].play),
    of("", "ER-07", "a request that stays wrong", lambda written: written.refused(BadRequestError("No.", status=400))),
    of("", "ER-08", "an error after something was said", FAULTS["error_midstream"].play),
)
