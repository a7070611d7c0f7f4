"""A gateway in a thread of its own, served by uvicorn on a free port of loopback.

with WireServer() as upstream, gateway(upstream.url) as running:
    upstream.script(Stream(sse(...)))
    httpx.post(f"{running.url}/v1/chat/completions", json=...)

with gateway(config=read_config("gateway.toml", port=0)) as running: ...
with gateway(provider="local") as running: ...                           # the embedded model
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from llm_connector.server import GatewayConfig, Model, Upstream
from llm_connector.server.config import single
from llm_connector.server.run import bound, uvicorn_config

KEY = "sk-upstream-0123456789"
PATIENCE = 20.0


@dataclass
class Running:
    """Where the gateway listens, and what makes it stop."""

    url: str
    server: uvicorn.Server
    thread: threading.Thread

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        """Stop as a signal would: new connections are refused, running answers finish."""
        self.server.should_exit = True

    def join(self) -> None:
        """Wait for the end. Raises if it does not come."""
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the gateway did not stop"


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def upstream(url: str, provider: str = "openai_compatible", **settings: Any) -> Upstream:
    """A provider whose server is at `url`; nothing is retried unless asked for."""
    return Upstream(provider, None, {"base_url": url, "api_key": KEY, "max_retries": 0, **settings})


@contextmanager
def gateway(
    url: str | None = None,
    *,
    provider: str = "openai_compatible",
    model: str | None = None,
    models: tuple[Model, ...] | None = None,
    config: GatewayConfig | None = None,
    **settings: Any,
) -> Generator[Running]:
    """A gateway in front of the provider at `url`, of `models`, or with a whole `config`; `settings` are its fields."""
    if models is None:
        models = single(Upstream(provider) if url is None else upstream(url, provider), model)
    config = config or GatewayConfig(models, port=0, **settings)
    with bound(config) as listener:
        server = _Server(uvicorn_config(config))
        thread = threading.Thread(target=server.run, args=([listener],), name="gateway", daemon=True)
        running = Running(f"http://127.0.0.1:{listener.getsockname()[1]}", server, thread)
        thread.start()
        try:
            assert server.ready.wait(PATIENCE), "the gateway did not start"
            yield running
        finally:
            running.stop()
            running.join()
