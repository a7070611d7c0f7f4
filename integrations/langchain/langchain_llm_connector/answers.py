"""Answers of llm-connector as results, chunks and content blocks of LangChain.

Blocks of a stream carry indexes that keep them apart when pieces are merged: `lc_rs_0`, `lc_txt_0`, `lc_tc_0`.
https://docs.langchain.com/oss/python/langchain/messages#standard-content-blocks (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langchain_llm_connector.messages import DETAILS, THOUGHTS, Block, blocks_of, turn_of
from langchain_llm_connector.settings import MODEL_PROVIDER
from llm_connector import ChatChunk, ChatResponse, Choice, Usage
from llm_connector.types import Audio, Document, Image, Text, Video, conversation
from llm_connector.types.blocks import block_of
from llm_connector.types.outlines import outline, state_of

__all__ = ["Pieces", "result_of", "translate", "translate_chunk"]


def result_of(response: ChatResponse, asked: Mapping[str, Any]) -> ChatResult:
    """A whole answer. Usage stands on the first of several generations, so that it is counted once.

    `asked` holds what the metadata says of the request: the provider, the model, and whether headers are wanted.
    """
    output: dict[str, Any] = {"model_name": response.model or asked["model"]}
    generations: list[ChatGeneration] = []
    for choice in response.choices:
        metadata, usage = _metadata(response, choice, asked), None if generations else _usage(response.usage)
        if usage is not None:
            prompt, answer, total = usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]
            output["token_usage"] = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": total}
            metadata["token_usage"] = response.usage.details or output["token_usage"]
        message = AIMessage(response_metadata=metadata, usage_metadata=usage, **_fields(choice))
        generations.append(ChatGeneration(message=message))
    return ChatResult(generations=generations, llm_output=output)


def _usage(usage: Usage) -> UsageMetadata | None:
    prompt, answer, total = usage.input_tokens, usage.output_tokens, usage.total_tokens
    if prompt is answer is total is None:
        return None
    prompt, answer = prompt or 0, answer or 0
    counts: Any = {"input_tokens": prompt, "output_tokens": answer, "total_tokens": total or prompt + answer}
    read = {"cache_read": usage.cached_tokens, "cache_creation": usage.cache_write_tokens}
    if known := {name: count for name, count in read.items() if count is not None}:
        counts["input_token_details"] = known
    if usage.reasoning_tokens is not None:
        counts["output_token_details"] = {"reasoning": usage.reasoning_tokens}
    return counts  # type: ignore[no-any-return]  # its keys are those of the TypedDict


def _metadata(response: ChatResponse, choice: Choice, asked: Mapping[str, Any]) -> dict[str, Any]:
    facts = {
        **response.extra,
        "model_name": response.model or asked["model"],
        "model_provider": MODEL_PROVIDER,
        "provider": asked["provider"],
        "finish_reason": choice.finish_reason_raw or choice.finish_reason,
        "normalized_finish_reason": choice.finish_reason,
        "id": response.id,
        "created": response.created,
        "request_id": response.request_id,
        "logprobs": choice.logprobs,
        "citations": response.citations or None,
        "adaptations": [adaptation.model_dump() for adaptation in response.adaptations] or None,
        "headers": response.headers if asked["headers"] else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _fields(choice: Choice) -> dict[str, Any]:
    """An answer as the fields of an `AIMessage`; content is a string unless there is more than text to show."""
    parts, calls = choice.message.parts, choice.message.tool_calls
    shown = [part for part in parts if isinstance(part, Text | Image | Document | Audio | Video)]
    said = {
        THOUGHTS: choice.message.reasoning,
        DETAILS: outline(parts),
        "refusal": choice.refusal,
        "citations": [cited for part in parts if isinstance(part, Text) for cited in part.citations or ()],
    }
    return {
        "content": choice.message.text if all(isinstance(part, Text) for part in shown) else list(map(block_of, shown)),
        "additional_kwargs": {name: value for name, value in said.items() if value},
        "tool_calls": [block_of(call) for call in calls if call.error is None],
        "invalid_tool_calls": [block_of(call) for call in calls if call.error is not None],
    }


class Pieces:
    """The chunks of one streamed answer. What LangChain adds up when it merges is said once, on the last of them."""

    __slots__ = ("_asked", "_begun", "_kind", "_runs", "_usage")

    def __init__(self, asked: Mapping[str, Any], *, usage: bool = True) -> None:
        self._asked, self._usage = asked, usage
        self._begun: dict[str, int] = {}
        self._kind = ""
        self._runs = {"text": -1, "reasoning": -1}

    def feed(self, chunk: ChatChunk) -> ChatGenerationChunk | None:
        """A piece as LangChain has it; None for one that says nothing yet."""
        if chunk.choice:  # a stream of LangChain's is one answer
            return None
        if chunk.text:
            return self._spoken("text", content=chunk.text)
        if chunk.reasoning:
            return self._spoken("reasoning", content="", additional_kwargs={THOUGHTS: chunk.reasoning})
        if (delta := chunk.tool_call_delta) is not None:
            if delta.id is not None:
                self._begun[delta.id] = delta.index
            piece = tool_call_chunk(name=delta.name, args=delta.arguments, id=delta.id, index=delta.index)
            return _chunk(content="", tool_call_chunks=[piece])
        return None

    def _spoken(self, kind: str, **fields: Any) -> ChatGenerationChunk:
        """Text or thinking, with the number of its block where a kind was taken up again."""
        if kind != self._kind:
            self._kind = kind
            self._runs[kind] += 1
        number = self._runs[kind]
        return _chunk(**fields, block=number) if number else _chunk(**fields)

    def last(self, response: ChatResponse) -> ChatGenerationChunk:
        """The end of the stream: usage, metadata, and what the answer's text does not say."""
        fields = _fields(response.choices[0])
        content, kwargs = fields["content"], fields["additional_kwargs"]
        kwargs.pop(THOUGHTS, None)
        broken = ((self._begun[call["id"]], call["args"]) for call in fields["invalid_tool_calls"])
        return _chunk(
            content="" if isinstance(content, str) else [block for block in content if block["type"] != "text"],
            additional_kwargs=kwargs,
            tool_call_chunks=[tool_call_chunk(index=index, args=_end_of(text)) for index, text in broken],
            response_metadata=_metadata(response, response.choices[0], self._asked),
            usage_metadata=_usage(response.usage) if self._usage else None,
            chunk_position="last",
            block=-1 if self._kind or self._begun else 0,  # 0: there is no other piece, and this is the answer
        )


