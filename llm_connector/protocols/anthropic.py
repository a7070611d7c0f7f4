"""The Messages wire format of Anthropic, and of the servers that imitate it.

https://platform.claude.com/docs/en/api/messages (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Self
from urllib.parse import quote

from llm_connector.errors import ParseError, excerpt
from llm_connector.framing import SSEDecoder
from llm_connector.protocols.anthropic_chunks import MessagesParser
from llm_connector.protocols.anthropic_messages import (
    OWN_CACHE,
    MessagesForm,
    limit_marks,
    loop_without_thoughts,
    mark_prompt,
)
from llm_connector.protocols.anthropic_schema import strict_schema
from llm_connector.protocols.anthropic_thinking import (
    Generation,
    ThinkingForm,
    ThinkingPlan,
    generation_of,
    plan_thinking,
)
from llm_connector.protocols.base import ChunkParser, Protocol
from llm_connector.protocols.failures import ErrorDetail
from llm_connector.protocols.reasoning import Efforts
from llm_connector.protocols.structured import json_instruction
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import cache_control, check_tool_turns, thought_states
from llm_connector.types import ChatRequest, ModelInfo, Notes, Tool
from llm_connector.wire import Json

__all__ = ["AnthropicMessages", "drop_unknown"]


@dataclass(frozen=True)
class AnthropicMessages(Protocol):
    """Anthropic Messages. Each field says which servers need it.

    `version`: the `anthropic-version` header. From 2026-10-21 on, sampling settings are refused.
    `default_max_tokens`: the limit where the caller gives none, with room for thinking on top: the wire demands one.
    `thinking`: `model` goes by the generation of the named Claude, other models by budget; `switch` where thinking is
    only on or off (DeepSeek, LongCat).
    `efforts`: what `output_config.effort` may say beside a switch (DeepSeek).
    `unsigned_thinking`: thoughts go back without a signature too (DeepSeek refuses tool turns without them).
    `forced_choice_thinking`: False where thinking, on unless it is stopped, forbids to force a tool (DeepSeek).
    `cache_marks`: how many there may be; none where the server caches prompts by itself (DeepSeek, LongCat).
    `most_temperature`: 2 at DeepSeek.
    `unsupported`: request fields that the server refuses; `thinking.disabled` where thinking cannot be stopped.
    `refused_thoughts`: signatures that were refused: they are bound to the model, and with some to the account.
    """

    framing: ClassVar[type[SSEDecoder]] = SSEDecoder
    name: ClassVar[str] = "Anthropic Messages"

    version: str = "2023-06-01"
    default_max_tokens: int = 8192
    thinking: ThinkingForm = "model"
    efforts: Efforts = ()
    unsigned_thinking: bool = False
    forced_choice_thinking: bool = True
    cache_marks: int = 4
    most_temperature: float = 1.0
    unsupported: frozenset[str] = frozenset()
    refused_thoughts: frozenset[str] = frozenset()

    def headers(self, operation: str, *, stream: bool = False) -> Mapping[str, str]:
        """The version of the API; beta headers are the caller's `extra_headers`."""
        return {"anthropic-version": self.version}

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Paths that users paste as part of a base URL; every path here begins with `v1`."""
        return ("/v1/messages/count_tokens", "/v1/messages", "/v1/models", "/messages", "/models", "/v1")

    def chat_path(self, model: str, *, stream: bool) -> str:
        """Path below the base URL."""
        return "v1/messages"

    def render_chat(self, request: ChatRequest, *, stream: bool, notes: Notes | None = None) -> dict[str, Any]:
        """The body of `POST v1/messages`.

        Raises ConfigurationError when a thinking budget does not fit `max_tokens`.
        """
        notes = notes or Notes()
        names = ToolNames(request, notes)
        check_tool_turns(request.messages)
        generation = self.generation(request.model)
        plan = plan_thinking(
            request.reasoning, request.max_tokens, self.default_max_tokens, generation, self.efforts, notes
        )
        form = MessagesForm(
            request.messages,
            names,
            notes,
            unsigned=self.unsigned_thinking,
            refused=self.refused_thoughts,
            marks=self.cache_marks > 0,
        )
        system, turns = form.render()
        body: dict[str, Any] = {"model": request.model, "max_tokens": plan.max_tokens}
        if system:
            body["system"] = system
        body["messages"] = turns
        body |= self.thinking_fields(plan, turns, notes)
        body |= self.tool_fields(request, body, generation, names, notes)
        self.add_response_format(request, body, generation, notes)
        body |= self.sampling_fields(request, body, generation, notes)
        body |= _metadata(request, notes)
        drop_unknown(request, notes)
        if request.cache and self.cache_marks:
            mark_prompt(body, request.cache)
        elif request.cache:
            notes.add("dropped", "cache", OWN_CACHE)
        if request.cache or form.marked or any(tool.cache for tool in request.tools):
            limit_marks(body, notes, self.cache_marks)
        if stream:
            body["stream"] = True
        for field in sorted(self.unsupported & body.keys()):
            del body[field]
            notes.add("dropped", field, "this server or model refuses it")
        return body

    def chunk_parser(self, request: ChatRequest | None = None) -> ChunkParser:
        """A parser of one answer."""
        return MessagesParser(request)

    def parse_error(self, body: Json) -> ErrorDetail:
        """What an error body says; its most specific word is in `error.details`."""
        detail = super().parse_error(body)
        error = body.get("error") if isinstance(body, dict) else None
        details = error.get("details") if isinstance(error, dict) else None
        code = details.get("error_code") if isinstance(details, dict) else None
        return replace(detail, code=code) if isinstance(code, str) else detail

    def learn(self, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """The other way of thinking, or no sampling settings, after a 400 that says so."""
        message = failure.message
        if _refuses(message, "thinking.type.enabled") and self.thinking in ("model", "budget"):
            return replace(self, thinking="adaptive"), "thinking goes by effort here, not by budget"
        if "adaptive thinking is not supported" in message and self.thinking == "model":
            return replace(self, thinking="budget"), "thinking goes by budget here, not by effort"
        if _refuses(message, "thinking.type.disabled") and "thinking.disabled" not in self.unsupported:
            return self._without("thinking.disabled"), "thinking cannot be switched off here"
        if "cannot both be specified" in message and "top_p" in message and "top_p" not in self.unsupported:
            return self._without("top_p"), "top_p is refused beside temperature"
        refused = next((field for field in _SAMPLING if re.search(_REFUSAL.format(field), message)), None)
        if refused and refused not in self.unsupported:
            return self._without(*_SAMPLING), "sampling settings are refused by this model"
        return None

    def learn_from(self, request: ChatRequest, failure: ErrorDetail, status: int = 400) -> tuple[Protocol, str] | None:
        """To leave out the thoughts of a conversation, which would be refused for as long as they stand in it."""
        thoughts = thought_states(request.messages) - self.refused_thoughts
        if thoughts and _REFUSED_THOUGHTS.search(failure.message):
            lesson = "its thoughts are refused, which another model or account may have made: they are left out"
            return replace(self, refused_thoughts=self.refused_thoughts | thoughts), lesson
        return super().learn_from(request, failure, status)

    def models_path(self, cursor: str | None) -> str:
        """Pages of a thousand, the most there are; `cursor` is the last id of the page before."""
        return f"v1/models?limit=1000&after_id={quote(cursor, safe='')}" if cursor else "v1/models?limit=1000"

    def parse_models(self, body: Json) -> tuple[list[ModelInfo], str | None]:
        """The models of one page."""
        items = body.get("data") if isinstance(body, dict) else None
        if not isinstance(items, list):
            raise ParseError("the model list has no 'data'", body=excerpt(str(body)))
        models = [_model_info(item) for item in items if isinstance(item, dict) and item.get("id")]
        return models, str(body["last_id"]) if body.get("has_more") is True and body.get("last_id") else None

    def count_path(self, model: str) -> str:
        """Path below the base URL."""
        return "v1/messages/count_tokens"

    def render_count(self, request: ChatRequest, notes: Notes | None = None) -> dict[str, Any]:
        """The body of a token count: what of a chat request makes up the prompt."""
        body = self.render_chat(request, stream=False, notes=notes)
        return {field: value for field, value in body.items() if field in _COUNTED}

    def generation(self, model: str | None) -> Generation:
        """What the model takes, as far as its name and what was learned tell."""
        generation = generation_of(model or "", self.thinking)
        return replace(generation, off=None) if "thinking.disabled" in self.unsupported else generation

    def _without(self, *fields: str) -> Self:
        return replace(self, unsupported=self.unsupported | set(fields))

    def thinking_fields(self, plan: ThinkingPlan, turns: list[dict[str, Any]], notes: Notes) -> dict[str, Any]:
        """The fields that ask for the thinking of a plan."""
        settings: dict[str, Any] = {}
        thinking = plan.thinking
        if thinking and "budget_tokens" in thinking and loop_without_thoughts(turns):
            notes.add(
                "dropped",
                "reasoning",
                "tools are running whose calls were made without it; it is back after them",
            )
            thinking = None
        if thinking:
            settings["thinking"] = thinking
        if plan.effort:
            settings["output_config"] = {"effort": plan.effort}
        return settings

    def tool_fields(
        self, request: ChatRequest, body: Mapping[str, Any], generation: Generation, names: ToolNames, notes: Notes
    ) -> dict[str, Any]:
        """`tools` and `tool_choice`, for a body whose thinking is settled."""
        if not request.tools:
            return {}
        choice = request.tool_choice
        settings: dict[str, Any] = {"tools": [_tool(tool, request, generation, names, notes) for tool in request.tools]}
        if choice not in (None, "auto", "none"):
            thinking = body.get("thinking", {}).get("type")
            thinks = thinking == "enabled" or (thinking is None and not self.forced_choice_thinking)
            if thinks or not generation.forced_choice:
                notes.add("downgraded", "tool_choice", f"{choice!r} became 'auto': thinking forbids to force a tool")
                choice = "auto"
        single = {"disable_parallel_tool_use": True} if request.parallel_tool_calls is False else {}
        if choice == "none":
            settings["tool_choice"] = {"type": "none"}
        elif choice == "required":
            settings["tool_choice"] = {"type": "any", **single}
        elif choice == "auto" or (choice is None and single):
            settings["tool_choice"] = {"type": "auto", **single}
        elif choice is not None:
            settings["tool_choice"] = {"type": "tool", "name": names.wire(choice), **single}
        return settings

    def add_response_format(
        self, request: ChatRequest, body: dict[str, Any], generation: Generation, notes: Notes
    ) -> None:
        """Put the form of the answer into `output_config`, or into the system prompt where nothing enforces it."""
        wanted = request.response_format
        if wanted is None:
            return
        if wanted == "json":
            _instruct(body, json_instruction(None))
            notes.add("downgraded", "response_format", "there is no JSON mode here: the prompt asks for JSON")
            return
        asked = request.strict_schema if request.strict_schema is not None else wanted.strict
        strict = strict_schema(wanted.schema_) if generation.json_schema and asked is not False else None
        if strict is None:
            _instruct(body, json_instruction(wanted.schema_))
            notes.add("downgraded", "response_format", "the schema is in the prompt: it cannot be enforced here")
            return
        schema, moved = strict
        if moved:
            notes.add("downgraded", "response_format", f"not enforced, only described: {', '.join(moved)}")
        form = {"type": "json_schema", "schema": schema}
        body["output_config"] = {**body.get("output_config", {}), "format": form}

    def sampling_fields(
        self, request: ChatRequest, body: Mapping[str, Any], generation: Generation, notes: Notes
    ) -> dict[str, Any]:
        """Sampling settings and stop sequences, for a body whose thinking is settled."""
        settings = {field: value for field in _SAMPLING if (value := getattr(request, field)) is not None}
        if not settings and not request.stop:
            return settings
        if not generation.sampling or "2026-10-21" <= self.version < "a":
            for field in settings:
                notes.add("dropped", field, "this model or version of the API takes no sampling settings")
            settings.clear()
        if settings.get("temperature", 0) > self.most_temperature:
            notes.add(
                "clamped", "temperature", f"{request.temperature} became {self.most_temperature:g}, the most there is"
            )
            settings["temperature"] = self.most_temperature
        if self.thinking != "switch" and body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
            for field in [field for field, value in settings.items() if not _BESIDE_THINKING[field](value)]:
                del settings[field]
                notes.add("dropped", field, "thinking does not go together with it")
        alone = "temperature" in settings and self.thinking != "switch"
        if alone and settings.pop("top_p", None) is not None:
            notes.add("dropped", "top_p", "current models refuse it beside temperature")
        stops = [stop for stop in request.stop or () if stop.strip()]
        if len(stops) < len(request.stop or ()):
            notes.add("dropped", "stop", "stop sequences of white space alone are refused")
        return {**settings, "stop_sequences": stops} if stops else settings


_SAMPLING = ("temperature", "top_p", "top_k")
_BESIDE_THINKING: dict[str, Callable[[float], bool]] = {
    "temperature": lambda value: value == 1,
    "top_p": lambda value: value >= 0.95,
    "top_k": lambda value: False,
}
_REFUSAL = r"\b{0}`?: Extra inputs are not permitted|\b{0}`? is deprecated|\b{0}`? is not supported"
_REFUSED_THOUGHTS = re.compile(
    r"invalid `?(?:signature|data)`? in `?(?:redacted_)?thinking|thinking`? blocks in the .{1,40} cannot be modified",
    re.I,
)
_COUNTED = frozenset({"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"})
_UNKNOWN = ("seed", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs")


def _refuses(message: str, field: str) -> bool:
    return re.search(rf"{re.escape(field)}\W* is not supported", message) is not None


def _tool(tool: Tool, request: ChatRequest, generation: Generation, names: ToolNames, notes: Notes) -> dict[str, Any]:
    wire: dict[str, Any] = dict(tool.native or {"name": names.wire(tool.name)})
    if tool.native is None:
        if tool.description:
            wire["description"] = tool.description
        wire["input_schema"] = tool.parameters
        if tool.strict if tool.strict is not None else request.strict_schema:
            strict = strict_schema(tool.parameters) if generation.json_schema else None
            if strict is None:
                notes.add("downgraded", f"tool {tool.name!r}", "not strict: its schema cannot be enforced here")
            else:
                wire["input_schema"], moved = strict
                wire["strict"] = True
                if moved:
                    notes.add("downgraded", f"tool {tool.name!r}", f"not enforced, only described: {', '.join(moved)}")
    if tool.cache:
        wire["cache_control"] = cache_control(tool.cache)
    return wire


def _instruct(body: dict[str, Any], instruction: str) -> None:
    system = body.get("system")
    if isinstance(system, list):
        body["system"] = [*system, {"type": "text", "text": instruction}]
    else:
        body["system"] = f"{system}\n\n{instruction}" if system else instruction


def _metadata(request: ChatRequest, notes: Notes) -> dict[str, Any]:
    given = request.metadata or {}
    for key in given:
        if key != "user_id":
            notes.add("dropped", f"metadata {key!r}", "this wire format takes user_id only")
    user = request.user or given.get("user_id")
    return {"metadata": {"user_id": user}} if user else {}


def drop_unknown(request: ChatRequest, notes: Notes) -> None:
    """Report the settings that this wire format lacks."""
    for field in _UNKNOWN:
        value = getattr(request, field)
        if value or (field == "seed" and value is not None):
            notes.add("dropped", field, "this wire format does not have it")
    if (request.n or 1) > 1:
        notes.add("dropped", "n", "this wire format gives one answer per request")


def _model_info(item: Mapping[str, Any]) -> ModelInfo:
    capabilities = item.get("capabilities")
    supported = None
    if isinstance(capabilities, Mapping):
        supported = [
            name
            for name, facts in capabilities.items()
            if isinstance(facts, Mapping) and facts.get("supported") is True
        ]
    window, most = item.get("max_input_tokens"), item.get("max_tokens")
    return ModelInfo(
        id=str(item["id"]),
        name=item.get("display_name"),
        created=_timestamp(item.get("created_at")),
        context_window=window if isinstance(window, int) else None,
        max_output=most if isinstance(most, int) else None,
        capabilities=supported,
        raw=dict(item),
    )


def _timestamp(value: Any) -> int | None:
    """Unix time of an RFC 3339 date; the epoch stands for an unknown one."""
    try:
        return int(datetime.fromisoformat(value).timestamp()) or None
    except (TypeError, ValueError):
        return None
