"""The queries of balances: the nearest snapshot of an account plus the entries behind it, which is exact at any moment.

Without snapshots every sum begins at the first entry; nothing here needs them to be right, or to be there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from services.ledger.app.moments import Moment
from services.ledger.app.views import ARRIVAL_DAYS_MAX, AccountBalance, Arrival, TrialBalanceLine
from services.ledger.domain.chart import MA, AccountRef, balance_on_normal_side
from services.ledger.domain.journal import REVERSED_SUFFIX
from services.ledger.domain.seals import SHARD

LAST: Final = 2**63 - 1
_SEALED: Final = "SELECT coalesce(max(position), 0) FROM seals WHERE shard = %(shard)s"
# Halving: positions have no gap and times never run backwards, so some thirty look-ups by primary key find any time.
_POSITION_BEFORE: Final = """
WITH RECURSIVE search(low, high) AS (
    SELECT 0::bigint, coalesce(max(position), 0) FROM seals WHERE shard = %(shard)s
    UNION ALL
    SELECT CASE WHEN s.sealed_at < %(time)s THEN s.position ELSE search.low END,
           CASE WHEN s.sealed_at < %(time)s THEN search.high ELSE s.position - 1 END
      FROM search JOIN seals s ON s.shard = %(shard)s AND s.position = (search.low + search.high + 1) / 2
     WHERE search.low < search.high
)
SELECT low FROM search WHERE low = high
"""
#: From where an account's entries have to be read one by one, and up to where, for what is sealed up to ``as_of``.
_BASE: Final = """
  LEFT JOIN LATERAL (
    SELECT l.* FROM account_snapshots l
     WHERE l.account_id = a.account_id AND l.shard = %(shard)s AND l.position <= {last}
     ORDER BY l.position DESC LIMIT 1
  ) b ON true
  LEFT JOIN LATERAL (
    SELECT n.reached_position FROM account_snapshots n
     WHERE n.account_id = a.account_id AND n.shard = %(shard)s AND n.position >= %(as_of)s
     ORDER BY n.position LIMIT 1
  ) u ON true
"""
#: The entries behind that snapshot.
_BEHIND: Final = f"""
     e.account_id = a.account_id AND e.journal_position > coalesce(b.settled_position, 0)
       AND e.journal_position <= coalesce(u.reached_position, {LAST})
       AND (s.position > coalesce(b.position, 0) AND s.position <= %(as_of)s OR s.position IS NULL AND %(unsealed)s)
"""
# What of a snapshot had not taken effect when it was sealed is kept beside it. So one that was sealed before a time,
# less what takes effect from that time on, is what had taken effect before it: money of a far date costs one row.
_BASE_OF: Final = {
    False: _BASE.format(last="%(as_of)s"),
    True: _BASE.format(last=f"least(%(as_of)s, ({_POSITION_BEFORE.replace('%(time)s', '%(before)s')}))"),
}
_AHEAD: Final = """
     w.account_id = a.account_id AND w.shard = %(shard)s AND w.effective_at >= %(before)s AND w.position <= b.position
"""
_NOT_YET: Final = f"""
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(w.debit_minor), 0) AS debit_minor, coalesce(sum(w.credit_minor), 0) AS credit_minor,
           coalesce(sum(w.entries), 0) AS entries
      FROM snapshots_ahead w WHERE {_AHEAD}
 ) h
"""
_NOTHING_AHEAD: Final = " CROSS JOIN (SELECT 0 AS debit_minor, 0 AS credit_minor, 0 AS entries) h"
# An account without an entry at that moment is none of it: those that are opened later change no answer.
_SUMS: Final = f"""
SELECT a.account_id, a.family, a.owner, a.currency,
       coalesce(b.debit_minor, 0) + r.debit_minor - h.debit_minor AS debit_minor,
       coalesce(b.credit_minor, 0) + r.credit_minor - h.credit_minor AS credit_minor
  FROM {{accounts}} a {{base}} {{not_yet}}
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'debit'), 0) AS debit_minor,
           coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'credit'), 0) AS credit_minor, count(*) AS entries
      FROM entries e LEFT JOIN seals s ON s.journal_position = e.journal_position AND s.shard = %(shard)s
      {{effective}}
     WHERE {_BEHIND}
 ) r
 WHERE coalesce(b.entries, 0) + r.entries > h.entries
