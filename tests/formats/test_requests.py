"""What our own protocol writes of a request, the format reads as it was; and what is nonsense is named."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

from llm_connector.errors import ConfigurationError, UnsupportedError
from llm_connector.formats import find_format
from llm_connector.types import ChatRequest, Notes
from llm_connector.wire import decode_json, encode_json
from tests.formats.strategies import PNG, REQUESTS
from tests.formats.support import PAIRS
from tests.support.generated import JSON
from tests.support.strategies import chat_requests


def read(name: str, request: ChatRequest, notes: Notes | None = None, *, stream: bool = False) -> Any:
    body = PAIRS[name].protocol.render_chat(request, stream=stream, notes=notes)
    return PAIRS[name].format.parse_request(decode_json(encode_json(body)))


@pytest.mark.parametrize("name", REQUESTS)
@given(data=st.data(), stream=st.booleans())
def test_a_request_comes_through(name, data, stream):
    request = data.draw(REQUESTS[name])
    notes = Notes()
    incoming = read(name, request, notes, stream=stream)
    assume(not any(note.subject in ("cache", "top_p", "temperature", "top_k") for note in notes.adaptations))
    note(str(PAIRS[name].protocol.render_chat(request, stream=stream)))
    if name == "ollama" and request.tool_choice:
        request.tool_choice = None  # the wire has none, and "auto" is what it does

    if name == "anthropic" and request.parallel_tool_calls is False and request.tool_choice is None:
        request.tool_choice = "auto"  # there is no other place to say it

    assert notes.adaptations == []
    assert dumped(incoming.request) == dumped(request)
    assert incoming.stream is stream
    assert not incoming.loads
    assert set(incoming.rest) <= {"store", "include"}


def dumped(request: ChatRequest) -> dict[str, Any]:
    """The request; a call without arguments may say so in two ways."""
    values = request.model_dump()
    for part in (part for message in values["messages"] for part in message["parts"]):
        if part.get("arguments_raw") == "{}":
            part["arguments_raw"] = ""
    return values


@given(request=chat_requests())
def test_a_request_of_our_own_comes_through(request):
    request.strict_schema = None
    body = decode_json(encode_json(request.model_dump(mode="json")))
    incoming = find_format("unified").parse_request(body)

    assert incoming.request.model_dump() == request.model_dump()
    assert not incoming.rest


# nonsense


@pytest.mark.parametrize("name", REQUESTS)
@given(data=st.data())
def test_whatever_stands_in_a_request_it_is_read_or_refused(name, data):
    request = data.draw(REQUESTS[name])
    body = decode_json(encode_json(PAIRS[name].protocol.render_chat(request, stream=True)))
    place = data.draw(st.sampled_from(list(places(body))))
    body = replaced(body, place, data.draw(JSON))
    note(f"{place}: {body}")
    with contextlib.suppress(ConfigurationError, UnsupportedError):
        assert PAIRS[name].format.parse_request(body).request.model


@pytest.mark.parametrize("name", ["unified", "ollama"])
@given(data=st.data())
def test_whatever_stands_in_one_of_our_own_or_in_a_prompt_is_read_or_refused(name, data):
    body: Any = {"model": "m", "prompt": "Hi", "system": "x", "options": {"stop": ["a"]}, "format": "json"}
    if name == "unified":
        body = decode_json(encode_json(data.draw(chat_requests()).model_dump(mode="json", exclude_none=True)))
    body = replaced(body, data.draw(st.sampled_from(list(places(body)))), data.draw(JSON))
    note(str(body))
    with contextlib.suppress(ConfigurationError, UnsupportedError):
        assert find_format(name).parse_request(body).request is not None


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value inside."""
    yield above
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*above, key))


def replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    first, *rest = place
    if isinstance(value, list):
        return [replaced(item, tuple(rest), new) if at == first else item for at, item in enumerate(value)]
    return {key: replaced(item, tuple(rest), new) if key == first else item for key, item in value.items()}


