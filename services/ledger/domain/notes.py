"""A note: what stands beside the journals and says something about them, as bytes, and its place in a chain of its own.

A note is a row, or the part of a row, that never changes once it is there: that a line counts elsewhere, that a
journal is late, an adjustment, a close or an import, proposed or begun and then decided or finished, a proposal that
was withdrawn, what was told before the books were rebuilt. A note's seal says how far the journals' chain was when it
was made (``behind``). What is written of a journal in its own transaction is sealed no later than the journal, so
nothing is put beside a journal that is sealed already.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from services.ledger.domain.canonical import encode_values
from services.ledger.domain.seals import GENESIS, SHARD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.ledger.domain.canonical import Value

NOTE_HEADER: Final = "tieout-note-1"
SEAL_HEADER: Final = b"tieout-note-seal-1"
BEGIN: Final = "notes_begin"
"""The kind of the chain's own note, which says nothing: with it the chain begins even where no row has a note yet."""


class NoteName(NamedTuple):
    """Which note: its kind, and the key of its row."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it stands in the tables: the values of its columns in a fixed order."""

    name: NoteName
    values: tuple[Value, ...]

    def digest(self) -> bytes:
        """SHA-256 of its canonical bytes: header, kind, key and every value as netstrings."""
        return hashlib.sha256(encode_values(NOTE_HEADER, (*self.name, *self.values))).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSeal:
    """A row of ``note_seals``, every column."""

    shard: int
    position: int
    kind: str
    key: str
    behind: int
    sealed_at_us: int
    digest: bytes
    hash: bytes

    @property
    def name(self) -> NoteName:
        return NoteName(self.kind, self.key)

    def follows(self, before: bytes) -> bytes:
        """The hash that it must have behind this one."""
        return note_hash(
            shard=self.shard, position=self.position, behind=self.behind, sealed_at_us=self.sealed_at_us,
            before=before, digest=self.digest,
        )  # fmt: skip


def note_hash(
    *, shard: int, position: int, behind: int, sealed_at_us: int, before: bytes, digest: bytes
) -> bytes:
    """The hash of a note's seal; SQL computes it a second time when the seal is stored."""
    fixed = struct.pack(">hqqq", shard, position, behind, sealed_at_us)
    return hashlib.sha256(SEAL_HEADER + fixed + before + digest).digest()


def seal_notes(
    after: NoteSeal | None, notes: Sequence[Note], behind: int, sealed_at_us: int
) -> list[NoteSeal]:
    """Seals for these notes in their order, continuing the chain after ``after``."""
    position = 0 if after is None else after.position
    before = GENESIS if after is None else after.hash
    seals = []
    for note in notes:
        position += 1
        digest = note.digest()
        before = note_hash(
            shard=SHARD, position=position, behind=behind, sealed_at_us=sealed_at_us, before=before, digest=digest
        )  # fmt: skip
        seals.append(
            NoteSeal(
                shard=SHARD, position=position, kind=note.name.kind, key=note.name.key, behind=behind,
                sealed_at_us=sealed_at_us, digest=digest, hash=before,
            )
        )  # fmt: skip
    return seals
