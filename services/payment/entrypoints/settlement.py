"""What reconciliation tells of settlement lines, in the domain's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.generated import (
    ObjectReportedV1,
    SettlementLineAcceptedV1,
    SettlementLineAmendedV1,
    SettlementLineMatchedV1,
    SettlementLineUnmatchedV1,
    StrayReturnProposedV1,
    StrayReturnWithdrawnV1,
)
from services.payment.adapters.notes import Note
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.apply_fact import ApplyFact
from services.payment.app.apply_reported_object import apply_reported_object
from services.payment.app.apply_return_proposed import ApplyReturnProposed, apply_return_proposed
from services.payment.app.apply_return_withdrawn import ApplyReturnWithdrawn, apply_return_withdrawn
from services.payment.app.apply_settlement_line import apply_settlement_line
from services.payment.domain.facts import Fact, ObjectType
from services.payment.domain.settling import SettlementLine
from services.payment.domain.status import Source
from shared.messaging.envelope import Event

#: So much of a detail is kept.
DETAIL_MAX: Final = 512
Matched = SettlementLineMatchedV1 | SettlementLineUnmatchedV1
Told = SettlementLineAcceptedV1 | SettlementLineAmendedV1 | Matched


def line_of(told: Told) -> SettlementLine:
    """The line as this event reads it; one whose match was taken back is about nothing of ours."""
    nothing = isinstance(told, SettlementLineUnmatchedV1)
    return SettlementLine(
        source=told.source,
        line_id=told.line_id,
        revision=told.revision,
        match_number=told.match_number if isinstance(told, Matched) else 0,
        processor=told.processor,
        account=told.account,
        category=told.category,
        payment_id=None if nothing else told.payment_id,
        object_id=None if nothing else told.object_id,
        gross_minor=told.gross_minor,
        currency=told.currency,
        available_on=told.available_on,
    )


def on_settlement_line(event: Event, uow: PaymentUnitOfWork) -> None:
    """A line was read, read otherwise, matched, or its match was taken back."""
    apply_settlement_line(line_of(event.data), event.event_id, uow)


def reported_fact(told: ObjectReportedV1) -> Fact:
    """What the report proves, as a fact about the object; its key is the report's own, whichever line says it."""
    return Fact(
        processor=told.processor,
        account=told.account,
        object_type=ObjectType(told.object_type),
        object_id=told.object_id,
        status=told.status,
        amount_minor=told.amount_minor,
        currency=told.currency,
        occurred_at=told.effective_at,
        digest=told.digest,
        fact_key=f"{told.processor}:{told.account}:{told.object_id}:{told.status}:reported",
        reference=told.operation_id,
        payment_id=told.payment_id,
        parent_type="capture" if told.parent_object_id else None,
        parent_id=told.parent_object_id,
    )


def on_object_reported(event: Event, uow: PaymentUnitOfWork) -> None:
    """A settlement report shows money of an object that we hold in doubt, otherwise, or not at all."""
    command = ApplyFact(
        fact=reported_fact(event.data),
        source=Source.SETTLEMENT,
        cause_id=event.event_id,
        received_at=event.time,
        payment_id=event.data.payment_id,
    )
    apply_reported_object(command, uow)


def on_return_proposed(event: Event, uow: PaymentUnitOfWork) -> None:
    """Two people decided to give a charge astray back; what became of it stands on the timeline."""
    said: StrayReturnProposedV1 = event.data
    outcome = apply_return_proposed(
        ApplyReturnProposed(
            break_id=said.break_id,
            payment_id=said.payment_id,
            processor=said.processor,
            account=said.account,
            object_id=said.object_id,
            amount_minor=said.amount_minor,
            currency=said.currency,
            proposed_by=said.proposed_by,
            approved_by=said.approved_by,
            cause_id=event.event_id,
        ),
        uow,
    )
    uow.notes.add(
        Note(
            cause_id=event.event_id,
            payment_id=said.payment_id,
            kind="return_proposed",
            result=outcome,
            detail=f"{said.object_id}: {said.proposed_by}, approved by {said.approved_by} for {said.break_id}",
            at=said.approved_at,
        )
    )


def on_return_withdrawn(event: Event, uow: PaymentUnitOfWork) -> None:
    """Such a return is wanted no more; what could be done about it stands on the timeline."""
    said: StrayReturnWithdrawnV1 = event.data
    outcome = apply_return_withdrawn(
        ApplyReturnWithdrawn(
            break_id=said.break_id,
            payment_id=said.payment_id,
            proposal_event_id=said.proposal_event_id,
            cause_id=event.event_id,
        ),
        uow,
    )
    by = f" by {said.withdrawn_by}" if said.withdrawn_by else ""
    uow.notes.add(
        Note(
            cause_id=event.event_id,
            payment_id=said.payment_id,
            kind="return_withdrawn",
            result=outcome,
            detail=f"withdrawn{by} for {said.break_id}: {said.reason}"[:DETAIL_MAX],
            at=said.withdrawn_at,
        )
    )


def load_lines(events: Sequence[Event], uow: PaymentUnitOfWork) -> set[str]:
    """Read the batch's lines as they stand; the payments whose lines must be read once they are locked."""
    told = [event.data for event in events if isinstance(event.data, Told)]
    if not told:
        return set()
    before = uow.settlement.load(sorted({line_of(line).key for line in told}))
    return before | {line.payment_id for line in told if line.payment_id}
