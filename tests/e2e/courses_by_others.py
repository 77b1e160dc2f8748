"""What a processor, an issuer or a clerk does to an object unasked: a hold given back, a refund that fails, too much paid."""

from __future__ import annotations

from tests.e2e.everybody import AMOUNT, World
from tests.e2e.odd_answers import PART, REFUND

OVER = 700


def hold_given_back_by_others(world: World) -> None:
    """Nobody here asked for it: the payment is over, by its issuer."""
    payment_id = world.held()
    (hold_id,) = world.books.holds(payment_id)
    world.others("authorizations", hold_id, "void")
    world.becomes(payment_id, "CANCELED", capturable=0, captured=0)
    late = world.shop.post(f"/payments/{payment_id}/capture", {})
    assert (late.status, late.code) == (409, "payment_wrong_status")
    world.cases(payment_id)
    world.at_processor(payment_id, captured_minor=0)


def refund_that_fails_later(world: World) -> None:
    """Its money is back: all of it may be refunded again."""
    payment_id = world.sold()
    refund_id = world.refund(payment_id, REFUND)
    world.becomes(payment_id, "CAPTURED", refunded=REFUND)
    (at_processor,) = world.books.refunds(payment_id)
    world.others("refunds", at_processor, "fail")
    world.becomes(payment_id, "CAPTURED", refunded=0)
    assert world.shop.get(f"/refunds/{refund_id}").document["status"] == "FAILED"
    world.refund(payment_id, AMOUNT)
    world.becomes(payment_id, "REFUNDED", refunded=AMOUNT)
    world.at_processor(payment_id, captured_minor=AMOUNT, refunded_minor=AMOUNT)


def dispute_of_which_too_much_comes_back(world: World) -> None:
    """Booked as it was paid; once the dispute is over a person is asked about what is too much."""
    payment_id = world.sold()
    (capture_id,) = world.books.captures(payment_id)
    dispute_id = world.others("captures", capture_id, "dispute", PART)
    world.becomes(payment_id, "DISPUTED", disputed=PART)
    world.others("disputes", dispute_id, "overpay", PART + OVER)
    world.others("disputes", dispute_id, "lose")
    world.cases(payment_id, "reinstated_too_much")
    (case,) = world.desk.of("cases", payment_id)
    assert case["exposure_minor"] == OVER
    assert world.shop.payment(payment_id)["amount_disputed"] == 0
