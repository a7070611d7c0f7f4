"""LangChain's own standard tests, for five wire formats."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests

from langchain_llm_connector import ChatLlmConnector, LlmConnectorEmbeddings
from llm_connector.providers import find
from tests.integrations.langchain.little_model import LittleModel, settings

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
FILES = {
    "pdf": b"%PDF-1.4\n%%EOF\n",
    "wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "jpg": PIXEL,
    "png": PIXEL,
}


class _Unit(ChatModelUnitTests):
    provider = ""
    variable = ""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatLlmConnector

    @property
    def chat_model_params(self) -> dict[str, Any]:
        where = {"base_url": "http://127.0.0.1:1/v1"} if self.provider == "openai_compatible" else {}
        return {"provider": self.provider, "model": "some-model", **where}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {self.variable: "key-of-the-environment"}, self.chat_model_params, {"api_key": "key-of-the-environment"}

    @pytest.mark.xfail(reason="langchain-core loads classes of its own mapping only; test_serialization.py loads ours")
    def test_serdes(self, model: BaseChatModel, snapshot: Any) -> None:
        super().test_serdes(model, snapshot)


class TestUnitOpenAICompatible(_Unit):
    provider, variable = "openai_compatible", "OPENAI_COMPATIBLE_API_KEY"


class TestUnitAnthropic(_Unit):
    provider, variable = "anthropic", "ANTHROPIC_API_KEY"


class TestUnitOllama(_Unit):
    provider, variable = "ollama", "OLLAMA_API_KEY"


class TestUnitDashScope(_Unit):
    provider, variable = "aliyun", "DASHSCOPE_API_KEY"


class TestUnitZhipu(_Unit):
    provider, variable = "zhipu", "ZHIPUAI_API_KEY"


@pytest.mark.anyio
class _Integration(ChatModelIntegrationTests):
    server: LittleModel
    provider = ""
    model_name = "some-model"
    thinking_model = "a-model-to-think"
    details: tuple[str, ...] = ("reasoning_output", "cache_read_input")
    forces_calls = True

    @pytest.fixture(autouse=True)
    def _server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with LittleModel() as server:
            type(self).server = server
            monkeypatch.setattr(httpx, "get", self._file)
            monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "nobody is asked")
            yield

    @staticmethod
    def _file(url: str, **_options: Any) -> httpx.Response:
        """What the tests would download."""
        kind = next((kind for kind in FILES if url.endswith(kind)), "jpg")
        return httpx.Response(200, content=FILES[kind], request=httpx.Request("GET", url))

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatLlmConnector

    @property
    def chat_model_params(self) -> dict[str, Any]:
        server = type(self).server
        return settings(server, self.provider, model=self.model_name)

    @property
    def model_override_value(self) -> str:
        return "another-model"

    @property
    def supports_json_mode(self) -> bool:
        return True

    def _reads(self, kind: str) -> bool:
        return kind in find(self.provider).supports

    @property
    def has_tool_choice(self) -> bool:
        return self.forces_calls

    @property
    def supports_image_inputs(self) -> bool:
        return self._reads("images")

    @property
    def supports_image_urls(self) -> bool:
        return self._reads("images")

    @property
    def supports_image_tool_message(self) -> bool:
        return self._reads("images")

    @property
    def supports_pdf_inputs(self) -> bool:
        return self._reads("documents")

    @property
    def supports_pdf_tool_message(self) -> bool:
        return self._reads("documents")

    @property
    def supports_audio_inputs(self) -> bool:
        return self._reads("audio")

    @property
    def supports_video_inputs(self) -> bool:
        return self._reads("video")

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def enable_vcr_tests(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> dict[Any, list[Any]]:
        return {"invoke": list(self.details), "stream": list(self.details)}

    def _asked(self, stream: bool, **settings: Any) -> AIMessage:
        model = ChatLlmConnector(**{**self.chat_model_params, **settings})
        if not stream:
            return model.invoke("Hello")
        whole: AIMessageChunk | None = None
        for chunk in model.stream("Hello"):
            assert isinstance(chunk, AIMessageChunk)
            whole = chunk if whole is None else whole + chunk
        assert whole is not None
        return whole

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._asked(stream, model=self.thinking_model)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return self._asked(stream)

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        return self._asked(stream, prompt_cache=True)


class TestOpenAICompatible(_Integration):
    provider = "openai_compatible"


class TestAnthropic(_Integration):
    provider = "anthropic"
    details = ("cache_read_input", "cache_creation_input")


class TestOllama(_Integration):
    provider = "ollama"
    details = ()
    forces_calls = False  # its wire has no `tool_choice`


class TestDashScope(_Integration):
    provider = "aliyun"
    forces_calls = False  # it forces a tool that is named, but not any of several


class TestZhipu(_Integration):
    provider = "zhipu"


class _EmbeddingsUnit(EmbeddingsUnitTests):
    provider, variable = "", ""

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return LlmConnectorEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        where = {"base_url": "http://127.0.0.1:1/v1"} if self.provider == "openai_compatible" else {}
        return {"provider": self.provider, "model": "an-embedder", "api_key": "k", **where}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        given = {name: value for name, value in self.embedding_model_params.items() if name != "api_key"}
        return {self.variable: "key-of-the-environment"}, given, {"api_key": "key-of-the-environment"}


class TestEmbeddingsUnitOpenAICompatible(_EmbeddingsUnit):
    provider, variable = "openai_compatible", "OPENAI_COMPATIBLE_API_KEY"


class TestEmbeddingsUnitOllama(_EmbeddingsUnit):
    provider, variable = "ollama", "OLLAMA_API_KEY"


class TestEmbeddingsUnitDashScope(_EmbeddingsUnit):
    provider, variable = "aliyun", "DASHSCOPE_API_KEY"


class TestEmbeddingsUnitZhipu(_EmbeddingsUnit):
    provider, variable = "zhipu", "ZHIPUAI_API_KEY"


@pytest.mark.anyio
class _EmbeddingsIntegration(EmbeddingsIntegrationTests):
    server: LittleModel
    provider = ""

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with LittleModel() as server:
            type(self).server = server
            yield

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return LlmConnectorEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        server = type(self).server
        return settings(server, self.provider, model="an-embedder")


class TestEmbeddingsOpenAICompatible(_EmbeddingsIntegration):
    provider = "openai_compatible"


class TestEmbeddingsOllama(_EmbeddingsIntegration):
    provider = "ollama"


class TestEmbeddingsDashScope(_EmbeddingsIntegration):
    provider = "aliyun"


class TestEmbeddingsZhipu(_EmbeddingsIntegration):
    provider = "zhipu"
