"""A reply lied about amount, currency or reference: the operator has other evidence believed, and all counts by it."""

from __future__ import annotations

from typing import Any

import pytest

from services.payment.app.create_payment import create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain.changes import Moment
from services.payment.domain.correcting_strays import correct
from services.payment.domain.events import (
    PaymentCaptured,
    RefundStrayFound,
    RefundSucceeded,
    StrayAccepted,
    StrayFound,
)
from services.payment.domain.operations import OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.resolving_strays import request_return
from services.payment.domain.status import CaptureMethod, Source, Status
from services.payment.domain.strays import Stray, StrayKind
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import MERCHANT, authorized, captured, refunded, tell, wish
from shared.kernel.errors import Rejected

ASKED_MINOR = 10_000


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


@pytest.fixture
def payment(unit: MemoryUnit) -> Payment:
    made = create_payment(wish(amount_minor=ASKED_MINOR), unit)
    unit.commit()
    return made


def moment(unit: MemoryUnit) -> Moment:
    return Moment(now=unit.now, cause_id="dec", ids=unit.ids, source=Source.OPERATOR)


def correct_it(unit: MemoryUnit, payment: Payment, truth: Any) -> None:
    correct(payment, astray(payment), truth, moment(unit), by="bob")
    unit.commit()


def astray(payment: Payment) -> Stray:
    (stray,) = (each for each in payment.strays.values() if not each.released)
    return stray


def announced(unit: MemoryUnit, kind: type) -> list[Any]:
    return [event for _, event in unit.events if isinstance(event, kind)]


LIES: list[dict[str, Any]] = [{"amount_minor": 9_000}, {"amount_minor": 11_000}, {"currency": "USD"}]


@pytest.mark.parametrize("lie", LIES)
def test_a_sale_counts_by_the_truth_and_decides_its_operation(
    unit: MemoryUnit, payment: Payment, lie: dict[str, Any]
) -> None:
    said = {"amount_minor": ASKED_MINOR} | lie
    truth = captured(payment, amount_minor=ASKED_MINOR)
    tell(unit, captured(payment, **said), truth)
    (operation,) = payment.operations.values()
    assert operation.state is OperationState.IN_REVIEW

    correct_it(unit, payment, truth)

    assert (payment.status, payment.amounts.captured_minor) == (Status.CAPTURED, ASKED_MINOR)
    assert (operation.state, payment.amounts.stray_minor) == (OperationState.SUCCEEDED, 0)
    (taken,) = announced(unit, PaymentCaptured)
    assert (taken.operation_id, taken.amount_minor) == (operation.operation_id, ASKED_MINOR)
    (back,) = announced(unit, StrayAccepted)
    assert (back.amount_minor, back.currency) == (said["amount_minor"], said.get("currency", "EUR"))


def test_a_hold_counts_by_the_truth(unit: MemoryUnit) -> None:
    payment = create_payment(wish(amount_minor=ASKED_MINOR, capture_method=CaptureMethod.MANUAL), unit)
    unit.commit()
    truth = authorized(payment, amount_minor=ASKED_MINOR)
    tell(unit, authorized(payment, amount_minor=9_000), truth)
    assert astray(payment).kind is StrayKind.HOLD

    correct_it(unit, payment, truth)

    assert (payment.status, payment.amounts.capturable_minor) == (Status.AUTHORIZED, ASKED_MINOR)
    assert announced(unit, StrayAccepted) == [], "a hold was never in the books"


