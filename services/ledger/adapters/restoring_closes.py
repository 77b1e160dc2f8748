"""Closes of months from a refill of the ledger's own topic: kept while books are filled, made again at the end.

What the old books closed is closed for whatever they never told of, from the first journal on. The month itself is
closed again on the new chain once every journal that was told to take effect before its end is in the books as it was
told: a close says that everything in it is sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from schemas import catalogue
from schemas.generated import OperatorActedV1, PeriodCloseDecidedV1
from services.ledger.adapters.periods import closed_periods
from services.ledger.adapters.publishing import TOPIC
from services.ledger.adapters.restoring import CONSUMER
from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.topic_records import records_of
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.period_ports import ClosedPeriod
from services.ledger.app.restore_close import restore_close
from shared.kernel.decisions import DecisionState
from shared.kernel.months import Month, PeriodClose
from shared.messaging.envelope import read_envelope
from shared.messaging.topics import refill_topic
from shared.persistence.arrays import text_array, time_array
from shared.persistence.unit_of_work import Transactions

if TYPE_CHECKING:
    from shared.messaging.broker import Broker

_TYPES: Final = ("PeriodCloseDecided.v1", "OperatorActed.v1")
_CLOSED: Final = "period_closed"
_KEEP: Final = """
INSERT INTO told_closes (close_id, period, ends_at)
SELECT * FROM unnest(%(close_ids)s::text[], %(periods)s::text[], %(ends)s::timestamptz[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredCloses:
    """How many closes were stored again, how many were there already, and which are not made again.

    ``anew`` are months that people closed here meanwhile, with theirs or a later one. ``waiting`` are months that
    cannot be closed yet: something that was told in or before them is not in the books. ``untold`` are closes that no
    event tells whole.
    """

    restored: int
    known: int
    anew: tuple[str, ...]
    waiting: tuple[str, ...]
    untold: tuple[str, ...]


def keep_told_closes(connection: sa.Connection, told: Sequence[PeriodCloseDecidedV1]) -> None:
    """Remember which months the old books had closed, each once; by the tables' owner."""
    closed = [each for each in told if each.state == DecisionState.APPROVED.value]
    if closed:
        values = {
            "close_ids": text_array([each.close_id for each in closed]),
            "periods": text_array([each.period for each in closed]),
            "ends": time_array([Month.read(each.period).ends_at for each in closed]),
        }
        connection.exec_driver_sql(_KEEP, values)


def restore_closes(
    broker: Broker, app: Transactions[LedgerUnitOfWork], since: datetime | None
) -> RestoredCloses:
    """Close again what the refill of ``ledger.events`` tells and is whole before ``since``; as often as wanted.

    Only behind everything else of a rebuild: what is booked is sealed here first. Raises ``Rejected`` where a close
    contradicts the books.
    """
    told, acts = _told(broker)
    here = app.read(lambda uow: closed_periods(uow.connection), name="closed months")
    approved = [close for close in told if close.state is DecisionState.APPROVED]
    anew = _closed_anew(approved, here)
    waiting = [close.period for close in approved if close.period not in anew and not _is_whole(close, since)]
    ready = [close for close in told if close not in approved or close.period not in (*anew, *waiting)]
    if len(here) < sum(close in approved for close in ready):
        sealer = Sealer(app)  # without a key: nothing is told
        while sealer.turn():
            pass
    restored = sum(app.run(partial(restore_close, close), name="restore close") for close in ready)
    return RestoredCloses(
        restored=restored,
        known=len(ready) - restored,
        anew=anew,
        waiting=tuple(waiting),
        untold=tuple(sorted(acts - {close.close_id for close in told})),
    )


def _closed_anew(approved: Sequence[PeriodClose], here: Sequence[ClosedPeriod]) -> tuple[str, ...]:
    known = {closed.close_id for closed in here}
    until = max((closed.period for closed in here), default="")
    return tuple(close.period for close in approved if close.close_id not in known and close.period <= until)


def _is_whole(close: PeriodClose, since: datetime | None) -> bool:
    return since is None or Month.read(close.period).ends_at <= since


def _told(broker: Broker) -> tuple[list[PeriodClose], set[str]]:
    """Every close that was decided, in the order of months, and the ids of those that somebody approved."""
    found: dict[str, PeriodClose] = {}
    acts = set()
    for record in records_of(broker, refill_topic(TOPIC, CONSUMER), _TYPES):
        envelope = read_envelope(record)
        data = catalogue.decode(TOPIC, envelope.type_and_version, envelope.payload)
        if isinstance(data, PeriodCloseDecidedV1):
            found[data.close_id] = _close(data)
        elif isinstance(data, OperatorActedV1) and data.action == _CLOSED:
            acts.add(data.target)
    return sorted(found.values(), key=lambda close: (close.period, close.close_id)), acts


def _close(told: PeriodCloseDecidedV1) -> PeriodClose:
    return PeriodClose(
        close_id=told.close_id,
        period=told.period,
        reason=told.reason,
        state=DecisionState(told.state),
        proposed_by=told.proposed_by,
        proposed_at=told.proposed_at,
        decided_by=told.decided_by,
        decided_at=told.decided_at,
        decision_reason=told.decision_reason,
    )
