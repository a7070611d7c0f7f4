"""A scripted HTTP/1.1 server on loopback, for tests that need real sockets and know the bytes.

    with WireServer() as server:
        server.script(Answer(status=503), Stream(sse({"n": 1}, {"n": 2})))
        ...                                     # two requests to server.url
        assert [request.path for request in server.requests] == ["/chat", "/chat"]

Answers are given in the order of the requests, whichever connection those come on.
"""

from __future__ import annotations

import threading
from collections import deque

from llm_connector.testing.loopback import LoopbackServer
from llm_connector.testing.script import Answer, Answering, Pause, Raw, Refuse, Request, Scripted, Stream, ndjson, sse

__all__ = [
    "Answer",
    "Answering",
    "Pause",
    "Raw",
    "Refuse",
    "Request",
    "Scripted",
    "Stream",
    "WireServer",
    "ndjson",
    "sse",
]


class WireServer(LoopbackServer):
    """Answers what it was told to, in turn, or by the path of a request."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self._queue: deque[Answering] = deque()
        self._routes: dict[str, Answering] = {}
        self._taking = threading.Lock()

    def script(self, *answers: Answering) -> None:
        """Queue answers. A callable makes its answer from the request."""
        self._queue.extend(answers)

    def forget(self) -> None:
        """Begin anew: without requests, and with nothing scripted."""
        with self._taking:
            self.requests.clear()
            self._queue.clear()

    def route(self, path: str, answer: Answering) -> None:
        """Answer every request to `path` (without its query) like this; other paths take from the script."""
        self._routes[path] = answer

    def _answer_to(self, request: Request) -> Scripted:
        with self._taking:
            self.requests.append(request)
            answer = self._routes.get(request.path.partition("?")[0])
            if answer is None and self._queue:
                answer = self._queue.popleft()
        if answer is None:
            missing = f"nothing scripted for {request.method} {request.path}"
            return Answer.json({"error": {"message": missing}}, status=418)  # because nothing retries it
        return answer(request) if callable(answer) else answer
