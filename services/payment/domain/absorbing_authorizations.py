"""Facts about authorizations: a hold granted, refused, given back, or found where none should be."""

from typing import Final

from services.payment.domain.changes import Moment
from services.payment.domain.deciding import give_up, may_still_succeed, revive
from services.payment.domain.facts import Fact, ProcessorObject, Role
from services.payment.domain.holding import Hold, grant_hold, own_reason, release_hold
from services.payment.domain.operations import Operation, OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.straying import find_stray
from services.payment.domain.strays import StrayKind

#: Proof of a hold: money that failed later had been taken from it.
_HELD: Final = frozenset({OperationState.SUCCEEDED, OperationState.FAILED_LATER})


def absorb_authorization(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> bool:
    """Apply it; authorizations never wait."""
    if fact.status == "pending":
        if operation is not None and operation.undecided:
            payment.advance(operation, OperationState.PENDING, moment)
    elif fact.status == "declined":
        if operation is not None and (operation.undecided or operation.state is OperationState.SUCCEEDED):
            give_up(payment, operation, OperationState.DECLINED, moment, decline_code=fact.decline_code)
    elif fact.status == "authorized":
        _find_hold(payment, thing, fact, operation, moment, implied=False)
    else:
        _end_hold(payment, thing, fact, operation, moment)
    return True


def _find_hold(
    payment: Payment,
    thing: ProcessorObject,
    fact: Fact,
    operation: Operation | None,
    moment: Moment,
    *,
    implied: bool,
) -> None:
    if operation is None or not (thing.role is Role.COUNTED or _acceptable(payment, thing, operation)):
        thing.amount_minor, thing.fact_key = fact.amount_minor, fact.fact_key
        find_stray(
            payment,
            thing,
            StrayKind.HOLD,
            moment,
            operation_id=operation.operation_id if operation else None,
        )
        return
    revive(payment, operation)
    thing.role = Role.COUNTED
    thing.operation_id = operation.operation_id
    thing.counted_minor = fact.amount_minor
    payment.authorization_id = thing.object_id
    operation.object_id = thing.object_id
    operation.dirty = True
    grant_hold(
        payment,
        Hold(
            operation=operation,
            object_id=thing.object_id,
            fact_key=fact.fact_key,
            amount_minor=fact.amount_minor,
            implied=implied,
            capture_before=fact.capture_before,
        ),
        moment,
    )
    if not operation.capture:
        payment.advance(operation, OperationState.SUCCEEDED, moment)


def _acceptable(payment: Payment, thing: ProcessorObject, operation: Operation) -> bool:
    """Whether the hold is the one we asked for, or the one that a capture of it implied before."""
    if may_still_succeed(payment, operation, thing):
        return payment.authorization_id in {None, thing.object_id}
    # The capture came first: its operation is decided, and the hold only takes its implied place.
    decided_before = operation.state in {*_HELD, OperationState.DECLINED}
    granted = payment.amounts.authorized_minor > 0 and not payment.dead
    return decided_before and granted and _granted_under(payment, thing, operation)


def _granted_under(payment: Payment, thing: ProcessorObject, operation: Operation) -> bool:
    """Whether the hold that was implied is this operation's, and no other authorization stands in its place."""
    if payment.authorization_id is not None:
        return payment.authorization_id == thing.object_id
    return operation.state in _HELD


def _end_hold(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> None:
    """Voided or expired, by the processor's word; that it was granted before is implied."""
    if thing.role is Role.SEEN:
        if payment.dead or operation is None or not _acceptable(payment, thing, operation):
            return
        _find_hold(payment, thing, fact, operation, moment, implied=True)
    if (
        operation is not None
        and operation.capture
        and operation.undecided
        and not _has_capture(payment, operation)
    ):
        # A one-step sale takes all or nothing: a hold that ended untouched took nothing.
        give_up(payment, operation, OperationState.DECLINED, moment, decline_code=fact.decline_code)
    cancel = payment.blocking_operation()
    ours = cancel is not None and cancel.type is OperationType.CANCEL
    if ours and cancel is not None:
        payment.advance(cancel, OperationState.SUCCEEDED, moment)
    elif fact.status == "voided":
        _contradict_declined(payment, moment)
    reason = "expired" if fact.status == "expired" else (own_reason(payment) if ours else "issuer")
    release_hold(payment, reason, moment)


def _contradict_declined(payment: Payment, moment: Moment) -> None:
    """A hold that was voided although a person decided that our cancel did not happen."""
    for operation in payment.operations.values():
        if operation.type is OperationType.CANCEL and operation.state is OperationState.DECLINED:
            payment.contradict(operation, "voided", moment)


def _has_capture(payment: Payment, operation: Operation) -> bool:
    return any(
        thing.operation_id == operation.operation_id and thing.object_type == "capture"
        for thing in payment.objects.values()
    )
