"""Requests that mean nothing, or two things, are refused with the documented 4xx, and nothing of them stays."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from shared.testing.serving import Answer
from tests.e2e.books import Books
from tests.e2e.shop import Shop, exchange, new_key, order


@pytest.fixture
def nothing_stays(other_shop: Shop, books: Books) -> Iterator[None]:
    """Not a row of the merchant's more than before, in payment and in the ledger."""
    before = books.stored_of(other_shop.merchant_id)
    yield
    assert books.stored_of(other_shop.merchant_id) == before


def body_with(**raw: str) -> bytes:
    """A sale whose named fields are replaced by raw JSON text."""
    fields = {name: orjson.dumps(value).decode() for name, value in order().items()} | raw
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in fields.items()) + "}").encode()


def doubled(field: str, first: str, second: str) -> bytes:
    """A sale that has a field twice."""
    whole = body_with(**{field: first}).decode()
    return (whole[:-1] + f', "{field}": {second}}}').encode()


def nested(levels: int) -> bytes:
    return body_with(metadata='{"a":' * levels + "1" + "}" * levels)


MALFORMED = {
    "a duplicate key": (doubled("amount", "1", "100000"), 400, "json_duplicate_key", "amount"),
    "a duplicate key below": (
        body_with(metadata='{"a": "1", "a": "2"}'), 400, "json_duplicate_key", "a",
    ),
    "NaN": (body_with(amount="NaN"), 400, "number_not_finite", "amount"),
    "infinity": (body_with(amount="Infinity"), 400, "number_not_finite", "amount"),
    "1e400": (body_with(amount="1e400"), 422, "number_not_integer", "amount"),
    "100.0": (body_with(amount="100.0"), 422, "number_not_integer", "amount"),
    "1e2": (body_with(amount="1e2"), 422, "number_not_integer", "amount"),
    "a text": (body_with(amount='"100"'), 422, "field_invalid", "amount"),
    "true": (body_with(amount="true"), 422, "field_invalid", "amount"),
    "null": (body_with(amount="null"), 422, "field_invalid", "amount"),
    "-0": (body_with(amount="-0"), 422, "number_negative_zero", "amount"),
    "zero": (body_with(amount="0"), 422, "field_invalid", "amount"),
    "negative": (body_with(amount="-1"), 422, "field_invalid", "amount"),
    "2^53": (body_with(amount=str(2**53)), 422, "number_too_large", "amount"),
    "2^63": (body_with(amount=str(2**63)), 422, "number_too_large", "amount"),
    "100,000 digits cut to the limit": (body_with(amount="9" * 60_000), 422, "number_too_large", "amount"),
    "an unknown field": (body_with(amont="100"), 422, "field_unknown", "amont"),
    "an unknown currency": (body_with(currency='"XQZ"'), 400, "currency_unknown", "currency"),
    "a currency of another alphabet": (body_with(currency='"ЕUR"'), 400, "currency_unknown", "currency"),
    "no amount": (b'{"currency": "EUR", "capture_method": "manual"}', 422, "field_missing", "amount"),
    "a NUL": (body_with(reference='"a\\u0000b"'), 422, "text_not_storable", "reference"),
    "a lone surrogate": (body_with(reference='"\\ud800"'), 422, "text_not_storable", "reference"),
    "a card number": (
        body_with(description='"4242 4242 4242 4242"'), 422, "card_number_refused", "description",
    ),
    "not UTF-8": (b'{"reference": "\xff"}', 400, "body_not_utf8", None),
    "not JSON": (b"amount=100", 400, "json_malformed", None),
    "half a JSON": (body_with()[:-1], 400, "json_malformed", None),
    "not an object": (b"[]", 400, "json_not_object", None),
    "17 levels": (nested(17), 400, "json_too_deep", None),
    "10,000 levels": (nested(10_000), 400, "json_too_deep", None),
    "10,000 levels never closed": (b'{"metadata":' + b"[" * 10_000, 400, "json_too_deep", None),
    "100,000 levels": (nested(100_000), 413, "body_too_large", None),
}  # fmt: skip


