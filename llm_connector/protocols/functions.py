"""What both wire formats of OpenAI say alike: functions, schemas, and what a refusal means."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from llm_connector.errors import ModelNotFoundError
from llm_connector.protocols.failures import ErrorDetail, error_class
from llm_connector.protocols.structured import strict_if_possible
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.types import ChatRequest, JsonSchema, Notes, Tool

__all__ = ["function_form", "lacks_responses", "named_field", "quoted", "refuses_field", "schema_form"]

_NOT_STRICT = "the schema has free keys, or keywords that strict mode refuses"
_REFUSING_CODES = ("unknown_parameter", "unsupported_parameter", "unsupported_value")
_UNKNOWN = re.compile(r"unrecognized request arg|(?:unknown|unsupported) (?:parameter|value)", re.I)
_NOT_THE_PATH = ("previous_response_not_found", "conversation_not_found", "item_not_found")
_NAMED = re.compile(r"\b(?:item|response|conversation) with id\b|previous response", re.IGNORECASE)
_PATH = re.compile(r"/responses\b|\bresponses (?:api|endpoint|operation)|unknown (?:request )?url|no route", re.I)
_MISSING = re.compile(r"not (?:found|supported|work)|un(?:known|expected|supported)|invalid url|no route", re.I)


def function_form(
    tool: Tool, request: ChatRequest, names: ToolNames, notes: Notes, *, can_be_strict: bool = True
) -> tuple[dict[str, Any], bool]:
    """Name, description and parameters of a function, and whether the model is to be held to them."""
    form: dict[str, Any] = {"name": names.wire(tool.name)}
    if tool.description:
        form["description"] = tool.description
    strict = bool(tool.strict if tool.strict is not None else request.strict_schema)
    form["parameters"] = tool.parameters
    if strict and can_be_strict:
        form["parameters"], strict = strict_if_possible(tool.parameters)
        if not strict:
            notes.add("dropped", f"strict of tool {tool.name!r}", _NOT_STRICT)
    elif strict:
        strict = False
        notes.add("dropped", f"strict of tool {tool.name!r}", "this server refuses it")
    return form, strict


def schema_form(wanted: JsonSchema, request: ChatRequest, notes: Notes) -> dict[str, Any]:
    """Name and schema of an answer; strict where that can be, unless it was asked not to be."""
    asked = request.strict_schema if request.strict_schema is not None else wanted.strict
    schema, strict = (wanted.schema_, False) if asked is False else strict_if_possible(wanted.schema_)
    if asked and not strict:
        notes.add("dropped", "strict_schema", _NOT_STRICT)
    form: dict[str, Any] = {"name": wanted.name, "schema": schema}
    return {**form, "strict": True} if strict else form


def named_field(failure: ErrorDetail, fields: Collection[str]) -> str:
    """Which of the fields an error is about; an empty string if it names none."""
    return next((name for name in (failure.param or "", *quoted(failure.message)) if name in fields), "")


def refuses_field(failure: ErrorDetail) -> bool:
    """Whether an error says that the server does not take what it names."""
    return failure.code in _REFUSING_CODES or _UNKNOWN.search(failure.message) is not None


def quoted(message: str) -> list[str]:
    """The words in quotation marks or backticks in an error message, and what follows its last colon."""
    return [*(word for mark in ("'", '"', "`") for word in message.split(mark)[1::2]), message.rpartition(": ")[2]]


def lacks_responses(failure: ErrorDetail, status: int) -> bool:
    """Whether a refusal means that the path of Responses, and not what was named in the request, does not exist."""
    if error_class(status, failure) is ModelNotFoundError or failure.code in _NOT_THE_PATH:
        return False
    if _NAMED.search(failure.message):
        return False
    says_so = _PATH.search(failure.message) is not None and _MISSING.search(failure.message) is not None
    return status in (404, 405) or (status == 400 and says_so)
