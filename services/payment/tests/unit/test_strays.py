"""What becomes of strays: they end, turn into money, fail later, and are given back at most once."""

from __future__ import annotations

from typing import Any

import pytest

from services.payment.app.create_payment import create_payment
from services.payment.domain.changes import Moment
from services.payment.domain.deciding import give_up
from services.payment.domain.dispute_events import ReversalGivenBack, ReversalReceived
from services.payment.domain.operations import OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.resolving_strays import request_return, request_void
from services.payment.domain.status import CaptureMethod, Source
from services.payment.domain.strays import Stray
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import authorized, captured, fact, money_row, refunded, tell, wish
from shared.kernel.errors import Rejected


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


def a_payment(unit: MemoryUnit, **changes: Any) -> Payment:
    payment = create_payment(wish(**changes), unit)
    unit.commit()
    return payment


def an_operator(unit: MemoryUnit) -> Moment:
    return Moment(now=unit.now, cause_id="dec", ids=unit.ids, source=Source.OPERATOR)


def money_astray(unit: MemoryUnit) -> tuple[Payment, Stray]:
    """A captured payment, and a second capture of somebody else's hold."""
    payment = a_payment(unit)
    tell(unit, authorized(payment), captured(payment), second(payment))
    (stray,) = payment.strays.values()
    return payment, stray


def second(payment: Payment, **changes: Any) -> Any:
    said = {
        "object_type": "capture",
        "object_id": "cap_2",
        "status": "succeeded",
        "payment_id": payment.payment_id,
        "parent_type": "authorization",
        "parent_id": "auth_9",
        "amount_minor": 3_000,
    }
    return fact(**(said | changes))


@pytest.mark.parametrize("capture_first", [False, True])
@pytest.mark.parametrize(("taken_minor", "rest_minor"), [(10_050, 0), (4_000, 6_050)])
def test_what_captures_take_of_a_stray_hold_is_not_held_any_more(
    unit: MemoryUnit, taken_minor: int, rest_minor: int, *, capture_first: bool
) -> None:
    payment = a_payment(unit)
    hold = authorized(payment, amount_minor=10_050)
    money = captured(payment, amount_minor=taken_minor)
    tell(unit, *((money, hold) if capture_first else (hold, money)))
    strays = {stray.kind.value: stray for stray in payment.strays.values()}
    assert (strays["hold"].released, strays["money"].open_minor) == (rest_minor == 0, taken_minor)
    assert strays["hold"].open_minor == rest_minor
    assert payment.amounts.stray_minor == taken_minor


@pytest.mark.parametrize("capture_first", [False, True])
@pytest.mark.parametrize(("taken_minor", "open_cases"), [(10_050, ["cap_1"]), (4_000, ["auth_1", "cap_1"])])
def test_a_stray_hold_that_became_money_is_before_a_person_as_that_money_only(
    unit: MemoryUnit, taken_minor: int, open_cases: list[str], *, capture_first: bool
) -> None:
    payment = a_payment(unit)
    hold = authorized(payment, amount_minor=10_050)
    money = captured(payment, amount_minor=taken_minor)
    tell(unit, *((money, hold) if capture_first else (hold, money)))
    found = [case for case in payment.cases if case.reason == "stray_found"]
    assert sorted(case.subject for case in found if case.open) == open_cases
    assert {case.resolution for case in found if not case.open} <= {"evidence"}


def test_a_void_of_a_stray_hold_that_was_captured_meanwhile_is_no_success(unit: MemoryUnit) -> None:
    payment = a_payment(unit)
    tell(unit, authorized(payment, amount_minor=10_050))
    (hold,) = payment.strays.values()
    moment = an_operator(unit)
    void = request_void(payment, hold, moment)
    unit.commit()
    tell(unit, captured(payment, amount_minor=10_050))
    assert (hold.released, void.state) == (True, "REQUESTED")
    give_up(payment, void, OperationState.DECLINED, moment)
    assert [payment.cases.kept[step.case_id].reason for step in payment.cases.steps] == ["stray_void_failed"]


def test_a_capture_as_asked_of_a_hold_other_than_asked_leaves_only_the_rest_astray(unit: MemoryUnit) -> None:
    payment = a_payment(unit)
    tell(unit, authorized(payment, amount_minor=10_050), captured(payment))
    (hold,) = payment.strays.values()
    assert (payment.amounts.captured_minor, hold.open_minor, hold.released) == (10_000, 50, False)


