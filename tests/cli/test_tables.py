"""`llm-connector providers` and `llm-connector models`."""

from __future__ import annotations

import json
import re

from tests.cli.console import KEY, Screen, posix
from tests.support.wire_server import Answer


def test_providers_say_whether_a_key_is_set_and_never_what_it_is(cli, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    table = cli("providers")
    rows = {line.split()[0]: re.split(r"\s{2,}", line) for line in table.out.splitlines()}
    listed = cli("providers", "--json")

    assert rows["openai"][1:4] == ["Chat Completions", "OPENAI_API_KEY", "yes"]
    assert rows["deepseek"][2:5] == ["DEEPSEEK_API_KEY", "no", "chat, tools, reasoning, structured_output, models"]
    assert KEY not in table.out + listed.out
    openai = next(row for row in json.loads(listed.out) if row["name"] == "openai")
    assert (openai["key_set"], openai["key_env"]) == (True, ["OPENAI_API_KEY"])
    assert "images" in openai["capabilities"]


@posix
def test_a_narrow_terminal_gets_one_line_for_each_provider():
    with Screen("providers") as screen:
        assert screen.code() == 0

    assert re.search(r"deepseek .* T····RS·\r\n", screen.seen)
    assert "R reasoning" in screen.seen


def test_models_are_listed_by_id(cli, wire_server):
    listing = {"data": [{"id": "zeta"}, {"id": "alpha", "context_length": 131072}, {"id": "alps"}]}
    wire_server.route("/v1/models", Answer.json(listing))
    where = ("-p", "openai_compatible", "--base-url", wire_server.url)

    assert cli("models", *where).out == "id     context\nalpha  131,072\nalps\nzeta\n"
    assert cli("models", *where, "--filter", "ALP").out == "id     context\nalpha  131,072\nalps\n"
    assert [model["id"] for model in json.loads(cli("models", *where, "--json").out)] == ["alpha", "alps", "zeta"]
    assert "none of 3 models contains 'omega'" in cli("models", *where, "--filter", "omega").err


OLLAMA_MODEL = {
    "name": "qwen3:4b",
    "model": "qwen3:4b",
    "size": 2620788260,
    "modified_at": "2026-01-01T10:00:00Z",
    "details": {"parameter_size": "4.0B", "quantization_level": "Q4_K_M", "family": "qwen3"},
}
