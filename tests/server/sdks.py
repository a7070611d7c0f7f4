"""The official clients, each doing the same things in its own words, as its documentation shows them."""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

# They are imported by name: their types differ between the versions that tests may run with.
anthropic: Any = importlib.import_module("anthropic")
ollama: Any = importlib.import_module("ollama")
openai: Any = importlib.import_module("openai")

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "The weather in a city."}
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SYSTEM = "Answer briefly."
MOST = 4096
CLIENT_KEY = "key-of-a-client"


@dataclass(frozen=True)
class Call:
    """A call of a tool, as a client reads it."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Said:
    """An answer, as a client reads it. `pieces` are the texts of a stream as they came, `turn` is what to send back."""

    text: str
    thought: str = ""
    calls: Sequence[Call] = ()
    finish: str = ""
    usage: tuple[int, int] = (0, 0)
    model: str = ""
    pieces: Sequence[str] = ()
    turn: Any = field(default=None, repr=False)


class Sdk(ABC):
    """One surface of one official client, pointed at a gateway.

    `stop` and `calling` are its words for two ends. `errors` are the classes that it raises, by status; `None` is for
    what goes wrong inside a stream.
    """

    name: str
    stop: str
    calling: str
    errors: Mapping[int | None, type[Exception]]

    def __init__(self, url: str, key: str = CLIENT_KEY) -> None:
        self.url = url
        self.key = key

    client: Any

    def close(self) -> None:
        """Close its connections."""
        self.client.close()

    @abstractmethod
    def ask(self, model: str, **asked: Any) -> Said:
        """A whole answer; `asked` is in the words of this client."""

    @abstractmethod
    def stream(self, model: str, **asked: Any) -> Said:
        """A streamed answer, read to its end."""

    @abstractmethod
    def tools(self) -> dict[str, Any]:
        """Arguments by which a tool is offered."""

    @abstractmethod
    def result(self, question: str, answer: Said, outcome: str) -> dict[str, Any]:
        """Arguments that go on after a call."""

    @abstractmethod
    def structured(self) -> dict[str, Any]:
        """Arguments that ask for an answer of the form `PERSON`."""

    @abstractmethod
    def picture(self) -> dict[str, Any]:
        """Arguments that show `PIXEL`."""

    @abstractmethod
    def thinking(self) -> dict[str, Any]:
        """Arguments that ask for thoughts."""

    @abstractmethod
    def models(self) -> list[str]:
        """The names of the models."""


def _raised(library: Any, inside_a_stream: type[Exception]) -> dict[int | None, type[Exception]]:
    """The errors of a client that has the usual names for them."""
    names = {400: "BadRequest", 401: "Authentication", 404: "NotFound", 429: "RateLimit", 502: "InternalServer"}
    return {None: inside_a_stream, **{status: getattr(library, f"{name}Error") for status, name in names.items()}}


class OpenAI(Sdk):
    """https://github.com/openai/openai-python, Chat Completions."""

    name, stop, calling = "openai", "stop", "tool_calls"
    errors = _raised(openai, openai.APIError)

    @cached_property
    def client(self) -> Any:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0)

    def ask(self, model: str, **asked: Any) -> Said:
        return self._said(self.client.chat.completions.create(**self._asked(model, asked)))

    def stream(self, model: str, **asked: Any) -> Said:
        options = {"include_usage": True}
        with self.client.chat.completions.stream(**self._asked(model, asked), stream_options=options) as stream:
            deltas = [event.delta for event in stream if event.type == "content.delta"]
            pieces = [*filter(None, deltas)]  # the first one brings the role only
            return self._said(stream.get_final_completion(), pieces)

    def _asked(self, model: str, asked: dict[str, Any]) -> dict[str, Any]:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Hi"}]
        return {"model": model, "messages": messages, **asked}

    def _said(self, answer: Any, pieces: Sequence[str] = ()) -> Said:
        choice = answer.choices[0]
        message = choice.message
        calls = [Call(c.id, c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or ()]
        usage = answer.usage.prompt_tokens, answer.usage.completion_tokens
        thought = getattr(message, "reasoning_content", None) or ""
        return Said(message.content or "", thought, calls, choice.finish_reason, usage, answer.model, pieces, message)

    def tools(self) -> dict[str, Any]:
        return {"tools": [{"type": "function", "function": {**WEATHER, "parameters": PARAMETERS}}]}

    def result(self, question: str, answer: Said, outcome: str) -> dict[str, Any]:
        results = [{"role": "tool", "tool_call_id": call.id, "content": outcome} for call in answer.calls]
        return {"messages": [{"role": "user", "content": question}, answer.turn, *results], **self.tools()}

    def structured(self) -> dict[str, Any]:
        return {
            "response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON, "strict": True}}
        }

    def picture(self) -> dict[str, Any]:
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        return {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}]}

    def thinking(self) -> dict[str, Any]:
        return {"reasoning_effort": "high"}

    def models(self) -> list[str]:
        return [model.id for model in self.client.models.list()]


