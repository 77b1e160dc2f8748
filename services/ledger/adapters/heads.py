"""Heads in PostgreSQL: which one was signed last, whether another is due, and what it says."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from services.ledger.domain.heads import FIELDS, NOTED, Head, written_time

# Nothing new under seal, nothing to say: an idle ledger signs nothing. A head names a journal: without one it waits.
_DUE: Final = """
SELECT sealed > 0 AND fresh > 0 AND (fresh >= %(every_seals)s OR coalesce(signed_at <= %(not_since)s, true))
  FROM (
    SELECT sealed, signed_at, sealed - coalesce(last.position, 0) + noted - coalesce(last.notes, 0) AS fresh
      FROM (SELECT coalesce((SELECT max(position) FROM seals WHERE shard = %(shard)s), 0) AS sealed,
                   coalesce((SELECT max(position) FROM note_seals WHERE shard = %(shard)s), 0) AS noted) AS ends
      LEFT JOIN (
        SELECT position, notes, signed_at FROM seal_heads WHERE shard = %(shard)s
         ORDER BY position DESC, notes DESC LIMIT 1
      ) AS last ON true
  ) AS signing
"""
_NEXT: Final = """
SELECT s.position, j.journal_id, encode(s.hash, 'hex') AS hash, p.settled_position,
       n.position AS notes, encode(n.hash, 'hex') AS notes_hash
  FROM seals s JOIN seal_shards p ON p.shard = s.shard JOIN journals j ON j.position = s.journal_position
  LEFT JOIN LATERAL (
    SELECT position, hash FROM note_seals WHERE shard = s.shard ORDER BY position DESC LIMIT 1
  ) AS n ON true
 WHERE s.shard = %(shard)s ORDER BY s.position DESC LIMIT 1
"""
_ADD: Final = """
INSERT INTO seal_heads (shard, position, journal_id, hash, settled_position, signed_at, key_id, signature, notes,
                        notes_hash)
VALUES (%(shard)s, %(position)s, %(journal_id)s, %(hash)s, %(settled_position)s, %(signed_at)s, %(key_id)s,
        %(signature)s, %(notes)s, %(notes_hash)s)
"""
_HEADS: Final = """
SELECT shard, position, journal_id, hash, settled_position, signed_at, key_id, signature, nullif(notes, 0), notes_hash
  FROM seal_heads
 WHERE shard = %(shard)s AND position >= %(position)s ORDER BY position, notes
"""


class HeadStore:
    """The heads as one transaction sees and continues them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def is_due(self, shard: int, not_since: datetime, every_seals: int) -> bool:
        """Whether there are seals, of journals or notes, above the last head: so many, or any and it is old enough.

        The last head is old enough if it was signed no later than ``not_since``.
        """
        values = {"shard": shard, "not_since": not_since, "every_seals": every_seals}
        return bool(self._connection.exec_driver_sql(_DUE, values).scalar_one())

    def unsigned(self, shard: int, now: datetime) -> Head | None:
        """The head of the chain as it is now, not signed; call while holding the shard's lease."""
        row = self._connection.exec_driver_sql(_NEXT, {"shard": shard}).mappings().first()
        if row is None:
            return None
        return Head(**row, shard=shard, signed_at=written_time(now), key_id="", signature="")

    def add(self, head: Head) -> None:
        """Keep our own copy of what was published."""
        values = {**head.fields(), "notes": head.notes or 0, "notes_hash": head.notes_hash}
        self._connection.exec_driver_sql(_ADD, values)


def stored_heads(connection: sa.Connection, shard: int) -> list[Head]:
    """Our own copies, in order."""
    return _read(connection, _HEADS, shard, 0)


def nearest_head(connection: sa.Connection, shard: int, position: int) -> Head | None:
    """Our copy of the first head at this place of the chain or behind it."""
    found = _read(connection, f"{_HEADS} LIMIT 1", shard, position)
    return found[0] if found else None


def _read(connection: sa.Connection, query: str, shard: int, position: int) -> list[Head]:
    rows = connection.exec_driver_sql(query, {"shard": shard, "position": position}).all()
    # As they stand, whatever was made of them: verification holds them against kept ones and names what differs.
    return [Head(**_published(dict(zip((*FIELDS, *NOTED), row, strict=True)))) for row in rows]


def _published(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "signed_at": written_time(fields["signed_at"])}
