"""What a processor's report proves: a doubt ends by a line alone, a failed refund and a second charge are found, each once.

At both processors, side by side.
"""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

import httpx2

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.serving import CLIENT_TIMEOUT_S
from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.desk import Desk
from tests.e2e.oracle import Course
from tests.e2e.shop import SETTLE_S, new_key, order, server_at
from tests.e2e.side_by_side import side_by_side
from tests.e2e.test_settlement import (  # noqa: F401 - ``offices`` and ``places`` are fixtures
    AMOUNT,
    Office,
    Place,
    captured,
    line,
    offices,
    payout_row,
    places,
    report,
    shows,
)
from tools.demo.sandbox_script import SandboxScript
from tools.local_stack.stack import LocalStack

#: Takes effect, says nothing of it by any way that we hear within two minutes: alpha denies it for longer than its keys
#: live; what beta's list has of it nobody can read.
SILENT = {"alpha": "pm_fault_outlives_key", "beta": "pm_no_evidence"}
REFUND = 4_000


def heard(books: Books, item_key: str) -> None:
    eventually(
        lambda: books.count("reconciliation", "SELECT count(*) FROM our_items WHERE item_key = %s", item_key),
        timeout_s=SETTLE_S,
        describe=f"reconciliation heard of {item_key}",
    )


def settles(office: Office, *rows: dict[str, str], net: int) -> None:
    """A whole report of one payout."""
    payout = rows[0]["automatic_payout_id"]
    file = office.send(f"{payout}.csv", report(*rows, payout_row(payout, payout, net)))
    assert (file["state"], file["quarantined_count"]) == ("STAGED", 0)


def entry(minor: int, payout: str, **more: str) -> dict[str, str]:
    """A row with every column that any row of these reports has."""
    return line(f"txn_{new_key()}", payout, minor, **({"our_reference": ""} | more))


def settled_in_doubt(books: Books, script: SandboxScript, place: Place) -> None:
    shop, office = place.shop, place.office
    told = shop.post("/payments", order(AMOUNT, method=SILENT[office.processor]), wait_s=30)
    payment_id, operation_id = told.document["id"], told.document["operation"]["id"]

    def doubtful() -> bool:
        return shop.payment(payment_id)["certainty"] == "uncertain"

    eventually(doubtful, timeout_s=SETTLE_S, describe=f"doubt about {payment_id}")
    (capture_id,) = eventually(
        lambda: books.captures(payment_id), timeout_s=SETTLE_S, describe="the capture over there"
    )
    heard(books, f"in_doubt:{operation_id}")
    payout = f"po_{new_key()}"
    settles(office, entry(AMOUNT, payout, source_id=capture_id, our_reference=operation_id), net=AMOUNT)
    shows(shop, payment_id, "SETTLED", AMOUNT)
    payment = shop.payment(payment_id)
    assert (payment["certainty"], payment["amount_captured"], payment["amount_in_doubt"]) == (
        "certain",
        AMOUNT,
        0,
    )
    evidence = books.rows(
        "payment",
        "SELECT DISTINCT source FROM evidence WHERE payment_id = %s AND verdict = 'applied'",
        payment_id,
    )
    assert [row["source"] for row in evidence] == ["settlement"]
    assert books.charges(payment_id) == [(1, AMOUNT, "EUR")]
    script.release(payment_id)


def test_a_payment_in_doubt_is_captured_and_settled_by_a_line_alone(
    books: Books,
    script: SandboxScript,
    places: dict[str, Place],  # noqa: F811
) -> None:
    side_by_side({name: partial(settled_in_doubt, books, script, place) for name, place in places.items()})


def reversed_once(books: Books, payment_id: str) -> None:
    """Of what the refund booked, each journal has one reversal."""

    def reversals() -> list[int]:
        journals = books.journals(payment_id, rule="refund_succeeded")
        undone = [journal["reverses_journal_id"] for journal in journals]
        booked = [
            journal for journal in journals if journal["rule"] in {"refund_requested", "refund_succeeded"}
        ]
        return [undone.count(journal["journal_id"]) for journal in booked]

    eventually(lambda: reversals() == [1, 1], timeout_s=SETTLE_S, describe=lambda: f"one each: {reversals()}")


