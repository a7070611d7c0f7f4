"""One request to an ASGI application, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Answered", "asked"]


class Answered(NamedTuple):
    """The answer of an application."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def asked(
    application: Any, method: str, path: str, body: bytes, headers: Mapping[str, str] | None = None
) -> Answered:
    """The answer to a request from a client that stays until it has all of it."""
    incoming: list[dict[str, Any]] = [{"type": "http.request", "body": body}]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not incoming:
            await asyncio.get_running_loop().create_future()
        return incoming.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    every = {"host": "127.0.0.1", "content-length": str(len(body)), **(headers or {})}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in every.items()]
    await application({"type": "http", "method": method, "path": path, "headers": raw}, receive, send)
    return Answered(sent[0]["status"], sent[0]["headers"], b"".join(message.get("body", b"") for message in sent))
