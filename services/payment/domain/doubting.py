"""What is announced when an operation falls into doubt, and when the doubt ends."""

from services.payment.domain.events import OperationResolved, OperationUncertain
from services.payment.domain.operations import Operation


def in_doubt(operation: Operation, currency: str) -> OperationUncertain:
    """Nobody knows whether it happened."""
    return OperationUncertain(
        operation_id=operation.operation_id,
        operation_type=operation.published_type,
        direction=operation.direction,
        amount_minor=operation.amount_minor,
        currency=currency,
        processor=operation.processor,
        account=operation.account,
    )


def resolved(operation: Operation, currency: str) -> OperationResolved:
    """It is known how it ended."""
    return OperationResolved(
        operation_id=operation.operation_id,
        operation_type=operation.published_type,
        direction=operation.direction,
        outcome=operation.state.value,
        amount_minor=operation.amount_minor,
        currency=currency,
    )
