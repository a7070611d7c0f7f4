"""A session of Claude Code, which takes the gateway for Anthropic: what reaches the providers, and what comes back."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from llm_connector.server import Model
from tests.server.recorded import Session, changes, texts
from tests.server.sdks import CLIENT_KEY
from tests.support.anybody import saying
from tests.support.behind import BEHIND
from tests.support.gateway import gateway, upstream
from tests.support.wire_server import Answer, WireServer

FOREIGN = [name for name in BEHIND if name != "anthropic"]
every_provider = pytest.mark.parametrize("model", BEHIND)
foreign_provider = pytest.mark.parametrize("model", FOREIGN)
PROMPT = "Mend the failing test."
FIELDS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


@pytest.fixture
def claude(providers_gateway: tuple[str, WireServer]) -> Session:
    return Session.of("claude_code", providers_gateway[0], authorization=f"Bearer {CLIENT_KEY}")


def message(answer: httpx.Response) -> tuple[list[str], list[dict[str, Any]], dict[str, Any]]:
    """The names of a stream's events, the blocks that they bring, and its last words."""
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    events = [dict(line.split(": ", 1) for line in event.split("\n")) for event in answer.text.strip().split("\n\n")]
    bodies = [json.loads(event["data"]) for event in events]
    names = [event["event"] for event in events]
    assert names == [body["type"] for body in bodies]
    blocks: list[dict[str, Any]] = []
    for body in bodies:
        if body["type"] == "content_block_start":
            assert body["index"] == len(blocks)
            blocks.append({**body["content_block"], "partial_json": ""})
        elif body["type"] == "content_block_delta":
            field = FIELDS[body["delta"]["type"]]
            blocks[body["index"]][field] += body["delta"][field]
    return names, blocks, bodies[-2]


def test_the_probe_of_the_connection_is_answered(claude: Session):
    answer = claude.send("probe")
    assert (answer.status_code, answer.content) == (200, b"")


def test_models_are_listed_as_anthropic_lists_them(claude: Session):
    listed = claude.send("models").json()

    assert [model["id"] for model in listed["data"]] == list(BEHIND)
    assert {model["type"] for model in listed["data"]} == {"model"}
    assert all(model["display_name"] and model["created_at"] for model in listed["data"])
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (False, "deepseek", "ollama")


@every_provider
def test_a_first_turn(claude: Session, server: WireServer, model: str):
    server.script(saying(thought="First I look.", tool="Bash", arguments='{"command": "pytest -x"}'))
    names, [thought, call], last = message(claude.send("turn", model))

    assert (thought["type"], thought["thinking"]) == ("thinking", "First I look.")
    assert (call["type"], call["name"], json.loads(call["partial_json"])) == (
        "tool_use",
        "Bash",
        {"command": "pytest -x"},
    )
    assert last["delta"]["stop_reason"] == "tool_use"
    assert {"input_tokens": 12, "output_tokens": 7}.items() <= last["usage"].items()
    assert (names[0], names[-2:]) == ("message_start", ["message_delta", "message_stop"])
    [sent] = server.requests
    names_of_tools = {tool["name"] for tool in claude.body("turn")["tools"]}
    assert names_of_tools | {PROMPT} <= {word for text in texts(sent.json) for word in (text, text[-len(PROMPT) :])}


def test_anthropic_gets_what_was_sent(claude: Session, server: WireServer):
    """Cache marks, tools, thinking, beta fields and headers, without a change: caches depend on every byte of it."""
    server.script(*[saying("Done.")] * 3)
    for name in ("turn", "title", "quota"):
        answer = claude.send(name, "anthropic")
        assert changes(answer) == set()
        sent, own = server.requests[-1], claude.body(name)
        expected = {field: value for field, value in own.items() if value != []} | {"model": "claude-sonnet-4-5"}
        if name == "title":
            expected["messages"] = [{"role": "user", "content": own["messages"][0]["content"][0]["text"]}]
        assert sent.json == expected
        assert sent.headers["anthropic-beta"] == claude.requests["headers"]["anthropic-beta"]
        assert sent.headers["anthropic-version"] == "2023-06-01"


