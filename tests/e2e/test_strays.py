"""Money that the processor took otherwise than asked: before a person, returned once by two people, both books agree."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from typing import Any

import pytest

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.desk import Desk
from tests.e2e.doubts import FOR_EVER_S, authorized
from tests.e2e.shop import Shop, order
from tests.e2e.side_by_side import side_by_side
from tools.demo.sandbox_script import SandboxScript
from tools.local_stack.stack import LocalStack

AMOUNT = 4_000
LIES = {
    "pm_fault_wrong_amount": (AMOUNT + 100, "EUR"),
    "pm_fault_wrong_currency": (AMOUNT, "USD"),
    "pm_fault_wrong_reference_on_authorization": (AMOUNT, "EUR"),
}
"""What the processor really takes, or only says; the last one takes what was asked and echoes another reference."""


def test_a_mismatch_blocks_is_returned_once_and_leaves_both_books_at_zero(
    shop_there: Shop, desk: Desk, books: Books
) -> None:
    side_by_side({method: partial(_returned, shop_there, desk, books, method) for method in LIES})


def _returned(shop: Shop, desk: Desk, books: Books, method: str) -> None:
    taken, currency = LIES[method]
    told = shop.post("/payments", order(AMOUNT, method=method), wait_s=30)
    payment_id = told.document["id"]
    stray = _money_astray(desk, payment_id)
    assert (stray["amount_minor"], stray["currency"], stray["mismatch"]) == (taken, currency, True)
    payment = shop.payment(payment_id)
    assert (payment["amount_captured"], payment["certainty"]) == (0, "uncertain")
    assert payment["amount_stray"] == (taken if currency == "EUR" else 0)
    retried = shop.post(f"/payments/{payment_id}/confirm", {"payment_method": "pm_card_visa"})
    assert (retried.status, retried.document["code"]) == (409, "operation_in_doubt")
    (doubt,) = desk.of("doubts", payment_id)
    assert {case["reason"] for case in desk.of("cases", payment_id)} >= {"echo_mismatch", "stray_found"}

    desk.decide(f"/strays/{stray['stray_id']}/decision", action="return")
    eventually(
        lambda: not [row for row in desk.of("strays", payment_id) if row["kind"] == "money"],
        timeout_s=30,
        describe=lambda: (
            f"the return of {method}: {desk.of('strays', payment_id)}, {desk.of('doubts', payment_id)}"
        ),
    )
    again = desk.post("ann", f"/strays/{stray['stray_id']}/decision", action="return", reason="once more")
    assert (again.status, again.document["code"]) == (409, "stray_settled")
    desk.decide(f"/operations/{doubt['operation_id']}/decision", outcome="declined", evidence="its dashboard")

    payment = shop.settled(payment_id)
    assert (payment["status"], payment["amount_stray"]) == ("REQUIRES_PAYMENT_METHOD", 0)
    book = books.at_processors(payment_id)
    assert (book["captured_minor"], book["refunded_minor"], book["refunds"]) == (taken, taken, 1)
    journals = books.journals(payment_id, rule="stray_return_succeeded")
    assert sorted(j["rule"] for j in journals if j["rule"].startswith("stray")) == [
        "stray_found", "stray_return_requested", "stray_return_succeeded",
    ]  # fmt: skip
    assert books.open_items(stray["stray_id"]) == []
    assert desk.of("doubts", payment_id) == []


def _money_astray(desk: Desk, payment_id: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = eventually(
        lambda: [row for row in desk.of("strays", payment_id) if row["kind"] == "money"],
        timeout_s=30,
        describe=f"money astray of {payment_id}",
    )
    return found[0]


@pytest.mark.parametrize("lie", ["wrong_amount", "wrong_currency", "wrong_reference"])
def test_a_capture_whose_reply_lies_counts_once_people_have_other_evidence_believed(
    shop_there: Shop, desk: Desk, books: Books, script: SandboxScript, processor: str, lie: str
) -> None:
    """The processor did what was asked and says otherwise; nothing else speaks until people have looked."""
    payment_id = authorized(shop_there)
    script.add(
        processor, operation="capture", payment=payment_id, reply=lie, webhooks="lost", feed="lost",
        not_found_s=FOR_EVER_S,
    )  # fmt: skip
    shop_there.post(f"/payments/{payment_id}/capture", {}, wait_s=30)
    stray = _money_astray(desk, payment_id)
    assert (stray["mismatch"], stray["currency"]) == (True, "USD" if lie == "wrong_currency" else "EUR")
    payment = shop_there.payment(payment_id)
    assert (payment["status"], payment["amount_captured"]) == ("AUTHORIZED", 0)
    assert payment["operation"]["state"] == "IN_REVIEW"
    again = shop_there.post(f"/payments/{payment_id}/capture", {})
    assert (again.status, again.document["code"]) == (409, "operation_in_doubt")
    assert {case["reason"] for case in desk.of("cases", payment_id)} == {"echo_mismatch", "stray_found"}

    script.release(payment_id)  # The truth comes, and rewrites nothing: where it differs, that is a case too.
    wanted = {"echo_mismatch", "stray_found"} | (
        set() if lie == "wrong_reference" else {"contradicting_evidence"}
    )
    eventually(
        lambda: {case["reason"] for case in desk.of("cases", payment_id)} == wanted,
        timeout_s=30,
        describe=f"the cases of {payment_id}",
    )
    payment = shop_there.payment(payment_id)
    assert (payment["status"], payment["amount_captured"]) == ("AUTHORIZED", 0)

    asked_minor = payment["amount"]
    _have_believed(desk, payment_id, stray, amount_minor=asked_minor)
    payment = shop_there.settled(payment_id)
    assert (payment["status"], payment["amount_stray"]) == ("CAPTURED", 0)
    assert payment["amount_captured"] == asked_minor
    assert payment["operation"]["state"] == "SUCCEEDED"
    assert books.at_processors(payment_id)["captured_minor"] == asked_minor
    assert (
        desk.of("cases", payment_id) == desk.of("strays", payment_id) == desk.of("doubts", payment_id) == []
    )


@pytest.mark.parametrize("lie", ["wrong_amount", "wrong_currency"])
def test_a_refund_whose_reply_lies_counts_once_people_have_other_evidence_believed(
    shop_there: Shop, desk: Desk, books: Books, script: SandboxScript, processor: str, lie: str
) -> None:
    payment_id = shop_there.post("/payments", order(AMOUNT), wait_s=30).document["id"]
    shop_there.settled(payment_id)
    script.add(
        processor, operation="refund", payment=payment_id, reply=lie, webhooks="lost", feed="lost",
        not_found_s=FOR_EVER_S,
    )  # fmt: skip
    refund = shop_there.post("/refunds", {"payment": payment_id, "amount": 1_500}, wait_s=30)
    (stray,) = eventually(
        lambda: desk.of("strays", payment_id), timeout_s=30, describe=f"the refund astray of {payment_id}"
    )
    assert (stray["kind"], stray["mismatch"]) == ("refund", True)
    assert shop_there.payment(payment_id)["amount_refunded"] == 0

    script.release(payment_id)
    _have_believed(desk, payment_id, stray, amount_minor=1_500)
    assert shop_there.settled(payment_id)["amount_refunded"] == 1_500
    assert shop_there.get(f"/refunds/{refund.document['id']}").document["status"] == "SUCCEEDED"
    assert books.at_processors(payment_id)["refunded_minor"] == 1_500
    assert (
        desk.of("cases", payment_id) == desk.of("strays", payment_id) == desk.of("doubts", payment_id) == []
    )


def _have_believed(desk: Desk, payment_id: str, stray: dict[str, Any], *, amount_minor: int) -> None:
    """Two people correct the stray by what somebody else than the reply told of its object."""

    def told() -> list[str]:
        return [
            entry["id"]
            for entry in desk.get(f"/payments/{payment_id}/timeline")
            if entry["kind"] == "evidence"
            and entry["object_id"] == stray["object_id"]
            and entry["source"] != "reply"
            and (entry["amount"], entry["currency"]) == (amount_minor, "EUR")
        ]

    evidence = eventually(told, timeout_s=30, describe=f"another word on {stray['object_id']}")[0]
    desk.decide(f"/strays/{stray['stray_id']}/decision", action="correct", evidence=evidence)


def test_the_story_is_printed_for_a_person(shop: Shop, stack: LocalStack) -> None:
    payment_id = shop.post("/payments", order(AMOUNT), wait_s=30).document["id"]
    shop.settled(payment_id)
    words = [sys.executable, "-m", "tools.cli", "timeline", payment_id, "--url", stack.url("payment")]
    token = TokenIssuer(stack.secrets.ed25519("operator_tokens")[0]).operator("e2e", OperatorRole.VIEWER)

    def told() -> dict[str, Any]:
        said = subprocess.run(
            [*words, "--json", "--token", token], capture_output=True, text=True, check=True
        )
        document: dict[str, Any] = json.loads(said.stdout)
        assert {"request", "operation", "attempt", "evidence", "transition", "event"} <= {
            entry["kind"] for entry in document["data"]
        }
        return document

    story = eventually(told, timeout_s=30, describe="everybody's word on it")
    assert (story["payment"], story["status"]) == (payment_id, "CAPTURED")
    done = subprocess.run([*words, "--token", token], capture_output=True, text=True, check=True)
    assert f"payment {payment_id}: CREATED -> AUTHORIZED" in done.stdout
    assert "payment.events PaymentCaptured.v1" in done.stdout
    assert [entry["at"] for entry in story["data"]] == sorted(entry["at"] for entry in story["data"])
    refused = subprocess.run(
        [*words, "--json", "--token", "nobody's"], capture_output=True, text=True, check=False
    )
    assert (refused.returncode != 0, refused.stdout) == (True, "")
    assert "401" in refused.stderr
