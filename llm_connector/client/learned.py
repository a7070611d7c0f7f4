"""What refusals have taught a client, as data: saved in one process, given to another with `learned=`."""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from llm_connector.errors import ConfigurationError
from llm_connector.protocols import Protocol
from llm_connector.protocols.completion_thinking import Thinking, for_models
from llm_connector.providers import Endpoint

__all__ = ["lessons", "taught"]

NOT_OF_THE_SERVER = frozenset({"refused_thoughts"})
"""What is learned for one conversation only."""


def lessons(endpoint: Endpoint) -> dict[str, Any]:
    """By model, the fields of the wire format that refusals have changed; JSON can hold all of it."""
    base = endpoint.spec.protocol
    found = {model: _difference(base, protocol) for model, protocol in endpoint.learned.items() if model is not None}
    return {
        "provider": endpoint.spec.name,
        "base_url": _address(endpoint),
        "models": {model: lesson for model, lesson in found.items() if lesson},
    }


def taught(endpoint: Endpoint, data: Mapping[str, Any]) -> dict[str | None, Protocol]:
    """The wire formats by model that `lessons` was made of. Raises ConfigurationError for anything else."""
    expected = {"provider": endpoint.spec.name, "base_url": _address(endpoint)}
    if not isinstance(data, Mapping) or set(data) != {*expected, "models"} or not isinstance(data["models"], Mapping):
        raise _mistake(endpoint, "learned: give what client.learned returned")
    for name, own in expected.items():
        if data[name] != own:
            raise _mistake(endpoint, f"learned[{name!r}] is {data[name]!r}, but this client asks {own!r}; leave it out")
    found: dict[str | None, Protocol] = {}
    for model, lesson in data["models"].items():
        try:
            found[model] = _changed(endpoint.spec.protocol, lesson)
        except (TypeError, ValueError) as error:
            problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            place = f"learned['models'][{model!r}]"
            raise _mistake(endpoint, f"{place}: {problem}; leave the model out, and it will be learned again") from None
    return found


def _difference(base: Protocol, protocol: Protocol) -> dict[str, Any]:
    """What has to be changed in `base` to make `protocol`."""
    way = next(way for way in _ways(base) if type(way) is type(protocol))
    found: dict[str, Any] = {} if way is base else {"wire": way.name}
    for field in fields(protocol):
        name, value, known = field.name, getattr(protocol, field.name), getattr(way, field.name)
        if value == known or name in NOT_OF_THE_SERVER:
            continue
        if isinstance(value, Protocol):
            found[name] = _difference(_nested(way, name), value)
        elif name == "models":
            found[name] = {key: _adapter(way, key).dump_python(of, mode="json") for key, of in value[-1].changes}
        else:
            written = _adapter(way, name).dump_python(value, mode="json")
            found[name] = sorted(written) if isinstance(value, frozenset) else written
    return found


def _changed(base: Protocol, lesson: Mapping[str, Any]) -> Protocol:
    """The inverse. Raises ValueError or TypeError for what is no lesson."""
    wire = _dict(lesson).get("wire", base.name)
    way = next((way for way in _ways(base) if way.name == wire), None)
    if way is None:
        raise ValueError(f"there is no {wire!r} here")
    changes: dict[str, Any] = {}
    for name, value in lesson.items():
        if name == "wire":
            continue
        if name == "models":
            rules = [rule for rule in getattr(way, "models", ()) if rule.pattern]
            rule = {key: _read(way, key, of) for key, of in _dict(value).items()}
            changes[name] = (*rules, for_models("", **rule))
        elif name in way.alternatives:
            changes[name] = _changed(_nested(way, name), value)
        else:
            changes[name] = _read(way, name, value)
    return replace(way, **changes)


def _read(protocol: Protocol, name: str, value: Any) -> Any:
    known = {"thinking", *(field.name for field in fields(protocol))} - NOT_OF_THE_SERVER
    if name not in known:
        raise ValueError(f"{name!r} is nothing that can be learned")
    return _adapter(protocol, name).validate_python(value)


def _dict(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("a lesson is a dict")
    return value


def _ways(protocol: Protocol) -> Iterator[Protocol]:
    """The wire formats that a refusal may lead to, this one first."""
    yield protocol
    yield from filter(None, map(protocol.alternative, protocol.alternatives))


def _nested(protocol: Protocol, name: str) -> Protocol:
    """One of the alternatives. Raises ValueError where there is none."""
    nested = protocol.alternative(name)
    if nested is None:
        raise ValueError(f"{protocol.name} has no {name!r} that could be changed")
    return nested


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    """The types of the fields; a rule for models may be of a `Thinking` that the protocol has no field for."""
    return {"thinking": Thinking, **typing.get_type_hints(kind)}


@functools.cache
def _adapter_of(kind: Any, name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_hints(kind)[name])


def _adapter(protocol: Protocol, name: str) -> TypeAdapter[Any]:
    """Reads and writes a field."""
    kind: Any = type(protocol)
    return _adapter_of(kind, name)


def _address(endpoint: Endpoint) -> str:
    return endpoint.base_url.partition("?")[0]  # a query may hold a key


def _mistake(endpoint: Endpoint, message: str) -> ConfigurationError:
    return ConfigurationError(message, provider=endpoint.spec.name)
