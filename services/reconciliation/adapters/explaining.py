"""Explained to zero: what each payout, and each day and currency, is made of, and what is left that nobody can explain.

The parts of a payout are in its own currency: what was exchanged is there as its net. The residue against the lines
(``unexplained_minor``) and against the bank (``residue_minor``) is zero, or a break names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import sqlalchemy as sa

#: Every closed payout, the day on which it is due, what it is made of, and what came of it to the bank account.
PARTS: Final = """
SELECT p.processor, p.account, p.payout_id, p.currency, p.closed_at, p.stated_net_minor, p.lines_net_minor,
       coalesce(p.expected_on, (p.closed_at AT TIME ZONE 'UTC')::date) AS day, parts.*,
       coalesce(b.credited, 0)::bigint AS bank_credit_minor
  FROM payouts AS p
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(gross_minor) FILTER (WHERE plain AND category = 'charge'), 0)::bigint AS charges_minor,
           coalesce(sum(gross_minor) FILTER (WHERE plain AND category IN ('refund', 'refund_failure')), 0)::bigint
               AS refunds_minor,
           coalesce(sum(gross_minor) FILTER (WHERE plain AND category = 'dispute'), 0)::bigint AS disputes_minor,
           coalesce(sum(gross_minor) FILTER (WHERE plain AND category = 'reversal'), 0)::bigint AS reversals_minor,
           coalesce(sum(gross_minor) FILTER (WHERE plain AND category = 'reserve'), 0)::bigint AS reserves_minor,
           coalesce(sum(gross_minor) FILTER (WHERE plain AND category = 'other'), 0)::bigint AS adjustments_minor,
           coalesce(sum(fee_minor) FILTER (WHERE plain), 0)::bigint AS fees_minor,
           coalesce(sum(net_minor) FILTER (WHERE NOT plain), 0)::bigint AS exchanged_minor,
           coalesce(sum(net_minor), 0)::bigint AS net_minor,
           coalesce(sum(net_minor - gross_minor + fee_minor) FILTER (WHERE plain), 0)::bigint AS unexplained_minor
      FROM (SELECT l.*, currency = net_currency AND (fee_currency = net_currency OR fee_minor = 0) AS plain
              FROM settlement_lines AS l
             WHERE l.source = p.source AND l.payout_id = p.payout_id AND l.net_currency = p.currency AND l.stands
               AND NOT l.withdrawn AND l.category <> 'payout') AS l) AS parts
  LEFT JOIN LATERAL (
    SELECT sum(a.amount_minor) AS credited FROM payout_allocations AS a
     WHERE (a.processor, a.account, a.payout_id, a.currency)
         = (p.processor, p.account, p.payout_id, p.currency)) AS b ON true
 WHERE p.closed_at IS NOT NULL
"""
_PAYOUTS: Final = f"""
SELECT e.*, e.net_minor - e.bank_credit_minor AS residue_minor, n.type AS named_by
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
    """Nothing left, or what is left has a name."""
    nothing_left = row["residue_minor"] == 0 and row["unexplained_minor"] == 0
    return nothing_left or row["named_by"] is not None
