"""A capture that waits for risk was never sent: it made nothing, and it has only what the hold still has."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from services.payment.app.apply_unrecognised import ApplyUnrecognised, apply_unrecognised
from services.payment.app.wake_waiting_facts import WakeWaitingFacts, wake_waiting_facts
from services.payment.domain.operations import OperationState
from services.payment.domain.risk_states import RiskState
from services.payment.domain.status import CaptureMethod, Status
from services.payment.tests.risk_world import DAY, World, hold
from services.payment.tests.unit.test_reported_objects import reported, reports
from services.payment.tests.world import (
    ACCOUNT,
    authorized,
    captured,
    disputed,
    fact,
    refunded,
    reversed_by_processor,
)
from shared.kernel.errors import Rejected

pytestmark = pytest.mark.unit


def waiting(amount: int | None = None, verdict: str | None = "review") -> World:
    """The whole hold stands, and a late capture of it is before a person, or waits for a decision."""
    world = hold()
    world.unit.now += DAY * 2
    world.capture(amount)
    if verdict is not None:
        world.decide(verdict)
    return world


def wakes(world: World) -> None:
    world.unit.now += DAY
    wake_waiting_facts(WakeWaitingFacts(), world.unit)
    world.unit.commit()


def ends(world: World, status: str) -> None:
    said = fact(
        object_type="authorization", object_id="auth_1", status=status, object_version=3,
        payment_id=world.payment.payment_id,
    )  # fmt: skip
    world.tell(said)


def of_somebody_else(world: World, **changes: Any) -> Any:
    """What staff captured at the processor's own pages."""
    return captured(world.payment, reference=None, object_id="cap_9", **changes)


PROOFS = {
    "refund": lambda payment: refunded(payment, "succeeded", 2, parent_id="cap_9", amount_minor=10_000),
    "dispute": lambda payment: disputed(payment, "opened", 1, parent_id="cap_9", amount_minor=10_000),
    "reversal": lambda payment: reversed_by_processor(payment, "succeeded", 1, parent_id="cap_9"),
}


@pytest.mark.parametrize("order", list(permutations(range(2))))
@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("verdict", [None, "review"])
def test_what_was_never_sent_is_not_what_a_refund_or_dispute_proves(
    verdict: str | None, proof: str, order: tuple[int, ...]
) -> None:
    world = waiting(6_000, verdict)
    ours = world.operation
    facts = [PROOFS[proof](world.payment), of_somebody_else(world)]
    for place in order:
        world.tell(facts[place])
    wakes(world)
    assert ours.state is not OperationState.SUCCEEDED
    assert world.payment.amounts.captured_minor == 10_000, (
        "the amount that the processor took, not the one asked for"
    )
    assert world.events().count("PaymentCaptured") == 1
    assert world.sent() == ["AuthorizePayment"]


@pytest.mark.parametrize("status", ["expired", "voided"])
@pytest.mark.parametrize("verdict", [None, "review"])
def test_a_hold_that_ends_takes_the_capture_along_that_waits(verdict: str | None, status: str) -> None:
    world = waiting(verdict=verdict)
    ours = world.operation
    ends(world, status)
    assert (ours.state, ours.risk, ours.risk_by) == (
        OperationState.ABANDONED,
        RiskState.WITHDRAWN,
        "evidence",
    )
    assert (world.payment.status, world.payment.hold) == (Status.CANCELED, None)
    assert world.payment.last_error_code == "capture_abandoned"
    assert world.payment.last_error_message == "0 of the hold are left to capture"
    with pytest.raises(Rejected, match="a payment that is CANCELED cannot be canceled"):
        world.cancel()
    with pytest.raises(Rejected, match="not_in_risk_review"):
        world.resolve("ada")
    assert not any(world.decide(word, operation=ours) for word in ("allow", "review", "block"))
    assert (world.sent(), world.payment.case_keys) == (["AuthorizePayment"], set())


def test_what_was_captured_before_stays_when_the_rest_of_the_hold_ends_under_a_capture_that_waits() -> None:
    world = hold()
    world.capture(4_000)
    world.tell(captured(world.payment, world.operation.operation_id, amount_minor=4_000))
    world.unit.now += DAY * 2
    world.capture(3_000)
    world.decide("review")
    ends(world, "expired")
    assert (world.payment.status, world.payment.amounts.captured_minor) == (Status.CAPTURED, 4_000)
    assert world.operation.state is OperationState.ABANDONED


@pytest.mark.parametrize("by", ["risk", "people", "deadline"])
def test_what_somebody_else_took_of_the_hold_is_not_sent_for_again(by: str) -> None:
    world = waiting(80, "review" if by == "people" else None)
    ours = world.operation
    world.tell(of_somebody_else(world, amount_minor=9_950))
    assert ours.state is OperationState.REQUESTED
    if by == "risk":
        world.decide("allow")
    elif by == "people":
        world.resolve("ada")
        assert world.resolve("bob").risk == "WITHDRAWN"
    else:
        world.expire()
    assert world.sent() == ["AuthorizePayment"]
    assert (ours.state, ours.risk) == (OperationState.ABANDONED, RiskState.WITHDRAWN)
    assert world.payment.last_error_message == "50 of the hold are left to capture"
    world.capture()
    assert world.operation.amount_minor == 50, "what is left can be asked for"