@foreign_provider
def test_others_do_not_get_the_block_that_is_for_anthropic(claude: Session, server: WireServer, model: str):
    """It differs in each request and comes first: with it no prompt would be found in a cache."""
    server.script(saying("Done."))
    answer = claude.send("turn", model)

    assert ("dropped", "x-anthropic-billing-header") in changes(answer)
    [sent] = server.requests
    assert "cch=" not in sent.body.decode()
    assert "You are an agent for software, in a terminal." in sent.body.decode()
    assert "anthropic-beta" not in sent.headers
    assert ("dropped", "context_management") in changes(answer)
    assert "context_management" not in sent.json


def test_others_get_an_identifier_that_they_take(claude: Session, server: WireServer):
    """Claude Code's holds JSON of some 190 characters; servers refuse more than 64, or 128, or what is no word."""
    server.script(*[saying("Done.")] * 2)
    answers = [claude.send("turn", "deepseek"), claude.send("quota", "deepseek")]

    first, second = (request.json["user"] for request in server.requests)
    assert re.fullmatch(r"[0-9a-f]{64}", first)
    assert first == second
    assert all(("converted", "user") in changes(answer) for answer in answers)


@pytest.mark.parametrize(
    ("provider", "model", "given", "most"),
    [("openai", "gpt-4o", None, 16384), ("openai", "gpt-4o", 1000, 1000), ("aliyun", "qwen3-max", 8000, 8000)],
)
def test_an_answer_is_no_longer_than_the_model_can_write(
    server: WireServer, provider: str, model: str, given: int | None, most: int
):
    """Claude Code asks for what Claude can write: there is no request without it. Others refuse what is too long."""
    address = server.url + (BEHIND[provider].path if provider in BEHIND else "")
    row = Model("own", upstream(address, provider), model, max_output=given)
    server.script(saying("Done."))
    with gateway(models=(row,)) as running:
        claude = Session.of("claude_code", running.url)
        answer = claude.send("turn", "own")
        listed = claude.send("models").json()["data"][0]

    [sent] = server.requests
    body = sent.json.get("parameters", sent.json)
    assert (body.get("max_completion_tokens") or body["max_tokens"], listed["max_tokens"]) == (most, most)
    assert {("clamped", "max_tokens"), ("clamped", "reasoning")} <= changes(answer)
    assert body.get("thinking_budget", 4000) == 4000


@every_provider
def test_results_of_tools_with_a_picture_and_thoughts(claude: Session, server: WireServer, model: str):
    server.script(saying("It is mended."))
    _, [block], _ = message(claude.send("results", model))

    assert block["text"] == "It is mended."
    sent = server.requests[0].body.decode()
    assert all(word in sent for word in ("1 failed", "call_tests", "The list of tasks is empty."))
    picture = claude.body("results")["messages"][-1]["content"][1]["content"][0]["source"]["data"]
    assert picture in sent or model == "deepseek"
    assert ("First I look at the test." in sent) == (model != "anthropic")  # who wants a signature, and there is none


@every_provider
def test_a_title_of_a_schema(claude: Session, server: WireServer, model: str):
    server.script(saying('{"title": "Mend a test"}'))
    _, [block], _ = message(claude.send("title", model))

    assert json.loads(block["text"]) == {"title": "Mend a test"}
    assert "title" in server.requests[0].body.decode()


@every_provider
def test_the_question_whether_the_account_may_ask(claude: Session, server: WireServer, model: str):
    server.script(saying("Yes."))
    answer = claude.send("quota", model).json()
    assert (answer["type"], answer["content"][0]["text"], answer["stop_reason"]) == ("message", "Yes.", "end_turn")


@pytest.mark.parametrize(
    ("model", "count"),
    [("anthropic", {"input_tokens": 403}), ("gemini", {"totalTokens": 403}), ("deepseek", None), ("ollama", None)],
)
def test_tokens_are_counted_by_who_can_and_estimated_otherwise(
    claude: Session, server: WireServer, model: str, count: Any
):
    if count is not None:
        server.script(Answer.json(count))
    answer = claude.send("count", model)

    tokens = answer.json()["input_tokens"]
    assert tokens == 403 if count is not None else 10 < tokens < 100
    assert (("converted", "input_tokens") in changes(answer)) == (count is None)
    assert len(server.requests) == (count is not None)


def test_a_full_context_is_told_so_that_it_compacts(claude: Session, server: WireServer):
    server.script(BEHIND["gemini"].refusals["long"])
    answer = claude.send("turn", "gemini")

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["message"].startswith("prompt is too long")
