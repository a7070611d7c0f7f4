"""What the standard tests do not ask: options, errors, callbacks, structured output, life cycle."""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
from typing import Any

import pytest
from langchain_core import exceptions
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, trim_messages
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.tools import tool
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as OldBaseModel

import llm_connector
from langchain_llm_connector import ChatLlmConnector, register
from langchain_llm_connector.errors import _both
from llm_connector.types import Usage
from tests.integrations.langchain.little_model import THOUGHT, LittleModel, settings
from tests.support.answers import call_delta, completion, delta, piece
from tests.support.wire_server import Answer, Stream, sse


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str = Field(description="the end")


def made(server: LittleModel, provider: str = "openai_compatible", **others: Any) -> Any:
    return ChatLlmConnector(**settings(server, provider, **{"model": "m", "max_retries": 0, **others}))


def body_of(server: LittleModel) -> dict[str, Any]:
    body: dict[str, Any] = server.bodies[-1]
    return body


# options


def test_settings_reach_the_wire_as_they_are(little_model):
    options: dict[str, Any] = {
        "temperature": 0,
        "top_p": 0.5,
        "max_tokens": 7,
        "stop": ["a"],
        "seed": 0,
        "presence_penalty": 0.25,
    }
    made(little_model, **options, model_kwargs={"x": 1, "y": 1}, extra_body={"y": 2}).invoke("Hello", y=3, z=4)
    assert body_of(little_model) == {
        "model": "m", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0.0, "top_p": 0.5,
        "max_tokens": 7, "stop": ["a"], "seed": 0, "presence_penalty": 0.25, "x": 1, "y": 3, "z": 4,
    }  # fmt: skip


def test_names_of_other_classes_are_understood(little_model):
    model = made(little_model, max_completion_tokens=5, stop_sequences=["x"], request_timeout=3)
    assert (model.model, model.model_name, model.max_tokens, model.timeout) == ("m", "m", 5, 3.0)
    with pytest.raises(ValueError, match="'model' is given twice, once as 'model_name'"):
        made(little_model, model_name="n")
    named = ChatLlmConnector(provider="ollama", model_name="n")
    assert (named.model, named.model_name) == ("n", "n")
    model.invoke("Hello")
    assert body_of(little_model)["stop"] == ["x"]
    model.invoke("Hello", stop_sequences=["y"], max_tokens=None)
    assert body_of(little_model)["stop"] == ["y"]
    assert "max_tokens" not in body_of(little_model)


def test_any_option_may_be_given_per_call(little_model):
    model = made(little_model, prompt_cache=True, max_tokens=1)
    model.invoke("Hello", max_completion_tokens=5, seed=1, default_headers={"x-a": "b"}, model_kwargs={"k": 1})
    body = body_of(little_model)
    assert (body["max_tokens"], body["seed"], body["k"]) == (5, 1, 1)
    assert little_model.requests[-1].headers["x-a"] == "b"
    made(little_model, "anthropic").invoke([SystemMessage("Be brief."), HumanMessage("Hi")], prompt_cache=True)
    assert "cache_control" in body_of(little_model)["system"][0]
    with pytest.raises(ValueError, match="'base_url' is a setting of the object, not of a call"):
        model.invoke("Hello", base_url="http://example.com")


def test_tokens_of_several_prompts_are_added_up(little_model):
    result = made(little_model).generate([[HumanMessage("a")], [HumanMessage("b")]])
    assert result.llm_output == {
        "model_name": "m",
        "token_usage": {"prompt_tokens": 42, "completion_tokens": 24, "total_tokens": 66},
    }


def test_leaving_a_block_closes_the_connections(little_model):
    gc.collect()  # what an exception of another test still holds shares the connections
    with made(little_model) as model:
        model.invoke("Hello")

    async def ask() -> None:
        async with made(little_model) as other:
            await other.ainvoke("Hello")

    asyncio.run(ask())
    assert little_model.wait_closed()


@pytest.mark.parametrize(
    "given",
    [{"reasoning": "high"}, {"reasoning_effort": "high"}, {"thinking": {"type": "enabled", "budget_tokens": 8192}}],
    ids=lambda given: next(iter(given)),
)
def test_thinking_is_one_option_under_three_names(little_model, given):
    for ask in (
        lambda: made(little_model, "anthropic", max_tokens=32_000, **given).invoke("Hello"),
        lambda: made(little_model, "anthropic", max_tokens=32_000).invoke("Hello", **given),
    ):
        assert ask().additional_kwargs["reasoning_content"] == THOUGHT
        assert body_of(little_model)["thinking"]["type"] in ("enabled", "adaptive")


