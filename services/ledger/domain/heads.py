"""A signed head: how far the chains were at one moment, and their hashes there, for people outside to keep.

What is signed are the fields as they are published, all but the signature, as canonical JSON (RFC 8785) behind a
header. Position is also the count: the chain has no gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

HEADER: Final = b"tieout-head-1\n"
SIGNATURE: Final = "signature"
FIELDS: Final = (
    "shard", "position", "journal_id", "hash", "settled_position", "signed_at", "key_id", SIGNATURE,
)  # fmt: skip
NOTED: Final = ("notes", "notes_hash")
"""Of the chain of notes; heads that were signed before there was one have neither."""


class HeadUnreadable(ValueError):  # noqa: N818  # what it is
    """What was read is no head: a field is missing or of another kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What an outsider keeps. ``settled_position``: no journal may appear at or below it any more.

    ``notes`` counts the sealed notes, and ``notes_hash`` is the hash of the last of them; both or neither.
    """

    shard: int
    position: int
    journal_id: str
    hash: str
    settled_position: int
    signed_at: str
    key_id: str
    signature: str
    notes: int | None = None
    notes_hash: str | None = None

    def fields(self) -> dict[str, Any]:
        """The head as it is published."""
        noted = () if self.notes is None else NOTED
        return {name: getattr(self, name) for name in (*FIELDS, *noted)}

    def signed_fields(self) -> dict[str, Any]:
        """What the signature is over."""
        return {name: value for name, value in self.fields().items() if name != SIGNATURE}

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Head:
        """A head from its published fields; what it does not name is no part of it."""
        kinds = {"shard": int, "position": int, "settled_position": int, "notes": int}
        noted = NOTED if any(fields.get(name) is not None for name in NOTED) else ()
        names = (*FIELDS, *noted)
        wrong = [name for name in names if type(fields.get(name)) is not kinds.get(name, str)]
        if wrong:
            raise HeadUnreadable(f"no head: {', '.join(wrong)} missing or of another kind")
        return cls(**{name: fields[name] for name in names})


def written_time(time: datetime) -> str:
    """A time in UTC as events write it."""
    return time.isoformat().replace("+00:00", "Z")
