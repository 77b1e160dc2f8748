"""What it means for the payment that one of its operations was declined or given up."""

from services.payment.domain.changes import Moment
from services.payment.domain.events import RefundFailed
from services.payment.domain.facts import ObjectType, ProcessorObject, Role
from services.payment.domain.holding import end_attempt, note_error, settle_release
from services.payment.domain.lifecycle import BEFORE_AUTHORIZATION
from services.payment.domain.operations import ANSWERS, Operation, OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import RefundState
from services.payment.domain.straying import fail_stray_operation


def give_up(
    payment: Payment,
    operation: Operation,
    outcome: OperationState,
    moment: Moment,
    *,
    decline_code: str | None = None,
) -> None:
    """Record DECLINED or ABANDONED, where the table has a way there, and what follows for the payment."""
    if not operation.undecided or not payment.advance(operation, outcome, moment):
        payment.open_case(
            "contradicting_evidence",
            f"{operation.operation_id}:{outcome}",
            moment,
            exposure_minor=operation.amount_minor,
            currency=payment.currency_of(operation),
            operation_id=operation.operation_id,
        )
        return
    if operation.stray_id is not None:
        fail_stray_operation(payment, operation, outcome.value.lower(), moment)
        return
    code = f"{operation.type.value}_{outcome.value.lower()}"
    if operation.type is OperationType.AUTHORIZE and payment.status in BEFORE_AUTHORIZATION:
        end_attempt(payment, operation, moment, code=code, decline_code=decline_code)
    elif operation.type is OperationType.REFUND:
        operation.decline_code = decline_code
        fail_refund(payment, operation, outcome.value.lower(), moment, decline_code=decline_code)
    elif operation.type in ANSWERS:
        operation.error_code = operation.error_code or code
    else:
        note_error(payment, operation, code=code, decline_code=decline_code)
    settle_release(payment, moment)


def fail_refund(
    payment: Payment, operation: Operation, outcome: str, moment: Moment, *, decline_code: str | None
) -> None:
    """A refund of ours that came to nothing gives its room back."""
    refund = payment.refunds[operation.refund_id or ""]
    was_succeeded = refund.state is RefundState.SUCCEEDED
    if was_succeeded:
        payment.amounts.refunded_minor -= refund.amount_minor
    else:
        payment.amounts.refund_reserved_minor -= refund.amount_minor
    payment.fee_returned_minor -= refund.fee_returned_minor
    refund.state = RefundState.FAILED
    refund.decline_code = decline_code
    refund.updated_at = moment.now
    refund.dirty = True
    payment.announce(
        RefundFailed(
            refund_id=refund.refund_id,
            operation_id=operation.operation_id,
            amount_minor=refund.amount_minor,
            currency=refund.currency,
            outcome=outcome,
            was_succeeded=was_succeeded,
            decline_code=decline_code,
        ),
        moment,
    )
    payment.derive_status(moment)


def may_still_succeed(payment: Payment, operation: Operation, thing: ProcessorObject) -> bool:
    """Whether success of this object decides the operation: it is open, or the object itself was raised later.

    Anything else (another object, something newer asked for, a dead payment) makes the find a stray.
    """
    if payment.dead:
        return False
    if operation.undecided:
        return True
    return (
        operation.state is OperationState.DECLINED
        and thing.key in payment.objects
        and thing.operation_id == operation.operation_id
        and not payment.superseded(operation)
    )


def revive(payment: Payment, operation: Operation) -> None:
    """A declined attempt that succeeded after all no longer counts as used."""
    if operation.type is OperationType.AUTHORIZE and operation.state is OperationState.DECLINED:
        payment.attempts_used = max(payment.attempts_used - 1, 0)


def counted_captures(payment: Payment) -> list[ProcessorObject]:
    """Captures that stand in the payment's amounts, oldest first."""
    taken = [
        thing
        for thing in payment.objects.values()
        if thing.object_type is ObjectType.CAPTURE and thing.role in {Role.COUNTED, Role.ADOPTED}
    ]
    return sorted(taken, key=lambda thing: (thing.occurred_at, thing.object_id))
