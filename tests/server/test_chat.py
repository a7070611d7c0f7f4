"""What a gateway sends to a provider, and what it says that it did not."""

from __future__ import annotations

import json
import struct
from base64 import b64decode

import httpx
import pytest

from llm_connector.server import Model
from llm_connector.server.counting import estimated
from llm_connector.types import ChatRequest, Image, assistant, tool_result, user
from tests.support.answers import delta
from tests.support.anybody import anybody
from tests.support.gateway import gateway, upstream
from tests.support.wire_server import Answer, Stream, WireServer, sse

HI = [{"role": "user", "content": "Hi"}]
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture(scope="module")
def provider():
    with WireServer() as server:
        for path in ("/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/embeddings", "/v1/models", "/api/show"):
            server.route(path, anybody)
        yield server


@pytest.fixture(scope="module")
def url(provider):
    """The address of a gateway with models of several providers."""
    models = (
        Model("compatible", upstream(provider.url), "their-name"),
        Model("claude", upstream(provider.url, "anthropic"), "claude-sonnet-4-5"),
        Model("llama", upstream(provider.url, "ollama"), "llama3.2"),
        Model("cool", upstream(provider.url), "m", {"temperature": 0.1, "stop": "END", "reasoning": "low"}),
        Model("known", upstream(provider.url), context_window=123_456),
        Model("extra", upstream(provider.url), options={"extra_body": {"top_k": 3, "min_p": 0.1}}),
    )
    with gateway(models=models) as running:
        yield running.url


@pytest.fixture
def asked(provider, url):
    """Ask the gateway; what the provider was sent, and the answer."""

    def ask(path, headers=None, **body):
        del provider.requests[:]
        answer = httpx.post(url + path, json=body, headers=headers, timeout=20)
        sent = provider.requests[-1] if provider.requests else None
        return sent, answer

    return ask


def told(answer):
    """The adaptations of the header."""
    return [(item["action"], item["subject"]) for item in json.loads(answer.headers["x-llm-connector-adaptations"])]


def test_the_provider_is_asked_by_its_own_name_of_the_model_and_with_the_key_of_the_gateway(asked):
    sent, answer = asked("/v1/chat/completions", {"authorization": "Bearer mine"}, model="compatible", messages=HI)
    assert sent.json["model"] == "their-name"
    assert sent.headers["authorization"] == "Bearer sk-upstream-0123456789"
    assert answer.json()["choices"][0]["message"]["content"] == "their-name says hello."
    assert "sk-upstream" not in f"{answer.headers} {answer.text}"
    assert "x-llm-connector-adaptations" not in answer.headers


def test_options_of_the_configuration_are_what_the_request_does_not_say(asked):
    sent, _ = asked("/v1/chat/completions", model="cool", messages=HI)
    assert (sent.json["temperature"], sent.json["stop"]) == (0.1, ["END"])
    assert sent.json["reasoning_effort"] == "low"
    sent, _ = asked("/v1/chat/completions", model="cool", messages=HI, temperature=0, reasoning_effort="none")
    assert sent.json["temperature"] == 0, "zero is said"
    assert sent.json.get("reasoning_effort") != "low", "so is that it should not think"


def test_fields_of_the_same_wire_are_passed_on(asked):
    sent, answer = asked(
        "/v1/chat/completions", model="extra", messages=HI, top_p=0.5, min_p=0.2, repetition_penalty=1.1
    )
    assert sent.json["min_p"] == 0.2
    assert (sent.json["top_k"], sent.json["repetition_penalty"]) == (3, 1.1)
    assert "x-llm-connector-adaptations" not in answer.headers
    sent, _ = asked("/api/chat", model="llama", messages=HI, stream=False, keep_alive=-1, options={"num_ctx": 9})
    assert (sent.json["keep_alive"], sent.json["options"]["num_ctx"]) == (-1, 9)


