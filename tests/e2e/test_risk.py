"""Payments that wait for risk: allowed, blocked, reviewed, and what happens while the risk service is down.

Where a processor does something about it (charges once what was reviewed, gives a hold back that was denied late),
at both of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.kernel.ids import UlidIds
from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.shop import SETTLE_S, Shop, order, server_at
from tests.e2e.side_by_side import side_by_side
from tools.local_stack.stack import LocalStack

REVIEWED_ABOVE = 1_000_000
#: Above what the local stack lets through without a decision: it waits for one, however slow the machine is.
LARGE = REVIEWED_ABOVE + 1
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
def all_watched(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Watched]:
    """One shop at each processor, under the same rules."""
    found = {processor: _a_shop(stack, processor) for processor in ("alpha", "beta")}
    merchants = [each.shop.merchant_id for each in found.values()]
    _put_in_force(found["alpha"], tmp_path_factory.mktemp("rules") / "rules.json", merchants)
    return found


@pytest.fixture(scope="module")
def watched(all_watched: dict[str, Watched]) -> Watched:
    return all_watched["alpha"]


@pytest.fixture
def watched_there(all_watched: dict[str, Watched], processor: str) -> Watched:
    """At the processor of this turn."""
    return all_watched[processor]


def _a_shop(stack: LocalStack, processor: str) -> Watched:
    reason = "an e2e test"
    merchant_id = stack.as_admin("merchants", "add", "--name", "A watched shop", reason=reason)["merchant_id"]
    stack.as_admin("routes", "set", "--merchant", merchant_id, "--processor", processor, reason=reason)
    issued = stack.as_admin("keys", "issue", merchant_id, "--mode", "test", reason=reason)
    return Watched(Shop(stack.url("payment"), merchant_id, issued["api_key"]), stack)


def _put_in_force(watched: Watched, file: Path, merchants: list[str]) -> None:
    limit = {"name": "large", "max_minor": REVIEWED_ABOVE, "currency": "EUR", "decision": "review"}
    often = {"name": "often", "subject": "customer", "window_s": 3600, "max_count": 3, "decision": "block"}
    only = {"merchants": merchants}
    rules = {
        "limits": [limit | only],
        "velocity": [often | only],
        "blocked": {"customers": [{"merchant": each, "customer": BAD_CUSTOMER} for each in merchants]},
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
    (decision,) = eventually(
        lambda: watched.risk("decisions", paid["id"]), timeout_s=SETTLE_S, describe="the decision"
    )
    assert (decision["decision"], decision["payment_version"]) == ("allow", 1)
    assert decision["rule_set_version"] == watched.risk("rules", "list")[0]["version"]


def test_a_blocked_payment_fails_and_the_processor_never_hears_of_it(watched: Watched, books: Books) -> None:
    refused = watched.shop.post("/payments", order(LARGE, "JPY", customer=BAD_CUSTOMER))
    assert refused.status == 201
    payment = watched.reaches(refused.document["id"], status="FAILED", hold=None)
    assert payment["last_error"]["code"] == "refused_by_risk"
    assert books.commands(payment["id"]) == 0
    assert books.charges(payment["id"]) == []


def test_velocity_blocks_one_more_than_allowed(watched: Watched) -> None:
    customer = UlidIds().new("cus_")
    made = [
        watched.shop.post("/payments", order(LARGE, "JPY", customer=customer)).document["id"]
        for _ in range(4)
    ]
    shown = [watched.shop.settled(payment_id) for payment_id in made]
    assert [payment["status"] for payment in shown] == ["CAPTURED"] * 3 + ["FAILED"]


def test_a_review_that_two_people_approve_is_charged_once(watched_there: Watched, books: Books) -> None:
    held = watched_there.shop.post("/payments", order(REVIEWED_ABOVE + 1)).document
    payment = watched_there.reaches(held["id"], hold="risk_review")
    operation_id = payment["operation"]["id"]
    assert books.commands(payment["id"]) == 0
    assert watched_there.review(operation_id, "approve", "ada")["awaits_second_person"]
    assert watched_there.review(operation_id, "approve", "bob")["risk"] == "ALLOWED"
    watched_there.reaches(payment["id"], status="CAPTURED", hold=None)
    assert books.charges(payment["id"]) == [(1, REVIEWED_ABOVE + 1, "EUR")]


def test_a_review_that_is_refused_or_canceled_charges_nothing(watched_there: Watched, books: Books) -> None:
    refused = watched_there.shop.post("/payments", order(REVIEWED_ABOVE + 2)).document
    operation_id = watched_there.reaches(refused["id"], hold="risk_review")["operation"]["id"]
    assert watched_there.review(operation_id, "refuse", "ada")["status"] == "FAILED"
    canceled = watched_there.shop.post("/payments", order(REVIEWED_ABOVE + 3)).document
    watched_there.reaches(canceled["id"], hold="risk_review")
    ended = watched_there.shop.post(f"/payments/{canceled['id']}/cancel", {})
    assert (ended.status, ended.document["status"], ended.document["hold"]) == (200, "CANCELED", None)
    assert [books.charges(each["id"]) for each in (refused, canceled)] == [[], []]


@pytest.fixture(scope="module")
def all_made_while_down(stack: LocalStack, all_watched: dict[str, Watched]) -> dict[str, dict[str, str]]:
    """Payments made without the risk service, by processor and what they are; it is back when the tests look."""
    stack.supervisor.stop("risk")
    try:
        return side_by_side({name: partial(_made, each) for name, each in all_watched.items()})
    finally:
        stack.supervisor.start("risk")
        eventually(lambda: _is_ready(stack), timeout_s=90, interval_s=0.2, describe="risk being ready")


@pytest.fixture
def made_while_down(all_made_while_down: dict[str, dict[str, str]], processor: str) -> dict[str, str]:
    """Those at the processor of this turn."""
    return all_made_while_down[processor]


def _made(watched: Watched) -> dict[str, str]:
    shop, manual = watched.shop, {"capture_method": "manual", "customer": BAD_CUSTOMER}
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
    return made


def _is_ready(stack: LocalStack) -> bool:
    try:
        return server_at(stack.url("risk")).call("GET", "/health/ready").status == 200
    except ConnectionError:
        return False


def test_without_risk_small_amounts_go_through_flagged(
    watched_there: Watched, books: Books, made_while_down: dict[str, str]
) -> None:
    small = made_while_down["small"]
    assert books.charges(small) == [(1, 1_100, "EUR")]
    flags = "SELECT risk, risk_by FROM operations WHERE payment_id = %s"
    assert books.rows("payment", flags, small) == [{"risk": "ALLOWED", "risk_by": "deadline"}]
    eventually(lambda: watched_there.risk("decisions", small), timeout_s=SETTLE_S, describe="a late decision")
    assert books.charges(small) == [(1, 1_100, "EUR")]


def test_a_large_amount_waits_for_risk_or_a_person(
    watched_there: Watched, books: Books, made_while_down: dict[str, str]
) -> None:
    watched_there.reaches(made_while_down["large"], status="CAPTURED", hold=None)
    assert books.charges(made_while_down["large"]) == [(1, LARGE, "JPY")]


def test_a_late_denial_gives_the_hold_back(watched_there: Watched, made_while_down: dict[str, str]) -> None:
    payment = watched_there.reaches(made_while_down["bad hold"], status="CANCELED")
    assert payment["amount_captured"] == 0


def test_a_late_denial_of_taken_money_is_a_case(
    watched_there: Watched, books: Books, made_while_down: dict[str, str]
) -> None:
    cases = "SELECT reason, exposure_minor FROM cases WHERE payment_id = %s"
    found = eventually(
        lambda: books.rows("payment", cases, made_while_down["bad sale"]),
        timeout_s=SETTLE_S,
        describe="a case",
    )
    assert found == [{"reason": "risk_denied_late", "exposure_minor": 1_300}]
    assert watched_there.shop.payment(made_while_down["bad sale"])["status"] == "CAPTURED"