@pytest.mark.parametrize("status", ["voided", "expired", "declined"])
def test_a_stray_hold_ends_by_its_own_word_also_where_it_is_not_what_was_asked_for(
    unit: MemoryUnit, status: str
) -> None:
    payment = a_payment(unit, capture_method=CaptureMethod.MANUAL)
    tell(unit, authorized(payment, amount_minor=10_050))
    (hold,) = payment.strays.values()
    tell(unit, authorized(payment, amount_minor=10_050, status=status, object_version=2))
    assert (hold.released, hold.open_minor) == (True, 0)
    assert payment.blocking_operation() is not None, "the operation is still before a person"


def test_stray_money_whose_capture_fails_later_is_not_there_to_be_given_back(unit: MemoryUnit) -> None:
    payment, stray = money_astray(unit)
    tell(unit, second(payment, status="failed", object_version=2))
    assert (stray.open_minor, stray.returnable_minor, payment.amounts.stray_minor) == (0, 0, 0)
    (taken,) = [event for _, event in unit.events if isinstance(event, ReversalReceived)]
    assert (taken.amount_minor, taken.charged_to, taken.cause) == (3_000, "suspense", "capture_failed")
    assert (payment.amounts.reversed_minor, payment.status) == (0, "CAPTURED"), "the merchant bears nothing"
    with pytest.raises(Rejected, match="nothing of it is astray"):
        request_return(payment, stray, an_operator(unit))
    tell(unit, second(payment, object_version=3))
    assert (stray.open_minor, payment.amounts.stray_minor) == (3_000, 3_000)
    assert sum(isinstance(event, ReversalGivenBack) for _, event in unit.events) == 1


def test_a_mismatched_sale_whose_money_fails_later_leaves_nothing_astray(unit: MemoryUnit) -> None:
    payment = a_payment(unit)
    tell(unit, captured(payment, amount_minor=10_050))
    tell(unit, captured(payment, amount_minor=10_050, status="failed", object_version=2))
    (stray,) = payment.strays.values()
    assert (stray.open_minor, payment.amounts.stray_minor) == (0, 0)


def test_a_return_under_way_is_withdrawn_when_the_strays_money_is_taken_by_others(unit: MemoryUnit) -> None:
    payment, stray = money_astray(unit)
    back = request_return(payment, stray, an_operator(unit))
    unit.commit()
    tell(unit, second(payment, status="failed", object_version=2))
    withdrawn = [c for c in unit.commands if type(c).__name__ == "WithdrawOperation"]
    assert [command.operation_id for command in withdrawn] == [back.operation_id]
    assert f"stray_returned_twice:{stray.stray_id}" in payment.case_keys


def test_money_that_came_back_before_its_taking_is_told_makes_no_room(unit: MemoryUnit) -> None:
    payment, stray = money_astray(unit)
    tell(unit, money_row(payment, "dispute", "reinstated", 500, "row_1", parent_id="cap_2"))
    assert (stray.open_minor, stray.returnable_minor) == (3_500, 3_000)


def test_a_hold_that_ends_after_everything_is_settled_settles_the_payment(unit: MemoryUnit) -> None:
    payment = a_payment(unit, capture_method=CaptureMethod.MANUAL)
    tell(unit, authorized(payment), second(payment, parent_id="auth_1"))
    payment.amounts.settled_minor = 3_000
    payment.derive_status(an_operator(unit))
    assert payment.status == "CAPTURED", "there may be more to take"
    tell(unit, authorized(payment, status="expired", object_version=2))
    assert payment.status == "SETTLED"


def test_a_stray_given_back_too_often_is_at_risk_until_one_of_them_fails(unit: MemoryUnit) -> None:
    payment, stray = money_astray(unit)
    for name in ("ref_8", "ref_9"):
        tell(unit, refunded(payment, "succeeded", 1, object_id=name, parent_id="cap_2", amount_minor=2_000))
    (case,) = [case for case in payment.cases if case.reason == "stray_returned_twice"]
    assert case.exposure_minor == 1_000
    tell(unit, refunded(payment, "failed", 2, object_id="ref_9", parent_id="cap_2", amount_minor=2_000))
    assert (case.exposure_minor, case.open, stray.returned_minor) == (0, True, 2_000), "a person closes it"


def test_a_refund_told_of_our_capture_stays_its_own_whatever_return_it_is_said_to_be(
    unit: MemoryUnit,
) -> None:
    payment, stray = money_astray(unit)
    tell(unit, refunded(payment, "pending", 1, amount_minor=stray.amount_minor))
    operation = request_return(payment, stray, an_operator(unit))
    unit.commit()
    said = {
        "reference": operation.operation_id,
        "parent_id": stray.object_id,
        "amount_minor": stray.amount_minor,
    }

    tell(unit, refunded(payment, "succeeded", 2, **said))

    assert payment.amounts.refunded_minor == stray.amount_minor
    assert (stray.returned_minor, operation.state) == (0, OperationState.REQUESTED)
    assert any(key.startswith("contradicting_evidence:") for key in payment.case_keys)
