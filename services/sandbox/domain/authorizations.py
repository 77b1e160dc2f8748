"""Owns what may happen to an authorization: decided, captured, voided, expired."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.sandbox.domain.claims import follow_ups
from services.sandbox.domain.objects import (
    Authorization,
    Capture,
    Effect,
    Movement,
    MovementKind,
    Origin,
    Status,
    Timer,
    TimerAction,
)
from services.sandbox.domain.payment_methods import (
    HoldCourse,
    PaymentMethod,
    other_currency,
    payment_method,
)
from shared.kernel.errors import Rejected

DECLINED_LATER: Final = "generic_decline"
HOLD_LIFE: Final = timedelta(days=7)  # Card schemes let a hold lapse after about a week.


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a caller asks for when it authorizes."""

    origin: Origin
    reference: str
    amount_minor: int
    capture: bool
    #: Why it is declined whatever the card is, if a script says so.
    decline_code: str | None = None


def authorize(order: Order, *, authorization_id: str, capture_id: str, now: datetime) -> Effect:
    """Decide a new authorization; a sale is captured in the same effect, under the same reference."""
    method = payment_method(order.origin.payment_method)
    decline_code = order.decline_code or method.decline_code
    declined = decline_code is not None
    origin = order.origin
    if method.currency_drifts:
        origin = replace(origin, currency=other_currency(origin.currency))
    if not declined and method.hold_course is not HoldCourse.AT_ONCE:
        return _begin(order, origin, authorization_id, now)
    held_minor = 0 if declined else order.amount_minor + method.amount_drift_minor
    authorization = Authorization(
        id=authorization_id,
        origin=origin,
        reference=order.reference,
        status=Status.DECLINED if declined else Status.AUTHORIZED,
        amount_minor=order.amount_minor if declined else held_minor,
        captured_minor=0,
        released_minor=0,
        decline_code=decline_code,
        void_reference=None,
        capture_before=None if declined else _runs_out(method, now),
        version=1,
        revision=1,
        created_at=now,
        updated_at=now,
    )
    movement = Movement(
        kind=MovementKind.DECLINED if declined else MovementKind.AUTHORIZED,
        object=authorization,
        subject_id=authorization.id,
        subject_revision=1,
        held_minor=held_minor,
    )
    opened = Effect(
        result=authorization,
        objects=(authorization,),
        movements=(movement,),
        announced=(authorization,),
    )
    if declined:
        return opened
    return _hold_or_sell(opened, authorization, capture_id if order.capture else None, now)


def settle(pending: Authorization, *, capture_id: str | None, now: datetime) -> Effect | None:
    """Decide what was pending; ``capture_id`` names the money that a sale takes as soon as it is held."""
    if pending.status is not Status.PENDING:
        return None
    method = payment_method(pending.origin.payment_method)
    declined = method.hold_course is HoldCourse.DECLINED_LATER
    decided = replace(
        pending,
        status=Status.DECLINED if declined else Status.AUTHORIZED,
        decline_code=DECLINED_LATER if declined else None,
        capture_before=None if declined else _runs_out(method, now),
        version=pending.version + 1,
        revision=pending.revision + 1,
        updated_at=now,
    )
    movement = Movement(
        kind=MovementKind.DECLINED if declined else MovementKind.AUTHORIZED,
        object=decided,
        subject_id=decided.id,
        subject_revision=decided.revision,
        held_minor=0 if declined else decided.amount_minor,
    )
    opened = Effect(result=decided, objects=(decided,), movements=(movement,), announced=(decided,))
    return opened if declined else _hold_or_sell(opened, decided, capture_id, now)


def _runs_out(method: PaymentMethod, now: datetime) -> datetime:
    return now + (method.hold_life or HOLD_LIFE)


def _begin(order: Order, origin: Origin, authorization_id: str, now: datetime) -> Effect:
    """Take the order in; nothing is held before its issuer has decided."""
    pending = Authorization(
        id=authorization_id,
        origin=origin,
        reference=order.reference,
        status=Status.PENDING,
        amount_minor=order.amount_minor,
        captured_minor=0,
        released_minor=0,
        decline_code=None,
        void_reference=None,
        capture_before=None,
        version=1,
        revision=1,
        created_at=now,
        updated_at=now,
    )
    movement = Movement(
        kind=MovementKind.AUTHORIZATION_PENDING, object=pending, subject_id=pending.id, subject_revision=1
    )
    action = TimerAction.SETTLE_SALE if order.capture else TimerAction.SETTLE_AUTHORIZATION
    return Effect(
        result=pending,
        objects=(pending,),
        movements=(movement,),
        announced=(pending,),
        timers=(Timer(action=action, object_id=pending.id),),
    )