@pytest.mark.usefixtures("nothing_stays")
def test_a_body_that_is_not_one_clear_order_is_refused(other_shop: Shop) -> None:
    """One test for the table, so that its rows share the counting; each failure names its row."""
    wrong = {}
    for what, (body, status, code, param) in MALFORMED.items():
        reply = other_shop.post("/payments", body)
        seen = (reply.status, reply.code, reply.document.get("param"))
        if seen != (status, code, param):
            wrong[what] = (seen, "expected", (status, code, param))
    assert not wrong


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [(500, "JPY", "JPY"), (1_234, "KWD", "KWD"), (1, "eur", "EUR"), (99_999_999, "usd", "USD")],
)
def test_amounts_are_minor_units_of_any_currency(
    shop: Shop, books: Books, amount: int, currency: str, shown: str
) -> None:
    reply = shop.post("/payments", order(amount, currency))
    assert reply.status == 201, reply
    payment = shop.settled(reply.document["id"])
    assert (payment["amount_captured"], payment["currency"]) == (amount, shown)
    assert books.charges(payment["id"]) == [(1, amount, shown)]
    journals = books.journals(payment["id"], rule="capture")
    (journal,) = [
        each for each in journals if each["rule"] == "capture"
    ]  # a slow one has its doubt beside it
    assert (journal["amount_minor"], journal["currency"]) == (amount, shown)


BAD_KEYS: dict[str, list[bytes]] = {
    "empty": [b""],
    "256 long": [b"k" * 256],
    "a NUL": [b"key\x00more"],
    "a CR": [b"key\rmore"],
    "an LF and a space: a folded header": [b"key\n more"],
    "not ASCII, as UTF-8": ["schlüssel".encode()],
    "not ASCII, as Latin-1": [b"schl\xfcssel"],
    "a space": [b"two words"],
    "a DEL": [b"key\x7f"],
    "two of them": [b"one", b"two"],
    "a card number": [b"4242424242424242"],
    "none": [],
}


@pytest.mark.usefixtures("nothing_stays")
def test_a_key_that_is_not_1_to_255_visible_ascii_characters_is_refused(other_shop: Shop) -> None:
    body, statuses, codes = orjson.dumps(order()), {}, {}
    for what, keys in BAD_KEYS.items():
        request = other_shop.head("/payments", {"Content-Length": str(len(body))})
        request += b"".join(b"Idempotency-Key: " + key + b"\r\n" for key in keys)
        reply = exchange(other_shop.server, request + b"\r\n" + body)
        statuses[what], codes[what] = reply.status, reply.code
    expected = dict.fromkeys(BAD_KEYS, 400) | {"a card number": 422}
    assert statuses == expected, codes
    assert codes["none"] == "idempotency_key_missing"
    # What cannot be in a header at all is refused by the HTTP parser, before any application.
    assert set(codes.values()) <= {
        "idempotency_key_missing", "idempotency_key_invalid", "http_malformed", "card_number_refused",
    }  # fmt: skip


@pytest.mark.usefixtures("nothing_stays")
def test_a_line_break_in_a_key_smuggles_no_second_request(other_shop: Shop) -> None:
    """CR LF ends the header, so the key is what came before; what follows is a header, never a request."""
    body = orjson.dumps(order(amount=0))
    request = other_shop.head(
        "/payments", {"Content-Length": str(len(body)), "Idempotency-Key": b"a\r\nX-B: c"}
    )
    reply = exchange(other_shop.server, request + b"\r\n" + body)
    assert (reply.status, reply.code) == (422, "field_invalid")


def test_a_key_of_255_characters_is_accepted(shop: Shop) -> None:
    reply = shop.post("/payments", order(method="pm_card_visa"), key=new_key().ljust(255, "~"))
    assert reply.status == 201, reply


@pytest.mark.usefixtures("nothing_stays")
def test_a_caller_without_a_good_key_is_told_nothing(other_shop: Shop) -> None:
    """Uniform 401s: none, wrong, revoked-looking, not ASCII, and one that is doubled."""
    good = other_shop.api_key.encode()
    attempts: list[list[bytes]] = [
        [],
        [b"Bearer sk_test_" + b"a" * 32],
        [b"Bearer sk_test_schl\xfcssel"],
        [b"Basic !!!"],
        [b"Bearer " + good + b" " + good],
        [b"Bearer " + good, b"Bearer " + good],
        [b"Bearer " + b"k" * 10_000],
    ]
    body = orjson.dumps(order())
    answers: list[Answer] = []
    for values in attempts:
        lines = [b"Authorization: " + value for value in values]
        lines += [b"Idempotency-Key: " + new_key().encode(), b"Content-Length: %d" % len(body)]
        head = b"POST /payments HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        request = head + b"\r\n".join(lines) + b"\r\n\r\n" + body
        answers.append(exchange(other_shop.server, request))
    assert {(answer.status, answer.body) for answer in answers} == {(401, answers[0].body)}
