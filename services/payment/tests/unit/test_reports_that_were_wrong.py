"""A report that was wrong is not taken back: the processor's newer word about the object decides, once, whatever was told.

What a line proved stays as evidence when the line is withdrawn or amended away. These are the ways in which a payment
comes back to what is so, for processors with versions and without.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payment.tests.memory import MemoryUnit
from services.payment.tests.unit.test_operations_and_doubt import a_sale
from services.payment.tests.unit.test_reported_objects import (
    LATER,
    a_doubt,
    a_refund,
    failure,
    kinds,
    reported,
    reports,
    says,
)
from services.payment.tests.world import captured, first_operation, refunded

NEWER = LATER + timedelta(hours=1)


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


@pytest.mark.parametrize("word", ["failed", "declined"])
@pytest.mark.parametrize("version", [None, 2])
def test_a_charge_that_never_was_is_taken_back_in_whole(
    unit: MemoryUnit, word: str, version: int | None
) -> None:
    payment = a_doubt(unit)
    reports(unit, reported(payment, reference=first_operation(payment)))
    assert payment.status == "CAPTURED"
    for _ in range(2):
        says(unit, captured(payment, status=word, object_version=version, occurred_at=NEWER))
    assert (payment.status, payment.amounts.captured_minor, payment.amounts.reversed_minor) == (
        "REVERSED",
        10_000,
        10_000,
    )
    assert kinds(unit, "PaymentCaptured", "ReversalReceived") == ["PaymentCaptured", "ReversalReceived"]


@pytest.mark.parametrize("version", [None, 3])
def test_a_refund_that_never_was_gives_its_room_back(unit: MemoryUnit, version: int | None) -> None:
    payment, name = a_refund(unit, doubt=True)
    line = reported(
        payment,
        object_type="refund",
        object_id="ref_1",
        amount_minor=4_000,
        reference=name,
        parent_id="cap_1",
    )
    reports(unit, line)
    assert payment.amounts.refunded_minor == 4_000
    word = refunded(payment, "failed", 3, reference=name, occurred_at=NEWER)
    for _ in range(2):
        says(unit, replace(word, object_version=version))
    assert (payment.status, payment.amounts.refunded_minor) == ("CAPTURED", 0)
    assert kinds(unit, "RefundSucceeded", "RefundFailed") == ["RefundSucceeded", "RefundFailed"]


@pytest.mark.parametrize("version", [3, 4])
def test_a_refund_that_did_not_fail_counts_again_and_a_person_hears_of_it(
    unit: MemoryUnit, version: int
) -> None:
    payment, name = a_refund(unit)
    reports(unit, failure(payment))
    assert payment.amounts.refunded_minor == 0
    word = refunded(payment, "succeeded", version, reference=name, occurred_at=NEWER)
    for _ in range(2):
        says(unit, word)
    assert (payment.amounts.refunded_minor, payment.case_keys) == (4_000, {"refund_adopted:ref_1"})


def test_a_second_charge_that_never_was_is_astray_no_more(unit: MemoryUnit) -> None:
    payment = a_sale(unit)
    says(unit, captured(payment))
    reports(unit, reported(payment, object_id="cap_2", reference=first_operation(payment)))
    assert payment.amounts.stray_minor == 10_000
    word = captured(
        payment, object_id="cap_2", parent_id=None, status="failed", object_version=2, occurred_at=NEWER
    )
    for _ in range(2):
        says(unit, word)
    (stray,) = payment.strays.values()
    assert (stray.taken_back_minor, payment.amounts.stray_minor) == (10_000, 0)
    assert (payment.status, payment.amounts.captured_minor) == ("CAPTURED", 10_000)
