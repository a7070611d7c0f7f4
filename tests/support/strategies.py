"""Hypothesis strategies: requests as callers make them."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import strategies as st

from llm_connector.types import (
    Audio,
    CacheMark,
    ChatRequest,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Video,
)

text = st.text(max_size=40)
words = st.text("abcdefghij_-0123456789", min_size=1, max_size=12)
cache_marks: st.SearchStrategy[CacheMark] = st.sampled_from([None, True, "5m", "1h"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(text, json_values, max_size=3)


@st.composite
def media(draw: st.DrawFn, kind: Any, family: str) -> Any:
    more: dict[str, Any] = {"cache": draw(cache_marks)}
    if kind is Document:
        more["name"] = draw(st.none() | words)
    if draw(st.booleans()):
        return kind(f"https://example.com/{draw(words)}", **more)
    data = base64.b64encode(draw(st.binary(min_size=1, max_size=12))).decode()
    return kind.base64(draw(st.sampled_from(family.split())), data, **more)


texts = st.builds(Text, text, cache=cache_marks)
images = media(Image, "image/png image/jpeg")
documents = media(Document, "application/pdf text/plain")
shown = st.one_of(texts, images, documents, media(Audio, "audio/wav audio/mpeg"), media(Video, "video/mp4"))
thoughts = st.builds(
    Reasoning,
    text,
    provider=st.sampled_from([None, "openai", "deepseek", "anthropic"]),
    signature=st.none() | words,
    encrypted=st.none() | words,
    id=st.none() | words,
    field=st.sampled_from([None, "reasoning", "reasoning_content", "content", "reasoning_details"]),
    details=st.none() | st.lists(json_objects, min_size=1, max_size=2),
)
opaque = st.builds(Opaque, provider=st.sampled_from([None, "anthropic"]), data=json_objects)


@st.composite
def calls(draw: st.DrawFn, number: int) -> ToolCall:
    arguments = draw(json_objects)
    raw = draw(st.sampled_from(["", json.dumps(arguments), json.dumps(arguments, indent=1)]))
    return ToolCall(id=f"call_{number}", name=draw(words | text.filter(bool)), arguments=arguments, arguments_raw=raw)


@st.composite
def tool_rounds(draw: st.DrawFn) -> list[Message]:
    """An assistant turn with calls, and a result for each."""
    asked = [draw(calls(number)) for number in range(draw(st.integers(1, 3)))]
    before = draw(st.lists(thoughts | texts, max_size=2))
    results = [
        ToolResult(
            call_id=call.id,
            name=draw(st.sampled_from([None, call.name])),
            parts=draw(st.lists(texts | images | documents, max_size=2)),
            error=draw(st.booleans()),
            cache=draw(cache_marks),
        )
        for call in asked
    ]
    if draw(st.booleans()):
        return [Message(role="assistant", parts=[*before, *asked]), Message(role="tool", parts=[*results])]
    alone = [Message(role="tool", parts=[result]) for result in results]
    return [Message(role="assistant", parts=[*before, *asked]), *alone]


users = st.builds(
    Message, role=st.just("user"), parts=st.lists(shown, min_size=1, max_size=3), name=st.none() | words
).map(lambda message: [message])
assistants = st.builds(
    Message, role=st.just("assistant"), parts=st.lists(texts | thoughts | opaque | images, max_size=3)
).map(lambda message: [message])
systems = st.lists(
    st.builds(Message, role=st.just("system"), parts=st.lists(texts, min_size=1, max_size=2)), max_size=2
)


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    turns = draw(st.lists(users | assistants | tool_rounds(), min_size=1, max_size=5))
    return [*draw(systems), *(message for turn in turns for message in turn)]


schemas = st.dictionaries(
    st.sampled_from(["city", "days", "default", "properties", "type"]),
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "integer", "default": 3},
            {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "number"}}}},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            {"type": "object", "additionalProperties": {"type": "string"}},
        ]
    ),
    max_size=3,
).map(lambda properties: {"type": "object", "properties": properties})
tools = st.lists(
    st.builds(
        Tool,
        st.sampled_from(["get_weather", "files.read", "files/read", "x" * 70]) | words,
        text,
        schemas,
        st.sampled_from([None, True, False]),
        cache=cache_marks,
    ),
    max_size=3,
    unique_by=lambda tool: tool.name,
)
settings: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "max_tokens": st.integers(1, 9999),
    "stop": text | st.lists(text, min_size=1, max_size=4),
    "seed": st.integers(0, 2**31),
    "n": st.integers(1, 4),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "logit_bias": st.dictionaries(st.integers(0, 99), st.integers(-100, 100), max_size=2),
    "logprobs": st.booleans() | st.integers(1, 20),
    "user": words,
    "tool_choice": st.sampled_from(["auto", "none"]),
    "parallel_tool_calls": st.booleans(),
    "strict_schema": st.booleans(),
    "response_format": st.just("json") | schemas,
    "reasoning": st.booleans() | st.sampled_from(["minimal", "low", "medium", "high", "max"]) | st.integers(0, 40000),
    "cache": st.sampled_from([True, "5m", "1h", False]),
    "metadata": st.dictionaries(words, text, max_size=2),
}


@st.composite
def chat_requests(draw: st.DrawFn) -> ChatRequest:
    """A request that a caller may make: any conversation, any mix of options that go together."""
    options = draw(st.fixed_dictionaries({"model": words}, optional=settings))
    return ChatRequest.of(draw(conversations()), {"tools": draw(tools), **options})
