"""What users may rely on: names, signatures and types. A change here is a change for them."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import llm_connector
from llm_connector import AsyncChatStream, AsyncLlmClient, ChatOptions, ChatRequest, ChatStream, LlmClient

ROOT = Path(__file__).resolve().parent.parent

PUBLIC = {
    "auth": "api_key_header bearer no_auth",
    "client.clients": "AsyncLlmClient LlmClient",
    "client.rate_limits": "RateLimit",
    "client.streams": "AsyncChatStream ChatStream",
    "errors": """
        APIError AuthenticationError BadRequestError ConfigurationError ContentFilterError ContextLengthError
        InsufficientBalanceError LlmConnectorError ModelNotFoundError NotFoundError ParseError PermissionDeniedError
        RateLimitError ServerError StreamError TimeoutError TransportError UnsupportedError
    """,
    "providers": "CHAT_AND_TOOLS ProviderSpec register_provider supported_providers",
    "telemetry": "instrument uninstrument",
    "types": """
        Adaptation Audio ChatChunk ChatOptions ChatRequest ChatResponse Choice Document Embeddings Image Message
        ModelInfo Opaque Prices RankedDocument Reasoning ReasoningDelta Text TextDelta Tool ToolCall ToolCallDelta
        ToolResult Usage Video assistant partial_json
        repair_history system tool_result user
    """,
    "wire": "FetchPolicy Timeout",
}
HOME_OF = {name: home for home, names in PUBLIC.items() for name in names.split()}
OPTIONS = """
    model temperature top_p top_k max_tokens stop seed n presence_penalty frequency_penalty logit_bias logprobs user
    tools tool_choice parallel_tool_calls strict_schema response_format reasoning think_tags cache metadata extra_body
    extra_headers timeout max_retries
"""
SETTINGS = """
    provider model api_key region base_url timeout max_retries headers proxy http_client strict fetch_media
    max_body_bytes max_event_bytes rate_limit log_content learned credentials
