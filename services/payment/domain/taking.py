"""Captured money: counting a capture with its fee, and implying one that a later fact proves."""

from datetime import datetime

from services.payment.domain.changes import Moment
from services.payment.domain.events import PaymentCaptured
from services.payment.domain.facts import IMPLIED, ProcessorObject, Role
from services.payment.domain.holding import (
    Hold,
    clear_last_error,
    grant_hold,
    refresh_capturable,
    release_hold,
)
from services.payment.domain.operations import Operation
from services.payment.domain.payment import Payment
from services.payment.domain.pricing import capture_fee_minor
from services.payment.domain.routing import takes_several_captures
from services.payment.domain.status import Status


def count_capture(
    payment: Payment,
    taken: ProcessorObject,
    operation: Operation | None,
    moment: Moment,
    *,
    effective_at: datetime,
) -> None:
    """Let a capture count: hold (implied where it was not seen), amount, frozen fee, status."""
    captured_minor = payment.amounts.captured_minor + taken.amount_minor
    _imply_hold(payment, taken, operation, captured_minor, moment)
    taken.role = Role.COUNTED if operation else Role.ADOPTED
    taken.counted_minor = taken.amount_minor
    taken.operation_id = operation.operation_id if operation else None
    taken.dirty = True
    fee_minor = fee_of(payment, taken)
    payment.amounts.captured_minor = captured_minor
    payment.captures_counted += 1
    payment.fee_total_minor += fee_minor
    refresh_capturable(payment)
    clear_last_error(payment)
    if payment.status is Status.AUTHORIZED:
        payment.move(Status.CAPTURED, moment, implied=taken.implied)
    payment.announce(
        PaymentCaptured(
            operation_id=taken.operation_id,
            processor=taken.processor,
            account=taken.account,
            object_id=taken.object_id,
            fact_key=taken.fact_key,
            amount_minor=taken.amount_minor,
            currency=payment.currency,
            fee_minor=fee_minor,
            amount_captured_minor=captured_minor,
            capture_number=payment.captures_counted,
            implied=taken.implied,
            effective_at=effective_at,
        ),
        moment,
    )


def fee_of(payment: Payment, taken: ProcessorObject) -> int:
    """The merchant's fee of a capture that counts: frozen with the payment's price, so the same whenever asked."""
    # The fixed part belongs to what an operation of ours took; what was adopted never carries it, also where it
    # names the operation that it was found under.
    counted = taken.role is Role.COUNTED
    operation = payment.operations.get(taken.operation_id or "") if counted else None
    fixed_minor = operation.fee_fixed_minor if operation else 0
    return capture_fee_minor(payment.price, taken.counted_minor, fixed_minor)


def close_capture(
    payment: Payment, taken: ProcessorObject, operation: Operation | None, moment: Moment
) -> None:
    """After the operation is decided: a final capture gives the rest back, a waiting release is settled.

    Where a hold is captured once, every capture of it is its last one, also one that nobody here asked for.
    """
    of_our_hold = taken.parent_id is not None and taken.parent_id == payment.authorization_id
    only_one = of_our_hold and not takes_several_captures(taken.processor)
    if only_one or (operation is not None and operation.final):
        release_hold(payment, "final_capture", moment)
    elif payment.authorization_released:
        release_hold(payment, payment.released_reason or "issuer", moment)
    payment.derive_status(moment)


def _imply_hold(
    payment: Payment, taken: ProcessorObject, operation: Operation | None, captured_minor: int, moment: Moment
) -> None:
    """Money that was taken was held before, whether we saw it or not."""
    if captured_minor <= payment.amounts.authorized_minor and payment.amounts.authorized_minor:
        return
    holder = operation or payment.latest_operation
    if holder is None:
        return
    payment.authorization_id = payment.authorization_id or taken.parent_id
    grant_hold(
        payment,
        Hold(
            operation=holder,
            object_id=payment.authorization_id or holder.operation_id,
            fact_key=implied_fact_key(taken, payment.authorization_id or holder.operation_id, "authorized"),
            amount_minor=captured_minor,
            implied=True,
        ),
        moment,
    )


def implied_fact_key(proof: ProcessorObject, object_id: str, status: str) -> str:
    """Name of a fact that nobody told us: one per object and status."""
    return f"{proof.processor}:{proof.account}:{object_id}:{status}{IMPLIED}"
