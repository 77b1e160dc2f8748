"""Payments that wait for risk: allowed, blocked, reviewed, and what happens while the risk service is down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.kernel.ids import UlidIds
from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.shop import SETTLE_S, Shop, order, server_at
from tools.local_stack.stack import LocalStack

REVIEWED_ABOVE = 50_000
#: Above what the local stack lets through without a decision.
LARGE = 1_000_001
BAD_CUSTOMER = "cus_bad"


@dataclass(frozen=True)
class Watched:
    """A shop that rules speak of, and two people to decide."""

    shop: Shop
    stack: LocalStack

    def risk(self, *words: str, who: str = "ada") -> Any:
        return json.loads(self.stack.cli("risk", *words, "--json", token=self.token(who)))

    def token(self, who: str) -> str:
        return self.stack.operator_token(who, "approver")

    def review(self, operation_id: str, word: str, actor: str) -> Any:
        words = ("risk-reviews", word, operation_id, "--reason", "an e2e test", "--json")
        return json.loads(self.stack.cli("payment", *words, token=self.token(actor)))

    def reaches(self, payment_id: str, **expected: object) -> dict[str, Any]:
        """The payment, once it shows all of this."""

        def look() -> dict[str, Any] | None:
            payment = self.shop.payment(payment_id)
            return payment if all(payment[name] == value for name, value in expected.items()) else None

        found = eventually(
            look, timeout_s=SETTLE_S, interval_s=0.1, describe=f"{payment_id} showing {expected}"
        )
        assert found is not None
        return found


@pytest.fixture(scope="module")
def watched(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    made = json.loads(stack.cli("payment", "merchants", "add", "--name", "A watched shop", "--json"))
    merchant_id = made["merchant_id"]
    issued = json.loads(stack.cli("payment", "keys", "issue", merchant_id, "--mode", "test", "--json"))
    found = Watched(Shop(stack.url("payment"), merchant_id, issued["api_key"]), stack)
    _put_in_force(found, tmp_path_factory.mktemp("rules") / "rules.json", merchant_id)
    return found


def _put_in_force(watched: Watched, file: Path, merchant_id: str) -> None:
    limit = {"name": "large", "max_minor": REVIEWED_ABOVE, "currency": "EUR", "decision": "review"}
    often = {"name": "often", "subject": "customer", "window_s": 3600, "max_count": 3, "decision": "block"}
    only = {"merchants": [merchant_id]}
    rules = {
        "limits": [limit | only],
        "velocity": [often | only],
        "blocked": {"customers": [{"merchant": merchant_id, "customer": BAD_CUSTOMER}]},
    }
    file.write_text(json.dumps(rules))
    by = ("--reason", "an e2e test")
    version = watched.risk("rules", "propose", str(file), *by)["version"]
    assert watched.risk("rules", "approve", str(version), *by, who="bob")["state"] == "ACTIVE"


def test_an_allowed_payment_is_charged_once_and_its_decision_is_pinned(
    watched: Watched, books: Books
) -> None:
    paid = watched.shop.post("/payments", order(1_000)).document
    watched.reaches(paid["id"], status="CAPTURED")
    assert books.charges(paid["id"]) == [(1, 1_000, "EUR")]
    (decision,) = watched.risk("decisions", paid["id"])
    assert (decision["decision"], decision["payment_version"]) == ("allow", 1)
    assert decision["rule_set_version"] == watched.risk("rules", "list")[0]["version"]


def test_a_blocked_payment_fails_and_the_processor_never_hears_of_it(watched: Watched, books: Books) -> None:
    refused = watched.shop.post("/payments", order(1_000, customer=BAD_CUSTOMER))
    assert refused.status == 201
    payment = watched.reaches(refused.document["id"], status="FAILED", hold=None)
    assert payment["last_error"]["code"] == "refused_by_risk"
    assert books.commands(payment["id"]) == 0
    assert books.charges(payment["id"]) == []


def test_velocity_blocks_one_more_than_allowed(watched: Watched) -> None:
    customer = UlidIds().new("cus_")
    made = [watched.shop.post("/payments", order(100, customer=customer)).document["id"] for _ in range(4)]
    shown = [watched.shop.settled(payment_id) for payment_id in made]
    assert [payment["status"] for payment in shown] == ["CAPTURED"] * 3 + ["FAILED"]


def test_a_review_that_two_people_approve_is_charged_once(watched: Watched, books: Books) -> None:
    held = watched.shop.post("/payments", order(REVIEWED_ABOVE + 1)).document
    payment = watched.reaches(held["id"], hold="risk_review")
    operation_id = payment["operation"]["id"]
    assert books.commands(payment["id"]) == 0
    assert watched.review(operation_id, "approve", "ada")["awaits_second_person"]
    assert watched.review(operation_id, "approve", "bob")["risk"] == "ALLOWED"
    watched.reaches(payment["id"], status="CAPTURED", hold=None)
    assert books.charges(payment["id"]) == [(1, REVIEWED_ABOVE + 1, "EUR")]


def test_a_review_that_is_refused_or_canceled_charges_nothing(watched: Watched, books: Books) -> None:
    refused = watched.shop.post("/payments", order(REVIEWED_ABOVE + 2)).document
    operation_id = watched.reaches(refused["id"], hold="risk_review")["operation"]["id"]
    assert watched.review(operation_id, "refuse", "ada")["status"] == "FAILED"
    canceled = watched.shop.post("/payments", order(REVIEWED_ABOVE + 3)).document
    watched.reaches(canceled["id"], hold="risk_review")
    ended = watched.shop.post(f"/payments/{canceled['id']}/cancel", {})
    assert (ended.status, ended.document["status"], ended.document["hold"]) == (200, "CANCELED", None)
    assert [books.charges(each["id"]) for each in (refused, canceled)] == [[], []]


@pytest.fixture(scope="module")
def made_while_down(watched: Watched) -> dict[str, str]:
    """Payments made without the risk service, by what they are; it is back when the tests look."""
    stack, shop = watched.stack, watched.shop
    stack.supervisor.stop("risk")
    try:
        manual = {"capture_method": "manual", "customer": BAD_CUSTOMER}
        made = {
            "small": shop.post("/payments", order(1_100)).document["id"],
            "large": shop.post("/payments", order(LARGE, "JPY")).document["id"],
            "bad hold": shop.post("/payments", order(1_200, **manual)).document["id"],
            "bad sale": shop.post("/payments", order(1_300, customer=BAD_CUSTOMER)).document["id"],
        }
        watched.reaches(made["small"], status="CAPTURED")
        watched.reaches(made["large"], hold="risk_review")
        watched.reaches(made["bad hold"], status="AUTHORIZED")
        watched.reaches(made["bad sale"], status="CAPTURED")
    finally:
        stack.supervisor.start("risk")
        eventually(lambda: _is_ready(stack), timeout_s=90, interval_s=0.2, describe="risk being ready")
    return made


def _is_ready(stack: LocalStack) -> bool:
    try:
        return server_at(stack.url("risk")).call("GET", "/health/ready").status == 200
    except ConnectionError:
        return False


def test_without_risk_small_amounts_go_through_flagged(
    watched: Watched, books: Books, made_while_down: dict[str, str]
) -> None:
    small = made_while_down["small"]
    assert books.charges(small) == [(1, 1_100, "EUR")]
    flags = "SELECT risk, risk_by FROM operations WHERE payment_id = %s"
    assert books.rows("payment", flags, small) == [{"risk": "ALLOWED", "risk_by": "deadline"}]
    eventually(lambda: watched.risk("decisions", small), timeout_s=SETTLE_S, describe="a late decision")
    assert books.charges(small) == [(1, 1_100, "EUR")]


def test_a_large_amount_waits_for_risk_or_a_person(
    watched: Watched, books: Books, made_while_down: dict[str, str]
) -> None:
    watched.reaches(made_while_down["large"], status="CAPTURED", hold=None)
    assert books.charges(made_while_down["large"]) == [(1, LARGE, "JPY")]


def test_a_late_denial_gives_the_hold_back(watched: Watched, made_while_down: dict[str, str]) -> None:
    payment = watched.reaches(made_while_down["bad hold"], status="CANCELED")
    assert payment["amount_captured"] == 0


def test_a_late_denial_of_taken_money_is_a_case(
    watched: Watched, books: Books, made_while_down: dict[str, str]
) -> None:
    cases = "SELECT reason, exposure_minor FROM cases WHERE payment_id = %s"
    found = eventually(
        lambda: books.rows("payment", cases, made_while_down["bad sale"]),
        timeout_s=SETTLE_S,
        describe="a case",
    )
    assert found == [{"reason": "risk_denied_late", "exposure_minor": 1_300}]
    assert watched.shop.payment(made_while_down["bad sale"])["status"] == "CAPTURED"
