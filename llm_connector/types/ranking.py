"""Documents by relevance."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["RankedDocument"]


class RankedDocument(BaseModel):
    """A document that was ranked: its place among those sent, its relevance (more is better), and its text."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    index: int
    score: float
    document: str
