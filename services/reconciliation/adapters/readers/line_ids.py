"""Ids of lines: the same in every later revision of a file, and different for two lines that are equal in everything.

What identifies a line is said by each format. The same identity a second time in one file gets an occurrence number,
in the order of the file; formats whose ids are unique refuse it instead. A file of a million lines costs about 100
bytes a line here, because 64 bits of a digest stand for the identity.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

ID_CHARS_MAX: Final = 128
_OCCURRENCE_CHARS: Final = 8
_PART_SAFE: Final = re.compile(r"[!-.0-~]*")
_DIGEST_BYTES: Final = 8


class LineIds:
    """Counts the identities of one file."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._repeated: dict[int, int] = {}

    def is_new(self, identity: str) -> bool:
        """Whether this file has not named it yet."""
        return self._occurrence(identity) == 1

    def line_id(self, *parts: str) -> str:
        """The parts joined by slashes, each escaped where it is no visible ASCII, cut by a digest where too long."""
        identity = "/".join(part if _PART_SAFE.fullmatch(part) else _escaped(part) for part in parts)
        if len(identity) > ID_CHARS_MAX - _OCCURRENCE_CHARS:
            identity = f"{identity[:80]}~{blake2b(identity.encode(), digest_size=16).hexdigest()}"
        occurrence = self._occurrence(identity)
        return identity if occurrence == 1 else f"{identity}#{occurrence}"

    def _occurrence(self, identity: str) -> int:
        key = int.from_bytes(blake2b(identity.encode(), digest_size=_DIGEST_BYTES).digest())
        if key not in self._seen:
            self._seen.add(key)
            return 1
        self._repeated[key] = self._repeated.get(key, 1) + 1
        return self._repeated[key]


def content_digest(*parts: str) -> str:
    """What stands for a line that nobody gave an id."""
    return blake2b("\x1f".join(parts).encode(), digest_size=12).hexdigest()


def _escaped(part: str) -> str:
    return "".join(each if "!" <= each <= "~" and each not in "/%" else f"%{ord(each):X};" for each in part)
