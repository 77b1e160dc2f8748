"""A charge that an attempt made after it was given up or refused: whatever speaks of it first, it is never the next attempt's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.payment.app.apply_attempt_answered import ApplyAttemptAnswered, apply_attempt_answered
from services.payment.app.apply_attempt_closed import ApplyAttemptClosed, apply_attempt_closed
from services.payment.app.apply_attempt_sent import ApplyAttemptSent, apply_attempt_sent
from services.payment.app.apply_fact import apply_fact
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.wake_waiting_facts import WakeWaitingFacts, wake_waiting_facts
from services.payment.domain.answering import Answer
from services.payment.domain.operations import Operation
from services.payment.domain.payment import Payment
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import (
    MERCHANT,
    authorized,
    captured,
    disputed,
    money_row,
    refunded,
    told,
    wish,
)

WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}
SPEAKS = {
    "dispute": lambda p: disputed(p, "opened", 1, parent_id="cap_late"),
    "money row": lambda p: money_row(p, "dispute", "opened", 6_000, "row_1", parent_id="cap_late"),
    "refund": lambda p: refunded(p, "succeeded", 1, parent_id="cap_late", amount_minor=4_000),
}


def sent(unit: MemoryUnit, payment: Payment) -> Operation:
    operation = payment.latest_operation
    assert operation is not None
    apply_attempt_sent(
        ApplyAttemptSent(
            payment_id=payment.payment_id, operation_id=operation.operation_id, cause_id="evt_s"
        ),
        unit,
    )
    unit.commit()
    return operation


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


def given_up(unit: MemoryUnit, payment: Payment, first: Operation) -> str:
    apply_attempt_closed(
        ApplyAttemptClosed(
            payment_id=payment.payment_id, operation_id=first.operation_id, reason="not_found", ever_sent=True,
            cause_id="evt_c",
        ),
        unit,
    )  # fmt: skip
    return "ABANDONED"


def refused(unit: MemoryUnit, payment: Payment, first: Operation) -> str:
    """In a reply; no object says so."""
    answer = Answer(
        result="declined",
        decline_code=None,
        error_code="http_422",
        message=None,
        next_check_at=None,
        mismatched=False,
    )
    apply_attempt_answered(
        ApplyAttemptAnswered(
            payment_id=payment.payment_id, operation_id=first.operation_id, cause_id="evt_d", answer=answer,
            facts=(), answered_at=unit.now,
        ),
        unit,
    )  # fmt: skip
    return "DECLINED"


@pytest.fixture(params=[given_up, refused])
def attempts(unit: MemoryUnit, request: pytest.FixtureRequest) -> tuple[Payment, Operation, Operation]:
    """A sale that is held dead, and the next one on its way."""
    payment = create_payment(wish(), unit)
    unit.commit()
    first = sent(unit, payment)
    state = request.param(unit, payment, first)
    unit.commit()
    assert first.state == state
    confirm_payment(ConfirmPayment(**WHO, payment_id=payment.payment_id, payment_method="pm_card_visa"), unit)
    unit.commit()
    return payment, first, sent(unit, payment)


@pytest.mark.parametrize("speaks", SPEAKS.values(), ids=SPEAKS.keys())
def test_what_speaks_of_a_charge_that_was_never_shown_waits_for_it(
    unit: MemoryUnit, attempts: tuple[Payment, Operation, Operation], speaks: Any
) -> None:
    payment, first, second = attempts
    apply_fact(told(speaks(payment)), unit)
    unit.commit()
    assert second.state == "SENT"
    assert payment.amounts.captured_minor == 0
    assert len(unit.waiting.rows) == 1
    apply_fact(told(captured(payment, first.operation_id, object_id="cap_late")), unit)
    unit.commit()
    unit.now += timedelta(days=1)
    wake_waiting_facts(WakeWaitingFacts(), unit)
    unit.commit()
    assert not unit.waiting.rows
    (stray,) = payment.strays.values()
    assert (stray.operation_id, second.state, payment.amounts.captured_minor) == (
        first.operation_id,
        "SENT",
        0,
    )


def test_a_decline_that_an_object_shows_leaves_no_doubt_whose_the_charge_is(unit: MemoryUnit) -> None:
    payment = create_payment(wish(), unit)
    unit.commit()
    sent(unit, payment)
    apply_fact(told(authorized(payment, status="declined")), unit)
    unit.commit()
    confirm_payment(ConfirmPayment(**WHO, payment_id=payment.payment_id, payment_method="pm_card_visa"), unit)
    unit.commit()
    second = sent(unit, payment)
    apply_fact(told(disputed(payment, "opened", 1, parent_id="cap_2")), unit)
    unit.commit()
    assert (second.state, payment.amounts.captured_minor) == ("SUCCEEDED", payment.amount_minor)
