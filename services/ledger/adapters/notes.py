"""The chain of notes in PostgreSQL: the queue that triggers fill, and the seals that empty it.

Whoever holds the shard's lease seals notes too, before the journals of the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from services.ledger.adapters.journal_records import microseconds
from services.ledger.adapters.note_records import ALL_NOTES, notes_at
from services.ledger.domain.notes import Note, NoteName, NoteSeal
from shared.persistence.arrays import integer_array, text_array

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = (
    f"shard, position, kind, key, behind, {microseconds('sealed_at')} AS sealed_at_us, digest, hash"
)
# A name that is sealed already and queued again is somebody's tampering: verification names it, sealing goes on.
_NEW: Final = "NOT EXISTS (SELECT FROM note_seals s WHERE s.kind = q.kind AND s.key = q.key)"
_WAITING: Final = "SELECT EXISTS (SELECT FROM notes_unsealed)"
# All that is of a journal of this transaction, and of the rest as many as one transaction takes on. So many are looked
# up among the seals, and no more, however long the chain is.
_UNSEALED: Final = f"""
WITH wanted AS MATERIALIZED (
    SELECT q.kind, q.key FROM notes_unsealed q
      JOIN adjustments a ON a.adjustment_id = q.key JOIN journals j ON j.journal_id = a.journal_id
     WHERE q.kind = 'adjustment_decided' AND j.position = ANY (%(journals)s::bigint[])
     UNION
    SELECT q.kind, q.key FROM notes_unsealed q
     WHERE q.kind IN ('late_journal', 'exchange_rate') AND q.key = ANY (%(journals)s::bigint[]::text[])
     UNION
    (SELECT q.kind, q.key FROM notes_unsealed q ORDER BY q.kind, q.key LIMIT %(limit)s)
)
SELECT q.kind, q.key FROM wanted q WHERE {_NEW} ORDER BY q.kind, q.key
"""
_LAST: Final = f"SELECT {_COLUMNS} FROM note_seals WHERE shard = %(shard)s ORDER BY position DESC LIMIT 1"
_APPEND: Final = """
INSERT INTO note_seals (shard, position, kind, key, behind, sealed_at, digest, hash)
SELECT %(shard)s, new.position, new.kind, new.key, %(behind)s, %(sealed_at)s, new.digest, new.hash
  FROM unnest(%(positions)s::bigint[], %(kinds)s::text[], %(keys)s::text[], %(digests)b::bytea[], %(hashes)b::bytea[])
    AS new(position, kind, key, digest, hash)
"""
_TAKE: Final = """
DELETE FROM notes_unsealed q USING unnest(%(kinds)s::text[], %(keys)s::text[]) AS sealed(kind, key)
 WHERE q.kind = sealed.kind AND q.key = sealed.key
"""
_PAGE: Final = f"""
SELECT {_COLUMNS} FROM note_seals WHERE shard = %(shard)s AND position > %(after)s
 ORDER BY position FETCH FIRST %(limit)s ROWS WITH TIES
"""
_STRAY: Final = """
SELECT shard, position, kind, key FROM note_seals WHERE shard <> %(shard)s OR position < 1 ORDER BY 1, 2 LIMIT 1
"""
_INSERTED: Final = f"""
SELECT n.kind, n.key FROM ({ALL_NOTES}) AS n
 WHERE NOT EXISTS (SELECT FROM note_seals s WHERE s.kind = n.kind AND s.key = n.key)
   AND NOT EXISTS (SELECT FROM notes_unsealed q WHERE q.kind = n.kind AND q.key = n.key)
 ORDER BY 1, 2 LIMIT 1
