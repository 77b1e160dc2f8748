"""Holds every snapshot against the entries: running sums over all of them, which is not how snapshots are folded."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from services.ledger.app.verify_seals import WrongSnapshot

# Entries and snapshots in one row, in the order of the chain; each snapshot then stands behind what it is the sum of.
_SUMS: Final = """
WITH marked AS (
    SELECT e.account_id, s.position, false AS is_snapshot, e.journal_position, j.effective_at, 1 AS entries,
           CASE e.side WHEN 'debit' THEN e.amount_minor ELSE 0 END AS debit_minor,
           CASE e.side WHEN 'credit' THEN e.amount_minor ELSE 0 END AS credit_minor,
           NULL::bigint AS said_entries, NULL::numeric AS said_debit_minor, NULL::numeric AS said_credit_minor,
           NULL::bigint AS said_reached, NULL::timestamptz AS said_effective
      FROM entries e
      JOIN seals s ON s.journal_position = e.journal_position AND s.shard = %(shard)s
      JOIN journals j ON j.position = e.journal_position
     WHERE EXISTS (SELECT FROM account_snapshots k WHERE k.account_id = e.account_id AND k.shard = %(shard)s)
    UNION ALL
    SELECT account_id, position, true, NULL, NULL, 0, 0, 0, entries, debit_minor, credit_minor, reached_position,
           effective_at_max
      FROM account_snapshots WHERE shard = %(shard)s
), summed AS (
    SELECT account_id, position, is_snapshot, said_entries, said_debit_minor, said_credit_minor, said_reached,
           said_effective, sum(entries) OVER behind AS entries, sum(debit_minor) OVER behind AS debit_minor,
           sum(credit_minor) OVER behind AS credit_minor, max(journal_position) OVER behind AS reached,
           max(effective_at) OVER behind AS effective
      FROM marked
    WINDOW behind AS (PARTITION BY account_id ORDER BY position, is_snapshot ROWS UNBOUNDED PRECEDING)
)
SELECT coalesce(nullif(concat_ws(' ', a.family, a.owner, a.currency), ''), 'account ' || s.account_id), s.position,
       format('it says %%s entries, debit %%s, credit %%s, up to journal position %%s and time %%s;'
              ' the books say %%s, %%s, %%s, %%s, %%s',
              s.said_entries, s.said_debit_minor, s.said_credit_minor, s.said_reached, s.said_effective,
              s.entries, s.debit_minor, s.credit_minor, s.reached, s.effective)
  FROM summed s LEFT JOIN accounts a ON a.account_id = s.account_id
 WHERE s.is_snapshot
   AND (s.said_entries, s.said_debit_minor, s.said_credit_minor, s.said_reached, s.said_effective)
       IS DISTINCT FROM (s.entries, s.debit_minor, s.credit_minor, s.reached, s.effective)
 ORDER BY s.position, s.account_id LIMIT 1
"""
# Of all seals up to a journal position the last one, beside the snapshots that call this position settled.
_BOUNDS: Final = """
WITH marked AS (
    SELECT journal_position, false AS is_snapshot, position FROM seals WHERE shard = %(shard)s
    UNION ALL
    SELECT DISTINCT settled_position, true, position FROM account_snapshots WHERE shard = %(shard)s
), bounded AS (
    SELECT journal_position, is_snapshot, position,
           max(position) FILTER (WHERE NOT is_snapshot) OVER up_to_here AS last_seal
      FROM marked WINDOW up_to_here AS (ORDER BY journal_position, is_snapshot ROWS UNBOUNDED PRECEDING)
)
SELECT concat_ws(' ', a.family, a.owner, a.currency), k.position,
       format('it says that nothing up to journal position %%s is sealed behind it', k.settled_position)
  FROM account_snapshots k JOIN accounts a ON a.account_id = k.account_id
 WHERE k.shard = %(shard)s
   AND (k.settled_position > (SELECT settled_position FROM seal_shards WHERE shard = %(shard)s)
        OR EXISTS (SELECT FROM bounded b WHERE b.is_snapshot AND b.position = k.position
                      AND b.journal_position = k.settled_position AND b.last_seal > b.position))
 ORDER BY k.position, k.account_id LIMIT 1
"""
# What takes effect later than it was sealed, under the first snapshot that counts it, beside what is kept of it.
_AHEAD: Final = """
WITH books AS (
    SELECT e.account_id, j.effective_at, k.position, j.rule, count(*) AS entries,
           coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'debit'), 0) AS debit_minor,
           coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'credit'), 0) AS credit_minor
      FROM seals s
      JOIN journals j ON j.position = s.journal_position AND j.effective_at >= s.sealed_at
      JOIN entries e ON e.journal_position = s.journal_position
      JOIN LATERAL (
        SELECT l.position FROM account_snapshots l
         WHERE l.account_id = e.account_id AND l.shard = s.shard AND l.position >= s.position
         ORDER BY l.position LIMIT 1
      ) k ON true
     WHERE s.shard = %(shard)s
     GROUP BY 1, 2, 3, 4
), kept AS (
    SELECT account_id, effective_at, position, rule, entries, debit_minor, credit_minor
      FROM snapshots_ahead WHERE shard = %(shard)s
)
SELECT coalesce(nullif(concat_ws(' ', a.family, a.owner, a.currency), ''), 'account ' || account_id), position,
       format('of what takes effect at %%s by rule %%s it says %%s entries, debit %%s, credit %%s;'
              ' the books say %%s, %%s, %%s', effective_at, rule, kept.entries, kept.debit_minor, kept.credit_minor,
              books.entries, books.debit_minor, books.credit_minor)
  FROM books FULL JOIN kept USING (account_id, effective_at, position, rule) LEFT JOIN accounts a USING (account_id)
 WHERE (kept.entries, kept.debit_minor, kept.credit_minor)
       IS DISTINCT FROM (books.entries, books.debit_minor, books.credit_minor)
 ORDER BY position, account_id, effective_at, rule LIMIT 1
"""


def first_wrong_snapshot(connection: sa.Connection, shard: int) -> WrongSnapshot | None:
    """The first snapshot that does not say what the entries and seals say; none where all do."""
    for query in (_SUMS, _BOUNDS, _AHEAD):
        row = connection.exec_driver_sql(query, {"shard": shard}).first()
        if row is not None:
            return WrongSnapshot(account=row[0], position=row[1], detail=row[2])
    return None