def test_no_stop_sequences_are_none(little_model):
    made(little_model, stop=[]).invoke("Hello")
    assert "stop" not in body_of(little_model)


def test_an_unknown_argument_is_a_mistake():
    with pytest.raises(ValueError, match="unknown argument 'temprature'; did you mean 'temperature'"):
        ChatLlmConnector(provider="openai", model="m", temprature=0)
    with pytest.raises(ValueError, match="unknown provider 'zhipo'; did you mean 'zhipu'"):
        ChatLlmConnector(provider="zhipo", model="m")


def test_streaming_is_what_the_field_says(little_model):
    made(little_model, streaming=True).invoke("Hello")
    assert body_of(little_model)["stream"] is True
    list(made(little_model, streaming=False).stream("Hello"))
    assert "stream" not in body_of(little_model)
    list(made(little_model, disable_streaming="tool_calling").bind_tools([weather]).stream("Hello"))
    assert "stream" not in body_of(little_model)
    chunks = list(made(little_model, stream_usage=False).stream("Hello"))
    assert all(chunk.usage_metadata is None for chunk in chunks)


def test_several_answers_count_usage_once(little_model):
    answer = completion(content="one")
    answer["choices"].append({**answer["choices"][0], "index": 1, "message": {"role": "assistant", "content": "two"}})
    little_model.script(
        Answer.json({**answer, "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})
    )
    (generations,) = made(little_model, n=2).generate([[HumanMessage("?")]]).generations
    assert [generation.text for generation in generations] == ["one", "two"]
    assert [generation.message.usage_metadata is None for generation in generations] == [False, True]


def test_metadata_says_where_an_answer_is_from(little_model):
    answer = made(little_model, "zhipu", include_response_headers=True).invoke("Hello", model="other")
    known = answer.response_metadata
    assert known["model_name"] == "other"
    assert (known["model_provider"], known["provider"]) == ("llm_connector", "zhipu")
    assert (known["finish_reason"], known["normalized_finish_reason"]) == ("stop", "stop")
    assert known["id"] == "chatcmpl-1"
    assert known["headers"]["content-type"] == "application/json"
    json.dumps(answer.model_dump())


def test_log_probabilities_are_metadata(little_model):
    answer = completion(content="x")
    answer["choices"][0]["logprobs"] = {"content": [{"token": "x", "logprob": -0.5}]}
    little_model.script(Answer.json(answer))
    known = made(little_model, logprobs=True).invoke("?").response_metadata
    assert known["logprobs"]["content"][0]["logprob"] == -0.5
    assert body_of(little_model)["logprobs"] is True


def test_traces_name_the_model_that_is_asked():
    assert ChatLlmConnector(provider="local")._get_ls_params().get("ls_model_name") == "smollm2-135m-instruct"


def test_what_was_not_sent_as_asked_is_reported(little_model):
    answer = made(little_model, "ollama").bind_tools([weather], tool_choice="any").invoke("Use weather in Oslo")
    (note,) = answer.response_metadata["adaptations"]
    assert (note["action"], note["subject"]) == ("downgraded", "tool_choice")


# streams


def test_the_last_chunk_is_marked_once(little_model):
    for model in (made(little_model), made(little_model, output_version="v1")):
        positions = [chunk.chunk_position for chunk in model.stream("Hello")]
        assert positions == [None] * (len(positions) - 1) + ["last"]


def test_chunks_come_as_they_arrive(little_model):
    little_model.script(Stream(sse(delta(reasoning_content="Hm. "), delta(content="one "), done=False), end="hold"))
    stream = made(little_model).stream("?")
    assert next(stream).additional_kwargs == {"reasoning_content": "Hm. "}  # the server sends nothing more
    assert next(stream).content == "one "
    stream.close()


def test_a_stream_that_is_left_closes_its_connection(little_model):
    little_model.script(Stream([*sse(delta(content="one "), done=False)], end="hold"))
    stream = made(little_model).stream("?")
    next(stream)
    stream.close()
    assert little_model.wait_closed()


def test_a_cancelled_task_closes_its_connection(little_model):
    little_model.script(Stream([*sse(delta(content="one "), done=False)], end="hold"))

    async def cancelled() -> None:
        seen = asyncio.Event()

        async def read() -> None:
            async for _ in made(little_model).astream("?"):
                seen.set()

        task = asyncio.create_task(read())
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(little_model.wait_closed)

    asyncio.run(cancelled())


def test_the_newer_events_tell_text_thoughts_and_calls(little_model):
    model = made(little_model, model="think").bind_tools([weather])
    stream = model.stream_events("Use weather in Oslo", version="v3")
    list(stream)
    assert str(stream.reasoning) == THOUGHT
    (call,) = stream.output.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Oslo"})
    assert stream.output.usage_metadata["output_token_details"] == {"reasoning": 4}
    assert [block["type"] for block in stream.output.content] == ["reasoning", "tool_call"]


@pytest.mark.anyio
async def test_the_older_events_stream_an_invoked_model(little_model):
    events = [event async for event in made(little_model).astream_events("Hello", version="v2")]
    names = [event["event"] for event in events]
    assert names[0] == "on_chat_model_start"
    assert names[-1] == "on_chat_model_end"
    texts = [event["data"]["chunk"].content for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(texts) == "Hello there, how are you?"


# errors


ERRORS = [
    (401, "bad key", "ModelAuthenticationError", llm_connector.AuthenticationError, False),
    (403, "not you", "ModelPermissionDeniedError", llm_connector.PermissionDeniedError, False),
    (402, "no money", "ModelPermissionDeniedError", llm_connector.InsufficientBalanceError, False),
    (400, "bad", "ModelInvalidRequestError", llm_connector.BadRequestError, False),
    (413, "large", "ModelInvalidRequestError", llm_connector.BadRequestError, False),
    (404, "no such model", "ModelNotFoundError", llm_connector.NotFoundError, False),
    (429, "slow down", "ModelRateLimitError", llm_connector.RateLimitError, True),
    (500, "broken", "ModelAPIError", llm_connector.ServerError, True),
    (529, "busy", "ModelAPIError", llm_connector.ServerError, True),
    (400, "maximum context length is 8", "ContextOverflowError", llm_connector.ContextLengthError, False),
]  # fmt: skip


def all_paths(model: Any) -> dict[str, Any]:
    async def astream() -> list[Any]:
        return [chunk async for chunk in model.astream("?")]

    return {
        "invoke": lambda: model.invoke("?"),
        "stream": lambda: next(model.stream("?")),
        "ainvoke": lambda: asyncio.run(model.ainvoke("?")),
        "astream": lambda: asyncio.run(astream()),
        "events": lambda: list(model.stream_events("?", version="v3")),
    }


@pytest.mark.parametrize(("status", "message", "theirs", "ours", "retryable"), ERRORS)
def test_errors_are_in_both_trees(little_model, status, message, theirs, ours, retryable):
    for path, ask in all_paths(made(little_model)).items():
        little_model.script(Answer.json({"error": {"message": message}}, status, {"x-request-id": "req-7"}))
        with pytest.raises(getattr(exceptions, theirs)) as failed:
            ask()
        error: Any = failed.value
        assert isinstance(error, ours), path
        assert error.is_retryable is retryable
        assert error.response.status_code == status
        assert error.response.json()["error"]["message"] == message
        assert error.request_id == "req-7"
        assert isinstance(error.__cause__, ours)
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert (str(again), again.status) == (str(error), status)


def test_a_langchain_with_fewer_classes_of_errors_gets_the_nearest(little_model, monkeypatch):
    _both.cache_clear()
    monkeypatch.delattr(exceptions, "ContextOverflowError")
    monkeypatch.delattr(exceptions, "ModelRateLimitError")
    for status, message, theirs in (
        (429, "slow down", exceptions.ModelAPIError),
        (400, "maximum context length is 8", exceptions.ModelInvalidRequestError),
    ):
        little_model.script(Answer.json({"error": {"message": message}}, status))
        with pytest.raises(theirs):
            made(little_model).invoke("?")
    _both.cache_clear()
    for name in [name for name in vars(exceptions) if name.startswith("Model")]:
        monkeypatch.delattr(exceptions, name)
    little_model.script(Answer.json({"error": {"message": "slow down"}}, 429))
    with pytest.raises(exceptions.LangChainException) as failed:
        made(little_model).invoke("?")
    assert isinstance(failed.value, llm_connector.RateLimitError)
    _both.cache_clear()


def test_an_unreachable_server_is_a_connection_error():
    model = ChatLlmConnector(provider="openai_compatible", base_url="http://127.0.0.1:1/v1", model="m", max_retries=0)
    with pytest.raises(exceptions.ModelConnectionError, match="openai_compatible"):
        model.invoke("?")


def test_a_silent_server_is_a_timeout(little_model):
    little_model.script(Stream([], delay=5))
    with pytest.raises(exceptions.ModelTimeoutError) as failed:
        made(little_model, timeout={"first_byte": 0.1}).invoke("?")
    assert isinstance(failed.value, TimeoutError)


@pytest.mark.parametrize("end", ["cut", "clean"])
def test_a_truncated_stream_is_not_a_short_answer(little_model, end):
    little_model.script(Stream(sse(delta(content="Once "), done=False), end=end))
    with pytest.raises(llm_connector.StreamError) as failed:
        list(made(little_model).stream("?"))
    assert isinstance(failed.value, exceptions.ModelError)
    assert failed.value.partial is not None
    assert failed.value.partial.text == "Once "


def test_an_error_inside_a_stream_is_raised(little_model):
    event = {"error": {"message": "Rate limit", "code": "rate_limit_exceeded", "type": "requests"}}
    little_model.script(Stream(sse(delta(content="Once "), event)))
    with pytest.raises(exceptions.ModelError) as failed:
        list(made(little_model).stream("?"))
    assert isinstance(failed.value, llm_connector.StreamError)


def test_retries_are_the_cores(little_model):
    busy = Answer.json({"error": {"message": "busy"}}, 503, {"retry-after-ms": "1"})
    little_model.script(busy, busy)
    assert made(little_model, max_retries=2).invoke("Hello").content
    assert len(little_model.requests) == 3
    little_model.script(busy)
    with pytest.raises(exceptions.ModelAPIError):
        made(little_model, max_retries=0).invoke("Hello")
    assert len(little_model.requests) == 4


# callbacks, limits, tokens


class Counting(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_chat_model_start(self, *_args: Any, **_named: Any) -> None:
        self.seen.append("start")

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **_named: Any) -> None:
        assert chunk is not None
        self.seen.append("token")

    def on_llm_end(self, *_args: Any, **_named: Any) -> None:
        self.seen.append("end")

    def on_llm_error(self, *_args: Any, **_named: Any) -> None:
        self.seen.append("error")


def test_callbacks_come_exactly_once(little_model):
    model = made(little_model)
    for ask, tokens in (
        (lambda config: model.invoke("Hello", config=config), 0),
        (lambda config: list(model.stream("Hello", config=config)), 6),
        (lambda config: asyncio.run(model.ainvoke("Hello", config=config)), 0),
        (lambda config: model.bind(stream=True).invoke("Hello", config=config), 6),
        (lambda config: list(model.stream_events("Hello", config=config, version="v3")), 6),
    ):
        handler = Counting()
        ask({"callbacks": [handler]})
        assert handler.seen == ["start", *["token"] * tokens, "end"]
    handler = Counting()
    little_model.script(Answer.json({"error": {"message": "no"}}, 400))
    with pytest.raises(exceptions.ModelError):
        model.invoke("?", config={"callbacks": [handler]})
    assert handler.seen == ["start", "error"]


@pytest.mark.filterwarnings("ignore:The method `BaseChatModel._achat_model_stream_v3` is in beta")
@pytest.mark.anyio
async def test_async_callbacks_see_every_token(little_model):
    class Async(AsyncCallbackHandler):
        tokens = 0

        async def on_llm_new_token(self, token: Any, **_named: Any) -> None:
            self.tokens += 1

    handler = Async()
    chunks = [chunk async for chunk in made(little_model).astream("Hello", config={"callbacks": [handler]})]
    assert handler.tokens == len(chunks)
    events = await made(little_model).astream_events("Hello", config={"callbacks": [handler]}, version="v3")
    assert [event async for event in events]
    assert handler.tokens == 2 * len(chunks)


def test_a_rate_limiter_is_asked(little_model):
    class Limiter(InMemoryRateLimiter):
        asked = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            type(self).asked += 1
            return True

    model = made(little_model, rate_limiter=Limiter(requests_per_second=1))
    model.invoke("Hello")
    list(model.stream("Hello"))
    assert Limiter.asked == 2


def test_tokens_are_counted_offline():
    model = ChatLlmConnector(provider="openai", model="gpt-9", api_key="k")
    assert model.get_num_tokens("four" * 10) == 11
    assert model.get_num_tokens("天空为什么是蓝的") == 7
    messages: list[BaseMessage] = [SystemMessage("s" * 40), HumanMessage("h" * 400), HumanMessage("u" * 40)]
    assert model.get_num_tokens_from_messages(messages) == 13 + 102 + 12  # LangChain counts the name of the role
    assert model.get_num_tokens_from_messages(messages, tools=[weather]) > 127
    trimmed = trim_messages(messages, max_tokens=60, token_counter=model, strategy="last", include_system=True)
    assert trimmed == [messages[0], messages[2]]
    own = ChatLlmConnector(provider="openai", model="m", api_key="k", custom_get_token_ids=lambda text: [1])
    assert own.get_num_tokens("anything") == 1


def test_usage_is_none_when_the_server_does_not_say(little_model):
    little_model.script(Answer.json(completion(content="x")))
    assert made(little_model).invoke("?").usage_metadata is None
    assert Usage() == Usage()


# tools


def test_tools_of_every_kind_are_sent(little_model):
    def plain(a: int) -> int:
        """Adds."""
        return a

    class Shape(BaseModel):
        """A shape."""

        size: int

    schema = {"title": "titled", "description": "d", "type": "object", "properties": {"x": {"type": "string"}}}
    anthropic = {"name": "anthropic", "description": "d", "input_schema": {"type": "object", "properties": {}}}
    native = {"type": "web_search_20250305", "name": "web_search"}
    bound = made(little_model, "anthropic").bind_tools([weather, plain, Shape, schema, anthropic, native])
    bound.invoke("Hello")
    tools = body_of(little_model)["tools"]
    assert [tool["name"] for tool in tools] == ["weather", "plain", "Shape", "titled", "anthropic", "web_search"]
    assert tools[-1] == native


def test_the_choice_of_a_tool_is_checked(little_model):
    model = made(little_model)
    assert model.bind_tools([weather], tool_choice="any").kwargs["tool_choice"] == "required"
    assert model.bind_tools([weather], tool_choice=True).kwargs["tool_choice"] == "required"
    assert "tool_choice" not in model.bind_tools([weather], tool_choice=False).kwargs
    with pytest.raises(ValueError, match=r"'none', 'required' or the tools \['weather'\]"):
        model.bind_tools([weather], tool_choice="wether")
    empty = model.bind_tools([], tool_choice="any", response_format={"type": "json_object"})
    assert empty.kwargs == {"response_format": {"type": "json_object"}}
    model.bind_tools([weather], tool_choice={"type": "function", "function": {"name": "weather"}}).invoke("?")
    assert body_of(little_model)["tool_choice"]["function"]["name"] == "weather"
    model.bind_tools([weather], strict=True, parallel_tool_calls=False).invoke("?")
    assert body_of(little_model)["tools"][0]["function"]["strict"] is True
    assert body_of(little_model)["parallel_tool_calls"] is False


def test_prompt_caching_is_asked_for(little_model):
    made(little_model, "anthropic", prompt_cache=True).invoke([SystemMessage("Be brief."), HumanMessage("Hello")])
    assert body_of(little_model)["system"][0]["cache_control"] == {"type": "ephemeral"}
    marked = weather.model_copy(update={"extras": {"cache_control": {"type": "ephemeral"}}})
    made(little_model, "anthropic").bind_tools([weather, marked]).invoke("?")
    assert ["cache_control" in tool for tool in body_of(little_model)["tools"]] == [False, True]
    text = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
    made(little_model, "anthropic").invoke([HumanMessage([text, "short"])])
    assert body_of(little_model)["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}


# structured output


@pytest.mark.parametrize("provider", ["openai_compatible", "anthropic", "ollama", "aliyun", "zhipu"])
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_every_method_gives_objects(little_model, provider, method):
    question = "Use the tool Joke: a joke as JSON with setup and punchline"
    for schema in (Joke, Joke.model_json_schema()):
        chain = made(little_model, provider).with_structured_output(schema, method=method)
        expected = {"setup": "some setup", "punchline": "some punchline"}
        for answer in (chain.invoke(question), list(chain.stream(question))[-1]):
            assert (answer.model_dump() if isinstance(answer, Joke) else answer) == expected


def test_json_mode_adds_the_schema_to_a_prompt_without_it(little_model):
    chain = made(little_model).with_structured_output(Joke, method="json_mode")
    assert chain.invoke("Tell me a joke") == Joke(setup="some setup", punchline="some punchline")
    assert '"punchline"' in body_of(little_model)["messages"][0]["content"]
    chain.invoke("A joke as JSON with setup and punchline")
    assert len(body_of(little_model)["messages"]) == 1


def test_include_raw_keeps_what_cannot_be_parsed(little_model):
    chain = made(little_model).with_structured_output(Joke, include_raw=True)
    little_model.script(Answer.json(completion(content="No jokes today.")))
    answer = chain.invoke("?")
    assert answer["raw"].content == "No jokes today."
    assert answer["parsed"] is None
    assert isinstance(answer["parsing_error"], OutputParserException)
    fine = chain.invoke("Tell me a joke")
    assert (fine["parsed"].setup, fine["parsing_error"]) == ("some setup", None)


FAILING: dict[str, tuple[dict[str, Any], str, str]] = {
    "refused": (completion(content=None, refusal="I won't."), "json_schema", "refused: I won't"),
    "cut off": (completion("length", content='{"setup": "a", "punchline": "b'), "json_schema", "cut off"),
    "no call": (completion(content="No."), "function_calling", "no such object"),
}


@pytest.mark.parametrize(("answer", "method", "message"), FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("schema", [Joke, Joke.model_json_schema()], ids=["class", "dict"])
def test_an_answer_without_the_object_is_an_error_that_says_why(little_model, answer, method, message, schema):
    little_model.script(Answer.json(answer))
    with pytest.raises(OutputParserException, match=message) as failed:
        made(little_model).with_structured_output(schema, method=method).invoke("?")
    assert failed.value.llm_output == (answer["choices"][0]["message"]["content"] or "")


@pytest.mark.parametrize(
    "text", ['```json\n{"setup": "a", "punchline": "b"}\n```', '<think>{"x"</think>\n{"setup": "a", "punchline": "b"}']
)
def test_fences_and_thoughts_around_json_are_removed(little_model, text):
    little_model.script(Answer.json(completion(content=text)), Answer.json(completion(content=text)))
    for schema in (Joke, Joke.model_json_schema()):
        answer = made(little_model).with_structured_output(schema, method="json_mode").invoke("?")
        assert (answer if isinstance(answer, dict) else answer.model_dump()) == {"setup": "a", "punchline": "b"}


def test_mistakes_in_structured_output_are_told_at_once(little_model):
    model = made(little_model)
    with pytest.raises(ValueError, match="strict="):
        model.with_structured_output(Joke, method="json_mode", strict=True)
    with pytest.raises(ValueError, match="method is 'magic'"):
        model.with_structured_output(Joke, method="magic")
    with pytest.raises(ValueError, match="title"):
        model.with_structured_output({"type": "object", "properties": {"a": {"type": "string"}}})


def test_strict_is_passed_on(little_model):
    made(little_model).with_structured_output(Joke, strict=True).invoke("?")
    assert body_of(little_model)["response_format"]["json_schema"]["strict"] is True


def test_old_pydantic_classes_work(little_model):
    class Old(OldBaseModel):
        """An old one."""

        city: str

    answer = made(little_model).with_structured_output(Old).invoke("Use the tool: Old in Oslo")
    assert answer == Old(city="Oslo")


# reachability


def test_init_chat_model_makes_one_after_register():
    from langchain.chat_models import init_chat_model

    register()
    model: Any = init_chat_model(
        "glm-4.6", model_provider="llm_connector", provider="zhipu", api_key="k", temperature=0
    )
    assert isinstance(model, ChatLlmConnector)
    assert (model.provider, model.model, model.temperature) == ("zhipu", "glm-4.6", 0)
    again: Any = init_chat_model("llm_connector:qwen-plus", provider="aliyun", api_key="k")
    assert (again.provider, again.model) == ("aliyun", "qwen-plus")


def test_both_clients_are_within_reach(little_model):
    little_model.route("/v1/models", Answer.json({"data": [{"id": "small"}]}))
    model = made(little_model)
    assert [info.id for info in model.client.models()] == ["small"]
    assert asyncio.run(model.async_client.models())[0].id == "small"
    model.close()
    assert model.invoke("Hello").content


def test_a_call_that_comes_whole_is_streamed_whole(little_model):
    little_model.script(Stream(sse(call_delta(piece({"a": 1}, "f", id="c1")), delta("tool_calls"))))
    pieces = [piece for chunk in made(little_model).stream("?") for piece in chunk.tool_call_chunks]
    assert "".join(piece["args"] for piece in pieces).replace(" ", "") == '{"a":1}'


CUT_CALL = call_delta(piece('{"setup": "rm -r /home/", "punchl', "Joke", id="c1", index=0))
USELESS: dict[str, tuple[list[Any], str]] = {
    "refused": ([delta(refusal="No way."), delta("stop")], "the model refused: No way"),
    "cut": ([delta(content='{"setup": "a", "punchl'), delta("length")], "cut off at max_tokens"),
    "no object": ([delta(content="I will not."), delta("stop")], "Invalid json output|holds no such object"),
    "cut call": ([CUT_CALL, delta("length")], "cut off at max_tokens|Invalid json output"),
}


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("schema", [Joke, Joke.model_json_schema()], ids=["class", "dict"])
@pytest.mark.parametrize("case", USELESS)
def test_a_stream_that_ends_without_the_object_is_an_error_too(little_model, case, schema, method):
    events, message = USELESS[case]
    little_model.script(*[Stream(sse(*events))] * 2)
    model = made(little_model)
    with pytest.raises(OutputParserException, match=message):
        list(model.with_structured_output(schema, method=method).stream("?"))
    [found] = list(model.with_structured_output(schema, method=method, include_raw=True).stream("?"))
    assert found["parsed"] is None
    assert isinstance(found["parsing_error"], OutputParserException)
    assert found["raw"].response_metadata["finish_reason"] == events[-1]["choices"][0]["finish_reason"]


CUT = {
    "inside a text": '{"path": "/home/',
    "behind a backslash": '{"path": "/home\\',
    "behind a text": '{"path": "/home/"',
    "inside a list": '{"paths": ["/a", "/b"',
    "inside a text in a list": '{"paths": ["/a", "/b',
    "inside a number": '{"force": tru',
    "within": '{"a": {"b": [{"c": "d',
    "no JSON": "path=/home",
}


@pytest.mark.parametrize("arguments", CUT.values(), ids=CUT)
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_a_call_that_was_cut_is_no_call_in_streams_either(little_model, arguments, version):
    begun = call_delta(piece('{"city": "Oslo"}', "weather", id="c0", index=0), piece("", "delete", id="c1", index=1))
    rest = [call_delta(piece(text, index=1)) for text in (arguments[:5], arguments[5:])]
    little_model.script(*[Stream(sse(begun, *rest, delta("length")))] * 3)
    model = made(little_model, output_version=version)
    whole: Any = None
    for chunk in model.stream("?"):
        whole = chunk if whole is None else whole + chunk
    events = model.stream_events("?", version="v3")
    list(events)
    streamed = made(little_model, output_version=version, streaming=True).invoke("?")
    for message in (whole, events.output, streamed):
        assert [call["args"] for call in message.tool_calls] == [{"city": "Oslo"}]
        [cut] = message.invalid_tool_calls
        assert (cut["id"], cut["name"]) == ("c1", "delete")
        assert cut["args"].startswith(arguments)


def test_a_profile_is_that_of_the_model_that_is_set():
    model = ChatLlmConnector(provider="zhipu", model="glm-4.6", api_key="k")
    known: Any = model.profile
    assert known is not None
    assert model.model_copy(update={"model": "no-such-model"}).profile is None
    model.model = "no-such-model"
    assert model.profile is None
    assert ChatLlmConnector(provider="openai", model="gpt-5").profile is None  # without a key there is no client
