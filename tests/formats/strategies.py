"""Requests as far as each format can say them: what it would change or leave out is not drawn."""

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
    JsonSchema,
    Message,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Video,
)
from tests.support.strategies import json_objects, words

said = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
no_mark: st.SearchStrategy[CacheMark] = st.none()
some_marks: st.SearchStrategy[CacheMark] = st.sampled_from([None, None, None, None, True, "5m", "1h"])
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
CLOSED = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def data(start: bytes = b"") -> st.SearchStrategy[str]:
    return st.binary(min_size=1, max_size=9).map(lambda tail: base64.b64encode(start + tail).decode())


def texts(marks: st.SearchStrategy[CacheMark] = no_mark) -> st.SearchStrategy[Text]:
    return st.builds(Text, said, cache=marks)


def images(marks: st.SearchStrategy[CacheMark] = no_mark, *, urls: bool = True, detail: bool = False) -> Any:
    more: dict[str, Any] = {"cache": marks, "detail": st.sampled_from([None, "low", "high"]) if detail else st.none()}
    embedded = [
        st.builds(Image.base64, st.just(kind), data(start), **more)
        for kind, start in (("image/png", PNG), ("image/jpeg", JPEG))
    ]
    given = st.builds(Image, words.map("https://example.com/{}".format), **more)
    return st.one_of(*embedded, *([given] if urls else []))


def documents(marks: st.SearchStrategy[CacheMark] = no_mark) -> st.SearchStrategy[Document]:
    return st.builds(Document.base64, st.just("application/pdf"), data(), name=words, cache=marks)


sounds = st.builds(Audio.base64, st.sampled_from(["audio/wav", "audio/mp3"]), data())
films = st.builds(Video, words.map("https://example.com/{}.mp4".format))


@st.composite
def calls(draw: st.DrawFn, fields: dict[str, st.SearchStrategy[Any]]) -> list[ToolCall]:
    """Calls whose ids differ; their text is JSON as we write it."""
    made = []
    for number in range(draw(st.integers(1, 3))):
        arguments = draw(json_objects)
        raw = json.dumps(arguments, ensure_ascii=False, separators=(",", ":")) if arguments else ""
        more = {name: draw(strategy) for name, strategy in fields.items()}
        call_id = f"call_{draw(st.integers(0, 9**9))}_{number}"
        made.append(ToolCall(id=call_id, name=draw(words), arguments=arguments, arguments_raw=raw, **more))
    return made


@st.composite
def conversations(
    draw: st.DrawFn,
    *,
    user: st.SearchStrategy[list[Any]],
    said_before: st.SearchStrategy[list[Any]],
    shown: st.SearchStrategy[list[Any]],
    system: st.SearchStrategy[list[Any]],
    results: dict[str, st.SearchStrategy[Any]],
    call_fields: dict[str, st.SearchStrategy[Any]],
    named: bool = False,
    apart: bool = False,
) -> list[Message]:
    """Questions and answers in turn, tools called and answered between them; a question comes last.

    `said_before` is what an answer holds besides its calls, `shown` what a tool returns. `apart`: every result has a
    message of its own.
    """
    turns: list[Message] = []
    if draw(st.booleans()):
        turns.append(Message(role="system", parts=draw(system)))
    for _ in range(draw(st.integers(0, 2))):
        turns.append(Message(role="user", parts=draw(user), name=draw(st.none() | words) if named else None))
        if draw(st.booleans()):
            asked = draw(calls(call_fields))
            before = draw(st.just([]) | said_before)
            turns.append(Message(role="assistant", parts=[*before, *asked]))
            answers = [
                ToolResult(call_id=call.id, parts=draw(shown), **{name: draw(value) for name, value in results.items()})
                for call in asked
            ]
            answers = [
                answer.model_copy(update={"name": call.name}) if "name" in results else answer
                for answer, call in zip(answers, asked, strict=True)
            ]
            groups = [[answer] for answer in answers] if apart else [answers]
            turns.extend(Message(role="tool", parts=[*group]) for group in groups)
        turns.append(Message(role="assistant", parts=draw(said_before)))
    turns.append(Message(role="user", parts=draw(user)))
    return turns


