"""The examples, run as they stand: with the embedded model, and with servers on loopback where that lacks a feature."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_connector import supported_providers
from tests.support.answers import completion, delta, piece
from tests.support.anybody import THOUGHT, anybody, hello
from tests.support.docs import printed
from tests.support.wire_server import Answer, Answering, Refuse, Stream, WireServer, sse

FOLDER = Path(__file__).resolve().parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
MOST_LINES = 40

needs_engine = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="needs the extra [local]: xllamacpp"
)


def run(name: str) -> str:
    """What the example prints; `name` is its number."""
    return printed(next(FOLDER.glob(f"{name}_*.py")))


# what every example is


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_short_and_says_what_it_shows(path: Path):
    text = path.read_text("utf-8")
    assert text.count("\n") < MOST_LINES
    assert re.fullmatch(r"[^\n]{20,}\.", ast.get_docstring(ast.parse(text)) or "")


def test_the_page_lists_every_example_in_order():
    listed = re.findall(r"^\| \[(\S+)\]\((\S+)\) \|", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    assert listed == [(path.name, path.name) for path in EXAMPLES]
    assert [path.name[:2] for path in EXAMPLES] == [f"{number:02}" for number in range(1, len(EXAMPLES) + 1)]


def test_every_example_is_run():
    here = Path(__file__).read_text("utf-8")
    runs = set(re.findall(r'(?:run\(|\n    )"(\d\d)"', here))
    assert runs == {path.name[:2] for path in EXAMPLES}


# with the embedded model

LOCAL = {
    "01": r".*\w.*\nlocal smollm2-135m-instruct: (stop|length), \d+ tokens\n",
    "02": r".*\w.*\ncomplete: (stop|length), \d+ tokens\n.*\ncancelled: .{23,}\n",
    "03": rf"{'.'.join(supported_providers())}\nmodels of local: smollm2-135m-instruct\n",
    "04": r"weather\(\{'city': 'Oslo'\}\) -> It is sunny in Oslo, 21 degrees\.\n.*\S.*\n",
    "05": r"round 1: \['weather\(\{\s*\"city\":\s*\"Oslo\"\s*\}\)'\]\nround 2: .*\S.*\n",
    "06": r"(piece: .+\n)+call: weather \{'city': 'Oslo'\}\nresult: It is sunny in Oslo\.\nfinish reason: tool_calls\n",
    "07": r".*\nconverted image: .* local cannot read it\n3 ways to give image/png, all the same: True\n.*cat\.png.*",
    "08": r"minutes\.md \(text/markdown\): .*\S.*\n",
    "09": r".*\nthought: None\nanswer: .*\nof it thinking: None\ndropped reasoning: local has no switch for it\n",
    "10": r"Ada Lovelace lives in London\n",
    "12": r"3 vectors of 384 numbers\nWhat is the weather like\? -> It rains in Oslo today\.\n",
    "13": r"local: 'rerank' is not offered here; use a provider that ranks documents.*\n",
    "14": r"local: .+\nlocal: .+\nlocal: .+\n6 messages\n",
    "16": r".*\w.*",
    "17": r"Name a fruit\. .+\nName a colour\. .+\nName a city\. .+\n complete\n",
    "18": r'(\{"model":".+\n)+event: message_start\n.+event: message_stop\n.+\n(\{"content":.+\n)+.*complete: .+\n',
}


@needs_engine
@pytest.mark.local
@pytest.mark.parametrize("name", LOCAL)
def test_an_example_runs_with_the_embedded_model(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["example"])
    output = run(name)
    assert re.fullmatch(LOCAL[name], output, re.DOTALL), output


@needs_engine
@pytest.mark.local
def test_an_example_runs_from_the_shell(tmp_path: Path):
    command = [sys.executable, str(FOLDER / "12_embeddings.py")]
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert "It rains in Oslo" in run.stdout


# with servers on loopback

ADDRESSES = {
    "anthropic": ("ANTHROPIC_BASE_URL", ""),
    "deepseek": ("DEEPSEEK_BASE_URL", ""),
    "ollama": ("OLLAMA_HOST", ""),
    "openai": ("OPENAI_BASE_URL", "/v1"),
    "openai_compatible": ("OPENAI_COMPATIBLE_BASE_URL", "/v1"),
}
Choose = Callable[..., WireServer]


@pytest.fixture
def choose(wire_server: WireServer, monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Choose a provider as a user does, by the environment; its server is on loopback."""

    def choose(provider: str, model: str = "m", *answers: Answering) -> WireServer:
        variable, path = ADDRESSES[provider]
        monkeypatch.setenv("LLM_CONNECTOR_PROVIDER", provider)
        monkeypatch.setenv("LLM_CONNECTOR_MODEL", model)
        monkeypatch.setenv(variable, f"{wire_server.url}{path}")
        monkeypatch.setenv(f"{provider.upper()}_API_KEY", "sk-test-0123456789")
        monkeypatch.setattr(sys, "argv", ["example"])
        wire_server.script(*answers or [anybody] * 20)
        return wire_server

    return choose


