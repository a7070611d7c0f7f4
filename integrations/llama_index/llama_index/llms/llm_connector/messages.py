"""LlamaIndex's messages as those of llm-connector, and its answers as LlamaIndex's.

https://developers.llamaindex.ai/python/framework-api-reference/llms/ (checked 2026-11)
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator, Mapping, Sequence
from io import IOBase
from itertools import groupby
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms import types as llama

from llm_connector import ConfigurationError
from llm_connector import types as core
from llm_connector.types.calls import call_of, dict_of
from llm_connector.types.conversation import ROLES
from llm_connector.types.part import mark_of

if TYPE_CHECKING:
    from llm_connector import AsyncChatStream, ChatStream

__all__ = ["aresponses", "completion_of", "response_of", "responses", "to_core", "turn_of"]

_MEDIA: Mapping[str, tuple[Any, Any, str, str]] = {
    "image": (core.Image, llama.ImageBlock, "image", "image_mimetype"),
    "audio": (core.Audio, llama.AudioBlock, "audio", "format"),
    "video": (core.Video, llama.VideoBlock, "video", "video_mimetype"),
    "document": (core.Document, llama.DocumentBlock, "data", "document_mimetype"),
}
"""By type: the part, the block, and the block's fields for its bytes and for their type."""

_COUNTS = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "cached_tokens": "cached_tokens",
    "reasoning_tokens": "reasoning_tokens",
}
"""The names under which LlamaIndex's counters and tracers look for tokens."""

_log = logging.getLogger(__name__)


# in


def to_core(messages: Sequence[llama.ChatMessage]) -> list[core.Message]:
    """The conversation as the clients take it. Raises ConfigurationError that names the position.

    Memories cut conversations anywhere; what had to be repaired is logged.
    """
    turns: list[core.Message] = []
    whole = True
    for position, message in enumerate(messages):
        blocks, role = message.blocks, ROLES[message.role]
        plain = len(blocks) == 1 and not message.additional_kwargs and role != "tool"
        if plain and type(block := blocks[0]) is llama.TextBlock and block.text:
            turns.append(core.PlainTurn(role, block.text))
            continue
        try:
            turn = turn_of(role, message)
        except (ConfigurationError, OSError, TypeError, ValueError) as error:
            raise ConfigurationError(f"messages[{position}]: {error}") from error
        if turn.parts or role != "system":  # an empty system prompt says nothing
            turns.append(turn)
        whole = whole and role != "tool" and not turn.tool_calls
    if whole:
        return turns
    turns, repairs = core.repair_history(turns)
    for repair in repairs:
        _log.warning("%s %s: %s", repair.action, repair.subject, repair.detail)
    return turns


def turn_of(role: core.Role, message: llama.ChatMessage) -> core.Message:
    """One message. What a tool result cannot hold, such as sound, stands beside it."""
    parts, kwargs = _parts(message.blocks), message.additional_kwargs
    if role == "tool":
        shown = [part for part in parts if isinstance(part, core.Text | core.Image | core.Document)]
        result = core.ToolResult(call_id=kwargs.get("tool_call_id") or "", parts=shown)
        return core.Message(role=role, parts=[result, *(part for part in parts if part not in shown)])
    if given := kwargs.get("tool_calls"):
        parts = _with_calls(parts, given)
    return core.Message(role=role, parts=parts, name=kwargs.get("name"))


def _with_calls(parts: list[core.AnyPart], given: Sequence[Any]) -> list[core.AnyPart]:
    """Parts with what blocks have no place for: the text of the arguments, so that caches find the prompt, and extras.

    `given` are dicts in OpenAI's form, or objects of an SDK.
    """
    dicts = [call if isinstance(call, Mapping) else call.model_dump(exclude_none=True) for call in given]
    calls = core.conversation([{"role": "assistant", "tool_calls": dicts}])[0].tool_calls
    if not any(isinstance(part, core.ToolCall) for part in parts):  # memories from before there were blocks for calls
        return [*parts, *calls]
    known = {call.id: call for call in calls}
    return [_restored(part, known.get(part.id, part)) if isinstance(part, core.ToolCall) else part for part in parts]