def one_or_mixed(text: st.SearchStrategy[Text], media: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """One plain text, or texts among other things."""
    mixed = st.tuples(st.lists(text | media, max_size=2), media, st.lists(text | media, max_size=2))
    return texts().map(lambda part: [part]) | mixed.map(lambda lists: [*lists[0], lists[1], *lists[2]])


@st.composite
def requests(
    draw: st.DrawFn,
    turns: st.SearchStrategy[list[Message]],
    settings: dict[str, st.SearchStrategy[Any]],
    tools: st.SearchStrategy[Tool],
    choices: tuple[str, ...] = ("auto", "none", "required", "named"),
    model: str = "m",
) -> ChatRequest:
    """A request with a mix of these settings."""
    options = {name: draw(value) for name, value in settings.items() if draw(st.integers(0, 3)) == 0}
    offered = draw(st.lists(tools, max_size=3, unique_by=lambda tool: tool.name))
    if offered:
        options["tools"] = offered
        choice = draw(st.sampled_from([None, *choices]))
        options["tool_choice"] = offered[0].name if choice == "named" else choice
        if choice == "none":
            options.pop("parallel_tool_calls", None)
    else:
        options.pop("parallel_tool_calls", None)
    return ChatRequest.of(draw(turns), {"model": model, **options})


schemas = st.dictionaries(words, st.just({"type": "string"}), max_size=2).map(
    lambda properties: {"type": "object", "properties": properties}
)
efforts = st.sampled_from(["minimal", "low", "medium", "high", "max"])
sampling: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.floats(0, 1),
    "top_p": st.floats(0, 1),
    "max_tokens": st.integers(1, 9999),
}
more_sampling: dict[str, st.SearchStrategy[Any]] = {
    **sampling,
    "top_k": st.integers(1, 99),
    "stop": st.lists(said, min_size=1, max_size=3),
    "seed": st.integers(0, 2**31),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "logprobs": st.just(True) | st.integers(1, 20),
}
schema_asked = words.map(lambda name: JsonSchema(name=name, schema_=CLOSED, strict=True))

openai = requests(
    conversations(
        user=one_or_mixed(texts(some_marks), images(some_marks, detail=True) | documents() | sounds | films),
        said_before=st.tuples(st.builds(Reasoning, said, field=st.just("reasoning_content")), texts()).map(list)
        | texts().map(lambda part: [part]),
        shown=texts().map(lambda part: [part]),
        system=texts(some_marks).map(lambda part: [part]),
        results={},
        call_fields={"extra": st.none() | st.just({"extra_content": {"signature": "s"}})},
        named=True,
        apart=True,
    ),
    {
        **more_sampling,
        "n": st.integers(1, 4),
        "logit_bias": st.dictionaries(words, st.integers(-100, 100), min_size=1, max_size=2),
        "user": words,
        "parallel_tool_calls": st.booleans(),
        "response_format": schema_asked,
        "reasoning": efforts | st.just(False),
        "metadata": st.dictionaries(words, said, min_size=1, max_size=2),
    },
    st.builds(Tool, words, said, schemas, cache=some_marks)
    | words.map(lambda name: Tool(name, native={"type": "web_search", "name": name})),
)

