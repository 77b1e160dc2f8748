"""Disputes over HTTP on a real database: shown, listed, answered once, and never somebody else's."""

from __future__ import annotations

import pytest

from services.payment.tests.db.scenes import EVIDENCE, open_dispute
from services.payment.tests.db.shop import Shop
from services.payment.tests.world import disputed, money_row


def test_a_dispute_is_shown_with_its_money_and_its_payment_as_disputed(shop: Shop) -> None:
    payment_id, dispute = open_dispute(shop)
    assert (dispute["status"], dispute["amount"], dispute["amount_withdrawn"]) == ("opened", 6_000, 6_000)
    assert (dispute["reason"], dispute["certainty"], dispute["operation"]) == ("fraudulent", "certain", None)
    assert shop.get(f"/disputes/{dispute['id']}").document == dispute
    payment = shop.get(f"/payments/{payment_id}").document
    assert (payment["status"], payment["amount_disputed"], payment["amount_reversed"]) == (
        "DISPUTED",
        6_000,
        0,
    )
    shop.tell(disputed(shop.payment(payment_id), "lost", 2))
    payment = shop.get(f"/payments/{payment_id}").document
    assert (payment["status"], payment["amount_disputed"], payment["amount_reversed"]) == (
        "CAPTURED",
        0,
        6_000,
    )
    refused = shop.post("/refunds", {"payment": payment_id, "amount": 4_001})
    assert (refused.status, refused.document["code"]) == (409, "refund_exceeds_room")


def test_one_key_hands_evidence_in_once_and_replays_its_reply(shop: Shop) -> None:
    payment_id, dispute = open_dispute(shop)
    path = f"/disputes/{dispute['id']}/evidence"
    first = shop.post(path, EVIDENCE, key="e")
    assert (first.status, first.document["operation"]["type"]) == (200, "dispute_evidence")
    again = shop.post(path, EVIDENCE, key="e")
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["payment-status"] == "DISPUTED"
    assert shop.post(path, {"documents": {"receipt": "file_2"}}, key="e").status == 422
    sent = shop.rows("SELECT count(*) FROM outbox WHERE event_type = 'SubmitDisputeEvidence.v1'")
    assert sent == [(1,)]
    blocked = shop.post(f"/disputes/{dispute['id']}/accept", {})
    assert (blocked.status, blocked.document["code"]) == (409, "operation_in_doubt")
    shop.answer(payment_id, "done")
    accepted = shop.post(f"/disputes/{dispute['id']}/accept", {})
    assert (accepted.status, accepted.document["operation"]["type"]) == (200, "dispute_accept")


def test_a_dispute_that_echoes_our_answer_without_an_amount_is_kept_and_a_person_looks(shop: Shop) -> None:
    payment_id, dispute = open_dispute(shop)
    sent = shop.post(f"/disputes/{dispute['id']}/evidence", EVIDENCE).document["operation"]["id"]
    shop.tell(disputed(shop.payment(payment_id), "under_review", 2, reference=sent, amount_minor=0))
    shown = shop.get(f"/disputes/{dispute['id']}").document
    assert (shown["status"], shown["amount"]) == ("opened", 6_000)
    assert shop.rows("SELECT reason, subject FROM cases") == [("money_without_amount", "dsp_1:under_review")]
    assert shop.count("waiting_facts") == 0


def test_evidence_is_not_handed_in_without_end(shop: Shop) -> None:
    """The processor shows all of it in each of its events, and a merchant must not make those too large to be read."""
    payment_id, dispute = open_dispute(shop)
    path = f"/disputes/{dispute['id']}/evidence"
    for number in range(10):
        taken = shop.post(path, {"documents": {f"paper_{number}": "file_1"}}, key=f"e{number}")
        assert taken.status == 200
        shop.answer(payment_id, "done")
    refused = shop.post(path, EVIDENCE, key="e")
    assert (refused.status, refused.document["code"], refused.document["param"]) == (
        409,
        "dispute_evidence_full",
        "documents",
    )
    sent = shop.rows("SELECT count(*) FROM outbox WHERE event_type = 'SubmitDisputeEvidence.v1'")
    assert sent == [(10,)]


def test_a_closed_dispute_takes_no_answer(shop: Shop) -> None:
    payment_id, dispute = open_dispute(shop)
    shop.tell(disputed(shop.payment(payment_id), "won", 2))
    refused = shop.post(f"/disputes/{dispute['id']}/evidence", EVIDENCE)
    assert (refused.status, refused.document["code"]) == (409, "dispute_wrong_status")


def test_a_dispute_known_only_by_its_money_is_uncertain_and_takes_the_same_key_again(shop: Shop) -> None:
    payment_id = shop.captured()["id"]
    shop.tell(money_row(shop.payment(payment_id), "dispute", "opened", 4_000, "row_1"))
    (dispute,) = shop.get(f"/disputes?payment={payment_id}").document["data"]
    assert (dispute["status"], dispute["certainty"]) == ("opened", "uncertain")
    path = f"/disputes/{dispute['id']}/evidence"
    refused = shop.post(path, EVIDENCE, key="e")
    assert (refused.status, refused.document["code"]) == (409, "dispute_in_doubt")
    shop.tell(disputed(shop.payment(payment_id), "opened", 1, amount_minor=4_000))
    assert shop.get(f"/disputes/{dispute['id']}").document["certainty"] == "certain"
    assert shop.post(path, EVIDENCE, key="e").status == 200


def test_other_merchants_disputes_do_not_exist(shop: Shop) -> None:
    _, dispute = open_dispute(shop)
    other = shop.new_key().api_key
    path = f"/disputes/{dispute['id']}"
    replies = [
        shop.get(path, api_key=other),
        shop.post(f"{path}/evidence", EVIDENCE, api_key=other),
        shop.post(f"{path}/accept", {}, api_key=other),
        shop.get("/disputes/dp_none"),
    ]
    assert [(reply.status, reply.document["code"]) for reply in replies] == [(404, "dispute_not_found")] * 4
    assert shop.get("/disputes", api_key=other).document["data"] == []


def test_pages_of_disputes_are_newest_first(shop: Shop) -> None:
    payment = shop.captured()
    kept = shop.payment(payment["id"])
    for number in range(3):
        shop.tell(disputed(kept, "inquiry", 1, object_id=f"dsp_{number}", amount_minor=1_000 + number))
    first = shop.get("/disputes?limit=2&status=inquiry").document
    assert ([item["amount"] for item in first["data"]], first["has_more"]) == ([1_002, 1_001], True)
    rest = shop.get(f"/disputes?limit=2&cursor={first['next_cursor']}").document
    assert ([item["amount"] for item in rest["data"]], rest["has_more"]) == ([1_000], False)


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "documents"), ({"documents": {}}, "documents"), ({"documents": {"A B": "file"}}, "documents")],
)
def test_bad_evidence_is_refused_naming_the_field(shop: Shop, body: object, param: str) -> None:
    _, dispute = open_dispute(shop)
    refused = shop.post(f"/disputes/{dispute['id']}/evidence", body)
    assert refused.status == 422
    assert refused.document["param"].startswith(param)


@pytest.mark.parametrize("query", ["limit=0", "status=closed", "payment=1", "cursor=x", "color=red"])
def test_bad_queries_are_refused_naming_the_parameter(shop: Shop, query: str) -> None:
    refused = shop.get(f"/disputes?{query}")
    assert (refused.status, refused.document["param"]) == (422, query.partition("=")[0])