def _end_of(arguments: str) -> str:
    """What spoils arguments that were cut, inside a text or not: LangChain completes them, and agents act on half."""
    brackets = "]" * (arguments.count("[") + 1)  # one more than can be open
    return f'{brackets}"{brackets}'


def _chunk(**fields: Any) -> ChatGenerationChunk:
    given: dict[str, Any] = {"response_metadata": {"model_provider": MODEL_PROVIDER}, **fields}
    return ChatGenerationChunk(message=AIMessageChunk(**given))


def translate(message: AIMessage) -> list[Any]:
    """Standard blocks of an answer, in its order."""
    (turn,) = conversation([turn_of(message)])
    blocks = list(map(block_of, turn.parts))
    if isinstance(message, AIMessageChunk):
        return [{**block, "index": f"lc_at_{position}"} for position, block in enumerate(blocks)]
    return blocks


def translate_chunk(chunk: AIMessageChunk) -> list[Any]:
    """Standard blocks of a piece, with indexes that keep them apart when pieces are merged."""
    number = (chunk.__pydantic_extra__ or {}).get("block", 0)
    if chunk.chunk_position == "last" and not number:
        return translate(chunk)
    blocks: list[Any] = []
    if thoughts := chunk.additional_kwargs.get(THOUGHTS):
        blocks.append({"type": "reasoning", "reasoning": thoughts, "index": f"lc_rs_{number}"})
    for item in blocks_of(chunk.content):
        text = item if isinstance(item, str) else item.get("text")
        blocks += [{"type": "text", "text": text, "index": f"lc_txt_{number}"} if text else item]
    for piece in chunk.tool_call_chunks:
        blocks.append({**piece, "type": "tool_call_chunk", "index": f"lc_tc_{piece['index']}"})
    return [*blocks, *_tail(chunk.additional_kwargs.get(DETAILS) or ())]


def _tail(details: Sequence[Block]) -> Iterator[Block]:
    """The outline of a streamed answer, beside the state of its first thought; and blocks that no piece brought."""
    for entry in details:
        if entry["type"] == "opaque":
            yield {"type": "non_standard", "value": entry["data"], "index": f"lc_op_{entry['index']}"}
    thought = next((entry for entry in details if entry["type"] == "reasoning"), None)
    if thought is None and any(entry["type"] == "text" for entry in details):
        yield {"type": "text", "text": "", "index": "lc_txt_0", "extras": {DETAILS: details}}
    elif details:
        extras = {**state_of(thought or {}), DETAILS: details}
        yield {"type": "reasoning", "reasoning": "", "index": "lc_rs_0", "extras": extras}
