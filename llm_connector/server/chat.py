"""Chat in every format: somebody's request read, sent to a provider, and its answer written while it comes."""

from __future__ import annotations

import time
from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from llm_connector.errors import LlmConnectorError
from llm_connector.formats import Incoming, StreamWriter
from llm_connector.formats.ollama import Ollama
from llm_connector.server.answers import JsonAnswer, told
from llm_connector.server.backends import Backend, Target, blamed
from llm_connector.server.calls import Call, attended
from llm_connector.server.foreign import left_behind
from llm_connector.types import Adaptation, ChatResponse
from llm_connector.wire import encode_json

__all__ = ["chat", "prepared"]

_CONTENT_TYPES = {"sse": "text/event-stream", "ndjson": "application/x-ndjson"}
_UNBUFFERED = {"cache-control": "no-cache", "x-accel-buffering": "no"}
_BETAS = "anthropic-beta"


async def chat(call: Call) -> Response:
    """Answer a chat request, whole or as a stream."""
    asked = call.format.parse_request(await call.body())
    target = call.backends.find(asked.request.model)
    if asked.loads:
        return _loaded(asked, target)
    dropped = prepared(asked, target, call.request.headers)
    if asked.stream:
        return _Streamed(asked, target, dropped, call.config.keep_alive)
    encoder = asked.format.encoder(target.asked)  # it measures the time
    try:
        response = await call.attended(target.backend.client.chat(asked.request))
    except LlmConnectorError as error:
        raise blamed(error) from error
    response.adaptations[:0] = dropped
    headers = told(response.adaptations, _answerer(target.backend, response))
    return JsonAnswer(encoder.whole(response), headers=headers)


def prepared(asked: Incoming, target: Target, headers: Mapping[str, str]) -> list[Adaptation]:
    """Make a request ready for its provider: the name of the model, the options of the configuration, the rest.

    Fields that are no options of ours go to a provider of the same wire format as they are; what is returned tells of
    those that another one does not get.
    """
    request, wire, backend = asked.request, asked.format.wire, target.backend
    request.model = target.name or backend.client.model
    for name, value in backend.defaults.items():
        if getattr(request, name) is None:
            setattr(request, name, value)
    if backend.speaks(wire):
        if asked.rest:
            request.extra_body = {**(request.extra_body or {}), **asked.rest}
        if _BETAS in headers:
            request.extra_headers = {_BETAS: headers[_BETAS]}
        return []
    return left_behind(asked, target)


def _loaded(asked: Incoming, target: Target) -> Response:
    """The answer to what has no prompt. There is nothing to load here, but clients do it before they ask."""
    assert isinstance(asked.format, Ollama)  # no other format has such requests
    unloaded = asked.rest.get("keep_alive") == 0
    body = encode_json(asked.format.render_loaded(target.asked, unloaded=unloaded)) + b"\n"
    return Response(body, media_type=_CONTENT_TYPES["ndjson"] if asked.stream else JsonAnswer.media_type)


def _answerer(backend: Backend, answer: ChatResponse | None) -> str:
    """Who answers; the answer knows if that is a fallback."""
    fell = answer.extra.get("fallbacks") if answer is not None else None
    return str(fell["provider"]) if fell else backend.spec.name


class _Streamed(Response):
    """A streamed answer. Each piece is sent when it comes, and the next is read when the client has taken it.

    The head waits for the first piece, so that an error still has its own status, or for the first long silence.
    """

    def __init__(self, asked: Incoming, target: Target, dropped: list[Adaptation], keep_alive: float) -> None:
        self.status_code = 200
        self._backend = target.backend
        self._format = asked.format
        self._dropped = dropped
        self._keep_alive = keep_alive
        self._asked_at = time.time()
        self._stream = target.backend.client.stream(asked.request)
        self._early = StreamWriter(asked.format.encoder(target.asked))  # until the provider's answer begins
        self._writer: StreamWriter | None = None
        self._begun = self._ended = self._busy = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it to its end. Raises the provider's error where nothing has been sent."""
        self._send = send
        try:
            await attended(self._run(), receive, self._idle, self._keep_alive)
        except ClientDisconnect:
            return
        except LlmConnectorError as error:
            if not self._begun:
                raise
            told = self._writer.fail(error) if self._writer is not None else b""
            await self._write(told or self._early.fail(error), more=False)

    async def _run(self) -> None:
        try:
            async with self._stream as stream:
                self._writer = writer = stream._writer(self._format, None, self._asked_at)
                async for chunk in stream:
                    block = writer.feed(chunk)
                    if block:
                        await self._write(block)
        except LlmConnectorError as error:
            raise blamed(error) from error
        response = stream.response
        response.adaptations[:0] = self._dropped
        await self._write(writer.finish(response), more=False)

    async def _idle(self) -> None:
        """Keep the connection alive, if nothing else has been sent since the last time."""
        if not (self._busy or self._ended):
            await self._write((self._writer or self._early).idle())
        self._busy = False

    async def _write(self, block: bytes, *, more: bool = True) -> None:
        self._busy, self._ended = True, not more
        if not self._begun:
            self._begun = True
            await self._begin()
        await self._send({"type": "http.response.body", "body": block, "more_body": more})

    async def _begin(self) -> None:
        answerer = None
        if self._writer is not None:  # else nobody has answered yet
            fell = self._backend.model.fallbacks
            answerer = _answerer(self._backend, self._stream.partial if fell else None)
        headers = told([*self._dropped, *self._stream.adaptations], answerer)
        self.init_headers({"content-type": _CONTENT_TYPES[self._format.framing], **_UNBUFFERED, **headers})
        await self._send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