def _restored(call: core.ToolCall, known: core.ToolCall) -> core.ToolCall:
    if call.arguments == known.arguments and not call.arguments_raw:
        return known
    return call.model_copy(update={"provider": known.provider, "extra": known.extra})


def _parts(blocks: Sequence[Any]) -> list[core.AnyPart]:
    """Blocks as parts. A cache point marks the part before it."""
    parts: list[core.AnyPart] = []
    for position, block in enumerate(blocks):
        if block.block_type != "cache":
            parts += _read(block, position)
        elif parts and "cache" in type(parts[-1]).model_fields:
            parts[-1] = parts[-1].model_copy(update={"cache": mark_of(block.cache_control.model_dump())})
    return parts


def _read(block: Any, position: int) -> Iterator[core.AnyPart]:
    match block.block_type:
        case "text":
            if block.text:
                yield core.Text(block.text)
        case kind if kind in _MEDIA:
            yield _media(block)
        case "citable":
            yield core.Text(f"{block.title} ({block.source}):\n")
            yield from _parts(block.content)
        case "citation":
            yield from _parts([block.cited_content])
        case "thinking":
            known = block.additional_information
            names = core.Reasoning.model_fields.keys() - {"type", "text"}  # other packages put more there
            state = {name: value for name in names if isinstance(value := known.get(name), str | list)}
            if known.get("type") == "opaque":
                yield core.Opaque.model_validate(known)
            elif block.content or state:
                yield core.Reasoning(block.content or "", **state)
        case "tool_call":
            call_id = block.tool_call_id or f"call_{position}_{block.tool_name}"  # the same each time
            yield call_of(block.tool_name, call_id, block.tool_kwargs)
        case kind:
            raise ConfigurationError(f"a block of type {kind!r} cannot be sent to a model")


def _media(block: Any) -> Any:
    """Media from what a block holds: base64 (LlamaIndex encodes bytes), a file object, a path or a URL."""
    part, _, source, format = _MEDIA[block.block_type]
    data, media_type, fields = getattr(block, source), getattr(block, format), dict[str, Any]()
    if part is core.Audio:
        media_type = media_type and f"audio/{media_type}"
    elif part is core.Image:
        fields["detail"] = block.detail
    elif part is core.Document and block.title not in (None, "", "input_document"):
        fields["name"] = block.title  # the other is what LlamaIndex calls those without a title
    if isinstance(data, IOBase):
        data.seek(0)
        data = base64.b64encode(data.read())
    if data:
        if media_type:
            return part.base64(media_type, data.decode(), **fields)
        return part(base64.b64decode(data), **fields)
    if not (block.path or block.url):
        raise ConfigurationError(f"a block of type {block.block_type!r} holds no data, path or URL")
    return part(block.path or str(block.url), **fields)


# out


def response_of(answer: core.ChatResponse, delta: str | None = None) -> llama.ChatResponse:
    """A whole answer, or the end of a stream, which repeats all of it."""
    message = _message_of(answer.message, answer.usage.reasoning_tokens)
    if answer.citations:
        message.additional_kwargs["citations"] = answer.citations
    if answer.refusal:
        message.additional_kwargs["refusal"] = answer.refusal
    counts = {name: count for name, ours in _COUNTS.items() if (count := getattr(answer.usage, ours)) is not None}
    facts: dict[str, Any] = {**counts, "finish_reason": answer.finish_reason}
    if answer.adaptations:
        facts["adaptations"] = [adaptation.model_dump() for adaptation in answer.adaptations]
    raw, logprobs = _raw(answer, counts), _logprobs(answer.logprobs)
    return llama.ChatResponse(message=message, delta=delta, raw=raw, logprobs=logprobs, additional_kwargs=facts)


def completion_of(response: llama.ChatResponse) -> llama.CompletionResponse:
    """The same as a completion."""
    return llama.CompletionResponse(
        text=response.message.content or "",
        delta=response.delta,
        raw=response.raw,
        logprobs=response.logprobs,
        additional_kwargs={**response.message.additional_kwargs, **response.additional_kwargs},
    )


def responses(stream: ChatStream) -> llama.ChatResponseGen:
    """The answer so far after each piece, and all of it at the end. Dropping the generator ends the request."""
    said = 0
    with stream:
        for chunk in stream:
            if (response := _grown(stream, chunk, said)) is not None:
                said += len(response.delta or "")
                yield response
    yield response_of(stream.response, delta="")


