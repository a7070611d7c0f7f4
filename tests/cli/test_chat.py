"""`llm-connector chat` with one question."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess

import pytest

from llm_connector import ChatResponse
from tests.cli.console import KEY, START, USAGE, Outcome, answering, at, posix, said, started, wait_until
from tests.support.wire_server import Answer, Pause, Stream

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_an_answer_is_all_that_standard_output_holds(chat, wire_server):
    wire_server.script(answering("Sun", "ny.", reasoning="Hm."))

    outcome = chat("How is", "the weather?", "--system", "Be brief.", "--temperature", "0", "--max-tokens", "9")

    assert (outcome.code, outcome.out) == (0, "Sunny.\n")
    assert outcome.err.startswith("Hm.\n\nm-1 · 1,200 in · 7 out (3 reasoning) · 0.")
    assert "\x1b" not in outcome.err
    body = wire_server.requests[0].json
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How is the weather?"},
    ]
    assert (body["temperature"], body["max_tokens"], body["stream"]) == (0, 9, True)


def test_reasoning_is_dim_where_there_are_styles(chat, wire_server, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    wire_server.script(answering("Yes.", reasoning="Hm."))

    outcome = chat("?")

    assert outcome.out == "Yes.\n"
    assert "\x1b[2mHm.\x1b[0m" in outcome.err


def test_no_color_means_no_style_at_all(chat, wire_server, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    wire_server.script(answering("Yes.", reasoning="Hm."))

    assert "\x1b" not in chat("?").err


@pytest.mark.parametrize(
    ("argv", "piped", "prompt"),
    [
        ((), b"Name a fruit.\n", "Name a fruit.\n"),
        (("Review this.",), b"+ added\n", "Review this.\n\n+ added\n"),
        (("Hi",), b"", "Hi"),
        ((), b"caf\xe9", "caf\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_what_is_piped_in_is_the_prompt_or_its_end(chat, wire_server, argv, piped, prompt):
    wire_server.script(answering("Ok."))

    assert chat(*argv, piped=piped).code == 0
    assert wire_server.requests[0].json["messages"] == [{"role": "user", "content": prompt}]


def test_without_any_prompt_nothing_is_sent(chat, wire_server):
    outcome = chat(piped=b" \n")

    assert outcome == Outcome(2, "", "error: the prompt is empty: give it as an argument or pipe it in\n")
    assert not wire_server.requests


def test_json_is_the_response_and_nothing_else(chat, wire_server):
    message = {"role": "assistant", "content": "He\x1b[2Jy \x9b é", "reasoning_content": "Hm."}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    wire_server.script(Answer.json({"id": "c1", "model": "m-1", "choices": choices, "usage": USAGE}))

    outcome = chat("?", "--json")

    assert (outcome.code, outcome.err) == (0, "")
    assert "é" in outcome.out
    assert not set(outcome.out) & {"\x1b", "\x9b"}
    response = ChatResponse.model_validate_json(outcome.out)
    assert (response.text, response.reasoning) == ("He\x1b[2Jy \x9b é", "Hm.")
    assert response.usage.input_tokens == 1200
    assert json.loads(outcome.out)["text"] == response.text


def test_no_control_character_of_a_server_reaches_the_terminal(chat, wire_server):
    hostile = "\x1b]0;owned\x07a\x9b2J\x7f\r\tb\ud83d"
    wire_server.script(answering(hostile, "\x1b", reasoning="t\x1b[31m"))

    outcome = chat("?")

    assert outcome.out == "]0;owneda2J\tb\N{REPLACEMENT CHARACTER}\n"
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", outcome.out + outcome.err)

    wire_server.script(Answer.json({"error": {"message": "no\x1b[2J\nway"}}, status=400))
    assert re.fullmatch(r"error: openai_compatible: no.?\[2J way.*\n", chat("?").err)


def test_pictures_and_documents_reach_the_wire(chat, wire_server, tmp_path):
    (tmp_path / "dot.png").write_bytes(PNG)
    (tmp_path / "notes.txt").write_text("Buy milk.")
    wire_server.script(answering("A dot."))

    outcome = chat("What?", "--image", str(tmp_path / "dot.png"), "--file", str(tmp_path / "notes.txt"))

    assert outcome.code == 0
    document, image, text = wire_server.requests[0].json["messages"][0]["content"]
    assert image["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert "notes.txt" in json.dumps(document)
    assert text == {"type": "text", "text": "What?"}


def test_a_file_that_is_not_there_is_named_before_anything_is_sent(chat, wire_server):
    outcome = chat("What?", "--image", "/nowhere/dot.png")

    assert outcome == Outcome(2, "", "error: image file '/nowhere/dot.png' cannot be read: No such file or directory\n")
    assert not wire_server.requests


@pytest.mark.parametrize(("level", "sent"), [("high", "high"), ("OFF", "none")])
def test_reasoning_levels_reach_the_wire(chat, wire_server, level, sent):
    wire_server.script(answering("Ok."))

    chat("?", "--reasoning", level)

    assert wire_server.requests[0].json["reasoning_effort"] == sent


def test_what_is_not_a_reasoning_level_is_refused_with_those_that_are(chat):
    outcome = chat("?", "--reasoning", "very")

    assert outcome.code == 2
    assert "'very' is none of off, on, minimal, low, medium, high, max or a number of tokens" in outcome.err


def test_adaptations_are_told(cli, wire_server, monkeypatch):
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
    wire_server.script(answering("Ok.", finish="length"))

    outcome = cli(
        "chat",
        "-p",
        "deepseek",
        "-m",
        "m-1",
        "--base-url",
        wire_server.url,
        "--image",
        "https://example.com/a.png",
        "?",
    )

    assert outcome.code == 0
    assert re.match(r"note: image\S* \w+: ", outcome.err)
    assert outcome.err.endswith(" · cut at the token limit\n")
    assert KEY not in outcome.err


def test_a_missing_key_is_one_line_with_the_remedy(cli):
    outcome = cli("chat", "-p", "deepseek", "-m", "m-1", "Hi")

    assert outcome == Outcome(2, "", "error: deepseek: no API key: set DEEPSEEK_API_KEY\n")


def test_remedies_are_in_the_words_of_the_command_line(cli):
    assert "pass --base-url, for example" in cli("chat", "-p", "openai_compatible", "-m", "m-1", "Hi").err
    assert "leave out --region 'cn'" in cli("chat", "-p", "ollama", "-m", "m-1", "--region", "cn", "Hi").err
    assert "no model: give -m NAME" in cli("chat", "-p", "ollama", "Hi").err


def test_an_unknown_provider_gets_a_suggestion(cli):
    outcome = cli("chat", "-p", "opneai", "Hi")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: unknown provider 'opneai'; did you mean 'openai'")


def test_a_refusal_of_the_server_is_one_line(cli, wire_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    wire_server.script(Answer.json({"error": {"message": f"Incorrect API key: {KEY}"}}, status=401))

    outcome = cli("chat", "-p", "openai", "-m", "m-1", "--base-url", wire_server.url, "Hi")

    assert outcome.code == 1
    assert re.fullmatch(r"error: openai: Incorrect API key.*HTTP 401.*\n", outcome.err)
    assert KEY not in outcome.err


@pytest.mark.parametrize("end", ["cut", "clean"])
def test_a_broken_stream_keeps_its_text_and_says_so(chat, wire_server, end):
    wire_server.script(Stream(said("Once ", "upon"), end=end))

    outcome = chat("?")

    assert (outcome.code, outcome.out) == (1, "Once upon\n")
    assert re.fullmatch(r"error: openai_compatible: .*; the answer above is incomplete\n", outcome.err)


def test_a_bug_is_one_line_too(chat, monkeypatch):
    monkeypatch.setattr("llm_connector.client.clients.LlmClient.stream", lambda *_, **__: 1 / 0)

    assert re.fullmatch(r"error: ZeroDivisionError: .*LLM_CONNECTOR_DEBUG=1.*\n", chat("?").err)

    monkeypatch.setenv("LLM_CONNECTOR_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        chat("?")


def test_provider_and_model_come_from_the_environment(cli, wire_server, monkeypatch):
    monkeypatch.setenv("LLM_CONNECTOR_PROVIDER", "openai_compatible")
    monkeypatch.setenv("LLM_CONNECTOR_MODEL", "m-2")
    wire_server.script(answering("Ok."))

    assert cli("chat", "--base-url", wire_server.url, "Hi").code == 0
    assert wire_server.requests[0].json["model"] == "m-2"
    assert "no model" in cli("chat", "-p", "ollama", "Hi").err


def test_an_option_that_does_not_exist_is_misuse(cli):
    outcome = cli("chat", "--modle", "x")

    assert (outcome.code, outcome.out) == (2, "")
    assert "--modle" in outcome.err


@posix
def test_ctrl_c_keeps_the_text_and_closes_the_connection(wire_server):
    wire_server.script(Stream(said("Once ", "upon"), end="hold"))

    with started(START, "chat", *at(wire_server), "Tell me a story.") as process:
        process.expect(b"Once upon")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (130, b"\n", b"")
    assert wire_server.wait_closed()


@posix
def test_ctrl_c_before_the_first_byte_ends_too(wire_server):
    wire_server.script(Stream([], end="hold", delay=60))

    with started(START, "chat", *at(wire_server), "Hi") as process:
        wait_until(lambda: wire_server.requests)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (130, b"", b"")


@posix
def test_a_reader_that_leaves_ends_it_silently(wire_server):
    more: list[bytes | Pause] = [Pause(0.05), *said("more ")]
    wire_server.script(Stream([*said("Once "), *more * 200]))

    with started(START, "chat", *at(wire_server), "Tell me a story.") as process:
        process.expect(b"Once ")
        process.out.close()
        err = process.err.read()

    assert (process.returncode, err) == (141, b"")
    assert wire_server.wait_closed()


@posix
def test_a_silent_pipe_is_mentioned(wire_server):
    wire_server.script(answering("Ok."))

    with started(START, "chat", *at(wire_server), "Hi", stdin=subprocess.PIPE) as process:
        assert b"reading the rest of the prompt" in process.err.readline()
        out, _ = process.communicate(b"there", timeout=20)

    assert (process.returncode, out) == (0, b"Ok.\n")
