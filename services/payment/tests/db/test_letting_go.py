"""Two people drop a record that cannot be applied: reconciliation, which asked by it, is answered that nothing is returned."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from schemas.catalogue import TOPICS, encode
from services.payment.entrypoints.consumer import ROUTES
from services.payment.tests.db.scenes import astray, told
from services.payment.tests.db.shop import Shop
from services.payment.tests.db.test_returns_proposed import answers, outcomes, proposed
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.envelope import write_headers
from shared.messaging.memory import MemoryBroker
from shared.runtime.operations import Act

TOPIC = "reconciliation.events"


def park(shop: Shop, payment_id: str) -> str:
    """One person alone proposed and approved the return: the payment's key waits for people; the event's id."""
    broker, event_id = MemoryBroker(), UlidIds().new("evt_")
    for topic in TOPICS.values():
        broker.ensure_topic(topic.name, partitions=1, settings={})
    loop = ConsumerLoop(broker, shop.transactions, ROUTES, clock=SystemClock(), jitter=Jitter())
    consumer, producer = broker.make_consumer("payment"), broker.make_producer()
    consumer.subscribe([TOPIC], on_assign=lambda _: None, on_revoke=lambda _: None, on_lost=lambda _: None)
    said = encode(TOPIC, proposed(payment_id, approved_by="ada"))
    row = {
        "event_id": event_id, "event_type": said.event_type, "topic": TOPIC, "source": "/tieout/reconciliation",
        "event_time": datetime.now(UTC), "data_schema": said.data_schema, "cause_id": "cause", "stream_version": 1,
        "subject": None, "traceparent": None, "key": payment_id, "payload": said.payload,
        "sha256": hashlib.sha256(said.payload).digest(),
    }  # fmt: skip
    producer.produce(
        TOPIC,
        key=payment_id.encode(),
        value=said.payload,
        headers=write_headers(row),
        on_delivery=lambda _: None,
    )
    assert producer.flush(30) == 0
    while loop.turn(consumer, 0.05) or loop.turn(consumer, 0.05):
        pass
    assert shop.rows("SELECT key, reason FROM parked_keys") == [(payment_id, "poison")]
    return event_id


def test_a_skip_of_what_asked_for_a_return_answers_once_as_it_is_approved(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    event_id = park(shop, payment_id)
    operations = shop.parts.common.operations()
    dora, eve = (Act(actor=name, reason="nobody could read it", role="approver") for name in ("dora", "eve"))
    operations.propose_skip(TOPIC, payment_id, 1, dora)
    assert answers(shop) == []
    for _ in range(2):
        operations.approve_skip(TOPIC, payment_id, 1, eve)
    (answer,) = told(shop, "StrayReturnAnswered.v1")
    assert (answer["outcome"], answer["reason"], answer["proposal_event_id"]) == (
        "refused",
        "discarded",
        event_id,
    )
    assert told(shop, "StrayReturnRequested.v1") == []
    assert outcomes(shop) == ["discarded"]
