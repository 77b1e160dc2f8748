"""Which events reconciliation builds our side from, and how many per transaction."""

from __future__ import annotations

from typing import Final

from msgspec.structs import asdict

from schemas.generated import JournalPostedV1
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.our_side import HEARD, JournalFact, hear_event
from shared.messaging.envelope import Event
from shared.messaging.routes import BatchLimits, Handler, RouteKey, Routes

BATCH_MESSAGES_MAX: Final = 500
"""Enough to spread the commit over many facts, few enough to replay one by one after a poison message."""


def on_payment_event(event: Event, uow: ReconciliationUnitOfWork) -> None:
    """Hear what happened to a payment."""
    hear_event(
        event.event_type, asdict(event.data), event_id=event.event_id, told_at=event.time, side=uow.our_side
    )


def on_journal_posted(event: Event, uow: ReconciliationUnitOfWork) -> None:
    """Hear what was booked."""
    said: JournalPostedV1 = event.data
    uow.our_side.hear_journal(
        JournalFact(
            journal_id=said.journal_id,
            rule=said.rule,
            fact_key=said.fact_key,
            cause_event_id=said.cause_event_id,
            cause_event_type=said.cause_event_type,
            payment_id=said.payment_id,
            currency=said.currency,
            amount_minor=said.amount_minor,
            reverses_journal_id=said.reverses_journal_id,
            effective_at=said.effective_at,
            told_at=event.time,
        )
    )


_HANDLERS: Final[dict[RouteKey, Handler[ReconciliationUnitOfWork]]] = {
    **{("payment.events", event_type, 1): on_payment_event for event_type in sorted(HEARD)},
    ("ledger.events", "JournalPosted", 1): on_journal_posted,
}
ROUTES: Final[Routes[ReconciliationUnitOfWork]] = Routes(
    consumer="reconciliation",
    handlers=_HANDLERS,
    limits=BatchLimits(max_records=BATCH_MESSAGES_MAX),
)