def test_a_cancel_that_is_refused_leaves_the_review_as_it_was() -> None:
    world = waiting(6_000)
    world.tell(of_somebody_else(world, amount_minor=4_000))
    before = world.events()
    with pytest.raises(Rejected, match="a payment that is CAPTURED cannot be canceled"):
        world.cancel()
    assert (world.operation.risk, world.payment.hold) == (RiskState.REVIEW, "risk_review")
    assert world.events() == before


def test_what_is_left_for_it_goes_out() -> None:
    world = waiting(6_000, None)
    world.tell(of_somebody_else(world, amount_minor=4_000))
    world.decide("allow")
    assert world.sent() == ["AuthorizePayment", "CapturePayment"]


@pytest.mark.parametrize("verdict", [None, "review"])
def test_what_cannot_be_read_is_told_to_a_person_although_a_capture_waits(verdict: str | None) -> None:
    world = waiting(verdict=verdict)
    said = ApplyUnrecognised(
        processor="alpha", account=ACCOUNT, object_id="cap_9", reference=None,
        payment_id=world.payment.payment_id, cause_id="evt_u",
    )  # fmt: skip
    apply_unrecognised(said, world.unit)
    world.unit.commit()
    assert world.payment.case_keys == {"webhook_unrecognised:cap_9"}
    assert world.sent() == ["AuthorizePayment"], "nobody could look up what was never sent"


def test_a_line_that_names_nothing_of_ours_waits_for_no_capture_that_was_never_sent() -> None:
    world = waiting()
    reports(world.unit, reported(world.payment, object_id="cap_9", parent_id="auth_1"))
    assert world.payment.amounts.captured_minor == 10_000
    assert not world.unit.waiting.rows


def test_a_payment_shows_its_review_whatever_is_decided_about_an_earlier_operation() -> None:
    world = World(amount_minor=100, capture_method=CaptureMethod.MANUAL)
    world.expire()
    first = world.operation
    world.tell(authorized(world.payment, amount_minor=100))
    world.unit.now += DAY * 2
    world.capture()
    world.decide("review")
    world.decide("block", operation=first)
    assert (first.risk, world.operation.risk) == (RiskState.DENIED, RiskState.REVIEW)
    assert world.payment.hold == "risk_review"


@pytest.mark.parametrize("foreign_minor", [30, 150])
def test_a_denial_that_waited_for_a_capture_is_settled_as_that_is_dropped(foreign_minor: int) -> None:
    world = World(amount_minor=100, capture_method=CaptureMethod.MANUAL)
    world.expire()
    first = world.operation
    world.tell(authorized(world.payment, amount_minor=100))
    world.unit.now += DAY * 2
    world.capture(80)
    world.decide("review")
    world.decide("block", operation=first)
    assert (first.risk, world.sent()) == (RiskState.DENIED, ["AuthorizePayment"])
    world.tell(of_somebody_else(world, amount_minor=foreign_minor))
    world.resolve("ada")
    world.resolve("bob")
    adopted = foreign_minor <= 100
    assert (f"risk_denied_late:{first.operation_id}" in world.payment.case_keys) is adopted
    assert world.sent() == ["AuthorizePayment"] + ([] if adopted else ["CancelPayment"])


def test_a_charge_of_somebody_else_at_beta_ends_the_hold_and_the_capture_that_waits() -> None:
    world = World(capture_method=CaptureMethod.MANUAL, processor="beta", account="acct_beta")
    world.decide("allow")
    world.tell(authorized(world.payment))
    world.unit.now += DAY * 2
    world.capture()
    world.decide("review")
    ours = world.operation
    world.tell(of_somebody_else(world, amount_minor=4_000))
    assert (ours.state, ours.risk) == (OperationState.ABANDONED, RiskState.WITHDRAWN)
    assert (world.payment.status, world.payment.hold) == (Status.CAPTURED, None)
    assert world.events().count("HoldReleased") == 1


def test_a_capture_that_was_dropped_is_no_earlier_one_that_may_have_taken_the_money() -> None:
    world = waiting(6_000)
    world.tell(of_somebody_else(world, amount_minor=5_000))
    world.resolve("ada")
    world.resolve("bob")
    world.capture(5_000)
    world.decide("allow")
    later = world.operation
    world.tell(refunded(world.payment, "succeeded", 2, parent_id="cap_1", amount_minor=5_000))
    assert later.state is OperationState.SUCCEEDED, "only the one that was sent can have been refunded"
    assert world.payment.amounts.captured_minor == 10_000


def test_a_sale_that_waits_keeps_its_payment_open_though_a_hold_of_it_ended() -> None:
    world = World(processor="beta", account="acct_beta")
    world.decide("review")
    world.tell(authorized(world.payment))
    assert (world.payment.status, world.operation.risk) == (Status.AUTHORIZED, RiskState.REVIEW)
    world.tell(of_somebody_else(world, amount_minor=12_000))
    assert world.payment.authorization_released
    assert (world.payment.status, world.payment.hold) == (Status.AUTHORIZED, "risk_review")
    world.resolve("ada", approve=False)
    assert (world.payment.status, world.payment.hold) == (Status.CANCELED, None)
