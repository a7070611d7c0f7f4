"""A server that answers as a model would, in the wire formats of five providers.

`LittleModel` reads a request, of any of them, into an `Asked`; `say` decides what to answer; the wire writes it, whole
or streamed. What it says depends on the request only: tools are called when they are asked for, schemas are filled,
models whose name holds "think" think first, with a signature where the wire has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.wire_server import Answer, Request, Scripted, Stream, WireServer, ndjson, sse

Json = dict[str, Any]

THOUGHT = "The user wants something. I shall give it."
SIGNATURE = "c2lnbmF0dXJl"


@dataclass(frozen=True)
class Turn:
    """A message: its text, and whether it answers a call."""

    role: str
    text: str
    result: bool = False


@dataclass(frozen=True)
class Asked:
    """A request, without its wire format."""

    model: str
    turns: list[Turn]
    tools: list[Json] = field(default_factory=list)  # name and schema
    choice: str = "auto"
    schema: Json | None = None
    stream: bool = False

    @property
    def last(self) -> str:
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user" and not turn.result), "")


@dataclass(frozen=True)
class Said:
    """An answer, without its wire format."""

    text: str = ""
    thought: str = ""
    calls: tuple[tuple[str, str, Json], ...] = ()  # id, name, arguments

    @property
    def words(self) -> list[str]:
        return re.findall(r"\S+\s*|\s+", self.text)


def say(asked: Asked) -> Said:
    """What a helpful model would answer."""
    thought = THOUGHT if "think" in asked.model else ""
    results = [turn for turn in asked.turns[last_question(asked.turns) :] if turn.result]
    named = next((tool for tool in asked.tools if tool["name"] == asked.choice), None)
    wanted = [named] if named else mentioned(asked)
    if wanted and not results and asked.choice != "none":
        calls = ((f"call{number}x{tool['name'][:8]}", tool["name"]) for number, tool in enumerate(wanted))
        made = [(call_id, name, filled(asked, tool)) for (call_id, name), tool in zip(calls, wanted, strict=True)]
        return Said(thought=thought, calls=tuple(made))
    if asked.schema is not None:
        return Said(json.dumps(filled(asked, {"schema": asked.schema}), ensure_ascii=False), thought)
    if results:
        return Said(f"I looked it up: {'; '.join(turn.text for turn in results)}", thought)
    return Said("Hello there, how are you?", thought)


def last_question(turns: list[Turn]) -> int:
    return max((n for n, turn in enumerate(turns) if turn.role == "user" and not turn.result), default=0)


def mentioned(asked: Asked) -> list[Json]:
    """The tools that the question names, or is about; one of them where a call is forced."""
    question = asked.last
    found = [tool for tool in asked.tools if re.search(tool["name"].split("_")[-1], question, re.IGNORECASE)] or [
        tool for tool in asked.tools if tool["name"] in question
    ]
    if not found and asked.choice == "required":
        found = asked.tools[:1]
    if not found and re.search(r"\buse|using|tool|create", question, re.IGNORECASE):
        found = asked.tools[:1]
    named = [tool["name"] for tool in found if tool["name"] in question]
    return [tool for tool in found if not any(name != tool["name"] and tool["name"] in name for name in named)]


def filled(asked: Asked, tool: Json) -> Json:
    """Arguments from the words of the question."""
    schema = tool["schema"]
    return {
        name: value_of(kind, name, asked.last)
        for name, kind in (schema.get("properties") or {}).items()
        if "default" not in kind or name in schema.get("required", ())
    }


def value_of(schema: Json, name: str, question: str) -> Any:
    schema = next((option for option in schema.get("anyOf", ()) if option.get("type") != "null"), schema)
    kind = schema.get("type")
    if "enum" in schema:
        return schema["enum"][0]
    if kind in ("integer", "number"):
        return int(next(iter(re.findall(r"\d+", question)), 7))
    if kind == "boolean":
        return True
    if kind == "array":
        return [value_of(schema.get("items", {}), name, question)]
    if kind == "object":
        return {key: value_of(inner, key, question) for key, inner in schema.get("properties", {}).items()}
    foreign = re.findall(r"[\u3040-\u30ff\u4e00-\u9fff]+", question)
    place = re.search(r"\b[Ii]n ([A-Z]\w+(?: [A-Z]\w+)*)", question)
    return foreign[0] if foreign else place[1] if place else f"some {name}"


# wire formats


def text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(str(block.get("text", "")) for block in content or ())


def completion_asked(body: Json) -> Asked:
    turns = [Turn(m["role"], text_of(m.get("content")), m["role"] == "tool") for m in body["messages"]]
    tools = [
        {"name": tool["function"]["name"], "schema": tool["function"].get("parameters", {})}
        for tool in body.get("tools", ())
    ]
    choice = body.get("tool_choice", "auto")
    choice = choice["function"]["name"] if isinstance(choice, dict) else choice
    form = body.get("response_format") or {}
    schema = (form.get("json_schema") or {}).get("schema")
    schema = schema or (prompted_schema(turns) if form.get("type") == "json_object" else None)
    return Asked(body["model"], turns, tools, choice, schema, body.get("stream", False))


def prompted_schema(turns: list[Turn]) -> Json:
    """The schema in a prompt, or one with the names that it asks for."""
    text = " ".join(turn.text for turn in turns)
    start = text.find("{")
    while start >= 0:
        try:
            found, _ = json.JSONDecoder().raw_decode(text[start:])
        except ValueError:
            found = None
        if isinstance(found, dict) and "properties" in found:
            return found
        start = text.find("{", start + 1)
    names = [name for name in ("setup", "punchline") if name in text] or ["answer"]
    return {"properties": {name: {"type": "string"} for name in names}}


USAGE = {
    "prompt_tokens": 21, "completion_tokens": 12, "total_tokens": 33,
    "prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 4},
}  # fmt: skip


def completion(asked: Asked, said: Said) -> Scripted:
    """Chat Completions, as DeepSeek, Zhipu and others have it."""
    head = {"id": "chatcmpl-1", "created": 1790000000, "model": asked.model, "system_fingerprint": "fp_1"}
    finish = "tool_calls" if said.calls else "stop"
    calls: list[Json] = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(args)}}
        for call_id, name, args in said.calls
    ]
    if not asked.stream:
        message: Json = {"role": "assistant", "content": said.text or None}
        if calls:
            message["tool_calls"] = calls
        if said.thought:
            message["reasoning_content"] = said.thought
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return Answer.json({**head, "object": "chat.completion", "choices": [choice], "usage": USAGE})
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": word} for word in Said(said.thought).words]
    deltas += [{"content": word} for word in said.words]
    for index, call in enumerate(calls):
        arguments = call["function"]["arguments"]
        deltas.append({"tool_calls": [{**call, "index": index, "function": {**call["function"], "arguments": ""}}]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": arguments[start : start + 7]}}]}
            for start in range(0, len(arguments), 7)
        ]
    events: list[Json] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return Stream(sse(*events, {**head, "choices": [], "usage": USAGE}))


def messages_asked(body: Json) -> Asked:
    turns = [Turn("system", text_of(body.get("system")))]
    for message in body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        results = [text_of(block.get("content")) for block in blocks if block["type"] == "tool_result"]
        turns += [Turn("user", text, True) for text in results]
        if not results or text_of(message["content"]).strip():
            turns.append(Turn(message["role"], text_of(message["content"])))
    tools = [{"name": tool["name"], "schema": tool.get("input_schema", {})} for tool in body.get("tools", ())]
    choice = body.get("tool_choice") or {"type": "auto"}
    named = choice["name"] if choice["type"] == "tool" else {"any": "required"}.get(choice["type"], choice["type"])
    form = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    model = body["model"] + (" think" if (body.get("thinking") or {}).get("type") in ("enabled", "adaptive") else "")
    schema = form.get("schema")
    if schema is None and any("JSON Schema" in turn.text for turn in turns[:1]):
        schema = prompted_schema(turns[:1])
    elif schema is None and any("JSON" in turn.text for turn in turns[:1]):
        schema = prompted_schema(turns)
    return Asked(model, turns, tools, named, schema, body.get("stream", False))


def messages(asked: Asked, said: Said) -> Scripted:
    """Anthropic Messages."""
    blocks: list[Json] = []
    if said.thought:
        blocks.append({"type": "thinking", "thinking": said.thought, "signature": SIGNATURE})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    blocks += [{"type": "tool_use", "id": i, "name": name, "input": args} for i, name, args in said.calls]
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": asked.model.split()[0]}
    stop = "tool_use" if said.calls else "end_turn"
    prompt = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 6}
    if not asked.stream:
        usage = {**prompt, "output_tokens": 12}
        return Answer.json({**head, "content": blocks, "stop_reason": stop, "stop_sequence": None, "usage": usage})
    events: list[Json] = [
        {"type": "message_start", "message": {**head, "content": [], "usage": {**prompt, "output_tokens": 1}}}
    ]
    for index, block in enumerate(blocks):
        events += block_events(index, block)
    events += [
        {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 12}},
        {"type": "message_stop"},
    ]
    return Stream(sse(*events, named=True, done=False))


def block_events(index: int, block: Json) -> Iterator[Json]:
    kind = block["type"]
    kinds: dict[str, Json] = {
        "thinking": {"thinking": "", "signature": ""}, "text": {"text": ""}, "tool_use": {"input": {}}
    }  # fmt: skip
    empty = kinds[kind]
    yield {"type": "content_block_start", "index": index, "content_block": {**block, **empty}}
    deltas: list[Json]
    if kind == "tool_use":
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    else:
        deltas = [{"type": f"{kind}_delta", kind: word} for word in Said(block[kind]).words]
    if kind == "thinking":
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def ollama_asked(body: Json) -> Asked:
    turns = [Turn(m["role"], text_of(m.get("content")), m["role"] == "tool") for m in body["messages"]]
    tools = [
        {"name": tool["function"]["name"], "schema": tool["function"].get("parameters", {})}
        for tool in body.get("tools", ())
    ]
    form = body.get("format")
    schema = form if isinstance(form, dict) else prompted_schema(turns) if form == "json" else None
    model = body["model"] + (" think" if body.get("think") else "")
    return Asked(model, turns, tools, "auto", schema, body.get("stream", True))


def ollama(asked: Asked, said: Said) -> Scripted:
    """Ollama's own API: calls come whole, without ids."""
    head = {"model": asked.model.split()[0], "created_at": "2026-11-01T10:00:00Z"}
    calls = [{"function": {"name": name, "arguments": args}} for _, name, args in said.calls]
    end = {"done": True, "done_reason": "stop", "total_duration": 9, "prompt_eval_count": 21, "eval_count": 12}
    if not asked.stream:
        message: Json = {"role": "assistant", "content": said.text}
        if calls:
            message["tool_calls"] = calls
        if said.thought:
            message["thinking"] = said.thought
        return Answer.json({**head, "message": message, **end})
    pieces: list[Json] = [{"content": "", "thinking": word} for word in Said(said.thought).words]
    pieces += [{"content": word} for word in said.words]
    pieces += [{"content": "", "tool_calls": [call]} for call in calls]
    lines = [{**head, "message": {"role": "assistant", **piece}, "done": False} for piece in pieces]
    last = {**head, "message": {"role": "assistant", "content": ""}, **end}
    return Stream(ndjson(*lines, last), {"content-type": "application/x-ndjson"})


