"""The inbox rules own what becomes of every record of a batch. Pure: no clock, no I/O, no SQL.

``Planner`` takes records in the order of their arrival and knows the stored state of their streams; what it decides
is written by ``inbox_store`` in the same transaction as the effects.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from shared.messaging.broker import Record
from shared.messaging.envelope import Event

GAP: Final = "gap"
POISON: Final = "poison"


class Stream(NamedTuple):
    """What a version counts in, on the consumer's side."""

    topic: str
    key: str


class Verdict(Enum):
    """What becomes of one record."""

    APPLY = "apply"
    DUPLICATE = "duplicate"
    PAYLOAD_MISMATCH = "payload_mismatch"
    VERSION_CONFLICT = "version_conflict"
    GAP = "gap"
    QUEUE = "queue"
    POISON = "poison"


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One record with a readable envelope. ``event`` is None where ``problem`` says why it can never be applied."""

    record: Record
    event_id: str
    stream: Stream
    stream_version: int | None
    time: datetime
    payload_sha256: bytes
    event: Event | None
    problem: str | None = None
    queued: bool = False


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked key: why, and the version it waits for (None on topics without order)."""

    reason: str
    next_version: int | None
    detail: str


@dataclass(slots=True)
class InboxState:
    """What the consumer's database says about the streams and event ids of a batch."""

    versions: dict[Stream, int] = field(default_factory=dict)
    written: dict[Stream, int] = field(default_factory=dict)
    """What the rows of new streams say already, within this transaction."""
    hashes: dict[str, bytes] = field(default_factory=dict)
    queued_hashes: dict[str, bytes] = field(default_factory=dict)
    parked: dict[Stream, Parked] = field(default_factory=dict)
    queues: dict[Stream, list[Arrival]] = field(default_factory=dict)
    horizon: datetime | None = None


