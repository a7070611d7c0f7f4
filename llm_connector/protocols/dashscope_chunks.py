"""Reads DashScope's answers, whole and streamed, and the events in which they come.

Choices have the shape of Chat Completions, so its parser reads them once they are taken out of `output`.
https://help.aliyun.com/en/model-studio/qwen-api-via-dashscope (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from pydantic_core import from_json

from llm_connector.errors import ParseError, excerpt
from llm_connector.framing import SSEDecoder
from llm_connector.protocols.base import ChunkParser, ErrorEvent
from llm_connector.protocols.completion_chunks import CompletionParser, completion_usage
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, Usage
from llm_connector.wire import Event, Json

__all__ = ["STATUS", "DashScopeEvents", "DashScopeParser", "Snapshots", "native_usage"]

Key: TypeAlias = tuple[int, str]
"""A text of the answer: the number of the choice, and the name of the field."""

STATUS = "status_code"
"""Where the HTTP status of an error event is put; the wire has it in a comment."""

_REASONING, _TEXT = "reasoning_content", "content"
_NOT_EXTRA = frozenset(
    {
        *("choices", "code", "finish_reason", "message", "output", "request_id", "search_info", STATUS, "text"),
        "usage",
    }
)
_FEWEST_BYTES = 4
"""Of a text that tells, when it comes once more, that all of it is repeated; shorter ones are repeated by chance."""


class DashScopeEvents(SSEDecoder):
    """Server-sent events that give their HTTP status in a comment: one that refuses becomes the event's name."""

    __slots__ = ()

    def _field(self, line: bytes) -> None:
        if line.startswith((b":HTTP_STATUS/", b"status:")):
            status = line[-3:]
            if status.isdigit() and status >= b"400":
                self._name = status.decode()
        else:
            super()._field(line)


class Snapshots:
    """Tells new text from text that repeats all before it, as servers send it that ignore `incremental_output`.

    `cumulative` is None until the events have told. Until then, text that may be either is held back: an event or two.
    """

    __slots__ = ("_first", "_held", "_known", "cumulative")

    def __init__(self, cumulative: bool | None) -> None:
        self.cumulative = cumulative
        self._first: dict[Key, str] = {}
        self._known: dict[Key, str] = {}
        self._held: dict[Key, list[str]] = {}

    def take(self, key: Key, text: str, *, last: bool) -> list[tuple[Key, str]]:
        """What is new. `last` says that no more text will come."""
        if self.cumulative is None:
            return self._judge(key, text, last=last)
        if self.cumulative:
            known = self._known.get(key, "")
            self._known[key] = max(text, known, key=len)
            text = text[len(known) :]
        return [(key, text)] if text else []

    def release(self) -> list[tuple[Key, str]]:
        """What was held back, as it turned out to be; as pieces, if nothing has told."""
        held, self._held = self._held, {}
        if self.cumulative:
            return [(key, texts[-1][len(self._first[key]) :]) for key, texts in held.items() if texts]
        return [(key, text) for key, texts in held.items() for text in texts]

    def _judge(self, key: Key, text: str, *, last: bool) -> list[tuple[Key, str]]:
        known = self._known.get(key)
        if known is None:
            if text:
                self._known[key] = self._first[key] = text
                return [(key, text)]
            return []
        held = self._held.setdefault(key, [])
        if text.startswith(known):
            held.append(text)
            self._known[key] = text
            again = last or len(known) > len(self._first[key])
            if len(text) > len(known) and again and _telling(known):
                self.cumulative = True
                return self.release()
            return []
        if text or held:  # a snapshot would begin with all that came before
            self.cumulative = False
            return [*self.release(), *([(key, text)] if text else [])]
        return []


