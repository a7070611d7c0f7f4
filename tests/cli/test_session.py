"""`llm-connector chat` as a conversation, in a pseudo-terminal."""

from __future__ import annotations

import pytest

from tests.cli.console import Screen, answering, at, posix, said
from tests.support.wire_server import Answer, Stream


@posix
def test_a_conversation_remembers_its_turns(wire_server):
    wire_server.script(answering("Hello Ada.", reasoning="A name."), answering("Ada."), answering("Bye."))

    with Screen("chat", *at(wire_server), "--system", "Be brief.") as screen:
        screen.enter("I am Ada.")
        screen.until("A name.")
        screen.until("Hello Ada.")
        screen.until("7 out")
        screen.enter("Who am I?")
        screen.enter("/model m-2")
        screen.enter("/system Be loud.")
        screen.enter("/nonsense")
        screen.until("/nonsense is not a command")
        screen.enter("/clear")
        screen.enter('"""Two')
        screen.type('lines"""\r')
        screen.until("Bye.")
        screen.enter("/exit")
        assert screen.code() == 0

    first, second, third = (request.json for request in wire_server.requests)
    assert first["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "I am Ada."},
    ]
    assert second["messages"][1:] == [
        {"role": "user", "content": "I am Ada."},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": "Who am I?"},
    ]
    assert third["model"] == "m-2"
    assert third["messages"] == [
        {"role": "system", "content": "Be loud."},
        {"role": "user", "content": "Two\nlines"},
    ]


@posix
def test_ctrl_c_stops_an_answer_but_not_the_conversation(wire_server):
    wire_server.script(Stream(said("Once upon"), end="hold"), answering("a time."))

    with Screen("chat", *at(wire_server)) as screen:
        screen.enter("Tell me a story.")
        screen.until("Once upon")
        screen.type("\x03")
        screen.until("stopped")
        screen.enter("Go on.")
        screen.until("a time.")
        assert screen.leave("\x03") == 0
        assert "Traceback" not in screen.seen

    assert wire_server.requests[1].json["messages"] == [
        {"role": "user", "content": "Tell me a story."},
        {"role": "assistant", "content": "Once upon"},
        {"role": "user", "content": "Go on."},
    ]


@posix
def test_a_failed_turn_is_forgotten_and_ctrl_d_leaves(wire_server):
    wire_server.script(Answer.json({"error": {"message": "bad luck"}}, status=400), answering("Fine."))

    with Screen("chat", *at(wire_server)) as screen:
        screen.enter("One")
        screen.until("error: openai_compatible: bad luck")
        screen.enter("Two")
        screen.until("Fine.")
        assert screen.leave("\x04") == 0

    assert wire_server.requests[1].json["messages"] == [{"role": "user", "content": "Two"}]


@posix
def test_pasted_lines_are_one_message_where_the_terminal_marks_them(wire_server):
    if "libedit" in (pytest.importorskip("readline").__doc__ or ""):
        pytest.skip("libedit knows no such marks")
    wire_server.script(answering("Ok."))

    with Screen("chat", *at(wire_server)) as screen:
        screen.enter("\x1b[200~one\rtwo\x1b[201~")
        screen.until("Ok.")
        assert screen.leave("\x04") == 0

    assert wire_server.requests[0].json["messages"] == [{"role": "user", "content": "one\ntwo"}]
