"""A topic is read to its end, and a refill is whole only where every partition ends with its marker."""

from __future__ import annotations

import pytest

from services.ledger.adapters.topic_records import check_finished, records_of
from shared.messaging.broker import BrokerError
from shared.messaging.envelope import CE_TYPE, REFILL_MARKER
from shared.messaging.memory import MemoryBroker

TOPIC = "things.refill.ledger"
EVENT = (b"event", b"{}", [(CE_TYPE, b"Moved.v1")])
OTHER = (b"event", b"{}", [(CE_TYPE, b"Noted.v1")])
MARKER = (b"marker", b"", [(REFILL_MARKER, b"things")])


def holding(*partitions):
    """A broker whose partitions hold these records."""
    broker = MemoryBroker()
    broker.ensure_topic(TOPIC, partitions=len(partitions), settings={})
    producer = broker.make_producer()
    for number, records in enumerate(partitions):
        for key, value, headers in records:
            producer.produce(
                TOPIC, key=key, value=value, headers=headers, partition=number, on_delivery=lambda _: None
            )
    producer.flush(1)
    return broker


def test_only_the_wanted_types_are_read():
    broker = holding([EVENT, OTHER, MARKER], [], [OTHER, EVENT])
    assert [(r.partition, r.offset) for r in records_of(broker, TOPIC, ["Moved.v1"])] == [(0, 0), (2, 1)]
    assert list(records_of(holding([], []), TOPIC, ["Moved.v1"])) == []


@pytest.mark.parametrize(
    "partitions", [[[MARKER], [EVENT, MARKER]], [[EVENT, MARKER, EVENT, MARKER], [MARKER, MARKER]]]
)
def test_a_refill_with_its_markers_is_whole(partitions):
    check_finished(holding(*partitions), TOPIC)


@pytest.mark.parametrize(
    "partitions",
    [[[MARKER], [EVENT]], [[MARKER], []], [[EVENT, MARKER, EVENT], [MARKER]], [[], []]],
    ids=["no marker behind events", "nothing at all in one", "begun a second time", "not begun"],
)
def test_a_refill_without_one_is_refused(partitions):
    with pytest.raises(BrokerError, match=f"{TOPIC}: the refill is not finished"):
        check_finished(holding(*partitions), TOPIC)
