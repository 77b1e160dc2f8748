"""Apply LadderExhausted: nobody could say what became of an operation; a person has to."""

from dataclasses import dataclass

from services.payment.app.find_operation import reported_operation
from services.payment.app.ports import PaymentUnit
from services.payment.domain.answering import note_doubt
from services.payment.domain.changes import Moment
from services.payment.domain.status import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyLadderExhausted:
    """The operation still in doubt."""

    payment_id: str
    operation_id: str
    cause_id: str


def apply_ladder_exhausted(command: ApplyLadderExhausted, uow: PaymentUnit) -> None:
    """IN_REVIEW with a case; duplicates stay blocked."""
    payment, operation = reported_operation(uow, command.payment_id, command.operation_id)
    note_doubt(
        payment,
        operation,
        Moment(now=uow.now, cause_id=command.cause_id, ids=uow.ids, source=Source.POLL),
    )
