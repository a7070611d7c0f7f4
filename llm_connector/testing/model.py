"""A model that says what it was told to say, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_connector.errors import ConfigurationError
from llm_connector.testing.replies import Reply, Saying, said
from llm_connector.testing.script import Request, Scripted
from llm_connector.testing.wires import Wire, find_wire
from llm_connector.types import ChatRequest, Message, Tool, ToolResult

__all__ = ["ReceivedRequest", "ScriptedModel", "UnscriptedRequest"]

_SHOWN = 200


class UnscriptedRequest(AssertionError):
    """A request for which no answer is left; the message says what was asked."""


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as the model got it.

    `chat` is what was asked in this library's words, whatever the wire format; None for what is no chat (embeddings, a
    list of models) or cannot be read. `http` is the request itself: method, path, headers, body.
    """

    http: Request
    wire: Wire | None
    chat: ChatRequest | None
    stream: bool
    format: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, http: Request) -> ReceivedRequest:
        """A request, read in the wire format of its path."""
        wire = find_wire(http)
        if wire is None:
            return cls(http, None, None, stream=False)
        incoming, stream = wire.read(http)
        if incoming is None:
            return cls(http, wire, None, stream, wire.format)
        return cls(http, wire, incoming.request, stream, incoming.format)

    @property
    def messages(self) -> Sequence[Message]:
        """The conversation that was sent. Raises ConfigurationError where there is none."""
        return self._chat.messages

    @property
    def model(self) -> str | None:
        """The model that was asked."""
        return self._chat.model

    @property
    def tools(self) -> list[Tool]:
        """The tools that were offered."""
        return list(self._chat.tools or ())

    @property
    def text(self) -> str:
        """The text of the last message, or of the tool results that it holds."""
        return _text_of(self._chat.messages[-1])

    @property
    def json(self) -> Any:
        """The decoded body, as the wire format has it."""
        return self.http.json

    @property
    def _chat(self) -> ChatRequest:
        if self.chat is None:
            raise ConfigurationError(f"{self.http.method} {self.http.path} is no chat that can be read; see .json")
        return self.chat

    def __str__(self) -> str:
        lines = [f"{self.http.method} {self.http.path.partition('?')[0]}"]
        if self.chat is not None:
            lines[0] += f" (model {self.chat.model}{', stream' if self.stream else ''})"
            lines += [f"  {turn.role}: {_shown(turn)}" for turn in self.chat.messages[-4:]]
        return "\n".join(lines)


def _text_of(turn: Message) -> str:
    return turn.text or "".join(part.text for part in turn.parts if isinstance(part, ToolResult))


def _shown(turn: Message) -> str:
    calls = [f"{call.name}({call.arguments_raw or call.arguments})" for call in turn.tool_calls]
    text = " ".join([_text_of(turn), *calls]).strip()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class ScriptedModel:
    """Says its answers in turn, one per request; may be asked from several threads and tasks.

    An answer is text, `tool_call(...)`, `reply(...)`, a list of those, a `Message` or `ChatResponse`; an error of
    `llm_connector`, which the server reports, or another exception; a dict, sent as the JSON body; bytes as `Answer` or
    `Stream`; or a function that gets the `ReceivedRequest` and returns any of these. `requests` are those that came.
    """

    def __init__(self, *answers: Saying) -> None:
        self.requests: list[ReceivedRequest] = []
        self.unscripted: list[ReceivedRequest] = []
        self._queue: deque[Saying] = deque(answers)
        self._otherwise: Saying | None = None
        self._given = 0
        self._taking = threading.Lock()
        for answer in answers:
            self._check(answer)

    def says(self, *answers: Saying) -> None:
        """More answers, in turn. Raises ConfigurationError for what cannot be one."""
        for answer in answers:
            self._check(answer)
        self._queue.extend(answers)

    def otherwise(self, answer: Saying) -> None:
        """What to answer, each time, once the answers in turn have been given."""
        self._check(answer)
        self._otherwise = answer

    @property
    def left(self) -> int:
        """Answers that nobody has asked for yet."""
        return len(self._queue)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.requests)} requests, {self.left} answers left>"

    def _check(self, answer: Saying) -> None:
        if not callable(answer):
            said(answer)

    def _next(self, http: Request) -> tuple[ReceivedRequest, Reply | Scripted | BaseException]:
        """The request as it was read, and what to answer. Raises UnscriptedRequest."""
        received = ReceivedRequest.of(http)
        with self._taking:
            self.requests.append(received)
            answer = self._queue.popleft() if self._queue else self._otherwise
            self._given += answer is not None
            if answer is None:
                self.unscripted.append(received)
        if answer is None:
            raise UnscriptedRequest(
                f"the script has no answer left ({self._given} were given); add one with says(...). Asked was:\n"
                f"{received}"
            )
        return received, said(answer(received) if callable(answer) else answer)
