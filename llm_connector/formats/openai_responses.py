"""The Responses format: requests read, answers and streams written. No answer is kept.

https://platform.openai.com/docs/api-reference/responses-streaming (checked 2026-11)
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from llm_connector.errors import LlmConnectorError
from llm_connector.formats.base import Encoder, Format, Incoming, Output, arguments_of, made_up, status_of
from llm_connector.formats.openai import error_object
from llm_connector.formats.responses_requests import SIGNED, parse_responses
from llm_connector.formats.sequence import BlockEncoder, OpenBlock
from llm_connector.protocols.assembly import Assembly, ReasoningBlock, TextBlock
from llm_connector.protocols.responses_messages import CUSTOM_CALL, bare_reasoning, phase_mark
from llm_connector.protocols.tool_calls import Slot
from llm_connector.types import AnyPart, ChatResponse, Opaque, Reasoning, Text, ToolCall, Usage
from llm_connector.wire import Json

__all__ = ["FORMAT", "OpenAIResponses", "ResponseEncoder"]

_ECHOED = (
    *("instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "reasoning", "temperature", "text"),
    *("tool_choice", "tools", "top_p", "truncation", "user"),
)
_UNASKED: Mapping[str, Any] = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}


@dataclass(frozen=True)
class OpenAIResponses(Format):
    """Responses. `echo`: what the request said, which its answer repeats."""

    wire: ClassVar[str] = "Responses"

    echo: Mapping[str, Any] = field(default_factory=dict)

    def parse_request(self, body: Json) -> Incoming:
        """Read the body of `POST responses`."""
        request, stream, rest = parse_responses(body)
        echo = {name: body[name] for name in _ECHOED if body.get(name) is not None}
        return Incoming(request, stream, OpenAIResponses(echo), rest)

    def render_response(self, response: ChatResponse, model: str | None = None) -> dict[str, Any]:
        """A `response`. Of several answers it holds the first."""
        output = [item for part, phase in _with_phases(response.message.parts) for item in _items(part, phase)]
        logprobs = _logprobs(response)
        texts = [part for item in output for part in item.get("content", ()) if part["type"] == "output_text"]
        if logprobs and texts:
            texts[-1]["logprobs"] = logprobs
        if response.refusal or response.finish_reason == "refusal":
            output.append(_message([{"type": "refusal", "refusal": response.refusal or ""}]))
        head = self.head(response.id, response.model or model, response.created or int(time.time()))
        return {**head, **outcome(response), "output": output}

    def render_error(self, error: LlmConnectorError) -> tuple[dict[str, Any], int]:
        """`{"error": {"message", "type", "param", "code"}}`."""
        return {"error": error_object(error)}, status_of(error)

    def encoder(
        self, model: str | None = None, *, assembly: Assembly | None = None, clock: Callable[[], float] = time.time
    ) -> Encoder:
        """The writer of one stream of named, numbered events."""
        return ResponseEncoder(self, model, assembly, clock)

    def head(self, answer_id: str | None, model: str | None, created: int) -> dict[str, Any]:
        """What is known of an answer from its beginning."""
        about = {"id": answer_id or made_up("resp_"), "object": "response", "created_at": created}
        none: dict[str, Any] = {"error": None, "incomplete_details": None, "usage": None, "output": []}
        return {**about, "status": "in_progress", "model": model or "", **none, **_UNASKED, **self.echo}


FORMAT = OpenAIResponses()


class ResponseEncoder(BlockEncoder):
    """Writes the events of one stream."""

    def __init__(
        self, format: OpenAIResponses, model: str | None, assembly: Assembly | None, clock: Callable[[], float]
    ) -> None:
        super().__init__(format, model, assembly, clock)
        self._format = format
        self._head: dict[str, Any] = {}
        self._output: list[dict[str, Any]] = []
        self._sent = 0
        self._id = ""

    def start(self) -> Iterable[Output]:
        """`response.created` and `response.in_progress`."""
        if self._head:
            return ()
        self._head = self._format.head(self.id, self.model, int(self.begun))
        names = ("response.created", "response.in_progress")
        return [self._event(name, response=self._head) for name in names]

    def open(self, block: OpenBlock) -> Iterable[Output]:
        """An item, and the part of it that is about to grow."""
        if block.kind == "call":
            extra = _call_extra(block.source.extra if isinstance(block.source, Slot) else None)
            item = _call_item(block.call_id, block.name, "", extra)
            return [self._added({**item, "status": "in_progress"})]
        if block.kind == "text":
            added = self._added({**_message([]), "status": "in_progress"})
            return [added, self._of_part("response.content_part.added", part=_output_text(""))]
        known = block.source.id if isinstance(block.source, ReasoningBlock) else None
        added = self._added({"id": known or made_up("rs_"), **bare_reasoning("")})
        return [added, self._of_summary("response.reasoning_summary_part.added", part=_summary(""))]

    def piece(self, block: OpenBlock, text: str) -> Output:
        """More of it."""
        if block.kind == "text":
            return self._of_part("response.output_text.delta", delta=text, logprobs=[])
        if block.kind == "reasoning":
            return self._of_summary("response.reasoning_summary_text.delta", delta=text)
        custom = self._output[-1]["type"] == CUSTOM_CALL
        name = "response.custom_tool_call_input.delta" if custom else "response.function_call_arguments.delta"
        return self._of_item(name, delta=text)

    def close(self, block: OpenBlock) -> Iterable[Output]:
        """The end of the part and of the item, each with the whole of it."""
        if block.kind == "call":
            return self._close_call(block)
        return self._close_text(block) if block.kind == "text" else self._close_thought(block)

    def silent(self, part: AnyPart) -> Iterable[Output]:
        """An item that comes at once."""
        for item in _items(part, None):
            yield self._added(item)
            yield self._done(item)

    def end(self, response: ChatResponse) -> Iterable[Output]:
        """A refusal, which no chunk brought, and the event that ends the answer, with all of it."""
        if response.refusal or response.finish_reason == "refusal":
            yield from self._refuse(response.refusal or "")
        logprobs = _logprobs(response)
        texts = [part for item in self._output for part in item.get("content", ()) if part["type"] == "output_text"]
        if logprobs and texts:
            texts[-1]["logprobs"] = logprobs
        ended = outcome(response)
        self._head = {**self._head, **ended, "output": self._output}
        yield self._event(f"response.{ended['status']}", response=self._head)

    def fail(self, error: LlmConnectorError) -> Iterable[Output]:
        """`response.failed`, with what had been written."""
        begun = self.start()
        told = error_object(error)
        failed = {"code": told["code"] or told["type"], "message": told["message"]}
        response = {**self._head, "status": "failed", "error": failed, "output": self._output}
        return [*begun, self._event("response.failed", response=response)]

    def _close_text(self, block: OpenBlock) -> list[Output]:
        cited = block.source.citations if isinstance(block.source, TextBlock) else []
        annotations = _annotations(cited)
        part = {**_output_text(block.text), "annotations": annotations}
        events = [
            self._of_part("response.output_text.annotation.added", annotation_index=number, annotation=annotation)
            for number, annotation in enumerate(annotations)
        ]
        events.append(self._of_part("response.output_text.done", text=block.text, logprobs=[]))
        events.append(self._of_part("response.content_part.done", part=part))
        item = {**_message([part], self._phase(block.source)), "id": self._id}
        return [*events, self._done(item)]

    def _phase(self, source: object) -> str | None:
        """The phase of the message that a text is of: its mark stands right behind it."""
        for here, behind in itertools.pairwise(self._look()):
            if here is source and isinstance(behind, Opaque) and _is_phase(behind):
                return str(behind.data["phase"])
        return None

    def _close_thought(self, block: OpenBlock) -> list[Output]:
        events = [
            self._of_summary("response.reasoning_summary_text.done", text=block.text),
            self._of_summary("response.reasoning_summary_part.done", part=_summary(block.text)),
        ]
        item = _reasoning_item(block.thought or Reasoning(block.text))
        return [*events, self._done({**item, "id": self._id})]

    def _close_call(self, block: OpenBlock) -> list[Output]:
        arguments = arguments_of(block.call) if block.call is not None else block.text
        extra = block.call.extra if block.call is not None else None
        extra = extra if extra is not None else block.source.extra if isinstance(block.source, Slot) else None
        item = {**_call_item(block.call_id, block.name, arguments, _call_extra(extra)), "id": self._id}
        if item["type"] == CUSTOM_CALL:
            return [self._of_item("response.custom_tool_call_input.done", input=arguments), self._done(item)]
        told = self._of_item("response.function_call_arguments.done", arguments=arguments)
        told[1]["name"] = block.name
        return [told, self._done(item)]

    def _refuse(self, refusal: str) -> Iterable[Output]:
        self.next_number()
        part = {"type": "refusal", "refusal": refusal}
        item = _message([part])
        yield self._added({**item, "status": "in_progress", "content": []})
        yield self._of_part("response.content_part.added", part={**part, "refusal": ""})
        yield self._of_part("response.refusal.delta", delta=refusal)
        yield self._of_part("response.refusal.done", refusal=refusal)
        yield self._of_part("response.content_part.done", part=part)
        yield self._done(item)

    def _added(self, item: dict[str, Any]) -> Output:
        self._id = item["id"]
        self._output.append(item)
        return self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)

    def _done(self, item: dict[str, Any]) -> Output:
        self._output[-1] = item
        return self._event("response.output_item.done", output_index=len(self._output) - 1, item=item)

    def _of_part(self, name: str, **fields: Any) -> Output:
        return self._of_item(name, content_index=0, **fields)

    def _of_summary(self, name: str, **fields: Any) -> Output:
        return self._of_item(name, summary_index=0, **fields)

    def _of_item(self, name: str, **fields: Any) -> Output:
        return self._event(name, item_id=self._id, output_index=len(self._output) - 1, **fields)

    def _event(self, name: str, **fields: Any) -> Output:
        self._sent += 1
        return name, {"type": name, "sequence_number": self._sent - 1, **fields}


def outcome(response: ChatResponse) -> dict[str, Any]:
    """Status and usage."""
    reason = response.finish_reason
    end: dict[str, Any] = {"status": "completed"}
    if reason in _INCOMPLETE:
        end = {"status": "incomplete", "incomplete_details": {"reason": _INCOMPLETE[reason]}}
    usage = response.usage
    if usage == Usage():
        return end
    given, spoken = usage.input_tokens or 0, usage.output_tokens or 0
    end["usage"] = {
        "input_tokens": given,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
        },
        "output_tokens": spoken,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": given + spoken if usage.total_tokens is None else usage.total_tokens,
    }
    return end


def _with_phases(parts: Sequence[AnyPart]) -> Iterable[tuple[AnyPart, str | None]]:
    """The parts, and the phase that is marked behind each."""
    for number, part in enumerate(parts):
        behind = parts[number + 1] if number + 1 < len(parts) else None
        marked = isinstance(behind, Opaque) and _is_phase(behind)
        yield part, str(behind.data["phase"]) if isinstance(behind, Opaque) and marked else None


def _is_phase(part: Opaque) -> bool:
    return part.data == phase_mark(part.data.get("phase"))


def _items(part: AnyPart, phase: str | None) -> list[dict[str, Any]]:
    """The items of a part; none for what the format has no item for."""
    match part:
        case Text(text=text) if text:
            return [_message([{**_output_text(text), "annotations": _annotations(part.citations or ())}], phase)]
        case Reasoning() if part.text or part.encrypted or part.signature or part.id:
            return [{**_reasoning_item(part), "id": part.id or made_up("rs_")}]
        case ToolCall():
            return [_call_item(part.id, part.name, arguments_of(part), _call_extra(part.extra))]
        case Opaque(data=data) if not _is_phase(part) and str(data.get("type")).endswith(_OWN_ITEMS):
            return [{"id": made_up("item_"), **data}]
        case _:
            return []


def _message(content: list[dict[str, Any]], phase: str | None = None) -> dict[str, Any]:
    item = {"id": made_up("msg_"), "type": "message", "status": "completed", "role": "assistant", "content": content}
    return {**item, "phase": phase} if phase else item


def _output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def _reasoning_item(part: Reasoning) -> dict[str, Any]:
    details = part.details[0] if part.details else {}
    item = dict(details) if details.get("type") == "reasoning" else bare_reasoning(part.text)
    state = part.encrypted or (f"{SIGNED}{part.signature}" if part.signature else None)
    return {**item, "encrypted_content": state} if state else item


def _call_item(call_id: str, name: str, arguments: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    item = {"id": made_up("fc_"), "type": "function_call", "status": "completed", "call_id": call_id, "name": name}
    if extra.get("type") == CUSTOM_CALL:
        return {**item, **extra, "input": arguments}
    return {**extra, **item, "arguments": arguments}


def _call_extra(extra: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {name: value for name, value in (extra or {}).items() if name not in ("id", "call_id", "name", "arguments")}


def _annotations(citations: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The citations that this wire knows."""
    return [citation for citation in citations if citation.get("type") in _CITED]


def _logprobs(response: ChatResponse) -> Any:
    """The log probabilities of the text, with all that readers count on."""
    tokens = response.logprobs.get("content") if isinstance(response.logprobs, dict) else None
    return [{"bytes": [], "top_logprobs": [], **entry} for entry in tokens or () if isinstance(entry, dict)]


_INCOMPLETE: Mapping[str | None, str | None] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
    "error": None,
}
_CITED = ("url_citation", "file_citation", "container_file_citation", "file_path")
_OWN_ITEMS = ("_call", "_call_output", "mcp_list_tools", "mcp_approval_request", "compaction")
