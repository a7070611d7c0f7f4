"""The official SDKs as contestants, each used as its documentation shows."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.payloads import Json, Wire


class OpenAI(Contestant):
    def __init__(self, url: str, wire: Wire) -> None:
        super().__init__(url, wire)
        self.sdk: Any = importlib.import_module("openai")

    def create(self) -> Any:
        return self.sdk.OpenAI(api_key="x", base_url=self.url + "/v1")

    def create_async(self) -> Any:
        return self.sdk.AsyncOpenAI(api_key="x", base_url=self.url + "/v1")

    def chat(self, client: Any, request: Json) -> str:
        text: str = client.chat.completions.create(**request).choices[0].message.content
        return text

    async def achat(self, client: Any, request: Json) -> str:
        text: str = (await client.chat.completions.create(**request)).choices[0].message.content
        return text

    def stream(self, client: Any, request: Json) -> Iterator[str]:
        for chunk in client.chat.completions.create(**request, stream=True):
            yield openai_piece(chunk)

    async def astream(self, client: Any, request: Json) -> AsyncIterator[str]:
        async for chunk in await client.chat.completions.create(**request, stream=True):
            yield openai_piece(chunk)

    async def close(self, client: Any) -> None:
        await client.close()


def openai_piece(chunk: Any) -> str:
    delta = chunk.choices[0].delta
    text = delta.tool_calls[0].function.arguments if delta.tool_calls else delta.content
    return text or ""


class Anthropic(Contestant):
    def __init__(self, url: str, wire: Wire) -> None:
        super().__init__(url, wire)
        self.sdk: Any = importlib.import_module("anthropic")

    def create(self) -> Any:
        return self.sdk.Anthropic(api_key="x", base_url=self.url)

    def create_async(self) -> Any:
        return self.sdk.AsyncAnthropic(api_key="x", base_url=self.url)

    def chat(self, client: Any, request: Json) -> str:
        text: str = client.messages.create(**request).content[0].text
        return text

    async def achat(self, client: Any, request: Json) -> str:
        text: str = (await client.messages.create(**request)).content[0].text
        return text

    def stream(self, client: Any, request: Json) -> Iterator[str]:
        for event in client.messages.create(**request, stream=True):
            if event.type == "content_block_delta":
                yield anthropic_piece(event.delta)

    async def astream(self, client: Any, request: Json) -> AsyncIterator[str]:
        async for event in await client.messages.create(**request, stream=True):
            if event.type == "content_block_delta":
                yield anthropic_piece(event.delta)

    async def close(self, client: Any) -> None:
        await client.close()


def anthropic_piece(delta: Any) -> str:
    text: str = delta.text if delta.type == "text_delta" else delta.partial_json
    return text


class Ollama(Contestant):
    def __init__(self, url: str, wire: Wire) -> None:
        super().__init__(url, wire)
        self.sdk: Any = importlib.import_module("ollama")

    def create(self) -> Any:
        return self.sdk.Client(host=self.url)

    def create_async(self) -> Any:
        return self.sdk.AsyncClient(host=self.url)

    def chat(self, client: Any, request: Json) -> str:
        text: str = client.chat(**request).message.content
        return text

    async def achat(self, client: Any, request: Json) -> str:
        text: str = (await client.chat(**request)).message.content
        return text

    def stream(self, client: Any, request: Json) -> Iterator[str]:
        for part in client.chat(**request, stream=True):
            yield part.message.content or ""

    async def astream(self, client: Any, request: Json) -> AsyncIterator[str]:
        async for part in await client.chat(**request, stream=True):
            yield part.message.content or ""

    async def close(self, client: Any) -> None:
        await client.close()


PEERS: dict[Wire, type[Contestant]] = {"chat_completions": OpenAI, "anthropic": Anthropic, "ollama": Ollama}
