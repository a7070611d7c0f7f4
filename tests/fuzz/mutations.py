"""Changes to bytes that keep most of their structure: JSON stays JSON, and frames keep their checksums."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from tests.support.event_streams import message

__all__ = ["Mutation", "mutate_frames", "mutate_lines"]

Mutation: TypeAlias = Callable[[Random, bytes], bytes]

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**31, 2**63, -(2**70), 10**400, 1e308, 1.5, float("inf"), float("nan")),
    *(
        "",
        " ",
        "0",
        "x",
        "null",
        "{}",
        "[]",
        '{"a":1}',
        "{",
        "<think>",
        "</think>",
        "[DONE]",
        "error",
        "stop",
        "tool_use",
    ),
    *("\ud800", "\x00", "\u2028", "é" * 300, "data: x", "a.b[9]", "$.a[100]", "2026-11-01T10:00:00Z", "aGk=", "429"),
    *([], [None], [[]], [""], {}, {"": None}, {"type": "text"}, {"error": {}}, {"message": ["x"]}),
]
PIECES = [
    *(
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        b"\xc2\x85",
        b"\x00",
        b"\xff",
        b"\xf0\x9f",
        b":",
    ),
    *(
        b"data:",
        b"data: ",
        b"event: error\n",
        b"id: 1\n",
        b"retry: 1\n",
        b"data: [DONE]\n\n",
        b"<html>",
        b"{",
        b"}",
        b"[",
    ),
    *(b'"', b"\\", b'{"error":"x"}', b"1e999", b"NaN", b"9" * 5000, b"[" * 300, b"\\ud800"),
]
WORDS = [
    "content",
    "delta",
    "error",
    "function",
    "id",
    "index",
    "message",
    "name",
    "text",
    "tool_calls",
    "type",
    "usage",
]


def mutate_lines(random: Random, data: bytes) -> bytes:
    """Change a value of JSON in one of the lines, or the lines, or the bytes."""
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        kind = random.random()
        lines = data.split(b"\n")
        if kind < 0.6:
            data = _change_json(random, lines)
        elif kind < 0.8 and len(lines) > 1:
            data = _change_order(random, lines)
        else:
            data = _change_bytes(random, data)
    return data


def mutate_frames(random: Random, data: bytes) -> bytes:
    """The same for messages of AWS's event stream, whose lengths and checksums are made right again."""
    frames = list(_frames(data))
    if not frames or random.random() < 0.2:
        return _change_bytes(random, data)
    at = random.randrange(len(frames))
    headers, payload = frames[at]
    kind = random.random()
    if kind < 0.7:
        frames[at] = headers, mutate_lines(random, payload)
    elif kind < 0.85:
        frames[at] = _change_bytes(random, headers), payload
    else:
        frames.insert(random.randrange(len(frames) + 1), frames[at])
    return b"".join(message(headers, payload) for headers, payload in frames)


def _frames(data: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    while len(data) >= 16:
        total, length = struct.unpack("!II", data[:8])
        if not 16 + length <= total <= len(data):
            break
        found.append((data[12 : 12 + length], data[12 + length : total - 4]))
        data = data[total:]
    return found


def _change_bytes(random: Random, data: bytes) -> bytes:
    start = random.randint(0, len(data))
    end = min(len(data), start + random.choice((0, 1, 1, 2, 8, 64)))
    new = random.choice((b"", random.choice(PIECES), random.randbytes(random.randint(1, 4)), data[start:end] * 2))
    return data[:start] + new + data[end:]


def _change_order(random: Random, lines: list[bytes]) -> bytes:
    at = random.randrange(len(lines))
    line = lines.pop(at)
    for _ in range(random.choice((0, 1, 2))):
        lines.insert(random.randint(0, len(lines)), line)
    return b"\n".join(lines)


def _change_json(random: Random, lines: list[bytes]) -> bytes:
    """Change one value in one line that holds JSON, perhaps behind a field name."""
    places = [at for at, line in enumerate(lines) if b"{" in line or b"[" in line]
    if places:
        at = random.choice(places)
        line = lines[at]
        start = min(place for place in (line.find(b"{"), line.find(b"[")) if place >= 0)
        try:
            value = json.loads(line[start:])
        except (ValueError, RecursionError):
            return _change_bytes(random, b"\n".join(lines))
        text = json.dumps(_changed(random, value), ensure_ascii=random.random() < 0.5)
        lines[at] = line[:start] + text.encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def _changed(random: Random, value: Any) -> Any:
    """The value with one place in it changed."""
    if isinstance(value, dict | list) and value and random.random() < 0.85:
        copy: Any = value.copy()
        key: Any = random.choice(list(copy)) if isinstance(copy, dict) else random.randrange(len(copy))
        kind = random.random()
        if kind < 0.75:
            copy[key] = _changed(random, copy[key])
        elif kind < 0.85:
            del copy[key]
        elif isinstance(copy, list):
            copy.insert(random.randint(0, len(copy)), copy[key])
        else:
            copy[random.choice(WORDS)] = copy[key]
        return copy
    if isinstance(value, str) and random.random() < 0.5:
        return _changed_text(random, value)
    return random.choice((value, [value], {random.choice(WORDS): value}, *random.choices(VALUES, k=6)))


def _changed_text(random: Random, text: str) -> str:
    if text[:1] in ("{", "[") and random.random() < 0.5:
        try:
            return json.dumps(_changed(random, json.loads(text)))
        except (ValueError, RecursionError):
            pass
    at = random.randint(0, len(text))
    return random.choice((text[:at], text[:at] + random.choice([str(value) for value in VALUES]) + text[at:], text * 2))
