"""Answers as LangChain's content and content blocks, whole and in pieces.

Blocks of a stream carry indexes that keep them apart when pieces are merged: `lc_rs_0`, `lc_txt_0`, `lc_tc_0`.
https://docs.langchain.com/oss/python/langchain/messages#standard-content-blocks (checked 2026-11)
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall
from langchain_core.messages import ToolCall as LangChainCall
from langchain_core.messages.tool import tool_call_chunk

from langchain_llm_connector.messages import (
    MEDIA,
    PLAN,
    STATE,
    THOUGHTS,
    Block,
    answer_parts,
    blocks_of,
    kind_of,
    state_of,
)
from llm_connector.types import AnyPart, Media, Opaque, Reasoning, Text, ToolCall

__all__ = ["answer_fields", "chunk_of_call", "translate", "translate_chunk"]


def _plan_of(parts: Sequence[AnyPart]) -> list[Block]:
    """How to put an answer together again; empty for text and calls without anything special."""
    plan: list[Block] = []
    special = False
    for index, part in enumerate(parts):
        entry: Block = {"index": index, "type": part.type}
        if isinstance(part, Text | Reasoning):
            entry["length"] = len(part.text)
        if isinstance(part, Reasoning):
            entry.update({name: value for name in STATE if (value := getattr(part, name)) is not None})
        elif isinstance(part, ToolCall):
            entry["call_id"] = part.id
            if part.extra is not None:
                entry.update(provider=part.provider, extra=part.extra)
        elif isinstance(part, Opaque):
            entry.update(provider=part.provider, data=part.data)
        elif isinstance(part, Media):
            entry["type"] = "media"
        special = special or not isinstance(part, Text | ToolCall) or "extra" in entry
        plan.append(entry)
    calls_last = all(type(part) is ToolCall for part in itertools.dropwhile(lambda part: type(part) is Text, parts))
    return plan if special or not calls_last else []


def answer_fields(parts: Sequence[AnyPart], refusal: str | None) -> dict[str, Any]:
    """An answer as the fields of an `AIMessage`."""
    kwargs: dict[str, Any] = {}
    if thoughts := "".join(part.text for part in parts if isinstance(part, Reasoning)):
        kwargs[THOUGHTS] = thoughts
    if plan := _plan_of(parts):
        kwargs[PLAN] = plan
    if refusal:
        kwargs["refusal"] = refusal
    if citations := [cited for part in parts if isinstance(part, Text) for cited in part.citations or ()]:
        kwargs["citations"] = citations
    calls = [part for part in parts if isinstance(part, ToolCall)]
    shown = [part for part in parts if isinstance(part, Text | Media)]
    content: Any = [_shown(part) for part in shown]
    if all(isinstance(part, Text) for part in shown):
        content = "".join(part.text for part in shown if isinstance(part, Text))
    return {
        "content": content,
        "additional_kwargs": kwargs,
        "tool_calls": [_call(call) for call in calls if call.error is None],
        "invalid_tool_calls": [_broken(call) for call in calls if call.error is not None],
    }


def _call(call: ToolCall) -> LangChainCall:
    return {"name": call.name, "args": call.arguments, "id": call.id, "type": "tool_call"}


def _broken(call: ToolCall) -> InvalidToolCall:
    return InvalidToolCall(
        name=call.name, args=call.arguments_raw, id=call.id, error=call.error, type="invalid_tool_call"
    )


def _shown(part: Text | Media) -> Block:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    kind = next(name for name, made in MEDIA.items() if isinstance(part, made))
    if part.url is not None:
        return {"type": kind, "url": part.url}
    return {"type": kind, "base64": part.data, "mime_type": part.media_type}


def chunk_of_call(call: ToolCall, index: int) -> Any:
    """A call that came whole."""
    arguments = call.arguments_raw or json.dumps(call.arguments, ensure_ascii=False)
    return tool_call_chunk(name=call.name, args=arguments, id=call.id, index=index)


def _block_index(kind: str, number: int) -> str:
    return f"lc_{kind}_{number}"


def translate(message: AIMessage) -> list[Any]:
    """Standard blocks of an answer, in its order."""
    blocks = [_block(part, position) for position, part in enumerate(answer_parts(message))]
    if isinstance(message, AIMessageChunk):
        for position, block in enumerate(blocks):
            block["index"] = _block_index("at", position)
    return blocks


def _block(part: AnyPart, position: int) -> Block:
    match part:
        case Reasoning():
            state = state_of(part.model_dump())
            extras = {"extras": {**state, "position": position}} if state else {}
            return {"type": "reasoning", "reasoning": part.text, **extras}
        case ToolCall():
            extras = {"extras": {"provider": part.provider, **part.extra}} if part.extra else {}
            return {**(_call(part) if part.error is None else _broken(part)), **extras}
        case Text() | Media():
            return _shown(part)
        case _:
            return {"type": "non_standard", "value": part.data if isinstance(part, Opaque) else part.model_dump()}


def translate_chunk(chunk: AIMessageChunk) -> list[Any]:
    """Standard blocks of a piece, with indexes that keep them apart when pieces are merged."""
    kwargs = chunk.additional_kwargs
    plan, thoughts = kwargs.get(PLAN), kwargs.get(THOUGHTS)
    if chunk.chunk_position == "last" and not _is_tail(chunk, plan):
        return translate(chunk)
    number = (chunk.__pydantic_extra__ or {}).get("block", 0)
    blocks: list[Block] = []
    if thoughts:
        blocks.append({"type": "reasoning", "reasoning": thoughts, "index": _block_index("rs", number)})
    for item in blocks_of(chunk.content):
        if kind_of(item) == "text":
            text = item if isinstance(item, str) else item["text"]
            blocks.append({"type": "text", "text": text, "index": _block_index("txt", number)})
        else:
            blocks.append(item)
    for piece in chunk.tool_call_chunks:
        index = piece["index"] if piece["index"] is not None else len(blocks)
        blocks.append({**piece, "type": "tool_call_chunk", "index": _block_index("tc", index)})
    return [*blocks, *_tail(plan)] if isinstance(plan, list) else blocks


def _is_tail(chunk: AIMessageChunk, plan: Any) -> bool:
    """Whether this is the last piece alone, whose plan is of text that came before it."""
    if not isinstance(plan, list) or chunk.content or chunk.additional_kwargs.get(THOUGHTS):
        return False
    return any(entry.get("length") for entry in plan) or not chunk.tool_call_chunks


def _tail(plan: list[Block]) -> list[Block]:
    """What the plan adds to blocks that were streamed, and blocks without text, which were not."""
    runs = {"reasoning": -1, "text": -1}
    last, calls = "", 0
    blocks: list[Block] = []
    thoughts: dict[str, Block] = {}
    for entry in plan:
        kind, place = entry["type"], entry["index"]
        if kind == "tool_call":
            if extra := entry.get("extra"):
                extras = {"provider": entry.get("provider"), **extra}
                piece = tool_call_chunk(name=None, args="", id=None, index=None)
                blocks.append(
                    {**piece, "type": "tool_call_chunk", "index": _block_index("tc", calls), "extras": extras}
                )
            calls += 1
        elif kind == "opaque":
            blocks.append({"type": "non_standard", "value": entry["data"], "index": _block_index("op", place)})
        elif kind in runs:
            if entry["length"]:
                runs[kind] += kind != last
                last = kind
            if kind == "reasoning":
                index = _block_index("rs", runs[kind]) if entry["length"] else _block_index("rs_at", place)
                if index not in thoughts:
                    thoughts[index] = {
                        "type": "reasoning",
                        "reasoning": "",
                        "index": index,
                        "extras": {"position": place},
                    }
                    blocks.append(thoughts[index])
                extras = thoughts[index]["extras"]
                extras.setdefault("parts", []).append({**state_of(entry), "length": entry["length"]})
                extras.update(state_of(entry))
    for block in thoughts.values():
        if len(block["extras"]["parts"]) == 1:
            del block["extras"]["parts"]
    return blocks
