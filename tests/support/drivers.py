"""Both clients behind one blocking face, so that a case is written once, and a server that speaks raw bytes.

client = driver.client(model="m")           # of the wire server; closed after the test
response = driver.run(client.chat("Hi"))    # the value, or what the coroutine returns
chunks = list(driver.chunks(client.stream("Hi")))
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any, ClassVar, Self

import httpx

from llm_connector import AsyncLlmClient, ChatChunk, LlmClient
from llm_connector.retry import Retry
from tests.support.wire_server import Stream, WireServer, sse

KEY = "sk-planted-0123456789abcdef"


class Driver:
    """Makes clients of one kind and performs what they return."""

    name: str
    client_class: type[Any]
    http_client: type[Any]
    settings: ClassVar[dict[str, Any]] = {}
    """What makes a client one of this kind."""

    def __init__(self, server: WireServer) -> None:
        self.server = server
        self._made: list[Any] = []

    def client(self, provider: Any = "openai_compatible", *, retries: int = 0, **settings: Any) -> Any:
        """A client of the wire server that waits milliseconds between attempts."""
        usual = {"base_url": self.server.url, "api_key": KEY, "model": "m", "timeout": 10}
        settings = {**usual, **self.settings, **settings}
        client = self.client_class(provider, **settings)
        client._settings.retry = Retry(retries, first_delay=0.001)
        self._made.append(client)
        return client

    def chat(self, message: Any = "Hi", **settings: Any) -> Any:
        """The answer of a new client."""
        return self.run(self.client(**settings).chat(message))

    def run(self, value: Any) -> Any:
        raise NotImplementedError

    def chunks(self, stream: Any) -> Iterator[ChatChunk]:
        raise NotImplementedError

    def entered(self, stream: Any) -> contextlib.AbstractContextManager[Any]:
        """The stream's own `with` or `async with`."""
        raise NotImplementedError

    def text(self, stream: Any) -> str:
        return "".join(chunk.text for chunk in self.chunks(stream))

    def close(self) -> None:
        for client in self._made:
            self.run(client.close())
        self._made.clear()


class SyncDriver(Driver):
    name = "sync"
    client_class = LlmClient
    http_client = httpx.Client

    def run(self, value: Any) -> Any:
        return value

    def chunks(self, stream: Any) -> Iterator[ChatChunk]:
        yield from stream

    def entered(self, stream: Any) -> contextlib.AbstractContextManager[Any]:
        entered: contextlib.AbstractContextManager[Any] = stream
        return entered


class AsyncDriver(Driver):
    name = "async"
    client_class = AsyncLlmClient
    http_client = httpx.AsyncClient

    def __init__(self, server: WireServer) -> None:
        super().__init__(server)
        self._runner = asyncio.Runner()

    def run(self, value: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(value)

    def chunks(self, stream: Any) -> Iterator[ChatChunk]:
        while True:
            try:
                chunk = self.run(_next(stream))
            except StopAsyncIteration:
                return
            yield chunk

    @contextlib.contextmanager
    def entered(self, stream: Any) -> Generator[Any]:
        self.run(stream.__aenter__())
        try:
            yield stream
        except BaseException as error:
            self.run(stream.__aexit__(type(error), error, error.__traceback__))
            raise
        else:
            self.run(stream.__aexit__(None, None, None))

    def close(self) -> None:
        super().close()
        self._runner.close()


class AiohttpDriver(AsyncDriver):
    """The async client over aiohttp's pool, unless it is given a client of the caller's."""

    name = "aiohttp"
    settings: ClassVar[dict[str, Any]] = {"http_client": "aiohttp"}


async def _next(stream: Any) -> ChatChunk:
    chunk: ChatChunk = await anext(stream)
    return chunk


DRIVERS: tuple[type[Driver], ...] = (SyncDriver, AsyncDriver)
TRANSPORTS: tuple[type[Driver], ...] = (*DRIVERS, AiohttpDriver)
"""For what the pools below have to do with."""


def words(*texts: str, finish: str | None = "stop", done: bool = True) -> list[bytes]:
    """The blocks of a Chat Completions stream that says these texts."""
    events: list[dict[str, Any]] = [_event({"content": text}) for text in texts]
    if finish:
        events.append(_event({}, finish))
    return sse(*events, done=done)


def _event(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "c1", "model": "m1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def unfinished(*texts: str) -> Stream:
    """A stream that says these texts and then nothing more, without ending."""
    return Stream(words(*texts, finish=None, done=False), end="hold")


class RawServer:
    """Reads one request per connection, whole or not, and lets `answer` write whatever it likes to the socket."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.heads: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                with peer, contextlib.suppress(OSError):
                    self.heads.append(peer.recv(65536).partition(b"\r\n\r\n")[0])
                    self._answer(peer)
