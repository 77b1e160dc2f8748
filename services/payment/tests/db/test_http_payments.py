"""The merchant API over a real socket: what it answers, what it refuses with which code, and what it shows."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from threading import Barrier, Thread
from typing import Any

import pytest

from services.payment.adapters.read_models import find_payment, find_refund
from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.create_payment import create_payment
from services.payment.app.views import PaymentView, payment_view, refund_view
from services.payment.domain.api_keys import Mode
from services.payment.entrypoints.worker import wake_due_facts
from services.payment.tests.db.shop import ORDER, Shop
from services.payment.tests.world import captured, disputed, refunded, reversed_by_processor, wish
from shared.kernel.errors import Rejected
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.serving import Answer
from shared.testing.waiting import eventually

PAYMENT_FIELDS = [
    "id", "status", "certainty", "hold", "amount", "currency", "amount_authorized", "amount_capturable",
    "amount_captured", "amount_refunded", "amount_disputed", "amount_reversed", "amount_settled", "amount_in_doubt",
    "amount_stray", "capture_method", "payment_method", "customer", "reference", "description", "metadata",
    "operation", "last_error", "capture_before", "version", "created_at", "updated_at",
]  # fmt: skip


def test_a_payment_is_shown_with_exactly_the_documented_fields(shop: Shop) -> None:
    assert [field.name for field in fields(PaymentView)] == PAYMENT_FIELDS
    made = shop.create(reference="order-1", metadata={"basket": "7"}, customer="cus_1", currency="eur")
    assert list(made) == PAYMENT_FIELDS
    assert made["currency"] == "EUR"
    assert (made["certainty"], made["operation"]["state"]) == ("pending", "REQUESTED")
    assert list(made["operation"]) == ["id", "type", "state", "since", "next_check_at"]
    assert shop.get(f"/payments/{made['id']}").document == made


def test_what_the_aggregate_shows_is_what_the_tables_show(shop: Shop) -> None:
    payment_id = shop.captured()["id"]
    refund_id = shop.post("/refunds", {"payment": payment_id, "amount": 4_000}).document["id"]
    payment = shop.payment(payment_id)
    with shop.parts.common.engine.connect() as connection:
        stored, refund = find_payment(connection, payment_id), find_refund(connection, refund_id)
    assert stored is not None
    assert refund is not None
    assert stored.view == payment_view(payment)
    assert refund.view == refund_view(payment, payment.refunds[refund_id])


def test_without_a_method_a_payment_waits_for_one(shop: Shop) -> None:
    made = shop.create(payment_method=None)
    assert (made["status"], made["certainty"], made["operation"]) == (
        "REQUIRES_PAYMENT_METHOD", "certain", None,
    )  # fmt: skip
    confirmed = shop.post(f"/payments/{made['id']}/confirm", {"payment_method": "pm_card_visa"})
    assert confirmed.status == 200
    assert confirmed.document["operation"]["type"] == "authorize"


def test_capture_in_parts_then_refund(shop: Shop) -> None:
    payment_id = shop.create(capture_method="manual")["id"]
    shop.authorize(payment_id)
    reply = shop.post(f"/payments/{payment_id}/capture", {"amount": 4_000, "final": False})
    assert (reply.status, reply.document["operation"]["type"]) == (200, "capture")
    in_doubt = shop.post(f"/payments/{payment_id}/capture", {})
    assert (in_doubt.status, in_doubt.code) == (409, "operation_in_doubt")
    operation_id = reply.document["operation"]["id"]
    shop.tell(captured(shop.payment(payment_id), operation_id, amount_minor=4_000))
    assert shop.get(f"/payments/{payment_id}").document["amount_captured"] == 4_000
    refund = shop.post("/refunds", {"payment": payment_id, "amount": 1_000, "reason": "broken"})
    assert (refund.status, refund.document["status"], refund.document["amount"]) == (201, "REQUESTED", 1_000)
    assert shop.get(f"/refunds/{refund.document['id']}").document == refund.document
    too_much = shop.post("/refunds", {"payment": payment_id, "amount": 3_001})
    assert (too_much.status, too_much.code, too_much.document["param"]) == (
        409,
        "refund_exceeds_room",
        "amount",
    )


def test_of_many_first_requests_with_one_reference_one_gets_it(shop: Shop) -> None:
    barrier = Barrier(12)

    def one(number: int) -> Answer:
        reference = {"reference": "wanted"} if number % 2 else {}
        barrier.wait(10)
        return shop.post("/payments", ORDER | reference)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(one, range(12)))
    assert [answer.status for answer in answers[::2]] == [201] * 6
    wanted = sorted(answers[1::2], key=lambda answer: answer.status)
    assert [answer.status for answer in wanted] == [201] + [409] * 5
    assert {answer.document["payment"] for answer in wanted[1:]} == {wanted[0].document["id"]}


def test_a_strangers_request_never_shares_a_transaction(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = shop.parts.edge.http.groups
    shared: list[int] = []
    commit = groups._commit

    def counted(group: list[Any]) -> list[Any]:
        shared.append(len(group))
        return list(commit(group))

    monkeypatch.setattr(groups, "_commit", counted)
    for _ in range(3):
        assert shop.post("/payments", ORDER, api_key="sk_test_" + "x" * 32).status == 401
    assert shop.post("/payments", ORDER).status == 201
    assert shared == [], "a key is met once before it is trusted to go along"
    assert shop.post("/payments", ORDER).status == 201
    assert shared == [1]


def test_a_reference_taken_in_the_same_transaction_is_taken(shop: Shop) -> None:
    def twice(uow: PaymentUnitOfWork) -> None:
        order = wish(merchant_id=shop.key.merchant_id, reference="twice")
        for _ in range(2):
            uow.payments.foresee_reference(order.merchant_id, order.mode, "twice")
        first = create_payment(order, uow)
        with pytest.raises(Rejected) as caught:
            create_payment(order, uow)
        assert (caught.value.code, caught.value.extra["payment"]) == ("reference_in_use", first.payment_id)

    shop.transactions.run(twice, name="test")


def test_refusals_by_state_have_their_codes(shop: Shop) -> None:
    fresh = shop.create(payment_method=None, reference="taken")["id"]
    assert shop.post(f"/payments/{fresh}/capture", {}).code == "payment_wrong_status"
    assert shop.post("/refunds", {"payment": fresh}).code == "payment_wrong_status"
    clash = shop.post("/payments", ORDER | {"reference": "taken"})
    assert (clash.status, clash.code, clash.document["payment"]) == (409, "reference_in_use", fresh)
    canceled = shop.post(f"/payments/{fresh}/cancel", {"reason": "changed their mind"})
    assert (canceled.status, canceled.document["status"]) == (200, "CANCELED")
    assert shop.post(f"/payments/{fresh}/confirm", {"payment_method": "pm_x"}).code == "payment_wrong_status"
    assert shop.create(reference="taken")["status"] == "CREATED"
    manual = shop.create(capture_method="manual")["id"]
    shop.authorize(manual)
    assert shop.post(f"/payments/{manual}/capture", {"amount": 10_001}).code == "amount_exceeds_capturable"


def test_a_doubtful_outcome_is_a_reply_and_a_read_asks_for_a_look_up_once(shop: Shop) -> None:
    payment_id = shop.create()["id"]
    shop.answer(payment_id, "unknown")
    shown = [shop.get(f"/payments/{payment_id}") for _ in range(3)]
    assert {reply.status for reply in shown} == {200}
    assert shown[0].document["certainty"] == "uncertain"
    assert shown[0].document["amount_in_doubt"] == 10_000
    asked = shop.rows("SELECT count(*) FROM outbox WHERE event_type = 'LookUpOperation.v1'")
    assert asked == [(1,)]


def test_a_wait_ends_with_the_decision(shop: Shop) -> None:
    payment_id = shop.create(payment_method=None)["id"]
    decided: list[int] = []

    def decide() -> None:
        eventually(lambda: shop.count("operations") == 1, describe="the operation")
        shop.authorize(payment_id)
        shop.tell(captured(shop.payment(payment_id)))
        decided.append(1)

    thread = Thread(target=decide)
    thread.start()
    reply = shop.post(f"/payments/{payment_id}/confirm", {"payment_method": "pm_card_visa"}, wait_s=20)
    thread.join()
    assert decided
    assert (reply.status, reply.document["status"], reply.document["certainty"]) == (
        200,
        "CAPTURED",
        "certain",
    )


@pytest.mark.parametrize("merchant", ["other merchant", "other mode"])
def test_what_belongs_to_others_does_not_exist(shop: Shop, merchant: str) -> None:
    payment = shop.captured()
    refund = shop.post("/refunds", {"payment": payment["id"], "amount": 1}).document
    stranger = (
        shop.new_key() if merchant == "other merchant" else shop.new_key(Mode.LIVE, shop.key.merchant_id)
    ).api_key
    path = f"/payments/{payment['id']}"
    answers = [
        shop.get(path, api_key=stranger),
        shop.get(f"{path}/timeline", api_key=stranger),
        shop.get(f"/refunds/{refund['id']}", api_key=stranger),
        shop.post(f"{path}/confirm", {"payment_method": "pm_x"}, api_key=stranger),
        shop.post(f"{path}/capture", {}, api_key=stranger),
        shop.post(f"{path}/cancel", {}, api_key=stranger),
        shop.post("/refunds", {"payment": payment["id"]}, api_key=stranger),
    ]
    assert [answer.status for answer in answers] == [404] * 7
    assert {answer.code for answer in answers} == {"payment_not_found", "refund_not_found"}
    assert shop.get("/payments", api_key=stranger).document["data"] == []
    for missing in ("/payments/pay_00000000000000000000000000", "/payments/pay_1", "/payments/%2e%2e"):
        assert shop.get(missing).status == 404


def test_every_kind_of_bad_credential_is_the_same_401(shop: Shop) -> None:
    good = shop.key.api_key
    revoked = shop.new_key(merchant_id=shop.key.merchant_id)
    assert shop.get("/payments", api_key=revoked.api_key).status == 200
    shop.revoke(revoked.key_id)
    bad = [
        "", "Bearer", "Bearer ", f"Bearer {good}x", f"Bearer {revoked.api_key}", "Bearer sk_test_", f"Digest {good}",
        "Basic !!!", "Basic " + b64encode(b"\xff:").decode(), "Bearer " + "a" * 5_000, "Bearer sk_test_\u00e9",
    ]  # fmt: skip
    replies = [shop.server.call("GET", "/payments", headers={"Authorization": value}) for value in bad]
    replies.append(shop.server.call("GET", "/payments"))
    assert {(reply.status, reply.code) for reply in replies} == {(401, "unauthorized")}
    assert len({reply.body for reply in replies}) == 1
    basic = "Basic " + b64encode(f"{good}:".encode()).decode()
    assert shop.server.call("GET", "/payments", headers={"Authorization": basic}).status == 200


def test_a_key_that_was_used_a_moment_ago_ends_with_its_revocation(shop: Shop) -> None:
    used = shop.new_key(merchant_id=shop.key.merchant_id)
    body = {"amount": 1000, "currency": "EUR", "capture_method": "automatic"}
    assert [shop.post("/payments", body, api_key=used.api_key).status for _ in range(2)] == [201, 201]
    shop.revoke(used.key_id)
    refused = shop.post("/payments", body, api_key=used.api_key)
    assert (refused.status, refused.code) == (401, "unauthorized")
    assert shop.rows("SELECT count(*) FROM payments") == [(2,)]
    assert shop.rows("SELECT count(*) FROM idempotency_keys") == [(2,)]


def test_keys_are_kept_as_digests_only(shop: Shop) -> None:
    (row,) = shop.rows("SELECT prefix, last4, encode(key_hash, 'escape') FROM api_keys")
    secret = shop.key.api_key
    assert re.fullmatch(r"sk_test_[a-z2-7]{32}", secret)
    assert row[0] == secret[:12]
    assert row[1] == secret[-4:]
    assert secret[12:-4] not in "".join(row)


def test_pages_are_newest_first_and_complete(shop: Shop) -> None:
    made = [shop.create(reference=f"r-{number}")["id"] for number in range(5)]
    seen: list[str] = []
    path = "/payments?limit=2"
    while True:
        page = shop.get(path).document
        seen += [payment["id"] for payment in page["data"]]
        if not page["has_more"]:
            break
        path = f"/payments?limit=2&cursor={page['next_cursor']}"
    assert seen == made[::-1]
    assert [p["id"] for p in shop.get("/payments?reference=r-3").document["data"]] == [made[3]]
    assert shop.get("/payments?status=CAPTURED").document["data"] == []
    assert len(shop.get("/payments?status=CREATED&created_gte=2020-01-01T00:00:00Z").document["data"]) == 5
    for far in ("2100-01-01T00:00:00%2B02:00", "2100-01-01T00:00:00%2B20:00", "9999-12-31T23:59:59Z"):
        assert shop.get(f"/payments?created_gte={far}").document["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("limit=%C2%B2", "limit"),
        ("cursor=pay_1", "cursor"), ("status=captured", "status"), ("created_gte=yesterday", "created_gte"),
        ("created_gte=2026-01-01T00:00:00", "created_gte"),
        ("created_gte=0001-01-01T00:00:00%2B01:00", "created_gte"), ("created_gte=9999-12-31T23:59:59-01:00", "created_gte"),
        ("colour=red", "colour"), ("limit=1&limit=2", "limit"),
    ],
)  # fmt: skip
def test_bad_list_parameters_are_named(shop: Shop, query: str, param: str) -> None:
    reply = shop.get(f"/payments?{query}")
    assert (reply.status, reply.document["param"]) == (422, param)


def test_the_timeline_tells_requests_operations_evidence_steps_and_events(shop: Shop) -> None:
    payment_id = shop.captured()["id"]
    data = shop.get(f"/payments/{payment_id}/timeline").document["data"]
    kinds = {entry["kind"] for entry in data}
    assert kinds == {"request", "operation", "transition", "evidence", "event"}
    assert [entry["at"] for entry in data] == sorted(entry["at"] for entry in data)
    assert data[0]["kind"] == "request"
    assert data[0]["id"].startswith("req_")
    steps = [(e["from"], e["to"]) for e in data if e["kind"] == "transition" and e["subject"] == "payment"]
    assert steps == [(None, "CREATED"), ("CREATED", "AUTHORIZED"), ("AUTHORIZED", "CAPTURED")]
    assert {e["implied"] for e in data if e["kind"] == "transition"} == {True, False}
    assert all(e["cause_id"] for e in data if e["kind"] != "request")
    events = [e["type"] for e in data if e["kind"] == "event" and e["topic"] == "payment.events"]
    assert events[0] == "PaymentCreated.v1"
    assert "PaymentCaptured.v1" in events


def test_the_timeline_tells_what_was_told_before_anybody_knew_whose_it_was(shop: Shop) -> None:
    held = shop.post("/payments", ORDER | {"capture_method": "manual"}).document
    payment = shop.payment(held["id"])
    unknown = {"reference": None, "payment_id": None}
    shop.tell(refunded(payment, "succeeded", 1, **unknown))
    shop.tell(disputed(payment, "opened", 1, **unknown))
    shop.tell(reversed_by_processor(payment, "succeeded", 1))
    data = shop.get(f"/payments/{held['id']}/timeline").document["data"]
    assert [e["verdict"] for e in data if e["kind"] == "evidence"] == ["waits"], (
        "of the one that names the payment"
    )
    shop.authorize(held["id"])
    shop.tell(captured(payment, reference=None))
    wake_due_facts(shop.transactions)
    assert shop.get(f"/payments/{held['id']}").document["status"] == "DISPUTED"
    data = shop.get(f"/payments/{held['id']}/timeline").document["data"]
    evidence = [(e["object_type"], e["verdict"]) for e in data if e["kind"] == "evidence"]
    assert {(kind, "waited") for kind in ("refund", "dispute", "reversal")} <= set(evidence), (
        "none waits any more"
    )
    assert len({e["id"] for e in data if e["kind"] == "evidence"}) == len(evidence)


def test_the_timeline_tells_of_each_request_its_endpoint_its_key_and_how_often_it_came_again(
    shop: Shop,
) -> None:
    first = shop.post("/payments", ORDER | {"capture_method": "manual"}, key="first")
    payment_id = str(first.document["id"])
    assert shop.post("/payments", ORDER | {"capture_method": "manual"}, key="first").status == 201
    shop.authorize(payment_id)
    assert shop.post(f"/payments/{payment_id}/capture", {}, key="second").status == 200
    shop.parts.common.repeats.write()
    data = shop.get(f"/payments/{payment_id}/timeline").document["data"]
    requests = [entry for entry in data if entry["kind"] == "request"]
    assert [(r["endpoint"], r["status"], r["replays"], r["key_digest"]) for r in requests] == [
        ("POST /payments", 201, 1, hashlib.sha256(b"first").hexdigest()),
        ("POST /payments/{payment_id}/capture", 200, 0, hashlib.sha256(b"second").hexdigest()),
    ]
    assert requests[0]["id"] == first.headers["request-id"]
    assert requests[0]["at"] <= data[1]["at"]


def test_the_timeline_tells_of_requests_that_were_refused(shop: Shop) -> None:
    payment_id = str(shop.captured()["id"])
    captured = shop.post(f"/payments/{payment_id}/capture", {}, key="late")
    refund = {"payment": payment_id, "amount": 10_001}
    refunded = shop.post("/refunds", refund, key="too-much")
    assert (captured.status, refunded.status) == (409, 409)
    assert shop.post("/refunds", refund, key="too-much").headers["payment-status"] == "CAPTURED"
    unread = shop.post("/refunds", {"payment": payment_id, "amount": "1"}, key="no-number")
    assert unread.status == 422
    shop.parts.common.repeats.write()
    data = shop.get(f"/payments/{payment_id}/timeline").document["data"]
    refused = [entry for entry in data if entry["kind"] == "request" and entry["status"] >= 400]
    assert [(entry["endpoint"], entry["id"], entry["replays"]) for entry in refused] == [
        ("POST /payments/{payment_id}/capture", captured.headers["request-id"], 0),
        ("POST /refunds", refunded.headers["request-id"], 1),
    ]


def test_a_key_is_exchanged_for_a_read_token(shop: Shop) -> None:
    reply = shop.server.call("POST", "/tokens", headers={"Authorization": f"Bearer {shop.key.api_key}"})
    assert (reply.status, reply.document["expires_in"]) == (201, 900)
    assert reply.headers["cache-control"] == "no-store"
    assert shop.get("/payments", api_key=reply.document["token"]).status == 401


def test_operators_see_cases_and_nobody_else_does(shop: Shop) -> None:
    token = TokenIssuer(shop.operator_private_key).operator("ann", OperatorRole.VIEWER)
    for path in ("/operator/cases", "/operator/parked-keys"):
        assert shop.get(path).status == 401
        assert shop.get(path, api_key=token).document["data"] == []
