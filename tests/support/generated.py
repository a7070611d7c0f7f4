"""Random answers, written both ways that their wire format has: as one body, and as a stream in random pieces.

Each writer keeps for itself what its events say, so that expectations do not come from the code under test.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.support.answers import DONE, anthropic_frame

NASTY = [
    "\u2028",
    "\u2029",
    "\u0085",
    "\v",
    "é",
    "中文",
    "🙂",
    "a\u0301",
    "</think>",
    "<think>",
    '"',
    "\\",
    "{",
    "}",
    "\n\n",
    "\r\n",
    "data: ",
    "null",
    " ",
]
TEXT = st.lists(
    st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)), max_size=8
).map("".join)
WORDS = TEXT.filter(str.strip)
KEYS = st.one_of(st.sampled_from(["a", "city", "and", "{", "é"]), TEXT)
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), TEXT
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=3)
NAMES = st.sampled_from(["weather", "clock", "search_web", "f"])


@dataclass(frozen=True)
class Event:
    """One event of a stream, and what it adds."""

    body: Any
    text: str = ""
    reasoning: str = ""
    begins: tuple[str, ...] = ()  # ids of calls
    ends: bool = False


@dataclass(frozen=True)
class Written:
    """An answer of one provider in both forms."""

    provider: str
    whole: Any
    events: list[Event]
    framed: str  # "sse", "named sse" or "ndjson"
    calls: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def blocks(self, ends: Sequence[str] = ("\n",), *, ascii_only: bool = False) -> list[bytes]:
        """The stream, a block per event; line ends are taken in turn."""
        written = []
        for number, event in enumerate(self.events):
            text = event.body if isinstance(event.body, str) else json.dumps(event.body, ensure_ascii=ascii_only)
            end = ends[number % len(ends)]
            lines = [text]
            if self.framed != "ndjson":
                lines = [f"data: {text}", ""]
            if self.framed == "named sse" and isinstance(event.body, dict):
                lines.insert(0, f"event: {event.body['type']}")
            written.append("".join(line + end for line in lines).encode())
        return written

    def stream(self, ends: Sequence[str] = ("\n",), *, ascii_only: bool = False) -> bytes:
        return b"".join(self.blocks(ends, ascii_only=ascii_only))


@st.composite
def pieces(draw: st.DrawFn, text: str, most: int = 4) -> list[str]:
    """The text, cut at random; an empty text may still come as an empty piece."""
    places = draw(st.lists(st.integers(0, len(text)), max_size=most - 1))
    edges = [0, *sorted(places), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


@st.composite
def merged(draw: st.DrawFn, queues: list[list[Any]]) -> list[Any]:
    """All items, each queue in its own order."""
    queues = [list(queue) for queue in queues if queue]
    items = []
    while queues:
        queue = draw(st.sampled_from(queues))
        items.append(queue.pop(0))
        queues = [queue for queue in queues if queue]
    return items


@st.composite
def begun_in_order(draw: st.DrawFn, queues: list[list[Any]]) -> list[Any]:
    """All items: the queues are begun in order, and continued in any."""
    queues = [list(queue) for queue in queues]
    items, begun = [], 0
    while any(queues):
        number = draw(st.sampled_from([number for number, queue in enumerate(queues) if queue and number <= begun]))
        items.append(queues[number].pop(0))
        begun = max(begun, number + 1)
    return items


@st.composite
def tool_calls(draw: st.DrawFn, most: int = 3) -> list[tuple[str, str, dict[str, Any]]]:
    """Ids, names and arguments."""
    count = draw(st.integers(0, most))
    return [(f"call_{number}", draw(NAMES), draw(OBJECTS)) for number in range(count)]


@st.composite
def completions(draw: st.DrawFn, provider: str = "openai_compatible") -> Written:
    """An answer of Chat Completions."""
    reasoning, text, calls = draw(TEXT), draw(TEXT), draw(tool_calls())
    refusal = draw(st.sampled_from(["", "", "I can't."]))
    named = draw(st.sampled_from(["reasoning_content", "reasoning"]))
    finish = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter", "unheard_of"]))
    usage = draw(
        st.sampled_from([None, {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 9, "cached_tokens": 1}])
    )
    head = {"id": "c", "created": 7, "model": "m", "system_fingerprint": "fp"}
    raw = [
        (call_id, name, json.dumps(arguments, ensure_ascii=draw(st.booleans()))) for call_id, name, arguments in calls
    ]
    message: dict[str, Any] = {"role": "assistant", "content": text or draw(st.sampled_from([None, ""]))}
    if reasoning:
        message[named] = reasoning
    if refusal:
        message["refusal"] = refusal
    if raw:
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in raw
        ]
    choice = {"index": 0, "message": message, "finish_reason": finish}
    body: dict[str, Any] = {**head, "object": "chat.completion", "choices": [choice]}

    queues: list[list[dict[str, Any]]] = [
        [{named: piece} for piece in draw(pieces(reasoning))],
        [{"content": piece} for piece in draw(pieces(text))],
        [{"refusal": piece} for piece in draw(pieces(refusal))] if refusal else [],
    ]
    calling: list[list[dict[str, Any]]] = []
    for number, (call_id, name, arguments) in enumerate(raw):
        first, *more = draw(pieces(arguments))
        opening = {"index": number, "id": call_id, "type": "function", "function": {"name": name, "arguments": first}}
        rest = [{"index": number, "function": {"arguments": piece}} for piece in more]
        calling.append([{"tool_calls": [piece]} for piece in (opening, *rest)])
    queues.append(draw(begun_in_order(calling)))
    deltas = draw(joined(draw(merged(queues))))
    events = [_completion_event(head, delta) for delta in deltas]
    last = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    events.append(Event(last, ends=True))
    if usage:
        body["usage"] = usage
        events.append(Event({**head, "choices": [], "usage": usage}))
    if draw(st.booleans()):
        events.append(Event(DONE))
    return Written(provider, body, events, "sse", len(calls))


@st.composite
def joined(draw: st.DrawFn, deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The deltas, some of them in one event with the one before."""
    shared: list[dict[str, Any]] = []
    for delta in deltas:
        alone = not shared or draw(st.booleans())
        together = None if alone else _together(shared[-1], delta)
        if together is None:
            shared.append(delta)
        else:
            shared[-1] = together
    return shared


