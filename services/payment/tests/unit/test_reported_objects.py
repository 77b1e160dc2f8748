"""What a settlement report proves of an object: a doubt that it ends, a refund that failed, a second charge; each once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from services.payment.app.apply_fact import ApplyFact, apply_fact
from services.payment.app.apply_reported_object import apply_reported_object
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.app.wake_waiting_facts import WakeWaitingFacts, wake_waiting_facts
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod, Source
from services.payment.tests.memory import START, MemoryUnit
from services.payment.tests.unit.test_operations_and_doubt import a_sale, answered
from services.payment.tests.world import (
    MERCHANT,
    authorized,
    captured,
    fact,
    first_operation,
    picture,
    refunded,
    told,
)

LATER = START + timedelta(days=2)


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


def reported(payment: Payment, **changes: Any) -> Fact:
    """As the consumer reads it: no version, and of a capture nothing of its hold."""
    said = {
        "object_type": "capture", "object_id": "cap_1", "status": "succeeded", "object_version": None,
        "payment_id": payment.payment_id, "occurred_at": LATER,
    } | changes  # fmt: skip
    return fact(**said)


def reports(unit: MemoryUnit, what: Fact) -> None:
    """The report's word, in a transaction of its own."""
    command = ApplyFact(
        fact=what,
        source=Source.SETTLEMENT,
        cause_id="evt_report",
        received_at=LATER,
        payment_id=what.payment_id,
    )
    apply_reported_object(command, unit)
    unit.commit()


def says(unit: MemoryUnit, what: Fact) -> None:
    """The processor's own word."""
    apply_fact(told(what), unit)
    unit.commit()


def kinds(unit: MemoryUnit, *wanted: str) -> list[str]:
    names = [type(event).__name__ for _, event in unit.events]
    return [name for name in names if name in wanted]


def a_doubt(unit: MemoryUnit) -> Payment:
    payment = a_sale(unit)
    answered(unit, payment, "unknown")
    return payment


def a_refund(unit: MemoryUnit, *, doubt: bool = False) -> tuple[Payment, str]:
    """A captured payment and its refund of 4,000, succeeded unless it is in doubt."""
    payment = a_sale(unit)
    says(unit, captured(payment))
    command = RefundPayment(
        merchant_id=MERCHANT, mode="test", payment_id=payment.payment_id, amount_minor=4_000, reason=None,
        request_id="r",
    )  # fmt: skip
    refund = refund_payment(command, unit)
    unit.commit()
    operation_id = str(refund.operation_id)
    if doubt:
        answered(unit, payment, "unknown")
    else:
        says(unit, refunded(payment, "succeeded", 2, reference=operation_id))
    return payment, operation_id


def test_a_sale_in_doubt_is_captured_by_a_line_alone(unit: MemoryUnit) -> None:
    payment = a_doubt(unit)
    reports(unit, reported(payment, reference=first_operation(payment)))
    assert (payment.status, payment.certainty, payment.amounts.captured_minor) == (
        "CAPTURED",
        "certain",
        10_000,
    )
    assert kinds(unit, "OperationResolved", "PaymentCaptured") == ["OperationResolved", "PaymentCaptured"]
    assert "OperationDecided" in [type(command).__name__ for command in unit.commands]


def test_a_word_that_waited_is_the_latest_of_what_is_known_by_then(unit: MemoryUnit) -> None:
    payment = a_doubt(unit)
    reports(unit, reported(payment))
    says(unit, captured(payment, status="pending"))
    assert payment.amounts.captured_minor == 0
    unit.now += timedelta(hours=1)
    wake_waiting_facts(WakeWaitingFacts(), unit)
    assert (payment.status, payment.amounts.captured_minor) == ("CAPTURED", 10_000)
    assert (unit.waiting.rows, payment.case_keys) == ({}, set())


@pytest.mark.parametrize("parent_id", ["cap_1", "pi_1"])
def test_a_charge_that_names_itself_or_an_intent_names_no_hold(unit: MemoryUnit, parent_id: str) -> None:
    payment = a_doubt(unit)
    reports(unit, reported(payment, reference=first_operation(payment), parent_id=parent_id))
    says(unit, authorized(payment))
    says(unit, captured(payment))
    assert (payment.amounts.captured_minor, payment.strays, payment.case_keys) == (10_000, {}, set())


