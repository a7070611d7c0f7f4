"""Conversations in the form of Anthropic's Messages, and the cache marks in them.

https://platform.claude.com/docs/en/api/messages (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from llm_connector.errors import ConfigurationError
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import cache_control, stand_in
from llm_connector.types import (
    AnyPart,
    CacheMark,
    Document,
    Image,
    Message,
    Notes,
    Opaque,
    PlainTurn,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

__all__ = ["OWN_CACHE", "MessagesForm", "limit_marks", "loop_without_thoughts", "mark_prompt"]

Block: TypeAlias = dict[str, Any]
Content: TypeAlias = str | list[Block]

OWN_CACHE = "this server takes no marks; it caches prompts by itself"

_CALL_ID = re.compile(r"[a-zA-Z0-9_-]+").fullmatch
_THOUGHTS = ("thinking", "redacted_thinking")
_CALL_KEYS = frozenset({"caller", "toolset_name"})
_CITATIONS = frozenset(
    {
        "char_location",
        "page_location",
        "content_block_location",
        "search_result_location",
        "web_search_result_location",
    }
)
_TEXTUAL = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})


class MessagesForm:
    """Renders one conversation.

    `unsigned` sends back thoughts without a signature; Anthropic itself refuses them. `refused` are the signatures of
    thoughts that it refused as well. `marks`: whether the server takes cache marks.
    """

    __slots__ = ("_ids", "_marks", "_messages", "_names", "_notes", "_refused", "_taken", "_unsigned", "marked")

    def __init__(
        self,
        messages: Sequence[Message],
        names: ToolNames,
        notes: Notes,
        *,
        unsigned: bool = False,
        refused: Collection[str] = (),
        marks: bool = True,
    ) -> None:
        self._messages = messages
        self._names = names
        self._notes = notes
        self._unsigned = unsigned
        self._refused = refused
        self._marks = marks
        self._ids: dict[str, str] = {}
        self._taken: set[str] = set()
        self.marked = False

    def render(self) -> tuple[Content | None, list[dict[str, Any]]]:
        """The leading system messages as the top-level `system`, and the turns.

        Neighbours of one role become one turn, and tool results come first in theirs: the server demands both.
        """
        start = 0
        while start < len(self._messages) and self._messages[start].role == "system":
            start += 1
        turns: list[dict[str, Any]] = []
        for message in self._messages[start:]:
            role = "assistant" if message.role == "assistant" else "user"
            if type(message) is PlainTurn and message.role == role:
                content: Content = message.text if message.text.strip() else ""
            else:
                content = self._content(message, role)
            if not content:
                self._notes.add(
                    "dropped", f"empty {message.role} message", "this server refuses messages without content"
                )
            elif turns and turns[-1]["role"] == role:
                turns[-1]["content"] = _joined(turns[-1]["content"], content)
            else:
                turns.append({"role": role, "content": content})
        turns = self._settled(turns)
        if not turns:
            raise ConfigurationError(
                "messages: besides the system messages there is nothing to send; add a user message"
            )
        return self._system(self._messages[:start]) if start else None, turns

    def _settled(self, turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = []
        final = turns[-1] if turns else None
        for turn in turns:
            settled = turn["role"] != "assistant" or (type(turn["content"]) is str and turn is not final)
            if not settled and not self._settle(turn, last=turn is final):
                continue
            if kept and kept[-1]["role"] == turn["role"]:
                kept[-1]["content"] = _joined(kept[-1]["content"], turn["content"])
            else:
                kept.append(turn)
        return kept

    def _system(self, messages: Sequence[Message]) -> Content | None:
        texts = [[self._system_part(part) for part in message.parts] for message in messages]
        if any(len(parts) > 1 or self._takes(part.cache) for parts in texts for part in parts):
            return [block for parts in texts for part in parts if (block := self._text(part)) and part.text.strip()]
        joined = ("".join(part.text for part in parts) for parts in texts)
        return "\n\n".join(text for text in joined if text.strip()) or None

    def _system_part(self, part: AnyPart) -> Text:
        return part if isinstance(part, Text) else Text(stand_in(part, "system prompts hold text only", self._notes))

    def _content(self, message: Message, role: str) -> Content:
        """A message's blocks, or its text where that is all; empty if there is nothing that the server takes."""
        parts = message.parts
        if message.role == "system":
            self._notes.add("converted", "system message", "a late one became user text: only leading ones are hoisted")
        if message.name:
            self._notes.add("dropped", "name", "this wire format does not tell participants of one role apart")
        if len(parts) == 1 and type(parts[0]) is Text and not parts[0].cache and not parts[0].citations:
            text = parts[0].text
            return text if text.strip() else ""
        blocks = [block for part in parts if (block := self._block(part, role)) is not None]
        if role == "user" and any(block.get("type") == "tool_result" for block in blocks):
            blocks = _results_first(blocks)
        elif self._unsigned and _has(blocks, "tool_use") and not _has(blocks, "thinking"):
            # https://github.com/leookun/cursor-byok/pull/276: a turn whose thought is lost needs an empty one
            blocks.insert(0, {"type": "thinking", "thinking": "", "signature": ""})
        if all(block.get("type") == "text" and not str(block.get("text") or "").strip() for block in blocks):
            return ""  # white space is refused unless it stands beside something else
        bare = len(blocks) == 1 and blocks[0].keys() == {"type", "text"} and blocks[0]["type"] == "text"
        return blocks[0]["text"] if bare else blocks

    def _settle(self, turn: dict[str, Any], *, last: bool) -> bool:
        """Tidy the end of an assistant turn; False if nothing is left of it."""
        content = turn["content"]
        if not isinstance(content, str) and content[-1].get("type") in _THOUGHTS:
            # `The final block in an assistant message cannot be thinking`: answers cut short, or without any text
            while content and content[-1].get("type") in _THOUGHTS:
                content.pop()
            self._notes.add("dropped", "reasoning", "an assistant turn cannot end with a thought here")
        if last and content:
            text = content if isinstance(content, str) else content[-1].get("text", "")
            if isinstance(text, str) and text != text.rstrip():
                self._notes.add(
                    "converted", "assistant message", "the last one lost its trailing white space, which is refused"
                )
                if isinstance(content, str):
                    turn["content"] = content = content.rstrip()
                else:
                    content[-1]["text"] = text.rstrip()
        return bool(content)

    def _block(self, part: AnyPart, role: str) -> Block | None:
        match part:
            case Text():
                return self._text(part, cited=role == "assistant")
            case ToolCall():
                known = part.extra if part.provider else _only(part.extra, _CALL_KEYS)
                call_id, name = self._id(part.id), self._names.wire(part.name)
                return {**(known or {}), "type": "tool_use", "id": call_id, "name": name, "input": part.arguments}
            case ToolResult():
                return self._result(part)
            case Reasoning():
                return self._thought(part) if role == "assistant" else None
            case Opaque():
                return dict(part.data)
            case Image() | Document() if role == "user":
                return self._media(part)
            case _:
                reason = "this wire format has no form for it" if role == "user" else "assistant turns hold no media"
                return {"type": "text", "text": stand_in(part, reason, self._notes)}

    def _text(self, part: Text, *, cited: bool = False) -> Block | None:
        if not part.text:
            return None
        block: Block = {"type": "text", "text": part.text}
        if cited and part.citations:
            # Answers carry a `file_id` that requests must not.
            own = [_without(item, "file_id") for item in part.citations if item.get("type") in _CITATIONS]
            if own:
                block["citations"] = own
        return self._marked(block, part.cache) if part.text.strip() else block

    def _thought(self, part: Reasoning) -> Block | None:
        if self._refused and (part.signature or part.encrypted) in self._refused:
            self._notes.add("dropped", "reasoning", "the server refused its signature")
            return None
        if part.encrypted and not part.signature:
            return {"type": "redacted_thinking", "data": part.encrypted}
        if part.signature or self._unsigned:
            # Refused if changed by one character, text that was left out included.
            return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
        if part.provider:
            self._notes.add("dropped", "reasoning", "it came without the signature that this server demands")
        return None

    def _media(self, part: Image | Document) -> Block:
        if isinstance(part, Image):
            if part.detail:
                self._notes.add("dropped", "image detail", "this wire format has no such hint")
            media_type = "image/jpeg" if part.media_type == "image/jpg" else part.media_type
            return self._marked({"type": "image", "source": _source(part, media_type)}, part.cache)
        media_type = part.media_type or ""
        if part.data is None or media_type == "application/pdf":
            source = _source(part, media_type)
        elif media_type.startswith("text/") or media_type in _TEXTUAL:
            source = {"type": "text", "media_type": "text/plain", "data": part.decode().decode("utf-8", "replace")}
        else:
            return {"type": "text", "text": stand_in(part, "only PDF and text documents are taken", self._notes)}
        block: Block = {"type": "document", "source": source}
        if part.name:
            block["title"] = part.name
        if part.citations:
            block["citations"] = {"enabled": True}
        return self._marked(block, part.cache)

    def _result(self, part: ToolResult) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": self._id(part.call_id)}
        content = [inner for item in part.parts if (inner := self._block(item, "user")) is not None]
        if all(inner.keys() == {"type", "text"} for inner in content):
            text = "".join(inner["text"] for inner in content)
            if text.strip():
                block["content"] = text
        elif content:
            block["content"] = content
        if part.error:
            block["is_error"] = True
        return self._marked(block, part.cache)

    def _marked(self, block: Block, mark: CacheMark) -> Block:
        if mark and self._takes(mark):
            self.marked = True
            block["cache_control"] = cache_control(mark)
        return block

    def _takes(self, mark: CacheMark) -> bool:
        """Whether a mark is there and can be sent."""
        if mark and not self._marks:
            self._notes.add("dropped", "cache", OWN_CACHE)
        return bool(mark) and self._marks

    def _id(self, call_id: str) -> str:
        """The id as the wire allows it, the same for a call and its result."""
        if _CALL_ID(call_id):
            return call_id
        if call_id not in self._ids:
            if not self._taken:
                self._taken = {part.id for message in self._messages for part in message.tool_calls}
            wire = base = re.sub(r"[^a-zA-Z0-9_-]", "_", call_id) or "call"
            count = 1
            while wire in self._taken:
                count += 1
                wire = f"{base}_{count}"
            self._taken.add(wire)
            self._ids[call_id] = wire
        return self._ids[call_id]


