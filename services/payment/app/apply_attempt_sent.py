"""Apply AttemptSent: a call is about to be made."""

from dataclasses import dataclass

from services.payment.app.find_operation import reported_operation
from services.payment.app.ports import PaymentUnit
from services.payment.domain.answering import note_sent
from services.payment.domain.changes import Moment
from services.payment.domain.status import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyAttemptSent:
    """What was sent."""

    payment_id: str
    operation_id: str
    cause_id: str


def apply_attempt_sent(command: ApplyAttemptSent, uow: PaymentUnit) -> None:
    """REQUESTED becomes SENT; anything known beyond that stays."""
    payment, operation = reported_operation(uow, command.payment_id, command.operation_id)
    note_sent(
        payment,
        operation,
        Moment(now=uow.now, cause_id=command.cause_id, ids=uow.ids, source=Source.REPLY),
    )
