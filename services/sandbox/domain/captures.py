"""Owns what may happen to captured money: settled when it was pending, refunded, a refund undone."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from services.sandbox.domain.objects import (
    Capture,
    Effect,
    Movement,
    MovementKind,
    Refund,
    Status,
    Timer,
    TimerAction,
)
from services.sandbox.domain.payment_methods import RefundCourse, payment_method
from shared.kernel.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """How a refund begins: its first status, the book's word for it, and what follows by itself."""

    status: Status
    kind: MovementKind
    follow_up: TimerAction | None = None


COURSES: Final[dict[RefundCourse, _Course]] = {
    RefundCourse.SUCCEEDS: _Course(status=Status.SUCCEEDED, kind=MovementKind.REFUNDED),
    RefundCourse.PENDS: _Course(
        status=Status.PENDING, kind=MovementKind.REFUND_PENDING, follow_up=TimerAction.SETTLE_REFUND
    ),
    RefundCourse.DECLINED: _Course(status=Status.FAILED, kind=MovementKind.REFUND_DECLINED),
    RefundCourse.FAILS_LATER: _Course(
        status=Status.SUCCEEDED, kind=MovementKind.REFUNDED, follow_up=TimerAction.FAIL_REFUND
    ),
}


def settle_capture(capture: Capture, *, now: datetime) -> Effect | None:
    """Let a pending capture succeed."""
    if capture.status is not Status.PENDING:
        return None
    settled = replace(
        capture,
        status=Status.SUCCEEDED,
        version=capture.version + 1,
        revision=capture.revision + 1,
        updated_at=now,
    )
    movement = Movement(
        kind=MovementKind.CAPTURED,
        object=settled,
        subject_id=settled.id,
        subject_revision=settled.revision,
        captured_minor=settled.amount_minor,
    )
    return Effect(result=settled, objects=(settled,), movements=(movement,), announced=(settled,))


def refund(
    capture: Capture, amount_minor: int | None, *, reference: str, refund_id: str, now: datetime
) -> Effect:
    """Give captured money back, all that is left unless an amount is given; the card decides its course."""
    if capture.refundable_minor == 0:
        raise Rejected("capture_not_refundable", f"It is {capture.status} and has nothing left to refund.")
    given_minor = capture.refundable_minor if amount_minor is None else amount_minor
    if given_minor > capture.refundable_minor:
        raise Rejected("amount_exceeds_refundable", "More than the capture has left.", param="amount")
    course = COURSES[payment_method(capture.origin.payment_method).refund_course]
    given = Refund(
        id=refund_id,
        capture_id=capture.id,
        origin=capture.origin,
        reference=reference,
        status=course.status,
        amount_minor=given_minor,
        version=1,
        revision=1,
        created_at=now,
        updated_at=now,
    )
    follow_up = (Timer(action=course.follow_up, object_id=given.id),) if course.follow_up else ()
    if course.status is Status.FAILED:  # It takes no room, so the capture stays as it is.
        declined = Movement(kind=course.kind, object=given, subject_id=given.id, subject_revision=1)
        return Effect(result=given, objects=(given,), movements=(declined,), announced=(given,))
    used = replace(
        capture,
        refunded_minor=capture.refunded_minor + given_minor,
        revision=capture.revision + 1,
    )
    movement = Movement(
        kind=course.kind,
        object=given,
        subject_id=used.id,
        subject_revision=used.revision,
        refunded_minor=given_minor if course.status is Status.SUCCEEDED else 0,
    )
    return Effect(
        result=given, objects=(used, given), movements=(movement,), announced=(given,), timers=follow_up
    )


def settle_refund(refunded: Refund, *, now: datetime) -> Effect | None:
    """Let a pending refund succeed; its room was taken when it began."""
    if refunded.status is not Status.PENDING:
        return None
    settled = _next(refunded, Status.SUCCEEDED, now)
    movement = Movement(
        kind=MovementKind.REFUNDED,
        object=settled,
        subject_id=settled.id,
        subject_revision=settled.revision,
        refunded_minor=settled.amount_minor,
    )
    return Effect(result=settled, objects=(settled,), movements=(movement,), announced=(settled,))


def fail_refund(refunded: Refund, capture: Capture, *, now: datetime) -> Effect | None:
    """Undo a refund: the bank did not take it, or sent it back. The capture has its room again."""
    if refunded.status is Status.FAILED:
        return None
    failed = _next(refunded, Status.FAILED, now)
    freed = replace(
        capture,
        refunded_minor=capture.refunded_minor - refunded.amount_minor,
        revision=capture.revision + 1,
    )
    movement = Movement(
        kind=MovementKind.REFUND_FAILED,
        object=failed,
        subject_id=freed.id,
        subject_revision=freed.revision,
        refunded_minor=-refunded.amount_minor,
    )
    movements: tuple[Movement, ...] = (movement,)
    if refunded.status is Status.PENDING:
        # Nothing was given back yet. Its own revision is used too: a timer may settle it at the same time.
        never = replace(movement, kind=MovementKind.REFUND_DECLINED, refunded_minor=0)
        movements = (never, replace(never, subject_id=failed.id, subject_revision=failed.revision))
    return Effect(result=failed, objects=(freed, failed), movements=movements, announced=(failed,))


def _next(refunded: Refund, status: Status, now: datetime) -> Refund:
    return replace(
        refunded,
        status=status,
        version=refunded.version + 1,
        revision=refunded.revision + 1,
        updated_at=now,
    )
