"""Which lines of closed payouts are still to be told, and the record of those that were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.reconciliation.adapters.exact_matches import EXACT_MATCH
from services.reconciliation.domain.announcing import ToldLine, UntoldLine

_SOURCE: Final = """
SELECT s.source FROM sources AS s WHERE EXISTS (SELECT FROM payouts_to_tell AS q WHERE q.source = s.source)
 ORDER BY s.source LIMIT 1 FOR NO KEY UPDATE OF s SKIP LOCKED
"""
#: So many payouts are looked at in one transaction.
PAYOUTS_MAX: Final = 100
_TAKE: Final = f"""
DELETE FROM payouts_to_tell AS q
 WHERE source = %(source)s AND nth IN (
       SELECT nth FROM payouts_to_tell WHERE source = %(source)s ORDER BY nth LIMIT {PAYOUTS_MAX})
RETURNING payout_id
"""
_OPEN: Final = """
n.source = %(source)s AND n.payout_id = taken.payout_id AND n.stands AND NOT n.announced AND n.category <> 'payout'
   AND NOT (n.withdrawn AND n.revision = 1)"""
# What a full batch has left of a payout comes again.
_PUT_BACK: Final = f"""
INSERT INTO payouts_to_tell (source, payout_id)
SELECT %(source)s, payout_id FROM unnest(%(payouts)s::text[], %(told)s::int[]) AS taken (payout_id, told)
 WHERE EXISTS (SELECT FROM settlement_lines AS n WHERE {_OPEN} OFFSET told)
"""
# The lines are chosen first, along their index, and looked up then: what is asked of each of them must not be asked of
# all that wait. Until a run has seen that a line names something else it is claimed by what it named before.
_UNTOLD: Final = f"""
WITH chosen AS MATERIALIZED (
    SELECT n.* FROM unnest(%(payouts)s::text[]) AS taken (payout_id)
     CROSS JOIN LATERAL (
        SELECT * FROM settlement_lines AS n WHERE {_OPEN} ORDER BY n.line_id LIMIT %(limit)s) AS n
     WHERE EXISTS (SELECT FROM payouts AS p WHERE p.source = %(source)s AND p.payout_id = taken.payout_id
                      AND p.closed_at IS NOT NULL)
     LIMIT %(limit)s),
renamed AS MATERIALIZED (
    SELECT DISTINCT c.line_id
      FROM (SELECT chosen.* FROM chosen JOIN claims USING (source, line_id) OFFSET 0) AS c
      JOIN touched_lines AS u USING (source, line_id)
     WHERE num_nonnulls(u.former_object_id, u.former_reference, u.former_amount) > 0
       AND (u.former_object_id, u.former_reference) IS DISTINCT FROM (c.object_id, c.our_reference)),
n AS MATERIALIZED (
    SELECT chosen.*, renamed.line_id IS NOT NULL AS renamed FROM chosen LEFT JOIN renamed USING (line_id))
SELECT n.source, s.processor, s.account, n.line_id, n.revision, n.file_id, n.payout_id, n.category, n.currency,
       n.gross_minor, n.fee_currency, n.fee_minor, n.net_currency, n.net_minor, n.exchange_rate,
       n.fee_in_net_currency_minor, n.available_on, n.occurred_at, ours.payment_id, ours.merchant_id, ours.object_id,
       former.event_key AS former_key,
       coalesce((f.gross_minor, f.fee_minor, f.net_minor) = (0, 0, 0), true) AS former_is_nothing
  FROM n
  JOIN sources AS s USING (source)
  LEFT JOIN settlement_lines AS f
    ON f.source = n.source AND f.line_id = n.line_id AND f.revision = n.revision - 1
  LEFT JOIN announced_lines AS former
    ON former.source = n.source AND former.line_id = n.line_id AND former.revision = n.revision - 1
  LEFT JOIN LATERAL ({EXACT_MATCH}) AS ours ON true
 ORDER BY n.payout_id, n.line_id
"""
_ROWS: Final = """
jsonb_to_recordset(%(rows)s::jsonb) AS t(source text, line_id text, revision integer, event_key text, event_id text,
                                         amended_revision integer, payment_id text, merchant_id text, object_id text)"""
_TOLD: Final = f"""
INSERT INTO announced_lines (source, line_id, revision, event_key, event_id, amended_revision, payment_id, merchant_id,
                             object_id, announced_at)
SELECT source, line_id, revision, event_key, event_id, amended_revision, payment_id, merchant_id, object_id, %(now)s
  FROM {_ROWS}
"""


class SqlAnnouncing:
    """What one transaction tells."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def next_untold(self, limit: int) -> Sequence[UntoldLine]:
        """Lines of a source that nobody works at; it is this transaction's until it ends."""
        source = self._connection.exec_driver_sql(_SOURCE).scalar_one_or_none()
        if source is None:
            return []
        # Asked once the source is held: what was seen while somebody else held it may be told by now.
        while payouts := self._take(source):
            values: dict[str, Any] = {"source": source, "payouts": payouts, "limit": limit}
            untold = [
                UntoldLine(**row) for row in self._connection.exec_driver_sql(_UNTOLD, values).mappings()
            ]
            if len(untold) == limit:
                told = Counter(line.payout_id for line in untold)
                values["told"] = [told[payout_id] for payout_id in payouts]
                self._connection.exec_driver_sql(_PUT_BACK, values)
            if untold:
                return untold
        return []

    def _take(self, source: str) -> list[str]:
        """The payouts that changed first, each once."""
        return sorted(set(self._connection.exec_driver_sql(_TAKE, {"source": source}).scalars()))

    def told(self, lines: Sequence[ToldLine]) -> None:
        """Remember that they were, and by which event; that marks them."""
        rows = [
            {
                "source": told.line.source,
                "line_id": told.line.line_id,
                "revision": told.line.revision,
                "event_key": told.line.event_key,
                "event_id": told.event_id,
                "amended_revision": told.line.amended_revision,
                "payment_id": told.line.payment_id,
                "merchant_id": told.line.merchant_id,
                "object_id": told.line.object_id,
            }
            for told in lines
        ]
        values = {"rows": orjson.dumps(rows).decode(), "now": self._now}
        self._connection.exec_driver_sql(_TOLD, values)
