"""ND: Ollama's own wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector.errors import APIError, ModelNotFoundError, StreamError
from llm_connector.providers import find
from llm_connector.providers.spec import joined_base
from llm_connector.types import Image, system, tool_result, user
from tests.support.answers import Reading, ask, ndjson, streamed, whole
from tests.support.cuts import single_bytes, split_at

PNG = "iVBORw0KGgo="
END = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}


def line(content: str, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": content, **fields}, "done": False}


def read(blocks: Any) -> Reading:
    return streamed(blocks, ask(provider="ollama", stream=True))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_ND_01_lines_are_cut_and_joined_by_the_network(end):
    body = ndjson(line("He"), line("llo"), END).rstrip(b"\n") + end
    uncut = read(body)

    assert uncut.answer.text == uncut.text == "Hello"
    assert read(single_bytes(body)).chunks == uncut.chunks
    for place in range(len(body)):
        assert read(split_at(body, place)).chunks == uncut.chunks


def test_ND_01_separators_inside_a_line_are_text():
    text = "a\u2028b\u0085c\u2029d"

    assert read(ndjson(line(text), END)).text == text


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/json", "text/plain", "text/event-stream"])
def test_ND_02_the_wire_format_decides_the_framing_and_not_the_content_type(kind):
    body = json.dumps({**line("Hello"), "done": True, "done_reason": "stop"})

    assert whole(body, ask(provider="ollama"), headers={"content-type": kind}).text == "Hello"
    assert read(body.encode()).text == "Hello"


@pytest.mark.parametrize("before", [[], [line("Hel")]])
def test_ND_03_an_error_line_is_raised_with_its_text_and_what_had_arrived(before):
    reading = read(ndjson(*before, {"error": "an error was encountered while running the model"}))

    assert isinstance(reading.error, APIError)
    assert isinstance(reading.error, StreamError)
    assert reading.error.message == "an error was encountered while running the model"
    assert reading.partial.text == ("Hel" if before else "")


def test_ND_03_an_error_in_a_whole_answer_is_raised():
    with pytest.raises(ModelNotFoundError, match="model 'x' not found"):
        whole({"error": "model 'x' not found"}, ask(provider="ollama"))


def test_ND_04_num_ctx_is_set_beside_the_other_options():
    body = ask(provider="ollama", temperature=0.5, max_tokens=9, extra_body={"options": {"num_ctx": 16384}}).body

    assert body["options"] == {"temperature": 0.5, "num_predict": 9, "num_ctx": 16384}


@pytest.mark.parametrize("given", ["http://h:11434/v1", "http://h:11434/v1/chat/completions", "http://h:11434/api/"])
def test_ND_05_the_native_endpoint_is_used_although_the_other_one_was_pasted(given):
    spec = find("ollama")

    assert joined_base(given, spec.protocol, "ollama") == "http://h:11434"
    assert ask(provider="ollama").path == "api/chat"
    assert ask(provider="ollama", reasoning=False).body["think"] is False


def test_ND_06_images_are_bare_base64_and_urls_are_named_in_the_text():
    message = user("Look", Image(f"data:image/png;base64,{PNG}"), Image("https://example.com/cat.png"))

    rendered = ask([system("Be brief"), message], provider="ollama")

    sent = rendered.body["messages"][1]
    assert sent["images"] == [PNG]
    assert "https://example.com/cat.png" in sent["content"]
    assert [note.action for note in rendered.adaptations] == ["converted"]


def test_ND_07_capabilities_come_from_the_list_or_from_the_model_itself():
    from llm_connector.protocols import OllamaChat

    listed = {"models": [{"name": "a:latest"}, {"name": "b:latest", "capabilities": ["completion", "tools"]}]}

    models, _ = OllamaChat().parse_models(listed)

    assert [model.capabilities for model in models] == [None, ["completion", "tools"]], "None is unknown, not none"


def test_tool_results_name_their_tool():
    body = {"message": {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}, "done": True}
    message = whole({**body, "done_reason": "stop"}, ask(provider="ollama")).message

    history = [user("?"), message, tool_result(message.tool_calls[0].id, "ok")]

    assert ask(history, provider="ollama").body["messages"][2]["tool_name"] == "f"
