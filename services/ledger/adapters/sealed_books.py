"""The queries of verification and of proofs, in one read-only snapshot: the sealer may go on meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from services.ledger.adapters.former_keys import former_keys
from services.ledger.adapters.heads import nearest_head, stored_heads
from services.ledger.adapters.journal_records import journals_at
from services.ledger.adapters.long_reads import long_read
from services.ledger.adapters.note_records import notes_at
from services.ledger.adapters.notes import (
    first_inserted_note,
    first_note_afterwards,
    first_stray_note_seal,
    note_seals_after,
)
from services.ledger.adapters.periods import closed_periods
from services.ledger.adapters.seals import SEAL_COLUMNS
from services.ledger.adapters.wrong_snapshots import first_wrong_snapshot
from services.ledger.app.period_ports import ClosedPeriod
from services.ledger.app.verify_seals import WrongSnapshot
from services.ledger.domain.heads import Head
from services.ledger.domain.notes import Note, NoteName, NoteSeal
from services.ledger.domain.seals import Recorded, Seal

_PAGE: Final = (
    f"SELECT {SEAL_COLUMNS} FROM seals s WHERE shard = %(shard)s AND s.position > %(after)s"
    # With ties: were a place taken twice, one of the two could lie between two pages, and nobody would see it.
    " ORDER BY s.position FETCH FIRST %(limit)s ROWS WITH TIES"
)
_SEAL_OF: Final = (
    f"SELECT {SEAL_COLUMNS} FROM seals s WHERE shard = %(shard)s AND s.journal_position = %(journal)s"
)
_POSITION_OF: Final = "SELECT position FROM journals WHERE journal_id = %(journal_id)s"
_SETTLED: Final = "SELECT coalesce(max(settled_position), 0) FROM seal_shards WHERE shard = %(shard)s"
_UNSEALED: Final = """
SELECT j.position, j.journal_id FROM journals j WHERE j.position > %(after)s AND j.position <= %(to)s
   AND NOT EXISTS (SELECT FROM seals s WHERE s.journal_position = j.position) ORDER BY j.position LIMIT 1
"""
_ORPHAN: Final = """
SELECT e.journal_position, e.line FROM entries e WHERE e.journal_position > %(after)s
   AND NOT EXISTS (SELECT FROM journals j WHERE j.position = e.journal_position) ORDER BY 1, 2 LIMIT 1
"""
# As two conditions on the key's columns: the index answers, and the chain itself is not read again.
_STRAY_SEAL: Final = """
SELECT shard, position, journal_position FROM seals WHERE shard < %(shard)s
UNION ALL SELECT shard, position, journal_position FROM seals WHERE shard > %(shard)s
UNION ALL SELECT shard, position, journal_position FROM seals WHERE shard = %(shard)s AND position < 1
 ORDER BY 1, 2 LIMIT 1
"""
_UNUSED_ACCOUNT: Final = """
SELECT a.account_id, concat_ws(' ', a.family, a.owner, a.currency) FROM accounts a
 WHERE NOT EXISTS (SELECT FROM entries e WHERE e.account_id = a.account_id) ORDER BY 1 LIMIT 1
"""
_STRAY_HEAD: Final = """
SELECT h.shard, h.position, h.journal_id FROM seal_heads h
  LEFT JOIN seals s ON s.shard = h.shard AND s.position = h.position
  LEFT JOIN journals j ON j.position = s.journal_position
 WHERE h.shard <> %(shard)s
    OR (h.hash, h.journal_id) IS DISTINCT FROM (encode(s.hash, 'hex'), j.journal_id)
 ORDER BY 1, 2 LIMIT 1
"""
_UNSEALED_BEFORE: Final = """
SELECT j.position, j.journal_id FROM journals j
 WHERE j.position > coalesce((SELECT min(settled_position) FROM seal_shards), 0) AND j.effective_at < %(opens_at)s
   AND NOT EXISTS (SELECT FROM seals s WHERE s.journal_position = j.position) ORDER BY j.position LIMIT 1
"""
_WRONG_LATE: Final = """
SELECT l.journal_position, j.journal_id FROM late_journals l LEFT JOIN journals j ON j.position = l.journal_position
 WHERE j.position IS NULL OR l.told_effective_at >= j.effective_at
    OR NOT EXISTS (SELECT FROM closed_periods c WHERE c.ends_at = j.effective_at)
 ORDER BY 1 LIMIT 1
