"""A scripted model behind a real socket on loopback, which speaks every wire format and misbehaves on demand."""

from __future__ import annotations

import socket
from typing import Any, Literal, Self

from llm_connector.client.clients import AsyncLlmClient, LlmClient
from llm_connector.errors import ConfigurationError
from llm_connector.providers import ProviderSpec
from llm_connector.testing.loopback import LoopbackServer
from llm_connector.testing.model import ScriptedModel, UnscriptedRequest
from llm_connector.testing.replies import Saying
from llm_connector.testing.script import Answer, Request, Scripted
from llm_connector.testing.settings import scripted_client
from llm_connector.testing.writing import played

__all__ = ["WireSimulator"]

UNSCRIPTED = 418
"""The status of what nobody scripted, because nothing retries it."""


class WireSimulator(ScriptedModel, LoopbackServer):
    """A server between `__enter__` and `__exit__`, at `url`; it answers in the wire format of each request's path.

        with WireSimulator(reply("One, two, three", fault="cut")) as simulator:
            client = simulator.client("anthropic")

    `connection` is how it is reached: `"refused"` accepts none, and `"tls"` has a certificate that nobody trusts.
    """

    def __init__(self, *answers: Saying, connection: Literal["plain", "tls", "refused"] = "plain") -> None:
        ScriptedModel.__init__(self, *answers)
        LoopbackServer.__init__(self, _untrusted() if connection == "tls" else None)
        self._clients: list[LlmClient] = []
        self._refusing: socket.socket | None = None
        self._entered = False
        if connection == "refused":
            self._refuse()

    def client(self, provider: str | ProviderSpec = "openai_compatible", **settings: Any) -> LlmClient:
        """A client of that provider which is sent here: it has a key, and waits for nothing between attempts.

        It is closed with the server.
        """
        client = scripted_client(LlmClient, provider, {"base_url": self._address(), **settings})
        self._clients.append(client)
        return client

    def async_client(self, provider: str | ProviderSpec = "openai_compatible", **settings: Any) -> AsyncLlmClient:
        """The same for coroutines; close it in its event loop."""
        return scripted_client(AsyncLlmClient, provider, {"base_url": self._address(), **settings})

    def __enter__(self) -> Self:
        self._entered = True
        return self if self._refusing is not None else super().__enter__()

    def __exit__(self, *error: object) -> None:
        for client in self._clients:
            client.close()
        if self._refusing is not None:
            self._refusing.close()
        else:
            super().__exit__(*error)

    def _answer_to(self, request: Request) -> Scripted:
        try:
            received, answer = self._next(request)
            return played(answer, received)
        except UnscriptedRequest as error:
            return _told(str(error))
        except Exception as error:  # noqa: BLE001  whoever asks is the only one who can be told
            return _told(f"a server cannot raise {error!r}; script an error of llm_connector, or a fault")

    def _address(self) -> str:
        """Where it is. Raises ConfigurationError before anybody listens there."""
        if not self._entered:
            raise ConfigurationError("nobody listens yet: with WireSimulator(...) as simulator")
        return self.url

    def _refuse(self) -> None:
        """Keep the port, and listen to nobody."""
        self._listener.close()
        self._refusing = socket.socket()
        self._refusing.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._refusing.getsockname()[1]}"


def _told(message: str) -> Answer:
    return Answer.json({"error": {"message": message, "code": "unscripted"}}, UNSCRIPTED)


def _untrusted() -> Any:
    from llm_connector.testing.certificate import untrusted_context

    return untrusted_context()
