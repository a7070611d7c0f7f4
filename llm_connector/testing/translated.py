"""Formats that are another one in other words."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from llm_connector.errors import ContextLengthError, LlmConnectorError, ModelNotFoundError
from llm_connector.formats.base import Encoder, Format, Output
from llm_connector.protocols.assembly import Assembly
from llm_connector.types import ChatChunk, ChatResponse, Usage

__all__ = ["TranslatedEncoder", "TranslatedFormat", "worded"]


def worded(error: LlmConnectorError) -> str:
    """The message, with the words by which readers know the class of an error that has no code of its own."""
    if isinstance(error, ContextLengthError) and "prompt is too long" not in error.message:
        return f"prompt is too long: {error.message}"
    if isinstance(error, ModelNotFoundError) and "not found" not in error.message:
        return f"model not found: {error.message}"
    return error.message


class TranslatedEncoder(Encoder):
    """Writes the events of `inner`, each translated; `usage` is known at the end."""

    def __init__(self, format: Format, inner: Encoder) -> None:
        super().__init__(format, inner.model, inner.assembly, inner.clock)
        self.inner = inner
        self.usage = Usage()

    @abstractmethod
    def translate(self, output: Output) -> Iterable[Output]:
        """What an event of the other format is in this one."""

    def feed(self, chunk: ChatChunk) -> Iterable[Output]:
        """The events of one chunk."""
        return self._translated(self.inner.feed(chunk))

    def write(self, chunk: ChatChunk) -> Iterable[Output]:
        """The events of a chunk that has a delta."""
        return self._translated(self.inner.write(chunk))

    def finish(self, response: ChatResponse) -> Iterable[Output]:
        """The last events of a complete answer."""
        self.usage = response.usage
        return self._translated(self.inner.finish(response))

    def _translated(self, outputs: Iterable[Output]) -> list[Output]:
        return [event for output in outputs for event in self.translate(output)]


@dataclass(frozen=True)
class TranslatedFormat(Format):
    """A format whose streams are those of `inner`, translated by `writer`."""

    inner: ClassVar[Format]
    writer: ClassVar[type[TranslatedEncoder]]

    def encoder(
        self, model: str | None = None, *, assembly: Assembly | None = None, clock: Callable[[], float] = time.time
    ) -> Encoder:
        """The writer of one stream."""
        return self.writer(self, self.inner.encoder(model, assembly=assembly, clock=clock))
