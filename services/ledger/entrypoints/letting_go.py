"""What is told of records that two people drop without their effect: who asked by one is answered, others are not."""

from __future__ import annotations

from schemas.generated import AdjustmentProposedV1
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.let_go_of_adjustment import let_go_of_adjustment
from shared.messaging.envelope import Event
from shared.runtime.operations import Act


def let_go(uow: LedgerUnitOfWork, event: Event, act: Act) -> None:
    """Answer an adjustment that was asked for; in the transaction that drops it."""
    if isinstance(event.data, AdjustmentProposedV1):
        let_go_of_adjustment(
            event.data.break_id, event.event_id, approved_by=act.actor, reason=act.reason, work=uow
        )
