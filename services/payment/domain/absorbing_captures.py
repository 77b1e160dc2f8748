"""Facts about captures: money taken as asked, taken without asking, or not taken after all."""

from dataclasses import replace

from services.payment.domain.changes import Moment
from services.payment.domain.clawing_back import (
    CAPTURE_FAILED,
    ensure_reversal,
    find_reversal,
    give_back,
    take_back,
)
from services.payment.domain.deciding import give_up, may_still_succeed, revive
from services.payment.domain.facts import IMPLIED, Fact, ObjectType, ProcessorObject, Role
from services.payment.domain.holding import Hold, grant_hold
from services.payment.domain.lifecycle import BEFORE_AUTHORIZATION
from services.payment.domain.operations import Operation, OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.straying import find_stray
from services.payment.domain.strays import StrayKind
from services.payment.domain.taking import close_capture, count_capture, implied_fact_key


def absorb_capture(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> bool:
    """Apply it; False where the authorization it belongs to is not known yet."""
    if fact.status == "pending":
        if operation is not None and operation.undecided:
            payment.advance(operation, OperationState.PENDING, moment)
        return True
    if fact.status == "succeeded":
        return _find_money(payment, thing, fact, operation, moment)
    if came_and_went(thing, fact):
        if not _find_money(payment, thing, success_before(fact), operation, moment):
            return False
        reverse(payment, thing, fact, moment)
    elif thing.counted_minor:
        reverse(payment, thing, fact, moment)
    elif operation is not None and operation.undecided:
        _imply_untouched_hold(payment, thing, fact, operation, moment)
        give_up(payment, operation, OperationState.DECLINED, moment, decline_code=fact.decline_code)
    return True


def came_and_went(thing: ProcessorObject, fact: Fact) -> bool:
    """Whether a capture failed of whose success nobody has heard: only what succeeded fails, so it had its money."""
    return fact.object_type is ObjectType.CAPTURE and fact.status == "failed" and thing.role is Role.SEEN


def success_before(failed: Fact) -> Fact:
    """The word that nobody told: that the capture had succeeded, in its own amount."""
    key = f"{failed.processor}:{failed.account}:{failed.object_id}:succeeded{IMPLIED}"
    return replace(failed, status="succeeded", fact_key=key)


def _find_money(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> bool:
    if thing.role is not Role.SEEN:
        restore(payment, thing, fact, moment)
        return True
    if operation is not None and may_still_succeed(payment, operation, thing):
        take(payment, thing, fact, operation, moment)
        return True
    if not payment.dead and operation is None and _parent_may_come(payment, fact):
        return False
    if _adoptable(payment, fact):
        thing.absorb(fact)
        count_capture(payment, thing, None, moment, effective_at=fact.occurred_at)
        # Given up or not: if it was asked for as the last one, the processor gave the rest of the hold back.
        close_capture(payment, thing, operation, moment)
        payment.open_case(
            "capture_adopted",
            thing.object_id,
            moment,
            exposure_minor=fact.amount_minor,
            operation_id=operation.operation_id if operation else None,
        )
        return True
    thing.absorb(fact)
    find_stray(
        payment,
        thing,
        StrayKind.MONEY,
        moment,
        operation_id=operation.operation_id if operation else None,
    )
    return True


def reverse(payment: Payment, thing: ProcessorObject, fact: Fact, moment: Moment) -> None:
    """A capture that had succeeded failed later: its money, also if it was astray, is gone without any dispute."""
    stray = payment.strays.get(thing.stray_id or "")
    # One that was adopted names the operation that it was found under, which may have another, standing capture.
    counted = thing.role is Role.COUNTED
    operation = payment.operations.get(thing.operation_id or "") if counted else None
    if operation is not None and operation.state is OperationState.SUCCEEDED:
        payment.advance(operation, OperationState.FAILED_LATER, moment)
    amount_minor = stray.amount_minor if stray is not None else thing.counted_minor
    if not amount_minor:
        return
    reversal = ensure_reversal(payment, thing.key, thing, CAPTURE_FAILED, moment)
    if reversal.outstanding_minor == 0:
        take_back(
            payment,
            reversal,
            moment,
            amount_minor=amount_minor,
            fact_key=fact.fact_key,
            money_row_id=None,
            effective_at=fact.occurred_at,
        )


def restore(payment: Payment, thing: ProcessorObject, fact: Fact, moment: Moment) -> None:
    """A capture that had failed later is called good again by a newer word: its money came back."""
    reversal = find_reversal(payment, thing.key)
    if reversal is not None and reversal.outstanding_minor:
        give_back(
            payment,
            reversal,
            moment,
            amount_minor=reversal.outstanding_minor,
            fact_key=fact.fact_key,
            money_row_id=None,
            effective_at=fact.occurred_at,
        )


def take(payment: Payment, thing: ProcessorObject, proof: Fact, operation: Operation, moment: Moment) -> None:
    """Count a capture that the operation asked for, and decide the operation."""
    revive(payment, operation)
    if proof.key == thing.key:
        thing.absorb(proof)
    if operation.type is OperationType.CAPTURE:
        operation.object_id = thing.object_id
    # Doubt is closed before the money is counted: the books reverse the one and then post the other.
    payment.advance(operation, OperationState.SUCCEEDED, moment)
    count_capture(payment, thing, operation, moment, effective_at=proof.occurred_at)
    close_capture(payment, thing, operation, moment)


def _parent_may_come(payment: Payment, fact: Fact) -> bool:
    """A capture without a reference may be of a hold whose grant is still on its way to us.

    One that names neither an operation nor a hold may be what an operation in doubt did: that is decided first.
    """
    blocking = payment.blocking_operation()
    authorizing = blocking is not None and blocking.type is OperationType.AUTHORIZE
    if fact.parent_id is None and fact.reference is None:
        return authorizing or payment.undecided_taking() is not None
    known = (fact.processor, fact.account, fact.parent_id or "") in payment.objects
    return authorizing and not known and payment.authorization_id != fact.parent_id


def _adoptable(payment: Payment, fact: Fact) -> bool:
    """A capture of the current authorization with enough left is the merchant's, asked for or not."""
    return (
        not payment.dead
        and payment.status not in BEFORE_AUTHORIZATION
        and fact.parent_id is not None
        and fact.parent_id == payment.authorization_id
        and fact.amount_minor <= payment.amounts.capturable_minor
    )


def _imply_untouched_hold(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation, moment: Moment
) -> None:
    """A capture that failed proves the hold it was to be taken from."""
    if payment.status not in BEFORE_AUTHORIZATION:
        return
    payment.authorization_id = fact.parent_id
    grant_hold(
        payment,
        Hold(
            operation=operation,
            object_id=fact.parent_id or operation.operation_id,
            fact_key=implied_fact_key(thing, fact.parent_id or operation.operation_id, "authorized"),
            amount_minor=operation.amount_minor,
            implied=True,
        ),
        moment,
    )
