"""Images, documents, audio and video: by URL, by the id of an uploaded file, or as base64, read and checked early."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, model_validator

from llm_connector.errors import ConfigurationError, excerpt
from llm_connector.types.part import CacheMark, Part

__all__ = ["Audio", "Document", "Image", "Media", "Video"]

Source: TypeAlias = str | Path | bytes

_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"II*\x00", 0, "image/tiff"),
    (b"MM\x00*", 0, "image/tiff"),
    (b"ftypheic", 4, "image/heic"),
    (b"ftypavif", 4, "image/avif"),
    (b"%PDF-", 0, "application/pdf"),
    (b"WAVE", 8, "audio/wav"),
    (b"ID3\x02", 0, "audio/mp3"),
    (b"ID3\x03", 0, "audio/mp3"),
    (b"ID3\x04", 0, "audio/mp3"),
    (b"\xff\xfb", 0, "audio/mp3"),
    (b"\xff\xf3", 0, "audio/mp3"),
    (b"\xff\xf1", 0, "audio/aac"),
    (b"fLaC", 0, "audio/flac"),
    (b"OggS", 0, "audio/ogg"),
    (b"ftypM4A", 4, "audio/mp4"),
    (b"ftyp", 4, "video/mp4"),
    (b"\x1aE\xdf\xa3", 0, "video/webm"),
    (b"AVI ", 8, "video/x-msvideo"),
    (b"\x00\x00\x01\xba", 0, "video/mpeg"),
)
_SUFFIXES = {
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".html": "text/html",
    ".htm": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".mov": "video/quicktime",
    ".mp3": "audio/mp3",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "text/xml",
}


_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,30}://", re.IGNORECASE)


class Media(Part):
    """Base of the parts that hold bytes or point at them: `url`, `file_id`, or `media_type` and base64 `data`.

    `file_id` names a file that was uploaded to the provider, which alone can read it: `Document(file_id="file-…")`.
    Files, also by a `file:` URL, are read and their kind is checked when the part is made; ConfigurationError says what
    is wrong. Other URLs are the server's to read, those of a cloud's storage (`s3://…`, `gs://…`) too. Each class
    repeats the constructor because type checkers make one up where a model has none of its own.
    """

    family: ClassVar[str] = ""

    url: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    data: str | None = Field(default=None, repr=False)
    cache: CacheMark = None

    def __init__(self, source: Source | None = None, /, **fields: Any) -> None:
        self._build(source, fields)

    def _build(self, source: Source | None, fields: dict[str, Any]) -> None:
        if source is not None:
            fields = {**self._read(source), **fields}
        try:
            BaseModel.__init__(self, **fields)
        except ValidationError as error:
            problem = error.errors()[0]
            cause = problem.get("ctx", {}).get("error")
            if isinstance(cause, ConfigurationError):
                raise cause from None
            place = ".".join(map(str, problem["loc"]))
            raise ConfigurationError(f"{self._label()}: {place}: {problem['msg']}") from None

    @classmethod
    def base64(cls, media_type: str, data: str, **fields: Any) -> Self:
        """A part from base64 text; a `data:` prefix and white space in it are removed."""
        return cls(media_type=media_type, data=data, **fields)

    @property
    def data_url(self) -> str:
        """The `data:` URL of embedded bytes, or the URL. Raises ConfigurationError for an uploaded file."""
        if self.file_id is not None:
            raise ConfigurationError(f"{self._label()} is an uploaded file: its bytes are not here")
        return self.url if self.url is not None else f"data:{self.media_type};base64,{self.data}"

    def decode(self) -> bytes:
        """The embedded bytes. Raises ConfigurationError when there is only a URL or the id of a file."""
        if self.data is None:
            kind = "a URL" if self.file_id is None else "an uploaded file"
            raise ConfigurationError(f"{self._label()} is {kind}: its bytes are not here")
        return base64.b64decode(self.data)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.url, self.file_id, self.data).count(None) != 2:
            raise ConfigurationError(f"{self._label()} needs one source: a URL, a path, bytes, base64 data or file_id=")
        if self.data is not None:
            self._check_data(self.data)
        return self

    def _check_data(self, data: str) -> None:
        if data.startswith("data:"):
            data = data.partition(",")[2]
        data = "".join(data.split())
        try:
            binascii.a2b_base64(data, strict_mode=True)
        except ValueError as error:
            raise ConfigurationError(f"{self._label()} is not valid base64: {error}") from None
        if not data:
            raise ConfigurationError(f"{self._label()} is empty")
        if not self.media_type:
            raise ConfigurationError(
                f"{self._label()} needs a media type, for example {self.family or 'application'}/…"
            )
        if self.family and not self.media_type.startswith(self.family + "/"):
            raise ConfigurationError(f"{self._label()} cannot be {self.media_type!r}; use the part for that")
        object.__setattr__(self, "data", data)

    @classmethod
    def _label(cls) -> str:
        return cls.__name__.lower()

    @classmethod
    def _read(cls, source: Source) -> dict[str, Any]:
        if isinstance(source, bytes | bytearray | memoryview):
            return cls._embed(bytes(source), "")
        if not isinstance(source, str | Path):
            raise ConfigurationError(f"{cls._label()}: give a URL, a path or bytes, not a {type(source).__name__}")
        if isinstance(source, str):
            head = source[:8].lower()
            if head.startswith("data:"):
                media_type, _, data = source[5:].partition(",")
                if not media_type.endswith(";base64"):
                    raise ConfigurationError(f"{cls._label()}: only base64 data URLs are supported")
                return {"media_type": media_type.removesuffix(";base64").partition(";")[0], "data": data}
            if head.startswith("file://"):
                from urllib.request import url2pathname  # loads much

                return cls._read_file(Path(url2pathname(urlsplit(source).path)))
            if _ADDRESS.match(source):
                return {"url": source}
        return cls._read_file(Path(source))

    @classmethod
    def _read_file(cls, path: Path) -> dict[str, Any]:
        try:
            content = path.expanduser().read_bytes()
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            name = str(path)
            remedy = f"; for base64 text use {cls.__name__}.base64(media_type, data)" if len(name) > 200 else ""
            raise ConfigurationError(
                f"{cls._label()} file {excerpt(name, 200)!r} cannot be read: {reason}{remedy}"
            ) from None
        return cls._embed(content, path.name)

    @classmethod
    def _embed(cls, content: bytes, name: str) -> dict[str, Any]:
        media_type = _sniff(content, name)
        label = f"{cls._label()} file {name!r}" if name else f"{cls._label()} bytes"
        if not content:
            raise ConfigurationError(f"{label} is empty")
        if cls.family and not media_type.startswith(cls.family + "/"):
            article = "an" if cls.family[0] in "aeiou" else "a"
            raise ConfigurationError(
                f"{label} is not {article} {cls.family} of a known kind (it looks like {media_type or 'unknown data'})"
            )
        if not media_type:
            raise ConfigurationError(f"{label} is of an unknown kind: use {cls.__name__}.base64(media_type, data)")
        return {"media_type": media_type, "data": base64.b64encode(content).decode()}


class Image(Media):
    """A picture. `source` is a URL, a path or bytes; `detail` is OpenAI's resolution hint.

    >>> Image("https://example.com/cat.png", detail="low").url
    'https://example.com/cat.png'
    """

    family: ClassVar[str] = "image"

    type: Literal["image"] = "image"
    detail: str | None = None

    def __init__(self, source: Source | None = None, /, *, detail: str | None = None, **fields: Any) -> None:
        self._build(source, {**fields, "detail": detail})


class Document(Media):
    """A PDF, text or office file; `name` is the file name shown to the model.

    `citations=True` asks the model to say which passages it answers from, in `response.citations`, where the wire can.
    """

    type: Literal["document"] = "document"
    name: str | None = None
    citations: bool = False

    def __init__(self, source: Source | None = None, /, *, name: str | None = None, **fields: Any) -> None:
        self._build(source, {**fields, "name": name} if name else fields)

    @classmethod
    def _read_file(cls, path: Path) -> dict[str, Any]:
        return {**super()._read_file(path), "name": path.name}


class Audio(Media):
    """A sound."""

    family: ClassVar[str] = "audio"

    type: Literal["audio"] = "audio"

    def __init__(self, source: Source | None = None, /, **fields: Any) -> None:
        self._build(source, fields)


class Video(Media):
    """A film."""

    family: ClassVar[str] = "video"

    type: Literal["video"] = "video"

    def __init__(self, source: Source | None = None, /, **fields: Any) -> None:
        self._build(source, fields)


def _sniff(content: bytes, name: str) -> str:
    """The media type by the first bytes, then by the file name, then text if it is UTF-8; else an empty string."""
    for signature, offset, media_type in _SIGNATURES:
        if content.startswith(signature, offset):
            return media_type
    if content.startswith(b"BM") and content[6:10] == bytes(4):  # two letters alone also begin texts
        return "image/bmp"
    suffix = Path(name).suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    try:
        content.decode()
    except UnicodeDecodeError:
        return ""
    return "text/plain"
