"""Which payment events risk judges, and how many per transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.generated import OperationRequestedV1
from services.risk.adapters.unit_of_work import RiskUnitOfWork
from services.risk.app.decide_operation import AskedOperation, decide_operation, load_batch
from services.risk.domain.attempts import Attempt, OperationType
from shared.messaging.envelope import Event
from shared.messaging.routes import BatchLimits, Routes

TOPIC: Final = "payment.events"
#: Somebody waits for every one of them: small batches, soon committed.
BATCH_MESSAGES_MAX: Final = 100
BATCH_TARGET_MS: Final = 50
_JUDGED: Final = frozenset(kind.value for kind in OperationType)


def asked_of(event: Event) -> AskedOperation | None:
    """The operation that an event asks about; None where the rules have nothing to say of its kind."""
    said: OperationRequestedV1 = event.data
    if said.operation_type not in _JUDGED or said.amount_minor is None:
        return None
    attempt = Attempt(
        operation_id=said.operation_id,
        payment_id=said.payment_id,
        # Producers that do not say it yet ask for no decision either.
        payment_version=said.payment_version or 1,
        merchant_id=said.merchant_id,
        operation_type=OperationType(said.operation_type),
        amount_minor=said.amount_minor,
        currency=said.currency,
        at=event.time,
        customer=said.customer,
        payment_method=said.payment_method,
    )
    return AskedOperation(attempt=attempt, cause_event_id=event.event_id, waits=said.decide_by_at is not None)


def load(events: Sequence[Event], uow: RiskUnitOfWork) -> None:
    """Count for the whole batch at once."""
    load_batch([asked for event in events if (asked := asked_of(event)) is not None], uow)


def on_operation_requested(event: Event, uow: RiskUnitOfWork) -> None:
    """Judge it, where somebody waits."""
    asked = asked_of(event)
    if asked is not None:
        decide_operation(asked, uow)


ROUTES: Final[Routes[RiskUnitOfWork]] = Routes(
    consumer="risk",
    handlers={(TOPIC, "OperationRequested", 1): on_operation_requested},
    prepare=load,
    limits=BatchLimits(max_records=BATCH_MESSAGES_MAX, target_ms=BATCH_TARGET_MS),
)
