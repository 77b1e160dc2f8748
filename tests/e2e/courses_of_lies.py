"""A processor that says "refused" or "not executed" of what it did.

Webhooks are lost too: what the feed brings later is the first true word, unless a look-up was faster.
"""

from __future__ import annotations

from typing import Final

from shared.testing.waiting import eventually
from tests.e2e.doubts import FOR_EVER_S
from tests.e2e.everybody import AMOUNT, World
from tests.e2e.odd_answers import REFUND, asked, given_back, state_of, took_effect_twice
from tests.e2e.shop import SETTLE_S

DENIED: Final = "pm_fault_refused_after_webhook_lost"
"""It took effect, and the answer says that it is not possible."""
PUT_OFF: Final = "pm_fault_rate_limited_after_webhook_lost"
"""It took effect, and the answer says 429: nothing was executed."""


# -- an answer that denies what was done -------------------------------------------------------------------------------


def denied(world: World, payment_id: str, found_first: str) -> bool:
    """Whether the denial was believed; where a look-up or the feed was faster, there was nothing to believe."""
    ends = {"REQUIRES_PAYMENT_METHOD": True, found_first: False}

    def known() -> bool:
        payment = world.shop.payment(payment_id)
        told = bool(world.desk.of("strays", payment_id))
        return payment["certainty"] == "certain" and ends.get(payment["status"]) is told

    eventually(known, timeout_s=SETTLE_S, describe=lambda: f"{world.shop.payment(payment_id)}")
    return ends[world.shop.payment(payment_id)["status"]]


def sale_denied(world: World) -> None:
    """A decline by the processor's own word, then money astray, which is sent back."""
    payment_id = asked(world, DENIED + "_on_authorization")
    if denied(world, payment_id, "CAPTURED"):
        world.becomes(payment_id, "REQUIRES_PAYMENT_METHOD", captured=0, stray=AMOUNT)
        given_back(world, payment_id, "money", AMOUNT)
        world.becomes(payment_id, "REQUIRES_PAYMENT_METHOD", captured=0, stray=0)
        world.at_processor(payment_id, captured_minor=AMOUNT, refunded_minor=AMOUNT, refunds=1)
    world.cases(payment_id)


def sale_done_after_our_cancel(world: World) -> None:
    """Denied, then canceled by us; what turns up afterwards was taken, is no payment's any more, and goes back once."""
    card = "pm_card_mastercard"
    world.script.add(
        world.processor, operation="authorization", payment_method=card, reply="refused_after", webhooks="lost",
        feed="lost", not_found_s=FOR_EVER_S,
    )  # fmt: skip
    payment_id = asked(world, card)
    world.becomes(payment_id, "REQUIRES_PAYMENT_METHOD", captured=0, in_doubt=0)
    assert world.shop.post(f"/payments/{payment_id}/cancel", {}, wait_s=30).status == 200
    world.becomes(payment_id, "CANCELED", captured=0)
    world.script.release(payment_id)
    given_back(world, payment_id, "money", AMOUNT)
    world.becomes(payment_id, "CANCELED", captured=0, stray=0)
    assert world.shop.payment(payment_id)["last_error"] is None
    world.at_processor(payment_id, captured_minor=AMOUNT, refunded_minor=AMOUNT, refunds=1)
    world.cases(payment_id)


def hold_denied(world: World) -> None:
    payment_id = asked(world, DENIED + "_on_authorization", capture_method="manual")
    if denied(world, payment_id, "AUTHORIZED"):
        given_back(world, payment_id, "hold", AMOUNT)
    world.cases(payment_id)


def capture_denied(world: World) -> None:
    captured_whatever_was_said(world, DENIED)


def void_denied(world: World) -> None:
    voided_whatever_was_said(world, DENIED)


def captured_whatever_was_said(world: World, lie: str, **amounts: int) -> None:
    """The capture took effect once, and no hold is left."""
    payment_id = world.held(lie + "_on_capture")
    world.shop.post(f"/payments/{payment_id}/capture", {}, wait_s=30)
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, capturable=0, stray=0, **amounts)
    world.cases(payment_id, *adopted(world, payment_id, "capture"))
    assert world.books.charges(payment_id) == [(1, AMOUNT, "EUR")]


def voided_whatever_was_said(world: World, lie: str) -> None:
    """The hold was given back, and nobody has anything to decide."""
    payment_id = world.held(lie + "_on_void")
    world.shop.post(f"/payments/{payment_id}/cancel", {}, wait_s=30)
    world.becomes(payment_id, "CANCELED", captured=0, capturable=0)
    world.cases(payment_id)


def refund_denied(world: World) -> None:
    """The merchant's refund failed, by the processor's own word; what went out all the same is counted and a case."""
    payment_id = world.sold(DENIED + "_on_refund")
    refund_id = world.refund(payment_id, REFUND)
    world.becomes(payment_id, "CAPTURED", refunded=REFUND)
    world.cases(payment_id, *adopted(world, payment_id, "refund"))
    failed = state_of(world, payment_id) == "DECLINED"
    assert world.shop.get(f"/refunds/{refund_id}").document["status"] == ("FAILED" if failed else "SUCCEEDED")
    more = world.shop.post("/refunds", {"payment": payment_id, "amount": AMOUNT - REFUND + 1})
    assert (more.status, more.code) == (409, "refund_exceeds_room")
    world.at_processor(payment_id, refunded_minor=REFUND, refunds=1)


def adopted(world: World, payment_id: str, kind: str) -> list[str]:
    """The case of an operation that was refused and had its effect after all; none where it was found in time."""
    return [f"{kind}_adopted"] if state_of(world, payment_id) == "DECLINED" else []


# -- an answer that says 429 although it was done ----------------------------------------------------------------------


def sale_put_off(world: World) -> None:
    """A key makes the second send harmless; without keys a processor that lies so charges twice, and it is returned."""
    payment_id = asked(world, PUT_OFF + "_on_authorization")
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, in_doubt=0)
    took_effect_twice(world, payment_id)
    ((charges, taken, _),) = world.books.charges(payment_id)
    assert charges == 1 or world.processor == "beta"
    if charges == 2:
        given_back(world, payment_id, "money", AMOUNT)
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, stray=0, refunded=0)
    world.at_processor(payment_id, captured_minor=taken, refunded_minor=taken - AMOUNT)
    world.cases(payment_id)


def capture_put_off(world: World) -> None:
    captured_whatever_was_said(world, PUT_OFF, in_doubt=0)


def void_put_off(world: World) -> None:
    voided_whatever_was_said(world, PUT_OFF)


def refund_put_off(world: World) -> None:
    """Where it went out twice, the second is adopted with a case, and nobody can refund the same money again."""
    payment_id = world.sold(PUT_OFF + "_on_refund")
    world.refund(payment_id, REFUND)
    eventually(
        lambda: world.shop.payment(payment_id)["certainty"] == "certain",
        timeout_s=SETTLE_S,
        describe=payment_id,
    )
    took_effect_twice(world, payment_id)
    book = world.books.at_processors(payment_id)
    assert book["refunds"] == 1 or world.processor == "beta"
    world.becomes(payment_id, "CAPTURED", refunded=book["refunded_minor"])
    world.cases(payment_id, *["refund_adopted"] * (book["refunds"] - 1))
