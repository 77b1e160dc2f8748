"""Finding strays, and what becomes of them: a hold that ends, money that is given back."""

from services.payment.domain.changes import Moment
from services.payment.domain.events import (
    RefundStrayFailed,
    RefundStrayFound,
    StrayFound,
    StrayReturnFailed,
    StrayReturnRequested,
    StrayReturnSucceeded,
)
from services.payment.domain.facts import Fact, ProcessorObject, Role
from services.payment.domain.operations import Operation, OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.reviewing import relieve
from services.payment.domain.strays import Stray, StrayKind
from services.payment.domain.withdrawing import withdraw_unsent

#: What nobody has to look at any more once nothing is astray.
_ASTRAY = frozenset({"stray_found", "stray_return_failed", "stray_void_failed"})


def find_stray(
    payment: Payment,
    thing: ProcessorObject,
    kind: StrayKind,
    moment: Moment,
    *,
    operation_id: str | None,
    mismatch: bool = False,
) -> None:
    """Put an object aside as astray, announce it, and put it before a person.

    What has no amount is no money: it stays merely seen, so that a later word with one is judged for itself.
    """
    if thing.amount_minor <= 0:
        return
    thing.role = Role.STRAY
    thing.operation_id = operation_id
    thing.dirty = True
    stray = Stray(
        stray_id=moment.ids.new("str_"),
        kind=kind,
        processor=thing.processor,
        account=thing.account,
        object_type=thing.object_type.value,
        object_id=thing.object_id,
        fact_key=thing.fact_key,
        operation_id=operation_id,
        amount_minor=thing.amount_minor,
        currency=thing.currency,
        mismatch=mismatch,
        found_at=moment.now,
    )
    _stand_in_for_corrected(payment, stray)
    thing.stray_id = stray.stray_id
    payment.strays[stray.stray_id] = stray
    payment.announce(_found(payment, stray), moment)
    payment.open_case(
        "stray_found",
        thing.object_id,
        moment,
        exposure_minor=thing.amount_minor,
        currency=thing.currency,
        operation_id=operation_id,
    )
    refresh_stray_amount(payment)


def _stand_in_for_corrected(payment: Payment, stray: Stray) -> None:
    """An object that was astray before is found anew only where what was said of it is corrected."""
    for before in payment.strays.values():
        if (before.processor, before.account, before.object_id) == (
            stray.processor,
            stray.account,
            stray.object_id,
        ):
            stray.corrects = before.stray_id
            # The books have the fact that lied under its own key: what is true of it is another one to them.
            stray.fact_key = f"{stray.fact_key}:{before.stray_id}"


def _found(payment: Payment, stray: Stray) -> StrayFound | RefundStrayFound:
    if stray.kind is not StrayKind.REFUND:
        return StrayFound(
            stray_id=stray.stray_id,
            operation_id=stray.operation_id,
            kind=stray.kind.value,
            processor=stray.processor,
            account=stray.account,
            object_type=stray.object_type,
            object_id=stray.object_id,
            fact_key=stray.fact_key,
            amount_minor=stray.amount_minor,
            currency=stray.currency,
            mismatch=stray.mismatch,
            corrects=stray.corrects,
        )
    operation = payment.operations.get(stray.operation_id or "")
    return RefundStrayFound(
        stray_id=stray.stray_id,
        operation_id=stray.operation_id,
        refund_id=operation.refund_id if operation else None,
        processor=stray.processor,
        account=stray.account,
        object_id=stray.object_id,
        fact_key=stray.fact_key,
        amount_minor=stray.amount_minor,
        currency=stray.currency,
        corrects=stray.corrects,
    )


def end_stray_refund(payment: Payment, thing: ProcessorObject, moment: Moment) -> None:
    """A refund found astray that failed after all: its money is back, nothing is astray any more."""
    stray = payment.strays.get(thing.stray_id or "")
    if stray is None or stray.released:
        return
    stray.released = True
    stray.dirty = True
    payment.announce(
        RefundStrayFailed(stray_id=stray.stray_id, amount_minor=stray.amount_minor, currency=stray.currency),
        moment,
    )


def end_stray(payment: Payment, stray_id: str | None, moment: Moment) -> None:
    """Nothing is astray any more; a void of ours that was under way has done what it was for."""
    stray = payment.strays.get(stray_id or "")
    if stray is None:
        return
    ours = [o for o in payment.operations.values() if o.stray_id == stray.stray_id and o.undecided]
    for operation in ours:
        payment.advance(operation, OperationState.SUCCEEDED, moment)
    if not stray.released:
        stray.released = True
        stray.dirty = True
        payment.touch(moment)
        refresh_stray_amount(payment)
    for operation in ours:
        _answer_cases(payment, stray, operation, stray.object_id, moment)


def _answer_cases(
    payment: Payment, stray: Stray, operation: Operation, object_id: str, moment: Moment
) -> None:
    """A return or void that we asked for succeeded: where nothing is astray any more, nobody has to look.

    While it is pending, in doubt or failed the case stays; what somebody else gave back stays before a person too.
    """
    if stray.open_minor > 0:
        return
    asked = {o.operation_id for o in payment.operations.values() if o.stray_id == stray.stray_id}
    about = {stray.object_id, *asked}
    payment.answer_cases(
        [case for case in payment.cases if case.reason in _ASTRAY and case.about(about)],
        moment,
        why=f"{operation.type.value} {operation.operation_id} succeeded as {object_id}",
    )