"""


class SqlSealedBooks:
    """One snapshot of the books."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def seals_after(self, shard: int, position: int, limit: int) -> Sequence[Seal]:
        values = {"shard": shard, "after": position, "limit": limit}
        return [Seal(**row) for row in self._connection.exec_driver_sql(_PAGE, values).mappings()]

    def position_of(self, journal_id: str) -> int | None:
        found = self._connection.exec_driver_sql(_POSITION_OF, {"journal_id": journal_id}).scalar()
        return None if found is None else int(found)

    def seal_of(self, shard: int, journal_position: int) -> Seal | None:
        values = {"shard": shard, "journal": journal_position}
        row = self._connection.exec_driver_sql(_SEAL_OF, values).mappings().first()
        return None if row is None else Seal(**row)

    def journals_at(self, positions: Sequence[int]) -> Mapping[int, Recorded]:
        return journals_at(self._connection, positions)

    def settled(self, shard: int) -> int:
        return int(self._connection.exec_driver_sql(_SETTLED, {"shard": shard}).scalar_one())

    def first_stray_seal(self, shard: int) -> tuple[int, int, int] | None:
        row = self._connection.exec_driver_sql(_STRAY_SEAL, {"shard": shard}).first()
        return None if row is None else (row[0], row[1], row[2])

    def first_unsealed(self, after: int, to: int) -> tuple[int, str] | None:
        row = self._connection.exec_driver_sql(_UNSEALED, {"after": after, "to": to}).first()
        return None if row is None else (row[0], row[1])

    def first_orphan(self, after: int) -> tuple[int, int] | None:
        row = self._connection.exec_driver_sql(_ORPHAN, {"after": after}).first()
        return None if row is None else (row[0], row[1])

    def first_unused_account(self) -> tuple[int, str] | None:
        row = self._connection.exec_driver_sql(_UNUSED_ACCOUNT).first()
        return None if row is None else (row[0], row[1])

    def first_stray_head(self, shard: int) -> tuple[int, int, str] | None:
        row = self._connection.exec_driver_sql(_STRAY_HEAD, {"shard": shard}).first()
        return None if row is None else (row[0], row[1], row[2])

    def heads(self, shard: int) -> Sequence[Head]:
        return stored_heads(self._connection, shard)

    def former_keys(self) -> frozenset[str]:
        return former_keys(self._connection)

    def nearest_head(self, shard: int, position: int) -> Head | None:
        return nearest_head(self._connection, shard, position)

    def first_wrong_snapshot(self, shard: int) -> WrongSnapshot | None:
        return first_wrong_snapshot(self._connection, shard)

    def closes(self) -> Sequence[ClosedPeriod]:
        return closed_periods(self._connection)

    def first_unsealed_before(self, opens_at: datetime) -> tuple[int, str] | None:
        row = self._connection.exec_driver_sql(_UNSEALED_BEFORE, {"opens_at": opens_at}).first()
        return None if row is None else (row[0], row[1])

    def first_wrong_late(self) -> tuple[int, str | None] | None:
        row = self._connection.exec_driver_sql(_WRONG_LATE).first()
        return None if row is None else (row[0], row[1])

    def note_seals_after(self, shard: int, position: int, limit: int) -> Sequence[NoteSeal]:
        return note_seals_after(self._connection, shard, position, limit)

    def notes_at(self, names: Sequence[NoteName]) -> Mapping[NoteName, Note]:
        return notes_at(self._connection, names)

    def first_stray_note_seal(self, shard: int) -> tuple[int, NoteName] | None:
        return first_stray_note_seal(self._connection, shard)

    def first_inserted_note(self) -> NoteName | None:
        return first_inserted_note(self._connection)

    def first_note_afterwards(self, shard: int) -> tuple[int, NoteName, int] | None:
        return first_note_afterwards(self._connection, shard)


@contextmanager
def sealed_books(engine: sa.Engine) -> Iterator[SqlSealedBooks]:
    """The books of one moment, kept read-only by the database."""
    with long_read(engine) as connection:
        yield SqlSealedBooks(connection)
