"""What a protocol had to change in a request, said aloud."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from llm_connector.errors import UnsupportedError

__all__ = ["Adaptation", "Notes"]

Action: TypeAlias = Literal["dropped", "renamed", "clamped", "downgraded", "converted", "learned"]


class Adaptation(BaseModel):
    """One thing that was not sent as it was asked for: what was done, to what, and why."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    action: Action
    subject: str
    detail: str


class Notes:
    """Collects adaptations while a request is rendered. A strict one raises UnsupportedError instead."""

    __slots__ = ("adaptations", "strict")

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.adaptations: list[Adaptation] = []

    def add(self, action: Action, subject: str, detail: str) -> None:
        """Record one adaptation; the same one twice counts once."""
        if self.strict:
            raise UnsupportedError(f"{subject} would be {action}: {detail}. Leave it out, or pass strict=False")
        adaptation = Adaptation(action=action, subject=subject, detail=detail)
        if adaptation not in self.adaptations:
            self.adaptations.append(adaptation)
