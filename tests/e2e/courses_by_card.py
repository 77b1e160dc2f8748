"""A processor that refuses, that tells everything ten times, that does twice what it was asked once."""

from __future__ import annotations

from tests.e2e.everybody import AMOUNT, World
from tests.e2e.odd_answers import PART, REFUND, asked, astray, given_back, state_of, took_effect_twice

# -- an honest refusal -------------------------------------------------------------------------------------------------


def sale_refused(world: World) -> None:
    payment_id = asked(world, "pm_fault_refused_on_authorization")
    world.becomes(payment_id, "REQUIRES_PAYMENT_METHOD", captured=0, in_doubt=0)
    assert world.shop.payment(payment_id)["last_error"]["decline_code"] == "generic_decline"
    told = world.shop.post(f"/payments/{payment_id}/confirm", {"payment_method": "pm_card_visa"}, wait_s=30)
    assert told.status == 200, told
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, stray=0)


def capture_refused(world: World) -> None:
    """However often it is asked; the hold stays, and can be given back."""
    payment_id = world.held("pm_fault_refused_on_capture")
    for _ in range(2):
        assert world.shop.post(f"/payments/{payment_id}/capture", {}, wait_s=30).status == 200
        world.becomes(payment_id, "AUTHORIZED", captured=0, capturable=AMOUNT)
        assert state_of(world, payment_id) == "DECLINED"
    assert world.shop.payment(payment_id)["last_error"]["code"] == "capture_declined"
    assert world.shop.post(f"/payments/{payment_id}/cancel", {}, wait_s=30).status == 200
    world.becomes(payment_id, "CANCELED", captured=0, capturable=0)


def void_refused(world: World) -> None:
    payment_id = world.held("pm_fault_refused_on_void")
    assert world.shop.post(f"/payments/{payment_id}/cancel", {}, wait_s=30).status == 200
    world.becomes(payment_id, "AUTHORIZED", capturable=AMOUNT)
    assert state_of(world, payment_id) == "DECLINED"
    assert world.shop.payment(payment_id)["last_error"]["code"] == "cancel_declined"
    assert world.shop.post(f"/payments/{payment_id}/capture", {}, wait_s=30).status == 200
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT)
    world.at_processor(payment_id, captured_minor=AMOUNT)


def refund_refused(world: World) -> None:
    """It gives its room back: another may be asked for in full, and is refused by the processor alone."""
    payment_id = world.sold("pm_fault_refused_on_refund")
    for amount in (REFUND, AMOUNT):
        refund_id = world.refund(payment_id, amount)
        world.becomes(payment_id, "CAPTURED", refunded=0)
        shown = world.shop.get(f"/refunds/{refund_id}").document
        assert (shown["status"], shown["certainty"]) == ("FAILED", "certain")
    world.cases(payment_id)
    world.at_processor(payment_id, refunded_minor=0, refunds=0)


# -- webhooks that come ten times --------------------------------------------------------------------------------------


def everything_told_ten_times(world: World) -> None:
    payment_id = world.held("pm_fault_webhook_many")
    assert world.shop.post(f"/payments/{payment_id}/capture", {}, wait_s=30).status == 200
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT)
    world.refund(payment_id, REFUND)
    world.becomes(payment_id, "CAPTURED", refunded=REFUND)
    (capture_id,) = world.books.captures(payment_id)
    dispute_id = world.others("captures", capture_id, "dispute", PART)
    world.becomes(payment_id, "DISPUTED", disputed=PART, refunded=REFUND)
    world.others("disputes", dispute_id, "lose")
    world.becomes(payment_id, "CAPTURED", disputed=0, reversed=PART, refunded=REFUND)
    world.at_processor(payment_id, captured_minor=AMOUNT, refunded_minor=REFUND, withdrawn_minor=PART)
    world.cases(payment_id)
    assert world.books.charges(payment_id) == [(1, AMOUNT, "EUR")]


def void_told_ten_times(world: World) -> None:
    payment_id = world.held("pm_fault_webhook_many_on_void")
    assert world.shop.post(f"/payments/{payment_id}/cancel", {}, wait_s=30).status == 200
    world.becomes(payment_id, "CANCELED", captured=0, capturable=0)


# -- one call, two effects ---------------------------------------------------------------------------------------------


def sale_taken_twice(world: World) -> None:
    payment_id = asked(world, "pm_fault_effect_twice_on_authorization")
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, stray=AMOUNT)
    took_effect_twice(world, payment_id)
    given_back(world, payment_id, "money", AMOUNT)
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, stray=0, refunded=0)
    world.at_processor(payment_id, captured_minor=2 * AMOUNT, refunded_minor=AMOUNT, refunds=1)
    world.cases(payment_id)


def stray_disputed(world: World) -> None:
    """Who claims it has it: it is not returned while it is disputed, and never counts against the payment."""
    payment_id = asked(world, "pm_fault_effect_twice_on_authorization")
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, stray=AMOUNT)
    took_effect_twice(world, payment_id)
    (stray,) = astray(world, payment_id, "money")
    dispute_id = world.others("captures", stray["object_id"], "dispute")
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, disputed=0, stray=0)
    assert world.shop.get(f"/disputes?payment={payment_id}").document["data"] == [], "none of the merchant's"
    refused = world.desk.post("ann", f"/strays/{stray['stray_id']}/decision", action="return", reason="twice")
    assert (refused.status, refused.code) == (409, "stray_disputed")
    world.others("disputes", dispute_id, "win")
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, disputed=0, stray=AMOUNT)
    given_back(world, payment_id, "money", AMOUNT)
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, stray=0, reversed=0, refunded=0)
    world.at_processor(payment_id, captured_minor=2 * AMOUNT, refunded_minor=AMOUNT, withdrawn_minor=0)


def hold_taken_twice(world: World) -> None:
    payment_id = world.held("pm_fault_effect_twice_on_authorization")
    took_effect_twice(world, payment_id)
    given_back(world, payment_id, "hold", AMOUNT)
    world.becomes(payment_id, "AUTHORIZED", capturable=AMOUNT)
    world.cases(payment_id)


def capture_done_twice(world: World) -> None:
    """Of a hold with enough left the second is the merchant's too, with a case; beta charges a hold only once."""
    payment_id = world.held("pm_fault_effect_twice_on_capture")
    part = {"amount": PART} | ({"final": False} if world.processor == "alpha" else {})
    assert world.shop.post(f"/payments/{payment_id}/capture", part, wait_s=30).status == 200
    times = 2 if world.processor == "alpha" else 1
    world.becomes(payment_id, "CAPTURED", captured=times * PART, stray=0)
    took_effect_twice(world, payment_id)
    world.cases(payment_id, *["capture_adopted"] * (times - 1))
    world.at_processor(payment_id, captured_minor=times * PART)


def refund_done_twice(world: World) -> None:
    payment_id = world.sold("pm_fault_effect_twice_on_refund")
    world.refund(payment_id, REFUND)
    world.becomes(payment_id, "CAPTURED", refunded=2 * REFUND)
    took_effect_twice(world, payment_id)
    world.cases(payment_id, "refund_adopted")
    more = world.shop.post("/refunds", {"payment": payment_id, "amount": AMOUNT - 2 * REFUND + 1})
    assert (more.status, more.code) == (409, "refund_exceeds_room")
    world.at_processor(payment_id, refunded_minor=2 * REFUND, refunds=2)
