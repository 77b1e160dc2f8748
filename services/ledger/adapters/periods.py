"""Repository of months and their closes, and the turns that posting and closing take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from services.ledger.app.period_ports import ChainEnd, ClosedPeriod
from services.ledger.app.sign_closes import as_published
from services.ledger.domain.closes import SignedClose
from services.ledger.domain.seals import GENESIS, SHARD
from shared.kernel.decisions import DecisionState
from shared.kernel.errors import Rejected
from shared.kernel.months import Month, PeriodClose

_COLUMNS: Final = (
    "close_id", "period", "reason", "state", "proposed_by", "proposed_at", "decided_by", "decided_at",
    "decision_reason",
)  # fmt: skip
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM period_closes"
_ONE: Final = f"{_SELECT} WHERE close_id = %(close_id)s"
_LIST: Final = f"{_SELECT} ORDER BY close_id DESC LIMIT %(limit)s"
_STANDING: Final = "SELECT close_id FROM period_closes WHERE period = %(period)s AND state <> 'REJECTED'"
_ADD: Final = """
INSERT INTO period_closes (close_id, period, reason, state, proposed_by, proposed_at)
VALUES (%(close_id)s, %(period)s, %(reason)s, 'PROPOSED', %(by)s, %(at)s)
"""
_DECIDE: Final = """
UPDATE period_closes SET state = %(state)s, decided_by = %(by)s, decided_at = %(at)s, decision_reason = %(reason)s
 WHERE close_id = %(close_id)s
"""
_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('ledger:closing', 0))"
# The same key as in first_open_at(), which everybody who adds journals calls.
_STOP: Final = "SELECT pg_advisory_xact_lock(hashtextextended('ledger:periods', 0))"
# While it waits, whoever posts waits behind it: not for long, whatever transaction stays open.
_PATIENCE: Final = "SET LOCAL lock_timeout = '1s'"
_OPENS_AT: Final = "SELECT first_open_at()"
# All posting waits while this is read: no table is read through, and from where is a value to the planner. That only
# grows, so an older one lets more be looked at.
_INDEXES_ONLY: Final = "SET LOCAL enable_seqscan = off"
_SETTLED: Final = "SELECT coalesce(min(settled_position), 0) FROM seal_shards"
# In one snapshot: the sealer may go on meanwhile, and what it seals then is behind the end that was seen.
_END: Final = """
SELECT coalesce(max(s.position), 0), coalesce(max(encode(s.hash, 'hex')), %(nothing)s),
       (SELECT count(*) FROM journals j
         WHERE j.position > %(settled)s AND j.effective_at < %(ends_at)s
           AND NOT EXISTS (SELECT FROM seals s
                            WHERE s.journal_position = j.position AND s.journal_position > %(settled)s))
  FROM (SELECT position, hash FROM seals WHERE shard = %(shard)s ORDER BY position DESC LIMIT 1) AS s
"""
_CLOSE: Final = """
INSERT INTO closed_periods (period, close_id, starts_at, ends_at, shard, position, hash, closed_at)
VALUES (%(period)s, %(close_id)s, %(starts_at)s, %(ends_at)s, %(shard)s, %(position)s, %(hash)s, %(at)s)
"""
_CLOSED: Final = """
SELECT c.period, c.close_id, c.starts_at, c.ends_at, c.shard, c.position, c.hash, c.closed_at,
       s.signed_at, s.key_id, s.signature
  FROM closed_periods c LEFT JOIN close_signatures s USING (period)
