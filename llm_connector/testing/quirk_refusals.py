"""Servers that refuse what others take (MS, SC, PM, and some of RS and ER): the answer depends on the request."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llm_connector.errors import BadRequestError
from llm_connector.testing.faults import Fault
from llm_connector.testing.quirk_calls import of
from llm_connector.testing.script import Answer, Scripted
from llm_connector.testing.writing import Written
from llm_connector.wire import Json

__all__ = ["REFUSALS"]

_C = "openai"
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")
_MESSAGE_KEYS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id"})

Offends = Callable[[Json], Any]


def _refuses(wires: str, name: str, message: str, offends: Offends, *, status: int = 400, **error: Any) -> Fault:
    """A server that refuses with this message what a function says of the decoded request, and answers all else."""

    def play(written: Written) -> Scripted:
        if not offends(written.request.json):
            return written.scripted()
        if error:
            told = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **error}
            return Answer.json({"error": told}, status)
        return written.refused(BadRequestError(message, status=status))

    return of(wires, name, f"refuses: {message}", play)


def _always(name: str, about: str, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Fault:
    """A refusal with this body, whatever was asked."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, bytes) else "application/json"
    answer = Answer(status, {"content-type": kind, **(headers or {})}, content)
    return of("", name, about, lambda written: answer)


def _messages(body: Json, role: str = "") -> list[dict[str, Any]]:
    return [turn for turn in body.get("messages", ()) if not role or turn["role"] == role]


def _calling(body: Json) -> list[dict[str, Any]]:
    return [turn for turn in _messages(body, "assistant") if turn.get("tool_calls")]


def _contents(body: Json) -> list[Any]:
    return [turn.get("content") for turn in _messages(body)]


def _blank(content: Any) -> bool:
    """Whether there is an empty text, or nothing but white space."""
    texts = [part["text"] for part in content if part["type"] == "text"] if isinstance(content, list) else [content]
    return "" in texts or (bool(texts) and not any(str(text).strip() for text in texts))


def _parts(body: Json, kind: str, role: str = "") -> list[dict[str, Any]]:
    found = [turn["content"] for turn in _messages(body, role) if isinstance(turn.get("content"), list)]
    return [part for content in found for part in content if part.get("type") == kind]


def _functions(body: Json) -> list[dict[str, Any]]:
    return [tool.get("function", {}) for tool in body.get("tools", ())]


