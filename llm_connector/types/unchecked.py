"""Instances of models whose fields are known to be right, made without asking pydantic."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

__all__ = ["unchecked"]

ModelT = TypeVar("ModelT", bound=BaseModel)

_set_values, _set_given, _set_extra, _set_private = (
    BaseModel.__dict__[name].__set__
    for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)


def unchecked(kind: type[ModelT], **fields: Any) -> ModelT:
    """`kind(**fields)` for values that are of the fields' own types already, and where no required one is missing.

    Validation would find nothing, but takes about a third of what a short answer costs to read: it touches so much
    memory that the processor has to fetch most of it anew for each answer. `model_construct` takes longer still.
    https://docs.pydantic.dev/latest/api/base_model/ (checked 2026-11)
    """
    defaults, factories = _defaults(kind)
    values = defaults | fields
    for name, factory in factories:
        if name not in fields:
            values[name] = factory()
    made = kind.__new__(kind)
    _set_values(made, values)
    _set_given(made, set(fields))
    _set_extra(made, None)
    _set_private(made, None)
    return made


@functools.cache
def _defaults(kind: type[BaseModel]) -> tuple[dict[str, Any], tuple[tuple[str, Callable[[], Any]], ...]]:
    """Every field in its order, with its default; and what makes the defaults that instances must not share."""
    fields = kind.model_fields
    made = ((name, field.default_factory) for name, field in fields.items())
    return {name: field.default for name, field in fields.items()}, tuple(
        (name, factory)  # type: ignore[misc]  # none of ours takes the values of other fields
        for name, factory in made
        if factory is not None
    )
