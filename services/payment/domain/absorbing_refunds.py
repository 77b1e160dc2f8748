"""Facts about refunds: they follow the capture that they name, ours or astray, known or only implied."""

from services.payment.domain.changes import Moment
from services.payment.domain.deciding import counted_captures, fail_refund, give_up
from services.payment.domain.events import RefundAdopted, RefundFailed, RefundSucceeded
from services.payment.domain.facts import Fact, ProcessorObject, Role
from services.payment.domain.operations import Operation, OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.proving import imply_capture
from services.payment.domain.refunds import Refund, RefundState
from services.payment.domain.room import check_double_return, check_overcommitted
from services.payment.domain.straying import return_stray


def absorb_refund(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> bool:
    """Apply it; False where it proves a capture of which not even the amount is known."""
    parent = _parent(payment, fact, operation)
    if parent is not None and parent.role is Role.STRAY:
        stray = payment.strays.get(parent.stray_id or "")
        if stray is not None:
            return_stray(payment, stray, thing, fact, operation, moment)
        return True
    if (parent is None or parent.role is Role.SEEN) and imply_capture(payment, parent, fact, moment) is None:
        return False
    if operation is not None and operation.stray_id is not None:
        # Asked for as the return of a stray, and told before as a refund of a capture that counts: it stays that one's.
        operation = None
    # One that names none is of the one it is counted for, also once there are others.
    thing.parent_id = thing.parent_id or (parent.object_id if parent is not None else None)
    if fact.status == "pending":
        _see_pending(payment, thing, fact, operation, moment)
    elif fact.status == "succeeded":
        _see_success(payment, thing, fact, operation, moment)
    else:
        _see_failure(payment, thing, fact, operation, moment)
    # Before anybody looks at what is left: it gave back of its capture, as all that were told before it.
    payment.objects[thing.key] = thing
    payment.derive_status(moment)
    check_overcommitted(payment, moment)
    check_double_return(payment, moment)
    return True


def given_back(payment: Payment, fact: Fact, operation: Operation | None) -> ProcessorObject | None:
    """What the refund says that it gives back; where it says nothing, the stray of which we asked for it."""
    if fact.parent_id is not None:
        return payment.objects.get((fact.processor, fact.account, fact.parent_id))
    stray = payment.strays.get(operation.stray_id or "") if operation is not None else None
    if stray is None:
        return None
    return payment.objects.get((stray.processor, stray.account, stray.object_id))


def _parent(payment: Payment, fact: Fact, operation: Operation | None) -> ProcessorObject | None:
    """The capture that the refund gives back; a refund that names none can only mean the one there is."""
    if fact.parent_id is not None or (operation is not None and operation.stray_id is not None):
        return given_back(payment, fact, operation)
    if operation is not None:
        refund = payment.refunds[operation.refund_id or ""]
        return payment.objects.get((fact.processor, fact.account, refund.capture_id or ""))
    captures = counted_captures(payment)
    return captures[0] if len(captures) == 1 else None


def _see_pending(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> None:
    if operation is not None and operation.undecided:
        payment.advance(operation, OperationState.PENDING, moment)
        thing.refund_id = operation.refund_id
    elif thing.refund_id is None:
        _adopt(payment, thing, fact, operation, moment)


def _see_success(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> None:
    if thing.counted_minor:
        return
    thing.counted_minor = fact.amount_minor
    payment.amounts.refunded_minor += fact.amount_minor
    if operation is not None and operation.undecided:
        thing.role = Role.COUNTED
        _succeed(payment, thing, fact, operation, moment)
        return
    adopted = payment.refunds.get(thing.refund_id or "")
    if adopted is None or not adopted.adopted or adopted.state is not RefundState.REQUESTED:
        adopted = _adopt(payment, thing, fact, operation, moment)
    thing.role = Role.ADOPTED
    adopted.amount_minor = fact.amount_minor
    adopted.state = RefundState.SUCCEEDED
    adopted.updated_at = moment.now
    adopted.dirty = True
    payment.amounts.refunded_adopted_minor += fact.amount_minor
    payment.announce(
        RefundAdopted(
            refund_id=adopted.refund_id,
            processor=fact.processor,
            account=fact.account,
            object_id=fact.object_id,
            fact_key=fact.fact_key,
            amount_minor=fact.amount_minor,
            currency=fact.currency,
            effective_at=fact.occurred_at,
        ),
        moment,
    )


def _succeed(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation, moment: Moment
) -> None:
    refund = payment.refunds[operation.refund_id or ""]
    refund.state = RefundState.SUCCEEDED
    refund.capture_id = thing.parent_id or refund.capture_id
    refund.updated_at = moment.now
    refund.dirty = True
    thing.refund_id = refund.refund_id
    thing.operation_id = operation.operation_id
    operation.object_id = thing.object_id
    payment.amounts.refund_reserved_minor -= refund.amount_minor
    payment.advance(operation, OperationState.SUCCEEDED, moment)
    payment.announce(
        RefundSucceeded(
            refund_id=refund.refund_id,
            operation_id=operation.operation_id,
            processor=fact.processor,
            account=fact.account,
            object_id=fact.object_id,
            fact_key=fact.fact_key,
            amount_minor=fact.amount_minor,
            currency=fact.currency,
            effective_at=fact.occurred_at,
        ),
        moment,
    )


def _see_failure(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> None:
    if thing.counted_minor and thing.role is Role.COUNTED and operation is not None:
        thing.counted_minor = 0
        payment.advance(operation, OperationState.FAILED_LATER, moment)
        fail_refund(payment, operation, "failed_later", moment, decline_code=fact.decline_code)
    elif operation is not None and operation.undecided:
        give_up(payment, operation, OperationState.DECLINED, moment, decline_code=fact.decline_code)
    else:
        _fail_adopted(payment, thing, fact, moment)


def _fail_adopted(payment: Payment, thing: ProcessorObject, fact: Fact, moment: Moment) -> None:
    adopted = payment.refunds.get(thing.refund_id or "")
    if adopted is None or adopted.state is RefundState.FAILED or not adopted.adopted:
        return
    was_succeeded = adopted.state is RefundState.SUCCEEDED
    adopted.state = RefundState.FAILED
    adopted.decline_code = fact.decline_code
    adopted.updated_at = moment.now
    adopted.dirty = True
    if not was_succeeded:
        return
    payment.amounts.refunded_minor -= thing.counted_minor
    payment.amounts.refunded_adopted_minor -= thing.counted_minor
    thing.counted_minor = 0
    payment.announce(
        RefundFailed(
            refund_id=adopted.refund_id,
            operation_id=adopted.operation_id or "",
            amount_minor=adopted.amount_minor,
            currency=adopted.currency,
            outcome="failed_later",
            was_succeeded=True,
            decline_code=fact.decline_code,
        ),
        moment,
    )


def _adopt(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> Refund:
    """A refund that none of ours accounts for is the merchant's all the same, and is shown to a person."""
    refund = Refund(
        refund_id=moment.ids.new("re_"),
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        state=RefundState.REQUESTED,
        created_at=moment.now,
        updated_at=moment.now,
        # Named like an operation because events about its failure need one; nothing was ever asked for.
        operation_id=operation.operation_id if operation else moment.ids.new("op_"),
        capture_id=thing.parent_id,
        adopted=True,
    )
    thing.refund_id = refund.refund_id
    payment.refunds[refund.refund_id] = refund
    payment.open_case(
        "refund_adopted",
        thing.object_id,
        moment,
        exposure_minor=fact.amount_minor,
        operation_id=operation.operation_id if operation else None,
    )
    return refund