"""
_ALL_CLOSED: Final = f"{_CLOSED} ORDER BY c.ends_at"
_UNSIGNED: Final = f"{_CLOSED} WHERE s.period IS NULL ORDER BY c.ends_at"
_SIGNATURE: Final = """
INSERT INTO close_signatures (period, signed_at, key_id, signature)
VALUES (%(period)s, %(signed_at)s, %(key_id)s, %(signature)s)
"""


class StoredPeriods:
    """Months of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def opens_at(self) -> datetime | None:
        """The end of the last closed month; holds back closes until this transaction ends."""
        found: datetime | None = self._connection.exec_driver_sql(_OPENS_AT).scalar_one()
        return found

    def take_turn(self) -> None:
        """Queue behind others who close."""
        self._connection.exec_driver_sql(_TURN)

    def stop_posting(self) -> datetime | None:
        """Wait for whoever is posting, for a second at most, and hold back whoever comes."""
        self._connection.exec_driver_sql(_PATIENCE)
        try:
            self._connection.exec_driver_sql(_STOP)
        except sa.exc.OperationalError as failed:
            if not isinstance(failed.orig, psycopg.errors.LockNotAvailable):
                raise
            raise Rejected(
                "period_busy", "something is being posted for long: try again in a moment", stored=False
            ) from None
        return self.opens_at()

    def get(self, close_id: str) -> PeriodClose | None:
        """One close; it stays so after ``take_turn``."""
        row = self._connection.exec_driver_sql(_ONE, {"close_id": close_id}).mappings().one_or_none()
        return None if row is None else _close(row)

    def standing(self, period: str) -> str | None:
        """The close of this month that is proposed or approved."""
        found = self._connection.exec_driver_sql(_STANDING, {"period": period}).scalar()
        return None if found is None else str(found)

    def add(self, close_id: str, period: str, reason: str, *, by: str, at: datetime) -> None:
        """Store a proposal."""
        values = {"close_id": close_id, "period": period, "reason": reason, "by": by, "at": at}
        self._connection.exec_driver_sql(_ADD, values)

    def chain_end(self, ends_at: datetime) -> ChainEnd:
        """The last seal, and what takes effect before ``ends_at`` and is not sealed up to it."""
        self._connection.exec_driver_sql(_INDEXES_ONLY)
        settled = self._connection.exec_driver_sql(_SETTLED).scalar_one()
        values = {"ends_at": ends_at, "shard": SHARD, "nothing": GENESIS.hex(), "settled": settled}
        position, sealed_hash, unsealed = self._connection.exec_driver_sql(_END, values).one()
        return ChainEnd(shard=SHARD, position=position, hash=sealed_hash, unsealed=unsealed)

    def close(self, month: Month, close_id: str, end: ChainEnd, *, at: datetime) -> None:
        """Close the month, resting on that end of the chain."""
        values = {
            "period": str(month), "close_id": close_id, "starts_at": month.starts_at, "ends_at": month.ends_at,
            "shard": end.shard, "position": end.position, "hash": end.hash, "at": at,
        }  # fmt: skip
        self._connection.exec_driver_sql(_CLOSE, values)

    def decide(self, decided: PeriodClose) -> None:
        """Store how it was decided."""
        values = {
            "close_id": decided.close_id,
            "state": decided.state.value,
            "by": decided.decided_by,
            "at": decided.decided_at,
            "reason": decided.decision_reason,
        }
        self._connection.exec_driver_sql(_DECIDE, values)

    def unsigned(self) -> Sequence[ClosedPeriod]:
        """Closed months without a signature, in order."""
        return _closed(self._connection.exec_driver_sql(_UNSIGNED).mappings())

    def add_signature(self, close: SignedClose) -> None:
        """Keep our own copy of what was published."""
        self._connection.exec_driver_sql(_SIGNATURE, close.fields())


def closed_periods(connection: sa.Connection) -> list[ClosedPeriod]:
    """Every closed month, in order."""
    return _closed(connection.exec_driver_sql(_ALL_CLOSED).mappings())


def list_closes(connection: sa.Connection, limit: int) -> list[PeriodClose]:
    """Closes of months, proposed and decided, newest first."""
    return [_close(row) for row in connection.exec_driver_sql(_LIST, {"limit": limit}).mappings()]


def _close(row: Mapping[Any, Any]) -> PeriodClose:
    values = {column: row[column] for column in _COLUMNS}
    return PeriodClose(**{**values, "state": DecisionState(row["state"])})


def _closed(rows: Iterable[Mapping[Any, Any]]) -> list[ClosedPeriod]:
    found = []
    for row in rows:
        values = dict(row)
        signed_at, key_id, signature = (values.pop(name) for name in ("signed_at", "key_id", "signature"))
        closed = ClosedPeriod(**values)
        if signature is not None:
            signed = replace(as_published(closed, signed_at), key_id=key_id, signature=signature)
            closed = replace(closed, signed=signed)
        found.append(closed)
    return found
