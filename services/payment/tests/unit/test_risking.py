"""Risk and one operation: nothing is sent before it may be, and whatever is late meets what was done meanwhile."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.domain.events import OperationRequested
from services.payment.domain.operations import OperationState
from services.payment.domain.risk_states import NEXT, RiskState, check_step
from services.payment.domain.status import CaptureMethod, Status
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.risk_world import DAY, TERMS, WHO, World, hold
from services.payment.tests.world import authorized, captured, wish
from shared.kernel.errors import InvariantViolation, Rejected

pytestmark = pytest.mark.unit


def test_nothing_is_asked_of_the_processor_while_risk_is_asked() -> None:
    world = World()
    assert world.sent() == []
    assert (world.operation.state, world.operation.risk) == (OperationState.REQUESTED, RiskState.WAITING)
    asked = next(event for _, event in world.unit.events if type(event).__name__ == "OperationRequested")
    assert (asked.payment_version, asked.decide_by_at) == (1, world.operation.risk_deadline_at)


def test_without_risk_nothing_waits() -> None:
    unit = MemoryUnit()
    payment = create_payment(wish(), unit)
    unit.commit()
    assert payment.latest_operation is not None
    assert (payment.latest_operation.risk, len(unit.commands)) == (None, 1)


def test_allowed_it_goes_out_once_however_often_it_is_told() -> None:
    world = World()
    assert world.decide("allow")
    assert [world.decide(verdict) for verdict in ("allow", "review", "block")] == [False] * 3
    assert world.sent() == ["AuthorizePayment"]


def test_a_decision_about_another_version_changes_nothing() -> None:
    world = World()
    assert not world.decide("block", version=7)
    assert world.operation.risk is RiskState.WAITING


def test_blocked_it_fails_and_the_processor_never_hears_of_it() -> None:
    world = World()
    world.decide("block")
    assert (world.payment.status, world.payment.last_error_code) == (Status.FAILED, "refused_by_risk")
    assert world.payment.last_error_message == "refused by risk"
    assert world.sent() == []
    assert world.events()[-1] == "PaymentFailed"


def test_reviewed_money_goes_out_when_two_people_say_so() -> None:
    world = World()
    world.decide("review")
    assert (world.payment.hold, world.sent()) == ("risk_review", [])
    assert world.resolve("ada").awaits_second
    with pytest.raises(Rejected, match="four_eyes"):
        world.resolve("ada")
    assert not world.resolve("bob").awaits_second
    assert (world.payment.hold, world.sent()) == (None, ["AuthorizePayment"])
    with pytest.raises(Rejected, match="not_in_risk_review"):
        world.resolve("cid")


def test_a_reviewed_hold_moves_no_money_and_needs_one_person() -> None:
    world = World(capture_method=CaptureMethod.MANUAL)
    world.decide("review")
    assert not world.resolve("ada").awaits_second
    assert world.sent() == ["AuthorizePayment"]


def test_one_person_ends_a_review() -> None:
    world = World()
    world.decide("review")
    world.resolve("ada", approve=False)
    assert (world.payment.status, world.payment.hold, world.sent()) == (Status.FAILED, None, [])


@pytest.mark.parametrize(
    ("amount", "currency", "risk"),
    [(100, "EUR", "ALLOWED"), (101, "EUR", "REVIEW"), (5_000, "JPY", "ALLOWED"), (5_001, "JPY", "REVIEW")],
)
def test_without_a_decision_the_amount_decides(amount: int, currency: str, risk: str) -> None:
    world = World(amount_minor=amount, currency=currency)
    assert world.expire() == 1
    assert (world.operation.risk, world.operation.risk_by) == (risk, "deadline")
    assert world.expire() == 0
    assert len(world.sent()) == (1 if risk == "ALLOWED" else 0)


def test_a_review_for_want_of_a_decision_ends_with_the_decision() -> None:
    for verdict, status, sent in (("allow", Status.CREATED, 1), ("block", Status.FAILED, 0)):
        world = World()
        world.expire()
        assert world.payment.hold == "risk_review"
        assert world.decide(verdict)
        assert (world.payment.status, world.payment.hold, len(world.sent())) == (status, None, sent)


def test_a_persons_word_stands_against_a_decision_that_comes_later() -> None:
    world = World()
    world.expire()
    world.resolve("ada")
    world.resolve("bob")
    world.decide("block")
    assert world.operation.risk is RiskState.ALLOWED
    assert world.payment.case_keys == {f"risk_review_late:{world.operation.operation_id}"}


def test_a_late_denial_voids_a_hold_once() -> None:
    world = World(amount_minor=100, capture_method=CaptureMethod.MANUAL)
    world.expire()
    world.tell(authorized(world.payment, amount_minor=100))
    denied = world.operation
    world.decide("block")
    assert world.sent() == ["AuthorizePayment", "CancelPayment"]
    assert not world.decide("block", operation=denied)
    gone = {"status": "voided", "object_version": 2, "amount_minor": 100}
    world.tell(authorized(world.payment, denied.operation_id, **gone))
    assert world.payment.status is Status.CANCELED
    ended = next(event for _, event in world.unit.events if type(event).__name__ == "PaymentCanceled")
    assert ended.reason == "risk"


def test_a_denial_that_comes_before_the_answer_waits_for_it() -> None:
    world = World(amount_minor=100, capture_method=CaptureMethod.MANUAL)
    world.expire()
    world.decide("block")
    assert world.sent() == ["AuthorizePayment"]
    world.tell(authorized(world.payment, amount_minor=100))
    assert world.sent() == ["AuthorizePayment", "CancelPayment"]


def test_a_denial_of_what_is_declined_anyway_does_nothing_more() -> None:
    world = World(amount_minor=100, max_attempts=1)
    world.expire()
    world.decide("block")
    world.tell(authorized(world.payment, status="declined", amount_minor=100))
    assert (world.payment.status, world.sent()) == (Status.FAILED, ["AuthorizePayment"])


def test_a_late_denial_of_taken_money_goes_before_a_person() -> None:
    world = World(amount_minor=100)
    world.expire()
    world.tell(authorized(world.payment, amount_minor=100))
    world.tell(captured(world.payment, amount_minor=100))
    world.decide("block")
    assert world.payment.status is Status.CAPTURED
    assert f"risk_denied_late:{world.operation.operation_id}" in world.payment.case_keys
    assert world.sent() == ["AuthorizePayment"]


def test_a_void_that_came_to_nothing_goes_before_a_person_and_is_not_asked_again() -> None:
    world = World(amount_minor=100, capture_method=CaptureMethod.MANUAL)
    world.expire()
    world.tell(authorized(world.payment, amount_minor=100))
    denied = world.operation
    world.decide("block")
    world.answer("declined")
    assert world.payment.case_keys == {f"risk_void_failed:{denied.operation_id}"}
    assert world.sent().count("CancelPayment") == 1


def test_a_merchant_may_cancel_what_was_never_sent() -> None:
    for verdict in (None, "review"):
        world = World()
        if verdict:
            world.decide(verdict)
        operation = world.operation
        world.cancel()
        assert (world.payment.status, world.payment.hold, world.sent()) == (Status.CANCELED, None, [])
        assert [world.decide(v, operation=operation) for v in ("allow", "block")] == [False, False]
        assert world.expire() == 0


def test_another_method_is_refused_while_one_waits() -> None:
    world = World()
    wanted = ConfirmPayment(**WHO, payment_id=world.payment.payment_id, payment_method="pm_2")
    with pytest.raises(Rejected, match="operation_in_doubt"):
        confirm_payment(wanted, world.unit)


def test_facts_come_before_any_decision() -> None:
    world = World()
    world.decide("review")
    world.tell(authorized(world.payment))
    world.tell(captured(world.payment))
    assert (world.payment.status, world.payment.hold) == (Status.CAPTURED, None)
    assert world.operation.risk is RiskState.OVERTAKEN
    assert world.events().count("RiskHoldChanged") == 2


def test_a_capture_soon_after_is_not_judged_again_and_a_late_one_is() -> None:
    world = hold()
    world.unit.now += DAY - timedelta(minutes=1)
    world.capture(4_000)
    assert (world.operation.risk, world.sent()[-1]) == (None, "CapturePayment")
    world = hold()
    world.unit.now += DAY + timedelta(minutes=1)
    world.capture()
    assert (world.operation.risk, world.sent()) == (RiskState.WAITING, ["AuthorizePayment"])
    world.decide("allow")
    assert world.sent()[-1] == "CapturePayment"


def test_a_late_capture_is_judged_with_the_payment_method_of_its_hold() -> None:
    world = hold()
    world.unit.now += DAY * 2
    world.capture()
    authorize, capture = (event for _, event in world.unit.events if isinstance(event, OperationRequested))
    assert capture.payment_method == authorize.payment_method is not None
    assert world.operation.payment_method is None, "only the hold's own operation carries it to the processor"


def test_a_late_capture_that_is_blocked_gives_the_hold_back() -> None:
    world = hold()
    world.unit.now += DAY * 2
    world.capture()
    blocked = world.operation
    world.decide("block")
    assert blocked.state is OperationState.ABANDONED
    assert world.sent() == ["AuthorizePayment", "CancelPayment"]
    assert world.payment.last_error_code == "refused_by_risk"


@pytest.mark.parametrize(("source", "target"), list(itertools.product(RiskState, RiskState)))
def test_every_step_is_either_listed_or_refused(source: RiskState, target: RiskState) -> None:
    if target in NEXT[source]:
        check_step(source, target)
    else:
        with pytest.raises(InvariantViolation):
            check_step(source, target)


def test_terms_without_a_word_about_an_operation_let_nothing_through() -> None:
    assert not replace(TERMS, small_minor={}).is_small("sale", 1, "EUR")
