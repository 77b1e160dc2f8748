"""What is told of records that two people drop without their effect: who asked by one is answered, others are not."""

from __future__ import annotations

from schemas.generated import StrayReturnProposedV1
from services.payment.adapters.notes import Note
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.let_go_of_return import LET_GO, let_go_of_return
from shared.messaging.envelope import Event
from shared.runtime.operations import Act


def let_go(uow: PaymentUnitOfWork, event: Event, act: Act) -> None:
    """Answer a return that was asked for; in the transaction that drops it."""
    said = event.data
    if not isinstance(said, StrayReturnProposedV1):
        return
    if let_go_of_return(said.payment_id, said.break_id, event.event_id, uow):
        uow.notes.add(
            Note(
                cause_id=event.event_id,
                payment_id=said.payment_id,
                kind="return_proposed",
                result=LET_GO,
                detail=f"{said.object_id}: {act.actor}: {act.reason}"[:512],
                at=uow.now,
            )
        )
