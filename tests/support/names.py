"""Names for parametrised cases: the same in every process, so that workers agree on them."""

from __future__ import annotations

import re


def shown(value: object) -> str:
    """The `repr` of a value without addresses, cut to a readable length."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))[:80]
