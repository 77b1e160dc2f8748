"""Asking that an operation which is wanted no more goes out no more: once of each, whatever is heard of it later."""

from services.payment.domain.changes import Moment
from services.payment.domain.commands import WithdrawOperation
from services.payment.domain.operations import MAY_BE_UNSENT, Operation
from services.payment.domain.payment import Payment


def withdraw_unsent(payment: Payment, operation: Operation, reason: str, moment: Moment) -> None:
    """Ask for it where it may still be sent, at first or again; what it reserved stays so until its end is told.

    The processor's service keeps the wish, so that to ask twice says nothing new.
    """
    if operation.state not in MAY_BE_UNSENT or operation.withdrawal_asked:
        return
    operation.withdrawal_asked = True
    operation.dirty = True
    payment.ask(WithdrawOperation(operation_id=operation.operation_id, reason=reason), moment)
