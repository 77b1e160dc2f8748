"""A payment in doubt, watched until it is settled: what the merchant is told, what was tried, what both books say."""

from __future__ import annotations

from typing import Any

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.shop import Shop, order

AMOUNT = 5_300
FOR_EVER_S = 86_400 * 365
LOST_S = 60


def authorized(shop: Shop) -> str:
    payment_id: str = shop.post("/payments", order(AMOUNT, capture_method="manual"), wait_s=30).document["id"]
    assert shop.settled(payment_id)["status"] == "AUTHORIZED"
    return payment_id


def in_doubt(shop: Shop, books: Books, payment_id: str, looks: int = 1) -> dict[str, Any]:
    """The payment once it is uncertain and so many look-ups have seen nothing."""

    def look() -> dict[str, Any] | None:
        payment = shop.payment(payment_id)
        return payment if payment["certainty"] == "uncertain" else None

    found = eventually(look, timeout_s=LOST_S, describe=f"doubt about {payment_id}")
    assert found is not None
    operation_id = found["operation"]["id"]
    eventually(
        lambda: _looks_in_vain(books, operation_id) >= looks,
        timeout_s=LOST_S,
        describe=f"{looks} look-ups of {operation_id} in vain; there were {_looks_in_vain(books, operation_id)}",
    )
    return shop.payment(payment_id)


def _looks_in_vain(books: Books, operation_id: str) -> int:
    return books.count(
        "processor",
        "SELECT count(*) FROM attempt_log WHERE operation_id = %s AND detail::text LIKE '%%not_found%%'",
        operation_id,
    )


def states_of(books: Books, payment_id: str) -> set[str]:
    """Every state that the payment or an operation of it was ever in."""
    found = books.rows("payment", "SELECT to_state FROM status_history WHERE payment_id = %s", payment_id)
    return {row["to_state"] for row in found}


def captured_once(shop: Shop, books: Books, payment_id: str) -> None:
    payment = shop.settled(payment_id)
    assert (payment["status"], payment["amount_captured"]) == ("CAPTURED", AMOUNT)
    assert (payment["amount_in_doubt"], payment["amount_stray"]) == (0, 0)
    assert books.charges(payment_id) == [(1, AMOUNT, "EUR")]
    journals = books.journals(payment_id, rule="capture")
    reversed_ids = {journal["reverses_journal_id"] for journal in journals} - {None}
    standing = [
        (journal["rule"], journal["amount_minor"])
        for journal in journals
        if journal["journal_id"] not in reversed_ids and journal["reverses_journal_id"] is None
    ]
    assert standing == [("capture", AMOUNT)]
    assert books.open_items(payment["operation"]["id"]) == []
