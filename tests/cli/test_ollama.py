"""`llm-connector ollama`."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

from tests.cli.console import START, Outcome, Screen, posix, started
from tests.support.wire_server import Answer, Stream, ndjson

OLLAMA_MODEL = {
    "name": "qwen3:4b",
    "model": "qwen3:4b",
    "size": 2620788260,
    "modified_at": "2026-01-01T10:00:00Z",
    "details": {"parameter_size": "4.0B", "quantization_level": "Q4_K_M", "family": "qwen3"},
}


def layer(completed: int | None) -> dict[str, Any]:
    return {"status": "pulling aabbccddeeff", "digest": "sha256:aabbccddeeff0011", "total": 4000000000} | (
        {} if completed is None else {"completed": completed}
    )


PULL = [{"status": "pulling manifest"}, layer(None), layer(1000000000), layer(4000000000), {"status": "success"}]


def test_ollama_models_are_listed_and_shown(cli, wire_server):
    host = ("--host", wire_server.url)
    wire_server.route("/api/tags", Answer.json({"models": [OLLAMA_MODEL]}))
    wire_server.route("/api/ps", Answer.json({"models": []}))
    wire_server.route("/api/version", Answer.json({"version": "0.13.0"}))
    facts = {"general.architecture": "qwen3", "qwen3.context_length": 40960}
    shown = {**OLLAMA_MODEL, "model_info": facts, "capabilities": ["completion", "tools"], "license": "MIT\n\nText"}
    wire_server.route("/api/show", Answer.json(shown))

    assert re.search(
        r"^qwen3:4b +4\.0B +Q4_K_M +2\.6 GB +\d+ days ago$", cli("ollama", "list", *host).out, re.MULTILINE
    )
    assert json.loads(cli("ollama", "list", *host, "--json").out)[0]["size"] == 2620788260
    assert cli("ollama", "running", *host).err == "no models in memory\n"
    assert cli("ollama", "version", *host).out == "0.13.0\n"
    assert re.search(
        r"context +40,960 tokens\ncapabilities +completion, tools\nlicense +MIT\n",
        cli("ollama", "show", "qwen3:4b", *host).out,
    )


def test_ollama_models_are_copied_and_deleted(cli, wire_server):
    wire_server.script(Answer(), Answer(), Answer(), Answer.json({"error": "model 'c' not found"}, status=404))

    assert cli("ollama", "copy", "a", "b", "--host", wire_server.url).code == 0
    outcome = cli("ollama", "delete", "a", "b", "c", "--base-url", wire_server.url)

    assert (outcome.code, outcome.out) == (1, "")
    assert re.fullmatch(r"a: deleted\nb: deleted\nerror: ollama: model 'c' not found.*\n", outcome.err)
    assert [request.method for request in wire_server.requests] == ["POST", "DELETE", "DELETE", "DELETE"]


def test_a_pull_without_a_terminal_prints_a_line_for_each_step(cli, wire_server):
    wire_server.script(Stream(ndjson(*PULL)))

    outcome = cli("ollama", "pull", "qwen3:4b", "--host", wire_server.url)

    assert outcome == Outcome(0, "", "pulling manifest\npulling aabbccddeeff\nqwen3:4b: done\n")
    assert wire_server.requests[0].json["model"] == "qwen3:4b"


@posix
def test_a_pull_in_a_terminal_has_a_bar_for_each_layer(wire_server):
    wire_server.script(Stream(ndjson(*PULL)))

    with Screen("ollama", "pull", "qwen3:4b", "--host", wire_server.url) as screen:
        assert screen.code() == 0

    assert re.search(r"aabbccddeeff ━+ 4\.0/4\.0 GB", screen.seen)


@posix
def test_ctrl_c_cancels_a_pull(wire_server):
    wire_server.script(Stream(ndjson(*PULL[:3]), end="hold"))

    with started(START, "ollama", "pull", "qwen3:4b", "--host", wire_server.url) as process:
        assert process.err.readline() == b"pulling manifest\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert b"Traceback" not in err
    assert wire_server.wait_closed()


def test_a_pull_that_fails_half_way_fails(cli, wire_server):
    wire_server.script(Stream(ndjson(PULL[0], {"error": "pull model manifest: file does not exist"})))

    outcome = cli("ollama", "pull", "nope", "--host", wire_server.url)

    assert outcome.code == 1
    assert re.search(r"^error: ollama: pull model manifest: file does not exist", outcome.err, re.MULTILINE)
