"""The queries of statements: one account, one stretch of the chain, a page at a time from the nearest snapshot.

A page of booked time reads about as many entries as it shows: it begins at the snapshot before its first movement and
ends at the first one that has enough. One of effective time begins at the last snapshot of which everything took effect
earlier, and has to look at all behind it: what was booked late may have taken effect at any time.
"""

from __future__ import annotations

from typing import Any, Final

from services.ledger.adapters.balances import LAST, SqlBalances
from services.ledger.app.moments import Moment, TimeKind
from services.ledger.app.statements import Cursor, Movement, Page, Period
from services.ledger.domain.chart import AccountRef
from services.ledger.domain.seals import SHARD

_LINE_MAX: Final = 2**15 - 1
_ACCOUNT: Final = """
SELECT account_id FROM accounts WHERE family = %(family)s AND owner = %(owner)s AND currency = %(currency)s
"""
_MOVEMENT: Final = """
SELECT {time} AS at, s.position AS seal_position, e.line, j.journal_id, j.rule, j.payment_id, j.from_party, j.to_party,
       e.side::text AS side, e.amount_minor, e.clearing_key,
       CASE WHEN e.side = a.normal_side THEN e.amount_minor ELSE -e.amount_minor END AS net_minor,
       (SELECT l.told_effective_at FROM late_journals l WHERE l.journal_position = j.position) AS told_effective_at
"""
#: The bounds are looked up first, as values: so they bound what the index of an account's entries is read for.
_BEHIND: Final = f"""
  FROM accounts a
  JOIN entries e ON e.account_id = a.account_id
   AND e.journal_position > coalesce((SELECT settled_position FROM base), 0)
   AND e.journal_position <= coalesce((SELECT reached_position FROM enough), {LAST})
  JOIN seals s ON s.journal_position = e.journal_position AND s.shard = %(shard)s
   AND s.position <= least((SELECT position FROM enough), %(last)s)
  JOIN journals j ON j.position = e.journal_position
 WHERE a.account_id = %(account_id)s
"""


def _snapshot(which: str) -> str:
    return (
        "(SELECT l.* FROM account_snapshots l"
        f" WHERE l.account_id = %(account_id)s AND l.shard = %(shard)s AND {which} LIMIT 1)"
    )


# A page may end between two lines of one journal: what it begins at stands before the cursor's seal, never at it.
_BOOKED: Final = (
    f"WITH base AS MATERIALIZED {_snapshot('l.position < %(seal_position)s ORDER BY l.position DESC')},"
    f" next AS MATERIALIZED {_snapshot('l.position >= %(seal_position)s ORDER BY l.position')},"
    " enough AS MATERIALIZED "
    + _snapshot(
        "l.position > %(seal_position)s"
        " AND (l.entries > (SELECT entries FROM next) + %(limit)s OR l.position >= %(last)s) ORDER BY l.position"
    )
    + _MOVEMENT.format(time="s.sealed_at")
    + _BEHIND
    + "   AND (s.position, e.line) > (%(seal_position)s, %(line)s) ORDER BY s.position, e.line LIMIT %(limit)s"
)
_EFFECTIVE: Final = (
    "WITH base AS MATERIALIZED "
    + _snapshot("l.position <= %(last)s AND l.effective_at_max < %(at)s ORDER BY l.position DESC")
    + f", enough AS MATERIALIZED {_snapshot('l.position >= %(last)s ORDER BY l.position')}"
    + _MOVEMENT.format(time="j.effective_at")
    + _BEHIND
    + """
   AND s.position > coalesce((SELECT position FROM base), 0) AND j.effective_at < %(until)s
   AND (j.effective_at, s.position, e.line) > (%(at)s, %(seal_position)s, %(line)s)
 ORDER BY j.effective_at, s.position, e.line LIMIT %(limit)s
"""
)
_PAGES: Final = {TimeKind.BOOKED: _BOOKED, TimeKind.EFFECTIVE: _EFFECTIVE}


class SqlStatements(SqlBalances):
    """Balances, and the movements between two of them."""

    def account_id(self, account: AccountRef) -> int | None:
        """The account's id, or None where nothing was ever booked on it."""
        found = self._all(_ACCOUNT, account._asdict())
        return int(found[0][0]) if found else None

    def balance_minor(self, account: AccountRef, moment: Moment) -> int:
        """What an account has at this moment, on its normal side."""
        found = self.account(account, moment)
        return 0 if found is None else found.balance_minor

    def page(self, account_id: int, period: Period, after: Cursor | None, limit: int) -> Page:
        """The movements after the cursor; ``limit`` of them at most."""
        # Before the first one: behind every line of the seal before the period, or before any line of its first time.
        first = (period.behind, _LINE_MAX if period.by is TimeKind.BOOKED else 0)
        values: dict[str, Any] = {
            "shard": SHARD, "account_id": account_id, "last": period.last, "until": period.until, "limit": limit + 1,
            "at": period.since if after is None else after.at,
            "seal_position": first[0] if after is None else after.seal_position,
            "line": first[1] if after is None else after.line,
        }  # fmt: skip
        rows = self._connection_rows(_PAGES[period.by], values)
        return Page(movements=tuple(Movement(**row) for row in rows[:limit]), more=len(rows) > limit)

    def _connection_rows(self, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.exec_driver_sql(query, values).mappings()]
