"""All hosts of the world behind one loopback server, for code that names them.

    with everywhere(server) as world:
        LlmClient("deepseek", model="deepseek-v4-flash").chat("Hi")
    assert world.reached == ["https://api.deepseek.com/chat/completions"]

Only the address is changed, at the last moment: clients, signatures, sockets and bytes are real. The server sees the
host as the first part of the path. Requests to the embedded model are left alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from llm_connector.transport import AsyncTransport, SyncTransport
from llm_connector.wire import HttpRequest
from tests.support.wire_server import WireServer

FIRST_EPHEMERAL_PORT = 20_000
"""The embedded model listens above it; no address that documentation names does."""


class World:
    """What was sent, by the address it was sent to."""

    def __init__(self, server: WireServer) -> None:
        self.server = server
        self.reached: list[str] = []

    def moved(self, request: HttpRequest) -> HttpRequest:
        """The same request, to the loopback server."""
        parts = urlsplit(request.url)
        if parts.hostname == "127.0.0.1" and (parts.port or 80) > FIRST_EPHEMERAL_PORT:
            return request
        self.reached.append(request.url.partition("?")[0])
        return replace(request, url=f"{self.server.url}/{request.url.partition('://')[2]}")

    def named(self, text: str) -> str:
        """A text in which the loopback server has the name of the host that it stood for."""
        host = urlsplit(self.reached[-1]).netloc if self.reached else ""
        return text.replace(urlsplit(self.server.url).netloc, host)


@contextlib.contextmanager
def everywhere(server: WireServer) -> Generator[World]:
    """Send what goes to any host to `server`."""
    world = World(server)
    send, asend = SyncTransport._send, AsyncTransport._send

    def moved_send(self: SyncTransport, request: HttpRequest, *limits: Any, **options: Any) -> Any:
        return send(self, world.moved(request), *limits, **options)

    async def moved_asend(self: AsyncTransport, request: HttpRequest, *limits: Any, **options: Any) -> Any:
        return await asend(self, world.moved(request), *limits, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SyncTransport, "_send", moved_send)
        patch.setattr(AsyncTransport, "_send", moved_asend)
        yield world
