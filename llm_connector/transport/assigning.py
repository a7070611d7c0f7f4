"""Requests to connections, as httpcore's pools do it, at a cost that grows with their number and not with its square.

httpcore asks the operating system about every idle connection at each request, and counts all of them for each.
"""

from __future__ import annotations

import time
from typing import Any

__all__ = ["Assignment"]

SWEEP_SECONDS = 1.0
"""How often connections are looked at that no request wants."""


class Assignment:
    """Takes the place of a pool's `_assign_requests_to_connections`; calling it gives the connections to close."""

    __slots__ = ("_due", "_pool")

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._due = 0.0

    def __call__(self) -> list[Any]:
        pool = self._pool
        unwanted: list[Any] = []
        now = time.monotonic()
        if now >= self._due:
            self._due = now + SWEEP_SECONDS
            unwanted += self._take(lambda connection: connection.has_expired())
        queued = [request for request in pool._requests if request.is_queued()]
        if not queued:
            self._take(lambda connection: connection.is_closed())
            return unwanted + self._surplus()
        for request in queued:
            connection = self._usable(request.request.url.origin, unwanted)
            if connection is not None:
                request.assign_to_connection(connection)
        return unwanted

    def _usable(self, origin: Any, unwanted: list[Any]) -> Any:
        """A connection to the origin, a new one if none is free; None where there are as many as may be.

        One that waits may be given to several requests, as httpcore does: the first to write has it, and the others ask
        again. So a burst is spread over the time that its answers take, instead of being in memory all at once.
        """
        pool = self._pool
        for connection in list(pool._connections):
            if not (connection.can_handle_request(origin) and connection.is_available()):
                if connection.is_closed():
                    pool._connections.remove(connection)
                continue
            if not connection.has_expired():
                return connection
            pool._connections.remove(connection)
            unwanted.append(connection)
        if len(pool._connections) >= pool._max_connections:
            unwanted += self._take_idle(1)
        if len(pool._connections) >= pool._max_connections:
            return None
        connection = pool.create_connection(origin)
        pool._connections.append(connection)
        return connection

    def _surplus(self) -> list[Any]:
        """Idle connections beyond those that are kept."""
        pool = self._pool
        if len(pool._connections) <= pool._max_keepalive_connections:
            return []
        idle = sum(connection.is_idle() for connection in pool._connections)
        return self._take_idle(max(idle - pool._max_keepalive_connections, 0))

    def _take_idle(self, most: int) -> list[Any]:
        """Take connections that wait; one that was given to a request is idle until that request is written."""
        taken = {id(request.connection) for request in self._pool._requests}
        return self._take(lambda connection: connection.is_idle() and id(connection) not in taken, most)

    def _take(self, which: Any, most: int | None = None) -> list[Any]:
        """Take connections out of the pool."""
        taken = [connection for connection in self._pool._connections if which(connection)][:most]
        for connection in taken:
            self._pool._connections.remove(connection)
        return taken
