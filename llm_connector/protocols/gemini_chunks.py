"""Reads answers of Gemini's generateContent, whole and streamed.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from llm_connector.errors import ConfigurationError, ParseError, excerpt
from llm_connector.protocols.assembly import ChoiceAssembly, ReasoningBlock, TextBlock, count_in
from llm_connector.protocols.base import ChunkParser, ErrorEvent
from llm_connector.protocols.gemini_partial import PartialCall
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.types import (
    Audio,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Document,
    FinishReason,
    Image,
    Opaque,
    ToolCallDelta,
    Usage,
    Video,
)
from llm_connector.types.unchecked import unchecked
from llm_connector.wire import Json, encode_json

__all__ = ["SIGNATURE", "GeminiParser", "gemini_usage"]

SIGNATURE = "thoughtSignature"
"""Key of a part's signature. An `Opaque` that holds nothing else is the signature of the text or picture before it."""

_FINISH_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        (
            *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION"),
            *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "PUP_LIMITED_DISABLED"),
        ),
        "content_filter",
    ),
    **dict.fromkeys(
        (
            *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"),
            "MISSING_THOUGHT_SIGNATURE",
        ),
        "error",
    ),
}
_MEDIA: dict[str, type[Image | Audio | Video]] = {"image": Image, "audio": Audio, "video": Video}
_PLAIN = frozenset({"content", "index"})
_READ = _PLAIN | {"finishReason", "logprobsResult"}
_ANSWER = ("candidates", "promptFeedback", "usageMetadata")
_SHARED = ("promptFeedback", "modelStatus")
_NO_TEXT = frozenset(
    {
        *("inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult"),
        *("toolCall", "toolResponse"),
    }
)
"""What a part holds instead of text; everything else in it is about the part."""


