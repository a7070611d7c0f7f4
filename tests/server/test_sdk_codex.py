"""A session of Codex, which speaks Responses only: what reaches providers that do not, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.server.recorded import Session, changes, texts
from tests.server.sdks import CLIENT_KEY
from tests.support.anybody import SIGNATURE, saying
from tests.support.behind import BEHIND
from tests.support.wire_server import WireServer

every_provider = pytest.mark.parametrize("model", BEHIND)


@pytest.fixture
def codex(providers_gateway: tuple[str, WireServer]) -> Session:
    return Session.of("codex", providers_gateway[0], authorization=f"Bearer {CLIENT_KEY}")


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines]


@every_provider
def test_a_turn(codex: Session, server: WireServer, model: str):
    server.script(saying(thought="First I look.", tool="exec_command", arguments='{"cmd": "pytest -x"}'))
    answer = codex.send("turn", model)
    read = events(answer)

    done = [event["item"] for event in read if event["type"] == "response.output_item.done"]
    assert [item["type"] for item in done] == ["reasoning", "function_call"]
    assert (done[0]["summary"][0]["text"], done[1]["name"]) == ("First I look.", "exec_command")
    assert json.loads(done[1]["arguments"]) == {"cmd": "pytest -x"}
    assert (done[0].get("encrypted_content") == f"signature:{SIGNATURE}") == (model == "anthropic")
    last = read[-1]
    assert (last["type"], last["response"]["usage"]["total_tokens"]) == ("response.completed", 19)
    [sent] = server.requests
    assert {"Mend the failing test.", "exec_command", "view_image"} <= set(texts(sent.json))
    assert "apply_patch" not in sent.body.decode()
    assert {("dropped", "tool apply_patch"), ("dropped", "tool web_search")} <= changes(answer)


@every_provider
def test_the_results_of_a_tool(codex: Session, server: WireServer, model: str):
    server.script(saying("It is mended."))
    read = events(codex.send("results", model))

    assert read[-1]["response"]["output"][-1]["content"][0]["text"] == "It is mended."
    sent = server.requests[0].body.decode()
    assert all(words in sent for words in ("pytest -x", "1 failed", "I run the tests.", "First I look."))
    assert (SIGNATURE in sent) == (model == "anthropic" or model == "gemini")
