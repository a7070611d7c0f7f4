"""Content blocks, in whichever of the shapes in use they are written, as parts; and parts as standard blocks.

OpenAI: https://platform.openai.com/docs/api-reference/chat/create (checked 2026-11)
Anthropic: https://docs.claude.com/en/api/messages (checked 2026-11)
LangChain's standard blocks: https://docs.langchain.com/oss/python/langchain/messages (checked 2026-11)
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from llm_connector.errors import ConfigurationError
from llm_connector.types.calls import call_of
from llm_connector.types.media import Audio, Document, Image, Video
from llm_connector.types.messages import AnyPart, Opaque, Reasoning, Text, ToolCall
from llm_connector.types.part import CacheMark, Part, mark_of

__all__ = ["block_of", "is_block", "part_of"]

Block: TypeAlias = Mapping[str, Any]
AnyMedia: TypeAlias = Image | Document | Audio | Video

_MEDIA: dict[str, type[AnyMedia]] = {
    "image": Image,
    "audio": Audio,
    "video": Video,
    "file": Document,
    "document": Document,
}


def part_of(item: Any) -> AnyPart:
    """A string, a part or a content block as a part.

    Raises ConfigurationError for another type of block, KeyError for one without what its type demands.
    """
    if isinstance(item, str):
        return Text(item)
    if isinstance(item, Part):
        return item  # type: ignore[return-value]  # every part is one of AnyPart
    if not isinstance(item, Mapping):
        raise ConfigurationError(f"{type(item).__name__!r} is not content; give text or parts")
    if not is_block(item):
        raise ConfigurationError(
            f"unknown content type {item.get('type')!r}; "
            "use text, image_url, input_audio, video_url or file, or this library's parts"
        )
    return _READERS[item["type"]](item)


def is_block(item: Block) -> bool:
    """Whether `part_of` knows this type of block."""
    kind = item.get("type")
    return isinstance(kind, str) and kind in _READERS


def block_of(part: AnyPart) -> dict[str, Any]:
    """A part as a standard block of LangChain's, which `part_of` reads; what must go back with it is in `extras`."""
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Reasoning():
            return {"type": "reasoning", "reasoning": part.text, **({"extras": part.state} if part.state else {})}
        case ToolCall():
            said = {"args": part.arguments} if part.error is None else {"args": part.arguments_raw, "error": part.error}
            kind = "tool_call" if part.error is None else "invalid_tool_call"
            extras = {} if part.extra is None else {"extras": {"provider": part.provider, **part.extra}}
            return {"type": kind, "id": part.id, "name": part.name, **said, **extras}
        case Image() | Document() | Audio() | Video():
            known = {"url": part.url, "file_id": part.file_id, "base64": part.data, "mime_type": part.media_type}
            kind = "file" if isinstance(part, Document) else part.type
            return {"type": kind, **{name: value for name, value in known.items() if value is not None}}
        case _:
            return {"type": "non_standard", "value": part.data if isinstance(part, Opaque) else part.model_dump()}


def _text(item: Block) -> Text:
    return Text(item["text"], cache=_cache(item))


def _image_url(item: Block) -> Image:
    image = item.get("image_url", "")
    detail = image.get("detail") if isinstance(image, Mapping) else item.get("detail")
    if item.get("file_id"):
        return Image(file_id=item["file_id"], detail=detail, cache=_cache(item))
    return Image(
        _address(image["url"] if isinstance(image, Mapping) else image, "image"), detail=detail, cache=_cache(item)
    )


def _input_audio(item: Block) -> Audio:
    audio = item["input_audio"]
    return Audio.base64(f"audio/{audio['format']}", audio["data"], cache=_cache(item))


def _video_url(item: Block) -> Video:
    video = item["video_url"]
    return Video(_address(video["url"] if isinstance(video, Mapping) else video, "video"), cache=_cache(item))


def _file(item: Block) -> AnyMedia:
    file = item if item["type"] == "input_file" else item.get("file")
    if not isinstance(file, Mapping):
        return _standard(item)
    if file.get("file_id"):
        return Document(file_id=file["file_id"], cache=_cache(item))
    data = file.get("file_data") or file.get("file_url")
    return Document(_address(data, "file"), name=file.get("filename"), cache=_cache(item))


