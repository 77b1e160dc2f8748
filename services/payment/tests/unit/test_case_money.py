"""What a case says is at risk: the money that it is about, in the currency of that money."""

from __future__ import annotations

from typing import Any

import pytest

from services.payment.app.create_payment import create_payment
from services.payment.domain.answering import note_doubt
from services.payment.domain.changes import Moment
from services.payment.domain.events import CaseOpened
from services.payment.domain.payment import Payment
from services.payment.domain.resolving_strays import request_return
from services.payment.domain.status import Source
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import authorized, captured, fact, money_row, tell, wish


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


def paid(unit: MemoryUnit) -> Payment:
    payment = create_payment(wish(), unit)
    unit.commit()
    tell(unit, authorized(payment), captured(payment))
    return payment


def at_risk(unit: MemoryUnit) -> dict[str, tuple[int, str]]:
    cases = [event for _, event in unit.events if isinstance(event, CaseOpened)]
    return {case.reason: (case.exposure_minor, case.currency) for case in cases}


def of_nobody(payment: Payment) -> Any:
    """Dollars that nobody asked for, under a payment in euros."""
    return fact(
        object_type="capture", object_id="cap_9", status="succeeded", payment_id=payment.payment_id,
        parent_type="authorization", parent_id="auth_9", amount_minor=7_777, currency="USD",
    )  # fmt: skip


def test_a_stray_in_another_currency_is_at_risk_in_its_own(unit: MemoryUnit) -> None:
    payment = paid(unit)
    tell(unit, of_nobody(payment))
    assert at_risk(unit) == {"echo_mismatch": (7_777, "USD"), "stray_found": (7_777, "USD")}


def test_so_is_its_return_that_nobody_answers_for_in_case_and_dead_letter(unit: MemoryUnit) -> None:
    payment = paid(unit)
    tell(unit, of_nobody(payment))
    (stray,) = payment.strays.values()
    moment = Moment(now=unit.now, cause_id="dec", ids=unit.ids, source=Source.OPERATOR)
    operation = request_return(payment, stray, moment)
    note_doubt(payment, operation, moment)
    unit.commit()
    assert at_risk(unit)["ladder_exhausted"] == (7_777, "USD")
    (letter,) = unit.dead_letters
    assert (letter.exposure_minor, letter.currency) == (7_777, "USD")


def test_a_dispute_in_another_currency_is_at_risk_in_its_own(unit: MemoryUnit) -> None:
    payment = paid(unit)
    tell(unit, money_row(payment, "dispute", "opened", 6_000, "row_1", currency="USD"))
    assert at_risk(unit) == {"dispute_in_other_currency": (6_000, "USD")}


@pytest.mark.parametrize(
    "odd", [{"amount_minor": 1}, {"currency": "USD"}, {"amount_minor": 1, "currency": "USD"}]
)
def test_without_versions_the_same_time_saying_something_else_is_a_contradiction(
    unit: MemoryUnit, odd: dict[str, Any]
) -> None:
    payment = create_payment(wish(), unit)
    unit.commit()
    plain = {"object_version": None, "occurred_at": unit.now, "digest": "a" * 64, "fact_key": "k"}
    first = captured(payment, **plain)
    tell(unit, authorized(payment), first, first)
    assert at_risk(unit) == {}
    tell(unit, captured(payment, **(plain | {"digest": "b" * 64} | odd)))
    assert at_risk(unit) == {"contradicting_evidence": (10_000, "EUR")}
    assert payment.amounts.captured_minor == 10_000


def test_without_versions_a_later_word_of_the_same_second_is_no_contradiction(unit: MemoryUnit) -> None:
    payment = create_payment(wish(), unit)
    unit.commit()
    plain = {"object_version": None, "occurred_at": unit.now, "digest": "a" * 64, "fact_key": "k"}
    pending = captured(payment, **plain | {"status": "pending", "fact_key": "p"})
    tell(unit, authorized(payment), captured(payment, **plain), pending)
    assert at_risk(unit) == {}
