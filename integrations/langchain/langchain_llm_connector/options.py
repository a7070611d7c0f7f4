"""What may be said with a call: options by their names, tools, and the choice among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.utils.function_calling import convert_to_openai_tool

__all__ = [
    "OPTIONS",
    "OTHER_NAMES",
    "PER_CALL",
    "STREAMING",
    "checked_choice",
    "listed",
    "tool_dict",
    "tool_name",
    "with_reasoning",
]

OPTIONS = (
    *("temperature", "top_p", "top_k", "max_tokens", "stop", "seed", "n", "presence_penalty", "frequency_penalty"),
    *("logit_bias", "logprobs", "user", "parallel_tool_calls", "reasoning", "think_tags"),
)
"""Fields that are options of the core, by the same name."""

PER_CALL = frozenset(
    {
        *(*OPTIONS, "model", "tools", "tool_choice", "response_format", "strict_schema", "cache", "metadata"),
        *("extra_headers", "timeout", "max_retries"),
    }
)
STREAMING = frozenset({"stream", "stream_usage", "stream_options", "streaming"})
OTHER_NAMES = {
    "default_headers": "extra_headers",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "model_name": "model",
    "prompt_cache": "cache",
    "request_timeout": "timeout",
    "stop_sequences": "stop",
}
"""What calls may say as well, besides what `with_reasoning` reads."""


def listed(value: Any) -> list[str] | None:
    """One string as a list of it."""
    return [value] if isinstance(value, str) else value


def with_reasoning(values: dict[str, Any]) -> dict[str, Any]:
    """The one option for thinking, from the names that other classes have for it."""
    if not values.keys() & {"reasoning_effort", "thinking"}:
        return dict(values)
    values = dict(values)
    effort, thinking = values.pop("reasoning_effort", None), values.pop("thinking", None)
    if isinstance(thinking, Mapping):
        thinking = thinking.get("type") != "disabled" and (thinking.get("budget_tokens") or True)
    values.setdefault("reasoning", effort if effort is not None else thinking)
    return values


def tool_dict(tool: Any, strict: bool | None = None) -> dict[str, Any]:
    """A tool as a dict of OpenAI's shape; a provider's own tools and Anthropic's shape stay as they are."""
    if isinstance(tool, dict) and (
        "input_schema" in tool or tool.get("type", "function") not in ("function", "object")
    ):
        return tool
    made = convert_to_openai_tool(tool, strict=strict)
    if control := (getattr(tool, "extras", None) or {}).get("cache_control"):
        made["cache_control"] = control
    return made


def tool_name(tool: dict[str, Any]) -> str:
    """What a choice would call it."""
    return str(tool.get("function", tool).get("name") or tool.get("type"))


def checked_choice(choice: Any, names: list[str]) -> Any:
    """The choice of a tool, in the core's words. Raises ValueError for one that is neither a word nor a tool."""
    if isinstance(choice, Mapping) or choice in ("auto", "none", *names):
        return choice
    if choice in ("any", "required", True):
        return "required"
    raise ValueError(f"tool_choice is {choice!r}; it is 'auto', 'none', 'any' or one of the tools {names}")