"""
# What was there when the chain of notes began is of journals up to its first seal's bound.
_AFTERWARDS: Final = """
WITH of_journals AS (
    SELECT n.position, n.kind, n.key, n.behind, l.journal_position
      FROM note_seals n JOIN late_journals l ON l.journal_position::text = n.key
     WHERE n.shard = %(shard)s AND n.kind = 'late_journal'
     UNION ALL
    SELECT n.position, n.kind, n.key, n.behind, r.journal_position
      FROM note_seals n JOIN exchange_rates r ON r.journal_position::text = n.key
     WHERE n.shard = %(shard)s AND n.kind = 'exchange_rate'
     UNION ALL
    SELECT n.position, n.kind, n.key, n.behind, j.position
      FROM note_seals n JOIN adjustments a ON a.adjustment_id = n.key JOIN journals j ON j.journal_id = a.journal_id
     WHERE n.shard = %(shard)s AND n.kind = 'adjustment_decided'
)
SELECT o.position, o.kind, o.key, s.position FROM of_journals o
  JOIN seals s ON s.shard = %(shard)s AND s.journal_position = o.journal_position
 WHERE o.behind >= s.position
   AND s.position > (SELECT f.behind FROM note_seals f WHERE f.shard = %(shard)s ORDER BY f.position LIMIT 1)
 ORDER BY o.position LIMIT 1
"""


class NoteStore:
    """The chain of notes as one transaction of the sealer sees and continues it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def are_waiting(self) -> bool:
        """Whether a note is queued; costs one statement and writes nothing."""
        return bool(self._connection.exec_driver_sql(_WAITING).scalar_one())

    def unsealed(self, journals: Sequence[int], limit: int) -> list[Note]:
        """Queued notes in the order of their names: at most ``limit``, and all that are of these journals."""
        if not self.are_waiting():
            return []
        values = {"journals": integer_array(journals), "limit": limit}
        rows = self._connection.exec_driver_sql(_UNSEALED, values).all()
        names = [NoteName(kind, key) for kind, key in rows]
        found = notes_at(self._connection, names)
        return [found[name] for name in names if name in found]

    def last(self, shard: int) -> NoteSeal | None:
        """The newest seal of the chain."""
        row = self._connection.exec_driver_sql(_LAST, {"shard": shard}).mappings().first()
        return None if row is None else NoteSeal(**row)

    def append(self, seals: Sequence[NoteSeal]) -> None:
        """Write these seals, of one transaction, and take their notes from the queue."""
        first = seals[0]
        values = {
            "shard": first.shard,
            "behind": first.behind,
            "sealed_at": _EPOCH + timedelta(microseconds=first.sealed_at_us),
            "positions": integer_array([seal.position for seal in seals]),
            "kinds": text_array([seal.kind for seal in seals]),
            "keys": text_array([seal.key for seal in seals]),
            "digests": [seal.digest for seal in seals],
            "hashes": [seal.hash for seal in seals],
        }
        self._connection.exec_driver_sql(_APPEND, values)
        self._connection.exec_driver_sql(_TAKE, {name: values[name] for name in ("kinds", "keys")})


def note_seals_after(connection: sa.Connection, shard: int, position: int, limit: int) -> list[NoteSeal]:
    """A page of the chain."""
    values = {"shard": shard, "after": position, "limit": limit}
    return [NoteSeal(**row) for row in connection.exec_driver_sql(_PAGE, values).mappings()]


def first_stray_note_seal(connection: sa.Connection, shard: int) -> tuple[int, NoteName] | None:
    """The first seal of a note that is no place of this chain: (its position, its name)."""
    row = connection.exec_driver_sql(_STRAY, {"shard": shard}).first()
    return None if row is None else (row[1], NoteName(row[2], row[3]))


def first_inserted_note(connection: sa.Connection) -> NoteName | None:
    """The first row that has a note and neither its seal nor a place in the queue."""
    row = connection.exec_driver_sql(_INSERTED).first()
    return None if row is None else NoteName(row[0], row[1])


def first_note_afterwards(connection: sa.Connection, shard: int) -> tuple[int, NoteName, int] | None:
    """The first note that was sealed after the journal of its transaction: (its seal, its name, the journal's seal)."""
    row = connection.exec_driver_sql(_AFTERWARDS, {"shard": shard}).first()
    return None if row is None else (row[0], NoteName(row[1], row[2]), row[3])