def test_fields_of_odd_types_are_left_out_and_told(asked):
    _, answer = asked("/v1/chat/completions", model="claude", messages=HI, options=7)
    assert told(answer) == [("dropped", "options")]
    _, answer = asked("/v1/responses", model="claude", input=[{"type": "text", "text": 7}, {"type": "text"}])
    assert answer.status_code in (200, 400), answer.text


def test_fields_of_another_wire_are_left_out_and_told(asked):
    sent, answer = asked(
        "/api/chat", model="compatible", messages=HI, stream=True, keep_alive=-1, options={"num_ctx": 9}
    )
    assert not {"keep_alive", "options", "num_ctx"} & sent.json.keys()
    assert told(answer) == [("dropped", "keep_alive"), ("dropped", "options.num_ctx")]
    _, answer = asked("/v1/messages", model="compatible", messages=HI, max_tokens=9, container="c", thinking=None)
    assert told(answer) == [("dropped", "container")]


def test_what_the_provider_cannot_be_told_is_told_to_the_client(asked):
    _, answer = asked("/v1/chat/completions", model="claude", messages=HI, seed=7, stream=True)
    assert ("dropped", "seed") in told(answer)
    _, answer = asked("/chat", model="claude", messages="Hi", seed=7, stream=True)
    last = json.loads(answer.text.splitlines()[-1])
    assert [item["subject"] for item in last["adaptations"] if item["subject"] == "seed"] == ["seed"]


def test_what_a_header_cannot_hold_is_escaped_or_left_out(asked):
    _, answer = asked("/v1/messages", model="compatible", messages=HI, max_tokens=9, **{"é\n": 1})
    assert told(answer) == [("dropped", "é\n")]
    many = {f"field_{number}": 1 for number in range(500)}
    _, answer = asked("/v1/messages", model="compatible", messages=HI, max_tokens=9, **many)
    assert 10 < len(told(answer)) < 500


def test_betas_reach_a_provider_of_the_same_wire(asked):
    headers = {"anthropic-beta": "context-1m", "anthropic-version": "2023-06-01"}
    sent, _ = asked("/v1/messages", headers, model="claude", messages=HI, max_tokens=9)
    assert sent.headers["anthropic-beta"] == "context-1m"
    sent, _ = asked("/v1/messages", headers, model="compatible", messages=HI, max_tokens=9)
    assert "anthropic-beta" not in sent.headers


def test_a_model_that_there_is_not_names_those_that_there_are(asked, provider):
    for path in ("/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/embeddings"):
        sent, answer = asked(path, model="gpt-9", messages=HI, input="x", max_tokens=1)
        assert answer.status_code == 404
        assert "compatible, claude, llama" in answer.text
        assert sent is None


def test_without_a_model_the_first_one_answers(asked):
    sent, answer = asked("/chat", messages="Hi")
    assert sent.json["model"] == "their-name"
    assert answer.json()["content"] == "their-name says hello."


def test_a_path_of_this_machine_is_never_opened(asked, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"\x89PNG\r\n\x1a\n")
    for address in (str(secret), secret.as_uri()):
        picture = {"type": "image_url", "image_url": {"url": address}}
        messages = [{"role": "user", "content": [picture]}]
        for path in ("/v1/chat/completions", "/chat"):
            sent, answer = asked(path, model="compatible", messages=messages)
            assert (sent, answer.status_code) == (None, 400)


def test_ollama_asks_to_load_a_model_before_it_asks_anything(asked):
    for path, field in (("/api/chat", "messages"), ("/api/generate", "prompt")):
        sent, answer = asked(path, model="compatible", **{field: None})
        assert sent is None
        assert answer.json()["done_reason"] == "load"
        _, answer = asked(path, model="compatible", keep_alive=0, stream=False)
        assert answer.json()["done_reason"] == "unload"
        assert answer.headers["content-type"] == "application/json"


def test_whole_answers_say_how_long_they_took(asked):
    _, answer = asked("/api/chat", model="compatible", messages=HI, stream=False)
    assert answer.json()["total_duration"] > 0


