"""Which model of the configuration a name means. Pure: no client, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from llm_connector.errors import ModelNotFoundError
from llm_connector.server.config import ANY, Model

__all__ = ["Found", "Routes"]

_SHOWN = 20


class Found(NamedTuple):
    """The model that a name means, and what its provider calls it; None leaves that to the client of the provider."""

    model: Model
    name: str | None


class Routes:
    """The models by name. A name of its own wins over patterns, and of these the first that fits."""

    def __init__(self, models: Iterable[Model]) -> None:
        everything = tuple(models)
        self.named = {model.name: model for model in everything if ANY not in model.name}
        self.patterns = tuple(model for model in everything if ANY in model.name)

    @property
    def first(self) -> str:
        """The name for those who ask for no model."""
        return next(iter(self.named), "")

    def find(self, name: str) -> Found:
        """What a client means. Ollama's clients add a tag. Raises ModelNotFoundError that lists what there is."""
        for asked in dict.fromkeys((name, name.removesuffix(":latest"))):
            model = self.named.get(asked)
            if model is not None:
                return Found(model, model.model or asked)
        for model in self.patterns:
            middle = matched(model.name, name)
            if middle is not None:
                return Found(model, name if model.model is None else model.model.replace(ANY, middle))
        known = [*self.named, *(model.name for model in self.patterns)]
        shown = ", ".join(known[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
        raise ModelNotFoundError(f"model {name!r} not found; there are: {shown}", status=404, code="model_not_found")


def matched(pattern: str, name: str) -> str | None:
    """What the pattern's `*` stands for in a name; None if it does not fit."""
    before, _, after = pattern.partition(ANY)
    fits = len(name) >= len(before) + len(after) and name.startswith(before) and name.endswith(after)
    return name[len(before) : len(name) - len(after)] if fits else None
