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
SIGNS = dict(zip("ABCDEFGHIJKLMNOPQRS", NASTY, strict=True))
"""A letter for each, so that a text of them takes one draw: a list of texts takes a dozen, which is slow."""


def spelled(signs: str, other: str) -> str:
    """The text that the signs stand for; each `?` is the other text."""
    return "".join(other if sign == "?" else SIGNS[sign] for sign in signs)


TEXT = st.builds(
    spelled, st.text(["?", *SIGNS, "?"], max_size=8), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
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
SHAPED = st.builds(
    lambda shape, text, key, number: shape(text, key, number),
    st.sampled_from(
        [
            lambda text, key, number: {},
            lambda text, key, number: {key: text},
            lambda text, key, number: {key: number, "a": None},
            lambda text, key, number: {"a": [text, number], key: {}},
            lambda text, key, number: {key: {"b": [True, {"c": text}]}, "city": ""},
            lambda text, key, number: {"{": [[], [number, False]], key: [{key: text}]},
        ]
    ),
    TEXT,
    KEYS,
    st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
)
"""Objects of some shapes, which are drawn in a fifth of the time."""
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
    framed: str  # "sse", "named sse", "ndjson" or "binary"
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

    def block(self, body: Any) -> bytes:
        """One event with this body."""
        lines = [f"data: {json.dumps(body)}", ""] if self.framed != "ndjson" else [json.dumps(body)]
        return "".join(line + "\n" for line in lines).encode()

    def keep_alives(self) -> list[bytes]:
        """What may stand between events and means nothing."""
        return [b"\n"] if self.framed == "ndjson" else [b": ping\n\n", b"data:\n\n", b"data: : x\n\n"]


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
    """Ids, names and arguments, which are of any shape in the last of the most calls."""
    count = draw(st.integers(0, most))
    return [(f"call_{number}", draw(NAMES), draw(OBJECTS if number == most - 1 else SHAPED)) for number in range(count)]


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
def tencent_chats(draw: st.DrawFn) -> Written:
    """An answer of Tencent Cloud's API."""
    thinking, text, calls = draw(TEXT), draw(TEXT), draw(tool_calls())
    head = {"Id": "c", "Created": 7, "Note": "made by a machine"}
    finish = draw(st.sampled_from(["stop", "sensitive", "tool_calls", "unheard_of"]))
    usage = {"PromptTokens": 3, "CompletionTokens": 4, "TotalTokens": 7, "PromptTokensDetails": {"CachedTokens": 1}}
    raw = [
        (call_id, name, json.dumps(arguments, ensure_ascii=draw(st.booleans()))) for call_id, name, arguments in calls
    ]
    message: dict[str, Any] = {"Role": "assistant", "Content": text, "ReasoningContent": thinking}
    message["ToolCalls"] = [_tencent_call(number, *call) for number, call in enumerate(raw)] or None
    choice = {"Index": 0, "FinishReason": finish, "Message": message}
    queues: list[list[Event]] = [
        [_tencent_event(head, reasoning=piece, ReasoningContent=piece) for piece in draw(pieces(thinking))],
        [_tencent_event(head, text=piece, Content=piece) for piece in draw(pieces(text))],
    ]
    calling: list[list[Event]] = []
    for number, (call_id, name, arguments) in enumerate(raw):
        first, *more = draw(pieces(arguments))  # the id comes with every piece, the name with the first
        opening = _tencent_event(head, begins=(call_id,), ToolCalls=[_tencent_call(number, call_id, name, first)])
        rest = [_tencent_event(head, ToolCalls=[_tencent_call(number, call_id, "", piece)]) for piece in more]
        calling.append([opening, *rest])
    queues.append(draw(begun_in_order(calling)))
    last = {**head, "Choices": [{"Index": 0, "Delta": {"Role": "assistant", "Content": ""}, "FinishReason": finish}]}
    events = [*draw(merged(queues)), Event({**last, "Usage": usage}, ends=True)]
    if draw(st.booleans()):
        events.append(Event(DONE))
    whole = {"Response": {**head, "Choices": [choice], "Usage": usage, "ErrorMsg": None}}
    return Written("tencent_native", whole, events, "sse", len(calls))


def _tencent_call(number: int, call_id: str, name: str, arguments: str) -> dict[str, Any]:
    function = {"Name": name, "Arguments": arguments}
    return {"Id": call_id, "Type": "function", "Index": number, "Function": function}


def _tencent_event(
    head: dict[str, Any], text: str = "", reasoning: str = "", begins: tuple[str, ...] = (), **fields: Any
) -> Event:
    choice = {"Index": 0, "Delta": {"Role": "assistant", **fields}, "FinishReason": ""}
    running = {"PromptTokens": 3, "CompletionTokens": 1, "TotalTokens": 4}
    return Event({**head, "Choices": [choice], "Usage": running, "ErrorMsg": None}, text, reasoning, begins)


@st.composite
def responses(draw: st.DrawFn) -> Written:
    """An answer of Responses."""
    kinds = draw(st.lists(st.sampled_from(["reasoning", "message", "function_call", "web_search_call"]), max_size=4))
    output: list[dict[str, Any]] = []
    streams: list[list[Event]] = []
    for number, kind in enumerate(kinds):
        item, events = draw(_output_item(number, kind))
        output.append(item)
        streams.append(events)
    status, details = draw(
        st.sampled_from(
            [
                ("completed", None),
                ("incomplete", {"reason": "max_output_tokens"}),
                ("incomplete", {"reason": "content_filter"}),
            ]
        )
    )
    usage = {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 4, "total_tokens": 7}
    head = {"id": "resp", "object": "response", "created_at": 7.5, "model": "m", "service_tier": "default"}
    opening = {**head, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    ending: dict[str, Any] = {**head, "status": status, "output": output, "incomplete_details": details}
    ending["usage"] = draw(st.sampled_from([None, usage]))
    body: list[Event] = []
    for calling, run in itertools.groupby(zip(kinds, streams, strict=True), lambda item: item[0] == "function_call"):
        queues = [events for _, events in run]
        body += draw(begun_in_order(queues)) if calling else itertools.chain.from_iterable(queues)
    events = [
        Event({"type": "response.created", "response": opening}),
        Event({"type": "response.in_progress", "response": opening}),
        *body,
        Event({"type": f"response.{status}", "response": ending}, ends=True),
    ]
    for number, event in enumerate(events):
        event.body["sequence_number"] = number
    if draw(st.booleans()):
        events.append(Event(DONE))
    return Written("openai_responses", ending, events, "named sse", kinds.count("function_call"))


@st.composite
def _output_item(draw: st.DrawFn, number: int, kind: str) -> tuple[dict[str, Any], list[Event]]:
    """An output item, and the events that bring it."""
    at = {"output_index": number, "item_id": f"item_{number}"}
    if kind == "web_search_call":
        item: dict[str, Any] = {"type": kind, "id": f"ws_{number}", "status": "completed", "action": {"type": "search"}}
        searching = Event({**at, "type": "response.web_search_call.searching"})
        return item, _item_events(at, {**item, "status": "in_progress"}, [searching], item)
    if kind == "function_call":
        arguments = json.dumps(draw(OBJECTS), ensure_ascii=draw(st.booleans()))
        item = {"type": kind, "id": f"fc_{number}", "call_id": f"call_{number}", "name": draw(NAMES)}
        item |= {"arguments": arguments, "status": "completed"}
        deltas = [
            Event({**at, "type": "response.function_call_arguments.delta", "delta": piece})
            for piece in draw(pieces(arguments))
        ]
        deltas.append(Event({**at, "type": "response.function_call_arguments.done", "arguments": arguments}))
        start = {**item, "arguments": "", "status": "in_progress"}
        return item, _item_events(at, start, deltas, item, (f"call_{number}",))
    if kind == "reasoning":
        return draw(_thought(number, at))
    content: list[dict[str, Any]] = []
    events: list[Event] = []
    for place, refused in enumerate(draw(st.lists(st.sampled_from([False, False, True]), max_size=2))):
        part, more = draw(_content_part({**at, "content_index": place}, refused=refused))
        content.append(part)
        events += more
    item = {"type": kind, "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": content}
    return item, _item_events(at, {**item, "content": [], "status": "in_progress"}, events, item)


@st.composite
def _content_part(draw: st.DrawFn, at: dict[str, Any], *, refused: bool) -> tuple[dict[str, Any], list[Event]]:
    text = draw(TEXT)
    if refused:
        deltas = [Event({**at, "type": "response.refusal.delta", "delta": piece}) for piece in draw(pieces(text))]
        done = Event({**at, "type": "response.refusal.done", "refusal": text})
        return {"type": "refusal", "refusal": text}, [*deltas, done]
    cited = draw(st.sampled_from([[], [{"type": "url_citation", "url": "https://example.com"}]]))
    tokens = draw(st.sampled_from([[], [{"token": "a", "logprob": -0.5}]]))
    part = {"type": "output_text", "text": text, "annotations": cited, "logprobs": tokens}
    kind = "response.output_text"
    events = [Event({**at, "type": f"{kind}.delta", "delta": piece}, text=piece) for piece in draw(pieces(text))]
    events += [Event({**at, "type": f"{kind}.annotation.added", "annotation": citation}) for citation in cited]
    events.append(Event({**at, "type": f"{kind}.done", "text": text, "logprobs": tokens}))
    return part, [*events, Event({**at, "type": "response.content_part.done", "part": part})]


@st.composite
def _thought(draw: st.DrawFn, number: int, at: dict[str, Any]) -> tuple[dict[str, Any], list[Event]]:
    """A thought of several parts, between which a blank line is added."""
    events: list[Event] = []
    said = False
    wire: dict[str, list[dict[str, Any]]] = {"summary": [], "content": []}
    for name, kind, index in (
        ("summary", "summary_text", "summary_index"),
        ("content", "reasoning_text", "content_index"),
    ):
        event = "response.reasoning_summary_text" if name == "summary" else "response.reasoning_text"
        for place, text in enumerate(draw(st.lists(TEXT, max_size=2))):
            wire[name].append({"type": kind, "text": text})
            gap = "\n\n" if said and text else ""
            for piece in draw(pieces(text)):
                events.append(
                    Event(
                        {**at, "type": f"{event}.delta", index: place, "delta": piece},
                        reasoning=gap + piece if piece else "",
                    )
                )
                gap = "" if piece else gap
            said = said or bool(text)
            events.append(Event({**at, "type": f"{event}.done", index: place, "text": text}))
    item = {"type": "reasoning", "id": f"rs_{number}", "encrypted_content": f"opaque{number}==", **wire}
    return item, _item_events(at, {**item, "summary": [], "content": [], "encrypted_content": "part"}, events, item)


def _item_events(
    at: dict[str, Any], start: Any, events: list[Event], item: Any, begins: tuple[str, ...] = ()
) -> list[Event]:
    index = at["output_index"]
    return [
        Event({"type": "response.output_item.added", "output_index": index, "item": start}, begins=begins),
        *events,
        Event({"type": "response.output_item.done", "output_index": index, "item": item}),
    ]


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


@st.composite
def dashscope_answers(draw: st.DrawFn) -> Written:
    """An answer of DashScope, from either of its services."""
    reasoning, text, calls = draw(TEXT), draw(TEXT), draw(tool_calls())
    finish = draw(st.sampled_from(["stop", "length", "tool_calls", "unheard_of"]))
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7, "output_tokens_details": {"reasoning_tokens": 2}}
    listed = draw(st.booleans())
    raw = [
        (call_id, name, json.dumps(arguments, ensure_ascii=draw(st.booleans()))) for call_id, name, arguments in calls
    ]

    def shown(words: str) -> Any:
        return ([{"text": words}] if words else []) if listed else words

    message: dict[str, Any] = {"role": "assistant", "content": shown(text), "reasoning_content": reasoning}
    if raw:
        message["tool_calls"] = [
            {"id": call_id, "index": number, "type": "function", "function": {"name": name, "arguments": arguments}}
            for number, (call_id, name, arguments) in enumerate(raw)
        ]
    queues = [
        [{"reasoning_content": piece} for piece in draw(increments(reasoning))],
        [{"content": shown(piece), "text": piece} for piece in draw(increments(text))],
    ]
    calling: list[list[dict[str, Any]]] = []
    for number, (call_id, name, arguments) in enumerate(raw):
        first, *more = draw(pieces(arguments))
        opening = {"index": number, "id": call_id, "type": "function", "function": {"name": name, "arguments": first}}
        rest = [{"index": number, "id": "", "type": "function", "function": {"arguments": piece}} for piece in more]
        calling.append([{"tool_calls": [piece]} for piece in (opening, *rest)])
    queues.append(draw(begun_in_order(calling)))
    events = [_dashscope_event("null", usage, **delta) for delta in draw(merged(queues))]
    last = _dashscope_event(finish, usage)
    choice = {"finish_reason": finish, "message": message}
    whole = {"output": {"choices": [choice]}, "usage": usage, "request_id": "r"}
    return Written("aliyun", whole, [*events, Event(last.body, ends=True)], "sse", len(calls))


@st.composite
def increments(draw: st.DrawFn, text: str) -> list[str]:
    """The text in pieces none of which goes on from the whole of the one before, as if it were all text so far."""
    cut = draw(pieces(text))
    grows = any(last and piece != last and piece.startswith(last) for last, piece in itertools.pairwise(cut))
    return [text] if grows else cut


def _dashscope_event(finish: str, usage: dict[str, Any], text: str = "", **delta: Any) -> Event:
    empty: Any = [] if isinstance(delta.get("content"), list) else ""
    message = {"role": "assistant", "content": empty, "reasoning_content": "", **delta}
    began = tuple(call["id"] for call in delta.get("tool_calls", ()) if call["id"])
    body = {"output": {"choices": [{"message": message, "finish_reason": finish}]}, "usage": usage, "request_id": "r"}
    return Event(body, text, delta.get("reasoning_content", ""), began)


@st.composite
def contents(draw: st.DrawFn) -> Written:
    """An answer of Gemini. Signed parts come whole, and so do calls."""
    kinds = draw(st.lists(st.sampled_from(["text", "thought", "call", "code", "nothing"]), max_size=6))
    parts: list[dict[str, Any]] = []
    deltas: list[Event] = []
    for number, kind in enumerate(kinds):
        signed = {"thoughtSignature": f"signature{number}+/=="} if kind == "nothing" or draw(st.booleans()) else {}
        part, events = draw(_gemini_part(number, kind, signed))
        parts.append(part)
        deltas.extend(events)
    finish = draw(st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "MALFORMED_FUNCTION_CALL", "UNHEARD_OF"]))
    head = {"responseId": "r", "modelVersion": "m"}
    running = {"promptTokenCount": 3, "totalTokenCount": 3}
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 4, "thoughtsTokenCount": 2, "totalTokenCount": 11}
    queues = [
        Event(
            {"candidates": [{"content": {"role": "model", "parts": item.body}, "index": 0}], "usageMetadata": running}
            | head,
            item.text,
            item.reasoning,
            item.begins,
        )
        for item in draw(together(deltas))
    ]
    end: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": finish, "index": 0}
    last = Event({"candidates": [end], "usageMetadata": usage, **head}, ends=True)
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": 0}
    whole = {"candidates": [candidate], "usageMetadata": usage, **head}
    return Written("gemini", whole, [*queues, last], "sse", kinds.count("call"))


