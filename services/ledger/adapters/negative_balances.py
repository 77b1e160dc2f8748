"""Merchants whose available money is below zero, and since when: found from the last snapshot that was not."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from services.ledger.adapters.balances import sums_of
from services.ledger.app.moments import EVERYTHING
from services.ledger.app.views import NegativeBalance, NegativeBalances, NegativeTotal
from services.ledger.domain.chart import MA

_ACCOUNTS: Final = "(SELECT * FROM accounts WHERE family = %(family)s)"
# The account's entries behind the last snapshot at which it was not negative, with the balance after each: it fell with
# the one behind the last that left it at zero or above.
_FELL: Final = """
SELECT n.owner, n.currency, n.credit_minor - n.debit_minor AS balance_minor, j.booked_at AS since
  FROM negative n
  LEFT JOIN LATERAL (
    SELECT l.* FROM account_snapshots l
     WHERE l.account_id = n.account_id AND l.shard = %(shard)s AND l.debit_minor <= l.credit_minor
     ORDER BY l.position DESC LIMIT 1
  ) b ON true
 CROSS JOIN LATERAL (
    SELECT r.journal_position, r.nth, max(r.nth) FILTER (WHERE r.balance_minor >= 0) OVER () AS healthy
      FROM (
        SELECT e.journal_position, row_number() OVER in_order AS nth,
               coalesce(b.credit_minor - b.debit_minor, 0)
                 + sum(CASE e.side WHEN 'credit' THEN e.amount_minor ELSE -e.amount_minor END) OVER in_order
                 AS balance_minor
          FROM entries e LEFT JOIN seals s ON s.journal_position = e.journal_position AND s.shard = %(shard)s
         WHERE e.account_id = n.account_id AND e.journal_position > coalesce(b.settled_position, 0)
           AND (s.position IS NULL OR s.position > coalesce(b.position, 0))
        WINDOW in_order AS (ORDER BY e.journal_position, e.line)
      ) r
  ) f
  JOIN journals j ON j.position = f.journal_position
 WHERE f.nth = coalesce(f.healthy, 0) + 1
"""


class SqlNegativeBalances:
    """Reads them all in one statement."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine.execution_options(postgresql_readonly=True)

    def negative_balances(self, limit: int) -> NegativeBalances:
        """Totals of every currency that merchants have, and the balances that are below zero for the longest time."""
        query, values = sums_of(_ACCOUNTS, EVERYTHING)
        values = {**values, "family": MA.name, "limit": limit}
        sums = f"WITH sums AS ({query}), negative AS (SELECT * FROM sums WHERE debit_minor > credit_minor),"
        sums = f"{sums} fell AS ({_FELL})"
        totals = self._all(
            f"{sums} SELECT c.currency, count(f.owner), coalesce(-sum(f.balance_minor), 0), min(f.since)"
            " FROM (SELECT DISTINCT currency FROM sums) c LEFT JOIN fell f USING (currency) GROUP BY 1 ORDER BY 1",
            values,
        )
        listed = self._all(
            f"{sums} SELECT * FROM fell ORDER BY since, owner, currency LIMIT %(limit)s", values
        )
        return NegativeBalances(
            totals=tuple(
                NegativeTotal(currency=currency, merchants=merchants, owed_minor=int(owed), oldest=oldest)
                for currency, merchants, owed, oldest in totals
            ),
            balances=tuple(
                NegativeBalance(merchant_id=owner, currency=currency, balance_minor=int(balance), since=since)
                for owner, currency, balance, since in listed
            ),
        )

    def _all(self, query: str, values: dict[str, Any]) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.exec_driver_sql(query, values).all())