"""
COROUTINES = {"chat", "models", "fetch_models", "embed", "rerank", "count_tokens", "close", "aclose"}
COUNTERPARTS = {"ChatStream": "AsyncChatStream", "OllamaManager": "AsyncOllamaManager"}


def test_the_public_names_are_these():
    assert set(llm_connector.__all__) == set(HOME_OF)


@pytest.mark.parametrize("name", HOME_OF)
def test_a_public_name_is_that_of_its_module(name):
    home = importlib.import_module(f"llm_connector.{HOME_OF[name]}")
    assert getattr(llm_connector, name) is getattr(home, name)
    assert name in dir(llm_connector)


def test_type_checkers_see_the_names_that_load_lazily():
    tree = ast.parse(Path(llm_connector.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: str(node.module).removeprefix("llm_connector.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    assert seen == HOME_OF
    assert {name: home for home, names in llm_connector._HOMES.items() for name in names} == HOME_OF


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'LLMClient'"):
        _ = llm_connector.LLMClient


def test_a_star_import_brings_all_names():
    names: dict[str, Any] = {}
    exec("from llm_connector import *", names)
    assert set(HOME_OF) <= set(names)


def test_options_are_the_fields_of_a_request_and_how_to_send_it():
    assert list(get_type_hints(ChatOptions)) == OPTIONS.split()
    assert set(ChatRequest.model_fields) == {*OPTIONS.split(), "messages"} - {"timeout", "max_retries"}
    assert ChatOptions.__required_keys__ == frozenset()


@pytest.mark.parametrize("client", [LlmClient, AsyncLlmClient])
def test_settings_of_a_client(client):
    parameters = inspect.signature(client).parameters
    assert list(parameters) == SETTINGS.split()
    kinds = {kind: [name for name in parameters if parameters[name].kind is kind] for kind in inspect._ParameterKind}
    assert kinds[inspect.Parameter.POSITIONAL_OR_KEYWORD] == ["provider"]
    assert kinds[inspect.Parameter.VAR_KEYWORD] == ["credentials"]


def test_both_clients_have_the_same_methods():
    own, awaited = public_members(LlmClient), public_members(AsyncLlmClient)
    assert {name for name, member in awaited.items() if inspect.iscoroutinefunction(member)} == COROUTINES
    assert not [name for name, member in own.items() if inspect.iscoroutinefunction(member)]
    assert awaited.keys() - own.keys() == {"aclose"}
    assert own.keys() <= awaited.keys()
    for name, member in own.items():
        assert signature(member) == signature(awaited[name]), name


def test_both_streams_have_the_same_members():
    own, awaited = public_members(ChatStream), public_members(AsyncChatStream)
    assert awaited.keys() - own.keys() == {"aclose"}
    assert own.keys() <= awaited.keys()


@pytest.mark.parametrize(
    ("client", "enter", "leave"),
    [(LlmClient, "__enter__", "__exit__"), (AsyncLlmClient, "__aenter__", "__aexit__")],
)
def test_clients_and_their_streams_are_context_managers(client, enter, leave):
    stream = ChatStream if client is LlmClient else AsyncChatStream
    assert all(hasattr(kind, method) for kind in (client, stream) for method in (enter, leave))


def public_members(kind: type) -> dict[str, Any]:
    members = {name: inspect.getattr_static(kind, name) for name in dir(kind) if not name.startswith("_")}
    members["__init__"] = inspect.getattr_static(kind, "__init__")
    return {name: getattr(member, "__func__", member) for name, member in members.items()}


def signature(member: Any) -> Any:
    """Parameters and result in words, with the names of the asynchronous side replaced by their counterparts."""
    function: Any = member.fget if isinstance(member, property) else member
    text = str(inspect.signature(function)).replace("httpx.AsyncClient", "httpx.Client")
    for own, awaited in COUNTERPARTS.items():
        text = re.sub(rf"\b{awaited}\b", own, text)
    return type(member), text


def test_the_package_is_typed():
    assert (ROOT / "llm_connector" / "py.typed").is_file()


SNIPPET = """
    from pydantic import BaseModel

    from llm_connector import AsyncLlmClient, ChatRequest, LlmClient, Tool, tool_result, user


    class City(BaseModel):
        name: str


    def weather(city: str) -> str:
        return city


    client = LlmClient("openai", model="m")
    reply = client.chat([user("Hi")], temperature=0.5, tools=[weather, City, Tool("f")], response_format=City)
    reveal_type(reply)  # N: ChatResponse
    reveal_type(reply.text)  # N: str
    reveal_type(reply.usage.input_tokens)  # N: int | None
    reveal_type(reply.parse(City))  # N: City
    reveal_type(reply.tool_calls[0].arguments)  # N: dict[str, Any]
    reveal_type(client.models()[0].id)  # N: str
    reveal_type(client.embed("a").vectors)  # N: list[list[float]]
    reveal_type(client.with_options(model="n"))  # N: LlmClient
    with client.stream("Hi", reasoning="high", stop=["a"]) as stream:
        reveal_type(stream)  # N: ChatStream
        for chunk in stream:
            reveal_type(chunk)  # N: ChatChunk
            reveal_type(chunk.tool_call)  # N: ToolCall | None
    reveal_type(stream.response)  # N: ChatResponse
    request = ChatRequest(messages=[user("Hi"), reply.message, tool_result(reply.tool_calls[0], "7")])
    client.chat(request)
    client.chat("Hi", temprature=0.5)  # E: Unexpected keyword argument "temprature"
    client.chat("Hi", temperature="hot")  # E: incompatible type "str"; expected "float"
    client.chat("Hi", reasoning="ultra")  # E: incompatible type "Literal['ultra']"
    client.chat(5)  # E: incompatible type "int"
    client.stream("Hi", stream=True)  # E: Unexpected keyword argument "stream"
    LlmClient("openai", timeout="1")  # E: incompatible type "str"
    user(5)  # E: incompatible type "int"


    async def main() -> None:
        async with AsyncLlmClient("openai") as awaited:
            reveal_type(await awaited.chat("Hi"))  # N: ChatResponse
            stream = awaited.stream("Hi")
            reveal_type(stream)  # N: AsyncChatStream
            async for chunk in stream:
                reveal_type(chunk.text)  # N: str
            awaited.stream("Hi", max_token=1)  # E: Unexpected keyword argument "max_token"
"""


def test_type_checkers_know_the_types_and_find_mistakes(tmp_path):
    code = textwrap.dedent(SNIPPET).strip()
    snippet = tmp_path / "snippet.py"
    snippet.write_text(code)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary"]
    command += [f"--cache-dir={ROOT / '.mypy_cache' / 'public_api'}", str(snippet)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said: dict[int, list[str]] = {}
    for line in run.stdout.splitlines():
        found = re.match(r".*snippet\.py:(\d+): (?:error|note): (.*)", line)
        assert found, run.stdout + run.stderr
        said.setdefault(int(found[1]), []).append(found[2])
    for number, line in enumerate(code.splitlines(), 1):
        _, mark, expected = line.partition("  # ")
        messages = [re.sub(r"(?<=[\s\"|\[])(?:\w+\.)+(?=\w)", "", message) for message in said.get(number, [])]
        if not mark:
            assert not messages, f"line {number}: {messages}"
        elif expected.startswith("N: "):
            assert messages == [f'Revealed type is "{expected[3:]}"'], f"line {number}: {messages}"
        else:
            assert any(expected[3:] in message for message in messages), f"line {number}: {messages}"
