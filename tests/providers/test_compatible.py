"""Rows of Chat Completions: what is known of their models, their addresses, and the servers that need a class."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, ClassVar

import pytest

from llm_connector import ConfigurationError, LlmClient, RateLimitError, Tool, tool_result, user
from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    InsufficientBalanceError,
    ModelNotFoundError,
    ParseError,
    ServerError,
    StreamError,
    UnsupportedError,
)
from llm_connector.operations import chat
from llm_connector.protocols import ChatCompletions
from llm_connector.providers import PROVIDERS, ProviderSpec, find
from llm_connector.types import Message, Reasoning
from llm_connector.wire import Send, decode_json
from tests.support.answers import NO_RETRY, STOP, ask, completion, delta, json_answer, sse, streamed, whole

KEY = "sk-test-0123456789"


def spoken(row: str, model: str) -> ChatCompletions:
    protocol = find(row).protocol
    assert isinstance(protocol, ChatCompletions)
    return protocol.of_model(model)


def url(row: str, path: str = "chat", **options: Any) -> str:
    """Where a request of a client goes."""
    endpoint = LlmClient(row, model="m", api_key=KEY, **options)._settings.endpoint
    protocol = endpoint.spec.protocol
    paths = {"chat": protocol.chat_path("m", stream=False), "models": protocol.models_path(None)}
    return endpoint.url(paths[path])


class TestModels:
    @pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)
    def test_every_rule_changes_fields_that_there_are(self, row: ProviderSpec) -> None:
        protocol = row.protocol
        if not isinstance(protocol, ChatCompletions):
            return
        known = {field.name for field in fields(protocol)} - {"models"}
        for rule in protocol.models:
            re.compile(rule.pattern)
            assert {name for name, _ in rule.changes} <= known

    @pytest.mark.parametrize(
        ("model", "efforts", "default"),
        [
            ("gpt-4o-mini", "", False),
            ("gpt-4.1", "", False),
            ("chatgpt-4o-latest", "", False),
            ("o1-2024-12-17", "low medium high", True),
            ("o3-mini", "low medium high", True),
            ("o4-mini-2025-04-16", "low medium high", True),
            ("gpt-5-2025-08-07", "minimal low medium high", True),
            ("gpt-5-mini", "minimal low medium high", True),
            ("gpt-5-chat-latest", "", False),
            ("gpt-5-codex", "low medium high", True),
            ("gpt-5-pro-2025-10-06", "high", True),
            ("gpt-5.1-2025-11-13", "none low medium high", False),
            ("gpt-5.1-chat-latest", "medium", True),
            ("gpt-5.1-codex-mini", "low medium high", True),
            ("gpt-5.1-codex-max", "low medium high xhigh", True),
            ("gpt-5.2", "none low medium high xhigh", False),
            ("gpt-5.2-codex", "low medium high xhigh", True),
            ("gpt-5.2-pro", "medium high xhigh", True),
            ("gpt-5.2-chat-latest", "medium", True),
            ("gpt-5.4", "none low medium high xhigh", False),
            ("gpt-5.5-2026-04-23", "none low medium high xhigh", True),
            ("gpt-5.6-terra", "none low medium high xhigh", True),
            ("gpt-6-sol", "none low medium high xhigh max", True),
            ("gpt-6-astra", "low medium high xhigh max", True),
            ("gpt-7", "none minimal low medium high max", True),
            ("my-deployment", "none minimal low medium high max", True),
        ],
    )
    def test_openai_by_generation(self, model: str, efforts: str, default: bool) -> None:
        thinking = spoken("openai", model).thinking
        assert (" ".join(thinking.efforts), thinking.default) == (efforts, default)

    def test_a_model_that_no_rule_knows_is_spoken_to_as_the_row_says(self) -> None:
        row = find("openai").protocol
        assert isinstance(row, ChatCompletions)
        assert spoken("openai", "m") == type(row)(max_tokens_field=row.max_tokens_field, unsupported=row.unsupported)

    def test_what_is_found_out_of_a_model_is_kept_and_bounded(self) -> None:
        protocol = find("openai").protocol
        assert isinstance(protocol, ChatCompletions)
        assert protocol.of_model("gpt-5") is protocol.of_model("gpt-5")
        for number in range(600):
            protocol.of_model(f"m{number}")
        assert len(protocol.__dict__["_of_model"]) <= 256
        assert protocol == find("openai").protocol

    def test_what_a_row_refuses_is_added_to_what_a_model_refuses(self) -> None:
        assert spoken("moonshot", "kimi-k2.6").unsupported >= {"strict", "temperature"}


class TestAddresses:
    @pytest.mark.parametrize(
        ("row", "options", "expected"),
        [
            ("longcat_openai", {}, "https://api.longcat.chat/openai/v1/chat/completions"),
            ("longcat_openai", {"base_url": "https://x.test/openai"}, "https://x.test/openai/v1/chat/completions"),
            ("longcat_openai", {"base_url": "https://x.test/openai/v1/"}, "https://x.test/openai/v1/chat/completions"),
            (
                "longcat_openai",
                {"base_url": "https://x.test/openai/v1/chat/completions"},
                "https://x.test/openai/v1/chat/completions",
            ),
            ("perplexity", {}, "https://api.perplexity.ai/chat/completions"),
            ("perplexity", {"base_url": "https://x.test/v1"}, "https://x.test/chat/completions"),
            ("volcengine", {}, "https://ark.cn-beijing.volces.com/api/v3/chat/completions"),
            ("volcengine", {"base_url": "https://x.test/api/v3"}, "https://x.test/api/v3/chat/completions"),
            ("volcengine", {"region": "coding"}, "https://ark.cn-beijing.volces.com/api/coding/v3/chat/completions"),
            ("moonshot", {}, "https://api.moonshot.cn/v1/chat/completions"),
            ("moonshot", {"region": "global"}, "https://api.moonshot.ai/v1/chat/completions"),
            ("tencent", {"region": "tokenhub"}, "https://tokenhub.tencentcloudmaas.com/v1/chat/completions"),
        ],
    )
    def test_chat_goes_there(self, row: str, options: dict[str, str], expected: str) -> None:
        assert url(row, **options) == expected

    @pytest.mark.parametrize(
        ("row", "expected"),
        [
            ("longcat_openai", "https://api.longcat.chat/v1/models"),
            ("perplexity", "https://api.perplexity.ai/v1/models"),
            ("groq", "https://api.groq.com/openai/v1/models"),
        ],
    )
    def test_lists_of_models_are_there(self, row: str, expected: str) -> None:
        assert url(row, "models") == expected

    def test_volcengine_has_endpoints_for_bots_and_contexts(self) -> None:
        assert ask(provider="volcengine", model="bot-1").path == "bots/chat/completions"
        context = ask(provider="volcengine", model="ep-1", extra_body={"context_id": "ctx-1"})
        assert context.path == "context/chat/completions"
        assert context.body["context_id"] == "ctx-1"
        assert ask(provider="volcengine", model="ep-1").path == "chat/completions"


class TestWorkspaces:
    @pytest.mark.parametrize(
        ("region", "place"),
        [
            (None, "cn-beijing"),
            ("cn", "cn-beijing"),
            ("international", "ap-southeast-1"),
            ("us", "us-east-1"),
            ("hongkong", "cn-hongkong"),
        ],
    )
    def test_a_workspace_is_a_part_of_the_host(self, region: str | None, place: str) -> None:
        expected = f"https://ws-1.{place}.maas.aliyuncs.com/compatible-mode/v1/chat/completions"
        assert url("aliyun_openai_compatible", region=region, workspace="ws-1") == expected

    def test_the_environment_may_name_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DASHSCOPE_WORKSPACE", "ws-2")
        assert url("aliyun_openai_compatible").startswith("https://ws-2.cn-beijing.maas.aliyuncs.com/")

    @pytest.mark.parametrize("workspace", ["", "a.b", "a/b", "-a", "a" * 65, "evil.example/#"])
    def test_it_cannot_lead_to_another_host(self, workspace: str) -> None:
        with pytest.raises(ConfigurationError, match="give its id"):
            url("aliyun_openai_compatible", workspace=workspace)

    @pytest.mark.parametrize("region", ["finance", "coding", "nowhere"])
    def test_regions_without_workspaces_are_named(self, region: str) -> None:
        with pytest.raises(ConfigurationError, match=f"region '{region}' has no workspaces"):
            url("aliyun_openai_compatible", region=region, workspace="ws-1")

    @pytest.mark.parametrize("region", ["eu-central-1", "ap-northeast-1", "us-east-1"])
    def test_regions_have_the_provider_s_own_names_too(self, region: str) -> None:
        for row, path in (("aliyun", "services/"), ("aliyun_openai_compatible", "chat/completions")):
            assert re.match(
                f"https://ws-1.{region}.maas.aliyuncs.com/.*{path}", url(row, region=region, workspace="ws-1")
            )

    def test_the_environment_may_name_the_region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DASHSCOPE_REGION", "ap-southeast-1")
        assert url("aliyun_openai_compatible").startswith("https://dashscope-intl.aliyuncs.com/compatible-mode/v1/")

    def test_an_address_of_the_callers_wins(self) -> None:
        given = url("aliyun_openai_compatible", base_url="https://x.test/compatible-mode/v1", workspace="ws-1")
        assert given == "https://x.test/compatible-mode/v1/chat/completions"


class TestOpenRouter:
    BODY = {
        "error": {
            "message": "Provider returned error",
            "code": 429,
            "metadata": {"raw": "slow down", "provider_name": "Chutes"},
        }
    }

    def test_an_error_says_what_the_host_said(self) -> None:
        with pytest.raises(RateLimitError) as raised:
            whole(self.BODY, ask(provider="openrouter"), status=429)
        assert raised.value.message == "Provider returned error: slow down"

    def test_an_error_in_a_stream_does_too(self) -> None:
        reading = streamed(sse(delta(content="Hi"), self.BODY), ask(provider="openrouter", stream=True))
        assert isinstance(reading.error, StreamError)
        assert reading.error.message == "Provider returned error: slow down"

    @pytest.mark.parametrize("metadata", [None, [], {}, {"raw": None}, {"raw": 7}, {"raw": {"message": "slow down"}}])
    def test_any_shape_is_read(self, metadata: Any) -> None:
        with pytest.raises(APIError, match="Provider returned error"):
            whole({"error": {**self.BODY["error"], "metadata": metadata}}, ask(provider="openrouter"), status=429)

    def test_a_field_that_the_host_refuses_is_learned(self) -> None:
        raw = (
            '{"error": {"message": "Unsupported parameter: \'temperature\' is not supported", "param": "temperature"}}'
        )
        body = {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}}
        steps = chat(ask(provider="openrouter", temperature=0.5), NO_RETRY)
        next(steps)
        second = steps.send(json_answer(body, 400))
        assert isinstance(second, Send)
        assert "temperature" not in decode_json(second.request.content)


class TestMiniMax:
    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (1000, ServerError),
            (1002, RateLimitError),
            (1004, AuthenticationError),
            (1008, InsufficientBalanceError),
            (1026, ContentFilterError),
            (1039, ContextLengthError),
            (2013, BadRequestError),
            (9999, APIError),
        ],
    )
    def test_numbers_are_errors(self, code: int, kind: type[APIError]) -> None:
        body = {"base_resp": {"status_code": code, "status_msg": "no"}, "choices": None}
        with pytest.raises(kind) as raised:
            whole(body, ask(provider="minimax"))
        assert (type(raised.value), raised.value.message, raised.value.code) == (kind, "no", str(code))
        reading = streamed(sse(body), ask(provider="minimax", stream=True))
        assert isinstance(reading.error, kind)

    def test_zero_is_no_error(self) -> None:
        body = {**completion(content="Hi"), "base_resp": {"status_code": 0, "status_msg": ""}}
        assert whole(body, ask(provider="minimax")).text == "Hi"

    def test_the_answer_repeated_at_the_end_is_not_told_twice(self) -> None:
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        message = {"role": "assistant", "content": "Hi", "tool_calls": [call]}
        last = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
        events = [delta(content="Hi"), delta(tool_calls=[{"index": 0, **call}]), last]
        reading = streamed(sse(*events), ask(provider="minimax", stream=True, tools=[Tool("f")]))
        assert (reading.text, [item.id for item in reading.calls]) == ("Hi", ["c1"])

    @pytest.mark.parametrize("thoughts", [["Let me", "Let me see", "Let me see."], ["Let me", " see", "."]])
    def test_thoughts_come_in_pieces_or_whole_with_every_event(self, thoughts: list[str]) -> None:
        plain = [delta(reasoning_content=text) for text in thoughts]
        detailed = [delta(reasoning_details=[{"text": text}]) for text in thoughts]
        for events in (plain, detailed):
            reading = streamed(sse(*events, STOP), ask(provider="minimax", stream=True))
            assert reading.reasoning == reading.answer.reasoning == "Let me see."

    def test_a_message_that_comes_alone_is_read(self) -> None:
        last = {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
        assert streamed(sse(last), ask(provider="minimax", stream=True)).text == "Hi"


class TestErrors:
    @pytest.mark.parametrize(
        ("row", "status", "error", "kind"),
        [
            ("moonshot", 429, {"type": "exceeded_current_quota_error"}, InsufficientBalanceError),
            ("moonshot", 429, {"type": "engine_overloaded_error"}, RateLimitError),
            ("moonshot", 400, {"type": "content_filter"}, ContentFilterError),
            ("volcengine", 403, {"code": "AccountOverdueError", "type": "Forbidden"}, InsufficientBalanceError),
            ("volcengine", 429, {"code": "ServerOverloaded", "type": "TooManyRequests"}, RateLimitError),
            ("moonshot", 400, {"message": "Your request exceeded model token limit : 8192"}, ContextLengthError),
            ("moonshot", 400, {"message": "Input token length too long"}, ContextLengthError),
            ("volcengine", 400, {"code": "InputTextSensitiveContentDetected"}, ContentFilterError),
            ("volcengine", 400, {"code": "InputTextSensitiveContentDetected.PolicyViolation"}, ContentFilterError),
            ("volcengine", 400, {"code": "SensitiveContentDetected.SevereViolation"}, ContentFilterError),
            ("volcengine", 400, {"code": "OutputTextRiskDetection", "type": "BadRequest"}, ContentFilterError),
            ("volcengine", 400, {"code": "ContentSecurityDetectionError"}, BadRequestError),
            ("volcengine", 404, {"code": "ModelNotOpen", "type": "NotFound"}, ModelNotFoundError),
            ("aliyun_openai_compatible", 400, {"code": "Arrearage"}, InsufficientBalanceError),
            ("aliyun_openai_compatible", 400, {"code": "data_inspection_failed"}, ContentFilterError),
            (
                "aliyun_openai_compatible",
                400,
                {"code": "invalid_parameter_error", "message": "Range of input length should be [1, 98304]"},
                ContextLengthError,
            ),
            ("qianfan", 400, {"code": "tokens_too_long"}, ContextLengthError),
            ("llamacpp", 400, {"code": 400, "type": "exceed_context_size_error"}, ContextLengthError),
            ("llamacpp", 503, {"code": 503, "type": "unavailable_error"}, ServerError),
        ],
    )
    def test_the_codes_of_a_server(self, row: str, status: int, error: dict[str, Any], kind: type[APIError]) -> None:
        with pytest.raises(kind) as raised:
            whole({"error": {"message": "no", **error}}, ask(provider=row), status=status)
        assert type(raised.value) is kind
        assert raised.value.retryable == issubclass(kind, RateLimitError | ServerError)


class TestVolcengine:
    def test_thoughts_that_only_it_can_read_go_back(self) -> None:
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        given = whole(
            completion("tool_calls", content="", encrypted_content="xyz", tool_calls=[call]), ask(provider="volcengine")
        )
        pieces = [delta(encrypted_content="x"), delta(encrypted_content="yz"), delta(tool_calls=[{"index": 0, **call}])]
        live = streamed(sse(*pieces, STOP), ask(provider="volcengine", stream=True))
        assert live.answer.message == given.message
        assert live.reasoning == ""

        turns = [user("?"), given.message, tool_result("c1", "done")]
        assert ask(turns, provider="volcengine").body["messages"][1]["encrypted_content"] == "xyz"
        assert "encrypted_content" not in ask(turns, provider="deepseek").body["messages"][1]

    def test_a_host_alone_is_enough(self) -> None:
        expected = "https://ark.cn-beijing.volces.com/api/v3/chat/completions"
        assert url("volcengine", base_url="https://ark.cn-beijing.volces.com") == expected
        expected = "https://vpc.example/compatible-mode/v1/chat/completions"
        assert url("aliyun_openai_compatible", base_url="https://vpc.example/") == expected


class TestMistral:
    TURNS: ClassVar[list[Any]] = [
        user("?"),
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ]},
        tool_result("abcdefghi", "done"),
        user("And now?"),
    ]  # fmt: skip
    REFUSAL: ClassVar[dict[str, Any]] = {
        "object": "error", "message": "Unexpected role 'user' after role 'tool'", "code": "3230",
        "type": "invalid_request_message_order", "param": None,
    }  # fmt: skip

    @pytest.mark.parametrize("row", ["mistral", "vllm", "nvidia"])
    def test_some_of_its_models_want_an_answer_between_result_and_question(self, row: str) -> None:
        rendered = ask(self.TURNS, provider=row)
        assert [turn["role"] for turn in rendered.body["messages"]] == ["user", "assistant", "tool", "user"]

        steps = chat(rendered, NO_RETRY)
        next(steps)
        again = steps.send(json_answer(self.REFUSAL, 400))
        assert isinstance(again, Send)
        turns: Any = decode_json(again.request.content)
        assert [turn["role"] for turn in turns["messages"]] == ["user", "assistant", "tool", "assistant", "user"]
        assert turns["messages"][3]["content"]
        assert [note.action for note in rendered.adaptations] == ["learned", "converted"]
        with pytest.raises(BadRequestError):
            steps.send(json_answer(self.REFUSAL, 400))

    @pytest.mark.parametrize("row", ["mistral", "moonshot"])
    def test_a_turn_of_which_nothing_is_left_is_not_sent(self, row: str) -> None:
        thoughts = Message(role="assistant", parts=[Reasoning("Hm", provider=row)])
        rendered = ask([user("?"), thoughts, user("Well?"), thoughts], provider=row)
        assert rendered.body["messages"] == [{"role": "user", "content": text} for text in ("?", "Well?")]
        assert {(note.action, note.subject) for note in rendered.adaptations} == {("dropped", "assistant message")}
        with pytest.raises(UnsupportedError, match="assistant message"):
            ask([user("?"), thoughts, user("Well?")], provider=row, strict=True)

    def test_strict_learns_nothing(self) -> None:
        steps = chat(ask(self.TURNS, provider="mistral", strict=True), NO_RETRY)
        next(steps)
        with pytest.raises(BadRequestError):
            steps.send(json_answer(self.REFUSAL, 400))


class TestOthers:
    def test_moonshot_counts_tokens(self) -> None:
        protocol = find("moonshot").protocol
        request = ask(provider="moonshot", model="kimi-k2.6", tools=[Tool("f")]).request
        assert protocol.count_path("kimi-k2.6") == "tokenizers/estimate-token-count"
        assert protocol.render_count(request).keys() == {"model", "messages", "tools"}
        assert protocol.parse_count({"code": 0, "data": {"total_tokens": 80}}) == 80
        odd: list[Any] = [{}, [], None, {"data": None}, {"data": {"total_tokens": "80"}}]
        for wrong in odd:
            with pytest.raises(ParseError, match="total_tokens"):
                protocol.parse_count(wrong)

    @pytest.mark.parametrize("events", [[delta(content="Hi"), STOP], [{"choices": [], "x_groq": None}, STOP]])
    def test_odd_events_of_groq_are_read(self, events: list[Any]) -> None:
        assert streamed(sse(*events), ask(provider="groq", stream=True)).error is None

    @pytest.mark.parametrize(
        ("more", "citations"),
        [
            ({"citations": ["https://a.test"]}, [{"url": "https://a.test"}]),
            (
                {"citations": ["https://a.test"], "search_results": [{"title": "A", "url": "https://a.test"}]},
                [{"title": "A", "url": "https://a.test"}],
            ),
            (
                {"web_search": [{"title": "A", "link": "https://a.test"}]},
                [{"url": "https://a.test", "title": "A", "link": "https://a.test"}],
            ),
            ({"citations": None, "search_results": [], "web_search": "odd"}, []),
            ({"citations": [7, None, {"url": "https://a.test"}]}, [{"url": "https://a.test"}]),
        ],
    )
    def test_citations_of_the_whole_answer(self, more: dict[str, Any], citations: list[Any]) -> None:
        answer = whole({**completion(content="Hi"), **more})
        reading = streamed(sse({**delta(content="Hi"), **more}, STOP))
        assert answer.citations == reading.answer.citations == citations
        assert answer.extra == {}

    def test_ranks_have_several_shapes(self) -> None:
        protocol = ChatCompletions()
        for body in (
            {"results": [{"index": 1, "relevance_score": 0.5}]},
            {"data": [{"index": 1, "score": 0.5}]},
            [{"index": 1, "score": 0.5, "text": "b"}],
        ):
            assert protocol.parse_rerank(body) == [(1, 0.5)]
        assert protocol.render_rerank("q", ["a"], "m", None) == {"model": "m", "query": "q", "documents": ["a"]}
        assert protocol.render_rerank("q", ["a"], "m", 3)["top_n"] == 3

    def test_a_server_s_own_call_keeps_its_type_and_name(self) -> None:
        call = {"id": "t1", "type": "builtin_function", "function": {"name": "$web_search", "arguments": "{}"}}
        message = whole(completion("tool_calls", content="", tool_calls=[call]), ask(provider="moonshot")).message
        reading = streamed(sse(delta(tool_calls=[{"index": 0, **call}]), STOP), ask(provider="moonshot", stream=True))
        (echoed,) = reading.answer.message.tool_calls
        assert message.tool_calls == [echoed]
        turns = [user("News?"), message, {"role": "tool", "tool_call_id": "t1", "content": echoed.arguments_raw}]
        body = ask(turns, provider="moonshot", model="moonshot-v1-auto").body
        assert body["messages"][1]["tool_calls"] == [call]
