"""What else the official clients offer: embeddings, counts, facts about models, coroutines, and going away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel

from tests.server.sdks import CLIENT_KEY, SDKS, Sdk, anthropic, ollama, openai
from tests.support.answers import delta
from tests.support.anybody import anybody, saying
from tests.support.behind import BEHIND
from tests.support.wire_server import Answer, Stream, WireServer, sse

VECTORS = [[0.5, -0.25], [1.0, 0.125]]  # numbers that 32 bits hold
HELLO = [{"role": "user", "content": "Hi"}]
HELD = Stream(sse(delta(content="One, "), done=False), end="hold")


def vectors(behind: str, count: int) -> Answer:
    """The answer of a provider to a request for some of `VECTORS`."""
    given = VECTORS[:count]
    if behind == "gemini":
        return Answer.json({"embeddings": [{"values": vector} for vector in given]})
    if behind == "ollama":
        return Answer.json({"model": "all-minilm", "embeddings": given, "prompt_eval_count": 3})
    listed = [{"embedding": vector, "text_index": place} for place, vector in enumerate(given)]
    return Answer.json({"output": {"embeddings": listed}, "usage": {"total_tokens": 3}})


def only(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", [name])


@pytest.mark.parametrize("behind", ["gemini", "ollama", "aliyun"])
@only("openai")
def test_embeddings_as_openai_gives_them(sdk: Sdk, server: WireServer, behind: str):
    """Its client asks for base64 unless told otherwise."""
    server.script(vectors(behind, 2), vectors(behind, 2))
    packed = sdk.client.embeddings.create(model=behind, input=["one", "two"])
    plain = sdk.client.embeddings.create(model=behind, input=["one", "two"], encoding_format="float", dimensions=2)

    assert [item.embedding for item in packed.data] == [item.embedding for item in plain.data] == VECTORS
    assert [item.index for item in packed.data] == [0, 1]
    assert all("one" in request.body.decode() for request in server.requests)


@pytest.mark.parametrize("behind", ["gemini", "ollama", "aliyun"])
@only("ollama")
def test_embeddings_as_ollama_gives_them(sdk: Sdk, server: WireServer, behind: str):
    server.script(vectors(behind, 2), vectors(behind, 1))
    assert sdk.client.embed(model=behind, input=["one", "two"]).embeddings == VECTORS
    assert sdk.client.embeddings(model=behind, prompt="one").embedding == VECTORS[0]


@only("openai")
def test_embeddings_of_who_has_none(sdk: Sdk, server: WireServer):
    with pytest.raises(openai.BadRequestError, match="embeddings"):
        sdk.client.embeddings.create(model="anthropic", input="one")
    assert not server.requests


@only("openai")
def test_one_model(sdk: Sdk):
    found = sdk.client.models.retrieve("anthropic")
    assert (found.id, found.object, found.owned_by) == ("anthropic", "model", "anthropic")
    with pytest.raises(openai.NotFoundError):
        sdk.client.models.retrieve("gpt-9")


@only("anthropic")
def test_one_model_as_anthropic_describes_it(sdk: Sdk):
    found = sdk.client.models.retrieve("anthropic")
    assert (found.id, found.type) == ("anthropic", "model")
    assert found.max_input_tokens == 200_000


@only("anthropic")
def test_counting_tokens(sdk: Sdk, server: WireServer):
    server.script(Answer.json({"totalTokens": 31}))
    assert sdk.client.messages.count_tokens(model="gemini", messages=HELLO).input_tokens == 31


@only("ollama")
def test_what_an_ollama_says_of_itself(sdk: Sdk):
    shown = sdk.client.show("gemini")
    assert {"completion", "tools", "vision", "thinking"} <= set(shown.capabilities or ())
    assert list(sdk.client.ps().models) == []


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@only("ollama")
def test_generating(sdk: Sdk, server: WireServer, streamed: bool):
    server.script(saying("42.", thought="Six times seven."))
    asked = {
        "model": "anthropic",
        "prompt": "Six times seven?",
        "system": "Be brief.",
        "think": True,
        "stream": streamed,
    }
    lines = list(sdk.client.generate(**asked)) if streamed else [sdk.client.generate(**asked)]

    assert "".join(line.response for line in lines) == "42."
    assert "".join(line.thinking or "" for line in lines) == "Six times seven."
    assert (lines[-1].done, lines[-1].prompt_eval_count, lines[-1].eval_count) == (True, 12, 7)


@only("ollama")
def test_a_model_is_loaded_by_asking_nothing(sdk: Sdk, server: WireServer):
    assert sdk.client.generate(model="gemini").done_reason == "load"
    assert sdk.client.generate(model="gemini", keep_alive=0).done_reason == "unload"
    assert not server.requests


@pytest.mark.parametrize("name", SDKS)
def test_who_goes_away_stops_the_provider(sdk: Sdk, server: WireServer):
    """Each client in its own way of leaving a stream."""
    server.script(HELD)
    match sdk.name:
        case "openai":
            with sdk.client.chat.completions.create(model="deepseek", messages=HELLO, stream=True) as stream:
                next(stream)
        case "openai_responses":
            with sdk.client.responses.create(model="deepseek", input="Hi", stream=True) as stream:
                next(stream)
        case "anthropic":
            with sdk.client.messages.stream(model="deepseek", max_tokens=9, messages=HELLO) as stream:
                next(stream.text_stream)
        case _:
            lines = sdk.client.chat(model="deepseek", messages=HELLO, stream=True)
            next(lines)
            lines.close()
    assert server.wait_closed(), "the provider goes on"


async def of_openai(url: str) -> str:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=CLIENT_KEY) as client:
        stream = await client.chat.completions.create(model="gemini", messages=HELLO, stream=True)
        return "".join([event.choices[0].delta.content or "" async for event in stream if event.choices])


async def of_anthropic(url: str) -> str:
    client = anthropic.AsyncAnthropic(base_url=url, api_key=CLIENT_KEY)
    async with client, client.messages.stream(model="gemini", max_tokens=99, messages=HELLO) as stream:
        return "".join([text async for text in stream.text_stream])


async def of_ollama(url: str) -> str:
    client = ollama.AsyncClient(host=url, headers={"Authorization": f"Bearer {CLIENT_KEY}"})
    lines: AsyncIterator[Any] = await client.chat(model="gemini", messages=HELLO, stream=True)
    text = "".join([line.message.content or "" async for line in lines])
    await client.close()
    return text


@pytest.mark.anyio
@pytest.mark.parametrize("read", [of_openai, of_anthropic, of_ollama])
async def test_coroutines(
    providers_gateway: tuple[str, WireServer], server: WireServer, read: Callable[[str], Awaitable[str]]
):
    server.script(anybody)
    assert await read(providers_gateway[0]) == f"{BEHIND['gemini'].model} says hello."


def weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: Its name.
    """
    return f"7 degrees in {city}"


