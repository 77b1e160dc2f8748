"""Merchants whose available money is below zero, and since when: found from the last snapshot at which it was not.

Available is what ``/balances`` says: what had taken effect. An entry counts from when it is booked and in effect.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from services.ledger.adapters.balances import sums_of
from services.ledger.app.moments import Moment
from services.ledger.app.pages import Place
from services.ledger.app.views import NegativeBalance, NegativeBalances, NegativeTotal
from services.ledger.domain.chart import MA

_ACCOUNTS: Final = "(SELECT * FROM accounts WHERE family = %(family)s)"
# What came to count after the last snapshot at which the account was not negative, with the balance after each: it fell
# with the one behind the last that left it at zero or above.
_FELL: Final = """
SELECT n.owner, n.currency, n.credit_minor - n.debit_minor AS balance_minor, f.counted_at AS since
  FROM negative n
  LEFT JOIN LATERAL (
    SELECT l.position, l.settled_position, s.sealed_at, l.credit_minor - l.debit_minor - h.net_minor AS balance_minor
      FROM account_snapshots l JOIN seals s ON s.shard = l.shard AND s.position = l.position
     CROSS JOIN LATERAL (
        SELECT coalesce(sum(w.credit_minor - w.debit_minor), 0) AS net_minor FROM snapshots_ahead w
         WHERE w.account_id = l.account_id AND w.shard = l.shard AND w.effective_at >= s.sealed_at
           AND w.position <= l.position
     ) h
     WHERE l.account_id = n.account_id AND l.shard = %(shard)s AND s.sealed_at <= %(before)s
       AND l.credit_minor - l.debit_minor >= h.net_minor
     ORDER BY l.position DESC LIMIT 1
  ) b ON true
 CROSS JOIN LATERAL (
    SELECT r.counted_at, r.nth, max(r.nth) FILTER (WHERE r.balance_minor >= 0) OVER () AS healthy
      FROM (
        SELECT d.counted_at, row_number() OVER in_order AS nth,
               coalesce(b.balance_minor, 0) + sum(d.net_minor) OVER in_order AS balance_minor
          FROM (
            SELECT greatest(j.booked_at, j.effective_at) AS counted_at, e.journal_position, e.line,
                   CASE e.side WHEN 'credit' THEN e.amount_minor ELSE -e.amount_minor END AS net_minor
              FROM entries e LEFT JOIN seals s ON s.journal_position = e.journal_position AND s.shard = %(shard)s
              JOIN journals j ON j.position = e.journal_position AND j.effective_at < %(before)s
             WHERE e.account_id = n.account_id AND e.journal_position > coalesce(b.settled_position, 0)
               AND (s.position IS NULL OR s.position > coalesce(b.position, 0))
            UNION ALL
            SELECT w.effective_at, 0, 0, w.credit_minor - w.debit_minor
              FROM snapshots_ahead w
             WHERE w.account_id = n.account_id AND w.shard = %(shard)s AND w.position <= b.position
               AND w.effective_at >= b.sealed_at AND w.effective_at < %(before)s
          ) d
        WINDOW in_order AS (ORDER BY d.counted_at, d.journal_position, d.line ROWS UNBOUNDED PRECEDING)
      ) r
  ) f
 WHERE f.nth = coalesce(f.healthy, 0) + 1
"""
_TOTALS: Final = """
SELECT c.currency, count(f.owner) AS merchants, coalesce(-sum(f.balance_minor), 0) AS owed_minor, min(f.since) AS oldest
  FROM (SELECT DISTINCT currency FROM accounts WHERE family = %(family)s) c LEFT JOIN fell f USING (currency) GROUP BY 1
"""
# Totals and rows in one: the accounts are summed once, and both are of one moment.
_BOTH: Final = f"""
SELECT NULL, t.* FROM ({_TOTALS}) t
UNION ALL
(SELECT owner, currency, NULL, balance_minor, since FROM fell
  WHERE %(after_since)s::timestamptz IS NULL
     OR (since, owner COLLATE "C", currency COLLATE "C") > (%(after_since)s, %(after_owner)s, %(after_currency)s)
  ORDER BY since, owner COLLATE "C", currency COLLATE "C" LIMIT %(limit)s)
"""


class SqlNegativeBalances:
    """Each answer from one statement."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine.execution_options(postgresql_readonly=True)

    def negative_totals(self, now: datetime) -> tuple[NegativeTotal, ...]:
        """Totals of every currency that merchants have."""
        return tuple(_total(*row) for row in self._all(f"{_TOTALS} ORDER BY 1", now))

    def negative_balances(self, now: datetime, limit: int, after: Place | None = None) -> NegativeBalances:
        """The totals, and the balances that are below zero for the longest time, behind a place."""
        rows = self._all(
            _BOTH,
            now,
            limit=limit,
            after_since=None if after is None else after.since,
            after_owner=None if after is None else after.name,
            after_currency=None if after is None else after.of,
        )
        listed = [row for row in rows if row[0] is not None]
        return NegativeBalances(
            totals=tuple(sorted((_total(*row[1:]) for row in rows if row[0] is None), key=_currency)),
            balances=tuple(
                NegativeBalance(merchant_id=owner, currency=currency, balance_minor=int(balance), since=since)
                for owner, currency, _, balance, since in sorted(
                    listed, key=lambda row: (row[4], row[0], row[1])
                )
            ),
        )

    def _all(self, query: str, now: datetime, **values: Any) -> list[Any]:
        sums, asked = sums_of(_ACCOUNTS, Moment(effective_before=now))
        common = (
            f"WITH sums AS MATERIALIZED ({sums}), negative AS (SELECT * FROM sums WHERE debit_minor > credit_minor),"
            f" fell AS MATERIALIZED ({_FELL})"
        )
        with self._engine.connect() as connection:
            found = connection.exec_driver_sql(f"{common} {query}", {**asked, **values, "family": MA.name})
            return list(found.all())


def _total(currency: str, merchants: int, owed_minor: int, oldest: datetime | None) -> NegativeTotal:
    return NegativeTotal(currency=currency, merchants=merchants, owed_minor=int(owed_minor), oldest=oldest)


def _currency(total: NegativeTotal) -> str:
    return total.currency
