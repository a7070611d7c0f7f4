"""Requests checked against Google's own client: what it sends for the same wish, and which keys its types know."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings

from llm_connector.errors import ConfigurationError
from llm_connector.operations import render
from llm_connector.protocols.gemini import Gemini
from llm_connector.protocols.gemini_vertex import VertexGemini
from llm_connector.providers import find
from llm_connector.types import (
    Audio,
    ChatRequest,
    Document,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    Video,
    assistant,
    system,
    tool_result,
    user,
)
from llm_connector.wire import decode_json, encode_json
from tests.support.answers import ask, endpoint
from tests.support.strategies import chat_requests

genai: Any = pytest.importorskip("google.genai")
types: Any = pytest.importorskip("google.genai.types")

PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SIGNED = "c2lnbmF0dXJl"
CALL = ToolCall(
    id="8hd01vsf", name="weather", arguments={"city": "Oslo"}, provider="gemini", extra={"thoughtSignature": SIGNED}
)
ANSWER = {"candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP"}]}


def part(**fields: Any) -> Any:
    return types.Part(**fields)


def said(role: str, *parts: Any) -> Any:
    return types.Content(role=role, parts=list(parts))


def blob(media_type: str, data: bytes) -> Any:
    return part(inline_data=types.Blob(mime_type=media_type, data=data))


def declared(**fields: Any) -> Any:
    function = types.FunctionDeclaration(
        name="weather", description="Looks outside", parameters_json_schema=SCHEMA, **fields
    )
    return types.Tool(function_declarations=[function])


def calling(mode: str, *names: str) -> Any:
    allowed = {"allowed_function_names": list(names)} if names else {}
    return types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode=mode, **allowed))


WEATHER = Tool("weather", "Looks outside", SCHEMA)
HI = lambda: [said("user", part(text="Hi"))]  # noqa: E731  made when a test runs, not when it is collected
CASES: dict[str, tuple[dict[str, Any], Callable[[], tuple[Any, dict[str, Any]]]]] = {
    "plain": ({"messages": "Hi"}, lambda: (HI(), {})),
    "system": (
        {"messages": [system("Be terse."), user("Hi")]},
        lambda: (HI(), {"system_instruction": "Be terse."}),
    ),
    "settings": (
        {
            "messages": "Hi", "temperature": 0.5, "top_p": 0.9, "top_k": 7, "max_tokens": 99, "stop": ["END"],
            "seed": 4, "n": 2, "presence_penalty": 0.25, "frequency_penalty": 0.75, "logprobs": 3,
        },
        lambda: (
            HI(),
            {
                "temperature": 0.5, "top_p": 0.9, "top_k": 7, "max_output_tokens": 99, "stop_sequences": ["END"],
                "seed": 4, "candidate_count": 2, "presence_penalty": 0.25, "frequency_penalty": 0.75,
                "response_logprobs": True, "logprobs": 3,
            },
        ),
    ),
    "level": (
        {"messages": "Hi", "reasoning": "low"},
        lambda: (HI(), {"thinking_config": types.ThinkingConfig(include_thoughts=True, thinking_level="LOW")}),
    ),
    "budget": (
        {"messages": "Hi", "reasoning": 2000, "model": "gemini-2.5-flash"},
        lambda: (HI(), {"thinking_config": types.ThinkingConfig(include_thoughts=True, thinking_budget=2000)}),
    ),
    "tools": (
        {"messages": "Hi", "tools": [WEATHER], "tool_choice": "auto"},
        lambda: (HI(), {"tools": [declared()], "tool_config": calling("AUTO")}),
    ),
    "named tool": (
        {"messages": "Hi", "tools": [WEATHER], "tool_choice": "weather"},
        lambda: (HI(), {"tools": [declared()], "tool_config": calling("ANY", "weather")}),
    ),
    "strict tool": (
        {"messages": "Hi", "tools": [WEATHER], "strict_schema": True},
        lambda: (HI(), {"tools": [declared()], "tool_config": calling("VALIDATED")}),
    ),
    "search": (
        {"messages": "Hi", "tools": [Tool("search", native={"googleSearch": {}})]},
        lambda: (HI(), {"tools": [types.Tool(google_search=types.GoogleSearch())]}),
    ),
    "schema": (
        {"messages": "Hi", "response_format": SCHEMA},
        lambda: (HI(), {"response_mime_type": "application/json", "response_json_schema": SCHEMA}),
    ),
    "media": (
        {
            "messages": [
                user(
                    "See",
                    Image.base64("image/png", PNG),
                    Image("https://example.com/a.webp"),
                    Document.base64("application/pdf", "JVBERi0="),
                    Audio.base64("audio/wav", "UklGRg=="),
                    Video("https://www.youtube.com/watch?v=x", media_type="video/mp4"),
                )
            ]
        },
        lambda: (
            [
                said(
                    "user",
                    part(text="See"),
                    blob("image/png", b"\x89PNG\r\n\x1a\n"),
                    part(file_data=types.FileData(file_uri="https://example.com/a.webp", mime_type="image/webp")),
                    blob("application/pdf", b"%PDF-"),
                    blob("audio/wav", b"RIFF"),
                    part(file_data=types.FileData(file_uri="https://www.youtube.com/watch?v=x", mime_type="video/mp4")),
                )
            ],
            {},
        ),
    ),
    "a round of tools": (
        {
            "messages": [
                user("Weather?"),
                assistant(Reasoning("Look.", provider="gemini"), CALL),
                tool_result(CALL, "7 degrees", Image.base64("image/png", PNG)),
            ],
            "tools": [WEATHER],
        },
        lambda: (
            [
                said("user", part(text="Weather?")),
                said(
                    "model",
                    part(text="Look.", thought=True),
                    part(
                        function_call=types.FunctionCall(id="8hd01vsf", name="weather", args={"city": "Oslo"}),
                        thought_signature=b"signature",
                    ),
                ),
                said(
                    "user",
                    part(
                        function_response=types.FunctionResponse(
                            id="8hd01vsf",
                            name="weather",
                            response={"result": "7 degrees"},
                            parts=[
                                types.FunctionResponsePart(
                                    inline_data=types.FunctionResponseBlob(
                                        mime_type="image/png", data=b"\x89PNG\r\n\x1a\n"
                                    )
                                )
                            ],
                        )
                    ),
                ),
            ],
            {"tools": [declared()]},
        ),
    ),
}  # fmt: skip


class Sdk:
    """Google's client, whose requests go nowhere."""

    def __init__(self, **how: Any) -> None:
        self.sent: list[httpx.Request] = []
        transport = httpx.MockTransport(self._answer)
        version = {} if how.get("vertexai") else {"api_version": "v1beta"}
        self._http = httpx.Client(transport=transport)
        options = types.HttpOptions(httpx_client=self._http, **version)
        self.models = genai.Client(http_options=options, **how).models

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        return httpx.Response(200, json={**ANSWER, "totalTokens": 1})

    @property
    def url(self) -> str:
        return str(self.sent[-1].url)

    @property
    def body(self) -> Any:
        """The body, without the settings where there are none."""
        body = camel(json.loads(self.sent[-1].content))
        return {key: value for key, value in body.items() if (key, value) != ("generationConfig", {})}

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def gemini() -> Iterator[Sdk]:
    sdk = Sdk(api_key="k")
    yield sdk
    sdk.close()


