from __future__ import annotations

import asyncio
import contextlib
import threading
import unittest
from typing import Any

import httpx
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.llms.llm_connector import LlmConnector

from langchain_llm_connector import ChatLlmConnector
from llm_connector import (
    AsyncLlmClient,
    AuthenticationError,
    BadRequestError,
    ChatResponse,
    ConfigurationError,
    ContentFilterError,
    ContextLengthError,
    Image,
    InsufficientBalanceError,
    LlmClient,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Reasoning,
    ServerError,
    StreamError,
    TimeoutError,
    ToolCall,
    TransportError,
    UnsupportedError,
    Usage,
    assistant,
    supported_providers,
    system,
    tool_result,
    user,
)
from llm_connector.testing import FakeTransport, ReceivedRequest, UnscriptedRequest, reply, tool_call
from tests.support.generated import OBJECTS, TEXT
from tests.testing.support import ROWS, TOOLS, facts

each_wire = pytest.mark.parametrize("wire", ROWS)


def streamed(client: LlmClient, message: Any = "Hi", **options: Any) -> ChatResponse:
    stream = client.stream(message, **options)
    for _ in stream:
        pass
    return stream.response


class TestScript:
    def test_answers_come_in_turn(self):
        fake = FakeTransport("one", "two")
        client = fake.client()

        assert [client.chat("Hi").text, client.chat("Hi").text] == ["one", "two"]
        assert (len(fake.requests), fake.left) == (2, 0)

    def test_more_can_be_said_later_and_something_at_the_end(self):
        fake = FakeTransport("one")
        fake.says("two", "three")
        fake.otherwise("and so on")
        client = fake.client()

        assert [client.chat("Hi").text for _ in range(5)] == ["one", "two", "three", "and so on", "and so on"]

    @pytest.mark.parametrize(
        ("answer", "text"),
        [
            ("text", "text"),
            (assistant("a message"), "a message"),
            (reply("a reply"), "a reply"),
            (["a ", "list"], "a list"),
            (lambda request: request.text.upper(), "HI"),
            (lambda request: reply(request.model), "scripted"),
        ],
    )
    def test_an_answer_may_be_said_in_many_ways(self, answer, text):
        assert FakeTransport(answer).client().chat("Hi").text == text

    def test_an_answer_of_another_client_can_be_said_again(self):
        first = FakeTransport(reply("Hello", usage=Usage(input_tokens=3))).client().chat("Hi")

        again = FakeTransport(first).client("anthropic").chat("Hi")

        assert (again.text, again.usage.input_tokens, again.id) == ("Hello", 3, first.id)

    @pytest.mark.parametrize("answer", [7, None, b"bytes", object(), [1]])
    def test_what_says_nothing_is_refused_at_once(self, answer):
        with pytest.raises(ConfigurationError, match="cannot be an answer; give text"):
            FakeTransport(answer)
        with pytest.raises(ConfigurationError):
            FakeTransport().says(answer)

    def test_a_dict_is_the_body_of_any_endpoint(self):
        fake = FakeTransport(
            {"data": [{"index": 0, "embedding": [1.0, 2.0]}], "model": "m"}, {"data": [{"id": "small"}]}
        )
        client = fake.client("openai")

        assert client.embed("Hi", model="m").vectors == [[1.0, 2.0]]
        assert [model.id for model in client.models()] == ["small"]
        assert fake.requests[0].json == {"model": "m", "input": ["Hi"], "encoding_format": "float"}

    def test_words_cannot_answer_what_is_no_chat(self):
        with pytest.raises(ConfigurationError, match=r"POST /v1/embeddings is no chat; script its answer as a dict"):
            FakeTransport("Hello").client("openai").embed("Hi", model="m")

    def test_one_script_serves_several_threads(self):
        fake = FakeTransport(*(str(number) for number in range(64)))
        client = fake.client()
        said: list[str] = []

        def ask() -> None:
            said.extend(client.chat("Hi").text for _ in range(8))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(said, key=int) == [str(number) for number in range(64)]


class TestUnscripted:
    def test_a_request_without_an_answer_says_what_was_asked(self):
        fake = FakeTransport("one")
        client = fake.client("anthropic", model="claude-x")
        client.chat("Hi")

        with pytest.raises(UnscriptedRequest) as caught:
            client.chat([system("Be terse."), user("Weather in Oslo?")])

        assert str(caught.value) == (
            "the script has no answer left (1 were given); add one with says(...). Asked was:\n"
            "POST /v1/messages (model claude-x)\n"
            "  system: Be terse.\n"
            "  user: Weather in Oslo?"
        )
        assert [request.text for request in fake.unscripted] == ["Weather in Oslo?"]

    def test_it_fails_a_test_like_an_assertion(self):
        with pytest.raises(AssertionError):
            FakeTransport().client().chat("Hi")


