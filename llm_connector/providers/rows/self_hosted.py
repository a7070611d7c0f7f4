"""Chat Completions from servers that run where the caller runs them, and from the one inside this process."""

from __future__ import annotations

from dataclasses import replace

from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.completion_thinking import Thinking
from llm_connector.providers import model_rules as rules
from llm_connector.providers.embedded import EmbeddedCompletions, start_embedded
from llm_connector.providers.spec import CHAT_AND_TOOLS, EVERYTHING, ProviderSpec

__all__ = ["ROWS"]

ROWS = (
    ProviderSpec(
        name="xinference",
        protocol=ChatCompletions(
            thinking=replace(rules.TEMPLATE, effort="", efforts=()), replay="tool_turns", think_tags=True,
            turns="system_first", empty_content="",
        ),
        base_url="http://localhost:9997/v1",
        optional_key_env=("XINFERENCE_API_KEY",),
        supports=EVERYTHING - {"audio", "documents", "video"} | {"rerank"},
        docs="https://inference.readthedocs.io/en/latest/reference/index.html",
    ),
    ProviderSpec(
        name="vllm",
        protocol=ChatCompletions(
            thinking=rules.TEMPLATE, replay="tool_turns", reasoning_field="reasoning", think_tags=True,
            turns="system_first",
        ),
        base_url="http://localhost:8000/v1",
        optional_key_env=("VLLM_API_KEY",),
        supports=EVERYTHING - {"documents"} | {"rerank"},
        docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
    ),
    ProviderSpec(
        name="llamacpp",
        protocol=ChatCompletions(
            thinking=rules.TEMPLATE, replay="tool_turns", think_tags=True, turns="system_first"
        ),
        base_url="http://127.0.0.1:8080/v1",
        optional_key_env=("LLAMA_API_KEY",),
        supports=EVERYTHING - {"documents", "video"} | {"rerank"},
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
    ),
    ProviderSpec(
        name="lmstudio",
        protocol=ChatCompletions(
            thinking=rules.efforts("low", "medium", "high"), replay="tool_turns", think_tags=True,
            turns="system_first", empty_content="", image_urls=False,
        ),
        base_url="http://localhost:1234/v1",
        optional_key_env=("LM_STUDIO_API_KEY",),
        supports=EVERYTHING - {"audio", "documents", "video"},
        docs="https://lmstudio.ai/docs/developer/openai-compat",
    ),
    ProviderSpec(
        name="local",
        protocol=EmbeddedCompletions(think_tags=True, thinking=Thinking()),
        base_url="http://127.0.0.1/v1",
        prepare=start_embedded,
        default_model="smollm2-135m-instruct",
        default_embedding_model="all-minilm-l6-v2",
        context_window=4096,
        supports=CHAT_AND_TOOLS | {"structured_output", "embeddings", "models", "count_tokens"},
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
    ),
)  # fmt: skip
