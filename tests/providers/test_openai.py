"""OpenAI: functions together with thinking go the way round to Responses, through both clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_connector import tool_result, user
from llm_connector.errors import (
    BadRequestError,
    ContentFilterError,
    ModelNotFoundError,
    NotFoundError,
    StreamError,
    UnsupportedError,
)
from tests.support.answers import ask, completion
from tests.support.drivers import DRIVERS, Driver
from tests.support.wire_server import Answer, Stream, WireServer, sse

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}", "caller": {"a": 1}}
TEXT = {
    "type": "message",
    "role": "assistant",
    "phase": "final_answer",
    "content": [{"type": "output_text", "text": "Hi"}],
}
CHAT = Answer.json(completion(content="Hi"))
CHAT_PATH, RESPONSES_PATH = "/v1/chat/completions", "/v1/responses"


def response(*output: Any, status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "model": "m", "status": status, "output": list(output), **fields}


def refusal(message: str, status: int = 400, param: str | None = None, code: str | None = None) -> Answer:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Answer.json({"error": error}, status)


TOGETHER = refusal(
    "Function tools with reasoning_effort are not supported for m in /v1/chat/completions. To use function tools, "
    "use /v1/responses or set reasoning_effort to 'none'.",
    param="reasoning_effort",
)
ONLY = [
    refusal("This model is only supported in v1/responses and not in v1/chat/completions.", 404, param="model"),
    refusal("This is not a chat model and thus not supported in the v1/chat/completions endpoint.", 404, param="model"),
]


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    driver: Driver = request.param(wire_server)
    yield driver
    driver.close()


def paths(driver: Driver) -> list[str]:
    return [request.path for request in driver.server.requests]


def told(answer: Any) -> list[tuple[str, str]]:
    return [(note.action, note.subject) for note in answer.adaptations]


def test_a_conversation_may_change_between_the_endpoints(driver: Driver):
    driver.server.script(
        Answer.json(response(THOUGHT, CALL)),
        Stream(sse({"type": "response.completed", "response": response(THOUGHT, TEXT)}, done=False)),
        CHAT,
        Answer.json(response(TEXT)),
    )
    client = driver.client("openai", model="gpt-5.5")

    first = driver.run(client.chat("Hi", tools=[TOOL]))
    turns = [user("Hi"), first.message, tool_result(first.tool_calls[0], "7")]
    stream = client.stream(turns, tools=[TOOL], reasoning="high")
    text = driver.text(stream)
    turns += [stream.response.message, user("Thanks")]
    plain = driver.run(client.chat(turns, reasoning="low"))
    last = driver.run(client.chat([*turns, plain.message, user("More")], tools=[TOOL]))

    assert paths(driver) == [RESPONSES_PATH, RESPONSES_PATH, CHAT_PATH, RESPONSES_PATH]
    assert (text, first.tool_calls[0].id, last.text) == ("Hi", "call_1", "Hi")
    assert told(first) == told(last) == [("converted", "endpoint")]
    second, chat, fourth = (request.json for request in driver.server.requests[1:])
    kinds = [item.get("type", item.get("role")) for item in second["input"]]
    assert kinds == ["user", "reasoning", "function_call", "function_call_output"]
    assert second["input"][1]["encrypted_content"] == "gAAAA"
    assert second["input"][2]["caller"] == {"a": 1}
    assert second["reasoning"] == {"effort": "high", "summary": "auto"}
    assert chat["messages"][1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    assert chat["reasoning_effort"] == "low"
    assert {"role": "assistant", "content": "Hi", "phase": "final_answer"} in fourth["input"]


def test_without_thinking_functions_stay(driver: Driver):
    driver.server.script(CHAT, CHAT)

    assert told(driver.chat(provider="openai", model="gpt-4o")) == []
    client = driver.client("openai", model="gpt-5.5")
    answer = driver.run(client.chat("Hi", tools=[TOOL], reasoning=False))

    assert paths(driver) == [CHAT_PATH] * 2
    assert told(answer) == []


@pytest.mark.parametrize(
    "options",
    [
        {"n": 2},
        {"extra_body": {"verbosity": "low"}},
        {"tools": [TOOL, {"type": "custom", "custom": {"name": "g"}}]},
    ],
    ids=str,
)
def test_what_only_chat_completions_has_stays(options: dict[str, Any]):
    settings: dict[str, Any] = {"model": "gpt-5.5", "tools": [TOOL], "reasoning": "high", **options}
    rendered = ask(provider="openai", **settings)

    assert rendered.path == "chat/completions"
    assert rendered.body["reasoning_effort"] == "none"
    assert told(rendered) == [("downgraded", "reasoning")]


def test_a_strict_client_is_told_which_row_does_it():
    with pytest.raises(UnsupportedError, match="openai_responses"):
        ask(provider="openai", model="gpt-5.5", tools=[TOOL], strict=True)


def test_a_model_that_no_rule_knows_is_learned_and_plain_requests_stay(driver: Driver):
    driver.server.script(TOGETHER, Answer.json(response(TEXT)), Answer.json(response(TEXT)), CHAT)
    client = driver.client("openai")

    answer = driver.run(client.chat("Hi", tools=[TOOL], reasoning="low"))
    driver.run(client.chat("Hi", tools=[TOOL], reasoning="low"))
    driver.run(client.chat("Hi", reasoning="low"))

    assert paths(driver) == [CHAT_PATH, RESPONSES_PATH, RESPONSES_PATH, CHAT_PATH]
    assert told(answer) == [("learned", "server"), ("converted", "endpoint")]


@pytest.mark.parametrize("refused", ONLY, ids=["named", "unnamed"])
def test_a_model_that_only_responses_has(driver: Driver, refused):
    driver.server.script(refused, Answer.json(response(TEXT)), Answer.json(response(TEXT)))
    client = driver.client("openai", model="gpt-5-pro")

    answers = [driver.run(client.chat("Hi")) for _ in range(2)]

    assert paths(driver) == [CHAT_PATH, RESPONSES_PATH, RESPONSES_PATH]
    assert [answer.text for answer in answers] == ["Hi", "Hi"]
    assert told(answers[0]) == [("learned", "server")]


@pytest.mark.parametrize(
    "lacking",
    [
        Answer.json({"detail": "Not Found"}, 404),
        Answer.json({"detail": "Method Not Allowed"}, 405),
        refusal("Unknown request URL: POST /v1/responses", 404),
        TOGETHER,  # of a gateway that translates Responses into Chat Completions
    ],
    ids=lambda answer: f"{answer.status}",
)
def test_a_gateway_without_responses_gets_chat_completions(driver: Driver, lacking):
    driver.server.script(lacking, CHAT, CHAT)
    client = driver.client("openai", model="gpt-5.5")

    answer = driver.run(client.chat("Hi", tools=[TOOL], reasoning="high"))
    driver.run(client.chat("Hi", tools=[TOOL]))

    assert paths(driver) == [RESPONSES_PATH, CHAT_PATH, CHAT_PATH]
    assert driver.server.requests[1].json["reasoning_effort"] == "none"
    assert told(answer)[1:] == [("learned", "server"), ("downgraded", "reasoning")]


def test_a_missing_page_or_model_is_asked_once(driver: Driver):
    missing = refusal("The model `gpt-5.5` does not exist", 404, code="model_not_found")
    driver.server.script(missing, Answer.json({"detail": "Not Found"}, 404))
    client = driver.client("openai", model="gpt-5.5")

    with pytest.raises(ModelNotFoundError):
        driver.run(client.chat("Hi", tools=[TOOL]))
    with pytest.raises(NotFoundError):
        driver.run(client.chat("Hi"))

    assert paths(driver) == [RESPONSES_PATH, CHAT_PATH]


def test_a_gateway_that_refuses_both_ways_is_asked_once_each(driver: Driver):
    driver.server.script(TOGETHER, TOGETHER)
    client = driver.client("openai", model="gpt-5.5")

    with pytest.raises(BadRequestError, match="Function tools"):
        driver.run(client.chat("Hi", tools=[TOOL]))

    assert paths(driver) == [RESPONSES_PATH, CHAT_PATH]


def test_refusals_of_the_other_endpoint_are_learned_for_it(driver: Driver):
    summary = "Your organization must be verified to generate reasoning summaries."
    driver.server.script(refusal(summary, param="reasoning.summary"), Answer.json(response(TEXT)), CHAT)
    client = driver.client("openai", model="gpt-5.5")

    driver.run(client.chat("Hi", tools=[TOOL], reasoning="low"))
    driver.run(client.chat("Hi", reasoning="low"))

    assert paths(driver) == [RESPONSES_PATH, RESPONSES_PATH, CHAT_PATH]
    assert driver.server.requests[1].json["reasoning"] == {"effort": "low"}


def test_failures_of_the_other_endpoint_have_their_classes(driver: Driver):
    failed = {
        "type": "response.failed",
        "response": response(status="failed", error={"code": "bio_policy", "message": "No"}),
    }
    driver.server.script(
        Answer.json(failed["response"]),
        Stream(sse(failed, done=False)),
        Stream(sse({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "H"})),
    )
    client = driver.client("openai", model="gpt-5.5")

    with pytest.raises(ContentFilterError):
        driver.run(client.chat("Hi", tools=[TOOL]))
    with pytest.raises(ContentFilterError):
        driver.text(client.stream("Hi", tools=[TOOL]))
    with pytest.raises(StreamError, match="finish marker") as cut:
        driver.text(client.stream("Hi", tools=[TOOL]))
    assert cut.value.partial is not None
    assert cut.value.partial.text == "H"
