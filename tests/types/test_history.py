"""Histories that were cut are repaired, and what was done is said."""

from __future__ import annotations

import pytest

from llm_connector import (
    Adaptation,
    Audio,
    ConfigurationError,
    Message,
    ToolCall,
    ToolResult,
    assistant,
    repair_history,
    tool_result,
    user,
)
from llm_connector.types import PlainTurn

LOOK = ToolCall(id="c1", name="look", arguments={"at": "sea"})
HEAR = ToolCall(id="c2", name="hear")
NOTE = "No result: the call was not carried out."
WHOLE = [
    user("Hi"),
    assistant("Wait.", LOOK, HEAR),
    tool_result(LOOK, "blue"),
    tool_result(HEAR, "waves"),
    assistant("Blue."),
]


def test_a_whole_conversation_stays_as_it_is():
    assert repair_history(WHOLE) == (WHOLE, [])
    assert repair_history("Hi") == ([user("Hi")], [])
    turns, said = repair_history([{"role": "user", "content": "Hi"}])
    assert (type(turns[0]), said) == (PlainTurn, [])


def test_a_result_whose_call_was_cut_off_is_left_out():
    for start in (2, 3):
        turns, said = repair_history(WHOLE[start:])
        assert turns == [assistant("Blue.")]
        assert {item.action for item in said} == {"dropped"}
    detail = "left out, since the call that it answers (c2) is not there"
    assert said == [Adaptation(action="dropped", subject="tool_result", detail=detail)]


def test_a_call_without_a_result_gets_a_note():
    turns, said = repair_history([*WHOLE[:3], user("Well?")])
    assert turns == [*WHOLE[:3], tool_result(HEAR, NOTE), user("Well?")]
    detail = "hear (c2) has no result; a note takes its place"
    assert said == [Adaptation(action="converted", subject="tool_call", detail=detail)]
    assert repair_history(WHOLE[:2])[0] == [*WHOLE[:2], tool_result(LOOK, NOTE), tool_result(HEAR, NOTE)]


def test_results_may_come_in_one_turn_and_in_any_order():
    both = Message(role="tool", parts=[*WHOLE[3].parts, *WHOLE[2].parts])
    assert repair_history([*WHOLE[:2], both]) == ([*WHOLE[:2], both], [])
    spoken = Message(role="user", parts=both.parts)
    assert repair_history([*WHOLE[:2], spoken]) == ([*WHOLE[:2], spoken], [])


def test_a_result_without_an_id_answers_the_first_call_that_waits():
    nameless = [Message(role="tool", parts=[ToolResult(call_id="", parts=it.parts[0].parts)]) for it in WHOLE[2:4]]  # type: ignore[union-attr]  # results
    assert repair_history([*WHOLE[:2], *nameless])[0] == WHOLE[:4]
    turns, said = repair_history(nameless)
    assert (turns, len(said)) == ([], 1)


def test_what_results_cannot_hold_follows_them():
    sound = Audio.base64("audio/wav", "UklGRg==")
    heard = Message(role="tool", parts=[*WHOLE[2].parts, sound])
    turns, said = repair_history([WHOLE[0], assistant(LOOK), heard, assistant("Waves.")])
    assert turns == [WHOLE[0], assistant(LOOK), WHOLE[2], user(sound), assistant("Waves.")]
    assert said == []


def test_given_messages_are_not_changed():
    given = [message.model_copy(deep=True) for message in WHOLE[1:3]]
    repair_history(given)
    assert given == WHOLE[1:3]


def test_what_is_no_message_is_named():
    with pytest.raises(ConfigurationError, match=r"messages\[1\]"):
        repair_history([user("Hi"), {"role": "owl", "content": "Hu"}])
