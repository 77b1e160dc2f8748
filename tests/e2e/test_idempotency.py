"""Repeating a request is safe, whatever is repeated, however fast, and whoever asks."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shared.testing.serving import Answer
from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.desk import Desk
from tests.e2e.shop import Shop, new_key, order
from tools.local_stack.stack import LocalStack

AT_ONCE = 20


def test_twenty_identical_first_requests_make_one_payment_and_one_charge(shop: Shop, books: Books) -> None:
    key, body = new_key(), order(amount=2_345, reference=new_key())

    def once(_number: int) -> Answer:
        return shop.post("/payments", body, key=key)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        replies = list(threads.map(once, range(AT_ONCE)))

    told = [reply for reply in replies if reply.status == 201]
    in_flight = [reply for reply in replies if reply.status == 409]
    assert len(told) + len(in_flight) == AT_ONCE, [reply.status for reply in replies]
    assert told
    assert len({reply.body for reply in told}) == 1
    assert {reply.code for reply in in_flight} <= {"idempotency_key_in_use"}
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in in_flight)

    payment_id = told[0].document["id"]
    assert shop.settled(payment_id)["status"] == "CAPTURED"
    same_reference = shop.get(f"/payments?reference={body['reference']}").document["data"]
    assert [payment["id"] for payment in same_reference] == [payment_id]
    assert books.charges(payment_id) == [(1, 2_345, "EUR")]
    assert books.commands(payment_id) == 1

    replayed = shop.post("/payments", body, key=key)
    assert (replayed.status, replayed.body) == (201, told[0].body)
    assert replayed.headers["idempotent-replayed"] == "true"
    assert replayed.headers["payment-status"] == "CAPTURED"
    assert replayed.headers["payment-certainty"] == "certain"


def test_a_replay_tells_then_in_its_body_and_now_in_its_headers(shop: Shop) -> None:
    key, body = new_key(), order(method="pm_fault_timeout_before")
    first = shop.post("/payments", body, key=key, wait_s=0)
    assert first.status == 201
    assert first.document["certainty"] == "pending"
    assert "idempotent-replayed" not in first.headers

    shop.settled(first.document["id"])
    replayed = shop.post("/payments", body, key=key)
    assert (replayed.status, replayed.body) == (201, first.body)
    assert replayed.headers["idempotent-replayed"] == "true"
    assert replayed.headers["payment-status"] == "CAPTURED"
    assert replayed.headers["payment-certainty"] == "certain"


def test_a_key_under_another_amount_is_refused_and_the_processor_sees_nothing(
    shop: Shop, books: Books
) -> None:
    key = new_key()
    payment_id = shop.post("/payments", order(amount=700), key=key).document["id"]
    shop.settled(payment_id)
    before = _done_so_far(shop, books, payment_id)

    refused = shop.post("/payments", order(amount=701), key=key)

    assert (refused.status, refused.code) == (422, "idempotency_key_reused")
    assert refused.document["param"] == "amount"
    assert books.charges(payment_id) == [(1, 700, "EUR")]
    assert books.commands(payment_id) == 1
    assert _done_so_far(shop, books, payment_id) == before


def test_operators_see_what_came_under_a_key(shop: Shop, desk: Desk, stack: LocalStack) -> None:
    key = new_key()
    payment_id = shop.post("/payments", order(amount=750), key=key).document["id"]
    shop.settled(payment_id)
    for _ in range(3):
        assert shop.post("/payments", order(amount=750), key=key).headers["idempotent-replayed"] == "true"
    assert shop.post("/refunds", {"payment": payment_id}, key=key).status == 422

    def counted() -> dict[str, Any] | None:
        (shown,) = desk.get(f"/idempotency-keys?owner={shop.merchant_id}&key={key}")
        return shown if shown["mismatches"] else None

    shown = eventually(counted, timeout_s=10, interval_s=0.1, describe="the counts of the last second")
    assert shown is not None
    assert (shown["state"], shown["status"], shown["resource"]) == ("finished", 201, payment_id)
    assert (shown["endpoint"], shown["replays"], shown["mismatches"]) == ("POST /payments", 3, 1)
    assert (shown["last_mismatch_endpoint"], shown["last_mismatch_param"]) == ("POST /refunds", "endpoint")
    mismatched = desk.get("/idempotency-keys?mismatched_within_s=600&limit=1000")
    assert shown["fingerprint"] in {found["fingerprint"] for found in mismatched}
    (told,) = json.loads(stack.cli("payment", "idempotency-keys", "show", shop.merchant_id, key, "--json"))
    assert (told["fingerprint"], told["replays"]) == (shown["fingerprint"], 3)


def test_a_key_on_another_endpoint_is_refused_and_the_processor_sees_nothing(
    shop: Shop, books: Books
) -> None:
    key = new_key()
    payment_id = shop.post("/payments", order(amount=800), key=key).document["id"]
    shop.settled(payment_id)
    before = _done_so_far(shop, books, payment_id)

    refused = shop.post("/refunds", {"payment": payment_id}, key=key)

    assert (refused.status, refused.code) == (422, "idempotency_key_reused")
    assert refused.document["param"] == "endpoint"
    assert shop.payment(payment_id)["amount_refunded"] == 0
    assert books.commands(payment_id) == 1
    assert _done_so_far(shop, books, payment_id) == before


def test_the_same_key_of_another_merchant_is_its_own_payment(
    shop: Shop, other_shop: Shop, books: Books
) -> None:
    key, body = new_key(), order(amount=900)
    ours, theirs = shop.post("/payments", body, key=key), other_shop.post("/payments", body, key=key)

    assert (ours.status, theirs.status) == (201, 201)
    assert "idempotent-replayed" not in theirs.headers
    ids = {ours.document["id"], theirs.document["id"]}
    assert len(ids) == 2
    assert shop.settled(ours.document["id"])["status"] == "CAPTURED"
    assert other_shop.settled(theirs.document["id"])["status"] == "CAPTURED"
    assert [books.charges(payment_id) for payment_id in sorted(ids)] == [[(1, 900, "EUR")]] * 2
    assert shop.get(f"/payments/{theirs.document['id']}").status == 404


def _done_so_far(shop: Shop, books: Books, payment_id: str) -> tuple[int, int, int, int]:
    """What the merchant and this payment asked for, and what the processor was asked (one key per request) and did.

    Other tests' payments may still be at work, so their part in the processor's tables is left out.
    """
    stored = books.stored_of(shop.merchant_id)
    operations = books.rows(
        "payment", "SELECT operation_id FROM operations WHERE payment_id = %s", payment_id
    )
    keys = [row["operation_id"] for row in operations]
    asked = books.count("sandbox", "SELECT count(*) FROM alpha_keys WHERE key = ANY(%s)", keys)
    assert asked, "a key at the processor is the operation's id"
    done = books.count("sandbox", "SELECT count(*) FROM alpha_book WHERE payment_id = %s", payment_id)
    return stored["payments"], stored["operations"], asked, done
