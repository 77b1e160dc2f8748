"""Open clearing keys in PostgreSQL: read set-based, and kept small by folding off the hot path.

Booking only appends entries. The folder adds those that are decided (at or below the settled position of the seals,
where nothing can appear any more) to one row per open key and drops the rows that came back to zero; a read takes
these rows and the entries behind them in one snapshot. So a read is right wherever the folder is, and costs what is
open, not what was ever booked.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from services.ledger.adapters.long_reads import long_read
from services.ledger.app.clearing import ClearingWanted, OpenKey, OpenSum
from services.ledger.domain.chart import AccountRef, R, balance_on_normal_side
from shared.kernel.clock import SystemClock
from shared.persistence.unit_of_work import Transactions
from shared.runtime import metric_names
from shared.runtime.metrics import Samples, probe

if TYPE_CHECKING:
    from services.ledger.adapters.unit_of_work import LedgerUnitOfWork

FOLDED_JOURNALS_MAX: Final = 5_000
"""One transaction's worth: some ten thousand entries, tens of milliseconds."""
SUMS_KEPT_S: Final = 5.0
"""Three gauges are read at every scrape, from one query."""

_SIGNED: Final = "CASE e.side WHEN 'debit' THEN e.amount_minor ELSE -e.amount_minor END"
_BEHIND: Final = f"""
SELECT e.account_id, e.clearing_key, sum({_SIGNED}) AS net_minor, min(j.booked_at) AS since
  FROM entries AS e JOIN journals AS j ON j.position = e.journal_position
 WHERE e.clearing_key IS NOT NULL AND e.journal_position > {{after}} AND e.journal_position <= {{until}}
 GROUP BY e.account_id, e.clearing_key
"""
_ALL_BEHIND: Final = _BEHIND.format(after="%(folded)s", until="9223372036854775807")
_FOLDED: Final = "SELECT coalesce(max(folded_position), 0) FROM clearing_progress"
# How much is behind a position only the position itself tells: a plan for any of them would scan the books.
_PLAN_EACH: Final = "SET LOCAL plan_cache_mode = force_custom_plan"
# A match is looked up per open key: nearly none has one, and its table is asked by its primary key.
_OPEN: Final = f"""
WITH every AS (
    SELECT account_id, clearing_key, net_minor, since FROM clearing_keys
    UNION ALL {_ALL_BEHIND}
), keyed AS (
    SELECT e.account_id, a.family, a.owner, a.currency, e.net_minor, e.since,
           coalesce((SELECT m.clearing_key FROM line_matches AS m
                      WHERE a.family = '{R.name}' AND e.clearing_key LIKE 'line:%%' AND m.line_key = e.clearing_key
                      ORDER BY m.revision DESC, m.number DESC LIMIT 1), e.clearing_key) AS clearing_key
      FROM every AS e JOIN accounts AS a USING (account_id)
     WHERE a.transitional AND (%(family)s::text IS NULL OR a.family = %(family)s)
       AND (%(currency)s::text IS NULL OR a.currency = %(currency)s)
), open AS (
    SELECT account_id, family, owner, currency, clearing_key, sum(net_minor) AS net_minor, min(since) AS since,
           floor(extract(epoch FROM clock_timestamp() - min(since)))::bigint AS age_s
      FROM keyed GROUP BY account_id, family, owner, currency, clearing_key HAVING sum(net_minor) <> 0
)
"""
_KEYS: Final = f"""{_OPEN}
SELECT account_id, family, owner, currency, clearing_key, net_minor, since, age_s FROM open
 WHERE age_s >= %(min_age_s)s AND (%(after_since)s::timestamptz IS NULL OR (since, account_id, clearing_key COLLATE "C")
                                   > (%(after_since)s, %(after_account)s::bigint, %(after_key)s))
 ORDER BY since, account_id, clearing_key COLLATE "C" LIMIT %(limit)s
"""
_SUMS: Final = f"""{_OPEN}
SELECT family, currency, count(*) AS keys, sum(abs(net_minor)) AS open_minor, max(age_s) AS oldest_s
  FROM open WHERE age_s >= %(min_age_s)s GROUP BY family, currency ORDER BY family, currency
"""
# Beside others' commits, how far is folded and what is behind it are read by one statement.
_UNDER: Final = f"""{_OPEN.replace("%(folded)s", f"({_FOLDED})")}
SELECT coalesce(sum(net_minor), 0) FROM open WHERE owner = %(owner)s AND clearing_key = %(clearing_key)s
"""

_BEGUN: Final = "SELECT 1 FROM clearing_progress"
_BEGIN: Final = "INSERT INTO clearing_progress (folded_position) VALUES (0) ON CONFLICT DO NOTHING"
_LEASE: Final = "SELECT folded_position FROM clearing_progress FOR UPDATE SKIP LOCKED"
_SETTLED: Final = "SELECT coalesce(min(settled_position), 0) FROM seal_shards"
_UNTIL: Final = """
SELECT coalesce(max(position), %(settled)s), count(*) FROM (
    SELECT position FROM journals WHERE position > %(folded)s AND position <= %(settled)s
     ORDER BY position LIMIT %(limit)s) AS next
"""
# One statement, one snapshot: a key is either dropped or written, never both.
_FOLD: Final = f"""
WITH news AS MATERIALIZED ({_BEHIND.format(after="%(folded)s", until="%(until)s")}),
gone AS (
    DELETE FROM clearing_keys AS k USING news AS n
     WHERE k.account_id = n.account_id AND k.clearing_key = n.clearing_key AND k.net_minor + n.net_minor = 0
    RETURNING k.account_id, k.clearing_key
), kept AS (
    INSERT INTO clearing_keys AS k (account_id, clearing_key, net_minor, since)
    SELECT n.account_id, n.clearing_key, n.net_minor, n.since FROM news AS n
     WHERE n.net_minor <> 0
       AND NOT EXISTS (SELECT FROM gone AS g
                        WHERE g.account_id = n.account_id AND g.clearing_key = n.clearing_key)
     ORDER BY n.account_id, n.clearing_key
    ON CONFLICT (account_id, clearing_key) DO UPDATE SET net_minor = k.net_minor + excluded.net_minor
)
UPDATE clearing_progress SET folded_position = %(until)s
"""


