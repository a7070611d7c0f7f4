"""The generateContent wire format of Gemini, on the Gemini API and on Vertex AI.

https://ai.google.dev/api/generate-content (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self
from urllib.parse import quote

from llm_connector.errors import ParseError, excerpt
from llm_connector.framing import SSEDecoder
from llm_connector.protocols.base import ChunkParser, ErrorEvent, Protocol, path_segment
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.gemini_chunks import GeminiParser, gemini_usage
from llm_connector.protocols.gemini_failures import google_detail
from llm_connector.protocols.gemini_messages import NO_MARKS, ContentsForm
from llm_connector.protocols.gemini_schema import json_schema, openapi_schema, without_parameters
from llm_connector.protocols.gemini_thinking import Generation, ThinkingForm, generation_of, thinking_config
from llm_connector.protocols.structured import json_instruction
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import check_tool_turns
from llm_connector.schema import Schema
from llm_connector.types import ChatRequest, Embeddings, InputType, Media, ModelInfo, Notes, Tool, Usage
from llm_connector.wire import Json

__all__ = ["MODEL_CALLS", "Gemini", "bare_name"]

MODEL_CALLS = ("/models/{model}:generateContent", "/models/{model}:streamGenerateContent")
"""Paths that users paste as part of a base URL."""


@dataclass(frozen=True)
class Gemini(Protocol):
    """Gemini's own wire format. Each field says which servers need it.

    `thinking`: `model` goes by the generation of the named Gemini; `budget`, `level` and `none` are learned from
    refusals, for tuned models and names that say nothing.
    `json_schema`: JSON Schema is understood; without it, older servers get the subset of OpenAPI that they know.
    `signatures`: thought signatures are sent back; learned for those that a server refuses since they came from another
    key or model.
    `typed_urls`: a file that is given by its address needs a media type (Vertex AI).
    `display_names`: documents may have names (Vertex AI).
    `fetches`: files are fetched from the web for every model, not for the newer ones only (Vertex AI).
    `mixed_tools`: tools of the server's own are allowed beside functions where the request says so (not Vertex AI).
    `labels`: `metadata` is sent as labels (Vertex AI, for billing).
    `files`: where uploaded files lie; none are kept by Vertex AI.
    `unsupported`: settings that the model refuses; `thinkingLevel.WORD` and `thinkingBudget.0` among them.
    """

    framing: ClassVar[type[SSEDecoder]] = SSEDecoder
    name: ClassVar[str] = "Gemini"
    count_field: ClassVar[str] = "totalTokens"
    default_path: ClassVar[str] = "/v1beta"

    thinking: ThinkingForm = "model"
    json_schema: bool = True
    signatures: bool = True
    typed_urls: bool = False
    display_names: bool = False
    fetches: bool = False
    mixed_tools: bool = True
    labels: bool = False
    files: str = "https://generativelanguage.googleapis.com/v1beta/files"
    unsupported: frozenset[str] = frozenset()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return (*MODEL_CALLS, "/models")

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path below the base URL. Without `alt=sse` a stream is one JSON list."""
        return f"{self._resource(model)}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of `generateContent` and `streamGenerateContent`; the model is in the path."""
        notes = notes or Notes()
        names = ToolNames(request, notes, letter_first=True)
        check_tool_turns(request.messages)
        generation = generation_of(request.model or "", self.thinking, self.unsupported)
        form = ContentsForm(
            names, notes, generation.modern, self.signatures, self.display_names, self.typed_urls, self.files
        )
        system, contents = form.render(request.messages)
        body: dict[str, Any] = {"systemInstruction": system} if system else {}
        body["contents"] = contents
        body |= self._tools(request, generation, names, notes)
        config = _sampling(request, notes)
        self._add_response_format(request, body, config, generation, notes)
        thinking = thinking_config(request.reasoning, generation, notes)
        if thinking:
            config["thinkingConfig"] = thinking
        for name in sorted(self.unsupported & config.keys()):
            del config[name]
            notes.add("dropped", name, "this model refuses it")
        if config:
            body["generationConfig"] = config
        if request.metadata and self.labels:
            body["labels"] = dict(request.metadata)
        elif request.metadata:
            notes.add("dropped", "metadata", "this wire format does not have it")
        return body

    def must_embed(self, part: Media, model: str) -> bool:
        """Files of the web, for models before Gemini 3: those fetch what was uploaded and what YouTube has."""
        if self.fetches or generation_of(model, self.thinking, self.unsupported).modern:
            return False
        return not _FETCHED.match(part.url or "")

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer."""
        return GeminiParser(request)

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error body says, its details included: a bad key is a 400, waits are in the body."""
        return google_detail(body, super().parse_error(body))

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Self, str] | None:
        """Another way of thinking, an older form of schemas, or a setting less, after a 400 that says so."""
        message = failure.message
        for pattern, change, lesson in _LESSONS:
            if re.search(pattern, message, re.IGNORECASE) and any(
                getattr(self, name) != value for name, value in change.items()
            ):
                return replace(self, **change), lesson
        for pattern, fields in _REFUSALS:
            match = re.search(pattern, message, re.IGNORECASE)
            refused = {name.format(*(word.lower() for word in match.groups())) for name in fields} if match else set()
            if refused - self.unsupported:
                return replace(self, unsupported=self.unsupported | refused), f"{', '.join(sorted(refused))}: refused"
        return None

    def models_path(self, cursor: str | None) -> str:
        """Pages of a thousand, the most there are."""
        return f"models?pageSize=1000&pageToken={quote(cursor, safe='')}" if cursor else "models?pageSize=1000"

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models of one page, without the `models/` before their names."""
        items = body.get("models") if isinstance(body, dict) else None
        if not isinstance(items, list):
            raise ParseError("the model list has no 'models'", body=excerpt(str(body)))
        models = [_model_info(item) for item in items if isinstance(item, dict) and item.get("name")]
        return models, str(body["nextPageToken"]) if body.get("nextPageToken") else None

    def embed_path(self, model: str) -> str:
        """Path below the base URL."""
        return f"{self._resource(model)}:batchEmbedContents"

    def render_embed(self, inputs: Sequence[str], model: str) -> dict[str, Any]:
        """The body of `batchEmbedContents`; each of its requests names the model again."""
        name = _full(model)
        return {"requests": [{"model": name, "content": {"parts": [{"text": text}]}} for text in inputs]}

    def with_dimensions(self, body: dict[str, Any], dimensions: int) -> dict[str, Any]:
        """The body that asks for vectors of that length; each of its requests says it."""
        return {"requests": [{**request, "outputDimensionality": dimensions} for request in body["requests"]]}

    def with_input_type(self, body: dict[str, Any], input_type: InputType) -> dict[str, Any]:
        """The body that says what the texts are for; each of its requests says it."""
        task = f"RETRIEVAL_{input_type.upper()}"
        return {"requests": [{**request, "taskType": task} for request in body["requests"]]}

    def parse_embed(self, body: Json) -> Embeddings:
        """The vectors, in the order of the inputs."""
        found = body.get("embeddings") if isinstance(body, dict) else None
        if not isinstance(found, list):
            raise ErrorEvent(body)
        usage = body.get("usageMetadata")
        return Embeddings(
            vectors=[item["values"] for item in found],
            usage=gemini_usage(usage) if isinstance(usage, dict) else Usage(),
            raw=body,
        )

    def count_path(self, model: str) -> str:
        """Path below the base URL."""
        return f"{self._resource(model)}:countTokens"

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a token count: what of a chat request makes up the prompt."""
        counted = self._counted(request, notes)
        return {"generateContentRequest": {"model": _full(request.model or ""), **counted}}

    def parse_count(self, body: Json) -> int:
        """Tokens of the prompt; a count of 0 may be left out."""
        return super().parse_count({self.count_field: 0, **body} if isinstance(body, dict) else None)

    def _counted(self, request: ChatRequest, notes: Notes | None) -> dict[str, Any]:
        body = self.render_chat(request, stream=False, notes=notes)
        return {name: value for name, value in body.items() if name in _COUNTED}

    def _resource(self, model: str) -> str:
        """The path of a model, given by its name, as `models/NAME` or as `tunedModels/NAME`."""
        kind, _, name = model.rpartition("/")
        return f"{kind}/{path_segment(name)}" if kind == "tunedModels" else f"models/{path_segment(bare_name(model))}"

    def _schema(self, schema: Schema) -> tuple[Schema, list[str]]:
        return json_schema(schema) if self.json_schema else openapi_schema(schema)

    def _tools(self, request: ChatRequest, generation: Generation, names: ToolNames, notes: Notes) -> dict[str, Any]:
        if not request.tools:
            return {}
        functions = [self._function(tool, request, names, notes) for tool in request.tools if tool.native is None]
        tools: list[dict[str, Any]] = [{"functionDeclarations": functions}] if functions else []
        for tool in request.tools:
            if tool.cache:
                notes.add("dropped", "cache", NO_MARKS)
            if tool.native is not None:
                rest = {key: value for key, value in tool.native.items() if key not in ("type", "name")}
                kind = tool.native.get("type")
                tools.append({kind: rest} if isinstance(kind, str) else dict(tool.native))
        if request.parallel_tool_calls is False:
            notes.add("dropped", "parallel_tool_calls", "this wire format has no switch for it")
        mixed = self.mixed_tools and generation.modern and 0 < len(functions) < len(request.tools)
        config: dict[str, Any] = {"includeServerSideToolInvocations": True} if mixed else {}
        choice = request.tool_choice
        if choice in (None, "auto") and functions and any(_strict(tool, request) for tool in request.tools):
            config["functionCallingConfig"] = {"mode": "VALIDATED"}
        elif choice in _CHOICES and not (mixed and choice == "auto"):  # beside other tools that is not taken, but meant
            config["functionCallingConfig"] = {"mode": _CHOICES[choice]}
        elif choice not in (None, "auto"):
            config["functionCallingConfig"] = {"mode": "ANY", "allowedFunctionNames": [names.wire(choice)]}
        return {"tools": tools, "toolConfig": config} if config else {"tools": tools}

    def _function(self, tool: Tool, request: ChatRequest, names: ToolNames, notes: Notes) -> dict[str, Any]:
        wire: dict[str, Any] = {"name": names.wire(tool.name)}
        if tool.description:
            wire["description"] = tool.description
        if not without_parameters(tool.parameters):
            schema, moved = self._schema(tool.parameters)
            wire["parametersJsonSchema" if self.json_schema else "parameters"] = schema
            if moved and _strict(tool, request):
                notes.add("downgraded", f"tool {tool.name!r}", f"not enforced, only described: {', '.join(moved)}")
        return wire

    def _add_response_format(
        self, request: ChatRequest, body: dict[str, Any], config: dict[str, Any], generation: Generation, notes: Notes
    ) -> None:
        wanted = request.response_format
        if wanted is None:
            return
        schema = None if wanted == "json" else wanted.schema_
        if request.tools and not generation.modern:
            system = body.get("systemInstruction", {"parts": []})
            instructed = {"parts": [*system["parts"], {"text": json_instruction(schema)}]}
            body |= {"systemInstruction": instructed}
            notes.add("downgraded", "response_format", "this model has no JSON mode beside tools: it is in the prompt")
            return
        config["responseMimeType"] = "application/json"
        if schema is not None:
            said, moved = self._schema(schema)
            config["responseJsonSchema" if self.json_schema else "responseSchema"] = said
            if moved:
                notes.add("downgraded", "response_format", f"not enforced, only described: {', '.join(moved)}")


