"""The names that clients may ask for, those of the providers included where a pattern lets them through."""

from __future__ import annotations

import time

from llm_connector.errors import LlmConnectorError, UnsupportedError
from llm_connector.server.backends import Backends, blamed, sole_model
from llm_connector.server.config import ANY, Model
from llm_connector.server.routing import matched
from llm_connector.types import Adaptation

__all__ = ["Catalogue"]

_LISTED_SECONDS = 60.0


class Catalogue:
    """The names of all models. What the providers list is asked for again after a minute."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self._listed: dict[str, tuple[float, list[str]]] = {}

    async def names(self) -> tuple[list[str], list[Adaptation]]:
        """The names, and whose could not be had. Raises the provider's error where there are no others."""
        names = list(self._backends.routes.named)
        missing: list[Adaptation] = []
        for model in self._backends.routes.patterns:
            try:
                names += await self._of(model)
            except LlmConnectorError as error:
                if not (names or isinstance(error, UnsupportedError)):
                    raise blamed(error) from error
                missing.append(Adaptation(action="dropped", subject=f"models of {model.name}", detail=str(error)))
        return list(dict.fromkeys(names)), missing

    async def _of(self, model: Model) -> list[str]:
        """The names that a pattern stands for: none where all of them mean the same model."""
        if model.model is not None and ANY not in model.model:
            return []
        backend = self._backends.of(model)
        sole = sole_model(model, backend.spec)
        if sole is not None:
            return [model.name.replace(ANY, sole)]
        since, known = self._listed.get(model.name, (0.0, []))
        if not known or time.monotonic() - since > _LISTED_SECONDS:
            theirs = [info.id for info in await backend.client.models()]
            if model.model is None:
                known = [name for name in theirs if matched(model.name, name) is not None]
            else:
                middles = (matched(model.model, name) for name in theirs)
                known = [model.name.replace(ANY, middle) for middle in middles if middle is not None]
            self._listed[model.name] = time.monotonic(), known
        return known
