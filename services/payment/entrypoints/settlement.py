"""What reconciliation tells of settlement lines, in the domain's words."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.generated import (
    SettlementLineAcceptedV1,
    SettlementLineAmendedV1,
    SettlementLineMatchedV1,
    SettlementLineUnmatchedV1,
)
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.apply_settlement_line import apply_settlement_line
from services.payment.domain.settling import SettlementLine
from shared.messaging.envelope import Event

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


def load_lines(events: Sequence[Event], uow: PaymentUnitOfWork) -> set[str]:
    """Read the batch's lines as they stand; the payments whose lines must be read once they are locked."""
    told = [event.data for event in events if isinstance(event.data, Told)]
    if not told:
        return set()
    before = uow.settlement.load(sorted({line_of(line).key for line in told}))
    return before | {line.payment_id for line in told if line.payment_id}
