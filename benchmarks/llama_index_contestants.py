"""LlamaIndex's LLMs as contestants: ours, and `OpenAI` at the same server."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from benchmarks.contestants import Contestant, parsed
from benchmarks.measures import Numbers, Session, repeated
from benchmarks.payloads import Json, Wire


class LlamaIndex(Contestant):
    """`LlmConnector`, called as LlamaIndex's pages show."""

    def __init__(self, url: str, wire: Wire) -> None:
        super().__init__(url, wire)
        self.types: Any = importlib.import_module("llama_index.core.base.llms.types")
        self.create()  # what the first object loads is no part of the others

    def create(self) -> Any:
        made: Any = importlib.import_module("llama_index.llms.llm_connector").LlmConnector
        return made(provider="openai_compatible", model="m", base_url=self.url + "/v1", api_key="x")

    def create_async(self) -> Any:
        return self.create()

    def prepare(self, scenario: str, messages: list[Json], tools: list[Json]) -> tuple[Any, Json]:
        made = [self.types.ChatMessage(role=message["role"], content=message["content"]) for message in messages]
        return made, {"model": scenario, **({"tools": tools} if tools else {})}

    def chat(self, client: Any, request: tuple[Any, Json]) -> str:
        text: str = client.chat(request[0], **request[1]).message.content
        return text

    async def achat(self, client: Any, request: tuple[Any, Json]) -> str:
        text: str = (await client.achat(request[0], **request[1])).message.content
        return text

    def stream(self, client: Any, request: tuple[Any, Json]) -> Iterator[str]:
        for response in client.stream_chat(request[0], **request[1]):
            yield response.delta

    async def astream(self, client: Any, request: tuple[Any, Json]) -> AsyncIterator[str]:
        async for response in await client.astream_chat(request[0], **request[1]):
            yield response.delta

    def tool_arguments(self, client: Any, request: tuple[Any, Json]) -> Json:
        *_, last = client.stream_chat(request[0], **request[1])
        return self.arguments_of(last)

    def arguments_of(self, response: Any) -> Json:
        call: Json = response.message.additional_kwargs["tool_calls"][0]
        return parsed(call["function"]["arguments"])

    def convert(self, request: tuple[Any, Json]) -> int:
        """LlamaIndex's messages as the client takes them."""
        to_core: Any = importlib.import_module("llama_index.llms.llm_connector.messages").to_core
        return len(to_core(request[0]))

    async def close(self, client: Any) -> None:
        await client.aclose()


class LlamaIndexOpenAI(LlamaIndex):
    """LlamaIndex's own class."""

    def create(self) -> Any:
        made: Any = importlib.import_module("llama_index.llms.openai").OpenAI
        # a name that its table knows: others are refused
        return made(model="gpt-4o", api_base=self.url + "/v1", api_key="x")

    def arguments_of(self, response: Any) -> Json:
        return parsed(response.message.additional_kwargs["tool_calls"][0].function.arguments)

    def convert(self, request: tuple[Any, Json]) -> int:
        convert: Any = importlib.import_module("llama_index.llms.openai.utils").to_openai_message_dicts
        return len(convert(request[0], model="gpt-4o"))


def llama_index_converting(session: Session, *, message_count: int, seconds: float = 0.2) -> Numbers:
    """A conversation of LlamaIndex's messages, made ready for the client."""
    contestant, request = session.contestant, session.request("whole-1", message_count)
    assert isinstance(contestant, LlamaIndex)
    assert contestant.convert(request) == message_count
    return repeated(lambda: contestant.convert(request), seconds)


LLAMA_INDEX: dict[str, type[Contestant]] = {"llama-index": LlamaIndex, "llama-index-llms-openai": LlamaIndexOpenAI}
