"""When the processor's answer is lost, at either processor, the payment ends captured once, charged once, booked once."""

from __future__ import annotations

from collections import Counter

import pytest

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.shop import Shop, order

AMOUNT = 4_321


@pytest.mark.parametrize(
    "method",
    [
        "pm_fault_timeout_after",
        "pm_fault_500_after",
        "pm_fault_effect_late",
        "pm_fault_rate_limited",
        "pm_fault_webhook_lost",
        "pm_fault_webhook_first",
        "pm_fault_webhook_twice",
        "pm_fault_webhook_late",
        "pm_fault_timeout_after_webhook_lost",
    ],
)
def test_a_lost_answer_is_charged_and_booked_once(shop_there: Shop, books: Books, method: str) -> None:
    told = shop_there.post("/payments", order(AMOUNT, method=method))
    assert told.status == 201, told
    payment_id = told.document["id"]

    payment = shop_there.settled(payment_id)

    assert (payment["status"], payment["amount_captured"]) == ("CAPTURED", AMOUNT)
    assert (payment["amount_in_doubt"], payment["amount_stray"]) == (0, 0)
    assert books.charges(payment_id) == [(1, AMOUNT, "EUR")]
    _booked_once(books, payment_id, payment["operation"]["id"])


@pytest.mark.parametrize("method", ["pm_fault_timeout_before", "pm_fault_500_before", "pm_fault_hang"])
def test_where_nothing_happened_a_key_leads_to_a_second_send(shop: Shop, books: Books, method: str) -> None:
    payment = shop.settled(shop.post("/payments", order(AMOUNT, method=method)).document["id"])
    assert (payment["status"], payment["amount_captured"]) == ("CAPTURED", AMOUNT)
    assert books.charges(payment["id"]) == [(1, AMOUNT, "EUR")]


@pytest.mark.parametrize("method", ["pm_fault_timeout_before", "pm_fault_500_before", "pm_fault_hang"])
def test_where_nothing_happened_and_there_are_no_keys_the_attempt_is_given_up(
    beta_shop: Shop, books: Books, method: str
) -> None:
    """Never sent twice: proved absent, given up, and the customer pays by another attempt, once."""
    told = beta_shop.post("/payments", order(AMOUNT, method=method))
    payment = beta_shop.settled(told.document["id"])
    assert payment["status"] == "REQUIRES_PAYMENT_METHOD"
    assert payment["operation"]["state"] == "ABANDONED"
    assert payment["last_error"]["code"] == "authorize_abandoned"
    assert (payment["amount_in_doubt"], payment["amount_captured"]) == (0, 0)
    assert books.charges(payment["id"]) == []
    (attempt,) = books.rows(
        "processor",
        "SELECT closing, attempt_number FROM attempts WHERE operation_id = %s",
        payment["operation"]["id"],
    )
    assert attempt == {"closing": "not_found", "attempt_number": 1}

    again = beta_shop.post(f"/payments/{payment['id']}/confirm", {"payment_method": "pm_card_visa"})
    assert again.status == 200, again
    payment = beta_shop.settled(payment["id"])
    assert (payment["status"], payment["amount_captured"]) == ("CAPTURED", AMOUNT)
    assert books.charges(payment["id"]) == [(1, AMOUNT, "EUR")]


def test_doubt_is_told_and_booked_while_it_lasts(shop_there: Shop, books: Books, processor: str) -> None:
    """Where nothing happened there is nothing to find, so the reply, sent as soon as there is doubt, says so."""
    told = shop_there.post("/payments", order(AMOUNT, method="pm_fault_timeout_before"), wait_s=30)
    assert told.status == 201
    assert told.document["certainty"] == "uncertain"
    assert told.document["amount_in_doubt"] == AMOUNT
    assert told.document["operation"]["next_check_at"]

    payment_id = told.document["id"]
    payment = shop_there.settled(payment_id)
    operation_id = payment["operation"]["id"]
    if processor == "alpha":
        assert (payment["status"], payment["amount_captured"]) == ("CAPTURED", AMOUNT)
        assert books.charges(payment_id) == [(1, AMOUNT, "EUR")]
        assert _booked_once(books, payment_id, operation_id) == ["capture_in_doubt"]
    else:
        assert (payment["status"], payment["amount_captured"]) == ("REQUIRES_PAYMENT_METHOD", 0)
        assert books.charges(payment_id) == []
        eventually(
            lambda: _net(books.journals(payment_id, rule="capture_in_doubt")) == {},
            timeout_s=30,
            describe="the journal of the doubt reversed",
        )
        assert books.open_items(operation_id) == []


def _net(journals: list[dict[str, object]]) -> dict[str, int]:
    """What stands on each family over all these journals."""
    net: Counter[str] = Counter()
    for journal in journals:
        for entry in journal["entries"]:  # type: ignore[attr-defined]
            net[entry["family"]] += entry["amount_minor"] * (1 if entry["side"] == "debit" else -1)
    return {family: amount for family, amount in net.items() if amount}


def _booked_once(books: Books, payment_id: str, operation_id: str) -> list[str]:
    """One capture stands; every other journal is half of a pair that came to zero: returns the rules of those."""
    journals = books.journals(payment_id, rule="capture")
    reversed_ids = {journal["reverses_journal_id"] for journal in journals} - {None}
    standing = [
        journal
        for journal in journals
        if journal["journal_id"] not in reversed_ids and journal["reverses_journal_id"] is None
    ]
    assert [(journal["rule"], journal["amount_minor"]) for journal in standing] == [("capture", AMOUNT)]
    net = _net(journals)
    assert net["processor_receivable"] == AMOUNT
    assert net["merchant_pending"] + net.get("fee_revenue", 0) == -AMOUNT
    assert net.keys() <= {"processor_receivable", "merchant_pending", "fee_revenue"}
    assert books.open_items(operation_id) == []
    return [journal["rule"] for journal in journals if journal["journal_id"] in reversed_ids]
