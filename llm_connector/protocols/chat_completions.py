"""The Chat Completions wire format, with the ways in which its many servers differ as fields.

https://platform.openai.com/docs/api-reference/chat/create (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias
from urllib.parse import quote

from llm_connector.framing import SSEDecoder
from llm_connector.protocols.base import ChunkParser, Protocol
from llm_connector.protocols.completion_chunks import CompletionParser
from llm_connector.protocols.completion_lists import embeddings_of, models_of, ranks_of
from llm_connector.protocols.completion_messages import NO_MARKS, MessageForm, Replay, mark_prompt
from llm_connector.protocols.completion_thinking import (
    BY_EFFORT,
    Models,
    Setting,
    Thinking,
    efforts_named,
    for_models,
    placed,
)
from llm_connector.protocols.completion_turns import Turns, bridged, in_order
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.functions import function_form, named_field, quoted, refuses_field, schema_form
from llm_connector.protocols.structured import instruct_json
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import cache_control, check_tool_turns
from llm_connector.types import (
    Audio,
    ChatRequest,
    Document,
    Embeddings,
    Image,
    InputType,
    Media,
    ModelInfo,
    Notes,
    Tool,
)
from llm_connector.wire import Json

__all__ = ["ChatCompletions", "JsonOutput", "StreamOnly"]

JsonOutput: TypeAlias = Literal["schema", "mode", "prompt"]
"""How an answer is held to JSON: by a schema, by JSON mode with the schema in the prompt, by the prompt alone."""
StreamOnly: TypeAlias = Literal["never", "thinking", "always"]
"""When a model answers with a stream only."""


@dataclass(frozen=True)
class ChatCompletions(Protocol):
    """Chat Completions. Each field says which servers need it.

    `max_tokens_field`: `max_completion_tokens` on OpenAI and Azure, whose reasoning models refuse the old name.
    `thinking`: how thinking is switched and measured; see `Thinking`.
    `thinking_forbids`: what cannot be asked while the model thinks: fields, and `tool_choice` for a forced one
    (DeepSeek, Qwen and Moonshot refuse that one; OpenAI and xAI refuse sampling).
    `tools_thinking`: False where functions forbid thinking (OpenAI's models since GPT-5.4).
    `reasoning_field`: the name under which thoughts go back when they do not know their own.
    `replay`: DeepSeek and Moonshot refuse tool turns without their reasoning; others waste tokens on it.
    `lost_reasoning`: what stands for thoughts that are gone, where a tool turn needs some (DeepSeek, Xiaomi, Moonshot).
    `think_tags`: the server leaves `<think>` in the text (vLLM, llama.cpp and others).
    `json_output`: DeepSeek and Xiaomi have JSON mode only; MiniMax and LongCat follow the prompt.
    `required_choice`: the word for a forced call; `any` on Mistral, None where there is none (Moonshot).
    `turns`: what order chat templates insist on (vLLM and other local servers, Mistral, Perplexity); some of Mistral's
    models, wherever they run, teach `bridged`.
    `prefill`: marks a last assistant turn as the beginning of the answer (`prefix` on Mistral, `partial` on Kimi).
    `longest_call_id`: how many characters the ids of tool calls may have; learned where a server says it (OpenAI: 40).
    `empty_content`: beside tool calls; Ollama's `/v1` refuses null, Bedrock's gateways refuse `""`.
    `empty_turns`: False where assistant turns without text or calls are refused (Mistral, Moonshot).
    `image_urls`: False where images must be embedded (Moonshot, LM Studio).
    `audio_urls`: the key of `input_audio` that takes a URL: `data` on Aliyun, `url` on Volcengine; others have none.
    `temperatures`: the range a server takes, where it is narrower than 0 to 2 (LongCat, MiniMax, Moonshot).
    `stream_usage`: asks for usage in streams; Mistral and a few relays refuse the option.
    `stream_only`: Qwen's open models on Aliyun and ModelScope think in streams only; plain calls are sent as such.
    `cache_control`: the server takes Anthropic's cache marks (OpenRouter).
    `input_types`: the words for embedded queries and documents (NVIDIA, OpenRouter); others have none.
    `always`: fields of every request (`reasoning_split` on MiniMax, `reasoning_format` on Groq).
    `unsupported`: request fields that the server refuses; `strict` stands for that of tools.
    `models`: the fields that differ for some models; of several that match, the later wins.
    """

    framing: ClassVar[type[SSEDecoder]] = SSEDecoder
    name: ClassVar[str] = "Chat Completions"
    default_path: ClassVar[str] = "/v1"
    form: ClassVar[type[MessageForm]] = MessageForm
    parser: ClassVar[type[CompletionParser]] = CompletionParser

    max_tokens_field: str = "max_tokens"
    thinking: Thinking = BY_EFFORT
    thinking_forbids: frozenset[str] = frozenset()
    tools_thinking: bool = True
    reasoning_field: str = "reasoning_content"
    replay: Replay = "never"
    lost_reasoning: str | None = None
    think_tags: bool = False
    json_output: JsonOutput = "schema"
    required_choice: str | None = "required"
    turns: Turns = "any"
    prefill: str = ""
    longest_call_id: int | None = None
    empty_content: str | None = None
    empty_turns: bool = True
    image_urls: bool = True
    audio_urls: str = ""
    temperatures: tuple[float, float] | None = None
    stream_usage: bool = True
    stream_only: StreamOnly = "never"
    cache_control: bool = False
    input_types: tuple[str, str] | None = None
    always: tuple[Setting, ...] = ()
    unsupported: frozenset[str] = frozenset()
    models: tuple[Models, ...] = ()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return ("/chat/completions", "/completions", "/embeddings", "/models", "/responses")

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path below the base URL."""
        return "chat/completions"

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of `POST chat/completions`."""
        return self.of_model(request.model or "")._render(request, stream, notes or Notes())

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer."""
        if request is None:
            return self.parser(split=self.think_tags)
        own = self.of_model(request.model or "")
        if request.n is not None and "n" in own.unsupported:  # it was not sent: one answer will come
            request = request.model_copy(update={"n": None})
        return self.parser(request, split=own.think_tags if request.think_tags is None else request.think_tags)

    def of_model(self, model: str) -> Self:
        """This protocol as one model of the server speaks it."""
        if not self.models:
            return self
        memo: dict[str, Self] = self.__dict__.setdefault("_of_model", {})
        found = memo.get(model)
        if found is None:
            found = replace(self, models=())
            for rule in self.models:
                if rule.match(model):
                    changes = dict(rule.changes)
                    if "unsupported" in changes:
                        changes["unsupported"] |= found.unsupported
                    found = replace(found, **changes)
            if len(memo) >= _MEMO:
                memo.clear()
            memo[model] = found
        return found

    def must_embed(self, part: Media, model: str) -> bool:
        """Documents, and what this server takes no URL of."""
        own = self.of_model(model)
        if isinstance(part, Image):
            return not own.image_urls
        return isinstance(part, Document) or (isinstance(part, Audio) and not own.audio_urls)

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """The other name of `max_tokens`, other efforts, or no field at all, after a 400 that says so."""
        refused, message = failure.param or "", failure.message
        other = "max_completion_tokens" if self.max_tokens_field == "max_tokens" else "max_tokens"
        wanted = self.max_tokens_field in (refused, *quoted(message)) and other in message
        if wanted or (refused == self.max_tokens_field and failure.code == "unsupported_parameter"):
            return self.taught(max_tokens_field=other), f"{self.max_tokens_field} is called {other} here"
        if self.stream_usage and ("stream_options" in message or "include_usage" in message):
            return self.taught(stream_usage=False), "stream_options is refused, so streams may lack usage"
        if self.tools_thinking and "reasoning_effort" in (refused, *quoted(message)) and "/v1/responses" in message:
            return self.taught(tools_thinking=False), f"{_TOOLS_OR_THOUGHTS}, so this went without thinking"
        if self.turns != "bridged" and "Unexpected role 'user' after role 'tool'" in message:
            return self.taught(turns="bridged"), "a user turn may not follow a tool result with this model"
        if self.stream_only != "always" and _STREAMS_ONLY.search(message):
            return self.taught(stream_only="always"), "this model answers with streams only, so one was collected"
        longest = _LONGEST_ID.search(message)
        if longest and (most := int(longest[1])) != self.longest_call_id:
            return self.taught(longest_call_id=most), f"ids of tool calls have at most {most} characters here"
        fixed = _FIXED.search(message)
        field = fixed[1] if fixed else named_field(failure, _DROPPABLE)
        known = efforts_named(message) if field == "reasoning_effort" else ()
        if known and known != self.thinking.efforts:
            thinking = replace(self.thinking, effort=field, efforts=known)
            return self.taught(thinking=thinking), f"the efforts are {', '.join(known)}"
        if field and (fixed or refuses_field(failure)) and field not in self.unsupported:
            return self.taught(unsupported=self.unsupported | {field}), f"{field} is refused by this model"
        return None

    def models_path(self, cursor: str | None) -> str:
        """The list has one page on most servers; some give `has_more` and `last_id`."""
        return f"models?after={quote(cursor, safe='')}" if cursor else "models"

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models, from an object with `data` or a bare list."""
        return models_of(body)

    def embed_path(self, model: str) -> str:
        """Path below the base URL."""
        return "embeddings"

    def render_embed(self, inputs: Sequence[str], model: str) -> dict[str, Any]:
        """The body of `POST embeddings`."""
        return {"model": model, "input": list(inputs), "encoding_format": "float"}

    def with_dimensions(self, body: dict[str, Any], dimensions: int) -> dict[str, Any]:
        """The body that asks for vectors of that length."""
        return {**body, "dimensions": dimensions}

    def with_input_type(self, body: dict[str, Any], input_type: InputType) -> dict[str, Any]:
        """The body that says what the texts are for, where the server has words for it."""
        if self.input_types is None:
            return body
        query, document = self.input_types
        return {**body, "input_type": query if input_type == "query" else document}

    def parse_embed(self, body: Json) -> Embeddings:
        """The vectors by index, from lists of numbers or base64 of little-endian float32."""
        return embeddings_of(body)

    def rerank_path(self, model: str) -> str:
        """Path below the base URL, where a server ranks documents."""
        return "rerank"

    def render_rerank(self, query: str, documents: Sequence[str], model: str, top_n: int | None) -> dict[str, Any]:
        """The body of `POST rerank`."""
        most = {} if top_n is None else {"top_n": top_n}
        return {"model": model, "query": query, "documents": list(documents), **most}

    def parse_rerank(self, body: Json) -> list[tuple[int, float]]:
        """Index and score of each document."""
        return ranks_of(body)

    def taught(self, **changes: Any) -> Self:
        """This protocol as a refusal taught it, which outweighs what is known of the model."""
        if not self.models:
            return replace(self, **changes)
        *_, last = self.models
        earlier = {} if last.pattern else dict(last.changes)
        rules = self.models if last.pattern else self.models[:-1]
        return replace(self, **changes, models=(*rules, for_models("", **{**earlier, **changes})))

    def _render(self, request: ChatRequest, stream: bool, notes: Notes) -> dict[str, Any]:
        names = ToolNames(request, notes)
        check_tool_turns(request.messages)
        asked = request.reasoning
        if request.tools and not self.tools_thinking and self.thinking.thinks(asked):
            notes.add("downgraded", "reasoning", f"{_TOOLS_OR_THOUGHTS}; the Responses API does both")
            asked = False
        thinks = self.thinking.thinks(asked)
        form = self.form(
            replay=self.replay,
            reasoning_field=self.reasoning_field,
            lost_reasoning=self.lost_reasoning if thinks else None,
            longest_id=self.longest_call_id,
            empty_content=self.empty_content,
            empty_turns=self.empty_turns,
            cache_control=self.cache_control,
            image_urls=self.image_urls,
            audio_urls=self.audio_urls,
            names=names,
            notes=notes,
        )
        turns = in_order(request.messages, self.turns, notes)
        body: dict[str, Any] = {"model": request.model, "messages": form.render(turns)}
        if self.turns == "bridged":
            body["messages"] = bridged(body["messages"], notes)
        last = body["messages"][-1] if self.prefill and body["messages"] else {}
        if last.get("role") == "assistant" and "tool_calls" not in last:
            last[self.prefill] = True
        body |= self._sampling(request, notes)
        if asked is not None:
            body |= self.thinking.render(asked, notes)
        body |= self._tools(request, thinks, names, notes)
        body |= self._response_format(request, body, notes)
        if request.cache and self.cache_control:
            mark_prompt(body, request.cache)
        elif request.cache:
            notes.add("dropped", "cache", NO_MARKS)
        if self.always:
            body |= placed(self.always)
        if stream or self.stream_only == "always" or (thinks and self.stream_only == "thinking"):
            body["stream"] = True
            if self.stream_usage:
                body["stream_options"] = {"include_usage": True}
        if self.unsupported:
            self._drop(body, self.unsupported, "this server or model refuses it", notes)
        if thinks and self.thinking_forbids:
            self._drop(body, self.thinking_forbids - {"tool_choice"}, "this model refuses it while it thinks", notes)
        return body

    def _drop(self, body: dict[str, Any], fields: frozenset[str], reason: str, notes: Notes) -> None:
        for field in sorted(fields & body.keys()):
            del body[field]
            notes.add("dropped", field, reason)

    def _sampling(self, request: ChatRequest, notes: Notes) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for field in _SAMPLING:
            value = getattr(request, field)
            if value is not None:
                settings[field] = value
        if self.temperatures is not None and "temperature" in settings:
            least, most = self.temperatures
            settings["temperature"] = min(max(settings["temperature"], least), most)
            if settings["temperature"] != request.temperature:
                notes.add("clamped", "temperature", f"{request.temperature} became {settings['temperature']}")
        if request.max_tokens is not None:
            settings[self.max_tokens_field] = request.max_tokens
        if request.logprobs:
            settings["logprobs"] = True
            if request.logprobs is not True:
                settings["top_logprobs"] = request.logprobs
        return settings

    def _tools(self, request: ChatRequest, thinks: bool, names: ToolNames, notes: Notes) -> dict[str, Any]:
        if not request.tools:
            return {}
        settings: dict[str, Any] = {"tools": [self._tool(tool, request, names, notes) for tool in request.tools]}
        choice = request.tool_choice
        if choice not in (None, "auto", "none") and thinks and "tool_choice" in self.thinking_forbids:
            notes.add("downgraded", "tool_choice", f"{choice!r} became 'auto': thinking forbids a forced choice here")
            choice = "auto"
        if choice == "required":
            if self.required_choice is None:
                notes.add("downgraded", "tool_choice", "'required' became 'auto': this server cannot demand a call")
            choice = self.required_choice or "auto"
        if choice is not None and choice in ("auto", "none", self.required_choice):
            settings["tool_choice"] = choice
        elif choice is not None:
            settings["tool_choice"] = {"type": "function", "function": {"name": names.wire(choice)}}
        if request.parallel_tool_calls is not None:
            settings["parallel_tool_calls"] = request.parallel_tool_calls
        return settings

    def _tool(self, tool: Tool, request: ChatRequest, names: ToolNames, notes: Notes) -> dict[str, Any]:
        if tool.native is not None:
            return dict(tool.native)
        can_be_strict = "strict" not in self.unsupported
        function, strict = function_form(tool, request, names, notes, can_be_strict=can_be_strict)
        if strict:
            function["strict"] = True
        wire: dict[str, Any] = {"type": "function", "function": function}
        if tool.cache and self.cache_control:
            wire["cache_control"] = cache_control(tool.cache)
        elif tool.cache:
            notes.add("dropped", "cache", NO_MARKS)
        return wire

    def _response_format(self, request: ChatRequest, body: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
        wanted = request.response_format
        if wanted is None:
            return {}
        if wanted == "json" or self.json_output != "schema":
            schema = None
            if wanted != "json":
                schema = wanted.schema_
                notes.add("downgraded", "response_format", "the schema is in the prompt: this server takes none")
            elif self.json_output == "prompt":
                notes.add("downgraded", "response_format", "asked for in the prompt: this server has no JSON mode")
            messages = instruct_json(body["messages"], schema, notes)
            mode = {} if self.json_output == "prompt" else {"response_format": {"type": "json_object"}}
            return {"messages": messages, **mode}
        return {"response_format": {"type": "json_schema", "json_schema": schema_form(wanted, request, notes)}}


_SAMPLING = (
    *("temperature", "top_p", "top_k", "stop", "seed", "n", "presence_penalty", "frequency_penalty", "logit_bias"),
    *("user", "metadata"),
)
_TOOLS_OR_THOUGHTS = "functions and thinking exclude each other on this endpoint"
_DROPPABLE = frozenset({*_SAMPLING, "logprobs", "top_logprobs", "parallel_tool_calls", "reasoning_effort"}) - {"n"}
_LONGEST_ID = re.compile(r"(?:tool_calls\[\d+\]\.id|tool_call_id)\W+string too long\D+(\d{2,3})\b")
_FIXED = re.compile(r"invalid (temperature|top_p|presence_penalty|frequency_penalty): only .{1,40} allowed")
"""How Moonshot refuses a setting that a model fixes."""
_STREAMS_ONLY = re.compile(r"false for non-streaming calls|only supports? stream mode")
"""How Aliyun and ModelScope refuse a plain call."""
_MEMO = 256
"""Models whose form is remembered: more than a server has, fewer than would fill the memory."""
