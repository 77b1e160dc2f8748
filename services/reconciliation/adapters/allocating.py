"""Which payout each line of the bank is for: by reference, else by amount, currency and value date.

What is wanted is worked out anew once a payout or a bank's line changed; what was told before is corrected by a
further allocation of the difference, so a run that finds nothing new tells nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Final

import orjson
import sqlalchemy as sa

from services.reconciliation.adapters.publishing_matches import TOPIC, bank_credit_allocated, payout_returned
from shared.persistence.outbox import Outbox

#: Between the day on which a payout is expected and the bank's value date.
WITHIN_DAYS: Final = 5
#: A shorter word of a bank's free text is no reference: it may stand there for anything.
WORD_CHARS_MIN: Final = 6
RETURNED_WITHIN_DAYS: Final = 10
"""After its credit a payout comes back within so many days, where only its amount says which it is."""

_LINES: Final = """
  SELECT source, line_id, currency, amount_minor, value_on, "references", text, returned FROM bank_lines
   WHERE stands AND NOT withdrawn AND amount_minor <> 0"""
_PAYOUTS: Final = """
  SELECT processor, account, payout_id, currency, lines_net_minor AS net_minor, bank_reference,
         coalesce(expected_on, (closed_at AT TIME ZONE 'UTC')::date) AS due_on FROM payouts
   WHERE closed_at IS NOT NULL"""
# A whole reference goes before a word within one or in free text. An id so short that banks' own numbers look the same
# counts only with the payout's amount, unless the report says that the bank was given it.
# A line that names several payouts is for all of them only if they add up to it: otherwise which is short is unknown.
_BY_REFERENCE: Final = f"""
WITH lines AS ({_LINES}), payouts AS ({_PAYOUTS}),
names AS (
    SELECT bank_reference AS reference, true AS given_to_bank, processor, account, payout_id, currency, net_minor
      FROM payouts WHERE bank_reference IS NOT NULL
    UNION ALL SELECT payout_id, false, processor, account, payout_id, currency, net_minor FROM payouts),
found AS (
    SELECT l.source, l.line_id, l.amount_minor, l.returned, n.processor, n.account, n.payout_id, n.currency,
           n.net_minor, given.whole, bool_or(given.whole) OVER (PARTITION BY l.source, l.line_id) AS any_whole
      FROM lines AS l
     CROSS JOIN LATERAL (
        SELECT unnest(l."references") AS word, true AS whole
        UNION SELECT word, false FROM unnest(l."references" || l.text) AS part,
                     regexp_split_to_table(part, '[^A-Za-z0-9_-]+') AS word
               WHERE length(word) >= {WORD_CHARS_MIN}) AS given
      JOIN names AS n ON n.reference = given.word AND n.currency = l.currency
       AND (n.given_to_bank OR length(n.reference) >= {WORD_CHARS_MIN} OR abs(n.net_minor) = abs(l.amount_minor))),
named AS (
    SELECT DISTINCT source, line_id, amount_minor, returned, processor, account, payout_id, currency, net_minor
      FROM found WHERE whole OR NOT any_whole),
counted AS (
    SELECT *, count(*) OVER line AS payouts, sum(net_minor) OVER line AS total FROM named
    WINDOW line AS (PARTITION BY source, line_id))
INSERT INTO wanted_allocations
SELECT source, line_id, processor, account, payout_id, currency,
       CASE WHEN payouts = 1 THEN amount_minor ELSE net_minor END, returned AND amount_minor < 0, 'reference'
  FROM counted WHERE (payouts = 1 OR total = amount_minor) AND (payouts = 1 OR net_minor <> 0)
"""
# A guess, and so only where each is the other's one nearest: the k-th with the k-th would let one payout that never
# came shift all that came later.
_BY_AMOUNT: Final = f"""
WITH lines AS (
    SELECT * FROM ({_LINES}) AS l
     WHERE NOT returned AND NOT EXISTS (
        SELECT FROM wanted_allocations AS w WHERE w.source = l.source AND w.line_id = l.line_id)),
payouts AS (
    SELECT * FROM ({_PAYOUTS}) AS p
     WHERE net_minor <> 0 AND NOT EXISTS (
        SELECT FROM wanted_allocations AS w
         WHERE w.processor = p.processor AND w.account = p.account AND w.payout_id = p.payout_id
           AND w.currency = p.currency AND NOT w.returned)),
near AS (
    SELECT l.source, l.line_id, l.amount_minor, p.processor, p.account, p.payout_id, p.currency,
           abs(l.value_on - p.due_on) AS days
      FROM lines AS l JOIN payouts AS p ON p.currency = l.currency AND p.net_minor = l.amount_minor
     WHERE abs(l.value_on - p.due_on) <= {WITHIN_DAYS}),
placed AS (
    SELECT *, rank() OVER (line ORDER BY days) AS of_line, rank() OVER (payout ORDER BY days) AS of_payout,
           count(*) OVER (PARTITION BY source, line_id, days) AS payouts_as_near,
           count(*) OVER (PARTITION BY processor, account, payout_id, currency, days) AS lines_as_near
      FROM near
    WINDOW line AS (PARTITION BY source, line_id),
           payout AS (PARTITION BY processor, account, payout_id, currency))
INSERT INTO wanted_allocations
SELECT source, line_id, processor, account, payout_id, currency, amount_minor, false, 'amount'
  FROM placed WHERE of_line = 1 AND of_payout = 1 AND payouts_as_near = 1 AND lines_as_near = 1
