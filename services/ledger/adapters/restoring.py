"""What people decided of adjustments, read from a refill of the ledger's own topic and booked again.

Floors and ceilings were looked at when it was approved, and books that are being filled hold other money beside it: the
owner of the tables takes their triggers down within each transaction that restores, where nobody else can use the gap.
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
from services.ledger.adapters.topic_records import records_of
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.restore_adjustment import Decision, restore_adjustment
from services.ledger.domain.adjustment_templates import PARAMETERS
from services.ledger.domain.adjustments import Adjustment
from services.ledger.domain.journal import Cause
from shared.kernel.decisions import DecisionState
from shared.messaging.envelope import Event, event_of, read_envelope
from shared.messaging.topics import refill_topic
from shared.persistence.unit_of_work import Transactions

if TYPE_CHECKING:
    from shared.messaging.broker import Broker

CONSUMER: Final = "ledger"
BATCH_DECISIONS: Final = 200
"""One transaction's worth: each is a journal of two entries, and the adjustments' table is locked meanwhile."""
_TYPES: Final = ("AdjustmentDecided.v1", "OperatorActed.v1")
_KEYS: Final = "adj_"
"""Of streams that say what people did to adjustments."""
_APPROVAL: Final = "adjustment_approved"

_BOUNDS: Final = ("adjustment_floor", "adjustment_ceiling")
_BOUNDS_DOWN: Final = "ALTER TABLE adjustments " + ", ".join([f"DISABLE TRIGGER {name}" for name in _BOUNDS])
# A table with checks that wait for COMMIT is not altered: they are made before.
_CHECK_NOW: Final = "SET CONSTRAINTS ALL IMMEDIATE"
_BOUNDS_UP: Final = "ALTER TABLE adjustments " + ", ".join([f"ENABLE TRIGGER {name}" for name in _BOUNDS])


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """How many decisions were booked again, how many stood there already, and approvals that no event tells whole."""

    restored: int
    known: int
    untold: tuple[str, ...]


def restore_decisions(broker: Broker, owner: Transactions[LedgerUnitOfWork]) -> Restored:
    """Book what the refill of ``ledger.events`` tells; as often as wanted. ``owner`` are transactions of the owner.

    Only behind ``take_over_told``, which finds whether its streams are whole. Held in memory meanwhile: what people did
    by hand. Raises ``Rejected`` where it contradicts the books.
    """
    streams = _streams(broker)
    told = [_decision(last) for stream in streams.values() if (last := _decided(stream))]
    untold = [key for key, stream in streams.items() if not _decided(stream) and _is_approved(stream)]
    # A reversal names what it reverses, which has to be there.
    told.sort(key=lambda decision: decision.adjustment.reverses_adjustment_id is not None)
    restored = 0
    for first in range(0, len(told), BATCH_DECISIONS):
        batch = told[first : first + BATCH_DECISIONS]
        restored += owner.run(partial(_restore, batch), name="restore adjustments")
    return Restored(restored=restored, known=len(told) - restored, untold=tuple(sorted(untold)))


def _restore(batch: Sequence[Decision], uow: LedgerUnitOfWork) -> int:
    uow.connection.exec_driver_sql(_BOUNDS_DOWN)
    restored = sum([restore_adjustment(decision, uow) for decision in batch])
    uow.flush()
    uow.connection.exec_driver_sql(_CHECK_NOW)
    uow.connection.exec_driver_sql(_BOUNDS_UP)
    return restored


def _streams(broker: Broker) -> Mapping[str, Sequence[Event]]:
    """What was told of each adjustment; told twice where the topic was refilled twice."""
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for record in records_of(broker, refill_topic(TOPIC, CONSUMER), _TYPES):
        envelope = read_envelope(record)
        if envelope.key.startswith(_KEYS):
            data = catalogue.decode(TOPIC, envelope.type_and_version, envelope.payload)
            found[envelope.key].append(event_of(envelope, data))
    return found


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
