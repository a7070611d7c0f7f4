"""PM: settings that some servers refuse."""

from __future__ import annotations

from typing import Any

import pytest

from llm_connector.errors import BadRequestError, ConfigurationError
from llm_connector.operations import RenderedChat, chat, open_stream
from llm_connector.types import ChatRequest, ChatResponse, Text, ToolCall, assistant, tool_result, user
from llm_connector.wire import Send, decode_json
from tests.support.answers import MAX_EVENT_BYTES, NO_RETRY, ask, completion, json_answer

ROWS = ["openai", "openai_compatible", "deepseek", "anthropic", "ollama"]


def taught(rendered: RenderedChat, *refusals: dict[str, Any]) -> tuple[ChatResponse, list[dict[str, Any]]]:
    """The answer after these 400s, and the bodies that were sent."""
    steps, bodies = chat(rendered, NO_RETRY), []
    step = next(steps)
    for refusal in refusals:
        assert isinstance(step, Send)
        bodies.append(decode_json(step.request.content))
        step = steps.send(json_answer({"error": refusal}, 400))
    assert isinstance(step, Send)
    bodies.append(decode_json(step.request.content))
    with pytest.raises(StopIteration) as done:
        steps.send(json_answer(completion(content="Hi")))
    return done.value.value, bodies


def refusal(param: str, code: str = "unsupported_parameter", message: str = "") -> dict[str, Any]:
    text = message or f"Unsupported parameter: '{param}' is not supported with this model."
    return {"message": text, "type": "invalid_request_error", "param": param, "code": code}


USE_OTHER = "Unsupported parameter: '{}' is not supported with this model. Use '{}' instead."


@pytest.mark.parametrize(
    ("provider", "first", "second"),
    [
        ("openai", "max_completion_tokens", "max_tokens"),
        ("openai_compatible", "max_tokens", "max_completion_tokens"),
        ("deepseek", "max_tokens", "max_completion_tokens"),
    ],
)
def test_PM_01_the_other_name_of_max_tokens_is_learned_once(provider, first, second):
    rendered = ask(provider=provider, max_tokens=9)

    answer, bodies = taught(rendered, refusal(first, message=USE_OTHER.format(first, second)))

    assert [{key: body[key] for key in (first, second) if key in body} for body in bodies] == [{first: 9}, {second: 9}]
    assert [note.action for note in answer.adaptations] == ["learned"]
    again = ask(provider=provider, max_tokens=9)
    learned = rendered.endpoint.protocol("m").render_chat(again.request, stream=False)
    assert second in learned, "the endpoint remembers it for the model"
    assert first in rendered.endpoint.protocol("another").render_chat(again.request, stream=False)


def test_PM_01_it_is_learned_from_the_parameter_alone():
    _, bodies = taught(ask(max_tokens=9), refusal("max_tokens"))

    assert bodies[1]["max_completion_tokens"] == 9


def test_PM_01_a_strict_client_gets_the_servers_error():
    steps = chat(ask(max_tokens=9, strict=True), NO_RETRY)
    next(steps)

    with pytest.raises(BadRequestError):
        steps.send(json_answer({"error": refusal("max_tokens")}, 400))


def test_PM_01_the_same_refusal_twice_is_raised():
    steps = chat(ask(provider="openai_compatible", temperature=0.5), NO_RETRY)
    assert isinstance(next(steps), Send)
    assert isinstance(steps.send(json_answer({"error": refusal("temperature", "unsupported_value")}, 400)), Send)

    with pytest.raises(BadRequestError):
        steps.send(json_answer({"error": refusal("temperature", "unsupported_value")}, 400))


def test_PM_02_anthropic_gets_the_temperature_where_both_are_set():
    rendered = ask(provider="anthropic", model="claude-opus-4-1", temperature=0.5, top_p=0.9)

    assert rendered.body["temperature"] == 0.5
    assert "top_p" not in rendered.body
    assert [(note.action, note.subject) for note in rendered.adaptations] == [("dropped", "top_p")]


@pytest.mark.parametrize("model", ["kimi-k2.5", "kimi-k2.6", "kimi-k3"])
def test_PM_03_a_fixed_temperature_is_left_out(model):
    rendered = ask(provider="moonshot", model=model, temperature=0.3)

    assert "temperature" not in rendered.body
    assert [(note.action, note.subject) for note in rendered.adaptations] == [("dropped", "temperature")]


def test_PM_03_a_fixed_temperature_is_learned_where_it_was_not_known():
    error = {"message": "invalid temperature: only 1 is allowed for this model", "type": "invalid_request_error"}

    answer, bodies = taught(ask(temperature=0.3), error)

    assert [body.get("temperature") for body in bodies] == [0.3, None]
    assert [(note.action, note.subject) for note in answer.adaptations] == [
        ("learned", "server"),
        ("dropped", "temperature"),
    ]


@pytest.mark.parametrize("provider", ROWS)
def test_PM_04_PM_07_nothing_is_sent_that_the_caller_did_not_set(provider):
    body = ask(provider=provider).body

    assert set(body) <= {"model", "messages", "stream", "max_tokens"}
    assert ("max_tokens" in body) == (provider == "anthropic")
    assert None not in body.values()


