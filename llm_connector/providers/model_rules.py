"""What is known of the models of one server, by patterns of their names: rules of `ChatCompletions.models`."""

from __future__ import annotations

from llm_connector.protocols.completion_thinking import NO_THINKING, Models, Thinking, for_models
from llm_connector.protocols.reasoning import EffortWord

__all__ = [
    "ALIYUN_MODELS",
    "CEREBRAS_MODELS",
    "GROQ_MODELS",
    "INLINE_THOUGHTS",
    "MINIMAX_MODELS",
    "MISTRAL_MODELS",
    "MOONSHOT_MODELS",
    "OPENAI_MODELS",
    "PERPLEXITY_MODELS",
    "SAMPLING",
    "SWITCH",
    "SWITCH_AND_BUDGET",
    "TEMPLATE",
    "TENCENT_MODELS",
    "XAI_MODELS",
    "efforts",
    "switched",
]

SAMPLING = frozenset(
    {"temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs"}
)
"""What OpenAI's models refuse while they think. https://platform.openai.com/docs/guides/reasoning (checked 2026-11)"""


def efforts(*words: EffortWord, default: bool = True) -> Thinking:
    """`reasoning_effort` with these words, weakest first."""
    return Thinking(effort="reasoning_effort", efforts=words, default=default)


def switched(field: str, on: object, off: object, *, budget: str = "", default: bool = True) -> Thinking:
    """One field with a value for on and another for off."""
    return Thinking(on=((field, on),), off=((field, off),), budget=budget, default=default)


SWITCH = switched("thinking.type", "enabled", "disabled")
"""DeepSeek's object, which Moonshot, Xiaomi, LongCat, Volcengine and TokenHub have taken over."""
SWITCH_AND_BUDGET = switched("enable_thinking", True, False, budget="thinking_budget")
"""Qwen's fields, on Aliyun and wherever Qwen is served. https://help.aliyun.com/en/model-studio/deep-thinking"""
TEMPLATE = Thinking(
    on=(("chat_template_kwargs.enable_thinking", True), ("chat_template_kwargs.thinking", True)),
    off=(("chat_template_kwargs.enable_thinking", False), ("chat_template_kwargs.thinking", False)),
    effort="reasoning_effort",
    efforts=("low", "medium", "high"),
)
"""Arguments of chat templates: Qwen and GLM read the first, DeepSeek the second; the effort is for gpt-oss.

https://docs.vllm.ai/en/latest/features/reasoning_outputs.html (checked 2026-11)
"""
_ALWAYS = Thinking()

INLINE_THOUGHTS = for_models(r"deepseek-r1|qwq|nemotron|-thinking|-reasoning", think_tags=True)
"""Open models whose hosts may leave `<think>` in the text."""

OPENAI_MODELS: tuple[Models, ...] = (
    for_models(r"^(gpt-[34]|chatgpt-4)", thinking=NO_THINKING),
    for_models(r"^o[134]\b", thinking=efforts("low", "medium", "high"), thinking_forbids=SAMPLING | {"stop"}),
    for_models(r"^gpt-[56]", thinking_forbids=SAMPLING | {"stop"}),
    for_models(r"^gpt-5\b(?!\.)", thinking=efforts("minimal", "low", "medium", "high")),
    for_models(r"^gpt-5-chat", thinking=NO_THINKING),
    for_models(r"^gpt-5-codex", thinking=efforts("low", "medium", "high")),
    for_models(r"^gpt-5-pro", thinking=efforts("high")),
    for_models(r"^gpt-5\.1", thinking=efforts("none", "low", "medium", "high", default=False)),
    for_models(r"^gpt-5\.[2-4]", thinking=efforts("none", "low", "medium", "high", "xhigh", default=False)),
    for_models(r"^gpt-5\.[5-9]|^gpt-6", thinking=efforts("none", "low", "medium", "high", "xhigh")),
    for_models(r"^gpt-6", thinking=efforts("none", "low", "medium", "high", "xhigh", "max")),
    for_models(r"^gpt-5\.\d+-codex", thinking=efforts("low", "medium", "high", "xhigh")),
    for_models(r"^gpt-5\.1-codex(?!-max)", thinking=efforts("low", "medium", "high")),
    for_models(r"^gpt-5\.\d+-pro", thinking=efforts("medium", "high", "xhigh")),
    for_models(r"^gpt-5\.\d+-chat", thinking=efforts("medium")),
    for_models(r"^gpt-5\.[4-9]|^gpt-6", tools_thinking=False),
    for_models(r"^gpt-6-astra|^gpt-6\.1-sol", thinking=efforts("low", "medium", "high", "xhigh", "max")),
)
"""https://platform.openai.com/docs/guides/reasoning (checked 2026-11); names that no rule knows are left to the server.

The models of the last rule may refuse the effort `none`.
"""

