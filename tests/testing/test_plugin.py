from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm_connector import testing
from llm_connector.testing import FakeTransport, WireSimulator, reply
from tests.test_imports import modules

PROGRAM = """
import pytest
from llm_connector import LlmConnectorError

def test_a_script(fake_llm):
    fake_llm.says("Hello")
    assert fake_llm.client("anthropic").chat("Hi").text == "Hello"
    assert fake_llm.requests[0].text == "Hi"

def test_a_server(wire_simulator):
    wire_simulator.says("Hello")
    assert wire_simulator.client("ollama").chat("Hi").text == "Hello"

def test_what_was_not_scripted_fails_even_if_it_is_caught(wire_simulator):
    with pytest.raises(LlmConnectorError):
        wire_simulator.client(model="m").chat("Hi there")

def test_the_same_without_a_server(fake_llm):
    with pytest.raises(AssertionError):
        fake_llm.client(model="m").chat("Hi there")
"""


def test_the_fixtures_are_there_in_any_project(tmp_path: Path):
    (tmp_path / "test_it.py").write_text(PROGRAM)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "llm_connector.testing.plugin", "-p", "no:cacheprovider"],
        cwd=tmp_path, env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI": ""},  # CI repeats what failed
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert "4 passed, 2 errors" in run.stdout, run.stdout
    assert run.stdout.count("the script had no answer for:\nPOST /v1/chat/completions (model m)\n  user: Hi there") == 2


def test_it_loads_nothing_but_pytest():
    loaded = modules("import llm_connector.testing.plugin") - modules("import pytest")

    assert loaded == {"llm_connector", "llm_connector.testing", "llm_connector.testing.plugin"}


def test_the_kit_loads_what_is_used_of_it():
    names = "from llm_connector.testing import FAULTS, FakeTransport, Replay, WireSimulator, reply, tool_call"

    assert not {"yaml", "pytest", "botocore", "ssl"} & (modules(names) - modules("import httpx"))


def test_every_public_name_is_there():
    assert all(getattr(testing, name) is not None for name in testing.__all__)
    assert set(testing.__all__) <= set(dir(testing))
    with pytest.raises(AttributeError, match="no attribute 'Fake'"):
        _ = testing.Fake


def test_fixtures_of_this_process(fake_llm: FakeTransport, wire_simulator: WireSimulator):
    fake_llm.says("one")
    wire_simulator.says(reply("two"))

    assert [fake_llm.client().chat("Hi").text, wire_simulator.client().chat("Hi").text] == ["one", "two"]
