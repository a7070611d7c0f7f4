"""LangChain's messages as the core reads them.

What LangChain has no field for (signatures, a call's own fields, the order of thoughts and text) travels as an outline
of the answer in `additional_kwargs["reasoning_details"]`, or with a block of thinking where only blocks are kept.
https://docs.langchain.com/oss/python/langchain/messages (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, ToolMessage

from langchain_llm_connector.settings import MODEL_PROVIDER
from llm_connector.types import Opaque
from llm_connector.types.blocks import is_block

__all__ = ["DETAILS", "THOUGHTS", "Block", "blocks_of", "to_core", "turn_of"]

DETAILS: Final = "reasoning_details"
THOUGHTS: Final = "reasoning_content"

Block: TypeAlias = dict[str, Any]

_ROLES = {"human": "user", "system": "system", "function": "function", "tool": "tool"}
_CALLS = frozenset(
    {"tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "function_call", "input_json_delta"}
)
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking", "reasoning_content"})


def to_core(messages: Sequence[BaseMessage]) -> list[Any]:
    """The conversation; what is no message for a model stays as it is, and the core says at which position."""
    return list(map(turn_of, messages))


def turn_of(message: BaseMessage) -> Any:
    """One message as a role/content dict."""
    if isinstance(message, AIMessage):
        turn = _answer(message)
    else:
        kind = message.type.removesuffix("MessageChunk").lower()
        role = message.role if isinstance(message, ChatMessage) else _ROLES.get(kind)
        if role is None:
            return message
        content = message.content
        turn = {"role": role, "content": content if isinstance(content, str) else list(map(_block, blocks_of(content)))}
    if isinstance(message, ToolMessage):
        turn |= {"tool_call_id": message.tool_call_id, "is_error": message.status == "error"}
    if message.name is not None:
        turn["name"] = message.name
    return turn


def blocks_of(content: Any) -> list[Any]:
    """The content as a list, without what is empty."""
    blocks = [content] if isinstance(content, str) else content or []
    return [block for block in blocks if block and (isinstance(block, str) or block.get("text") != "")]


def _block(block: Any) -> Any:
    """A block for the core to read; what it does not know may be known to the server."""
    return block if isinstance(block, str) or is_block(block) else Opaque(data=block)


def _answer(message: AIMessage) -> Block:
    """Content, thoughts and calls of an answer; `tool_calls` says which calls there are, blocks say where."""
    kwargs, known = message.additional_kwargs, message.response_metadata
    details, thoughts = kwargs.get(DETAILS), kwargs.get(THOUGHTS)
    calls: list[Any] = [*message.tool_calls, *message.invalid_tool_calls]
    if isinstance(message.content, str) and message.content and not (kwargs or calls):  # as most are
        return {"role": "assistant", "content": message.content}
    content: list[Any] = []
    for block in blocks_of(message.content):
        if isinstance(block, str):
            content.append(block)
            continue
        kind = str(block.get("type"))
        if kind in _CALLS:
            if (call := next((call for call in calls if call["id"] == block.get("id")), None)) is not None:
                calls.remove(call)
                content.append({"extras": block.get("extras"), **call})
        elif not kind.startswith("server_tool"):  # other packages' form of them is on no wire
            content.append(_block(block))
        thoughts = None if kind in _THOUGHTS else thoughts
        details = details or (block.get("extras") or {}).get(DETAILS)
    origin = known.get("model_provider")
    return {
        "role": "assistant",
        "content": [*content, *calls],
        "provider": known.get("provider") if origin == MODEL_PROVIDER else origin,
        THOUGHTS: thoughts,
        DETAILS: details,
    }