def test_fallbacks_are_asked_before_anything_is_written():
    with WireServer() as first, WireServer() as second:
        models = (
            Model("main", upstream(first.url), "a", fallbacks=("spare",)),
            Model("spare", upstream(second.url, "anthropic"), "claude"),
        )
        with gateway(models=models) as running:
            second.route("/v1/messages", anybody)
            for body in ({"stream": True}, {"stream": False}):
                first.script(Answer.json({"error": {"message": "Busy"}}, 503))
                answer = httpx.post(f"{running.url}/chat", json={"model": "main", "messages": "Hi", "min_p": 1, **body})
                assert answer.status_code == 200
                assert "claude" in answer.text
                assert second.requests[-1].json["model"] == "claude"
                assert "min_p" not in second.requests[-1].json
                assert answer.headers["x-llm-connector-provider"] == "anthropic"
            first.script(Answer.json({"error": {"message": "No such thing"}}, 400))
            asked = len(second.requests)
            answer = httpx.post(f"{running.url}/chat", json={"model": "main", "messages": "Hi"})
            assert (answer.status_code, len(second.requests)) == (400, asked), "nobody else would do better"
            first.script(Stream(sse(delta(content="Hello"), delta("stop"))))
            answer = httpx.post(f"{running.url}/chat", json={"model": "main", "messages": "Hi", "stream": True})
            assert answer.headers["x-llm-connector-provider"] == "openai_compatible"


def test_models_are_listed_as_the_client_expects(url):
    names = ["compatible", "claude", "llama", "cool", "known", "extra"]
    openai = httpx.get(f"{url}/v1/models").json()
    assert [model["id"] for model in openai["data"]] == names
    assert openai["data"][1] == {"id": "claude", "object": "model", "created": 0, "owned_by": "anthropic"}
    anthropic = httpx.get(f"{url}/v1/models?limit=2", headers={"anthropic-version": "2023-06-01"}).json()
    assert [model["id"] for model in anthropic["data"]] == names
    assert (anthropic["first_id"], anthropic["last_id"], anthropic["has_more"]) == (names[0], names[-1], False)
    assert anthropic["data"][4]["max_input_tokens"] == 123_456
    ollama = httpx.get(f"{url}/api/tags").json()
    assert [model["name"] for model in ollama["models"]] == names
    assert {"modified_at", "size", "digest", "details"} <= ollama["models"][0].keys()


def test_one_model_can_be_asked_for(url):
    assert httpx.get(f"{url}/v1/models/claude").json()["owned_by"] == "anthropic"
    assert httpx.get(f"{url}/v1/models/none").status_code == 404


def test_a_model_is_shown_with_what_it_can(url):
    shown = httpx.post(f"{url}/api/show", json={"model": "known"}).json()
    assert shown["capabilities"] == ["completion", "tools", "vision", "thinking"]
    family = shown["model_info"]["general.architecture"]
    assert shown["model_info"][f"{family}.context_length"] == 123_456
    assert httpx.post(f"{url}/api/show", json={"name": "claude"}).json()["details"]["family"] == "anthropic"
    assert httpx.post(f"{url}/api/show", json={"model": "llama"}).json()["capabilities"] == ["completion", "tools"]
    assert httpx.post(f"{url}/api/show", json={"model": "none"}).status_code == 404


def test_patterns_list_what_the_provider_lists(provider):
    models = (Model("fixed", upstream(provider.url)), Model("theirs/*", upstream(provider.url), "*"))
    with gateway(models=models) as running:
        for _ in range(2):
            del provider.requests[:]
            listed = httpx.get(f"{running.url}/v1/models").json()
            assert [model["id"] for model in listed["data"]] == ["fixed", "theirs/small", "theirs/large"]
        assert provider.requests == [], "asked for once a minute"


