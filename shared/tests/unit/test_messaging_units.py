"""Envelope, routes, partitioner, topics: the small rules of messaging."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from schemas import catalogue
from shared.messaging.broker import Record
from shared.messaging.envelope import UnreadableEnvelope, read_envelope, split_type, write_headers
from shared.messaging.inbox_store import headers_from_json, headers_to_json
from shared.messaging.memory import MemoryBroker
from shared.messaging.partitioner import murmur2
from shared.messaging.routes import Routes, RoutesIncomplete, check_routes, declared_subscription
from shared.messaging.topics import TopicsWrong, check_topics, create_topics, topic_differences
from shared.testing.messaging_bench import SUBSCRIPTION

ROW = {
    "event_id": "evt_1", "event_type": "Moved.v1", "source": "/tieout/bench", "event_time": datetime(2026, 1, 1, tzinfo=UTC),
    "data_schema": "/schemas/x", "cause_id": "evt_0", "stream_version": 7, "subject": "pay_1", "traceparent": None,
}  # fmt: skip


def record(**changes):
    headers = dict(write_headers(ROW))
    headers.update(changes.pop("headers", {}))
    pairs = tuple((name, value) for name, value in headers.items() if value is not None)
    return replace(Record("things.facts", 0, 0, b"pay_1", b"{}", pairs), **changes)


def test_what_is_written_is_read_back():
    envelope = read_envelope(record())
    assert (envelope.event_id, envelope.type_and_version, envelope.stream_version) == ("evt_1", "Moved.v1", 7)
    assert envelope.time == ROW["event_time"]
    assert envelope.cause_id == "evt_0"
    assert envelope.traceparent is None


@pytest.mark.parametrize(
    "broken",
    [
        {"headers": {"ce_id": None}},
        {"headers": {"ce_id": b""}},
        {"headers": {"ce_id": b"\xff"}},
        {"headers": {"ce_id": b"a\x00b"}},
        {"headers": {"ce_id": b"x" * 201}},
        {"headers": {"ce_type": b"Moved"}},
        {"headers": {"ce_type": b".v1"}},
        {"headers": {"ce_type": "Moved.v٣".encode()}},
        {"headers": {"ce_streamversion": b"0"}},
        {"headers": {"ce_streamversion": b"-1"}},
        {"headers": {"ce_streamversion": b"9" * 19}},
        {"headers": {"ce_time": b"yesterday"}},
        {"headers": {"ce_time": b"2026-01-01T00:00:00"}},
        {"headers": {"ce_specversion": b"2.0"}},
        {"key": None},
        {"key": b""},
        {"key": b"\xff"},
        {"key": b"a\x00"},
        {"value": None},
    ],
)
def test_a_record_that_cannot_be_trusted_is_unreadable(broken):
    with pytest.raises(UnreadableEnvelope):
        read_envelope(record(**broken))


def test_a_header_that_stands_twice_is_unreadable():
    good = record()
    with pytest.raises(UnreadableEnvelope, match="twice"):
        read_envelope(replace(good, headers=(*good.headers, ("ce_id", b"evt_2"))))


def test_type_and_version_are_split():
    assert split_type("PaymentCaptured.v12") == ("PaymentCaptured", 12)


@pytest.mark.parametrize("value", [b"plain", b"\xff\x00", b"a\x00b", b"base64:x", "ü".encode(), b""])
def test_any_header_survives_the_database(value):
    assert headers_from_json(headers_to_json([("h", value)])) == (("h", value),)


@pytest.mark.parametrize(
    ("data", "digest"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536),
     (b"a-little-bit-longer-string", -1486304829)],
)  # fmt: skip
def test_murmur2_is_the_java_clients(data, digest):
    assert murmur2(data) == digest & 0xFFFFFFFF


def test_a_missing_and_a_surplus_handler_stop_the_start():
    def handle(_event, _uow):
        pass

    with pytest.raises(RoutesIncomplete, match="without a handler"):
        check_routes(Routes("shelf", {}), SUBSCRIPTION)
    complete = dict.fromkeys(SUBSCRIPTION.handled, handle)
    check_routes(Routes("shelf", complete), SUBSCRIPTION)
    with pytest.raises(RoutesIncomplete, match="not declared"):
        check_routes(Routes("shelf", {**complete, ("things.facts", "Moved", 2): handle}), SUBSCRIPTION)


def test_every_declared_consumer_knows_what_it_does_with_every_type():
    for topic in catalogue.TOPICS.values():
        for consumer in topic.consumers:
            subscription = declared_subscription(consumer)
            declared = {
                route for route in subscription.handled | subscription.ignored if route[0] == topic.name
            }
            assert {f"{name}.v{version}" for _topic, name, version in declared} == set(topic.types)


def test_an_unknown_consumer_does_not_start():
    with pytest.raises(RoutesIncomplete):
        declared_subscription("nobody")


def test_topics_are_created_as_declared_and_differences_are_named():
    broker = MemoryBroker()
    assert {each.what for each in topic_differences(broker)} == {"is missing"}
    create_topics(broker)
    check_topics(broker)
    broker.makes_topics_itself = True
    with pytest.raises(TopicsWrong, match=r"^the cluster has auto.create.topics.enable on: switch it off$"):
        check_topics(broker)
    broker.makes_topics_itself = False
    first = next(iter(catalogue.TOPICS))
    broker._topics[first] = (1, {})
    with pytest.raises(TopicsWrong, match="has 1 partitions, not"):
        check_topics(broker)


@pytest.mark.parametrize("setting", ["cleanup.policy", "retention.ms", "retention.bytes"])
def test_a_topic_that_is_kept_otherwise_is_refused(setting):
    broker = MemoryBroker()
    create_topics(broker)
    name, topic = next(iter(catalogue.TOPICS.items()))
    broker._topics[name] = (topic.partitions, {**topic.kafka_config, setting: "1000"})
    with pytest.raises(TopicsWrong, match=rf"^{name} has {setting}=1000, not "):
        check_topics(broker)