"""
# Which of several credits came back nobody can say: then none is named.
_RETURNED_BY_AMOUNT: Final = f"""
WITH back AS (
    SELECT * FROM ({_LINES}) AS l
     WHERE returned AND amount_minor < 0 AND NOT EXISTS (
        SELECT FROM wanted_allocations AS w WHERE w.source = l.source AND w.line_id = l.line_id)),
paid AS (
    SELECT w.*, b.value_on
      FROM wanted_allocations AS w JOIN bank_lines AS b USING (source, line_id) WHERE b.stands AND w.amount_minor > 0),
near AS (
    SELECT b.source, b.line_id, b.amount_minor, p.processor, p.account, p.payout_id, p.currency,
           count(*) OVER (PARTITION BY b.source, b.line_id) AS credits,
           count(*) OVER (PARTITION BY p.source, p.line_id, p.processor, p.account, p.payout_id) AS returns
      FROM back AS b JOIN paid AS p
        ON p.source = b.source AND p.currency = b.currency AND p.amount_minor = -b.amount_minor
     WHERE b.value_on - p.value_on BETWEEN 0 AND {RETURNED_WITHIN_DAYS})
INSERT INTO wanted_allocations
SELECT source, line_id, processor, account, payout_id, currency, amount_minor, true, 'returned_amount'
  FROM near WHERE credits = 1 AND returns = 1
"""
# One numbering per line and payout, over all currencies: the ledger knows an allocation by it.
_DIFFERENCES: Final = """
WITH told AS (
    SELECT source, line_id, processor, account, payout_id, currency, sum(amount_minor) AS amount_minor,
           max(allocation_number) AS number
      FROM payout_allocations GROUP BY 1, 2, 3, 4, 5, 6),
numbers AS (
    SELECT source, line_id, processor, account, payout_id, max(allocation_number) AS last
      FROM payout_allocations GROUP BY 1, 2, 3, 4, 5)
SELECT source, line_id, processor, account, payout_id, currency, bank_account, booked_on,
       (coalesce(w.amount_minor, 0) - coalesce(t.amount_minor, 0))::bigint AS amount_minor,
       coalesce(n.last, 0) + row_number() OVER (
           PARTITION BY source, line_id, processor, account, payout_id ORDER BY currency) AS allocation_number,
       coalesce(w.returned, false) AND t.number IS NULL AS returned,
       coalesce(w.rule, 'correction') AS rule
  FROM wanted_allocations AS w
  FULL JOIN told AS t USING (source, line_id, processor, account, payout_id, currency)
  LEFT JOIN numbers AS n USING (source, line_id, processor, account, payout_id)
  JOIN (SELECT source, bank_account FROM sources) AS s USING (source)
  JOIN (SELECT source, line_id, booked_on FROM bank_lines WHERE stands) AS b USING (source, line_id)
 WHERE coalesce(w.amount_minor, 0) <> coalesce(t.amount_minor, 0)
 ORDER BY source, line_id, processor, account, payout_id
"""
_KEEP: Final = """
INSERT INTO payout_allocations (source, line_id, processor, account, payout_id, currency, allocation_number,
                                amount_minor, returned, rule, run_id, event_id, allocated_at)
SELECT r.source, r.line_id, r.processor, r.account, r.payout_id, r.currency, r.allocation_number, r.amount_minor,
       r.returned, r.rule, %(run_id)s, r.event_id, %(now)s
  FROM jsonb_populate_recordset(NULL::payout_allocations, %(rows)s::jsonb) AS r
"""
_TAKE_CHANGED: Final = """
WITH taken AS (DELETE FROM touched_bank RETURNING what) INSERT INTO dirty_bank SELECT what FROM taken
"""
#: So many are told at a time.
BATCH_ROWS: Final = 1_000
_KEPT: Final = (
    "source", "line_id", "processor", "account", "payout_id", "currency", "allocation_number", "amount_minor",
    "returned", "rule",
)  # fmt: skip


class Allocator:
    """Allocates the bank's lines to payouts, in the transaction of a run."""

    def __init__(self, connection: sa.Connection, outbox: Outbox, now: datetime) -> None:
        self._connection = connection
        self._outbox = outbox
        self._now = now

    def allocate(self, run_id: str, *, everything: bool) -> int:
        """Work out which line is for which payout, if any changed, and tell what is new; how many allocations."""
        changed = self._connection.exec_driver_sql(_TAKE_CHANGED).rowcount
        if not (changed or everything):
            return 0
        for statement in (_BY_REFERENCE, _BY_AMOUNT, _RETURNED_BY_AMOUNT):
            self._connection.exec_driver_sql(statement)
        told = 0
        new = self._connection.exec_driver_sql(_DIFFERENCES, execution_options={"yield_per": BATCH_ROWS})
        for rows in new.mappings().partitions():
            self._tell(rows, run_id)
            told += len(rows)
        return told

    def _tell(self, rows: Sequence[sa.RowMapping], run_id: str) -> None:
        kept = [{name: row[name] for name in _KEPT} | {"event_id": self._append(row, run_id)} for row in rows]
        values = {"rows": orjson.dumps(kept).decode(), "run_id": run_id, "now": self._now}
        self._connection.exec_driver_sql(_KEEP, values)

    def _append(self, row: sa.RowMapping, run_id: str) -> str:
        effective_at = datetime.combine(row["booked_on"], time.min, UTC)
        event = (payout_returned if row["returned"] else bank_credit_allocated)(row, effective_at)
        key = f"{row['processor']}:{row['account']}:{row['payout_id']}"
        return self._outbox.append(TOPIC, event, key=key, cause_id=run_id)
