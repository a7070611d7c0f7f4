"""What must hold of everything that a server sends, whatever the bytes.

A law returns for bytes that are read or refused, and raises for a defect: an exception that is none of ours, a result
that depends on how the network cut the bytes, or one that cannot be used afterwards.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any, TypeVar
from unittest import mock

from llm_connector import ollama, operations
from llm_connector.decoding import MISSHAPEN
from llm_connector.errors import APIError, LlmConnectorError, ParseError, TransportError
from llm_connector.formats import FORMATS, find_format
from llm_connector.framing import Framing
from llm_connector.management import ProgressDecoder, manage
from llm_connector.operations import RenderedChat
from llm_connector.protocols import tool_calls
from llm_connector.protocols.thinking import ThinkSplitter
from llm_connector.protocols.tool_calls import ToolCallSlots
from llm_connector.providers import Endpoint, find
from llm_connector.retry import LONGEST_WAIT
from llm_connector.transport.inflate import PIECE, inflated
from llm_connector.types import ChatResponse, Tool, tool_result, user
from llm_connector.wire import Call, HttpResponse, Send, Steps, decode_json, encode_json
from tests.formats.support import encoded
from tests.support.answers import NO_RETRY, ask, endpoint, json_answer, outline, sound, streamed
from tests.support.cuts import sample, single_bytes, split_at

__all__ = [
    "answer",
    "called",
    "framed",
    "inflate",
    "lists",
    "management",
    "ready",
    "refused",
    "tellable",
    "think_tags",
]

T = TypeVar("T")

EVENT_LIMIT = 1 << 10
"""Bytes of an event, for framings that are fuzzed: small, so that inputs exceed it."""

_CUTS = 2
_BRIEF = 400
"""Bytes. A body up to this is read one byte at a time as well."""


def divided(data: bytes) -> Iterator[Iterable[bytes]]:
    """The bytes in blocks, in several ways."""
    for place in sample(data, _CUTS):
        yield split_at(data, place)
    if len(data) <= _BRIEF:
        yield list(single_bytes(data))


# framings


def _events(framing: type[Framing], blocks: Iterable[bytes]) -> tuple[list[Any], str | None]:
    """The events of a body, and why it was refused."""
    decoder, found = framing(EVENT_LIMIT), list[Any]()
    try:
        for block in blocks:
            found.extend(decoder.feed(block))
        found.extend(decoder.close())
    except ParseError as error:
        return found, str(error)
    return found, None


def framed(framing: type[Framing]) -> Callable[[bytes], None]:
    def law(data: bytes) -> None:
        uncut = _events(framing, [data])
        for blocks in divided(data):
            assert _events(framing, blocks) == uncut

    return law


def inflate(data: bytes) -> None:
    """What zlib reads is read, in pieces of bounded size; the rest is refused."""
    try:
        pieces = list(inflated(iter([data])))
    except TransportError:
        pieces = []
        with contextlib.suppress(zlib.error):
            body = zlib.decompressobj(zlib.MAX_WBITS | 32)
            body.decompress(data)
            assert body.unused_data, "zlib reads it"
    assert all(len(piece) <= PIECE for piece in pieces)
    for blocks in divided(data):
        with contextlib.suppress(TransportError):
            assert b"".join(inflated(iter(blocks))) == b"".join(pieces)


def think_tags(data: bytes) -> None:
    """Pieces do not matter, and nothing but tags and white space is lost."""
    text = data.decode("utf-8", "replace")
    for opened in (False, True):
        uncut = _split([text], opened)
        assert _split(list(text), opened) == uncut
        kept = "".join("".join(uncut).split())
        lost = "".join(text.split())
        assert len(lost) - len(kept) <= len("<mm:think></mm:think>")


def _split(pieces: Iterable[str], opened: bool) -> tuple[str, str]:
    """Text and thought."""
    splitter = ThinkSplitter(opened=opened)
    spans = [span for piece in pieces for span in splitter.feed(piece)] + list(splitter.close())
    said, thought = ("".join(text for kind, text in spans if kind == wanted) for wanted in ("text", "reasoning"))
    return said, thought


def called(data: bytes) -> None:
    """Pieces of calls give calls, or one of the errors that the decoder expects; what is told adds up to them."""
    slots, told = ToolCallSlots({"weather"}), dict[int, str]()
    for piece in _json_list(data):
        if not isinstance(piece, dict):
            continue
        try:
            delta = slots.feed(piece)
        except MISSHAPEN:
            return
        if delta is not None:
            told[delta.index] = told.get(delta.index, "") + delta.arguments
    for slot in slots.slots:
        call = slot.call()
        assert call.error is not None or isinstance(call.arguments, dict)
        encode_json(call.arguments)
    assert set(told) <= {slot.index for slot in slots.slots}


def _json_list(data: bytes) -> list[Any]:
    """The list that stands in the bytes; empty if there is none."""
    try:
        value = decode_json(data)
    except ValueError:
        return []
    return value if isinstance(value, list) else []


# answers

_TOOLS = [Tool("weather"), Tool("files.read")]


@cache
def ready(row: str) -> Endpoint:
    """A row that is ready: nothing is fetched or started before a request."""
    return endpoint(replace(find(row), prepare=None))


@cache
def _rendered(row: str, stream: bool) -> RenderedChat:
    tools = _TOOLS if "tools" in find(row).supports else None
    return ask("Hi", provider=ready(row).spec, stream=stream, tools=tools, think_tags=True)


def answer(row: str) -> Callable[[bytes], None]:
    """A stream and a whole answer of a row."""

    def law(data: bytes) -> None:
        with mock.patch.object(tool_calls, "made_up_id", return_value="call_0"):
            reading = streamed(data, _rendered(row, True))
            uncut = outline(reading)
            for blocks in divided(data):
                cut = outline(streamed(blocks, _rendered(row, True)))
                assert cut == uncut or repr(cut) == repr(uncut)  # NaN equals nothing
            if reading.error is None:
                _usable(reading.answer, row)
                _encodable(data, row)
            else:
                tellable(reading.error)
                _usable(reading.partial, row)
            try:
                answer = _asked(row, json_answer(data))
            except LlmConnectorError as error:
                tellable(error)
            else:
                _usable(answer, row)

    return law


def _asked(row: str, response: HttpResponse) -> ChatResponse:
    """The answer to a chat whose every request is answered alike."""
    rendered = _rendered(row, False)
    try:
        return _performed(operations.chat(rendered, NO_RETRY), response)
    finally:
        rendered.endpoint.learned.clear()


def _usable(response: ChatResponse, row: str) -> None:
    """What callers do with an answer: show it, store it, send it back."""
    repr(sound(response))
    assert ChatResponse.model_validate_json(response.model_dump_json()).text == response.text
    assert repr(pickle.loads(pickle.dumps(response))) == repr(response)
    message = response.message
    if message.parts:
        results = [tool_result(call, "done") for call in message.tool_calls]
        with contextlib.suppress(LlmConnectorError):
            encode_json(ask([user("?"), message, *results], provider=ready(row).spec).body)


def _encodable(data: bytes, row: str) -> None:
    """The same answer in the words of every format."""
    for name in FORMATS:
        encoded(data, _rendered(row, True), find_format(name))


def tellable(error: LlmConnectorError, given: int = 0) -> None:
    """What callers do with an error: show it, store it, pass it on. It may quote what the caller gave, of that size."""
    assert str(error)
    assert len(str(error)) < 10_000 + 2 * given
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    for name in FORMATS:
        body, status = find_format(name).render_error(error)
        assert 400 <= status <= 599
        encode_json(body)


# everything that is not chat

_REFUSING = ("openai_compatible", "anthropic", "gemini", "bedrock", "aliyun", "tencent_native", "zhipu", "ollama")
_LISTING = (
    "openai_compatible",
    "mistral",
    "anthropic",
    "gemini",
    "gemini_vertex",
    "bedrock",
    "aliyun",
    "zhipu",
    "ollama",
)


def _performed(steps: Steps[T], response: HttpResponse) -> T:
    """The result of an operation whose every request is answered alike."""
    step: Any = next(steps)
    try:
        while True:
            if isinstance(step, Send):
                step = steps.send(response)
            elif isinstance(step, Call):
                step = steps.send(step.function())
            else:
                assert 0 <= step.seconds <= LONGEST_WAIT
                step = steps.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result


def refused(data: bytes) -> None:
    """A status, headers and a body give an error that can be told, whoever answers so."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    number = re.search(r"\d{3}", first)
    fields = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    response = HttpResponse(int(number[0]) if number else 400, headers, body)
    for row in _REFUSING:
        try:
            _asked(row, response)
        except LlmConnectorError as error:
            tellable(error)
            _waitable(error)


