"""Answers of llm-connector as LlamaIndex's responses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    DocumentBlock,
    ImageBlock,
    LogProb,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.llms.llm_connector.messages import OPAQUE, STATE

from llm_connector.types import Audio, Document, Image, Media, Opaque, Reasoning, Text, ToolCall, Video

if TYPE_CHECKING:
    from llm_connector import AsyncChatStream, ChatChunk, ChatStream, Usage
    from llm_connector import ChatResponse as Answer

__all__ = ["aresponses", "completion_of", "response_of", "responses"]


def response_of(answer: Answer, delta: str | None = None) -> ChatResponse:
    """A whole answer, or the end of a stream, which repeats all of it."""
    usage = _counts(answer.usage)
    facts: dict[str, Any] = {**usage, "finish_reason": answer.finish_reason}
    if answer.adaptations:
        facts["adaptations"] = [adaptation.model_dump() for adaptation in answer.adaptations]
    return ChatResponse(
        message=_message_of(answer),
        delta=delta,
        raw=_raw(answer, usage),
        logprobs=_logprobs(answer.logprobs),
        additional_kwargs=facts,
    )


def completion_of(response: ChatResponse) -> CompletionResponse:
    """The same as a completion."""
    return CompletionResponse(
        text=response.message.content or "",
        delta=response.delta,
        raw=response.raw,
        logprobs=response.logprobs,
        additional_kwargs={**response.message.additional_kwargs, **response.additional_kwargs},
    )


def responses(stream: ChatStream) -> ChatResponseGen:
    """The answer so far after each piece, and all of it at the end. Dropping the generator ends the request."""
    growing = _Growing(stream)
    with stream:
        for chunk in stream:
            if (response := growing.add(chunk)) is not None:
                yield response
    yield response_of(stream.response, delta="")


async def aresponses(stream: AsyncChatStream) -> ChatResponseAsyncGen:
    """The same from a coroutine."""
    growing = _Growing(stream)
    async with stream:
        async for chunk in stream:
            if (response := growing.add(chunk)) is not None:
                yield response
    yield response_of(stream.response, delta="")


class _Growing:
    """A message that grows. What the pieces do not say, such as signatures, is in the last response only."""

    __slots__ = ("_blocks", "_calls", "_kind", "_size", "_stream", "_text")

    def __init__(self, stream: ChatStream | AsyncChatStream) -> None:
        self._stream = stream
        self._blocks: list[Any] = []
        self._kind = ""
        self._size = 0
        """How many parts there were when text was added last: some, such as results of a search, have no pieces."""
        self._text = -1
        """Where the text grows."""
        self._calls: dict[int, int] = {}
        """Where calls grow, by their number."""

    def add(self, chunk: ChatChunk) -> ChatResponse | None:
        """The answer so far; None for a piece that adds nothing to the message."""
        if chunk.choice:
            return None
        delta, facts = "", {}
        if text := chunk.text:
            delta = self._add_text(text)
        elif thought := chunk.reasoning:
            facts = {"thinking_delta": thought}
            if self._kind == "thinking":
                self._blocks[-1] = ThinkingBlock(content=self._blocks[-1].content + thought)
            else:
                self._kind = "thinking"
                self._blocks.append(ThinkingBlock(content=thought))
        elif chunk.tool_call_delta is not None or chunk.tool_call is not None:
            self._add_call(chunk)
        else:
            return None
        message = ChatMessage(role=MessageRole.ASSISTANT, blocks=self._blocks[:])
        if self._calls:
            message.additional_kwargs["tool_calls"] = [_plain(self._blocks[at]) for at in self._calls.values()]
        return ChatResponse(message=message, delta=delta, additional_kwargs=facts)

    def _add_text(self, text: str) -> str:
        """Add text and return what is new in `message.content`, which has a line break between blocks of text."""
        blocks = self._blocks
        if self._kind != "text" or self._size != self._stream.size:
            self._kind, self._size = "text", self._stream.size
            if self._text < 0 or self._is_another():
                delta = text if self._text < 0 else f"\n{text}"
                self._text = len(blocks)
                blocks.append(TextBlock(text=text))
                return delta
        blocks[self._text] = TextBlock(text=blocks[self._text].text + text)
        return text

    def _is_another(self) -> bool:
        """Whether text that goes on after something else is another block, which the wire format decides."""
        known = sum(type(block) is TextBlock for block in self._blocks)
        return sum(type(block) is TextBlock for block in _blocks_of(self._stream.partial)) > known

    def _add_call(self, chunk: ChatChunk) -> None:
        self._kind = "call"
        call, piece, blocks = chunk.tool_call, chunk.tool_call_delta, self._blocks
        if call is not None:
            at = next((at for at in self._calls.values() if blocks[at].tool_call_id == call.id), None)
            if at is None:
                at = self._calls[-1 - len(self._calls)] = len(blocks)
                blocks.append(None)
            blocks[at] = _call_block(call)
        elif piece is not None:
            at = self._calls.get(piece.index)
            if at is None:
                at = self._calls[piece.index] = len(blocks)
                blocks.append(ToolCallBlock(tool_call_id=piece.id, tool_name=piece.name or "", tool_kwargs=""))
            known = blocks[at]
            blocks[at] = ToolCallBlock(
                tool_call_id=known.tool_call_id,
                tool_name=known.tool_name,
                tool_kwargs=f"{known.tool_kwargs}{piece.arguments}",
            )


def _message_of(answer: Answer) -> ChatMessage:
    kwargs: dict[str, Any] = {}
    parts = answer.message.parts
    if calls := [part for part in parts if isinstance(part, ToolCall)]:
        kwargs["tool_calls"] = [_with_state(_plain(_call_block(call)), call) for call in calls]
    cited = [citation for part in parts if isinstance(part, Text) for citation in part.citations or ()]
    if citations := cited or answer.citations:
        kwargs["citations"] = citations
    if answer.refusal:
        kwargs["refusal"] = answer.refusal
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=list(_blocks_of(answer)), additional_kwargs=kwargs)


def _blocks_of(answer: Answer) -> Iterator[Any]:
    """The parts in order; texts that follow each other, as cited ones do, are one block."""
    text: list[str] = []
    parts = answer.message.parts
    lone = sum(isinstance(part, Reasoning) for part in parts) == 1
    for part in parts:
        if isinstance(part, Text):
            text.append(part.text)
            continue
        if text:
            yield TextBlock(text="".join(text))
            text = []
        if isinstance(part, Reasoning):
            state = {name: value for name in STATE if (value := getattr(part, name)) is not None}
            tokens = answer.usage.reasoning_tokens if lone else None
            yield ThinkingBlock(content=part.text or None, num_tokens=tokens, additional_information=state)
        elif isinstance(part, ToolCall):
            yield _call_block(part)
        elif isinstance(part, Opaque):
            yield ThinkingBlock(additional_information={"type": OPAQUE, "provider": part.provider, "data": part.data})
        elif isinstance(part, Media):
            yield _media_block(part)
    if text:
        yield TextBlock(text="".join(text))


def _media_block(part: Media) -> Any:
    data = None if part.data is None else base64.b64decode(part.data)
    source: dict[str, Any] = {} if part.url is None else {"url": part.url}
    match part:
        case Image():
            return ImageBlock(image=data, image_mimetype=part.media_type, **source)
        case Audio():
            return AudioBlock(audio=data, format=(part.media_type or "").partition("/")[2] or None, **source)
        case Video():
            return VideoBlock(video=data, video_mimetype=part.media_type, **source)
        case _:
            title = part.name if isinstance(part, Document) else None
            return DocumentBlock(data=data, title=title, document_mimetype=part.media_type, **source)


def _call_block(call: ToolCall) -> ToolCallBlock:
    given = call.arguments if call.error is None else call.arguments_raw
    return ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=given)


def _plain(block: ToolCallBlock) -> dict[str, Any]:
    """A call in OpenAI's form, which streamed structured output and memories look for."""
    given = block.tool_kwargs
    arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return {
        "id": block.tool_call_id,
        "type": "function",
        "function": {"name": block.tool_name, "arguments": arguments},
    }


