"""What a report shows without naming an operation of ours, while one of that amount is in doubt: that is decided first."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest

from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.wake_waiting_facts import WakeWaitingFacts, wake_waiting_facts
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.unit.test_operations_and_doubt import a_sale, answered
from services.payment.tests.unit.test_reported_objects import LATER, a_refund, kinds, reported, reports, says
from services.payment.tests.world import MERCHANT, authorized, captured, refunded


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


def wakes(unit: MemoryUnit) -> None:
    unit.now = max(unit.now, LATER)
    wake_waiting_facts(WakeWaitingFacts(), unit)
    unit.commit()


def shows_refund(payment: Payment, **changes: object) -> Callable[[MemoryUnit], None]:
    line = reported(payment, object_type="refund", object_id="ref_1", parent_type="capture", parent_id="cap_1",
                    amount_minor=4_000, **changes)  # fmt: skip
    return lambda unit: reports(unit, line)


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_a_refund_in_doubt_ends_as_ours_whichever_is_heard_first(
    unit: MemoryUnit, order: tuple[int, ...]
) -> None:
    payment, operation_id = a_refund(unit, doubt=True)
    ours = refunded(payment, "succeeded", 2, reference=operation_id)
    words = [shows_refund(payment), lambda unit: says(unit, ours)]
    for place in order:
        words[place](unit)
    wakes(unit)
    (refund,) = payment.refunds.values()
    assert (refund.state, refund.adopted) == ("SUCCEEDED", False)
    assert (payment.amounts.refunded_minor, payment.amounts.refund_reserved_minor) == (4_000, 0)
    assert kinds(unit, "RefundSucceeded", "RefundAdopted", "RefundFailed") == ["RefundSucceeded"]
    assert (payment.case_keys, unit.waiting.rows) == (set(), {})


def test_a_refund_that_a_report_may_show_is_asked_after(unit: MemoryUnit) -> None:
    payment, _ = a_refund(unit, doubt=True)
    unit.commands.clear()
    shows_refund(payment)(unit)
    assert (payment.amounts.refunded_minor, payment.amounts.refund_reserved_minor) == (0, 4_000)
    assert [type(command).__name__ for command in unit.commands] == ["LookUpOperation"]
    assert len(unit.waiting.rows) == 1


def test_what_our_refund_was_not_is_adopted_once_that_is_decided(unit: MemoryUnit) -> None:
    payment, operation_id = a_refund(unit, doubt=True)
    shows_refund(payment)(unit)
    says(unit, refunded(payment, "succeeded", 2, reference=operation_id, object_id="ref_2"))
    wakes(unit)
    assert kinds(unit, "RefundSucceeded", "RefundAdopted") == ["RefundSucceeded", "RefundAdopted"]
    assert payment.amounts.refunded_minor == 8_000


@pytest.mark.parametrize(
    "changes", [{"amount_minor": 3_999}, {"reference": "op_of_nobody", "amount_minor": 100}]
)
def test_a_refund_of_another_amount_is_nobody_s_at_once(unit: MemoryUnit, changes: dict[str, object]) -> None:
    payment, _ = a_refund(unit, doubt=True)
    line = reported(payment, **({"object_type": "refund", "object_id": "ref_9", "parent_type": "capture",
                                 "parent_id": "cap_1"} | changes))  # fmt: skip
    reports(unit, line)
    assert kinds(unit, "RefundAdopted") == ["RefundAdopted"]


def test_a_refund_whose_object_is_known_has_not_made_another(unit: MemoryUnit) -> None:
    payment, operation_id = a_refund(unit, doubt=True)
    says(unit, refunded(payment, "pending", 1, reference=operation_id))
    line = reported(payment, object_type="refund", object_id="ref_9", parent_type="capture", parent_id="cap_1",
                    amount_minor=4_000)  # fmt: skip
    reports(unit, line)
    assert kinds(unit, "RefundAdopted") == ["RefundAdopted"]


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_a_capture_in_doubt_that_a_line_shows_by_its_hold_ends_as_ours(
    unit: MemoryUnit, order: tuple[int, ...]
) -> None:
    payment = a_sale(unit, capture_method=CaptureMethod.MANUAL)
    says(unit, authorized(payment))
    capture_payment(
        CapturePayment(
            merchant_id=MERCHANT,
            mode="test",
            payment_id=payment.payment_id,
            amount_minor=None,
            final=None,
            request_id="r",
        ),
        unit,
    )
    unit.commit()
    operation = payment.latest_operation
    assert operation is not None
    answered(unit, payment, "unknown")
    line = reported(payment, parent_id="auth_1")
    words = [
        lambda unit: reports(unit, line),
        lambda unit: says(unit, captured(payment, operation.operation_id)),
    ]
    for place in order:
        words[place](unit)
    wakes(unit)
    assert (payment.status, payment.certainty, payment.amounts.captured_minor) == (
        "CAPTURED",
        "certain",
        10_000,
    )
    assert (payment.case_keys, payment.strays, unit.waiting.rows) == (set(), {}, {})
