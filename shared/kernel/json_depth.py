"""Whether JSON is nested too deep, told from its bytes: the standard parser would recurse as deep as it is told."""

from __future__ import annotations

import re
from typing import Final

# A string that never ends goes to the end: tried again from each of its escaped quotes it would cost the square of
# the body's length.
_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def is_deeper_than(levels: int, raw: bytes) -> bool:
    """Whether arrays and objects stand in one another more than ``levels`` deep; of any bytes, in linear time."""
    if raw.count(b"[") + raw.count(b"{") <= levels:
        return False
    depth = 0
    for match in _STRUCTURE.finditer(raw):
        token = match.group()
        if token in b"[{":
            depth += 1
            if depth > levels:
                return True
        elif token in b"]}":
            depth -= 1
    return False