class TestRequests:
    @each_wire
    def test_they_are_read_whatever_the_wire_format(self, wire):
        call = tool_call("get_weather", city="Oslo")
        fake = FakeTransport(reply("Let me see.", call), "7 degrees.")
        client = fake.client(ROWS[wire])

        first = client.chat([system("Be terse."), user("Weather in Oslo?")], tools=TOOLS, temperature=0.5)
        history = [user("Weather in Oslo?"), first.message, tool_result(first.tool_calls[0], "7 degrees")]
        client.chat(history, tools=TOOLS)

        asked, again = fake.requests
        assert asked.wire is not None
        assert asked.wire.name == wire
        assert [(turn.role, turn.text) for turn in asked.messages] == [
            ("system", "Be terse."),
            ("user", "Weather in Oslo?"),
        ]
        assert [tool.name for tool in asked.tools] == ["get_weather", "find_clock"]
        assert asked.tools[0].parameters["properties"].keys() == {"city", "unit"}
        assert asked.model == "scripted"
        assert asked.chat is not None
        assert asked.chat.temperature == 0.5
        assert not asked.stream
        assert [turn.role for turn in again.messages] == ["user", "assistant", "tool"]
        assert [(turn.name, turn.arguments) for turn in again.messages[1].tool_calls] == [
            ("get_weather", {"city": "Oslo"})
        ]
        assert "7 degrees" in str(again)

    @each_wire
    def test_pictures_thoughts_and_choices_are_read(self, wire):
        picture = Image.base64("image/png", "iVBORw0KGgo=")
        fake = FakeTransport(reply(Reasoning("Hm.", signature="c2ln"), "A dot."), "Yes.")
        client = fake.client(ROWS[wire], model="hunyuan-vision" if wire == "tencent" else "m")
        first = client.chat(user("What is it?", picture), tools=TOOLS, tool_choice="get_weather")
        client.chat([user("What is it?"), first.message, user("Sure?")])

        asked, again = fake.requests
        assert [part.data for part in asked.messages[0].parts if isinstance(part, Image)] == [picture.data]
        assert "What is it?" in asked.text
        assert [turn.text for turn in again.messages] == ["What is it?", "A dot.", "Sure?"]

    @each_wire
    def test_a_stream_is_known_as_one(self, wire):
        fake = FakeTransport("Hello there.")

        assert streamed(fake.client(ROWS[wire])).text == "Hello there."
        assert fake.requests[0].stream

    def test_a_key_is_not_shown(self):
        fake = FakeTransport("Hello")
        fake.client("openai", api_key="sk-planted-0123456789").chat("Hi")

        assert fake.requests[0].http.headers["authorization"] == "Bearer sk-planted-0123456789"
        assert "planted" not in f"{fake.requests!r} {fake.requests[0]} {fake!r}"

    def test_what_cannot_be_read_is_there_as_it_came(self):
        fake = FakeTransport({"ok": True})
        fake.http_client.post("https://example.com/v1/chat/completions", json={"messages": 7})

        assert fake.requests[0].json == {"messages": 7}
        with pytest.raises(ConfigurationError, match=r"is no chat that can be read; see \.json"):
            _ = fake.requests[0].messages


