"""Risk behind the real consumer: from records of payment.events to decisions, copies and poison included."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from schemas.catalogue import TOPICS, encode
from schemas.generated import OperationRequestedV1, PaymentCanceledV1
from services.risk.entrypoints.consumer import ROUTES, TOPIC
from services.risk.tests.attempts import MERCHANT
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.envelope import write_headers
from shared.messaging.memory import MemoryBroker

pytestmark = pytest.mark.db


class Stream:
    """Publishes payment events as the payment service's relay would, and lets risk consume them."""

    def __init__(self, desk):
        self.broker = MemoryBroker()
        for topic in TOPICS.values():
            self.broker.ensure_topic(topic.name, partitions=topic.partitions, settings={})
        self.ids = UlidIds()
        self.versions = {}
        self.sent = []
        self.loop = ConsumerLoop(self.broker, desk.transactions, ROUTES, clock=SystemClock(), jitter=Jitter())
        self.consumer = self.broker.make_consumer("risk")
        self.consumer.subscribe(
            [TOPIC], on_assign=lambda _: None, on_revoke=lambda _: None, on_lost=lambda _: None
        )

    def requested(self, operation_type="sale", **changes):
        asked = {
            "payment_id": self.ids.new("pay_"), "merchant_id": MERCHANT, "operation_id": self.ids.new("op_"),
            "operation_type": operation_type, "currency": "EUR", "amount_minor": 1_000, "payment_version": 4,
            "customer": "cus_1", "payment_method": "pm_1", "decide_by_at": datetime.now(UTC) + timedelta(seconds=1),
        }  # fmt: skip
        return OperationRequestedV1(**(asked | changes))

    def publish(self, *payloads):
        for data in payloads:
            version = self.versions[data.payment_id] = self.versions.get(data.payment_id, 0) + 1
            encoded = encode(TOPIC, data)
            self.sent.append(
                {
                    "event_id": self.ids.new("evt_"), "event_type": encoded.event_type, "source": "/tieout/payment",
                    "event_time": datetime.now(UTC), "data_schema": encoded.data_schema, "cause_id": "cause",
                    "stream_version": version, "subject": None, "traceparent": None, "key": data.payment_id,
                    "payload": encoded.payload, "sha256": hashlib.sha256(encoded.payload).digest(),
                }
            )  # fmt: skip
            self.send(self.sent[-1])

    def send(self, row):
        producer = self.broker.make_producer()
        producer.produce(
            TOPIC, key=row["key"].encode(), value=row["payload"], headers=write_headers(row), on_delivery=lambda _: None
        )  # fmt: skip
        producer.flush(1)

    def drain(self):
        while self.loop.turn(self.consumer, 0.05) or self.loop.turn(self.consumer, 0.05):
            pass


@pytest.fixture
def stream(desk):
    return Stream(desk)


def test_a_decision_is_told_in_the_transaction_that_claims_its_question(desk, stream):
    asked = stream.requested()
    stream.publish(asked)
    stream.drain()
    ((key, payload),) = desk.rows("SELECT key, payload FROM outbox WHERE topic = 'risk.events'")
    said = orjson.loads(payload)
    assert (key, said["operation_id"], said["payment_version"]) == (asked.payment_id, asked.operation_id, 4)
    assert (said["decision"], said["reasons"], said["rule_set_version"]) == ("allow", [], 1)
    assert desk.rows("SELECT outcome FROM inbox") == [("applied",)]


def test_records_delivered_again_count_and_decide_nothing(desk, stream):
    desk.put_in_force(
        velocity=[
            {"name": "often", "subject": "customer", "window_s": 60, "max_count": 3, "decision": "block"}
        ]
    )
    stream.publish(stream.requested(), stream.requested())
    stream.drain()
    for row in stream.sent * 3:
        stream.send(row)
    stream.drain()
    stream.publish(stream.requested(), stream.requested())
    stream.drain()
    assert desk.rows("SELECT decision FROM decisions ORDER BY decision") == [
        ("allow",), ("allow",), ("allow",), ("block",),
    ]  # fmt: skip
    assert desk.rows("SELECT count(*) FROM attempts") == [(4,)]


def test_what_the_rules_do_not_speak_of_is_taken_in_and_left_alone(desk, stream):
    refund = stream.requested("refund")
    unasked = stream.requested(decide_by_at=None)
    stream.publish(refund, stream.requested("cancel", amount_minor=None), unasked)
    stream.publish(PaymentCanceledV1(payment_id=unasked.payment_id, merchant_id=MERCHANT, reason="merchant"))
    stream.drain()
    assert desk.rows("SELECT operation_id FROM attempts") == [(unasked.operation_id,)]
    assert desk.rows("SELECT count(*) FROM decisions") == [(0,)]
    assert desk.rows("SELECT outcome, count(*) FROM inbox GROUP BY 1 ORDER BY 1") == [
        ("applied", 3), ("ignored", 1),
    ]  # fmt: skip


def test_a_late_capture_is_judged_by_limits_and_lists_and_is_no_attempt(desk, stream):
    desk.put_in_force(blocked={"customers": [{"merchant": MERCHANT, "customer": "cus_1"}]})
    stream.publish(stream.requested("capture", payment_method=None))
    stream.drain()
    assert desk.rows("SELECT operation_type, decision, reasons FROM decisions") == [
        ("capture", "block", ["blocked:customer"])
    ]
    assert desk.rows("SELECT count(*) FROM attempts") == [(0,)]