class DashScopeParser(ChunkParser):
    """One answer. `cumulative`: whether its events repeat all text so far; None if that must be found out."""

    def __init__(self, request: ChatRequest | None = None, *, cumulative: bool | None = None) -> None:
        super().__init__(request)
        self._reader = CompletionParser(request, split=bool(request and request.think_tags))
        self.assembly = self._reader.assembly
        self._model = request.model if request is not None else None
        self._several = request is None or (request.n or 1) > 1
        self._snapshots = Snapshots(cumulative)
        self._usage: Mapping[str, Any] | None = None
        self._search: Mapping[str, Any] = {}
        self._extra: dict[str, Any] = {}
        self._whole = False

    def feed(self, event: Event) -> Iterable[ChatChunk]:
        """The chunks of one event.

        Raises ErrorEvent for an error inside the stream, ParseError if the event is not what the protocol promises.
        """
        name, data = event
        if b"\n" in data and name != "body":
            return self._frames(event)
        if name.isdigit():
            body = self.decode(data)
            body = {STATUS: int(name), **body} if isinstance(body, dict) else body
            return self._fail(body)
        return super().feed(event)

    def _frames(self, event: Event) -> Iterator[ChatChunk]:
        """The chunks of events between which an older gateway left no blank line."""
        try:
            from_json(event.data)
        except ValueError:
            *lines, last = filter(None, event.data.split(b"\n"))
            for line in lines:
                yield from self.feed(Event("", line))
            event = Event(event.name, last)
            yield from self.feed(event)
        else:
            yield from self.feed(Event(event.name, event.data.replace(b"\n", b" ")))

    def _fail(self, body: dict[str, Any]) -> Iterator[ChatChunk]:
        """What the event brings besides its error and what was held back, then the error."""
        if isinstance(body, dict) and isinstance(body.get("output"), dict):
            yield from self._read_output(body)
        yield from self.flush()
        raise ErrorEvent(body)

    def read(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The chunks of one decoded event; every one with a code is an error, whatever its name."""
        if body.get("code") or ("output" not in body and body.get("message")):
            return self._fail(body)
        return self._read_output(body)

    def read_whole(self, body: Json) -> Iterable[ChatChunk]:
        """The chunks of a whole answer. Raises ErrorEvent if it is an error, ParseError if it has no choice."""
        if not isinstance(body, dict) or body.get("code") or body.get("error"):
            raise ErrorEvent(body)
        output = body.get("output")
        output = output if isinstance(output, dict) else {}
        choices = _choices(output)
        if not choices:
            if "output" not in body and "message" in body:
                raise ErrorEvent(body)
            raise ParseError(f"the answer has no choices; it has the keys {sorted(body)}", body=excerpt(str(body)))
        self.raw = body
        self._note(body, output)
        self._whole = self.done = True
        return self._reader.read_whole(self._completion(body, [_translated(choice, "message") for choice in choices]))

    def _read_output(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        output = body.get("output") or {}
        self._note(body, output)
        choices = [_translated(choice, "delta") for choice in _choices(output)]
        if not self._several:
            for choice in choices:
                choice["index"] = 0
        if self._snapshots.cumulative is not False:
            choices = [reduced for choice in choices for reduced in self._reduced(choice)]
        return self._reader.read(self._completion(body, choices))

    def _reduced(self, choice: dict[str, Any]) -> list[dict[str, Any]]:
        """The choice with new text only, behind what was held back of it and of others."""
        index, delta = choice["index"] or 0, choice["delta"]
        last = bool(choice["finish_reason"]) and choice["finish_reason"] != "null"
        found: list[tuple[Key, str]] = []
        for name in (_REASONING, _TEXT):
            text = delta.pop(name, "")
            found.extend(self._snapshots.take((index, name), text if isinstance(text, str) else "", last=last))
        known = self.assembly.choices.get(index)
        if self._snapshots.cumulative and known is not None:
            for slot in known.calls.slots:
                slot.cumulative = True
        return [*(_piece(key, text) for key, text in found), choice]

    def _note(self, body: Mapping[str, Any], output: Mapping[str, Any]) -> None:
        """Keep what belongs to no choice: each event repeats it, and the last one counts."""
        usage, search = body.get("usage"), output.get("search_info")
        if isinstance(usage, dict) and usage:
            self._usage = usage
        if isinstance(search, dict) and search:
            self._search = search
        for fields in (body, output):
            if not fields.keys() <= _NOT_EXTRA:
                more = {name: value for name, value in fields.items() if name not in _NOT_EXTRA}
                self._extra.update((name, value) for name, value in more.items() if value not in (None, ""))

    def _completion(self, body: Mapping[str, Any], choices: list[dict[str, Any]]) -> dict[str, Any]:
        """A body of Chat Completions. The wire names neither answer nor model: the request does."""
        return {"id": body.get("request_id"), "model": body.get("model") or self._model, "choices": choices}

    def ended(self) -> bool:
        """A finish reason for every choice that was asked for; there is no end marker."""
        return self.done or self._reader.ended()

    def flush(self) -> Iterable[ChatChunk]:
        """Text held back because it may have repeated what came before it, or begun a tag."""
        held = [_piece(key, text) for key, text in self._snapshots.release()]
        return [*(self._reader.read({"choices": held}) if held else ()), *self._reader.flush()]

    def response(self, *, interrupted: bool = False) -> ChatResponse:
        """The answer so far."""
        answer = self._reader.response(interrupted=interrupted)
        if self._usage is not None:
            answer.usage = native_usage(self._usage)
        found = self._search.get("search_results")
        answer.citations = [item for item in found or () if isinstance(item, dict)]
        answer.request_id = answer.id
        answer.extra = {**self._extra, **{name: answer.extra[name] for name in ("audio",) if name in answer.extra}}
        answer.raw = self.raw if self._whole else {key: self.raw[key] for key in self.raw if key != "output"}
        return answer


def native_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts; `details` keeps the server's own object, with the counts of pictures and sounds."""
    given = _details(usage, "input_tokens_details") | _details(usage, "prompt_tokens_details")
    made = _details(usage, "cache_creation") | _details(given, "cache_creation")
    written = given.get(
        "cache_creation_input_tokens", sum(count for count in made.values() if isinstance(count, int)) if made else None
    )
    total, asked = usage.get("total_tokens"), usage.get("input_tokens")
    counts = {
        "input_tokens": total if asked is None and "output_tokens" not in usage else asked,
        "output_tokens": usage.get("output_tokens"),
        "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": given.get("cached_tokens"), "cache_write_tokens": written},
        "completion_tokens_details": _details(usage, "output_tokens_details"),
    }
    return completion_usage(counts).model_copy(update={"details": dict(usage)})