def refund_failed_by_report(books: Books, place: Place) -> None:
    shop, office = place.shop, place.office
    payment_id: str = shop.post("/payments", order(AMOUNT, method="pm_card_refundFail"), wait_s=30).document[
        "id"
    ]
    assert shop.settled(payment_id)["status"] == "CAPTURED"
    made = shop.post("/refunds", {"payment": payment_id, "amount": REFUND}, wait_s=30)
    assert made.status == 201, made

    def succeeded() -> list[dict[str, Any]]:
        return books.rows(
            "payment", "SELECT object_id FROM processor_objects WHERE payment_id = %s AND object_type = 'refund'",
            payment_id,
        )  # fmt: skip

    (refund,) = eventually(succeeded, timeout_s=SETTLE_S, describe="the refund has an object") or [{}]
    payout = f"po_{new_key()}"
    settles(
        office,
        entry(-REFUND, payout, source_id=refund["object_id"], reporting_category="refund"),
        entry(REFUND, payout, source_id=refund["object_id"], reporting_category="refund_failure"),
        net=0,
    )

    def seen() -> tuple[int, str]:
        return shop.payment(payment_id)["amount_refunded"], shop.get(
            f"/refunds/{made.document['id']}"
        ).document["status"]

    eventually(
        lambda: seen() == (0, "FAILED"),
        timeout_s=SETTLE_S,
        describe=lambda: f"the refund failed; it is {seen()}",
    )
    reversed_once(books, payment_id)
    again = shop.post("/refunds", {"payment": payment_id, "amount": AMOUNT}, wait_s=30)
    assert again.status == 201, again
    told = books.count(
        "payment",
        "SELECT count(*) FROM outbox WHERE key = %s AND event_type = 'RefundFailed.v1'"
        " AND convert_from(payload, 'UTF8')::jsonb ->> 'refund_id' = %s",
        payment_id,
        made.document["id"],
    )
    assert told == 1


def test_a_refund_that_a_report_says_failed_is_reversed_once_whoever_else_says_so(
    books: Books,
    places: dict[str, Place],  # noqa: F811
) -> None:
    side_by_side({name: partial(refund_failed_by_report, books, place) for name, place in places.items()})


def charge_again(stack: LocalStack, processor: str, payment_id: str, operation_id: str) -> str:
    """Somebody charges the same operation a second time at the processor; no webhook tells of it."""
    at = charge_again_at_beta if processor == "beta" else charge_again_at_alpha
    return at(stack, payment_id, operation_id)


def charge_again_at_beta(stack: LocalStack, payment_id: str, operation_id: str) -> str:
    sale = {
        "txn_type": "SALE", "value": {"total": f"{AMOUNT / 100:.2f}", "currency_code": "EUR"},
        "method": "pm_fault_webhook_lost", "merchant_ref": operation_id, "order_ref": payment_id,
    }  # fmt: skip
    reply = httpx2.post(
        stack.url("sandbox") + "/beta/v2/transactions",
        json=sale,
        headers={"X-Beta-Key": stack.secrets.text("beta_api_key")},
        timeout=CLIENT_TIMEOUT_S,
    )
    assert reply.status_code == 200, reply.text
    charged: str = next(
        made["txn_id"] for made in reply.json()["transactions"] if made["txn_type"] == "CHARGE"
    )
    return charged


def charge_again_at_alpha(stack: LocalStack, payment_id: str, operation_id: str) -> str:
    sale = {
        "amount": AMOUNT, "currency": "EUR", "payment_method": "pm_fault_webhook_lost", "reference": operation_id,
        "capture": True, "metadata": {"payment": payment_id},
    }  # fmt: skip
    reply = httpx2.post(
        stack.url("sandbox") + "/alpha/v1/authorizations",
        json=sale,
        headers={
            "Authorization": f"Bearer {stack.secrets.text('alpha_api_key')}",
            "Idempotency-Key": uuid.uuid4().hex,
        },
        timeout=CLIENT_TIMEOUT_S,
    )
    assert reply.status_code == 201, reply.text
    captured_id: str = reply.json()["captures"][0]["id"]
    return captured_id