def fail_stray_operation(payment: Payment, operation: Operation, outcome: str, moment: Moment) -> None:
    """A return or void of ours came to nothing: what it reserved is free again, and a person hears of it."""
    stray = payment.strays[operation.stray_id or ""]
    if operation.type is OperationType.STRAY_RETURN:
        stray.reserved_minor -= operation.amount_minor
        stray.dirty = True
        _announce_failed(payment, stray, operation.operation_id, operation.amount_minor, moment)
    payment.open_case(
        f"{operation.type.value}_failed",
        f"{operation.operation_id}:{outcome}",
        moment,
        exposure_minor=operation.amount_minor,
        currency=stray.currency,
        operation_id=operation.operation_id,
    )
    refresh_stray_amount(payment)


def return_stray(
    payment: Payment,
    stray: Stray,
    back: ProcessorObject,
    fact: Fact,
    operation: Operation | None,
    moment: Moment,
) -> None:
    """A refund of a stray follows the stray: never the merchant, never the payment's amounts."""
    back.role = Role.STRAY
    back.stray_id = stray.stray_id
    back.dirty = True
    ours = operation if operation is not None and operation.stray_id == stray.stray_id else None
    if fact.status == "succeeded" and not back.counted_minor:
        decided = ours if ours is not None and ours.undecided else None
        if fact.amount_minor:
            give_back(payment, stray, back, fact, decided, moment)
    elif fact.status == "pending" and ours is not None and ours.undecided:
        back.operation_id = ours.operation_id
        payment.advance(ours, OperationState.PENDING, moment)
    elif fact.status in {"failed", "declined"} and back.counted_minor:
        _take_back(payment, stray, back, ours, moment)
    elif fact.status in {"failed", "declined"} and ours is not None and ours.undecided:
        payment.advance(ours, OperationState.DECLINED, moment)
        fail_stray_operation(payment, ours, "declined", moment)
    stray.dirty = True
    payment.touch(moment)
    refresh_stray_amount(payment)


def give_back(
    payment: Payment,
    stray: Stray,
    back: ProcessorObject,
    fact: Fact | Stray,
    ours: Operation | None,
    moment: Moment,
) -> None:
    """Count what the fact, or the refund that was found astray itself, says was given back of the stray."""
    back.counted_minor = fact.amount_minor
    stray.returned_minor += fact.amount_minor
    if ours is not None:
        back.operation_id = ours.operation_id
        ours.object_id = back.object_id
        stray.reserved_minor -= ours.amount_minor
        payment.advance(ours, OperationState.SUCCEEDED, moment)
        _answer_cases(payment, stray, ours, back.object_id, moment)
    else:
        # Somebody else gave it back: the books need a name for it all the same.
        back.operation_id = moment.ids.new("op_")
        payment.announce(
            StrayReturnRequested(
                stray_id=stray.stray_id,
                operation_id=back.operation_id,
                amount_minor=fact.amount_minor,
                currency=fact.currency,
            ),
            moment,
        )
    payment.announce(
        StrayReturnSucceeded(
            stray_id=stray.stray_id,
            operation_id=back.operation_id,
            amount_minor=fact.amount_minor,
            currency=fact.currency,
            processor=fact.processor,
            account=fact.account,
            object_id=fact.object_id,
            fact_key=fact.fact_key,
        ),
        moment,
    )
    check_returned_twice(payment, stray, moment)


def check_returned_twice(payment: Payment, stray: Stray, moment: Moment) -> None:
    """Facts may give or take back more than there was: a person looks, and what was not sent yet is withdrawn."""
    gone_minor = stray.returned_minor + stray.reserved_minor + max(stray.taken_back_minor, 0)
    too_much_minor = gone_minor - stray.amount_minor
    if too_much_minor <= 0:
        relieve(payment, "stray_returned_twice", stray.stray_id, moment)
        return
    payment.open_case(
        "stray_returned_twice",
        stray.stray_id,
        moment,
        exposure_minor=too_much_minor,
        currency=stray.currency,
    )
    withdraw_returns(payment, stray.stray_id, "stray_returned", moment)


def withdraw_returns(payment: Payment, stray_id: str, reason: str, moment: Moment) -> None:
    """Have nothing of it sent any more; a return that may have arrived runs on and keeps what it reserved."""
    for operation in payment.operations.values():
        if operation.stray_id == stray_id:
            withdraw_unsent(payment, operation, reason, moment)


def _take_back(
    payment: Payment, stray: Stray, back: ProcessorObject, ours: Operation | None, moment: Moment
) -> None:
    """A return that had succeeded failed later: the stray is astray again."""
    stray.returned_minor -= back.counted_minor
    _announce_failed(payment, stray, back.operation_id or "", back.counted_minor, moment)
    if ours is not None and ours.operation_id == back.operation_id:
        payment.advance(ours, OperationState.FAILED_LATER, moment)
        payment.open_case(
            "stray_return_failed",
            f"{ours.operation_id}:failed_later",
            moment,
            exposure_minor=back.counted_minor,
            currency=stray.currency,
            operation_id=ours.operation_id,
        )
    back.counted_minor = 0
    back.operation_id = None
    check_returned_twice(payment, stray, moment)


def _announce_failed(
    payment: Payment, stray: Stray, operation_id: str, amount_minor: int, moment: Moment
) -> None:
    payment.announce(
        StrayReturnFailed(
            stray_id=stray.stray_id,
            operation_id=operation_id,
            amount_minor=amount_minor,
            currency=stray.currency,
        ),
        moment,
    )


def refresh_stray_amount(payment: Payment) -> None:
    """What the payment shows as astray: money in its own currency that was not given back."""
    payment.amounts.stray_minor = sum(
        max(stray.open_minor, 0)
        for stray in payment.strays.values()
        if stray.kind is StrayKind.MONEY and stray.currency == payment.currency
    )
