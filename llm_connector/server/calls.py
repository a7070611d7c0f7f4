"""What each endpoint is given: a request, the format to answer in, and the providers behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from llm_connector.errors import BadRequestError, ServerError
from llm_connector.formats import Format
from llm_connector.server.backends import Backends
from llm_connector.server.catalogue import Catalogue
from llm_connector.server.config import GatewayConfig
from llm_connector.wire import Json, decode_json

__all__ = ["Call", "attended"]

T = TypeVar("T")

_LONGEST_SILENCE = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way through the gateway."""

    config: GatewayConfig
    backends: Backends
    catalogue: Catalogue
    request: Request
    format: Format

    async def body(self) -> Json:
        """The decoded body. Raises BadRequestError for one that is too large, does not come, or is no JSON."""
        limit = self.config.max_body_bytes
        try:
            async with asyncio.timeout(_LONGEST_SILENCE) as patience:
                content = await self._read(limit, patience)
            return decode_json(content)
        except TimeoutError:
            message = f"nothing more of the body came for {_LONGEST_SILENCE:g} seconds"
            raise BadRequestError(message, status=408) from None
        except (ValueError, RecursionError) as error:
            raise BadRequestError(f"the body is not JSON: {error}", status=400) from None

    async def _read(self, limit: int, patience: asyncio.Timeout) -> bytes:
        blocks, size = list[bytes](), int(self.request.headers.get("content-length") or 0)
        if size <= limit:
            size = 0
            async for block in self.request.stream():
                patience.reschedule(asyncio.get_running_loop().time() + _LONGEST_SILENCE)
                blocks.append(block)
                size += len(block)
                if size > limit:
                    break
        if size > limit:
            raise BadRequestError(f"the body is larger than the {limit:,} bytes that this gateway takes", status=413)
        return b"".join(blocks)

    async def attended(self, work: Awaitable[T]) -> T:
        """The result of work that ends when the client goes: see the function."""
        return await attended(work, self.request.receive)


async def attended(
    work: Awaitable[T],
    receive: Receive,
    idle: Callable[[], Awaitable[None]] | None = None,
    seconds: float | None = None,
) -> T:
    """The result of work that is cancelled when the client goes. `idle` is called every so many seconds.

    Raises ClientDisconnect when the client went first, ServerError when the server stops.
    """
    worker, gone = asyncio.current_task(), False
    assert worker is not None  # a coroutine runs in one

    async def watch() -> None:
        nonlocal gone
        while not gone:
            try:
                async with asyncio.timeout(seconds):
                    gone = (await receive())["type"] == "http.disconnect"
            except TimeoutError:
                if idle is not None:
                    await idle()
        worker.cancel()

    watcher = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        worker.uncancel()
        if gone:
            raise ClientDisconnect from None
        message = "the gateway is shutting down; ask again"
        raise ServerError(message, status=503, retryable=True) from None
    finally:
        watcher.cancel()
