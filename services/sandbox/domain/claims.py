"""Owns what comes of a capture by itself, by the card that it was paid with."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from services.sandbox.domain.disputes import Claim, claim
from services.sandbox.domain.objects import Capture, Effect, Status, Timer, TimerAction
from services.sandbox.domain.payment_methods import ClaimCourse, payment_method
from services.sandbox.domain.reversals import take_back
from shared.kernel.ids import Ids

_DISPUTES: Final[dict[ClaimCourse, Claim]] = {
    ClaimCourse.DISPUTE: Claim(),
    ClaimCourse.NOT_RECEIVED: Claim(reason="product_not_received"),
    ClaimCourse.INQUIRY: Claim(inquiry=True),
    ClaimCourse.WON: Claim(verdict=Status.WON),
    ClaimCourse.LOST: Claim(verdict=Status.LOST),
}


def follow_ups(capture: Capture) -> tuple[Timer, ...]:
    """What a capture that succeeded has before it."""
    course = payment_method(capture.origin.payment_method).claim
    if course is ClaimCourse.NONE:
        return ()
    action = TimerAction.FAIL_CAPTURE if course is ClaimCourse.FAILS else TimerAction.CLAIM_CAPTURE
    return (Timer(action=action, object_id=capture.id),)


def claim_capture(capture: Capture, *, ids: Ids, now: datetime) -> Effect | None:
    """Let come what the card stands for."""
    if capture.status is not Status.SUCCEEDED:
        return None
    course = payment_method(capture.origin.payment_method).claim
    if course is ClaimCourse.TWICE:
        return _twice(capture, ids=ids, now=now)
    if course in _DISPUTES:
        return claim(capture, _DISPUTES[course], dispute_id=ids.new("dsp_"), row_id=ids.new("row_"), now=now)
    part_minor = max(capture.amount_minor // 2, 1) if course is ClaimCourse.PARTIAL_REVERSAL else None
    taken = take_back(capture, part_minor, reversal_id=ids.new("rvl_"), row_id=ids.new("row_"), now=now)
    if course is not ClaimCourse.REVERSAL_GIVEN_BACK:
        return taken
    back = Timer(action=TimerAction.GIVE_REVERSAL_BACK, object_id=taken.result.id)
    return replace(taken, timers=(*taken.timers, back))


def _twice(capture: Capture, *, ids: Ids, now: datetime) -> Effect:
    """Two disputes of one capture, a half each."""
    half_minor = max(capture.amount_minor // 2, 1)
    halves = [
        claim(
            capture,
            Claim(amount_minor=amount_minor),
            dispute_id=ids.new("dsp_"),
            row_id=ids.new("row_"),
            now=now,
        )
        for amount_minor in (half_minor, capture.amount_minor - half_minor)
        if amount_minor > 0
    ]
    return Effect(
        result=halves[0].result,
        objects=tuple(item for half in halves for item in half.objects),
        movements=tuple(movement for half in halves for movement in half.movements),
        announced=tuple(item for half in halves for item in half.announced),
    )
