"""Bodies and addresses checked against the official Ollama client: its request types and its reading of a host."""

from __future__ import annotations

import importlib
from typing import Any

import httpx
import pytest

from llm_connector import ollama as management
from llm_connector.protocols import OllamaChat
from llm_connector.types import ChatRequest, Image, Reasoning, Tool, ToolCall, assistant, system, tool_result, user
from llm_connector.wire import decode_json, encode_json

types: Any = pytest.importorskip("ollama._types")
PROTOCOL = OllamaChat()
CALL = ToolCall(id="call_1", name="weather", arguments={"city": "Tokyo", "days": [1, 2]})
CONVERSATION = [
    system("Be brief."),
    user("Weather?", Image.base64("image/png", "iVBORw0KGgo=")),
    assistant(Reasoning("Look it up."), CALL),
    tool_result(CALL, "11 degrees"),
]


def weather(city: str, days: list[int] | None = None) -> str:
    """Looks out of the window."""
    return f"{city} {days}"


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "sampling": {"temperature": 1, "top_p": 0.9, "top_k": 4, "seed": 1, "stop": "x", "max_tokens": 5},
    "penalties": {"presence_penalty": 0.5, "frequency_penalty": 0.5, "n": 2, "user": "me"},
    "tools": {"tools": [weather, Tool("clock")]},
    "named choice": {"tools": [weather, Tool("clock")], "tool_choice": "clock"},
    "thinking": {"reasoning": "minimal"},
    "no thinking": {"reasoning": False},
    "json": {"response_format": "json"},
    "schema": {"response_format": SCHEMA},
    "logprobs": {"logprobs": 5},
}


# What the server reads although the client's types do not have it yet.
# https://github.com/ollama/ollama/blob/main/api/types.go (checked 2026-11)
NEWER_MESSAGE, NEWER_CALL = {"tool_call_id"}, {"id"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_the_official_types_accept_every_body(case, stream):
    request = ChatRequest.of(CONVERSATION, {"model": "qwen3", **CASES[case]})
    body = decode_json(encode_json(PROTOCOL.render_chat(request, stream=stream)))

    parsed = types.ChatRequest.model_validate(body)

    assert set(body) <= set(types.ChatRequest.model_fields)
    assert set(body.get("options", ())) <= set(types.Options.model_fields)
    types.Options.model_validate(body.get("options", {}), strict=True)
    for message in body["messages"]:
        assert set(message) <= set(types.Message.model_fields) | NEWER_MESSAGE
        images = [types.Image(value=image) for image in message.get("images", ())]
        types.Message.model_validate({**message, "images": images}, strict=True)
        assert [image.model_dump() for image in images] == message.get("images", [])
        for call in message.get("tool_calls", ()):
            assert set(call) <= set(types.Message.ToolCall.model_fields) | NEWER_CALL
    for tool, seen in zip(body.get("tools", ()), parsed.tools or (), strict=True):
        function = tool["function"]
        assert seen.function.name == function["name"]
        assert set(seen.function.parameters.properties or ()) == set(function["parameters"]["properties"])


def test_embedding_bodies():
    body = PROTOCOL.render_embed(["a", "b"], "m")
    assert types.EmbedRequest.model_validate(body).model_dump(exclude_none=True) == body


@pytest.mark.parametrize(
    ("body", "kind", "fields"),
    [
        (management.show("m").body, "ShowRequest", {"model": "m"}),
        (management.delete("m").body, "DeleteRequest", {"model": "m"}),
        (management.copy("m", "n").body, "CopyRequest", {"source": "m", "destination": "n"}),
        (management.pull("m", insecure=True).body, "PullRequest", {"model": "m", "insecure": True, "stream": True}),
        (management.push("m").body, "PushRequest", {"model": "m", "stream": True}),
        (
            management.create("m", "n", system="s", parameters={"seed": 1}, license=["MIT"], quantize="q8_0").body,
            "CreateRequest",
            {"model": "m", "from_": "n", "system": "s", "parameters": {"seed": 1}, "license": ["MIT"]}
            | {"quantize": "q8_0", "stream": True},
        ),
    ],
)
def test_management_bodies_are_those_of_the_official_client(body, kind, fields):
    assert getattr(types, kind)(**fields).model_dump(exclude_none=True) == body


@pytest.mark.parametrize(
    "value",
    [
        *("", "1.2.3.4", ":56789", "1.2.3.4:56789", "http://1.2.3.4", "https://1.2.3.4", "https://1.2.3.4:56789"),
        *("example.com", "example.com:56789", "http://example.com", "https://example.com:56789", "example.com/"),
        *("example.com:56789/", "example.com/path", "https://example.com:56789/path", "example.com:56789/path/"),
        *("[0001:002:003:0004::1]", "[0001:002:003:0004::1]:56789", "http://[0001:002:003:0004::1]"),
        *("[0001:002:003:0004::1]/", "https://[0001:002:003:0004::1]:56789/path", "[0001:002:003:0004::1]:56789/path/"),
    ],
)
def test_hosts_are_read_as_the_official_client_reads_them(value):
    client = importlib.import_module("ollama._client")
    assert httpx.URL(management.ollama_host(value)) == httpx.URL(client._parse_host(value))
