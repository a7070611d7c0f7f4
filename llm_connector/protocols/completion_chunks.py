"""Reads Chat Completions answers, whole and streamed, from OpenAI and everybody who imitates it.

https://platform.openai.com/docs/api-reference/chat (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llm_connector.errors import ParseError, excerpt
from llm_connector.protocols.assembly import ChoiceAssembly, count_in
from llm_connector.protocols.base import ChunkParser, ErrorEvent
from llm_connector.protocols.completion_messages import ENCRYPTED, THINKING_PARTS
from llm_connector.protocols.thinking import ThinkSplitter
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, Usage
from llm_connector.types.unchecked import unchecked
from llm_connector.wire import Json

__all__ = ["CompletionParser", "completion_usage"]

# The wire has no order between these; calls come after both.
_REASONING, _TEXT = 0, 1

_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking", "thought")
_REFUSALS = ("message", "detail", "msg", "error_msg", "errors", "Response")
"""Keys of an event without choices that make it an error, although it has no `error`."""
_NOT_EXTRA = frozenset(
    {
        *("id", "object", "created", "model", "choices", "usage", "error", "obfuscation", "provider", "x_groq"),
        *("citations", "search_results", "web_search"),
    }
)


def completion_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts under any of the names that servers of this format use; details may be null at every level."""
    prompt_details = _object(usage.get("prompt_tokens_details"))
    completion_details = _object(usage.get("completion_tokens_details"))
    counts = {
        "input_tokens": count_in(usage, "prompt_tokens", "input_tokens"),
        "output_tokens": count_in(usage, "completion_tokens", "output_tokens"),
        "total_tokens": count_in(usage, "total_tokens"),
        "cached_tokens": count_in(prompt_details, "cached_tokens"),
        "cache_write_tokens": count_in(prompt_details, "cache_write_tokens", "cache_creation_tokens"),
        "reasoning_tokens": count_in(completion_details, "reasoning_tokens"),
    }
    if counts["cached_tokens"] is None:
        counts["cached_tokens"] = count_in(usage, "prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")
    if counts["reasoning_tokens"] is None:
        counts["reasoning_tokens"] = count_in(usage, "reasoning_tokens")
    given, spoken, thought = counts["input_tokens"], counts["output_tokens"], counts["reasoning_tokens"]
    if given is not None and spoken is not None and thought and counts["total_tokens"] == given + spoken + thought:
        counts["output_tokens"] = spoken + thought  # xAI counts thoughts beside the answer, not in it
    if counts["total_tokens"] is None and None not in (counts["input_tokens"], counts["output_tokens"]):
        counts["total_tokens"] = (counts["input_tokens"] or 0) + (counts["output_tokens"] or 0)
    return unchecked(Usage, **counts, details=dict(usage))


def _object(value: Any) -> dict[str, Any]:
    """The value, if it is an object: what only informs must not cost an answer that is paid for."""
    return value if isinstance(value, dict) else {}


