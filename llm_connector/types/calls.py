"""Tool calls as they are written elsewhere: arguments as text or as an object, ids that may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_connector.types.messages import ToolCall
from llm_connector.wire import decode_json, encode_json

__all__ = ["arguments_of", "call_of", "dict_of", "made_id", "parsed_arguments"]


def call_of(name: str, call_id: str | None, arguments: Any, **fields: Any) -> ToolCall:
    """A call whose arguments may be text that is not JSON; it is kept, with the reason. `fields` are further ones."""
    call_id = call_id or made_id(name)
    if isinstance(arguments, Mapping):
        return ToolCall(id=call_id, name=name, arguments=dict(arguments), **fields)
    raw = arguments or ""
    parsed, error = parsed_arguments(raw)
    return ToolCall(id=call_id, name=name, arguments=parsed, arguments_raw=raw, error=error, **fields)


def dict_of(call: ToolCall) -> dict[str, Any]:
    """A call in OpenAI's form, which `conversation` reads; the provider's own fields of it are in `extra`."""
    function = {"name": call.name, "arguments": arguments_of(call)}
    form = {"id": call.id, "type": "function", "function": function}
    return form if call.extra is None else {**form, "provider": call.provider, "extra": call.extra}


def arguments_of(call: ToolCall) -> str:
    """The JSON text of a call's arguments; readers parse it, so it is never empty."""
    if call.arguments_raw.strip() not in ("", "null"):
        return call.arguments_raw
    return encode_json(call.arguments).decode()


def made_id(function: str) -> str:
    """The id of a call that has none, such that its result finds it."""
    return f"call_{function}"


def parsed_arguments(raw: str) -> tuple[dict[str, Any], str | None]:
    """The object in a call's JSON text, and what is wrong with it. Empty, `null` and white space mean no arguments."""
    text = raw.strip()
    if not text or text in ("null", '"null"', '""'):
        return {}, None
    try:
        value = decode_json(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        return {}, f"the arguments are not JSON: {error}"
    if isinstance(value, str):  # an object written as a JSON string inside JSON
        return parsed_arguments(value) if value != raw else ({}, "the arguments are not a JSON object")
    if not isinstance(value, dict):
        return {}, f"the arguments are not a JSON object but {type(value).__name__}"
    return value, None