def _keys(value: Any) -> Iterator[str]:
    """Every key in a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _thinks(body: Json) -> bool:
    kind = body.get("thinking")
    return body.get("enable_thinking") is True or (isinstance(kind, dict) and kind.get("type") == "enabled")


def _roles_alternate(body: Json) -> bool:
    roles = [turn["role"] for turn in _messages(body) if turn["role"] in ("user", "assistant")]
    return all(first != second for first, second in itertools.pairwise(roles))


def _unanswered(body: Json) -> set[str]:
    asked = {call["id"] for turn in _calling(body) for call in turn["tool_calls"]}
    return asked - {turn.get("tool_call_id") for turn in _messages(body, "tool")}


def _thoughtless(body: Json) -> bool:
    """Whether the last turn with calls does not begin with its thought, although thinking is on."""
    turns = [turn["content"] for turn in _messages(body, "assistant") if isinstance(turn["content"], list)]
    called = [turn for turn in turns if any(block["type"] == "tool_use" for block in turn)]
    return bool(called) and _thinks(body) and called[-1][0]["type"] not in ("thinking", "redacted_thinking")


def _bad_ids(body: Json) -> bool:
    ids = [call["id"] for turn in _calling(body) for call in turn["tool_calls"]]
    return any(not _SHORT_ID.fullmatch(name) for name in ids)


def _says_json(body: Json) -> bool:
    return "json" in json.dumps(body.get("messages", ())).lower()


def _form(body: Json) -> Any:
    form = body.get("response_format")
    return form.get("type") if isinstance(form, dict) else None


_MISSING = "The `reasoning_content` in the thinking mode must be passed back to the API."
_BLANK = "messages: text content blocks must be non-empty"
_NULL = "invalid message content type: <nil>"
_CHOICE = "Thinking mode does not support this tool_choice"
_ROLES = "Conversation roles must alternate user/assistant/user/assistant/..."

REFUSALS: tuple[Fault, ...] = (
    _refuses(_C, "RS-12", _MISSING, lambda body: any(not turn.get("reasoning_content") for turn in _calling(body))),
    _refuses(_C, "RS-13", "reasoning_content is not allowed here", lambda body: "reasoning_content" in _keys(body)),
    _refuses("anthropic", "RS-14", "Expected `thinking`, but found `tool_use`", _thoughtless),
    _refuses("anthropic", "RS-16", "Invalid `signature` in `thinking` block", lambda body: _parts(body, "thinking")),
    _refuses(
        _C,
        "RS-23",
        "parameter.enable_thinking must be set to false for non-streaming calls",
        lambda body: body.get("enable_thinking") is not False and not body.get("stream"),
    ),
    _refuses(
        _C,
        "RS-24",
        "The thinking_budget parameter must be a positive integer",
        lambda body: body.get("enable_thinking") and not body.get("thinking_budget"),
    ),
    _refuses(
        "anthropic anthropic_vertex anthropic_bedrock",
        "MS-01",
        _BLANK,
        lambda body: any(map(_blank, _contents(body))),
    ),
    _refuses(_C, "MS-02", _NULL, lambda body: any(turn.get("content", "") is None for turn in _calling(body))),
    _refuses(_C, "MS-03", _BLANK, lambda body: any(turn.get("content") == "" for turn in _calling(body))),
    _refuses(_C, "MS-04", "content must not be empty", lambda body: [] in _contents(body)),
    _refuses(_C, "MS-05", "content must be a string", lambda body: _parts(body, "text")),
    _refuses(_C, "MS-06", "developer is not one of system, user, assistant", lambda body: _messages(body, "developer")),
    _refuses(_C, "MS-07", _ROLES, lambda body: len(_messages(body, "system")) > 1),
    _refuses(_C, "MS-08", _ROLES, lambda body: not _roles_alternate(body)),
    _refuses(
        _C,
        "MS-09",
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'",
        _unanswered,
    ),
    _refuses(_C, "MS-10", "You have uploaded an unsupported image", lambda body: _parts(body, "image_url", "tool")),
    _refuses(_C, "MS-11", "Tool call id must be a-z, A-Z, 0-9, with a length of 9", _bad_ids),
    _refuses(
        _C,
        "MS-12",
        "a message has invalid field(s)",
        lambda body: any(turn.keys() - _MESSAGE_KEYS for turn in _messages(body)),
    ),
    _refuses(_C, "MS-13", "this model takes no images", lambda body: _parts(body, "image_url")),
    _refuses(
        "anthropic",
        "MS-14",
        "image.source.base64: invalid base64 data",
        lambda body: any("base64," in part["source"].get("data", "") for part in _parts(body, "image")),
    ),
    _refuses(_C, "SC-01", "unresolved $ref in the parameters", lambda body: "$ref" in _keys(body.get("tools"))),
    _refuses(
        "gemini",
        "SC-02",
        'Unknown name "$schema": Cannot find field.',
        lambda body: (
            {"$schema", "additionalProperties"}
            & {
                *_keys(
                    [
                        declared.get("parameters")
                        for tool in body.get("tools", ())
                        for declared in tool.get("functionDeclarations", ())
                    ]
                )
            }
        ),
    ),
    _refuses(
        _C,
        "SC-03",
        "object schema missing properties",
        lambda body: any("properties" not in (tool.get("parameters") or {}) for tool in _functions(body)),
    ),
    _refuses(
        _C,
        "SC-04",
        "Invalid 'tools[0].function.name': string does not match pattern",
        lambda body: any(not _NAME.fullmatch(tool["name"]) for tool in _functions(body)),
    ),
    _refuses(_C, "SC-05", _CHOICE, lambda body: _thinks(body) and body.get("tool_choice", "auto") != "auto"),
    _refuses(_C, "SC-06", "tool_choice required is not known", lambda body: body.get("tool_choice") == "required"),
    _refuses(
        "gemini",
        "SC-07",
        "The referenced name in function_response.response does not match",
        lambda body: any(
            "$ref" in _keys(part["functionResponse"])
            for content in body.get("contents", ())
            for part in content["parts"]
            if "functionResponse" in part
        ),
    ),
    _refuses(
        _C,
        "SC-08",
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        lambda body: _form(body) == "json_object" and not _says_json(body),
    ),
    _refuses(
        _C,
        "SC-09",
        "This response_format type is unavailable now",
        lambda body: _form(body) == "json_schema",
        param="response_format",
    ),
    _refuses(_C, "SC-12", "strict is not permitted", lambda body: any("strict" in tool for tool in _functions(body))),
    _refuses(
        _C,
        "PM-01",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        lambda body: "max_tokens" in body,
        param="max_tokens",
        code="unsupported_parameter",
    ),
    _refuses(
        "anthropic",
        "PM-02",
        "`temperature` and `top_p` cannot both be specified for this model",
        lambda body: {"temperature", "top_p"} <= body.keys(),
    ),
    _refuses(
        _C,
        "PM-03",
        "invalid temperature: only 1 is allowed for this model",
        lambda body: body.get("temperature", 1) != 1,
        param="temperature",
    ),
    _refuses(
        _C,
        "PM-04",
        "this model does not support the parameter 'presence_penalty'",
        lambda body: "presence_penalty" in body,
        param="presence_penalty",
    ),
    _refuses(
        _C,
        "PM-05",
        "property 'stream_options' is unsupported",
        lambda body: "stream_options" in body,
        param="stream_options",
    ),
    _refuses("anthropic", "PM-06", "max_tokens: Field required", lambda body: "max_tokens" not in body),
    _refuses(_C, "PM-07", "null is not a value", lambda body: None in body.values()),
    _refuses(
        _C,
        "PM-08",
        "Unrecognized request argument supplied: reasoning_effort",
        lambda body: "reasoning_effort" in body,
        param="reasoning_effort",
    ),
    _refuses(
        "ollama",
        "ND-06",
        "illegal base64 data at input byte 4",
        lambda body: any(image.startswith("data:") for turn in _messages(body) for image in turn.get("images", ())),
    ),
    _refuses(_C, "ER-10", "unknown variant `image_url`, expected `text`", lambda body: _parts(body, "image_url")),
    _always(
        "ER-01",
        "an error inside a list",
        400,
        [{"error": {"code": 400, "message": "Bad."}}],
    ),
    _always("ER-02", "an error in the shape of FastAPI", 422, {"detail": [{"loc": ["body"], "msg": "field required"}]}),
    _always("ER-03", "an error page", 502, b"<html><head><title>502 Bad Gateway</title></head></html>"),
    _always(
        "ER-09",
        "a prompt that is too long",
        400,
        {
            "error": {
                "message": "This model's maximum context length is 8192 tokens.",
                "code": "context_length_exceeded",
            }
        },
    ),
)
