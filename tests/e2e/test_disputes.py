"""Disputes and reversals through the whole stack: the processor's word, the merchant's view, the books, the auditor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.shop import SETTLE_S, Shop, new_key, order
from tools.auditor.addresses import Addresses
from tools.auditor.audit import audit
from tools.local_stack.stack import LocalStack

AMOUNT = 6_000


class Script:
    """What customers, issuers and banks do next at the processor."""

    def __init__(self, stack: LocalStack) -> None:
        self._http = httpx2.Client(
            base_url=stack.url("sandbox") + "/alpha/v1/script/",
            headers={"Authorization": f"Bearer {stack.secrets.text('alpha_api_key')}"},
        )

    def __call__(self, collection: str, object_id: str, **said: Any) -> dict[str, Any]:
        reply = self._http.post(
            f"{collection}/{object_id}", json=said, headers={"Idempotency-Key": new_key()}
        )
        assert reply.status_code == 201, reply.text
        return dict(reply.json())

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def script(stack: LocalStack) -> Iterator[Script]:
    made = Script(stack)
    yield made
    made.close()


def sold(shop: Shop, books: Books, method: str = "pm_card_visa") -> tuple[str, str]:
    """A payment captured, and the processor's id of its capture."""
    payment_id = shop.post("/payments", order(AMOUNT, method=method)).document["id"]
    assert shop.settled(payment_id)["status"] == "CAPTURED"
    (row,) = books.rows(
        "sandbox", "SELECT id FROM alpha_objects WHERE kind = 'capture' AND payment_id = %s", payment_id
    )
    return payment_id, row["id"]


def becomes(shop: Shop, payment_id: str, status: str, **amounts: int) -> None:
    """The payment is shown so, soon."""

    def look() -> bool:
        payment = shop.payment(payment_id)
        return payment["status"] == status and all(payment[f"amount_{k}"] == v for k, v in amounts.items())

    eventually(
        look, timeout_s=SETTLE_S, describe=f"{payment_id} {status} {amounts}: {shop.payment(payment_id)}"
    )


def dispute_of(shop: Shop, payment_id: str) -> dict[str, Any]:
    (dispute,) = shop.get(f"/disputes?payment={payment_id}").document["data"]
    return dict(dispute)


def test_a_dispute_is_answered_won_opened_again_and_lost_in_part(
    shop: Shop, books: Books, script: Script
) -> None:
    payment_id, capture_id = sold(shop, books)
    opened = script("captures", capture_id, do="dispute", amount=4_000)
    becomes(shop, payment_id, "DISPUTED", disputed=4_000, reversed=0)
    refused = shop.post("/refunds", {"payment": payment_id, "amount": 2_001})
    assert (refused.status, refused.document["code"]) == (409, "refund_exceeds_room")
    dispute = dispute_of(shop, payment_id)
    told = shop.post(
        f"/disputes/{dispute['id']}/evidence", {"documents": {"receipt": "file_winning_evidence"}}
    )
    assert told.status == 200
    becomes(shop, payment_id, "CAPTURED", disputed=0, reversed=0)
    eventually(lambda: dispute_of(shop, payment_id)["amount_reinstated"] == 4_000, timeout_s=SETTLE_S)
    shown = dispute_of(shop, payment_id)
    assert (shown["status"], shown["operation"]["state"]) == ("won", "SUCCEEDED")
    script("disputes", opened["id"], do="open")
    becomes(shop, payment_id, "DISPUTED", disputed=4_000)
    script("disputes", opened["id"], do="lose", amount=1_000)
    becomes(shop, payment_id, "CAPTURED", disputed=0, reversed=3_000)
    books.journals(payment_id, rule="dispute_written_off")
    assert shop.post("/refunds", {"payment": payment_id}).status == 201
    becomes(shop, payment_id, "REVERSED", refunded=3_000, reversed=3_000)


def test_an_inquiry_is_accepted_only_as_a_dispute_and_then_costs_the_whole(
    shop: Shop, books: Books, script: Script
) -> None:
    payment_id, capture_id = sold(shop, books)
    inquiry = script("captures", capture_id, do="inquire")
    eventually(
        lambda: shop.get(f"/disputes?payment={payment_id}").document["data"],
        timeout_s=SETTLE_S,
        describe="the inquiry",
    )
    assert shop.payment(payment_id)["status"] == "CAPTURED"
    accept = f"/disputes/{dispute_of(shop, payment_id)['id']}/accept"
    assert shop.post(accept, {}).document["code"] == "dispute_wrong_status"
    script("disputes", inquiry["id"], do="open")
    becomes(shop, payment_id, "DISPUTED", disputed=AMOUNT)
    accepted = shop.post(accept, {})
    assert (accepted.status, accepted.document["operation"]["state"]) == (200, "SUCCEEDED")
    becomes(shop, payment_id, "REVERSED", disputed=0, reversed=AMOUNT)
    script("disputes", inquiry["id"], do="reinstate", amount=2_500)
    becomes(shop, payment_id, "CAPTURED", reversed=AMOUNT - 2_500)


def test_reversals_are_taken_and_given_back(shop: Shop, books: Books, script: Script) -> None:
    payment_id, capture_id = sold(shop, books)
    reversal = script("captures", capture_id, do="reverse")
    becomes(shop, payment_id, "REVERSED", reversed=AMOUNT)
    script("reversals", reversal["id"], do="give_back", amount=2_000)
    becomes(shop, payment_id, "CAPTURED", reversed=AMOUNT - 2_000)
    script("reversals", reversal["id"], do="give_back")
    becomes(shop, payment_id, "CAPTURED", reversed=0)
    script("captures", capture_id, do="fail")
    becomes(shop, payment_id, "REVERSED", reversed=AMOUNT)


@pytest.mark.parametrize("fault", ["timeout_after", "500_after", "timeout_before"])
def test_an_answer_whose_reply_is_lost_is_handed_in_once(
    shop: Shop, books: Books, script: Script, fault: str
) -> None:
    payment_id, capture_id = sold(shop, books, f"pm_fault_{fault}_on_dispute")
    script("captures", capture_id, do="dispute")
    becomes(shop, payment_id, "DISPUTED", disputed=AMOUNT)
    dispute = dispute_of(shop, payment_id)
    shop.post(f"/disputes/{dispute['id']}/evidence", {"documents": {"receipt": "file_1"}})
    eventually(
        lambda: dispute_of(shop, payment_id)["status"] == "under_review",
        timeout_s=SETTLE_S,
        describe="evidence",
    )
    shop.settled(payment_id)
    assert (
        books.count(
            "sandbox",
            "SELECT count(*) FROM alpha_book WHERE kind = 'answered' AND payment_id = %s",
            payment_id,
        )
        == 1
    )


def test_all_books_tie_out(stack: LocalStack) -> None:
    # Not whether everything has drained: other tests tell this stack of payments that do not exist, which wait.
    addresses = Addresses(stack.reader_urls(), stack.bootstrap, stack.topic_prefix)
    report = audit(addresses, drained=True, deadline_s=15)
    wanted = {"I3", "I4", "I11"}
    broken = [
        (found.name, found.violations[:2])
        for found in report.invariants
        if not found.holds and found.name.partition(".")[0] in wanted
    ]
    assert not broken
