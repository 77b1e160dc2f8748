"""Operators decide what no evidence decides: four eyes where money moves, once, audited, and idempotent over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import psycopg
import pytest

from services.payment.app.return_strays import ReturnStrays, return_strays
from services.payment.entrypoints.worker import return_due_strays
from services.payment.tests.db.desk import Desk
from services.payment.tests.db.scenes import (
    EVIDENCE,
    astray,
    end_ladder,
    exhaust,
    held,
    in_review,
    open_dispute,
    told,
)
from services.payment.tests.db.shop import Shop
from services.payment.tests.world import captured, fact, first_operation, refunded
from shared.testing.waiting import eventually


def test_a_capture_in_review_is_decided_by_two_people_and_frees_the_way(desk: Desk, shop: Shop) -> None:
    payment_id, operation_id = in_review(shop)
    (doubt,) = desk.get("/doubts")
    assert (doubt["operation_id"], doubt["state"]) == (operation_id, "IN_REVIEW")
    (case,) = desk.get("/cases")
    assert case["exposure_minor"] == 10_000
    assert "never answered" in case["meaning"]
    path = f"/operations/{operation_id}/decision"
    wish = {
        "outcome": "succeeded",
        "evidence": "report 7, line 3",
        "object_id": "cap_7",
        "reason": "in the report",
    }
    proposed = desk.post("ann", path, **wish)
    assert (proposed.status, proposed.document["state"]) == (201, "proposed")
    assert shop.post(f"/payments/{payment_id}/capture", {}).document["code"] == "operation_in_doubt"
    decision = f"/decisions/{proposed.document['id']}"
    alone = desk.post("ann", f"{decision}/approve", reason="me again")
    assert (alone.status, alone.document["code"]) == (403, "four_eyes")
    assert desk.post("olga", f"{decision}/approve", reason="no").document["code"] == "role_too_low"
    done = desk.post("bob", f"{decision}/approve", key="once", reason="agreed")
    again = desk.post("bob", f"{decision}/approve", key="once", reason="agreed")
    assert (done.status, done.body) == (200, again.body)
    shown = shop.get(f"/payments/{payment_id}").document
    assert (shown["status"], shown["amount_captured"], shown["certainty"]) == ("CAPTURED", 10_000, "certain")
    assert desk.get("/cases") == desk.get("/doubts") == desk.get("/decisions") == []
    sources = shop.rows("SELECT source, object_id FROM evidence ORDER BY stored_at DESC LIMIT 1")
    assert sources == [("operator", "cap_7")]
    assert desk.acts() == [("ann", "propose_succeeded"), ("bob", "approve_succeeded")]
    assert [said["outcome"] for said in told(shop, "OperationDecided.v1")][1:] == ["SUCCEEDED"]
    shop.tell(captured(shop.payment(payment_id), operation_id, object_id="cap_7"))
    assert shop.get(f"/payments/{payment_id}").document["amount_captured"] == 10_000
    assert len(told(shop, "PaymentCaptured.v1")) == 1


def test_without_versions_what_the_processor_said_before_the_decision_is_compared_when_it_comes(
    desk: Desk, shop: Shop
) -> None:
    payment_id = shop.captured()["id"]
    assert shop.post("/refunds", {"payment": payment_id, "amount": 4_000}).status == 201
    said_at, operation_id = datetime.now(UTC), exhaust(shop, payment_id)
    path = f"/operations/{operation_id}/decision"
    assert desk.decided(path, outcome="succeeded", evidence="ticket 9", object_id="txn_9").status == 200
    assert shop.get(f"/payments/{payment_id}").document["amount_refunded"] == 4_000
    refused = refunded(
        shop.payment(payment_id), "declined", 1, object_id="txn_9", reference=operation_id, object_version=None,
        occurred_at=said_at,
    )  # fmt: skip
    shop.tell(refused)
    assert shop.get(f"/payments/{payment_id}").document["amount_refunded"] == 0
    assert {case["reason"] for case in desk.get("/cases")} == {"decision_contradicted"}


def test_declined_frees_the_capture_and_money_found_later_is_never_lost(desk: Desk, shop: Shop) -> None:
    payment_id, operation_id = in_review(shop)
    assert (
        desk.decided(f"/operations/{operation_id}/decision", outcome="declined", evidence="ticket 12").status
        == 200
    )
    assert shop.payment(payment_id).operations[operation_id].state == "DECLINED"
    assert shop.post(f"/payments/{payment_id}/capture", {}).status == 200
    shop.tell(captured(shop.payment(payment_id), operation_id))
    assert shop.get(f"/payments/{payment_id}").document["amount_captured"] == 10_000
    assert {case["reason"] for case in desk.get("/cases")} == {"capture_adopted"}


@pytest.mark.parametrize(("outcome", "state"), [("succeeded", "SUCCEEDED"), ("declined", "DECLINED")])
def test_an_answer_to_a_dispute_in_review_moves_no_money_and_needs_one_person(
    desk: Desk, shop: Shop, outcome: str, state: str
) -> None:
    payment_id, dispute = open_dispute(shop)
    assert shop.post(f"/disputes/{dispute['id']}/evidence", EVIDENCE).status == 200
    operation_id = exhaust(shop, payment_id)
    wanted = {"outcome": outcome, "reason": "asked them", "evidence": "their mail of today"}
    proposed = desk.post("ann", f"/operations/{operation_id}/decision", **wanted)
    assert (proposed.status, proposed.document["state"]) == (201, "applied"), proposed
    assert shop.payment(payment_id).operations[operation_id].state == state
    assert not desk.get("/cases")


def test_what_is_not_in_review_or_has_no_evidence_is_not_decided(desk: Desk, shop: Shop) -> None:
    payment_id, operation_id = in_review(shop)
    held_by = min(shop.payment(payment_id).operations.values(), key=lambda operation: operation.number)
    path = f"/operations/{held_by.operation_id}/decision"
    refused = desk.post("ann", path, outcome="declined", evidence="x", reason="y")
    assert (refused.status, refused.document["code"]) == (409, "operation_not_in_review")
    empty = desk.post("ann", path, outcome="declined", evidence=" ", reason="y")
    assert (empty.status, empty.document["param"]) == (422, "evidence")
    unknown = desk.post(
        "ann", "/operations/op_" + "0" * 26 + "/decision", outcome="declined", evidence="x", reason="y"
    )
    assert unknown.status == 404
    assert desk.post("vera", path, outcome="declined", evidence="x", reason="y").status == 403
    nameless = desk.post(
        "ann", f"/operations/{operation_id}/decision", outcome="succeeded", evidence="x", reason="y"
    )
    assert (nameless.status, nameless.document["param"]) == (422, "object_id")
    assert shop.payment(payment_id).operations[operation_id].state == "IN_REVIEW"
    assert desk.get("/decisions") == [], (
        "nothing waits for a second person that no second person could approve"
    )


@pytest.mark.parametrize(
    ("object_id", "code"),
    [
        ("cap_of_another", "object_of_another_payment"),
        ("cap_1", "evidence_decides_nothing"),  # it was made by the capture before
        ("cap_astray", "evidence_decides_nothing"),
    ],
)
def test_a_success_that_its_object_cannot_show_is_refused_to_whoever_proposes_it(
    desk: Desk, shop: Shop, object_id: str, code: str
) -> None:
    other = str(shop.create()["id"])
    shop.tell(captured(shop.payment(other), object_id="cap_of_another", parent_id=None))
    payment_id = held(shop)
    assert shop.post(f"/payments/{payment_id}/capture", {"amount": 4_000, "final": False}).status == 200
    before = shop.payment(payment_id).latest_operation
    assert before is not None
    shop.tell(captured(shop.payment(payment_id), before.operation_id, amount_minor=4_000))
    shop.tell(captured(shop.payment(payment_id), object_id="cap_astray", parent_id="auth_9", reference=None))
    assert shop.post(f"/payments/{payment_id}/capture", {"amount": 3_000, "final": False}).status == 200
    path = f"/operations/{exhaust(shop, payment_id)}/decision"
    wish = {"outcome": "succeeded", "evidence": "report 7, line 3", "reason": "in the report"}
    refused = desk.post("ann", path, object_id=object_id, **wish)
    assert (refused.status, refused.document["code"]) == (409, code)
    assert desk.get("/decisions") == [], "a proposal in nobody's hands would keep any other from being made"
    assert desk.post("ann", path, object_id="cap_7", **wish).status == 201


def test_a_stray_is_returned_once_and_only_by_two_people(desk: Desk, shop: Shop) -> None:
    payment_id, stray_id = astray(shop)
    path = f"/strays/{stray_id}/decision"
    proposed = desk.post("ann", path, action="return", reason="paid twice")
    other = desk.post("bob", path, action="accept", reason="no")
    assert (other.status, other.document["code"]) == (409, "decision_open")
    assert desk.post("bob", f"/decisions/{proposed.document['id']}/approve", reason="yes").status == 200
    second = desk.post("ann", path, key="second", action="return", reason="once more")
    assert (second.status, second.document["code"]) == (409, "operation_in_doubt")
    (asked,) = told(shop, "RefundPayment.v1")
    assert (asked["capture_id"], asked["amount_minor"]) == ("cap_2", 3_000)
    assert shop.rows("SELECT reserved_minor, returned_minor FROM strays") == [(3_000, 0)]
    back = refunded(
        shop.payment(payment_id), "succeeded", 1, reference=asked["operation_id"], parent_id="cap_2",
        amount_minor=3_000,
    )  # fmt: skip
    shop.tell(back)
    shop.tell(back)
    assert shop.rows("SELECT reserved_minor, returned_minor FROM strays") == [(0, 3_000)]
    shown = shop.get(f"/payments/{payment_id}").document
    assert (shown["amount_stray"], shown["amount_refunded"], shown["certainty"]) == (0, 0, "certain")
    assert len(told(shop, "StrayReturnRequested.v1")) == len(told(shop, "StrayReturnSucceeded.v1")) == 1
    settled = desk.post("ann", path, key="second", action="return", reason="once more")
    assert (settled.status, settled.document["code"]) == (409, "stray_settled")
    assert desk.get("/decisions") == []
    assert desk.get("/strays") == []


def test_a_return_that_fails_leaves_the_stray_and_may_be_tried_again(desk: Desk, shop: Shop) -> None:
    payment_id, stray_id = astray(shop)
    assert desk.decided(f"/strays/{stray_id}/decision", action="return").status == 200
    (asked,) = told(shop, "RefundPayment.v1")
    failed = refunded(
        shop.payment(payment_id), "failed", 1, reference=asked["operation_id"], parent_id="cap_2",
        amount_minor=3_000,
    )  # fmt: skip
    shop.tell(failed)
    assert shop.rows("SELECT reserved_minor, returned_minor FROM strays") == [(0, 0)]
    assert [case["reason"] for case in desk.get("/cases")] == ["stray_return_failed"]
    assert desk.decided(f"/strays/{stray_id}/decision", action="return").status == 200
    assert len(told(shop, "RefundPayment.v1")) == 2


def test_an_accepted_stray_is_the_merchants(desk: Desk, shop: Shop) -> None:
    payment_id, stray_id = astray(shop)
    assert desk.decided(f"/strays/{stray_id}/decision", action="accept").status == 200
    shown = shop.get(f"/payments/{payment_id}").document
    assert (shown["amount_captured"], shown["amount_stray"]) == (13_000, 0)
    accepted = shop.rows(
        "SELECT event_type FROM outbox WHERE event_type IN ('StrayAccepted.v1', 'PaymentCaptured.v1') ORDER BY position"
    )
    assert [row[0] for row in accepted] == ["PaymentCaptured.v1", "StrayAccepted.v1", "PaymentCaptured.v1"]


def test_money_is_not_accepted_once_a_later_attempt_may_take_it_as_well(desk: Desk, shop: Shop) -> None:
    payment_id = shop.create()["id"]
    first = first_operation(shop.payment(payment_id))
    shop.answer(payment_id, "declined")
    shop.tell(captured(shop.payment(payment_id), first, object_id="cap_9", parent_id="auth_9"))
    ((stray_id,),) = shop.rows("SELECT stray_id FROM strays")
    proposed = desk.post(
        "ann", f"/strays/{stray_id}/decision", action="accept", reason="the customer paid it"
    )
    assert proposed.status == 201
    assert shop.post(f"/payments/{payment_id}/confirm", {"payment_method": "pm_2"}).status == 200
    approve = f"/decisions/{proposed.document['id']}/approve"
    refused = desk.post("bob", approve, key="yes", reason="yes")
    assert (refused.status, refused.document["code"]) == (409, "operation_in_doubt")
    assert shop.payment(payment_id).amounts.captured_minor == 0
    shop.answer(payment_id, "declined")
    assert desk.post("bob", approve, key="yes", reason="yes").status == 200, "the key was left free"
    assert shop.payment(payment_id).amounts.captured_minor == 10_000


def test_a_mismatch_is_accepted_and_its_operation_leaves_review(desk: Desk, shop: Shop) -> None:
    payment_id = str(shop.captured()["id"])
    shop.post("/refunds", {"payment": payment_id, "amount": 4_000})
    operation = shop.payment(payment_id).latest_operation
    assert operation is not None
    shop.tell(
        refunded(
            shop.payment(payment_id), "succeeded", 1, reference=operation.operation_id, amount_minor=4_100
        )
    )
    (stray,) = desk.get("/strays")
    refused = desk.post("ann", f"/strays/{stray['stray_id']}/decision", action="return", reason="too much")
    assert refused.document["code"] == "stray_not_returnable"
    assert desk.get("/decisions") == []
    assert desk.decided(f"/strays/{stray['stray_id']}/decision", action="accept").status == 200
    shown = shop.get(f"/payments/{payment_id}").document
    assert (shown["amount_refunded"], shown["certainty"], shown["last_error"]) == (4_100, "certain", None)
    assert shop.payment(payment_id).amounts.refund_reserved_minor == 0
    assert desk.get("/strays") == []


def test_a_stray_hold_is_voided_by_one_person(desk: Desk, shop: Shop) -> None:
    payment_id = str(shop.captured()["id"])
    hold = {
        "object_type": "authorization",
        "object_id": "auth_9",
        "status": "authorized",
        "payment_id": payment_id,
    }
    shop.tell(fact(**hold))
    (stray,) = desk.get("/strays")
    done = desk.post("olga", f"/strays/{stray['stray_id']}/decision", action="void", reason="not ours")
    assert (done.status, done.document["state"]) == (201, "applied")
    (asked,) = told(shop, "CancelPayment.v1")
    assert asked["authorization_id"] == "auth_9"
    shop.tell(fact(**hold | {"status": "voided", "object_version": 2}))
    assert desk.get("/strays") == []
    assert shop.payment(payment_id).operations[asked["operation_id"]].state == "SUCCEEDED"


def test_the_policy_gives_strays_back_in_time_once_and_leaves_mismatches_to_people(
    shop: Shop, desk: Desk
) -> None:
    astray(shop)
    odd = str(shop.create()["id"])
    shop.tell(captured(shop.payment(odd), object_id="cap_odd", amount_minor=9_000, parent_id=None))
    return_due_strays(shop.transactions, 3_600.0)
    assert told(shop, "RefundPayment.v1") == [], "found within the hour"
    for _ in range(3):
        return_due_strays(shop.transactions, 0.0)
    eventually(lambda: len(told(shop, "RefundPayment.v1")) == 1)
    assert [row["mismatch"] for row in desk.get("/strays")] == [False, True]


def test_what_the_policy_leaves_to_people_keeps_nothing_else_from_being_given_back(
    shop: Shop, desk: Desk
) -> None:
    """A refund in another currency, of money astray, can never be resolved: only the time of its stray passes."""
    payment_id, _ = astray(shop)
    other = {"reference": None, "parent_id": "cap_2", "amount_minor": 3_000, "currency": "USD"}
    shop.tell(refunded(shop.payment(payment_id), "succeeded", 1, **other))
    assert sorted(row["kind"] for row in desk.get("/strays")) == ["money", "refund"]
    behind = {"object_id": "cap_3", "parent_id": "auth_9", "reference": None, "amount_minor": 2_000}
    shop.tell(captured(shop.payment(payment_id), **behind))
    one_at_a_time = ReturnStrays(after_s=0.0, limit=1)
    assert shop.transactions.run(lambda uow: return_strays(one_at_a_time, uow), name="test") == 1
    assert [asked["capture_id"] for asked in told(shop, "RefundPayment.v1")] == ["cap_3"]


def test_a_return_in_review_that_did_not_happen_stays_before_people(desk: Desk, shop: Shop) -> None:
    payment_id, stray_id = astray(shop)
    assert desk.decided(f"/strays/{stray_id}/decision", action="return").status == 200
    (asked,) = told(shop, "RefundPayment.v1")
    path = f"/operations/{end_ladder(shop, payment_id, asked['operation_id'])}/decision"
    assert desk.decided(path, outcome="declined", evidence="ticket 12").status == 200
    assert shop.rows("SELECT reserved_minor, returned_minor FROM strays") == [(0, 0)]
    assert [case["reason"] for case in desk.get("/cases")] == ["stray_return_failed"], "it is still astray"


def returned_by_policy(shop: Shop) -> tuple[str, str]:
    """A stray for which the policy has asked the processor; its payment and the operation."""
    payment_id, _ = astray(shop)
    return_due_strays(shop.transactions, 0.0)
    (asked,) = told(shop, "RefundPayment.v1")
    return payment_id, asked["operation_id"]


def test_the_policy_closes_the_case_when_the_return_succeeded_and_not_before(desk: Desk, shop: Shop) -> None:
    payment_id, operation_id = returned_by_policy(shop)
    back = {"reference": operation_id, "parent_id": "cap_2", "amount_minor": 3_000}
    for status, version in (("pending", 1), ("succeeded", 2)):
        assert [case["reason"] for case in desk.get("/cases")] == ["stray_found"], status
        shop.tell(refunded(shop.payment(payment_id), status, version, **back))
    assert desk.get("/cases") == []
    assert shop.rows("SELECT closed_by, closed_reason FROM cases") == [
        ("evidence", f"stray_return {operation_id} succeeded as ref_1")
    ]
    shop.tell(refunded(shop.payment(payment_id), "failed", 3, **back))
    assert [case["reason"] for case in desk.get("/cases")] == ["stray_return_failed"]


def test_a_return_by_policy_that_fails_leaves_its_case_and_is_not_tried_again(desk: Desk, shop: Shop) -> None:
    payment_id, operation_id = returned_by_policy(shop)
    failed = refunded(
        shop.payment(payment_id), "failed", 1, reference=operation_id, parent_id="cap_2", amount_minor=3_000
    )
    shop.tell(failed)
    assert {case["reason"] for case in desk.get("/cases")} == {"stray_found", "stray_return_failed"}
    return_due_strays(shop.transactions, 0.0)
    assert len(told(shop, "RefundPayment.v1")) == 1, "what failed is a person's to try again"


def test_a_return_by_somebody_else_stays_before_a_person(desk: Desk, shop: Shop) -> None:
    payment_id, _ = astray(shop)
    shop.tell(refunded(shop.payment(payment_id), "succeeded", 1, parent_id="cap_2", amount_minor=3_000))
    assert [case["reason"] for case in desk.get("/cases")] == ["stray_found"]


def test_a_case_is_closed_once_with_a_reason(desk: Desk, shop: Shop) -> None:
    astray(shop)
    (case,) = desk.get("/cases")
    path = f"/cases/{case['case_id']}/close"
    assert desk.post("olga", path, reason=" ").document["param"] == "reason"
    assert desk.post("olga", path, key="c", reason="known to the bank").status == 200
    assert desk.post("olga", path, key="c", reason="known to the bank").status == 200
    assert desk.post("olga", path, reason="again").status == 404
    assert shop.rows("SELECT closed_by, closed_reason FROM cases") == [("olga", "known to the bank")]
    assert desk.acts() == [("olga", "close_case")]


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("UPDATE operator_decisions SET state = 'applied', decided_by = 'ann', decided_at = now()", "decisions_four_eyes"),
        ("UPDATE operator_decisions SET moves_money = false", "decisions_money_is_named"),
        ("UPDATE operator_decisions SET evidence = '', kind = 'operation', outcome = 'declined'", "decisions_need_evidence"),
        ("UPDATE strays SET reserved_minor = reserved_minor + amount_minor + 1", "strays_returned_once"),
        ("UPDATE strays SET reserved_minor = amount_minor + 1, taken_back_minor = -500", "strays_returned_once"),
    ],
)  # fmt: skip
def test_sql_holds_what_the_code_holds(desk: Desk, shop: Shop, statement: str, name: str) -> None:
    _, stray_id = astray(shop)
    assert desk.post("ann", f"/strays/{stray_id}/decision", action="return", reason="r").status == 201
    url = shop.parts.settings.database_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation) as refused:
        connection.execute(statement.encode())
    assert refused.value.diag.constraint_name == name


def test_a_decision_once_made_is_final_for_plain_sql(desk: Desk, shop: Shop) -> None:
    _, stray_id = astray(shop)
    assert desk.decided(f"/strays/{stray_id}/decision", action="return").status == 200
    url = shop.parts.settings.database_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(b"UPDATE operator_decisions SET decided_by = 'carl'")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(b"DELETE FROM operator_decisions")


def test_a_foreign_return_beside_ours_is_stored_and_shown(desk: Desk, shop: Shop) -> None:
    payment_id, stray_id = astray(shop)
    assert desk.decided(f"/strays/{stray_id}/decision", action="return").status == 200
    foreign = refunded(
        shop.payment(payment_id), "succeeded", 1, object_id="ref_x", parent_id="cap_2", amount_minor=3_000
    )
    shop.tell(foreign)
    assert shop.rows("SELECT reserved_minor, returned_minor FROM strays") == [(3_000, 3_000)]
    assert "stray_returned_twice" in {case["reason"] for case in desk.get("/cases")}
    assert [orjson.loads(row[0])["reason"] for row in shop.rows(
        "SELECT payload FROM outbox WHERE event_type = 'WithdrawOperation.v1'")] == ["stray_returned"]  # fmt: skip