class CompletionParser(ChunkParser):
    """One Chat Completions answer. `split` takes think tags out of the text."""

    end_marker = b"[DONE]"

    def __init__(self, request: ChatRequest | None = None, *, split: bool = False) -> None:
        super().__init__(request)
        self._names = ToolNames(request)
        self._split = split
        self.splitters: dict[int, ThinkSplitter] = {}
        self._doubled: set[int] = set()
        self._usage: Any = None
        self._citations: list[dict[str, Any]] = []
        self._audio: dict[str, Any] = {}
        self._headed = False
        self._whole = False
        self._first = self.assembly.choice(0)
        self._text = self._first.text(_TEXT).pieces
        self._simple = False
        self._plain_calls = type(self).feed_call is CompletionParser.feed_call
        self._wanted = _wanted(request)
        # One server counts the index of a single choice up with each event: it matters where several were asked for.
        self._several = request is None or self._wanted > 1

    def read(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The chunks of one decoded event: several when it carries several deltas."""
        choices = body.get("choices")
        if self._simple and choices and len(choices) == 1 and not body.get("usage"):
            choice = choices[0]
            delta = choice.get("delta")
            further = choice.get("finish_reason") or choice.get("logprobs") or choice.get("usage")
            if delta and len(delta) == 1 and not further:
                text = delta.get("content")
                if text and type(text) is str:
                    self._text.append(text)
                    return (ChatChunk(text),)
                calls = delta.get("tool_calls")
                if calls and len(calls) == 1 and self._plain_calls:
                    piece = self._first.feed_call(calls[0], self._names)
                    return () if piece is None else (ChatChunk("", "", piece),)
        return self._read_event(body)

    def _read_event(self, body: dict[str, Any]) -> list[ChatChunk]:
        chunks: list[ChatChunk] = []
        if not self._headed:
            head = self.assembly.head(body.get("id"), body.get("model"))
            if head is not None:
                chunks.append(head)
            self._headed = self.assembly.id is not None and self.assembly.model is not None
            self._simple = self._headed and not (self._several or self._split)
        usage = body.get("usage")
        if usage:
            self._usage = usage
        choices = body.get("choices")
        if choices:
            several = self._several or len(choices) > 1
            for choice in choices:
                self.read_choice(choice, (count_in(choice, "index") or 0) if several else 0, chunks)
        elif "choices" not in body and any(body.get(key) for key in _REFUSALS):
            raise ErrorEvent(body)
        if not usage and "x_groq" in body:
            self._usage = _object(body["x_groq"]).get("usage") or self._usage
        return chunks

    def read_whole(self, body: Json) -> Iterable[ChatChunk]:
        """The chunks of a whole answer. Raises ErrorEvent if it is an error, ParseError if it has no choice."""
        if isinstance(body, list) and len(body) == 1:
            body = body[0]
        if not isinstance(body, dict) or body.get("error"):
            raise ErrorEvent(body)
        nested = body.get("provider")
        if not body.get("choices") and isinstance(nested, dict) and nested.get("choices"):
            body = nested  # OpenRouter, rarely: the answer sits under the provider's name
        choices = body.get("choices")
        if not isinstance(choices, list) or not choices:
            if any(key in body for key in ("code", *_REFUSALS)):
                raise ErrorEvent(body)
            raise ParseError(f"the answer has no choices; it has the keys {sorted(body)}", body=excerpt(str(body)))
        self.raw.update(body)
        chunks: list[ChatChunk] = []
        if (head := self.assembly.head(body.get("id"), body.get("model"))) is not None:
            chunks.append(head)
        self._usage = body.get("usage") or _object(body.get("x_groq")).get("usage")
        for number, choice in enumerate(choices):
            self.read_choice(choice, number, chunks, whole=True)
        self.done = self._whole = True
        return chunks

    def read_choice(self, choice: dict[str, Any], number: int, chunks: list[ChatChunk], *, whole: bool = False) -> None:
        """Take one choice of an event, or of a whole answer."""
        assembly = self.assembly.choices.get(number) or self.assembly.choice(number)
        first, second = ("message", "delta") if whole else ("delta", "message")
        delta = choice.get(first)
        if delta is None:
            delta = choice.get(second)
        if delta:
            self._read_delta(delta, assembly, chunks, whole=whole)
        if choice.get("logprobs"):
            assembly.add_logprobs(choice["logprobs"])
        if choice.get("usage"):
            self._usage = choice["usage"]
        reason = choice.get("finish_reason")
        if reason and reason != "null":
            assembly.raw_reason = str(reason)

    def _read_delta(
        self, delta: dict[str, Any], assembly: ChoiceAssembly, chunks: list[ChatChunk], *, whole: bool
    ) -> None:
        content = delta.get("content")
        if len(delta) > 1 or content is None:
            reasoning = self.reasoning_of(delta, assembly)
            if reasoning:
                chunks.append(ChatChunk(reasoning=reasoning, choice=assembly.index))
                if content == reasoning and not whole and self._doubles(assembly):
                    content = None
        if content:
            if type(content) is not str:
                self._read_parts(content, assembly, chunks)
            elif self._split:
                self.split_text(content, assembly, chunks)
            else:
                assembly.text(_TEXT).pieces.append(content)
                chunks.append(ChatChunk(content, choice=assembly.index))
        if len(delta) > 1 or not content:
            self._read_rest(delta, assembly, chunks, whole=whole)

    def _doubles(self, assembly: ChoiceAssembly) -> bool:
        """Whether the answer began with its thought under both names, as some aggregators send it."""
        if len(assembly.reasoning(_REASONING).pieces) == 1:
            self._doubled.add(assembly.index)
        return assembly.index in self._doubled

    def _read_rest(
        self, delta: dict[str, Any], assembly: ChoiceAssembly, chunks: list[ChatChunk], *, whole: bool
    ) -> None:
        for piece in delta.get("tool_calls") or ():
            self.feed_call(piece, assembly, chunks, whole=whole)
        legacy = delta.get("function_call")
        if legacy:
            self.feed_call({"function": legacy, "index": 0}, assembly, chunks, whole=whole)
        if delta.get("refusal"):
            assembly.refusal.append(str(delta["refusal"]))
        annotations = delta.get("annotations")
        for annotation in annotations if isinstance(annotations, list) else ():
            if isinstance(annotation, dict):
                self._citations.append(_object(annotation.get("url_citation")) or annotation)
        if delta.get("audio"):
            self._read_audio(delta["audio"], assembly, chunks)

    def feed_call(
        self, piece: dict[str, Any], assembly: ChoiceAssembly, chunks: list[ChatChunk], *, whole: bool
    ) -> None:
        """Take one element of a `tool_calls` list."""
        delta = assembly.feed_call(piece, self._names, whole=whole)
        if delta is not None:
            chunks.append(ChatChunk(tool_call_delta=delta, choice=assembly.index))

    def reasoning_of(self, delta: dict[str, Any], assembly: ChoiceAssembly) -> str:
        """The new thinking of a delta, from one source only: the one the answer began with."""
        details, sealed = delta.get("reasoning_details"), delta.get(ENCRYPTED)
        text, field = "", None
        for name in _REASONING_FIELDS:
            value = delta.get(name)
            if value and isinstance(value, str):
                text, field = value, name
                break
        if not (text or details or sealed):
            return ""
        block = assembly.reasoning(_REASONING)
        if isinstance(sealed, str):
            block.encrypted = (block.encrypted or "") + sealed
        if details:
            _add_details(block.details, details)
            if not text and block.field in (None, "reasoning_details"):
                field = "reasoning_details"
                text = "".join(str(entry.get("text") or entry.get("summary") or "") for entry in details)
        if block.field is None and text:
            block.field = field
        if block.field not in (None, field, "content", THINKING_PARTS):
            own = delta.get(block.field)
            text = own if isinstance(own, str) and own else text
        if text:
            block.pieces.append(text)
        return text

    def _read_parts(self, content: Any, assembly: ChoiceAssembly, chunks: list[ChatChunk]) -> None:
        """Content as a list of thinking and text parts, as Mistral sends it."""
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "thinking":
                inner = part.get("thinking")
                spans = inner if isinstance(inner, list) else [{"text": inner}]
                text = "".join(str(span.get("text") or "") for span in spans)
                if part.get("signature"):
                    assembly.reasoning(_REASONING).signature = str(part["signature"])
                if text:
                    block = assembly.reasoning(_REASONING)
                    block.field = THINKING_PARTS
                    block.pieces.append(text)
                    chunks.append(ChatChunk(reasoning=text, choice=assembly.index))
            elif kind in ("text", "output_text") and part.get("text"):
                text = str(part["text"])
                assembly.text(_TEXT).pieces.append(text)
                chunks.append(ChatChunk(text, choice=assembly.index))

    def split_text(self, text: str, assembly: ChoiceAssembly, chunks: list[ChatChunk]) -> None:
        """Take text in which a thought may stand between tags."""
        splitter = self.splitters.setdefault(assembly.index, ThinkSplitter())
        self._take_spans(splitter.feed(text), assembly, chunks)

    def _take_spans(self, spans: Iterable[tuple[str, str]], assembly: ChoiceAssembly, chunks: list[ChatChunk]) -> None:
        for kind, span in spans:
            if kind == "text":
                assembly.text(_TEXT).pieces.append(span)
                chunks.append(ChatChunk(span, choice=assembly.index))
                continue
            block = assembly.reasoning(_REASONING)
            if block.field not in (None, "content"):
                continue  # the same thought came in a field of its own
            block.field = "content"
            block.pieces.append(span)
            chunks.append(ChatChunk(reasoning=span, choice=assembly.index))

    def _read_audio(self, audio: dict[str, Any], assembly: ChoiceAssembly, chunks: list[ChatChunk]) -> None:
        """Spoken answers: the transcript is the text, the sound stays in `extra["audio"]`."""
        for key, value in audio.items():
            known = self._audio.get(key)
            self._audio[key] = known + value if isinstance(known, str) and key in ("data", "transcript") else value
        if audio.get("transcript"):
            text = str(audio["transcript"])
            assembly.text(_TEXT).pieces.append(text)
            chunks.append(ChatChunk(text, choice=assembly.index))

    def flush(self) -> Iterable[ChatChunk]:
        """Text held back because it may have been the beginning of a tag."""
        chunks: list[ChatChunk] = []
        for index, splitter in self.splitters.items():
            self._take_spans(splitter.close(), self.assembly.choice(index), chunks)
        return chunks

    def ended(self) -> bool:
        """A finish reason for every choice that was asked for, or `[DONE]`."""
        choices = self.assembly.choices.values()
        return self.done or (len(choices) >= self._wanted and all(choice.raw_reason for choice in choices))

    def response(self, *, interrupted: bool = False) -> ChatResponse:
        """The answer so far."""
        if self._whole:
            self.flush()
        if isinstance(self._usage, dict):
            self.assembly.usage = completion_usage(self._usage)
        raw = self.raw if self._whole else {key: value for key, value in self.raw.items() if key != "choices"}
        extra = {key: value for key, value in self.raw.items() if key not in _NOT_EXTRA and value is not None}
        if isinstance(self.raw.get("provider"), str):
            extra["provider"] = self.raw["provider"]
        if self._audio:
            extra["audio"] = self._audio
        return self.assembly.respond(
            interrupted=interrupted,
            created=count_in(self.raw, "created") or None,
            citations=[*self._citations, *_sources(self.raw)],
            extra=extra,
            raw=raw,
        )


def _sources(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What an answer rests on, where the whole answer names it: Perplexity, xAI and Zhipu."""
    for name in ("search_results", "citations", "web_search"):
        found = body.get(name)
        if found and isinstance(found, list):
            entries = ({"url": item} if isinstance(item, str) else item for item in found)
            return [
                {"url": item["link"], **item} if "link" in item else item for item in entries if isinstance(item, dict)
            ]
    return []


def _wanted(request: ChatRequest | None) -> int:
    """How many answers were asked for."""
    if request is None:
        return 1
    wanted = (request.extra_body or {}).get("n", request.n)
    return wanted if isinstance(wanted, int) else 1


def _add_details(known: list[dict[str, Any]], more: Iterable[Any]) -> None:
    """Add `reasoning_details`, with the fragments of one entry joined, as a whole answer would hold them."""
    for entry in more:
        if not isinstance(entry, dict):
            continue
        last = known[-1] if known else None
        if last is None or any(last.get(key) != entry.get(key) for key in ("type", "index")):
            known.append(dict(entry))
            continue
        for key, value in entry.items():
            grows = key in ("text", "summary", "data") and isinstance(value, str) and isinstance(last.get(key), str)
            last[key] = last[key] + value if grows else (value if value is not None else last.get(key))
