"""The models of a gateway, listed and described as OpenAI, Anthropic and Ollama do.

https://platform.openai.com/docs/api-reference/models, https://platform.claude.com/docs/en/api/models-list,
https://docs.ollama.com/api/tags, https://docs.ollama.com/api/show (checked 2026-11)
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from starlette.responses import Response

from llm_connector.errors import LlmConnectorError
from llm_connector.formats.reading import required_text, the_object
from llm_connector.server.answers import JsonAnswer, told
from llm_connector.server.backends import Target, blamed
from llm_connector.server.calls import Call

__all__ = ["OLLAMA_VERSION", "list_models", "one_model", "running", "show", "tags", "version"]

OLLAMA_VERSION: Final = "0.33.0"
"""The version of Ollama whose API is spoken; clients ask for it to see what they may use."""

_BEGINNING = "1970-01-01T00:00:00Z"


async def list_models(call: Call) -> Response:
    """`GET /v1/models`, in the shape of whoever asks."""
    targets, headers = await _targets(call)
    entries = [_entry(call, target) for target in targets]
    if not _anthropic(call):
        return JsonAnswer({"object": "list", "data": entries}, headers=headers)
    ends = {"first_id": entries[0]["id"], "last_id": entries[-1]["id"]} if entries else {}
    listed = {"data": entries, "has_more": False, "first_id": None, "last_id": None, **ends}
    return JsonAnswer(listed, headers=headers)


async def one_model(call: Call) -> Response:
    """`GET /v1/models/{name}`."""
    return JsonAnswer(_entry(call, call.backends.find(call.request.path_params["name"])))


async def tags(call: Call) -> Response:
    """`GET /api/tags`."""
    targets, headers = await _targets(call)
    return JsonAnswer({"models": [_tag(target) for target in targets]}, headers=headers)


async def show(call: Call) -> Response:
    """`POST /api/show`: what Ollama says of a model of its own, else what is known."""
    body = the_object(await call.body())
    target = call.backends.find(required_text(body, "model" if body.get("model") else "name"))
    if "model_management" in target.backend.spec.supports:
        try:
            shown = await target.backend.client.ollama.show(target.name or target.asked)
        except LlmConnectorError as error:
            raise blamed(error) from error
        return JsonAnswer(shown.raw)
    info, family = target.info(), target.backend.spec.name
    facts: dict[str, Any] = {"general.architecture": family, "general.basename": target.name or target.asked}
    if info.context_window is not None:
        facts[f"{family}.context_length"] = info.context_window
    about = {"modelfile": "", "parameters": "", "template": "", "modified_at": _BEGINNING}
    capabilities = _capabilities(target)
    return JsonAnswer({**about, "details": _details(target), "model_info": facts, "capabilities": capabilities})


async def running(call: Call) -> Response:
    """`GET /api/ps`: models of providers are in nobody's memory here."""
    del call
    return JsonAnswer({"models": []})


async def version(call: Call) -> Response:
    """`GET /api/version`."""
    del call
    return JsonAnswer({"version": OLLAMA_VERSION})


async def _targets(call: Call) -> tuple[list[Target], dict[str, str]]:
    """All models, and the headers that tell of those that could not be had."""
    names, missing = await call.catalogue.names()
    return [call.backends.find(name) for name in names], told(missing)


def _anthropic(call: Call) -> bool:
    return "anthropic-version" in call.request.headers


def _entry(call: Call, target: Target) -> dict[str, Any]:
    if not _anthropic(call):
        return {"id": target.asked, "object": "model", "created": 0, "owned_by": target.backend.spec.name}
    info = target.info()
    limits = {"max_input_tokens": info.context_window, "max_tokens": info.max_output}
    entry = {"type": "model", "id": target.asked, "display_name": info.name or target.asked}
    return {**entry, "created_at": _BEGINNING, **limits}


def _tag(target: Target) -> dict[str, Any]:
    digest = hashlib.sha256(f"{target.backend.spec.name} {target.name or target.asked}".encode()).hexdigest()
    name = {"name": target.asked, "model": target.asked}
    return {**name, "modified_at": _BEGINNING, "size": 0, "digest": digest, "details": _details(target)}


def _details(target: Target) -> dict[str, Any]:
    family = target.backend.spec.name
    unknown = {"parent_model": "", "format": "", "parameter_size": "", "quantization_level": ""}
    return {**unknown, "family": family, "families": [family]}


def _capabilities(target: Target) -> list[str]:
    """In Ollama's words: what the provider offers, unless it is known that the model does not."""
    info, offered = target.info(), target.backend.spec.supports
    known, seen = info.capabilities, info.input_modalities
    capabilities = ["completion"]
    if "tools" in offered and (known is None or "tools" in known):
        capabilities.append("tools")
    if "images" in offered and (seen is None or "image" in seen):
        capabilities.append("vision")
    if "reasoning" in offered and (known is None or "reasoning" in known):
        capabilities.append("thinking")
    return capabilities
