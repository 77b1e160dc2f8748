"""Tells of matches: each announced line that is about another object of ours than was told last, or about none."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.adapters.exact_matches import ITEMS_OF_MATCH
from services.reconciliation.adapters.matching import TRY_TURN
from services.reconciliation.adapters.publishing_matches import TOPIC, line_matched, line_unmatched
from shared.persistence.outbox import Outbox

BATCH_LINES_MAX: Final = 1_000

_WAITING: Final = "SELECT EXISTS (SELECT FROM untold_lines)"
_TAKE: Final = """
DELETE FROM untold_lines WHERE nth IN (SELECT nth FROM untold_lines ORDER BY nth LIMIT %(limit)s)
RETURNING source, line_id
"""
# Asked after they were taken, by a statement of its own. A line that somebody announces just now has a row of its own
# for that, which is there once that is done.
# A line of several items is told of only where all are about one object: its money cannot be said in parts. A line that
# changed since is claimed as it was: the run that sees it as it is now is waited for. What was told is taken back only
# once a run has seen the item, too.
_DIFFERENT: Final = f"""
WITH taken AS (
    SELECT * FROM unnest(%(sources)s::text[], %(line_ids)s::text[]) AS named(source, line_id)),
unseen AS MATERIALIZED (SELECT DISTINCT source, line_id FROM taken JOIN touched_lines USING (source, line_id))
SELECT a.source, a.line_id, a.revision, a.event_key, s.processor, s.account, l.payout_id, l.category, l.currency,
       l.gross_minor, l.available_on, i.payment_id, i.merchant_id, i.object_id,
       CASE WHEN i.payment_id IS NOT NULL THEN i.rule END AS rule,
       t.payment_id AS told_payment_id, t.object_id AS told_object_id, t.match_number + 1 AS match_number,
       EXISTS (SELECT FROM unseen AS u WHERE u.source = l.source AND u.line_id = l.line_id)
           OR i.payment_id IS NULL AND EXISTS (
               SELECT FROM our_items AS o JOIN touched_items USING (item_key)
                WHERE o.object_id = t.object_id) AS waits
  FROM taken JOIN settlement_lines AS l USING (source, line_id)
  JOIN announced_lines AS a USING (source, line_id, revision)
  JOIN sources AS s USING (source)
  LEFT JOIN LATERAL (
    SELECT min(c.rule) AS rule, min(o.payment_id) AS payment_id, min(o.merchant_id) AS merchant_id,
           min(o.object_id) AS object_id
      FROM claims AS c {ITEMS_OF_MATCH} JOIN our_items AS o ON o.item_key = m.item_key
     WHERE c.source = l.source AND c.line_id = l.line_id
    HAVING count(DISTINCT (o.payment_id, o.object_id)) = 1 AND min(o.object_id) IS NOT NULL) AS i ON true
 CROSS JOIN LATERAL (
    SELECT match_number, payment_id, object_id FROM (
        SELECT * FROM (
            SELECT match_number, payment_id, object_id FROM told_matches AS m
             WHERE (m.source, m.line_id, m.revision) = (l.source, l.line_id, l.revision)
             ORDER BY match_number DESC LIMIT 1) AS last
        UNION ALL SELECT 0, a.payment_id, a.object_id) AS told
     ORDER BY match_number DESC LIMIT 1) AS t
 WHERE l.stands AND NOT l.withdrawn
   AND (i.payment_id, i.object_id) IS DISTINCT FROM (t.payment_id, t.object_id)
 ORDER BY a.source, a.line_id
"""
_WAIT: Final = """
INSERT INTO untold_lines (source, line_id) SELECT * FROM unnest(%(sources)s::text[], %(line_ids)s::text[])
"""
_KEEP: Final = """
INSERT INTO told_matches (source, line_id, revision, match_number, payment_id, object_id, rule, event_id, told_at)
SELECT * FROM unnest(%(sources)s::text[], %(line_ids)s::text[], %(revisions)s::int[], %(numbers)s::int[],
                     %(payment_ids)s::text[], %(object_ids)s::text[], %(rules)s::text[], %(event_ids)s::text[],
                     array_fill(%(now)s::timestamptz, ARRAY[%(count)s::int]))
"""


class MatchTeller:
    """Tells in one transaction; takes turns with runs, so that no match changes meanwhile."""

    def __init__(self, connection: sa.Connection, outbox: Outbox, now: datetime) -> None:
        self._connection = connection
        self._outbox = outbox
        self._now = now

    def tell(self) -> bool:
        """Tell of a batch of lines; true where there may be more. Not while a run is at work."""
        if not self._is(_WAITING) or not self._is(TRY_TURN):
            return False
        taken = sorted(set(map(tuple, self._connection.exec_driver_sql(_TAKE, {"limit": BATCH_LINES_MAX}))))
        named = {"sources": [source for source, _ in taken], "line_ids": [line_id for _, line_id in taken]}
        rows = list(self._connection.exec_driver_sql(_DIFFERENT, named).mappings())
        waiting = [row for row in rows if row["waits"]]
        if waiting:
            self._connection.exec_driver_sql(_WAIT, _names(waiting))
        if len(waiting) < len(rows):
            self._write([row for row in rows if not row["waits"]])
        return len(waiting) < len(taken)

    def _is(self, question: str) -> bool:
        return bool(self._connection.exec_driver_sql(question).scalar_one())

    def _write(self, rows: list[Any]) -> None:
        event_ids = [
            self._outbox.append(
                TOPIC,
                (line_matched if row["payment_id"] else line_unmatched)(row, row["match_number"], self._now),
                key=row["event_key"],
                cause_id=f"{row['source']}:{row['line_id']}:{row['revision']}",
            )
            for row in rows
        ]
        values = _names(rows) | {
            "revisions": [row["revision"] for row in rows],
            "numbers": [row["match_number"] for row in rows],
            "payment_ids": [row["payment_id"] for row in rows],
            "object_ids": [row["object_id"] for row in rows],
            "rules": [row["rule"] for row in rows],
            "event_ids": event_ids,
            "now": self._now,
            "count": len(rows),
        }
        self._connection.exec_driver_sql(_KEEP, values)


def _names(rows: list[Any]) -> dict[str, Any]:
    return {"sources": [row["source"] for row in rows], "line_ids": [row["line_id"] for row in rows]}
