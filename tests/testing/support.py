"""What the tests of the kit share: a row per wire format, and what an answer says."""

from __future__ import annotations

from typing import Any

from llm_connector import ChatResponse, Tool

ROWS = {
    "openai": "openai_compatible",
    "openai_responses": "openai_responses",
    "anthropic": "anthropic",
    "ollama": "ollama",
    "anthropic_vertex": "anthropic_vertex",
    "anthropic_bedrock": "anthropic_bedrock",
    "converse": "bedrock",
    "gemini": "gemini",
    "dashscope": "aliyun",
    "tencent": "tencent_native",
}
"""A provider of each wire format."""

_PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}}
TOOLS = [Tool("get_weather", "The weather.", _PARAMETERS), Tool("find_clock", "The time.", _PARAMETERS)]


def facts(answer: ChatResponse) -> dict[str, Any]:
    """What does not depend on the wire format."""
    usage = answer.usage
    return {
        "text": answer.text,
        "reasoning": answer.reasoning,
        "calls": [(call.name, call.arguments, call.error) for call in answer.tool_calls],
        "finish": answer.finish_reason,
        "usage": (usage.input_tokens, usage.output_tokens, usage.cached_tokens),
    }