def dashscope_asked(body: Json, headers: Mapping[str, str]) -> Asked:
    parameters = body.get("parameters") or {}
    asked = completion_asked({**parameters, "model": body["model"], "messages": body["input"]["messages"]})
    thinks = " think" if parameters.get("enable_thinking") else ""
    stream = headers.get("x-dashscope-sse") == "enable"
    return Asked(asked.model + thinks, asked.turns, asked.tools, asked.choice, asked.schema, stream)


def dashscope(asked: Asked, said: Said) -> Scripted:
    """DashScope's own API, with incremental output."""
    usage = {
        "input_tokens": 21, "output_tokens": 12, "total_tokens": 33,
        "prompt_tokens_details": {"cached_tokens": 5}, "output_tokens_details": {"reasoning_tokens": 4},
    }  # fmt: skip
    calls: list[Json] = [
        {"id": i, "type": "function", "index": n, "function": {"name": name, "arguments": json.dumps(args)}}
        for n, (i, name, args) in enumerate(said.calls)
    ]

    def event(finish: str, **message: Any) -> Json:
        whole = {"role": "assistant", "content": "", **message}
        choice = {"finish_reason": finish, "message": whole}
        return {"output": {"choices": [choice]}, "usage": usage, "request_id": "req-1"}

    finish = "tool_calls" if calls else "stop"
    if not asked.stream:
        thought = {"reasoning_content": said.thought} if said.thought else {}
        return Answer.json(event(finish, content=said.text, **thought, **({"tool_calls": calls} if calls else {})))
    events = [event("null", reasoning_content=word) for word in Said(said.thought).words]
    events += [event("null", content=word) for word in said.words]
    for call in calls:
        arguments = call["function"]["arguments"]
        events.append(event("null", tool_calls=[{**call, "function": {**call["function"], "arguments": ""}}]))
        piece = {"index": call["index"], "id": "", "type": "function", "function": {"arguments": arguments}}
        events.append(event("null", tool_calls=[piece]))
    return Stream(sse(*events, event(finish), done=False))


