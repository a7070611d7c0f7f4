"""Other people's clients read what the simulator writes."""

from __future__ import annotations

import importlib
import json
import warnings
from typing import Any
from urllib.parse import urlsplit

import anthropic
import botocore.session
import dashscope
import httpx
import ollama
import openai
import pytest
from google import genai

from llm_connector import Usage
from llm_connector.testing import WireSimulator, reply, tool_call

# without types
tencent: Any = importlib.import_module("tencentcloud.hunyuan.v20230901.hunyuan_client")
models: Any = importlib.import_module("tencentcloud.hunyuan.v20230901.models")
profiles: Any = importlib.import_module("tencentcloud.common.profile.client_profile")
http_profiles: Any = importlib.import_module("tencentcloud.common.profile.http_profile")
credentials: Any = importlib.import_module("tencentcloud.common.credential")

TEXT = "Let me see."
QUESTION: list[Any] = [{"role": "user", "content": "Weather?"}]
CALL = ("get_weather", {"city": "Oslo"})


@pytest.fixture
def simulator(wire_simulator: WireSimulator) -> WireSimulator:
    usage = Usage(input_tokens=9, output_tokens=4)
    wire_simulator.says(*[reply(TEXT, tool_call(CALL[0], **CALL[1]), usage=usage)] * 2)
    return wire_simulator


def test_openai(simulator):
    with openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="k") as client:
        whole = client.chat.completions.create(model="m", messages=QUESTION)
        with client.chat.completions.stream(model="m", messages=QUESTION) as stream:
            pieces = stream.get_final_completion()

    for message in (whole.choices[0].message, pieces.choices[0].message):
        assert message.content == TEXT
        assert message.tool_calls is not None
        function: Any = message.tool_calls[0]
        assert (function.function.name, json.loads(function.function.arguments)) == CALL
    assert whole.usage is not None
    assert whole.usage.prompt_tokens == 9


def test_openai_responses(simulator):
    with openai.OpenAI(base_url=f"{simulator.url}/v1", api_key="k") as client:
        whole = client.responses.create(model="m", input="Weather?")
        with client.responses.stream(model="m", input="Weather?") as stream:
            pieces = stream.get_final_response()

    for answer in (whole, pieces):
        assert answer.output_text == TEXT
        (call,) = [item for item in answer.output if item.type == "function_call"]
        assert (call.name, json.loads(call.arguments)) == CALL


def test_anthropic(simulator):
    with anthropic.Anthropic(base_url=simulator.url, api_key="k") as client:
        whole = client.messages.create(model="m", max_tokens=9, messages=QUESTION)
        with client.messages.stream(model="m", max_tokens=9, messages=QUESTION) as stream:
            pieces = stream.get_final_message()

    for message in (whole, pieces):
        text, call = message.content
        assert text.type == "text"
        assert text.text == TEXT
        assert call.type == "tool_use"
        assert (call.name, call.input) == CALL
        assert (message.usage.input_tokens, message.usage.output_tokens) == (9, 4)


def test_ollama(simulator):
    client = ollama.Client(host=simulator.url)
    whole = client.chat(model="m", messages=QUESTION)
    pieces = list(client.chat(model="m", messages=QUESTION, stream=True))
    client._client.close()

    assert whole.message.content == "".join(piece.message.content or "" for piece in pieces) == TEXT
    calls = [call for piece in (whole, *pieces) for call in piece.message.tool_calls or ()]
    assert [(call.function.name, call.function.arguments) for call in calls] == [CALL, CALL]
    assert (whole.prompt_eval_count, pieces[-1].eval_count) == (9, 4)


