"""What people do to topics and groups by mistake, and make good soon: rare, never two kinds of it in one world.

Drawn by a chance of its own, so that a world without any is to the letter what it was before there were mishaps. In a
world with skipped offsets a stream comes with a gap; in one with a restored producer, another event comes under a
version that was told before.
"""

import asyncio
import contextvars
import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from shared.kernel.ids import UlidIds
from shared.messaging.broker import Partition, Record
from shared.messaging.memory_producer import Queued
from tools.auditor.topics import subscribed

if TYPE_CHECKING:
    from tests.simulation.world import World

Rows = Callable[..., list[tuple[Any, ...]]]
SKIPPED = "offsets_skipped"
"""A consumer's offset is moved past a record that nobody has read, and moved back before long."""
REUSED = "version_reused"
"""A producer that was restored from a backup tells another event under a version that it told before."""
KINDS = (SKIPPED, REUSED)
WORLDS = (*KINDS, *(None,) * 6)
LIKELIHOOD = 0.06
"""Of a mishap at a record that is written, in a world that has such mishaps."""
IN_ONE_WORLD_MAX = 3
MADE_GOOD_S = (1.0, 12.0)
TOLD_AGAIN_S_MAX = 0.5
"""Soon, so that nothing later of the stream has come and the version is the last one that was applied."""


class Mishaps:
    """Those of one world. ``strangers`` are the events that no outbox has, with their topics."""

    def __init__(self, world: "World", chance: random.Random) -> None:
        self._world = world
        self._chance = chance
        self._ids = UlidIds(world.clock, chance.randbytes)
        self._left = IN_ONE_WORLD_MAX
        self.kind = chance.choice(WORLDS)
        self.strangers: dict[str, str] = {}

    def written(self, record: Record) -> None:
        """A record of ours has come into its topic: perhaps that is when it happens."""
        if (
            self.kind is None
            or not self._left
            or not self._world.faults.raging
            or record.topic not in _readers()
        ):
            return
        if event_id_of(record) in self.strangers or self._chance.random() >= LIKELIHOOD:
            return
        self._left -= 1
        if self.kind == SKIPPED:
            self._skip(record)
        else:
            self._later(self._chance.uniform(0.0, TOLD_AGAIN_S_MAX), self._tell_again, record)

    def _skip(self, record: Record) -> None:
        group, broker = self._chance.choice(_readers()[record.topic]), self._world.broker
        came_to = broker.group(group).committed.get(record.at, 0)
        broker.move_offset(group, record.at, record.offset + 1)
        self._world.history.tell(group, f"fault:{SKIPPED}", at=f"{record.topic}/{record.partition}")
        self._later(self._chance.uniform(*MADE_GOOD_S), self._step_back, group, record.at, came_to)

    def _step_back(self, group: str, at: Partition, came_to: int) -> None:
        broker = self._world.broker
        broker.move_offset(group, at, min(came_to, broker.group(group).committed.get(at, 0)))

    def _tell_again(self, record: Record) -> None:
        other = self._ids.new("evt_")
        headers = tuple((name, other.encode() if name == "ce_id" else text) for name, text in record.headers)
        self.strangers[other] = record.topic
        self._world.history.tell("broker", f"fault:{REUSED}", of=event_id_of(record))
        again = Queued(record.at, record.key or b"", record.value or b"", headers, lambda _failure: None)
        self._world.broker.append(again, 0.0)

    def _later(self, delay_s: float, work: Any, *arguments: Any) -> None:
        # In nobody's process: whoever wrote the record may die, this goes on.
        asyncio.get_running_loop().call_later(delay_s, work, *arguments, context=contextvars.Context())

    def not_met(self, rows: Rows) -> Iterator[str]:
        """Who has still to read which stranger."""
        met = "SELECT event_id FROM inbox UNION SELECT event_id FROM quarantined_records"
        for consumer, event_id in sorted(self._awaited() - _found(self._awaited(), rows, met)):
            yield f"{consumer}: has not read {event_id}"

    def not_put_aside(self, rows: Rows) -> Iterator[str]:
        """Who did something else with a stranger than to put it aside for its version."""
        aside = "SELECT event_id FROM quarantined_records WHERE reason = 'version_conflict'"
        for consumer, event_id in sorted(self._awaited() - _found(self._awaited(), rows, aside)):
            yield f"{consumer} did not put {event_id} aside"

    def _awaited(self) -> set[tuple[str, str]]:
        return {
            (consumer, event_id)
            for event_id, topic in self.strangers.items()
            for consumer in _readers()[topic]
        }


def _found(awaited: set[tuple[str, str]], rows: Rows, query: str) -> set[tuple[str, str]]:
    consumers = {consumer for consumer, _ in awaited}
    return {(consumer, event_id) for consumer in consumers for (event_id,) in rows(consumer, query)}


def event_id_of(record: Record) -> str:
    """The id under which a record was told."""
    return dict(record.headers)["ce_id"].decode()


@cache
def _readers() -> dict[str, list[str]]:
    """Who consumes each topic that has an order."""
    by_consumer, versioned = subscribed()
    return {
        topic: sorted(consumer for consumer, read in by_consumer if read == topic)
        for topic in sorted(versioned)
        if any(read == topic for _, read in by_consumer)
    }