@pytest.fixture(scope="module")
def vertex() -> Iterator[Sdk]:
    credentials = pytest.importorskip("google.oauth2.credentials").Credentials(token="t")
    sdk = Sdk(vertexai=True, project="p", location="europe-west1", credentials=credentials)
    yield sdk
    sdk.close()


def camel(value: Any) -> Any:
    """Keys in one spelling: the SDK sends some as they are called in Python, and base64 in the alphabet of URLs."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"_(\w)", lambda match: match[1].upper(), key): camel(item) for key, item in value.items()}
    if isinstance(named.get("data"), str):
        named["data"] = named["data"].replace("-", "+").replace("_", "/")
    return named


def ours(options: dict[str, Any], provider: str) -> Any:
    asked: dict[str, Any] = {"model": "gemini-3.5-flash", **options}
    rendered = ask(provider=provider, **asked)
    body = decode_json(encode_json(rendered.body))
    if "systemInstruction" in body:
        body["systemInstruction"]["role"] = "user"  # which the server ignores
    return rendered.path, body


@pytest.mark.parametrize("case", CASES)
def test_the_official_client_sends_the_same(case, gemini):
    options, same = CASES[case]
    contents, config = same()
    model = options.get("model", "gemini-3.5-flash")

    gemini.models.generate_content(model=model, contents=contents, config=types.GenerateContentConfig(**config))

    path, body = ours(options, "gemini")
    assert f"{find('gemini').base_url}/{path}" == gemini.url
    assert body == gemini.body


@pytest.mark.parametrize("case", CASES)
def test_the_official_client_sends_the_same_to_vertex(case, vertex):
    options, same = CASES[case]
    contents, config = same()
    model = options.get("model", "gemini-3.5-flash")
    if case == "a round of tools":  # signatures and ids of another provider's calls
        options = {**options, "messages": [stamped(message) for message in options["messages"]]}

    vertex.models.generate_content(model=model, contents=contents, config=types.GenerateContentConfig(**config))

    path, body = ours(options, "gemini_vertex")
    assert vertex.url.endswith(f"/projects/p/locations/europe-west1/{path}")
    assert body == vertex.body


def stamped(message: Message) -> Message:
    """The message as if Vertex AI had answered it."""
    parts = [
        part.model_copy(update={"provider": "gemini_vertex"}) if isinstance(part, Reasoning | ToolCall) else part
        for part in message.parts
    ]
    return message.model_copy(update={"parts": parts})


def test_streams_have_the_same_address(gemini, vertex):
    for sdk, protocol in ((gemini, Gemini()), (vertex, VertexGemini())):
        next(iter(sdk.models.generate_content_stream(model="gemini-3.5-flash", contents="Hi")))
        assert sdk.url.endswith(protocol.chat_path("gemini-3.5-flash", stream=True))


def test_names_with_a_prefix_have_the_same_address(gemini, vertex):
    for sdk, protocol, name in (
        (gemini, Gemini(), "models/gemini-3.5-flash"),
        (gemini, Gemini(), "tunedModels/mine"),
        (vertex, VertexGemini(), "publishers/meta/models/llama-4"),
        (vertex, VertexGemini(), "google/gemini-3.5-flash"),
    ):
        sdk.models.generate_content(model=name, contents="Hi")
        assert sdk.url.endswith("/" + protocol.chat_path(name, stream=False))


def test_tokens_are_counted_alike_on_vertex(vertex):
    vertex.models.count_tokens(model="gemini-3.5-flash", contents=HI())

    request = ChatRequest.of("Hi", {"model": "gemini-3.5-flash"})
    assert vertex.url.endswith(VertexGemini().count_path("gemini-3.5-flash"))
    assert vertex.body == VertexGemini().render_count(request)


def test_texts_are_embedded_alike(gemini, vertex):
    for sdk, protocol, model in (
        (gemini, Gemini(), "gemini-embedding-001"),
        (vertex, VertexGemini(), "text-embedding-005"),
    ):
        sdk.models.embed_content(model=model, contents=["Hi", "Ho"])
        assert sdk.url.endswith(protocol.embed_path(model))
        assert without_roles(sdk.body) == protocol.render_embed(["Hi", "Ho"], model)

    vertex.models.embed_content(model="gemini-embedding-2", contents=[HI()[0], HI()[0]])
    assert vertex.url.endswith(VertexGemini().embed_path("gemini-embedding-2"))
    assert vertex.body == VertexGemini().render_embed(["Hi", "Hi"], "gemini-embedding-2")


def without_roles(body: Any) -> Any:
    for item in body.get("requests", ()):
        item["content"].pop("role", None)
    return body


@pytest.mark.parametrize("provider", ["gemini", "gemini_vertex"])
@settings(max_examples=150)
@given(request=chat_requests())
def test_the_official_types_know_every_key(provider, request):
    try:
        rendered = render(endpoint(provider), request, stream=False)
    except ConfigurationError:  # nothing but empty texts
        return
    body = decode_json(encode_json(rendered.body))

    for content in body.pop("contents"):
        for item in content["parts"]:
            if "x" not in item:
                types.Part.model_validate(known(item))
    for tool in body.pop("tools", ()):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(body.pop("toolConfig", {}))
    types.GenerationConfig.model_validate(body.pop("generationConfig", {}))
    types.Content.model_validate(body.pop("systemInstruction", {}))
    assert not body.keys() - {"labels"}


def known(item: dict[str, Any]) -> dict[str, Any]:
    """A part that the caller has not made up; what is signed at random is no base64."""
    opaque = not item.keys() & {"text", "inlineData", "fileData", "functionCall", "functionResponse"}
    return {} if opaque else {key: value for key, value in item.items() if key != "thoughtSignature"}


def test_the_oracle_refuses_keys_that_it_does_not_know():
    with pytest.raises(ValueError, match="Extra inputs"):
        types.Part.model_validate({"text": "x", "cacheControl": True})
    with pytest.raises(ValueError, match="Extra inputs"):
        types.GenerationConfig.model_validate({"max_tokens": 3})


def test_an_answer_reads_as_the_official_client_reads_it():
    body = {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": "a", "thought": True}, {"text": "b"}]},
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "thoughtsTokenCount": 2},
        "modelVersion": "m",
        "responseId": "r",
    }
    theirs = types.GenerateContentResponse.model_validate(body)
    answer = Gemini().parse_chat(body)

    assert answer.text == theirs.text == "b"
    assert answer.message.parts == [Reasoning("a"), Text("b")]
    assert (answer.id, answer.model) == (theirs.response_id, theirs.model_version)
    assert answer.usage.input_tokens == theirs.usage_metadata.prompt_token_count
