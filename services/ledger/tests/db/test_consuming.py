"""The ledger behind the real consumer: from records of payment.events to journals, offsets and dead letters."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from schemas.catalogue import TOPICS, encode
from services.ledger.entrypoints.consumer import ROUTES, TOPIC
from services.ledger.tests.payloads import Payment
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.envelope import write_headers
from shared.messaging.memory import MemoryBroker


class Stream:
    """Publishes payment events as the payment service's relay would, and lets the ledger consume them."""

    def __init__(self, ledger):
        self.broker = MemoryBroker()
        for topic in TOPICS.values():
            self.broker.ensure_topic(topic.name, partitions=topic.partitions, settings={})
        self.ids = UlidIds()
        self.versions = {}
        self.sent = []
        self.loop = ConsumerLoop(
            self.broker, ledger.transactions, ROUTES, clock=SystemClock(), jitter=Jitter()
        )
        self.consumer = self.broker.make_consumer("ledger")
        self.consumer.subscribe(
            [TOPIC], on_assign=lambda _: None, on_revoke=lambda _: None, on_lost=lambda _: None
        )

    def publish(self, *payloads):
        for data in payloads:
            version = self.versions[data.payment_id] = self.versions.get(data.payment_id, 0) + 1
            encoded = encode(TOPIC, data)
            self.sent.append(
                {
                    "event_id": self.ids.new("evt_"),
                    "event_type": encoded.event_type,
                    "source": "/tieout/payment",
                    "event_time": datetime.now(UTC),
                    "data_schema": encoded.data_schema,
                    "cause_id": "cause",
                    "stream_version": version,
                    "subject": None,
                    "traceparent": None,
                    "key": data.payment_id,
                    "payload": encoded.payload,
                    "sha256": hashlib.sha256(encoded.payload).digest(),
                }
            )
            self.send(self.sent[-1])

    def send(self, row):
        producer = self.broker.make_producer()
        producer.produce(
            TOPIC,
            key=row["key"].encode(),
            value=row["payload"],
            headers=write_headers(row),
            on_delivery=lambda _: None,
        )
        producer.flush(1)

    def drain(self):
        while self.loop.turn(self.consumer, 0.05) or self.loop.turn(self.consumer, 0.05):
            pass


@pytest.fixture
def stream(ledger):
    return Stream(ledger)


def test_payment_events_become_journals_in_the_transaction_that_claims_them(ledger, stream):
    payment = Payment(1)
    stream.publish(payment.uncertain(10_000, "none"), payment.captured(10_000, 300))
    stream.drain()
    assert [v.rule for v in ledger.reader.journals_of_payment(payment.payment_id, None)] == ["capture"]
    assert ledger.rows("SELECT outcome, count(*) FROM inbox GROUP BY outcome") == [("applied", 2)]


def test_records_delivered_again_change_nothing(ledger, stream):
    payments = [Payment(number) for number in range(20)]
    for payment in payments:
        stream.publish(payment.captured(1_000), payment.refund_requested(400), payment.refund_succeeded(400))
    stream.drain()
    balances = ledger.balances()
    journals = ledger.rows("SELECT count(*) FROM journals")
    for row in stream.sent:
        stream.send(row)
    stream.drain()
    assert (ledger.balances(), ledger.rows("SELECT count(*) FROM journals")) == (balances, journals)
    assert journals == [(60,)]


def test_a_contradiction_parks_its_payment_and_no_other(ledger, stream):
    odd, even = Payment(1), Payment(2)
    stream.publish(odd.captured(1_000), odd.captured(999), odd.refund_requested(5), even.captured(70))
    stream.drain()
    assert ledger.rows("SELECT key, reason FROM parked_keys") == [(odd.payment_id, "poison")]
    assert ledger.balances()["processor_receivable", "alpha:acct_alpha", "EUR"] == 1_070
    assert ledger.rows("SELECT event_type FROM outbox WHERE topic LIKE '%dlq%'") == [("DeadLettered.v1",)]
    assert ledger.reader.trial_balance().balanced