MOONSHOT_MODELS: tuple[Models, ...] = (
    for_models(r"^moonshot-", thinking=NO_THINKING, temperatures=(0.0, 1.0)),
    for_models(
        r"^kimi-",
        thinking=_ALWAYS,
        unsupported=frozenset({"temperature", "top_p", "n", "presence_penalty", "frequency_penalty"}),
    ),
    for_models(r"^kimi-k2\.[56]", thinking=SWITCH),
    for_models(r"^kimi-k3", thinking=efforts("low", "high", "max")),
)
"""https://platform.kimi.ai/docs/api/chat.md (checked 2026-11)"""

ALIYUN_MODELS: tuple[Models, ...] = (
    for_models(r"^qwen3-(\d|next)|^qwen3\.\d", thinking=SWITCH_AND_BUDGET),
    for_models(r"instruct|coder|^qwen-(long|mt|coder|vl)", thinking=NO_THINKING),
    for_models(r"^q[wv]q|-thinking|^deepseek-r1", thinking=Thinking(budget="thinking_budget")),
    for_models(r"^q[wv]q|omni", stream_only="always"),
    for_models(r"^(deepseek|kimi|glm|minimax)", replay="tool_turns"),
)
"""https://www.alibabacloud.com/help/en/model-studio/deep-thinking (checked 2026-11)"""

TENCENT_MODELS: tuple[Models, ...] = (
    for_models(r"^hunyuan", thinking=NO_THINKING, replay="never", json_output="prompt"),
    for_models(r"^hunyuan-a13b", thinking=switched("enable_thinking", True, False)),
    for_models(r"^hunyuan-t1|^minimax", thinking=_ALWAYS),
    for_models(r"^deepseek-v3", thinking=switched("thinking.type", "enabled", "disabled", default=False)),
)
"""Hunyuan's own models refuse thoughts that are sent back. https://cloud.tencent.com/document/product/1729/111007"""

GROQ_MODELS: tuple[Models, ...] = (
    for_models(r"gpt-oss", thinking=efforts("low", "medium", "high")),
    for_models(r"qwen3", thinking=switched("reasoning_effort", "default", "none")),
    for_models(r"qwen3|deepseek-r1", always=(("reasoning_format", "parsed"),)),
)
"""https://console.groq.com/docs/reasoning (checked 2026-11)"""

CEREBRAS_MODELS: tuple[Models, ...] = (
    for_models(r"gpt-oss", thinking=efforts("low", "medium", "high")),
    for_models(r"glm", thinking=switched("disable_reasoning", False, True), replay="never"),
    for_models(r"qwen.*thinking", thinking=_ALWAYS, think_tags=True),
)
"""https://inference-docs.cerebras.ai/capabilities/reasoning (checked 2026-11)"""

MISTRAL_MODELS: tuple[Models, ...] = (
    for_models(r"^magistral", thinking=Thinking(on=(("prompt_mode", "reasoning"),))),
    for_models(r"^(ministral|codestral|devstral|voxtral|pixtral|open-)", thinking=NO_THINKING),
)
"""https://docs.mistral.ai/capabilities/reasoning (checked 2026-11)"""

XAI_MODELS: tuple[Models, ...] = (
    for_models(r"^grok-4(-\d{4}|-latest)?$|^grok-4(-1|\.1)?-fast|^grok-code", thinking=_ALWAYS),
    for_models(r"^grok-[23](?!-mini)|non-reasoning", thinking=NO_THINKING),
)
"""https://docs.x.ai/docs/guides/reasoning (checked 2026-11)"""

MINIMAX_MODELS: tuple[Models, ...] = (
    for_models(r"^minimax-m3", thinking=switched("thinking.type", "adaptive", "disabled")),
)
"""https://platform.minimaxi.com/docs/api-reference/text-openai-api (checked 2026-11)"""

PERPLEXITY_MODELS: tuple[Models, ...] = (
    for_models(r"research", thinking=efforts("low", "medium", "high")),
    for_models(r"reasoning", thinking=_ALWAYS, think_tags=True),
)
"""https://docs.perplexity.ai (checked 2026-11)"""