def answer(request: Request) -> Scripted:
    """The answer to a request, in the format of its path."""
    path, body = request.path.partition("?")[0], request.json
    if path.endswith("/embeddings"):
        data = [{"index": n, "embedding": vector(text)} for n, text in enumerate(body["input"])]
        usage = {"prompt_tokens": 3, "total_tokens": 3}
        return Answer.json({"data": data[::-1], "model": body["model"], "usage": usage})
    if path.endswith("/api/embed"):
        return Answer.json({"model": body["model"], "embeddings": [vector(text) for text in body["input"]]})
    if path.endswith("/text-embedding"):
        found = [{"text_index": n, "embedding": vector(text)} for n, text in enumerate(body["input"]["texts"])]
        return Answer.json({"output": {"embeddings": found[::-1]}, "usage": {"total_tokens": 3}, "request_id": "r"})
    if path.endswith("/messages"):
        asked, write = messages_asked(body), messages
    elif path.endswith("/api/chat"):
        asked, write = ollama_asked(body), ollama
    elif path.endswith("generation"):
        asked, write = dashscope_asked(body, request.headers), dashscope
    else:
        asked, write = completion_asked(body), completion
    return write(asked, say(asked))


def vector(text: str) -> list[float]:
    return [float(len(text)), float(sum(map(ord, text)) % 97), 0.5]


class LittleModel(WireServer):
    """The server; what is scripted goes first. `bodies` are the requests, decoded."""

    def __init__(self, decide: Callable[[Request], Scripted] = answer) -> None:
        super().__init__()
        self._decide = decide

    @property
    def bodies(self) -> list[Json]:
        return [request.json for request in self.requests]

    def _answer_to(self, request: Request) -> Scripted:
        if self._queue or request.path.partition("?")[0] in self._routes:
            return super()._answer_to(request)
        self.requests.append(request)
        return self._decide(request)


PATHS = {
    "openai_compatible": "/v1",
    "deepseek": "",
    "anthropic": "",
    "ollama": "",
    "aliyun": "/api/v1",
    "zhipu": "/api/paas/v4",
    "moonshot": "/v1",
}
"""Where the base URLs of the rows used here end."""


def settings(server: WireServer, provider: str, **others: Any) -> Json:
    """Arguments of a model or of embeddings at this server."""
    key: Json = {} if provider == "ollama" else {"api_key": "test-key-0123456789"}
    return {"provider": provider, "base_url": server.url + PATHS[provider], **key, **others}
