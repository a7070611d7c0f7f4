"""Bedrock's Converse: one wire format for every chat model on AWS.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import quote

from llm_connector.errors import ConfigurationError, ParseError, excerpt
from llm_connector.event_stream import EventStreamDecoder
from llm_connector.protocols.anthropic import AnthropicMessages, drop_unknown
from llm_connector.protocols.anthropic_messages import limit_marks, mark_prompt
from llm_connector.protocols.anthropic_thinking import Generation, ThinkingForm, ThinkingPlan, plan_thinking
from llm_connector.protocols.base import ChunkParser, Protocol, path_segment
from llm_connector.protocols.converse_chunks import ConverseParser
from llm_connector.protocols.converse_embeddings import parse_vectors, render_texts
from llm_connector.protocols.converse_failures import aws_error
from llm_connector.protocols.converse_messages import ConverseForm, cache_point, system_blocks, wire_turns
from llm_connector.protocols.converse_models import Family, family_of, foundation_model, reasoning_fields
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import check_tool_turns
from llm_connector.types import Audio, ChatRequest, Embeddings, InputType, Media, ModelInfo, Notes, Tool
from llm_connector.wire import Json, encode_json

__all__ = ["Converse", "counted_model"]

_PROFILES = "inference-profiles?maxResults=1000&type=SYSTEM_DEFINED"
_COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")
_REFUSED = re.compile(r"doesn.t support the `?([\w.]+)`? (?:field|content block)|doesn.t support (system messages)")
_UNIFIED = {"topP": "top_p", "maxTokens": "max_tokens", "stopSequences": "stop_sequences", "system messages": "system"}
_LEARNED = frozenset(
    {
        *("temperature", "top_p", "max_tokens", "stop_sequences", "system", "outputConfig", "cachePoint"),
        *("toolChoice", "toolChoice.any", "toolChoice.tool", "streamed tools", "image", "document", "video", "audio"),
    }
)
"""What a request can do without."""
_PAIR = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}").fullmatch


@dataclass(frozen=True)
class Converse(Protocol):
    """Bedrock Converse. What a model takes is known by its name, and learned from refusals.

    `thinking`: how Claude is asked to think: as the named model wants it, by tokens or by effort.
    `unsupported`: what the model refuses: request fields, kinds of content, `system`, `outputConfig`,
    `toolChoice.any`, `toolChoice.tool`, or `streamed tools` where a model calls tools in whole answers only.
    """

    framing: ClassVar[type[EventStreamDecoder]] = EventStreamDecoder
    name: ClassVar[str] = "Bedrock Converse"
    count_field: ClassVar[str] = "inputTokens"

    thinking: ThinkingForm = "model"
    unsupported: frozenset[str] = frozenset()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return ("/model/{model}/converse", "/model/{model}/converse-stream")

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path below the base URL."""
        return f"model/{path_segment(model)}/converse{'-stream' if stream else ''}"

    def request_path(self, request: ChatRequest, *, stream: bool) -> str:
        """Path of a chat request: that of a whole answer, where the model does not stream calls."""
        return self.chat_path(request.model or "", stream=stream and not self._comes_whole(request))

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of `POST model/…/converse`.

        It is drafted as a request of Anthropic Messages, whose rules hold here as well, and then spelled for this wire.
        """
        notes = notes or Notes()
        names = ToolNames(request, notes)
        check_tool_turns(request.messages)
        if stream and self._comes_whole(request):
            notes.add("downgraded", "stream", "this model calls tools in whole answers only: it comes in one piece")
        family = self._family(request.model)
        form = ConverseForm(request.messages, names, notes, family, self.unsupported)
        system, turns = form.render()
        rules, generation = self._rules(family), self._generation(family, request.model)
        draft: dict[str, Any] = {"system": system, "messages": turns}
        plan = self._plan(request, family, generation, notes)
        if plan is not None:
            draft |= rules.thinking_fields(plan, turns, notes)
        draft |= rules.tool_fields(self._offered(request, turns, notes), draft, generation, names, notes)
        rules.add_response_format(request, draft, generation, notes)
        sampling = rules.sampling_fields(request, draft, generation, notes)
        drop_unknown(request, notes)
        if request.cache:
            mark_prompt(draft, request.cache)
        limit_marks(draft, notes, 4 if family.caches else 0)
        return self._spelled(request, family, draft, sampling, notes)

    def _spelled(
        self, request: ChatRequest, family: Family, draft: dict[str, Any], sampling: dict[str, Any], notes: Notes
    ) -> dict[str, Any]:
        """The draft as this wire has it."""
        fields = {name: draft[name] for name in ("thinking", "output_config") if draft.get(name)}
        asked = fields.get("output_config", {}).pop("format", None)
        fields = {name: value for name, value in fields.items() if value}
        if family.thinking != "claude":
            fields |= reasoning_fields(family, request.reasoning, notes)
        if "top_k" in sampling:
            fields |= _top_k(family if "top_k" not in self.unsupported else Family(), sampling.pop("top_k"), notes)
        system = draft["system"]
        body: dict[str, Any] = {}
        if system and not family.system:
            _prepend(draft["messages"], system, notes)
        elif system:
            body["system"] = system_blocks(system, family, notes)
        body["messages"] = wire_turns(draft["messages"], family, notes)
        inference = self._inference(request, fields, sampling, notes)
        if inference:
            body["inferenceConfig"] = inference
        if draft.get("tools"):
            choice = draft.get("tool_choice", {})
            body["toolConfig"] = self._tool_config(draft["tools"], choice, family, notes)
            fields |= _single(choice, body["toolConfig"], family, notes)
        if asked is not None:
            body["outputConfig"] = {"textFormat": _text_format(request, asked["schema"])}
        betas = (request.extra_headers or {}).get("anthropic-beta")
        if betas:
            fields["anthropic_beta"] = [beta.strip() for beta in betas.split(",")]
        if fields:
            body["additionalModelRequestFields"] = fields
        metadata = _metadata(request, notes)
        return {**body, "requestMetadata": metadata} if metadata else body

    def must_embed(self, part: Media, model: str) -> bool:
        """All but sounds: the other URLs it takes are of S3."""
        return not isinstance(part, Audio)

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer."""
        return ConverseParser(request)

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error says, in the words of AWS."""
        return aws_error(body)

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """Less of what the model refuses, after a 400 that says so."""
        message = failure.message
        refused = _REFUSED.search(message)
        word = (refused[1] or refused[2]).removeprefix("toolConfig.") if refused else ""
        if word:
            word = _UNIFIED.get(word, word)
        elif "tool use in streaming mode" in message:
            word = "streamed tools"
        elif re.search(r"outputConfig|output_config\.format|textFormat|structured output", message):
            word = "outputConfig"
        if word:
            known = word not in _LEARNED or word in self.unsupported
            return None if known else (replace(self, unsupported=self.unsupported | {word}), f"{word!r} is refused")
        claude = AnthropicMessages(thinking=self.thinking, unsupported=self.unsupported)
        learned = claude.learn(failure, status)
        if learned is None or not isinstance(learned[0], AnthropicMessages):
            return None
        return replace(self, thinking=learned[0].thinking, unsupported=learned[0].unsupported), learned[1]

    def models_path(self, cursor: str | None) -> str:
        """First the models, then the profiles that make them callable across regions, on the control plane."""
        if cursor is None:
            return "foundation-models"
        return f"{_PROFILES}&nextToken={quote(cursor, safe='')}" if cursor != _PROFILES else _PROFILES

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models or profiles of one page."""
        if "inferenceProfileSummaries" in body:
            profiles = body["inferenceProfileSummaries"]
            return [_profile_info(item) for item in profiles], body.get("nextToken") or None
        if "modelSummaries" not in body:
            raise ParseError("the model list has no 'modelSummaries'", body=excerpt(str(body)))
        return [_model_info(item) for item in body["modelSummaries"]], _PROFILES

    def count_path(self, model: str) -> str:
        """Path below the base URL; it takes a model, never a profile."""
        return f"model/{path_segment(counted_model(model))}/count-tokens"

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a token count: what of a chat request makes up the prompt."""
        body = self.render_chat(request, stream=False, notes=notes)
        return {"input": {"converse": {field: body[field] for field in _COUNTED if field in body}}}

    def embed_path(self, model: str) -> str:
        """Embeddings are not on Converse: each family has its own body."""
        return f"model/{path_segment(model)}/invoke"

    def render_embed(self, inputs: Sequence[str], model: str) -> dict[str, Any]:
        """The body of an embeddings request."""
        return render_texts(inputs, model)

    def with_input_type(self, body: dict[str, Any], input_type: InputType) -> dict[str, Any]:
        """The body that says what the texts are for, to the models that tell them apart."""
        return {**body, "input_type": f"search_{input_type}"} if "input_type" in body else body

    def parse_embed(self, body: Json) -> Embeddings:
        """Read the vectors."""
        return parse_vectors(body)

    def _family(self, model: str | None) -> Family:
        family = family_of(model or "")
        refused = {choice for choice in family.choices if f"toolChoice.{choice}" in self.unsupported}
        return replace(
            family,
            choices=frozenset() if "toolChoice" in self.unsupported else family.choices - refused,
            system=family.system and "system" not in self.unsupported,
            streams_calls=family.streams_calls and "streamed tools" not in self.unsupported,
            json_schema=family.json_schema and "outputConfig" not in self.unsupported,
            caches="" if "cachePoint" in self.unsupported else family.caches,
        )

    def _rules(self, family: Family) -> AnthropicMessages:
        thinking = self.thinking if family.thinking == "claude" else "switch"
        return AnthropicMessages(thinking=thinking, unsupported=self.unsupported)

    def _generation(self, family: Family, model: str | None) -> Generation:
        if family.thinking != "claude":
            return Generation(json_schema=family.json_schema)
        generation = self._rules(family).generation(model)
        return generation if family.json_schema else replace(generation, json_schema=False)

    def _plan(self, request: ChatRequest, family: Family, generation: Generation, notes: Notes) -> ThinkingPlan | None:
        if family.thinking != "claude":
            return None
        rules = self._rules(family)
        return plan_thinking(
            request.reasoning, request.max_tokens, rules.default_max_tokens, generation, rules.efforts, notes
        )

    def _comes_whole(self, request: ChatRequest) -> bool:
        """Whether tools are sent, those of the history among them, to a model that does not stream with tools."""
        if self._family(request.model).streams_calls:
            return False
        offered = bool(request.tools) and request.tool_choice != "none"
        return offered or any(message.tool_calls for message in request.messages)

    @staticmethod
    def _offered(request: ChatRequest, turns: Sequence[dict[str, Any]], notes: Notes) -> ChatRequest:
        """The request with the tools to send: those of the history must be among them, and none can be forbidden."""
        blocks = [block for turn in turns if isinstance(turn["content"], list) for block in turn["content"]]
        called = [block["name"] for block in blocks if block["type"] == "tool_use"]
        if not called and request.tool_choice == "none":
            return request.model_copy(update={"tools": []})
        if called and request.tool_choice == "none" and request.tools:
            notes.add("downgraded", "tool_choice", "'none' became 'auto': the history has calls, so tools must be sent")
            return request.model_copy(update={"tool_choice": None})
        if called and not request.tools:
            notes.add("converted", "tools", "those that were called before are sent along, which the server demands")
            return request.model_copy(update={"tools": [Tool(name) for name in dict.fromkeys(called)]})
        return request

    def _tool_config(
        self, tools: Sequence[dict[str, Any]], choice: Mapping[str, Any], family: Family, notes: Notes
    ) -> dict[str, Any]:
        listed: list[dict[str, Any]] = []
        for tool in tools:
            control = tool.pop("cache_control", None)
            listed.append(_tool_spec(tool))
            if control and family.caches == "everywhere":
                listed.append(cache_point(control, family))
            elif control:
                notes.add("dropped", "cache", "this model takes no mark behind its tools")
        config: dict[str, Any] = {"tools": listed}
        kind = choice.get("type")
        if kind == "tool" and "tool" not in family.choices and "any" in family.choices:
            notes.add(
                "converted", "tool_choice", "no tool can be named: the others were left out, and a call is forced"
            )
            named = [tool for tool in listed if tool.get("toolSpec", {}).get("name") == choice["name"]]
            return {"tools": named, "toolChoice": {"any": {}}}
        if kind in ("any", "tool") and kind not in family.choices:
            notes.add("downgraded", "tool_choice", "it became 'auto': this model cannot be forced to call a tool")
        elif kind == "tool":
            config["toolChoice"] = {"tool": {"name": choice["name"]}}
        elif kind == "any" or (kind == "auto" and family.choices):
            config["toolChoice"] = {kind: {}}
        return config

    def _inference(
        self, request: ChatRequest, fields: Mapping[str, Any], sampling: dict[str, Any], notes: Notes
    ) -> dict[str, Any]:
        settings = {"max_tokens": request.max_tokens, **sampling}
        settings = {name: value for name, value in settings.items() if value is not None}
        thinking = fields.get("reasoningConfig")
        freely = isinstance(thinking, dict) and thinking.get("maxReasoningEffort") == "high"
        for name in list(settings):
            if name in self.unsupported:
                notes.add("dropped", name, "this model refuses it")
            elif freely and name != "stop_sequences":
                notes.add("dropped", name, "this model takes no limits while it thinks with high effort")
            else:
                continue
            del settings[name]
        wire = {unified: name for name, unified in _UNIFIED.items()}
        return {wire.get(name, name): value for name, value in settings.items()}


def counted_model(model: str) -> str:
    """The id of the model whose tokens are counted. Raises ConfigurationError for an ARN that hides it."""
    name = foundation_model(model)
    if name is None:
        raise ConfigurationError(f"{model!r} does not say which model it is; count with the id of the model itself")
    return name


def _tool_spec(tool: dict[str, Any]) -> dict[str, Any]:
    if "input_schema" not in tool:
        return tool  # a tool of the provider's
    known = {name: tool[name] for name in ("name", "description", "strict") if name in tool}
    return {"toolSpec": {**known, "inputSchema": {"json": tool["input_schema"]}}}


def _single(choice: Mapping[str, Any], config: dict[str, Any], family: Family, notes: Notes) -> dict[str, Any]:
    """What limits an answer to one call: a field of Claude's own, which must not contradict `toolChoice`."""
    if not choice.get("disable_parallel_tool_use"):
        return {}
    if family.thinking != "claude":
        notes.add("dropped", "parallel_tool_calls", "this model has no switch for it")
        return {}
    if set(config.get("toolChoice", {})) <= {"auto"}:
        config.pop("toolChoice", None)
        return {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    return {"tool_choice": {"disable_parallel_tool_use": True}}


def _top_k(family: Family, value: int, notes: Notes) -> dict[str, Any]:
    if family.top_k == "top_k":
        return {"top_k": value}
    if family.top_k == "inferenceConfig":
        return {"inferenceConfig": {"topK": value}}
    notes.add("dropped", "top_k", "this model does not have it")
    return {}


def _prepend(turns: list[dict[str, Any]], system: Any, notes: Notes) -> None:
    notes.add("converted", "system message", "this model has no system prompt: it stands before the first user text")
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else list(system)
    first = next((turn for turn in turns if turn["role"] == "user"), None)
    if first is None:
        turns.insert(0, {"role": "user", "content": blocks})
        return
    content = first["content"]
    first["content"] = [*blocks, *([{"type": "text", "text": content}] if isinstance(content, str) else content)]


def _text_format(request: ChatRequest, schema: Mapping[str, Any]) -> dict[str, Any]:
    wanted = request.response_format
    name = {"name": wanted.name} if wanted is not None and wanted != "json" else {}
    return {
        "type": "json_schema",
        "structure": {"jsonSchema": {**name, "schema": encode_json(schema).decode()}},
    }


def _metadata(request: ChatRequest, notes: Notes) -> dict[str, str]:
    pairs = {**(request.metadata or {}), **({"user_id": request.user} if request.user else {})}
    kept = {key: value for key, value in pairs.items() if key and _PAIR(key) and _PAIR(value)}
    for key in list(pairs.keys() - kept.keys()) + list(kept)[16:]:
        notes.add("dropped", f"metadata {key!r}", "16 pairs of up to 256 plain characters are taken")
    return dict(list(kept.items())[:16])


def _model_info(item: Mapping[str, Any]) -> ModelInfo:
    inputs, outputs = item.get("inputModalities") or (), item.get("outputModalities") or ()
    words = [f"{str(kind).lower()}_input" for kind in inputs] + [f"{str(kind).lower()}_output" for kind in outputs]
    if item.get("responseStreamingSupported"):
        words.append("streaming")
    name, owner = item.get("modelName"), item.get("providerName")
    return ModelInfo(id=item["modelId"], name=name, owner=owner, capabilities=words, raw=dict(item))


def _profile_info(item: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(id=item["inferenceProfileId"], name=item.get("inferenceProfileName"), raw=dict(item))