def _waitable(error: LlmConnectorError) -> None:
    seconds = error.retry_after if isinstance(error, APIError) else None
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


def lists(data: bytes) -> None:
    """Models, vectors, ranks and counts."""
    response = json_answer(data)
    for row in _LISTING:
        here, supports = ready(row), find(row).supports
        request = _rendered(row, False).request
        calls: dict[str, Callable[[], Steps[Any]]] = {
            "models": partial(operations.list_models, here, NO_RETRY),
            "embeddings": partial(operations.embed, here, ["a", "b"], "m", NO_RETRY),
            "rerank": partial(operations.rerank, here, "q", ["a", "b"], "m", NO_RETRY),
            "count_tokens": partial(operations.count_tokens, here, request, NO_RETRY),
        }
        for capability in calls.keys() & supports:
            try:
                repr(_performed(calls[capability](), response))
            except LlmConnectorError as error:
                tellable(error)


def management(data: bytes) -> None:
    """What an Ollama server says of its models, and of its progress."""
    here = ready("ollama")
    calls: list[ollama.ManagementCall[Any]] = [
        *(ollama.models(), ollama.running(), ollama.version(), ollama.show("m")),
        *(ollama.exists("m"), ollama.delete("m")),
    ]
    for call in calls:
        with contextlib.suppress(LlmConnectorError):
            repr(_performed(manage(here, call, NO_RETRY), json_answer(data)))
    uncut = _progress([data])
    for blocks in divided(data):
        assert _progress(blocks) == uncut


def _progress(blocks: Iterable[bytes]) -> tuple[list[Any], str]:
    decoder, steps = ProgressDecoder(ready("ollama"), HttpResponse(200), EVENT_LIMIT), list[Any]()
    try:
        for block in blocks:
            steps.extend(decoder.feed(block))
        steps.extend(decoder.close())
    except LlmConnectorError as error:
        return steps, str(error)
    return steps, ""
