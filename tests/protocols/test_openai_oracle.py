"""Bodies checked against the official client: its own request types, and what it sends for the same intent."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import hypothesis
import pytest
from hypothesis import strategies
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from llm_connector import LlmClient, assistant, system, tool_result, user
from llm_connector.operations import render
from llm_connector.protocols import ChatCompletions
from llm_connector.protocols.structured import strict_if_possible
from llm_connector.providers import Endpoint, find
from llm_connector.schema import inlined, mapped, model_schema
from llm_connector.types import Image, ToolCall
from llm_connector.wire import decode_json, encode_json
from tests.support.golden import Golden, golden_cases
from tests.support.strategies import chat_requests
from tests.support.wire_server import Answer, Stream, WireServer, sse

openai: Any = importlib.import_module("openai")  # untyped here: one suite for its versions 2 and 3

# What servers other than OpenAI's document on top of its format. The row `openai` may send none of it.
EXTENSIONS = {
    "builtin_function": "Moonshot: https://platform.kimi.ai/docs/guide/use-web-search",
    "chat_template_kwargs": "vLLM: https://docs.vllm.ai/en/latest/features/reasoning_outputs.html",
    "context_id": "Volcengine: https://www.volcengine.com/docs/82379/1396491",
    "disable_reasoning": "Cerebras: https://inference-docs.cerebras.ai/capabilities/reasoning",
    "document_url": "Mistral: https://docs.mistral.ai/capabilities/document_ai",
    "enable_thinking": "Qwen: https://www.alibabacloud.com/help/en/model-studio/deep-thinking",
    "partial": "Moonshot, Qwen: https://platform.kimi.ai/docs/api/partial",
    "prefix": "Mistral: https://docs.mistral.ai/capabilities/completion/prefix",
    "prompt_mode": "Mistral: https://docs.mistral.ai/capabilities/reasoning",
    "random_seed": "Mistral: https://docs.mistral.ai/api",
    "reasoning_format": "Groq: https://console.groq.com/docs/reasoning",
    "reasoning_split": "MiniMax: https://platform.minimaxi.com/docs/api-reference/text-openai-api",
    "thinking_budget": "Qwen: https://www.alibabacloud.com/help/en/model-studio/deep-thinking",
    "cache_control": "OpenRouter: https://openrouter.ai/docs/features/prompt-caching",
    "extra_content": "Gemini's thought signatures: https://ai.google.dev/gemini-api/docs/openai",
    "reasoning": "vLLM, OpenRouter: https://docs.vllm.ai/en/latest/features/reasoning_outputs.html",
    "reasoning_content": "DeepSeek: https://api-docs.deepseek.com/guides/thinking_mode",
    "reasoning_details": "OpenRouter: https://openrouter.ai/docs/use-cases/reasoning-tokens",
    "thinking": "DeepSeek, Moonshot, Zhipu: https://api-docs.deepseek.com/guides/thinking_mode",
    "tool_stream": "Zhipu: https://docs.z.ai/guides/tools/stream-tool",
    "top_k": "vLLM, llama.cpp: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
    "user_id": "Zhipu: https://docs.z.ai/api-reference/llm/chat-completion",
    "video_url": "vLLM, Moonshot, Zhipu: https://docs.vllm.ai/en/latest/features/multimodal_inputs.html",
    "web_search": "Zhipu: https://docs.z.ai/guides/tools/web-search",
}
WHOLE_BODIES = [case for case in golden_cases("chat_completions") if case.values[0].body is not None]


def accepted(kind: Any, value: Any) -> None:
    """Raise ValidationError unless the official types know every key and value, exactly."""
    exhaust(adapter(kind).validate_python([value], strict=True))


@functools.cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    # in a list, because a TypedDict alone takes no configuration
    listed: Any = list.__class_getitem__(kind)
    return TypeAdapter(listed, config=ConfigDict(extra="forbid"))


def exhaust(value: Any) -> None:
    """Walk through what pydantic made of an `Iterable`: it checks the items as they are taken."""
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for item in value:
            exhaust(item)


def chat_body(body: Mapping[str, Any]) -> None:
    params = openai.types.chat.completion_create_params
    streamed = body.get("stream") is True
    accepted(params.CompletionCreateParamsStreaming if streamed else params.CompletionCreateParamsNonStreaming, body)


def without_extensions(value: Any, found: set[str]) -> Any:
    if isinstance(value, list):
        return [without_extensions(item, found) for item in value if not is_extension(item, found)]
    if not isinstance(value, dict):
        return value
    found.update(EXTENSIONS.keys() & value.keys())
    return {key: without_extensions(item, found) for key, item in value.items() if key not in EXTENSIONS}


def is_extension(item: Any, found: set[str]) -> bool:
    known = isinstance(item, dict) and item.get("type") in EXTENSIONS
    if known:
        found.add(item["type"])
    return known or _other_sound(item) or _other_file(item)


def _other_sound(item: Any) -> bool:
    """A sound by URL or as a bare string, as Aliyun, Volcengine and Mistral take it: the official one is embedded."""
    if not isinstance(item, dict) or item.get("type") != "input_audio":
        return False
    return not isinstance(item["input_audio"], dict) or item["input_audio"].keys() != {"data", "format"}


def _other_file(item: Any) -> bool:
    """An uploaded file as Mistral takes it, whose id stands in the part itself."""
    return isinstance(item, dict) and item.get("type") == "file" and "file_id" in item


@pytest.mark.parametrize("case", WHOLE_BODIES)
def test_the_official_types_accept_every_body(case: Golden):
    body = case.render().body
    if case.spec.name != "openai":
        body = without_extensions(body, set())
        protocol = case.spec.protocol
        if isinstance(protocol, ChatCompletions) and body.get("tool_choice") == protocol.required_choice:
            body["tool_choice"] = "required"
    chat_body(body)


def test_every_extension_is_sent_by_some_server():
    found: set[str] = set()
    for case in WHOLE_BODIES:
        without_extensions(case.values[0].body, found)
    assert found == set(EXTENSIONS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "m"},
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "top_k": 4},
        {"model": "m", "messages": [{"role": "user", "content": "Hi", "reasoning_content": ""}]},
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "bare"}]}]},
        {"model": "m", "messages": [{"role": "tool", "content": "no id"}]},
        {"model": "m", "messages": [], "tools": [{"type": "function", "function": {"name": "f", "input_schema": {}}}]},
        {"model": "m", "messages": [], "max_completion_tokens": 1.5},
        {"model": "m", "messages": [], "stream": True, "stream_options": {"usage": True}},
    ],
)
def test_the_oracle_refuses_what_is_wrong(wrong):
    with pytest.raises(ValidationError):
        chat_body(wrong)


def test_the_official_types_accept_embedding_bodies():
    accepted(openai.types.EmbeddingCreateParams, ChatCompletions().render_embed(["a", "b"], "text-embedding-3-small"))


WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CALL = ToolCall(id="call_1", name="get_weather", arguments={"city": "Oslo"}, arguments_raw='{"city":"Oslo"}')
PICTURE = "https://example.com/map.png"
SETTINGS: dict[str, Any] = {
    "model": "m",
    "temperature": 0.5,
    "seed": 7,
    "stop": ["END"],
    "logit_bias": {"50256": -100},
    "metadata": {"job": "7"},
    "parallel_tool_calls": False,
    "tools": [
        {
            "type": "function",
            "function": {"name": "get_weather", "description": "Now", "parameters": WEATHER, "strict": True},
        }
    ],
}
THEIR_MESSAGES = [
    {"role": "system", "content": "Be terse."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Weather here?"},
            {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "7°C"},
]
OUR_MESSAGES = [
    system("Be terse."),
    user("Weather here?", Image(PICTURE, detail="low")),
    assistant(CALL),
    tool_result(CALL, "7°C"),
]
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5.5",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Cold."}, "finish_reason": "stop"}],
}
CHUNK = {**ANSWER, "object": "chat.completion.chunk"}
CHUNK["choices"] = [{"index": 0, "delta": {"content": "Cold."}, "finish_reason": "stop"}]


def test_both_clients_send_the_same_body(wire_server: WireServer):
    wire_server.route("/v1/chat/completions", Answer.json(ANSWER))
    base_url = f"{wire_server.url}/v1"

    with openai.OpenAI(api_key="sk-test", base_url=base_url) as official:
        official.chat.completions.create(
            messages=THEIR_MESSAGES,
            max_completion_tokens=99,
            reasoning_effort="low",
            tool_choice={"type": "function", "function": {"name": "get_weather"}},
            response_format={"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER, "strict": True}},
            **SETTINGS,
        )
    with LlmClient("openai", api_key="sk-test", base_url=base_url) as ours:
        ours.chat(
            OUR_MESSAGES,
            max_tokens=99,
            reasoning="low",
            tool_choice="get_weather",
            response_format={"title": "w", **WEATHER},
            **SETTINGS,
        )

    theirs, own = wire_server.requests
    expected = theirs.json
    expected["response_format"]["json_schema"]["schema"]["title"] = "w"
    assert own.json == expected
    assert (own.method, own.path) == (theirs.method, theirs.path)
    for header in ("authorization", "content-type", "accept"):
        assert own.headers[header] == theirs.headers[header]


def test_both_clients_ask_for_the_same_stream(wire_server: WireServer):
    wire_server.script(Stream(sse(CHUNK)), Stream(sse(CHUNK)))
    base_url = f"{wire_server.url}/v1"

    with openai.OpenAI(api_key="sk-test", base_url=base_url) as official:
        chunks = official.chat.completions.create(
            messages=THEIR_MESSAGES, stream=True, stream_options={"include_usage": True}, **SETTINGS
        )
        assert [chunk.choices[0].delta.content for chunk in chunks] == ["Cold."]
    with LlmClient("openai", api_key="sk-test", base_url=base_url) as ours:
        assert "".join(chunk.text for chunk in ours.stream(OUR_MESSAGES, **SETTINGS)) == "Cold."

    theirs, own = wire_server.requests
    assert own.json == theirs.json


class Wind(BaseModel):
    speed: float
    unit: Literal["m/s", "kn"]


class Forecast(BaseModel):
    """The weather of a day."""

    city: str
    wind: Wind
    gusts: list[Wind]
    note: str | None


def test_a_class_becomes_the_strict_schema_that_the_official_client_makes():
    theirs = importlib.import_module("openai.lib._pydantic").to_strict_json_schema(Forecast)
    ours, closed = strict_if_possible(model_schema(Forecast))

    assert closed
    assert untitled(ours) == untitled(inlined(theirs))


def untitled(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapped(schema, untitled).items() if key != "title"}


@hypothesis.given(chat_requests(), strategies.booleans())
@hypothesis.settings(max_examples=60)
def test_the_official_types_accept_any_request(request, stream):
    rendered = render(Endpoint(find("openai"), "http://127.0.0.1:1"), request, stream=stream)
    chat_body(decode_json(encode_json(rendered.body)))
