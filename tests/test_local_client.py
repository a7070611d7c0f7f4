"""The clients with the embedded model: a real engine, a real socket, real tokens."""

from __future__ import annotations

import math

import pytest
from pydantic import BaseModel

from llm_connector import AsyncLlmClient, LlmClient, Tool, tool_result, user

pytest.importorskip("xllamacpp", reason="the embedded model needs the extra [local]")
pytestmark = pytest.mark.local


@pytest.fixture
def client() -> LlmClient:
    return LlmClient("local")


def test_it_answers_and_counts(client: LlmClient) -> None:
    reply = client.chat("Name a colour.", max_tokens=12, seed=1, temperature=0)

    assert reply.text.strip()
    assert reply.model == "smollm2-135m-instruct"
    assert reply.usage.output_tokens is not None
    assert 0 < reply.usage.output_tokens <= 12
    assert reply.finish_reason in ("stop", "length")


def test_a_stream_folds_to_what_chat_returns(client: LlmClient) -> None:
    with client.stream("Count to five.", max_tokens=16, seed=7, temperature=0.0) as stream:
        text = "".join(chunk.text for chunk in stream)

    assert stream.status == "complete"
    assert text == stream.response.text == client.chat("Count to five.", max_tokens=16, seed=7, temperature=0.0).text


def test_a_stream_may_be_left_early(client: LlmClient) -> None:
    with client.stream("Tell me a long story.", max_tokens=400) as stream:
        next(stream)

    assert stream.status == "cancelled"
    assert client.chat("Hi", max_tokens=4).usage.output_tokens


@pytest.mark.parametrize("choice", ["auto", "required", "weather"])
def test_tools_are_called_with_values_from_the_question(client: LlmClient, choice: str) -> None:
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    reply = client.chat("What is the weather in Oslo?", tools=[weather], tool_choice=choice, seed=1)

    assert reply.finish_reason == "tool_calls"
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("weather", {"city": "Oslo"})]
    assert {note.subject for note in reply.adaptations} == {"tools", "response_format"}


def test_a_tool_result_is_answered_in_words(client: LlmClient) -> None:
    tool = Tool("weather", "The weather in a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
    question = user("What is the weather in Oslo?")
    call = client.chat(question, tools=[tool], tool_choice="required", seed=1)
    turns = [question, call.message, tool_result(call.tool_calls[0], "sunny, 20 degrees")]

    reply = client.chat(turns, tools=[tool], max_tokens=30, seed=1)

    assert reply.text.strip()
    assert not reply.tool_calls


def test_structured_output_parses(client: LlmClient) -> None:
    class Person(BaseModel):
        name: str
        age: int

    person = client.chat("Invent a person.", response_format=Person, seed=1).parse(Person)

    assert person.name
    assert person.age >= 0


def test_embeddings_rank_what_belongs_together(client: LlmClient) -> None:
    cat, kitten, loan = client.embed(["a cat sleeps", "a kitten naps", "the bank raised its interest rate"]).vectors

    def similarity(left: list[float], right: list[float]) -> float:
        return sum(a * b for a, b in zip(left, right, strict=True)) / (math.hypot(*left) * math.hypot(*right))

    assert len(cat) == 384
    assert similarity(cat, kitten) > similarity(cat, loan) + 0.2


def test_models_and_token_counts(client: LlmClient) -> None:
    assert [model.id for model in client.models()] == ["smollm2-135m-instruct"]
    assert client.count_tokens("Hello there, how are you today?") > client.count_tokens("Hello") > 0


@pytest.mark.anyio
async def test_the_async_client_does_the_same() -> None:
    async with AsyncLlmClient("local") as client:
        stream = client.stream("Name a fruit.", max_tokens=8, seed=1, temperature=0)
        text = "".join([chunk.text async for chunk in stream])
        reply = await client.chat("Name a fruit.", max_tokens=8, seed=1, temperature=0)
        vectors = (await client.embed("a fruit")).vectors

    assert text == reply.text != ""
    assert len(vectors) == 1
