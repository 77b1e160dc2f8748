"""What may be done about a stray: return its money, void its hold, or take it for the merchant's own."""

from typing import NoReturn

from services.payment.domain.changes import Moment
from services.payment.domain.commands import CancelPayment, RefundPayment
from services.payment.domain.deciding import give_up
from services.payment.domain.events import (
    OperationRequested,
    RefundAdopted,
    StrayAccepted,
    StrayReturnRequested,
)
from services.payment.domain.facts import ProcessorObject, Role
from services.payment.domain.holding import clear_last_error
from services.payment.domain.operations import Operation, OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import Refund, RefundState
from services.payment.domain.room import check_overcommitted
from services.payment.domain.straying import give_back, refresh_stray_amount
from services.payment.domain.strays import Stray, StrayKind
from services.payment.domain.taking import close_capture, count_capture
from shared.kernel.errors import Rejected


def disputed(payment: Payment, stray: Stray) -> bool:
    """Whether somebody claims the stray by dispute: returning it would pay twice."""
    return any(dispute.stray_id == stray.stray_id and dispute.claims for dispute in payment.disputes.values())


def ever_claimed(payment: Payment, stray: Stray) -> bool:
    """Whether a dispute or reversal is booked against it: what is booked in suspense stays there."""
    by_dispute = any(dispute.stray_id == stray.stray_id for dispute in payment.disputes.values())
    return by_dispute or any(each.stray_id == stray.stray_id for each in payment.reversals.values())


def given_back_otherwise(payment: Payment, stray: Stray) -> bool:
    """Whether a refund of it stands before a person: another return could give the same money back twice."""
    return any(
        other.kind is StrayKind.REFUND and not other.released and stray_given_back(payment, other) is stray
        for other in payment.strays.values()
    )


def stray_given_back(payment: Payment, refund: Stray) -> Stray | None:
    """The stray of which a refund that was found astray gave money back; None where it was a payment's own."""
    thing = payment.objects[refund.processor, refund.account, refund.object_id]
    parent = payment.objects.get((refund.processor, refund.account, thing.parent_id or ""))
    return payment.strays.get(parent.stray_id or "") if parent is not None else None


def check_returnable(payment: Payment, stray: Stray) -> None:
    """Refuse what cannot be given back, or not now."""
    refuse_under_way(payment, stray)
    if stray.kind is not StrayKind.MONEY:
        raise refused("stray_not_returnable", "only money that was taken can be given back", stray)
    if disputed(payment, stray):
        raise refused("stray_disputed", "a disputed stray is not returned", stray)
    if given_back_otherwise(payment, stray):
        raise refused("stray_refund_astray", "a refund of it is astray itself; decide that one first", stray)
    if stray.returnable_minor <= 0:
        raise refused("stray_settled", "nothing of it is astray any more", stray)


def request_return(payment: Payment, stray: Stray, moment: Moment) -> Operation:
    """Give all back that is still astray; what is under way stays reserved, so it goes out at most once."""
    check_returnable(payment, stray)
    amount_minor = stray.returnable_minor
    stray.reserved_minor += amount_minor
    stray.dirty = True
    operation = _operation(payment, stray, OperationType.STRAY_RETURN, amount_minor, moment)
    payment.announce(
        StrayReturnRequested(
            stray_id=stray.stray_id,
            operation_id=operation.operation_id,
            amount_minor=amount_minor,
            currency=stray.currency,
        ),
        moment,
    )
    payment.ask(
        RefundPayment(
            operation_id=operation.operation_id,
            # The contract wants a refund's id; a return of a stray is no merchant's refund, so it lends its own.
            refund_id="re_" + operation.operation_id.removeprefix("op_"),
            processor=stray.processor,
            account=stray.account,
            capture_id=stray.object_id,
            amount_minor=amount_minor,
            currency=stray.currency,
        ),
        moment,
    )
    return operation