@pytest.mark.parametrize("provider", ROWS)
def test_PM_07_no_key_is_null(provider):
    call = ToolCall(id="x", name="f")
    history = [user("?"), assistant(Text("Hm"), call), tool_result(call, "ok"), user("And?")]

    body = ask(
        history, provider=provider, temperature=1.0, reasoning=True, tools=[{"name": "f", "parameters": None}]
    ).body

    def nulls(node: Any, path: str = "") -> list[str]:
        if isinstance(node, dict):
            return [found for key, value in node.items() for found in nulls(value, f"{path}.{key}")]
        if isinstance(node, list):
            return [found for item in node for found in nulls(item, path)]
        return [path] if node is None else []

    assert nulls(body) == []


@pytest.mark.parametrize(
    "message",
    [
        "extraneous key [include_usage] is not permitted",
        "property 'stream_options' is unsupported",
        "Unrecognized request argument supplied: stream_options",
    ],
)
def test_PM_05_stream_options_are_sent_with_streams_only_and_are_unlearned(message):
    assert "stream_options" not in ask().body
    rendered = ask(stream=True)
    assert rendered.body["stream_options"] == {"include_usage": True}

    steps = open_stream(rendered, NO_RETRY, MAX_EVENT_BYTES)
    assert isinstance(next(steps), Send)
    second = steps.send(json_answer({"error": {"message": message}}, 400))

    assert isinstance(second, Send)
    assert "stream_options" not in decode_json(second.request.content)
    assert decode_json(second.request.content)["stream"] is True


@pytest.mark.parametrize(("asked", "sent"), [({}, 8192), ({"max_tokens": 5}, 5)])
def test_PM_06_anthropic_always_gets_max_tokens(asked, sent):
    assert ask(provider="anthropic", **asked).body["max_tokens"] == sent


@pytest.mark.parametrize("max_tokens", [2048, 1000])
def test_PM_06_a_budget_above_max_tokens_is_a_clear_error(max_tokens):
    with pytest.raises(ConfigurationError, match=rf"2048.*max_tokens={max_tokens}"):
        ask(provider="anthropic", model="claude-sonnet-4-5", max_tokens=max_tokens, reasoning=2048)


def test_PM_06_the_default_makes_room_for_the_budget():
    body = ask(provider="anthropic", model="claude-sonnet-4-5", reasoning=20_000).body

    assert body["max_tokens"] > body["thinking"]["budget_tokens"] == 20_000


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Unrecognized request argument supplied: reasoning_effort", "param": None, "code": None},
        refusal("reasoning_effort"),
        refusal("reasoning_effort", "unsupported_value", "'reasoning_effort' does not support 'high' with this model."),
    ],
)
def test_PM_08_an_effort_that_a_model_refuses_is_dropped_aloud(error):
    answer, bodies = taught(ask(provider="openai", reasoning="high"), error)

    assert [body.get("reasoning_effort") for body in bodies] == ["high", None]
    assert [note.action for note in answer.adaptations] == ["learned", "dropped"]


def test_PM_08_the_efforts_that_a_refusal_lists_are_learned():
    message = "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. "
    message += "Supported values are: 'none', 'low', 'medium', 'high', and 'xhigh'."

    answer, bodies = taught(
        ask(provider="openai", reasoning="minimal"), refusal("reasoning_effort", "unsupported_value", message)
    )

    assert [body.get("reasoning_effort") for body in bodies] == ["minimal", "low"]
    assert [note.action for note in answer.adaptations] == ["learned", "converted"]


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5.1"])
def test_PM_08_what_is_learned_outweighs_what_is_known_of_a_model(model):
    rendered = ask(provider="openai", model=model, reasoning="high", top_p=0.5, extra_body={"service_tier": "flex"})

    _, bodies = taught(rendered, refusal("seed"), refusal("max_completion_tokens"))

    protocol = rendered.endpoint.protocol(model)
    again = protocol.render_chat(ask(seed=1, max_tokens=9, model=model).request, stream=False)
    assert (again.keys() & {"seed", "max_tokens", "max_completion_tokens"}) == {"max_tokens"}
    assert len(bodies) == 3


def test_functions_and_thinking_that_exclude_each_other_are_learned():
    message = "Function tools with reasoning_effort are not supported for m in /v1/chat/completions."
    message += " To use function tools, use /v1/responses or set reasoning_effort to 'none'."
    rendered = ask(reasoning="high", tools=[{"name": "f", "parameters": None}])

    answer, bodies = taught(rendered, refusal("reasoning_effort", "", message))

    assert [body.get("reasoning_effort") for body in bodies] == ["high", "none"]
    assert [note.action for note in answer.adaptations] == ["learned", "downgraded"]


def test_a_request_knows_no_defaults():
    unset = ChatRequest(messages=[user("?")]).model_dump(exclude={"messages"})

    assert {value for value in unset.values() if not isinstance(value, list)} == {None}


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("bedrock", "zai.glm-4.7"),
        ("bedrock", "minimax.minimax-m2"),
        ("bedrock", "mistral.magistral-small-2509"),
        ("ollama", "gpt-oss:20b"),
        ("perplexity", "sonar-reasoning-pro"),
    ],
)
def test_thinking_that_cannot_be_stopped_is_reported(provider, model):
    rendered = ask(provider=provider, model=model, reasoning=False)

    assert [note.subject for note in rendered.adaptations] == ["reasoning"]
