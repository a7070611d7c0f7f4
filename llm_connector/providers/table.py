"""The rows."""

from __future__ import annotations

from collections.abc import Iterable

from llm_connector.auth import api_key_header
from llm_connector.errors import ConfigurationError
from llm_connector.protocols import AnthropicMessages, ChatCompletions, OllamaChat, ollama_host
from llm_connector.providers.dialects import EmbeddedCompletions, start_embedded
from llm_connector.providers.spec import CHAT_AND_TOOLS, EVERYTHING, ProviderSpec

__all__ = ["PROVIDERS", "find", "register_provider", "supported_providers"]


def _table(*rows: ProviderSpec) -> dict[str, ProviderSpec]:
    return {row.name: row for row in rows}


PROVIDERS = _table(
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
        name="anthropic",
        protocol=AnthropicMessages(),
        base_url="https://api.anthropic.com",
        base_url_env=("ANTHROPIC_BASE_URL",),
        api_key_env=("ANTHROPIC_API_KEY",),
        auth=api_key_header("x-api-key"),
        supports=EVERYTHING - {"audio", "video", "embeddings"} | {"count_tokens"},
        docs="https://docs.anthropic.com/en/api/messages",
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
        name="ollama",
        protocol=OllamaChat(),
        base_url="http://localhost:11434",
        base_url_env=("OLLAMA_HOST",),
        read_base_url=ollama_host,
        optional_key_env=("OLLAMA_API_KEY",),
        supports=EVERYTHING - {"documents", "audio", "video"} | {"model_management"},
        docs="https://docs.ollama.com/api",
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


def supported_providers() -> list[str]:
    """Names of all rows, those registered by the caller included."""
    return list(PROVIDERS)


def register_provider(spec: ProviderSpec, *, replace: bool = False) -> None:
    """Add a row for this process. Raises ConfigurationError for a taken name unless `replace` is set."""
    if spec.name in PROVIDERS and not replace:
        raise ConfigurationError(f"provider {spec.name!r} exists; pass replace=True to take its place")
    PROVIDERS[spec.name] = spec


def find(name: str) -> ProviderSpec:
    """The row of that name. Raises ConfigurationError that names the near matches."""
    spec = PROVIDERS.get(name)
    if spec is None:
        raise ConfigurationError(f"unknown provider {name!r}; {_suggestion(name, PROVIDERS)}")
    return spec


def _suggestion(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.lower().replace("-", "_"), list(known), n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"it is one of {', '.join(known)}. For any OpenAI-compatible server use 'openai_compatible' with base_url="