class OpenAIResponses(OpenAI):
    """https://github.com/openai/openai-python, Responses."""

    name, stop, calling = "openai_responses", "completed", "completed"

    def ask(self, model: str, **asked: Any) -> Said:
        return self._said(self.client.responses.create(**self._asked(model, asked)))

    def stream(self, model: str, **asked: Any) -> Said:
        with self.client.responses.stream(**self._asked(model, asked)) as stream:
            pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
            return self._said(stream.get_final_response(), pieces)

    def _asked(self, model: str, asked: dict[str, Any]) -> dict[str, Any]:
        return {"model": model, "instructions": SYSTEM, "input": "Hi", **asked}

    def _said(self, answer: Any, pieces: Sequence[str] = ()) -> Said:
        items = answer.output
        calls = [Call(i.call_id, i.name, json.loads(i.arguments)) for i in items if i.type == "function_call"]
        thoughts = [part.text for i in items if i.type == "reasoning" for part in (*i.summary, *(i.content or ()))]
        usage = answer.usage.input_tokens, answer.usage.output_tokens
        return Said(answer.output_text, "".join(thoughts), calls, answer.status, usage, answer.model, pieces, items)

    def tools(self) -> dict[str, Any]:
        return {"tools": [{"type": "function", **WEATHER, "parameters": PARAMETERS}]}

    def result(self, question: str, answer: Said, outcome: str) -> dict[str, Any]:
        results = [{"type": "function_call_output", "call_id": call.id, "output": outcome} for call in answer.calls]
        return {"input": [{"role": "user", "content": question}, *answer.turn, *results], **self.tools()}

    def structured(self) -> dict[str, Any]:
        return {"text": {"format": {"type": "json_schema", "name": "p", "schema": PERSON, "strict": True}}}

    def picture(self) -> dict[str, Any]:
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
        return {"input": [{"role": "user", "content": [{"type": "input_text", "text": "What is it?"}, image]}]}

    def thinking(self) -> dict[str, Any]:
        return {"reasoning": {"effort": "high", "summary": "auto"}}


