"""kill -9 at every point of ``refill`` and ``take-refill``, at every service: the next run goes on, and nothing is lost.

One history is written and taken while the consumers are stopped, so that all services serve one stop, drain and audit.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from shared.testing.waiting import eventually
from tests.e2e.shop import Shop, order
from tools.crash.commands import run_command, service_named
from tools.crash.load import Load
from tools.crash.points import PASSED_BY_COMMAND, WITH_INBOX, command_cases
from tools.crash.stack import broken

pytestmark = pytest.mark.timeout(900)

AT_ONCE = 3
WHY = ("--reason", "a consumer that missed something")


class Route(NamedTuple):
    """One topic, who writes its history, and who takes it."""

    producer: str
    topic: str
    consumer: str


TAKEN = (
    Route("payment", "payment.events", "risk"),
    Route("processor", "processor.events", "payment"),
    Route("payment", "processor.commands", "processor"),
    Route("reconciliation", "reconciliation.events", "ledger"),
    Route("ledger", "ledger.events", "reconciliation"),
)
WRITTEN_ONLY = (
    Route("webhook_ingest", "webhook.events", "payment"),
    Route("risk", "risk.events", "payment"),
)
ON_THE_WAY = {
    "payment": "unit_of_work.before_commit",
    "processor": "consumer.after_inbox",
    "ledger": "consumer.after_poll",
    "risk": "consumer.before_offset_commit",
    "reconciliation": "consumer.after_offset_commit",
}
"""A consumer's own points, which whoever takes a refill passes as well: another one in each service."""
COMMANDED = "SELECT 1 FROM outbox WHERE topic = 'processor.commands' AND key = '{key}'"
APPLIED = "SELECT count(*) FROM inbox_versions WHERE topic = '{topic}' AND key = '{key}'"


def points(family, service):
    return [case.point for case in command_cases(family) if case.service == service]


def test_the_routes_are_every_service_that_writes_and_every_one_that_takes():
    assert {route.producer for route in (*TAKEN, *WRITTEN_ONLY)} == set(PASSED_BY_COMMAND["refill"])
    assert sorted(route.consumer for route in TAKEN) == sorted(PASSED_BY_COMMAND["take_refill"])
    assert ON_THE_WAY.keys() == set(PASSED_BY_COMMAND["take_refill"])


def written(stack, folder, routes):
    """One producer's topics: it dies at every point while it writes the first one."""
    records = {}
    for number, route in enumerate(routes):
        words = ("refill", route.topic, route.consumer, "--folder", str(folder), *WHY)
        service = service_named(route.producer)
        for point in points("refill", route.producer) if number == 0 else ():
            run_command(stack, service, *words, dies_at=point)
        records[route.topic] = json.loads(run_command(stack, service, *words))["records"]
    return records


def taken(stack, route):
    """The consumer dies on the way, and at every point of taking."""
    words = ("take-refill", route.topic, *WHY)
    service = service_named(route.consumer)
    for point in (*points("take_refill", route.consumer), ON_THE_WAY[route.consumer]):
        run_command(stack, service, *words, dies_at=point)
    run_command(stack, service, *words)


def ordered_while_consumers_are_stopped(stack):
    """A payment that payment has taken, and of which it told whoever is stopped."""
    merchant = stack.merchant(lambda _: None)
    shop = Shop(stack.url("payment"), merchant.merchant_id, merchant.api_key)
    payment_id = shop.post("/payments", order(1_113), wait_s=0).document["id"]
    eventually(
        lambda: stack.rows("payment", COMMANDED.format(key=payment_id)),
        timeout_s=60,
        describe="payment has decided without risk, and commanded",
    )
    return shop, payment_id


def test_killed_while_history_is_written_and_taken(stack, tmp_path):
    assert Load(stack, "history").start().finish() == []
    before = stack.audit()
    assert before.holds, broken(before)
    with ExitStack() as stopped, ThreadPoolExecutor(AT_ONCE) as at_once:
        for service in WITH_INBOX:
            if service != "payment":
                stopped.enter_context(stack.stopped(service))
        shop, payment_id = ordered_while_consumers_are_stopped(stack)
        stopped.enter_context(stack.stopped("payment"))
        by_producer = [
            [route for route in (*TAKEN, *WRITTEN_ONLY) if route.producer == name]
            for name in PASSED_BY_COMMAND["refill"]
        ]
        for records in at_once.map(lambda routes: written(stack, tmp_path, routes), by_producer):
            assert all(records.values()), records
        list(at_once.map(lambda route: taken(stack, route), TAKEN))
        for consumer, topic in (("risk", "payment.events"), ("processor", "processor.commands")):
            known = APPLIED.format(topic=topic, key=payment_id)
            assert stack.rows(consumer, known) == [(1,)], f"{consumer} took {topic}"
    stack.wait_until_back(*WITH_INBOX)
    eventually(
        lambda: shop.get(f"/payments/{payment_id}").document["status"] == "CAPTURED",
        timeout_s=60,
        describe="what was ordered meanwhile is captured",
    )
    assert Load(stack, "after-refill").start().finish() == []
    report = stack.audit()
    assert report.holds, broken(report)