def _sourced(item: Block) -> AnyMedia:
    """An image or document of Anthropic's, or an image with its source beside its type."""
    kind, source = item["type"], item.get("source")
    if not isinstance(source, Mapping):
        return _standard(item)
    part = Image if kind == "image" else Document
    own: dict[str, Any] = {"cache": _cache(item)}
    if kind == "document" and item.get("title"):
        own["name"] = item["title"]
    if kind == "document" and item.get("citations"):
        own["citations"] = item["citations"].get("enabled") is True
    if source.get("type") == "file":
        return part(file_id=source["file_id"], **own)
    if source.get("type") == "url":
        return part(_address(source["url"], kind), **own)
    if source.get("type") == "text":
        return part.base64(source.get("media_type", "text/plain"), _encoded(source["data"]), **own)
    return part.base64(source["media_type"], source["data"], **own)


def _standard(item: Block) -> AnyMedia:
    """Media with `base64` and `mime_type`, `url` or `file_id` beside the type."""
    kind, extras = item["type"], item.get("extras") or {}
    part, own = _MEDIA[kind], dict[str, Any](cache=_cache(item))
    if part is Image:
        own["detail"] = item.get("detail") or extras.get("detail")
    elif part is Document:
        own["name"] = item.get("filename") or extras.get("filename") or extras.get("name")
    if item.get("file_id"):
        return part(file_id=item["file_id"], **own)
    if item.get("base64"):
        return part.base64(item.get("mime_type") or "", item["base64"], **own)
    return part(_address(item["url"], kind), **own)


def _plain_text(item: Block) -> Document:
    return Document.base64(
        "text/plain", _encoded(item["text"]), name=item.get("title") or "text.txt", cache=_cache(item)
    )


def _thinking(item: Block) -> Reasoning:
    return Reasoning(item.get("thinking", ""), signature=item.get("signature"))


def _redacted(item: Block) -> Reasoning:
    return Reasoning(encrypted=item["data"])


def _reasoning(item: Block) -> Reasoning:
    """A thought, with its state in `extras`; the text may be inside, as in Bedrock's `reasoning_content`."""
    inner = item.get("reasoning_content")
    inner = inner if isinstance(inner, Mapping) else item
    text, extras = inner.get("reasoning") or inner.get("text") or "", item.get("extras") or {}
    state = {name: extras[name] for name in Reasoning.model_fields.keys() & extras.keys() - {"type", "text"}}
    return Reasoning(text, **{"signature": inner.get("signature"), **state})


def _call(item: Block) -> ToolCall:
    """A call: Anthropic's, or LangChain's with arguments that may be text, and with extras that may be ours."""
    extra = dict(item.get("extras") or {})
    own = {"provider": extra.pop("provider"), "extra": extra} if "provider" in extra else {}
    return call_of(item.get("name") or "unknown", item.get("id"), item["input" if "input" in item else "args"], **own)


def _wrapped(item: Block) -> AnyPart:
    """A block that another library had no type for."""
    value = item["value"]
    return part_of(value) if is_block(value) else Opaque(data=value)


_READERS: dict[str, Callable[[Block], AnyPart]] = {
    **dict.fromkeys(("text", "input_text", "output_text"), _text),
    **dict.fromkeys(("image_url", "input_image"), _image_url),
    **dict.fromkeys(("file", "input_file"), _file),
    **dict.fromkeys(("image", "document"), _sourced),
    **dict.fromkeys(("audio", "video"), _standard),
    **dict.fromkeys(("reasoning", "reasoning_content"), _reasoning),
    **dict.fromkeys(("tool_use", "tool_call", "invalid_tool_call"), _call),
    "input_audio": _input_audio,
    "video_url": _video_url,
    "text-plain": _plain_text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "non_standard": _wrapped,
}


def _address(value: Any, kind: str) -> str:
    """A URL. A dict may come from another machine, so a path in it must not open files of this one."""
    if isinstance(value, str) and value[:8].lower().startswith(("http://", "https://", "data:")):
        return value
    raise ConfigurationError(
        f"the {kind} in a dict needs an http(s) or data URL; for a file of this machine use Image(path) or the like"
    )


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _cache(item: Block) -> CacheMark:
    return mark_of(item.get("cache_control") or (item.get("extras") or {}).get("cache_control"))