"""
_EFFECTIVE_JOIN: Final = "JOIN journals j ON j.position = e.journal_position AND j.effective_at < %(before)s"
# What a capture made available and what took that back; a refund or a dispute is no money that arrives.
_ARRIVES: Final = ["capture_settled", f"capture_settled{REVERSED_SUFFIX}"]
_ARRIVALS: Final = f"""
SELECT t.currency, t.available_on, t.net_minor FROM (
SELECT a.currency, max(m.effective_at) AS available_on, sum(m.net_minor) AS net_minor,
       row_number() OVER (PARTITION BY a.currency ORDER BY max(m.effective_at)) AS nth
  FROM accounts a {_BASE_OF[True]}
 CROSS JOIN LATERAL (
    SELECT w.effective_at, w.credit_minor - w.debit_minor AS net_minor
      FROM snapshots_ahead w WHERE {_AHEAD} AND w.rule = ANY(%(rules)s)
    UNION ALL
    SELECT j.effective_at, CASE e.side WHEN 'credit' THEN e.amount_minor ELSE -e.amount_minor END
      FROM entries e LEFT JOIN seals s ON s.journal_position = e.journal_position AND s.shard = %(shard)s
      JOIN journals j ON j.position = e.journal_position AND j.effective_at >= %(before)s
       AND j.rule = ANY(%(rules)s)
     WHERE {_BEHIND}
 ) m
 WHERE a.family = %(family)s AND a.owner = %(owner)s AND (%(currency)s::text IS NULL OR a.currency = %(currency)s)
 GROUP BY a.currency, date_trunc('day', m.effective_at, 'UTC') HAVING sum(m.net_minor) <> 0
) t WHERE t.nth <= %(days_max)s ORDER BY t.currency, t.available_on
"""
_PAGE: Final = """(
    SELECT * FROM accounts WHERE account_id > %(after)s
       AND (%(family)s::text IS NULL OR family = %(family)s) AND (%(owner)s::text IS NULL OR owner = %(owner)s)
       AND (%(currency)s::text IS NULL OR currency = %(currency)s)
)"""
_OF_OWNER: Final = """(
    SELECT * FROM accounts WHERE owner = %(owner)s AND family = ANY(%(families)s)
       AND (%(currency)s::text IS NULL OR currency = %(currency)s)
)"""
_IN_CURRENCY: Final = "(SELECT * FROM accounts WHERE %(currency)s::text IS NULL OR currency = %(currency)s)"
_ONE: Final = """(
    SELECT * FROM accounts WHERE family = %(family)s AND owner = %(owner)s AND currency = %(currency)s
)"""


class SqlBalances:
    """Every answer from one read-only snapshot of the database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine.execution_options(postgresql_readonly=True)

    def sealed(self) -> int:
        """How far the chain is."""
        return int(self._all(_SEALED, {"shard": SHARD})[0][0])

    def position_before(self, time: datetime) -> int:
        """How many journals were sealed before this time."""
        return int(self._all(_POSITION_BEFORE, {"shard": SHARD, "time": time})[0][0])

    def account(self, account: AccountRef, moment: Moment) -> AccountBalance | None:
        """One account's sums, or None where nothing was booked on it at that moment."""
        found = self._sums(_ONE, moment, **account._asdict())
        return found[0] if found else None

    def of_owner(
        self, owner: str, families: tuple[str, ...], currency: str | None, moment: Moment
    ) -> list[AccountBalance]:
        """An owner's accounts of these families that had any entry."""
        return self._sums(_OF_OWNER, moment, owner=owner, families=list(families), currency=currency)

    def accounts_page(
        self, *, family: str | None, owner: str | None, currency: str | None, after: int, limit: int,
        moment: Moment,
    ) -> list[AccountBalance]:  # fmt: skip
        """Accounts in the order of their ids, which never changes."""
        query, values = sums_of(_PAGE, moment)
        asked = {"family": family, "owner": owner, "currency": currency, "after": after, "limit": limit}
        return self._read(f"{query} ORDER BY a.account_id LIMIT %(limit)s", {**values, **asked})

    def families(self, currency: str | None, moment: Moment) -> list[TrialBalanceLine]:
        """All accounts, summed by currency and family."""
        query, values = sums_of(_IN_CURRENCY, moment)
        rows = self._all(
            "SELECT currency, family, sum(debit_minor), sum(credit_minor), count(*)"
            f" FROM ({query}) AS sums GROUP BY 1, 2 ORDER BY 1, 2",
            {**values, "currency": currency},
        )
        return [
            TrialBalanceLine(
                currency=code,
                family=family,
                debit_minor=int(debit),
                credit_minor=int(credit),
                balance_minor=balance_on_normal_side(family, int(debit), int(credit)),
                accounts=count,
            )
            for code, family, debit, credit, count in rows
        ]

    def arrivals(
        self, owner: str, currency: str | None, since: datetime, as_of: int | None
    ) -> dict[str, list[Arrival]]:
        """What of captures becomes available to a merchant from ``since`` on, by currency and day, earliest first.

        Of at most ``ARRIVAL_DAYS_MAX`` days in each currency.
        """
        values = values_of(Moment(as_of=as_of, effective_before=since))
        found: dict[str, list[Arrival]] = {}
        asked = {
            "family": MA.name,
            "owner": owner,
            "currency": currency,
            "rules": _ARRIVES,
            "days_max": ARRIVAL_DAYS_MAX,
        }
        for code, at, net_minor in self._all(_ARRIVALS, {**values, **asked}):
            found.setdefault(code, []).append(Arrival(available_on=at, amount_minor=int(net_minor)))
        return found

    def _sums(self, accounts: str, moment: Moment, **asked: Any) -> list[AccountBalance]:
        query, values = sums_of(accounts, moment)
        return self._read(query, {**values, **asked})

    def _read(self, query: str, values: dict[str, Any]) -> list[AccountBalance]:
        return [
            AccountBalance(
                account_id=account_id,
                family=family,
                owner=owner,
                currency=currency,
                debit_minor=int(debit),
                credit_minor=int(credit),
                balance_minor=balance_on_normal_side(family, int(debit), int(credit)),
            )
            for account_id, family, owner, currency, debit, credit in self._all(query, values)
        ]

    def _all(self, query: str, values: dict[str, Any]) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.exec_driver_sql(query, values).all())


def balance_in(connection: sa.Connection, account: AccountRef, moment: Moment) -> int:
    """An account's balance on its normal side, as this transaction sees it."""
    query, values = sums_of(_ONE, moment)
    row = connection.exec_driver_sql(query, {**values, **account._asdict()}).one_or_none()
    return (
        0 if row is None else balance_on_normal_side(row.family, int(row.debit_minor), int(row.credit_minor))
    )


def sums_of(accounts: str, moment: Moment) -> tuple[str, dict[str, Any]]:
    """The query of sums over these accounts, and its values but those of ``accounts``."""
    by_effect = moment.effective_before is not None
    query = _SUMS.format(
        accounts=accounts,
        base=_BASE_OF[by_effect],
        not_yet=_NOT_YET if by_effect else _NOTHING_AHEAD,
        effective=_EFFECTIVE_JOIN if by_effect else "",
    )
    return query, values_of(moment)


def values_of(moment: Moment) -> dict[str, Any]:
    """What the queries of a moment ask for."""
    return {
        "shard": SHARD,
        "as_of": LAST if moment.as_of is None else moment.as_of,
        "unsealed": moment.as_of is None,
        "before": moment.effective_before,
    }
