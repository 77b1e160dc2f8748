"""A seal: the place of one journal in the chain of all, and the hash that depends on everything before it.

The chain is ``hash = SHA-256(header, shard, position, journal position, time, hash before, digest of the journal)``
over fields of fixed width, which SQL computes a second time when a seal is stored.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.ledger.domain.canonical import encode_journal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from services.ledger.domain.canonical import RecordedAccount, RecordedEntry, RecordedJournal

SHARD: Final = 0
"""One chain: hashing is far faster than booking. The number is in every hash, so that a second chain could be added."""
HEADER: Final = b"tieout-seal-1"
GENESIS: Final = bytes(32)
"""What stands before the first seal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A row of ``seals``, every column."""

    shard: int
    position: int
    journal_position: int
    sealed_at_us: int
    digest: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """A journal as it stands in the books, with its entries and their accounts."""

    journal: RecordedJournal
    entries: Sequence[RecordedEntry]
    accounts: Mapping[int, RecordedAccount]

    def digest(self) -> bytes:
        """SHA-256 of its canonical bytes."""
        return hashlib.sha256(encode_journal(self.journal, self.entries, self.accounts)).digest()


def chain_hash(
    *, shard: int, position: int, journal_position: int, sealed_at_us: int, before: bytes, digest: bytes
) -> bytes:
    """The hash of a seal, from the hash of the one before it and the digest of its journal."""
    fixed = struct.pack(">hqqq", shard, position, journal_position, sealed_at_us)
    return hashlib.sha256(HEADER + fixed + before + digest).digest()


def seal_all(after: Seal | None, journals: Sequence[Recorded], sealed_at_us: int) -> list[Seal]:
    """Seals for these journals in their order, continuing the chain after ``after``."""
    position = 0 if after is None else after.position
    before = GENESIS if after is None else after.hash
    seals = []
    for recorded in journals:
        position += 1
        digest = recorded.digest()
        journal_position = recorded.journal.position
        before = chain_hash(
            shard=SHARD,
            position=position,
            journal_position=journal_position,
            sealed_at_us=sealed_at_us,
            before=before,
            digest=digest,
        )
        seals.append(
            Seal(
                shard=SHARD,
                position=position,
                journal_position=journal_position,
                sealed_at_us=sealed_at_us,
                digest=digest,
                hash=before,
            )
        )
    return seals
