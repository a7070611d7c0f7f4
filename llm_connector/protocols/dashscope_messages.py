"""Messages of Chat Completions in the form of DashScope: parts without a type, named by what they hold.

https://help.aliyun.com/en/model-studio/qwen-api-via-dashscope (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llm_connector.types import Audio, Image, Message, Notes, PlainTurn, ToolResult, Video

__all__ = ["native_messages", "shows_media"]

_REASONING = "reasoning_content"


def shows_media(messages: Iterable[Message]) -> bool:
    """Whether anything but text is sent. Assistant turns hold text only, and documents go as text."""
    return any(
        isinstance(part, Image | Audio | Video)
        or (isinstance(part, ToolResult) and any(isinstance(item, Image) for item in part.parts))
        for message in messages
        if type(message) is not PlainTurn and message.role != "assistant"
        for part in message.parts
    )


def native_messages(messages: Sequence[Mapping[str, Any]], notes: Notes, *, multimodal: bool) -> list[dict[str, Any]]:
    """The messages as the text service or the multimodal service takes them: one for the system, ahead of all."""
    native: list[dict[str, Any]] = []
    for message in messages:
        turn = _message(message, notes)
        if native and native[-1]["role"] == turn["role"] == "system":
            native[-1]["content"] = _joined(native[-1]["content"], turn["content"])
        else:
            native.append(turn)
    for turn in native if multimodal else ():
        if turn["role"] != "tool" and isinstance(turn["content"], str):
            turn["content"] = [{"text": turn["content"]}] if turn["content"] else []
    return native


def _message(message: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    native = dict(message)
    content = native.get("content")
    native["content"] = [_part(part, notes) for part in content] if isinstance(content, list) else content or ""
    if native.pop("name", None):
        notes.add("dropped", "name", "this wire format does not tell participants of one role apart")
    if "reasoning" in native:  # the same thought by the name that other servers have for it
        native[_REASONING] = native.pop("reasoning")
    return native


def _part(part: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    native = _bare(part, notes)
    mark = part.get("cache_control")
    if not mark:
        return native
    if mark.get("ttl") not in (None, "5m"):
        notes.add("clamped", "cache", "kept for 5 minutes, the only lifetime there is")
    return {**native, "cache_control": {"type": "ephemeral"}}


def _bare(part: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    match part:
        case {"image_url": {"url": url, **rest}}:
            if rest:
                notes.add("dropped", "image detail", "ask with extra_body: parameters.vl_high_resolution_images")
            return {"image": url}
        case {"video_url": {"url": url}}:
            return {"video": url}
        case {"input_audio": {"data": str(data), **rest}}:
            embedded = ":" not in data[:8]
            return {"audio": f"data:audio/{rest.get('format') or 'wav'};base64,{data}" if embedded else data}
        case {"file": {"filename": name}}:
            notes.add("converted", "document", "replaced by a text that names it: this wire format has no documents")
            return {"text": f"[document {name}: not shown, this wire format has no form for it]"}
        case {"type": "text", "text": text}:
            return {"text": text}
        case _:  # the caller's own
            return dict(part)


def _joined(first: str | list[dict[str, Any]], second: str | list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_parts(first), *_parts(second)]


def _parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"text": content}] if isinstance(content, str) else content
