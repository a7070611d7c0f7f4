"""Serving: the socket, and uvicorn on it, in one process or several."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from llm_connector.errors import ConfigurationError
from llm_connector.server.app import Gateway
from llm_connector.server.config import GatewayConfig
from llm_connector.server.guard import MAX_HEAD_BYTES

if TYPE_CHECKING:
    import uvicorn

__all__ = ["bound", "serve", "uvicorn_config"]

_BACKLOG = 2048


def bound(config: GatewayConfig) -> socket.socket:
    """A socket that listens where the configuration says. Raises ConfigurationError for what cannot be had."""
    host, port = config.host.strip("[]"), config.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)  # asyncio sends at once where it knows the protocol
        try:
            if os.name == "posix":  # elsewhere it lets others take the port over
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(f"cannot listen on {host}:{port}: {reason}; choose another port") from None
    return listener


def uvicorn_config(config: GatewayConfig, **settings: Any) -> uvicorn.Config:
    """How uvicorn serves a gateway. The application is made in the process that serves it."""
    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    quiet = {"asyncio": {"level": "ERROR"}}  # it warns of each piece that was on its way to a client that went
    own: dict[str, Any] = {
        "factory": True,
        "workers": config.workers,
        "lifespan": "on",
        "ws": "none",
        "interface": "asgi3",
        "http": "h11",  # the other parser has no limit to the size of a head that never ends
        "log_config": {**LOGGING_CONFIG, "loggers": {**LOGGING_CONFIG["loggers"], **quiet}},
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "backlog": _BACKLOG,
        "timeout_graceful_shutdown": config.shutdown,
        "h11_max_incomplete_event_size": MAX_HEAD_BYTES,
    }
    return uvicorn.Config(partial(Gateway, config), **{**own, **settings})


def serve(config: GatewayConfig, on_ready: Callable[[int], None], **settings: Any) -> None:
    """Serve until a signal says otherwise; running answers are finished then. `on_ready` is told the port.

    Raises ConfigurationError for what providers lack, and for an address that cannot be had.
    """
    import uvicorn

    Gateway(config)  # so that what is wrong is said here, and once, whatever the number of processes
    with bound(config) as listener:
        server = uvicorn.Server(settled := uvicorn_config(config, **settings))
        on_ready(listener.getsockname()[1])
        with contextlib.suppress(KeyboardInterrupt):
            if config.workers == 1:
                server.run([listener])
            else:
                from uvicorn.supervisors import Multiprocess

                Multiprocess(settled, sockets=[listener]).run()
