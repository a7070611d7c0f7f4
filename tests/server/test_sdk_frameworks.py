"""LangChain's and LlamaIndex's own classes for OpenAI, pointed at the gateway, in front of other providers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI as LlamaOpenAI
from pydantic import BaseModel, SecretStr

from llm_connector.server import Model
from tests.server.sdks import CLIENT_KEY
from tests.support.anybody import anybody, saying
from tests.support.behind import BEHIND
from tests.support.gateway import gateway, upstream
from tests.support.loops import close_left_loop
from tests.support.wire_server import WireServer

OTHERS = ["anthropic", "gemini", "ollama"]
every_provider = pytest.mark.parametrize("behind", OTHERS)
KNOWN = "gpt-4o-mini"
"""LlamaIndex's class refuses models whose context window it does not know; a gateway may give any model that name."""
QUESTION = "What is the weather in Oslo?"


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"7 degrees in {city}"


@pytest.fixture
def langchain(providers_gateway: tuple[str, WireServer], behind: str) -> Iterator[ChatOpenAI]:
    with httpx.Client() as own:  # those that it makes by itself are kept for ever
        yield ChatOpenAI(
            model=behind,
            base_url=f"{providers_gateway[0]}/v1",
            api_key=SecretStr(CLIENT_KEY),
            max_retries=0,
            stream_usage=True,
            http_client=own,
        )


@pytest.fixture
def llama_index(behind: str) -> Iterator[tuple[LlamaOpenAI, WireServer]]:
    row = BEHIND[behind]
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(WireServer())
        named = (Model(KNOWN, upstream(server.url + row.path, row.provider), row.model),)
        running = stack.enter_context(gateway(models=named))
        llm = LlamaOpenAI(model=KNOWN, api_base=f"{running.url}/v1", api_key="none", max_retries=0, reuse_client=True)
        yield llm, server
        llm._get_client().close()
        close_left_loop()


@every_provider
def test_langchain_answers_and_streams(langchain: ChatOpenAI, server: WireServer, behind: str):
    server.script(anybody, anybody)
    answer = langchain.invoke("Hi")
    chunks = list(langchain.stream("Hi"))
    total: Any = AIMessageChunk(content="")
    for chunk in chunks:
        total += chunk

    expected = f"{BEHIND[behind].model} says hello."
    assert (answer.text, total.text) == (expected, expected)
    assert [chunk.text for chunk in chunks if chunk.text] == [f"{BEHIND[behind].model} ", "says ", "hello."]
    counts = {"input_tokens": 12, "output_tokens": 7, "total_tokens": 19}
    assert counts.items() <= dict(answer.usage_metadata or {}).items()
    assert counts.items() <= dict(total.usage_metadata or {}).items()
    assert total.response_metadata["finish_reason"] == "stop"


@every_provider
def test_langchain_calls_tools(langchain: ChatOpenAI, server: WireServer, behind: str):
    server.script(anybody, anybody)
    model = langchain.bind_tools([tool(get_weather)])
    asked = HumanMessage(QUESTION)
    calling: Any = AIMessageChunk(content="")
    for chunk in model.stream([asked]):
        calling += chunk
    [call] = calling.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Oslo"})

    result = ToolMessage(get_weather(**call["args"]), tool_call_id=call["id"])
    answer = model.invoke([asked, calling, result])
    assert answer.text == f"{BEHIND[behind].model} says hello."
    assert "7 degrees in Oslo" in server.requests[-1].body.decode()


@every_provider
def test_langchain_gives_objects(langchain: ChatOpenAI, server: WireServer, behind: str):
    server.script(saying('{"name": "Ada", "age": 36}'))
    assert langchain.with_structured_output(Person).invoke("Who?") == Person(name="Ada", age=36)
    assert "age" in server.requests[-1].body.decode()


@every_provider
def test_llama_index_answers_and_streams(llama_index: tuple[LlamaOpenAI, WireServer], behind: str):
    llm, server = llama_index
    server.script(anybody, anybody, anybody)
    expected = f"{BEHIND[behind].model} says hello."

    assert llm.chat([ChatMessage("Hi")]).message.content == expected
    assert llm.complete("Hi").text == expected
    deltas = [part.delta for part in llm.stream_chat([ChatMessage("Hi")])]
    assert "".join(filter(None, deltas)) == expected


@every_provider
def test_llama_index_calls_tools(llama_index: tuple[LlamaOpenAI, WireServer], behind: str):
    llm, server = llama_index
    server.script(anybody)
    weather = FunctionTool.from_defaults(get_weather)
    response = llm.chat_with_tools([weather], QUESTION)

    [call] = llm.get_tool_calls_from_response(response)
    assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"city": "Oslo"})
    assert "get_weather" in server.requests[-1].body.decode()
