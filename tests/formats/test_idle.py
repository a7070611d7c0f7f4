"""What is written while there is nothing to say."""

from __future__ import annotations

import json

import pytest

from llm_connector.errors import ServerError
from llm_connector.formats import FORMATS, StreamWriter, find_format

SILENCE = {
    "unified": b'{"content":""}\n',
    "anthropic": b'event: ping\ndata: {"type":"ping"}\n\n',
}
COMMENT = b": keep-alive\n\n"


@pytest.mark.parametrize("name", FORMATS)
def test_a_silence_is_filled_with_what_readers_pass_over(name):
    writer = StreamWriter(find_format(name).encoder("m", clock=lambda: 0.0))
    said = writer.idle()
    if name == "ollama":
        line = json.loads(said)
        assert (line["message"], line["done"]) == ({"role": "assistant", "content": ""}, False)
    else:
        assert said == SILENCE.get(name, COMMENT)


@pytest.mark.parametrize("name", FORMATS)
def test_an_error_after_it_is_told_inside_the_stream(name):
    writer = StreamWriter(find_format(name).encoder("m"))
    assert writer.fail(ServerError("Busy", status=503)) == b"", "nothing was written, so that a status can say it"
    writer.idle()
    assert b"Busy" in writer.fail(ServerError("Busy", status=503))


def test_one_body_at_the_end_has_no_silence_to_fill():
    writer = StreamWriter(find_format("openai").encoder("m"), "json")
    assert writer.idle() == b""


def test_lines_of_a_format_without_a_word_for_it_are_not_broken_by_an_empty_one():
    assert StreamWriter(find_format("openai").encoder("m"), "ndjson").idle() == b""
