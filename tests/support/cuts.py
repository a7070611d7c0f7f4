"""Ways to cut a body into blocks, as networks do."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import pairwise

SMALL = 4096
"""Bytes. Bodies up to this are cut at every byte, longer ones where it hurts and at random."""

RANDOM_CUTS = 200


def single_bytes(body: bytes) -> Iterator[bytes]:
    return (body[at : at + 1] for at in range(len(body)))


def split_at(body: bytes, *places: int) -> list[bytes]:
    """The blocks between the places, in order; empty ones included."""
    edges = [0, *sorted(places), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


def ends_of_events(body: bytes) -> list[int]:
    """Where servers that flush each event end their writes: behind blank lines, or behind lines if there are none."""
    end = re.compile(rb"\n\n|\r\n\r\n|\r\r" if re.search(rb"\n\n|\r\n\r\n|\r\r", body) else rb"\n")
    return [match.end() for match in end.finditer(body)]


def places(body: bytes) -> list[int]:
    """Where the cut law cuts a body in two.

    Every byte of a small one. Above: every line end ± 2, inside every multi-byte character, 200 random places, the
    same in every run.
    """
    if len(body) <= SMALL:
        return list(range(len(body) + 1))
    chosen = {at + shift for at, byte in enumerate(body) if byte in b"\r\n" for shift in range(-2, 3)}
    chosen |= {at for at, byte in enumerate(body) if 0x80 <= byte < 0xC0}
    chosen |= set(_generator(body).sample(range(len(body)), RANDOM_CUTS))
    return sorted(at for at in chosen if 0 <= at <= len(body))


def sample(body: bytes, count: int, of: list[int] | None = None) -> list[int]:
    """At most `count` of `places`, or of others, the same ones in every run."""
    every = places(body) if of is None else of
    return every if len(every) <= count else sorted(_generator(body).sample(every, count))


def _generator(body: bytes) -> random.Random:
    return random.Random(len(body))
