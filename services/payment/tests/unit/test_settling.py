"""Captures settle when the lines of closed payouts cover them, and are taken back when they no longer do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payment.app.apply_fact import apply_fact
from services.payment.app.create_payment import create_payment
from services.payment.app.wake_waiting_facts import WakeWaitingFacts, wake_waiting_facts
from services.payment.domain.changes import Moment
from services.payment.domain.events import PaymentCaptured
from services.payment.domain.payment import Payment
from services.payment.domain.pricing import Price
from services.payment.domain.resolving_strays import accept
from services.payment.domain.settlement_events import CaptureSettled
from services.payment.domain.status import Source, Status
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.settlement import AVAILABLE_ON, again, line_of, tell
from services.payment.tests.world import authorized, captured, disputed, money_row, refunded, told, wish
from shared.kernel.errors import Poison

PRICE = Price(percent_ppm=29_000, fixed_minor=30)


@pytest.fixture
def uow() -> MemoryUnit:
    uow = MemoryUnit()
    uow.payments.agreed = PRICE
    return uow


@pytest.fixture
def payment(uow: MemoryUnit) -> Payment:
    payment = create_payment(wish(), uow)
    uow.commit()
    apply_fact(told(captured(payment)), uow)
    uow.commit()
    return payment


def names(events: list[Any]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_capture_settles_once_its_lines_sum_to_it(uow: MemoryUnit, payment: Payment) -> None:
    assert tell(uow, line_of(payment, "1", gross_minor=4_000)) == []
    assert (payment.status, payment.amounts.settled_minor) == (Status.CAPTURED, 4_000)
    later = AVAILABLE_ON + timedelta(days=1)
    (event,) = tell(uow, line_of(payment, "2", gross_minor=6_000, available_on=later))
    assert isinstance(event, CaptureSettled)
    assert (event.amount_minor, event.amount_settled_minor, event.available_on) == (10_000, 10_000, later)
    assert payment.status is Status.SETTLED


def test_the_fee_is_that_of_the_capture(uow: MemoryUnit, payment: Payment) -> None:
    (event,) = tell(uow, line_of(payment))
    (capture,) = [said for _, said in uow.events if isinstance(said, PaymentCaptured)]
    assert event.fee_minor == capture.fee_minor == 320


def test_the_fee_of_a_stray_that_was_accepted_is_the_one_it_was_taken_with(
    uow: MemoryUnit, unpaid: Payment
) -> None:
    apply_fact(told(captured(unpaid, amount_minor=9_000)), uow)
    (stray,) = unpaid.strays.values()
    accept(unpaid, stray, Moment(now=uow.now, cause_id="dec", ids=uow.ids, source=Source.OPERATOR))
    uow.commit()
    (event,) = tell(uow, line_of(unpaid, gross_minor=9_000))
    (capture,) = [said for _, said in uow.events if isinstance(said, PaymentCaptured)]
    assert event.fee_minor == capture.fee_minor == 261


def test_an_amended_line_takes_settlement_back_and_may_bring_it_again(
    uow: MemoryUnit, payment: Payment
) -> None:
    first = line_of(payment)
    less = again(first, gross_minor=9_000)
    whole = again(less, gross_minor=10_000)
    settled, unsettled, resettled = tell(uow, first, less, whole)
    assert names([settled, unsettled, resettled]) == ["CaptureSettled", "CaptureUnsettled", "CaptureSettled"]
    assert unsettled.settled_fact_key == settled.fact_key
    assert len({settled.fact_key, unsettled.fact_key, resettled.fact_key}) == 3
    assert (unsettled.amount_minor, unsettled.fee_minor) == (settled.amount_minor, settled.fee_minor)
    assert unsettled.amount_settled_minor == 9_000
    assert payment.status is Status.SETTLED


def test_what_is_available_on_another_day_is_taken_back_and_settled_anew(
    uow: MemoryUnit, payment: Payment
) -> None:
    first, later = line_of(payment), AVAILABLE_ON + timedelta(days=3)
    settled, unsettled, resettled = tell(uow, first, again(first, available_on=later))
    assert names([settled, unsettled, resettled]) == ["CaptureSettled", "CaptureUnsettled", "CaptureSettled"]
    assert unsettled.settled_fact_key == settled.fact_key
    assert (settled.available_on, resettled.available_on) == (AVAILABLE_ON, later)
    assert payment.status is Status.SETTLED


def test_a_line_that_was_amended_to_nothing_delays_nothing(uow: MemoryUnit, payment: Payment) -> None:
    late = line_of(payment, "2", gross_minor=3_000, available_on=AVAILABLE_ON + timedelta(days=9))
    (settled,) = tell(uow, late, again(late, gross_minor=0), line_of(payment))
    assert settled.available_on == AVAILABLE_ON


def test_an_older_reading_told_again_changes_nothing(uow: MemoryUnit, payment: Payment) -> None:
    first = line_of(payment)
    less = again(first, gross_minor=9_000)
    tell(uow, first, less)
    assert tell(uow, first, less) == []
    assert payment.amounts.settled_minor == 9_000


def test_a_line_that_is_matched_later_counts_from_then_on(uow: MemoryUnit, payment: Payment) -> None:
    unmatched = line_of(None)
    assert tell(uow, unmatched) == []
    match = replace(unmatched, payment_id=payment.payment_id, object_id="cap_1", match_number=1)
    assert names(tell(uow, match)) == ["CaptureSettled"]


def test_a_line_that_was_matched_wrongly_leaves_its_first_payment(uow: MemoryUnit, payment: Payment) -> None:
    other = create_payment(wish(reference="other"), uow)
    uow.commit()
    apply_fact(told(captured(other, object_id="cap_2", parent_id="auth_2")), uow)
    uow.commit()
    first = line_of(payment)
    right = again(first, payment_id=other.payment_id, object_id="cap_2")
    assert sorted(names(tell(uow, first, right))) == ["CaptureSettled", "CaptureSettled", "CaptureUnsettled"]
    assert (payment.status, other.status) == (Status.CAPTURED, Status.SETTLED)
    assert names(tell(uow, again(right, payment_id=None, object_id=None))) == ["CaptureUnsettled"]


@pytest.mark.parametrize(
    "changes",
    [
        {"category": "refund"},
        {"category": "dispute"},
        {"currency": "USD"},
        {"object_id": "cap_unknown"},
        {"account": "acct_other"},
    ],
)
def test_what_is_no_line_of_the_capture_settles_nothing(
    uow: MemoryUnit, payment: Payment, changes: dict[str, Any]
) -> None:
    assert tell(uow, line_of(payment, **changes)) == []
    assert (payment.status, payment.amounts.settled_minor) == (Status.CAPTURED, 0)


def test_lines_of_refunds_and_disputes_do_not_lower_what_is_settled(
    uow: MemoryUnit, payment: Payment
) -> None:
    tell(uow, line_of(payment))
    refund = line_of(payment, "2", category="refund", gross_minor=-4_000, object_id="ref_1")
    assert tell(uow, refund) == []
    assert payment.amounts.settled_minor == 10_000


def test_a_line_against_the_capture_never_makes_settled_negative(uow: MemoryUnit, payment: Payment) -> None:
    tell(uow, line_of(payment, gross_minor=-500))
    assert payment.amounts.settled_minor == 0


def test_settlement_is_recorded_in_every_state(uow: MemoryUnit, payment: Payment) -> None:
    apply_fact(told(disputed(payment, "opened", 1)), uow)
    uow.commit()
    assert names(tell(uow, line_of(payment))) == ["CaptureSettled"]
    assert payment.status is Status.DISPUTED
    apply_fact(told(money_row(payment, "dispute", "opened", 6_000, "row_1")), uow)
    apply_fact(told(disputed(payment, "won", 2)), uow)
    uow.commit()
    assert payment.status is Status.SETTLED
    apply_fact(told(refunded(payment, "succeeded", 1, amount_minor=10_000)), uow)
    uow.commit()
    assert payment.status is Status.REFUNDED


def test_a_line_of_a_payment_that_is_not_ours_can_never_work(uow: MemoryUnit, payment: Payment) -> None:
    with pytest.raises(Poison, match="is not ours"):
        tell(uow, line_of(payment, payment_id="pay_unknown"))


@pytest.fixture
def unpaid(uow: MemoryUnit) -> Payment:
    payment = create_payment(wish(), uow)
    uow.commit()
    return payment


def test_a_line_that_came_first_settles_its_capture_when_it_counts(uow: MemoryUnit, unpaid: Payment) -> None:
    assert tell(uow, line_of(unpaid)) == []
    apply_fact(told(captured(unpaid)), uow)
    uow.commit()
    assert (unpaid.status, unpaid.amounts.settled_minor) == (Status.SETTLED, 10_000)
    assert names([event for _, event in uow.events])[-2:] == ["PaymentCaptured", "CaptureSettled"]


def test_a_line_that_came_first_settles_a_capture_that_a_fact_about_a_refund_implies(
    uow: MemoryUnit, unpaid: Payment
) -> None:
    tell(uow, line_of(unpaid))
    apply_fact(told(refunded(unpaid, "succeeded", 1)), uow)
    uow.commit()
    assert unpaid.amounts.settled_minor == unpaid.amounts.captured_minor == 10_000


def test_a_line_that_came_first_settles_a_capture_that_had_to_wait(uow: MemoryUnit, unpaid: Payment) -> None:
    tell(uow, line_of(unpaid))
    apply_fact(told(captured(unpaid, reference=None)), uow)
    apply_fact(told(authorized(unpaid)), uow)
    uow.commit()
    assert uow.waiting.rows
    uow.now += timedelta(minutes=1)
    wake_waiting_facts(WakeWaitingFacts(), uow)
    uow.commit()
    assert unpaid.amounts.settled_minor == unpaid.amounts.captured_minor == 10_000
