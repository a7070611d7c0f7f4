"""Deviations in streamed tool calls (TC): an answer of Chat Completions, Ollama or Anthropic, with calls as some send
them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from llm_connector.formats.base import Output
from llm_connector.testing.faults import Fault, Play
from llm_connector.testing.script import Scripted
from llm_connector.testing.writing import Written
from llm_connector.wire import Json

__all__ = ["CALLS", "edited", "events_of", "of", "unchanged"]

Edit = Callable[[dict[str, Any]], None]

COMPLETIONS = "openai"


def of(wires: str, name: str, about: str, play: Play) -> Fault:
    """A quirk of these wire formats, which are given in one string."""
    return Fault(name, about, play, frozenset(wires.split()))


def unchanged(written: Written) -> Scripted:
    """The answer as it is: the wire format does it by itself."""
    return written.scripted()


def edited(edit: Edit) -> Play:
    """What a function makes of each delta, and of the message of a whole answer."""

    def change(body: Json) -> Json:
        body = copy.deepcopy(body)
        for choice in body.get("choices", ()):
            edit(choice.get("delta", choice.get("message")))
        return body

    return lambda written: written.changed(change).scripted()


def events_of(written: Written, events: Iterable[Json]) -> Written:
    """The answer with these bodies for events."""
    return replace(written, events=tuple(("", body) for body in events))


def _each_call(edit: Edit) -> Play:
    """What a function makes of each element of a `tool_calls` list."""

    def change(delta: dict[str, Any]) -> None:
        for call in delta.get("tool_calls", ()):
            edit(call)

    return edited(change)


def _calls_of(body: Json) -> list[dict[str, Any]]:
    choices = body.get("choices") or [{}]
    calls: list[dict[str, Any]] = choices[0].get("delta", {}).get("tool_calls", [])
    return calls


def _with_calls(body: Json, calls: list[dict[str, Any]]) -> Json:
    body = copy.deepcopy(body)
    body["choices"][0]["delta"] = {"tool_calls": calls}
    return body


def _rewritten(rewrite: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]) -> Play:
    """A stream in which each call comes at once, as the elements that a function makes of the whole call.

    A whole answer gets the first of them, with what is not there in it.
    """

    def play(written: Written) -> Scripted:
        if not written.stream:
            return _each_call(lambda call: call.update(next(iter(rewrite(copy.deepcopy(call))))))(written)
        return events_of(written, _joined(written.events, rewrite)).scripted()

    return play


def _joined(events: Iterable[Output], rewrite: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]) -> Iterator[Json]:
    known: dict[int, dict[str, Any]] = {}
    bodies = [body for _, body in events]
    for body in bodies:
        for piece in _calls_of(body):
            call = known.setdefault(piece["index"], {**piece, "function": {**piece["function"], "arguments": ""}})
            call["function"]["arguments"] += piece["function"]["arguments"]
    for body in bodies:
        pieces = _calls_of(body)
        if not pieces:
            yield body
        elif "id" in pieces[0]:
            yield from (_with_calls(body, [piece]) for piece in rewrite(known[pieces[0]["index"]]))


def _named_again() -> Play:
    """Id, type and name in every piece."""

    def play(written: Written) -> Scripted:
        heads: dict[int, dict[str, Any]] = {}

        def edit(call: dict[str, Any]) -> None:
            head = heads.setdefault(call.get("index", 0), copy.deepcopy(call))
            call |= {"id": head["id"], "type": "function"}
            call["function"]["name"] = head["function"]["name"]

        return _each_call(edit)(written) if written.stream else written.scripted()

    return play


def _empty_id(call: dict[str, Any]) -> None:
    if "id" not in call:
        call |= {"id": "", "type": "function"}
        call["function"]["name"] = None


def _halves(call: dict[str, Any]) -> tuple[str, str]:
    arguments = call["function"]["arguments"]
    return arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]


def _piece(call: dict[str, Any], arguments: Any) -> dict[str, Any]:
    """A further piece of a call."""
    return {"index": call["index"], "function": {"arguments": arguments}}


def _begun(call: dict[str, Any], arguments: Any = "") -> dict[str, Any]:
    return {**call, "function": {**call["function"], "arguments": arguments}}


def _name_in_two(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "index" not in call:
        yield call
        return
    name = call["function"]["name"]
    yield {**call, "function": {"name": name[: len(name) // 2]}}
    yield {"index": call["index"], "function": {"name": name[len(name) // 2 :]}}
    yield _piece(call, call["function"]["arguments"])


def _cumulative(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "index" not in call:
        yield call
        return
    yield _begun(call)
    yield _piece(call, _halves(call)[0])
    yield _piece(call, call["function"]["arguments"])


def _sent_again(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield call
    yield _piece(call, call["function"]["arguments"])


def _key_by_key(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    arguments = json.loads(call["function"]["arguments"])
    if "index" not in call:
        yield _begun(call, arguments)
        return
    first, *more = [{key: value} for key, value in arguments.items()] or [{}]
    yield _begun(call, first)
    yield from (_piece(call, item) for item in more)


def _unless_there(stand_in: str | None) -> Callable[[dict[str, Any]], Iterator[dict[str, Any]]]:
    def rewrite(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
        none = call["function"]["arguments"] in ("", "{}")
        yield _begun(call, stand_in) if none else call

    return rewrite


def _without_id(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"index": 0, "function": call["function"]} if "index" in call else call


def _as_object(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield _begun(call, json.loads(call["function"]["arguments"]))


def _late_arguments(written: Written) -> Scripted:
    """Events without anything between the name of a call and its arguments."""
    if not written.stream:
        return written.scripted()
    bodies: list[Json] = []
    for _, body in written.events:
        bodies.append(body)
        if any("id" in call for call in _calls_of(body)):
            bodies += [_with_calls(body, [])] * 3
    return events_of(written, bodies).scripted()


def _in_one_delta(written: Written) -> Scripted:
    """All calls in one delta."""
    if not written.stream:
        return written.scripted()
    bodies = list(_joined(written.events, lambda call: [call]))
    calling = [body for body in bodies if _calls_of(body)]
    if not calling:
        return written.scripted()
    together = _with_calls(calling[0], [call for body in calling for call in _calls_of(body)])
    return events_of(written, [*(body for body in bodies if not _calls_of(body)), together]).scripted()


def _finish(reason: str, written: Written, *, alone: bool = False) -> Written:
    """The answer with that finish reason; `alone` takes the calls out of it."""

    def change(body: Json) -> Json:
        body = copy.deepcopy(body)
        for choice in body.get("choices", ()):
            if choice["finish_reason"]:
                choice["finish_reason"] = reason
            if alone:
                choice.get("delta", choice.get("message")).pop("tool_calls", None)
        return body

    return written.changed(change)


def _with_the_end(written: Written) -> Scripted:
    """The whole call in the event that ends the answer."""
    if not written.stream:
        return written.scripted()
    bodies = list(_joined(written.events, lambda call: [call]))
    end = copy.deepcopy(written.ending[0][1])
    if bodies and _calls_of(bodies[-1]):
        end["choices"][0]["delta"] = bodies.pop()["choices"][0]["delta"]
    return replace(events_of(written, bodies), ending=(("", end), *written.ending[1:])).scripted()


def _one_chunk(written: Written) -> Scripted:
    """All that is said in one event."""
    bodies = [body for _, body in written.events]
    if not bodies:
        return written.scripted()
    choices = "choices" in bodies[0]
    if choices:
        bodies = list(_joined(written.events, lambda call: [call]))
    said: dict[str, Any] = {}
    for body in bodies:
        for name, value in (body["choices"][0]["delta"] if choices else body["message"]).items():
            known = said.get(name)
            said[name] = known + value if isinstance(known, str | list) and name != "role" else value
    whole = copy.deepcopy(bodies[0])
    if choices:
        whole["choices"][0]["delta"] = said
    else:
        whole["message"] = said
    return events_of(written, [whole]).scripted()


def _truncated(written: Written) -> Scripted:
    """The last call breaks off in its arguments, and the reason is the length."""
    cut = _finish("length", written)
    if not cut.stream:
        cut = replace(cut, body=copy.deepcopy(cut.body))
        for call in cut.body["choices"][0]["message"].get("tool_calls", ())[-1:]:
            call["function"]["arguments"] = _halves(call)[0]
        return cut.scripted()
    last = max((call["index"] for _, body in cut.events for call in _calls_of(body)), default=0)
    rewrite = _joined(cut.events, lambda call: [_begun(call, _halves(call)[0]) if call["index"] == last else call])
    return events_of(cut, rewrite).scripted()


def _legacy(written: Written) -> Scripted:
    """A `function_call`, as there was before there were tools."""

    def edit(delta: dict[str, Any]) -> None:
        if delta.get("tool_calls"):
            delta["function_call"] = delta.pop("tool_calls")[0]["function"]

    return edited(edit)(_finish("function_call", written))


def _no_calls(delta: dict[str, Any]) -> None:
    if delta.get("content"):
        delta |= {"tool_calls": delta.get("tool_calls") or [], "function_call": None}


def _no_ids(written: Written) -> Scripted:
    def change(body: Json) -> Json:
        body = copy.deepcopy(body)
        for call in body.get("message", {}).get("tool_calls", ()):
            call.pop("id", None)
        return body

    return written.changed(change).scripted()


def _interleaved(written: Written) -> Scripted:
    """The blocks of tools begin together, and their pieces take turns."""
    begins = {e["index"] for _, e in written.events if e.get("content_block", {}).get("type") == "tool_use"}
    tools = [event for event in written.events if event[1].get("index") in begins]
    if not tools:
        return written.scripted()
    stages: list[list[Output]] = [[], [], []]
    for event in tools:
        stages[("content_block_start", "content_block_delta", "content_block_stop").index(event[0])].append(event)
    pieces = sorted(enumerate(stages[1]), key=lambda item: _turn(item[0], stages[1]))
    rest = tuple(event for event in written.events if event not in tools)
    return replace(written, events=(*rest, *stages[0], *(piece for _, piece in pieces), *stages[2])).scripted()


def _turn(place: int, pieces: list[Output]) -> tuple[int, int]:
    """The how many-th piece of its own block this is, and the block."""
    index = pieces[place][1]["index"]
    return sum(piece[1]["index"] == index for piece in pieces[:place]), index


def _empty_fragments(written: Written) -> Scripted:
    """An empty fragment ahead of the others of each call."""
    events: list[Output] = []
    for name, body in written.events:
        events.append((name, body))
        if body.get("content_block", {}).get("type") == "tool_use":
            delta = {"type": "input_json_delta", "partial_json": ""}
            at = {"index": body["index"], "delta": delta}
            events.append(("content_block_delta", {"type": "content_block_delta", **at}))
    return replace(written, events=tuple(events)).scripted()


_C = COMPLETIONS
CALLS: tuple[Fault, ...] = (
    of(_C, "TC-01", "calls without an index", _each_call(lambda call: call.pop("index", None))),
    of(_C, "TC-02", "every call has the index 0", _each_call(lambda call: call.update(index=0))),
    of(_C, "TC-03", "calls share an index and have no ids", _rewritten(_without_id)),
    of(_C, "TC-04", "further pieces have an empty id", _each_call(_empty_id)),
    of(_C, "TC-05", "id, type and name in every piece", _named_again()),
    of(_C, "TC-06", "the name in two pieces", _rewritten(_name_in_two)),
    of(_C, "TC-07", "each piece repeats the arguments so far", _rewritten(_cumulative)),
    of(_C, "TC-08", "the arguments come a second time", _rewritten(_sent_again)),
    of(_C, "TC-09", "arguments are an object", _rewritten(_as_object)),
    of(_C, "TC-10", "arguments are objects, key by key", _rewritten(_key_by_key)),
    of(_C, "TC-11", "no arguments are an empty text", _rewritten(_unless_there(""))),
    of(_C, "TC-12", "no arguments are the text null", _rewritten(_unless_there("null"))),
    of(_C, "TC-13", "the call comes with the finish reason", _with_the_end),
    of(_C, "TC-14", "arguments come long after the name", _late_arguments),
    of(_C, "TC-15", "several calls in one delta", _in_one_delta),
    of(_C, "TC-16", "calls, and the finish reason stop", lambda written: _finish("stop", written).scripted()),
    of(
        _C,
        "TC-17",
        "the finish reason tool_calls, and no call",
        lambda written: _finish("tool_calls", written, alone=True).scripted(),
    ),
    of("ollama", "TC-18", "calls, and the end in another line", unchanged),
    of("ollama", "TC-19", "calls without ids", _no_ids),
    of("openai ollama", "TC-20", "a stream of one chunk", _one_chunk),
    of("anthropic", "TC-21", "the pieces of several calls take turns", _interleaved),
    of("anthropic", "TC-22", "fragments that are no JSON, and empty ones", _empty_fragments),
    of(_C, "TC-23", "empty lists of calls beside text", edited(_no_calls)),
    of(_C, "TC-24", "a call that is cut by the token limit", _truncated),
    of(_C, "TC-26", "a function_call, of before there were tools", _legacy),
)
