"""Mishaps strike where they should, are made good, and what they lead to is judged."""

import asyncio
import random
from types import SimpleNamespace

import pytest

from shared.messaging.memory import MemoryBroker
from shared.testing.virtual_clock import VirtualClock
from tests.simulation.answers import wrong_answers
from tests.simulation.history import History
from tests.simulation.mishaps import MADE_GOOD_S, REUSED, SKIPPED, WORLDS, Mishaps, event_id_of
from tests.simulation.virtual_loop import VirtualLoop

TOPIC = "risk.events"
READER = "payment"
"""The only one that reads it."""


class Small:
    """A world of one topic, in which every record meets a mishap."""

    def __init__(self, kind, monkeypatch):
        monkeypatch.setattr("tests.simulation.mishaps.LIKELIHOOD", 1.0)
        seed = next(n for n in range(100) if random.Random(n).choice(WORLDS) == kind)
        self.clock = VirtualClock()
        self.history = History(self.clock)
        self.faults = SimpleNamespace(raging=True)
        self.broker = MemoryBroker(
            default_partitions=1, clock=self.clock, on_record=lambda record, _: self.mishaps.written(record)
        )
        self.mishaps = Mishaps(self, random.Random(seed))
        self.consumer = self.broker.make_consumer(READER)
        self.consumer.subscribe([TOPIC], on_assign=len, on_revoke=len, on_lost=len)
        self.producer = self.broker.make_producer()

    def read(self):
        """What the member reads now; whoever was thrown out comes back with its second poll."""
        return [event_id_of(record) for _ in range(3) for record in self.consumer.poll_batch(10, 0)]

    def tell(self, event_id):
        headers = (("ce_id", event_id.encode()), ("ce_streamversion", b"1"))
        self.producer.produce(TOPIC, key=b"pay_1", value=b"{}", headers=headers, on_delivery=lambda _: None)
        self.producer.poll(0)

    def play(self, course):
        loop = VirtualLoop(self.clock, lambda: 0.0)
        try:
            loop.run_until_complete(course())
        finally:
            loop.close()


def test_a_skipped_offset_leaves_a_gap_that_is_made_good(monkeypatch):
    world = Small(SKIPPED, monkeypatch)

    async def course():
        world.read()
        world.tell("evt_1")
        world.consumer.commit({})
        assert world.consumer.commit_failures() == ["the member was evicted"]  # and not yet back
        assert world.read() == []
        world.faults.raging = False
        world.tell("evt_2")
        assert world.read() == ["evt_2"]
        await asyncio.sleep(max(MADE_GOOD_S))
        assert world.read() == ["evt_1", "evt_2"]

    world.play(course)
    assert world.history.counts[f"fault:{SKIPPED}"] == 1


def test_a_restored_producer_tells_another_event_under_the_same_version(monkeypatch):
    world = Small(REUSED, monkeypatch)

    async def course():
        world.tell("evt_1")
        await asyncio.sleep(1.0)

    world.play(course)
    first, other = world.broker.records(TOPIC)
    assert event_id_of(first) == "evt_1" != event_id_of(other)
    assert [name for name, _ in first.headers] == [name for name, _ in other.headers]
    assert world.mishaps.strangers == {event_id_of(other): TOPIC}

    def nothing(_consumer, _query):
        return []

    def applied(_consumer, query):
        return [(event_id_of(other),)] if "inbox" in query else []

    assert list(world.mishaps.not_met(nothing)) == [f"{READER}: has not read {event_id_of(other)}"]
    assert list(world.mishaps.not_met(applied)) == []
    assert list(world.mishaps.not_put_aside(applied)) == [f"{READER} did not put {event_id_of(other)} aside"]


def test_a_world_without_mishaps_has_none(monkeypatch):
    world = Small(None, monkeypatch)
    world.tell("evt_1")
    assert [event_id_of(record) for record in world.broker.records(TOPIC)] == ["evt_1"]
    assert not world.history.lines


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (("op_1", 1, 1, 1, 0), None),
        (("op_1", 2, 0, 0, 1), None),
        (("op_1", 3, 1, 0, 0), None),
        (("op_1", 2, 0, 1, 0), "op_1 was answered under lease 2, which had sent nothing"),
        (("op_1", 2, 1, 0, 1), "op_1 was looked up under lease 2, which had sent"),
        (("op_1", 2, 0, 0, 2), "op_1 got 2 answers under lease 2"),
    ],
)
def test_an_answer_counts_only_under_the_lease_that_asked(line, told):
    by_lease = lambda query: [line] if "GROUP BY" in query else []  # noqa: E731 - of two queries the one
    assert list(wrong_answers(by_lease)) == ([] if told is None else [told])


def test_what_was_sent_is_not_taken_for_never_sent():
    sent_first = lambda query: [] if "GROUP BY" in query else [("op_1",)]  # noqa: E731 - of two queries the other
    assert list(wrong_answers(sent_first)) == ["op_1 was sent, and a look-up took it for never sent"]
