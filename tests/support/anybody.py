"""A server of every chat format that documentation and examples use: it answers, thinks and calls tools.

It reads the request and answers in the format of its path, streamed if that was asked for. With tools it calls the
first one, and answers in words once it has a result. `saying(...)` answers in the format of the path too, with given
words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from tests.support.wire_server import Answer, Request, Scripted, Stream, ndjson, sse

THOUGHT = "Let me think."
THINKERS = re.compile(r"reasoner|seed|glm|v4|r1|qwen3|claude.*thinking", re.IGNORECASE)
SIGNATURE = "c2lnbmVk"
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
        return re.findall(r"\s*\S+\s*", self.text)


def anybody(request: Request) -> Scripted:
    """The answer to a request of any format."""
    path = unquote(request.path.partition("?")[0])
    for ending, (read, write) in CHATS.items():
        if re.search(ending, path):
            return write(request, turn(*read(request)))
    answer = next((answer for ending, answer in FORMATS.items() if re.search(ending, path)), None)
    return answer(request) if answer else Answer.json({"error": {"message": f"no such path: {path}"}}, 404)


def saying(text: str = "", thought: str = "", tool: str = "", arguments: str = "{}") -> Callable[[Request], Scripted]:
    """An answer with these words, in whichever chat format the request comes."""

    def answer(request: Request) -> Scripted:
        path = unquote(request.path.partition("?")[0])
        read, write = next(chat for ending, chat in CHATS.items() if re.search(ending, path))
        return write(request, Turn(read(request)[0], text, thought, tool, arguments))

    return answer


def hello(model: str) -> str:
    """What a model answers."""
    return f"{model} says hello."


def turn(model: str, messages: Iterable[Mapping[str, Any]], tools: Any) -> Turn:
    """What to say."""
    thought = THOUGHT if THINKERS.search(model) else ""
    last = list(messages)[-1]
    said = json.dumps(last.get("content") or last.get("parts"), ensure_ascii=False)
    answered = last["role"] == "tool" or "tool_result" in said or "functionResponse" in said
    if not tools or answered:
        return Turn(model, hello(model), thought)
    tool = tools[0].get("function", tools[0])
    schema = tool.get("parameters") or tool.get("input_schema") or tool.get("parametersJsonSchema") or {}
    place = re.search(r"\b[Ii]n ([A-Z]\w+)", said)
    arguments = {
        name: _value(kind, place[1] if place else "Oslo") for name, kind in schema.get("properties", {}).items()
    }
    return Turn(model, "", thought, tool["name"], json.dumps(arguments))


def _value(schema: Mapping[str, Any], place: str) -> Any:
    return 7 if schema.get("type") in ("integer", "number") else schema.get("enum", [place])[0]


Asked: TypeAlias = tuple[str, list[Mapping[str, Any]], Any]
"""The model, the messages and the tools of a request."""


def _in_body(request: Request) -> Asked:
    body = request.json
    return body.get("model") or "claude", body["messages"], body.get("tools")


def _completion(request: Request, said: Turn) -> Scripted:
    body = request.json
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


_GROWING = ("text", "thinking", "signature", "input")


def _messages(request: Request, said: Turn) -> Scripted:
    body = request.json
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []  # each block, and the deltas that bring it
    if said.thought:
        signature = {"signature": SIGNATURE}
        deltas = [{"type": "thinking_delta", "thinking": said.thought}, {"type": "signature_delta", **signature}]
        blocks.append(({"type": "thinking", "thinking": said.thought, **signature}, deltas))
    if said.tool:
        call = {"type": "tool_use", "id": "toolu_1", "name": said.tool, "input": json.loads(said.arguments)}
        blocks.append((call, [{"type": "input_json_delta", "partial_json": said.arguments}]))
    else:
        deltas = [{"type": "text_delta", "text": word} for word in said.words]
        blocks.append(({"type": "text", "text": said.text}, deltas))
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": said.model}
    stop = "tool_use" if said.tool else "end_turn"
    usage = {"input_tokens": 12, "output_tokens": 7}
    if not (body.get("stream") or "stream" in request.path.lower()):
        content = [block for block, _ in blocks]
        return Answer.json({**head, "content": content, "stop_reason": stop, "usage": usage})
    first = {**head, "content": [], "usage": {"input_tokens": 12, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": first}]
    for index, (block, deltas) in enumerate(blocks):
        empty = {name: type(value)() if name in _GROWING else value for name, value in block.items()}
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 7}})
    return Stream(sse(*events, {"type": "message_stop"}, named=True, done=False))


def _in_contents(request: Request) -> Asked:
    body = request.json
    tools = [tool for group in body.get("tools", ()) for tool in group["functionDeclarations"]]
    return re.findall(r"models/([^:]+):", request.path)[0], body["contents"], tools


def _contents(request: Request, said: Turn) -> Scripted:
    parts: list[dict[str, Any]] = [{"text": said.thought, "thought": True}] if said.thought else []
    parts += [{"text": word} for word in said.words]
    if said.tool:
        call = {"name": said.tool, "args": json.loads(said.arguments)}
        parts.append({"functionCall": call, "thoughtSignature": SIGNATURE})
    counts = {"promptTokenCount": 12, "candidatesTokenCount": 7, "totalTokenCount": 19}
    if said.thought:
        counts |= {"candidatesTokenCount": 5, "thoughtsTokenCount": 2}

    def event(*parts: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        candidate = {"index": 0, "content": {"role": "model", "parts": parts}, **more}
        return {"candidates": [candidate], "usageMetadata": counts, "modelVersion": said.model, "responseId": "r-1"}

    if "stream" not in request.path:
        return Answer.json(event(*parts, finishReason="STOP"))
    return Stream(sse(*map(event, parts), event({"text": ""}, finishReason="STOP"), done=False))


def _ollama_chat(request: Request, said: Turn) -> Scripted:
    body = request.json
    head = {"model": said.model, "created_at": "2026-11-01T10:00:00Z"}
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 12, "eval_count": 7}
    empty: dict[str, Any] = {"role": "assistant", "content": ""}
    pieces: list[dict[str, Any]] = [{"thinking": said.thought}] if said.thought else []
    pieces += [{"content": word} for word in said.words]
    if said.tool:
        pieces.append({"tool_calls": [{"function": {"name": said.tool, "arguments": json.loads(said.arguments)}}]})
    if body.get("stream") is False:
        whole = {name: value for piece in pieces for name, value in piece.items()}
        return Answer.json({**head, "message": {**empty, **whole, "content": said.text}, **end})
    lines = [{**head, "message": {**empty, **piece}, "done": False} for piece in pieces]
    return Stream(ndjson(*lines, {**head, "message": empty, **end}), {"content-type": "application/x-ndjson"})


def _in_input(request: Request) -> Asked:
    body = request.json
    return body["model"], body["input"]["messages"], body.get("parameters", {}).get("tools")


def _dashscope(request: Request, said: Turn) -> Scripted:
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


CHATS: dict[str, tuple[Callable[[Request], Asked], Callable[[Request, Turn], Scripted]]] = {
    r"/chat/completions$": (_in_body, _completion),
    r"/v1/messages$|:(stream)?rawPredict$|/invoke(-with-response-stream)?$": (_in_body, _messages),
    r"/api/chat$": (_in_body, _ollama_chat),
    r":(stream)?[gG]enerateContent$": (_in_contents, _contents),
    r"/services/aigc/.+/generation$": (_in_input, _dashscope),
}
"""How the requests of a path are read, and answers to them written."""


FORMATS: dict[str, Callable[[Request], Scripted]] = {
    r"/api/tags$": lambda request: Answer.json({"models": [TAGS]}),
    r"/api/ps$": lambda request: Answer.json({"models": [TAGS]}),
    r"/api/version$": lambda request: Answer.json({"version": "0.13.0"}),
    r"/api/show$": _show,
    r"/api/pull$": _pull,
    r"/api/(delete|copy)$": lambda request: Answer(),
    r"/embeddings$": _embeddings,
    r"/rerank$": _rerank,
    r"/models$": _models,
}
"""Answers by what a path ends in."""
