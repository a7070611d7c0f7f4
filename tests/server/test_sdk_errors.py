"""What goes wrong, as the official clients raise it: by the status, in their own words, with what to do about it."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tests.server.sdks import CLIENT_KEY, SDKS, Sdk
from tests.support.answers import delta
from tests.support.behind import BEHIND
from tests.support.scenes import OVERLOADED
from tests.support.wire_server import Refuse, Stream, WireServer, sse

every_sdk = pytest.mark.parametrize("name", SDKS)
every_provider = pytest.mark.parametrize("behind", BEHIND)
both_ways = pytest.mark.parametrize("way", ["ask", "stream"])
TOO_LONG = {
    "openai": "context_length_exceeded",
    "openai_responses": "context_length_exceeded",
    "anthropic": "prompt is too long",
    "ollama": "context length",
}
"""The words by which users of a client know that they must shorten the prompt."""
LONELY = [{"role": "user", "content": "Hi"}, {"role": "tool", "content": "7 degrees"}]
NONSENSE: dict[str, tuple[dict[str, Any], str]] = {"ollama": ({"messages": LONELY}, "messages[1]")}
PIECES = sse(delta(content="One, "), delta(content="two"), done=False)


def refused(sdk: Sdk, way: str, model: str, status: int, **asked: Any) -> Any:
    """The error with which the client is refused."""
    with pytest.raises(sdk.errors[status]) as caught:
        getattr(sdk, way)(model, **asked)
    error: Any = caught.value
    assert error.status_code == status
    return error


@every_sdk
@every_provider
@both_ways
def test_a_refused_key_of_the_gateway_is_not_blamed_on_the_client(sdk: Sdk, behind: str, server: WireServer, way: str):
    server.script(BEHIND[behind].refusals["key"])
    assert f"the gateway was refused by {BEHIND[behind].provider}" in str(refused(sdk, way, behind, 502))


@every_sdk
@every_provider
@both_ways
def test_too_many_requests_say_when_to_come_again(sdk: Sdk, behind: str, server: WireServer, way: str):
    server.script(BEHIND[behind].refusals["rate"])
    error = refused(sdk, way, behind, 429)

    if sdk.name != "ollama":  # its client keeps no headers
        assert error.response.headers["retry-after"] == "20"


@every_sdk
@every_provider
@both_ways
def test_a_prompt_that_is_too_long_is_told_in_the_words_of_the_client(
    sdk: Sdk, behind: str, server: WireServer, way: str
):
    server.script(BEHIND[behind].refusals["long"])
    assert TOO_LONG[sdk.name] in str(refused(sdk, way, behind, 400))


@every_sdk
@both_ways
def test_a_model_that_there_is_not(sdk: Sdk, server: WireServer, way: str):
    assert "there are: deepseek, anthropic" in str(refused(sdk, way, "gpt-9", 404))
    assert not server.requests


@every_sdk
@both_ways
def test_a_request_that_makes_no_sense_names_the_field(sdk: Sdk, server: WireServer, way: str):
    nonsense, field = NONSENSE.get(sdk.name, ({"extra_body": {"temperature": "hot"}}, "temperature"))
    assert field in str(refused(sdk, way, "gemini", 400, **nonsense))
    assert not server.requests


@every_sdk
@both_ways
def test_a_wrong_key_of_a_client(
    sdk: Sdk, providers_gateway: tuple[str, WireServer], server: WireServer, way: str, name: str
):
    with contextlib.closing(SDKS[name](providers_gateway[0], "another-key")) as stranger:
        error = refused(stranger, way, "gemini", 401)
    assert "is not one of this gateway's" in str(error)
    assert "another-key" not in str(error)
    assert CLIENT_KEY not in str(error)
    assert not server.requests


@every_sdk
@both_ways
def test_a_provider_that_hangs_up(sdk: Sdk, server: WireServer, way: str):
    server.script(Refuse())
    assert "127.0.0.1" in str(refused(sdk, way, "gemini", 502))


@pytest.mark.parametrize("name", ["openai", "anthropic", "ollama"])
@pytest.mark.parametrize(
    ("behind", "stream"),
    [("deepseek", Stream(PIECES, end="cut")), ("anthropic", Stream(OVERLOADED))],
    ids=["cut", "overloaded"],
)
def test_an_answer_that_breaks_off_never_looks_like_a_short_one(
    sdk: Sdk, behind: str, server: WireServer, stream: Stream
):
    server.script(stream)
    with pytest.raises(sdk.errors[None]) as caught:
        sdk.stream(behind)
    assert ("Overloaded" if behind == "anthropic" else "broke") in str(caught.value)


@pytest.mark.parametrize("name", ["openai_responses"])
def test_a_response_that_breaks_off_is_told_as_failed(sdk: Sdk, server: WireServer):
    server.script(Stream(OVERLOADED))
    stream = sdk.client.responses.create(model="anthropic", input="Hi", stream=True)
    *others, last = stream

    assert "".join(event.delta for event in others if event.type == "response.output_text.delta") == "One, two"
    assert (last.type, last.response.error.message) == ("response.failed", "Overloaded")
