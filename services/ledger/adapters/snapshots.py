"""Snapshots in PostgreSQL: folded set-based from the entries behind the last one, without a lock on the books.

The row of ``snapshot_shards`` is a lease that ends with its transaction, as the sealer's is.

Journals are not always sealed in the order of their positions, so a snapshot at seal *p* says two things more: nothing
at or below ``settled_position`` is sealed behind *p*, and nothing of the account above ``reached_position`` was sealed
up to *p*. Between the two lies all that a read has to look at entry by entry.

What had not taken effect when it was sealed stands in ``snapshots_ahead`` as well, summed by time of effect: whoever
reads by effect begins at the same snapshot and takes off what is still ahead.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from services.ledger.adapters.long_reads import PATIENCE
from services.ledger.app.fold_snapshots import Fold
from services.ledger.domain.seals import SHARD

_LEASE: Final = "SELECT position FROM snapshot_shards WHERE shard = %(shard)s FOR UPDATE SKIP LOCKED"
_SEALED: Final = "SELECT coalesce(max(position), 0) FROM seals WHERE shard = %(shard)s"
_INDEXES_ONLY: Final = "SET LOCAL enable_seqscan = off"
# Read in one statement with what is sealed: both are of one moment. The first journal that is sealed behind the fold
# is found close behind the last one's bound, however far the chain is.
_ADVANCE: Final = """
UPDATE snapshot_shards f SET position = %(to)s,
       settled_position = least(
           (SELECT settled_position FROM seal_shards WHERE shard = %(shard)s),
           (SELECT s.journal_position - 1 FROM seals s
             WHERE s.shard = %(shard)s AND s.journal_position > f.settled_position AND s.position > %(to)s
             ORDER BY s.journal_position LIMIT 1)),
       reached_position = greatest(
           f.reached_position,
           (SELECT max(s.journal_position) FROM seals s
             WHERE s.shard = %(shard)s AND s.position > %(after)s AND s.position <= %(to)s))
 WHERE f.shard = %(shard)s
"""
# The shard, and the account's last snapshot before this fold: a statement does not see what it inserts itself.
_BEFORE: Final = """
  JOIN snapshot_shards f ON f.shard = %(shard)s
  LEFT JOIN LATERAL (
    SELECT * FROM account_snapshots l WHERE l.account_id = m.account_id AND l.shard = f.shard
     ORDER BY l.position DESC LIMIT 1
  ) b ON true
"""
# The account's entries between the two.
_NEW: Final = """
      FROM entries e
      JOIN seals s ON s.journal_position = e.journal_position AND s.shard = f.shard
      JOIN journals j ON j.position = e.journal_position
     WHERE e.account_id = m.account_id
       AND e.journal_position > coalesce(b.settled_position, 0) AND e.journal_position <= f.reached_position
       AND s.position > coalesce(b.position, 0) AND s.position <= f.position
"""
# Most accounts that moved have too few entries by far: their index alone tells, at most entries_min of each. What is
# counted there is no less than what is new; whether that is enough is decided where it is summed.
_FOLD: Final = f"""
WITH moved AS (
    SELECT DISTINCT e.account_id FROM seals s JOIN entries e ON e.journal_position = s.journal_position
     WHERE s.shard = %(shard)s AND s.position > %(after)s AND s.position <= %(to)s
), due AS MATERIALIZED (
    SELECT m.account_id FROM moved m {_BEFORE}
     WHERE EXISTS (
        SELECT FROM entries e
         WHERE e.account_id = m.account_id
           AND e.journal_position > coalesce(b.settled_position, 0) AND e.journal_position <= f.reached_position
        OFFSET %(entries_min)s - 1)
), made AS (
INSERT INTO account_snapshots (account_id, shard, position, settled_position, reached_position, effective_at_max,
                               entries, debit_minor, credit_minor)
SELECT m.account_id, f.shard, f.position, f.settled_position, greatest(b.reached_position, r.reached_position),
       greatest(b.effective_at_max, r.effective_at_max), coalesce(b.entries, 0) + r.entries,
       coalesce(b.debit_minor, 0) + r.debit_minor, coalesce(b.credit_minor, 0) + r.credit_minor
  FROM due m {_BEFORE}
  CROSS JOIN LATERAL (
    SELECT count(*) AS entries, max(e.journal_position) AS reached_position, max(j.effective_at) AS effective_at_max,
           coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'debit'), 0) AS debit_minor,
           coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'credit'), 0) AS credit_minor{_NEW}
  ) r
 WHERE r.entries >= %(entries_min)s
RETURNING account_id
)
INSERT INTO snapshots_ahead (account_id, shard, effective_at, position, rule, entries, debit_minor, credit_minor)
SELECT m.account_id, f.shard, r.effective_at, f.position, r.rule, count(*),
       coalesce(sum(r.amount_minor) FILTER (WHERE r.side = 'debit'), 0),
       coalesce(sum(r.amount_minor) FILTER (WHERE r.side = 'credit'), 0)
  FROM made m {_BEFORE}
  CROSS JOIN LATERAL (
    SELECT j.effective_at, j.rule, e.side, e.amount_minor {_NEW} AND j.effective_at >= s.sealed_at
    OFFSET 0 -- per account: joined into the rest, a plan may begin at all that is sealed
  ) r
 GROUP BY 1, 2, 3, 4, 5
"""
_STATUS: Final = """
SELECT coalesce((SELECT position FROM snapshot_shards WHERE shard = %(shard)s), 0),
       (SELECT count(*) FROM account_snapshots WHERE shard = %(shard)s)
"""
_DISCARD: Final = """
WITH ahead AS (DELETE FROM snapshots_ahead WHERE shard = %(shard)s)
DELETE FROM account_snapshots WHERE shard = %(shard)s
"""
_BEGIN_ANEW: Final = """
UPDATE snapshot_shards SET position = 0, settled_position = 0, reached_position = 0 WHERE shard = %(shard)s
"""


class SnapshotStore:
    """The snapshots as one transaction sees and continues them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def lease(self, shard: int) -> int | None:
        """Take the shard until this transaction ends; return how far it is folded, None if somebody has it."""
        folded = self._connection.exec_driver_sql(_LEASE, {"shard": shard}).scalar()
        return None if folded is None else int(folded)

    def sealed(self, shard: int) -> int:
        """How far the chain is."""
        return int(self._connection.exec_driver_sql(_SEALED, {"shard": shard}).scalar_one())

    def fold(self, shard: int, span: Fold, entries_min: int) -> None:
        """Snapshot the accounts that moved in this span; call while holding the shard's lease."""
        values = {"shard": shard, "after": span.after, "to": span.to, "entries_min": entries_min}
        self._connection.exec_driver_sql(_INDEXES_ONLY)
        self._connection.exec_driver_sql(_ADVANCE, values)
        self._connection.exec_driver_sql(_FOLD, values)

    def discard(self, shard: int) -> int:
        """Delete every snapshot and begin at the first seal again; return how many there were.

        In one transaction, for as long as that takes: reads find all of them or none.
        """
        for statement in PATIENCE:
            self._connection.exec_driver_sql(statement)
        gone = self._connection.exec_driver_sql(_DISCARD, {"shard": shard}).rowcount
        self._connection.exec_driver_sql(_BEGIN_ANEW, {"shard": shard})
        return int(gone)


def snapshot_status(engine: sa.Engine, shard: int = SHARD) -> tuple[int, int]:
    """Up to which seal the accounts are folded, and how many snapshots there are."""
    with engine.connect() as connection:
        folded, count = connection.exec_driver_sql(_STATUS, {"shard": shard}).one()
    return int(folded), int(count)
