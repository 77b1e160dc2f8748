"""What people decided of adjustments, read from a refill of the ledger's own topic and booked again.

What was answered to reconciliation is told again with it: the same events in the same places of their streams, so that
nobody hears anew what was heard, and what the new books say next has the next place.

The floor of a payout was looked at when it was approved, and books that are being filled hold other money beside it:
the owner of the tables takes its trigger down within each transaction that restores, where nobody else can use the gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from schemas import catalogue
from schemas.generated import AdjustmentDecidedV1, OperatorActedV1
from services.ledger.adapters.publishing import TOPIC
from services.ledger.adapters.topic_records import check_finished, records_of
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.restore_adjustment import Decision, restore_adjustment
from services.ledger.domain.adjustment_templates import PARAMETERS
from services.ledger.domain.adjustments import Adjustment
from services.ledger.domain.journal import Cause
from shared.kernel.decisions import DecisionState
from shared.kernel.errors import Rejected
from shared.messaging.envelope import Event, event_of, read_envelope
from shared.messaging.topics import refill_topic
from shared.persistence.unit_of_work import Transactions

if TYPE_CHECKING:
    from shared.messaging.broker import Broker

CONSUMER: Final = "ledger"
BATCH_DECISIONS: Final = 200
"""One transaction's worth: each is a journal of two entries, and the adjustments' table is locked meanwhile."""
_TYPES: Final = ("AdjustmentDecided.v1", "OperatorActed.v1", "AdjustmentAnswered.v1")
_KEYS: Final = ("adj_", "brk_")
"""What people do to adjustments, and what is answered of breaks."""
_ANSWERS: Final = "brk_"
_APPROVAL: Final = "adjustment_approved"

_FLOOR_DOWN: Final = "ALTER TABLE adjustments DISABLE TRIGGER adjustment_floor"
# A table with checks that wait for COMMIT is not altered: they are made before.
_CHECK_NOW: Final = "SET CONSTRAINTS ALL IMMEDIATE"
_FLOOR_UP: Final = "ALTER TABLE adjustments ENABLE TRIGGER adjustment_floor"

_TOLD_HERE: Final = (
    "SELECT key, last_version FROM outbox_streams WHERE topic = %(topic)s AND key = ANY(%(keys)s)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """How many decisions were booked again, how many stood there already, and approvals that no event tells whole."""

    restored: int
    known: int
    untold: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Told:
    """One decision with everything that was told under its adjustment's key, in that order."""

    decision: Decision
    events: Sequence[Event]


def restore_decisions(broker: Broker, owner: Transactions[LedgerUnitOfWork]) -> Restored:
    """Book what the refill of ``ledger.events`` tells; as often as wanted. ``owner`` are transactions of the owner.

    Held in memory meanwhile: what people did by hand. Raises ``BrokerError`` where the refill is not whole, and
    ``Rejected`` where it contradicts itself or the books.
    """
    streams = _streams(broker)
    told = [_Told(_decision(last), stream) for stream in streams.values() if (last := _decided(stream))]
    untold = [key for key, stream in streams.items() if not _decided(stream) and _is_approved(stream)]
    # A reversal names what it reverses, which has to be there.
    told.sort(key=lambda each: each.decision.adjustment.reverses_adjustment_id is not None)
    restored = 0
    for first in range(0, len(told), BATCH_DECISIONS):
        batch = told[first : first + BATCH_DECISIONS]
        restored += owner.run(partial(_restore, batch), name="restore adjustments")
    answers = [stream for key, stream in streams.items() if key.startswith(_ANSWERS)]
    for first in range(0, len(answers), BATCH_DECISIONS):
        owner.run(partial(_tell_again, answers[first : first + BATCH_DECISIONS]), name="tell answers again")
    return Restored(restored=restored, known=len(told) - restored, untold=tuple(sorted(untold)))


def _restore(batch: Sequence[_Told], uow: LedgerUnitOfWork) -> int:
    uow.connection.exec_driver_sql(_FLOOR_DOWN)
    restored = [each for each in batch if restore_adjustment(each.decision, uow)]
    _tell_again([each.events for each in restored], uow)
    uow.flush()
    uow.connection.exec_driver_sql(_CHECK_NOW)
    uow.connection.exec_driver_sql(_FLOOR_UP)
    return len(restored)


def _tell_again(streams: Sequence[Sequence[Event]], uow: LedgerUnitOfWork) -> None:
    """What these books have not told yet of each stream, in its order."""
    keys = [stream[0].key for stream in streams]
    rows = uow.connection.exec_driver_sql(_TOLD_HERE, {"topic": TOPIC, "keys": keys})
    here = {str(key): int(last_version) for key, last_version in rows}
    for key, stream in zip(keys, streams, strict=True):
        for event in stream[here.get(key, 0) :]:
            uow.tell_again(event)


def _streams(broker: Broker) -> Mapping[str, Sequence[Event]]:
    """What was told of each adjustment and of each break, in order and without a gap."""
    found: defaultdict[str, dict[int, Event]] = defaultdict(dict)
    refill = refill_topic(TOPIC, CONSUMER)
    check_finished(broker, refill)
    for record in records_of(broker, refill, _TYPES):
        envelope = read_envelope(record)
        if envelope.key.startswith(_KEYS):
            data = catalogue.decode(TOPIC, envelope.type_and_version, envelope.payload)
            found[envelope.key][envelope.stream_version or 0] = event_of(envelope, data)
    for key, stream in found.items():
        if sorted(stream) != list(range(1, len(stream) + 1)):
            raise Rejected("archive_incomplete", f"of {key} the refill has no whole stream", stored=False)
    return {key: [stream[version] for version in sorted(stream)] for key, stream in found.items()}


def _decided(stream: Sequence[Event]) -> AdjustmentDecidedV1 | None:
    return next((event.data for event in stream if isinstance(event.data, AdjustmentDecidedV1)), None)


def _is_approved(stream: Sequence[Event]) -> bool:
    return any(isinstance(event.data, OperatorActedV1) and event.data.action == _APPROVAL for event in stream)


def _decision(told: AdjustmentDecidedV1) -> Decision:
    given = {name: getattr(told, name) for name in PARAMETERS}
    adjustment = Adjustment(
        adjustment_id=told.adjustment_id,
        template=told.template,
        parameters={name: value for name, value in given.items() if value is not None},
        amount_minor=told.amount_minor,
        currency=told.currency,
        reason=told.reason,
        attachment=told.attachment,
        reverses_adjustment_id=told.reverses_adjustment_id,
        asked_event_id=told.asked_event_id,
        state=DecisionState(told.state),
        proposed_by=told.proposed_by,
        proposed_at=told.proposed_at,
        decided_by=told.decided_by,
        decided_at=told.decided_at,
        decision_reason=told.decision_reason,
        journal_id=told.journal_id,
    )
    return Decision(adjustment, Cause(event_id=told.cause_event_id, event_type="OperatorActed", version=1))