class TestAnswers:
    @each_wire
    def test_all_that_is_said_arrives_both_ways(self, wire):
        usage = Usage(input_tokens=9, output_tokens=4, cached_tokens=3)
        said = reply(Reasoning("The user asks."), "Well, let me see.", tool_call("get_weather", city="Oslo", unit="C"),
                     tool_call("find_clock"), usage=usage)  # fmt: skip
        client = FakeTransport(said, said).client(ROWS[wire])

        whole, pieces = client.chat("Hi", tools=TOOLS), streamed(client, tools=TOOLS)

        assert facts(whole) == facts(pieces)
        known = None if wire in ("ollama", "tencent") else 3
        assert facts(whole) == {
            "text": "Well, let me see.",
            "reasoning": "The user asks.",
            "calls": [("get_weather", {"city": "Oslo", "unit": "C"}, None), ("find_clock", {}, None)],
            "finish": "tool_calls",
            "usage": (9, 4, facts(whole)["usage"][2] if known is None else known),
        }

    @each_wire
    @pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
    def test_why_it_ended_arrives(self, wire, reason):
        said = reply("Hello", finish_reason=reason)
        client = FakeTransport(said, said).client(ROWS[wire])

        assert client.chat("Hi").finish_reason == streamed(client).finish_reason
        seen = "refusal" if wire.startswith("anthropic") and reason == "content_filter" else reason
        assert FakeTransport(said).client(ROWS[wire]).chat("Hi").finish_reason == seen

    @each_wire
    @given(TEXT.filter(str.strip), TEXT, st.lists(OBJECTS, max_size=2))
    @settings(max_examples=15)
    def test_what_goes_in_comes_out(self, wire, text, thought, calls):
        parts: list[Any] = [Reasoning(f"It thinks: {thought}"), f"It says: {text}"]
        said = reply(*parts, *(tool_call("get_weather", **arguments) for arguments in map(_named, calls)))
        client = FakeTransport(said, said).client(ROWS[wire])

        for answer in (client.chat("Hi", tools=TOOLS), streamed(client, tools=TOOLS)):
            assert (answer.text, answer.reasoning) == (f"It says: {text}", f"It thinks: {thought}")
            assert [call.arguments for call in answer.tool_calls] == list(map(_named, calls))

    @each_wire
    def test_ids_of_calls_arrive(self, wire):
        call = ToolCall(id="call123456", name="get_weather", arguments={"city": "Oslo"})
        client = FakeTransport(call, call).client(ROWS[wire])

        assert client.chat("Hi", tools=TOOLS).tool_calls[0].id == "call123456"
        assert streamed(client, tools=TOOLS).tool_calls[0].id == "call123456"

    def test_a_text_comes_word_by_word(self):
        chunks = FakeTransport("One, two, three").client().stream("Hi")

        assert [chunk.text for chunk in chunks if chunk.text] == ["One, ", "two, ", "three"]

    @pytest.mark.parametrize("wire", ["anthropic", "anthropic_bedrock", "anthropic_vertex", "converse"])
    def test_signatures_arrive(self, wire):
        said = reply(Reasoning("Hm.", signature="c2ln"), "Hello")
        client = FakeTransport(said, said).client(ROWS[wire])

        for answer in (client.chat("Hi"), streamed(client)):
            (thought, _) = answer.message.parts
            assert isinstance(thought, Reasoning)
            assert thought.signature == "c2ln"

    def test_headers_arrive(self):
        said = reply("Hello", headers={"x-request-id": "req_7"})

        assert FakeTransport(said).client("openai").chat("Hi").request_id == "req_7"
        refused = reply(fault="400", headers={"x-request-id": "req_8"})
        with pytest.raises(BadRequestError) as caught:
            FakeTransport(refused).client("openai").chat("Hi")
        assert caught.value.request_id == "req_8"

    def test_several_answers_arrive(self):
        several = FakeTransport(reply("one")).client().chat("Hi")
        second = several.choices[0].model_copy(update={"index": 1, "message": assistant("two")})
        said = several.model_copy(update={"choices": [several.choices[0], second]})
        client = FakeTransport(said, said).client()

        for answer in (client.chat("Hi", n=2), streamed(client, n=2)):
            assert [choice.message.text for choice in answer.choices] == ["one", "two"]


