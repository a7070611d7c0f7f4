"""A server of every chat format that documentation and examples use: it answers, thinks and calls tools.

It reads the request and answers in the format of its path, streamed if that was asked for. With tools it calls the
first one, and answers in words once it has a result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tests.support.wire_server import Answer, Request, Scripted, Stream, ndjson, sse

THOUGHT = "Let me think."
THINKERS = re.compile(r"reasoner|seed|glm|v4|r1|qwen3|claude.*thinking", re.IGNORECASE)
USAGE = {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}


@dataclass(frozen=True)
class Turn:
    """What is said: text, or a call; with a thought before it where the model is one that thinks."""

    model: str
    text: str
    thought: str = ""
    tool: str = ""
    arguments: str = "{}"

    @property
    def words(self) -> list[str]:
        return re.findall(r"\S+\s*", self.text)


def anybody(request: Request) -> Scripted:
    """The answer to a request of any format."""
    path = unquote(request.path.partition("?")[0])
    answer = next((answer for ending, answer in FORMATS.items() if re.search(ending, path)), None)
    return answer(request) if answer else Answer.json({"error": {"message": f"no such path: {path}"}}, 404)


def hello(model: str) -> str:
    """What a model answers."""
    return f"{model} says hello."


def turn(model: str, messages: Iterable[Mapping[str, Any]], tools: Any) -> Turn:
    """What to say."""
    thought = THOUGHT if THINKERS.search(model) else ""
    last = list(messages)[-1]
    answered = last["role"] == "tool" or "tool_result" in json.dumps(last.get("content"))
    if not tools or answered:
        return Turn(model, hello(model), thought)
    tool = tools[0].get("function", tools[0])
    schema = tool.get("parameters") or tool.get("input_schema") or {}
    place = re.search(r"\b[Ii]n ([A-Z]\w+)", json.dumps(last.get("content"), ensure_ascii=False))
    arguments = {
        name: _value(kind, place[1] if place else "Oslo") for name, kind in schema.get("properties", {}).items()
    }
    return Turn(model, "", thought, tool["name"], json.dumps(arguments))


def _value(schema: Mapping[str, Any], place: str) -> Any:
    return 7 if schema.get("type") in ("integer", "number") else schema.get("enum", [place])[0]


def _completion(request: Request) -> Scripted:
    body = request.json
    said = turn(body["model"], body["messages"], body.get("tools"))
    call = {"id": "call_1", "type": "function", "function": {"name": said.tool, "arguments": said.arguments}}
    finish = "tool_calls" if said.tool else "stop"
    head = {"id": "chatcmpl-1", "created": 1, "model": said.model}
    if not body.get("stream"):
        message = {"role": "assistant", "content": said.text, **({"tool_calls": [call]} if said.tool else {})}
        if said.thought:
            message["reasoning_content"] = said.thought
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return Answer.json({**head, "object": "chat.completion", "choices": [choice], "usage": USAGE})

    def event(finish: str | None = None, **delta: Any) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    events = [event(reasoning_content=said.thought)] if said.thought else []
    events += [event(content=word) for word in said.words]
    if said.tool:
        half = len(said.arguments) // 2
        begun = {**call, "index": 0, "function": {"name": said.tool, "arguments": said.arguments[:half]}}
        rest = {"index": 0, "function": {"arguments": said.arguments[half:]}}
        events += [event(tool_calls=[begun]), event(tool_calls=[rest])]
    return Stream(sse(*events, event(finish), {**head, "choices": [], "usage": USAGE}))


def _messages(request: Request) -> Scripted:
    body = request.json
    model = body.get("model") or "claude"
    said = turn(model, body["messages"], body.get("tools"))
    block: dict[str, Any] = {"type": "text", "text": said.text}
    if said.tool:
        block = {"type": "tool_use", "id": "toolu_1", "name": said.tool, "input": json.loads(said.arguments)}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": model}
    stop = "tool_use" if said.tool else "end_turn"
    usage = {"input_tokens": 12, "output_tokens": 7}
    if not (body.get("stream") or "stream" in request.path.lower()):
        return Answer.json({**head, "content": [block], "stop_reason": stop, "usage": usage})
    empty = {**block, "input": {}} if said.tool else {**block, "text": ""}
    delta = {"type": "text_delta", "text": said.text}
    if said.tool:
        delta = {"type": "input_json_delta", "partial_json": said.arguments}
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {**head, "content": [], "usage": {"input_tokens": 12, "output_tokens": 1}},
        },
        {"type": "content_block_start", "index": 0, "content_block": empty},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]
    return Stream(sse(*events, named=True, done=False))


def _ollama_chat(request: Request) -> Scripted:
    body = request.json
    said = turn(body["model"], body["messages"], body.get("tools"))
    head = {"model": said.model, "created_at": "2026-11-01T10:00:00Z"}
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 12, "eval_count": 7}
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.thought:
        message["thinking"] = said.thought
    if said.tool:
        message["tool_calls"] = [{"function": {"name": said.tool, "arguments": json.loads(said.arguments)}}]
    if body.get("stream") is False:
        return Answer.json({**head, "message": message, **end})
    empty = {"role": "assistant", "content": ""}
    pieces = [{**empty, "thinking": said.thought}] if said.thought else []
    pieces += [{**empty, "content": word} for word in said.words] or [message]
    lines = [{**head, "message": piece, "done": False} for piece in pieces]
    return Stream(ndjson(*lines, {**head, "message": empty, **end}), {"content-type": "application/x-ndjson"})


def _dashscope(request: Request) -> Scripted:
    body = request.json
    parameters = body.get("parameters", {})
    said = turn(body["model"], body["input"]["messages"], parameters.get("tools"))
    function = {"name": said.tool, "arguments": said.arguments}
    call = {"id": "call_1", "index": 0, "type": "function", "function": function}
    usage = {"input_tokens": 12, "output_tokens": 7, "total_tokens": 19}

    def output(finish: str, **message: Any) -> dict[str, Any]:
        choice = {"finish_reason": finish, "message": {"role": "assistant", "content": "", **message}}
        return {"output": {"choices": [choice]}, "usage": usage, "request_id": "req-1"}

    finish = "tool_calls" if said.tool else "stop"
    calls: dict[str, Any] = {"tool_calls": [call]} if said.tool else {}
    if request.headers.get("x-dashscope-sse") != "enable":
        return Answer.json(output(finish, content=said.text, reasoning_content=said.thought, **calls))
    events = [output("null", reasoning_content=said.thought)] if said.thought else []
    events += [output("null", content=word) for word in said.words]
    return Stream(sse(*events, output(finish, **calls), done=False))


def _embeddings(request: Request) -> Scripted:
    data = [{"index": index, "embedding": [1.0, float(index)]} for index in range(len(request.json["input"]))]
    return Answer.json({"data": data, "model": request.json["model"], "usage": {"prompt_tokens": 3, "total_tokens": 3}})


def _rerank(request: Request) -> Scripted:
    """By the number of words that a document shares with the query."""
    body = request.json
    wanted = set(re.findall(r"\w+", body["query"].lower()))
    most = body.get("top_n") or len(body["documents"])
    scores = [len(wanted & set(re.findall(r"\w+", document.lower()))) / 10 for document in body["documents"]]
    ranked = sorted(enumerate(scores), key=lambda item: -item[1])[:most]
    return Answer.json({"results": [{"index": index, "relevance_score": score} for index, score in ranked]})


def _models(request: Request) -> Scripted:
    return Answer.json({"object": "list", "data": [{"id": "small"}, {"id": "large"}]})


TAGS = {"name": "llama3.2", "size": 2_019_393_189, "digest": "a80c", "details": {"parameter_size": "3.2B"}}
SHOWN = {
    "details": {"family": "llama", "parameter_size": "3.2B"}, "capabilities": ["completion", "tools"],
    "model_info": {"general.architecture": "llama", "llama.context_length": 131072},
}  # fmt: skip


def _show(request: Request) -> Scripted:
    name = request.json["model"]
    known = name.startswith("llama3.2")
    return Answer.json(SHOWN) if known else Answer.json({"error": f"model '{name}' not found"}, 404)


def _pull(request: Request) -> Scripted:
    layer = {"digest": "sha256:a80c", "total": 200}
    steps = [{"status": "pulling a80c", **layer, "completed": done} for done in (50, 100, 200)]
    lines = ndjson({"status": "pulling manifest"}, *steps, {"status": "success"})
    return Stream(lines, {"content-type": "application/x-ndjson"})


FORMATS: dict[str, Callable[[Request], Scripted]] = {
    r"/chat/completions$": _completion,
    r"/v1/messages$|:(stream)?rawPredict$|/invoke(-with-response-stream)?$": _messages,
    r"/api/chat$": _ollama_chat,
    r"/api/tags$": lambda request: Answer.json({"models": [TAGS]}),
    r"/api/ps$": lambda request: Answer.json({"models": [TAGS]}),
    r"/api/version$": lambda request: Answer.json({"version": "0.13.0"}),
    r"/api/show$": _show,
    r"/api/pull$": _pull,
    r"/api/(delete|copy)$": lambda request: Answer(),
    r"/services/aigc/.+/generation$": _dashscope,
    r"/embeddings$": _embeddings,
    r"/rerank$": _rerank,
    r"/models$": _models,
}
"""Answers by what a path ends in."""
