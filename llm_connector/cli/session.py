"""A conversation in the terminal."""

from __future__ import annotations

import contextlib
import re
import sys
from importlib import import_module
from typing import Final

from llm_connector.cli.answers import answer
from llm_connector.cli.reporting import spoken
from llm_connector.cli.terminal import Terminal
from llm_connector.client.clients import LlmClient
from llm_connector.client.streams import ChatStream
from llm_connector.errors import LlmConnectorError
from llm_connector.types import Adaptation, AnyPart, ChatOptions, Message, assistant, user
from llm_connector.types import system as system_message

__all__ = ["Session"]

PROMPT: Final = "> "
QUOTES: Final = '"""'

HELP: Final = f"""\
/clear          forget the conversation
/system [TEXT]  set the instructions; without TEXT, show them
/model [NAME]   change the model; without NAME, show it
/exit           leave, as Ctrl-D and Ctrl-C do
{QUOTES}             begin and end a message of several lines
Ctrl-C          stop an answer that is being written"""

_COMMAND = re.compile(r"/(\w+)(?:\s+(.*))?", re.DOTALL)


class Session:
    """Turns of a conversation, each an answer to a line that was typed. `parts` go with the first message."""

    def __init__(
        self, terminal: Terminal, client: LlmClient, system: str | None, options: ChatOptions, parts: list[AnyPart]
    ) -> None:
        self._terminal = terminal
        self._client = client
        self._system = system
        self._model = client.model or ""
        self._options = options
        self._parts = parts
        self._history: list[Message] = []
        self._noted: list[Adaptation] = []

    def run(self) -> int:
        """Read and answer until the user leaves; the exit code."""
        _edit_lines()
        self._terminal.aside(f"{self._client.provider} · {self._model} · /help lists the commands, Ctrl-D leaves")
        while True:
            try:
                line = self._read().strip()
            except (EOFError, KeyboardInterrupt):
                self._terminal.aside("")
                return 0
            command = _COMMAND.fullmatch(line)
            if command is None:
                if line:
                    self._answer(line)
            elif command[1] in ("exit", "quit"):
                return 0
            else:
                self._obey(command[1], (command[2] or "").strip())

    def _read(self) -> str:
        line = self._line(PROMPT)
        if not line.startswith(QUOTES):
            return line
        lines = [line.removeprefix(QUOTES)]
        while not lines[-1].endswith(QUOTES):
            lines.append(self._line(""))
        return "\n".join(lines).removesuffix(QUOTES)

    def _line(self, prompt: str) -> str:
        if sys.stdout.isatty():
            return input(prompt)
        self._terminal.aside(prompt, style="none", end="")  # the answers go to a file
        return input()

    def _obey(self, command: str, text: str) -> None:
        if command == "help":
            self._terminal.aside(HELP)
        elif command == "clear":
            self._history, self._parts = [], []
            self._terminal.aside("the conversation is forgotten")
        elif command == "system":
            self._system = text or self._system
            self._terminal.aside(f"system: {self._system or 'none'}")
        elif command == "model":
            self._model = text or self._model
            self._terminal.aside(f"model: {self._model}")
        else:
            self._terminal.aside(f"/{command} is not a command; /help lists them")

    def _answer(self, text: str) -> None:
        turn = user(*self._parts, text)
        ahead = [system_message(self._system)] if self._system else []
        options: ChatOptions = {**self._options, "model": self._model}
        stream: ChatStream | None = None
        try:
            stream = self._client.stream([*ahead, *self._history, turn], **options)
            response = answer(self._terminal, stream, self._noted)
        except KeyboardInterrupt:
            self._terminal.aside("stopped")
            self._keep(turn, stream)
        except LlmConnectorError as error:
            self._terminal.error(spoken(error))
            self._keep(turn, stream)
        else:
            self._noted += response.adaptations
            self._history += [turn, response.message]
            self._parts = []
        self._terminal.write("\n")

    def _keep(self, turn: Message, stream: ChatStream | None) -> None:
        """Remember an unfinished answer by its text, so that it can be continued; without any, forget the question."""
        text = stream.partial.text if stream is not None else ""
        if text:
            self._history += [turn, assistant(text)]
            self._parts = []


def _edit_lines() -> None:
    """Give input() line editing and history, and make text of several lines that is pasted one message."""
    with contextlib.suppress(ImportError):
        readline = import_module("readline")
        if "libedit" not in (readline.__doc__ or ""):
            readline.parse_and_bind("set enable-bracketed-paste on")  # Python switches it off for its own prompt
