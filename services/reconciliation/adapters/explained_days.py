"""Days and currencies explained to zero: what is left is what each payout, and each of the bank's lines, leaves.

A payout that is short and one that is over do not make each other good: what is left adds up without its sign. It has
the name of the breaks behind it, or is said to have none. A credit that is for no payout is left on its value date.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.adapters.explaining import PARTS

#: What is added up over a day's payouts.
SUMMED: Final = (
    "charges_minor", "refunds_minor", "disputes_minor", "reversals_minor", "reserves_minor", "adjustments_minor",
    "fees_minor", "exchanged_minor", "net_minor", "unread_minor", "bank_credit_minor",
)  # fmt: skip
#: Those sums, and what is left of them.
LEFT: Final = (*SUMMED, "unexplained_minor", "residue_minor", "unallocated_minor")
#: Each day and currency of ``first_day`` to ``last_day``.
DAYS: Final = f"""
WITH of_payouts AS MATERIALIZED (
    SELECT e.*, e.net_minor - e.bank_credit_minor AS left_minor, n.type
      FROM ({PARTS}) AS e
      LEFT JOIN breaks AS n
        ON n.subject = 'payout:' || e.processor || ':' || e.account || ':' || e.payout_id || ':' || e.currency
       AND n.state <> 'SELF_CLOSED'
     WHERE e.day BETWEEN %(first_day)s AND %(last_day)s),
of_bank AS MATERIALIZED (
    SELECT b.value_on AS day, b.currency, b.amount_minor - b.allocated_minor AS left_minor, n.type
      FROM (SELECT l.*, coalesce((SELECT sum(w.amount_minor) FROM payout_allocations AS w
                                   WHERE w.source = l.source AND w.line_id = l.line_id), 0) AS allocated_minor
              FROM bank_lines AS l
             WHERE l.stands AND NOT l.withdrawn AND l.value_on BETWEEN %(first_day)s AND %(last_day)s) AS b
      LEFT JOIN breaks AS n ON n.subject = 'bank:' || b.source || ':' || b.line_id AND n.state <> 'SELF_CLOSED'
     WHERE b.amount_minor <> b.allocated_minor),
summed AS (
    SELECT day, currency, count(*) AS payouts, {", ".join(f"sum({name})::bigint AS {name}" for name in SUMMED)},
           sum(abs(unexplained_minor - unread_minor) + abs(unread_minor))::bigint AS unexplained_minor,
           sum(abs(left_minor))::bigint AS residue_minor
      FROM of_payouts GROUP BY day, currency),
unallocated AS (
    SELECT day, currency, sum(abs(left_minor))::bigint AS unallocated_minor FROM of_bank GROUP BY day, currency),
remains AS (
    SELECT day, currency, type, abs(left_minor) AS minor FROM of_payouts WHERE left_minor <> 0
    UNION ALL SELECT day, currency, unread_named_by, abs(unread_minor) FROM of_payouts WHERE unread_minor <> 0
    UNION ALL SELECT day, currency, CASE WHEN lines_named THEN lines_named_by END, abs(unexplained_minor - unread_minor)
      FROM of_payouts WHERE unexplained_minor <> unread_minor
    UNION ALL SELECT day, currency, type, abs(left_minor) FROM of_bank),
named AS (
    SELECT day, currency,
           jsonb_agg(jsonb_build_object('type', type, 'breaks', breaks, 'minor', minor) ORDER BY type)
               FILTER (WHERE type IS NOT NULL) AS named_by,
           coalesce(sum(minor) FILTER (WHERE type IS NULL), 0)::bigint AS unnamed_minor
      FROM (SELECT day, currency, type, count(*) AS breaks, sum(minor)::bigint AS minor FROM remains
             GROUP BY day, currency, type) AS by_type
     GROUP BY day, currency)
SELECT day, currency, coalesce(payouts, 0) AS payouts,
       {", ".join(f"coalesce({name}, 0) AS {name}" for name in (*SUMMED, "unexplained_minor", "residue_minor"))},
       coalesce(unallocated_minor, 0) AS unallocated_minor, coalesce(named_by, '[]') AS named_by,
       coalesce(unnamed_minor, 0) AS unnamed_minor, coalesce(unnamed_minor, 0) = 0 AS explained
  FROM summed FULL JOIN unallocated USING (day, currency) LEFT JOIN named USING (day, currency)
 ORDER BY day, currency
"""


def explained_days(connection: sa.Connection, first_day: date, last_day: date) -> list[dict[str, Any]]:
    """What payouts that are due in these days come to per day and currency, what is left, and which breaks name it."""
    values = {"first_day": first_day, "last_day": last_day}
    return [dict(row) for row in connection.exec_driver_sql(DAYS, values).mappings()]
