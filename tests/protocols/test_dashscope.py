"""DashScope's wire format: what is read from whole answers, streams and deviant servers, and the row that uses it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector import LlmClient, operations
from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContentFilterError,
    ContextLengthError,
    InsufficientBalanceError,
    ModelNotFoundError,
    NotFoundError,
    ParseError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
)
from llm_connector.protocols.dashscope import DashScope
from llm_connector.protocols.dashscope_chunks import DashScopeEvents, Snapshots
from llm_connector.providers import find
from llm_connector.types import ChatRequest, Image, tool_result, user
from llm_connector.wire import HttpResponse, Send
from tests.support.answers import (
    KEY,
    NO_RETRY,
    Reading,
    ask,
    endpoint,
    finished,
    json_answer,
    outline,
    streamed,
    whole,
)
from tests.support.cuts import single_bytes, split_at

PROTOCOL: Any = find("aliyun").protocol
TEXT = "services/aigc/text-generation/generation"
MULTIMODAL = "services/aigc/multimodal-generation/generation"


def event(finish: str = "null", **message: Any) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"output": {"choices": [choice]}, "usage": {"input_tokens": 3, "output_tokens": 4}, "request_id": "r"}


def stream(*bodies: Any, status: int = 200, gap: str = "\n") -> bytes:
    """Events as the server frames them: no space behind the colons, and a comment with the status."""
    frames = []
    for number, body in enumerate(bodies, 1):
        refused = isinstance(body, dict) and "code" in body
        head = f"id:{number}\nevent:{'error' if refused else 'result'}\n:HTTP_STATUS/{status if refused else 200}\n"
        frames.append(f"{head}data:{json.dumps(body, ensure_ascii=False)}\n{gap}")
    return "".join(frames).encode()


def read(*bodies: Any, **options: Any) -> Reading:
    return streamed(stream(*bodies), ask(provider="aliyun", stream=True, **options))


def answer(*, finish: str | None = "stop", usage: Any = None, **message: Any) -> Any:
    output = {"choices": [{"finish_reason": finish, "message": {"role": "assistant", **message}}]}
    return whole({"output": output, "usage": usage, "request_id": "r"}, ask(provider="aliyun", model="qwen-plus"))


class TestAnswers:
    def test_the_request_names_answer_and_model(self):
        given = answer(content="Hi")

        assert (given.id, given.request_id, given.model) == ("r", "r", "qwen-plus")

    def test_the_text_parts_of_a_list_are_the_text(self):
        given = answer(content=[{"text": "A "}, {"image": "https://x/a.png"}, {"text": "cat"}, None])

        assert given.text == "A cat"

    def test_the_older_form_of_an_answer_is_read(self):
        body = {"output": {"text": "Hi", "finish_reason": "stop", "choices": None}, "request_id": "r"}

        given = whole(body, ask(provider="aliyun"))

        assert (given.text, given.finish_reason) == ("Hi", "stop")

    def test_sources_and_tools_of_a_search_are_kept(self):
        found = {"index": 1, "title": "Oslo", "url": "https://x/oslo"}
        output = {
            "choices": [{"finish_reason": "stop", "message": {"content": "Rain."}}],
            "search_info": {"search_results": [found]},
            "tool_info": [{"type": "code"}],
        }

        given = whole({"output": output, "request_id": "r"}, ask(provider="aliyun"))
        live = streamed(stream({"output": output, "request_id": "r"}), ask(provider="aliyun", stream=True)).answer

        assert given.citations == live.citations == [found]
        assert given.extra == live.extra == {"tool_info": [{"type": "code"}]}

    def test_several_answers_are_kept_apart(self):
        bodies = [
            {"output": {"choices": [{"index": number, "message": {"content": text}, "finish_reason": "null"}]}}
            for number, text in [(0, "a"), (1, "x"), (0, "b"), (1, "y")]
        ]
        ends = [
            {"output": {"choices": [{"index": number, "message": {"content": ""}, "finish_reason": "stop"}]}}
            for number in (0, 1)
        ]

        choices = read(*bodies, *ends, n=2).answer.choices
        by_parameter = read(*bodies, *ends, extra_body={"parameters": {"n": 2}}).answer.choices

        assert [choice.message.text for choice in choices] == ["ab", "xy"]
        assert by_parameter == choices
        assert read(*bodies, ends[0], n=2).error is not None, "one of them has not ended"

    def test_an_answer_without_a_choice_is_no_answer(self):
        with pytest.raises(ParseError, match="no choices"):
            whole({"output": {"choices": []}, "request_id": "r"}, ask(provider="aliyun"))

    def test_logprobs_come_with_the_choice(self):
        output = {"choices": [{"message": {"content": "a"}, "finish_reason": "stop", "logprobs": {"content": [{}]}}]}

        assert whole({"output": output}, ask(provider="aliyun")).logprobs == {"content": [{}]}

    def test_spoken_answers_have_their_transcript_for_text(self):
        given = read(event(content=[{"audio": {"data": "AA", "transcript": "Hi"}}]), event("stop", content=[])).answer

        assert (given.text, given.extra["audio"]["data"]) == ("Hi", "AA")


class TestUsage:
    def test_details_are_counted(self):
        usage = answer(
            content="Hi",
            usage={
                "input_tokens": 30,
                "output_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 8, "cache_creation": {"ephemeral_5m_input_tokens": 5}},
                "output_tokens_details": {"reasoning_tokens": 4, "text_tokens": 5},
                "input_tokens_details": {"image_tokens": 20, "text_tokens": 10},
                "image_tokens": 20,
            },
        ).usage

        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (30, 9, 39)
        assert (usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (8, 5, 4)
        assert usage.details["input_tokens_details"]["image_tokens"] == 20

    @pytest.mark.parametrize("odd", [None, {}, {"input_tokens": None, "prompt_tokens_details": None}])
    def test_what_is_not_said_is_unknown(self, odd):
        usage = answer(content="Hi", usage=odd).usage

        assert (usage.input_tokens, usage.total_tokens, usage.cached_tokens) == (None, None, None)

    def test_written_tokens_are_read_by_their_plain_name_first(self):
        details = {"cache_creation_input_tokens": 7, "cache_creation": {"ephemeral_5m_input_tokens": "?"}}

        assert answer(content="", usage={"prompt_tokens_details": details}).usage.cache_write_tokens == 7


class TestSnapshots:
    """Text that repeats all before it, told from text that happens to begin the same way."""

    @staticmethod
    def joined(*texts: str, cumulative: bool | None = None, last: bool = False) -> tuple[str, bool | None]:
        snapshots = Snapshots(cumulative)
        found: list[str] = []
        for number, text in enumerate(texts, 1):
            taken = snapshots.take((0, "content"), text, last=last and number == len(texts))
            found.extend(piece for _, piece in taken)
        return "".join([*found, *(piece for _, piece in snapshots.release())]), snapshots.cumulative

    @pytest.mark.parametrize(
        ("texts", "text"),
        [
            (("Once", "Once upon", "Once upon a"), "Once upon a"),
            (("根据", "根据当前", "根据当前的时间"), "根据当前的时间"),
            (("O", "On", "Once", "Once", "Once upon"), "Once upon"),
        ],
    )
    def test_text_that_grows_twice_is_cumulative(self, texts, text):
        assert self.joined(*texts) == (text, True)

    @pytest.mark.parametrize("pieces", [("a", "a", "a", "b"), ("1", "10", "2"), ("0", "0"), ("-", "--", "---"), ("x",)])
    def test_pieces_that_begin_the_same_way_are_pieces(self, pieces):
        assert self.joined(*pieces)[0] == "".join(pieces)

    def test_a_whole_text_at_the_end_is_cumulative(self):
        assert self.joined("Once", "Once upon", last=True) == ("Once upon", True)
        assert self.joined("1", "10", last=True)[0] == "110", "too short to tell"

    def test_what_was_asked_for_needs_no_proof(self):
        assert self.joined("a", "ab", "ab", cumulative=True) == ("ab", True)
        assert self.joined("a", "ab", "abc", cumulative=False) == ("aababc", False)

    def test_text_is_held_back_no_longer_than_needed(self):
        reading = read(event(content="a"), event(content="a"), event(content="b"), event(content="c"), event("stop"))

        assert [chunk.text for chunk in reading.chunks if chunk.text] == ["a", "a", "b", "c"]

    def test_a_cut_stream_shows_what_was_held_back(self):
        reading = read(event(content="a"), event(content="a"))

        assert isinstance(reading.error, StreamError)
        assert reading.text == reading.partial.text == "aa"

    def test_calls_follow(self):
        def call(arguments: str) -> list[dict[str, Any]]:
            return [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]

        calls = [call(text) for text in ("", '{"a"', '{"a": "x"', '{"a": "x", "b": 1}')]
        bodies = [event(content="Looking it up"[: 4 + 4 * n], tool_calls=each) for n, each in enumerate(calls)]

        given = read(*bodies, event("tool_calls", content="Looking it up", tool_calls=calls[-1])).answer

        assert given.text == "Looking it up"
        assert [call.arguments for call in given.tool_calls] == [{"a": "x", "b": 1}]


class TestStreams:
    def test_events_of_the_server_are_read_wherever_they_are_cut(self):
        body = stream(event(reasoning_content="Hm"), event(content="中文"), event("stop", content=""))
        rendered = ask(provider="aliyun", stream=True)
        uncut = outline(streamed(body, rendered))

        assert uncut[1] is not None
        for place in range(len(body) + 1):
            assert outline(streamed(split_at(body, place), rendered)) == uncut
        assert outline(streamed(single_bytes(body), rendered)) == uncut

    def test_frames_without_blank_lines_between_them_are_read(self):
        body = stream(event(content="a"), event(content="b"), event("stop"), gap="")

        assert streamed(body, ask(provider="aliyun", stream=True)).answer.text == "ab"

    def test_an_event_over_several_lines_is_one(self):
        body = f"data:{json.dumps(event('stop', content='Hi'), indent=0)}".replace("\n", "\ndata:") + "\n\n"

        assert streamed(body.encode(), ask(provider="aliyun", stream=True)).answer.text == "Hi"

    @pytest.mark.parametrize("gap", ["\n", ""])
    @pytest.mark.parametrize(
        ("code", "status", "kind", "retryable"),
        [
            ("DataInspectionFailed", 400, ContentFilterError, False),
            ("Throttling.RateQuota", 429, RateLimitError, True),
            ("SomethingNew", 400, BadRequestError, False),
            ("SomethingNew", 503, ServerError, True),
        ],
    )
    def test_an_error_in_a_stream_has_its_own_status(self, code, status, kind, retryable, gap):
        failure = {"code": code, "message": "No.", "request_id": "q"}
        body = stream(event(content="a"), event(content="a"), failure, status=status, gap=gap)

        reading = streamed(body, ask(provider="aliyun", stream=True))

        assert isinstance(reading.error, kind)
        assert isinstance(reading.error, StreamError)
        facts: Any = reading.error
        assert (facts.code, facts.request_id, facts.retryable) == (code, "q", retryable)
        assert reading.text == reading.partial.text == "aa"
        if gap:
            assert facts.status == status

    def test_a_code_makes_an_error_of_any_event(self):
        reading = streamed(
            b'event:result\ndata:{"code":"InternalError","message":"Boom","output":{"text":"Hi"}}\n\n',
            ask(provider="aliyun", stream=True),
        )

        assert isinstance(reading.error, ServerError)
        assert reading.text == "Hi"

    def test_one_json_body_where_a_stream_was_due_is_read(self):
        text = json.dumps({"output": {"text": "Hi", "finish_reason": "stop"}, "request_id": "r"})

        assert streamed(text.encode(), ask(provider="aliyun", stream=True)).answer.text == "Hi"

    def test_a_status_without_an_error_changes_nothing(self):
        assert next(iter(DashScopeEvents().feed(b":HTTP_STATUS/200\nevent:result\ndata:{}\n\n"))).name == "result"
        assert next(iter(DashScopeEvents().feed(b"status:429\ndata:{}\n\n"))).name == "429"


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "code", "message", "kind"),
        [
            (400, "InvalidParameter", "temperature is wrong", BadRequestError),
            (400, "InvalidParameter", "Range of input length should be [1, 30720]", ContextLengthError),
            (400, "InvalidParameter", "Model not exist.", ModelNotFoundError),
            (400, "DataInspectionFailed", "Input data may contain inappropriate content.", ContentFilterError),
            (400, "data_inspection_failed", "Output data may contain …", ContentFilterError),
            (400, "Arrearage", "Access denied, your account is in arrears.", InsufficientBalanceError),
            (400, "InvalidURL", "The media cannot be fetched.", BadRequestError),
            (400, "InvalidFile.Resolution", "Too small.", BadRequestError),
            (401, "InvalidApiKey", "Invalid API-key provided.", AuthenticationError),
            (403, "AccessDenied.Unpurchased", "Not activated.", PermissionDeniedError),
            (403, "Model.AccessDenied", "No.", PermissionDeniedError),
            (403, "AllocationQuota.FreeTierOnly", "The free tier of the model is exhausted.", InsufficientBalanceError),
            (404, "ModelNotFound", "Model can not be found.", ModelNotFoundError),
            (404, "NotFound", "Not found.", NotFoundError),
            (429, "Throttling", "Requests throttled.", RateLimitError),
            (429, "Throttling.AllocationQuota", "Free allocated quota exceeded.", InsufficientBalanceError),
            (429, "Throttling.AllocationQuota", "Allocated quota exceeded, increase it.", RateLimitError),
            (500, "InternalError.Algo", "Boom", ServerError),
            (500, "RequestTimeOut", "Boom", ServerError),
            (503, "ModelUnavailable", "Busy", ServerError),
            (418, "Unheard", "Tea", APIError),
        ],
    )
    @pytest.mark.parametrize("inside", [False, True])
    def test_codes_have_their_classes(self, status, code, message, kind, inside):
        body = {"code": code, "message": message, "request_id": "q"}

        with pytest.raises(APIError) as raised:
            whole(body, ask(provider="aliyun"), status=200 if inside else status)

        assert type(raised.value) is kind
        assert (raised.value.code, raised.value.request_id) == (code, "q")
        assert raised.value.retryable is (kind in (RateLimitError, ServerError))

    @pytest.mark.parametrize("length", [20, 900])
    def test_a_refused_stream_tells_why(self, length):
        body = stream({"code": "InvalidParameter", "message": "x" * length, "request_id": "q"}, status=400)

        with pytest.raises(BadRequestError) as raised:
            whole(body, ask(provider="aliyun", stream=True), status=400)

        assert raised.value.code == "InvalidParameter"
        assert raised.value.message.startswith("xxxx")

    def test_text_that_is_no_event_is_the_message(self):
        assert PROTOCOL.parse_error("Bad gateway").message == "Bad gateway"
        assert PROTOCOL.parse_error('id:1 data:{"code":').message.startswith("id:1")

    @pytest.mark.parametrize(
        ("status", "code", "message", "remedy"),
        [
            (401, "InvalidApiKey", "Invalid API-key provided.", "set region="),
            (400, "InvalidParameter", "The thinking_budget parameter must be a positive integer", "reasoning=4096"),
        ],
    )
    def test_the_row_says_what_to_do(self, status, code, message, remedy):
        with pytest.raises(APIError, match=r".") as raised:
            whole({"code": code, "message": message}, ask(provider="aliyun"), status=status)

        assert remedy in raised.value.message


class TestLearning:
    @staticmethod
    def taught(message: str, **options: Any) -> list[Send]:
        """The requests of a call whose first one is refused."""
        rendered = ask(provider="aliyun", **options)
        steps = operations.chat(rendered, NO_RETRY)
        first = next(steps)
        second = steps.send(json_answer({"code": "InvalidParameter", "message": message}, 400))
        assert isinstance(first, Send)
        assert isinstance(second, Send)
        with pytest.raises(StopIteration) as stop:
            steps.send(json_answer({"output": {"text": "Hi", "finish_reason": "stop"}}))
        assert ("learned", "server") in {(note.action, note.subject) for note in stop.value.value.adaptations}
        again = next(operations.chat(operations.render(rendered.endpoint, rendered.request, stream=False), NO_RETRY))
        assert isinstance(again, Send)
        assert again.request.url == second.request.url, "it is remembered"
        return [first, second]

    @pytest.mark.parametrize(
        ("model", "paths"), [("gui-plus", [TEXT, MULTIMODAL]), ("qwen3.9-max", [MULTIMODAL, TEXT])]
    )
    def test_the_other_service_after_a_url_error(self, model, paths):
        sent = self.taught("url error, please check url. For details, see: …", model=model)

        assert [send.request.url.partition("/v1/")[2] for send in sent] == paths
        contents = [json.loads(send.request.content)["input"]["messages"][0]["content"] for send in sent]
        assert [type(content) for content in contents] == [list if path == MULTIMODAL else str for path in paths]

    def test_a_model_on_neither_service_is_asked_twice(self):
        steps = operations.chat(ask(provider="aliyun", model="m"), NO_RETRY)
        refusal = json_answer({"code": "InvalidParameter", "message": "url error, please check url"}, 400)
        next(steps)
        steps.send(refusal)

        with pytest.raises(BadRequestError):
            steps.send(refusal)

    def test_pictures_stay_where_they_can_be_read(self):
        message = [user("?", Image("https://x/a.png"))]
        rendered = ask(message, provider="aliyun", model="m")
        learned = rendered.endpoint.spec.protocol.learn(PROTOCOL.parse_error({"message": "url error"}), 400)

        assert learned is not None
        assert learned[0].request_path(rendered.request, stream=False) == rendered.path == MULTIMODAL
        assert learned[0].chat_path("m", stream=False) == MULTIMODAL

    def test_no_forced_choice_after_a_refusal_of_thinking(self):
        def f() -> None: ...
        def g() -> None: ...

        message = "The tool_choice parameter does not support being set to required or object in thinking mode"
        sent = self.taught(message, model="glm-9", tools=[f, g], tool_choice="g")

        choices = [json.loads(send.request.content)["parameters"]["tool_choice"] for send in sent]
        assert choices == [{"type": "function", "function": {"name": "g"}}, "auto"]


class TestOtherOperations:
    def test_vectors_come_in_the_order_of_the_texts(self):
        body = {
            "output": {"embeddings": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]},
            "usage": {"total_tokens": 6},
        }
        steps = operations.embed(endpoint("aliyun"), ["a", "b"], "text-embedding-v4", NO_RETRY)

        embeddings = finished(steps, json_answer(body))

        assert embeddings.vectors == [[1.0], [2.0]]
        assert (embeddings.usage.input_tokens, embeddings.usage.total_tokens) == (6, 6)

    @pytest.mark.parametrize("parse", ["parse_embed", "parse_rerank"])
    def test_an_error_with_a_good_status_is_raised(self, parse):
        steps: Any = operations.embed(endpoint("aliyun"), ["a"], "m", NO_RETRY)
        if parse == "parse_rerank":
            steps = operations.rerank(endpoint("aliyun"), "q", ["a"], "m", NO_RETRY)

        with pytest.raises(RateLimitError):
            finished(steps, json_answer({"code": "Throttling", "message": "Slow down", "output": {}}))

    @pytest.mark.parametrize("page", [{}, {"page_no": 1}, {"page_no": "1", "total": 9}, {"page_no": 2, "total": 200}])
    def test_the_last_page_of_models_has_no_next(self, page):
        body = {"output": {"models": [{"model": "qwen-plus", "provider": "qwen"}, {"source": "x"}], **page}}

        found, cursor = PROTOCOL.parse_models(body)

        assert [(model.id, model.owner) for model in found] == [("qwen-plus", "qwen")]
        assert cursor is None

    def test_a_page_without_models_cannot_be_read(self):
        with pytest.raises(ParseError):
            PROTOCOL.parse_models({"output": {"total": 3}})


class TestRow:
    @pytest.mark.parametrize(
        ("settings", "url"),
        [
            ({}, "https://dashscope.aliyuncs.com/api/v1"),
            ({"region": "international"}, "https://dashscope-intl.aliyuncs.com/api/v1"),
            ({"region": "us"}, "https://dashscope-us.aliyuncs.com/api/v1"),
            ({"region": "us-east-1"}, "https://dashscope-us.aliyuncs.com/api/v1"),
            ({"region": "hongkong"}, "https://cn-hongkong.dashscope.aliyuncs.com/api/v1"),
            ({"region": "finance"}, "https://dashscope-finance.aliyuncs.com/api/v1"),
            ({"workspace": "ws-1"}, "https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1"),
            ({"workspace": "ws-1", "region": "us"}, "https://ws-1.us-east-1.maas.aliyuncs.com/api/v1"),
            (
                {"base_url": "https://vpc.example/api/v1/services/aigc/text-generation/generation"},
                "https://vpc.example/api/v1",
            ),
            ({"base_url": "https://vpc.example"}, "https://vpc.example/api/v1"),
        ],
    )
    def test_addresses(self, settings, url):
        with LlmClient("aliyun", api_key=KEY, **settings) as client:
            assert client._settings.endpoint.base_url == url

    def test_region_and_workspace_may_come_from_the_environment(self, monkeypatch):
        monkeypatch.setenv("DASHSCOPE_REGION", "ap-southeast-1")
        monkeypatch.setenv("DASHSCOPE_WORKSPACE", "ws-1")
        monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)

        with LlmClient("aliyun") as client:
            assert client._settings.endpoint.base_url == "https://ws-1.ap-southeast-1.maas.aliyuncs.com/api/v1"

    @pytest.mark.parametrize(
        "settings",
        [{"workspace": "a.b"}, {"workspace": "-a"}, {"workspace": "ws", "region": "finance"}, {"region": "mars"}],
    )
    def test_what_is_no_address_is_refused(self, settings):
        with pytest.raises(ConfigurationError):
            LlmClient("aliyun", api_key=KEY, **settings)

    @pytest.mark.parametrize(
        ("model", "multimodal"),
        [
            *[(model, False) for model in ("qwen-plus", "qwen3.7-max", "qwen3.6-max-preview", "deepseek-v4-pro")],
            *[(model, False) for model in ("qwen3-max", "qwen3-coder-plus", "qwq-plus", "glm-5.1", "qwen3-32b")],
            *[(model, True) for model in ("qwen3.5-plus", "qwen3.5-397b-a17b", "qwen3.6-flash", "qwen3.7-plus")],
            *[(model, True) for model in ("qwen3.8-max", "qwen-vl-ocr", "qwen3-vl-235b-a22b-thinking", "qvq-max")],
            *[(model, True) for model in ("qwen2-audio-instruct", "qwen3-omni-flash", "kimi-k2.6", "kimi-k3")],
        ],
    )
    def test_models_have_their_service(self, model, multimodal):
        assert PROTOCOL.chat_path(model, stream=False) == (MULTIMODAL if multimodal else TEXT)

    def test_pictures_in_results_go_to_the_multimodal_service(self):
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "", "tool_calls": [call]}]

        rendered = ask([*turns, tool_result("c", Image("https://x/a.png"))], provider="aliyun", model="qwen-plus")

        assert rendered.path == MULTIMODAL
        assert rendered.body["input"]["messages"][-1]["content"] == [{"image": "https://x/a.png"}]

    def test_only_streams_are_asked_for_by_header(self):
        assert PROTOCOL.headers("chat", stream=True)["x-dashscope-sse"] == "enable"
        assert PROTOCOL.headers("chat") == PROTOCOL.headers("embed") == {}

    def test_a_workspace_may_be_a_number(self):
        with LlmClient("aliyun", api_key=KEY, workspace=7) as client:
            assert client._settings.endpoint.request("models").headers["x-dashscope-workspace"] == "7"

    def test_the_workspace_goes_with_every_request_and_no_other_header_does(self):
        with LlmClient("aliyun", api_key=KEY, workspace="ws-1", base_url="https://vpc.example") as client:
            request = client._settings.endpoint.request("models")

        assert request.headers["x-dashscope-workspace"] == "ws-1"
        assert "x-dashscope-workspace" not in endpoint("aliyun").request("models").headers

    def test_the_protocol_alone_makes_a_request(self):
        protocol = DashScope()
        request = ChatRequest.of("Hi", {"model": "m"})

        assert protocol.request_path(request, stream=False) == TEXT
        assert protocol.render_chat(request, stream=True)["parameters"]["incremental_output"] is True
        assert protocol.chunk_parser().ended() is False
        assert HttpResponse(200).status == 200
