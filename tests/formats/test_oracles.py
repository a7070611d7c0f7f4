"""What the official clients make of our answers: their types take every event, their accumulators give the same."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
from typing import Any

import httpx
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from llm_connector.errors import (
    AuthenticationError,
    ContextLengthError,
    LlmConnectorError,
    ModelNotFoundError,
    RateLimitError,
    ServerError,
    streamed,
)
from llm_connector.formats import StreamWriter
from llm_connector.types import ChatChunk, ChatResponse
from llm_connector.wire import decode_json, encode_json
from tests.formats.support import PAIRS, encoded
from tests.support.answers import ask, whole
from tests.support.generated import ANSWERS
from tests.support.generated_bedrock import BEDROCK_ANSWERS

anthropic: Any = importlib.import_module("anthropic")
ollama: Any = importlib.import_module("ollama")
openai: Any = importlib.import_module("openai")

WIRES = ["chat completions", "messages", "responses", "ollama", "contents"]
WRITTEN = {**ANSWERS, **BEDROCK_ANSWERS}
HELLO = [{"role": "user", "content": "Hi"}]
HTTPX2 = int(anthropic.__version__.partition(".")[0]) >= 2 and importlib.util.find_spec("httpx2") is not None
KINDS = {"openai": "text/event-stream", "openai_responses": "text/event-stream", "anthropic": "text/event-stream"}


def answering(library: Any, body: bytes, status: int, kind: str) -> Any:
    """A server that gives this answer."""
    return library.MockTransport(lambda _: library.Response(status, headers={"content-type": kind}, content=body))


class Official:
    """An official client of one format, whose server gives one answer."""

    def __init__(self, name: str, body: bytes, status: int = 200, *, stream: bool) -> None:
        self.name = name
        kind = KINDS.get(name, "application/x-ndjson") if stream else "application/json"
        library = importlib.import_module("httpx2") if name == "anthropic" and HTTPX2 else httpx
        transport = answering(library, body, status, kind)
        self.client: Any
        if name == "ollama":
            self.client = ollama.Client(transport=transport)
            return
        module = anthropic.Anthropic if name == "anthropic" else openai.OpenAI
        http = library.Client(transport=transport)
        self.client = module(api_key="k", base_url="http://localhost", http_client=http, max_retries=0)

    def stream(self) -> Any:
        """The answer that its accumulator makes of a stream."""
        client = self.client
        if self.name == "ollama":
            return list(client.chat(model="m", messages=HELLO, stream=True))
        if self.name == "anthropic":
            with client.messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
                return stream.get_final_message()
        if self.name == "openai_responses":
            with client.responses.stream(model="m", input="Hi") as stream:
                return stream.get_final_response()
        with client.chat.completions.stream(model="m", messages=HELLO) as stream:
            for _ in stream:
                pass
            return stream.current_completion_snapshot

    def ask(self) -> Any:
        """The whole answer."""
        client = self.client
        if self.name == "ollama":
            return client.chat(model="m", messages=HELLO)
        if self.name == "anthropic":
            return client.messages.create(model="m", max_tokens=9, messages=HELLO)
        if self.name == "openai_responses":
            return client.responses.create(model="m", input="Hi")
        return client.chat.completions.create(model="m", messages=HELLO)


def said(name: str, answer: Any) -> dict[str, Any]:
    """Text, thought and calls, as a user of the official client finds them."""
    if name == "ollama":
        lines = answer if isinstance(answer, list) else [answer]
        calls = [call for line in lines for call in line.message.tool_calls or ()]
        return {
            "text": "".join(line.message.content or "" for line in lines),
            "reasoning": "".join(line.message.thinking or "" for line in lines),
            "calls": [(call.function.name, dict(call.function.arguments)) for call in calls],
        }
    if name == "anthropic":
        blocks = answer.content
        return {
            "text": "".join(block.text for block in blocks if block.type == "text"),
            "reasoning": "".join(block.thinking for block in blocks if block.type == "thinking"),
            "calls": [(block.name, block.input) for block in blocks if block.type == "tool_use"],
        }
    if name == "openai_responses":
        items = answer.output
        shown = [[*item.summary, *(item.content or ())] for item in items if item.type == "reasoning"]
        thoughts = ["\n\n".join(part.text for part in parts if part.text) for parts in shown]
        calls = [item for item in items if item.type == "function_call"]
        return {
            "text": answer.output_text,
            "reasoning": "".join(thoughts),
            "calls": [(call.name, json.loads(call.arguments)) for call in calls],
        }
    message = answer.choices[0].message
    return {
        "text": message.content or "",
        "reasoning": getattr(message, "reasoning_content", None) or "",
        "calls": [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()],
    }


def expected(name: str, response: ChatResponse) -> dict[str, Any]:
    text = response.text
    if name == "ollama" and not text:
        text = response.refusal or ""
    return {
        "text": text,
        "reasoning": response.reasoning or "",
        "calls": [(call.name, call.arguments) for call in response.tool_calls],
    }


def sorted_calls(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "calls": sorted(answer["calls"], key=repr)}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=15)
@given(data=st.data())
def test_an_official_client_reads_a_stream_as_it_was(name, wire, data):
    answer = data.draw(WRITTEN[wire])
    rendered = ask(provider=answer.provider, stream=True, **answer.options)
    body, response = encoded(answer.blocks(), rendered, PAIRS[name].format)
    note(body.decode())
    if name.startswith("openai") and response.finish_reason not in ("stop", "tool_calls"):
        return  # its accumulators raise for what is not complete

    read = said(name, Official(name, body, stream=True).stream())
    assert sorted_calls(read) == sorted_calls(expected(name, response))


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=15)
@given(data=st.data())
def test_an_official_client_reads_a_whole_answer_as_it_was(name, wire, data):
    answer = data.draw(WRITTEN[wire])
    response = whole(answer.whole, ask(provider=answer.provider))
    body = encode_json(PAIRS[name].format.render_response(response, "m"))

    assert said(name, Official(name, body, stream=False).ask()) == expected(name, response)
    if response.finish_reason != "error":  # one that broke off is marked so; the types do not know that
        accept(WHOLE[name], decode_json(body))


WHOLE: dict[str, Any] = {
    "openai": openai.types.chat.ChatCompletion,
    "openai_responses": openai.types.responses.Response,
    "anthropic": anthropic.types.Message,
    "ollama": ollama.ChatResponse,
}
EVENT: dict[str, Any] = {
    "openai": openai.types.chat.ChatCompletionChunk,
    "openai_responses": openai.types.responses.ResponseStreamEvent,
    "anthropic": anthropic.types.RawMessageStreamEvent,
    "ollama": ollama.ChatResponse,
}
OTHERS = {"server_tool_use", "url_citation"}  # handed on as they came; the generated ones lack fields


def accept(kind: Any, value: Any) -> None:
    """The official type takes the value; the clients themselves do not check what they read."""
    if not any(f'"{word}"' in json.dumps(value) for word in OTHERS):
        adapter(kind).validate_python(value)


adapter = functools.cache(TypeAdapter)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=15)
@given(data=st.data())
def test_the_official_types_take_every_event(name, wire, data):
    answer = data.draw(WRITTEN[wire])
    rendered = ask(provider=answer.provider, stream=True, **answer.options)
    body, response = encoded(answer.blocks(), rendered, PAIRS[name].format)
    note(str(response))
    lines = [line.removeprefix(b"data: ") for line in body.split(b"\n") if line and not line.startswith(b"event: ")]
    for line in lines:
        if line != b"[DONE]" and response.finish_reason != "error":
            note(line.decode())
            accept(EVENT[name], json.loads(line))


# errors

ERRORS: list[tuple[LlmConnectorError, int, str]] = [
    (AuthenticationError("no such key", status=401), 401, "AuthenticationError"),
    (RateLimitError("slow down", status=429), 429, "RateLimitError"),
    (ModelNotFoundError("no such model", status=404), 404, "NotFoundError"),
    (ContextLengthError("too long", status=400), 400, "BadRequestError"),
    (ServerError("broken", status=500), 500, "InternalServerError"),
]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(("error", "status", "kind"), ERRORS)
def test_an_official_client_raises_its_own_error(name: str, error: LlmConnectorError, status: int, kind: str):
    body, given = PAIRS[name].format.render_error(error)
    module = {"anthropic": anthropic, "ollama": ollama}.get(name, openai)
    with pytest.raises(Exception, match=error.message) as failure:
        Official(name, encode_json(body), given, stream=False).ask()

    assert given == status
    assert vars(failure.value)["status_code"] == status
    assert type(failure.value) is getattr(module, "ResponseError" if name == "ollama" else kind)


@pytest.mark.parametrize("name", PAIRS)
def test_an_official_client_raises_for_an_error_in_a_stream(name: str):
    writer = StreamWriter(PAIRS[name].format.encoder("m"))
    error = streamed(RateLimitError)("slow down")
    body = writer.feed(ChatChunk("Hi")) + writer.fail(error)
    official = Official(name, body, stream=True)
    if name == "openai_responses":  # its accumulator hands the failure on and waits for an end
        events = list(official.client.responses.create(model="m", input="Hi", stream=True))
        assert events[-1].type == "response.failed"
        assert events[-1].response.error.message == "slow down"
        return
    with pytest.raises((openai.APIError, anthropic.APIStatusError, ollama.ResponseError), match="slow down"):
        official.stream()
