"""The Responses wire format of OpenAI, and of the servers that imitate it. It is used without the server's memory.

https://platform.openai.com/docs/api-reference/responses/create (checked 2026-11)
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from llm_connector.errors import (
    APIError,
    BadRequestError,
    ContentFilterError,
    ServerError,
)
from llm_connector.framing import SSEDecoder
from llm_connector.protocols.base import ChunkParser, Protocol
from llm_connector.protocols.chat_completions import ChatCompletions
from llm_connector.protocols.completion_messages import NO_MARKS
from llm_connector.protocols.completion_thinking import Models, Thinking, efforts_named, for_models
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.functions import (
    function_form,
    lacks_responses,
    named_field,
    refuses_field,
    schema_form,
)
from llm_connector.protocols.reasoning import Efforts, effort_of, switched_off
from llm_connector.protocols.responses_chunks import ResponsesParser
from llm_connector.protocols.responses_messages import ItemForm
from llm_connector.protocols.structured import instruct_json
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import check_tool_turns, thought_states
from llm_connector.types import Audio, ChatRequest, Embeddings, Media, ModelInfo, Notes, Tool
from llm_connector.wire import Json

__all__ = ["Responses"]


@dataclass(frozen=True)
class Responses(Protocol):
    """Responses. Each field says which servers need it.

    `efforts`: what `reasoning.effort` may say.
    `summary`: how thoughts are shown when thinking is asked for; None where that is refused (unverified accounts).
    `encrypted`: asks for thoughts in a form that can go back; False where that is refused.
    `store`: False keeps answers off the server; None leaves out the field.
    `least_tokens`: the smallest limit the server takes (16 on OpenAI and Azure).
    `fallback`: what the server speaks where it turns out to lack this format (Azure's and compatible deployments).
    `unsupported`: request fields that the server refuses; `logprobs` among them stands for all of their fields.
    `refused_thoughts`: encrypted thoughts that were refused: they are bound to the account, and with some to the model.
    `models`: rules of Chat Completions, of which `thinking` and `thinking_forbids` count here (OpenAI).
    """

    framing: ClassVar[type[SSEDecoder]] = SSEDecoder
    name: ClassVar[str] = "Responses"
    default_path: ClassVar[str] = "/v1"
    alternatives: ClassVar[tuple[str, ...]] = ("fallback",)

    efforts: Efforts = ("none", "minimal", "low", "medium", "high", "max")
    summary: str | None = "auto"
    encrypted: bool = True
    store: bool | None = False
    least_tokens: int = 0
    fallback: Protocol | None = None
    unsupported: frozenset[str] = frozenset()
    refused_thoughts: frozenset[str] = frozenset()
    models: tuple[Models, ...] = ()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL."""
        return ("/responses/input_tokens", *_LISTS.endpoints)

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path below the base URL."""
        return "responses"

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of `POST responses`."""
        notes = notes or Notes()
        names = ToolNames(request, notes)
        check_tool_turns(request.messages)
        store = (request.extra_body or {}).get("store", self.store)
        form = ItemForm(names, notes, stored=store is not False, refused=self.refused_thoughts)
        body: dict[str, Any] = {"model": request.model, "input": form.render(request.messages)}
        if self.store is not None:
            body["store"] = self.store
        thinking, forbidden = _known(self.models, request.model or "")
        refused = self.unsupported
        if forbidden and thinking is not None and thinking.thinks(request.reasoning):
            refused |= forbidden
        include = self._include(request, refused)
        if include:
            body["include"] = include
        body |= self._sampling(request, refused, notes)
        body |= self._reasoning(request, thinking, notes)
        body |= self._tools(request, names, notes)
        body |= self._text(request, body, notes)
        _drop_unknown(request, notes)
        if stream:
            body["stream"] = True
        for field in sorted(refused & body.keys()):
            del body[field]
            notes.add("dropped", field, "this server, or this model while it thinks, refuses it")
        return body

    def must_embed(self, part: Media, model: str) -> bool:
        """Sounds, which have no URLs here."""
        return isinstance(part, Audio)

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer."""
        return ResponsesParser(request)

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error body says; the codes of failed answers have no status that would tell their class."""
        detail = super().parse_error(body)
        code = detail.code or ""
        kind = next((kind for pattern, kind in _KINDS if re.search(pattern, code)), None)
        return replace(detail, kind=kind) if kind is not None and detail.kind is None else detail

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """The other wire format where this one is missing, or no field at all, after a refusal that says so."""
        message, param = failure.message, failure.param or ""
        if self.fallback is not None and lacks_responses(failure, status):
            return self.fallback, f"there is no {self.name} endpoint for this model; {self.fallback.name} is used"
        if "logprobs" in param or "logprobs" in message:
            return self._without("logprobs", "log probabilities are refused by this model")
        if self.encrypted and (param.startswith("include") or "ncrypted content is not supported" in message):
            return replace(self, encrypted=False), "encrypted thoughts are refused, so thoughts cannot go back"
        if self.summary and (param == "reasoning.summary" or "reasoning summar" in message.lower()):
            return replace(self, summary=None), "summaries of thoughts are refused"
        if param in ("reasoning", "reasoning.effort", "reasoning_effort"):
            efforts = efforts_named(message)
            rules = (*self.models, for_models("", thinking=Thinking(efforts=efforts))) if self.models else ()
            if efforts and efforts != self.efforts:
                taught = replace(self, efforts=efforts, models=rules)
                return taught, f"this model knows the efforts {', '.join(efforts)}"
            return self._without("reasoning", "reasoning is refused by this model")
        if param == "store":
            return (replace(self, store=None), "store is refused by this server") if self.store is not None else None
        field = named_field(failure, _DROPPABLE) if refuses_field(failure) else ""
        return self._without(field, f"{field} is refused by this model") if field else None

    def learn_from(self, request: ChatRequest, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """To leave out the thoughts of a conversation, which would be refused for as long as they stand in it."""
        thoughts = thought_states(request.messages) - self.refused_thoughts
        if thoughts and failure.code == "invalid_encrypted_content":
            lesson = "its thoughts are refused, which another model or account may have made: they are left out"
            return replace(self, refused_thoughts=self.refused_thoughts | thoughts), lesson
        return super().learn_from(request, failure, status)

    def models_path(self, cursor: str | None) -> str:
        """Path of the model list, as with Chat Completions."""
        return _LISTS.models_path(cursor)

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models of one page."""
        return _LISTS.parse_models(body)

    def embed_path(self, model: str) -> str:
        """Path of the embeddings endpoint, as with Chat Completions."""
        return _LISTS.embed_path(model)

    def render_embed(self, inputs: Sequence[str], model: str) -> dict[str, Any]:
        """The body of an embeddings request."""
        return _LISTS.render_embed(inputs, model)

    def with_dimensions(self, body: dict[str, Any], dimensions: int) -> dict[str, Any]:
        """The body that asks for vectors of that length."""
        return _LISTS.with_dimensions(body, dimensions)

    def parse_embed(self, body: Json) -> Embeddings:
        """The vectors, in the order of the inputs."""
        return _LISTS.parse_embed(body)

    def count_path(self, model: str) -> str:
        """Path below the base URL."""
        return "responses/input_tokens"

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a token count: what of a chat request makes up the prompt."""
        body = self.render_chat(request, stream=False, notes=notes)
        return {field: value for field, value in body.items() if field in _COUNTED}

    def _without(self, field: str, lesson: str) -> tuple[Protocol, str] | None:
        if field in self.unsupported:
            return None
        return replace(self, unsupported=self.unsupported | {field}), lesson

    def _include(self, request: ChatRequest, refused: frozenset[str]) -> list[str]:
        include = []
        if self.encrypted and not _PLAIN_MODEL.search(request.model or ""):
            include.append("reasoning.encrypted_content")
        if request.logprobs and "logprobs" not in refused:
            include.append("message.output_text.logprobs")
        return include

    def _sampling(self, request: ChatRequest, refused: frozenset[str], notes: Notes) -> dict[str, Any]:
        asked = ((field, getattr(request, field)) for field in _SAMPLING)
        settings: dict[str, Any] = {field: value for field, value in asked if value is not None}
        limit = request.max_tokens
        if limit is not None and limit < self.least_tokens:
            notes.add("clamped", "max_tokens", f"{limit} became {self.least_tokens}, the least this server takes")
            limit = self.least_tokens
        if limit is not None:
            settings["max_output_tokens"] = limit
        if request.logprobs and "logprobs" in refused:
            notes.add("dropped", "logprobs", "this server, or this model while it thinks, refuses them")
        elif request.logprobs and request.logprobs is not True:
            settings["top_logprobs"] = request.logprobs
        return settings

    def _reasoning(self, request: ChatRequest, thinking: Thinking | None, notes: Notes) -> dict[str, Any]:
        asked = request.reasoning
        if asked is None:
            return {}
        if thinking is not None and not thinking.efforts:
            if not switched_off(asked):
                notes.add("dropped", "reasoning", "this model does not think")
            return {}
        settings = {}
        effort = effort_of(asked, self.efforts if thinking is None else thinking.efforts, notes)
        if effort is not None:
            settings["effort"] = effort
        elif asked is not True:
            notes.add("dropped", "reasoning", f"{asked!r} cannot be said: this server knows no efforts")
        if self.summary and not switched_off(asked):
            settings["summary"] = self.summary
        return {"reasoning": settings} if settings else {}

    def _tools(self, request: ChatRequest, names: ToolNames, notes: Notes) -> dict[str, Any]:
        if not request.tools:
            return {}
        settings: dict[str, Any] = {"tools": [_tool(tool, request, names, notes) for tool in request.tools]}
        choice = request.tool_choice
        if choice in ("auto", "none", "required"):
            settings["tool_choice"] = choice
        elif choice is not None:
            chosen = next(tool for tool in request.tools if tool.name == choice)
            settings["tool_choice"] = _chosen(chosen, names)
        if request.parallel_tool_calls is not None:
            settings["parallel_tool_calls"] = request.parallel_tool_calls
        return settings

    def _text(self, request: ChatRequest, body: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
        wanted = request.response_format
        if wanted is None:
            return {}
        if wanted == "json":
            items = instruct_json(body["input"], None, notes)
            return {"input": items, "text": {"format": {"type": "json_object"}}}
        return {"text": {"format": {"type": "json_schema", **schema_form(wanted, request, notes)}}}


_LISTS = ChatCompletions()
"""Models and vectors are listed alike."""
_SAMPLING = ("temperature", "top_p", "user", "metadata")
_UNKNOWN = ("top_k", "stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias")
_DROPPABLE = frozenset({*_SAMPLING, "max_output_tokens", "parallel_tool_calls", "reasoning"})
_COUNTED = frozenset({"model", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text"})
_PLAIN_MODEL = re.compile(r"(?:^|/)(?:gpt-3\.5|gpt-4|chatgpt-|gpt-5-chat)")
"""Models that never think, and refuse the question for encrypted thoughts."""
_KINDS: tuple[tuple[str, type[APIError]], ...] = (
    (r"policy|^invalid_prompt$", ContentFilterError),
    (r"^vector_store_timeout$", ServerError),
    (r"image|^data_residency_mismatch$", BadRequestError),
)


@functools.lru_cache(maxsize=256)
def _known(rules: tuple[Models, ...], model: str) -> tuple[Thinking | None, frozenset[str]]:
    """How a model thinks, where that is known, and which fields it refuses meanwhile."""
    changes = {name: value for rule in rules if rule.match(model) for name, value in rule.changes}
    return changes.get("thinking"), changes.get("thinking_forbids", frozenset())


def _tool(tool: Tool, request: ChatRequest, names: ToolNames, notes: Notes) -> dict[str, Any]:
    if tool.cache:
        notes.add("dropped", "cache", NO_MARKS)
    if tool.native is not None:
        return dict(tool.native)
    form, strict = function_form(tool, request, names, notes)
    return {"type": "function", **form, "strict": strict}  # left out, it is true


def _chosen(tool: Tool, names: ToolNames) -> dict[str, Any]:
    native = tool.native
    if native is None:
        return {"type": "function", "name": names.wire(tool.name)}
    named: dict[str, Any] = {key: native[key] for key in ("name", "server_label") if key in native}
    return {"type": native["type"], **named}


def _drop_unknown(request: ChatRequest, notes: Notes) -> None:
    for field in _UNKNOWN:
        value = getattr(request, field)
        if value or (field in ("seed", "top_k") and value is not None):
            notes.add("dropped", field, "this wire format does not have it")
    if (request.n or 1) > 1:
        notes.add("dropped", "n", "this wire format gives one answer per request")
    if request.cache:
        notes.add("dropped", "cache", NO_MARKS)
