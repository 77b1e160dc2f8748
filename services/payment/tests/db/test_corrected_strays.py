"""Operators have other evidence believed than the reply that lied: four eyes, once, and one stray for each object."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from services.payment.tests.db.desk import Desk
from services.payment.tests.db.scenes import astray, told
from services.payment.tests.db.shop import Shop
from services.payment.tests.world import captured, refunded


def lied_about(shop: Shop, **lie: Any) -> tuple[str, str, str]:
    """A sale whose reply lied and of which a webhook tells the truth: payment, stray, and the webhook's evidence."""
    payment_id = str(shop.create()["id"])
    payment = shop.payment(payment_id)
    shop.tell(captured(payment, **({"amount_minor": 10_000} | lie)))
    shop.tell(captured(payment, amount_minor=10_000, digest="f" * 64))
    (stray_id,) = shop.rows("SELECT stray_id FROM strays")[0]
    truth = shop.rows("SELECT evidence_id FROM evidence WHERE verdict = 'outdated'")
    return payment_id, stray_id, truth[0][0]


def test_two_people_have_other_evidence_believed_than_the_reply_that_lied(desk: Desk, shop: Shop) -> None:
    payment_id, stray_id, truth = lied_about(shop, currency="USD", amount_minor=9_000)
    path = f"/strays/{stray_id}/decision"
    nothing = desk.post("ann", path, action="correct", reason="its webhook says so")
    assert (nothing.status, nothing.document["param"]) == (422, "evidence")
    proposed = desk.post("ann", path, action="correct", evidence=truth, reason="its webhook says so")
    assert (proposed.document["amount_minor"], proposed.document["currency"]) == (10_000, "EUR")
    assert desk.post("ann", f"/decisions/{proposed.document['id']}/approve", reason="me").status == 403
    assert desk.post("bob", f"/decisions/{proposed.document['id']}/approve", reason="agreed").status == 200
    shown = shop.get(f"/payments/{payment_id}").document
    assert (shown["status"], shown["amount_captured"], shown["amount_stray"]) == ("CAPTURED", 10_000, 0)
    assert (shown["certainty"], shown["last_error"]) == ("certain", None)
    assert desk.get("/cases") == desk.get("/strays") == desk.get("/doubts") == []


def test_what_is_astray_by_better_evidence_stands_in_place_of_what_was_found(desk: Desk, shop: Shop) -> None:
    payment_id, stray_id, truth = lied_about(shop, currency="USD")
    (operation,) = desk.get("/doubts")
    path = f"/operations/{operation['operation_id']}/decision"
    assert desk.decided(path, outcome="declined", evidence="a phone call").status == 200
    assert shop.post(f"/payments/{payment_id}/cancel", {}).status == 200
    assert desk.decided(f"/strays/{stray_id}/decision", action="correct", evidence=truth).status == 200
    (found,) = desk.get("/strays")
    assert (found["amount_minor"], found["currency"]) == (10_000, "EUR")
    assert shop.rows("SELECT stray_id, corrects FROM strays WHERE NOT accepted") == [
        (found["stray_id"], stray_id)
    ]
    assert desk.decided(f"/strays/{found['stray_id']}/decision", action="return").status == 200
    (asked,) = told(shop, "RefundPayment.v1")
    assert (asked["amount_minor"], asked["currency"]) == (10_000, "EUR")
    url = shop.parts.settings.database_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.ExclusionViolation):
        connection.execute(b"UPDATE strays SET accepted = false; SET CONSTRAINTS ALL IMMEDIATE")


def lied_of_its_return(desk: Desk, shop: Shop, **lie: Any) -> tuple[str, str]:
    """Money astray whose return was answered with a lie; a webhook tells the truth: the refund's stray, and evidence."""
    payment_id, stray_id = astray(shop)
    assert desk.decided(f"/strays/{stray_id}/decision", action="return").status == 200
    (asked,) = told(shop, "RefundPayment.v1")
    back = {"reference": asked["operation_id"], "parent_id": "cap_2", "amount_minor": 3_000}
    payment = shop.payment(payment_id)
    shop.tell(refunded(payment, "succeeded", 1, **(back | lie)))
    shop.tell(refunded(payment, "succeeded", 1, digest="f" * 64, **back))
    ((found_id,),) = shop.rows("SELECT stray_id FROM strays WHERE kind = 'refund'")
    ((truth,),) = shop.rows("SELECT evidence_id FROM evidence WHERE verdict = 'outdated'")
    return found_id, truth


@pytest.mark.parametrize("lie", [{"amount_minor": 2_900}, {"currency": "USD"}])
def test_a_return_of_which_its_reply_lied_is_corrected_and_nobody_has_to_look(
    desk: Desk, shop: Shop, lie: dict[str, Any]
) -> None:
    found_id, truth = lied_of_its_return(desk, shop, **lie)
    assert desk.decided(f"/strays/{found_id}/decision", action="correct", evidence=truth).status == 200
    assert shop.rows("SELECT kind, returned_minor, reserved_minor, accepted FROM strays ORDER BY kind") == [
        ("money", 3_000, 0, False),
        ("refund", 0, 0, True),
    ]
    assert desk.get("/cases") == desk.get("/strays") == desk.get("/doubts") == []
    (given_back,) = told(shop, "StrayReturnSucceeded.v1")
    assert (given_back["amount_minor"], given_back["currency"]) == (3_000, "EUR")


def test_a_return_other_than_asked_is_accepted_and_leaves_the_rest_to_be_returned(
    desk: Desk, shop: Shop
) -> None:
    found_id, _ = lied_of_its_return(desk, shop, amount_minor=2_000)
    ((stray_id,),) = shop.rows("SELECT stray_id FROM strays WHERE kind = 'money'")
    ((operation_id,),) = shop.rows("SELECT operation_id FROM operations WHERE type = 'stray_return'")
    declined = {"outcome": "declined", "evidence": "a phone call"}
    assert desk.decided(f"/operations/{operation_id}/decision", **declined).status == 200
    again = desk.post("ann", f"/strays/{stray_id}/decision", action="return", reason="again")
    assert (again.status, again.document["code"]) == (409, "stray_refund_astray")
    assert desk.decided(f"/strays/{found_id}/decision", action="accept").status == 200
    assert desk.decided(f"/strays/{stray_id}/decision", action="return").status == 200
    assert [asked["amount_minor"] for asked in told(shop, "RefundPayment.v1")] == [3_000, 1_000]
