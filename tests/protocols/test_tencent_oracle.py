"""Bodies and answers checked against the models of the official client, which know every key there is."""

from __future__ import annotations

import importlib
import itertools
import json
import warnings
from typing import Any

import pytest
from hypothesis import given

from llm_connector.errors import LlmConnectorError
from llm_connector.operations import render
from llm_connector.protocols.tencent import TencentChat
from llm_connector.providers import Endpoint, find
from llm_connector.types import ChatRequest, user
from llm_connector.wire import encode_json
from tests.support.generated import Written, tencent_chats
from tests.support.golden import Golden, golden_cases
from tests.support.strategies import chat_requests

models: Any = importlib.import_module("tencentcloud.hunyuan.v20230901.models")
WHOLE_BODIES = [case for case in golden_cases("tencent") if case.values[0].body is not None]


def accepted(kind: str, body: Any) -> None:
    """Fail unless the official model of that name holds the body as it is; unknown keys are a warning there."""
    model = getattr(models, kind)()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model._deserialize(json.loads(encode_json(body)))
    kept = without_none(json.loads(model.to_json_string()))
    assert kept == without_none(json.loads(encode_json(body)))


def without_none(value: Any) -> Any:
    if isinstance(value, list):
        return [without_none(item) for item in value]
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return value


@pytest.mark.parametrize("case", WHOLE_BODIES)
def test_the_official_models_know_every_key(case: Golden):
    accepted("ChatCompletionsRequest", case.render().body)


@given(request=chat_requests())
def test_the_official_models_know_what_any_request_becomes(request: ChatRequest):
    try:
        rendered = render(Endpoint(find("tencent_native"), "http://127.0.0.1:1"), request, stream=True)
    except LlmConnectorError:
        return
    accepted("ChatCompletionsRequest", rendered.body)
    roles = [message["Role"] for message in rendered.body["Messages"]]
    assert "system" not in roles[1:]
    assert not any(first == second != "tool" for first, second in itertools.pairwise(roles))


def test_the_official_models_know_the_other_actions():
    protocol, request = TencentChat(), ChatRequest(messages=[user("Hi")], model="m")
    accepted("GetEmbeddingRequest", protocol.render_embed(["a"], "m"))
    accepted("GetEmbeddingRequest", protocol.render_embed(["a", "b"], "m"))
    accepted("GetTokenCountRequest", protocol.render_count(request))


@given(answer=tencent_chats())
def test_the_answers_of_the_tests_are_answers(answer: Written):
    accepted("ChatCompletionsResponse", answer.whole["Response"])
    for event in answer.events:
        if isinstance(event.body, dict):
            accepted("ChatCompletionsResponse", event.body)


@pytest.mark.parametrize(
    "wrong",
    [
        {"MaxTokens": 5},
        {"Messages": [{"role": "user"}]},
        {"Tools": [{"Type": "function", "Function": {"Name": "f", "Parameters": "{}", "Strict": True}}]},
    ],
)
def test_the_oracle_refuses_what_is_wrong(wrong):
    with pytest.raises((Warning, AssertionError, TypeError)):
        accepted("ChatCompletionsRequest", {"Model": "m", "Messages": [], **wrong})