def request_void(payment: Payment, stray: Stray, moment: Moment) -> Operation:
    """Give a stray hold back."""
    refuse_under_way(payment, stray)
    if stray.kind is not StrayKind.HOLD:
        raise refused("stray_not_voidable", "only a hold can be voided", stray)
    if stray.released:
        raise refused("stray_settled", "the hold has ended already", stray)
    operation = _operation(payment, stray, OperationType.STRAY_VOID, 0, moment)
    payment.ask(
        CancelPayment(
            operation_id=operation.operation_id,
            processor=stray.processor,
            account=stray.account,
            authorization_id=stray.object_id,
        ),
        moment,
    )
    return operation


def accept(payment: Payment, stray: Stray, moment: Moment) -> None:
    """Take it for the merchant's: out of suspense exactly as it went in, then by the rule of what it is."""
    refuse_under_way(payment, stray)
    check_acceptable(payment, stray)
    thing = payment.objects[stray.processor, stray.account, stray.object_id]
    stray.released = stray.accepted = True
    stray.dirty = True
    thing.stray_id = None
    payment.announce(
        StrayAccepted(stray_id=stray.stray_id, amount_minor=stray.amount_minor, currency=stray.currency),
        moment,
    )
    asked = payment.operations.get(stray.operation_id or "")
    of = stray_given_back(payment, stray)
    if stray.kind is StrayKind.MONEY:
        _count_money(payment, stray, thing, moment)
    elif of is None:
        _count_refund(payment, stray, thing, moment)
    if asked is not None and asked.state is OperationState.IN_REVIEW:
        # What was asked for did not happen as asked; what happened instead counts, adopted.
        give_up(payment, asked, OperationState.DECLINED, moment)
        clear_last_error(payment)
    if stray.kind is StrayKind.REFUND and of is not None:
        # Only now: what the return had reserved is free again.
        _count_return(payment, stray, of, thing, moment)
    else:
        thing.operation_id = stray.operation_id
    refresh_stray_amount(payment)
    payment.derive_status(moment)
    check_overcommitted(payment, moment)


def check_acceptable(payment: Payment, stray: Stray) -> None:
    """Refuse what can never be the merchant's, or not now."""
    if stray.kind is StrayKind.HOLD:
        raise refused("stray_not_acceptable", "a hold is not money; void it", stray)
    if stray.released or stray.returned_minor:
        raise refused("stray_settled", "it was given back already, or is none any more", stray)
    of = stray_given_back(payment, stray)
    if stray.kind is StrayKind.REFUND and of is not None:
        # Of money astray, it is no merchant's: only the other stray is the less for it.
        if stray.currency != of.currency:
            raise refused("stray_other_currency", "money astray is given back in its own currency", stray)
        return
    if stray.currency != payment.currency:
        raise refused("stray_other_currency", "a payment has one currency, and this is another", stray)
    if payment.dead:
        raise refused("payment_wrong_status", f"a payment that is {payment.status} takes no money", stray)
    if ever_claimed(payment, stray):
        raise refused("stray_disputed", "a stray that was disputed or reversed is not accepted", stray)
    if stray.kind is StrayKind.REFUND and not payment.amounts.captured_minor:
        raise refused("payment_wrong_status", "nothing was captured that could have been refunded", stray)
    if stray.kind is StrayKind.MONEY:
        if payment.latest_operation is None:
            raise refused(
                "payment_wrong_status", "nothing was asked for at a processor yet: return it", stray
            )
        _refuse_beside_a_doubt(payment, stray)
        _refuse_beside_a_hold(payment, stray)


def _refuse_beside_a_doubt(payment: Payment, stray: Stray) -> None:
    """What is under way may take the same money once more, or give its hold back: only then is it known what is left.

    The stray's own operation is decided by accepting it.
    """
    operation = payment.blocking_operation()
    if operation is not None and operation.operation_id != stray.operation_id:
        _refuse_undecided(operation, "of this payment")


