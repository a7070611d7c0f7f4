"""What refusals have taught, as data: it goes through JSON and comes back as the same wire format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest

from llm_connector import ConfigurationError, LlmClient, UnsupportedError, user
from llm_connector.client.learned import lessons, taught
from llm_connector.protocols import ErrorDetail, Protocol
from llm_connector.providers import Endpoint, find, supported_providers
from llm_connector.types import ChatRequest
from tests.support.answers import completion
from tests.support.drivers import DRIVERS, KEY, Driver
from tests.support.wire_server import Answer, WireServer

REFUSALS = [
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.",
    "Unsupported parameter: 'top_p' is not supported with this model.",
    "stream_options is not supported",
    "Function tools with reasoning_effort are not supported in /v1/chat/completions. Please use /v1/responses instead.",
    "This model is only supported in v1/responses and not in v1/chat/completions.",
    "Unexpected role 'user' after role 'tool'",
    "This model only support stream mode, please enable the stream parameter",
    "reasoning_effort: Input should be one of 'low', 'medium' or 'high'",
    "'thinking.type.enabled' is not supported for this model. Use adaptive thinking",
    "adaptive thinking is not supported on this model",
    "thinking.type.disabled is not supported for this model",
    "`temperature` and `top_p` cannot both be specified for this model",
    "temperature is deprecated for this model",
    "url error, please check url",
    "parameter.enable_thinking must be set to false for non-streaming calls",
    "tool_choice is not supported in thinking mode",
    "does not support thinking",
    'invalid think value: "max"',
    'think value "low" is not supported for this model',
    "This model doesn't support tool use in streaming mode.",
    "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
    "outputConfig is not supported",
    "Thinking level is not supported for this model.",
    "Budget 0 is invalid. This model only works in thinking mode.",
    "Penalty is not enabled for this model",
    "logprobs is not supported with this model",
    "Encrypted content is not supported with this model",
    "reasoning summaries are not available",
]
PARAMS = (
    None,
    "max_tokens",
    "temperature",
    "reasoning.effort",
    "reasoning_effort",
    "store",
    "include",
    "reasoning.summary",
)
ROWS = [
    *("openai", "openai_responses", "openai_compatible", "deepseek", "zhipu", "mistral", "anthropic", "bedrock"),
    *("gemini", "ollama", "aliyun", "volcengine", "azure_openai"),
]


def taught_by_everything(protocol: Protocol) -> Iterator[Protocol]:
    """What each refusal teaches, alone and after those before it."""
    request = ChatRequest.of([user("Hi")], {"model": "m"})
    grown = protocol
    for message in REFUSALS:
        for param in PARAMS:
            for code in (None, "unsupported_parameter", "unsupported_value"):
                failure = ErrorDetail(message, code, param=param)
                for start in (protocol, grown):
                    learned = start.learn_from(request, failure, 400)
                    if learned is not None:
                        yield learned[0]
                        grown = learned[0] if type(learned[0]) is type(grown) else grown
    lacking = ErrorDetail("Invalid URL (POST /v1/responses)")
    learned = protocol.learn_from(request, lacking, 404)
    if learned is not None:
        yield learned[0]


@pytest.mark.parametrize("row", ROWS)
def test_every_lesson_comes_back(row):
    spec = find(row)
    given = Endpoint(spec, "http://h")
    learned = list(taught_by_everything(spec.protocol))
    assert learned, "no refusal taught anything"
    for number, protocol in enumerate(learned):
        given.learned[f"m{number}"] = protocol
    data = lessons(given)
    assert json.loads(json.dumps(data)) == data
    back = taught(Endpoint(spec, "http://h"), json.loads(json.dumps(data)))
    for model, protocol in given.learned.items():
        if protocol != spec.protocol:
            assert back[model] == protocol, model


@pytest.fixture(params=DRIVERS, ids=lambda kind: kind.name)
def driver(request: pytest.FixtureRequest, wire_server: WireServer) -> Iterator[Driver]:
    made: Driver = request.param(wire_server)
    yield made
    made.close()


REFUSED = Answer.json({"error": {"message": REFUSALS[0], "param": "max_tokens", "code": "unsupported_parameter"}}, 400)
GOOD = Answer.json(completion(content="Hello"))


def test_a_client_is_spared_what_another_has_learned(driver, wire_server):
    wire_server.script(REFUSED, GOOD, GOOD)
    first = driver.client(base_url=f"{wire_server.url}?key=of-the-query")
    assert first.learned["models"] == {}
    driver.run(first.chat("Hi", max_tokens=5))
    saved = json.loads(json.dumps(first.learned))
    assert saved == {
        "provider": "openai_compatible",
        "base_url": f"{wire_server.url}/v1",
        "models": {"m": {"max_tokens_field": "max_completion_tokens"}},
    }

    driver.run(driver.client(learned=saved).chat("Hi", max_tokens=5))
    assert "max_completion_tokens" in wire_server.requests[-1].json
    assert len(wire_server.requests) == 3
    assert driver.client(learned=saved).learned == saved


def test_what_was_learned_is_known_before_and_strict_clients_refuse(wire_server):
    data = {
        "provider": "openai",
        "base_url": "https://api.openai.com/v1",
        "models": {"m": {"unsupported": ["temperature"]}},
    }
    client = LlmClient("openai", api_key=KEY, model="m", learned=data, strict=True)
    with pytest.raises(UnsupportedError, match="temperature would be dropped"):
        client.stream("Hi", temperature=0.5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"provider": "groq"}, r"learned\['provider'\] is 'groq', but this client asks 'openai'; leave it out"),
        ({"base_url": "https://x.test"}, r"learned\['base_url'\] is 'https://x.test', but this client asks"),
        ({"models": []}, "learned: give what client.learned returned"),
        ({"more": 1}, "learned: give what client.learned returned"),
        ({"models": {"m": {"max_tokens_field": 5}}}, r"\['models'\]\['m'\]: Input should be .*; leave the model out"),
        ({"models": {"m": {"stream_usage": "perhaps"}}}, "Input should be a valid boolean"),
        ({"models": {"m": {"no_such": True}}}, "'no_such' is nothing that can be learned"),
        ({"models": {"m": {"refused_thoughts": ["x"]}}}, "nothing that can be learned"),
        ({"models": {"m": {"wire": "Telex"}}}, "there is no 'Telex' here"),
        ({"models": {"m": {"thinking": {"efforts": 5}}}}, "Input should be"),
        ({"models": {"m": {"models": {"no_such": 1}}}}, "'no_such' is nothing that can be learned"),
        ({"models": {"m": {"models": 5}}}, r"learned\['models'\]\['m'\]"),
        ({"models": {"m": "x"}}, "a lesson is a dict"),
        ({"models": {"m": {"thinking": {"efforts": ["some"]}}}}, "Input should be 'none', 'minimal'"),
        ({"models": {"m": {"wire": "Responses", "fallback": {}}}}, "Responses has no 'fallback' that could be changed"),
    ],
)  # fmt: skip
def test_what_is_given_back_is_checked(change, says):
    data: dict[str, Any] = {"provider": "openai", "base_url": "https://api.openai.com/v1", "models": {}}
    with pytest.raises(ConfigurationError, match=says):
        LlmClient("openai", api_key=KEY, learned={**data, **change})


def test_a_wire_format_declares_the_fields_that_hold_another_one():
    """A lesson that leads to a format which is not declared could not be saved."""
    formats = {type(find(row).protocol): find(row).protocol for row in supported_providers()}
    assert {"fallback", "reroute", "responses"} == {name for kind in formats for name in kind.alternatives}
    for kind, protocol in formats.items():
        holding = [name for name, hint in get_type_hints(kind).items() if Protocol in (hint, *get_args(hint))]
        assert sorted(kind.alternatives) == sorted(holding), kind.__name__
        found = map(protocol.alternative, kind.alternatives)
        assert all(other is None or other.name != protocol.name for other in found)


@pytest.mark.parametrize("data", [{}, [], "x", 5, {"models": {}}])
def test_only_what_was_exported_is_taken(data):
    with pytest.raises(ConfigurationError, match=r"learned: give what client\.learned returned"):
        LlmClient("openai", api_key=KEY, learned=data)


def test_a_copy_shares_what_is_learned_and_another_address_does_not():
    data = {"provider": "openai", "base_url": "https://api.openai.com/v1", "models": {"m": {"stream_usage": False}}}
    client = LlmClient("openai", api_key=KEY, learned=data)
    assert client.with_options(model="n").learned == data
    assert client.with_options(base_url="https://x.test/v1").learned["models"] == {}
