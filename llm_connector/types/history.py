"""Histories that were cut, made fit to be sent: every result has its call, and every call its result.

Memories that keep the last messages, or the last tokens, cut a round of tools anywhere; servers refuse what is left.
"""

from __future__ import annotations

from llm_connector.types.adaptations import Adaptation, Notes
from llm_connector.types.conversation import Messages, conversation
from llm_connector.types.messages import AnyPart, Message, PlainTurn, ToolCall, ToolResult, tool_result

__all__ = ["repair_history"]

_NO_RESULT = "No result: the call was not carried out."


def repair_history(messages: Messages) -> tuple[list[Message], list[Adaptation]]:
    """The conversation as servers take it, and what had to change; nothing has if it was whole.

    A result whose call is not there is left out. A call without a result gets a note for one. A result whose `call_id`
    is empty answers the first call that waits. What a tool turn holds besides results, such as sound, follows them in a
    turn of the user. The given messages stay as they are. Raises ConfigurationError for what is no message.
    """
    repair = _Repair()
    for message in conversation(messages):
        repair.add(message)
    repair.settle()
    return repair.turns, repair.notes.adaptations


class _Repair:
    """Turns, in which every call has its result or waits for it."""

    def __init__(self) -> None:
        self.turns: list[Message] = []
        self.notes = Notes()
        self._waiting: dict[str, str] = {}
        """Calls without a result: names by id."""
        self._late: list[AnyPart] = []
        """What results cannot hold."""

    def add(self, message: Message) -> None:
        """Take the next turn."""
        if type(message) is PlainTurn and not (self._waiting or self._late):
            self.turns.append(message)
        elif message.role == "tool":
            self._add_results(message)
        else:
            for part in message.parts:  # some write them as a turn of the user
                if isinstance(part, ToolResult):
                    self._waiting.pop(part.call_id, None)
            self.settle()
            self.turns.append(message)
            self._waiting = {part.id: part.name for part in message.parts if isinstance(part, ToolCall)}

    def _add_results(self, message: Message) -> None:
        kept: list[AnyPart] = []
        for part in message.parts:
            if not isinstance(part, ToolResult):
                self._late.append(part)
                continue
            call_id = part.call_id or next(iter(self._waiting), "")
            name = self._waiting.pop(call_id, None)
            if name is None:
                detail = f"left out, since the call that it answers ({call_id or 'without an id'}) is not there"
                self.notes.add("dropped", "tool_result", detail)
                continue
            whole = call_id == part.call_id and part.name is not None
            kept.append(part if whole else part.model_copy(update={"call_id": call_id, "name": part.name or name}))
        if kept:
            self.turns.append(message if kept == message.parts else message.model_copy(update={"parts": kept}))

    def settle(self) -> None:
        """End a round of tools."""
        for call_id, name in self._waiting.items():
            self.notes.add("converted", "tool_call", f"{name} ({call_id}) has no result; a note takes its place")
            self.turns.append(tool_result(call_id, _NO_RESULT, name=name))
        if self._late:
            self.turns.append(Message(role="user", parts=self._late))
        self._waiting, self._late = {}, []
