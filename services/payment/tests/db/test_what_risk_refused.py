"""What risk refused, on a real database: it lets nothing go, and people who decide what it took hear of it."""

from __future__ import annotations

from typing import Any

import pytest

from services.payment.tests.db.desk import Desk
from services.payment.tests.db.risk_scenes import commands, decide, end_waits
from services.payment.tests.db.scenes import exhaust
from services.payment.tests.db.shop import open_shop
from services.payment.tests.world import authorized, captured, first_operation
from shared.persistence.provision import ServiceUrls

pytestmark = pytest.mark.db


@pytest.fixture
def urls(service_database: Any) -> ServiceUrls:
    found: ServiceUrls = service_database("payment")
    return found


def test_a_late_capture_that_was_blocked_is_judged_again_under_another_key(urls: ServiceUrls) -> None:
    terms = {"PAYMENT_RISK_DEADLINE_MS": "600000", "PAYMENT_RISK_RECHECK_AFTER_S": "3600"}
    with open_shop(urls, PAYMENT_RISK_MODE="required", **terms) as shop:
        payment_id = shop.create(capture_method="manual")["id"]
        assert decide(shop, payment_id, "allow")
        shop.authorize(payment_id)
        shop.change("UPDATE operations SET created_at = created_at - interval '2 hours'")
        path = f"/payments/{payment_id}/capture"
        for _ in range(2):
            assert shop.post(path, {"amount": 100}, wait_s=0).status == 200
            assert decide(shop, payment_id, "block")
            shop.answer(payment_id, "declined")  # its void; nothing of the hold is given back
        assert "CapturePayment.v1" not in commands(shop, payment_id)
        judged = "SELECT risk FROM operations WHERE type = 'capture' ORDER BY number"
        assert shop.rows(judged) == [("BLOCKED",), ("BLOCKED",)]


@pytest.mark.parametrize("decided", ["accepted", "declined and accepted"])
def test_denied_money_that_two_people_let_count_goes_before_a_person(urls: ServiceUrls, decided: str) -> None:
    # Neither of them was told that risk had denied the sale it was found under.
    terms = {"PAYMENT_RISK_DEADLINE_MS": "1", "PAYMENT_RISK_SMALL_MINOR": "sale=100000000"}
    with open_shop(urls, PAYMENT_RISK_MODE="required", **terms) as shop:
        payment_id = shop.create()["id"]
        end_waits(shop)
        payment, desk = shop.payment(payment_id), Desk(shop)
        sale = first_operation(payment)
        shop.tell(captured(payment, amount_minor=payment.amount_minor - 1_000))
        assert decide(shop, payment_id, "block")
        if decided != "accepted":
            word = {"outcome": "declined", "evidence": "the processor's own pages"}
            assert desk.decided(f"/operations/{sale}/decision", **word).status == 200
        ((stray_id,),) = shop.rows("SELECT stray_id FROM strays")
        assert desk.decided(f"/strays/{stray_id}/decision", action="accept").status == 200
        assert shop.payment(payment_id).status == "CAPTURED"
        cases = "SELECT subject, exposure_minor FROM cases WHERE reason = 'risk_denied_late' AND closed_at IS NULL"
        assert shop.rows(cases) == [(sale, payment.amount_minor - 1_000)]


def test_a_denied_capture_that_people_decide_did_not_happen_gives_the_hold_back(urls: ServiceUrls) -> None:
    terms = {"PAYMENT_RISK_DEADLINE_MS": "1", "PAYMENT_RISK_RECHECK_AFTER_S": "3600"}
    small = {"PAYMENT_RISK_SMALL_MINOR": "authorize=100000000,capture=100000000"}
    with open_shop(urls, PAYMENT_RISK_MODE="required", **terms, **small) as shop:
        payment_id = shop.create(capture_method="manual")["id"]
        end_waits(shop)
        shop.authorize(payment_id)
        shop.change("UPDATE operations SET created_at = created_at - interval '2 hours'")
        assert shop.post(f"/payments/{payment_id}/capture", {}, wait_s=0).status == 200
        end_waits(shop)
        operation_id = exhaust(shop, payment_id)
        assert decide(shop, payment_id, "block")
        assert "CancelPayment.v1" not in commands(shop, payment_id)
        word = {"outcome": "declined", "evidence": "the processor's own pages"}
        assert Desk(shop).decided(f"/operations/{operation_id}/decision", **word).status == 200
        assert commands(shop, payment_id)[-1] == "CancelPayment.v1"


def test_a_late_denial_of_one_method_leaves_the_hold_of_another_alone(urls: ServiceUrls) -> None:
    terms = {"PAYMENT_RISK_DEADLINE_MS": "1", "PAYMENT_RISK_SMALL_MINOR": "authorize=100000000"}
    with open_shop(urls, PAYMENT_RISK_MODE="required", **terms) as shop:
        payment_id = shop.create(capture_method="manual")["id"]
        end_waits(shop)
        shop.answer(payment_id, "declined")
        assert decide(shop, payment_id, "block")
        path = f"/payments/{payment_id}/confirm"
        assert shop.post(path, {"payment_method": "pm_card_visa"}, wait_s=0).status == 200
        assert decide(shop, payment_id, "allow")
        payment = shop.payment(payment_id)
        assert payment.latest_operation is not None
        shop.tell(authorized(payment, payment.latest_operation.operation_id))
        assert shop.get(f"/payments/{payment_id}").document["status"] == "AUTHORIZED"
        assert "CancelPayment.v1" not in commands(shop, payment_id)
        assert shop.rows("SELECT risk FROM operations ORDER BY number") == [("DENIED",), ("ALLOWED",)]