def _is_behind(uow: LedgerUnitOfWork) -> bool:
    folded = uow.connection.exec_driver_sql(_FOLDED).scalar_one()
    return bool(uow.connection.exec_driver_sql(_SETTLED).scalar_one() > folded)


def net_under(connection: sa.Connection, account: AccountRef, clearing_key: str) -> int:
    """Debits less credits of an account that count under a key today, as this transaction sees them."""
    values = {**account._asdict(), "clearing_key": clearing_key}
    return int(connection.exec_driver_sql(_UNDER, values).scalar_one())


class SqlClearing:
    """Reads for people and gauges."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def open_keys(self, wanted: ClearingWanted) -> list[OpenKey]:
        """Keys that are not at zero, the oldest first."""
        return [
            OpenKey(
                account_id=row.account_id,
                family=row.family,
                owner=row.owner,
                currency=row.currency,
                clearing_key=row.clearing_key,
                balance_minor=balance_on_normal_side(row.family, int(row.net_minor), 0),
                since=row.since,
                age_s=row.age_s,
            )
            for row in self._rows(_KEYS, wanted)
        ]

    def open_sums(self, wanted: ClearingWanted) -> list[OpenSum]:
        """Their number, sum and greatest age, by family and currency."""
        return [
            OpenSum(
                family=row.family,
                currency=row.currency,
                keys=row.keys,
                open_minor=int(row.open_minor),
                oldest_s=row.oldest_s,
            )
            for row in self._rows(_SUMS, wanted)
        ]

    def _rows(self, query: str, wanted: ClearingWanted) -> list[sa.Row[Any]]:
        with long_read(self._engine) as connection:
            connection.exec_driver_sql(_PLAN_EACH)
            folded = connection.exec_driver_sql(_FOLDED).scalar_one()
            values = {name: value for name, value in asdict(wanted).items() if name != "after"}
            after = wanted.after
            values |= {
                "folded": folded,
                "after_since": None if after is None else after.since,
                "after_account": None if after is None else after.of,
                "after_key": None if after is None else after.name,
            }
            return list(connection.exec_driver_sql(query, values))


class ClearingFolder:
    """One process's folder. Several may run: a turn that finds another one at work does nothing."""

    def __init__(
        self, transactions: Transactions[LedgerUnitOfWork], journals_max: int = FOLDED_JOURNALS_MAX
    ) -> None:
        self._transactions = transactions
        self._journals_max = journals_max

    def turn(self) -> bool:
        """Fold what is decided; true if there is more."""
        # Asked first by a reading transaction: an idle folder writes nothing and syncs nothing.
        behind = self._transactions.read(_is_behind, name="look for clearing keys")
        return behind and self._transactions.run(
            lambda uow: self._fold(uow.connection), name="fold clearing keys"
        )

    def _fold(self, connection: sa.Connection) -> bool:
        if connection.exec_driver_sql(_BEGUN).first() is None:
            connection.exec_driver_sql(_BEGIN)
        folded = connection.exec_driver_sql(_LEASE).scalar()
        settled = connection.exec_driver_sql(_SETTLED).scalar_one()
        if folded is None or settled <= folded:
            return False
        values = {"folded": folded, "settled": settled, "limit": self._journals_max}
        until, journals = connection.exec_driver_sql(_UNTIL, values).one()
        connection.exec_driver_sql(_PLAN_EACH)
        connection.exec_driver_sql(_FOLD, {"folded": folded, "until": until})
        return bool(journals == self._journals_max)


def watch_clearing(clearing: SqlClearing) -> None:
    """Register the gauges of what is open; call once, where HTTP is served."""
    kept = _KeptSums(clearing)

    def samples(name: str) -> Samples:
        return {(each.family, each.currency): float(getattr(each, name)) for each in kept.read()}

    probe(metric_names.CLEARING_OPEN_KEYS, lambda: samples("keys"))
    probe(metric_names.CLEARING_OPEN_MINOR, lambda: samples("open_minor"))
    probe(metric_names.CLEARING_OLDEST_S, lambda: samples("oldest_s"))


class _KeptSums:
    """One reading for the gauges of one scrape."""

    def __init__(self, clearing: SqlClearing) -> None:
        self._clearing = clearing
        self._clock = SystemClock()
        self._read_at_s: float | None = None
        self._sums: list[OpenSum] = []

    def read(self) -> list[OpenSum]:
        now_s = self._clock.monotonic_s()
        if self._read_at_s is None or now_s - self._read_at_s > SUMS_KEPT_S:
            self._sums, self._read_at_s = self._clearing.open_sums(ClearingWanted()), now_s
        return self._sums
