"""Bodies checked against the request types of the official Anthropic client, down to every key of every block."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter
from typing_extensions import is_typeddict

from llm_connector.protocols import AnthropicMessages
from llm_connector.types import (
    Audio,
    ChatRequest,
    Document,
    Image,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    assistant,
    system,
    tool_result,
    user,
)
from llm_connector.wire import decode_json, encode_json

types: Any = pytest.importorskip("anthropic.types")
PROTOCOL = AnthropicMessages()
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
CALL = ToolCall(
    id="toolu_1", name="weather", arguments={"city": "Oslo", "days": [1, 2]}, extra={"caller": {"type": "direct"}}
)
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
CITED = {
    "type": "char_location",
    "cited_text": "c",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
    "file_id": None,
}
CONVERSATION = [
    system(Text("Be brief.", cache="1h")),
    user("Weather?", Image.base64("image/png", PNG, cache=True), Image("https://x.test/a.png")),
    assistant(
        Reasoning("Look it up.", signature="s"),
        Reasoning(encrypted="e"),
        Text("So:", citations=[CITED]),
        Opaque(data=SEARCH),
        Opaque(data=FOUND),
        CALL,
    ),
    tool_result(CALL, "11 degrees", Image.base64("image/png", PNG), error=True),
    system("Be kind."),
    user(
        Document.base64("application/pdf", "JVBERi0=", name="a.pdf"),
        Document(b"text"),
        Audio.base64("audio/wav", "AAAA"),
    ),
]


def weather(city: str, days: list[int] | None = None) -> str:
    """Looks out of the window."""
    return f"{city} {days}"


NATIVE = {"type": "web_search_20260318", "name": "web_search", "max_uses": 5}
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "sampling": {"temperature": 2, "top_k": 4, "seed": 1, "stop": "x", "max_tokens": 5},
    "refused": {"presence_penalty": 0.5, "frequency_penalty": 0.5, "n": 2, "logprobs": 2, "logit_bias": {"1": 1}},
    "user": {"user": "me", "metadata": {"team": "x"}},
    "tools": {"tools": [weather, Tool("clock", cache="5m"), NATIVE], "parallel_tool_calls": False},
    "strict tools": {"tools": [Tool("count", parameters=SCHEMA, strict=True)], "tool_choice": "required"},
    "named choice": {"tools": [weather, Tool("clock")], "tool_choice": "clock"},
    "no choice": {"tools": [weather], "tool_choice": "none"},
    "thinking": {"reasoning": "minimal"},
    "budget": {"reasoning": 5000},
    "no thinking": {"reasoning": False},
    "json": {"response_format": "json"},
    "schema": {"response_format": SCHEMA, "reasoning": "max"},
    "cache": {"cache": "1h", "tools": [weather]},
}
MODELS = [
    "claude-3-5-haiku-20241022",
    "claude-haiku-4-5",
    "claude-opus-4-6",
    "claude-opus-5",
    "claude-sonnet-5-5",
    "other",
]


# The official client speaks the newest version of the API only, which has no sampling settings.
# https://platform.claude.com/docs/en/api/versioning (checked 2026-11)
OLDER = {"temperature", "top_p", "top_k"}


@pytest.fixture(scope="module")
def oracle():
    """The official types, made to refuse keys that they do not have."""
    importlib.import_module("anthropic.types.message_create_params")
    named = [module for name, module in sys.modules.items() if name.startswith("anthropic.types.")]
    members = {kind for module in named for _, kind in inspect.getmembers(module, is_typeddict)}
    closed = [kind for kind in members if not hasattr(kind, "__pydantic_config__")]
    for kind in closed:
        kind.__pydantic_config__ = {"extra": "forbid"}
    params = types.message_create_params
    yield {
        True: TypeAdapter(params.MessageCreateParamsStreaming),
        False: TypeAdapter(params.MessageCreateParamsNonStreaming),
        "count": TypeAdapter(types.MessageCountTokensParams),
        "block": TypeAdapter(types.ContentBlockParam),
    }
    for kind in closed:
        del kind.__pydantic_config__


def consumed(value: Any) -> Any:
    """Everything in a validated value: iterables are validated only when they are read."""
    if isinstance(value, Mapping):
        return {key: consumed(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [consumed(item) for item in value]
    return value


def check(oracle: Any, kind: Any, body: Any) -> None:
    """Raises ValidationError. Blocks are checked by themselves: in messages, answers pass as well, with any key."""
    consumed(oracle[kind].validate_python(body))
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            assert consumed(oracle["block"].validate_python(block)) == block


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", CASES)
def test_the_official_types_accept_every_body(oracle, case, model):
    request = ChatRequest.of(CONVERSATION, {"model": model, **CASES[case]})
    for stream in (False, True):
        body = decode_json(encode_json(PROTOCOL.render_chat(request, stream=stream)))
        check(oracle, stream, {field: value for field, value in body.items() if field not in OLDER})
    check(oracle, "count", decode_json(encode_json(PROTOCOL.render_count(request))))


def test_the_oracle_refuses_keys_that_it_does_not_know(oracle):
    body = PROTOCOL.render_chat(ChatRequest.of("Hi", {"model": "claude-haiku-4-5"}), stream=False)
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "index": 0}
    for wrong in ({"seed": 1}, {"messages": [{"role": "assistant", "content": [call]}]}):
        with pytest.raises(ValueError, match=r"seed|index"):
            check(oracle, False, {**body, **wrong})
