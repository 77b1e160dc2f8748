"""Ask for a look-up because somebody reads a doubtful payment."""

from dataclasses import dataclass

from services.payment.app.apply_fact import ask_look_up
from services.payment.app.find_payment import merchants_moment, merchants_payment
from services.payment.app.ports import PaymentUnit
from services.payment.domain.operations import IN_DOUBT


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLookUp:
    """Who reads what."""

    merchant_id: str
    mode: str
    payment_id: str
    request_id: str


def request_look_up(command: RequestLookUp, uow: PaymentUnit) -> int:
    """Look up what is in doubt, at most once per operation and five seconds; tell how many were asked for."""
    payment = merchants_payment(uow, command.payment_id, command.merchant_id, command.mode)
    moment = merchants_moment(uow, command.request_id)
    doubts = [operation for operation in payment.operations.values() if operation.state in IN_DOUBT]
    return sum(ask_look_up(payment, operation, "payment_read", moment) for operation in doubts)