def mark_prompt(body: dict[str, Any], mark: CacheMark) -> None:
    """Mark the ends of the tools, the system prompt and the last user turn, where they have no mark of their own."""
    control = cache_control(mark)
    if body.get("tools"):
        body["tools"][-1].setdefault("cache_control", control)
    if body.get("system"):
        body["system"] = _blocks(body["system"])
        body["system"][-1].setdefault("cache_control", control)
    turn = next((turn for turn in reversed(body["messages"]) if turn["role"] == "user"), None)
    if turn is not None:
        turn["content"] = _blocks(turn["content"])
        last = next(block for block in reversed(turn["content"]) if block.get("text", "-").strip())
        last.setdefault("cache_control", control)


def limit_marks(body: dict[str, Any], notes: Notes, most: int) -> None:
    """Remove the earliest marks above those that the server takes."""
    places: list[Iterable[Any]] = [body.get("tools") or (), _blocks(body.get("system") or "")]
    places.extend(_blocks(turn["content"]) for turn in body["messages"])
    marked = [block for place in places for block in _nested(place) if "cache_control" in block]
    surplus = marked[: max(len(marked) - most, 0)]
    for block in surplus:
        del block["cache_control"]
    if surplus and most:
        notes.add("dropped", "cache", f"the first {len(surplus)} of {len(marked)} marks: {most} are allowed")
    elif surplus:
        notes.add("dropped", "cache", OWN_CACHE)