async def aresponses(stream: AsyncChatStream) -> llama.ChatResponseAsyncGen:
    """The same from a coroutine."""
    said = 0
    async with stream:
        async for chunk in stream:
            if (response := _grown(stream, chunk, said)) is not None:
                said += len(response.delta or "")
                yield response
    yield response_of(stream.response, delta="")


def _grown(stream: ChatStream | AsyncChatStream, chunk: core.ChatChunk, said: int) -> llama.ChatResponse | None:
    """The answer so far; None after a chunk that adds nothing to the message.

    `delta` is what is new in `message.content`, which has a line break between blocks of text.
    """
    if chunk.choice or not (chunk.text or chunk.reasoning or chunk.tool_call_delta or chunk.tool_call):
        return None
    message = _message_of(stream.message)
    facts = {"thinking_delta": chunk.reasoning} if chunk.reasoning else {}
    return llama.ChatResponse(message=message, delta=(message.content or "")[said:], additional_kwargs=facts)


def _message_of(message: core.Message, thinking_tokens: int | None = None) -> llama.ChatMessage:
    calls = [dict_of(part) for part in message.parts if isinstance(part, core.ToolCall)]
    blocks, kwargs = list(_blocks_of(message.parts, thinking_tokens)), {"tool_calls": calls} if calls else {}
    return llama.ChatMessage(role=llama.MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=kwargs)


def _blocks_of(parts: Sequence[Any], thinking_tokens: int | None) -> Iterator[Any]:
    """The parts in order; texts that follow each other, as cited ones do, are one block."""
    if thinking_tokens is not None and sum(isinstance(part, core.Reasoning) for part in parts) != 1:
        thinking_tokens = None  # how many each of them took is not known
    for kind, run in groupby(parts, type):
        if kind is not core.Text:
            yield from [_block_of(part, thinking_tokens) for part in run]
        elif text := "".join([part.text for part in run]):
            yield llama.TextBlock(text=text)


def _block_of(part: core.AnyPart, thinking_tokens: int | None) -> Any:
    match part:
        case core.Reasoning():
            content, state = part.text or None, part.state
            return llama.ThinkingBlock(content=content, num_tokens=thinking_tokens, additional_information=state)
        case core.ToolCall():
            given = part.arguments if part.error is None else part.arguments_raw
            return llama.ToolCallBlock(tool_call_id=part.id, tool_name=part.name, tool_kwargs=given)
        case core.Media():
            return _media_block(part)
        case _:
            return llama.ThinkingBlock(additional_information=part.model_dump())


def _media_block(part: Any) -> Any:
    _, block, source, format = _MEDIA[part.type]
    media_type = (part.media_type or "").partition("/")[2] or None if part.type == "audio" else part.media_type
    data = None if part.data is None else base64.b64decode(part.data)
    fields = {source: data, format: media_type, "url": part.url, "title": getattr(part, "name", None)}
    return block(**{name: value for name, value in fields.items() if value is not None})


def _raw(answer: core.ChatResponse, counts: Mapping[str, int]) -> dict[str, Any]:
    """What the server sent, and where it has no such place, what tracers look for in OpenAI's."""
    sent = answer.raw if isinstance(answer.raw, Mapping) else {"body": answer.raw}
    told = sent.get("usage")
    ends = [{"index": 0, "finish_reason": answer.finish_reason}]
    known = {"id": answer.id, "model": answer.model, "created": answer.created, "choices": ends}
    usage = {**counts, **told} if isinstance(told, Mapping) else {**counts}
    return {**known, **{name: value for name, value in sent.items() if value not in (None, [])}, "usage": usage}


def _logprobs(logprobs: Any) -> list[list[llama.LogProb]] | None:
    """The candidates of each token; None where a server says it in another way, which `raw` has."""
    try:
        return [[_logprob(item) for item in token.get("top_logprobs") or [token]] for token in logprobs["content"]]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _logprob(token: Mapping[str, Any]) -> llama.LogProb:
    return llama.LogProb(token=token["token"], logprob=token.get("logprob") or 0.0, bytes=token.get("bytes") or [])
