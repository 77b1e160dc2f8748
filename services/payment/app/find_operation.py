"""Finding the operation that the processor service reports about."""

from services.payment.app.ports import PaymentUnit
from services.payment.domain.operations import Operation
from services.payment.domain.payment import Payment
from shared.kernel.errors import Poison


def reported_operation(uow: PaymentUnit, payment_id: str, operation_id: str) -> tuple[Payment, Operation]:
    """The locked payment and its operation; a report about one that we never asked for can never work."""
    payment = uow.payments.locked(payment_id)
    if payment is None:
        raise Poison(f"payment {payment_id} is not ours")
    operation = payment.operations.get(operation_id)
    if operation is None:
        raise Poison(f"operation {operation_id} is not of payment {payment_id}")
    return payment, operation