def test_gemini(simulator):
    client = genai.Client(api_key="k", http_options={"base_url": simulator.url, "api_version": "v1beta"})
    whole = client.models.generate_content(model="m", contents="Weather?")
    pieces = list(client.models.generate_content_stream(model="m", contents="Weather?"))
    client.close()

    parts = [part for piece in pieces for part in _parts(piece)]
    for found in (_parts(whole), parts):
        assert "".join(part.text or "" for part in found) == TEXT
        assert [(part.function_call.name, part.function_call.args) for part in found if part.function_call] == [CALL]
    assert whole.usage_metadata is not None
    assert whole.usage_metadata.prompt_token_count == 9
    assert pieces[-1].candidates is not None
    assert pieces[-1].candidates[0].finish_reason == "STOP"


def _parts(answer: Any) -> list[Any]:
    return list(answer.candidates[0].content.parts)


def test_converse(simulator):
    client = botocore.session.get_session().create_client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=simulator.url,
        aws_access_key_id="AKID", aws_secret_access_key="secret",
    )  # fmt: skip
    asked = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "Weather?"}]}]}
    whole = client.converse(**asked)
    pieces = list(client.converse_stream(**asked)["stream"])
    client.close()

    text, call = whole["output"]["message"]["content"]
    assert text["text"] == TEXT
    assert (call["toolUse"]["name"], call["toolUse"]["input"]) == CALL
    assert whole["usage"]["inputTokens"] == 9
    deltas = [piece["contentBlockDelta"]["delta"] for piece in pieces if "contentBlockDelta" in piece]
    assert "".join(delta.get("text", "") for delta in deltas) == TEXT
    assert json.loads("".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)) == CALL[1]
    assert pieces[-2:] == [
        {"messageStop": {"stopReason": "tool_use"}},
        {"metadata": {"usage": whole["usage"], "metrics": {"latencyMs": 1}}},
    ]


def test_dashscope(simulator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own
        asked: dict[str, Any] = {"model": "m", "messages": QUESTION, "api_key": "k", "result_format": "message"}
        asked["base_address"] = f"{simulator.url}/api/v1"
        whole: Any = dashscope.Generation.call(**asked)
        answers: Any = dashscope.Generation.call(**asked, stream=True, incremental_output=True)
        pieces = list(answers)

    message = whole.output.choices[0].message
    assert message.content == TEXT
    assert json.loads(message.tool_calls[0]["function"]["arguments"]) == CALL[1]
    assert whole.usage.input_tokens == 9
    assert "".join(piece.output.choices[0].message.content for piece in pieces) == TEXT
    assert pieces[-1].output.choices[0].finish_reason == "tool_calls"


@pytest.mark.filterwarnings("ignore:.*utcfromtimestamp:DeprecationWarning")  # theirs, from Python 3.12 on
def test_tencent(simulator):
    reached = http_profiles.HttpProfile(endpoint=urlsplit(simulator.url).netloc, protocol="http")
    profile = profiles.ClientProfile(httpProfile=reached)
    client = tencent.HunyuanClient(credentials.Credential("AKID", "secret"), "", profile)
    asked = {"Model": "m", "Messages": [{"Role": "user", "Content": "Weather?"}]}
    answers: list[Any] = []
    for stream in (False, True):
        request = models.ChatCompletionsRequest()
        request.from_json_string(json.dumps({**asked, "Stream": stream}))
        answers.append(client.ChatCompletions(request))
    whole, events = answers
    pieces = [json.loads(event["data"]) for event in events if event["data"] != "[DONE]"]

    message = whole.Choices[0].Message
    assert message.Content == TEXT
    assert json.loads(message.ToolCalls[0].Function.Arguments) == CALL[1]
    assert whole.Usage.PromptTokens == 9
    deltas = [piece["Choices"][0]["Delta"] for piece in pieces if piece["Choices"]]
    assert "".join(delta.get("Content") or "" for delta in deltas) == TEXT


def test_any_http_client(simulator):
    with httpx.stream("POST", f"{simulator.url}/v1/messages", json={"model": "m", "messages": QUESTION, "stream": True,
                                                                    "max_tokens": 9}) as response:  # fmt: skip
        events = [line for line in response.iter_lines() if line.startswith("event: ")]

    assert events[0] == "event: message_start"
    assert events[-1] == "event: message_stop"