def test_a_list_that_cannot_be_had_is_told():
    refused = Answer.json({"error": {"message": "No list."}}, 401)
    with WireServer() as server:
        server.route("/v1/models", refused)
        with gateway(models=(Model("fixed", upstream(server.url)), Model("*", upstream(server.url)))) as running:
            listed = httpx.get(f"{running.url}/v1/models")
            assert [model["id"] for model in listed.json()["data"]] == ["fixed"]
            assert told(listed) == [("dropped", "models of *")]
        with gateway(server.url) as running:
            assert httpx.get(f"{running.url}/v1/models").status_code == 502


def test_embeddings_of_openai(asked):
    sent, answer = asked("/v1/embeddings", model="compatible", input=["a", "b"], dimensions=2, user="me")
    assert sent.json["model"] == "their-name"
    body = answer.json()
    assert [item["embedding"] for item in body["data"]] == [[1.0, 0.0], [1.0, 1.0]]
    assert [item["index"] for item in body["data"]] == [0, 1]
    assert body["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert told(answer) == [("dropped", "user")]
    _, packed = asked("/v1/embeddings", model="compatible", input="a", encoding_format="base64")
    assert struct.unpack("<2f", b64decode(packed.json()["data"][0]["embedding"])) == (1.0, 0.0)


def test_embeddings_of_ollama(asked):
    _, answer = asked("/api/embed", model="compatible", input=["a", "b"])
    assert answer.json()["embeddings"] == [[1.0, 0.0], [1.0, 1.0]]
    assert answer.json()["prompt_eval_count"] == 3
    _, answer = asked("/api/embeddings", model="compatible", prompt="a")
    assert answer.json() == {"embedding": [1.0, 0.0]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": []}, "input: give a string or a list of strings"),
        ({"input": [1, 2]}, "tokens are not taken here"),
        ({"input": [[1, 2]]}, "tokens are not taken here"),
        ({"input": ["a", ""]}, "input[1]: give a string that is not empty"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format: give float or base64"),
        ({"input": "a", "dimensions": "x"}, "dimensions: give a whole number"),
    ],
)
def test_what_cannot_be_embedded_is_named(asked, body, message):
    _, answer = asked("/v1/embeddings", model="compatible", **body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_tokens_are_counted_by_the_provider_or_estimated_and_told(asked, provider):
    provider.route("/v1/messages/count_tokens", Answer.json({"input_tokens": 42}))
    path = "/v1/messages/count_tokens"
    sent, answer = asked(path, model="claude", messages=HI)
    assert (answer.json(), sent.json["model"]) == ({"input_tokens": 42}, "claude-sonnet-4-5")
    sent, answer = asked(path, model="compatible", messages=HI, system="Be brief.")
    assert sent is None
    assert 5 <= answer.json()["input_tokens"] <= 30
    assert told(answer) == [("converted", "input_tokens")]


def test_an_estimate_grows_with_all_that_is_sent():
    turns = [user("Hello there"), user(Image(PIXEL)), assistant("Hm"), tool_result("call_1", "x" * 4000)]
    sizes = [estimated(ChatRequest(messages=turns[: count + 1])) for count in range(len(turns))]
    assert sizes == sorted(sizes)
    assert sizes[1] - sizes[0] > 1000
    assert sizes[3] - sizes[2] >= 1000


def test_a_whole_answer_of_every_format_is_an_answer_of_that_format(asked):

    shapes = {
        "/v1/chat/completions": lambda body: body["choices"][0]["message"]["content"],
        "/v1/responses": lambda body: body["output"][0]["content"][0]["text"],
        "/v1/messages": lambda body: body["content"][0]["text"],
        "/api/chat": lambda body: body["message"]["content"],
        "/api/generate": lambda body: body["response"],
        "/chat": lambda body: body["content"],
    }
    for path, text in shapes.items():
        field = {"/v1/responses": "input", "/api/generate": "prompt"}.get(path, "messages")
        _, answer = asked(path, model="claude", stream=False, **{field: HI if field == "messages" else "Hi"})
        assert text(answer.json()) == "claude-sonnet-4-5 says hello.", path
