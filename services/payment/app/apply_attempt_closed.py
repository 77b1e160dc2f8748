"""Apply AttemptClosed: nothing of ours will send the operation again."""

from dataclasses import dataclass

from services.payment.app.find_operation import reported_operation
from services.payment.app.ports import PaymentUnit
from services.payment.domain.answering import note_closed
from services.payment.domain.changes import Moment
from services.payment.domain.status import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyAttemptClosed:
    """Which attempt was closed, and why."""

    payment_id: str
    operation_id: str
    reason: str
    #: Whether the processor may know of the operation: sent, and not every send proved undone.
    ever_sent: bool
    cause_id: str


def apply_attempt_closed(command: ApplyAttemptClosed, uow: PaymentUnit) -> None:
    """The only way to ABANDONED once a command is out."""
    payment, operation = reported_operation(uow, command.payment_id, command.operation_id)
    moment = Moment(now=uow.now, cause_id=command.cause_id, ids=uow.ids, source=Source.REPLY)
    note_closed(payment, operation, command.reason, moment, ever_sent=command.ever_sent)