def calls(*wanted: tuple[str, str]) -> Answer:
    """An answer that calls tools."""
    named = [piece(arguments, name, id=f"call_{name}", type="function") for name, arguments in wanted]
    return Answer.json(completion("tool_calls", content=None, tool_calls=named))


def test_tools_are_called_in_rounds_until_there_is_an_answer(choose: Choose):
    both = calls(("weather", '{"city": "Oslo"}'), ("fahrenheit", '{"celsius": 21}'))
    wrong = calls(("weather", '{"city": "Atlantis"}'))
    server = choose("openai_compatible", "m", both, wrong, Answer.json(completion(content="Sunny, 69.8 F.")))

    assert run("05").splitlines() == [
        """round 1: ['weather({"city": "Oslo"})', 'fahrenheit({"celsius": 21})']""",
        """round 2: ['weather({"city": "Atlantis"})']""",
        "round 3: Sunny, 69.8 F.",
    ]
    roles = [message["role"] for message in server.requests[2].json["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "assistant", "tool"]
    results = [message["content"] for message in server.requests[2].json["messages"] if message["role"] == "tool"]
    assert results[:2] == [
        "It is sunny in Oslo, 21 degrees.",
        "21 degrees Celsius are 69.8 degrees Fahrenheit.",
    ]
    assert "KeyError('Atlantis')" in results[2]


def test_a_streamed_call_comes_in_pieces_and_once_whole(choose: Choose):
    choose("openai_compatible")

    output = run("06")

    pieces = re.findall(r"piece: '(.*)'", output)
    assert len(pieces) == 2
    assert "".join(pieces) == '{"city": "Oslo"}'
    assert output.count("call: weather {'city': 'Oslo'}") == 1
    assert output.endswith("finish reason: tool_calls\n")


def test_a_picture_is_sent_to_a_model_that_sees(choose: Choose):
    server = choose("openai", "gpt-4o-mini")

    assert run("07").startswith(f"{hello('gpt-4o-mini')}\n3 ways")
    parts = server.requests[0].json["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"]
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")


def test_a_document_of_the_user_is_sent(choose: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server = choose("anthropic", "claude-sonnet-4-5")
    document = tmp_path / "invoice.pdf"
    document.write_bytes(b"%PDF-1.7\n%%EOF\n")
    monkeypatch.setattr(sys, "argv", ["example", str(document)])

    assert run("08") == f"invoice.pdf (application/pdf): {hello('claude-sonnet-4-5')}\n"
    block = server.requests[0].json["messages"][0]["content"][0]
    assert (block["type"], block["source"]["media_type"]) == ("document", "application/pdf")


def test_thought_and_answer_come_apart(choose: Choose):
    server = choose("deepseek", "deepseek-v4-flash")

    output = run("09")

    assert output.startswith(f"\033[2m{THOUGHT}\033[0mdeepseek-v4-flash says")
    assert f"thought: {THOUGHT}\nanswer: {hello('deepseek-v4-flash')}\n" in output
    assert server.requests[0].json["thinking"] == {"type": "enabled"}


def test_models_are_managed_on_an_ollama_server(choose: Choose):
    server = choose("ollama")

    assert run("11").splitlines() == [
        "Ollama 0.13.0",
        "pulling manifest   ",
        "pulling a80c 50 of 200",
        "pulling a80c 100 of 200",
        "pulling a80c 200 of 200",
        "success   ",
        "llama3.2 3.2B 2.0 GB",
        "llama3.2: 131072 tokens, tools: True",
        "exists: True False",
        f"ollama: model 'nobody-has-this' not found; check the model's name and base_url ({server.url}) [HTTP 404]",
    ]
    sent = {(request.method, request.path): request.json for request in server.requests if request.body}
    assert sent["POST", "/api/copy"] == {"source": "llama3.2", "destination": "mine"}
    assert sent["DELETE", "/api/delete"] == {"model": "mine"}


def test_documents_are_sorted_by_relevance(choose: Choose):
    server = choose("openai_compatible", "bge-reranker-v2-m3")

    assert run("13").splitlines() == [
        "0.50 1 The weather in Oslo is mild.",
        "0.10 0 The cat sleeps on the sofa.",
    ]
    assert server.requests[0].path == "/v1/rerank"


@needs_engine
@pytest.mark.local
def test_a_conversation_moves_to_another_provider_and_back(choose: Choose):
    server = choose("deepseek", "deepseek-v4-flash")

    first, *rest = run("14").splitlines()  # the embedded model may answer in several lines

    starts = [next(place for place, line in enumerate(rest) if line.startswith(name)) for name in ("deepseek", "local")]
    asked, answered = starts
    assert rest[asked] == f"deepseek: {hello('deepseek-v4-flash')}"
    assert asked < answered
    turns = server.requests[0].json["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert first == f"local: {turns[1]['content']}".splitlines()[0]
    assert any(line.startswith("  dropped reasoning: ") for line in rest[answered:])
    assert rest[-1] == "6 messages"


def test_a_gateway_gets_key_and_headers(wire_server: WireServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OLLAMA_GATEWAY_URL", f"{wire_server.url}/ollama")
    monkeypatch.setenv("OLLAMA_GATEWAY_KEY", "sk-gateway")
    wire_server.script(anybody)

    assert run("15") == f"{hello('glm-4.6')}\nglm-4.6, 7 tokens\nthought: {THOUGHT}\n"
    request = wire_server.requests[0]
    assert (request.path, request.json["model"]) == ("/ollama/api/chat", "glm-4.6")
    assert (request.headers["authorization"], request.headers["x-team"]) == ("Bearer sk-gateway", "examples")


def refusal(status: int, message: str, **headers: str) -> Answer:
    return Answer.json({"error": {"message": message}}, status, headers)


WORDS = sse(delta(content="Re"), delta(content="d."), delta("stop"))
BUSY = refusal(429, "too many requests", **{"retry-after": "7"})
ERRORS: dict[str, tuple[list[Answering], str, list[float]]] = {
    "an answer": ([Stream(WORDS)], "Red.", []),
    "an answer at the third attempt": ([Answer(503), refusal(429, "busy"), Stream(WORDS)], "Red.", [0.5, 1]),
    "a wrong key": ([refusal(401, "bad key")], "the account: openai_compatible: bad key", []),
    "no money": ([refusal(402, "no credit")], "the account: openai_compatible: no credit [HTTP 402]", []),
    "too much": ([BUSY] * 4, "slow down: openai_compatible: too many requests [HTTP 429] wait 7.0", [7, 7, 7]),
    "a cut stream": ([Stream(WORDS[:1], end="cut")], "Re\ncut off after 'Re': openai_compatible: ", []),
    "no network": ([Refuse()] * 4, "the network: openai_compatible: the connection to 127.0.0.1:", [0, 1, 2]),
    "anything else": ([refusal(422, "no such field")], "BadRequestError openai_compatible: no such field", []),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_told_apart_and_the_temporary_ones_retried(
    case: str, choose: Choose, monkeypatch: pytest.MonkeyPatch
):
    answers, says, waits = ERRORS[case]
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    server = choose("openai_compatible", "m", *answers)

    assert run("16").startswith(says)
    assert len(server.requests) == len(answers)
    assert len(slept) == len(waits)
    assert all(0.75 * wait <= seconds <= wait for seconds, wait in zip(slept, waits, strict=True)), slept


def test_a_mistake_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LLM_CONNECTOR_PROVIDER", "antropic")
    assert run("16").startswith("ConfigurationError unknown provider 'antropic'; did you mean 'anthropic'")