def _hold_or_sell(
    opened: Effect, authorization: Authorization, capture_id: str | None, now: datetime
) -> Effect:
    """What follows a hold: it runs out some day, or a sale takes it all at once under the same reference."""
    if capture_id is None:
        told_after = payment_method(authorization.origin.payment_method).expiry_told_after
        expiry = Timer(
            action=TimerAction.EXPIRE_AUTHORIZATION,
            object_id=authorization.id,
            due_at=authorization.capture_before and authorization.capture_before + told_after,
        )
        return replace(opened, timers=(expiry,))
    reference = authorization.reference
    sale = capture(authorization, None, reference=reference, final=True, capture_id=capture_id, now=now)
    return Effect(
        result=sale.objects[0],
        objects=sale.objects,
        movements=opened.movements + sale.movements,
        announced=(sale.objects[0], *sale.announced),
        timers=sale.timers,
    )


def capture(
    authorization: Authorization,
    amount_minor: int | None,
    *,
    reference: str,
    final: bool,
    capture_id: str,
    now: datetime,
) -> Effect:
    """Take money under a hold, all that is left unless an amount is given; ``final`` gives the rest back."""
    _require_capturable(authorization, now)
    taken_minor = authorization.capturable_minor if amount_minor is None else amount_minor
    if taken_minor > authorization.capturable_minor:
        raise Rejected("amount_exceeds_capturable", "More than the hold has left.", param="amount")
    rest_minor = authorization.capturable_minor - taken_minor if final else 0
    used = replace(
        authorization,
        captured_minor=authorization.captured_minor + taken_minor,
        released_minor=authorization.released_minor + rest_minor,
        revision=authorization.revision + 1,
    )
    pends = payment_method(authorization.origin.payment_method).capture_pends
    taken = Capture(
        id=capture_id,
        authorization_id=authorization.id,
        origin=authorization.origin,
        reference=reference,
        status=Status.PENDING if pends else Status.SUCCEEDED,
        amount_minor=taken_minor,
        refunded_minor=0,
        version=1,
        revision=1,
        created_at=now,
        updated_at=now,
    )
    movement = Movement(
        kind=MovementKind.CAPTURE_PENDING if pends else MovementKind.CAPTURED,
        object=taken,
        subject_id=used.id,
        subject_revision=used.revision,
        held_minor=-(taken_minor + rest_minor),
        captured_minor=0 if pends else taken_minor,
    )
    pending = Timer(action=TimerAction.SETTLE_CAPTURE, object_id=taken.id)
    timers = (pending,) if pends else follow_ups(taken)
    return Effect(
        result=taken, objects=(used, taken), movements=(movement,), announced=(taken,), timers=timers
    )


def void(authorization: Authorization, *, reference: str | None, now: datetime) -> Effect:
    """Give back what is left of a hold; the look-up finds it by the ``reference`` of who asked, if one did."""
    if authorization.capturable_minor == 0:
        raise Rejected("authorization_not_voidable", f"It is {authorization.status} and holds nothing.")
    named = replace(authorization, void_reference=reference)
    return _closed(named, Status.VOIDED, MovementKind.VOIDED, now)


def expire(authorization: Authorization, *, now: datetime) -> Effect | None:
    """Give back what is left of a hold that has run out, or nothing if nothing is left."""
    if authorization.capturable_minor == 0:
        return None
    return _closed(authorization, Status.EXPIRED, MovementKind.EXPIRED, now)


def _require_capturable(authorization: Authorization, now: datetime) -> None:
    if authorization.capturable_minor == 0:
        raise Rejected("authorization_not_capturable", f"It is {authorization.status} and holds nothing.")
    if authorization.capture_before is not None and now >= authorization.capture_before:
        raise Rejected("authorization_expired", "The hold has run out.")


def _closed(authorization: Authorization, status: Status, kind: MovementKind, now: datetime) -> Effect:
    rest_minor = authorization.capturable_minor
    closed = replace(
        authorization,
        status=status,
        released_minor=authorization.released_minor + rest_minor,
        version=authorization.version + 1,
        revision=authorization.revision + 1,
        updated_at=now,
    )
    movement = Movement(
        kind=kind,
        object=closed,
        subject_id=closed.id,
        subject_revision=closed.revision,
        held_minor=-rest_minor,
    )
    return Effect(result=closed, objects=(closed,), movements=(movement,), announced=(closed,))
