"""Requests to connections, as httpcore's pools do it, at a cost that grows with their number and not with its square.

httpcore asks the operating system about every idle connection at each request, counts all of them for each, and gives
one to several requests, of which all but one have to ask again.
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
        pool, unwanted = self._pool, list[Any]()
        self._take(lambda connection: connection.is_closed())
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + SWEEP_SECONDS
            unwanted += self._take(lambda connection: connection.has_expired())
        queued = [request for request in pool._requests if request.is_queued()]
        if not queued:
            return unwanted + self._surplus()
        taken = self._taken()
        for request in queued:
            connection = self._usable(request.request.url.origin, taken, unwanted)
            if connection is not None:
                taken.add(id(connection))
                request.assign_to_connection(connection)
        return unwanted

    def _usable(self, origin: Any, taken: set[int], unwanted: list[Any]) -> Any:
        """A connection to the origin, a new one if none is free; None where there are as many as may be."""
        pool = self._pool
        for connection in list(pool._connections):
            free = connection.can_handle_request(origin) and connection.is_available()
            if not free or id(connection) in taken:  # taken by a request that has not used it yet
                continue
            if not connection.has_expired():
                return connection
            pool._connections.remove(connection)
            unwanted.append(connection)
        if len(pool._connections) >= pool._max_connections:
            unwanted += self._take_idle(1, taken)
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
        return self._take_idle(max(idle - pool._max_keepalive_connections, 0), self._taken())

    def _taken(self) -> set[int]:
        """The connections that requests have been given."""
        return {id(request.connection) for request in self._pool._requests}

    def _take_idle(self, most: int, taken: set[int]) -> list[Any]:
        """Take connections that wait; one that was given to a request is idle until that request is written."""
        return self._take(lambda connection: connection.is_idle() and id(connection) not in taken, most)

    def _take(self, which: Any, most: int | None = None) -> list[Any]:
        """Take connections out of the pool."""
        taken = [connection for connection in self._pool._connections if which(connection)][:most]
        for connection in taken:
            self._pool._connections.remove(connection)
        return taken
