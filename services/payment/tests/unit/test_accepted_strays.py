"""A stray that was taken for the merchant's is money like any other from then on: it can still fail later."""

from __future__ import annotations

from typing import Any

import pytest

from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain.changes import Moment
from services.payment.domain.deciding import give_up
from services.payment.domain.dispute_events import ReversalGivenBack, ReversalReceived
from services.payment.domain.events import RefundFailed
from services.payment.domain.operations import OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.resolving_strays import accept
from services.payment.domain.status import CaptureMethod, Source
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import (
    MERCHANT,
    authorized,
    captured,
    first_operation,
    refunded,
    tell,
    wish,
)
from shared.kernel.errors import Rejected

ASKED_MINOR = 10_000
WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


@pytest.fixture
def payment(unit: MemoryUnit) -> Payment:
    made = create_payment(wish(amount_minor=ASKED_MINOR), unit)
    unit.commit()
    return made


def accept_the_stray(unit: MemoryUnit, payment: Payment) -> None:
    (stray,) = payment.strays.values()
    accept(payment, stray, Moment(now=unit.now, cause_id="dec", ids=unit.ids, source=Source.OPERATOR))
    unit.commit()


def announced(unit: MemoryUnit, kind: type) -> list[Any]:
    return [event for _, event in unit.events if isinstance(event, kind)]


def test_a_capture_other_than_asked_that_was_accepted_can_fail_later(
    unit: MemoryUnit, payment: Payment
) -> None:
    tell(unit, captured(payment, amount_minor=9_000))
    accept_the_stray(unit, payment)
    assert payment.amounts.captured_minor == 9_000

    tell(unit, captured(payment, amount_minor=9_000, status="failed", object_version=2))

    (taken,) = announced(unit, ReversalReceived)
    assert (taken.amount_minor, taken.charged_to, taken.cause) == (9_000, "merchant", "capture_failed")
    assert payment.amounts.reversed_minor == 9_000

    tell(unit, captured(payment, amount_minor=9_000, object_version=3))
    assert payment.amounts.reversed_minor == 0
    assert [event.amount_minor for event in announced(unit, ReversalGivenBack)] == [9_000]


def test_a_refund_other_than_asked_that_was_accepted_can_fail_later(
    unit: MemoryUnit, payment: Payment
) -> None:
    tell(unit, authorized(payment), captured(payment, amount_minor=ASKED_MINOR))
    asked = RefundPayment(
        merchant_id=MERCHANT, mode="test", request_id="r", payment_id=payment.payment_id, amount_minor=4_000
    )
    refund_payment(asked, unit)
    unit.commit()
    operation = payment.latest_operation
    assert operation is not None
    words = {"reference": operation.operation_id, "amount_minor": 3_000}
    tell(unit, refunded(payment, "succeeded", 1, **words))
    accept_the_stray(unit, payment)
    assert payment.amounts.refunded_minor == 3_000

    tell(unit, refunded(payment, "failed", 2, **words))

    assert (payment.amounts.refunded_minor, payment.amounts.refunded_adopted_minor) == (0, 0)
    (failed,) = [event for event in announced(unit, RefundFailed) if event.was_succeeded]
    assert (failed.amount_minor, failed.outcome) == (3_000, "failed_later")


def test_what_becomes_of_an_accepted_double_charge_is_not_what_became_of_the_charge(
    unit: MemoryUnit, payment: Payment
) -> None:
    under = first_operation(payment)
    double = {"object_id": "cap_2", "parent_id": "auth_9", "amount_minor": ASKED_MINOR}
    tell(
        unit,
        authorized(payment),
        captured(payment, amount_minor=ASKED_MINOR),
        captured(payment, under, **double),
    )
    accept_the_stray(unit, payment)
    assert payment.amounts.captured_minor == 2 * ASKED_MINOR

    tell(unit, captured(payment, under, **double, status="failed", object_version=2))

    assert payment.operations[under].state is OperationState.SUCCEEDED, "the charge itself stands"
    assert payment.amounts.reversed_minor == ASKED_MINOR


