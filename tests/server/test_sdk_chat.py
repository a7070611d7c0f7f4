"""The official clients, over sockets, in front of providers whose wire formats are not theirs."""

from __future__ import annotations

import json

import pytest

from tests.server.recorded import texts
from tests.server.sdks import CLIENT_KEY, PERSON, PIXEL, SDKS, SYSTEM, Sdk
from tests.support.anybody import SIGNATURE, anybody, saying
from tests.support.behind import BEHIND
from tests.support.gateway import KEY
from tests.support.wire_server import Request, WireServer

OWN = {"anthropic": "anthropic", "ollama": "ollama", "openai": "deepseek"}
"""What speaks the client's own wire format; the fields of its answers are not what is tested here."""
PAIRS = [(sdk, name) for sdk in SDKS for name in BEHIND if OWN.get(sdk) != name]
QUESTION = "What is the weather in Oslo?"

every_pair = pytest.mark.parametrize(("name", "behind"), PAIRS)


def key_of(request: Request) -> str:
    """The key that a provider is sent, however it is sent."""
    headers = request.headers
    return headers.get("x-api-key") or headers.get("x-goog-api-key") or headers.get("authorization", "")[7:]


@every_pair
def test_an_answer(sdk: Sdk, behind: str, server: WireServer):
    server.script(anybody)
    answer = sdk.ask(behind)

    assert (answer.text, answer.finish) == (f"{BEHIND[behind].model} says hello.", sdk.stop)
    assert answer.usage == (12, 7)
    [sent] = server.requests
    assert {SYSTEM, "Hi"} <= set(texts(sent.json))
    assert key_of(sent) == KEY
    assert CLIENT_KEY not in f"{sent.headers}{sent.body!r}"


@every_pair
def test_a_stream_comes_in_the_pieces_of_the_provider(sdk: Sdk, behind: str, server: WireServer):
    server.script(anybody)
    answer = sdk.stream(behind)

    assert list(answer.pieces) == [f"{BEHIND[behind].model} ", "says ", "hello."]
    assert (answer.text, answer.finish, answer.usage) == ("".join(answer.pieces), sdk.stop, (12, 7))


@every_pair
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_tool_is_called_and_its_result_answered(sdk: Sdk, behind: str, server: WireServer, streamed: bool):
    server.script(anybody, anybody)
    ask = sdk.stream if streamed else sdk.ask
    asked = "input" if sdk.tools()["tools"][0].get("parameters") else "messages"
    called = ask(behind, **{asked: [{"role": "user", "content": QUESTION}]}, **sdk.tools())

    [call] = called.calls
    assert (call.name, call.arguments, called.finish) == ("get_weather", {"city": "Oslo"}, sdk.calling)

    answer = ask(behind, **sdk.result(QUESTION, called, "7 degrees"))
    assert answer.text == f"{BEHIND[behind].model} says hello."
    again = server.requests[-1].json
    assert {QUESTION, "get_weather"} <= set(texts(again))
    assert "7 degrees" in json.dumps(again)


@pytest.mark.parametrize("name", ["openai", "openai_responses", "anthropic"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_signature_of_a_call_comes_back_to_the_provider(sdk: Sdk, server: WireServer, streamed: bool):
    """Gemini refuses a call that comes back without it; none of these clients knows what it is."""
    server.script(anybody, anybody)
    ask = sdk.stream if streamed else sdk.ask
    ask("gemini", **sdk.result(QUESTION, ask("gemini", **sdk.tools()), "7 degrees"))

    [call] = server.requests[-1].json["contents"][1]["parts"]
    assert call["thoughtSignature"] == SIGNATURE


@pytest.mark.parametrize("name", ["openai_responses"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_signed_thought_comes_back_to_the_provider(sdk: Sdk, server: WireServer, streamed: bool):
    """While tools run, Anthropic thinks on only if its thoughts come back as they were."""
    server.script(saying(thought="I look.", tool="get_weather", arguments='{"city": "Oslo"}'), anybody)
    ask = sdk.stream if streamed else sdk.ask
    called = ask("anthropic", **sdk.tools(), **sdk.thinking(), store=False)
    ask("anthropic", **sdk.result(QUESTION, called, "7 degrees"), **sdk.thinking(), store=False)

    again = server.requests[-1].json
    assert again["messages"][1]["content"][0] == {"type": "thinking", "thinking": "I look.", "signature": SIGNATURE}
    assert again["thinking"]["type"] == "enabled"


@every_pair
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_thoughts_are_asked_for_and_shown(sdk: Sdk, behind: str, server: WireServer, streamed: bool):
    server.script(saying("42.", thought="Six times seven."))
    answer = (sdk.stream if streamed else sdk.ask)(behind, **sdk.thinking())

    assert (answer.thought, answer.text) == ("Six times seven.", "42.")
    assert "think" in server.requests[-1].body.decode()


@every_pair
def test_an_answer_of_a_given_form(sdk: Sdk, behind: str, server: WireServer):
    server.script(saying('{"name": "Ada", "age": 36}'))
    answer = sdk.ask(behind, **sdk.structured())

    assert json.loads(answer.text) == {"name": "Ada", "age": 36}
    assert all(name in server.requests[-1].body.decode() for name in PERSON["properties"])


@pytest.mark.parametrize(("name", "behind"), [pair for pair in PAIRS if pair[1] != "deepseek"])
def test_a_picture(sdk: Sdk, behind: str, server: WireServer):
    server.script(anybody)
    answer = sdk.ask(behind, **sdk.picture())

    assert answer.text == f"{BEHIND[behind].model} says hello."
    assert PIXEL in server.requests[-1].body.decode()


@pytest.mark.parametrize("name", ["openai"])
def test_what_a_model_cannot_take_is_told_to_it_and_to_the_client(sdk: Sdk, server: WireServer):
    server.script(anybody)
    answer = sdk.client.chat.completions.with_raw_response.create(model="deepseek", **sdk.picture())

    [told] = json.loads(answer.headers["x-llm-connector-adaptations"])
    assert (told["action"], told["subject"]) == ("converted", "image")
    assert "cannot read it" in server.requests[-1].body.decode()
    assert answer.parse().choices[0].message.content == "deepseek-v4-flash says hello."


@pytest.mark.parametrize("name", SDKS)
def test_the_list_of_models(sdk: Sdk):
    assert sdk.models() == list(BEHIND)
