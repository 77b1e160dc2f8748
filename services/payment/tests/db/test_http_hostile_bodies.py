"""Bodies that nobody honest sends: each has its 4xx, none a 5xx, and nothing of them is stored."""

from __future__ import annotations

from typing import Final

import pytest

from services.payment.tests.db.shop import ORDER, Shop

HEAD: Final = b'{"currency":"EUR","capture_method":"manual","amount":'
#: name -> (body, status, code)
HOSTILE: Final[dict[str, tuple[bytes, int, str]]] = {
    "duplicate key": (HEAD + b'1,"amount":2}', 400, "json_duplicate_key"),
    "NaN": (HEAD + b"NaN}", 400, "number_not_finite"),
    "Infinity": (HEAD + b"-Infinity}", 400, "number_not_finite"),
    "1e400": (HEAD + b"1e400}", 422, "number_not_integer"),
    "100.0": (HEAD + b"100.0}", 422, "number_not_integer"),
    "1e2": (HEAD + b"1e2}", 422, "number_not_integer"),
    "text": (HEAD + b'"100"}', 422, "field_invalid"),
    "true": (HEAD + b"true}", 422, "field_invalid"),
    "null": (HEAD + b"null}", 422, "field_invalid"),
    "-0": (HEAD + b"-0}", 422, "number_negative_zero"),
    "zero": (HEAD + b"0}", 422, "field_invalid"),
    "negative": (HEAD + b"-1}", 422, "field_invalid"),
    "2^53": (HEAD + b"9007199254740992}", 422, "number_too_large"),
    "2^63": (HEAD + b"9223372036854775808}", 422, "number_too_large"),
    "5,000 digits": (HEAD + b"1" * 5_000 + b"}", 422, "number_too_large"),
    "unknown field": (HEAD + b'1,"colour":"red"}', 422, "field_unknown"),
    "missing field": (b'{"amount":1,"currency":"EUR"}', 422, "field_missing"),
    "unknown currency": (
        b'{"amount":1,"currency":"ABC","capture_method":"manual"}', 400, "currency_unknown",
    ),
    "gold": (b'{"amount":1,"currency":"XAU","capture_method":"manual"}', 400, "currency_unknown"),
    "long s in the currency": (
        '{"amount":1,"currency":"u\u017fd","capture_method":"manual"}'.encode(), 400, "currency_unknown",
    ),
    "unknown capture method": (
        b'{"amount":1,"currency":"EUR","capture_method":"later"}', 422, "field_invalid",
    ),
    "card number": (HEAD + b'1,"payment_method":"pm_4242424242424242"}', 422, "card_number_refused"),
    "card number in escapes": (
        HEAD + b'1,"description":"\\u0034242 4242 4242 4242"}', 422, "card_number_refused",
    ),
    "NUL": (HEAD + b'1,"reference":"a\\u0000b"}', 422, "text_not_storable"),
    "lone surrogate": (HEAD + b'1,"reference":"\\ud800"}', 422, "text_not_storable"),
    "not UTF-8": (HEAD + b'1,"reference":"\xff"}', 400, "body_not_utf8"),
    "empty reference": (HEAD + b'1,"reference":""}', 422, "field_invalid"),
    "long reference": (HEAD + b'1,"reference":"' + b"x" * 256 + b'"}', 422, "field_invalid"),
    "metadata of numbers": (HEAD + b'1,"metadata":{"a":1}}', 422, "field_invalid"),
    "metadata nested": (HEAD + b'1,"metadata":{"a":{"b":"c"}}}', 422, "field_invalid"),
    "nesting": (HEAD + b"[" * 30_000 + b"}", 400, "json_too_deep"),
    "an array": (b"[]", 400, "json_not_object"),
    "nothing": (b"", 422, "field_missing"),
    "half": (HEAD, 400, "json_malformed"),
    "no attempts": (HEAD + b'1,"max_attempts":0}', 422, "field_invalid"),
    "64 KiB and one": (HEAD + b" " * 65_536 + b"1}", 413, "body_too_large"),
}  # fmt: skip


def test_hostile_bodies_get_their_4xx_and_leave_nothing_behind(shop: Shop) -> None:
    answers = {}
    for name, (body, _, _) in HOSTILE.items():
        reply = shop.post("/payments", body, key="hostile")
        answers[name] = (reply.status, reply.code)
        assert reply.headers["request-id"].startswith("req_")
    assert answers == {name: (status, code) for name, (_, status, code) in HOSTILE.items()}
    for table in ("payments", "idempotency_keys", "outbox"):
        assert shop.count(table) == 0
    assert shop.post("/payments", ORDER, key="hostile").status == 201


@pytest.mark.parametrize(("currency", "amount"), [("JPY", 500), ("KWD", 12_345), ("usd", 2**53 - 1)])
def test_minor_units_are_the_currencys_own(shop: Shop, currency: str, amount: int) -> None:
    made = shop.create(currency=currency, amount=amount)
    assert (made["currency"], made["amount"]) == (currency.upper(), amount)


def test_other_bodies_are_as_strict(shop: Shop) -> None:
    payment_id = shop.create(capture_method="manual")["id"]
    refused = [
        (f"/payments/{payment_id}/capture", {"amount": 0}, "amount"),
        (f"/payments/{payment_id}/capture", {"final": 1}, "final"),
        (f"/payments/{payment_id}/cancel", {"why": "x"}, "why"),
        (f"/payments/{payment_id}/confirm", {}, "payment_method"),
        (f"/payments/{payment_id}/confirm", {"payment_method": "4 of them"}, "payment_method"),
        ("/refunds", {"payment": "pay_1"}, "payment"),
        ("/refunds", {"payment": payment_id, "amount": -5}, "amount"),
    ]
    for path, body, param in refused:
        reply = shop.post(path, body)
        assert (reply.status, reply.document["param"]) == (422, param), path


@pytest.mark.parametrize("prefer", ["wait=x", "wait=-1", "wait=1.5", "wait"])
def test_a_malformed_preference_is_refused(shop: Shop, prefer: str) -> None:
    reply = shop.post("/payments", ORDER, headers={"Prefer": prefer})
    assert (reply.status, reply.code) == (400, "prefer_malformed")
    assert shop.count("payments") == 0