def test_money_of_another_hold_is_not_accepted_while_the_payments_own_stands(
    unit: MemoryUnit, payment: Payment
) -> None:
    under = first_operation(payment)
    tell(
        unit,
        authorized(payment),
        captured(payment, under, object_id="cap_2", parent_id="auth_9", amount_minor=4_000),
    )
    before = (payment.amounts.captured_minor, payment.amounts.capturable_minor)

    with pytest.raises(Rejected, match="10000 are still held of the payment's own") as told:
        accept_the_stray(unit, payment)

    assert told.value.code == "stray_beside_a_hold"
    assert (payment.amounts.captured_minor, payment.amounts.capturable_minor) == before
    assert before == (0, ASKED_MINOR), "nothing of the own hold was taken, as the processor's book has it"


@pytest.mark.parametrize("state", [OperationState.SENT, OperationState.UNCERTAIN, OperationState.IN_REVIEW])
def test_money_of_an_earlier_attempt_is_not_accepted_while_a_later_one_may_take_it_once_more(
    unit: MemoryUnit, payment: Payment, state: OperationState
) -> None:
    moment = Moment(now=unit.now, cause_id="evt", ids=unit.ids, source=Source.REPLY)
    first = payment.operations[first_operation(payment)]
    give_up(payment, first, OperationState.ABANDONED, moment)
    confirm_payment(ConfirmPayment(**WHO, payment_id=payment.payment_id, payment_method="pm_2"), unit)
    second = payment.latest_operation
    assert second is not None
    for step in (OperationState.SENT, OperationState.UNCERTAIN, OperationState.IN_REVIEW):
        if second.state is not state:
            payment.advance(second, step, moment)
    unit.commit()
    tell(unit, captured(payment, first.operation_id, object_id="cap_9", parent_id="auth_9"))
    assert (payment.amounts.stray_minor, payment.amounts.capturable_minor) == (ASKED_MINOR, 0)

    with pytest.raises(Rejected) as told:
        accept_the_stray(unit, payment)
    assert (told.value.code, told.value.stored) == ("operation_in_doubt", False)
    assert told.value.extra == {"operation": second.operation_id}

    give_up(payment, second, OperationState.DECLINED, moment)
    unit.commit()
    accept_the_stray(unit, payment)
    assert payment.amounts.captured_minor == ASKED_MINOR


def test_money_is_not_accepted_while_a_capture_of_the_payments_own_hold_is_under_way(
    unit: MemoryUnit,
) -> None:
    payment = create_payment(wish(amount_minor=ASKED_MINOR, capture_method=CaptureMethod.MANUAL), unit)
    unit.commit()
    tell(unit, authorized(payment))
    capture_payment(CapturePayment(**WHO, payment_id=payment.payment_id, amount_minor=None), unit)
    unit.commit()
    asked = payment.latest_operation
    assert asked is not None
    tell(unit, captured(payment, reference=None, object_id="cap_9", parent_id="auth_9"))
    with pytest.raises(Rejected) as told:
        accept_the_stray(unit, payment)
    assert told.value.code == "operation_in_doubt"
    tell(unit, captured(payment, asked.operation_id))
    accept_the_stray(unit, payment)
    assert payment.amounts.captured_minor == 2 * ASKED_MINOR, "two people saw both"


def test_money_is_not_accepted_for_a_payment_that_asked_for_nothing_yet(unit: MemoryUnit) -> None:
    payment = create_payment(wish(payment_method=None), unit)
    unit.commit()
    tell(unit, captured(payment, "op_of_nobody", reference=None, object_id="cap_9", parent_id="auth_9"))
    assert payment.amounts.stray_minor == ASKED_MINOR
    with pytest.raises(Rejected, match="nothing was asked for at a processor yet") as told:
        accept_the_stray(unit, payment)
    assert told.value.code == "payment_wrong_status"
    assert (payment.status, payment.amounts.captured_minor) == ("REQUIRES_PAYMENT_METHOD", 0)