@st.composite
def together(draw: st.DrawFn, deltas: list[Event]) -> list[Event]:
    """Events with one part each, some of them in one event with the one before."""
    shared: list[Event] = []
    for item in deltas:
        if bool(shared) and draw(st.booleans()):
            first = shared.pop()
            both = (first.text + item.text, first.reasoning + item.reasoning, first.begins + item.begins)
            shared.append(Event([*first.body, item.body], *both))
        else:
            shared.append(Event([item.body], item.text, item.reasoning, item.begins))
    return shared


@st.composite
def _gemini_part(draw: st.DrawFn, number: int, kind: str, signed: dict[str, str]) -> tuple[dict[str, Any], list[Event]]:
    """A part, and what the events bring of it."""
    if kind in ("text", "thought"):
        text, marked = draw(TEXT), {"thought": True} if kind == "thought" else {}
        cut = [text] if signed else draw(pieces(text))
        bodies = [(piece, {"text": piece, **marked, **signed}) for piece in cut]
        events = [Event(body, reasoning=piece) if marked else Event(body, piece) for piece, body in bodies]
        return {"text": text, **marked, **signed}, events
    if kind == "nothing":
        return {"text": "", **signed}, [Event({"text": "", **signed})]
    if kind == "code":
        part: dict[str, Any] = {"executableCode": {"id": f"executed{number}", "code": draw(TEXT)}, **signed}
        return part, [Event(part)]
    call: dict[str, Any] = {"id": f"call_{number}", "name": draw(NAMES), "args": draw(OBJECTS)}
    return {"functionCall": call, **signed}, [Event({"functionCall": call, **signed}, begins=(f"call_{number}",))]


ANSWERS: dict[str, st.SearchStrategy[Written]] = {
    "chat completions": completions(),
    "contents": contents(),
    "dashscope": dashscope_answers(),
    "messages": messages(),
    "responses": responses(),
    "ollama": ollama_chats(),
    "tencent": tencent_chats(),
}
