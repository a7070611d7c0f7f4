"""Azure: its two surfaces, its keys and tokens, and what its content filter adds to answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_connector import AsyncLlmClient, LlmClient
from llm_connector.errors import (
    AuthenticationError,
    ConfigurationError,
    ContentFilterError,
    ModelNotFoundError,
    NotFoundError,
)
from llm_connector.operations import chat, open_stream, render
from llm_connector.providers import Endpoint, find
from llm_connector.providers.azure import azure_base
from llm_connector.types import ChatRequest
from llm_connector.wire import Call, HttpRequest, HttpResponse, Send
from tests.support.answers import NO_RETRY, STOP, ask, decode, delta, json_answer, sse, streamed, whole
from tests.support.wire_server import Answer, Stream, WireServer
from tests.support.wire_server import sse as blocks

HOST = "https://name.openai.azure.com"
V1 = f"{HOST}/openai/v1"
KEY = "azure-key-0123456789"
TOKEN = "entra-token-0123456789"
SAFE = {"hate": {"filtered": False, "severity": "safe"}}
ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
RESPONSE = {
    "object": "response",
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}],
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_VERSION", "AZURE_OPENAI_API_VERSION", "AZURE_OPENAI_AD_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def sent(provider: str, base_url: str | None = HOST, *, model: str = "gpt-4o", **credentials: Any) -> HttpRequest:
    """The request of `chat("Hi")`."""
    settings: dict[str, Any] = {"api_key": KEY, **credentials}
    with LlmClient(provider, base_url=base_url, model=model, **settings) as client:
        steps = chat(client._settings.call("Hi", {}, stream=False).rendered, NO_RETRY)
        step = next(steps)
        while isinstance(step, Call):
            step = steps.send(step.function())
    assert isinstance(step, Send)
    return step.request


def next_send(steps: Any, outcome: Any = None) -> str:
    """Where an operation sends its next request."""
    step = steps.send(outcome)
    while isinstance(step, Call):
        step = steps.send(step.function())
    assert isinstance(step, Send)
    return step.request.url


class TestAddresses:
    WRITTEN = [
        HOST,
        f"{HOST}/",
        f"{HOST}/openai",
        f"{HOST}/openai/",
        V1,
        f"{V1}/",
        f"{V1}/chat/completions",
        f"{V1}/responses",
        f"{V1}/embeddings",
        f"{V1}/models",
        f"{HOST}/openai/deployments/other",
        f"{HOST}/openai/deployments/other/chat/completions",
        f"{HOST}/openai/deployments/other/embeddings",
        f"{HOST}/openai/responses",
        f"{HOST}/openai/models",
        f" {HOST} ",
    ]

    @pytest.mark.parametrize("base_url", WRITTEN)
    def test_without_a_version_requests_go_to_the_undated_surface(self, base_url):
        assert sent("azure_openai", base_url).url == f"{V1}/chat/completions"
        assert sent("azure_openai_responses", base_url).url == f"{V1}/responses"

    @pytest.mark.parametrize("base_url", WRITTEN)
    def test_with_a_version_the_deployment_is_in_the_path(self, base_url):
        dated = {"api_version": "2025-04-01-preview"}

        assert sent("azure_openai", base_url, **dated).url == (
            f"{HOST}/openai/deployments/gpt-4o/chat/completions?api-version=2025-04-01-preview"
        )
        assert sent("azure_openai_responses", base_url, **dated).url == (
            f"{HOST}/openai/responses?api-version=2025-04-01-preview"
        )

    def test_a_version_in_the_address_counts(self):
        written = f"{HOST}/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"

        assert sent("azure_openai", written).url == written
        assert sent("azure_openai", written, api_version="2024-06-01").url == written.replace(
            "2024-10-21", "2024-06-01"
        )
        assert sent("azure_openai", f"{V1}?api-version=preview").url == f"{V1}/chat/completions?api-version=preview"

    @pytest.mark.parametrize(("version", "query"), [("v1", ""), ("preview", "?api-version=preview")])
    def test_undated_versions_mean_the_undated_surface(self, version, query):
        assert sent("azure_openai", api_version=version).url == f"{V1}/chat/completions{query}"

    @pytest.mark.parametrize("name", ["OPENAI_API_VERSION", "AZURE_OPENAI_API_VERSION"])
    def test_the_version_of_the_environment(self, monkeypatch, name):
        monkeypatch.setenv(name, "2024-10-21")

        assert "/deployments/gpt-4o/chat/completions?api-version=2024-10-21" in sent("azure_openai").url
        assert "?api-version=2024-06-01" in sent("azure_openai", api_version="2024-06-01").url
        assert sent("azure_openai", V1).url == f"{V1}/chat/completions", "the address says otherwise"

    def test_the_address_of_the_environment(self, monkeypatch):
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"{HOST}/")

        assert sent("azure_openai", None).url == f"{V1}/chat/completions"

    def test_a_gateway_in_front_keeps_its_path_and_query(self):
        gateway = "https://apim.example.com/team/llm"

        assert sent("azure_openai", f"{gateway}?tier=a").url == f"{gateway}/openai/v1/chat/completions?tier=a"
        dated = sent("azure_openai", f"{gateway}/openai?tier=a", api_version="2024-10-21").url
        assert dated == f"{gateway}/openai/deployments/gpt-4o/chat/completions?tier=a&api-version=2024-10-21"

    @pytest.mark.parametrize(
        ("written", "version", "used"),
        [
            ("/models", None, "2024-05-01-preview"),
            ("/models/chat/completions?api-version=2025-05-15-preview", None, "2025-05-15-preview"),
            ("/models", "2024-09-01-preview", "2024-09-01-preview"),
        ],
    )
    def test_models_that_are_not_openais_have_an_address_of_their_own(self, written, version, used):
        host = "https://name.services.ai.azure.com"
        request = sent("azure_openai", f"{host}{written}", model="grok-4", api_version=version)

        assert request.url == f"{host}/models/chat/completions?api-version={used}"
        assert json.loads(request.content)["model"] == "grok-4"

    @pytest.mark.parametrize(
        ("deployment", "segment"),
        [
            ("../../evil", "..%2F..%2Fevil"),
            ("a?x=1", "a%3Fx%3D1"),
            ("a#b", "a%23b"),
            ("a b", "a%20b"),
            ("größe", "gr%C3%B6%C3%9Fe"),
            ("a%2Fb", "a%252Fb"),
        ],
    )
    def test_a_deployment_cannot_lead_elsewhere(self, deployment, segment):
        url = sent("azure_openai", model=deployment, api_version="2024-10-21").url

        assert url == f"{HOST}/openai/deployments/{segment}/chat/completions?api-version=2024-10-21"
        assert sent("azure_openai", model=deployment).url == f"{V1}/chat/completions"

    @pytest.mark.parametrize("deployment", [".", ".."])
    def test_names_that_no_path_can_hold_are_refused(self, deployment):
        with pytest.raises(ConfigurationError, match="cannot stand in an address"):
            sent("azure_openai", model=deployment, api_version="2024-10-21")

    def test_a_version_is_quoted(self):
        assert "api-version=2024-10-21%26x%3D1%23" in sent("azure_openai", api_version="2024-10-21&x=1#").url

    def test_mistakes_are_named(self):
        with pytest.raises(ConfigurationError, match="no base_url"):
            LlmClient("azure_openai", api_key=KEY, model="m")
        with pytest.raises(ConfigurationError, match=r"there are no regions here.*leave out region='westeurope'"):
            LlmClient("azure_openai", api_key=KEY, base_url=HOST, region="westeurope")
        with pytest.raises(ConfigurationError, match="api_version is 2024; give a string"):
            LlmClient("azure_openai", api_key=KEY, base_url=HOST, api_version=2024)
        with pytest.raises(ConfigurationError, match="unknown argument 'deployment'"):
            LlmClient("azure_openai", api_key=KEY, base_url=HOST, deployment="m")

    def test_lists_and_vectors_have_addresses_too(self, wire_server: WireServer):
        listed = {"data": [{"id": "gpt-4o", "status": "succeeded"}]}
        vectors = {"data": [{"index": 0, "embedding": [0.5]}]}
        wire_server.script(*([Answer.json(listed), Answer.json(vectors)] * 2))

        for version in (None, "2024-10-21"):
            with LlmClient(
                "azure_openai", api_key=KEY, base_url=wire_server.url, model="chat", api_version=version
            ) as client:
                assert [model.id for model in client.models()] == ["gpt-4o"]
                assert client.embed("a", model="vectors").vectors == [[0.5]]

        assert [f"{request.method} {request.path}" for request in wire_server.requests] == [
            "GET /openai/v1/models",
            "POST /openai/v1/embeddings",
            "GET /openai/models?api-version=2024-10-21",
            "POST /openai/deployments/vectors/embeddings?api-version=2024-10-21",
        ]

    def test_the_model_of_the_body_is_the_deployment(self):
        assert json.loads(sent("azure_openai").content)["model"] == "gpt-4o"

    def test_bases_are_made_once(self):
        azure_base.cache_clear()
        for _ in range(3):
            sent("azure_openai")
        assert azure_base.cache_info().misses == 1


class TestKeys:
    def headers(self, **settings: Any) -> dict[str, str]:
        credentials: dict[str, Any] = {"api_key": None, **settings}
        found = sent("azure_openai", HOST, **credentials).headers
        return {name: found[name] for name in ("api-key", "authorization") if name in found}

    def test_a_key_goes_into_its_own_header(self):
        assert self.headers(api_key=KEY) == {"api-key": KEY}

    def test_the_key_of_the_environment(self, monkeypatch):
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)

        assert self.headers() == {"api-key": KEY}

    def test_a_token_is_a_bearer(self):
        assert self.headers(azure_ad_token=TOKEN) == {"authorization": f"Bearer {TOKEN}"}

    def test_a_given_token_goes_before_the_key_of_the_environment(self, monkeypatch):
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)

        assert self.headers(azure_ad_token=TOKEN) == {"authorization": f"Bearer {TOKEN}"}

    def test_a_given_key_goes_before_the_token_of_the_environment(self, monkeypatch):
        monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", TOKEN)

        assert self.headers(api_key=KEY) == {"api-key": KEY}

    def test_in_the_environment_the_token_goes_first(self, monkeypatch):
        monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", TOKEN)
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)

        assert self.headers() == {"authorization": f"Bearer {TOKEN}"}

    def test_both_are_a_mistake(self):
        with pytest.raises(ConfigurationError, match="both given"):
            sent("azure_openai", azure_ad_token=TOKEN)

    @pytest.mark.parametrize("token", ["", "two words", "line\nbreak", None, 7])
    def test_a_token_must_fit_into_a_header(self, token):
        client = LlmClient("azure_openai", base_url="http://127.0.0.1:1", model="m", azure_ad_token=lambda: token)

        with client, pytest.raises(ConfigurationError) as failure:
            client.chat("Hi")
        assert failure.value.provider == "azure_openai"

    def test_a_function_gives_a_fresh_token_for_each_request(self, wire_server: WireServer):
        wire_server.script(Answer.json(ANSWER), Answer.json(ANSWER))
        tokens = iter(["token-number-1", "token-number-2"])

        with LlmClient(
            "azure_openai", base_url=wire_server.url, model="m", azure_ad_token=lambda: next(tokens)
        ) as client:
            client.chat("Hi")
            client.chat("Hi")

        assert [request.headers["authorization"] for request in wire_server.requests] == [
            "Bearer token-number-1",
            "Bearer token-number-2",
        ]
        assert not any("api-key" in request.headers for request in wire_server.requests)

    @pytest.mark.anyio
    async def test_the_function_may_be_a_coroutine(self, wire_server: WireServer):
        wire_server.script(Stream(blocks({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]})))

        async def token() -> str:
            return TOKEN

        async with AsyncLlmClient("azure_openai", base_url=wire_server.url, model="m", azure_ad_token=token) as client:
            assert "".join([chunk.text async for chunk in client.stream("Hi")]) == "Hi"

        assert wire_server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"

    def test_secrets_that_a_server_echoes_are_hidden(self, wire_server: WireServer):
        body = {"error": {"code": "401", "message": f"Access denied for {TOKEN}"}}
        wire_server.script(Answer.json(body, 401))

        client = LlmClient("azure_openai", base_url=wire_server.url, model="m", azure_ad_token=TOKEN)
        with client, pytest.raises(AuthenticationError) as failure:
            client.chat("Hi")
        assert TOKEN not in f"{failure.value!r} {failure.value} {failure.value.body} {client!r}"


def azure_ask(**options: Any) -> Any:
    return ask(provider="azure_openai", **options)


class TestAnswers:
    PROMPT = [{"prompt_index": 0, "content_filter_results": SAFE}]

    def test_the_filter_of_the_prompt_is_kept(self):
        body = {"id": "c", "model": "gpt-4o-2024-08-06", **ANSWER, "prompt_filter_results": self.PROMPT}

        answer = whole(body, azure_ask())

        assert (answer.text, answer.model) == ("Hi", "gpt-4o-2024-08-06")
        assert answer.extra["prompt_filter_results"] == self.PROMPT

    def test_the_first_chunk_has_no_choice_no_id_and_no_model(self):
        first = {"id": "", "model": "", "object": "", "created": 0, "choices": [], "prompt_filter_results": self.PROMPT}
        head = {"id": "c", "model": "gpt-4o", "created": 7}
        text = {**head, "choices": [{"index": 0, "delta": {"content": "Hi"}, "content_filter_results": SAFE}]}
        last = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

        reading = streamed(sse(first, text, last, done=True), azure_ask(stream=True))

        answer = reading.answer
        assert (answer.id, answer.model, answer.created, answer.text) == ("c", "gpt-4o", 7, "Hi")
        assert answer.extra["prompt_filter_results"] == self.PROMPT

    def test_the_filter_may_follow_later_without_a_delta(self):
        offsets = {"check_offset": 5, "start_offset": 0, "end_offset": 9}
        late = {"index": 0, "finish_reason": None, "content_filter_results": SAFE, "content_filter_offsets": offsets}
        blocked = {"index": 0, "finish_reason": "content_filter", "content_filter_results": SAFE}
        text = {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}

        reading = streamed(
            sse(text, {"id": "", "choices": [late]}, {"id": "c", "choices": [blocked]}, done=True),
            azure_ask(stream=True),
        )

        assert (reading.text, reading.answer.finish_reason) == ("Hi", "content_filter")

    def test_one_of_several_answers_may_be_filtered(self):
        filtered = {"index": 1, "finish_reason": "content_filter", "content_filter_results": SAFE}

        answer = whole({"choices": [*ANSWER["choices"], filtered]}, azure_ask(n=2))

        assert [choice.finish_reason for choice in answer.choices] == ["stop", "content_filter"]
        assert [choice.message.text for choice in answer.choices] == ["Hi", ""]

    def test_a_blocked_prompt_is_an_error_of_its_class(self):
        error = {
            "message": "The prompt was filtered.",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": SAFE},
        }

        with pytest.raises(ContentFilterError, match=r"The prompt was filtered\.") as failure:
            whole({"error": error}, azure_ask(strict=True), status=400)
        assert failure.value.code == "content_filter"
        assert failure.value.body["error"]["innererror"]["content_filter_result"] == SAFE
        assert not failure.value.retryable

    @pytest.mark.parametrize("provider", ["azure_openai", "azure_openai_responses"])
    def test_a_missing_deployment_says_what_to_do(self, provider):
        error = {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}

        with pytest.raises(ModelNotFoundError, match="model= is the name of the deployment"):
            whole({"error": error}, ask(provider=provider), status=404)

    def test_a_missing_path_names_the_version(self):
        body = {"error": {"code": "404", "message": "Resource not found"}}

        with pytest.raises(NotFoundError, match="check api_version="):
            whole(body, azure_ask(), status=404)

    def test_filters_of_responses_are_kept(self):
        filters = [{"blocked": False, "source_type": "prompt", "content_filter_results": SAFE}]

        answer = whole(
            {**RESPONSE, "model": "my-deployment", "content_filters": filters}, ask(provider="azure_openai_responses")
        )

        assert (answer.text, answer.model) == ("Hi", "my-deployment")
        assert answer.extra["content_filters"] == filters

    def test_a_retry_is_told_in_milliseconds(self):
        body = {"error": {"code": "429", "message": "Please retry after 1 second."}}
        with pytest.raises(Exception, match="retry after") as failure:
            whole(body, azure_ask(), status=429, headers={"retry-after-ms": "1500", "retry-after": "2"})
        assert failure.value.retry_after == 1.5  # type: ignore[attr-defined]  # a RateLimitError


class TestTheOtherEndpoint:
    TOOLS_AND_EFFORT = {
        "error": {
            "message": "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. "
            "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
            "type": "invalid_request_error",
            "param": "reasoning_effort",
            "code": None,
        }
    }
    TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}

    @pytest.mark.parametrize("version", [None, "2025-04-01-preview"])
    def test_tools_with_thinking_go_to_responses(self, wire_server: WireServer, version):
        wire_server.script(Answer.json(self.TOOLS_AND_EFFORT, 400), Answer.json(RESPONSE), Answer.json(RESPONSE))

        with LlmClient("azure_openai", api_key=KEY, base_url=wire_server.url, model="d", api_version=version) as client:
            answer = client.chat("Hi", tools=[self.TOOL], reasoning="low")
            again = client.chat("Hi", tools=[self.TOOL], reasoning="low")

        surface, query = ("/openai", f"?api-version={version}") if version else ("/openai/v1", "")
        paths = [request.path for request in wire_server.requests]
        assert paths[1:] == [f"{surface}/responses{query}"] * 2
        assert paths[0].endswith(f"/chat/completions{query}")
        assert answer.text == again.text == "Hi"
        assert [note.action for note in answer.adaptations] == ["learned"]
        assert wire_server.requests[1].json["reasoning"] == {"effort": "low", "summary": "auto"}

    def test_a_model_that_only_responses_has(self, wire_server: WireServer):
        message = "The chatCompletion operation does not work with the specified model, gpt-5-codex."
        refused = {"error": {"code": "OperationNotSupported", "message": message}}
        failed = {**RESPONSE, "status": "failed", "error": {"code": "bio_policy", "message": "No"}}
        wire_server.script(Answer.json(refused, 400), Answer.json(RESPONSE), Answer.json(failed))

        with LlmClient("azure_openai", api_key=KEY, base_url=wire_server.url, model="d") as client:
            assert client.chat("Hi").text == "Hi"
            with pytest.raises(ContentFilterError):
                client.chat("Hi")

        assert [request.path for request in wire_server.requests][1:] == ["/openai/v1/responses"] * 2

    def test_deployments_without_responses_get_chat_completions(self, wire_server: WireServer):
        missing = {"error": {"code": "404", "message": "Resource not found"}}
        wire_server.script(Answer.json(missing, 404), Answer.json(ANSWER))

        with LlmClient(
            "azure_openai_responses", api_key=KEY, base_url=wire_server.url, model="a/b", api_version="2024-10-21"
        ) as client:
            answer = client.chat("Hi")

        assert [request.path for request in wire_server.requests] == [
            "/openai/responses?api-version=2024-10-21",
            "/openai/deployments/a%2Fb/chat/completions?api-version=2024-10-21",
        ]
        assert (answer.text, [note.action for note in answer.adaptations]) == ("Hi", ["learned"])

    def test_a_missing_deployment_is_asked_once(self, wire_server: WireServer):
        wire_server.script(Answer.json({"error": {"code": "DeploymentNotFound", "message": "none"}}, 404))

        client = LlmClient("azure_openai_responses", api_key=KEY, base_url=wire_server.url, model="d")
        with client, pytest.raises(ModelNotFoundError):
            client.chat("Hi")

        assert len(wire_server.requests) == 1

    def test_what_one_call_learns_does_not_change_how_another_is_read(self):
        place = Endpoint(find("azure_openai"), V1, KEY)

        def begun(stream: bool, **options: Any) -> Any:
            request = ChatRequest.of("Hi", {"model": "d", **options})
            rendered = render(place, request, stream=stream)
            steps: Any = open_stream(rendered, NO_RETRY, 1 << 20) if stream else chat(rendered, NO_RETRY)
            return steps, next(steps)

        plain, _ = begun(False)
        streaming, _ = begun(True)
        learning, _ = begun(False, tools=[self.TOOL], reasoning="low")
        assert "responses" in learning.send(json_answer(self.TOOLS_AND_EFFORT, 400)).request.url

        with pytest.raises(StopIteration) as done:
            plain.send(json_answer(ANSWER))
        assert done.value.value.text == "Hi"
        with pytest.raises(StopIteration) as opened:
            streaming.send(HttpResponse(200, {"content-type": "text/event-stream"}))
        reading = decode(opened.value.value.decoder, [sse(delta(content="Hi"), STOP, done=True)])
        assert reading.answer.text == "Hi"

    def test_what_one_call_learns_does_not_change_where_another_goes(self):
        settings: dict[str, Any] = {"base_url": HOST, "api_key": KEY, "api_version": "2024-10-21"}
        client = LlmClient("azure_openai", model="d", **settings)

        def begun(**options: Any) -> Any:
            return chat(client._settings.call("Hi", options, stream=False).rendered, NO_RETRY)

        waiting, switching = begun(), begun(tools=[self.TOOL], reasoning="low")
        next_send(switching)
        switched = next_send(switching, json_answer(self.TOOLS_AND_EFFORT, 400))

        assert switched == f"{HOST}/openai/responses?api-version=2024-10-21"
        assert next_send(waiting) == f"{HOST}/openai/deployments/d/chat/completions?api-version=2024-10-21"
        assert next_send(begun()) == switched

    def test_a_refusal_of_what_was_rendered_before_is_learned_from_as_well(self):
        place = Endpoint(find("azure_openai"), V1, KEY)
        request = ChatRequest.of("Hi", {"model": "d", "tools": [self.TOOL], "reasoning": "low"})
        rendered = [render(place, request, stream=False) for _ in range(2)]

        for one in rendered:  # the second begins after the first has learned
            steps = chat(one, NO_RETRY)
            next(steps)
            step = steps.send(json_answer(self.TOOLS_AND_EFFORT, 400))
            assert isinstance(step, Send)
            assert step.request.url.endswith("/responses")

    def test_other_refusals_are_learned_as_everywhere(self):
        steps = chat(ask(provider=find("azure_openai"), max_tokens=5), NO_RETRY)
        next(steps)
        error = {"message": "Unsupported parameter: 'max_completion_tokens'. Use 'max_tokens' instead."}

        step = steps.send(json_answer({"error": {**error, "code": "unsupported_parameter"}}, 400))

        assert isinstance(step, Send)
        assert json.loads(step.request.content)["max_tokens"] == 5


def test_a_row_that_was_not_configured_still_works():
    request = Endpoint(find("azure_openai"), V1, KEY).request("chat/completions", {})

    assert (request.url, request.headers["api-key"]) == (f"{V1}/chat/completions", KEY)
