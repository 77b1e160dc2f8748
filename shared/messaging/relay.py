"""The relay owns the way from the outbox to the broker: at least once, in version order per stream.

A row is marked only after its own delivery report and only under our lease's epoch. A relay that lost its lease
throws its queue away before anything else, so that a zombie can only duplicate.
"""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from shared.kernel.clock import Clock
from shared.kernel.crash_points import crash_point
from shared.kernel.errors import LeaseLost
from shared.kernel.jitter import Jitter
from shared.messaging.broker import Broker, DeliveryFailed, DeliveryFailure, Producer, QueueFull
from shared.messaging.envelope import write_headers
from shared.messaging.observer import RelayObserver, SilentRelayObserver
from shared.messaging.relay_store import RelayStore, WakeUps
from shared.persistence.notifier import OUTBOX_CHANNEL

READ_ROWS: Final = 1_000  # one read; large enough to hide round trips, small enough to bound memory
IN_FLIGHT_ROWS_MAX: Final = 4_000  # produced and not yet marked, over all shards
MARK_EVERY_S: Final = 0.05
"""Marking is most of a lonely row's price, and nobody waits for it: a crash before it only makes more duplicates."""
MARK_ROWS_MAX: Final = 1_000  # acknowledged; more are marked at once, so that there is room for others
READ_BYTES_ROWS_HINT: Final = 250  # where payloads are large, fewer rows are read at once
LARGE_PAYLOAD_BYTES: Final = 16_384
POLL_FALL_BACK_S: Final = 0.5
REPORT_WAIT_S: Final = 0.002
DRAIN_TIMEOUT_S: Final = 10.0
BACKOFF_BASE_S: Final = 0.1
BACKOFF_CAP_S: Final = 5.0


@dataclass(slots=True)
class _Shard:
    """A leased shard: rows handed to the producer, and of those the ones acknowledged but not marked."""

    number: int
    epoch: int
    valid_until_s: float
    in_flight: dict[int, date] = field(default_factory=dict)
    acknowledged: deque[int] = field(default_factory=deque)


