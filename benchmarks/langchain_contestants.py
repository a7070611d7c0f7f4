"""LangChain's chat models as contestants: ours, and `ChatOpenAI` at the same server."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.measures import Numbers, Session, repeated
from benchmarks.payloads import Json, Wire


class LangChain(Contestant):
    """`ChatLlmConnector`, called as LangChain's pages show."""

    def __init__(self, url: str, wire: Wire) -> None:
        super().__init__(url, wire)
        self.messages: Any = importlib.import_module("langchain_core.messages")
        self.create()  # what the first object loads is no part of the others

    def create(self) -> Any:
        made: Any = importlib.import_module("langchain_llm_connector").ChatLlmConnector
        return made(provider="openai_compatible", model="m", base_url=self.url + "/v1", api_key="x")

    def create_async(self) -> Any:
        return self.create()

    def prepare(self, scenario: str, messages: list[Json], tools: list[Json]) -> tuple[Any, Json]:
        kinds = {"user": self.messages.HumanMessage, "assistant": self.messages.AIMessage}
        options: Json = {"model": scenario, **({"tools": tools} if tools else {})}
        return [kinds[message["role"]](message["content"]) for message in messages], options

    def chat(self, client: Any, request: tuple[Any, Json]) -> str:
        text: str = client.invoke(request[0], **request[1]).content
        return text

    async def achat(self, client: Any, request: tuple[Any, Json]) -> str:
        text: str = (await client.ainvoke(request[0], **request[1])).content
        return text

    def stream(self, client: Any, request: tuple[Any, Json]) -> Iterator[str]:
        for chunk in client.stream(request[0], **request[1]):
            yield chunk.content

    async def astream(self, client: Any, request: tuple[Any, Json]) -> AsyncIterator[str]:
        async for chunk in client.astream(request[0], **request[1]):
            yield chunk.content

    def tool_arguments(self, client: Any, request: tuple[Any, Json]) -> Json:
        first, *others = client.stream(request[0], **request[1])
        arguments: Json = (first + others).tool_calls[0]["args"]
        return arguments

    def convert(self, client: Any, request: tuple[Any, Json]) -> int:
        """LangChain's messages as the client takes them."""
        to_core: Callable[..., list[Any]] = importlib.import_module("langchain_llm_connector.messages").to_core
        return len(to_core(request[0]))


class LangChainBlocks(LangChain):
    """The same with content as standard blocks."""

    def create(self) -> Any:
        return super().create().model_copy(update={"output_version": "v1"})

    def stream(self, client: Any, request: tuple[Any, Json]) -> Iterator[str]:
        for chunk in client.stream(request[0], **request[1]):
            yield chunk.text


class ChatOpenAI(LangChain):
    """LangChain's own class."""

    def create(self) -> Any:
        made: Any = importlib.import_module("langchain_openai").ChatOpenAI
        return made(model="m", base_url=self.url + "/v1", api_key="x", stream_usage=True)

    def convert(self, client: Any, request: tuple[Any, Json]) -> int:
        return len(client._get_request_payload(request[0])["messages"])


class ChatOpenAIBlocks(ChatOpenAI):
    """The same with content as standard blocks."""

    def create(self) -> Any:
        return super().create().model_copy(update={"output_version": "v1"})

    def stream(self, client: Any, request: tuple[Any, Json]) -> Iterator[str]:
        for chunk in client.stream(request[0], **request[1]):
            yield chunk.text


def converting(session: Session, *, message_count: int, seconds: float = 0.2) -> Numbers:
    """A conversation of LangChain's messages, made ready for the client."""
    contestant, request = session.contestant, session.request("whole-1", message_count)
    assert isinstance(contestant, LangChain)
    client = contestant.create()
    assert contestant.convert(client, request) == message_count
    return repeated(lambda: contestant.convert(client, request), seconds)


LANGCHAIN: dict[str, type[Contestant]] = {
    "langchain": LangChain,
    "langchain blocks": LangChainBlocks,
    "ChatOpenAI": ChatOpenAI,
    "ChatOpenAI blocks": ChatOpenAIBlocks,
}
