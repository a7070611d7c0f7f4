"""The examples, run as they stand: with the embedded model, and with a server on loopback that thinks and sees."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.integrations.llama_index.wires import WIRES, Call, Turn, completion
from tests.support.docs import ROOT, printed
from tests.support.wire_server import WireServer

HOME = ROOT / "integrations" / "llama_index"
EXAMPLES = sorted((HOME / "examples").glob("*.py"))
LOCAL = {
    "01": r".*six.*\n\[0\.\d\d\] oldhaven\.md: The harbour .*six.*\n\[0\.\d\d\] oldhaven\.md: .+\n",
    "02": r"weather\(\{'city': 'Oslo'\}\) -> It is sunny in Oslo, 21 degrees\.\n.*\nanswer: .*\S.*\n",
    "03": r"name='Ada Lovelace' city='London'\n(\{.*\}\n)+\{.*'city': 'London'\}\nAlan .+ of .+\n",
    "04": r".*\w.*\nconverted image: .* local cannot read it\n",
    "05": r".*\w.*\n\d+ tokens, (stop|length)\n.*\w.*\n",
}


def run(number: str) -> str:
    return printed(next(path for path in EXAMPLES if path.name.startswith(number)))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_short_and_says_what_it_shows(path: Path):
    text = path.read_text("utf-8")
    assert text.count("\n") < 40
    assert re.fullmatch(r"[^\n]{20,}\.", ast.get_docstring(ast.parse(text)) or "")
    assert path.name in (HOME / "README.md").read_text("utf-8")


def test_every_example_is_run():
    assert list(LOCAL) == [path.name[:2] for path in EXAMPLES]


@pytest.mark.local
@pytest.mark.parametrize("number", LOCAL)
def test_an_example_runs_with_the_embedded_model(number: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["example"])
    output = run(number)
    assert re.fullmatch(LOCAL[number], output, re.DOTALL), output


@pytest.fixture
def thinking(wire_server: WireServer, monkeypatch: pytest.MonkeyPatch) -> WireServer:
    """Choose another provider as a user does."""
    monkeypatch.setattr(sys, "argv", ["example"])
    monkeypatch.setenv("LLM_CONNECTOR_PROVIDER", "deepseek")
    monkeypatch.setenv("LLM_CONNECTOR_MODEL", "thinker-1")
    monkeypatch.setenv("DEEPSEEK_BASE_URL", wire_server.url)
    monkeypatch.setenv("DEEPSEEK_API_KEY", "test-key")
    return wire_server


def test_an_agent_shows_what_it_thinks(thinking: WireServer):
    wire = WIRES["deepseek"]
    calls = [Call("weather", {"city": "Oslo"}, "a"), Call("population", {"city": "Oslo"}, "b")]
    thinking.script(wire.stream(Turn(thought="Both.", calls=calls)), wire.stream(Turn(text="Sunny, 700,000.")))
    output = run("02")
    assert output.startswith("Both.")
    assert "population({'city': 'Oslo'}) -> Oslo has 700,000 inhabitants." in output
    assert output.endswith("answer: Sunny, 700,000.\n")


def test_a_picture_is_sent_to_a_model_that_sees(thinking: WireServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LLM_CONNECTOR_PROVIDER", "openai")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{thinking.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    thinking.script(completion("A circle."))
    assert run("04") == "A circle.\n"
    parts = thinking.requests[0].json["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"]
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")


def test_thoughts_are_told_from_words(thinking: WireServer):
    turn = Turn(thought="Hm.", text="Blue scatters.")
    thinking.script(*[WIRES["deepseek"].stream(turn)] * 2)
    assert run("05") == "\033[2mHm.\033[0mBlue scatters.\n30 tokens, stop\nBlue scatters.\n"


# packaging


def test_the_distribution_depends_on_two_things_and_shares_its_folders():
    project = tomllib.loads((HOME / "pyproject.toml").read_text("utf-8"))["project"]
    assert [re.split(r"[<>=]", needed)[0] for needed in project["dependencies"]] == [
        "llama-index-core",
        "llm-connector-core",
    ]
    shared = [HOME / "llama_index", *(HOME / "llama_index" / name for name in ("llms", "embeddings", "postprocessor"))]
    assert all(folder.is_dir() and not (folder / "__init__.py").exists() for folder in shared)
    assert importlib.metadata.version(project["name"]) == project["version"]


def test_modules_import_nothing_but_the_two():
    """No HTTP, no client of a provider, no names of providers."""
    allowed = {"llama_index", "llm_connector", "pydantic_core", *sys.stdlib_module_names}
    for path in HOME.glob("llama_index/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= allowed, path
