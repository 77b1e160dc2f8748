"""The queries of statements: one account, one period, pages that fit together because they are of one seal position."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from services.ledger.app.statements import Cursor, Movement, Page, Period, TimeKind
from services.ledger.domain.chart import AccountRef
from services.ledger.domain.seals import SHARD

#: The two times of a journal that a statement may be drawn up by.
_TIMES: Final = {TimeKind.BOOKED: "j.booked_at", TimeKind.EFFECTIVE: "j.effective_at"}
_NET: Final = "CASE WHEN e.side = a.normal_side THEN e.amount_minor ELSE -e.amount_minor END"
_FROM: Final = """
  FROM entries e
  JOIN accounts a ON a.account_id = e.account_id
  JOIN journals j ON j.position = e.journal_position
  JOIN seals s ON s.journal_position = j.position AND s.shard = %(shard)s AND s.position <= %(as_of)s
 WHERE e.account_id = %(account_id)s
"""
_ACCOUNT: Final = """
SELECT account_id FROM accounts WHERE family = %(family)s AND owner = %(owner)s AND currency = %(currency)s
"""
_SEALED: Final = "SELECT coalesce(max(position), 0) FROM seals WHERE shard = %(shard)s"
_CARRIED: Final = f"SELECT coalesce(sum({_NET}), 0) {_FROM}   AND {{time}} < %(since)s"
_PAGE: Final = (
    "SELECT {time} AS at, j.position, e.line, j.journal_id, j.rule, j.payment_id, j.from_party, j.to_party,"
    f" e.side::text AS side, e.amount_minor, e.clearing_key, {_NET} AS net_minor {_FROM}"
    "   AND {time} >= %(since)s AND {time} < %(until)s"
    "   AND (NOT %(resumed)s OR ({time}, j.position, e.line) > (%(at)s, %(position)s, %(line)s))"
    " ORDER BY {time}, j.position, e.line LIMIT %(limit)s"
)


class SqlStatements:
    """Each page from one read-only snapshot."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")

    def account_id(self, account: AccountRef) -> int | None:
        """The account's id, or None where nothing was ever booked on it."""
        with self._engine.connect() as connection:
            found = connection.exec_driver_sql(_ACCOUNT, account._asdict()).scalar()
        return None if found is None else int(found)

    def sealed(self) -> int:
        """How far the chain is."""
        with self._engine.connect() as connection:
            return int(connection.exec_driver_sql(_SEALED, {"shard": SHARD}).scalar_one())

    def page(self, account_id: int, period: Period, after: Cursor | None, limit: int) -> Page:
        """The movements after the cursor; ``limit`` of them at most."""
        time = _TIMES[period.by]
        values: dict[str, Any] = {
            "shard": SHARD, "as_of": period.as_of, "account_id": account_id, "since": period.since,
            "until": period.until, "resumed": after is not None, "limit": limit + 1,
            "at": period.since if after is None else after.at,
            "position": 0 if after is None else after.position, "line": 0 if after is None else after.line,
        }  # fmt: skip
        with self._engine.connect() as connection:
            if after is None:
                opening_minor = int(
                    connection.exec_driver_sql(_CARRIED.format(time=time), values).scalar_one()
                )
            else:
                opening_minor = after.balance_minor
            rows = connection.exec_driver_sql(_PAGE.format(time=time), values).mappings().all()
        return Page(
            opening_minor=opening_minor,
            movements=tuple(Movement(**row) for row in rows[:limit]),
            more=len(rows) > limit,
        )