def _details(usage: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = usage.get(name)
    return found if isinstance(found, dict) else {}


def _choices(output: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The choices; the older form of an answer, a text beside its finish reason, is one."""
    choices = output.get("choices")
    if isinstance(choices, list) and choices:
        return [choice for choice in choices if isinstance(choice, dict)]
    if output.get("text") is None and output.get("finish_reason") is None:
        return []
    return [{"message": {"content": output.get("text")}, "finish_reason": output.get("finish_reason")}]


def _translated(choice: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A choice of Chat Completions, under whose `delta` or `message` stands what the wire calls `message`."""
    message = choice.get("message") or choice.get("delta") or {}
    delta = {name: message[name] for name in (_REASONING, _TEXT, "tool_calls") if message.get(name)}
    content = delta.get(_TEXT)
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        delta[_TEXT] = "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
        delta.update(("audio", part["audio"]) for part in parts if isinstance(part.get("audio"), dict))
    calls = delta.get("tool_calls")
    if isinstance(calls, list):  # older models leave out the index: the place in the list tells
        delta["tool_calls"] = [
            {**call, "index": number} if call.get("index") is None else call for number, call in enumerate(calls)
        ]
    kept = {name: choice.get(name) for name in ("index", "finish_reason", "logprobs")}
    return {**kept, key: delta}


def _piece(key: Key, text: str) -> dict[str, Any]:
    """A choice with one more piece of text."""
    index, name = key
    return {"index": index, "finish_reason": None, "delta": {name: text}}


def _telling(text: str) -> bool:
    """Whether a text is too long and too varied to come twice by chance."""
    return len(text.encode("utf-8", "surrogatepass")) >= _FEWEST_BYTES and len(set(text)) > 1
