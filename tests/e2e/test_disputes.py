"""Disputes and reversals at both processors through the whole stack: their word, the merchant's view, the books."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.claims import AMOUNT, ClaimScript, sold
from tests.e2e.shop import SETTLE_S, Shop, order
from tests.e2e.side_by_side import side_by_side
from tools.local_stack.stack import LocalStack


@pytest.fixture
def script(stack: LocalStack, processor: str) -> Iterator[ClaimScript]:
    """What customers, issuers and banks do next at the processor of this turn."""
    with ClaimScript(stack, processor) as made:
        yield made


def becomes(shop: Shop, payment_id: str, status: str, **amounts: int) -> None:
    """The payment is shown so, soon."""

    def look() -> bool:
        payment = shop.payment(payment_id)
        return payment["status"] == status and all(payment[f"amount_{k}"] == v for k, v in amounts.items())

    eventually(
        look, timeout_s=SETTLE_S, describe=f"{payment_id} {status} {amounts}: {shop.payment(payment_id)}"
    )


def dispute_of(shop: Shop, payment_id: str) -> dict[str, Any]:
    disputes = shop.get(f"/disputes?payment={payment_id}").document["data"]
    assert len(disputes) == 1, disputes
    return dict(disputes[0])


def shows(shop: Shop, payment_id: str, **expected: object) -> None:
    """Its dispute is shown so, soon: its money and its own words come apart."""

    def look() -> bool:
        dispute = dispute_of(shop, payment_id)
        return all(dispute[name] == value for name, value in expected.items())

    eventually(look, timeout_s=SETTLE_S, describe=lambda: f"{expected}: {dispute_of(shop, payment_id)}")


def answered(shop: Shop, payment_id: str) -> None:
    """What was last done about its dispute has succeeded, soon."""
    eventually(
        lambda: dispute_of(shop, payment_id)["operation"]["state"] == "SUCCEEDED",
        timeout_s=SETTLE_S,
        describe=lambda: f"the operation succeeded: {dispute_of(shop, payment_id)}",
    )


def answerable(shop: Shop, payment_id: str) -> str:
    """Where its dispute is answered, once the processor has named it: its money may be told before."""
    dispute = eventually(
        lambda: next((d for d in [dispute_of(shop, payment_id)] if d["certainty"] == "certain"), None),
        timeout_s=SETTLE_S,
        describe=f"the dispute of {payment_id} known for certain",
    )
    return f"/disputes/{dispute['id']}"


def test_a_dispute_is_answered_won_opened_again_and_lost_in_part(
    shop_there: Shop, books: Books, script: ClaimScript
) -> None:
    payment_id, capture_id = sold(shop_there, books)
    opened = script("captures", capture_id, "dispute", 4_000)
    becomes(shop_there, payment_id, "DISPUTED", disputed=4_000, reversed=0)
    refused = shop_there.post("/refunds", {"payment": payment_id, "amount": 2_001})
    assert (refused.status, refused.document["code"]) == (409, "refund_exceeds_room")
    there = answerable(shop_there, payment_id)
    told = shop_there.post(f"{there}/evidence", {"documents": {"receipt": "file_winning_evidence"}})
    assert told.status == 200
    becomes(shop_there, payment_id, "CAPTURED", disputed=0, reversed=0)
    shows(shop_there, payment_id, amount_reinstated=4_000, status="won")
    answered(shop_there, payment_id)
    script("disputes", opened, "open")
    becomes(shop_there, payment_id, "DISPUTED", disputed=4_000)
    script("disputes", opened, "lose", 1_000)
    becomes(shop_there, payment_id, "CAPTURED", disputed=0, reversed=3_000)
    books.journals(payment_id, rule="dispute_written_off")
    assert shop_there.post("/refunds", {"payment": payment_id}).status == 201
    becomes(shop_there, payment_id, "REVERSED", refunded=3_000, reversed=3_000)


def test_an_inquiry_is_accepted_only_as_a_dispute_and_then_costs_the_whole(
    shop_there: Shop, books: Books, script: ClaimScript
) -> None:
    payment_id, capture_id = sold(shop_there, books)
    inquiry = script("captures", capture_id, "inquire")
    eventually(
        lambda: shop_there.get(f"/disputes?payment={payment_id}").document["data"],
        timeout_s=SETTLE_S,
        describe="the inquiry",
    )
    assert shop_there.payment(payment_id)["status"] == "CAPTURED"
    accept = f"{answerable(shop_there, payment_id)}/accept"
    assert shop_there.post(accept, {}).document["code"] == "dispute_wrong_status"
    script("disputes", inquiry, "open")
    becomes(shop_there, payment_id, "DISPUTED", disputed=AMOUNT)
    shows(shop_there, payment_id, status="opened")
    assert shop_there.post(accept, {}).status == 200
    answered(shop_there, payment_id)
    becomes(shop_there, payment_id, "REVERSED", disputed=0, reversed=AMOUNT)
    script("disputes", inquiry, "reinstate", 2_500)
    becomes(shop_there, payment_id, "CAPTURED", reversed=AMOUNT - 2_500)


def test_reversals_are_taken_and_given_back(shop_there: Shop, books: Books, script: ClaimScript) -> None:
    payment_id, capture_id = sold(shop_there, books)
    reversal = script("captures", capture_id, "reverse")
    becomes(shop_there, payment_id, "REVERSED", reversed=AMOUNT)
    script("reversals", reversal, "give_back", 2_000)
    becomes(shop_there, payment_id, "CAPTURED", reversed=AMOUNT - 2_000)
    script("reversals", reversal, "give_back")
    becomes(shop_there, payment_id, "CAPTURED", reversed=0)
    script("captures", capture_id, "fail")
    becomes(shop_there, payment_id, "REVERSED", reversed=AMOUNT)


def test_a_card_brings_its_dispute_or_reversal_to_its_own_end(shop_there: Shop, books: Books) -> None:
    def disputed(method: str, status: str, *disputes: str, **amounts: int) -> None:
        payment_id: str = shop_there.post("/payments", order(AMOUNT, method=method)).document["id"]

        def words() -> tuple[str, ...]:
            told = shop_there.get(f"/disputes?payment={payment_id}").document["data"]
            return tuple(dispute["status"] for dispute in told)

        eventually(lambda: words() == disputes, timeout_s=SETTLE_S, describe=lambda: f"{disputes}: {words()}")
        becomes(shop_there, payment_id, status, captured=AMOUNT, **amounts)
        if "won" in disputes:
            eventually(
                lambda: dispute_of(shop_there, payment_id)["amount_reinstated"] == AMOUNT, timeout_s=SETTLE_S
            )

    def given_back() -> None:
        body = order(AMOUNT, method="pm_card_createReversalGivenBack")
        payment_id: str = shop_there.post("/payments", body).document["id"]
        books.journals(payment_id, rule="reversal_given_back")
        becomes(shop_there, payment_id, "CAPTURED", captured=AMOUNT, reversed=0)

    side_by_side(
        {
            "disputed": partial(disputed, "pm_card_createDispute", "DISPUTED", "opened", disputed=AMOUNT),
            "for another reason": partial(
                disputed, "pm_card_createDisputeProductNotReceived", "DISPUTED", "opened", disputed=AMOUNT
            ),
            "asked about": partial(
                disputed, "pm_card_createDisputeInquiry", "CAPTURED", "inquiry", disputed=0, reversed=0
            ),
            "twice": partial(
                disputed, "pm_card_createMultipleDisputes", "DISPUTED", "opened", "opened", disputed=AMOUNT
            ),
            "won": partial(disputed, "pm_card_createDisputeWon", "CAPTURED", "won", disputed=0, reversed=0),
            "lost": partial(
                disputed, "pm_card_createDisputeLost", "REVERSED", "lost", disputed=0, reversed=AMOUNT
            ),
            "given back": given_back,
        }
    )


REPLIES = ("timeout_after", "500_after", "timeout_before")


def test_an_answer_whose_reply_is_lost_is_handed_in_once(
    shop_there: Shop, books: Books, script: ClaimScript, processor: str
) -> None:
    """Where it never arrived and there are no keys it is not sent twice: given up, and the merchant is told so."""

    def answered(fault: str) -> tuple[str, str, int]:
        payment_id, capture_id = sold(shop_there, books, f"pm_fault_{fault}_on_dispute")
        script("captures", capture_id, "dispute")
        becomes(shop_there, payment_id, "DISPUTED", disputed=AMOUNT)
        there = answerable(shop_there, payment_id)
        told = shop_there.post(f"{there}/evidence", {"documents": {"receipt": "file_1"}})
        assert told.status == 200, told
        ended = {"under_review": "SUCCEEDED", "opened": "ABANDONED"}

        def look() -> tuple[str, str] | None:
            dispute = dispute_of(shop_there, payment_id)
            status, state = dispute["status"], dispute["operation"]["state"]
            return (status, state) if ended[status] == state else None

        found = eventually(look, timeout_s=SETTLE_S, describe=f"the answer at {there} decided")
        assert found is not None
        return *found, books.answers(payment_id)

    taken = ("under_review", "SUCCEEDED", 1)
    never = {"alpha": taken, "beta": ("opened", "ABANDONED", 0)}[processor]
    found = side_by_side({fault: partial(answered, fault) for fault in REPLIES})
    assert found == {"timeout_after": taken, "500_after": taken, "timeout_before": never}