def test_a_charge_of_our_hold_is_of_it(unit: MemoryUnit) -> None:
    payment = a_sale(unit, capture_method=CaptureMethod.MANUAL)
    says(unit, authorized(payment))
    reports(unit, reported(payment, parent_id="auth_1"))
    assert (payment.amounts.captured_minor, payment.strays, payment.case_keys) == (
        10_000,
        {},
        {"capture_adopted:cap_1"},
    )


@pytest.mark.parametrize("parent_id", ["auth_1", "cap_1", None])
def test_a_refund_is_of_the_capture_whichever_of_them_its_line_names(
    unit: MemoryUnit, parent_id: str | None
) -> None:
    payment, operation_id = a_refund(unit, doubt=True)
    says(unit, authorized(payment))
    reports(
        unit,
        reported(
            payment, object_type="refund", object_id="ref_1", amount_minor=4_000, reference=operation_id,
            parent_id=parent_id,
        ),
    )  # fmt: skip
    (refund,) = payment.refunds.values()
    assert (refund.state, refund.capture_id) == ("SUCCEEDED", "cap_1")
    says(unit, refunded(payment, "succeeded", 2, reference=operation_id))
    assert (payment.amounts.refunded_minor, payment.case_keys) == (4_000, set())


@pytest.mark.parametrize("method", ["automatic", "manual"])
def test_a_line_that_names_the_payment_alone_waits_for_what_its_doubt_comes_to(
    unit: MemoryUnit, method: str
) -> None:
    payment = a_sale(unit, capture_method=CaptureMethod(method))
    if method == "manual":
        says(unit, authorized(payment))
        capture_payment(
            CapturePayment(merchant_id=MERCHANT, mode="test", payment_id=payment.payment_id, request_id="r"),
            unit,
        )
        unit.commit()
    answered(unit, payment, "unknown")
    reports(unit, reported(payment))
    assert (payment.strays, [each.fact.object_id for each in unit.waiting.rows.values()]) == ({}, ["cap_1"])
    assert "LookUpOperation" in [type(command).__name__ for command in unit.commands]
    doubtful = max(payment.operations.values(), key=lambda operation: operation.number)
    says(unit, captured(payment, doubtful.operation_id))
    unit.now += timedelta(hours=1)
    wake_waiting_facts(WakeWaitingFacts(), unit)
    assert (payment.status, payment.amounts.captured_minor, payment.strays) == ("CAPTURED", 10_000, {})
    assert kinds(unit, "PaymentCaptured") == ["PaymentCaptured"]


@pytest.mark.parametrize("report_at", range(3))
def test_what_webhooks_say_of_it_before_or_after_has_its_effect_once(
    unit: MemoryUnit, report_at: int
) -> None:
    payment = a_doubt(unit)
    webhook = captured(payment)
    for turn in range(3):
        if turn == report_at:
            reports(unit, reported(payment, reference=first_operation(payment)))
        else:
            says(unit, webhook)
    assert kinds(unit, "PaymentCaptured", "StrayFound") == ["PaymentCaptured"]
    assert (payment.amounts.captured_minor, payment.case_keys) == (10_000, set())


def test_a_refund_in_doubt_succeeds_by_a_line_alone(unit: MemoryUnit) -> None:
    payment, operation_id = a_refund(unit, doubt=True)
    reports(
        unit,
        reported(
            payment, object_type="refund", object_id="ref_1", amount_minor=4_000, reference=operation_id,
            parent_id="cap_1",
        ),
    )  # fmt: skip
    assert (payment.amounts.refunded_minor, payment.amounts.refund_reserved_minor) == (4_000, 0)
    assert kinds(unit, "RefundSucceeded", "RefundAdopted") == ["RefundSucceeded"]


def failure(payment: Payment) -> Fact:
    return reported(payment, object_type="refund", object_id="ref_1", status="failed", amount_minor=4_000)


def test_a_refund_that_a_report_gives_back_restores_its_room(unit: MemoryUnit) -> None:
    payment, _ = a_refund(unit)
    assert payment.amounts.refunded_minor == 4_000
    reports(unit, failure(payment))
    assert (payment.status, payment.amounts.refunded_minor) == ("CAPTURED", 0)
    (failed,) = [event for _, event in unit.events if type(event).__name__ == "RefundFailed"]
    assert (failed.was_succeeded, failed.amount_minor) == (True, 4_000)  # type: ignore[union-attr]


