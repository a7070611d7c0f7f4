"""Each deviation of the catalogue that is simulated, read by the client: the same answer, or what is said here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from llm_connector import (
    APIError,
    BadRequestError,
    ChatResponse,
    ConfigurationError,
    ContextLengthError,
    Image,
    LlmConnectorError,
    ParseError,
    RateLimitError,
    Reasoning,
    ServerError,
    StreamError,
    ToolCall,
    TransportError,
    Usage,
    tool_result,
    user,
)
from llm_connector.testing import FAULTS, QUIRKS, FakeTransport, reply, tool_call
from llm_connector.testing.quirk_refusals import REFUSALS
from llm_connector.testing.quirks import UNSIMULATED
from tests.testing.support import ROWS, TOOLS, facts

TEXT = "Well,\u2028hello to the wörld."
THOUGHT = "The user asks this."
WEATHER = ("get_weather", {"city": "Oslo", "unit": "C"}, None)
CALLS = [WEATHER, ("get_weather", {"city": "Rome", "unit": "F"}, None), ("find_clock", {}, None)]

TOLD_OTHERWISE: dict[str, dict[str, Any]] = {
    "TC-17": {"calls": [], "finish": "stop"},
    "RS-06": {"text": f"<think>{THOUGHT}</think>{TEXT}", "reasoning": None},
    "RS-07": {"text": f"<think>{THOUGHT}{TEXT}", "reasoning": None},
    "RS-08": {"text": f"{THOUGHT}</think>{TEXT}", "reasoning": None},
    "RS-09": {"text": f"[THINK]{THOUGHT}[/THINK]{TEXT}", "reasoning": None},
    "RS-11": {"text": f"<think>{THOUGHT}</think>{TEXT}"},
    "RS-21": {"text": f"\n\n{TEXT}"},
    "RS-22": {"text": ""},
    "US-06": {"usage": (None, None, None)},
    "US-08": {"usage": (9, 4, None)},
    "FR-04": {"finish": None},
    "FR-06": {"finish": "content_filter"},
    "CT-07": {"text": ""},
    "CT-09": {"reasoning": None, "calls": [], "finish": "stop"},
    "ND-04": {"usage": (4096, 4, None)},
    "SC-11": {"text": f"```json\n{TEXT}\n```"},
}
"""What is rightly not the same: the server left it out, or only the caller knows that the text has tags."""

FAILS: dict[str, tuple[type[LlmConnectorError] | None, type[LlmConnectorError] | None]] = {
    "SF-12": (StreamError, TransportError),
    "SF-13": (ServerError, ServerError),
    "SF-14": (ServerError, ServerError),
    "SF-15": (ServerError, ServerError),
    "SF-17": (ServerError, ServerError),
    "ND-03": (APIError, ServerError),
    "CT-01": (ServerError, ServerError),
    "CT-06": (StreamError, ParseError),
    "UR-05": (BadRequestError, BadRequestError),
    "UR-06": (APIError, APIError),
    "ER-01": (BadRequestError, BadRequestError),
    "ER-02": (BadRequestError, BadRequestError),
    "ER-03": (ServerError, ServerError),
    "ER-04": (ServerError, ServerError),
    "ER-05": (RateLimitError, RateLimitError),
    "ER-06": (ServerError, ServerError),
    "ER-07": (BadRequestError, BadRequestError),
    "ER-08": (APIError, ServerError),
    "ER-09": (ContextLengthError, ContextLengthError),
}
"""The errors of those that are no answers: of a stream, and of a whole one."""

CONDITIONAL = {quirk.name for quirk in REFUSALS} - FAILS.keys()
TOLD = [
    (name, wire) for name, quirk in QUIRKS.items() if name not in CONDITIONAL for wire in sorted(quirk.wires) or ROWS
]


def ask(wire: str, name: str | None, *, stream: bool, **options: Any) -> ChatResponse:
    said = reply(Reasoning(THOUGHT), TEXT, tool_call("get_weather", city="Oslo", unit="C"),
                 tool_call("get_weather", city="Rome", unit="F"), tool_call("find_clock"),
                 usage=Usage(input_tokens=9, output_tokens=4, cached_tokens=3), fault=name)  # fmt: skip
    client = FakeTransport(said).client(ROWS[wire], max_retries=0)
    if not stream:
        return client.chat("Hi", tools=TOOLS, **options)
    chunks = client.stream("Hi", tools=TOOLS, **options)
    for _ in chunks:
        pass
    return chunks.response


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(("name", "wire"), TOLD)
def test_a_quirk_is_read_as_the_answer_that_it_is(name, wire, stream):
    kind = FAILS.get(name, (None, None))[not stream]
    if kind is not None:
        with pytest.raises(kind):
            ask(wire, name, stream=stream)
        return
    found = facts(ask(wire, name, stream=stream))
    if name == "TC-24":
        *whole, (_, arguments, error) = found.pop("calls")
        assert (whole, arguments) == (CALLS[:2], {})
        assert "not JSON" in error
        assert found["finish"] == "length"
    elif name == "TC-26" and not stream:
        assert found["calls"] == [WEATHER]
    else:
        assert found == facts(ask(wire, None, stream=stream)) | TOLD_OTHERWISE.get(name, {})


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("name", ["RS-06", "RS-09", "RS-11"])
def test_tags_are_thoughts_to_those_who_ask_for_it(name, stream):
    found = facts(ask("openai", name, stream=stream, think_tags=True))

    assert (found["reasoning"], found["text"]) == (THOUGHT, TEXT)


def test_a_refusal_is_one():
    assert ask("openai", "CT-07", stream=False).refusal == ask("openai", "CT-07", stream=True).refusal == TEXT


def test_a_fence_does_not_hide_the_value():
    answer = FakeTransport(reply('{"id": "a"}', fault="SC-11")).client().chat("Hi")

    assert answer.text.startswith("```json")
    assert answer.parse(ToolCallId).id == "a"


class ToolCallId(ToolCall):
    name: str = ""


def test_calls_that_are_signed_come_back_so():
    call = ask("openai", "RS-17", stream=True).tool_calls[0]

    assert call.extra == {"extra_content": {"google": {"thought_signature": "c2lnbmVk"}}}


# servers that refuse what others take

PICTURE = Image.base64("image/png", "iVBORw0KGgo=")
CALL = tool_call("get_weather", city="Oslo")
ROUND = [user("Weather?"), ToolCall, tool_result(CALL, "7")]
OFFENCES: dict[str, tuple[str, Any]] = {
    "RS-12": ("openai", {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}),
    "RS-13": ("openai", {"messages": [{"role": "assistant", "reasoning_content": "Hm"}]}),
    "RS-14": ("anthropic", {"thinking": {"type": "enabled"},
                            "messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}]}),
    "RS-16": ("anthropic", {"messages": [{"role": "assistant", "content": [{"type": "thinking"}]}]}),
    "RS-23": ("openai", {"enable_thinking": True}),
    "RS-24": ("openai", {"enable_thinking": True, "stream": True}),
    "MS-01": ("anthropic", {"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}),
    "MS-02": ("openai", {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}]}),
    "MS-03": ("openai", {"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "c"}]}]}),
    "MS-04": ("openai", {"messages": [{"role": "user", "content": []}]}),
    "MS-05": ("openai", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}),
    "MS-06": ("openai", {"messages": [{"role": "developer", "content": "Hi"}]}),
    "MS-07": ("openai", {"messages": [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}]}),
    "MS-08": ("openai", {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}),
    "MS-09": ("openai", {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}),
    "MS-10": ("openai", {"messages": [{"role": "tool", "content": [{"type": "image_url"}]}]}),
    "MS-11": ("openai", {"messages": [{"role": "assistant", "tool_calls": [{"id": "call_0123"}]}]}),
    "MS-12": ("openai", {"messages": [{"role": "assistant", "content": "Hi", "annotations": []}]}),
    "MS-13": ("openai", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
    "MS-14": ("anthropic", {"messages": [{"role": "user", "content": [
        {"type": "image", "source": {"data": "data:image/png;base64,aaa"}}]}]}),
    "SC-01": ("openai", {"tools": [{"function": {"name": "f", "parameters": {"$ref": "#/$defs/x"}}}]}),
    "SC-02": ("gemini", {"tools": [{"functionDeclarations": [{"parameters": {"$schema": "x"}}]}]}),
    "SC-03": ("openai", {"tools": [{"function": {"name": "f", "parameters": {"type": "object"}}}]}),
    "SC-04": ("openai", {"tools": [{"function": {"name": "a.b"}}]}),
    "SC-05": ("openai", {"enable_thinking": True, "tool_choice": "required"}),
    "SC-06": ("openai", {"tool_choice": "required"}),
    "SC-07": ("gemini", {"contents": [{"parts": [{"functionResponse": {"response": {"$ref": "x"}}}]}]}),
    "SC-08": ("openai", {"response_format": {"type": "json_object"}}),
    "SC-09": ("openai", {"response_format": {"type": "json_schema"}}),
    "SC-12": ("openai", {"tools": [{"function": {"name": "f", "strict": True}}]}),
    "PM-01": ("openai", {"max_tokens": 5}),
    "PM-02": ("anthropic", {"temperature": 1, "top_p": 1}),
    "PM-03": ("openai", {"temperature": 0.5}),
    "PM-04": ("openai", {"presence_penalty": 1}),
    "PM-05": ("openai", {"stream_options": {}}),
    "PM-06": ("anthropic", {"messages": []}),
    "PM-07": ("openai", {"user": None}),
    "PM-08": ("openai", {"reasoning_effort": "low"}),
    "ND-06": ("ollama", {"messages": [{"role": "user", "images": ["data:image/png;base64,aaa"]}]}),
    "ER-10": ("openai", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
}  # fmt: skip
PATHS = {"openai": "chat/completions", "anthropic": "messages", "ollama": "api/chat",
         "gemini": "models/m:generateContent"}  # fmt: skip
HARMLESS = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, "enable_thinking": False}


def posted(name: str, wire: str, body: Any) -> int:
    client = FakeTransport(reply("Hello", fault=name)).http_client
    return client.post(f"https://example.com/{PATHS[wire]}", json=body).status_code


@pytest.mark.parametrize("name", sorted(CONDITIONAL))
def test_a_strict_server_refuses_what_offends_it_and_nothing_else(name):
    wire, offence = OFFENCES[name]

    assert posted(name, wire, offence) == 400
    assert (
        posted(name, wire, {key: value for key, value in HARMLESS.items() if name != "PM-01" or key != "max_tokens"})
        == 200
    )


CONVERSATION = [user("Weather?", PICTURE), reply(CALL).response.message, tool_result(CALL, "7"), user("And now?")]


@pytest.mark.parametrize(
    ("name", "provider", "options"),
    [
        ("RS-12", "moonshot", {}),
        ("MS-01", "anthropic", {"messages": [user("Hi", " ")]}),
        ("MS-05", "deepseek", {"messages": [user("Hi", "there")]}),
        ("MS-11", "mistral", {}),
        ("MS-13", "deepseek", {}),
        ("ND-06", "ollama", {}),
        ("PM-01", "openai_compatible", {"max_tokens": 5}),
        ("PM-02", "anthropic", {"temperature": 0.5, "top_p": 0.5, "model": "claude-opus-4-5"}),
        ("PM-06", "anthropic", {}),
        ("PM-07", "openai_compatible", {}),
        ("SC-03", "openai_compatible", {"tools": TOOLS}),
        ("SC-04", "openai_compatible", {"tools": [{"type": "function", "function": {"name": "a.b"}}]}),
        ("SC-08", "openai_compatible", {"response_format": "json"}),
    ],
)
def test_the_client_gets_along_with_a_strict_server(name, provider, options):
    fake = FakeTransport()
    fake.otherwise(reply("Hello", fault=name))
    messages = options.pop("messages", CONVERSATION)

    assert fake.client(provider, max_retries=0).chat(messages, **options).text == "Hello"


def test_the_client_learns_from_a_refusal():
    fake = FakeTransport()
    fake.otherwise(reply("Hello", fault="PM-05"))
    client = fake.client(max_retries=0)

    for _ in range(2):
        stream = client.stream("Hi")
        assert "".join(chunk.text for chunk in stream) == "Hello"
    assert ["stream_options" in request.json for request in fake.requests] == [True, False, False]


# the catalogue


def test_every_id_of_the_catalogue_is_simulated_or_has_a_reason(shared: Path):
    ids = re.findall(r"^\*\*([A-Z]{2}-\d\d) ·", (shared / "wire" / "quirks.md").read_text("utf-8"), re.MULTILINE)

    assert len(ids) == 178
    assert {*QUIRKS, *UNSIMULATED} == {*ids}
    assert not QUIRKS.keys() & UNSIMULATED.keys()
    assert all(UNSIMULATED.values())


def test_every_refusal_has_its_offence():
    assert OFFENCES.keys() == CONDITIONAL


def test_unknown_faults_are_refused_with_what_there_is():
    with pytest.raises(ConfigurationError, match=r"unknown fault 'TC-99'; give an id such as 'TC-03', or one of cut,"):
        reply(fault="TC-99")
    with pytest.raises(ConfigurationError, match="TC-25 is not simulated: what a client does, not a server"):
        reply(fault="TC-25")


def test_a_quirk_of_another_wire_format_is_a_mistake():
    with pytest.raises(ConfigurationError, match="TC-21 is a fault of anthropic; this request is of openai"):
        FakeTransport(reply("Hi", fault="TC-21")).client().chat("Hi")


def test_names_are_unique():
    assert not QUIRKS.keys() & FAULTS.keys()
    assert all(name == fault.name for table in (QUIRKS, FAULTS) for name, fault in table.items() if table is QUIRKS)
