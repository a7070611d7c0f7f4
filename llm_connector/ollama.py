"""Management of the models on an Ollama server: what each call sends, and what its answer means.

Each function makes a value; the clients perform it.
https://docs.ollama.com/api (checked 2026-11)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from llm_connector.errors import ConfigurationError, ParseError, StreamError, excerpt
from llm_connector.protocols import ErrorEvent
from llm_connector.protocols.base import ChunkParser
from llm_connector.protocols.ollama_chunks import timestamp
from llm_connector.protocols.ollama_host import ollama_host
from llm_connector.protocols.ollama_messages import render_messages
from llm_connector.types import Messages, Notes, conversation
from llm_connector.wire import Event, Json

__all__ = [
    "ManagementCall",
    "OllamaModel",
    "OllamaModelDetails",
    "ProgressCall",
    "ProgressReader",
    "PullProgress",
    "RunningModel",
    "copy",
    "create",
    "delete",
    "exists",
    "models",
    "ollama_host",
    "pull",
    "push",
    "running",
    "show",
    "version",
]

T = TypeVar("T")


class OllamaModel(BaseModel):
    """A model on the server. None means that the server does not say; `size` is in bytes."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    size: int | None = None
    digest: str | None = None
    modified_at: datetime | None = None
    format: str | None = None
    family: str | None = None
    parameter_size: str | None = None
    quantization: str | None = None
    context_window: int | None = None
    capabilities: list[str] | None = None
    raw: dict[str, Any] = Field(default={}, repr=False)


class OllamaModelDetails(OllamaModel):
    """A model with what only `show` tells. `parameters` is text, one setting per line."""

    embedding_length: int | None = None
    parameter_count: int | None = None
    system: str | None = None
    template: str | None = Field(default=None, repr=False)
    parameters: str | None = Field(default=None, repr=False)
    modelfile: str | None = Field(default=None, repr=False)
    license: str | None = Field(default=None, repr=False)

    def supports(self, capability: str) -> bool:
        """Whether the model has a capability, such as `"tools"`, `"vision"`, `"thinking"` or `"embedding"`."""
        return capability in (self.capabilities or ())


class RunningModel(OllamaModel):
    """A model in memory: how much of it is on the graphics card, in bytes, and when it will be unloaded."""

    size_vram: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PullProgress:
    """One step of a pull, push or create. `completed` and `total` are bytes of the layer `digest`."""

    status: str
    digest: str | None = None
    completed: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ManagementCall(Generic[T]):
    """One exchange: what to send, and what the decoded answer (None if it has no body) means.

    `if_missing` is the result where the server does not know the model; without it that is a ModelNotFoundError.
    """

    method: str
    path: str
    parse: Callable[[Json], T]
    body: dict[str, Any] | None = None
    if_missing: T | None = None


@dataclass(frozen=True, slots=True)
class ProgressCall:
    """A POST that is answered by a stream of progress; `NDJSONDecoder` and a `ProgressReader` read it."""

    path: str
    body: dict[str, Any]


class ProgressReader:
    """Reads the progress of one call, as a `ChunkParser` reads an answer."""

    __slots__ = ("_last",)

    done = False
    """Never: the base model that a create pulls first reports a success of its own."""

    def __init__(self) -> None:
        self._last: str | None = None

    def feed(self, event: Event) -> Iterator[PullProgress]:
        """The progress of one line. Raises ErrorEvent for an error, ParseError for what is not JSON."""
        body = ChunkParser.decode(event.data)
        if not isinstance(body, dict) or body.get("error"):
            raise ErrorEvent(body)
        status = body.get("status")
        if isinstance(status, str):
            self._last = status
            yield PullProgress(status, _text(body, "digest"), _number(body, "completed"), _number(body, "total"))

    def close(self) -> Iterable[PullProgress]:
        """Nothing more. Raises StreamError unless the last line said `success`."""
        if self._last != "success":
            last = f"its last status was {self._last!r}" if self._last is not None else "no status arrived"
            raise StreamError(f"the server stopped before it reported success; {last}")
        return ()


def models() -> ManagementCall[list[OllamaModel]]:
    """The models on the server."""
    return ManagementCall("GET", "api/tags", _read_models)


def running() -> ManagementCall[list[RunningModel]]:
    """The models in memory."""
    return ManagementCall("GET", "api/ps", _read_running)


def version() -> ManagementCall[str]:
    """The version of the server."""
    return ManagementCall("GET", "api/version", _read_version)


def show(name: str) -> ManagementCall[OllamaModelDetails]:
    """Everything about one model."""
    return ManagementCall("POST", "api/show", lambda body: _read_details(body, name), {"model": _checked(name)})


def exists(name: str) -> ManagementCall[bool]:
    """Whether the server has the model. A server without this endpoint raises NotFoundError instead of lying."""
    return ManagementCall("POST", "api/show", _read_known, {"model": _checked(name)}, if_missing=False)


def copy(source: str, target: str) -> ManagementCall[None]:
    """A second name for a model."""
    return ManagementCall(
        "POST", "api/copy", _read_nothing, {"source": _checked(source), "destination": _checked(target)}
    )


