"""Conversations in the form of Gemini's contents and parts.

https://ai.google.dev/api/caching#Content and https://ai.google.dev/gemini-api/docs/thought-signatures (checked 2026-11)
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby
from typing import Any, TypeAlias

from llm_connector.errors import ConfigurationError, UnsupportedError
from llm_connector.protocols.gemini_chunks import SIGNATURE
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import NO_CITATIONS, stand_in
from llm_connector.types import (
    AnyPart,
    Audio,
    Document,
    Image,
    Media,
    Message,
    Notes,
    Opaque,
    PlainTurn,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Video,
)

__all__ = ["NO_MARKS", "ContentsForm"]

Part: TypeAlias = dict[str, Any]

UNCHECKED = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""The signature that servers take for any: base64 of `skip_thought_signature_validator`."""

NO_MARKS = "prompts are cached by themselves here; a cache of your own goes into extra_body as cachedContent"
_MADE_UP = re.compile(r"call_[0-9a-f]{16}").fullmatch
"""An id that this library made up for a call without one. It is not sent: calls and results are told by their order."""
_RESOLUTIONS = {detail: f"MEDIA_RESOLUTION_{detail.upper()}" for detail in ("low", "medium", "high", "ultra_high")}
_DEFAULTS: dict[type[Media], str] = {
    Image: "image/jpeg",
    Document: "application/pdf",
    Audio: "audio/mpeg",
    Video: "video/mp4",
}


