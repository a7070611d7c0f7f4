"""The gateway as a Starlette application: which path means what, and what stands before and behind every endpoint."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeAlias

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llm_connector.errors import BadRequestError, LlmConnectorError, NotFoundError, ServerError
from llm_connector.formats import Format, find_format
from llm_connector.formats.ollama import Ollama
from llm_connector.server import models
from llm_connector.server.answers import refusal
from llm_connector.server.backends import Backends
from llm_connector.server.calls import Call
from llm_connector.server.catalogue import Catalogue
from llm_connector.server.chat import chat
from llm_connector.server.config import GatewayConfig
from llm_connector.server.counting import count_tokens
from llm_connector.server.embeddings import embed, embed_one, embeddings
from llm_connector.server.guard import Guard
from llm_connector.server.page import front, health

__all__ = ["ROUTES", "Endpoint", "Gateway"]

Handler: TypeAlias = Callable[[Call], Awaitable[Response]]


class Endpoint(NamedTuple):
    """What answers a path, in which format (None: that of the client). `public` ones ask for no key."""

    method: str
    handler: Handler
    format: str | Format | None = None
    public: bool = False


_GENERATE = Ollama(generate=True)

ROUTES: Mapping[str, Endpoint] = {
    "/": Endpoint("GET", front, public=True),
    "/health": Endpoint("GET", health, public=True),
    "/chat": Endpoint("POST", chat, "unified"),
    "/v1/chat/completions": Endpoint("POST", chat, "openai"),
    "/v1/responses": Endpoint("POST", chat, "openai_responses"),
    "/v1/messages": Endpoint("POST", chat, "anthropic"),
    "/v1/messages/count_tokens": Endpoint("POST", count_tokens, "anthropic"),
    "/v1/embeddings": Endpoint("POST", embeddings, "openai"),
    "/v1/models": Endpoint("GET", models.list_models),
    "/v1/models/{name:path}": Endpoint("GET", models.one_model),
    "/api/chat": Endpoint("POST", chat, "ollama"),
    "/api/generate": Endpoint("POST", chat, _GENERATE),
    "/api/embed": Endpoint("POST", embed, "ollama"),
    "/api/embeddings": Endpoint("POST", embed_one, "ollama"),
    "/api/tags": Endpoint("GET", models.tags, "ollama"),
    "/api/show": Endpoint("POST", models.show, "ollama"),
    "/api/ps": Endpoint("GET", models.running, "ollama"),
    "/api/version": Endpoint("GET", models.version, "ollama"),
}
"""Every path."""

_NAMED = "/v1/models/"
_A_DAY = 86_400


class Gateway(Starlette):
    """Answers HTTP requests for the models of a configuration.

    Making one makes the clients of all its providers: raises ConfigurationError for what they lack.
    """

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._backends = Backends(config)
        self._catalogue = Catalogue(self._backends)
        guard = Guard(config)
        cors = Middleware(
            CORSMiddleware,
            allow_origins=guard.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["*"],
            max_age=_A_DAY,
        )
        super().__init__(
            routes=[
                Route(path, self._endpoint(endpoint.handler), methods=[endpoint.method])
                for path, endpoint in ROUTES.items()
            ],
            middleware=[*([cors] if guard.origins else []), Middleware(_Guarded, guard=guard)],
            exception_handlers={
                LlmConnectorError: _refused,
                HTTPException: _not_found,
                ClientDisconnect: _gone,
                Exception: _failed,
            },
            lifespan=_lifespan,
        )
        self.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with an id on the answer."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request_id = f"req_{os.urandom(12).hex()}"

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update({"x-request-id": request_id, "request-id": request_id})
            await send(message)

        path = _known(scope["path"].removeprefix(scope.get("root_path", "")))
        await super().__call__({**scope, "root_path": "", "path": path}, receive, identified)

    def _endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await handler(Call(self._config, self._backends, self._catalogue, request, _dialect(request)))

        return endpoint


@asynccontextmanager
async def _lifespan(gateway: Gateway) -> AsyncGenerator[None]:
    yield
    await gateway._backends.close()


class _Guarded:
    """Middleware that lets nobody past whom the guard refuses."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._app
        if scope["type"] == "http":
            request, endpoint = Request(scope), ROUTES.get(scope["path"])
            try:
                self._guard.check_size(scope["path"], request.headers)
                self._guard.check_address(request.headers)
                if endpoint is None or not endpoint.public:
                    self._guard.check_key(request.headers)
            except LlmConnectorError as error:
                answer = refusal(error, _dialect(request))
        await answer(scope, receive, send)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, LlmConnectorError)
    return refusal(error, _dialect(request))


async def _not_found(request: Request, error: Exception) -> Response:
    """What Starlette says of paths and methods, in the dialect of the client."""
    assert isinstance(error, HTTPException)
    path = request.scope["path"]
    if error.status_code == 405:
        methods = ", ".join(sorted((error.headers or {})["Allow"].split(", ")))
        told: LlmConnectorError = BadRequestError(f"{path} takes {methods}, not {request.method}", status=405)
    else:
        known = ", ".join(route.path_format for route in request.app.routes)
        told = NotFoundError(f"there is no {path} here; there are {known}", status=404)
    answer = refusal(told, _dialect(request))
    answer.headers.update(error.headers or {})
    return answer


async def _gone(_request: Request, _error: Exception) -> Response:
    """There is nobody to answer."""
    return Response(status_code=499)


async def _failed(request: Request, _error: Exception) -> Response:
    """What is a fault of ours; the server logs it and closes the connection."""
    answer = refusal(ServerError("the gateway failed; its log says more", status=500), _dialect(request))
    answer.headers["connection"] = "close"
    return answer


def _known(path: str) -> str:
    """The path as the routes have it. Base URLs with `/v1` or `/` once too often or too seldom work as well."""
    plain = f"/{path.strip('/')}"
    for guess in (plain, f"/v1{plain}", plain.removeprefix("/v1") or "/"):
        if guess in ROUTES or guess.startswith(_NAMED):
            return guess
    return path


def _dialect(request: Request) -> Format:
    """The format of the path; where it has none, or several share it, that of the client."""
    path = request.scope["path"]
    endpoint = ROUTES.get(path)
    format = endpoint.format if endpoint is not None else None
    if format is None:
        anthropic = "anthropic-version" in request.headers
        format = "anthropic" if anthropic else "ollama" if path.startswith("/api/") else "openai"
    return find_format(format) if isinstance(format, str) else format
