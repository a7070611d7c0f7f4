"""The Messages wire format: what is sent, and what is read from whole answers, streams and imitators."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import BaseModel, Field

from llm_connector.errors import (
    ConfigurationError,
    InsufficientBalanceError,
    ModelNotFoundError,
    ParseError,
    ServerError,
    StreamError,
    UnsupportedError,
)
from llm_connector.protocols import AnthropicMessages, ErrorEvent, error_class
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.turns import own_parts
from llm_connector.providers.spec import joined_base
from llm_connector.types import (
    Audio,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Document,
    Image,
    Message,
    Notes,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    Video,
    assistant,
    system,
    tool_result,
    user,
)
from llm_connector.wire import decode_json, encode_json

PROTOCOL = AnthropicMessages()
SWITCH = AnthropicMessages(thinking="switch")
BUDGET_MODEL = "claude-sonnet-4-5-20250929"
PNG = "iVBORw0KGgo="
MARK = {"type": "ephemeral"}
SINGLE = {"disable_parallel_tool_use": True}
PNG_BLOCK = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("weather", "Looks out of the window.", SCHEMA)
CLOCK = Tool("clock")
CALL = ToolCall(id="toolu_1", name="weather", arguments={"city": "Oslo"})
CALL_BLOCK = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}

CLOCK_BLOCK = {"type": "tool_use", "id": "toolu_2", "name": "clock", "input": {}}


def ask(messages: Any = "Hi", **options: Any) -> ChatRequest:
    return ChatRequest.of(messages, {"model": BUDGET_MODEL, **options})


def render(
    messages: Any = "Hi", *, protocol: AnthropicMessages = PROTOCOL, stream: bool = False, **options: Any
) -> Any:
    """The body as the server will see it, and what was noted."""
    notes = Notes()
    body = protocol.render_chat(ask(messages, **options), stream=stream, notes=notes)
    return decode_json(encode_json(body)), [(note.action, note.subject) for note in notes.adaptations]


def turns(*messages: Message, protocol: AnthropicMessages = PROTOCOL) -> Any:
    return render(list(messages), protocol=protocol)[0]["messages"]


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def marks(body: Any) -> list[str]:
    """Where cache marks are, in the order of the prompt."""
    found = [f"tool {tool['name']}" for tool in body.get("tools", ()) if "cache_control" in tool]
    found += ["system" for block in body.get("system", "") if "cache_control" in block]
    for number, turn in enumerate(body["messages"]):
        for block in turn["content"] if isinstance(turn["content"], list) else ():
            found += [f"{number} {block['type']}"] if "cache_control" in block else []
    return found


def sse(*events: dict[str, Any]) -> bytes:
    """Events with the padding that Anthropic puts before the last brace."""
    lines = []
    for item in events:
        data = json.dumps(item, ensure_ascii=False)[:-1] + "   }"
        lines.append(f"event: {item['type']}\ndata: {data}\n\n".encode())
    return b"".join(lines)


def begin(**fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": []}
    return {
        "type": "message_start",
        "message": {**head, "stop_reason": None, "stop_sequence": None, "usage": usage, **fields},
    }


def start(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str = "end_turn", output: int = 15, **fields: Any) -> dict[str, Any]:
    usage = {"output_tokens": output, **fields.pop("usage", {})}
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None, **fields},
        "usage": usage,
    }


STOP = {"type": "message_stop"}
PING = {"type": "ping"}


def read(blocks: Iterable[bytes], request: ChatRequest | None = None) -> tuple[list[ChatChunk], ChatResponse]:
    framing, parser = PROTOCOL.framing(), PROTOCOL.chunk_parser(request)
    chunks: list[ChatChunk] = []
    for block in blocks:
        for item in framing.feed(block):
            chunks.extend(parser.feed(item))
    for item in framing.close():
        chunks.extend(parser.feed(item))
    chunks.extend(parser.close())
    return chunks, parser.response()


def answer(*events: dict[str, Any]) -> ChatResponse:
    """The response to the blocks between a usual beginning and a usual end."""
    return read([sse(begin(), *events, end(), STOP)])[1]


def said(response: ChatResponse) -> Any:
    """What the fold law compares."""
    return response.model_dump_json(exclude={"raw", "headers"})


def whole(*content: dict[str, Any], reason: str = "end_turn", **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 15}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": list(content)}
    return {**head, "stop_reason": reason, "stop_sequence": None, "usage": usage, **fields}


def streamed(body: dict[str, Any]) -> bytes:
    """A whole answer as the server would have streamed it, three characters at a time."""

    def pieces(value: str) -> list[str]:
        return [value[at : at + 3] for at in range(0, len(value), 3)]

    events: list[dict[str, Any]] = [begin(), PING]
    for index, block in enumerate(body["content"]):
        match block["type"]:
            case "text":
                events.append(start(index, text("")))
                events += [delta(index, "citations_delta", citation=item) for item in block.get("citations") or ()]
                events += [delta(index, "text_delta", text=piece) for piece in pieces(block["text"])]
            case "thinking":
                events.append(start(index, {"type": "thinking", "thinking": "", "signature": ""}))
                events += [delta(index, "thinking_delta", thinking=piece) for piece in pieces(block["thinking"])]
                if block.get("signature"):
                    events.append(delta(index, "signature_delta", signature=block["signature"]))
            case "tool_use" | "server_tool_use" | "mcp_tool_use":
                events.append(start(index, {**block, "input": {}}))
                events.append(delta(index, "input_json_delta", partial_json=""))
                written = json.dumps(block["input"], separators=(",", ":"), ensure_ascii=False)
                written = "" if written == "{}" else written
                events += [delta(index, "input_json_delta", partial_json=piece) for piece in pieces(written)]
            case _:
                events.append(start(index, block))
        events.append(stop(index))
    last = {key: body[key] for key in ("stop_details", "container") if key in body}
    finish = end(body["stop_reason"], stop_sequence=body["stop_sequence"], usage=body["usage"], **last)
    return sse(*events, finish, STOP)


SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "käse"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "x", "url": "u"}]}
CITED = {"type": "web_search_result_location", "cited_text": "c", "encrypted_index": "e", "title": None, "url": "u"}
THOUGHT = {"type": "thinking", "thinking": "Look it up. 🤔", "signature": "EuwJ+/=="}
SECRET = {"type": "redacted_thinking", "data": "b64=="}
DIRECT = {"caller": {"type": "direct"}}

ANSWERS: dict[str, dict[str, Any]] = {
    "text": whole(text("Grüße aus Oslo 🙂")),
    "nothing": whole(),
    "thought only": whole(THOUGHT),
    "thought without text": whole({**THOUGHT, "thinking": ""}, text("Yes.")),
    "thought without signature": whole({"type": "thinking", "thinking": "Hm."}, text("Yes.")),
    "everything": whole(
        THOUGHT,
        SECRET,
        text("Let me see."),
        SEARCH,
        FOUND,
        text("It is "),
        text("cold", citations=[CITED]),
        {**CALL_BLOCK, **DIRECT},
        {**CALL_BLOCK, "id": "toolu_2", "input": {"city": {"name": "Žilina", "at": [1, 2.5, None]}}},
        reason="tool_use",
    ),
    "call without arguments": whole(
        {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}, reason="tool_use"
    ),
    "refusal": whole(
        text("I"),
        reason="refusal",
        stop_details={"type": "refusal", "category": "bio", "explanation": "Not this."},
    ),
    "paused": whole(SEARCH, reason="pause_turn", container={"id": "c", "expires_at": "t"}),
    "cached": whole(
        text("Hi"),
        usage={
            "input_tokens": 7,
            "cache_creation_input_tokens": 20,
            "cache_read_input_tokens": 10_000,
            "output_tokens": 60,
            "output_tokens_details": {"thinking_tokens": 40},
            "service_tier": "standard",
        },
    ),
}


class TestRequests:
    def test_the_smallest_request(self):
        expected = {"model": BUDGET_MODEL, "max_tokens": 8192, "messages": [{"role": "user", "content": "Hi"}]}
        assert render() == (expected, [])
        assert render(stream=True)[0] == {**expected, "stream": True}

    @pytest.mark.parametrize(
        ("options", "expected", "noted"),
        [
            ({"temperature": 0.5, "top_k": 40}, {"temperature": 0.5, "top_k": 40}, []),
            ({"temperature": 1.5}, {"temperature": 1}, [("clamped", "temperature")]),
            ({"max_tokens": 100}, {"max_tokens": 100}, []),
            ({"max_tokens": 0}, {"max_tokens": 0}, []),
            ({"stop": "END"}, {"stop_sequences": ["END"]}, []),
            ({"stop": ["\n", "END"]}, {"stop_sequences": ["END"]}, [("dropped", "stop")]),
            ({"user": "u1"}, {"metadata": {"user_id": "u1"}}, []),
            ({"metadata": {"user_id": "u1"}}, {"metadata": {"user_id": "u1"}}, []),
            ({"metadata": {"team": "x"}}, {}, [("dropped", "metadata 'team'")]),
            ({"seed": 0}, {}, [("dropped", "seed")]),
            ({"n": 2}, {}, [("dropped", "n")]),
            ({"n": 1, "presence_penalty": 0}, {}, []),
            ({"presence_penalty": 1}, {}, [("dropped", "presence_penalty")]),
            ({"frequency_penalty": 1}, {}, [("dropped", "frequency_penalty")]),
            ({"logit_bias": {"1": 2}, "logprobs": True}, {}, [("dropped", "logit_bias"), ("dropped", "logprobs")]),
        ],
    )  # fmt: skip
    def test_settings(self, options, expected, noted):
        assert render(**options) == ({**render()[0], **expected}, noted)

    @pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-sonnet-5", "anthropic.claude-haiku-5-5"])
    def test_models_of_today_take_no_sampling_settings(self, model):
        body, noted = render(model=model, temperature=0.5, top_p=0.5, top_k=1)
        assert not {"temperature", "top_p", "top_k"} & body.keys()
        assert noted == [("dropped", "temperature"), ("dropped", "top_p"), ("dropped", "top_k")]

    def test_the_newest_version_takes_no_sampling_settings(self):
        newest = AnthropicMessages(version="2026-10-21")
        assert newest.headers("chat") == {"anthropic-version": "2026-10-21"}
        assert render(protocol=newest, temperature=0.5) == (render()[0], [("dropped", "temperature")])

    def test_tools_are_offered_with_their_schemas(self):
        native = {"type": "web_search_20260318", "name": "web_search", "max_uses": 5}
        body, noted = render(tools=[WEATHER, CLOCK, native])
        assert body["tools"] == [
            {"name": "weather", "description": "Looks out of the window.", "input_schema": SCHEMA},
            {"name": "clock", "input_schema": {"type": "object", "properties": {}}},
            native,
        ]
        assert "tool_choice" not in body
        assert noted == []

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"tool_choice": "auto"}, {"type": "auto"}),
            ({"tool_choice": "none"}, {"type": "none"}),
            ({"tool_choice": "required"}, {"type": "any"}),
            ({"tool_choice": "weather"}, {"type": "tool", "name": "weather"}),
            ({"parallel_tool_calls": False}, {"type": "auto", **SINGLE}),
            ({"parallel_tool_calls": True}, None),
            ({"tool_choice": "required", "parallel_tool_calls": False}, {"type": "any", **SINGLE}),
            ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ],
    )  # fmt: skip
    def test_SC_06_tool_choice_in_the_words_of_the_wire(self, options, expected):
        body, noted = render(tools=[WEATHER, CLOCK], **options)
        assert (body.get("tool_choice"), noted) == (expected, [])

    def test_a_tool_choice_without_tools_is_left_out(self):
        assert render(tool_choice="auto", parallel_tool_calls=False) == (render()[0], [])

    @pytest.mark.parametrize(
        ("model", "reasoning", "kept"),
        [
            (BUDGET_MODEL, None, True),
            (BUDGET_MODEL, False, True),
            (BUDGET_MODEL, "low", False),
            ("claude-opus-4-6", "low", True),
            ("claude-opus-4-6", 2000, False),
            ("claude-opus-5", "low", True),
            ("claude-opus-5-5", None, False),
            ("claude-sonnet-5-5", False, False),
            ("claude-fable-5-1", "max", False),
        ],
    )
    def test_SC_05_no_tool_is_forced_where_thinking_forbids_it(self, model, reasoning, kept):
        body, noted = render(model=model, tools=[CLOCK], tool_choice="clock", reasoning=reasoning)
        assert body["tool_choice"] == ({"type": "tool", "name": "clock"} if kept else {"type": "auto"})
        assert (("downgraded", "tool_choice") in noted) is not kept

    def test_SC_04_tool_names_are_renamed_and_come_back(self):
        tool = Tool("files/read.text")
        call = ToolCall(id="toolu_1", name="files/read.text")
        body, noted = render([user("?"), assistant(call), tool_result(call, "x")], tools=[tool], tool_choice=tool.name)
        assert body["tools"][0]["name"] == body["tool_choice"]["name"] == "files_read_text"
        assert body["messages"][1]["content"][0]["name"] == "files_read_text"
        assert noted == [("renamed", "tool 'files/read.text'")]
        back = PROTOCOL.parse_chat(whole({**CALL_BLOCK, "name": "files_read_text"}), ask(tools=[tool]))
        assert back.tool_calls[0].name == "files/read.text"

    def test_strict_tools_have_closed_schemas(self):
        body, noted = render(tools=[Tool("weather", parameters=SCHEMA, strict=True), CLOCK])
        assert body["tools"][0] == {
            "name": "weather",
            "input_schema": {**SCHEMA, "additionalProperties": False},
            "strict": True,
        }
        assert "strict" not in body["tools"][1]
        assert noted == []
        body, noted = render(tools=[WEATHER], strict_schema=True, model="claude-3-7-sonnet-20250219")
        assert body["tools"][0]["input_schema"] == SCHEMA
        assert noted == [("downgraded", "tool 'weather'")]


class TestStructuredOutput:
    def test_a_schema_is_closed_but_its_optional_fields_stay_optional(self):
        class Place(BaseModel):
            city: str
            country: str | None = None

        body, noted = render(response_format=Place)
        form = body["output_config"]["format"]
        assert form["type"] == "json_schema"
        assert form["schema"]["additionalProperties"] is False
        assert form["schema"]["required"] == ["city"]
        assert noted == []

    def test_constraints_the_server_refuses_are_described(self):
        class Rating(BaseModel):
            stars: int = Field(ge=1, le=5, description="How good.")
            words: list[str] = Field(min_length=2)

        body, noted = render(response_format=Rating)
        properties = body["output_config"]["format"]["schema"]["properties"]
        assert properties["stars"] == {"type": "integer", "description": "How good. (maximum: 5, minimum: 1)"}
        assert properties["words"] == {"type": "array", "items": {"type": "string"}, "description": "minItems: 2"}
        assert noted == [("downgraded", "response_format")]

    def test_unions_and_remarks_are_said_as_the_server_takes_them(self):
        union = {"oneOf": [{"type": "string"}, {"type": "null"}], "discriminator": {"propertyName": "kind"}}
        day = {"type": "string", "format": "date", "examples": ["2026-11-01"]}
        schema = {"type": "object", "properties": {"properties": union, "day": day}, "$schema": "x"}
        body, noted = render(response_format=schema)
        assert body["output_config"]["format"]["schema"] == {
            "type": "object",
            "properties": {
                "properties": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "day": {"type": "string", "format": "date", "description": 'examples: ["2026-11-01"]'},
            },
            "additionalProperties": False,
        }
        assert noted == []

    @pytest.mark.parametrize(
        "options",
        [
            {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA, "strict": False}}},
            {"response_format": {"$ref": "#/$defs/node", "$defs": {"node": {"$ref": "#/$defs/node"}}}},
            {"response_format": SCHEMA, "model": "claude-3-5-haiku-20241022"},
            {"response_format": SCHEMA, "model": "claude-opus-4-20250514"},
            {"response_format": SCHEMA, "model": "somebody-else"},
            {"response_format": SCHEMA, "strict_schema": False},
            {"response_format": {"type": "object", "additionalProperties": {"type": "string"}}},
            {"response_format": "json"},
        ],
    )
    def test_what_cannot_be_enforced_is_asked_for_in_the_prompt(self, options):
        body, noted = render([system("Be brief."), user("Hi")], **options)
        assert "output_config" not in body
        assert body["system"].startswith("Be brief.\n\nAnswer with a JSON object")
        assert noted == [("downgraded", "response_format")]

    def test_the_schema_stands_beside_the_effort(self):
        body, _ = render(response_format=SCHEMA, reasoning="low", model="claude-opus-5")
        assert body["output_config"]["effort"] == "low"
        assert body["output_config"]["format"]["type"] == "json_schema"


ADAPTIVE = {"type": "adaptive"}
SUMMARIZED = {"type": "adaptive", "display": "summarized"}
OFF = {"type": "disabled"}


def budget(tokens: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": tokens}


class TestThinking:
    @pytest.mark.parametrize(
        ("model", "asked", "thinking", "effort", "noted"),
        [
            ("claude-haiku-4-5", None, None, None, []),
            ("claude-haiku-4-5", True, budget(8192), None, []),
            ("claude-haiku-4-5", False, OFF, None, []),
            ("claude-haiku-4-5", 0, OFF, None, []),
            ("claude-haiku-4-5", "minimal", budget(1024), None, []),
            ("claude-haiku-4-5", "high", budget(16384), None, []),
            ("claude-haiku-4-5", 5000, budget(5000), None, []),
            ("claude-haiku-4-5", 100, budget(1024), None, ["clamped"]),
            ("claude-3-7-sonnet-20250219", "low", budget(2048), None, []),
            ("claude-sonnet-4-20250514", "low", budget(2048), None, []),
            ("claude-opus-4@20250514", "max", budget(23808), None, []),
            ("claude-opus-4-5-20251101", "low", budget(2048), None, []),
            ("claude-3-5-haiku-20241022", "low", None, None, ["dropped"]),
            ("claude-3-opus-20240229", False, None, None, []),
            ("claude-opus-4-6", "medium", ADAPTIVE, "medium", []),
            ("claude-opus-4-6", "minimal", ADAPTIVE, "low", ["converted"]),
            ("claude-opus-4-6", 5000, budget(5000), None, []),
            ("us.anthropic.claude-sonnet-4-6-v1", True, ADAPTIVE, None, []),
            ("anthropic/claude-4.6-opus", "max", ADAPTIVE, "max", []),
            ("claude-opus-4-7", "high", SUMMARIZED, "high", []),
            ("claude-opus-4-8", 5000, SUMMARIZED, "medium", ["converted"]),
            ("claude-opus-4-8", False, OFF, None, []),
            ("claude-opus-5", False, OFF, None, []),
            ("claude-opus-5", True, SUMMARIZED, None, []),
            ("claude-sonnet-5", "low", SUMMARIZED, "low", []),
            ("claude-haiku-5-5", False, OFF, None, []),
            ("claude-sonnet-5-5", False, {"type": "between_tools"}, None, ["downgraded"]),
            ("claude-opus-5-5", False, None, "low", ["downgraded"]),
            ("claude-opus-5-5", "max", SUMMARIZED, "max", []),
            ("claude-fable-5-1", False, None, "low", ["downgraded"]),
            ("claude-mythos-preview", "high", SUMMARIZED, "high", []),
            ("claude-opus-5-6", "high", SUMMARIZED, "high", []),
            ("claude-epic-6", "high", SUMMARIZED, "high", []),
            ("kimi-k2", "high", budget(16384), None, []),
            ("kimi-k2", False, OFF, None, []),
        ],
    )
    def test_every_generation_is_asked_in_its_own_words(self, model, asked, thinking, effort, noted):
        body, notes = render(model=model, reasoning=asked)
        assert body.get("thinking") == thinking
        assert body.get("output_config", {}).get("effort") == effort
        assert notes == [(action, "reasoning") for action in noted]

    @pytest.mark.parametrize(
        ("model", "asked", "limit"),
        [
            ("claude-3-haiku-20240307", None, 4096),
            ("claude-haiku-4-5", None, 8192),
            ("claude-haiku-4-5", "high", 16384 + 8192),
            ("claude-opus-4-1", "max", 32000),
            ("claude-haiku-4-5", 20_000, 28192),
            ("claude-opus-4-7", None, 8192),
            ("claude-opus-5", None, 8192 + 16384),
            ("claude-opus-5", "max", 8192 + 32000),
            ("claude-opus-5", False, 8192),
        ],
    )
    def test_PM_06_the_limit_that_nobody_gave_leaves_room_for_thinking(self, model, asked, limit):
        assert render(model=model, reasoning=asked)[0]["max_tokens"] == limit

    def test_PM_06_two_numbers_of_the_callers_that_contradict_each_other_are_an_error(self):
        with pytest.raises(ConfigurationError, match="a budget of 5000 tokens does not fit max_tokens=4000"):
            render(reasoning=5000, max_tokens=4000)

    def test_PM_06_a_word_is_fitted_below_the_callers_limit(self):
        body, noted = render(reasoning="high", max_tokens=4000)
        assert (body["thinking"], body["max_tokens"]) == (budget(2000), 4000)
        assert noted == [("clamped", "reasoning")]
        body, noted = render(reasoning="high", max_tokens=1000)
        assert ("thinking" in body, body["max_tokens"], noted) == (False, 1000, [("dropped", "reasoning")])

    @pytest.mark.parametrize(
        ("asked", "efforts", "thinking", "effort", "noted"),
        [
            (None, (), None, None, []),
            (True, (), {"type": "enabled"}, None, []),
            (False, (), OFF, None, []),
            ("high", (), {"type": "enabled"}, None, ["downgraded"]),
            (False, ("high", "max"), OFF, None, []),
            ("low", ("high", "max"), {"type": "enabled"}, "high", ["converted"]),
            ("max", ("high", "max"), {"type": "enabled"}, "max", []),
        ],
    )
    def test_RS_25_servers_with_a_plain_switch(self, asked, efforts, thinking, effort, noted):
        protocol = AnthropicMessages(thinking="switch", efforts=efforts)
        body, notes = render(protocol=protocol, model="deepseek-v4", reasoning=asked, temperature=0.5)
        assert body.get("thinking") == thinking
        assert body.get("output_config", {}).get("effort") == effort
        assert body["temperature"] == 0.5
        assert notes == [(action, "reasoning") for action in noted]

    def test_sampling_settings_give_way_to_thinking(self):
        body, noted = render(reasoning="low", temperature=0.5, top_p=0.9, top_k=5)
        assert not {"temperature", "top_p", "top_k"} & body.keys()
        assert noted == [("dropped", "temperature"), ("dropped", "top_p"), ("dropped", "top_k")]
        assert render(reasoning="low", temperature=1)[1] == []
        assert render(reasoning="low", top_p=0.95)[0]["top_p"] == 0.95

    def test_thinking_by_budget_does_not_begin_while_tools_run(self):
        turn = [user("Weather?"), assistant(CALL), tool_result(CALL, "7°C")]
        body, noted = render(turn, reasoning="low", tools=[WEATHER])
        assert "thinking" not in body
        assert noted == [("dropped", "reasoning")]
        thought = assistant(Reasoning("Hm", signature="s"), CALL)
        assert render([turn[0], thought, turn[2], assistant(CALL), turn[2]], reasoning="low")[0]["thinking"] == budget(
            2048
        )
        assert render([*turn, user("And?")], reasoning="low", model="claude-opus-4-6")[1] == []
        assert render([*turn, assistant("7"), user("And?")], reasoning="low")[0]["thinking"] == budget(2048)


class TestMessages:
    def test_leading_system_messages_are_hoisted(self):
        body, noted = render([system("Be brief."), system("Speak Norse."), user("Hi")])
        assert body["system"] == "Be brief.\n\nSpeak Norse."
        assert body["messages"] == [{"role": "user", "content": "Hi"}]
        assert noted == []

    def test_system_messages_of_several_parts_keep_them_apart(self):
        body, _ = render([system("Be brief.", "Be kind."), user("Hi")])
        assert body["system"] == [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]

    def test_MS_07_late_system_messages_become_user_text(self):
        body, noted = render([user("Hi"), system("Now in Norse."), assistant("Heil"), system("Loud."), user("Go")])
        assert body["messages"] == [
            {"role": "user", "content": [text("Hi"), text("Now in Norse.")]},
            {"role": "assistant", "content": "Heil"},
            {"role": "user", "content": [text("Loud."), text("Go")]},
        ]
        assert noted == [("converted", "system message")]

    def test_MS_08_results_go_first_into_one_user_turn(self):
        second = ToolCall(id="toolu_2", name="clock")
        messages = [
            user("?"),
            assistant("Hm.", CALL, second),
            tool_result(CALL, "7°C"),
            tool_result(second),
            user("So?"),
        ]
        assert turns(*messages)[1:] == [
            {"role": "assistant", "content": [text("Hm."), CALL_BLOCK, CLOCK_BLOCK]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "7°C"},
                {"type": "tool_result", "tool_use_id": "toolu_2"},
                text("So?"),
            ]},
        ]  # fmt: skip
        mixed = Message(role="user", parts=[Text("So?"), ToolResult(call_id="toolu_1", parts=[Text("7")])])
        assert [block["type"] for block in turns(user("?"), assistant(CALL), mixed)[2]["content"]] == [
            "tool_result",
            "text",
        ]

    def test_MS_09_calls_without_results_are_found_before_the_server_sees_them(self):
        with pytest.raises(ConfigurationError, match=r"messages\[1\].*weather \(toolu_1\)"):
            turns(user("?"), assistant(CALL), user("Never mind"))

    def test_MS_10_results_may_fail_and_hold_pictures(self):
        result = tool_result(CALL, "Look:", Image.base64("image/png", PNG), error=True)
        assert turns(user("?"), assistant(CALL), result)[2]["content"] == [
            {
                "type": "tool_result",
                "tool_use_id": "toolu_1",
                "content": [text("Look:"), PNG_BLOCK],
                "is_error": True,
            }
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("parts", "content"),
        [
            (["", CALL], [CALL_BLOCK]),
            (["Yes", ""], "Yes"),
            (["Yes", "\n", "No"], [text("Yes"), text("\n"), text("No")]),
            (["\n", CALL], [text("\n"), CALL_BLOCK]),
        ],
    )
    def test_MS_01_empty_texts_are_dropped_and_white_space_needs_company(self, parts, content):
        assert turns(user("?"), assistant(*parts), tool_result(CALL, "x"))[1]["content"] == content

    @pytest.mark.parametrize("parts", [[], [""], [" ", "\n"]])
    def test_MS_01_a_message_without_anything_is_dropped_aloud(self, parts):
        body, noted = render([user("A"), assistant(*parts), user("B")])
        assert body["messages"] == [{"role": "user", "content": [text("A"), text("B")]}]
        assert noted == [("dropped", "empty assistant message")]

    def test_MS_01_nothing_at_all_is_an_error(self):
        with pytest.raises(ConfigurationError, match="nothing to send"):
            turns(system("Be brief."), user(" "))

    @pytest.mark.parametrize(
        ("part", "kind", "source"),
        [
            (Image("https://x.test/cat.png"), "image", {"type": "url", "url": "https://x.test/cat.png"}),
            (Image.base64("image/jpg", PNG), "image", {"type": "base64", "media_type": "image/jpeg", "data": PNG}),
            (Document("https://x.test/a.pdf"), "document", {"type": "url", "url": "https://x.test/a.pdf"}),
            (
                Document.base64("application/pdf", PNG),
                "document",
                {"type": "base64", "media_type": "application/pdf", "data": PNG},
            ),
            (Document("Käse".encode()), "document", {"type": "text", "media_type": "text/plain", "data": "Käse"}),
            (
                Document.base64("application/json", "e30="),
                "document",
                {"type": "text", "media_type": "text/plain", "data": "{}"},
            ),
        ],
    )
    def test_pictures_and_documents(self, part, kind, source):
        assert render([user("See", part)])[1] == []
        assert turns(user("See", part))[0]["content"] == [text("See"), {"type": kind, "source": source}]

    def test_an_opaque_block_stays_as_it_is_although_it_has_a_text(self):
        strange: list[dict[str, Any]] = [{"type": "verdict", "text": "x"}, {"text": "x"}, {"type": None, "text": 7}]
        for data in strange:
            assert turns(user("?"), assistant(Opaque(data=data)), user("!"))[1]["content"] == [data]

    def test_a_server_without_cache_marks_gets_plain_texts(self):
        plain = AnthropicMessages(cache_marks=0)
        messages = [system(Text("Be terse.", cache="1h")), user(Text("Hi", cache=True))]
        body, noted = render(messages, protocol=plain, cache=True, tools=[Tool("clock", cache=True)])
        assert body["system"] == "Be terse."
        assert body["messages"] == [{"role": "user", "content": "Hi"}]
        assert "cache_control" not in body["tools"][0]
        assert noted == [("dropped", "cache")]

    def test_documents_have_titles(self):
        named = Document.base64("application/pdf", PNG, name="a.pdf")
        assert turns(user(named))[0]["content"][0]["title"] == "a.pdf"

    @pytest.mark.parametrize(
        ("part", "label"),
        [
            (Audio.base64("audio/wav", "AAAA"), "[audio audio/wav: not shown"),
            (Video("https://x.test/a.mp4"), "[video https://x.test/a.mp4: not shown"),
            (Document.base64("application/zip", "AAAA", name="a.zip"), "[document a.zip: not shown"),
        ],
    )
    def test_MS_13_what_cannot_be_shown_is_named_in_the_text(self, part, label):
        body, noted = render([user("See", part)])
        assert body["messages"][0]["content"][1]["text"].startswith(label)
        assert noted == [("converted", part.type)]

    def test_assistant_turns_hold_no_pictures(self):
        body, noted = render([user("Draw"), assistant(Image.base64("image/png", PNG), "There."), user("More")])
        assert body["messages"][1]["content"][0]["text"].startswith("[image image/png: not shown")
        assert noted == [("converted", "image")]

    def test_ids_of_other_providers_are_tidied_the_same_in_call_and_result(self):
        one, two = ToolCall(id="functions.f:0", name="f"), ToolCall(id="functions_f_0", name="f")
        sent = turns(user("?"), assistant(one, two), tool_result(one, "1"), tool_result(two, "2"))
        calls, results = ([block.get("id") or block["tool_use_id"] for block in turn["content"]] for turn in sent[1:])
        assert calls == results == ["functions_f_0_2", "functions_f_0"]

    def test_RS_14_RS_15_thoughts_go_back_unchanged_and_in_order(self):
        body = ANSWERS["everything"]
        message = PROTOCOL.parse_chat(body).message
        call, other = message.tool_calls
        sent = turns(user("?"), message, tool_result(call, "x"), tool_result(other, "y"))
        assert sent[1]["content"] == body["content"]

    def test_RS_16_foreign_thoughts_and_blocks_stay_behind(self):
        call = CALL.model_copy(update={"extra": {"google": 1}, "provider": "gemini"})
        foreign = assistant(
            Reasoning("Hm", signature="s", provider="gemini"),
            Opaque(data={"type": "x"}, provider="openai"),
            "Yes",
            call,
        )
        notes = Notes()
        kept = own_parts([user("?"), foreign, tool_result(call, "x")], "anthropic", notes)
        assert turns(*kept)[1]["content"] == [text("Yes"), CALL_BLOCK]
        assert [note.subject for note in notes.adaptations] == ["reasoning", "opaque"]

    def test_thoughts_without_a_signature_stay_behind(self):
        assert render([user("?"), assistant(Reasoning("Hm"), "Yes"), user("!")])[1] == []
        own = assistant(Reasoning("Hm", provider="anthropic"), "Yes")
        body, noted = render([user("?"), own, user("!")])
        assert body["messages"][1]["content"] == "Yes"
        assert noted == [("dropped", "reasoning")]

    def test_servers_that_want_unsigned_thoughts_get_them(self):
        protocol = AnthropicMessages(thinking="switch", unsigned_thinking=True)
        messages = [
            user("?"),
            assistant(Reasoning("Hm"), CALL),
            tool_result(CALL, "x"),
            assistant(CALL),
            tool_result(CALL),
        ]
        sent = turns(*messages, protocol=protocol)
        assert sent[1]["content"][0] == {"type": "thinking", "thinking": "Hm", "signature": ""}
        assert sent[3]["content"][0] == {"type": "thinking", "thinking": "", "signature": ""}

    def test_RS_22_a_turn_that_is_only_a_thought_is_not_sent_back(self):
        body, noted = render([user("A"), PROTOCOL.parse_chat(ANSWERS["thought only"]).message, user("B")])
        assert body["messages"] == [{"role": "user", "content": [text("A"), text("B")]}]
        assert noted == [("dropped", "reasoning")]

    def test_citations_go_back_without_what_answers_add_to_them(self):
        place = {"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": None}
        cited = Text("cold", citations=[{**place, "file_id": None}, {"type": "url_citation", "url": "u"}])
        assert turns(user("?"), assistant(cited), user("!"))[1]["content"] == [text("cold", citations=[place])]
        assert turns(Message(role="user", parts=[cited]))[0]["content"] == "cold"

    def test_fields_of_calls_go_back_to_where_they_came_from(self):
        known = {"caller": {"type": "direct"}}
        mine = CALL.model_copy(update={"extra": {**known, "new": 1}, "provider": "anthropic"})
        nobody = CALL.model_copy(update={"extra": {**known, "new": 1}})
        assert turns(user("?"), assistant(mine), tool_result(CALL))[1]["content"] == [{**CALL_BLOCK, **known, "new": 1}]
        assert turns(user("?"), assistant(nobody), tool_result(CALL))[1]["content"] == [{**CALL_BLOCK, **known}]

    def test_the_last_assistant_turn_loses_its_trailing_white_space(self):
        body, noted = render([user("Name a city."), assistant("It is: ")])
        assert body["messages"][1] == {"role": "assistant", "content": "It is:"}
        assert noted == [("converted", "assistant message")]

    def test_participants_are_not_told_apart(self):
        assert render([user("Hi", name="Kim")]) == (render()[0], [("dropped", "name")])

    def test_strict_notes_refuse_to_adapt(self):
        with pytest.raises(UnsupportedError, match="seed"):
            PROTOCOL.render_chat(ask(seed=1), stream=False, notes=Notes(strict=True))


class TestCacheMarks:
    def test_parts_and_tools_carry_marks(self):
        messages = [
            system(Text("Be brief.", cache="1h")),
            user(Text("Long", cache=True), Image.base64("image/png", PNG, cache="5m")),
        ]
        body, noted = render(messages, tools=[WEATHER.model_copy(update={"cache": True})])
        assert body["system"] == [text("Be brief.", cache_control={"type": "ephemeral", "ttl": "1h"})]
        assert body["messages"][0]["content"][0]["cache_control"] == MARK
        assert body["messages"][0]["content"][1]["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
        assert body["tools"][0]["cache_control"] == MARK
        assert noted == []

    def test_one_option_marks_tools_system_and_the_last_user_turn(self):
        messages = [system("Be brief."), user("A"), assistant("B"), user("C")]
        body, noted = render(messages, tools=[WEATHER, CLOCK], cache="1h")
        assert marks(body) == ["tool clock", "system", "2 text"]
        assert body["messages"][2]["content"] == [text("C", cache_control={"type": "ephemeral", "ttl": "1h"})]
        assert noted == []

    def test_results_and_native_tools_can_be_marked_and_stay_as_they_were(self):
        native = {"type": "web_search_20260318", "name": "web_search"}
        tool = Tool.of(native)
        body, _ = render([user("?"), assistant(CALL), tool_result(CALL, "x")], tools=[tool], cache=True)
        assert marks(body) == ["tool web_search", "2 tool_result"]
        assert tool.native == native

    def test_the_earliest_surplus_marks_are_dropped(self):
        parts = [Text(str(number), cache=True) for number in range(4)]
        body, noted = render([system("S"), user(*parts)], tools=[CLOCK], cache=True)
        assert marks(body) == ["0 text"] * 4
        assert noted == [("dropped", "cache")]

    def test_MS_01_blank_texts_are_never_marked(self):
        body, _ = render([user(Text("A"), Text("\n", cache=True))], cache=True)
        assert body["messages"][0]["content"] == [text("A", cache_control=MARK), text("\n")]


class TestAnswers:
    def test_a_whole_answer(self):
        response = PROTOCOL.parse_chat(ANSWERS["everything"])
        assert response.text == "Let me see.It is cold"
        assert response.reasoning == "Look it up. 🤔"
        assert [part.type for part in response.message.parts] == [
            "reasoning", "reasoning", "text", "opaque", "opaque", "text", "text", "tool_call", "tool_call",
        ]  # fmt: skip
        thought, secret = (part for part in response.message.parts if isinstance(part, Reasoning))
        assert (thought.signature, secret.encrypted, secret.text) == ("EuwJ+/==", "b64==", "")
        assert response.tool_calls[0] == ToolCall(
            id="toolu_1", name="weather", arguments={"city": "Oslo"}, arguments_raw='{"city": "Oslo"}', extra=DIRECT
        )
        assert response.citations == [CITED]
        assert (response.id, response.model, response.finish_reason) == ("msg_1", "claude-x", "tool_calls")
        assert response.raw == ANSWERS["everything"]

    @pytest.mark.parametrize(
        ("raw", "unified"),
        [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"),
            ("pause_turn", "pause"),
            ("refusal", "refusal"),
            ("compaction", None),
        ],
    )
    def test_FR_06_reasons(self, raw, unified):
        response = PROTOCOL.parse_chat(whole(text("x"), reason=raw))
        assert (response.finish_reason, response.finish_reason_raw) == (unified, raw)

    def test_a_refusal_says_why(self):
        response = PROTOCOL.parse_chat(ANSWERS["refusal"])
        assert (response.finish_reason, response.refusal) == ("refusal", "Not this.")
        assert response.extra["stop_details"]["category"] == "bio"

    def test_US_07_the_input_includes_the_cache(self):
        assert PROTOCOL.parse_chat(ANSWERS["cached"]).usage == Usage(
            input_tokens=10_027,
            output_tokens=60,
            total_tokens=10_087,
            cached_tokens=10_000,
            cache_write_tokens=20,
            reasoning_tokens=40,
            details=ANSWERS["cached"]["usage"],
        )

    def test_what_else_the_answer_says_is_in_extra(self):
        assert PROTOCOL.parse_chat(ANSWERS["cached"]).extra == {"service_tier": "standard"}
        stopped = PROTOCOL.parse_chat(whole(text("x"), reason="stop_sequence", stop_sequence="END"))
        assert stopped.extra == {"stop_sequence": "END"}

    @pytest.mark.parametrize(
        "body",
        [
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            {"error": {"message": "no", "type": "authentication_error", "code": "invalid_api_key"}},
            {"message": "no"},
            [{"error": {"code": 429}}],
            "no",
        ],
    )
    def test_an_error_object_in_place_of_an_answer(self, body):
        with pytest.raises(ErrorEvent):
            PROTOCOL.parse_chat(body)

    def test_something_else_in_place_of_an_answer(self):
        with pytest.raises(ParseError, match="no content"):
            PROTOCOL.parse_chat({"choices": []})

    def test_imitators_may_be_sloppy(self):
        assert PROTOCOL.parse_chat({"content": "Hi", "role": "assistant"}).text == "Hi"
        assert PROTOCOL.parse_chat({"type": "message", "content": None}).text == ""
        call = PROTOCOL.parse_chat(whole({**CALL_BLOCK, "input": '{"city": "Oslo"}'})).tool_calls[0]
        assert call.arguments == {"city": "Oslo"}


class TestStreams:
    @pytest.mark.parametrize("name", ANSWERS)
    def test_the_fold_of_a_stream_is_the_whole_answer(self, name):
        chunks, response = read([streamed(ANSWERS[name])])
        assert said(response) == said(PROTOCOL.parse_chat(ANSWERS[name]))
        assert "".join(chunk.text for chunk in chunks) == response.text
        assert "".join(chunk.reasoning for chunk in chunks) == (response.reasoning or "")
        assert [chunk.tool_call for chunk in chunks if chunk.tool_call] == response.tool_calls

    @pytest.mark.parametrize("name", ANSWERS)
    def test_chunks_carry_one_thing_each(self, name):
        for chunk in read([streamed(ANSWERS[name])])[0]:
            deltas = [chunk.text, chunk.reasoning, chunk.tool_call_delta, chunk.tool_call]
            rest = [chunk.finish_reason, chunk.usage, chunk.id or chunk.model]
            assert sum(bool(item) for item in (*deltas, *rest)) == 1

    @pytest.mark.parametrize("name", ANSWERS)
    def test_a_stream_may_be_cut_anywhere(self, name):
        stream = streamed(ANSWERS[name])
        expected = read([stream])
        assert read([stream[at : at + 1] for at in range(len(stream))]) == expected
        if len(stream) <= 2048:
            assert all(read([stream[:at], stream[at:]]) == expected for at in range(len(stream)))
        dice = random.Random(name)
        for _ in range(100):
            cuts = sorted(dice.sample(range(len(stream)), 5))
            assert read([stream[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]) == expected

    @pytest.mark.parametrize("kept", range(1, 6))
    def test_a_stream_without_its_end_is_interrupted(self, kept):
        call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
        events = [begin(), start(0, text("")), delta(0, "text_delta", text="Hm"), stop(0), start(1, call)]
        with pytest.raises(StreamError, match="cut") as caught:
            read([sse(*events[:kept])])
        partial = caught.value.partial
        assert partial is not None
        assert partial.text == ("Hm" if kept > 2 else "")
        assert partial.finish_reason is None
        assert [call.error for call in partial.tool_calls] == ["the stream ended before the call was complete"] * (
            kept > 4
        )

    def test_an_answer_is_complete_once_its_reason_is_known(self):
        for ending in ([end()], [end(), STOP], [{**end(), "usage": None}]):
            assert read([sse(begin(), start(0, text("Hi")), *ending)])[1].text == "Hi"
        marker = sse(begin(), start(0, text("Hi"))) + b"data: [DONE]\n\n"
        assert read([marker])[1].text == "Hi"

    def test_nothing_needs_to_be_read_after_the_last_event(self):
        parser = PROTOCOL.chunk_parser()
        for event in PROTOCOL.framing().feed(streamed(ANSWERS["text"])):
            assert not parser.done
            list(parser.feed(event))
        assert parser.done

    def test_the_raw_body_of_a_stream_is_its_last_values_without_deltas(self):
        raw = read([streamed(ANSWERS["text"])])[1].raw
        assert raw == {"type": "message_stop", "message": begin()["message"], "usage": ANSWERS["text"]["usage"]}

    def test_a_whole_answer_where_a_stream_was_due(self):
        chunks, response = read([json.dumps(ANSWERS["everything"]).encode()])
        assert said(response) == said(PROTOCOL.parse_chat(ANSWERS["everything"]))
        assert [chunk.tool_call for chunk in chunks if chunk.tool_call] == response.tool_calls
        assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["tool_calls"]

    def test_TC_21_arguments_that_interleave_go_to_their_own_calls(self):
        first = {"type": "tool_use", "id": "toolu_a", "name": "f", "input": {}}
        second = {**first, "id": "toolu_b", "name": "g"}
        chunks, response = read([sse(
            begin(),
            start(0, text("Two.")), stop(0),
            start(1, first), start(2, second),
            delta(1, "input_json_delta", partial_json='{"a"'),
            delta(2, "input_json_delta", partial_json='{"b": '),
            delta(1, "input_json_delta", partial_json=": 1}"),
            delta(2, "input_json_delta", partial_json="2}"),
            stop(2), stop(1), end("tool_use"), STOP,
        )])  # fmt: skip
        assert [(call.id, call.arguments) for call in response.tool_calls] == [
            ("toolu_a", {"a": 1}),
            ("toolu_b", {"b": 2}),
        ]
        deltas = [chunk.tool_call_delta for chunk in chunks if chunk.tool_call_delta]
        assert [(piece.index, piece.name) for piece in deltas[:2]] == [(0, "f"), (1, "g")]
        assert "".join(piece.arguments for piece in deltas if piece.index == 0) == '{"a": 1}'
        assert [chunk.tool_call.id for chunk in chunks if chunk.tool_call] == ["toolu_b", "toolu_a"]

    def test_TC_22_fragments_are_joined_before_they_are_parsed(self):
        block = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}
        pieces = [delta(0, "input_json_delta", partial_json=piece) for piece in ("", '{"file_', 'path": "a.py"}')]
        assert answer(start(0, block), *pieces, stop(0)).tool_calls[0].arguments == {"file_path": "a.py"}

    def test_TC_22_nested_fragments_that_repeat_the_buffer_are_appended(self):
        block = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
        pieces = [delta(0, "input_json_delta", partial_json=piece) for piece in ('{"a":', '{"a":1}', "}")]
        assert answer(start(0, block), *pieces, stop(0)).tool_calls[0].arguments == {"a": {"a": 1}}

    def test_TC_22_without_fragments_the_input_of_the_start_counts(self):
        chunks, response = read([sse(begin(), start(0, CALL_BLOCK), stop(0), end("tool_use"), STOP)])
        assert response.tool_calls[0].arguments == {"city": "Oslo"}
        pieces = [chunk.tool_call_delta.arguments for chunk in chunks if chunk.tool_call_delta]
        assert "".join(pieces) == '{"city": "Oslo"}'

    def test_a_call_cut_by_the_limit_is_marked(self):
        block = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
        body = sse(
            begin(), start(0, block), delta(0, "input_json_delta", partial_json='{"a'), stop(0), end("max_tokens")
        )
        response = read([body])[1]
        call = response.tool_calls[0]
        assert (call.arguments, call.arguments_raw, response.finish_reason) == ({}, '{"a', "length")
        assert call.error
        assert "not JSON" in call.error

    @pytest.mark.parametrize(("reason", "unified"), [("end_turn", "tool_calls"), ("tool_use", "tool_calls")])
    def test_TC_16_calls_before_a_plain_stop_are_a_request_to_run_them(self, reason, unified):
        assert read([sse(begin(), start(0, CALL_BLOCK), stop(0), end(reason), STOP)])[1].finish_reason == unified

    def test_TC_17_a_request_to_run_no_calls_is_a_stop(self):
        response = read([sse(begin(), end("tool_use"), STOP)])[1]
        assert (response.finish_reason, response.finish_reason_raw) == ("stop", "tool_use")

    def test_RS_14_the_signature_is_set_once_and_hidden_thoughts_are_kept(self):
        block = {"type": "thinking", "thinking": "", "signature": ""}
        response = answer(start(0, block), delta(0, "signature_delta", signature="s1"), stop(0))
        assert response.message.parts == [Reasoning("", signature="s1")]
        twice = [delta(0, "signature_delta", signature=value) for value in ("s1", "s1")]
        assert answer(start(0, block), *twice, stop(0)).message.parts == [Reasoning("", signature="s1")]

    def test_US_04_the_second_report_overrides_the_first(self):
        usage = answer(start(0, text("Hi"))).usage
        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (25, 15, 40)
        grown = read([sse(begin(), end(usage={"input_tokens": 900, "cache_read_input_tokens": None}), STOP)])[1].usage
        assert (grown.input_tokens, grown.cached_tokens) == (900, 0)

    def test_US_04_no_report_is_not_zero(self):
        assert (
            read([sse(begin(usage=None), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}})])[1].usage
            == Usage()
        )

    def test_SF_14_an_error_inside_the_stream_raises_after_the_text_before_it(self):
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}
        framing, parser = PROTOCOL.framing(), PROTOCOL.chunk_parser()
        *events, last = framing.feed(sse(begin(), start(0, text("")), delta(0, "text_delta", text="Hm"), error))
        seen = [chunk.text for event in events for chunk in parser.feed(event)]
        with pytest.raises(ErrorEvent) as caught:
            list(parser.feed(last))
        assert "".join(seen) == parser.abort().text == "Hm"
        detail = PROTOCOL.parse_error(caught.value.body)
        assert (detail.type, detail.request_id) == ("overloaded_error", "req_1")
        assert error_class(200, detail) is ServerError

    @pytest.mark.parametrize("data", [b'{"message": "boom"}', b"boom", b'"boom"', b'[{"error": {"message": "boom"}}]'])
    def test_SF_14_errors_of_other_shapes(self, data):
        (event,) = PROTOCOL.framing().feed(b"event: error\ndata: " + data + b"\n\n")
        with pytest.raises(ErrorEvent) as caught:
            list(PROTOCOL.chunk_parser().feed(event))
        assert PROTOCOL.parse_error(caught.value.body).message == "boom"

    def test_SF_18_unknown_events_deltas_and_pings_are_ignored(self):
        response = answer(
            PING, {"type": "news", "x": 1}, start(0, text("")), delta(0, "sparkle_delta", text="no"),
            delta(0, "text_delta", text="Yes"), PING, stop(0), stop(7),
        )  # fmt: skip
        assert response.message.parts == [Text("Yes")]

    def test_SF_18_unknown_blocks_are_kept_as_a_whole_answer_holds_them(self):
        compaction = start(1, {"type": "compaction", "content": None})
        parts = answer(
            start(0, {**SEARCH, "input": {}}), delta(0, "input_json_delta", partial_json='{"query":'),
            delta(0, "input_json_delta", partial_json='"käse"}'), stop(0),
            compaction, delta(1, "compaction_delta", content="So "), delta(1, "compaction_delta", content="far."),
            stop(1),
        ).message.parts  # fmt: skip
        assert parts == [Opaque(data=SEARCH), Opaque(data={"type": "compaction", "content": "So far."})]

    def test_blocks_may_begin_with_content_or_unannounced(self):
        assert answer(start(0, text("He")), delta(0, "text_delta", text="llo"), stop(0)).text == "Hello"
        thought = {"type": "thinking", "thinking": "H", "signature": "s"}
        parts = answer(start(0, thought), delta(0, "thinking_delta", thinking="m"), stop(0)).message.parts
        assert parts == [Reasoning("Hm", signature="s")]
        assert answer(delta(0, "thinking_delta", thinking="Hm"), delta(1, "text_delta", text="Hi")).message.parts == [
            Reasoning("Hm"),
            Text("Hi"),
        ]

    def test_an_index_that_is_used_again_begins_another_block(self):
        response = answer(
            start(0, {"type": "thinking", "thinking": ""}), delta(0, "thinking_delta", thinking="Hm"), stop(0),
            start(0, CALL_BLOCK), start(0, text("")), delta(0, "text_delta", text="Hi"), stop(0),
        )  # fmt: skip
        assert [part.type for part in response.message.parts] == ["reasoning", "tool_call", "text"]

    def test_calls_whose_blocks_are_never_closed_are_announced_at_the_end(self):
        chunks, _ = read([sse(begin(), start(0, CALL_BLOCK), end("tool_use"), STOP)])
        assert [chunk.tool_call.arguments for chunk in chunks if chunk.tool_call] == [{"city": "Oslo"}]

    def test_missing_ids_are_made_up_once(self):
        chunks, response = read([sse(begin(), start(0, {**CALL_BLOCK, "id": ""}), stop(0), end("tool_use"), STOP)])
        assert re.fullmatch(r"call_[0-9a-f]{16}", response.tool_calls[0].id)
        assert {chunk.tool_call.id for chunk in chunks if chunk.tool_call} == {response.tool_calls[0].id}

    @pytest.mark.parametrize("usage", [7, "x", [1], {"output_tokens": "5", "output_tokens_details": [1]}])
    def test_counts_that_cannot_be_read_are_unknown(self, usage):
        response = PROTOCOL.parse_chat({"content": [text("Hi")], "stop_reason": "end_turn", "usage": usage})
        assert (response.text, response.usage.output_tokens) == ("Hi", None)

    @pytest.mark.parametrize("piece", [7, ["a"], {"a": 1}, True])
    @pytest.mark.parametrize(
        ("block", "kind", "name"),
        [
            (text(""), "text_delta", "text"),
            ({"type": "thinking", "thinking": ""}, "thinking_delta", "thinking"),
            (CALL_BLOCK, "input_json_delta", "partial_json"),
        ],
        ids=["text", "thinking", "call"],
    )
    def test_a_piece_that_is_no_text_never_reaches_the_caller(self, block, kind, name, piece):
        with pytest.raises(TypeError, match="a piece of text is of type"):
            answer(start(0, block), delta(0, kind, **{name: piece}), stop(0))

    def test_ids_and_signatures_that_are_no_text_count_as_missing(self):
        blocks = [{"type": "thinking", "thinking": "Hm", "signature": 7}, {**CALL_BLOCK, "id": 7}]
        response = PROTOCOL.parse_chat({"type": "message", "content": blocks, "stop_reason": "tool_use"})
        assert response.message.parts[0] == Reasoning("Hm")
        assert response.tool_calls[0].id.startswith("call_")

    def test_content_may_hold_bare_texts(self):
        assert (
            PROTOCOL.parse_chat({"content": ["Hi", None, text(" there")], "stop_reason": "end_turn"}).text == "Hi there"
        )


REFUSED = "is not supported for this model."
SAMPLING = {"temperature", "top_p", "top_k"}


class TestErrors:
    def test_the_most_specific_word_counts(self):
        details = {"error_code": "enforced_spend_limit_reached"}
        body = {"type": "error", "error": {"type": "rate_limit_error", "message": "limit", "details": details}}
        detail = PROTOCOL.parse_error(body)
        assert detail.code == "enforced_spend_limit_reached"
        assert error_class(429, detail) is InsufficientBalanceError

    def test_a_missing_model_is_told_from_a_missing_path(self):
        body = {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-x"}}
        assert error_class(404, PROTOCOL.parse_error(body)) is ModelNotFoundError

    @pytest.mark.parametrize(
        ("protocol", "message", "expected"),
        [
            (PROTOCOL, f'"thinking.type.enabled" {REFUSED} Use "thinking.type.adaptive"', {"thinking": "adaptive"}),
            (PROTOCOL, "adaptive thinking is not supported on this model", {"thinking": "budget"}),
            (PROTOCOL, f'"thinking.type.disabled" {REFUSED}', {"unsupported": {"thinking.disabled"}}),
            (PROTOCOL, "`temperature` and `top_p` cannot both be specified", {"unsupported": {"top_p"}}),
            (PROTOCOL, "temperature: Extra inputs are not permitted", {"unsupported": SAMPLING}),
            (PROTOCOL, "`top_k` is deprecated for this model.", {"unsupported": SAMPLING}),
            (AnthropicMessages(thinking="adaptive"), "adaptive thinking is not supported on this model", None),
            (SWITCH, f'"thinking.type.enabled" {REFUSED}', None),
            (PROTOCOL, "messages: at least one message is required", None),
            (PROTOCOL, "tools.0.temperature_unit: Field required", None),
        ],
    )
    def test_PM_02_refusals_are_learned_from(self, protocol, message, expected):
        learned = protocol.learn(ErrorDetail(message=message))
        if expected is None:
            assert learned is None
            return
        assert learned is not None
        assert {field: getattr(learned[0], field) for field in expected} == expected
        assert learned[0].learn(ErrorDetail(message=message)) is None

    def test_what_was_learned_is_no_longer_sent(self):
        refusing = AnthropicMessages(unsupported=frozenset({"temperature", "thinking.disabled"}))
        body, noted = render(protocol=refusing, temperature=0.5, model="claude-haiku-4-5")
        assert "temperature" not in body
        assert noted == [("dropped", "temperature")]
        body, noted = render(protocol=refusing, reasoning=False, model="claude-opus-5")
        assert body["output_config"] == {"effort": "low"}
        assert noted == [("downgraded", "reasoning")]

    @pytest.mark.parametrize(
        "message",
        [
            "messages.1.content.0: Invalid `signature` in `thinking` block",
            "messages.1.content.0: Invalid signature in thinking block",
            "messages.1.content.1: Invalid `data` in `redacted_thinking` block",
            "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.",
        ],
    )
    def test_RS_16_thoughts_that_are_refused_are_left_out_of_that_conversation_only(self, message):
        old = [Reasoning("Hm", signature="s"), Reasoning(encrypted="e")]
        request = ask([user("?"), assistant(*old, "Hi"), user("!")])
        learned = PROTOCOL.learn_from(request, ErrorDetail(message=message))
        assert learned is not None
        protocol = learned[0]
        assert isinstance(protocol, AnthropicMessages)
        assert turns(*request.messages, protocol=protocol)[1]["content"] == "Hi"
        assert render(list(request.messages), protocol=protocol)[1] == [("dropped", "reasoning")]
        assert protocol.learn_from(request, ErrorDetail(message=message)) is None
        new = assistant(Reasoning("So", signature="t"), "Ho")
        kept = turns(user("?"), new, user("!"), protocol=protocol)[1]["content"]
        assert kept[0] == {"type": "thinking", "thinking": "So", "signature": "t"}

    def test_RS_16_calls_whose_thoughts_were_refused_run_without_thinking(self):
        loop = [user("?"), assistant(Reasoning("Hm", signature="s"), CALL), tool_result(CALL, "7")]
        refusing = AnthropicMessages(refused_thoughts=frozenset({"s"}))
        body, noted = render(loop, protocol=refusing, tools=[WEATHER], reasoning=2000)
        assert "thinking" not in body
        assert noted == [("dropped", "reasoning")] * 2


class TestOtherEndpoints:
    @pytest.mark.parametrize(
        ("base", "joined"),
        [
            ("https://api.anthropic.com", "https://api.anthropic.com"),
            ("https://api.anthropic.com/v1/", "https://api.anthropic.com"),
            ("https://api.anthropic.com/v1/messages", "https://api.anthropic.com"),
            ("https://api.longcat.chat/anthropic", "https://api.longcat.chat/anthropic"),
            ("https://api.longcat.chat/anthropic/v1", "https://api.longcat.chat/anthropic"),
        ],
    )
    def test_any_base_url_leads_to_the_same_path(self, base, joined):
        assert joined_base(base, PROTOCOL, "anthropic") == joined
        assert PROTOCOL.chat_path("claude-x", stream=True) == "v1/messages"

    def test_tokens_are_counted_for_the_prompt_alone(self):
        body = PROTOCOL.render_count(
            ask([system("Be brief."), user("Hi")], tools=[CLOCK], reasoning="low", temperature=0.5, user="u")
        )
        assert set(body) == {"model", "system", "messages", "tools", "thinking"}
        assert PROTOCOL.count_path("claude-x") == "v1/messages/count_tokens"
        assert PROTOCOL.parse_count({"input_tokens": 13}) == 13
        with pytest.raises(ParseError):
            PROTOCOL.parse_count({})

    def test_models_come_in_pages(self):
        item = {
            "type": "model",
            "id": "claude-opus-5-5",
            "display_name": "Claude Opus 5.5",
            "created_at": "2026-09-22T00:00:00Z",
            "max_input_tokens": 1_000_000,
            "max_tokens": 128_000,
            "capabilities": {"batch": {"supported": False}, "thinking": {"supported": True, "types": {}}},
        }
        old = {"type": "model", "id": "claude-3-opus", "created_at": "1970-01-01T00:00:00Z"}
        models, cursor = PROTOCOL.parse_models({"data": [item, old], "has_more": True, "last_id": "a/b"})
        assert cursor == "a/b"
        assert PROTOCOL.models_path(None) == "v1/models?limit=1000"
        assert PROTOCOL.models_path(cursor) == "v1/models?limit=1000&after_id=a%2Fb"
        assert models[0].model_dump(exclude={"raw"}, exclude_none=True) == {
            "id": "claude-opus-5-5",
            "name": "Claude Opus 5.5",
            "created": 1790035200,
            "context_window": 1_000_000,
            "max_output": 128_000,
            "capabilities": ["thinking"],
        }
        assert (models[1].created, models[1].capabilities) == (None, None)
        assert PROTOCOL.parse_models({"data": [], "has_more": False, "last_id": None}) == ([], None)
        with pytest.raises(ParseError, match="no 'data'"):
            PROTOCOL.parse_models({})

    def test_there_are_no_vectors(self):
        with pytest.raises(UnsupportedError, match="Anthropic Messages"):
            PROTOCOL.embed_path("claude-x")
