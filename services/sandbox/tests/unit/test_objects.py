"""Authorizations, captures and refunds: what may happen, and what is refused with which code."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.sandbox.domain import authorizations, captures
from services.sandbox.domain.objects import (
    Authorization,
    Capture,
    Effect,
    MovementKind,
    Origin,
    Refund,
    Status,
    TimerAction,
)
from shared.kernel.errors import Rejected

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def authorized(amount_minor=1_000, method="pm_card_visa", capture=False) -> Effect:
    origin = Origin(account="acct", payment_method=method, currency="EUR", metadata={"payment": "pay_1"})
    order = authorizations.Order(origin=origin, reference="op_1", amount_minor=amount_minor, capture=capture)
    return authorizations.authorize(order, authorization_id="auth_1", capture_id="cap_1", now=NOW)


def hold(**changes) -> Authorization:
    result = authorized().result
    assert isinstance(result, Authorization)
    return replace(result, **changes)


def take(authorization, amount_minor=None, final=False, now=NOW):
    return authorizations.capture(
        authorization, amount_minor, reference="op_2", final=final, capture_id="cap_2", now=now
    )


def captured(amount_minor=1_000, method="pm_card_visa") -> Capture:
    return authorized(amount_minor, method, capture=True).objects[1]


def give_back(capture, amount_minor=None):
    return captures.refund(capture, amount_minor, reference="op_3", refund_id="ref_1", now=NOW)


def sums(effect: Effect) -> tuple[int, int, int]:
    return tuple(
        sum(getattr(movement, name) for movement in effect.movements)
        for name in ("held_minor", "captured_minor", "refunded_minor")
    )


def test_an_authorization_holds_the_amount_and_expires_by_itself():
    effect = authorized()
    assert effect.result.status is Status.AUTHORIZED
    assert effect.result.capturable_minor == 1_000
    assert sums(effect) == (1_000, 0, 0)
    assert [timer.action for timer in effect.timers] == [TimerAction.EXPIRE_AUTHORIZATION]


def test_a_short_hold_runs_out_soon_and_says_so_later():
    effect = authorized(method="pm_card_shortHold")
    assert effect.result.capture_before == NOW + timedelta(seconds=5)
    assert [timer.due_at for timer in effect.timers] == [NOW + timedelta(seconds=15)]
    with pytest.raises(Rejected, match="run out"):
        take(effect.result, now=NOW + timedelta(seconds=5))


def test_a_declined_card_holds_nothing_and_says_why():
    effect = authorized(method="pm_card_visa_chargeDeclinedInsufficientFunds", capture=True)
    assert effect.result.status is Status.DECLINED
    assert effect.result.decline_code == "insufficient_funds"
    assert effect.objects == (effect.result,)
    assert sums(effect) == (0, 0, 0)


def test_a_sale_is_an_authorization_and_a_capture_under_one_reference():
    effect = authorized(capture=True)
    authorization, capture = effect.objects
    assert (authorization.captured_minor, authorization.capturable_minor) == (1_000, 0)
    assert capture.reference == authorization.reference == "op_1"
    assert capture.origin.payment_id == "pay_1"
    assert [item.id for item in effect.announced] == ["auth_1", "cap_1"]
    assert [movement.subject_revision for movement in effect.movements] == [1, 2]
    assert sums(effect) == (0, 1_000, 0)


def test_a_partial_capture_uses_room_but_is_no_new_version_of_the_authorization():
    effect = take(hold(), 400)
    used = effect.objects[0]
    assert (used.version, used.revision, used.updated_at) == (1, 2, NOW)
    assert used.capturable_minor == 600
    assert sums(effect) == (-400, 400, 0)


def test_a_final_capture_gives_the_rest_back():
    effect = take(hold(), 400, final=True)
    assert effect.objects[0].capturable_minor == 0
    assert sums(effect) == (-1_000, 400, 0)


def test_a_void_releases_what_is_left_and_is_found_by_its_own_reference():
    effect = authorizations.void(take(hold(), 400).objects[0], reference="op_4", now=NOW)
    assert (effect.result.status, effect.result.version) == (Status.VOIDED, 2)
    assert (effect.result.reference, effect.result.void_reference) == ("op_1", "op_4")
    assert sums(effect) == (-600, 0, 0)


def test_a_hold_runs_out_once_and_only_if_something_is_left():
    effect = authorizations.expire(hold(), now=NOW)
    assert effect.result.status is Status.EXPIRED
    assert authorizations.expire(effect.result, now=NOW) is None
    assert authorizations.expire(take(hold()).objects[0], now=NOW) is None


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda: take(hold(), 1_001), "amount_exceeds_capturable"),
        (lambda: take(hold(captured_minor=1_000)), "authorization_not_capturable"),
        (lambda: take(hold(status=Status.VOIDED)), "authorization_not_capturable"),
        (lambda: take(hold(status=Status.DECLINED)), "authorization_not_capturable"),
        (lambda: take(hold(status=Status.EXPIRED)), "authorization_not_capturable"),
        (lambda: take(hold(), now=NOW + timedelta(days=7)), "authorization_expired"),
        (
            lambda: authorizations.void(hold(status=Status.VOIDED), reference="r", now=NOW),
            "authorization_not_voidable",
        ),
        (
            lambda: authorizations.void(hold(captured_minor=1_000), reference="r", now=NOW),
            "authorization_not_voidable",
        ),
        (lambda: give_back(captured(), 1_001), "amount_exceeds_refundable"),
        (lambda: give_back(replace(captured(), refunded_minor=1_000)), "capture_not_refundable"),
        (lambda: give_back(captured(method="pm_card_pendingCapture")), "capture_not_refundable"),
    ],
)
def test_what_has_no_room_is_refused_with_its_code(act, code):
    with pytest.raises(Rejected) as refused:
        act()
    assert (refused.value.code, refused.value.status) == (code, 409)


def test_a_refund_takes_room_of_the_capture_at_once():
    effect = give_back(captured(), 300)
    used, refund = effect.objects
    assert used.refundable_minor == 700
    assert (used.version, refund.status) == (1, Status.SUCCEEDED)
    assert (effect.movements[0].subject_id, effect.movements[0].subject_revision) == ("cap_1", 2)
    assert sums(effect) == (0, 0, 300)


def test_a_pending_refund_takes_room_but_is_booked_when_it_settles():
    begun = give_back(captured(method="pm_card_pendingRefund"), 300)
    used, refund = begun.objects
    assert (refund.status, used.refundable_minor, sums(begun)) == (Status.PENDING, 700, (0, 0, 0))
    settled = captures.settle_refund(refund, now=NOW)
    assert (settled.result.status, settled.result.version) == (Status.SUCCEEDED, 2)
    assert sums(settled) == (0, 0, 300)
    assert captures.settle_refund(settled.result, now=NOW) is None


def test_a_declined_refund_takes_no_room():
    effect = give_back(captured(method="pm_card_refundDeclined"))
    assert effect.objects == (effect.result,)
    assert (effect.result.status, effect.movements[0].kind) == (Status.FAILED, MovementKind.REFUND_DECLINED)
    assert sums(effect) == (0, 0, 0)


def test_a_refund_that_fails_later_gives_the_room_back_and_reverses_the_book():
    begun = give_back(captured(method="pm_card_refundFail"), 300)
    used, refund = begun.objects
    assert (refund.status, begun.timers[0].action) == (Status.SUCCEEDED, TimerAction.FAIL_REFUND)
    failed = captures.fail_refund(refund, used, now=NOW)
    freed, result = failed.objects
    assert isinstance(result, Refund)
    assert (result.status, result.version, freed.refundable_minor) == (Status.FAILED, 2, 1_000)
    assert sums(failed) == (0, 0, -300)
    assert captures.fail_refund(result, freed, now=NOW) is None


def test_a_pending_refund_that_fails_never_was_in_the_book_and_cannot_settle_as_well():
    begun = give_back(captured(method="pm_card_pendingRefund"), 300)
    used, refund = begun.objects
    failed = captures.fail_refund(refund, used, now=NOW)
    assert (failed.objects[0].refundable_minor, sums(failed)) == (1_000, (0, 0, 0))
    settled = captures.settle_refund(refund, now=NOW)
    subjects = [
        {(row.subject_id, row.subject_revision) for row in each.movements} for each in (failed, settled)
    ]
    assert subjects[0] & subjects[1], "both use the same room, so only one can be written"


def test_a_pending_capture_is_booked_when_it_settles():
    begun = authorized(method="pm_card_pendingCapture", capture=True)
    assert sums(begun) == (0, 0, 0)
    settled = captures.settle_capture(begun.objects[1], now=NOW)
    assert (settled.result.status, settled.result.version) == (Status.SUCCEEDED, 2)
    assert sums(settled) == (0, 1_000, 0)
    assert captures.settle_capture(settled.result, now=NOW) is None


@pytest.mark.parametrize("capture_id", [None, "cap_1"])
def test_a_pending_authorization_holds_nothing_before_it_settles(capture_id):
    begun = authorized(method="pm_card_pendingAuthorization", capture=capture_id is not None)
    assert (begun.result.status, begun.result.capturable_minor, sums(begun)) == (Status.PENDING, 0, (0, 0, 0))
    with pytest.raises(Rejected) as refused:
        authorizations.void(begun.result, reference=None, now=NOW)
    assert refused.value.code == "authorization_not_voidable"
    (timer,) = begun.timers
    assert timer.action is (TimerAction.SETTLE_SALE if capture_id else TimerAction.SETTLE_AUTHORIZATION)
    settled = authorizations.settle(begun.result, capture_id=capture_id, now=NOW)
    assert (settled.objects[0].status, settled.objects[0].version) == (Status.AUTHORIZED, 2)
    assert sums(settled) == ((0, 1_000, 0) if capture_id else (1_000, 0, 0))
    assert authorizations.settle(settled.objects[0], capture_id=capture_id, now=NOW) is None


def test_a_pending_authorization_may_be_declined_in_the_end():
    begun = authorized(method="pm_card_pendingAuthorizationDeclined", capture=True)
    settled = authorizations.settle(begun.result, capture_id="cap_1", now=NOW)
    assert (settled.result.status, settled.result.decline_code) == (Status.DECLINED, "generic_decline")
    assert (len(settled.objects), sums(settled), settled.timers) == (1, (0, 0, 0), ())


def test_the_wrong_amount_card_really_takes_another_amount():
    effect = authorized(method="pm_fault_wrong_amount", capture=True)
    assert effect.objects[1].amount_minor == 1_100
    assert sums(effect) == (0, 1_100, 0)
