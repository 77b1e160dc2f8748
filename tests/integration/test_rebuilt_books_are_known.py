"""Books are lost and rebuilt from the archive, over a real broker: who had heard the old ones hears the new ones go on.

Reconciliation has read the ledger's streams to their ends. A rebuild that told the same journals anew would stand in
places that it has passed, and under other ids every journal would count twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from functools import partial

import pytest

from services.ledger.tests import report
from services.ledger.tests.db import adjusting
from services.ledger.tests.db.adjusting import MERCHANT
from services.ledger.tests.db.rebuilding import Books, refill
from services.ledger.tests.payloads import Payment
from services.ledger.tests.streams import TOPICS_READ, Stream
from services.reconciliation.entrypoints.consumer import ROUTES as RECONCILIATION_ROUTES
from services.reconciliation.tests.db.conftest import Desk
from shared.kernel.clock import SystemClock
from shared.kernel.jitter import Jitter
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.kafka import KafkaBroker
from shared.messaging.refill import RefillWriter
from shared.messaging.relay import Relay
from shared.persistence.engine import make_engine
from shared.runtime.operator_tokens import OperatorRole
from shared.testing.waiting import eventually

TOPIC = "ledger.events"
HEARD = (
    "SELECT journal_id, rule, fact_key, cause_event_id, amount_minor FROM journal_facts ORDER BY journal_id"
)
BOOKED = "SELECT journal_id, rule, fact_key, cause_event_id, amount_minor FROM journals ORDER BY journal_id"
UNSENT = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"


@pytest.fixture
def broker(kafka_bootstrap, topic_prefix):
    made = KafkaBroker(kafka_bootstrap, topic_prefix=topic_prefix)
    for topic in (TOPIC, *TOPICS_READ):
        made.ensure_topic(topic, partitions=2, settings={})
    return made


@pytest.fixture
def live(service_database):
    books = Books(service_database("ledger"))
    yield books
    books.dispose()


@pytest.fixture
def new_urls(service_database):
    return service_database("ledger")


@pytest.fixture
def rebuilt(new_urls):
    books = Books(new_urls)
    yield books
    books.dispose()


@pytest.fixture
def rebuild(new_urls, kafka_bootstrap, topic_prefix, operators):
    """The operator's command, in a process of its own; what it prints."""
    settings = {
        "LEDGER_DATABASE_URL": new_urls.app,
        "LEDGER_OWNER_DATABASE_URL": new_urls.owner,
        "LEDGER_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "LEDGER_KAFKA_TOPIC_PREFIX": topic_prefix,
        "LEDGER_OPERATOR_PUBLIC_KEY": operators.public_key,
    }
    said = ("--token-file", operators("ada", OperatorRole.ADMIN), "--reason", "lost")

    def run(*options):
        words = ["services.ledger.entrypoints.cli", "rebuild", *said, *options]
        done = subprocess.run(
            [sys.executable, "-m", *words], env={**os.environ, **settings}, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def desk(service_database):
    urls = service_database("reconciliation")
    engine = make_engine(urls.app, application_name="reconciliation-test", pool_size=4)
    yield Desk(engine)
    engine.dispose()


class Listening:
    """Reconciliation's member that reads what the ledger tells."""

    def __init__(self, desk, broker):
        self.desk = desk
        self.loop = ConsumerLoop(
            broker, desk.transactions, RECONCILIATION_ROUTES, clock=SystemClock(), jitter=Jitter(), topics=[TOPIC]
        )  # fmt: skip
        self.consumer = broker.make_consumer("reconciliation")
        ignore = {"on_assign": _ignore, "on_revoke": _ignore, "on_lost": _ignore}
        self.consumer.subscribe([TOPIC], **ignore)

    def hear(self, journals):
        """Read until so many journals are known."""

        def heard():
            self.loop.turn(self.consumer, 0.1)
            return len(self.desk.rows(HEARD)) >= journals

        eventually(heard, timeout_s=60, describe=lambda: f"{journals} journals: {self.desk.rows(HEARD)}")

    def refused(self):
        """What stands in a place that was passed, and what waits for a place that nobody took."""
        return self.desk.rows(
            "SELECT reason, key FROM quarantined_records UNION ALL SELECT reason, key FROM parked_keys"
        )


@contextmanager
def relay_of(books, broker):
    """A relay that is turned when it is called, until nothing is unsent."""
    relay = Relay(
        books.relay, broker, owner_id="r", clock=SystemClock(), jitter=Jitter(), listen_channel=None,
        lease_ttl_s=600,
    )  # fmt: skip

    def turn():
        relay.turn(0)
        return books.rows(UNSENT) == [(0,)]

    yield partial(eventually, turn, timeout_s=60)
    relay.abandon()


def consume(stream, books, journals):
    def booked():
        stream.drain()
        return len(books.rows(BOOKED)) >= journals

    eventually(booked, timeout_s=60)


def test_reconciliation_hears_rebuilt_books_go_on_where_the_old_ones_ended(
    broker, live, rebuilt, desk, rebuild, tmp_path
):
    stream, payments = Stream(live, broker), [Payment(number) for number in (1, 2)]
    listening = Listening(desk, broker)
    for payment in payments:
        stream.publish(payment.captured(10_000, 300), payment.refund_requested(500))
    stream.publish(report.on_stream(report.accepted("1", "charge", 9_000)))
    consume(stream, live, 5)
    adjusting.book(live, "merchant_credit", 700, merchant_id=MERCHANT)
    with relay_of(live, broker) as send:
        send()
    listening.hear(6)
    # The old books have said this, and their relay has not sent it.
    adjusting.book(live, "merchant_credit", 800, merchant_id=MERCHANT)
    stream.consumer.close()

    RefillWriter(live.owner, broker, tmp_path).write(TOPIC, "ledger")
    for topic in ("payment.events", "reconciliation.events"):
        refill(stream, topic)
    found = json.loads(rebuild("--json"))
    assert (found["decisions"]["restored"], found["different"]["count"], found["parked_keys"]) == (2, 0, 0)

    with relay_of(rebuilt, broker) as send:
        send()
        listening.hear(7)
        stream.follow(rebuilt)
        stream.publish(payments[0].refund_succeeded(500))
        consume(stream, rebuilt, 8)
        send()
        listening.hear(8)
    assert listening.refused() == []
    assert desk.rows(HEARD) == rebuilt.rows(BOOKED)
    stream.consumer.close()
    listening.consumer.close()


def _ignore(_partitions):
    """Nothing is in flight between turns."""