def delete(name: str) -> ManagementCall[None]:
    """Remove a model; the name stands in the body of a DELETE."""
    return ManagementCall("DELETE", "api/delete", _read_nothing, {"model": _checked(name)})


def pull(name: str, insecure: bool = False) -> ProgressCall:
    """Download a model; what is there already is not loaded again. `insecure` allows a registry without TLS."""
    return ProgressCall("api/pull", _transfer(name, insecure))


def push(name: str, insecure: bool = False) -> ProgressCall:
    """Upload a model, named `namespace/model`, to its registry."""
    return ProgressCall("api/push", _transfer(name, insecure))


def create(
    model: str,
    from_: str | None = None,
    system: str | None = None,
    template: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    messages: Messages | None = None,
    files: Mapping[str, str] | None = None,
    adapters: Mapping[str, str] | None = None,
    license: str | Sequence[str] | None = None,
    quantize: str | None = None,
) -> ProgressCall:
    """Make a model: from another one with its own prompt and settings, or from files by the digests of their blobs."""
    if from_ is None and not files:
        raise ConfigurationError("create: give from_, the model to start from, or files by the digests of their blobs")
    fields: dict[str, Any] = {
        "from": from_,
        "system": system,
        "template": template,
        "parameters": None if parameters is None else dict(parameters),
        "messages": None if messages is None else render_messages(conversation(messages), Notes(strict=True)),
        "files": None if files is None else dict(files),
        "adapters": None if adapters is None else dict(adapters),
        "license": license if license is None or isinstance(license, str) else list(license),
        "quantize": quantize,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return ProgressCall("api/create", {"model": _checked(model), "stream": True, **given})


def _transfer(name: str, insecure: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"model": _checked(name), "stream": True}
    return {**body, "insecure": True} if insecure else body


def _checked(name: str) -> str:
    if not name.strip():
        raise ConfigurationError("the model's name is empty; give one such as 'llama3.2' or 'qwen3:4b'")
    return name


def _read_models(body: Json) -> list[OllamaModel]:
    return [OllamaModel(**_fields(item)) for item in _items(body)]


def _read_running(body: Json) -> list[RunningModel]:
    running = []
    for item in _items(body):
        expires_at = timestamp(item.get("expires_at"))
        running.append(RunningModel(**_fields(item), size_vram=_number(item, "size_vram"), expires_at=expires_at))
    return running


def _read_details(body: Json, name: str) -> OllamaModelDetails:
    answer = _object(body)
    facts = answer.get("model_info")
    facts = facts if isinstance(facts, dict) else {}
    architecture = facts.get("general.architecture")
    fields = _fields({**answer, "model": name})
    fields |= {key: _text(answer, key) for key in ("system", "template", "parameters", "modelfile", "license")}
    fields["raw"] = answer
    fields["context_window"] = _number(facts, f"{architecture}.context_length") or fields["context_window"]
    fields["embedding_length"] = _number(facts, f"{architecture}.embedding_length")
    fields["parameter_count"] = _number(facts, "general.parameter_count")
    return OllamaModelDetails(**fields)


def _read_known(body: Json) -> bool:
    _object(body)
    return True


def _read_version(body: Json) -> str:
    found = _text(_object(body), "version")
    if found is None:
        raise ParseError("the answer has no 'version'", body=excerpt(str(body)))
    return found


def _read_nothing(body: Json) -> None:
    if isinstance(body, dict) and body.get("error"):
        raise ErrorEvent(body)


def _object(body: Json) -> dict[str, Any]:
    if not isinstance(body, dict) or body.get("error"):
        raise ErrorEvent(body)
    return body


def _items(body: Json) -> list[dict[str, Any]]:
    """The entries under `models`, which is null where there are none."""
    answer = _object(body)
    if "models" not in answer:
        raise ParseError("the answer has no 'models'", body=excerpt(str(body)))
    items = [item for item in answer["models"] or () if isinstance(item, dict)]
    return [item for item in items if item.get("model") or item.get("name")]


def _fields(item: Mapping[str, Any]) -> dict[str, Any]:
    """What listings and `show` have in common."""
    details = item.get("details")
    details = details if isinstance(details, dict) else {}
    capabilities = item.get("capabilities")
    return {
        "name": str(item.get("model") or item.get("name")),
        "size": _number(item, "size"),
        "digest": _text(item, "digest"),
        "modified_at": timestamp(item.get("modified_at")),
        "format": _text(details, "format"),
        "family": _text(details, "family"),
        "parameter_size": _text(details, "parameter_size"),
        "quantization": _text(details, "quantization_level"),
        "context_window": _number(item, "context_length") or _number(details, "context_length"),
        "capabilities": [str(word) for word in capabilities] if isinstance(capabilities, list) else None,
        "raw": dict(item),
    }


def _number(body: Mapping[str, Any], key: str) -> int | None:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value)


def _text(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    return value if isinstance(value, str) and value else None