class Relay:
    """Publishes the outbox of one database; a role of a process. Several may run: shards are leased."""

    name = "relay"

    def __init__(
        self,
        engine: sa.Engine,
        broker: Broker,
        *,
        owner_id: str,
        clock: Clock,
        jitter: Jitter,
        shards: int = 1,
        lease_ttl_s: float = 15.0,
        listen_channel: str | None = OUTBOX_CHANNEL,
        mark_every_s: float = 0.0,
        observer: RelayObserver | None = None,
    ) -> None:
        self._store = RelayStore(engine, owner_id=owner_id)
        self._wake_ups = WakeUps(engine.url, listen_channel) if listen_channel else None
        self._broker = broker
        self._clock = clock
        self._jitter = jitter
        self._shard_count = shards
        self._lease_ttl_s = lease_ttl_s
        self._mark_every_s = mark_every_s
        self._mark_by_s: float | None = None
        self._observer = observer or SilentRelayObserver()
        self._producer: Producer | None = None
        self._held: dict[int, _Shard] = {}
        self._failure: str | None = None
        self._failures = 0
        self._next_lease_work_s = 0.0
        self._heartbeat_s = clock.monotonic_s()
        self._read_rows = READ_ROWS
        self._read_by_s = 0.0

    def heartbeat(self) -> float:
        """Return when the loop last moved, on the monotonic clock."""
        return self._heartbeat_s

    def run(self, stop: threading.Event) -> None:
        """Publish until told to stop. Raises ``DeliveryFailed`` where only a new process can go on."""
        try:
            while not stop.is_set():
                self.step()
            self._drain()
        finally:
            self.abandon()

    def step(self, idle_s: float = POLL_FALL_BACK_S) -> int:
        """One turn, and what a lost lease or an absent database asks for."""
        produced = 0
        try:
            produced = self.turn(idle_s)
            self._failures = 0
        except LeaseLost:
            self.abandon()
        except (sa.exc.OperationalError, sa.exc.InterfaceError, psycopg.OperationalError) as error:
            self._failures += 1
            self._observer.disturbed(type(error).__name__)
            self.abandon()
            self._clock.sleep(
                self._jitter.backoff(self._failures, base_s=BACKOFF_BASE_S, cap_s=BACKOFF_CAP_S)
            )
        return produced

    def turn(self, idle_s: float = POLL_FALL_BACK_S) -> int:
        """One cycle: leases, read and produce, reports, marks, and a wait where there was nothing to do."""
        self._beat()
        self._keep_leases()
        produced = self._read() if self._may_have_rows() else 0
        awaited = self._in_flight() - self._acknowledged()
        self._serve(REPORT_WAIT_S if awaited and not produced else 0)
        self._mark_what_is_due()
        if not produced and not awaited:
            self._rest(idle_s)
        return produced

    def _may_have_rows(self) -> bool:
        """Reading is most of a lonely row's price, so while reports are awaited only a wake-up or time asks for it."""
        if self._wake_ups is None or self._clock.monotonic_s() >= self._read_by_s:
            return True
        return self._wake_ups.heard()

    def _read(self) -> int:
        """Hand unsent rows of every shard to the producer."""
        self._read_by_s = self._clock.monotonic_s() + POLL_FALL_BACK_S
        return sum(self._publish(shard) for shard in self._held.values())

    def _keep_leases(self) -> None:
        now_s = self._clock.monotonic_s()
        if any(now_s >= shard.valid_until_s for shard in self._held.values()):
            raise LeaseLost("our own clock says that the lease ran out")
        if now_s < self._next_lease_work_s:
            return
        self._next_lease_work_s = now_s + self._lease_ttl_s / 3
        for number in range(self._shard_count):
            asked_s = self._clock.monotonic_s()  # before the statement: our view ends before the database's
            held = self._held.get(number)
            if held is None:
                self._claim(number, asked_s)
            elif self._store.renew(number, held.epoch, self._lease_ttl_s):
                held.valid_until_s = asked_s + self._lease_ttl_s
            else:
                raise LeaseLost(f"shard {number} has another owner")

    def _claim(self, number: int, asked_s: float) -> None:
        epoch = self._store.claim(number, self._lease_ttl_s)
        if epoch is not None:
            self._held[number] = _Shard(number, epoch, asked_s + self._lease_ttl_s)
            self._read_by_s = 0.0
            self._observer.lease(number, held=True)

    def _publish(self, shard: _Shard) -> int:
        room = min(self._read_rows, IN_FLIGHT_ROWS_MAX - self._in_flight())
        rows = self._store.unsent(shard.number, shard.in_flight, room) if room > 0 else ()
        if len(rows) >= room:  # as many as there was room for: there may be more
            self._read_by_s = 0.0
        if not rows:
            return 0
        crash_point("relay.after_claim")
        self._check_lease(shard)
        largest = max(len(row["payload"]) for row in rows)
        self._read_rows = READ_BYTES_ROWS_HINT if largest > LARGE_PAYLOAD_BYTES else READ_ROWS
        for row in rows:
            position = row["position"]
            shard.in_flight[position] = row["created_on"]
            self._produce(row, partial(self._reported, shard, position))
        crash_point("relay.after_produce")
        return len(rows)

    def _produce(self, row: Mapping[str, Any], on_delivery: "partial[None]") -> None:
        producer = self._connected()
        while True:
            try:
                producer.produce(
                    row["topic"],
                    key=row["key"].encode(),
                    value=row["payload"],
                    headers=write_headers(row),
                    on_delivery=on_delivery,
                )
            except QueueFull:
                self._serve(REPORT_WAIT_S)
                self._beat()
            else:
                return

    def _reported(self, shard: _Shard, position: int, failure: DeliveryFailure | None) -> None:
        if failure is None:
            shard.acknowledged.append(position)
        elif not failure.purged and self._failure is None:
            self._failure = failure.reason

    def _serve(self, timeout_s: float) -> None:
        if self._producer is not None:
            self._producer.poll(timeout_s)
        if self._failure is not None:
            # Later records of the stream may be on their way: stop them before anything else is done.
            reason = self._failure
            self._purge()
            raise DeliveryFailed(reason)

    def _mark_what_is_due(self) -> None:
        number = self._acknowledged()
        if not number:
            return
        now_s = self._clock.monotonic_s()
        if self._mark_by_s is None:
            self._mark_by_s = now_s + self._mark_every_s
        if now_s >= self._mark_by_s or number >= MARK_ROWS_MAX:
            self._mark()

    def _mark(self) -> None:
        self._mark_by_s = None
        for shard in self._held.values():
            if not shard.acknowledged:
                continue
            by_day: dict[date, list[int]] = {}
            positions = list(shard.acknowledged)
            for position in positions:
                by_day.setdefault(shard.in_flight[position], []).append(position)
            crash_point("relay.before_mark")
            if not self._store.mark(shard.number, shard.epoch, by_day):
                raise LeaseLost(f"shard {shard.number} has another owner")
            crash_point("relay.after_mark")
            shard.acknowledged.clear()
            for position in positions:
                del shard.in_flight[position]
            self._observer.published(len(positions))

    def _check_lease(self, shard: _Shard) -> None:
        if self._clock.monotonic_s() >= shard.valid_until_s:
            raise LeaseLost(f"the lease of shard {shard.number} ran out while rows were read")

    def _in_flight(self) -> int:
        return sum(len(shard.in_flight) for shard in self._held.values())

    def _acknowledged(self) -> int:
        return sum(len(shard.acknowledged) for shard in self._held.values())

    def _connected(self) -> Producer:
        if self._producer is None:
            self._producer = self._broker.make_producer()
        return self._producer

    def _rest(self, idle_s: float) -> None:
        """Wait to be woken, but no longer than until rows are to be marked."""
        left_s = idle_s if self._mark_by_s is None else self._mark_by_s - self._clock.monotonic_s()
        if self._sleep(min(idle_s, max(0.0, left_s))) or left_s >= idle_s:
            self._read_by_s = 0.0

    def _sleep(self, idle_s: float) -> bool:
        """Whether there may be new rows."""
        if self._wake_ups is None or not self._held:
            self._clock.sleep(idle_s)
            return True
        return self._wake_ups.wait(idle_s)

    def _drain(self) -> None:
        """Wait for what is in flight, mark it, and hand the shards over."""
        if self._producer is not None:
            self._producer.flush(min(DRAIN_TIMEOUT_S, self._lease_ttl_s / 2))
            self._serve(0)
        try:
            self._mark()
            for shard in self._held.values():
                self._store.release(shard.number, shard.epoch)
        except (LeaseLost, sa.exc.OperationalError):
            return  # unmarked rows are sent again by whoever is next

    def abandon(self) -> None:
        """Throw away the queue first, then everything that we believed; nothing more is sent or marked."""
        try:
            self._purge()
        finally:
            for number in self._held:
                self._observer.lease(number, held=False)
            self._held = {}
            self._mark_by_s = None
            self._failure = None
            self._next_lease_work_s = 0.0
            self._store.close()
            if self._wake_ups is not None:
                self._wake_ups.close()

    def _purge(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()

    def _beat(self) -> None:
        self._heartbeat_s = self._clock.monotonic_s()