def _together(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any] | None:
    """Both in one delta; None where that would mean something else."""
    if "tool_calls" in first and "tool_calls" in second:
        return {**first, "tool_calls": [*first["tool_calls"], *second["tool_calls"]]}
    if first.keys() & second.keys():
        return None
    both = {**first, **second}
    thought = both.get("reasoning_content") or both.get("reasoning")
    return None if thought and thought == both.get("content") else both  # one thought under both names (RS-04)


def _completion_event(head: dict[str, Any], delta: dict[str, Any]) -> Event:
    body = {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    began = tuple(call["id"] for call in delta.get("tool_calls", ()) if "id" in call)
    thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
    return Event(body, delta.get("content") or "", thought, began)


@st.composite
def messages(draw: st.DrawFn) -> Written:
    """An answer of Anthropic Messages."""
    kinds = draw(
        st.lists(st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"]), max_size=4)
    )
    content: list[dict[str, Any]] = []
    streams: list[list[Event]] = []
    for number, kind in enumerate(kinds):
        block, events = draw(_block(number, kind))
        content.append(block)
        streams.append(events)
    reason = draw(st.sampled_from(["end_turn", "max_tokens", "tool_use", "stop_sequence", "pause_turn", "unheard_of"]))
    first = {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 1}
    last = {"output_tokens": draw(st.integers(0, 9))}
    head = {"id": "msg", "type": "message", "role": "assistant", "model": "claude"}
    whole = {**head, "content": content, "stop_reason": reason, "stop_sequence": None, "usage": {**first, **last}}
    opening, ending = anthropic_frame({**head, "content": [], "usage": first}, reason, last)
    body: list[Event] = []
    for calling, run in itertools.groupby(zip(kinds, streams, strict=True), lambda item: item[0] == "tool_use"):
        queues = [events for _, events in run]
        body += draw(begun_in_order(queues)) if calling else itertools.chain.from_iterable(queues)
    events = [Event(opening), *_pinged(body, draw(st.integers(0, 3))), Event(ending[0], ends=True), Event(ending[1])]
    return Written("anthropic", whole, events, "named sse", kinds.count("tool_use"))


def _pinged(events: list[Event], place: int) -> list[Event]:
    return [*events[:place], Event({"type": "ping"}), *events[place:]]


@st.composite
def _block(draw: st.DrawFn, number: int, kind: str) -> tuple[dict[str, Any], list[Event]]:
    """A content block, and the events that bring it."""
    if kind == "redacted_thinking":
        block: dict[str, Any] = {"type": kind, "data": f"opaque{number}=="}
        return block, _block_events(number, block, [])
    if kind == "text":
        text = draw(TEXT)
        deltas = [Event({"type": "text_delta", "text": piece}, text=piece) for piece in draw(pieces(text))]
        return {"type": kind, "text": text}, _block_events(number, {"type": kind, "text": ""}, deltas)
    if kind == "thinking":
        text, signature = draw(TEXT), f"signature{number}+/=="
        deltas = [Event({"type": "thinking_delta", "thinking": piece}, reasoning=piece) for piece in draw(pieces(text))]
        deltas.append(Event({"type": "signature_delta", "signature": signature}))
        block = {"type": kind, "thinking": text, "signature": signature}
        return block, _block_events(number, {**block, "thinking": "", "signature": ""}, deltas)
    arguments = draw(OBJECTS)
    block = {"type": kind, "id": f"toolu_{number}", "name": draw(NAMES), "input": arguments}
    text = "" if not arguments and draw(st.booleans()) else json.dumps(arguments, ensure_ascii=draw(st.booleans()))
    deltas = [Event({"type": "input_json_delta", "partial_json": piece}) for piece in draw(pieces(text))]
    began = (f"toolu_{number}",) if kind == "tool_use" else ()
    return block, _block_events(number, {**block, "input": {}}, deltas, began)


def _block_events(number: int, start: dict[str, Any], deltas: list[Event], begins: tuple[str, ...] = ()) -> list[Event]:
    return [
        Event({"type": "content_block_start", "index": number, "content_block": start}, begins=begins),
        *(
            Event({"type": "content_block_delta", "index": number, "delta": item.body}, item.text, item.reasoning)
            for item in deltas
        ),
        Event({"type": "content_block_stop", "index": number}),
    ]


@st.composite
def ollama_chats(draw: st.DrawFn) -> Written:
    """An answer of Ollama."""
    thinking, text, calls = draw(TEXT), draw(TEXT), draw(tool_calls())
    head = {"model": "m", "created_at": "2026-08-01T10:00:00.123456789Z"}
    end = {
        "done": True,
        "done_reason": draw(st.sampled_from(["stop", "length"])),
        "eval_count": 4,
        "prompt_eval_count": 3,
        "total_duration": 9,
    }
    wire: list[dict[str, Any]] = [
        {"id": call_id, "function": {"name": name, "arguments": arguments}} for call_id, name, arguments in calls
    ]
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thinking:
        message["thinking"] = thinking
    if wire:
        message["tool_calls"] = wire
    queues: list[list[Event]] = [
        [_line(head, reasoning=piece, content="", thinking=piece) for piece in draw(pieces(thinking))],
        [_line(head, text=piece, content=piece) for piece in draw(pieces(text))],
        [_line(head, begins=(call["id"],), content="", tool_calls=[call]) for call in wire],
    ]
    last = Event({**head, "message": {"role": "assistant", "content": ""}, **end}, ends=True)
    return Written("ollama", {**head, "message": message, **end}, [*draw(merged(queues)), last], "ndjson", len(calls))


def _line(
    head: dict[str, Any], text: str = "", reasoning: str = "", begins: tuple[str, ...] = (), **fields: Any
) -> Event:
    return Event({**head, "message": {"role": "assistant", **fields}, "done": False}, text, reasoning, begins)


@st.composite
def several_completions(draw: st.DrawFn) -> Written:
    """Two answers to one request of Chat Completions, their events mixed."""
    answers = [draw(completions()), draw(completions())]
    for number, answer in enumerate(answers):
        for body in (answer.whole, *(event.body for event in answer.events)):
            for choice in body.get("choices", ()) if isinstance(body, dict) else ():
                choice["index"] = number
    choices = [choice for answer in answers for choice in answer.whole["choices"]]
    queues = [[event for event in answer.events if event.body != DONE and event.body["choices"]] for answer in answers]
    whole = {key: value for key, value in answers[0].whole.items() if key != "usage"} | {"choices": choices}
    return Written("openai_compatible", whole, [*draw(merged(queues)), Event(DONE)], "sse", options={"n": 2})


ANSWERS: dict[str, st.SearchStrategy[Written]] = {
    "chat completions": completions(),
    "messages": messages(),
    "ollama": ollama_chats(),
}
