"""What a merchant may ask of a payment, and when: create, confirm, capture, cancel, refund."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from services.payment.domain.asking import new_operation, place_of, send_command
from services.payment.domain.changes import HistoryStep, Moment
from services.payment.domain.commands import RefundPayment
from services.payment.domain.events import PaymentCreated, RefundRequested
from services.payment.domain.holding import end_canceled
from services.payment.domain.lifecycle import BEFORE_AUTHORIZATION
from services.payment.domain.operations import Operation, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.pricing import FREE, Price, fee_returned_minor
from services.payment.domain.refund_room import capture_with_room
from services.payment.domain.refunds import Refund, RefundState, check_refund_room
from services.payment.domain.risking import waits_for_risk, withdraw_waiting
from services.payment.domain.routing import Place, takes_partial_captures, takes_several_captures
from services.payment.domain.status import CaptureMethod, Status
from shared.kernel.errors import InvariantViolation, Rejected

#: 2^53 - 1: the largest integer every JSON reader keeps exact.
AMOUNT_MINOR_MAX = 9_007_199_254_740_991


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A new payment as the merchant described it, with the terms that hold for it."""

    merchant_id: str
    mode: str
    amount_minor: int
    currency: str
    capture_method: CaptureMethod
    processor: str
    account: str
    payment_method: str | None = None
    customer: str | None = None
    reference: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    max_attempts: int = 3
    price: Price = FREE
    #: Chosen beforehand by whoever must name the payment before it exists.
    payment_id: str | None = None


def create(wish: Wish, moment: Moment) -> Payment:
    """A new payment; with a payment method its first attempt is asked for at once."""
    _check_amount(wish.amount_minor)
    payment = Payment(
        payment_id=wish.payment_id or moment.ids.new("pay_"),
        merchant_id=wish.merchant_id,
        mode=wish.mode,
        currency=wish.currency,
        amount_minor=wish.amount_minor,
        capture_method=wish.capture_method,
        processor=wish.processor,
        account=wish.account,
        created_at=moment.now,
        updated_at=moment.now,
        max_attempts=wish.max_attempts,
        price=wish.price,
        customer=wish.customer,
        reference=wish.reference,
        description=wish.description,
        metadata=wish.metadata,
    )
    payment.changes.history.append(
        HistoryStep(
            subject="payment",
            subject_id=payment.payment_id,
            from_state=None,
            to_state=Status.CREATED.value,
            implied=False,
            evidence_id=None,
            cause_id=moment.cause_id,
            at=moment.now,
        )
    )
    payment.announce(
        PaymentCreated(
            amount_minor=wish.amount_minor,
            currency=wish.currency,
            capture_method=wish.capture_method.value,
            mode=wish.mode,
            customer=wish.customer,
            payment_method=wish.payment_method,
            reference=wish.reference,
        ),
        moment,
    )
    if wish.payment_method is None:
        payment.move(Status.REQUIRES_PAYMENT_METHOD, moment)
    else:
        _authorize(payment, wish.payment_method, moment)
    return payment


def confirm(
    payment: Payment, payment_method: str, moment: Moment, *, place: Place | None = None
) -> Operation:
    """Try a payment method, at ``place`` if the rules name one now: what was asked before stays where it went."""
    _refuse_if_in_doubt(payment)
    if payment.status not in BEFORE_AUTHORIZATION:
        _wrong_status(payment, "confirmed")
    if place is not None:
        payment.processor, payment.account = place.processor, place.account
    return _authorize(payment, payment_method, moment)


def capture(payment: Payment, moment: Moment, *, amount_minor: int | None, final: bool | None) -> Operation:
    """Take held money: all that is left, or a part; ``final`` gives the rest of the hold back."""
    _refuse_if_in_doubt(payment)
    capturable_minor = payment.amounts.capturable_minor
    if payment.authorization_id is None or capturable_minor <= 0:
        _wrong_status(payment, "captured")
    wanted_minor = capturable_minor if amount_minor is None else amount_minor
    _check_amount(wanted_minor)
    if wanted_minor > capturable_minor:
        raise Rejected(
            "amount_exceeds_capturable",
            f"at most {capturable_minor} can be captured, {wanted_minor} was asked for",
            param="amount",
            extra={"capturable": capturable_minor},
        )
    if payment.capture_before is not None and moment.now >= payment.capture_before:
        raise Rejected("authorization_expired", "the hold can no longer be captured", extra={"look_up": True})
    place = place_of(payment, payment.authorization_id)
    if wanted_minor < capturable_minor and not takes_partial_captures(place.processor):
        raise Rejected(
            "partial_capture_unsupported",
            f"{place.processor} captures the whole hold or nothing: {capturable_minor}",
            param="amount",
            extra={"capturable": capturable_minor},
        )
    several = takes_several_captures(place.processor)
    if final is False and not several:
        raise Rejected(
            "several_captures_unsupported",
            f"{place.processor} captures a hold once; what is left of it is released",
            param="final",
        )
    operation = new_operation(payment, OperationType.CAPTURE, wanted_minor, moment, place=place)
    operation.final = (wanted_minor == capturable_minor or not several) if final is None else final
    send_command(payment, operation, moment)
    return operation


