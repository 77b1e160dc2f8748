"""Facts that are odd, and money that must not follow them: one case at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payment.app.apply_fact import DEADLINE_S, apply_fact
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.look_up_hold import LookUpHold, look_up_hold
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.app.wake_waiting_facts import WakeWaitingFacts, wake_waiting_facts
from services.payment.domain.commands import LookUpOperation
from services.payment.domain.events import CaseOpened, PaymentCaptured, RefundStrayFailed, RefundStrayFound
from services.payment.domain.payment import Payment
from services.payment.domain.pricing import Price
from services.payment.domain.status import CaptureMethod
from services.payment.tests.memory import START, MemoryUnit
from services.payment.tests.world import (
    MERCHANT,
    authorized,
    captured,
    first_operation,
    refunded,
    tell,
    told,
    wish,
)
from shared.kernel.errors import Rejected

WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


def a_payment(unit: MemoryUnit, **changes: Any) -> Payment:
    payment = create_payment(wish(**changes), unit)
    unit.commit()
    return payment


def a_hold(unit: MemoryUnit, **changes: Any) -> Payment:
    payment = a_payment(unit, capture_method=CaptureMethod.MANUAL)
    tell(unit, authorized(payment, **changes))
    return payment


def ask_capture(unit: MemoryUnit, payment: Payment, amount_minor: int | None = None) -> str:
    wanted = CapturePayment(**WHO, payment_id=payment.payment_id, amount_minor=amount_minor)
    capture_payment(wanted, unit)
    unit.commit()
    operation = payment.latest_operation
    assert operation is not None
    return operation.operation_id


@pytest.mark.parametrize("status", ["failed", "succeeded", "won"])
def test_a_status_that_an_authorization_does_not_have_releases_no_hold(unit: MemoryUnit, status: str) -> None:
    payment = a_hold(unit)
    tell(unit, authorized(payment, status=status, object_version=2))
    assert (payment.status, payment.amounts.capturable_minor) == ("AUTHORIZED", 10_000)
    assert f"status_unknown:auth_1:{status}" in payment.case_keys
    tell(unit, authorized(payment, status="voided", object_version=3))
    assert payment.status == "CANCELED"


def test_a_status_that_a_capture_does_not_have_neither_declines_it_nor_hides_its_success(
    unit: MemoryUnit,
) -> None:
    payment = a_payment(unit)
    tell(unit, captured(payment, status="under_review", object_version=2))
    operation = payment.operations[first_operation(payment)]
    assert operation.undecided
    tell(unit, captured(payment, object_version=1))
    assert payment.amounts.captured_minor == 10_000


@pytest.mark.parametrize("status", ["pending", "succeeded", "failed"])
def test_money_of_no_amount_counts_for_nothing_and_stops_nobody(unit: MemoryUnit, status: str) -> None:
    payment = a_hold(unit)
    tell(unit, captured(payment, status=status, reference="elsewhere", amount_minor=0))
    tell(unit, captured(payment, reference="elsewhere", object_id="cap_2", amount_minor=4_000))
    tell(unit, refunded(payment, status, 1, amount_minor=0, parent_id="cap_2"))
    assert (payment.amounts.captured_minor, payment.amounts.refunded_minor) == (4_000, 0)
    assert not payment.refunds
    assert "money_without_amount:cap_1:" + status in payment.case_keys
    assert [e.amount_minor for _, e in unit.events if isinstance(e, PaymentCaptured)] == [4_000]


@pytest.mark.parametrize("failed_first", [False, True])
def test_a_capture_that_failed_without_an_amount_takes_no_amount_with_it_in_either_order(
    unit: MemoryUnit, failed_first: bool
) -> None:
    payment = a_hold(unit)
    took = captured(payment, reference=None, object_version=1, amount_minor=4_000)
    went = captured(payment, reference=None, object_version=2, amount_minor=0, status="failed")
    tell(unit, *((went, took) if failed_first else (took, went)))
    assert (payment.amounts.captured_minor, payment.amounts.reversed_minor) == (4_000, 0)
    assert "money_without_amount:cap_1:failed" in payment.case_keys


@pytest.mark.parametrize("reference", ["ours", None])
@pytest.mark.parametrize("amount_minor", [10_000, 4_000])
def test_a_capture_first_told_without_an_amount_is_judged_by_the_word_that_has_one(
    unit: MemoryUnit, reference: str | None, amount_minor: int
) -> None:
    payment = a_payment(unit)
    tell(unit, authorized(payment))
    tell(unit, captured(payment, amount_minor=0))
    named = {} if reference else {"reference": None}
    tell(unit, captured(payment, object_version=2, amount_minor=amount_minor, **named))
    astray_minor = sum(stray.amount_minor for stray in payment.strays.values())
    assert payment.amounts.captured_minor + astray_minor == amount_minor
    assert (payment.amounts.captured_minor > 0) is (amount_minor == 10_000)


@pytest.mark.parametrize("together", [False, True], ids=["a transaction each", "one transaction"])
def test_a_declined_hold_that_succeeds_after_all_is_ours_however_the_facts_are_batched(
    unit: MemoryUnit, together: bool
) -> None:
    payment = a_payment(unit, capture_method=CaptureMethod.MANUAL)
    apply_fact(told(authorized(payment, status="declined", object_version=1)), unit)
    if not together:
        unit.commit()
    apply_fact(told(authorized(payment, object_version=2)), unit)
    unit.commit()
    assert (payment.status, payment.amounts.capturable_minor, len(payment.strays)) == (
        "AUTHORIZED",
        10_000,
        0,
    )


@pytest.mark.parametrize("refund_first", [False, True])
def test_a_stray_in_another_currency_is_given_back_in_its_own(unit: MemoryUnit, refund_first: bool) -> None:
    payment = a_payment(unit)
    taken = captured(payment, currency="USD")
    back = refunded(payment, "succeeded", 1, currency="USD", amount_minor=10_000)
    tell(unit, *((back, taken) if refund_first else (taken, back)))
    unit.now += timedelta(days=1)
    wake_waiting_facts(WakeWaitingFacts(), unit)
    (stray,) = payment.strays.values()
    assert (stray.currency, stray.amount_minor, stray.returned_minor) == ("USD", 10_000, 10_000)
    assert payment.amounts.refunded_minor == 0


def test_a_refund_in_another_currency_than_its_stray_gives_nothing_of_it_back(unit: MemoryUnit) -> None:
    payment = a_payment(unit)
    tell(unit, captured(payment, currency="USD"), refunded(payment, "succeeded", 1, amount_minor=10_000))
    taken, back = payment.strays.values()
    assert taken.returned_minor == 0
    assert (back.kind, back.currency, back.amount_minor, back.mismatch) == ("refund", "EUR", 10_000, True)
    assert "echo_mismatch:ref_1" in payment.case_keys


@pytest.mark.parametrize("adopted_first", [False, True])
def test_the_fixed_part_of_the_fee_is_charged_once_whatever_others_take(
    unit: MemoryUnit, adopted_first: bool
) -> None:
    unit.payments.agreed = Price(percent_ppm=0, fixed_minor=30)
    payment = a_hold(unit)
    ours = ask_capture(unit, payment, 4_000)
    theirs = captured(payment, reference="elsewhere", object_id="cap_9", amount_minor=1_000)
    mine = captured(payment, ours, amount_minor=4_000)
    tell(unit, *((theirs, mine) if adopted_first else (mine, theirs)))
    later = ask_capture(unit, payment, 2_000)
    tell(unit, captured(payment, later, object_id="cap_3", amount_minor=2_000))
    fees = {e.object_id: e.fee_minor for _, e in unit.events if isinstance(e, PaymentCaptured)}
    assert fees == {"cap_1": 30, "cap_9": 0, "cap_3": 0}


def test_a_declined_first_capture_leaves_the_fixed_part_to_the_next(unit: MemoryUnit) -> None:
    unit.payments.agreed = Price(percent_ppm=0, fixed_minor=30)
    payment = a_hold(unit)
    first = ask_capture(unit, payment, 4_000)
    tell(unit, captured(payment, first, status="failed", amount_minor=4_000))
    second = ask_capture(unit, payment, 2_000)
    tell(unit, captured(payment, second, object_id="cap_2", amount_minor=2_000))
    assert payment.fee_total_minor == 30


def test_a_fact_that_waits_past_its_deadline_becomes_a_case_once_and_goes_on_waiting(
    unit: MemoryUnit,
) -> None:
    payment = a_hold(unit)
    tell(unit, refunded(payment, "succeeded", 1))
    wake_waiting_facts(WakeWaitingFacts(), unit)
    unit.commit()
    assert not payment.case_keys
    for _ in range(2):
        unit.now += timedelta(seconds=DEADLINE_S)
        wake_waiting_facts(WakeWaitingFacts(), unit)
        unit.commit()
    opened = [event for _, event in unit.events if isinstance(event, CaseOpened)]
    assert [(event.reason, event.exposure_minor) for event in opened] == [("fact_stuck", 4_000)]
    assert len(unit.waiting.rows) == 1


def test_a_fact_that_is_stuck_is_told_in_its_own_money(unit: MemoryUnit) -> None:
    payment = a_hold(unit)
    tell(unit, refunded(payment, "succeeded", 1, currency="USD"))
    unit.now += timedelta(seconds=DEADLINE_S)
    wake_waiting_facts(WakeWaitingFacts(), unit)
    unit.commit()
    (opened,) = [event for _, event in unit.events if isinstance(event, CaseOpened)]
    assert (opened.reason, opened.exposure_minor, opened.currency) == ("fact_stuck", 4_000, "USD")


def test_a_capture_refused_because_the_hold_looks_expired_can_have_it_looked_up(unit: MemoryUnit) -> None:
    payment = a_hold(unit, capture_before=START + timedelta(seconds=10))
    unit.now += timedelta(minutes=1)
    with pytest.raises(Rejected) as refused:
        ask_capture(unit, payment)
    assert refused.value.code == "authorization_expired"
    assert payment.status == "AUTHORIZED"
    ask = LookUpHold(**WHO, payment_id=payment.payment_id)
    assert [look_up_hold(ask, unit), look_up_hold(ask, unit)] == [True, False]
    unit.commit()
    assert unit.commands[-1] == LookUpOperation(
        operation_id=first_operation(payment), reason="authorization_expired"
    )
    tell(unit, authorized(payment, status="expired", object_version=2))
    assert payment.status == "CANCELED"
    unit.now += timedelta(minutes=1)
    assert not look_up_hold(ask, unit)


def a_refund_in_flight(unit: MemoryUnit) -> tuple[Payment, str]:
    payment = a_payment(unit)
    tell(unit, authorized(payment), captured(payment))
    wanted = RefundPayment(**WHO, payment_id=payment.payment_id, amount_minor=4_000)
    operation_id = refund_payment(wanted, unit).operation_id
    unit.commit()
    assert operation_id is not None
    return payment, operation_id


@pytest.mark.parametrize(("currency", "amount_minor"), [("EUR", 4_100), ("USD", 4_000)])
def test_a_refund_other_than_asked_is_a_stray_of_its_own_and_moves_no_amount(
    unit: MemoryUnit, currency: str, amount_minor: int
) -> None:
    payment, operation_id = a_refund_in_flight(unit)
    odd = {"reference": operation_id, "currency": currency, "amount_minor": amount_minor}
    tell(unit, refunded(payment, "succeeded", 1, **odd), refunded(payment, "succeeded", 2, **odd))
    operation = payment.operations[operation_id]
    assert operation.state == "IN_REVIEW"
    walked = [step.to_state for step in unit.history if step.subject_id == operation_id]
    assert walked[-2:] == ["UNCERTAIN", "IN_REVIEW"]
    (stray,) = payment.strays.values()
    assert (stray.kind, stray.currency, stray.amount_minor, stray.mismatch) == (
        "refund", currency, amount_minor, True,
    )  # fmt: skip
    assert (payment.amounts.refunded_minor, payment.amounts.refund_reserved_minor) == (0, 4_000)
    found = [event for _, event in unit.events if isinstance(event, RefundStrayFound)]
    assert [(event.amount_minor, event.currency, event.refund_id) for event in found] == [
        (amount_minor, currency, operation.refund_id)
    ]
    tell(unit, refunded(payment, "failed", 3, **odd))
    assert stray.released
    assert sum(isinstance(event, RefundStrayFailed) for _, event in unit.events) == 1


def test_a_refund_once_astray_stays_so_whatever_it_says_later(unit: MemoryUnit) -> None:
    payment, operation_id = a_refund_in_flight(unit)
    tell(
        unit,
        refunded(payment, "succeeded", 1, reference=operation_id, amount_minor=4_100),
        refunded(payment, "succeeded", 2, reference=operation_id, amount_minor=4_000),
    )
    assert payment.operations[operation_id].state == "IN_REVIEW"
    assert payment.amounts.refunded_minor == 0
    assert sum(isinstance(event, RefundStrayFound) for _, event in unit.events) == 1


@pytest.mark.parametrize("version", [1, None])
def test_one_moment_of_one_object_told_with_two_amounts_is_a_contradiction(
    unit: MemoryUnit, version: int | None
) -> None:
    """Where a processor has no versions, its moment and status must do: a lying echo would go unnoticed."""
    payment = a_payment(unit)
    once = replace(captured(payment), object_version=version)
    more = replace(
        once, amount_minor=once.amount_minor + 100, fact_key=f"{once.fact_key}:more", digest="e" * 64
    )
    tell(unit, once, more)
    assert payment.amounts.captured_minor == once.amount_minor
    assert {key.partition(":")[0] for key in payment.case_keys} == {"contradicting_evidence"}
