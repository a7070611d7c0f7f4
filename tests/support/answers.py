"""Answers read from bytes, through the same operations as the clients use, without sockets.

`whole` steps `operations.chat` by hand; `streamed` feeds a `ChatDecoder` block by block, as `ChatStream` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from llm_connector.errors import StreamError
from llm_connector.operations import ChatDecoder, RenderedChat, chat, open_stream, render
from llm_connector.protocols import Protocol
from llm_connector.providers import Endpoint, ProviderSpec, find
from llm_connector.retry import Retry
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, ToolCall
from llm_connector.wire import Call, HttpResponse, Json, Send, Steps

NO_RETRY = Retry(retries=0)
MAX_EVENT_BYTES = 8 << 20
BASE_URL = "http://127.0.0.1:1/v1"
KEY = "sk-test-0123456789abcdef"

T = TypeVar("T")


def endpoint(provider: str | ProviderSpec = "openai_compatible", *, protocol: Protocol | None = None) -> Endpoint:
    """A row of the table, on a loopback address; `protocol` takes the place of the row's."""
    spec = find(provider) if isinstance(provider, str) else provider
    return Endpoint(replace(spec, protocol=protocol) if protocol else spec, BASE_URL, KEY)


def ask(
    messages: Any = "Hello",
    *,
    provider: str | ProviderSpec = "openai_compatible",
    protocol: Protocol | None = None,
    stream: bool = False,
    strict: bool = False,
    **options: Any,
) -> RenderedChat:
    """A rendered request, as `chat(messages, **options)` of a client makes it."""
    request = ChatRequest.of(messages, {"model": "m", **options})
    return render(endpoint(provider, protocol=protocol), request, stream=stream, strict=strict)


def finished(steps: Steps[T], response: HttpResponse) -> T:
    """The result of an operation that sends one request, which `response` answers."""
    sent = next(steps)
    while isinstance(sent, Call):
        sent = steps.send(sent.function())
    assert isinstance(sent, Send)
    try:
        more = steps.send(response)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError(f"the operation wants more: {more}")


def json_answer(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """A JSON answer; text and bytes are taken as they are."""
    if isinstance(body, str):
        body = body.encode()
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return HttpResponse(status, {"content-type": "application/json", **(headers or {})}, content)


def sound(response: ChatResponse) -> ChatResponse:
    """The answer, whose every value is of the type that its field promises, as pydantic says."""
    ChatResponse.model_validate(response.model_dump(exclude={"raw"}), strict=True)
    return response


def whole(
    body: Json, rendered: RenderedChat | None = None, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> ChatResponse:
    """The answer of `chat()` to a body. Raises what it raises; nothing is retried."""
    return sound(finished(chat(rendered or ask(), NO_RETRY), json_answer(body, status, headers)))


@dataclass
class Reading:
    """What a caller of `stream()` saw: chunks, and then the response or the error."""

    chunks: list[ChatChunk] = field(default_factory=list)
    response: ChatResponse | None = None
    error: StreamError | None = None

    @property
    def answer(self) -> ChatResponse:
        """The whole answer. Raises the error of a stream that failed."""
        if self.error is not None:
            raise self.error
        assert self.response is not None
        return self.response

    @property
    def partial(self) -> ChatResponse:
        """What the error of a failed stream carries."""
        assert self.error is not None, "the stream did not fail"
        assert self.error.partial is not None, "the error carries no partial answer"
        return self.error.partial

    @property
    def text(self) -> str:
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def reasoning(self) -> str:
        return "".join(chunk.reasoning for chunk in self.chunks)

    @property
    def calls(self) -> list[ToolCall]:
        return [chunk.tool_call for chunk in self.chunks if chunk.tool_call is not None]


def outline(reading: Reading) -> Any:
    """What must not depend on how a stream was cut: every chunk, and the answer or the error."""
    error = reading.error
    return reading.chunks, reading.response, error and (type(error), str(error), error.partial)


def streamed(body: bytes | Iterable[bytes], rendered: RenderedChat | None = None) -> Reading:
    """What `stream()` gives for a body in these blocks."""
    return decode(open_decoder(rendered or ask(stream=True)), [body] if isinstance(body, bytes) else body)


def open_decoder(rendered: RenderedChat) -> ChatDecoder:
    """The decoder of a stream that has been opened."""
    response = HttpResponse(200, {"content-type": "text/event-stream"})
    return finished(open_stream(rendered, NO_RETRY, MAX_EVENT_BYTES), response).decoder


def decode(decoder: ChatDecoder, blocks: Iterable[bytes]) -> Reading:
    """Drive a decoder to its end, or to its error."""
    reading = Reading()
    try:
        for block in blocks:
            for chunk in decoder.feed(block):
                reading.chunks.append(chunk)
            if decoder.done:
                break
        for chunk in decoder.close():
            reading.chunks.append(chunk)
    except StreamError as error:
        reading.error = error
        if error.partial is not None:
            sound(error.partial)
    else:
        reading.response = sound(decoder.response())
    return reading


# bodies

DONE = "[DONE]"


def sse(*events: Json, end: str = "\n", done: bool = False, named: bool = False) -> bytes:
    """Server-sent events: one per value, text as it is. `named` adds `event:` lines, as Anthropic does."""
    values = [*events, DONE] if done else events
    lines = []
    for value in values:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if named and isinstance(value, dict):
            lines.append(f"event: {value['type']}")
        lines += [f"data: {text}", ""]
    return "".join(line + end for line in lines).encode("utf-8", "surrogatepass")


def ndjson(*values: Json) -> bytes:
    """One line of JSON per value."""
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def delta(finish: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    """A Chat Completions event with one delta."""
    return {"id": "c1", "model": "m1", "choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def call_delta(*calls: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A Chat Completions event with pieces of tool calls."""
    return delta(finish, tool_calls=list(calls))


def piece(arguments: Any = None, name: str | None = None, **fields: Any) -> dict[str, Any]:
    """One element of a `tool_calls` list; what is None is left out."""
    function = {"name": name, "arguments": arguments}
    return {**fields, "function": {key: value for key, value in function.items() if value is not None}}


def completion(finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    """A whole Chat Completions answer with one choice."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion", "model": "m1", "choices": [choice]}


STOP = delta("stop")


def anthropic_frame(message: Json, stop_reason: str, usage: Json) -> tuple[Json, list[Json]]:
    """The first event of an Anthropic stream, and the last two."""
    end = {"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None}, "usage": usage}
    return {"type": "message_start", "message": message}, [end, {"type": "message_stop"}]


def anthropic_events(*events: Json, stop_reason: str = "end_turn", usage: Json | None = None) -> bytes:
    """An Anthropic stream: these events between the beginning and the end of a message."""
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": {}}
    first, last = anthropic_frame(head, stop_reason, usage or {"output_tokens": 5})
    return sse(first, *events, *last, named=True)
