"""A session of the editor Zed, which takes the gateway for a server of Ollama and reads its answers strictly."""

from __future__ import annotations

import json
from typing import Any, Literal

import httpx
import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tests.server.recorded import Session, texts
from tests.server.sdks import CLIENT_KEY
from tests.support.anybody import saying
from tests.support.wire_server import WireServer


class Strict(BaseModel):
    """As the editor reads: what is named has to be there and of its type, what is not named is passed over."""

    model_config = ConfigDict(strict=True)


class Function(Strict):
    name: str
    arguments: Any


class Call(Strict):
    """Old versions read a tag and one value: no key but `function` may be there."""

    model_config = ConfigDict(strict=True, extra="forbid")
    function: Function


class ChatMessage(Strict):
    role: Literal["assistant"]
    content: str
    tool_calls: list[Call] | None = None
    images: list[str] | None = None
    thinking: str | None = None


class Line(Strict):
    model: str
    created_at: str
    message: ChatMessage
    done: bool
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None


class Details(Strict):
    format: str
    family: str
    families: list[str] | None = None
    parameter_size: str
    quantization_level: str


class Listed(Strict):
    name: str
    modified_at: str
    size: int
    digest: str
    details: Details


UPSTREAMS = ["deepseek", "anthropic", "gemini", "aliyun", "ollama"]
every_provider = pytest.mark.parametrize("model", UPSTREAMS)


@pytest.fixture
def zed(providers_gateway: tuple[str, WireServer]) -> Session:
    return Session.of("zed", providers_gateway[0], authorization=f"Bearer {CLIENT_KEY}")


def lines(answer: httpx.Response) -> list[Line]:
    """The lines, each of which has to be a whole object: neither an empty one nor a prefix."""
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert answer.text.endswith("\n")
    read = [Line.model_validate_json(line) for line in answer.text[:-1].split("\n")]
    assert [line.done for line in read] == [False] * (len(read) - 1) + [True]
    return read


def test_the_models_are_listed_and_shown(zed: Session):
    listed = TypeAdapter(list[Listed]).validate_json(json.dumps(zed.send("tags").json()["models"]))
    assert [model.name for model in listed] == UPSTREAMS

    shown = zed.send("show", "anthropic").json()
    assert {"completion", "tools", "vision", "thinking"} <= set(shown["capabilities"])
    assert shown["model_info"][f"{shown['model_info']['general.architecture']}.context_length"] == 200_000


@every_provider
def test_a_turn_with_tools_and_thoughts(zed: Session, server: WireServer, model: str):
    server.script(saying(thought="I should look.", tool="read_file", arguments='{"path": "app/Cargo.toml"}'))
    read = lines(zed.send("turn", model))

    assert "".join(line.message.thinking or "" for line in read) == "I should look."
    [call] = [call for line in read for call in line.message.tool_calls or ()]
    assert (call.function.name, call.function.arguments) == ("read_file", {"path": "app/Cargo.toml"})
    assert (read[-1].done_reason, read[-1].prompt_eval_count, read[-1].eval_count) == ("stop", 12, 7)
    [sent] = server.requests
    words = texts(sent.json)
    assert {"You help inside an editor.", "Which version does Cargo.toml name?", "read_file", "now"} <= set(words)
    assert "num_ctx" in sent.body.decode() or model != "ollama"  # it means something to an Ollama only


@every_provider
def test_the_result_of_a_tool_is_matched_by_its_name(zed: Session, server: WireServer, model: str):
    server.script(saying("It is 1.4.2."))
    read = lines(zed.send("results", model))

    assert "".join(line.message.content for line in read) == "It is 1.4.2."
    [sent] = server.requests
    assert all(word in sent.body.decode() for word in ("app/Cargo.toml", "read_file", "1.4.2"))


@every_provider
def test_a_title_without_tools_or_thoughts(zed: Session, server: WireServer, model: str):
    server.script(saying("Version named in Cargo.toml"))
    read = lines(zed.send("title", model))

    assert "".join(line.message.content for line in read) == "Version named in Cargo.toml"
    assert "tools" not in server.requests[0].json


@pytest.mark.parametrize("model", [name for name in UPSTREAMS if name != "deepseek"])
def test_a_picture(zed: Session, server: WireServer, model: str):
    server.script(saying("A dot."))
    assert "".join(line.message.content for line in lines(zed.send("picture", model))) == "A dot."
    assert zed.body("picture")["messages"][0]["images"][0] in server.requests[0].body.decode()


def test_a_refusal_is_a_string(zed: Session):
    answer = zed.send("turn", "gpt-9")
    assert (answer.status_code, type(answer.json()["error"])) == (404, str)