@pytest.mark.parametrize("behind", ["gemini", "deepseek", "ollama"])
@only("anthropic")
def test_its_tool_runner_sends_the_whole_conversation(sdk: Sdk, server: WireServer, behind: str):
    """It leaves the conversation to the server, unless that says it cannot keep it."""
    server.script(anybody, anybody)
    asked = [{"role": "user", "content": "What is the weather in Oslo?"}]
    runner = sdk.client.beta.messages.tool_runner(
        model=behind, max_tokens=99, messages=asked, tools=[anthropic.beta_tool(weather)]
    )
    *_, last = runner

    assert last.content[-1].text == f"{BEHIND[behind].model} says hello."
    again = server.requests[-1].body.decode()
    assert all(words in again for words in ("What is the weather in Oslo?", "7 degrees in Oslo"))
    assert len(server.requests) == 2


@only("ollama")
def test_functions_are_tools(sdk: Sdk, server: WireServer):
    server.script(anybody)
    answer = sdk.client.chat(model="anthropic", messages=HELLO, tools=[weather])
    [call] = answer.message.tool_calls
    assert weather(**call.function.arguments) == "7 degrees in Oslo"


class Person(BaseModel):
    name: str
    age: int


@pytest.mark.parametrize("behind", ["anthropic", "gemini", "deepseek"])
@only("openai")
def test_answers_are_parsed(sdk: Sdk, server: WireServer, behind: str):
    server.script(*[saying('{"name": "Ada", "age": 36}')] * 2)
    chat = sdk.client.chat.completions.parse(model=behind, messages=HELLO, response_format=Person)
    response = sdk.client.responses.parse(model=behind, input="Hi", text_format=Person)

    assert chat.choices[0].message.parsed == response.output_parsed == Person(name="Ada", age=36)


SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}


@pytest.mark.parametrize("behind", [name for name in BEHIND if name != "anthropic"])
@only("anthropic")
def test_tools_of_a_server_are_left_to_that_server(sdk: Sdk, server: WireServer, behind: str):
    """Beside others they are left out, and the client hears of it; alone they are refused."""
    server.script(anybody)
    asked = {"model": behind, "max_tokens": 99, "messages": HELLO}
    answer = sdk.client.messages.with_raw_response.create(**asked, tools=[SEARCH, *sdk.tools()["tools"]])
    told = json.loads(answer.headers["x-llm-connector-adaptations"])
    assert ("dropped", "tool web_search") in {(change["action"], change["subject"]) for change in told}
    assert "web_search" not in server.requests[0].body.decode()

    with pytest.raises(anthropic.BadRequestError, match="web_search"):
        sdk.client.messages.create(**asked, tools=[SEARCH])
    choice = {"type": "tool", "name": "web_search"}
    with pytest.raises(anthropic.BadRequestError, match="web_search"):
        sdk.client.messages.create(**asked, tools=[SEARCH, *sdk.tools()["tools"]], tool_choice=choice)
    assert len(server.requests) == 1


@only("anthropic")
def test_tools_of_a_server_reach_it(sdk: Sdk, server: WireServer):
    server.script(saying("Found."))
    sdk.client.messages.create(model="anthropic", max_tokens=99, messages=HELLO, tools=[SEARCH])
    assert server.requests[0].json["tools"] == [SEARCH]