def loop_without_thoughts(turns: Sequence[dict[str, Any]]) -> bool:
    """Whether tools are running whose calls were made without thoughts, by another provider or with thinking off.

    Thinking by budget cannot begin in the middle: `Expected thinking or redacted_thinking, but found tool_use`.
    """
    calls = False
    for turn in reversed(turns):
        content = _blocks(turn["content"])
        if turn["role"] == "user":
            if not _has(content, "tool_result"):
                break
            continue
        if any(_has(content, kind) for kind in _THOUGHTS):
            return False
        calls = calls or _has(content, "tool_use")
    return calls


def _blocks(content: Content) -> list[Block]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content


def _joined(first: Content, second: Content) -> list[Block]:
    return _results_first([*_blocks(first), *_blocks(second)])


def _results_first(blocks: list[Block]) -> list[Block]:
    return sorted(blocks, key=lambda block: block.get("type") != "tool_result")


def _has(blocks: Iterable[Block], kind: str) -> bool:
    return any(block.get("type") == kind for block in blocks)


def _nested(blocks: Iterable[Any]) -> Iterator[Any]:
    for block in blocks:
        if block.get("type") == "tool_result" and isinstance(block.get("content"), list):
            yield from block["content"]
        yield block


def _source(part: Image | Document, media_type: str | None) -> dict[str, Any]:
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    return {"type": "base64", "media_type": media_type, "data": part.data}


def _without(item: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != key}


def _only(extra: dict[str, Any] | None, keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in (extra or {}).items() if key in keys}