def decides(stack: LocalStack, who: str, break_id: str, step: str, **said: str) -> dict[str, Any]:
    """One of two people at reconciliation."""
    token = TokenIssuer(stack.secrets.ed25519("operator_tokens")[0]).operator(who, OperatorRole.APPROVER)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": new_key()}
    server = server_at(stack.url("reconciliation"))
    reply = server.call("POST", f"/breaks/{break_id}/{step}", {"reason": "charged twice", **said}, headers)
    assert reply.status == 200, reply
    document: dict[str, Any] = reply.document
    return document


def charged_twice(stack: LocalStack, books: Books, desk: Desk, course: Course, place: Place) -> None:
    shop, office = place.shop, place.office
    payment_id, capture_id = captured(shop, books)
    operation_id = shop.payment(payment_id)["operation"]["id"]
    course.charged_twice.add(operation_id)
    second_id = charge_again(stack, office.processor, payment_id, operation_id)
    payout, named = f"po_{new_key()}", {"our_reference": operation_id}
    settles(
        office,
        entry(AMOUNT, payout, source_id=capture_id, **named),
        entry(AMOUNT, payout, source_id=second_id, **named),
        net=2 * AMOUNT,
    )

    def astray() -> list[dict[str, Any]]:
        return [row for row in desk.of("strays", payment_id) if row["kind"] == "money"]

    eventually(astray, timeout_s=SETTLE_S, describe="payment knows the second charge as a stray")

    def known_break() -> list[dict[str, Any]]:
        return books.rows(
            "reconciliation",
            # Until a run has seen both, the stray has a break of its own; before its line is told nothing is returned.
            "SELECT break_id FROM breaks JOIN announced_lines ON subject = 'line:' || source || ':' || line_id"
            " WHERE breaks.payment_id = %s AND type = 'stray_capture' AND state = 'OPEN'",
            payment_id,
        )

    def breaks() -> str:
        asked = "SELECT type, state, subject, payment_id FROM breaks ORDER BY changed_at DESC LIMIT 20"
        return f"the break of the stray's line, among {books.rows('reconciliation', asked)}"

    (found,) = eventually(known_break, timeout_s=SETTLE_S, describe=breaks) or [{}]
    proposed = decides(stack, "ann", found["break_id"], "return")
    assert proposed["state"] == "PROPOSED"
    approved = decides(stack, "bob", found["break_id"], "approve", proposal=proposed["proposal"])
    assert approved["state"] == "APPLYING"
    eventually(lambda: not astray(), timeout_s=SETTLE_S, describe=lambda: f"it was given back: {astray()}")
    book = books.at_processors(payment_id)
    assert (book["captured_minor"], book["refunded_minor"], book["refunds"]) == (2 * AMOUNT, AMOUNT, 1)
    assert shop.payment(payment_id)["amount_refunded"] == 0
    shows(shop, payment_id, "SETTLED", AMOUNT)

    def states() -> list[dict[str, Any]]:
        asked = "SELECT state, resolution FROM breaks WHERE break_id = %s"
        return books.rows("reconciliation", asked, found["break_id"])

    eventually(
        lambda: states() == [{"state": "RESOLVED", "resolution": "stray_return"}],
        timeout_s=SETTLE_S,
        describe=lambda: f"the break is resolved as payment gave the charge back: {states()}",
    )


def test_a_second_charge_is_found_and_given_back_once_by_two_people(
    stack: LocalStack,
    books: Books,
    desk: Desk,
    course: Course,
    places: dict[str, Place],  # noqa: F811
) -> None:
    side_by_side(
        {name: partial(charged_twice, stack, books, desk, course, place) for name, place in places.items()}
    )
