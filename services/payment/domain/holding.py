"""Holds: granting one, raising it, giving it back, and how attempts to get one end."""

from dataclasses import dataclass
from datetime import datetime

from services.payment.domain.changes import Moment
from services.payment.domain.events import (
    HoldReleased,
    PaymentAuthorized,
    PaymentCanceled,
    PaymentFailed,
    PaymentMethodDeclined,
)
from services.payment.domain.facts import ObjectType, Role
from services.payment.domain.lifecycle import BEFORE_AUTHORIZATION
from services.payment.domain.operations import Operation, OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.risk_states import REFUSED, RiskBy, RiskState
from services.payment.domain.status import Status

_FINAL_CAPTURE = "final_capture"
_REFUSED_CANCELS = frozenset({"cancel_declined", "cancel_abandoned"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold as evidence shows or implies it."""

    operation: Operation
    object_id: str
    fact_key: str
    amount_minor: int
    implied: bool
    capture_before: datetime | None = None


def grant_hold(payment: Payment, hold: Hold, moment: Moment) -> None:
    """Bring the hold up to what the evidence shows; an implied one is raised by the real fact later."""
    added_minor = hold.amount_minor - payment.amounts.authorized_minor
    payment.capture_before = hold.capture_before or payment.capture_before
    payment.payment_method = hold.operation.payment_method or payment.payment_method
    payment.touch(moment)
    if payment.status in BEFORE_AUTHORIZATION:
        payment.move(Status.AUTHORIZED, moment, implied=hold.implied)
        clear_last_error(payment)
    if added_minor <= 0:
        return
    payment.amounts.authorized_minor += added_minor
    refresh_capturable(payment)
    payment.derive_status(moment)
    payment.announce(
        PaymentAuthorized(
            operation_id=hold.operation.operation_id,
            processor=hold.operation.processor,
            account=hold.operation.account,
            object_id=hold.object_id,
            fact_key=hold.fact_key,
            amount_minor=added_minor,
            currency=payment.currency,
            capture_before=hold.capture_before,
            implied=hold.implied,
        ),
        moment,
    )


def own_reason(payment: Payment) -> str:
    """Why a void of ours was asked for."""
    return "risk" if refused(payment) else "merchant"


def refused(payment: Payment) -> list[Operation]:
    """What risk refused of what the payment holds or took; no earlier attempt unless its money counts."""
    operations = payment.operations.values()
    holder = max((o.number for o in operations if o.type is OperationType.AUTHORIZE), default=0)
    counted = {thing.operation_id for thing in payment.objects.values() if thing.counted_minor}
    return [
        operation
        for operation in operations
        if operation.risk in REFUSED and (operation.number >= holder or operation.operation_id in counted)
    ]


def refresh_capturable(payment: Payment) -> None:
    """What of the hold is neither taken nor given back."""
    held = not payment.authorization_released and not payment.dead
    payment.amounts.capturable_minor = _untaken_minor(payment) if held else 0


def _untaken_minor(payment: Payment) -> int:
    """What of the hold was not taken, neither as asked for nor astray: held still, or given back with its end."""
    amounts = payment.amounts
    return max(amounts.authorized_minor - amounts.captured_minor - _taken_astray_minor(payment), 0)


def _taken_astray_minor(payment: Payment) -> int:
    """What the processor took of our hold without being asked for just that.

    So much as is astray in the books, whatever is said of it later, until people correct it. Sent back, or failed after
    all, it is not held again.
    """
    return sum(
        stray.amount_minor
        for thing in payment.objects.values()
        if thing.object_type is ObjectType.CAPTURE
        and thing.role is Role.STRAY
        and thing.parent_id is not None
        and thing.parent_id == payment.authorization_id
        and (stray := payment.strays.get(thing.stray_id or "")) is not None
        and stray.currency == payment.currency  # in another one nobody can say how much of the hold it was
    )


def release_hold(payment: Payment, reason: str, moment: Moment) -> None:
    """The rest of the hold is gone; what that means is settled once no capture is undecided."""
    if not payment.authorization_released:
        payment.authorization_released = True
        payment.released_reason = reason
        payment.touch(moment)
    refresh_capturable(payment)
    if reason != _FINAL_CAPTURE:
        _forget_refused_cancel(payment)
    settle_release(payment, moment)
    payment.derive_status(moment)


def _forget_refused_cancel(payment: Payment) -> None:
    """What a cancel asked for has happened after all: that one was refused is no error to show any more."""
    if payment.last_error_code in _REFUSED_CANCELS:
        clear_last_error(payment)


def settle_release(payment: Payment, moment: Moment) -> None:
    """A released hold ends an untouched payment, but not while a capture may still have taken money of it.

    A capture that waits for risk has nothing left to take, whatever anybody decides.
    """
    if not payment.authorization_released or payment.release_announced:
        return
    blocking = payment.blocking_operation()
    if blocking is not None and blocking.type is OperationType.CAPTURE and blocking.unsent:
        drop_capture(payment, blocking, moment)
    elif blocking is not None and blocking.takes_money:
        return
    rest_minor = _untaken_minor(payment)
    payment.release_announced = True
    reason = payment.released_reason or "issuer"
    if rest_minor > 0:
        payment.announce(
            HoldReleased(amount_minor=rest_minor, currency=payment.currency, reason=reason), moment
        )
    if payment.status is Status.AUTHORIZED and payment.amounts.captured_minor == 0:
        # Where the last capture went astray and is no capture of ours, the hold was ended from outside.
        end_canceled(payment, "issuer" if reason == _FINAL_CAPTURE else reason, moment)


def drop_unsent(
    payment: Payment, operation: Operation, target: RiskState, by: RiskBy, moment: Moment
) -> None:
    """Give up for good what was never sent."""
    # First the one, so that nobody tells the processor service of what it has never heard of.
    payment.step_with_risk(operation, target, by, moment)
    payment.advance(operation, OperationState.ABANDONED, moment)


def drop_capture(payment: Payment, operation: Operation, moment: Moment) -> None:
    """Give up a capture that was never sent, as the hold has not enough left for it."""
    operation.message = f"{payment.amounts.capturable_minor} of the hold are left to capture"
    drop_unsent(payment, operation, RiskState.WITHDRAWN, RiskBy.EVIDENCE, moment)
    note_error(payment, operation, code="capture_abandoned", decline_code=None)


def end_canceled(payment: Payment, reason: str, moment: Moment) -> None:
    """End a payment that took no money."""
    cancel = next(
        (
            operation
            for operation in payment.operations.values()
            if operation.type is OperationType.CANCEL and operation.state is OperationState.SUCCEEDED
        ),
        None,
    )
    payment.move(Status.CANCELED, moment)
    refresh_capturable(payment)
    if reason == "merchant":
        clear_last_error(payment)
    payment.announce(
        PaymentCanceled(operation_id=cancel.operation_id if cancel else None, reason=reason), moment
    )


def end_attempt(
    payment: Payment, operation: Operation, moment: Moment, *, code: str, decline_code: str | None
) -> None:
    """An authorize came to nothing: another method may be tried, or the payment has failed."""
    payment.attempts_used += 1
    note_error(payment, operation, code=code, decline_code=decline_code)
    if payment.status not in BEFORE_AUTHORIZATION:
        return
    if payment.attempts_left:
        payment.move(Status.REQUIRES_PAYMENT_METHOD, moment)
    else:
        payment.move(Status.FAILED, moment)
    payment.announce(
        PaymentMethodDeclined(
            operation_id=operation.operation_id,
            decline_code=decline_code,
            attempts_left=payment.attempts_left,
            status=payment.status.value,
        ),
        moment,
    )
    if payment.status is Status.FAILED:
        payment.announce(
            PaymentFailed(
                operation_id=operation.operation_id, reason="attempts_exhausted", decline_code=decline_code
            ),
            moment,
        )


def note_error(payment: Payment, operation: Operation, *, code: str, decline_code: str | None) -> None:
    """Keep the last thing that went wrong, as the merchant sees it."""
    payment.last_error_code = code
    payment.last_error_message = operation.message
    payment.last_decline_code = decline_code
    operation.decline_code = decline_code or operation.decline_code
    operation.dirty = True
    payment.changes.dirty = True


def clear_last_error(payment: Payment) -> None:
    """A success makes earlier refusals history."""
    payment.last_error_code = payment.last_error_message = payment.last_decline_code = None