def test_a_refund_counts_by_the_truth(unit: MemoryUnit, payment: Payment) -> None:
    tell(unit, authorized(payment), captured(payment, amount_minor=ASKED_MINOR))
    wanted = RefundPayment(
        merchant_id=MERCHANT, mode="test", request_id="r", payment_id=payment.payment_id, amount_minor=4_000
    )
    refund_payment(wanted, unit)
    unit.commit()
    operation = payment.latest_operation
    assert operation is not None
    truth = refunded(payment, "succeeded", 1, reference=operation.operation_id, amount_minor=4_000)
    tell(
        unit,
        refunded(payment, "succeeded", 1, reference=operation.operation_id, amount_minor=4_100),
        truth,
    )

    correct_it(unit, payment, truth)

    assert (payment.amounts.refunded_minor, payment.amounts.refund_reserved_minor) == (4_000, 0)
    assert operation.state is OperationState.SUCCEEDED
    assert [event.amount_minor for event in announced(unit, RefundSucceeded)] == [4_000]
    assert [event.corrects for event in announced(unit, RefundStrayFound)] == [None]


def test_of_a_dead_payment_it_is_astray_anew_in_its_true_amount_and_can_be_returned(
    unit: MemoryUnit, payment: Payment
) -> None:
    truth = captured(payment, amount_minor=ASKED_MINOR)
    tell(unit, captured(payment, amount_minor=9_000), truth)
    payment.status = Status.CANCELED

    correct_it(unit, payment, truth)

    first, second = payment.strays.values()
    assert (first.accepted, second.corrects, second.amount_minor) == (True, first.stray_id, ASKED_MINOR)
    found = announced(unit, StrayFound)
    assert [event.corrects for event in found] == [None, first.stray_id]
    assert found[0].fact_key != found[1].fact_key, "two journals of one rule need two facts"
    assert payment.amounts.stray_minor == ASKED_MINOR
    assert request_return(payment, second, moment(unit)).amount_minor == ASKED_MINOR


def test_what_was_done_otherwise_than_asked_stays_before_people_as_it_was_done(
    unit: MemoryUnit, payment: Payment
) -> None:
    truth = captured(payment, amount_minor=8_000)
    tell(unit, captured(payment, amount_minor=9_000), truth)

    correct_it(unit, payment, truth)

    assert (astray(payment).amount_minor, astray(payment).mismatch) == (8_000, True)
    (operation,) = payment.operations.values()
    assert operation.state is OperationState.IN_REVIEW
    (found,) = (case for case in payment.cases if case.open and case.reason == "stray_found")
    assert found.exposure_minor == 8_000


def refusal(unit: MemoryUnit, payment: Payment, truth: Any) -> str:
    with pytest.raises(Rejected) as refused:
        correct(payment, astray(payment), truth, moment(unit), by="bob")
    return refused.value.code


def test_evidence_that_corrects_nothing_is_refused(unit: MemoryUnit, payment: Payment) -> None:
    lie = captured(payment, amount_minor=9_000)
    tell(unit, lie)
    assert refusal(unit, payment, captured(payment, object_id="cap_other")) == "evidence_unfit"
    assert refusal(unit, payment, captured(payment, status="failed", object_version=2)) == "evidence_unfit"
    assert refusal(unit, payment, lie) == "evidence_decides_nothing"


def test_it_is_corrected_once(unit: MemoryUnit, payment: Payment) -> None:
    tell(unit, captured(payment, amount_minor=9_000))
    correct_it(unit, payment, captured(payment, amount_minor=8_000))
    assert refusal(unit, payment, captured(payment, amount_minor=7_000)) == "stray_not_correctable"


def test_what_is_being_returned_is_not_corrected(unit: MemoryUnit, payment: Payment) -> None:
    truth = captured(payment, amount_minor=ASKED_MINOR)
    tell(unit, captured(payment, amount_minor=9_000), truth)
    request_return(payment, astray(payment), moment(unit))
    assert refusal(unit, payment, truth) == "operation_in_doubt"


def test_money_that_nobody_lied_about_is_not_corrected(unit: MemoryUnit, payment: Payment) -> None:
    payment.status = Status.CANCELED
    truth = captured(payment, amount_minor=ASKED_MINOR)
    tell(unit, truth)
    assert refusal(unit, payment, truth) == "stray_not_correctable"
