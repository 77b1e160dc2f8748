"""What risk refused lets nothing go, and keeps nothing but its own from anybody."""

from __future__ import annotations

import pytest

from services.payment.domain.risk_states import RiskState
from services.payment.domain.status import CaptureMethod, Status
from services.payment.tests.risk_world import DAY, World, hold
from services.payment.tests.world import authorized, captured

pytestmark = pytest.mark.unit


def test_a_late_capture_that_is_blocked_is_judged_again_when_it_is_asked_for_again() -> None:
    world = hold()
    world.capture(4_000)
    world.tell(captured(world.payment, world.operation.operation_id, amount_minor=4_000))
    world.unit.now += DAY * 2
    world.capture(3_000)
    blocked = world.operation
    world.decide("block")
    assert (blocked.risk, world.payment.status) == (RiskState.BLOCKED, Status.CAPTURED)
    world.capture(3_000)
    assert world.operation is not blocked
    assert (world.operation.risk, world.sent().count("CapturePayment")) == (RiskState.WAITING, 1)
    world.decide("allow")
    world.tell(captured(world.payment, world.operation.operation_id, amount_minor=3_000, object_id="cap_2"))
    world.capture(3_000)
    assert (world.operation.risk, world.sent().count("CapturePayment")) == (None, 3)


def test_a_hold_that_could_not_be_given_back_is_not_captured_without_being_judged() -> None:
    world = World(amount_minor=100, capture_method=CaptureMethod.MANUAL)
    world.expire()
    world.tell(authorized(world.payment, amount_minor=100))
    world.decide("block")
    world.answer("declined")
    world.capture()
    assert (world.operation.risk, world.sent().count("CapturePayment")) == (RiskState.WAITING, 0)


def denied_before_another(method: CaptureMethod) -> World:
    """The first method is declined, denied too late, and another one is allowed and holds."""
    world = World(amount_minor=100, capture_method=method)
    world.expire()
    first = world.operation
    world.tell(authorized(world.payment, status="declined", amount_minor=100))
    world.decide("block", operation=first)
    assert (first.risk, world.payment.status) == (RiskState.DENIED, Status.REQUIRES_PAYMENT_METHOD)
    world.confirm("pm_2")
    world.decide("allow")
    second = world.operation.operation_id
    world.tell(authorized(world.payment, second, amount_minor=100, object_id="auth_2"))
    return world


def test_a_late_denial_of_one_method_leaves_the_hold_of_another_alone() -> None:
    world = denied_before_another(CaptureMethod.MANUAL)
    assert (world.payment.status, world.payment.case_keys) == (Status.AUTHORIZED, set())
    assert world.sent() == ["AuthorizePayment"] * 2
    world.cancel()
    gone = {"status": "voided", "object_version": 2, "amount_minor": 100, "object_id": "auth_2"}
    holder = max(o.operation_id for o in world.payment.operations.values() if o.type == "authorize")
    world.tell(authorized(world.payment, holder, **gone))
    ended = next(event for _, event in world.unit.events if type(event).__name__ == "PaymentCanceled")
    assert (world.payment.status, ended.reason) == (Status.CANCELED, "merchant")


def test_a_late_denial_of_one_method_puts_no_money_of_another_before_a_person() -> None:
    world = denied_before_another(CaptureMethod.AUTOMATIC)
    second = {"amount_minor": 100, "object_id": "cap_2", "parent_id": "auth_2"}
    world.tell(captured(world.payment, world.operation.operation_id, **second))
    assert (world.payment.status, world.payment.case_keys) == (Status.CAPTURED, set())


def test_a_denial_that_comes_when_another_method_holds_leaves_that_alone() -> None:
    world = World(amount_minor=100, capture_method=CaptureMethod.MANUAL)
    world.expire()
    first = world.operation
    world.tell(authorized(world.payment, status="declined", amount_minor=100))
    world.confirm("pm_2")
    world.decide("allow")
    second = world.operation.operation_id
    world.tell(authorized(world.payment, second, amount_minor=100, object_id="auth_2"))
    world.decide("block", operation=first)
    assert (first.risk, world.payment.status) == (RiskState.DENIED, Status.AUTHORIZED)
    assert world.sent() == ["AuthorizePayment"] * 2
