"""Answers of llm-connector as results and chunks of LangChain."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langchain_llm_connector.blocks import answer_fields, chunk_of_call
from langchain_llm_connector.messages import THOUGHTS
from langchain_llm_connector.version import MODEL_PROVIDER
from llm_connector import ChatChunk, ChatResponse, Choice, Usage

__all__ = ["Pieces", "result_of"]

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def result_of(response: ChatResponse, provider: str, asked: str | None, *, headers: bool) -> ChatResult:
    """A whole answer. Usage stands on the first of several generations, so that it is counted once."""
    generations: list[ChatGeneration] = []
    output: dict[str, Any] = {"model_name": response.model or asked}
    for choice in response.choices:
        metadata = _metadata(response, choice, provider, asked, headers=headers)
        usage = None if generations else _usage(response.usage)
        if usage is not None:
            counts = usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]
            output["token_usage"] = dict(zip(_COUNTS, counts, strict=True))
            metadata["token_usage"] = response.usage.details or output["token_usage"]
        fields = answer_fields(choice.message.parts, choice.refusal)
        message = AIMessage(response_metadata=metadata, usage_metadata=usage, **fields)
        generations.append(ChatGeneration(message=message))
    return ChatResult(generations=generations, llm_output=output)


def _usage(usage: Usage) -> UsageMetadata | None:
    known = usage.input_tokens, usage.output_tokens, usage.total_tokens
    if known == (None, None, None):
        return None
    prompt, answer = usage.input_tokens or 0, usage.output_tokens or 0
    total = usage.total_tokens if usage.total_tokens is not None else prompt + answer
    metadata = UsageMetadata(input_tokens=prompt, output_tokens=answer, total_tokens=total)
    read = {"cache_read": usage.cached_tokens, "cache_creation": usage.cache_write_tokens}
    if given := {name: count for name, count in read.items() if count is not None}:
        metadata["input_token_details"] = InputTokenDetails(**given)  # type: ignore[typeddict-item]  # its keys
    if usage.reasoning_tokens is not None:
        metadata["output_token_details"] = OutputTokenDetails(reasoning=usage.reasoning_tokens)
    return metadata


def _metadata(
    response: ChatResponse, choice: Choice, provider: str, asked: str | None, *, headers: bool
) -> dict[str, Any]:
    facts = {
        **response.extra,
        "model_name": response.model or asked,
        "model_provider": MODEL_PROVIDER,
        "provider": provider,
        "finish_reason": choice.finish_reason_raw or choice.finish_reason,
        "normalized_finish_reason": choice.finish_reason,
        "id": response.id,
        "created": response.created,
        "request_id": response.request_id,
        "logprobs": choice.logprobs,
        "citations": response.citations or None,
        "adaptations": [adaptation.model_dump() for adaptation in response.adaptations] or None,
        "headers": response.headers if headers else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


class Pieces:
    """The chunks of one streamed answer. What LangChain adds up when it merges is said once, on the last of them."""

    __slots__ = ("_begun", "_kind", "_runs")

    def __init__(self) -> None:
        self._begun: set[str] = set()
        self._kind = ""
        self._runs = {"text": -1, "reasoning": -1}

    def feed(self, chunk: ChatChunk) -> ChatGenerationChunk | None:
        """A piece as LangChain has it; None for one that says nothing yet."""
        if chunk.choice:  # a stream of LangChain's is one answer
            return None
        if chunk.text:
            return self._piece("text", content=chunk.text)
        if chunk.reasoning:
            return self._piece("reasoning", content="", additional_kwargs={THOUGHTS: chunk.reasoning})
        if (delta := chunk.tool_call_delta) is not None:
            if delta.id is not None:
                self._begun.add(delta.id)
            piece = tool_call_chunk(name=delta.name, args=delta.arguments, id=delta.id, index=delta.index)
            return _chunk(content="", tool_call_chunks=[piece])
        if (call := chunk.tool_call) is not None and call.id not in self._begun:
            piece = chunk_of_call(call, len(self._begun))
            self._begun.add(call.id)
            return _chunk(content="", tool_call_chunks=[piece])
        return None

    def _piece(self, kind: str, **fields: Any) -> ChatGenerationChunk:
        """Text or thinking, with the number of its block where a kind was taken up again."""
        if kind != self._kind:
            self._kind = kind
            self._runs[kind] += 1
        number = self._runs[kind]
        return _chunk(**fields, block=number) if number else _chunk(**fields)

    def last(
        self, response: ChatResponse, provider: str, asked: str | None, *, headers: bool, usage: bool
    ) -> ChatGenerationChunk:
        """The end of the stream: usage, metadata, and what the answer's text does not say."""
        choice = response.choices[0]
        fields = answer_fields(choice.message.parts, choice.refusal)
        kwargs = {name: value for name, value in fields["additional_kwargs"].items() if name != THOUGHTS}
        content = fields["content"]
        media = [] if isinstance(content, str) else [block for block in content if block["type"] != "text"]
        message = AIMessageChunk(
            content=media or "",
            additional_kwargs=kwargs,
            response_metadata=_metadata(response, choice, provider, asked, headers=headers),
            usage_metadata=_usage(response.usage) if usage else None,
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)


def _chunk(**fields: Any) -> ChatGenerationChunk:
    message = AIMessageChunk(response_metadata={"model_provider": MODEL_PROVIDER}, **fields)
    return ChatGenerationChunk(message=message)
