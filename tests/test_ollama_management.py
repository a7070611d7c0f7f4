"""Model management: what each call sends and means, the progress of pulls, and the rules of OLLAMA_HOST."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from llm_connector import ollama
from llm_connector.errors import ConfigurationError, ParseError, StreamError, UnsupportedError
from llm_connector.framing import NDJSONDecoder
from llm_connector.protocols import ErrorEvent
from llm_connector.types import Image, user

DETAILS = {
    "format": "gguf",
    "family": "llama",
    "families": None,
    "parameter_size": "3.2B",
    "quantization_level": "Q4_K_M",
}
LISTED = {
    "name": "llama3.2:latest",
    "model": "llama3.2:latest",
    "modified_at": "2025-05-04T17:37:44.706015396-07:00",
    "size": 2019393189,
    "digest": "a80c",
    "details": DETAILS,
}


def read(*events: Any, cut: int | None = None) -> list[ollama.PullProgress]:
    stream = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    blocks = [stream] if cut is None else [stream[:cut], stream[cut:]]
    framing, reader = NDJSONDecoder(), ollama.ProgressReader()
    progress: list[ollama.PullProgress] = []
    for block in blocks:
        for event in framing.feed(block):
            progress.extend(reader.feed(event))
    for event in framing.close():
        progress.extend(reader.feed(event))
    progress.extend(reader.close())
    return progress


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        (ollama.models(), ("GET", "api/tags", None)),
        (ollama.running(), ("GET", "api/ps", None)),
        (ollama.version(), ("GET", "api/version", None)),
        (ollama.show("m"), ("POST", "api/show", {"model": "m"})),
        (ollama.exists("m"), ("POST", "api/show", {"model": "m"})),
        (ollama.copy("m", "n"), ("POST", "api/copy", {"source": "m", "destination": "n"})),
        (ollama.delete("m"), ("DELETE", "api/delete", {"model": "m"})),
    ],
)
def test_what_is_sent(call, sent):
    assert (call.method, call.path, call.body) == sent


def test_progress_is_always_streamed():
    assert ollama.pull("m") == ollama.ProgressCall("api/pull", {"model": "m", "stream": True})
    assert ollama.push("ns/m", insecure=True) == ollama.ProgressCall(
        "api/push", {"model": "ns/m", "stream": True, "insecure": True}
    )


def test_create_says_only_what_is_given():
    assert ollama.create("mario", "llama3.2", system="You are Mario.") == ollama.ProgressCall(
        "api/create", {"model": "mario", "stream": True, "from": "llama3.2", "system": "You are Mario."}
    )
    call = ollama.create(
        "m",
        "n",
        template="{{ .Prompt }}",
        parameters={"temperature": 0.1, "stop": ["x"]},
        messages=[user("Hi"), {"role": "assistant", "content": "Hello"}],
        adapters={"a.gguf": "sha256:1"},
        license=("MIT", "Apache-2.0"),
        quantize="q4_K_M",
    )
    assert call.body["messages"] == [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert call.body["license"] == ["MIT", "Apache-2.0"]
    assert call.body["parameters"] == {"temperature": 0.1, "stop": ["x"]}
    assert ollama.create("m", files={"m.gguf": "sha256:2"}).body["files"] == {"m.gguf": "sha256:2"}


def test_mistakes_are_found_before_anything_is_sent():
    for make in (ollama.show, ollama.exists, ollama.delete, ollama.pull, ollama.push):
        with pytest.raises(ConfigurationError, match="empty"):
            make(" ")
    with pytest.raises(ConfigurationError, match="from_"):
        ollama.create("m", system="Be brief.")
    with pytest.raises(UnsupportedError, match="image"):
        ollama.create("m", "n", messages=[user(Image("https://example.com/cat.png"))])


def test_models():
    found = ollama.models().parse({"models": [LISTED, {"name": "old"}, {}, None]})
    assert [model.name for model in found] == ["llama3.2:latest", "old"]
    model = found[0]
    assert (model.size, model.digest, model.family, model.quantization) == (2019393189, "a80c", "llama", "Q4_K_M")
    assert model.modified_at == datetime(2025, 5, 5, 0, 37, 44, 706015, UTC)
    assert model.modified_at is not None
    assert model.modified_at.utcoffset() == timedelta(hours=-7)
    assert (model.parameter_size, model.format, model.capabilities, model.context_window) == (
        "3.2B",
        "gguf",
        None,
        None,
    )
    assert found[1].size is None
    assert ollama.models().parse({"models": None}) == []


def test_running_models():
    loaded = {**LISTED, "size_vram": 1024, "context_length": 4096, "expires_at": "2025-05-04T17:42:44.7-07:00"}
    model = ollama.running().parse({"models": [loaded]})[0]
    assert (model.size_vram, model.context_window) == (1024, 4096)
    assert model.expires_at == datetime(2025, 5, 5, 0, 42, 44, 700000, UTC)


def test_details_take_the_context_from_the_architecture():
    answer = {
        "modelfile": "FROM x",
        "parameters": 'stop "x"',
        "template": "{{ .Prompt }}",
        "details": DETAILS,
        "model_info": {
            "general.architecture": "llama",
            "general.parameter_count": 8030261248,
            "llama.context_length": 8192,
            "llama.embedding_length": 4096,
        },
        "capabilities": ["completion", "tools"],
    }
    model = ollama.show("llama3.2").parse(answer)
    assert (model.name, model.context_window, model.embedding_length) == ("llama3.2", 8192, 4096)
    assert (model.parameter_count, model.parameters, model.system) == (8030261248, 'stop "x"', None)
    assert model.supports("tools")
    assert not model.supports("vision")
    assert model.raw == answer
    assert not ollama.show("m").parse({}).supports("tools")


def test_the_other_answers():
    assert ollama.version().parse({"version": "0.33.0"}) == "0.33.0"
    assert ollama.copy("a", "b").parse(None) is None
    assert ollama.delete("a").parse(None) is None
    assert ollama.exists("m").parse({"details": {}}) is True
    assert ollama.exists("m").if_missing is False
    assert ollama.show("m").if_missing is None


@pytest.mark.parametrize("call", [ollama.models(), ollama.version(), ollama.show("m"), ollama.delete("m")])
def test_an_error_in_place_of_an_answer(call):
    with pytest.raises(ErrorEvent):
        call.parse({"error": "boom"})


@pytest.mark.parametrize("call", [ollama.models(), ollama.version()])
def test_an_answer_that_is_something_else(call):
    with pytest.raises(ParseError):
        call.parse({"data": []})


PULL = (
    {"status": "pulling manifest"},
    {"status": "pulling 1a", "digest": "sha256:1a", "total": 100},
    {"status": "pulling 1a", "digest": "sha256:1a", "total": 100, "completed": 40},
    {"status": "verifying sha256 digest"},
    {"status": "success"},
)


def test_progress_may_be_cut_anywhere():
    progress = read(*PULL)
    assert progress[2] == ollama.PullProgress("pulling 1a", "sha256:1a", 40, 100)
    assert progress[-1] == ollama.PullProgress("success")
    for cut in range(sum(len(json.dumps(line)) + 1 for line in PULL)):
        assert read(*PULL, cut=cut) == progress


def test_an_error_line_fails_the_pull_after_what_came_before():
    reader = ollama.ProgressReader()
    seen: list[ollama.PullProgress] = []
    stream = b'{"status":"pulling manifest"}\n{"error":"pull model manifest: file does not exist"}\n'
    with pytest.raises(ErrorEvent) as caught:
        seen.extend(step for event in NDJSONDecoder().feed(stream) for step in reader.feed(event))
    assert caught.value.body["error"] == "pull model manifest: file does not exist"
    assert seen == [ollama.PullProgress("pulling manifest")]


@pytest.mark.parametrize("kept", range(len(PULL)))
def test_an_end_without_success_is_a_failure(kept):
    with pytest.raises(StreamError, match="success"):
        read(*PULL[:kept])


def test_the_success_of_a_base_model_is_not_the_end_of_a_create():
    assert not ollama.ProgressReader.done
    with pytest.raises(StreamError, match="writing manifest"):
        read(*PULL, {"status": "writing manifest"})
    assert read(*PULL, {"status": "writing manifest"}, {"status": "success"})[-1].status == "success"


def test_what_is_not_progress():
    with pytest.raises(ParseError, match="web page"):
        list(ollama.ProgressReader().feed(next(iter(NDJSONDecoder().feed(b"<html>\n")))))
    assert read({"note": 1}, {"status": "success", "total": "many"}) == [ollama.PullProgress("success")]


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        (" 'box' ", "http://box:11434"),
        ("box:8080", "http://box:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("http://box", "http://box"),
        ("HTTPS://box/", "https://box"),
        ("https://box:8443/ollama/", "https://box:8443/ollama"),
        ("box/ollama", "http://box:11434/ollama"),
        ("http://box:11434", "http://box:11434"),
        ("ollama.com", "https://ollama.com"),
        ("https://ollama.com", "https://ollama.com"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:80", "http://127.0.0.1"),
        ("http://0.0.0.0:1234", "http://127.0.0.1:1234"),
        ("::", "http://[::1]:11434"),
        ("[::]:1234", "http://[::1]:1234"),
        ("::1", "http://[::1]:11434"),
        ("[fe80::1]", "http://[fe80::1]:11434"),
        ("http://[fe80::1]:1234/path", "http://[fe80::1]:1234/path"),
        ("box:port", "http://box:11434"),
        ("box:65536", "http://box:11434"),
        ("https://box:65536", "https://box"),
        ("http://me:secret@box:1234", "http://me:secret@box:1234"),
    ],
)
def test_ollama_host(value, url):
    assert ollama.ollama_host(value) == url
