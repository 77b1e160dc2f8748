"""The chain of seals in PostgreSQL: what the sealer reads and writes, set-based, without a lock on the books.

The row of ``seal_shards`` is a lease that ends with its transaction: who holds it seals, everybody else passes on. So
a sealer that hangs or dies blocks nobody longer than its session lives, and no zombie can write after its successor.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import sqlalchemy as sa

from services.ledger.adapters.journal_records import JOURNAL_COLUMNS, microseconds, with_entries
from services.ledger.domain.horizon import Observation
from services.ledger.domain.seals import Recorded, Seal
from shared.persistence.arrays import integer_array

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SEAL_COLUMNS: Final = (
    f"shard, position, journal_position, {microseconds('sealed_at')} AS sealed_at_us, digest, hash"
)

_IS_OPEN: Final = "SELECT 1 FROM seal_shards WHERE shard = %(shard)s"
_OPEN_SHARD: Final = "INSERT INTO seal_shards (shard) VALUES (%(shard)s) ON CONFLICT DO NOTHING"
_LEASE: Final = "SELECT settled_position FROM seal_shards WHERE shard = %(shard)s FOR UPDATE SKIP LOCKED"
_WAIT: Final = _LEASE.replace(" SKIP LOCKED", "")
_PROGRESS: Final = """
SELECT (SELECT settled_position FROM seal_shards WHERE shard = %(shard)s),
       (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM journal_positions)
"""
_DRAWN: Final = """
SELECT pg_postmaster_start_time()::text, CASE WHEN is_called THEN last_value ELSE 0 END FROM journal_positions
"""
# nextval() leaves this lock on the sequence until its transaction ends, and INSERT the same on the journals: whoever
# takes a position that it did not draw is awaited as well. It is given back only after what was committed can be seen.
# (Prepared transactions would change their name; PostgreSQL has them off by default.)
_WRITERS: Final = """
SELECT DISTINCT virtualtransaction FROM pg_locks
 WHERE locktype = 'relation' AND mode = 'RowExclusiveLock'
   AND relation IN ('journal_positions'::regclass, 'journals'::regclass)
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_INDEXES_ONLY: Final = "SET LOCAL enable_seqscan = off"
_UNSEALED: Final = f"""
SELECT {JOURNAL_COLUMNS} FROM journals j
 WHERE j.position > %(settled)s
   AND NOT EXISTS (SELECT FROM seals s WHERE s.journal_position = j.position)
 ORDER BY j.position LIMIT %(limit)s
"""
_LAST: Final = f"SELECT {SEAL_COLUMNS} FROM seals s WHERE shard = %(shard)s ORDER BY s.position DESC LIMIT 1"
_APPEND: Final = """
INSERT INTO seals (shard, position, journal_position, sealed_at, digest, hash)
SELECT %(shard)s, new.position, new.journal_position, %(sealed_at)s, new.digest, new.hash
  FROM unnest(%(positions)s::bigint[], %(journal_positions)s::bigint[], %(digests)b::bytea[], %(hashes)b::bytea[])
    AS new(position, journal_position, digest, hash)
"""
_SETTLE: Final = """
UPDATE seal_shards SET settled_position = %(settled)s WHERE shard = %(shard)s AND settled_position < %(settled)s
"""


class SealStore:
    """The chain as one transaction of the sealer sees and continues it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def is_behind(self, shard: int) -> bool:
        """Whether a position was drawn that is not settled yet; costs one statement and writes nothing."""
        settled, drawn = self._connection.exec_driver_sql(_PROGRESS, {"shard": shard}).one()
        return bool(drawn > (settled or 0))

    def lease(self, shard: int) -> int | None:
        """Take the shard until this transaction ends; return its settled position, None if somebody has it."""
        held = self._connection.exec_driver_sql(_LEASE, {"shard": shard}).scalar()
        # Asked first: an INSERT would wait for whoever holds the row.
        if held is None and self._connection.exec_driver_sql(_IS_OPEN, {"shard": shard}).first() is None:
            self._connection.exec_driver_sql(_OPEN_SHARD, {"shard": shard})
            held = self._connection.exec_driver_sql(_LEASE, {"shard": shard}).scalar()
        return None if held is None else int(held)

    def wait_for_lease(self, shard: int) -> int | None:
        """As ``lease``, behind whoever has it, for as long as this transaction waits for locks; None beyond that."""
        try:
            # The first of all sealers opens it; another one's row is not touched.
            self._connection.exec_driver_sql(_OPEN_SHARD, {"shard": shard})
            return int(self._connection.exec_driver_sql(_WAIT, {"shard": shard}).scalar_one())
        except sa.exc.OperationalError as failed:
            if not isinstance(failed.orig, psycopg.errors.LockNotAvailable):
                raise
            return None

    def observe(self) -> Observation:
        """The last position drawn, and then who is at work: in that order, or a writer could slip through."""
        server, drawn = self._connection.exec_driver_sql(_DRAWN).one()
        writers = self._connection.exec_driver_sql(_WRITERS).scalars().all()
        return Observation(server=server, drawn=int(drawn), writers=frozenset(writers))

    def unsealed(self, settled: int, limit: int) -> list[Recorded]:
        """Committed journals without a seal above ``settled``, in the order of their positions."""
        self._connection.exec_driver_sql(_INDEXES_ONLY)
        rows = self._connection.exec_driver_sql(_UNSEALED, {"settled": settled, "limit": limit}).all()
        return with_entries(self._connection, rows) if rows else []

    def last(self, shard: int) -> Seal | None:
        """The newest seal of the chain."""
        row = self._connection.exec_driver_sql(_LAST, {"shard": shard}).mappings().first()
        return None if row is None else Seal(**row)

    def append(self, seals: Sequence[Seal]) -> None:
        """Write these seals, of one shard and one time, in one statement."""
        first = seals[0]
        values = {
            "shard": first.shard,
            "sealed_at": EPOCH + timedelta(microseconds=first.sealed_at_us),
            "positions": integer_array([seal.position for seal in seals]),
            "journal_positions": integer_array([seal.journal_position for seal in seals]),
            "digests": [seal.digest for seal in seals],
            "hashes": [seal.hash for seal in seals],
        }
        self._connection.exec_driver_sql(_APPEND, values)

    def settle(self, shard: int, position: int) -> None:
        """State that nothing at or below this journal position can appear any more."""
        self._connection.exec_driver_sql(_SETTLE, {"shard": shard, "settled": position})