@dataclass(frozen=True, slots=True)
class ContentsForm:
    """Renders one conversation. `modern` is the generation's, the other settings are fields of the protocol."""

    names: ToolNames
    notes: Notes
    modern: bool
    signatures: bool
    display_names: bool
    typed_urls: bool
    files: str
    _calls: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Order and name of the latest call with an id: some servers begin anew with their ids in each turn."""
    _numbers: Iterator[int] = field(default_factory=count)

    def render(self, messages: Sequence[Message]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """The leading system messages as `systemInstruction`, and the contents, in which roles alternate."""
        start = 0
        while start < len(messages) and messages[start].role == "system":
            start += 1
        contents: list[dict[str, Any]] = []
        for model, group in groupby(messages[start:], lambda message: message.role == "assistant"):
            run = list(group)
            role = "model" if model else "user"
            parts = self._model(run) if model else self._user(run)
            if parts and contents and contents[-1]["role"] == role:
                contents[-1]["parts"].extend(parts)
            elif parts:
                contents.append({"role": role, "parts": parts})
        if not contents:
            raise ConfigurationError(
                "messages: besides the system messages there is nothing to send; add a user message"
            )
        if self.modern:
            _sign_running_turn(contents)
        return self._system(messages[:start]), contents

    def _system(self, messages: Sequence[Message]) -> dict[str, Any] | None:
        texts = [
            part.text if isinstance(part, Text) else stand_in(part, "system prompts hold text only", self.notes)
            for message in messages
            for part in message.parts
        ]
        for message in messages:
            self._report(message)
        parts = [{"text": text} for text in texts if text]
        return {"parts": parts} if parts else None

    def _report(self, message: Message) -> None:
        """Note what a message asks for and this wire format does not have."""
        if type(message) is PlainTurn:
            return
        if message.name:
            self.notes.add("dropped", "name", "this wire format does not tell participants of one role apart")
        for part in message.parts:
            if part.cache:
                self.notes.add("dropped", "cache", NO_MARKS)

    def _model(self, messages: Sequence[Message]) -> list[Part]:
        rendered: list[Part] = []
        for message in messages:
            self._report(message)
            parts: list[Part] = []
            for part in message.parts:
                self._add_model_part(part, parts)
            rendered.extend(parts)
            if not parts:
                self.notes.add("dropped", "empty assistant message", "this server refuses messages without content")
        return rendered

    def _add_model_part(self, part: AnyPart, parts: list[Part]) -> None:
        match part:
            case Text():
                if part.text:
                    parts.append({"text": part.text})
            case Reasoning():
                if part.text or (part.signature and self.signatures):
                    parts.append({"text": part.text, "thought": True, **self._signature(part.signature)})
            case ToolCall():
                parts.append(self._call(part))
            case Opaque():
                self._add_opaque(part, parts)
            case Image() | Document() | Audio() | Video():
                parts.append(self._media(part))
            case _:
                parts.append({"text": stand_in(part, "model turns hold no tool results", self.notes)})

    def _signature(self, signature: str | None) -> Part:
        return {SIGNATURE: signature} if signature and self.signatures else {}

    def _add_opaque(self, part: Opaque, parts: list[Part]) -> None:
        data = dict(part.data)
        signature = data.get(SIGNATURE)
        if "functionCall" in data:
            self.notes.add("dropped", "opaque", "a call without a name, which this server does not take back")
        elif signature is None:
            parts.append(data)
        elif not self.signatures:
            del data[SIGNATURE]
            parts.extend([data] if data and data != {"text": ""} else [])
        elif data.keys() != {SIGNATURE}:
            parts.append(data)
        elif parts and SIGNATURE not in parts[-1]:
            parts[-1][SIGNATURE] = signature
        else:
            parts.append({"text": "", SIGNATURE: signature})

    def _call(self, call: ToolCall) -> Part:
        if call.error:
            self.notes.add("converted", "tool call", "its arguments are no JSON object: it is sent without any")
        extra = dict(call.extra or {})
        if not call.provider or not self.signatures:
            extra = self._signature(extra.get(SIGNATURE))
        name = self.names.wire(call.name)
        self._calls[call.id] = (next(self._numbers), name)
        wire = {**_id(call.id), "name": name, "args": call.arguments}
        return {"functionCall": wire, **extra}

    def _user(self, messages: Sequence[Message]) -> list[Part]:
        """Parts of neighbouring user and tool messages. Results come first, in the order of their calls."""
        results: list[ToolResult] = []
        rest: list[Part] = []
        for message in messages:
            if type(message) is PlainTurn and message.role == "user" and message.text:
                rest.append({"text": message.text})
                continue
            self._report(message)
            if message.role == "system":
                self.notes.add(
                    "converted", "system message", "a late one became user text: only leading ones are hoisted"
                )
            parts = [found for part in message.parts if (found := self._user_part(part, results)) is not None]
            rest.extend(parts)
            if not parts and not any(isinstance(part, ToolResult) for part in message.parts):
                self.notes.add(
                    "dropped", f"empty {message.role} message", "this server refuses messages without content"
                )
        last = next(self._numbers)
        results.sort(key=lambda result: self._calls.get(result.call_id, (last, ""))[0])
        shown: list[Part] = []
        return [*[self._result(result, shown) for result in results], *shown, *rest]

    def _user_part(self, part: AnyPart, results: list[ToolResult]) -> Part | None:
        match part:
            case Text():
                return {"text": part.text} if part.text else None
            case ToolResult():
                results.append(part)
                return None
            case Opaque():
                return dict(part.data)
            case Image() | Document() | Audio() | Video():
                return self._media(part)
            case _:
                return {"text": stand_in(part, "user turns hold none", self.notes)}

    def _result(self, result: ToolResult, shown: list[Part]) -> Part:
        """One result. Its text goes as a string: references inside an object would be resolved by the server.

        Media go with it where the model can read them there, else they follow in `shown`.
        """
        if any(part.cache for part in result.parts):
            self.notes.add("dropped", "cache", NO_MARKS)
        media = [part for part in result.parts if isinstance(part, Media) and not _is_text(part)]
        text = "".join(_as_text(part) for part in result.parts if isinstance(part, Text) or _is_text(part))
        _, name = self._calls.get(result.call_id, (0, self.names.wire(result.call_id)))
        if result.name:
            name = self.names.wire(result.name)
        wire: Part = {**_id(result.call_id), "name": name, "response": {"error" if result.error else "result": text}}
        parts = [self._media(part) for part in media]
        if parts and self.modern:
            wire["parts"] = [{key: value for key, value in part.items() if key != "mediaResolution"} for part in parts]
        elif parts:
            self.notes.add("converted", "tool result", "its images and documents follow in the user turn")
            shown.extend(parts)
        return {"functionResponse": wire}

    def _media(self, part: Media) -> Part:
        if isinstance(part, Document) and part.citations:
            self.notes.add("dropped", "citations", NO_CITATIONS)
        if _is_text(part):
            return {"text": _as_text(part)}
        media_type = "image/jpeg" if part.media_type == "image/jpg" else part.media_type
        wire: Part
        if part.data is not None:
            blob: Part = {"mimeType": media_type, "data": part.data}
            wire = {"inlineData": blob}
        else:
            uri = part.url or self._uploaded(part)
            blob = {"fileUri": uri}
            wire = {"fileData": blob}
            media_type = media_type or mimetypes.guess_type(uri.partition("?")[0])[0]
            if media_type or self.typed_urls:
                blob["mimeType"] = media_type or _DEFAULTS[type(part)]
        name = part.name if isinstance(part, Document) else None
        if name and self.display_names:
            blob["displayName"] = name
        elif name:
            self.notes.add("dropped", "document name", "this server takes no names of files")
        if isinstance(part, Image) and part.detail and part.detail != "auto":
            if self.modern and part.detail in _RESOLUTIONS:
                wire["mediaResolution"] = {"level": _RESOLUTIONS[part.detail]}
            else:
                self.notes.add("dropped", "image detail", "this model has no such resolution for one image")
        return wire

    def _uploaded(self, part: Media) -> str:
        """The URI of an uploaded file, whose id may be given as its `name` or as its `uri`."""
        file_id = part.file_id or ""
        if "://" in file_id:
            return file_id
        if not self.files:
            reason = f"no file {file_id!r} is kept here; give one of Cloud Storage as url='gs://…', or the bytes"
            raise UnsupportedError(reason)
        return f"{self.files}/{file_id.removeprefix('files/')}"


def _id(call_id: str) -> Part:
    return {} if _MADE_UP(call_id) else {"id": call_id}


def _is_text(part: Media) -> bool:
    return part.data is not None and (part.media_type or "").startswith("text/")


def _as_text(part: Media | Text) -> str:
    """A document that is text, under its name."""
    if isinstance(part, Text):
        return part.text
    name = part.name if isinstance(part, Document) else None
    return (f"{name}:\n" if name else "") + part.decode().decode("utf-8", "replace")


def _sign_running_turn(contents: list[dict[str, Any]]) -> None:
    """Let the server take calls that it did not make: since the last words of the user, each step needs a signature.

    A step's first call carries it. https://ai.google.dev/gemini-api/docs/thought-signatures#faqs (checked 2026-11)
    """
    for content in reversed(contents):
        if content["role"] == "user":
            if any("functionResponse" not in part for part in content["parts"]):
                return
            continue
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first is not None:
            first.setdefault(SIGNATURE, UNCHECKED)
