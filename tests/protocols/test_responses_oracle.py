"""Responses bodies checked against the official client: its own types, and what it sends for the same intent."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies
from pydantic import ValidationError

from llm_connector import LlmClient, assistant, system, tool_result, user
from llm_connector.operations import render
from llm_connector.providers import Endpoint, find
from llm_connector.types import ChatRequest, Image, Opaque, Reasoning, ToolCall
from llm_connector.wire import decode_json, encode_json
from tests.protocols.test_openai_oracle import accepted
from tests.support.golden import Golden, golden_cases
from tests.support.strategies import chat_requests
from tests.support.wire_server import Answer, Stream, WireServer, sse

openai: Any = importlib.import_module("openai")  # untyped here: one suite for its versions 2 and 3

WHOLE_BODIES = [case for case in golden_cases("responses") if case.values[0].body is not None]
EXTENSIONS = {
    "input_audio": "the documentation has it, the types of the client do not",
    "format": "OpenRouter's thoughts",
}


def responses_body(body: Mapping[str, Any]) -> None:
    params = openai.types.responses.response_create_params
    streamed = body.get("stream") is True
    accepted(params.ResponseCreateParamsStreaming if streamed else params.ResponseCreateParamsNonStreaming, body)


def known(value: Any, found: set[str]) -> Any:
    """The body without what the official types do not know."""
    if isinstance(value, list):
        kept = [item for item in value if not (isinstance(item, dict) and item.get("type") in EXTENSIONS)]
        found.update(item["type"] for item in value if item not in kept)
        return [known(item, found) for item in kept]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "reasoning":
        found.update(EXTENSIONS.keys() & value.keys())
        # The client wants an id, which the server can do without: https://github.com/openai/codex sends none.
        return {"id": "rs", **{key: item for key, item in value.items() if key not in EXTENSIONS}}
    if value.get("type") == "web_search_call":
        return {"action": {"type": "search", "query": "?"}, **value}
    return {key: known(item, found) for key, item in value.items()}


@pytest.mark.parametrize("case", WHOLE_BODIES)
def test_the_official_types_accept_every_body(case: Golden):
    responses_body(known(case.render().body, set()))


def test_every_extension_is_sent():
    found: set[str] = set()
    for case in WHOLE_BODIES:
        known(case.values[0].render().body, found)
    assert found == set(EXTENSIONS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "m", "input": "Hi", "max_tokens": 4},
        {"model": "m", "input": "Hi", "messages": []},
        {"model": "m", "input": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        {"model": "m", "input": [{"type": "function_call_output", "output": "no id"}]},
        {"model": "m", "input": [{"type": "reasoning", "encrypted_content": "no summary"}]},
        {"model": "m", "input": "Hi", "tools": [{"type": "function", "function": {"name": "f"}}]},
        {"model": "m", "input": "Hi", "text": {"format": {"type": "json_schema", "json_schema": {}}}},
        {"model": "m", "input": "Hi", "stream": True, "stream_options": {"include_usage": True}},
    ],
)
def test_the_oracle_refuses_what_is_wrong(wrong):
    with pytest.raises(ValidationError):
        responses_body(wrong)


@hypothesis.given(chat_requests(), strategies.booleans())
@hypothesis.settings(max_examples=60)
def test_the_official_types_accept_any_request(request: ChatRequest, stream: bool):
    for message in request.messages:
        if any(isinstance(part, Opaque | Reasoning) for part in message.parts):
            # Blocks of other servers, which nobody can check, and thoughts, which the golden cases have.
            message.parts = [part for part in message.parts if not isinstance(part, Opaque | Reasoning)]
    rendered = render(Endpoint(find("openai_responses"), "http://127.0.0.1:1"), request, stream=stream)
    responses_body(known(decode_json(encode_json(rendered.body)), set()))


WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CALL = ToolCall(id="call_1", name="get_weather", arguments={"city": "Oslo"}, arguments_raw='{"city":"Oslo"}')
PICTURE = "https://example.com/map.png"
THOUGHT = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAA", "summary": []}
THEIR_INPUT: list[Any] = [
    {"role": "system", "content": "Be terse."},
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "Weather here?"},
            {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
        ],
    },
    THOUGHT,
    {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Oslo"}'},
    {"type": "function_call_output", "call_id": "call_1", "output": "7°C"},
]
OUR_MESSAGES = [
    system("Be terse."),
    user("Weather here?", Image(PICTURE)),
    assistant(Reasoning(id="rs_1", encrypted="gAAAA"), CALL),
    tool_result(CALL, "7°C"),
]
ANSWER: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5.5",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Cold.", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
STREAM: list[dict[str, Any]] = [
    {"type": "response.created", "response": {**ANSWER, "status": "in_progress", "output": []}},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "msg_1", "delta": "Cold."},
    {"type": "response.completed", "response": ANSWER},
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_both_clients_send_the_same_body(wire_server: WireServer, stream: bool):
    blocks = sse(*STREAM, done=False)
    wire_server.script(*([Stream(blocks), Stream(blocks)] if stream else [Answer.json(ANSWER), Answer.json(ANSWER)]))
    base_url = f"{wire_server.url}/v1"

    with openai.OpenAI(api_key="sk-test", base_url=base_url) as official:
        answer = official.responses.create(
            model="gpt-5.5",
            input=THEIR_INPUT,
            store=False,
            include=["reasoning.encrypted_content"],
            max_output_tokens=99,
            reasoning={"effort": "low", "summary": "auto"},
            tools=[
                {"type": "function", "name": "get_weather", "description": "Now", "parameters": WEATHER, "strict": True}
            ],
            tool_choice={"type": "function", "name": "get_weather"},
            parallel_tool_calls=False,
            text={"format": {"type": "json_schema", "name": "w", "schema": {"title": "w", **WEATHER}, "strict": True}},
            stream=stream or openai.omit,
        )
        assert [event.type for event in answer][-1] == "response.completed" if stream else answer.output_text == "Cold."
    options: dict[str, Any] = {
        "max_tokens": 99,
        "reasoning": "low",
        "tools": [
            {"type": "function", "function": {"name": "get_weather", "description": "Now", "parameters": WEATHER}}
        ],
        "tool_choice": "get_weather",
        "parallel_tool_calls": False,
        "strict_schema": True,
        "response_format": {"title": "w", **WEATHER},
    }
    with LlmClient("openai_responses", api_key="sk-test", base_url=base_url, model="gpt-5.5") as ours:
        if stream:
            assert "".join(chunk.text for chunk in ours.stream(OUR_MESSAGES, **options)) == "Cold."
        else:
            assert ours.chat(OUR_MESSAGES, **options).text == "Cold."

    theirs, own = wire_server.requests
    assert own.json == theirs.json
    assert (own.method, own.path) == (theirs.method, theirs.path)
    for header in ("authorization", "content-type"):
        assert own.headers[header] == theirs.headers[header]
