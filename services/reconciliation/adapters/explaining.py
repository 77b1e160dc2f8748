"""Explained to zero: what each payout, and each day and currency, is made of, and what is left that nobody can explain.

The parts of a payout are in its own currency: what was exchanged is there as what its rate makes of it, with the
rounding, before the fee. What no part says (``unexplained_minor``) is what rates do not explain, and what the payout's
own row has beyond the lines that could be read (``unread_minor``). That, and the residue against the bank
(``residue_minor``), is zero, or a break names it; where either is not, ``unread_lines`` are those in quarantine that
name the payout. The parts less the fees, with what no part says, are the stated net.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import sqlalchemy as sa

from services.reconciliation.adapters.exchange_sql import WORKED_OUT


def _of(*categories: str) -> str:
    """The gross of such lines that is in the payout's currency."""
    named = ", ".join(f"'{category}'" for category in categories)
    return f"coalesce(sum(gross_minor) FILTER (WHERE at_home AND category IN ({named})), 0)::bigint"


#: Every closed payout, the day on which it is due, what it is made of, and what came of it to the bank account.
#: What its own row has beyond its lines is what nobody could read, or what the file lost.
PARTS: Final = f"""
SELECT p.processor, p.account, p.payout_id, p.currency, p.closed_at, p.stated_net_minor, p.lines_net_minor, p.day,
       parts.charges_minor, parts.refunds_minor, parts.disputes_minor, parts.reversals_minor, parts.reserves_minor,
       parts.adjustments_minor, parts.fees_minor, parts.exchanged_minor, parts.net_minor, p.unread_minor,
       parts.unexplained_minor + p.unread_minor AS unexplained_minor,
       parts.lines_named, parts.lines_named_by, t.type AS unread_named_by,
       coalesce(b.credited, 0)::bigint AS bank_credit_minor
  FROM (SELECT *, coalesce(expected_on, (closed_at AT TIME ZONE 'UTC')::date) AS day,
               CASE WHEN bool_or(stated_net_minor IS NOT NULL) OVER (PARTITION BY source, payout_id)
                    THEN coalesce(stated_net_minor, 0) - lines_net_minor ELSE 0 END AS unread_minor
          FROM payouts WHERE closed_at IS NOT NULL) AS p
 CROSS JOIN LATERAL (
    SELECT {_of("charge")} AS charges_minor, {_of("refund", "refund_failure")} AS refunds_minor,
           {_of("dispute")} AS disputes_minor, {_of("reversal")} AS reversals_minor,
           {_of("reserve")} AS reserves_minor, {_of("other")} AS adjustments_minor,
           coalesce(sum(fee_in_net_minor), 0)::bigint AS fees_minor,
           coalesce(sum(settled_minor - unexplained_minor - CASE WHEN at_home THEN gross_minor ELSE 0 END), 0)::bigint
               AS exchanged_minor,
           coalesce(sum(net_minor), 0)::bigint AS net_minor,
           coalesce(sum(unexplained_minor), 0)::bigint AS unexplained_minor,
           coalesce(bool_and(unexplained_minor = 0 OR named_by IS NOT NULL), true) AS lines_named,
           min(named_by) AS lines_named_by
      FROM (SELECT l.*, l.currency = l.net_currency AS at_home, fee_in_net_minor, settled_minor, unexplained_minor,
                   CASE WHEN unexplained_minor <> 0 THEN (
                        SELECT min(n.type) FROM breaks AS n WHERE n.state <> 'SELF_CLOSED' AND n.subject IN (
                               'residue:' || l.source || ':' || l.line_id, 'line:' || l.source || ':' || l.line_id))
                   END AS named_by
              FROM settlement_lines AS l {WORKED_OUT}
             WHERE l.source = p.source AND l.payout_id = p.payout_id AND l.net_currency = p.currency AND l.stands
               AND NOT l.withdrawn AND l.category <> 'payout') AS l) AS parts
  LEFT JOIN LATERAL (
    SELECT sum(a.amount_minor) AS credited FROM payout_allocations AS a
     WHERE (a.processor, a.account, a.payout_id, a.currency)
         = (p.processor, p.account, p.payout_id, p.currency)) AS b ON true
  LEFT JOIN breaks AS t
    ON t.subject = 'total:' || p.processor || ':' || p.account || ':' || p.payout_id || ':' || p.currency
   AND t.state <> 'SELF_CLOSED' AND p.unread_minor <> 0
"""
# A line in quarantine has no columns that could be read: of a payout it is where its text has the payout's id as a
# whole word. It is no question any more once another file has all of the payout, nor of one that has nothing left: each
# of these reads all lines in quarantine of its sources.
_UNREAD_LINES: Final = r"""
SELECT coalesce(jsonb_agg(jsonb_build_object('file_id', q.file_id, 'line_number', q.line_number, 'code', q.code,
                                             'field', q.field) ORDER BY f.nth, q.nth), '[]')
  FROM quarantined_lines AS q JOIN report_files AS f USING (file_id) JOIN sources AS s USING (source)
 WHERE s.processor = e.processor AND s.account = e.account AND f.state = 'STAGED' AND q.code <> 'line_repeated'
   AND q.raw ~ ('(^|[^[:alnum:]_-])' || regexp_replace(e.payout_id, '([^[:alnum:]_])', '\\\1', 'g')
                || '($|[^[:alnum:]_-])')
   AND NOT EXISTS (SELECT FROM stated_payouts AS w JOIN report_files AS g ON g.file_id = w.file_id
                    WHERE g.source = f.source AND w.payout_id = e.payout_id AND w.currency = e.currency AND w.whole)"""
_PAYOUTS: Final = f"""
SELECT e.*, e.net_minor - e.bank_credit_minor AS residue_minor, n.type AS named_by,
       CASE WHEN e.unread_minor <> 0 OR e.net_minor <> e.bank_credit_minor
            THEN ({_UNREAD_LINES}) ELSE '[]' END AS unread_lines
  FROM ({PARTS}) AS e
  LEFT JOIN breaks AS n
    ON n.subject = 'payout:' || e.processor || ':' || e.account || ':' || e.payout_id || ':' || e.currency
   AND n.state <> 'SELF_CLOSED'
 WHERE e.day BETWEEN %(first_day)s AND %(last_day)s AND (%(payout_id)s::text IS NULL OR e.payout_id = %(payout_id)s)
 ORDER BY e.day, e.processor, e.account, e.payout_id, e.currency LIMIT %(limit)s
"""


def explained_payouts(
    connection: sa.Connection, first_day: date, last_day: date, *, payout_id: str | None, limit: int
) -> list[dict[str, Any]]:
    """Payouts that are due in these days, each with its parts and what is left."""
    values = {"first_day": first_day, "last_day": last_day, "payout_id": payout_id, "limit": limit}
    return [_with_word(dict(row)) for row in connection.exec_driver_sql(_PAYOUTS, values).mappings()]


def _with_word(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"explained": _is_explained(row)}


def _is_explained(row: Mapping[str, Any]) -> bool:
    """Nothing left, or all that is left has a name."""
    return (
        (row["residue_minor"] == 0 or row["named_by"] is not None)
        and (row["unread_minor"] == 0 or row["unread_named_by"] is not None)
        and row["lines_named"]
    )
