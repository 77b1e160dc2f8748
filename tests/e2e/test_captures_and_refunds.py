"""Captures, cancels and refunds of every course at both processors; what one of them cannot do is refused by name."""

from __future__ import annotations

from functools import partial

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.shop import SETTLE_S, Shop, order
from tests.e2e.side_by_side import side_by_side

AMOUNT = 8_000
PART = 3_000
DECLINED = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
    "pm_card_pendingAuthorizationDeclined": "generic_decline",
}
NOTHING_TAKEN = DECLINED.keys() | {"canceled"}
GIVES_NOTHING = frozenset({"pm_card_refundFail", "pm_card_refundDeclined"})


def held(shop: Shop) -> str:
    payment_id: str = shop.post("/payments", order(AMOUNT, capture_method="manual"), wait_s=30).document["id"]
    assert shop.settled(payment_id)["status"] == "AUTHORIZED"
    return payment_id


def shows(shop: Shop, payment_id: str, status: str, **amounts: int) -> None:
    """The payment is certain, and shown so, soon."""

    def seen() -> tuple[object, ...]:
        payment = shop.payment(payment_id)
        return payment["certainty"], payment["status"], {name: payment[f"amount_{name}"] for name in amounts}

    eventually(
        lambda: seen() == ("certain", status, amounts),
        timeout_s=SETTLE_S,
        describe=lambda: f"{payment_id} {status} {amounts}; it is {seen()}",
    )


def test_several_captures_are_taken_or_refused_by_what_the_processor_can(
    shop_there: Shop, books: Books, processor: str
) -> None:
    payment_id = held(shop_there)
    first = shop_there.post(f"/payments/{payment_id}/capture", {"amount": PART, "final": False}, wait_s=30)
    if processor == "alpha":
        assert first.status == 200, first
        shows(shop_there, payment_id, "CAPTURED", captured=PART, capturable=AMOUNT - PART)
        second = shop_there.post(f"/payments/{payment_id}/capture", {"amount": PART, "final": True})
        assert second.status == 200, second
        shows(shop_there, payment_id, "CAPTURED", captured=2 * PART, capturable=0)
        assert books.charges(payment_id) == [(2, 2 * PART, "EUR")]
        return
    assert (first.status, first.code, first.document["param"]) == (
        409,
        "several_captures_unsupported",
        "final",
    )
    assert shop_there.payment(payment_id)["status"] == "AUTHORIZED"
    once = shop_there.post(f"/payments/{payment_id}/capture", {"amount": PART}, wait_s=30)
    assert once.status == 200, once
    shows(shop_there, payment_id, "CAPTURED", captured=PART, capturable=0)
    assert shop_there.post(f"/payments/{payment_id}/capture", {"amount": PART}).status == 409
    assert books.charges(payment_id) == [(1, PART, "EUR")]


def test_every_course_of_a_hold_a_capture_and_a_refund_ends_as_the_processor_has_it(
    shop_there: Shop, books: Books
) -> None:
    def canceled() -> str:
        payment_id = held(shop_there)
        assert shop_there.post(f"/payments/{payment_id}/cancel", {}).status == 200
        shows(shop_there, payment_id, "CANCELED", captured=0)
        assert books.at_processors(payment_id)["captured_minor"] == 0
        return payment_id

    def refused(method: str) -> str:
        body = order(AMOUNT, method=method, max_attempts=1)
        payment_id: str = shop_there.post("/payments", body).document["id"]
        shows(shop_there, payment_id, "FAILED", captured=0)
        assert shop_there.payment(payment_id)["last_error"]["decline_code"] == DECLINED[method]
        assert books.at_processors(payment_id)["captured_minor"] == 0
        return payment_id

    def held_later(method: str) -> str:
        body = order(AMOUNT, method=method, capture_method="manual")
        payment_id: str = shop_there.post("/payments", body).document["id"]
        shows(shop_there, payment_id, "AUTHORIZED", capturable=AMOUNT)
        assert shop_there.post(f"/payments/{payment_id}/capture", {}).status == 200
        shows(shop_there, payment_id, "CAPTURED", captured=AMOUNT)
        return payment_id

    def captured(method: str, status: str, **amounts: int) -> str:
        payment_id: str = shop_there.post("/payments", order(AMOUNT, method=method)).document["id"]
        shows(shop_there, payment_id, status, captured=AMOUNT, **amounts)
        return payment_id

    def refunded(method: str, status: str, *parts: int) -> str:
        payment_id = captured(method, "CAPTURED")
        for part in parts:
            told = shop_there.post("/refunds", {"payment": payment_id, "amount": part}, wait_s=30)
            assert told.status == 201, told
        given = 0 if method in GIVES_NOTHING else sum(parts)
        shows(shop_there, payment_id, status, captured=AMOUNT, refunded=given)
        assert books.at_processors(payment_id)["refunded_minor"] == given
        return payment_id

    made = side_by_side(
        {
            "canceled": canceled,
            "pending sale": partial(captured, "pm_card_pendingAuthorization", "CAPTURED"),
            "pending hold": partial(held_later, "pm_card_pendingAuthorization"),
            **{method: partial(refused, method) for method in DECLINED},
            "pending capture": partial(captured, "pm_card_pendingCapture", "CAPTURED", reversed=0),
            "capture fails later": partial(captured, "pm_card_captureFail", "REVERSED", reversed=AMOUNT),
            "reversed": partial(captured, "pm_card_createReversal", "REVERSED", reversed=AMOUNT),
            "reversed in part": partial(
                captured, "pm_card_createPartialReversal", "CAPTURED", reversed=AMOUNT // 2
            ),
            "refunded": partial(refunded, "pm_card_visa", "REFUNDED", AMOUNT),
            "refunded in parts": partial(refunded, "pm_card_visa", "CAPTURED", PART, PART),
            "pending refund": partial(refunded, "pm_card_pendingRefund", "REFUNDED", AMOUNT),
            "refund fails later": partial(refunded, "pm_card_refundFail", "CAPTURED", AMOUNT),
            "refund declined": partial(refunded, "pm_card_refundDeclined", "CAPTURED", AMOUNT),
        }
    )
    assert all(
        books.charges(payment_id)[0][0] == 1 for name, payment_id in made.items() if name not in NOTHING_TAKEN
    )
