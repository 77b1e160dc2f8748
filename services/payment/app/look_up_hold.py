"""Ask what became of a hold whose time to capture has passed: only the processor's word releases it."""

from dataclasses import dataclass

from services.payment.app.apply_fact import look_again
from services.payment.app.find_payment import merchants_moment, merchants_payment
from services.payment.app.ports import PaymentUnit
from services.payment.domain.operations import OperationType


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpHold:
    """Whose refused capture asks for it."""

    merchant_id: str
    mode: str
    payment_id: str
    request_id: str


def look_up_hold(command: LookUpHold, uow: PaymentUnit) -> bool:
    """Look up the operation that made the current hold, at most once in five seconds; tell whether it was asked."""
    payment = merchants_payment(uow, command.payment_id, command.merchant_id, command.mode)
    moment = merchants_moment(uow, command.request_id)
    holder = next(
        (
            operation
            for operation in payment.operations.values()
            if operation.type is OperationType.AUTHORIZE and operation.object_id == payment.authorization_id
        ),
        None,
    )
    if holder is None or payment.authorization_released:
        return False
    return look_again(payment, holder, "authorization_expired", moment)