class Anthropic(Sdk):
    """https://github.com/anthropics/anthropic-sdk-python."""

    name, stop, calling = "anthropic", "end_turn", "tool_use"
    errors = _raised(anthropic, anthropic.APIStatusError)

    @cached_property
    def client(self) -> Any:
        return anthropic.Anthropic(base_url=self.url, api_key=self.key, max_retries=0)

    def ask(self, model: str, **asked: Any) -> Said:
        return self._said(self.client.messages.create(**self._asked(model, asked)))

    def stream(self, model: str, **asked: Any) -> Said:
        with self.client.messages.stream(**self._asked(model, asked)) as stream:
            pieces = list(stream.text_stream)
            return self._said(stream.get_final_message(), pieces)

    def _asked(self, model: str, asked: dict[str, Any]) -> dict[str, Any]:
        messages = [{"role": "user", "content": "Hi"}]
        return {"model": model, "max_tokens": MOST, "system": SYSTEM, "messages": messages, **asked}

    def _said(self, answer: Any, pieces: Sequence[str] = ()) -> Said:
        blocks = answer.content
        calls = [Call(block.id, block.name, block.input) for block in blocks if block.type == "tool_use"]
        thought = "".join(block.thinking for block in blocks if block.type == "thinking")
        text = "".join(block.text for block in blocks if block.type == "text")
        cached = (answer.usage.cache_read_input_tokens or 0) + (answer.usage.cache_creation_input_tokens or 0)
        usage = answer.usage.input_tokens + cached, answer.usage.output_tokens  # this format counts them apart
        return Said(text, thought, calls, answer.stop_reason, usage, answer.model, pieces, blocks)

    def tools(self) -> dict[str, Any]:
        return {"tools": [{**WEATHER, "input_schema": PARAMETERS}]}

    def result(self, question: str, answer: Said, outcome: str) -> dict[str, Any]:
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": outcome} for call in answer.calls]
        turns = [{"role": "assistant", "content": answer.turn}, {"role": "user", "content": results}]
        return {"messages": [{"role": "user", "content": question}, *turns], **self.tools()}

    def structured(self) -> dict[str, Any]:
        return {"output_config": {"format": {"type": "json_schema", "schema": PERSON}}}

    def picture(self) -> dict[str, Any]:
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        content = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
        return {"messages": [{"role": "user", "content": content}]}

    def thinking(self) -> dict[str, Any]:
        return {"thinking": {"type": "enabled", "budget_tokens": 2048}}

    def models(self) -> list[str]:
        return [model.id for model in self.client.models.list()]


class Ollama(Sdk):
    """https://github.com/ollama/ollama-python."""

    name, stop, calling = "ollama", "stop", "stop"
    errors = dict.fromkeys((None, 400, 401, 404, 429, 502), ollama.ResponseError)

    @cached_property
    def client(self) -> Any:
        return ollama.Client(host=self.url, headers={"Authorization": f"Bearer {self.key}"})

    def ask(self, model: str, **asked: Any) -> Said:
        return self._said([self.client.chat(**self._asked(model, asked))])

    def stream(self, model: str, **asked: Any) -> Said:
        return self._said(list(self.client.chat(**self._asked(model, asked), stream=True)))

    def _asked(self, model: str, asked: dict[str, Any]) -> dict[str, Any]:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Hi"}]
        return {"model": model, "messages": messages, **asked}

    def _said(self, lines: list[Any]) -> Said:
        wire = [call for line in lines for call in line.message.tool_calls or ()]
        calls = [Call("", call.function.name, dict(call.function.arguments)) for call in wire]
        thought = "".join(line.message.thinking or "" for line in lines)
        pieces = [line.message.content for line in lines if line.message.content]
        last = lines[-1]
        assert last.done
        usage = last.prompt_eval_count, last.eval_count
        text = "".join(pieces)
        turn = {"role": "assistant", "content": text, "thinking": thought, "tool_calls": wire}
        return Said(text, thought, calls, last.done_reason, usage, last.model, pieces, turn)

    def tools(self) -> dict[str, Any]:
        return {"tools": [{"type": "function", "function": {**WEATHER, "parameters": PARAMETERS}}]}

    def result(self, question: str, answer: Said, outcome: str) -> dict[str, Any]:
        results = [{"role": "tool", "tool_name": call.name, "content": outcome} for call in answer.calls]
        return {"messages": [{"role": "user", "content": question}, answer.turn, *results], **self.tools()}

    def structured(self) -> dict[str, Any]:
        return {"format": PERSON}

    def picture(self) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": "What is it?", "images": [PIXEL]}]}

    def thinking(self) -> dict[str, Any]:
        return {"think": "high"}

    def models(self) -> list[str]:
        return [model.model for model in self.client.list().models]


SDKS: dict[str, type[Sdk]] = {sdk.name: sdk for sdk in (OpenAI, OpenAIResponses, Anthropic, Ollama)}
