"""A consumer that missed history takes it by two commands, the producer's and its own, then follows the live topic."""

from __future__ import annotations

import json
from typing import Any, LiteralString

import pytest

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.shop import Shop, order, server_at
from tools.local_stack.stack import LocalStack, StackError

TOPIC = "payment.events"
WHY = ("--reason", "a consumer that missed something", "--json")
OF_PAYMENT: LiteralString = "SELECT count(*) FROM outbox WHERE topic = 'payment.events' AND key = %s"
APPLIED: LiteralString = (
    "SELECT count(*) FROM inbox_versions WHERE consumer = 'risk' AND topic = 'payment.events' AND key = %s"
)


@pytest.fixture(scope="module")
def missed(
    stack: LocalStack, shop: Shop, books: Books, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A payment made while risk was stopped, and what both commands said; risk runs again."""
    stack.supervisor.stop("risk")
    try:
        payment_id = shop.settled(shop.post("/payments", order(1_111)).document["id"])["id"]
        found = {"before": books.count("risk", APPLIED, payment_id)}
        folder = str(tmp_path_factory.mktemp("archive"))
        written = _said(stack, "payment", "refill", TOPIC, "risk", "--folder", folder, *WHY)
        found |= {"written": written, "events": books.count("payment", OF_PAYMENT, payment_id)}
        found |= {"taken": _said(stack, "risk", "take-refill", TOPIC, *WHY)}
        found |= {"after": books.count("risk", APPLIED, payment_id)}
    finally:
        stack.supervisor.start("risk")
    eventually(lambda: _is_ready(stack, "risk"), timeout_s=90, interval_s=0.2, describe="risk is ready")
    return found


def test_a_consumer_takes_its_refill_by_commands(
    stack: LocalStack, shop: Shop, books: Books, missed: dict[str, Any]
) -> None:
    assert missed["written"]["records"] >= missed["events"] > 0
    assert missed["taken"] == {"topic": TOPIC, "consumer": "risk", "taken_from": f"{TOPIC}.refill.risk"}
    assert (missed["before"], missed["after"]) == (0, 1)
    later = shop.settled(shop.post("/payments", order(1_112)).document["id"])["id"]
    eventually(
        lambda: books.count("risk", APPLIED, later) == 1, timeout_s=60, describe="risk follows the topic"
    )
    with pytest.raises(StackError, match="other processes of risk consume: stop them"):
        _said(stack, "risk", "take-refill", TOPIC, *WHY)


def _said(stack: LocalStack, service: str, *words: str) -> dict[str, Any]:
    token = stack.operator_token("ada", "operator")
    answer: dict[str, Any] = json.loads(stack.cli(service, *words, token=token))
    return answer


def _is_ready(stack: LocalStack, service: str) -> bool:
    try:
        return server_at(stack.url(service)).call("GET", "/health/ready").status == 200
    except ConnectionError:
        return False
