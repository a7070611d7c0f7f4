"""Requests of the Chat Completions wire format, read.

https://platform.openai.com/docs/api-reference/chat/create (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_connector.errors import ConfigurationError, UnsupportedError
from llm_connector.formats.reading import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    STRINGS,
    Table,
    choice_asked,
    effort_asked,
    flag,
    items,
    logprobs_asked,
    request_of,
    required_text,
    rest_of,
    schema_asked,
    settings,
    the_object,
    tool_list,
)
from llm_connector.types import ChatRequest, ReasoningOption, Tool
from llm_connector.wire import Json

__all__ = ["parse_completion", "wants_usage"]

_SETTINGS: Table = {
    "temperature": ("temperature", NUMBER),
    "top_p": ("top_p", NUMBER),
    "top_k": ("top_k", INTEGER),
    "max_completion_tokens": ("max_tokens", INTEGER),
    "max_tokens": ("max_tokens", INTEGER),
    "stop": ("stop", STRINGS),
    "seed": ("seed", INTEGER),
    "n": ("n", INTEGER),
    "presence_penalty": ("presence_penalty", NUMBER),
    "frequency_penalty": ("frequency_penalty", NUMBER),
    "logit_bias": ("logit_bias", OBJECT),
    "user": ("user", STRING),
    "safety_identifier": ("user", STRING),
    "parallel_tool_calls": ("parallel_tool_calls", BOOLEAN),
    "metadata": ("metadata", OBJECT),
}
_READ = (
    *("model", "messages", "stream", "stream_options", "tools", "functions", "tool_choice", "function_call"),
    *("response_format", "logprobs", "top_logprobs", "reasoning_effort", "reasoning", "thinking", "enable_thinking"),
)


def parse_completion(body: Json) -> tuple[ChatRequest, bool, dict[str, Any]]:
    """The request, whether it wants a stream, and the fields that have no place in it."""
    body = the_object(body)
    messages = items(body, "messages")
    if not messages:
        raise ConfigurationError("messages: there are none; give a list of role/content objects")
    messages = [_message(message, f"messages[{position}]") for position, message in enumerate(messages)]
    options = {"model": required_text(body, "model"), **settings(body, _SETTINGS)}
    options |= _tools(body)
    options["logprobs"] = logprobs_asked(body)
    options["reasoning"] = _reasoning(body)
    options["response_format"] = schema_asked(body.get("response_format"), "response_format")
    return request_of(messages, options), flag(body, "stream"), rest_of(body, _SETTINGS, _READ)


def wants_usage(body: Mapping[str, Any]) -> bool:
    """Whether a stream is to end with its usage."""
    options = body.get("stream_options")
    return options is not None and flag(the_object(options, "stream_options"), "include_usage")


def _message(message: dict[str, Any], place: str) -> dict[str, Any]:
    """A message as all our requests take it: with refusals as text, and calls of custom tools in the shape of others.

    Raises UnsupportedError for files that lie on a server.
    """
    if "parts" in message:  # what `model_dump` writes is no business of somebody else
        raise ConfigurationError(f"{place}: 'parts' is unknown here; give content")
    content, calls = message.get("content"), message.get("tool_calls")
    if isinstance(content, list):
        content = [_content(part, f"{place}.content[{number}]") for number, part in enumerate(content)]
        message = {**message, "content": content}
    if calls is not None and any("custom" in call for call in items(message, "tool_calls", f"{place}.")):
        message = {**message, "tool_calls": [_custom(call) for call in calls]}
    return message


def _content(part: Any, place: str) -> Any:
    if not isinstance(part, dict):
        return part
    if part.get("type") == "refusal":
        return {"type": "text", "text": part.get("refusal")}
    file = part.get("file")
    if isinstance(file, dict) and "file_id" in file and "file_data" not in file:
        raise UnsupportedError(f"{place}: files are not kept here; send the file itself as file_data")
    return part


def _custom(call: dict[str, Any]) -> dict[str, Any]:
    custom = call.get("custom")
    if not isinstance(custom, dict):
        return call
    return {"id": call.get("id"), "function": {"name": custom.get("name"), "arguments": custom.get("input")}}


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    wire = items(body, "tools") or [{"type": "function", "function": form} for form in items(body, "functions")]
    tools = tool_list(wire)
    if not tools:
        return {}
    choice = body.get("tool_choice", body.get("function_call"))
    if not isinstance(choice, dict):
        return {"tools": tools, "tool_choice": choice_asked("required" if choice == "any" else choice)}
    if choice.get("type") == "allowed_tools":
        tools, choice = _allowed(tools, the_object(choice.get("allowed_tools"), "tool_choice.allowed_tools"))
        return {"tools": tools, "tool_choice": choice}
    named = choice.get("function") or choice.get("custom") or choice
    return {"tools": tools, "tool_choice": required_text(the_object(named), "name", "tool_choice.")}


def _allowed(tools: list[Tool], allowed: Mapping[str, Any]) -> tuple[list[Tool], Any]:
    """The tools that are allowed, and how: our requests can only offer fewer."""
    forms = items(allowed, "tools", "tool_choice.allowed_tools.")
    names = {str((form.get("function") or form).get("name")) for form in forms}
    return [tool for tool in tools if tool.name in names], allowed.get("mode")


def _reasoning(body: Mapping[str, Any]) -> ReasoningOption:
    """Any of the ways in which servers of this format are asked to think."""
    if body.get("reasoning_effort") is not None:
        return effort_asked(body["reasoning_effort"], "reasoning_effort")
    if body.get("reasoning") is not None:
        asked = the_object(body["reasoning"], "reasoning")
        if asked.get("effort") is not None:
            return effort_asked(asked["effort"], "reasoning.effort")
        budget = settings(asked, {"max_tokens": ("budget", INTEGER)}, "reasoning.").get("budget")
        enabled = asked.get("enabled")
        return budget if budget is not None else enabled if isinstance(enabled, bool) else None
    if body.get("thinking") is not None:
        asked = the_object(body["thinking"], "thinking")
        if asked.get("type") == "disabled":
            return False
        budget = settings(asked, {"budget_tokens": ("budget", INTEGER)}, "thinking.").get("budget")
        return True if budget is None else int(budget)
    return flag(body, "enable_thinking") if body.get("enable_thinking") is not None else None