def gemini_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts. The wire's `candidatesTokenCount` leaves out thoughts; our output does not."""
    prompt, of_tools = count_in(usage, "promptTokenCount"), count_in(usage, "toolUsePromptTokenCount")
    said, thought = count_in(usage, "candidatesTokenCount"), count_in(usage, "thoughtsTokenCount")
    given, output, total = _sum(prompt, of_tools), _sum(said, thought), count_in(usage, "totalTokenCount")
    if total is None and given is not None and output is not None:
        total = given + output
    return unchecked(
        Usage,
        input_tokens=given,
        output_tokens=output,
        total_tokens=total,
        cached_tokens=count_in(usage, "cachedContentTokenCount"),
        reasoning_tokens=thought,
        details=dict(usage),
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None and second is None else (first or 0) + (second or 0)


class _Candidate(ChoiceAssembly):
    """One answer: a signed part stands alone, what is not signed is joined to its like before it."""

    __slots__ = ("_key", "blocked", "fields", "open", "partial")

    def __init__(self, index: int, tools: Iterable[str]) -> None:
        super().__init__(index, frozenset(tools))
        self._key = 0
        self.blocked = False
        self.fields: dict[str, Any] = {}
        self.open: TextBlock | ReasoningBlock | None = None
        self.partial: PartialCall | None = None

    def next_key(self) -> int:
        """The place of the next part, which ends the one before."""
        self.open = None
        self._key += 1
        return self._key

    def add_text(self, text: str, signature: str | None) -> None:
        """Take a piece of visible text."""
        if text:
            block = self.open
            if signature or not isinstance(block, TextBlock):
                block = self.text(self.next_key())
                self.open = block
            block.pieces.append(text)
        if signature:
            self.place(
                self.next_key(), Opaque(data={SIGNATURE: signature} if text else {"text": "", SIGNATURE: signature})
            )

    def add_thought(self, text: str, signature: str | None) -> None:
        """Take a piece of a thought's summary."""
        block = self.open
        if signature or not isinstance(block, ReasoningBlock):
            block = self.reasoning(self.next_key())
            self.open = block
        block.pieces.append(text)
        if signature:
            block.signature = signature
            self.open = None

    def finish(self) -> FinishReason | None:
        """Why it ended. There is no word of its own for calls."""
        if self.blocked:
            return "content_filter"
        reason = _FINISH_REASONS.get(self.raw_reason or "")
        return "tool_calls" if reason == "stop" and any(slot.name for slot in self.calls.slots) else reason


class GeminiParser(ChunkParser):
    """One answer of generateContent."""

    def __init__(self, request: ChatRequest | None = None) -> None:
        super().__init__(request)
        self._names = ToolNames(request, letter_first=True)
        self._tools = tuple(tool.name for tool in request.tools) if request is not None else ()
        self._candidates: dict[int, _Candidate] = {}
        self._usage: dict[str, Any] = {}
        self._whole = False
        self._candidate(0)

    def read(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The chunks of one decoded event, each of which is a whole response with the next parts."""
        chunks: list[ChatChunk] = []
        if self.assembly.id is None or self.assembly.model is None:
            head = self.assembly.head(body.get("responseId"), body.get("modelVersion"))
            if head is not None:
                chunks.append(head)
        usage = body.get("usageMetadata")
        if usage:  # cumulative; events before the last may hold a part of the counts
            if None in usage.values():
                usage = {name: value for name, value in usage.items() if value is not None}
            self._usage.update(usage)
        for number, item in enumerate(body.get("candidates") or ()):
            index = item.get("index")
            candidate = self._candidate(index if type(index) is int else number)
            content: Any = item.get("content") or {}
            for part in content.get("parts") or ():
                if part:
                    chunks.extend(self._read_part(candidate, part))
            if not item.keys() <= _PLAIN:
                self._read_rest(candidate, item)
        feedback = body.get("promptFeedback")
        if isinstance(feedback, dict) and isinstance(feedback.get("blockReason"), str):
            candidate = self._candidate(0)
            candidate.raw_reason, candidate.blocked = feedback["blockReason"], True
        return tuple(chunks)

    def read_whole(self, body: Json) -> Iterable[ChatChunk]:
        """The chunks of a whole answer, or of a list of events as servers send that ignore `alt=sse`.

        Raises ErrorEvent for an error, ParseError for what is no answer.
        """
        events = body if isinstance(body, list) else [body]
        chunks: list[ChatChunk] = []
        for event in events:
            if not isinstance(event, dict) or event.get("error"):
                raise ErrorEvent(event)
            if not any(key in event for key in _ANSWER):
                raise _no_answer(event)
            self.raw.update(event)
            chunks.extend(self.read(event))
        if not (self.raw.get("candidates") or self.ended()):
            raise _no_answer(self.raw)
        self._whole = not isinstance(body, list)
        self.done = self._whole
        return chunks

    def _candidate(self, index: int) -> _Candidate:
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = _Candidate(index, self._tools)
            self.assembly.choices[index] = candidate
        return candidate

    def _read_rest(self, candidate: _Candidate, item: Mapping[str, Any]) -> None:
        """What an event says of a candidate besides its parts: the last word counts."""
        for key, value in item.items():
            if key not in _READ and value is not None:
                candidate.fields[key] = value
        reason = item.get("finishReason")
        if reason and isinstance(reason, str):
            candidate.raw_reason = reason
        if "logprobsResult" in item:
            candidate.add_logprobs(item["logprobsResult"])

    def _read_part(self, candidate: _Candidate, part: dict[str, Any]) -> Iterable[ChatChunk]:
        text = part.get("text")
        if isinstance(text, str) and _NO_TEXT.isdisjoint(part):
            signature = part.get(SIGNATURE) or None
            if part.get("thought") is True:
                if text or signature:
                    candidate.add_thought(text, signature)
                return (ChatChunk(reasoning=text, choice=candidate.index),) if text else ()
            candidate.add_text(text, signature)
            return (ChatChunk(text, choice=candidate.index),) if text else ()
        call = part.get("functionCall")
        if isinstance(call, dict):
            return self._read_call(candidate, part, call)
        blob = part.get("inlineData")
        if isinstance(blob, dict) and part.keys() <= {"inlineData", SIGNATURE} and (media := _media(blob)) is not None:
            candidate.place(candidate.next_key(), media)
            if part.get(SIGNATURE):
                candidate.place(candidate.next_key(), Opaque(data={SIGNATURE: part[SIGNATURE]}))
        elif part:
            candidate.place(candidate.next_key(), Opaque(data=part))
        return ()

    def _read_call(self, candidate: _Candidate, part: dict[str, Any], call: dict[str, Any]) -> Iterable[ChatChunk]:
        if candidate.partial is not None or call.get("willContinue") is True or call.get("partialArgs"):
            return self._continue_call(candidate, part, call)
        if not call.get("name"):
            candidate.place(candidate.next_key(), Opaque(data=part))
            return ()
        arguments = call.get("args")
        if arguments is None:
            arguments = {}
        elif not isinstance(arguments, dict | str):  # no arguments of a call: the text says what they were
            arguments = encode_json(arguments).decode()
        function = {"name": call.get("name"), "arguments": arguments}
        delta = candidate.feed_call({**_extra(part), "id": _id(call), "function": function}, self._names, whole=True)
        slot = candidate.calls.slots[-1]
        candidate.place(candidate.next_key(), slot)
        if delta is None:
            return ()
        begun = ChatChunk(tool_call_delta=delta, choice=candidate.index)
        return (begun, *self.assembly.announce(candidate, slot))

    def _continue_call(self, candidate: _Candidate, part: dict[str, Any], call: dict[str, Any]) -> Iterable[ChatChunk]:
        """A piece of a call whose arguments come one by one; the last has no `willContinue`."""
        chunks: list[ChatChunk] = []
        name = call.get("name")
        if candidate.partial is None or (name and candidate.partial.slot.name):
            chunks.extend(self._finish_call(candidate))
            slot = candidate.calls.open(_id(call))
            candidate.place(candidate.next_key(), slot)
            candidate.partial = PartialCall(slot)
        partial = candidate.partial
        slot = partial.slot
        slot.extra = {**(slot.extra or {}), **_extra(part)} or None
        if name and not slot.name:
            slot.name = self._names.original(name)
            delta = ToolCallDelta(slot.index, slot.id, slot.name, "")
            chunks.append(ChatChunk(tool_call_delta=delta, choice=candidate.index))
        partial.take(call)
        if call.get("willContinue") is not True:
            chunks.extend(self._finish_call(candidate))
        return chunks

    def _finish_call(self, candidate: _Candidate) -> Iterable[ChatChunk]:
        partial, candidate.partial = candidate.partial, None
        if partial is None or not partial.slot.name:
            return ()
        slot = partial.slot
        slot.merged = partial.finish()
        delta = ToolCallDelta(slot.index, None, None, encode_json(slot.merged).decode())
        return (ChatChunk(tool_call_delta=delta, choice=candidate.index), *self.assembly.announce(candidate, slot))

    def flush(self) -> Iterable[ChatChunk]:
        """The calls of an answer that ended without their last pieces."""
        if not self.ended():
            return ()
        return [chunk for candidate in self._candidates.values() for chunk in self._finish_call(candidate)]

    def ended(self) -> bool:
        """A finish reason for every candidate, or a prompt that was blocked. There is no end marker."""
        return self.done or all(candidate.raw_reason for candidate in self._candidates.values())

    def response(self, *, interrupted: bool = False) -> ChatResponse:
        """The answer so far."""
        if self._usage:
            self.assembly.usage = gemini_usage(self._usage)
        first = self._candidates[min(self._candidates)].fields
        extra = {**{key: self.raw[key] for key in _SHARED if self.raw.get(key)}, **first}
        if self._usage.get("serviceTier"):
            extra["service_tier"] = self._usage["serviceTier"]
        return self.assembly.respond(
            interrupted=interrupted,
            created=_timestamp(self.raw.get("createTime")),
            citations=_citations(first),
            extra=extra,
            raw=self.raw if self._whole else {key: value for key, value in self.raw.items() if key != "candidates"},
        )


def _no_answer(body: Mapping[str, Any]) -> ParseError:
    return ParseError(f"the answer has no candidates; it has the keys {sorted(body)}", body=excerpt(str(body)))


def _id(call: Mapping[str, Any]) -> str | None:
    found = call.get("id")
    return found if isinstance(found, str) and found else None


def _extra(part: Mapping[str, Any]) -> dict[str, Any]:
    """What a part with a call holds beside it."""
    return {key: value for key, value in part.items() if key != "functionCall" and value is not None}


def _media(blob: Mapping[str, Any]) -> Image | Audio | Video | Document | None:
    """A picture or sound of the model's; None for what is not valid base64 of a known kind."""
    media_type, data = blob.get("mimeType"), blob.get("data")
    if not (isinstance(media_type, str) and isinstance(data, str)) or blob.keys() > {"mimeType", "data"}:
        return None
    try:
        kind: type[Image | Audio | Video | Document] = _MEDIA.get(media_type.partition("/")[0], Document)
        return kind.base64(media_type, data)
    except ConfigurationError:
        return None


def _citations(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the answer is taken from: passages it repeats, and what a search found."""
    found: list[dict[str, Any]] = []
    for home, names in (
        ("citationMetadata", ("citations", "citationSources")),
        ("groundingMetadata", ("groundingChunks",)),
    ):
        metadata = fields.get(home)
        if isinstance(metadata, dict):
            for name in names:
                found.extend(item for item in metadata.get(name) or () if isinstance(item, dict))
    return found


def _timestamp(value: Any) -> int | None:
    """Unix time of an RFC 3339 date."""
    try:
        return int(datetime.fromisoformat(value).timestamp())
    except (TypeError, ValueError):
        return None
