"""What only a person can decide: its case and its dead letter are one transaction, and duplicates stay refused."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from services.payment.adapters.exposure import read_exposure
from services.payment.adapters.operator_lists import read_list
from services.payment.app.apply_attempt_closed import ApplyAttemptClosed, apply_attempt_closed
from services.payment.tests.db.scenes import EVIDENCE, exhaust, held, open_dispute, told
from services.payment.tests.db.shop import Shop
from services.payment.tests.world import captured, refunded
from shared.kernel.ids import UlidIds


def test_an_exhausted_ladder_leaves_a_case_a_dead_letter_and_no_way_for_a_second_capture(shop: Shop) -> None:
    payment_id = held(shop)
    assert shop.post(f"/payments/{payment_id}/capture", {}, key="first").status == 200
    operation_id = exhaust(shop, payment_id)
    (letter,) = told(shop, "OperationDeadLettered.v1")
    assert (letter["operation_id"], letter["exposure_minor"], letter["reason"]) == (
        operation_id, 10_000, "ladder_exhausted",
    )  # fmt: skip
    written = shop.rows(
        "SELECT count(DISTINCT xmin::text), array_agg(topic ORDER BY topic) FROM outbox"
        " WHERE event_type IN ('CaseOpened.v1', 'OperationDeadLettered.v1')"
    )
    assert written == [(1, ["payment.events", "processor.events.dlq.payment"])]
    assert shop.rows("SELECT case_id, exposure_minor FROM cases") == [(letter["case_id"], 10_000)]
    for key in ("first-retried", "second", "third"):
        refused = shop.post(f"/payments/{payment_id}/capture", {}, key=key)
        assert (refused.status, refused.document["code"]) == (409, "operation_in_doubt")
    assert shop.rows("SELECT count(*) FROM outbox WHERE event_type = 'CapturePayment.v1'") == [(1,)]


@pytest.mark.parametrize(
    ("path", "body", "operation_type"),
    [("evidence", EVIDENCE, "dispute_evidence"), ("accept", {}, "dispute_accept")],
)
def test_an_answer_to_a_dispute_that_nobody_confirms_leaves_a_case_and_a_dead_letter_too(
    shop: Shop, path: str, body: object, operation_type: str
) -> None:
    payment_id, dispute = open_dispute(shop)
    assert shop.post(f"/disputes/{dispute['id']}/{path}", body).status == 200
    operation_id = exhaust(shop, payment_id)
    (letter,) = told(shop, "OperationDeadLettered.v1")
    assert (letter["operation_id"], letter["operation_type"], letter["reason"]) == (
        operation_id, operation_type, "ladder_exhausted",
    )  # fmt: skip
    assert letter["exposure_minor"] == 0, "an answer moves no money itself"
    assert shop.rows("SELECT case_id, operation_id FROM cases") == [(letter["case_id"], operation_id)]
    written = shop.rows(
        "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM outbox WHERE event_type IN"
        " ('CaseOpened.v1', 'OperationDeadLettered.v1') UNION ALL SELECT xmin FROM cases) AS rows"
    )
    assert written == [(1,)]
    again = shop.post(f"/disputes/{dispute['id']}/{path}", body)
    assert (again.status, again.document["code"]) == (409, "operation_in_doubt")


@pytest.mark.parametrize(("currency", "amount"), [("EUR", 4_100), ("USD", 4_000)])
def test_a_refund_made_otherwise_than_asked_is_stored_as_a_stray_in_its_own_currency(
    shop: Shop, currency: str, amount: int
) -> None:
    payment_id = shop.captured()["id"]
    assert shop.post("/refunds", {"payment": payment_id, "amount": 4_000}).status == 201
    operation = shop.payment(payment_id).latest_operation
    assert operation is not None
    odd = refunded(
        shop.payment(payment_id), "succeeded", 1,
        reference=operation.operation_id, currency=currency, amount_minor=amount,
    )  # fmt: skip
    shop.tell(odd)
    assert shop.rows("SELECT kind, currency, amount_minor, mismatch FROM strays") == [
        ("refund", currency, amount, True)
    ]
    (found,) = told(shop, "RefundStrayFound.v1")
    assert (found["currency"], found["amount_minor"]) == (currency, amount)
    shown = shop.get(f"/payments/{payment_id}").document
    assert (shown["amount_refunded"], shown["certainty"], shown["amount_in_doubt"]) == (0, "uncertain", 4_000)


def test_a_refund_that_the_processor_showed_keeps_its_room_though_it_is_not_found_later(shop: Shop) -> None:
    payment_id = shop.captured()["id"]
    assert shop.post("/refunds", {"payment": payment_id, "amount": 10_000}).status == 201
    shop.answer(payment_id, "unknown")
    operation = shop.payment(payment_id).latest_operation
    assert operation is not None
    shown = {"reference": operation.operation_id, "amount_minor": 10_000, "object_version": None}
    shop.tell(refunded(shop.payment(payment_id), "pending", 1, **shown))
    command = ApplyAttemptClosed(
        payment_id=payment_id, operation_id=operation.operation_id, reason="not_found", ever_sent=True,
        cause_id=UlidIds().new("evt_"),
    )  # fmt: skip
    shop.transactions.run(lambda uow: apply_attempt_closed(command, uow), name="test")
    (letter,) = told(shop, "OperationDeadLettered.v1")
    assert (letter["reason"], letter["exposure_minor"]) == ("closed_in_doubt", 10_000)
    walked = "SELECT from_state, to_state FROM status_history WHERE subject_id = :id"
    steps = shop.rows(walked, id=operation.operation_id)
    assert {("UNCERTAIN", "PENDING"), ("PENDING", "UNCERTAIN"), ("UNCERTAIN", "IN_REVIEW")} <= set(steps)
    assert shop.post("/refunds", {"payment": payment_id, "amount": 1}).status == 409


def test_a_capture_that_failed_without_an_amount_is_kept_and_takes_nothing(shop: Shop) -> None:
    payment_id = held(shop)
    nothing = {"reference": None, "status": "failed", "amount_minor": 0}
    shop.tell(captured(shop.payment(payment_id), **nothing))
    shown = shop.get(f"/payments/{payment_id}").document
    assert (shown["status"], shown["amount_captured"], shown["amount_capturable"]) == (
        "AUTHORIZED", 0, 10_000,
    )  # fmt: skip
    assert shop.rows("SELECT reason, subject FROM cases") == [("money_without_amount", "cap_1:failed")]


def test_going_before_a_person_does_not_make_a_doubt_young_again(shop: Shop) -> None:
    payment_id = held(shop)
    assert shop.post(f"/payments/{payment_id}/capture", {}, key="first").status == 200
    operation_id = exhaust(shop, payment_id)
    ((in_doubt, in_review, doubtful_since),) = shop.rows(
        "SELECT (SELECT min(at) FROM status_history WHERE subject_id = :id AND to_state = 'UNCERTAIN'), since,"
        " doubtful_since FROM operations WHERE operation_id = :id",
        id=operation_id,
    )
    assert doubtful_since == in_doubt < in_review
    # Whatever counts from the last state gives an age below zero now.
    shop.change("UPDATE operations SET since = now() + interval '1 hour'")
    with shop.parts.common.engine.connect() as connection:
        (doubt,) = read_list(connection, "doubts", 10).rows
        (exposed,) = read_exposure(connection)
    assert doubt["doubtful_since"] == doubtful_since
    assert exposed.oldest_s is not None
    assert min(doubt["age_s"], exposed.oldest_s) >= (in_review - in_doubt).total_seconds()


def test_when_a_doubt_began_is_written_once(shop: Shop) -> None:
    payment_id = held(shop)
    assert shop.post(f"/payments/{payment_id}/capture", {}, key="first").status == 200
    operation_id = exhaust(shop, payment_id)
    with pytest.raises(sa.exc.IntegrityError, match="is in doubt since"):
        shop.rows(
            "UPDATE operations SET doubtful_since = now() WHERE operation_id = :id RETURNING 1",
            id=operation_id,
        )