def cancel(payment: Payment, moment: Moment) -> Operation | None:
    """Give the hold back; before there is one, the payment just ends and no operation is needed.

    What still waits for risk was never sent, so it is no doubt and does not stand in the way.
    """
    if not waits_for_risk(payment):
        _refuse_if_in_doubt(payment)
    hold_id = payment.authorization_id if payment.status is Status.AUTHORIZED else None
    if hold_id is None and payment.status not in BEFORE_AUTHORIZATION:
        _wrong_status(payment, "canceled")
    withdraw_waiting(payment, moment)
    if payment.dead:
        return None
    if hold_id is None:
        end_canceled(payment, "merchant", moment)
        return None
    place = place_of(payment, hold_id)
    operation = new_operation(payment, OperationType.CANCEL, 0, moment, place=place)
    send_command(payment, operation, moment)
    return operation


def refund(
    payment: Payment,
    moment: Moment,
    *,
    amount_minor: int | None,
    reason: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Refund:
    """Give captured money back: all that is left, or a part. Reserves its room until it is decided."""
    wanted_minor = payment.amounts.refund_room_minor() if amount_minor is None else amount_minor
    if payment.amounts.captured_minor <= 0:
        _wrong_status(payment, "refunded")
    if amount_minor is not None:
        _check_amount(amount_minor)
    check_refund_room(payment.amounts, max(wanted_minor, 1))
    capture_id = capture_with_room(payment, wanted_minor)
    place = place_of(payment, capture_id)
    operation = new_operation(payment, OperationType.REFUND, wanted_minor, moment, place=place)
    fee_back_minor = fee_returned_minor(
        payment.price,
        total_fee_minor=payment.fee_total_minor,
        captured_minor=payment.amounts.captured_minor,
        # Adopted refunds return no fee, so they count for none: whether one was found before must not matter.
        cumulative_refunded_minor=payment.amounts.refunded_minor
        - payment.amounts.refunded_adopted_minor
        + payment.amounts.refund_reserved_minor
        + wanted_minor,
        returned_minor=payment.fee_returned_minor,
    )
    refunded = Refund(
        refund_id=moment.ids.new("re_"),
        amount_minor=wanted_minor,
        currency=payment.currency,
        state=RefundState.REQUESTED,
        created_at=moment.now,
        updated_at=moment.now,
        operation_id=operation.operation_id,
        capture_id=capture_id,
        reason=reason,
        metadata=metadata,
        fee_returned_minor=fee_back_minor,
    )
    operation.refund_id = refunded.refund_id
    payment.refunds[refunded.refund_id] = refunded
    payment.amounts.refund_reserved_minor += wanted_minor
    payment.fee_returned_minor += fee_back_minor
    payment.announce(
        RefundRequested(
            refund_id=refunded.refund_id,
            operation_id=operation.operation_id,
            amount_minor=wanted_minor,
            currency=payment.currency,
            fee_returned_minor=fee_back_minor,
        ),
        moment,
    )
    payment.ask(
        RefundPayment(
            operation_id=operation.operation_id,
            refund_id=refunded.refund_id,
            processor=operation.processor,
            account=operation.account,
            capture_id=capture_id,
            amount_minor=wanted_minor,
            currency=payment.currency,
        ),
        moment,
    )
    return refunded


def _authorize(payment: Payment, payment_method: str, moment: Moment) -> Operation:
    operation = new_operation(
        payment, OperationType.AUTHORIZE, payment.amount_minor, moment, payment_method=payment_method
    )
    payment.payment_method = payment_method
    send_command(payment, operation, moment)
    return operation


def _refuse_if_in_doubt(payment: Payment) -> None:
    """While an authorize, capture or cancel is undecided, another one could do the same thing twice."""
    blocking = payment.blocking_operation()
    if blocking is not None:
        raise Rejected(
            "operation_in_doubt",
            f"operation {blocking.operation_id} is not decided yet",
            stored=False,
            extra={"operation": blocking.operation_id},
        )


def _wrong_status(payment: Payment, wish: str) -> NoReturn:
    raise Rejected(
        "payment_wrong_status",
        f"a payment that is {payment.status} cannot be {wish}",
        extra={"payment": payment.payment_id, "payment_status": payment.status.value},
    )


def _check_amount(amount_minor: int) -> None:
    if not 0 < amount_minor <= AMOUNT_MINOR_MAX:
        raise InvariantViolation("command_amount_positive", f"{amount_minor} is not an amount to ask for")