@pytest.mark.parametrize("other", [{"amount_minor": 1_000}, {"currency": "USD"}], ids=["part", "currency"])
@pytest.mark.parametrize("version", [None, 2])
@pytest.mark.parametrize("ours", [True, False])
def test_a_line_of_other_money_than_the_refund_restores_no_room(
    unit: MemoryUnit, other: dict[str, Any], version: int | None, *, ours: bool
) -> None:
    payment = a_sale(unit)
    says(unit, captured(payment))
    name = None
    if ours:
        refund = refund_payment(
            RefundPayment(
                merchant_id=MERCHANT, mode="test", payment_id=payment.payment_id, amount_minor=4_000, reason=None,
                request_id="r",
            ),
            unit,
        )  # fmt: skip
        unit.commit()
        name = refund.operation_id
    succeeded = replace(refunded(payment, "succeeded", 2, reference=name), object_version=version)
    says(unit, succeeded)
    reports(unit, replace(failure(payment), **other))
    assert (payment.amounts.refunded_minor, kinds(unit, "RefundFailed")) == (4_000, [])
    assert any(case.startswith("contradicting_evidence:ref_1") for case in payment.case_keys)
    # The processor's own word about all of it still counts.
    third = refunded(payment, "failed", 3, reference=name, occurred_at=LATER)
    says(unit, replace(third, object_version=version and 3))
    assert (payment.amounts.refunded_minor, kinds(unit, "RefundFailed")) == (0, ["RefundFailed"])


def test_in_whichever_order_report_and_webhooks_say_that_a_refund_failed_it_fails_once() -> None:
    pictures = []
    for order in permutations(range(3)):
        unit = MemoryUnit()
        payment, operation_id = a_refund(unit)
        words = [
            lambda unit=unit, payment=payment: reports(unit, failure(payment)),
            lambda unit=unit, payment=payment, name=operation_id: says(
                unit, refunded(payment, "failed", 3, reference=name, occurred_at=LATER)
            ),
            lambda unit=unit, payment=payment, name=operation_id: says(
                unit, refunded(payment, "succeeded", 2, reference=name)
            ),
        ]
        for turn in order:
            words[turn]()
        assert kinds(unit, "RefundFailed") == ["RefundFailed"], order
        pictures.append(picture(payment))
    assert all(seen == pictures[0] for seen in pictures)


def test_a_second_charge_of_one_operation_is_a_stray_once(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    says(unit, captured(payment))
    second = reported(payment, object_id="cap_2", reference=first_operation(payment))
    reports(unit, second)
    reports(unit, second)
    says(unit, captured(payment, object_id="cap_2", parent_id=None))
    (stray,) = payment.strays.values()
    assert (stray.object_id, stray.amount_minor, stray.operation_id) == (
        "cap_2",
        10_000,
        first_operation(payment),
    )
    assert kinds(unit, "StrayFound", "PaymentCaptured") == ["PaymentCaptured", "StrayFound"]
    assert payment.amounts.captured_minor == 10_000


@pytest.mark.parametrize("version", [None, 1])
@pytest.mark.parametrize("refused_after", [-1, 0, 1])
def test_money_that_moved_counts_whenever_its_object_was_called_refused(
    unit: MemoryUnit, version: int | None, refused_after: int
) -> None:
    payment = a_sale(unit)
    refusal = LATER + timedelta(hours=refused_after)
    says(unit, captured(payment, status="declined", object_version=version, occurred_at=refusal))
    assert payment.amounts.captured_minor == 0
    reports(unit, reported(payment, reference=first_operation(payment)))
    assert payment.amounts.captured_minor + payment.amounts.stray_minor == 10_000


def test_a_report_of_other_money_than_was_asked_for_goes_before_a_person(unit: MemoryUnit) -> None:
    payment = a_doubt(unit)
    reports(unit, reported(payment, reference=first_operation(payment), amount_minor=9_000))
    assert payment.amounts.captured_minor == 0
    assert payment.operations[first_operation(payment)].state == "IN_REVIEW"
    assert [stray.amount_minor for stray in payment.strays.values()] == [9_000]


def test_a_line_of_the_refund_itself_takes_nothing_back_of_its_failure(unit: MemoryUnit) -> None:
    payment, operation_id = a_refund(unit)
    reports(unit, failure(payment))
    reports(
        unit,
        reported(
            payment, object_type="refund", object_id="ref_1", amount_minor=4_000, reference=operation_id
        ),
    )
    assert payment.amounts.refunded_minor == 0
    assert kinds(unit, "RefundSucceeded", "RefundFailed", "RefundAdopted") == [
        "RefundSucceeded",
        "RefundFailed",
    ]
