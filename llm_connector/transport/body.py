"""What an open answer knows, whichever driver reads it: its limits, and how to change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from llm_connector.transport.settings import NO_LIMIT, Deadline, failure, header_dict
from llm_connector.wire import HttpRequest, Timeout

if TYPE_CHECKING:
    import httpx

    from llm_connector.errors import LlmConnectorError
    from llm_connector.transport.phases import AsyncPhasedStream, PhasedStream
    from llm_connector.transport.pools import Pool

__all__ = ["OpenBody", "unasked"]

BlocksT = TypeVar("BlocksT")


def unasked(response: httpx.Response) -> bool:
    """Whether an answer was there before its question: sent behind another one, it belongs to nobody."""
    return getattr(response.extensions.get("network_stream"), "silent", False)


class OpenBody(Generic[BlocksT]):
    """The open body of an answer. `close` gives the connection back, or ends it if the body was not read."""

    __slots__ = (
        "_begun",
        "_blocks",
        "_connection",
        "_deadline",
        "_outgoing",
        "_pool",
        "_request",
        "_response",
        "_timeout",
        "headers",
    )

    def __init__(
        self,
        response: httpx.Response,
        outgoing: httpx.Request,
        request: HttpRequest,
        timeout: Timeout,
        deadline: Deadline,
        pool: Pool[Any] | None,
    ) -> None:
        self.headers = header_dict(response.headers)
        self._response = response
        self._outgoing = outgoing
        self._request = request
        self._timeout = timeout
        self._deadline = deadline
        self._pool = pool
        self._blocks: BlocksT | None = None
        self._begun = False
        stream: Any = response.extensions.get("network_stream")
        self._connection: PhasedStream | AsyncPhasedStream | None = stream if hasattr(stream, "phase") else None
        """The connection below, if it is one of ours."""
        if self._connection is None:
            idle = NO_LIMIT if timeout.idle is None else timeout.idle
            outgoing.extensions["timeout"]["read"] = idle  # one limit for the whole body is all there is

    def _begin(self) -> None:
        """Note that the first block has come: other limits hold from here on."""
        self._begun = True
        self._set_limit(self._deadline.left(self._timeout.idle))

    def _failure(self, error: httpx.RequestError) -> LlmConnectorError:
        return failure(error, self._request, self._timeout, self._deadline, begun=self._begun)

    def _set_limit(self, seconds: float) -> bool:
        """Replace the limit of each read from here on; False where the connection is not ours."""
        if self._connection is None:
            return False
        self._connection.phase.replace(self._outgoing.extensions["timeout"]["read"], seconds)
        return True
