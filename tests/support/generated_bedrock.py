"""Random answers of Bedrock, whose streams are binary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tests.support.event_streams import chunk, frame
from tests.support.generated import NAMES, OBJECTS, TEXT, Event, Written, messages, pieces

KINDS = ["text", "cited", "thinking", "redacted", "call", "served call", "served result"]
CITATION = {"title": "A page", "source": "web", "location": {"web": {"url": "https://example.com", "domain": "x"}}}


@dataclass(frozen=True)
class Converse(Written):
    """An answer of Converse: each event is `{name: payload}`."""

    def blocks(self, ends: Sequence[str] = ("\n",), *, ascii_only: bool = False) -> list[bytes]:
        return [self.block(event.body) for event in self.events]

    def block(self, body: Any) -> bytes:
        name, payload = next(iter(body.items())) if isinstance(body, dict) and body else ("contentBlockDelta", body)
        return frame(name, payload)

    def keep_alives(self) -> list[bytes]:
        return [frame("ping", {"p": "abc"})]


@dataclass(frozen=True)
class Invoked(Written):
    """An answer of InvokeModel: events of Anthropic's in base64."""

    def blocks(self, ends: Sequence[str] = ("\n",), *, ascii_only: bool = False) -> list[bytes]:
        return [self.block(event.body) for event in self.events]

    def block(self, body: Any) -> bytes:
        return chunk(body)

    def keep_alives(self) -> list[bytes]:
        return [frame("chunk", {"p": "abc"}), chunk({"type": "ping"})]


def invoked(answer: Written) -> Written:
    """The same answer through InvokeModel."""
    fields = {name: getattr(answer, name) for name in ("whole", "events", "calls", "options")}
    return Invoked("anthropic_bedrock", framed="binary", **fields)


@st.composite
def conversed(draw: st.DrawFn) -> Written:
    """An answer of Converse."""
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=4))
    content, events = [], [Event({"messageStart": {"role": "assistant"}})]
    for number, kind in enumerate(kinds):
        block, more = draw(_block(number, kind))
        content.append(block)
        events += more
    reason = draw(st.sampled_from(["end_turn", "max_tokens", "tool_use", "guardrail_intervened", "unheard_of"]))
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 9, "cacheReadInputTokens": 2}
    told = {"usage": usage, "metrics": {"latencyMs": 5}, "serviceTier": {"type": "default"}}
    whole = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": reason, **told}
    events.append(Event({"messageStop": {"stopReason": reason}}, ends=True))
    events.append(Event({"metadata": told}))
    return Converse("bedrock", whole, events, "binary", kinds.count("call"))


@st.composite
def _block(draw: st.DrawFn, number: int, kind: str) -> tuple[dict[str, Any], list[Event]]:
    """A content block, and the events that bring it: the server begins blocks of tools only."""
    if kind == "text" or kind == "cited":
        text = draw(TEXT)
        deltas = [_delta(number, {"text": piece}, text=piece) for piece in draw(pieces(text))]
        if kind == "text":
            return {"text": text}, [*deltas, _stop(number)]
        cited = {"citationsContent": {"content": [{"text": text}], "citations": [CITATION]}}
        return cited, [_delta(number, {"citation": CITATION}), *deltas, _stop(number)]
    if kind == "thinking":
        text, signature = draw(TEXT), f"signature{number}+/=="
        deltas = [
            _delta(number, {"reasoningContent": {"text": piece}}, reasoning=piece) for piece in draw(pieces(text))
        ]
        deltas.append(_delta(number, {"reasoningContent": {"signature": signature}}))
        thought = {"reasoningText": {"text": text, "signature": signature}}
        return {"reasoningContent": thought}, [*deltas, _stop(number)]
    if kind == "redacted":
        first, second = draw(pieces(f"b3BhcXVl{number}==", most=2).filter(lambda cut: len(cut) == 2))
        deltas = [_delta(number, {"reasoningContent": {"redactedContent": piece}}) for piece in (first, second)]
        return {"reasoningContent": {"redactedContent": first + second}}, [*deltas, _stop(number)]
    return draw(_tool(number, kind))


@st.composite
def _tool(draw: st.DrawFn, number: int, kind: str) -> tuple[dict[str, Any], list[Event]]:
    head: dict[str, Any] = {"toolUseId": f"tooluse_{number}"}
    if kind == "served result":
        head |= {"type": "nova_grounding_result", "status": "success"}
        found = [{"json": draw(OBJECTS)}, {"text": draw(TEXT)}]
        deltas = [_delta(number, {"toolResult": [item]}) for item in found]
        return {"toolResult": {**head, "content": found}}, [
            _start(number, {"toolResult": head}),
            *deltas,
            _stop(number),
        ]
    arguments = draw(OBJECTS)
    head["name"] = draw(NAMES)
    if kind == "served call":
        head["type"] = "server_tool_use"
    elif draw(st.booleans()):
        head["type"] = "tool_use"
    text = "" if not arguments and kind == "call" else json.dumps(arguments, ensure_ascii=draw(st.booleans()))
    deltas = [_delta(number, {"toolUse": {"input": piece}}) for piece in draw(pieces(text))]
    began = (head["toolUseId"],) if kind == "call" else ()
    start = replace(_start(number, {"toolUse": head}), begins=began)
    return {"toolUse": {**head, "input": arguments}}, [start, *deltas, _stop(number)]


def _start(number: int, start: dict[str, Any]) -> Event:
    return Event({"contentBlockStart": {"contentBlockIndex": number, "start": start}})


def _delta(number: int, delta: dict[str, Any], text: str = "", reasoning: str = "") -> Event:
    return Event({"contentBlockDelta": {"contentBlockIndex": number, "delta": delta}}, text, reasoning)


def _stop(number: int) -> Event:
    return Event({"contentBlockStop": {"contentBlockIndex": number}})


BEDROCK_ANSWERS: dict[str, st.SearchStrategy[Written]] = {
    "converse": conversed(),
    "messages on bedrock": messages().map(invoked),
}
