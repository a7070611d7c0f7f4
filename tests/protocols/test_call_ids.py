"""Ids of tool calls that a server finds too long: it says how long they may be, and both halves of a call change alike.

https://github.com/microsoft/autogen/issues/6377 and https://github.com/BerriAI/litellm/issues/17343 (checked 2026-11)
"""

from __future__ import annotations

from typing import Any

import pytest

from llm_connector import BadRequestError, LlmClient, ToolCall, assistant, tool_result, user
from llm_connector.protocols.completion_messages import short_id
from tests.support.wire_server import Answer, WireServer

LONG = ["call_" + "a" * 60 + end for end in "xy"]
OK = Answer.json({"choices": [{"message": {"content": "7"}, "finish_reason": "stop"}]})


def turns(ids: list[str]) -> list[Any]:
    calls = [ToolCall(id=call_id, name="f") for call_id in ids]
    return [user("Hi"), assistant(*calls), *(tool_result(call, "7") for call in calls)]


def refused(most: int, place: str = "tool_calls[0].id") -> Answer:
    text = f"Invalid 'messages[1].{place}': string too long. Expected a string with maximum length {most}, but got a "
    return Answer.json({"error": {"message": f"{text}string with length 66 instead.", "param": place}}, 400)


def sent_ids(body: Any) -> tuple[list[str], list[str]]:
    calls = [call["id"] for message in body["messages"] for call in message.get("tool_calls", ())]
    return calls, [message["tool_call_id"] for message in body["messages"] if "tool_call_id" in message]


@pytest.mark.parametrize("provider", ["openai", "openrouter"])
@pytest.mark.parametrize("most", [40, 64])
def test_the_longest_id_is_learned_once(provider: str, most: int, wire_server: WireServer):
    wire_server.script(refused(most), OK, OK)
    with LlmClient(provider, model="m", api_key="k", base_url=wire_server.url) as client:
        first = client.chat(turns(LONG))
        second = client.chat(turns(["short", LONG[0]]))

    whole, shortened, later = (sent_ids(request.json) for request in wire_server.requests)
    assert whole == (LONG, LONG)
    calls, results = shortened
    assert calls == results
    assert len(set(calls)) == 2, "two calls stay two"
    assert all(len(call_id) <= most for call_id in calls)
    assert later == (["short", calls[0]], ["short", calls[0]])
    assert [(item.action, item.subject) for item in first.adaptations] == [
        ("learned", "server"),
        ("renamed", "ids of tool calls"),
    ]
    assert [item.action for item in second.adaptations] == ["renamed"]


def test_it_may_be_the_result_that_is_refused(wire_server: WireServer):
    wire_server.script(refused(40, "tool_call_id"), OK)
    with LlmClient("openai", model="m", api_key="k", base_url=wire_server.url) as client:
        client.chat(turns(LONG))
    assert all(len(call_id) <= 40 for call_id in sent_ids(wire_server.requests[1].json)[0])


def test_a_server_that_still_refuses_is_believed(wire_server: WireServer):
    wire_server.script(refused(40), refused(40))
    with (
        LlmClient("openai", model="m", api_key="k", base_url=wire_server.url) as client,
        pytest.raises(BadRequestError, match="string too long"),
    ):
        client.chat(turns(LONG))


@pytest.mark.parametrize("most", [1, 9, 17, 40])
def test_short_ids_fit_and_differ(most: int):
    short = [short_id(call_id, most) for call_id in [*LONG, "\ud800" * 99]]
    assert [len(call_id) for call_id in short] == [most] * 3
    assert short_id("x" * most, most) == "x" * most
