"""LangChain's messages as those of llm-connector.

What LangChain has no field for (signatures, a call's own fields, the order of thoughts and text) travels in
`additional_kwargs["reasoning_details"]`: a plan of the answer's parts, whose text is cut from `content` and
`additional_kwargs["reasoning_content"]` by length. https://docs.langchain.com/oss/python/langchain/messages (checked
2026-11)
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_llm_connector.version import MODEL_PROVIDER
from llm_connector import ConfigurationError
from llm_connector.types import (
    AnyPart,
    Audio,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Video,
    conversation,
    parsed_arguments,
)

__all__ = [
    "MEDIA",
    "PLAN",
    "STATE",
    "THOUGHTS",
    "Block",
    "answer_parts",
    "blocks_of",
    "kind_of",
    "state_of",
    "to_core",
]

PLAN = "reasoning_details"
THOUGHTS = "reasoning_content"

Block: TypeAlias = dict[str, Any]

STATE = ("provider", "signature", "encrypted", "id", "field", "details")
MEDIA: dict[str, type[Image] | type[Audio] | type[Video] | type[Document]] = {
    "image": Image,
    "audio": Audio,
    "video": Video,
    "file": Document,
}
_CALLS = frozenset(
    {"tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "function_call", "input_json_delta"}
)
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking", "reasoning_content"})
_AS_THEY_ARE = frozenset(
    {"image_url", "input_image", "input_audio", "video_url", "input_text", "output_text", "document"}
)
_PLAIN = {HumanMessage: "user", SystemMessage: "system"}


# in


def to_core(messages: Sequence[BaseMessage]) -> list[Any]:
    """The conversation as the clients of llm-connector take it. Raises ConfigurationError that names the position."""
    turns: list[Any] = []
    for position, message in enumerate(messages):
        kind, content = type(message), message.content
        if kind in _PLAIN and type(content) is str and not message.name:
            turns.append({"role": _PLAIN[kind], "content": content})
        elif (kind is AIMessage or kind is AIMessageChunk) and _is_plain(message):
            turns.append({"role": "assistant", "content": content})
        else:
            try:
                turns.append(_turn(message))
            except (ConfigurationError, KeyError, TypeError) as error:
                reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
                raise ConfigurationError(f"messages[{position}]: {reason.removeprefix('messages[0]: ')}") from None
    return turns


def _is_plain(message: Any) -> bool:
    kwargs = message.additional_kwargs
    calls = message.tool_calls or message.invalid_tool_calls
    return bool(message.content) and type(message.content) is str and not calls and not kwargs


def _turn(message: BaseMessage) -> Any:
    match message:
        case AIMessage():
            return Message(role="assistant", parts=answer_parts(message), name=message.name)
        case ToolMessage():
            parts: list[Any] = _parts(message.content)
            failed = message.status == "error"
            result = ToolResult(call_id=message.tool_call_id, name=message.name, parts=parts, error=failed)
            return Message(role="tool", parts=[result])
        case FunctionMessage():
            return {"role": "function", "name": message.name, "content": message.content}
        case HumanMessage() | SystemMessage() | ChatMessage():
            role = message.role if isinstance(message, ChatMessage) else _PLAIN.get(type(message), message.type)
            return {"role": role, "content": list(map(_content, blocks_of(message.content))), "name": message.name}
        case _:
            raise ConfigurationError(f"a {type(message).__name__} cannot be sent to a model")


def blocks_of(content: Any) -> list[Any]:
    """The content as a list, without what is empty."""
    blocks = [content] if isinstance(content, str) else content or []
    return [block for block in blocks if block and (isinstance(block, str) or block.get("text") != "")]


def _parts(content: Any) -> list[AnyPart]:
    """Blocks as parts."""
    items = list(map(_content, blocks_of(content)))
    return conversation([{"role": "user", "content": items}])[0].parts if items else []


def _content(block: Any) -> Any:
    """A block of content as a part, or as a dict that the core reads itself."""
    if isinstance(block, str):
        return block
    kind, cache = block.get("type"), block.get("cache_control") or (block.get("extras") or {}).get("cache_control")
    if kind == "text":
        return {"type": "text", "text": block["text"], "cache_control": cache}
    if kind == "non_standard":
        return _content(block["value"])
    if kind == "text-plain":
        text = base64.b64encode(block["text"].encode()).decode()
        return Document.base64("text/plain", text, name=block.get("title") or "text.txt")
    if kind in MEDIA and not ({"source", "file"} & block.keys()):
        return _media(MEDIA[kind], block)
    if kind in _AS_THEY_ARE or (kind in MEDIA and "file_id" not in (block.get("file") or {})):
        return block
    return Opaque(data=block)  # what the core does not know may be known to the server


def _media(kind: type[Image] | type[Audio] | type[Video] | type[Document], block: Block) -> Any:
    extras = block.get("extras") or {}
    fields: dict[str, Any] = {}
    if kind is Image and (detail := block.get("detail") or extras.get("detail")):
        fields["detail"] = detail
    if kind is Document:
        fields["name"] = block.get("filename") or extras.get("filename") or extras.get("name") or "document.pdf"
    if cache := block.get("cache_control") or extras.get("cache_control"):
        fields["cache"] = cache.get("ttl") or True
    if data := block.get("base64"):
        return kind.base64(block.get("mime_type") or "", data, **fields)
    if url := block.get("url"):
        if not url[:8].lower().startswith(("http://", "https://", "data:")):
            raise ConfigurationError(f"the {block['type']} needs an http(s) or data URL")
        return kind(url, **fields)
    return Opaque(data={"type": "file", "file": {"file_id": block["file_id"]}})  # as OpenAI's format has it


# answers, sent back


def answer_parts(message: AIMessage) -> list[AnyPart]:
    """The parts of an answer, as they came where that is known."""
    kwargs, blocks = message.additional_kwargs, blocks_of(message.content)
    calls = list(_calls(message))
    plan = kwargs.get(PLAN)
    if isinstance(plan, list) and all(isinstance(entry, Mapping) and "type" in entry for entry in plan):
        return _planned(plan, blocks, kwargs.get(THOUGHTS), calls)
    provider = _origin(message)
    parts: list[AnyPart] = []
    if (thoughts := kwargs.get(THOUGHTS)) is not None and not any(kind_of(block) in _THOUGHTS for block in blocks):
        parts.append(Reasoning(str(thoughts), field=THOUGHTS))
    waiting = {call.id: call for call in calls}
    moved: list[tuple[int, AnyPart]] = []
    for block in blocks:
        kind = kind_of(block)
        if kind in _CALLS:
            if (call := waiting.pop(block.get("id"), None)) is not None:
                parts.append(call)
        elif kind in _THOUGHTS:
            moved.extend(_thoughts(block, provider, parts))
        elif kind == "non_standard":
            parts.append(Opaque(provider=provider, data=block["value"]))
        elif not (kind or "").startswith("server_tool"):  # other packages' form of them is on no wire
            parts.extend(_parts([block]))
    for position, part in moved:
        parts.insert(position, part)
    return [*parts, *waiting.values()]


def kind_of(block: Any) -> str | None:
    """A block's type."""
    return "text" if isinstance(block, str) else block.get("type")