signed = st.builds(Reasoning, st.just("") | said, signature=words) | st.builds(Reasoning, encrypted=words)
searched = words.map(lambda name: Opaque(data={"type": "server_tool_use", "id": name, "name": "web_search"}))
CITED = {"type": "char_location", "cited_text": "c", "document_index": 0}
cited = st.builds(Text, said, citations=st.just([CITED]))
_messages = conversations(
    user=one_or_mixed(texts(some_marks), images(some_marks) | documents(some_marks)),
    said_before=st.tuples(
        st.lists(signed | searched, max_size=2), st.lists(texts() | cited, min_size=1, max_size=2)
    ).map(lambda lists: [*lists[0], *lists[1]]),
    shown=st.just([]) | one_or_mixed(texts(), images() | documents()),
    system=texts().map(lambda part: [part])
    | st.lists(texts(), max_size=2).map(lambda parts: [*parts, Text("Mind this.", cache="1h")]),
    results={"error": st.booleans(), "cache": some_marks},
    call_fields={"extra": st.none() | st.just({"caller": {"type": "direct"}})},
)
_custom = st.builds(Tool, words, said, schemas, cache=some_marks)
_server = words.map(lambda name: Tool(name, native={"type": "web_search_20260318", "name": name}))
anthropic = requests(
    _messages,
    {
        "temperature": st.floats(0, 1),
        "top_k": st.integers(1, 99),
        "stop": st.lists(said, min_size=1, max_size=3),
        "user": words,
        "parallel_tool_calls": st.just(False),
        "response_format": st.just(JsonSchema(name="answer", schema_=CLOSED)),
    },
    _custom | _server,
    model="claude-opus-4-6",
).map(lambda request: request.model_copy(update={"max_tokens": 5000})) | requests(
    _messages,
    {"reasoning": st.integers(1024, 4000) | st.booleans() | st.sampled_from(["low", "medium", "high", "max"])},
    _custom,
    choices=("auto", "none"),
    model="claude-opus-4-6",
).map(lambda request: request.model_copy(update={"max_tokens": 5000}))

kept = st.builds(Reasoning, st.just("") | said, id=st.none() | words, encrypted=words)
phased = said.map(lambda text: [Text(text), Opaque(data={"type": "message", "phase": "commentary"})])
web_search = words.map(lambda name: Opaque(data={"type": "web_search_call", "id": name, "status": "completed"}))
openai_responses = requests(
    conversations(
        user=one_or_mixed(texts(), images(detail=True) | documents() | sounds),
        said_before=st.tuples(st.lists(kept | web_search, max_size=2), texts().map(lambda part: [part]) | phased).map(
            lambda lists: [*lists[0], *lists[1]]
        ),
        shown=one_or_mixed(texts(), images() | documents()),
        system=texts().map(lambda part: [part]),
        results={},
        call_fields={"extra": st.none() | st.just({"caller": {"type": "direct"}})},
    ),
    {
        **sampling,
        "logprobs": st.just(True) | st.integers(1, 20),
        "user": words,
        "parallel_tool_calls": st.booleans(),
        "response_format": schema_asked,
        "reasoning": efforts | st.just(False),
        "metadata": st.dictionaries(words, said, min_size=1, max_size=2),
    },
    st.builds(Tool, words, said, schemas, st.just(False))
    | words.map(lambda name: Tool(name, native={"type": "custom", "name": name})),
)

embedded = images(urls=False)
ollama = requests(
    conversations(
        user=st.tuples(texts(), st.lists(embedded, max_size=2)).map(lambda pair: [pair[0], *pair[1]])
        | st.lists(embedded, min_size=1, max_size=2),
        said_before=st.tuples(st.builds(Reasoning, said, field=st.just("thinking")), texts()).map(list)
        | texts().map(lambda part: [part]),
        shown=st.tuples(texts(), st.lists(embedded, max_size=1)).map(lambda pair: [pair[0], *pair[1]]),
        system=texts().map(lambda part: [part]),
        results={"name": st.none()},
        call_fields={"extra": st.none() | st.just({"signature": "s"})},
    ),
    {
        **more_sampling,
        "response_format": st.just(JsonSchema(name="answer", schema_=CLOSED)),
        "reasoning": st.booleans() | st.sampled_from(["low", "medium", "high", "max"]),
    },
    st.builds(Tool, words, said, schemas),
    choices=("auto",),
)

REQUESTS: dict[str, st.SearchStrategy[ChatRequest]] = {
    "openai": openai,
    "openai_responses": openai_responses,
    "anthropic": anthropic,
    "ollama": ollama,
}
