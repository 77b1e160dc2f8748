"""A payment that waits for a method for a month ends, CANCELED; nothing else does, and doubt is no silence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.payment.app.abandon_payments import AbandonPayments, abandon_payments
from services.payment.app.apply_fact import apply_fact
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.domain.events import PaymentCanceled
from services.payment.domain.operations import OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod, Status
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import MERCHANT, authorized, captured, first_operation, told, wish

MONTH = timedelta(days=30)


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


def waiting(unit: MemoryUnit) -> Payment:
    payment = create_payment(wish(payment_method=None, reference="order 7"), unit)
    unit.commit()
    assert payment.status is Status.REQUIRES_PAYMENT_METHOD
    return payment


def after(unit: MemoryUnit, span: timedelta, payment: Payment) -> int:
    unit.now = payment.updated_at + span
    ended = abandon_payments(AbandonPayments(), unit)
    unit.commit()
    return ended


def test_a_month_without_a_method_ends_it_once_and_frees_its_reference(unit: MemoryUnit) -> None:
    payment = waiting(unit)
    assert after(unit, MONTH - timedelta(microseconds=1), payment) == 0
    assert payment.status is Status.REQUIRES_PAYMENT_METHOD
    assert after(unit, MONTH, payment) == 1
    assert (payment.status, payment.abandoned) == (Status.CANCELED, True)
    assert after(unit, MONTH, payment) == 0
    said = [event for _, event in unit.events if isinstance(event, PaymentCanceled)]
    assert said == [PaymentCanceled(operation_id=None, reason="abandoned")]
    create_payment(wish(reference="order 7"), unit)
    (last,) = [step for step in unit.history if step.to_state == Status.CANCELED]
    assert (last.from_state, last.implied, last.cause_id) == (
        Status.REQUIRES_PAYMENT_METHOD, False, f"abandoned:{payment.payment_id}",
    )  # fmt: skip


def test_a_declined_attempt_is_something_that_happened(unit: MemoryUnit) -> None:
    payment = waiting(unit)
    unit.now += MONTH / 2
    command = ConfirmPayment(
        merchant_id=MERCHANT,
        mode="test",
        payment_id=payment.payment_id,
        request_id="r",
        payment_method="pm_2",
    )
    confirm_payment(command, unit)
    unit.commit()
    apply_fact(told(authorized(payment, status="declined", decline_code="expired_card")), unit)
    unit.commit()
    assert payment.status is Status.REQUIRES_PAYMENT_METHOD
    unit.now += MONTH / 2 + timedelta(days=1)
    assert abandon_payments(AbandonPayments(), unit) == 0
    assert after(unit, MONTH, payment) == 1


@pytest.mark.parametrize(
    "state",
    [OperationState.REQUESTED, OperationState.SENT, OperationState.UNCERTAIN, OperationState.IN_REVIEW],
)
def test_what_is_undecided_keeps_it_alive(unit: MemoryUnit, state: OperationState) -> None:
    payment = waiting(unit)
    command = ConfirmPayment(
        merchant_id=MERCHANT,
        mode="test",
        payment_id=payment.payment_id,
        request_id="r",
        payment_method="pm_2",
    )
    confirm_payment(command, unit)
    payment.operations[first_operation(payment)].state = state
    unit.commit()
    assert after(unit, 3 * MONTH, payment) == 0
    assert payment.status is not Status.CANCELED


@pytest.mark.parametrize("method", CaptureMethod)
def test_what_holds_or_took_money_is_never_abandoned(unit: MemoryUnit, method: CaptureMethod) -> None:
    payment = create_payment(wish(capture_method=method), unit)
    unit.commit()
    apply_fact(told(authorized(payment)), unit)
    unit.commit()
    if method is CaptureMethod.AUTOMATIC:
        apply_fact(told(captured(payment)), unit)
        unit.commit()
    before = payment.status
    assert after(unit, 12 * MONTH, payment) == 0
    assert payment.status is before


def test_money_that_is_found_afterwards_is_astray(unit: MemoryUnit) -> None:
    payment = waiting(unit)
    assert after(unit, MONTH, payment) == 1
    apply_fact(told(captured(payment, "op_unknown", parent_id=None)), unit)
    unit.commit()
    assert (payment.status, payment.amounts.captured_minor, payment.amounts.stray_minor) == (
        Status.CANCELED, 0, 10_000,
    )  # fmt: skip


def test_a_batch_ends_so_many_the_oldest_first(unit: MemoryUnit) -> None:
    payments = []
    for number in range(3):
        payments.append(create_payment(wish(payment_method=None, reference=f"order {number}"), unit))
        unit.commit()
    unit.now += MONTH
    assert abandon_payments(AbandonPayments(limit=2), unit) == 2
    unit.commit()
    assert [payment.abandoned for payment in payments] == [True, True, False]
    assert abandon_payments(AbandonPayments(limit=2), unit) == 1