def _refuse_beside_a_hold(payment: Payment, stray: Stray) -> None:
    """Money of another hold takes nothing of the one that still stands: both counted, the customer is held to both."""
    parent = payment.objects[stray.processor, stray.account, stray.object_id].parent_id
    held_minor = payment.amounts.capturable_minor
    if held_minor > 0 and parent is not None and parent != payment.authorization_id:
        message = (
            f"it was taken of another hold, and {held_minor} are still held of the payment's own:"
            " return it, or capture that one first"
        )
        raise refused("stray_beside_a_hold", message, stray)


def _count_money(payment: Payment, stray: Stray, thing: ProcessorObject, moment: Moment) -> None:
    thing.amount_minor = stray.amount_minor
    count_capture(payment, thing, None, moment, effective_at=thing.occurred_at)
    close_capture(payment, thing, None, moment)


def _count_return(payment: Payment, refund: Stray, of: Stray, thing: ProcessorObject, moment: Moment) -> None:
    thing.stray_id = of.stray_id
    thing.amount_minor, thing.currency = refund.amount_minor, refund.currency
    thing.dirty = of.dirty = True
    give_back(payment, of, thing, refund, None, moment)


def _count_refund(payment: Payment, stray: Stray, thing: ProcessorObject, moment: Moment) -> None:
    refund = Refund(
        refund_id=moment.ids.new("re_"),
        amount_minor=stray.amount_minor,
        currency=stray.currency,
        state=RefundState.SUCCEEDED,
        created_at=moment.now,
        updated_at=moment.now,
        operation_id=moment.ids.new("op_"),
        capture_id=thing.parent_id,
        adopted=True,
    )
    payment.refunds[refund.refund_id] = refund
    thing.role = Role.ADOPTED
    thing.refund_id = refund.refund_id
    thing.counted_minor = stray.amount_minor
    thing.dirty = True
    payment.amounts.refunded_minor += stray.amount_minor
    payment.amounts.refunded_adopted_minor += stray.amount_minor
    payment.announce(
        RefundAdopted(
            refund_id=refund.refund_id,
            processor=stray.processor,
            account=stray.account,
            object_id=stray.object_id,
            fact_key=stray.fact_key,
            amount_minor=stray.amount_minor,
            currency=stray.currency,
            effective_at=thing.occurred_at,
        ),
        moment,
    )


def _operation(
    payment: Payment, stray: Stray, kind: OperationType, amount_minor: int, moment: Moment
) -> Operation:
    operation = Operation(
        operation_id=moment.ids.new("op_"),
        number=payment.next_operation_number(),
        type=kind,
        state=OperationState.REQUESTED,
        amount_minor=amount_minor,
        processor=stray.processor,
        account=stray.account,
        created_at=moment.now,
        since=moment.now,
        stray_id=stray.stray_id,
    )
    payment.add_operation(operation, moment)
    payment.announce(
        OperationRequested(
            operation_id=operation.operation_id,
            operation_type=operation.published_type,
            amount_minor=amount_minor or None,
            currency=stray.currency,
            payment_version=payment.version + 1,
            payment_method=None,
            customer=payment.customer,
        ),
        moment,
    )
    refresh_stray_amount(payment)
    return operation


def refuse_under_way(payment: Payment, stray: Stray) -> None:
    """While a return or void is undecided, another one could do the same thing twice."""
    for operation in payment.operations.values():
        if operation.stray_id == stray.stray_id and operation.undecided:
            _refuse_undecided(operation, "on this stray")


def _refuse_undecided(operation: Operation, where: str) -> NoReturn:
    raise Rejected(
        "operation_in_doubt",
        f"operation {operation.operation_id} {where} is not decided yet",
        stored=False,
        extra={"operation": operation.operation_id},
    )


def refused(code: str, message: str, stray: Stray) -> Rejected:
    return Rejected(code, message, extra={"stray": stray.stray_id})
