"""Late, doubled and reordered facts end in one status, one set of amounts and one net per kind of event."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import pytest

from services.payment.app.apply_fact import apply_fact
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.wake_waiting_facts import WakeWaitingFacts, wake_waiting_facts
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.domain.pricing import Price
from services.payment.domain.status import CaptureMethod, Source
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import (
    MERCHANT,
    authorized,
    captured,
    first_operation,
    net,
    picture,
    refunded,
    told,
    wish,
)

NAMES = ("authorized", "captured", "refund created", "refund succeeded", "late look-up")
ORDERS = list(itertools.permutations(NAMES))


def facts_of(payment: Payment) -> dict[str, tuple[Fact, Source]]:
    """The five, told by different mouths; the look-up repeats what the webhook said of the capture."""
    return {
        "authorized": (authorized(payment), Source.WEBHOOK),
        "captured": (captured(payment), Source.WEBHOOK),
        "refund created": (refunded(payment, "pending", 1), Source.WEBHOOK),
        "refund succeeded": (refunded(payment, "succeeded", 2), Source.WEBHOOK),
        "late look-up": (captured(payment), Source.POLL),
    }


def outcome(
    order: tuple[str, ...], copy_of: str | None = None, at: int = 0
) -> tuple[dict[str, Any], dict[str, int]]:
    """How it ends where the facts come in this order, one of them once more before place ``at``."""
    unit = MemoryUnit()
    unit.payments.agreed = Price(percent_ppm=29_000, fixed_minor=30)
    payment = create_payment(wish(), unit)
    unit.commit()
    facts = facts_of(payment)
    told_in_order = list(order)
    if copy_of is not None:
        told_in_order.insert(at, copy_of)
    for name in told_in_order:
        what, source = facts[name]
        apply_fact(told(what, source), unit)
        unit.commit()
    assert not unit.waiting.rows
    amounts = [(type(event).__name__, getattr(event, "amount_minor", 0) or 0) for _, event in unit.events]
    return picture(payment), net(amounts)


@functools.cache
def expected() -> tuple[dict[str, Any], dict[str, int]]:
    return outcome(ORDERS[0])


def test_the_straight_order_ends_where_it_should() -> None:
    shown, sums = expected()
    assert shown["status"] == "CAPTURED"
    assert shown["certainty"] == "certain"
    assert shown["amounts"]["captured_minor"] == 10_000
    assert shown["amounts"]["refunded_minor"] == 4_000
    assert sums["PaymentCaptured"] == 10_000
    assert sums["RefundAdopted"] == 4_000


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_all_120_orders_end_alike_with_a_duplicate_of_each_at_each_position(order: tuple[str, ...]) -> None:
    assert outcome(order) == expected()
    for copy_of, at in itertools.product(NAMES, range(len(order) + 1)):
        assert outcome(order, copy_of, at) == expected(), f"with {copy_of} once more at position {at}"


def manual_outcome(order: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, int]]:
    """A held payment, captured in part, whose rest is given back."""
    unit = MemoryUnit()
    payment = create_payment(wish(capture_method=CaptureMethod.MANUAL), unit)
    unit.commit()
    apply_fact(told(authorized(payment)), unit)
    unit.commit()
    capture_payment(
        CapturePayment(
            merchant_id=MERCHANT,
            mode="test",
            payment_id=payment.payment_id,
            request_id="r",
            amount_minor=6_000,
        ),
        unit,
    )
    unit.commit()
    operation = payment.latest_operation
    assert operation is not None
    facts = [
        captured(payment, operation.operation_id, status="pending", amount_minor=6_000),
        captured(payment, operation.operation_id, amount_minor=6_000, object_version=2),
        authorized(payment, first_operation(payment), status="voided", object_version=3),
        refunded(payment, "succeeded", 1),
        refunded(payment, "failed", 2),
    ]
    for number in order:
        apply_fact(told(facts[number]), unit)
        unit.commit()
        unit.now = unit.now.replace(year=unit.now.year + 1)
        wake_waiting_facts(WakeWaitingFacts(), unit)
        unit.commit()
    assert not unit.waiting.rows
    amounts = [
        (type(event).__name__, getattr(event, "amount_minor", 0) or 0)
        for _, event in unit.events
        if type(event).__name__ in {"PaymentAuthorized", "PaymentCaptured", "HoldReleased"}
    ]
    shown = picture(payment)
    # A refund that failed before we heard of its success was never ours to count: its row may differ, money not.
    del shown["refunds"], shown["cases"]
    shown["objects"] = [thing for thing in shown["objects"] if thing[0] != "ref_1"]
    return shown, net(amounts)


@functools.cache
def manual() -> tuple[dict[str, Any], dict[str, int]]:
    return manual_outcome((0, 1, 2, 3, 4))


def test_a_partial_capture_ends_captured_with_the_rest_released() -> None:
    shown, sums = manual()
    assert shown["status"] == "CAPTURED"
    assert shown["amounts"]["captured_minor"] == 6_000
    assert shown["amounts"]["capturable_minor"] == 0
    assert shown["amounts"]["refunded_minor"] == 0
    assert sums == {"PaymentAuthorized": 10_000, "PaymentCaptured": 6_000, "HoldReleased": 4_000}


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))), ids=str)
def test_a_partial_capture_ends_alike_in_all_orders(order: tuple[int, ...]) -> None:
    assert manual_outcome(order) == manual()


def unasked(order: tuple[int, ...], held: bool) -> tuple[dict[str, Any], dict[str, int]]:
    """A capture that nobody here asked for: of the hold that stands, or of a payment that is over."""
    unit = MemoryUnit()
    payment = create_payment(wish(capture_method=CaptureMethod.MANUAL), unit)
    unit.commit()
    apply_fact(told(authorized(payment, status="authorized" if held else "voided")), unit)
    unit.commit()
    facts = [
        captured(payment, "op_none", reference=None, amount_minor=4_000),
        captured(payment, "op_none", reference=None, amount_minor=4_000, status="failed", object_version=2),
    ]
    for number in order:
        apply_fact(told(facts[number]), unit)
        unit.commit()
    assert not unit.waiting.rows
    amounts = [(type(event).__name__, getattr(event, "amount_minor", 0) or 0) for _, event in unit.events]
    shown = picture(payment)
    return shown, net(amounts)


@pytest.mark.parametrize("held", [True, False], ids=["adopted", "astray"])
def test_what_nobody_asked_for_and_failed_later_came_and_went_too(held: bool) -> None:
    told_in_order = unasked((0, 1), held)
    for order in ((1, 0), (1,), (0, 1, 0), (1, 0, 1)):
        assert unasked(order, held) == told_in_order, order
    shown, _ = told_in_order
    assert shown["reversals"] == [("cap_1", 4_000, 0)]
    assert shown["amounts"]["captured_minor"] == (4_000 if held else 0)
    assert shown["amounts"]["stray_minor"] == 0


def came_and_went(order: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, int]]:
    """A sale whose capture was pending, succeeded and failed later."""
    unit = MemoryUnit()
    payment = create_payment(wish(), unit)
    unit.commit()
    facts = [
        authorized(payment),
        captured(payment),
        captured(payment, status="failed", object_version=2),
        authorized(payment),
        captured(payment, status="pending", object_version=0),
    ]
    for number in order:
        apply_fact(told(facts[number]), unit)
        unit.commit()
    assert not unit.waiting.rows
    amounts = [(type(event).__name__, getattr(event, "amount_minor", 0) or 0) for _, event in unit.events]
    return picture(payment), net(amounts)


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))), ids=str)
def test_a_capture_that_failed_later_came_and_went_in_all_orders(order: tuple[int, ...]) -> None:
    shown, sums = came_and_went(order)
    assert (shown, sums) == came_and_went((0, 4, 1, 2, 3))
    assert shown["status"] == "REVERSED"
    assert sums["PaymentCaptured"] == 10_000


WRONG = {
    "another amount": {"amount_minor": 9_000},
    "another currency": {"currency": "USD"},
}


def not_as_asked(order: tuple[int, ...], wrong: dict[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    """A capture of another amount or currency than was asked for, which succeeded and failed later."""
    unit = MemoryUnit()
    payment = create_payment(wish(capture_method=CaptureMethod.MANUAL), unit)
    unit.commit()
    apply_fact(told(authorized(payment)), unit)
    capture_payment(
        CapturePayment(merchant_id=MERCHANT, mode="test", payment_id=payment.payment_id, request_id="r"), unit
    )
    unit.commit()
    operation = payment.latest_operation
    assert operation is not None
    facts = [
        captured(payment, operation.operation_id, status="pending", object_version=1, **wrong),
        captured(payment, operation.operation_id, object_version=2, **wrong),
        captured(payment, operation.operation_id, status="failed", object_version=3, **wrong),
    ]
    for number in order:
        apply_fact(told(facts[number]), unit)
        unit.commit()
    assert not unit.waiting.rows
    amounts = [(type(event).__name__, getattr(event, "amount_minor", 0) or 0) for _, event in unit.events]
    shown = picture(payment)
    shown["strays"] = [
        (s.object_id, s.currency, s.mismatch, s.amount_minor, s.open_minor) for s in payment.strays.values()
    ]
    return shown, net(amounts)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize(
    "order", [o for length in (1, 2, 3) for o in itertools.permutations(range(3), length) if 2 in o], ids=str
)
def test_what_was_not_asked_for_so_and_failed_is_a_stray_that_went_in_all_orders(
    order: tuple[int, ...], wrong: dict[str, Any]
) -> None:
    shown, sums = not_as_asked(order, wrong)
    assert (shown, sums) == not_as_asked((0, 1, 2), wrong)
    assert not_as_asked((*order, *order), wrong) == (shown, sums), "told twice"
    money_minor = wrong.get("amount_minor", 10_000)
    assert shown["strays"] == [("cap_1", wrong.get("currency", "EUR"), True, money_minor, 0)]
    assert (sums["StrayFound"], sums["ReversalReceived"]) == (money_minor, money_minor)
    assert shown["amounts"]["captured_minor"] == 0
    assert ("capture", "IN_REVIEW") in shown["operations"]


def sold_otherwise(order: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """A sale of another amount than was asked for, whose capture succeeded and failed later."""
    unit = MemoryUnit()
    payment = create_payment(wish(), unit)
    unit.commit()
    facts = [
        authorized(payment, amount_minor=10_100),
        captured(payment, amount_minor=10_100),
        captured(payment, amount_minor=10_100, status="failed", object_version=2),
    ]
    for number in order:
        apply_fact(told(facts[number]), unit)
        unit.commit()
    assert not unit.waiting.rows
    return sorted((s.kind.value, s.amount_minor, s.open_minor, s.released) for s in payment.strays.values())


@pytest.mark.parametrize(
    "order",
    [o for length in (2, 3) for o in itertools.permutations(range(3), length) if {0, 2} <= {*o}],
    ids=str,
)
def test_a_hold_astray_of_which_a_capture_came_and_went_holds_nothing_in_all_orders(
    order: tuple[int, ...],
) -> None:
    """What the capture took is not held again, whether its success or only its failure was told."""
    hold, money = sold_otherwise(order)
    assert [hold, money] == sold_otherwise((0, 1, 2))
    assert (hold[0], hold[3]) == ("hold", True)
    assert money[:3] == ("money", 10_100, 0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=str)
@pytest.mark.parametrize(("processor", "held_minor"), [("alpha", 6_100), ("beta", 0)])
def test_a_part_charged_by_hand_of_a_hold_astray_leaves_what_the_processor_goes_on_holding(
    processor: str, held_minor: int, order: tuple[int, ...]
) -> None:
    """Where a hold has one capture, the processor gave the rest back with it; where it has several, the rest is held."""
    unit = MemoryUnit()
    payment = create_payment(wish(processor=processor, capture_method=CaptureMethod.MANUAL), unit)
    unit.commit()
    facts = [
        authorized(payment, amount_minor=10_100),
        captured(payment, operation_id="page_1", amount_minor=4_000),
    ]
    for number in order:
        apply_fact(told(facts[number]), unit)
        unit.commit()
        unit.now = unit.now.replace(year=unit.now.year + 1)
        wake_waiting_facts(WakeWaitingFacts(), unit)
        unit.commit()
    (hold,) = (s for s in payment.strays.values() if s.kind.value == "hold")
    assert (hold.open_minor, hold.released) == (held_minor, held_minor == 0)
