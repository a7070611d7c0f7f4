"""`client.ollama`: the models of an Ollama server, managed.

https://docs.ollama.com/api (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import replace
from typing import Any, TypeVar

from llm_connector import management, ollama
from llm_connector.errors import UnsupportedError
from llm_connector.limits import DEFAULT_MAX_EVENT_BYTES
from llm_connector.ollama import (
    ManagementCall,
    OllamaModel,
    OllamaModelDetails,
    ProgressCall,
    PullProgress,
    RunningModel,
)
from llm_connector.providers import Endpoint
from llm_connector.retry import Retry
from llm_connector.transport import AsyncTransport, SyncTransport
from llm_connector.wire import Timeout

__all__ = ["AsyncOllamaManager", "OllamaManager"]

T = TypeVar("T")

PROGRESS_IDLE = 900.0
"""Seconds of silence in a pull that are normal: verifying the digest of a large model reports nothing."""


class _Manager:
    def __init__(self, endpoint: Endpoint, timeout: Timeout, retry: Retry) -> None:
        if "model_management" not in endpoint.spec.supports:
            raise UnsupportedError(
                "models are managed on Ollama servers only; use LlmClient('ollama')", provider=endpoint.spec.name
            )
        self._endpoint = endpoint
        self._timeout = timeout
        self._retry = retry

    def _patient(self) -> Timeout:
        idle = None if self._timeout.idle is None else max(self._timeout.idle, PROGRESS_IDLE)
        return replace(self._timeout, idle=idle)


class OllamaManager(_Manager):
    """Blocking model management. Closing an iterator of events cancels what the server is doing."""

    def __init__(self, endpoint: Endpoint, transport: SyncTransport, timeout: Timeout, retry: Retry) -> None:
        super().__init__(endpoint, timeout, retry)
        self._transport = transport

    def models(self) -> list[OllamaModel]:
        """The models on the server."""
        return self._run(ollama.models())

    def running(self) -> list[RunningModel]:
        """The models in memory."""
        return self._run(ollama.running())

    def version(self) -> str:
        """The version of the server."""
        return self._run(ollama.version())

    def show(self, name: str) -> OllamaModelDetails:
        """Everything about one model. Raises ModelNotFoundError."""
        return self._run(ollama.show(name))

    def exists(self, name: str) -> bool:
        """Whether the server has the model."""
        return self._run(ollama.exists(name))

    def copy(self, source: str, target: str) -> None:
        """Give a model a second name."""
        self._run(ollama.copy(source, target))

    def delete(self, name: str) -> None:
        """Remove a model. Raises ModelNotFoundError."""
        self._run(ollama.delete(name))

    def pull(
        self, name: str, on_progress: Callable[[PullProgress], object] | None = None, *, insecure: bool = False
    ) -> None:
        """Download a model; returns when it is there."""
        _report(self.pull_events(name, insecure=insecure), on_progress)

    def push(
        self, name: str, on_progress: Callable[[PullProgress], object] | None = None, *, insecure: bool = False
    ) -> None:
        """Upload a model; returns when it is there."""
        _report(self.push_events(name, insecure=insecure), on_progress)

    def create(self, model: str, on_progress: Callable[[PullProgress], object] | None = None, **settings: Any) -> None:
        """Make a model; `settings` are those of `create_events`."""
        _report(self.create_events(model, **settings), on_progress)

    def pull_events(self, name: str, *, insecure: bool = False) -> Generator[PullProgress, None, None]:
        """The steps of a download."""
        return self._progress(ollama.pull(name, insecure))

    def push_events(self, name: str, *, insecure: bool = False) -> Generator[PullProgress, None, None]:
        """The steps of an upload."""
        return self._progress(ollama.push(name, insecure))

    def create_events(self, model: str, **settings: Any) -> Generator[PullProgress, None, None]:
        """The steps of making a model from `from_` or `files`; see `llm_connector.ollama.create`."""
        return self._progress(ollama.create(model, **settings))

    def _run(self, call: ManagementCall[T]) -> T:
        return self._transport.run(management.manage(self._endpoint, call, self._retry), self._timeout)

    def _progress(self, call: ProgressCall) -> Generator[PullProgress, None, None]:
        steps = management.open_progress(self._endpoint, call, self._retry, DEFAULT_MAX_EVENT_BYTES)
        body, decoder = self._transport.run(steps, self._patient())
        try:
            for block in body.blocks():
                yield from decoder.feed(block)
            yield from decoder.close()
        finally:
            body.close()


class AsyncOllamaManager(_Manager):
    """Model management for coroutines. Closing an iterator of events cancels what the server is doing."""

    def __init__(self, endpoint: Endpoint, transport: AsyncTransport, timeout: Timeout, retry: Retry) -> None:
        super().__init__(endpoint, timeout, retry)
        self._transport = transport

    async def models(self) -> list[OllamaModel]:
        """The models on the server."""
        return await self._run(ollama.models())

    async def running(self) -> list[RunningModel]:
        """The models in memory."""
        return await self._run(ollama.running())

    async def version(self) -> str:
        """The version of the server."""
        return await self._run(ollama.version())

    async def show(self, name: str) -> OllamaModelDetails:
        """Everything about one model. Raises ModelNotFoundError."""
        return await self._run(ollama.show(name))

    async def exists(self, name: str) -> bool:
        """Whether the server has the model."""
        return await self._run(ollama.exists(name))

    async def copy(self, source: str, target: str) -> None:
        """Give a model a second name."""
        await self._run(ollama.copy(source, target))

    async def delete(self, name: str) -> None:
        """Remove a model. Raises ModelNotFoundError."""
        await self._run(ollama.delete(name))

    async def pull(
        self, name: str, on_progress: Callable[[PullProgress], object] | None = None, *, insecure: bool = False
    ) -> None:
        """Download a model; returns when it is there."""
        await _areport(self.pull_events(name, insecure=insecure), on_progress)

    async def push(
        self, name: str, on_progress: Callable[[PullProgress], object] | None = None, *, insecure: bool = False
    ) -> None:
        """Upload a model; returns when it is there."""
        await _areport(self.push_events(name, insecure=insecure), on_progress)

    async def create(
        self, model: str, on_progress: Callable[[PullProgress], object] | None = None, **settings: Any
    ) -> None:
        """Make a model; `settings` are those of `create_events`."""
        await _areport(self.create_events(model, **settings), on_progress)

    def pull_events(self, name: str, *, insecure: bool = False) -> AsyncGenerator[PullProgress, None]:
        """The steps of a download."""
        return self._progress(ollama.pull(name, insecure))

    def push_events(self, name: str, *, insecure: bool = False) -> AsyncGenerator[PullProgress, None]:
        """The steps of an upload."""
        return self._progress(ollama.push(name, insecure))

    def create_events(self, model: str, **settings: Any) -> AsyncGenerator[PullProgress, None]:
        """The steps of making a model from `from_` or `files`; see `llm_connector.ollama.create`."""
        return self._progress(ollama.create(model, **settings))

    async def _run(self, call: ManagementCall[T]) -> T:
        return await self._transport.run(management.manage(self._endpoint, call, self._retry), self._timeout)

    async def _progress(self, call: ProgressCall) -> AsyncGenerator[PullProgress, None]:
        steps = management.open_progress(self._endpoint, call, self._retry, DEFAULT_MAX_EVENT_BYTES)
        body, decoder = await self._transport.run(steps, self._patient())
        try:
            async for block in body.blocks():
                for progress in decoder.feed(block):
                    yield progress
            for progress in decoder.close():
                yield progress
        finally:
            await body.close()


def _report(events: Generator[PullProgress, None, None], on_progress: Callable[[PullProgress], object] | None) -> None:
    try:
        for progress in events:
            if on_progress is not None:
                on_progress(progress)
    finally:
        events.close()


async def _areport(
    events: AsyncGenerator[PullProgress, None], on_progress: Callable[[PullProgress], object] | None
) -> None:
    try:
        async for progress in events:
            if on_progress is not None:
                on_progress(progress)
    finally:
        await events.aclose()