def _named(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments that can be given by name to `tool_call`."""
    return {f"a{name}": value for name, value in arguments.items()}


CLASSES = [
    BadRequestError("Bad.", status=400),
    ContextLengthError("Too much."),
    ContentFilterError("Filtered."),
    AuthenticationError("Wrong key."),
    InsufficientBalanceError("Pay."),
    PermissionDeniedError("Not you."),
    NotFoundError("Nowhere."),
    ModelNotFoundError("No such thing."),
    RateLimitError("Slow down."),
    ServerError("Broken.", status=503),
]


UNTOLD = {(wire, ContentFilterError) for wire in ("ollama", "converse", "gemini")} | {("tencent", ContextLengthError)}
"""Classes for which a wire format has neither a code nor words: what arrives is that the request is bad."""


class TestErrors:
    @each_wire
    def test_an_error_is_what_the_server_reports(self, wire):
        fake = FakeTransport(AuthenticationError("No such key.", status=401))

        with pytest.raises(AuthenticationError, match=r"No such key\."):
            fake.client(ROWS[wire]).chat("Hi")
        assert len(fake.requests) == 1

    @each_wire
    @pytest.mark.parametrize("error", CLASSES, ids=lambda error: type(error).__name__)
    def test_its_class_arrives(self, wire, error):
        if (wire, type(error)) in UNTOLD:
            error = BadRequestError(error.message, status=400)
        fake = FakeTransport()
        fake.otherwise(error)
        client = fake.client(ROWS[wire], max_retries=0)

        with pytest.raises(type(error)):
            client.chat("Hi")
        with pytest.raises(type(error)):
            streamed(client)

    @each_wire
    def test_a_retry_gets_the_next_answer_and_waits_for_nothing(self, wire):
        fake = FakeTransport(RateLimitError("Slow down.", status=429, retry_after=100), "Hello")

        assert fake.client(ROWS[wire]).chat("Hi").text == "Hello"
        assert len(fake.requests) == 2

    def test_how_long_to_wait_arrives(self):
        fake = FakeTransport(RateLimitError("Slow down.", status=429, retry_after=2.5))

        with pytest.raises(RateLimitError) as caught:
            fake.client(max_retries=0).chat("Hi")
        assert caught.value.retry_after == 2.5

    @each_wire
    def test_an_error_may_end_a_stream_that_has_begun(self, wire):
        fake = FakeTransport(reply("One, two", error=ServerError("Overloaded.", status=500)))

        with pytest.raises(StreamError, match="Overloaded") as caught:
            streamed(fake.client(ROWS[wire]))
        assert caught.value.partial is not None
        assert caught.value.partial.text == "One, two"
        assert len(fake.requests) == 1

    @pytest.mark.parametrize("error", [TransportError("broken"), TimeoutError("late")])
    def test_what_the_network_does_is_an_error_of_the_network(self, error):
        fake = FakeTransport(error, error)

        with pytest.raises(type(error)):
            fake.client(max_retries=0).chat("Hi")
        with pytest.raises(type(error)):
            streamed(fake.client(max_retries=0))

    @each_wire
    @pytest.mark.parametrize("error", [TransportError("broken"), TimeoutError("late")])
    def test_what_the_network_does_to_a_stream_that_has_begun(self, wire, error):
        fake = FakeTransport(reply("One, two", error=error))

        with pytest.raises(type(error)) as caught:
            streamed(fake.client(ROWS[wire]))
        assert isinstance(caught.value, StreamError)
        assert caught.value.partial is not None
        assert caught.value.partial.text == "One, two"

    def test_an_error_of_what_is_no_chat(self):
        fake = FakeTransport(RateLimitError("Slow down.", status=429, retry_after=3))

        with pytest.raises(RateLimitError) as caught:
            fake.client("openai", max_retries=0).models()
        assert caught.value.retry_after == 3

    @pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt(), ConfigurationError("of the client")])
    def test_any_other_exception_is_raised_as_it_is(self, error):
        with pytest.raises(type(error)) as caught:
            FakeTransport(error).client().chat("Hi")
        assert caught.value is error

    @pytest.mark.parametrize("timeout", [5, 0.1])
    def test_silence_takes_no_time(self, timeout):
        fake = FakeTransport(reply("One, two, three, four", fault="stall"), reply(fault="silence"))
        client = fake.client(timeout=timeout, max_retries=0)

        with pytest.raises(TimeoutError, match=f"silent for {timeout:g} s between two bytes") as caught:
            streamed(client)
        assert isinstance(caught.value, StreamError)
        assert caught.value.partial is not None
        assert caught.value.partial.text == "One, two, "
        with pytest.raises(TimeoutError, match="before the first byte"):
            client.chat("Hi")


@pytest.mark.parametrize("provider", supported_providers())
def test_every_provider_can_be_played(provider):
    fake = FakeTransport("Hello", "Hello there")
    fake.otherwise("Hello again")
    client = fake.client(provider)

    assert client.chat("Hi").text == "Hello"
    assert streamed(client).text == "Hello there"
    call = tool_call("get_weather", city="Oslo")
    history = [system("Terse."), user("Hi"), assistant(call), tool_result(call, "7"), user("JSON?")]
    asked: list[dict[str, Any]] = [
        {"reasoning": "high"}, {"response_format": "json"}, {"max_tokens": 100, "temperature": 0.5},
    ]  # fmt: skip
    for options in asked:
        with contextlib.suppress(UnsupportedError):
            client.chat(history, tools=TOOLS, **options)
    assert all(request.chat is not None for request in fake.requests)


class TestPlaces:
    def test_the_asynchronous_client(self):
        fake = FakeTransport("one", "two words")

        async def ask() -> tuple[str, list[str]]:
            async with fake.async_client("anthropic") as client:
                whole = await client.chat("Hi")
                return whole.text, [chunk.text async for chunk in client.stream("Hi") if chunk.text]

        assert asyncio.run(ask()) == ("one", ["two ", "words"])

    def test_trio(self):
        async def ask() -> str:
            async with FakeTransport("one").async_client() as client:
                return (await client.chat("Hi")).text

        assert trio.run(ask) == "one"

    def test_one_transport_in_several_loops(self):
        fake = FakeTransport("one", "two")

        async def ask() -> str:
            return (await fake.async_client().chat("Hi")).text

        assert [asyncio.run(ask()), asyncio.run(ask())] == ["one", "two"]

    def test_other_tasks_run_while_it_answers(self):
        fake = FakeTransport(*["one two three"] * 2)
        order: list[str] = []

        heard = order.append

        async def ask(name: str) -> None:
            async for chunk in fake.async_client().stream("Hi"):
                if chunk.text:
                    heard(name)

        async def both() -> None:
            await asyncio.gather(ask("a"), ask("b"))

        asyncio.run(both())
        assert sorted(order) == ["a"] * 3 + ["b"] * 3
        assert order != sorted(order)

    def test_a_client_of_yours(self):
        fake = FakeTransport("Hello")
        client = LlmClient("openai", api_key="sk-mine", model="m", http_client=httpx.Client(transport=fake))

        assert client.chat("Hi").text == "Hello"

    def test_code_that_makes_its_own_clients(self, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")

        def application() -> str:
            return LlmClient("openai", model="m", proxy="http://127.0.0.1:1").chat("Hi").text

        async def coroutine() -> str:
            async with AsyncLlmClient("openai", model="m") as client:
                return (await client.with_options(timeout=5).chat("Hi")).text

        fake = FakeTransport("one", "two")
        with fake.everywhere() as everywhere:
            assert [application(), asyncio.run(coroutine())] == ["one", "two"]
        assert everywhere is fake
        assert fake.requests[0].http.headers["authorization"] == "Bearer sk-of-the-environment"

    def test_clients_that_have_an_http_client_keep_it(self):
        mine, theirs = FakeTransport("mine"), FakeTransport("theirs")

        with theirs.everywhere():
            assert mine.client().chat("Hi").text == "mine"
        with pytest.raises(TransportError):
            LlmClient("openai_compatible", base_url="http://127.0.0.1:1", model="m", max_retries=0).chat("Hi")
        assert theirs.left == 1

    def test_langchain(self):
        fake = FakeTransport("one", "two")
        model = ChatLlmConnector(
            provider="anthropic", model="m", api_key="k",
            http_client=fake.http_client, http_async_client=fake.async_http_client,
        )  # fmt: skip

        assert model.invoke("Hi").text == "one"
        assert asyncio.run(model.ainvoke("Hi")).text == "two"

    def test_llama_index(self):
        fake = FakeTransport("one", "two")
        model = LlmConnector(
            provider="anthropic", model="m", api_key="k",
            http_client=fake.http_client, async_http_client=fake.async_http_client,
        )  # fmt: skip

        assert model.complete("Hi").text == "one"
        assert asyncio.run(model.acomplete("Hi")).text == "two"

    def test_unittest(self):
        class Case(unittest.TestCase):
            def test_hello(self) -> None:
                fake = FakeTransport("Hello")
                self.assertEqual(fake.client().chat("Hi").text, "Hello")  # noqa: PT009  the point is unittest

        outcome = unittest.TestResult()
        Case("test_hello").run(outcome)
        assert outcome.wasSuccessful()
        assert outcome.testsRun == 1

    def test_a_request_can_be_asked_for_by_a_function(self):
        def weather(request: ReceivedRequest) -> Any:
            asked = request.messages[-1]
            return f"Done: {request.text}" if asked.role == "tool" else tool_call("get_weather", city="Oslo")

        client = FakeTransport(weather, weather).client()
        first = client.chat("Weather?", tools=TOOLS)
        call = first.tool_calls[0]

        assert client.chat([user("Weather?"), first.message, tool_result(call, "7")], tools=TOOLS).text == "Done: 7"
