"""Both processors are away for a while: what must not be lost waits, what may not wait is given up, and nothing storms.

The two hours of a real outage pass in ``services/processor/tests/unit/test_outage.py``; here it is shorter, and all parts
are real ones: the services, PostgreSQL, Kafka, sockets that refuse, both processors' books.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final
from urllib.parse import urlsplit

import pytest

from services.processor.domain.breaker import PROBES
from shared.kernel.clock import SystemClock
from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.line import Line
from tests.e2e.other_settings import other_settings
from tests.e2e.shop import Shop, order
from tools.local_stack.stack import LocalStack

AMOUNT: Final = 3_300
WAITING: Final = 40
"""Captures that are asked for at each processor while it is away."""
QUEUE_S: Final = 8
OUTAGE_S: Final = 15
DELAY_S: Final = 0.25
CLIENTS: Final = 8
DRAINED_S: Final = 120
FEED_READERS: Final = 2
"""Calls that the breaker does not count: who reads the feed."""
PATHS: Final[Mapping[str, str]] = {"alpha": "/alpha/v1", "beta": "/beta/v2"}


@pytest.fixture(scope="module")
def lines(stack: LocalStack) -> Iterator[Mapping[str, Line]]:
    """The processor service reaches both processors over lines that can be cut."""
    address = urlsplit(stack.url("sandbox"))
    made = {name: Line((address.hostname or "", address.port or 0), delay_s=DELAY_S) for name in PATHS}
    settings = {
        f"{name.upper()}_BASE_URL": f"http://127.0.0.1:{line.port}{PATHS[name]}"
        for name, line in made.items()
    }
    patience = {
        "AUTHORIZE_QUEUE_S": str(QUEUE_S),
        "SEND_BACKOFF_CAP_S": "4",
        "ALPHA_TIMEOUT_S": "10",
        "BETA_TIMEOUT_S": "10",
    }
    with ExitStack() as ending:
        for line in made.values():
            ending.callback(line.cut)
        with other_settings(stack, "processor", **settings, **patience):
            yield made


def held(shop: Shop) -> str:
    payment_id: str = shop.post("/payments", order(AMOUNT, capture_method="manual"), wait_s=30).document["id"]
    assert shop.settled(payment_id)["status"] == "AUTHORIZED"
    return payment_id


def states(books: Books, payment_ids: list[str]) -> set[tuple[str, str]]:
    """Of these payments' newest operations, their types and states."""
    found = books.rows(
        "payment",
        "SELECT DISTINCT ON (payment_id) type, state FROM operations WHERE payment_id = ANY(%s)"
        " ORDER BY payment_id, created_at DESC, operation_id DESC",
        payment_ids,
    )
    return {(row["type"], row["state"]) for row in found}


def sends(books: Books, payment_ids: list[str]) -> int:
    return books.count(
        "processor",
        "SELECT count(*) FROM attempt_log l JOIN attempts a USING (operation_id)"
        " WHERE a.payment_id = ANY(%s) AND l.what = 'sent' AND a.kind = 'capture'",
        payment_ids,
    )


def test_both_away_captures_wait_sales_are_given_up_and_the_backlog_drains_without_a_stampede(
    shop: Shop, beta_shop: Shop, books: Books, lines: Mapping[str, Line]
) -> None:
    shops = {"alpha": shop, "beta": beta_shop}
    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = {name: [clients.submit(held, shops[name]) for _ in range(WAITING)] for name in PATHS}
        holds = {name: [future.result() for future in futures] for name, futures in asked.items()}
        every = [payment_id for ids in holds.values() for payment_id in ids]
        for line in lines.values():
            line.cut()
        away_at = SystemClock().now()

        def capture(name: str, payment_id: str) -> None:
            told = shops[name].post(f"/payments/{payment_id}/capture", {}, wait_s=0)
            assert (told.status, told.document["certainty"]) == (200, "pending"), told

        sales = [each.post("/payments", order(AMOUNT), wait_s=0).document["id"] for each in shops.values()]
        for done in [clients.submit(capture, name, pay) for name, ids in holds.items() for pay in ids]:
            done.result()

    eventually(
        lambda: states(books, sales) == {("authorize", "ABANDONED")},
        timeout_s=DRAINED_S,
        describe=lambda: f"sales that may not wait are given up; they are {states(books, sales)}",
    )
    eventually(
        lambda: (SystemClock().now() - away_at).total_seconds() > OUTAGE_S,
        timeout_s=OUTAGE_S * 2,
        describe="the end of the outage",
    )
    assert states(books, every) <= {("capture", "REQUESTED"), ("capture", "SENT")}, "captures wait"
    tried = sends(books, every)
    assert tried < 2 * len(every), f"probed, not stormed: {tried} sends while nobody was there"

    for line in lines.values():
        line.restore()
    eventually(
        lambda: states(books, every) == {("capture", "SUCCEEDED")},
        timeout_s=DRAINED_S,
        interval_s=0.2,
        describe=lambda: f"the backlog drained; there are {states(books, every)}",
    )

    for name, line in lines.items():
        for second in range(3):
            bound = PROBES * 2 ** (second + 1) + FEED_READERS
            assert line.most_busy[second] <= bound, f"{name} in second {second}: {line.most_busy}"
    assert {tuple(books.charges(payment_id)) for payment_id in every} == {((1, AMOUNT, "EUR"),)}
    for payment_id, own in zip(sales, shops.values(), strict=True):
        payment = own.settled(payment_id)
        assert (payment["status"], payment["last_error"]["code"]) == (
            "REQUIRES_PAYMENT_METHOD", "authorize_abandoned",
        )  # fmt: skip
        assert books.charges(payment_id) == []
