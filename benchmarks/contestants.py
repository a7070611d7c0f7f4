"""Who is measured: raw httpx, its bare transport, and this library. The official SDKs are in `sdks`.

A contestant is made inside its worker process. `prepare` turns plain messages and OpenAI-style tools into whatever its
calls take and is not timed; `chat` returns the text, `stream` yields the text or tool-argument pieces.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from benchmarks.payloads import PATHS, Json, Wire

UNLIMITED: Json = {"max_connections": None, "max_keepalive_connections": None}


class Contestant:
    def __init__(self, url: str, wire: Wire) -> None:
        self.url = url
        self.wire = wire

    def create(self) -> Any:
        """A new sync client."""
        raise NotImplementedError

    def create_async(self) -> Any:
        raise NotImplementedError

    def prepare(self, scenario: str, messages: list[Json], tools: list[Json]) -> Any:
        body: Json = {"model": scenario, "messages": messages}
        if self.wire == "anthropic":
            body["max_tokens"] = 1024
            tools = [anthropic_tool(tool) for tool in tools]
        return {**body, "tools": tools} if tools else body

    def chat(self, client: Any, request: Any) -> str:
        raise NotImplementedError

    async def achat(self, client: Any, request: Any) -> str:
        raise NotImplementedError

    def stream(self, client: Any, request: Any) -> Iterator[str]:
        raise NotImplementedError

    def astream(self, client: Any, request: Any) -> AsyncIterator[str]:
        raise NotImplementedError

    def tool_arguments(self, client: Any, request: Any) -> Json:
        """The parsed arguments of the one tool call that the stream holds."""
        return parsed("".join(self.stream(client, request)))

    async def close(self, client: Any) -> None:
        """Close an async client."""
        await client.aclose()


def anthropic_tool(tool: Json) -> Json:
    function = tool["function"]
    schema = function["parameters"]
    return {"name": function["name"], "description": function["description"], "input_schema": schema}


def parsed(text: str) -> Json:
    value: Json = json.loads(text)
    return value


def text_of(wire: Wire, body: Json) -> str:
    if wire == "chat_completions":
        text = body["choices"][0]["message"]["content"]
    elif wire == "anthropic":
        text = body["content"][0]["text"]
    else:
        text = body["message"]["content"]
    return str(text)


class Httpx(Contestant):
    """What a careful user writes by hand: one client, `json.loads`, a loop over lines."""

    def __init__(self, url: str, wire: Wire) -> None:
        super().__init__(url, wire)
        self.httpx: Any = importlib.import_module("httpx")

    def options(self) -> Json:
        headers = {"authorization": "Bearer x"}
        return {"base_url": self.url, "headers": headers, "timeout": 600, "limits": self.httpx.Limits(**UNLIMITED)}

    def create(self) -> Any:
        return self.httpx.Client(**self.options())

    def create_async(self) -> Any:
        return self.httpx.AsyncClient(**self.options())

    def chat(self, client: Any, request: Json) -> str:
        return text_of(self.wire, client.post(PATHS[self.wire], json=request).json())

    async def achat(self, client: Any, request: Json) -> str:
        return text_of(self.wire, (await client.post(PATHS[self.wire], json=request)).json())

    def stream(self, client: Any, request: Json) -> Iterator[str]:
        piece = PIECES[self.wire]
        with client.stream("POST", PATHS[self.wire], json={**request, "stream": True}) as response:
            for line in response.iter_lines():
                if text := piece(line):
                    yield text

    async def astream(self, client: Any, request: Json) -> AsyncIterator[str]:
        piece = PIECES[self.wire]
        async with client.stream("POST", PATHS[self.wire], json={**request, "stream": True}) as response:
            async for line in response.aiter_lines():
                if text := piece(line):
                    yield text


def chat_completions_piece(line: str) -> str | None:
    if not line.startswith("data: ") or line == "data: [DONE]":
        return None
    delta = json.loads(line[6:])["choices"][0]["delta"]
    calls = delta.get("tool_calls")
    text: str | None = calls[0]["function"]["arguments"] if calls else delta.get("content")
    return text


def anthropic_piece(line: str) -> str | None:
    if not line.startswith("data: "):
        return None
    delta = json.loads(line[6:]).get("delta")
    return delta.get("text") or delta.get("partial_json") if delta else None


def ollama_piece(line: str) -> str | None:
    text: str = json.loads(line)["message"]["content"]
    return text


PIECES = {"chat_completions": chat_completions_piece, "anthropic": anthropic_piece, "ollama": ollama_piece}


class Transport(Httpx):
    """The bytes of a stream through `httpx.HTTPTransport`, never looked at: what a chunk costs before it is ours."""

    def create(self) -> Any:
        return self.httpx.HTTPTransport(limits=self.httpx.Limits(**UNLIMITED))

    def create_async(self) -> Any:
        return self.httpx.AsyncHTTPTransport(limits=self.httpx.Limits(**UNLIMITED))

    def request(self, body: Json) -> Any:
        return self.httpx.Request("POST", self.url + PATHS[self.wire], json={**body, "stream": True})

    def stream(self, client: Any, request: Json) -> Iterator[str]:
        response = client.handle_request(self.request(request))
        yield from response.stream
        response.close()

    async def astream(self, client: Any, request: Json) -> AsyncIterator[str]:
        response = await client.handle_async_request(self.request(request))
        async for block in response.stream:
            yield block
        await response.aclose()


PROVIDERS: dict[Wire, str] = {"chat_completions": "openai_compatible", "anthropic": "anthropic", "ollama": "ollama"}


class Ours(Contestant):
    """This library, called with plain role/content dicts and OpenAI-style tool dicts."""

    def __init__(self, url: str, wire: Wire) -> None:
        super().__init__(url, wire)
        self.library: Any = importlib.import_module("llm_connector")
        self.clients = self.library.LlmClient, self.library.AsyncLlmClient
        self.settings = {"base_url": url + "/v1" if wire == "chat_completions" else url}
        if wire != "ollama":
            self.settings["api_key"] = "x"

    def create(self) -> Any:
        return self.clients[0](PROVIDERS[self.wire], model="m", **self.settings)

    def create_async(self) -> Any:
        return self.clients[1](PROVIDERS[self.wire], model="m", **self.settings)

    def prepare(self, scenario: str, messages: list[Json], tools: list[Json]) -> tuple[Any, Json]:
        options: Json = {"model": scenario}
        if tools:
            options["tools"] = tools
        return messages, options

    def chat(self, client: Any, request: tuple[Any, Json]) -> str:
        text: str = client.chat(request[0], **request[1]).text
        return text

    async def achat(self, client: Any, request: tuple[Any, Json]) -> str:
        text: str = (await client.chat(request[0], **request[1])).text
        return text

    def stream(self, client: Any, request: tuple[Any, Json]) -> Iterator[str]:
        for chunk in client.stream(request[0], **request[1]):
            yield chunk.text

    async def astream(self, client: Any, request: tuple[Any, Json]) -> AsyncIterator[str]:
        async for chunk in client.stream(request[0], **request[1]):
            yield chunk.text

    def tool_arguments(self, client: Any, request: tuple[Any, Json]) -> Json:
        pieces, call = [], None
        for chunk in client.stream(request[0], **request[1]):
            if delta := chunk.tool_call_delta:
                pieces.append(delta.arguments)
            call = chunk.tool_call or call
        assert pieces and call is not None
        arguments: Json = call.arguments
        return arguments


class OursWithObjects(Ours):
    """The same with `Message` and `Tool` objects that the caller made beforehand."""

    def prepare(self, scenario: str, messages: list[Json], tools: list[Json]) -> tuple[Any, Json]:
        build = {"user": self.library.user, "assistant": self.library.assistant}
        made = [build[message["role"]](message["content"]) for message in messages]
        return made, super().prepare(scenario, [], [self.tool(**tool["function"]) for tool in tools])[1]

    def tool(self, name: str, description: str, parameters: Json) -> Any:
        return self.library.Tool(name=name, description=description, parameters=parameters)


class OursOverAiohttp(Ours):
    """The async client over aiohttp's pool."""

    def create_async(self) -> Any:
        return self.clients[1](PROVIDERS[self.wire], model="m", http_client="aiohttp", **self.settings)
