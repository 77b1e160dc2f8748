"""Which events reconciliation builds our side from, which answer it, and how many per transaction."""

from __future__ import annotations

from typing import Final

from msgspec.structs import asdict

from schemas.generated import (
    AdjustmentAnsweredV1,
    JournalPostedV1,
    StrayReturnAnsweredV1,
    StrayReturnFailedV1,
    StrayReturnSucceededV1,
)
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.hear_answers import Answer, ReturnResult
from services.reconciliation.app.our_side import HEARD, JournalFact, hear_event
from services.reconciliation.domain.break_life import Outcome
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


def on_return_answered(event: Event, uow: ReconciliationUnitOfWork) -> None:
    """Hear what payment makes of a return that was asked for."""
    said: StrayReturnAnsweredV1 = event.data
    uow.answers.hear(_answer(event, said, named=said.operation_id))


def on_adjustment_answered(event: Event, uow: ReconciliationUnitOfWork) -> None:
    """Hear what the ledger makes of an adjustment that was asked for."""
    said: AdjustmentAnsweredV1 = event.data
    uow.answers.hear(_answer(event, said, named=said.journal_id or said.adjustment_id))


def _answer(event: Event, said: StrayReturnAnsweredV1 | AdjustmentAnsweredV1, *, named: str | None) -> Answer:
    return Answer(
        event_id=event.event_id,
        asked_event_id=said.proposal_event_id,
        break_id=said.break_id,
        outcome=Outcome(said.outcome),
        named=named,
        reason=said.reason,
        answered_at=event.time,
    )


def on_return_result(event: Event, uow: ReconciliationUnitOfWork) -> None:
    """Hear what became of a return, which is an item of ours, too."""
    on_payment_event(event, uow)
    said: StrayReturnSucceededV1 | StrayReturnFailedV1 = event.data
    succeeded = isinstance(said, StrayReturnSucceededV1)
    uow.answers.hear_result(
        ReturnResult(
            event_id=event.event_id,
            operation_id=said.operation_id,
            outcome=Outcome.APPLIED if succeeded else Outcome.REFUSED,
            reason=None if succeeded else "the return failed",
            answered_at=event.time,
        )
    )


_HANDLERS: Final[dict[RouteKey, Handler[ReconciliationUnitOfWork]]] = {
    **{("payment.events", event_type, 1): on_payment_event for event_type in sorted(HEARD)},
    ("payment.events", "StrayReturnAnswered", 1): on_return_answered,
    ("payment.events", "StrayReturnSucceeded", 1): on_return_result,
    ("payment.events", "StrayReturnFailed", 1): on_return_result,
    ("ledger.events", "AdjustmentAnswered", 1): on_adjustment_answered,
    ("ledger.events", "JournalPosted", 1): on_journal_posted,
}
ROUTES: Final[Routes[ReconciliationUnitOfWork]] = Routes(
    consumer="reconciliation",
    handlers=_HANDLERS,
    limits=BatchLimits(max_records=BATCH_MESSAGES_MAX),
)