class Step(msgspec.Struct, frozen=True, gc=False):
    """One decision, in the order in which it was taken."""

    arrival: Arrival
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a transaction has to do for a batch."""

    steps: tuple[Step, ...]
    versions: Mapping[Stream, int]
    parked: Mapping[Stream, Parked]
    unparked: frozenset[Stream]
    enqueued: tuple[Arrival, ...]
    dequeued: tuple[str, ...]
    dead_letters: tuple[Step, ...]
    undrained: frozenset[Stream]

    def with_verdict(self, verdict: Verdict) -> list[Step]:
        return [step for step in self.steps if step.verdict is verdict]


class Planner:
    """Takes arrivals one after the other and keeps the state that the next one is judged by."""

    def __init__(
        self,
        state: InboxState,
        *,
        versioned: Mapping[str, bool],
        poisoned: Mapping[str, str] | None = None,
        drain_max: int | None = None,
    ) -> None:
        """``drain_max`` bounds how many queued records are applied, so that one of them can be blamed."""
        self._before = replace(state, parked=dict(state.parked), versions=dict(state.versions))
        self._versions = dict(state.versions)
        self._hashes = dict(state.hashes)
        self._queued_hashes = dict(state.queued_hashes)
        self._parked = dict(state.parked)
        self._queues = {stream: list(queue) for stream, queue in state.queues.items()}
        self._versioned = versioned
        self._poisoned = poisoned or {}
        self._steps: list[Step] = []
        self._dead: list[Step] = []
        self._dequeued: list[str] = []
        self._held: dict[str, Arrival] = {}
        self._drain_room = drain_max
        self._undrained: set[Stream] = set()

    def take_all(self, arrivals: Iterable[Arrival]) -> "Planner":
        for arrival in arrivals:
            self.take(arrival)
        return self

    def take(self, arrival: Arrival) -> None:
        """Judge one record: inbox first, then version, before anybody looks at its type."""
        for hashes in (self._hashes, self._queued_hashes):
            known = hashes.get(arrival.event_id)
            if known is not None:
                same = known == arrival.payload_sha256
                self._step(arrival, Verdict.DUPLICATE if same else Verdict.PAYLOAD_MISMATCH)
                return
        if self._versioned[arrival.stream.topic]:
            self._take_versioned(arrival)
        else:
            self._apply_or_park(arrival)

    def _take_versioned(self, arrival: Arrival) -> None:
        stream, version = arrival.stream, _version(arrival)
        last = self._versions.get(stream, 0)
        parked = self._parked.get(stream)
        if version <= last:
            self._step(arrival, self._late(arrival))
        elif parked is not None and (parked.reason == POISON or version > last + 1):
            self._enqueue(arrival, Verdict.QUEUE)
        elif version > last + 1:
            self._parked[stream] = Parked(GAP, last + 1, f"version {version} came before {last + 1}")
            self._enqueue(arrival, Verdict.GAP)
        else:
            self._apply_or_park(arrival)
            if parked is not None and self._versions.get(stream, 0) == version:
                self._drain(stream)  # the gap is closed: what waited behind it goes on

    def redrive(self, stream: Stream) -> None:
        """Try a parked key again, in order; it stays parked where it still cannot go on."""
        if stream not in self._parked:
            return
        if self._versioned[stream.topic]:
            self._drain(stream)
            return
        for arrival in list(self._queues.get(stream, ())):
            if self._reason(arrival) is None:
                if not self._may_drain(stream):
                    break
                self._apply(arrival)
                self._dequeue(arrival)
        if not self._queues.get(stream):
            self._parked.pop(stream, None)

    def _drain(self, stream: Stream) -> None:
        queue = sorted(self._queues.get(stream, ()), key=_version)
        while queue:
            head, last = queue[0], self._versions.get(stream, 0)
            version = _version(head)
            if version > last + 1:
                self._parked[stream] = Parked(GAP, last + 1, f"version {version} came before {last + 1}")
                return
            if version <= last:
                self._step(head, self._late(head))
                self._dequeue(head)
            elif self._reason(head) is None:
                if not self._may_drain(stream):
                    self._parked[stream] = Parked(GAP, version, "the queue is drained one by one")
                    return
                self._apply(head)
                self._dequeue(head)
            else:
                self._poison(head)
                return
            queue.pop(0)
        self._parked.pop(stream, None)

    def _may_drain(self, stream: Stream) -> bool:
        if self._drain_room is None:
            return True
        self._drain_room -= 1
        if self._drain_room >= 0:
            return True
        self._undrained.add(stream)
        return False

    def _late(self, arrival: Arrival) -> Verdict:
        known = self._hashes.get(arrival.event_id)
        if known is not None:
            return Verdict.DUPLICATE if known == arrival.payload_sha256 else Verdict.PAYLOAD_MISMATCH
        horizon = self._before.horizon
        if horizon is not None and arrival.time < horizon:
            return Verdict.DUPLICATE
        return Verdict.VERSION_CONFLICT

    def _reason(self, arrival: Arrival) -> str | None:
        return arrival.problem or self._poisoned.get(arrival.event_id)

    def _apply_or_park(self, arrival: Arrival) -> None:
        if self._reason(arrival) is None:
            self._apply(arrival)
        else:
            self._poison(arrival)

    def _apply(self, arrival: Arrival) -> None:
        self._hashes[arrival.event_id] = arrival.payload_sha256
        if arrival.stream_version is not None and self._versioned[arrival.stream.topic]:
            self._versions[arrival.stream] = arrival.stream_version
        self._step(arrival, Verdict.APPLY)

    def _poison(self, arrival: Arrival) -> None:
        reason = self._reason(arrival) or ""
        versioned = self._versioned[arrival.stream.topic]
        parked = Parked(POISON, arrival.stream_version if versioned else None, reason)
        before = self._before.parked.get(arrival.stream)
        told = before is not None and before.reason == POISON and before.next_version == parked.next_version
        self._parked[arrival.stream] = parked
        step = Step(arrival, Verdict.POISON, reason)
        self._steps.append(step)
        if not (arrival.queued and told):  # a redrive that fails again is no second dead letter
            self._dead.append(step)
        if arrival.event_id not in self._queued_hashes:
            self._hold(arrival)

    def _enqueue(self, arrival: Arrival, verdict: Verdict) -> None:
        self._step(arrival, verdict)
        self._hold(arrival)

    def _hold(self, arrival: Arrival) -> None:
        self._queued_hashes[arrival.event_id] = arrival.payload_sha256
        self._queues.setdefault(arrival.stream, []).append(arrival)
        self._held[arrival.event_id] = arrival

    def _dequeue(self, arrival: Arrival) -> None:
        self._queues[arrival.stream].remove(arrival)
        self._queued_hashes.pop(arrival.event_id, None)
        if self._held.pop(arrival.event_id, None) is None:
            self._dequeued.append(arrival.event_id)

    def _step(self, arrival: Arrival, verdict: Verdict) -> None:
        self._steps.append(Step(arrival, verdict))

    def plan(self) -> Plan:
        before = self._before
        return Plan(
            steps=tuple(self._steps),
            versions={s: v for s, v in self._versions.items() if before.versions.get(s, 0) != v},
            parked={s: p for s, p in self._parked.items() if before.parked.get(s) != p},
            unparked=frozenset(before.parked) - frozenset(self._parked),
            enqueued=tuple(self._held.values()),
            dequeued=tuple(self._dequeued),
            dead_letters=tuple(self._dead),
            undrained=frozenset(self._undrained),
        )


def _version(arrival: Arrival) -> int:
    # Intake refuses records of versioned topics that carry no version, so 0 is never seen here.
    return arrival.stream_version or 0
