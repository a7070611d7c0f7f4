"""Chat Completions in the cloud, and the row for any other address of it."""

from __future__ import annotations

from dataclasses import replace

from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.completion_thinking import NO_THINKING, Thinking
from llm_connector.providers import model_rules as rules
from llm_connector.providers.dialects import (
    LongCatCompletions,
    MiniMaxCompletions,
    MistralCompletions,
    MoonshotCompletions,
    OpenRouterCompletions,
    PerplexityCompletions,
    VolcengineCompletions,
)
from llm_connector.providers.openai import OpenAICompletions
from llm_connector.providers.spec import CHAT_AND_TOOLS, EVERYTHING, ProviderSpec

__all__ = ["ROWS"]

_REASONING = CHAT_AND_TOOLS | {"reasoning", "structured_output", "models"}
_TEXT_ONLY = {"unknown variant `image_url`": "this model reads text only: leave out images, or use a model that sees"}
ROWS = (
    ProviderSpec(
        name="openai",
        protocol=OpenAICompletions(
            max_tokens_field="max_completion_tokens", unsupported=frozenset({"top_k"}), models=rules.OPENAI_MODELS
        ),
        base_url="https://api.openai.com/v1",
        base_url_env=("OPENAI_BASE_URL",),
        api_key_env=("OPENAI_API_KEY",),
        supports=EVERYTHING - {"video"},
        embedding_batch=2048,
        docs="https://platform.openai.com/docs/api-reference/chat",
    ),
    ProviderSpec(
        name="openai_compatible",
        protocol=ChatCompletions(replay="tool_turns"),
        base_url=None,
        optional_key_env=("OPENAI_COMPATIBLE_API_KEY",),
        base_url_env=("OPENAI_COMPATIBLE_BASE_URL",),
        supports=EVERYTHING | {"rerank"},
        remedies=_TEXT_ONLY,
        docs="https://platform.openai.com/docs/api-reference/chat",
    ),
    ProviderSpec(
        name="deepseek",
        protocol=ChatCompletions(
            thinking=replace(rules.SWITCH, effort="reasoning_effort", efforts=("high", "max")), replay="tool_turns",
            lost_reasoning="", thinking_forbids=frozenset({"tool_choice", "logprobs", "top_logprobs"}),
            json_output="mode", empty_content="",
        ),
        base_url="https://api.deepseek.com",
        base_url_env=("DEEPSEEK_BASE_URL", "DEEPSEEK_API_BASE"),
        api_key_env=("DEEPSEEK_API_KEY",),
        supports=_REASONING,
        remedies=_TEXT_ONLY,
        docs="https://api-docs.deepseek.com",
    ),
    ProviderSpec(
        name="tencent",
        protocol=ChatCompletions(
            thinking=rules.SWITCH, replay="tool_turns", json_output="mode", models=rules.TENCENT_MODELS
        ),
        base_url={
            "cn": "https://api.hunyuan.cloud.tencent.com/v1",
            "tokenhub": "https://tokenhub.tencentcloudmaas.com/v1",
            "tokenhub_international": "https://tokenhub-intl.tencentcloudmaas.com/v1",
        },
        api_key_env=("HUNYUAN_API_KEY", "TOKENHUB_API_KEY", "TENCENT_API_KEY"),
        supports=_REASONING | {"images", "embeddings"},
        docs="https://cloud.tencent.com/document/product/1729/111007",
    ),
    ProviderSpec(
        name="volcengine",
        protocol=VolcengineCompletions(
            thinking=replace(rules.SWITCH, effort="reasoning_effort", efforts=("low", "medium", "high")),
            replay="tool_turns", max_tokens_field="max_completion_tokens", audio_urls="url",
        ),
        base_url={
            "cn": "https://ark.cn-beijing.volces.com/api/v3",
            "coding": "https://ark.cn-beijing.volces.com/api/coding/v3",
            "international": "https://ark.ap-southeast.bytepluses.com/api/v3",
        },
        base_url_env=("ARK_BASE_URL",),
        api_key_env=("ARK_API_KEY", "VOLCENGINE_API_KEY", "DOUBAO_API_KEY"),
        supports=EVERYTHING - {"documents"},
        docs="https://www.volcengine.com/docs/82379",
    ),
    ProviderSpec(
        name="longcat_openai",
        protocol=LongCatCompletions(
            thinking=rules.SWITCH, replay="tool_turns", json_output="prompt", stream_usage=False,
            temperatures=(0.0, 1.0), unsupported=frozenset({"strict", "n", "seed", "logprobs", "top_logprobs"}),
        ),
        base_url="https://api.longcat.chat",
        api_key_env=("LONGCAT_API_KEY",),
        supports=_REASONING,
        docs="https://longcat.chat/platform/docs",
    ),
    ProviderSpec(
        name="moonshot",
        protocol=MoonshotCompletions(
            thinking=rules.SWITCH, thinking_forbids=frozenset({"tool_choice"}), replay="tool_turns",
            lost_reasoning="(not kept)", max_tokens_field="max_completion_tokens", json_output="mode",
            required_choice=None, prefill="partial", image_urls=False, empty_turns=False,
            unsupported=frozenset({"strict"}), models=rules.MOONSHOT_MODELS,
        ),
        base_url={"cn": "https://api.moonshot.cn/v1", "global": "https://api.moonshot.ai/v1"},
        base_url_env=("MOONSHOT_BASE_URL", "MOONSHOT_API_BASE"),
        api_key_env=("MOONSHOT_API_KEY", "KIMI_API_KEY"),
        supports=_REASONING | {"images", "video", "count_tokens"},
        docs="https://platform.kimi.ai/docs/api/chat.md",
    ),
    ProviderSpec(
        name="huggingface",
        protocol=ChatCompletions(
            thinking=rules.efforts("low", "medium", "high"), replay="tool_turns", models=(rules.INLINE_THOUGHTS,)
        ),
        base_url="https://router.huggingface.co/v1",
        api_key_env=("HF_TOKEN", "HUGGINGFACE_API_KEY", "HUGGINGFACEHUB_API_TOKEN"),
        supports=_REASONING | {"images"},
        docs="https://huggingface.co/docs/inference-providers",
    ),
    ProviderSpec(
        name="openrouter",
        protocol=OpenRouterCompletions(
            thinking=Thinking(
                on=(("reasoning.enabled", True),), off=(("reasoning.enabled", False),), effort="reasoning.effort",
                efforts=("minimal", "low", "medium", "high", "xhigh"), budget="reasoning.max_tokens",
            ),
            replay="always", reasoning_field="reasoning", cache_control=True,
            input_types=("search_query", "search_document"),
        ),
        base_url="https://openrouter.ai/api/v1",
        api_key_env=("OPENROUTER_API_KEY",),
        supports=EVERYTHING,
        docs="https://openrouter.ai/docs/api-reference/chat-completion",
    ),
    ProviderSpec(
        name="minimax",
        protocol=MiniMaxCompletions(
            thinking=Thinking(), replay="always", think_tags=True, max_tokens_field="max_completion_tokens",
            json_output="prompt", temperatures=(0.01, 1.0), always=(("reasoning_split", True),),
            unsupported=frozenset({"n", "logprobs", "top_logprobs", "strict"}), models=rules.MINIMAX_MODELS,
        ),
        base_url={"cn": "https://api.minimaxi.com/v1", "global": "https://api.minimax.io/v1"},
        api_key_env=("MINIMAX_API_KEY",),
        supports=_REASONING,
        docs="https://platform.minimaxi.com/docs/api-reference/text-openai-api",
    ),
    ProviderSpec(
        name="xiaomi",
        protocol=ChatCompletions(
            thinking=rules.SWITCH, replay="tool_turns", lost_reasoning="", json_output="mode",
            max_tokens_field="max_completion_tokens",
        ),
        base_url="https://api.xiaomimimo.com/v1",
        api_key_env=("MIMO_API_KEY", "XIAOMI_API_KEY"),
        supports=_REASONING | {"images"},
        docs="https://platform.xiaomimimo.com/docs/en-US/api/chat/openai-api",
    ),
    ProviderSpec(
        name="siliconflow",
        protocol=ChatCompletions(thinking=rules.SWITCH_AND_BUDGET, replay="tool_turns", json_output="mode"),
        base_url={"cn": "https://api.siliconflow.cn/v1", "global": "https://api.siliconflow.com/v1"},
        api_key_env=("SILICONFLOW_API_KEY",),
        supports=_REASONING | {"images", "embeddings", "rerank"},
        docs="https://docs.siliconflow.cn/cn/api-reference/chat-completions/chat-completions",
    ),
    ProviderSpec(
        name="groq",
        protocol=ChatCompletions(
            thinking=NO_THINKING, replay="tool_turns", reasoning_field="reasoning",
            max_tokens_field="max_completion_tokens", models=rules.GROQ_MODELS,
            unsupported=frozenset({"top_k", "logit_bias", "logprobs", "top_logprobs"}),
        ),
        base_url="https://api.groq.com/openai/v1",
        api_key_env=("GROQ_API_KEY",),
        supports=_REASONING | {"images"},
        docs="https://console.groq.com/docs/api-reference",
    ),
    ProviderSpec(
        name="mistral",
        protocol=MistralCompletions(
            thinking=rules.efforts("none", "high", default=False), replay="tool_turns", required_choice="any",
            turns="alternating", prefill="prefix", empty_content="", empty_turns=False, stream_usage=False,
            models=rules.MISTRAL_MODELS,
            unsupported=frozenset({"top_k", "logit_bias", "logprobs", "top_logprobs", "user"}),
        ),
        base_url="https://api.mistral.ai/v1",
        api_key_env=("MISTRAL_API_KEY",),
        supports=EVERYTHING - {"video"},
        docs="https://docs.mistral.ai/api",
    ),
    ProviderSpec(
        name="xai",
        protocol=ChatCompletions(
            thinking=rules.efforts("low", "high"), max_tokens_field="max_completion_tokens",
            thinking_forbids=frozenset({"stop", "presence_penalty", "frequency_penalty"}),
            unsupported=frozenset({"top_k"}), models=rules.XAI_MODELS,
        ),
        base_url="https://api.x.ai/v1",
        api_key_env=("XAI_API_KEY",),
        supports=_REASONING | {"images"},
        docs="https://docs.x.ai/docs/api-reference",
    ),
    ProviderSpec(
        name="together",
        protocol=ChatCompletions(
            thinking=Thinking(
                on=(("reasoning.enabled", True),), off=(("reasoning.enabled", False),),
                effort="reasoning_effort", efforts=("low", "medium", "high"),
            ),
            replay="tool_turns", reasoning_field="reasoning", models=(rules.INLINE_THOUGHTS,),
        ),
        base_url="https://api.together.xyz/v1",
        api_key_env=("TOGETHER_API_KEY",),
        supports=_REASONING | {"images", "embeddings", "rerank"},
        docs="https://docs.together.ai/reference/chat-completions",
    ),
    ProviderSpec(
        name="fireworks",
        protocol=ChatCompletions(
            thinking=rules.efforts("none", "low", "medium", "high"), replay="tool_turns",
            models=(rules.INLINE_THOUGHTS,),
        ),
        base_url="https://api.fireworks.ai/inference/v1",
        api_key_env=("FIREWORKS_API_KEY",),
        supports=_REASONING | {"images", "embeddings"},
        docs="https://docs.fireworks.ai/api-reference/post-chatcompletions",
    ),
    ProviderSpec(
        name="deepinfra",
        protocol=ChatCompletions(replay="tool_turns", models=(rules.INLINE_THOUGHTS,)),
        base_url="https://api.deepinfra.com/v1/openai",
        api_key_env=("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"),
        supports=_REASONING | {"images", "embeddings"},
        docs="https://deepinfra.com/docs/openai_api",
    ),
    ProviderSpec(
        name="perplexity",
        protocol=PerplexityCompletions(
            thinking=NO_THINKING, turns="alternating", stream_usage=False, models=rules.PERPLEXITY_MODELS
        ),
        base_url="https://api.perplexity.ai",
        api_key_env=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
        supports=_REASONING - {"tools"} | {"images", "embeddings"},
        docs="https://docs.perplexity.ai/api-reference/chat-completions-post",
    ),
    ProviderSpec(
        name="nvidia",
        protocol=ChatCompletions(
            thinking=rules.TEMPLATE, replay="tool_turns", input_types=("query", "passage"),
            models=(rules.INLINE_THOUGHTS,),
        ),
        base_url="https://integrate.api.nvidia.com/v1",
        api_key_env=("NVIDIA_API_KEY",),
        supports=_REASONING | {"images", "embeddings"},
        remedies={"'input_type' parameter is required": "pass input_type='query' or input_type='document'"},
        docs="https://docs.api.nvidia.com/nim/reference/llm-apis",
    ),
    ProviderSpec(
        name="cerebras",
        protocol=ChatCompletions(
            thinking=NO_THINKING, replay="tool_turns", reasoning_field="reasoning",
            max_tokens_field="max_completion_tokens", models=rules.CEREBRAS_MODELS,
            unsupported=frozenset(
                {"top_k", "frequency_penalty", "presence_penalty", "logit_bias", "parallel_tool_calls"}
            ),
        ),
        base_url="https://api.cerebras.ai/v1",
        api_key_env=("CEREBRAS_API_KEY",),
        supports=_REASONING,
        docs="https://inference-docs.cerebras.ai/api-reference/chat-completions",
    ),
    ProviderSpec(
        name="qianfan",
        protocol=ChatCompletions(thinking=rules.SWITCH_AND_BUDGET, replay="tool_turns", json_output="mode"),
        base_url={"cn": "https://qianfan.baidubce.com/v2", "coding": "https://qianfan.baidubce.com/v2/coding"},
        api_key_env=("QIANFAN_API_KEY", "BAIDU_API_KEY"),
        supports=_REASONING | {"images", "embeddings"},
        docs="https://cloud.baidu.com/doc/qianfan-api/s/rmwbl43x7",
    ),
    ProviderSpec(
        name="stepfun",
        protocol=ChatCompletions(thinking=Thinking(), replay="tool_turns", reasoning_field="reasoning"),
        base_url={"cn": "https://api.stepfun.com/v1", "global": "https://api.stepfun.ai/v1"},
        api_key_env=("STEP_API_KEY", "STEPFUN_API_KEY"),
        supports=_REASONING - {"reasoning"} | {"images"},
        docs="https://platform.stepfun.com/docs/api-reference/chat/chat-completion-create",
    ),
    ProviderSpec(
        name="modelscope",
        protocol=ChatCompletions(
            thinking=rules.SWITCH_AND_BUDGET, replay="tool_turns", stream_only="thinking", json_output="mode"
        ),
        base_url="https://api-inference.modelscope.cn/v1",
        api_key_env=("MODELSCOPE_API_KEY", "MODELSCOPE_SDK_TOKEN"),
        supports=_REASONING | {"images"},
        docs="https://modelscope.cn/docs/model-service/API-Inference/intro",
    ),
)  # fmt: skip
