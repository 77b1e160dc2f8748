"""Cases on real PostgreSQL: followed, closed by late evidence, opened again by what contradicts; their past is kept."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from services.payment.tests.db.desk import Desk
from services.payment.tests.db.scenes import end_ladder, exhaust, held, in_review, told
from services.payment.tests.db.shop import Shop
from services.payment.tests.world import captured, refunded


def over_refunded(shop: Shop) -> str:
    """Somebody else gave back 3,000 more than was taken."""
    payment_id = str(shop.captured()["id"])
    payment = shop.payment(payment_id)
    shop.tell(refunded(payment, "succeeded", 1, amount_minor=9_000))
    shop.tell(refunded(payment, "succeeded", 1, object_id="ref_2", amount_minor=4_000))
    return payment_id


def echoed_otherwise(shop: Shop) -> tuple[str, str]:
    """A capture in review, as another amount was taken than was asked for."""
    payment_id = held(shop)
    assert shop.post(f"/payments/{payment_id}/capture", {}).status == 200
    operation = shop.payment(payment_id).latest_operation
    assert operation is not None
    odd = captured(shop.payment(payment_id), operation.operation_id, object_id="cap_9", amount_minor=9_000)
    shop.tell(odd)
    return payment_id, operation.operation_id


def url_of(shop: Shop) -> str:
    return shop.parts.settings.database_url.replace("+psycopg", "")


def test_late_evidence_closes_the_case_of_a_review_and_names_itself(desk: Desk, shop: Shop) -> None:
    payment_id, operation_id = in_review(shop)
    assert [case["reason"] for case in desk.get("/cases")] == ["ladder_exhausted"]
    shop.tell(captured(shop.payment(payment_id), operation_id))
    assert shop.payment(payment_id).operations[operation_id].state == "SUCCEEDED"
    assert desk.get("/cases") == []
    closed = shop.rows(
        "SELECT c.resolution, c.closed_by, c.closed_reason, e.object_id FROM cases AS c"
        " JOIN evidence AS e ON e.evidence_id = c.closed_evidence_id"
    )
    assert closed == [("evidence", "evidence", f"capture {operation_id} is SUCCEEDED by evidence", "cap_1")]
    story = [e for e in shop.get(f"/payments/{payment_id}/timeline").document["data"] if e["kind"] == "case"]
    assert [(entry["step"], entry["reason"]) for entry in story] == [
        ("opened", "ladder_exhausted"), ("closed", "ladder_exhausted"),
    ]  # fmt: skip
    assert story[1]["evidence_id"] == shop.rows("SELECT closed_evidence_id FROM cases")[0][0]


def test_did_not_happen_and_then_the_capture_turns_up(desk: Desk, shop: Shop) -> None:
    payment_id, operation_id = in_review(shop)
    (old,) = desk.get("/cases")
    answer = desk.decided(f"/operations/{operation_id}/decision", outcome="declined", evidence="ticket 12")
    assert answer.status == 200
    before = shop.rows("SELECT to_jsonb(c) FROM cases AS c")
    shop.tell(captured(shop.payment(payment_id), operation_id))
    (new,) = desk.get("/cases")
    assert (new["reason"], new["follows_case_id"]) == ("capture_adopted", old["case_id"])
    assert f"It follows case {old['case_id']}, which bob closed: agreed" in new["meaning"]
    assert shop.rows("SELECT to_jsonb(c) FROM cases AS c WHERE case_id = :id", id=old["case_id"]) == before


def test_an_open_case_follows_its_cause_with_its_money_its_text_and_a_step(desk: Desk, shop: Shop) -> None:
    payment_id = over_refunded(shop)
    over = [case for case in desk.get("/cases") if case["reason"] == "refunds_exceed_captured"]
    assert [case["exposure_minor"] for case in over] == [3_000]
    shop.tell(refunded(shop.payment(payment_id), "succeeded", 1, object_id="ref_3", amount_minor=1_000))
    grown = [case for case in desk.get("/cases") if case["reason"] == "refunds_exceed_captured"]
    assert [(case["case_id"], case["exposure_minor"]) for case in grown] == [(over[0]["case_id"], 4_000)]
    assert "At risk: 4000 EUR" in grown[0]["meaning"]
    steps = shop.rows(
        "SELECT step, exposure_minor, evidence_id IS NOT NULL FROM case_history WHERE case_id = :id"
        " ORDER BY history_id",
        id=over[0]["case_id"],
    )
    assert steps == [("opened", 3_000, True), ("changed", 4_000, True)]


def test_a_closed_case_is_opened_anew_by_more_and_not_by_the_same(desk: Desk, shop: Shop) -> None:
    payment_id = over_refunded(shop)
    for case in desk.get("/cases"):
        assert desk.post("olga", f"/cases/{case['case_id']}/close", reason="known to the bank").status == 200
    first = refunded(shop.payment(payment_id), "succeeded", 1, object_id="ref_2", amount_minor=4_000)
    shop.tell(replace(first, digest="d" * 64))
    assert desk.get("/cases") == []
    shop.tell(refunded(shop.payment(payment_id), "succeeded", 1, object_id="ref_3", amount_minor=1_000))
    again = {case["reason"]: case for case in desk.get("/cases")}
    assert again.keys() == {"refund_adopted", "refunds_exceed_captured"}
    assert "which olga closed: known to the bank" in again["refunds_exceed_captured"]["meaning"]
    assert again["refunds_exceed_captured"]["exposure_minor"] == 4_000


def test_what_had_gone_since_a_case_was_closed_and_arises_anew_opens_one_that_names_it(
    desk: Desk, shop: Shop
) -> None:
    payment_id = over_refunded(shop)
    (old,) = [case for case in desk.get("/cases") if case["reason"] == "refunds_exceed_captured"]
    assert desk.post("olga", f"/cases/{old['case_id']}/close", reason="known to the bank").status == 200
    payment = shop.payment(payment_id)
    shop.tell(refunded(payment, "failed", 2, object_id="ref_2", amount_minor=4_000))
    kept = "SELECT exposure_minor, lowest_minor, closed_by FROM cases WHERE case_id = :id"
    assert shop.rows(kept, id=old["case_id"]) == [(3_000, 0, "olga")]
    shop.tell(refunded(payment, "succeeded", 1, object_id="ref_3", amount_minor=4_000))
    (new,) = [case for case in desk.get("/cases") if case["reason"] == "refunds_exceed_captured"]
    assert (new["exposure_minor"], new["follows_case_id"]) == (3_000, old["case_id"])


def test_the_case_of_an_operation_in_review_closes_with_its_decision_alone(desk: Desk, shop: Shop) -> None:
    _, operation_id = in_review(shop)
    (case,) = desk.get("/cases")
    refused = desk.post("olga", f"/cases/{case['case_id']}/close", reason="I am on it")
    assert (refused.status, refused.document["code"]) == (409, "case_needs_decision")
    assert refused.document["operation"] == operation_id
    assert (
        desk.decided(f"/operations/{operation_id}/decision", outcome="declined", evidence="t 12").status
        == 200
    )
    closed = shop.rows(
        "SELECT c.resolution, d.subject_id FROM cases AS c JOIN operator_decisions AS d"
        " ON d.decision_id = c.closed_decision_id"
    )
    assert closed == [("decision", operation_id)]
    (told_of,) = told(shop, "CaseClosed.v1")
    assert (told_of["case_id"], told_of["resolution"]) == (case["case_id"], "decision")


@pytest.mark.parametrize(
    ("action", "state", "left"),
    [("return", "IN_REVIEW", {"echo_mismatch"}), ("accept", "DECLINED", set())],
)
def test_a_decision_about_a_stray_leaves_open_the_case_of_an_operation_that_stays_in_review(
    desk: Desk, shop: Shop, action: str, state: str, left: set[str]
) -> None:
    payment_id, operation_id = echoed_otherwise(shop)
    assert {case["reason"] for case in desk.get("/cases")} == {"echo_mismatch", "stray_found"}
    (stray_id,) = shop.rows("SELECT stray_id FROM strays")[0]
    assert desk.decided(f"/strays/{stray_id}/decision", action=action).status == 200
    assert shop.payment(payment_id).operations[operation_id].state == state
    kept = {case["reason"] for case in desk.get("/cases")} - {"stray_found"}
    assert kept == left
    decided = shop.payment(payment_id).cases.decided_by_person(operation_id)
    assert (decided is None) == (action == "return"), "accepting it decides what was asked for as well"


def closed_by_hand(shop: Shop) -> None:
    """As the release before let an operator do while the operation was in review."""
    with psycopg.connect(url_of(shop)) as connection:
        connection.execute("UPDATE cases SET closed_at = now(), closed_by = 'olga', closed_reason = 'on it'")


@pytest.mark.parametrize(
    ("seen_before", "found"), [(False, "capture_adopted"), (True, "decision_contradicted")]
)
def test_a_decision_is_contradicted_although_its_case_had_been_closed_by_hand(
    desk: Desk, shop: Shop, seen_before: bool, found: str
) -> None:
    payment_id = held(shop)
    assert shop.post(f"/payments/{payment_id}/capture", {}).status == 200
    operation = shop.payment(payment_id).latest_operation
    assert operation is not None
    if seen_before:
        shop.tell(captured(shop.payment(payment_id), operation.operation_id, status="pending"))
    end_ladder(shop, payment_id, operation.operation_id)
    (old,) = desk.get("/cases")
    closed_by_hand(shop)
    path = f"/operations/{operation.operation_id}/decision"
    assert desk.decided(path, outcome="declined", evidence="ticket 12").status == 200
    shop.tell(captured(shop.payment(payment_id), operation.operation_id, object_version=2))
    (new,) = desk.get("/cases")
    assert (new["reason"], new["follows_case_id"]) == (found, old["case_id"])


def test_what_a_person_proved_is_contradicted_although_its_case_had_been_closed_by_hand(
    desk: Desk, shop: Shop
) -> None:
    payment_id = str(shop.captured()["id"])
    assert shop.post("/refunds", {"payment": payment_id, "amount": 4_000}).status == 201
    operation_id = exhaust(shop, payment_id)
    closed_by_hand(shop)
    proof = {"outcome": "succeeded", "evidence": "report 7", "object_id": "ref_1"}
    assert desk.decided(f"/operations/{operation_id}/decision", **proof).status == 200
    shop.tell(refunded(shop.payment(payment_id), "failed", 2, reference=operation_id))
    assert shop.payment(payment_id).operations[operation_id].state == "FAILED_LATER"
    assert [case["reason"] for case in desk.get("/cases")] == ["decision_contradicted"]


def test_a_case_that_nobody_closed_is_not_put_twice_before_a_person(desk: Desk, shop: Shop) -> None:
    payment_id, _ = in_review(shop)
    exhaust(shop, payment_id)
    assert len(desk.get("/cases")) == 1
    assert shop.rows("SELECT step FROM case_history") == [("opened",)]


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        (
            "UPDATE cases SET closed_at = NULL, closed_by = NULL WHERE closed_at IS NOT NULL",
            "cases_keep_their_past",
        ),
        ("UPDATE cases SET exposure_minor = 1 WHERE closed_at IS NOT NULL", "cases_keep_their_past"),
        (
            "UPDATE cases SET lowest_minor = exposure_minor + 1 WHERE closed_at IS NOT NULL",
            "cases_keep_their_past",
        ),
        (
            "UPDATE cases SET lowest_minor = 0 WHERE closed_at IS NULL AND exposure_minor > 0",
            "cases_risk_goes_after_closing",
        ),
        ("UPDATE cases SET closed_decision_id = 'dec_1' WHERE closed_at IS NULL", "cases_people_decide"),
        ("UPDATE cases SET told = '{}' WHERE closed_at IS NULL", "cases_keep_their_past"),
        ("UPDATE cases SET reason = 'stray_found' WHERE closed_at IS NULL", "cases_keep_their_past"),
        ("UPDATE cases SET closed_at = now() WHERE closed_at IS NULL", "cases_closed_by_somebody"),
        (
            "UPDATE cases SET closed_at = now(), closed_by = 'ann', closed_evidence_id = 'evd_1' WHERE closed_at IS NULL",
            "cases_evidence_closes",
        ),
        (
            """
            INSERT INTO cases (case_id, payment_id, reason, subject, operation_id, exposure_minor, currency, opened_at)
            SELECT 'case_copy', payment_id, reason, subject, operation_id, 1, currency, now() FROM cases
             WHERE closed_at IS NULL LIMIT 1
            """,
            "cases_one_open",
        ),
    ],
)
def test_the_database_keeps_the_past_of_cases(desk: Desk, shop: Shop, statement: str, name: str) -> None:
    over_refunded(shop)
    case = desk.get("/cases")[0]
    assert desk.post("olga", f"/cases/{case['case_id']}/close", reason="known").status == 200
    with psycopg.connect(url_of(shop)) as connection, pytest.raises(psycopg.errors.IntegrityError) as refused:
        connection.execute(statement.encode())
    assert refused.value.diag.constraint_name == name


def test_the_steps_of_cases_are_only_added(shop: Shop) -> None:
    over_refunded(shop)
    with psycopg.connect(url_of(shop)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("UPDATE case_history SET exposure_minor = 0")