def _with_state(plain: dict[str, Any], call: ToolCall) -> dict[str, Any]:
    """With what must go back to the provider: its own text of the arguments, and its own fields."""
    if call.arguments_raw:
        plain["function"]["arguments"] = call.arguments_raw
    if call.extra is not None:
        plain.update(provider=call.provider, extra=call.extra)
    return plain


def _counts(usage: Usage) -> dict[str, int]:
    """Tokens under the names that LlamaIndex's counters and tracers read; unknown ones are left out."""
    counts = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
    return {name: count for name, count in counts.items() if count is not None}


def _raw(answer: Answer, usage: Mapping[str, int]) -> dict[str, Any]:
    """What the server sent, and where it has no such place, what tracers look for in OpenAI's."""
    raw = {**answer.raw} if isinstance(answer.raw, Mapping) else {"body": answer.raw}
    sent = raw.get("usage")
    raw["usage"] = {**usage, **sent} if isinstance(sent, Mapping) else {**usage}
    for name in ("id", "model", "created"):
        if raw.get(name) is None:
            raw[name] = getattr(answer, name)
    if not raw.get("choices"):
        raw["choices"] = [{"index": 0, "finish_reason": answer.finish_reason}]
    return raw


def _logprobs(logprobs: Any) -> list[list[LogProb]] | None:
    """The candidates of each token; None where a server says it in another way, which `raw` has."""
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(tokens, list) or not all(isinstance(token, Mapping) and "token" in token for token in tokens):
        return None
    return [[_logprob(candidate) for candidate in token.get("top_logprobs") or [token]] for token in tokens]


def _logprob(token: Mapping[str, Any]) -> LogProb:
    return LogProb(token=token["token"], logprob=token.get("logprob") or 0.0, bytes=token.get("bytes") or [])