def _origin(message: AIMessage) -> str | None:
    """Whose signatures these are."""
    known = message.response_metadata
    named: str | None = known.get("model_provider")
    return known.get("provider") if named == MODEL_PROVIDER else named


def _calls(message: AIMessage) -> Iterator[ToolCall]:
    for call in message.tool_calls:
        yield ToolCall(id=call["id"] or f"call_{call['name']}", name=call["name"], arguments=call["args"])
    for broken in message.invalid_tool_calls:
        raw = broken["args"] or ""
        arguments, error = parsed_arguments(raw)
        name = broken["name"] or "unknown"
        call_id = broken["id"] or f"call_{name}"
        yield ToolCall(id=call_id, name=name, arguments=arguments, arguments_raw=raw, error=error)


def _thoughts(block: Block, provider: str | None, parts: list[AnyPart]) -> Iterator[tuple[int, AnyPart]]:
    """A block of thinking in any of the forms in use. Ours may say where it stood, others are added where they are."""
    extras = block.get("extras") or {}
    if block["type"] == "redacted_thinking":
        parts.append(Reasoning(encrypted=block["data"], provider=provider))
        return
    inner = block.get("reasoning_content")
    inner = inner if isinstance(inner, Mapping) else block
    text = str(inner.get("reasoning") or inner.get("thinking") or inner.get("text") or "")
    for piece, state in _cut(text, extras.get("parts") or [{**extras, "length": len(text)}]):
        known = {name: state[name] for name in STATE if state.get(name) is not None}
        known.setdefault("signature", inner.get("signature"))
        part = Reasoning(piece, **{"provider": provider, **known})
        if isinstance(position := state.get("position"), int):
            yield position, part
        else:
            parts.append(part)


def _cut(text: str, entries: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    start = 0
    for entry in entries:
        end = start + int(entry.get("length") or 0)
        yield text[start:end], entry
        start = end


def _planned(plan: list[Any], blocks: list[Any], thoughts: Any, calls: list[ToolCall]) -> list[AnyPart]:
    """The parts by their plan. Text that was changed since stands where the first of it stood, without its state."""
    texts = [block if isinstance(block, str) else block.get("text", "") for block in blocks if kind_of(block) == "text"]
    kept = [block.get("reasoning", "") for block in blocks if kind_of(block) == "reasoning"]
    pieces = {"text": "".join(texts), "reasoning": "".join(kept) if thoughts is None else str(thoughts)}
    cut: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for kind, whole in pieces.items():
        entries = [entry for entry in plan if entry["type"] == kind]
        if sum(int(entry.get("length") or 0) for entry in entries) != len(whole):
            entries = [{"length": len(whole)}] if whole else []
        cut[kind] = list(_cut(whole, entries))
    media = iter([block for block in blocks if kind_of(block) in MEDIA or kind_of(block) == "image_url"])
    waiting = {call.id: call for call in calls}
    parts: list[AnyPart] = []
    for entry in plan:
        kind = entry["type"]
        if cut.get(kind):
            piece, state = cut[kind].pop(0)
            parts.append(Text(piece) if kind == "text" else Reasoning(piece, **state_of(state)))
        elif kind == "tool_call" and (call := waiting.pop(entry.get("call_id"), None)) is not None:
            own = {name: entry[name] for name in ("provider", "extra") if name in entry}
            parts.append(call.model_copy(update=own) if own else call)
        elif kind == "opaque":
            parts.append(Opaque(provider=entry.get("provider"), data=entry["data"]))
        elif kind == "media" and (block := next(media, None)) is not None:
            parts.extend(_parts([block]))
    parts.extend(Text(piece) for piece, _ in cut["text"])
    return [*parts, *waiting.values()]


def state_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What must go back with a thought."""
    return {name: entry[name] for name in STATE if entry.get(name) is not None}