HELLO = [{"role": "user", "content": "Hi"}]
NONSENSE: dict[str, list[tuple[Any, str]]] = {
    "openai": [
        ([], "the request: give a JSON object, not a list"),
        ({"messages": HELLO}, "model: give a string, not nothing"),
        ({"model": "", "messages": HELLO}, "model: give a string, not an empty string"),
        ({"model": "m"}, "messages: there are none"),
        ({"model": "m", "messages": "Hi"}, "messages: give a list, not a string"),
        ({"model": "m", "messages": ["Hi"]}, "messages[0]: give a JSON object, not a string"),
        ({"model": "m", "messages": [{"role": "robot", "content": "Hi"}]}, "messages[0]: unknown role 'robot'"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages[0]: unknown"),
        ({"model": "m", "messages": [{"role": "user", "parts": []}]}, "messages[0]: 'parts' is unknown here"),
        ({"model": "m", "messages": HELLO, "temperature": "hot"}, "temperature: give a number, not a string"),
        ({"model": "m", "messages": HELLO, "max_tokens": 1.5}, "max_tokens: give a whole number, not a number"),
        ({"model": "m", "messages": HELLO, "stream": "yes"}, "stream: give true or false, not a string"),
        ({"model": "m", "messages": HELLO, "stop": [1]}, "stop: give a string or a list of them"),
        ({"model": "m", "messages": HELLO, "reasoning_effort": "huge"}, "reasoning_effort: give one of none, minimal"),
        ({"model": "m", "messages": HELLO, "tools": [{"name": 5}]}, "tools[0]"),
        ({"model": "m", "messages": HELLO, "tools": [{"type": "function"}]}, "tools[0]"),
        ({"model": "m", "messages": HELLO, "response_format": {"type": "xml"}}, "response_format.type: give text"),
        ({"model": "m", "messages": HELLO, "stream_options": 1}, "stream_options: give a JSON object"),
    ],
    "anthropic": [
        ({"model": "m", "max_tokens": 5}, "messages: there are none"),
        ({"model": "m", "messages": [{"role": "tool", "content": "x"}]}, "messages[0].role: give user or assistant"),
        ({"model": "m", "messages": [{"role": "user"}]}, "messages[0].content: give a string or a list of blocks"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}, "messages[0].content[0].type"),
        (
            {"model": "m", "messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "1"}]}]},
            "messages[0].content[0].name: give a string, not nothing",
        ),
        (
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]},
            "messages[0].content[0].source.url: give a string, not nothing",
        ),
        ({"model": "m", "messages": HELLO, "system": 5}, "system: give a string or a list of text blocks"),
        ({"model": "m", "messages": HELLO, "thinking": {"type": "hard"}}, "thinking.type: give enabled, adaptive"),
        ({"model": "m", "messages": HELLO, "tools": [{"name": "f", "input_schema": {"type": "array"}}]}, "tools[0]"),
    ],
    "openai_responses": [
        ({"model": "m"}, "input: there is none"),
        ({"model": "m", "input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"model": "m", "input": [{"type": "function_call", "call_id": "1", "arguments": "{}"}]}, "input[0].name"),
        ({"model": "m", "input": [{"role": "robot", "content": "x"}]}, "input[0].role: give system, developer"),
        ({"model": "m", "input": "x", "text": {"format": {"type": "xml"}}}, "text.format.type: give text"),
    ],
    "ollama": [
        ({"model": "m", "messages": [{"role": "user", "content": ["Hi"]}]}, "messages[0].content: give a string"),
        (
            {"model": "m", "messages": [{"role": "user", "content": "x", "images": ["data:image/png;base64,AA=="]}]},
            "messages[0].images[0]: give base64 without a prefix",
        ),
        ({"model": "m", "messages": HELLO, "options": {"num_predict": "5"}}, "options.num_predict: give a whole"),
        ({"model": "m", "messages": HELLO, "think": "hard"}, "think: give one of none, minimal"),
        ({"model": "m", "messages": HELLO, "format": "yaml"}, "format: give 'json' or a JSON Schema object"),
        ({"model": "m", "messages": [{"role": "tool", "content": "7"}]}, "messages[0]: this tool message answers"),
        ({"model": "m", "prompt": 5}, "prompt: give a string, not a number"),
    ],
    "unified": [
        ({"messages": 5}, "messages: give a string or a list of messages"),
        ({"messages": HELLO, "temperature": "hot"}, "options: temperature"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "body", "says"), [(name, *case) for name, cases in NONSENSE.items() for case in cases]
)
def test_nonsense_is_named(name: str, body: Any, says: str):
    with pytest.raises(ConfigurationError) as failure:
        find_format(name).parse_request(body)

    assert says in failure.value.message


UPLOADED = {"type": "input_file", "file_id": "f"}
KEPT = {"type": "file", "file": {"file_id": "f"}}
UNSUPPORTED: list[tuple[str, dict[str, Any], str]] = [
    ("openai_responses", {"input": "x", "previous_response_id": "r"}, "previous_response_id: answers are not kept"),
    ("openai_responses", {"input": "x", "background": True}, "background: "),
    ("openai_responses", {"input": [{"type": "item_reference", "id": "i"}]}, "input[0]: items are not kept here"),
    (
        "openai_responses",
        {"input": [{"role": "user", "content": [UPLOADED]}]},
        "input[0]",
    ),
    (
        "openai",
        {"messages": [{"role": "user", "content": [KEPT]}]},
        "messages[0]",
    ),
    ("ollama", {"prompt": "def f(", "suffix": "return x"}, "suffix: a gap in a text cannot be filled"),
    ("ollama", {"prompt": "x", "raw": True}, "raw: "),
]


@pytest.mark.parametrize(("name", "body", "says"), UNSUPPORTED)
def test_what_would_change_the_sense_if_it_were_left_out_is_refused(name: str, body: dict[str, Any], says: str):
    with pytest.raises(UnsupportedError) as failure:
        find_format(name).parse_request({"model": "m", **body})

    assert failure.value.message.startswith(says)


PATHS = [
    ("openai", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "PATH"}}]}]}),
    ("openai", {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "PATH"}}]}]}),
    ("openai_responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "PATH"}]}]}),
    ("openai_responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "PATH"}]}]}),
    ("openai_responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "PATH"}]}]}),
    ("ollama", {"messages": [{"role": "user", "content": "x", "images": ["PATH"]}]}),
    *(
        ("anthropic", {"messages": [{"role": "user", "content": [{"type": kind, "source": source}]}]})
        for kind in ("image", "document")
        for source in (
            {"type": "url", "url": "PATH"},
            {"type": "base64", "media_type": "image/png", "data": "PATH"},
        )
    ),
]


@pytest.mark.parametrize(("name", "body"), PATHS)
def test_a_request_opens_no_file_of_this_machine(name: str, body: dict[str, Any], tmp_path: Path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(PNG + b"secret")
    body = json.loads(json.dumps({"model": "m", **body}).replace("PATH", str(secret)))

    with pytest.raises(ConfigurationError):
        find_format(name).parse_request(body)