_FETCHED = re.compile(r"https?://(?:(?:www\.|m\.)?youtube\.com/|youtu\.be/|generativelanguage\.googleapis\.com/)", re.I)
_COUNTED = frozenset({"contents", "systemInstruction", "tools"})
_CHOICES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_SETTINGS = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "max_tokens": "maxOutputTokens",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_MOST_STOPS = 5
_LESSONS: tuple[tuple[str, dict[str, Any], str], ...] = (
    (r"thinking[_ ]level is not supported", {"thinking": "budget"}, "thinking goes by budget here, not by level"),
    (r"thinking[_ ]budget is not supported", {"thinking": "level"}, "thinking goes by level here, not by budget"),
    (
        r"thinking is not (?:supported|configurable|enabled)|does not support thinking",
        {"thinking": "none"},
        "thinking cannot be set here",
    ),
    (
        r"(?:parameters|response)_?json_?schema\b.*(?:Cannot find field|not supported)|Unknown name \"\w+JsonSchema",
        {"json_schema": False},
        "schemas are taken in the subset of OpenAPI only",
    ),
    (
        r"(?:invalid|corrupted) thought[_ ]?signature|thought[_ ]?signature is (?:invalid|not valid)",
        {"signatures": False},
        "thought signatures are not sent back",
    ),
)
_REFUSALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"thinking[_ ]level (\w+) is not supported", ("thinkingLevel.{0}",)),
    (r"budget 0 is invalid", ("thinkingBudget.0",)),
    (r"penalty is not enabled", ("frequencyPenalty", "presencePenalty")),
    (r"logprobs is not enabled", ("logprobs", "responseLogprobs")),
)


