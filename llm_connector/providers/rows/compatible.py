"""Servers of Chat Completions."""

from __future__ import annotations

from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.providers.dialects import EmbeddedCompletions, start_embedded
from llm_connector.providers.spec import CHAT_AND_TOOLS, EVERYTHING, ProviderSpec

__all__ = ["ROWS"]

ROWS = (
    ProviderSpec(
        name="openai",
        protocol=ChatCompletions(max_tokens_field="max_completion_tokens", unsupported=frozenset({"top_k"})),
        base_url="https://api.openai.com/v1",
        base_url_env=("OPENAI_BASE_URL",),
        api_key_env=("OPENAI_API_KEY",),
        supports=EVERYTHING - {"video"},
        docs="https://platform.openai.com/docs/api-reference/chat",
    ),
    ProviderSpec(
        name="openai_compatible",
        protocol=ChatCompletions(replay="tool_turns"),
        base_url=None,
        optional_key_env=("OPENAI_COMPATIBLE_API_KEY",),
        base_url_env=("OPENAI_COMPATIBLE_BASE_URL",),
        supports=EVERYTHING,
        docs="https://platform.openai.com/docs/api-reference/chat",
    ),
    ProviderSpec(
        name="deepseek",
        protocol=ChatCompletions(
            replay="tool_turns", thinking_field="thinking", efforts=("high", "max"),
            forced_choice_thinking=False, json_schema=False, empty_content="",
        ),
        base_url="https://api.deepseek.com",
        base_url_env=("DEEPSEEK_BASE_URL", "DEEPSEEK_API_BASE"),
        api_key_env=("DEEPSEEK_API_KEY",),
        supports=CHAT_AND_TOOLS | {"reasoning", "structured_output", "models"},
        docs="https://api-docs.deepseek.com",
    ),
    ProviderSpec(
        name="local",
        protocol=EmbeddedCompletions(think_tags=True, efforts=()),
        base_url="http://127.0.0.1/v1",
        prepare=start_embedded,
        default_model="smollm2-135m-instruct",
        default_embedding_model="all-minilm-l6-v2",
        supports=CHAT_AND_TOOLS | {"structured_output", "embeddings", "models", "count_tokens"},
        docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
    ),
)  # fmt: skip
