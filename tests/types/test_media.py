"""Images, documents, audio and video from whatever callers have, checked when the part is made."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from llm_connector import Audio, ConfigurationError, Document, Image, Video
from llm_connector.types import Media
from tests.support.names import shown

PNG = b"\x89PNG\r\n\x1a\n0000"
PDF = b"%PDF-1.7\n\xff"
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt "
MP4 = b"\x00\x00\x00\x18ftypisom"
each_kind = pytest.mark.parametrize(
    ("kind", "content", "media_type"),
    [
        (Image, PNG, "image/png"),
        (Document, PDF, "application/pdf"),
        (Audio, WAV, "audio/wav"),
        (Video, MP4, "video/mp4"),
    ],
)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


class TestSources:
    @each_kind
    def test_bytes(self, kind, content, media_type):
        for source in (content, bytearray(content), memoryview(content)):
            part = kind(source)
            assert (part.url, part.media_type, part.data) == (None, media_type, encoded(content))
            assert part.decode() == content
            assert part.data_url == f"data:{media_type};base64,{encoded(content)}"

    @each_kind
    def test_files(self, kind, content, media_type, tmp_path, monkeypatch):
        path = tmp_path / "of any name"
        path.write_bytes(content)
        assert kind(path).decode() == kind(str(path)).decode() == content
        assert kind(path).media_type == media_type
        monkeypatch.setenv("HOME", str(tmp_path))
        assert kind("~/of any name").decode() == content

    @each_kind
    @pytest.mark.parametrize("scheme", ["http", "https", "HTTPS"])
    def test_addresses_are_left_to_the_server(self, kind, content, media_type, scheme):
        part = kind(f"{scheme}://example.com/a")
        assert (part.url, part.media_type, part.data) == (f"{scheme}://example.com/a", None, None)
        assert part.data_url == part.url
        with pytest.raises(ConfigurationError, match="is a URL: its bytes are not here"):
            part.decode()

    @each_kind
    def test_data_urls(self, kind, content, media_type):
        part = kind(f"data:{media_type};base64,{encoded(content)}")
        assert part == kind.base64(media_type, encoded(content))
        assert kind(f"data:{media_type};charset=x;base64,{encoded(content)}").media_type == media_type

    @each_kind
    def test_base64(self, kind, content, media_type):
        plain = kind.base64(media_type, encoded(content))
        assert plain.decode() == content
        assert kind.base64(media_type, f"data:{media_type};base64,{encoded(content)}") == plain
        assert kind.base64(media_type, f" {encoded(content)[:6]}\n{encoded(content)[6:]}\n") == plain

    def test_options_of_each_kind(self):
        assert Image("https://example.com/a.png", detail="low", cache="1h").cache == "1h"
        assert Image.base64("image/png", encoded(PNG), detail="high").detail == "high"
        assert Document(PDF, name="a.pdf").name == "a.pdf"
        assert Document.base64("application/pdf", encoded(PDF), name="a.pdf", cache=True).name == "a.pdf"

    def test_a_file_may_be_named_by_its_url(self, tmp_path):
        path = tmp_path / "a picture.png"
        path.write_bytes(PNG)
        assert Image(path.as_uri()) == Image(path)

    @pytest.mark.parametrize("address", ["s3://bucket/a.png", "gs://bucket/a.png", "GS://bucket/a"])
    def test_addresses_in_the_storage_of_a_cloud_stay_as_they_are(self, address):
        assert Image(address) == Image(url=address)

    def test_a_document_is_called_like_its_file(self, tmp_path):
        path = tmp_path / "bill.pdf"
        path.write_bytes(PDF)
        assert Document(path).name == "bill.pdf"
        assert Document(path, name="other").name == "other"

    @pytest.mark.parametrize(
        ("content", "name", "media_type"),
        [
            (b"\xff\xd8\xff\xe0", "a", "image/jpeg"),
            (b"GIF89a", "a", "image/gif"),
            (b"RIFF0000WEBPVP8 ", "a", "image/webp"),
            (b"BM\x36\x00\x00\x00\x00\x00\x00\x00\x36\x00", "a", "image/bmp"),
            (b"II*\x00", "a", "image/tiff"),
            (b"\x00\x00\x00\x18ftypheic", "a", "image/heic"),
            (b"ID3\x04\x00", "a", "audio/mp3"),
            (b"\xff\xfb\x90", "a", "audio/mp3"),
            (b"fLaC", "a", "audio/flac"),
            (b"OggS", "a", "audio/ogg"),
            (b"\x1aE\xdf\xa3", "a", "video/webm"),
            (b"# Hi", "a.md", "text/markdown"),
            (b"a,b", "a.CSV", "text/csv"),
            (b"{}", "a.json", "application/json"),
            ("Grüße".encode(), "a.unknown", "text/plain"),
            (b"BMW is a car", "a.txt", "text/plain"),
            (b"ID3 is a tag", "a.txt", "text/plain"),
            (b"PK\x03\x04\xff", "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ],
    )
    def test_kinds_by_first_bytes_then_by_name(self, content, name, media_type, tmp_path):
        path = tmp_path / name
        path.write_bytes(content)
        kinds: dict[str, type[Media]] = {"image": Image, "audio": Audio, "video": Video}
        kind = kinds.get(media_type.split("/")[0], Document)
        assert kind(path).media_type == media_type

    @given(st.binary(min_size=1))
    def test_any_bytes_are_taken_or_refused_in_words(self, content):
        for kind in (Image, Document, Audio, Video):
            try:
                part = kind(content)
            except ConfigurationError:
                continue
            assert part.decode() == content


class TestMistakes:
    @pytest.mark.parametrize("kind", [Image, Document, Audio, Video])
    def test_files_that_are_not_there(self, kind, tmp_path):
        label = kind.__name__.lower()
        with pytest.raises(ConfigurationError, match=rf"{label} file '.*missing.png' cannot be read: No such file"):
            kind(tmp_path / "missing.png")
        with pytest.raises(ConfigurationError, match=rf"{label} file '.*' cannot be read: Is a directory"):
            kind(tmp_path)

    @pytest.mark.parametrize(
        ("source", "problem"),
        [
            ("", "image file '.' cannot be read: Is a directory"),
            ("a\0b", "cannot be read: "),
            ("~nobody-of-that-name/a.png", "cannot be read: "),
            ("iVBORw0KGgo" * 500, "use Image.base64(media_type, data)"),
            ("file:///a%20b.png", "image file '/a b.png' cannot be read"),
            ("data:image/png,abc", "image: only base64 data URLs are supported"),
            ("data:;base64,iVBORw0KGgo=", "image needs a media type, for example image/…"),
            ("data:image/png;base64,", "image is empty"),
            ("data:image/png;base64,iVBO!", "image is not valid base64"),
            ("data:image/png;base64,iVB", "image is not valid base64"),
            ("data:image/png;base64,é", "image is not valid base64"),
            ("data:application/pdf;base64,JVBERi0=", "image cannot be 'application/pdf'"),
            (b"", "image bytes is empty"),
            (b"hello", "image bytes is not an image of a known kind (it looks like text/plain)"),
            (PDF, "(it looks like application/pdf)"),
            (b"\xff\x00\xff", "(it looks like unknown data)"),
            (5, "image: give a URL, a path or bytes, not a int"),
            (io.BytesIO(PNG), "image: give a URL, a path or bytes, not a BytesIO"),
            (None, "image needs one source: a URL, a path, bytes, base64 data or file_id="),
        ],
        ids=shown,
    )
    def test_sources_that_are_no_image(self, source, problem):
        with pytest.raises(ConfigurationError) as failure:
            Image(source)
        assert problem in str(failure.value)
        assert len(str(failure.value)) < 400

    @pytest.mark.parametrize(
        ("kind", "family"), [(Image, "an image"), (Audio, "an audio"), (Video, "a video")], ids=str
    )
    def test_files_of_another_kind(self, kind, family, tmp_path):
        path = tmp_path / "notes.png"
        path.write_text("hello")
        with pytest.raises(ConfigurationError, match=rf"file 'notes.png' is not {family} of a known kind"):
            kind(path)
        path.write_bytes(b"")
        with pytest.raises(ConfigurationError, match=r"file 'notes\.png' is empty"):
            kind(path)

    def test_documents_of_an_unknown_kind(self, tmp_path):
        path = tmp_path / "a.bin"
        path.write_bytes(b"\xff\x00\xff")
        with pytest.raises(ConfigurationError, match=r"is of an unknown kind: use Document.base64\(media_type, data\)"):
            Document(path)

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"url": "https://a", "data": "aGk=", "media_type": "image/png"}, "image needs one source"),
            ({}, "image needs one source"),
            ({"data": "aGk="}, "image needs a media type"),
            ({"url": "https://a", "colour": 1}, "image: colour: Extra inputs are not permitted"),
            ({"url": 5}, "image: url: Input should be a valid string"),
        ],
        ids=shown,
    )
    def test_fields_that_do_not_go_together(self, fields, problem):
        with pytest.raises(ConfigurationError) as failure:
            Image(**fields)
        assert problem in str(failure.value)

    def test_bytes_are_not_shown(self):
        part = Image(PNG)
        assert encoded(PNG) not in repr(part) + str(part)
        with pytest.raises(ConfigurationError) as failure:
            Image.base64("image/png", "c2VjcmV0?")
        assert "c2VjcmV0" not in str(failure.value)


@each_kind
def test_they_survive_json(kind, content, media_type):
    adapter = TypeAdapter(kind)
    for part in (kind(content, cache="5m"), kind("https://example.com/a")):
        assert adapter.validate_json(adapter.dump_json(part)) == part


def test_a_path_may_be_of_any_class(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)

    class Own(type(Path())):  # type: ignore[misc]  # the class depends on the system
        pass

    assert Image(Own(tmp_path / "a.png")).decode() == PNG


@pytest.mark.parametrize("kind", [Image, Document, Audio, Video])
def test_an_uploaded_file_has_no_bytes_here(kind: Any):
    part = kind(file_id="file-1")
    assert (part.file_id, part.url, part.data) == ("file-1", None, None)
    assert kind.model_validate(part.model_dump()) == part
    with pytest.raises(ConfigurationError, match="is an uploaded file: its bytes are not here"):
        part.decode()
    with pytest.raises(ConfigurationError, match="is an uploaded file: its bytes are not here"):
        _ = part.data_url
    with pytest.raises(ConfigurationError, match="needs one source"):
        kind("https://example.com/a", file_id="file-1")