def bare_name(model: str) -> str:
    """The name of a model without `models/` before it."""
    return model.removeprefix("models/")


def _full(model: str) -> str:
    name = bare_name(model)
    return name if "/" in name else f"models/{name}"


def _strict(tool: Tool, request: ChatRequest) -> bool:
    return bool(tool.strict if tool.strict is not None else request.strict_schema) and tool.native is None


def _sampling(request: ChatRequest, notes: Notes) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name, wire in _SETTINGS.items():
        value = getattr(request, name)
        if value is not None:
            config[wire] = value
    if request.stop:
        config["stopSequences"] = request.stop[:_MOST_STOPS]
        if len(request.stop) > _MOST_STOPS:
            notes.add("clamped", "stop", f"{_MOST_STOPS} sequences of {len(request.stop)}: there can be no more")
    if request.logprobs:
        config["responseLogprobs"] = True
        if request.logprobs is not True:
            config["logprobs"] = request.logprobs
    for name in ("logit_bias", "user"):
        if getattr(request, name):
            notes.add("dropped", name, "this wire format does not have it")
    if request.cache:
        notes.add("dropped", "cache", NO_MARKS)
    return config


def _model_info(item: Mapping[str, Any]) -> ModelInfo:
    window, most, methods = (
        item.get(name) for name in ("inputTokenLimit", "outputTokenLimit", "supportedGenerationMethods")
    )
    return ModelInfo(
        id=bare_name(str(item["name"])),
        name=item.get("displayName"),
        context_window=window if isinstance(window, int) else None,
        max_output=most if isinstance(most, int) else None,
        capabilities=[str(method) for method in methods] if isinstance(methods, list) else None,
        raw=dict(item),
    )
