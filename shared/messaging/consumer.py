"""The consumer loop owns polling, offsets, rebalances and back-pressure; effects belong to ``processing``.

Between two polls nothing is in flight but offsets: a batch is committed in the database, then its offsets are handed
to the client, which sends them before a rebalance takes a partition away. The loop never waits for them, since what
they spare is duplicates, which are no-ops; and a commit that waits may wait for good while a broker restarts
(confluent-kafka-python issue 1801).
"""

import threading
from collections.abc import Collection, Sequence
from typing import Final, Generic

import sqlalchemy as sa

from schemas import catalogue
from shared.kernel.clock import Clock
from shared.kernel.crash_points import crash_point
from shared.kernel.jitter import Jitter
from shared.messaging.batch import BatchApplier
from shared.messaging.broker import Broker, Consumer, Partition, Record
from shared.messaging.inbox import Stream
from shared.messaging.observer import ConsumerObserver, SilentConsumerObserver
from shared.messaging.processing import BACKOFF_BASE_S, BACKOFF_CAP_S, BatchProcessor, Unavailable
from shared.messaging.redrive import due_redrives
from shared.messaging.routes import (
    Decode,
    Routes,
    RoutesIncomplete,
    Subscription,
    U,
    check_routes,
    declared_subscription,
)
from shared.persistence.unit_of_work import Transactions

POLL_TIMEOUT_S: Final = 0.2  # bounds how long a stop or a redrive request waits
REDRIVE_INTERVAL_S: Final = 1.0
LAG_INTERVAL_S: Final = 1.0
BATCH_RECORDS_MIN: Final = 10


class ConsumerLoop(Generic[U]):
    """One member of a consumer's group; a role of a process."""

    name = "consume"

    def __init__(
        self,
        broker: Broker,
        transactions: Transactions[U],
        routes: Routes[U],
        *,
        clock: Clock,
        jitter: Jitter,
        subscription: Subscription | None = None,
        topics: Sequence[str] | None = None,
        decode: Decode = catalogue.decode,
        observer: ConsumerObserver | None = None,
    ) -> None:
        """``topics`` is what this member reads of the subscription; without it, all.

        A group hands out partitions by their number, not per topic: of members that read a busy and a quiet topic
        alike, one may get all of the busy one. Members of a topic of their own share it evenly.
        """
        self._subscription = subscription or declared_subscription(routes.consumer)
        check_routes(routes, self._subscription)
        self._topics = self._subscription.topics if topics is None else tuple(sorted(topics))
        if not_subscribed := set(self._topics) - set(self._subscription.topics):
            raise RoutesIncomplete(f"{routes.consumer} reads no {', '.join(sorted(not_subscribed))}")
        self._broker = broker
        self._transactions = transactions
        self._limits = routes.limits
        self._clock = clock
        self._jitter = jitter
        self._observer = observer or SilentConsumerObserver()
        self._processor = BatchProcessor(
            BatchApplier(routes, self._subscription, decode),
            transactions,
            self._subscription,
            observer=self._observer,
            clock=clock,
            jitter=jitter,
        )
        self._batch_records = routes.limits.max_records
        self._heartbeat_s = clock.monotonic_s()
        self._next_redrive_s = 0.0
        self._next_lag_s = 0.0
        self._failures = 0
        self._stop = threading.Event()

    @property
    def subscription(self) -> Subscription:
        return self._subscription

    @property
    def reads(self) -> tuple[str, ...]:
        """The topics that this member reads."""
        return self._topics

    def heartbeat(self) -> float:
        """Return when the loop last moved, on the monotonic clock."""
        return self._heartbeat_s

    def run(self, stop: threading.Event) -> None:
        """Consume until told to stop; what was begun is finished first."""
        consumer = self.join()
        try:
            self.consume(consumer, stop)
        finally:
            consumer.close()

    def join(self) -> Consumer:
        """Become a member of the group; whoever turns the loop by hand closes the consumer."""
        consumer = self._broker.make_consumer(self._subscription.consumer)
        consumer.subscribe(
            self._topics,
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )
        return consumer

    def consume(self, consumer: Consumer, stop: threading.Event) -> None:
        """Turn the loop on a consumer that somebody else set up."""
        self._stop = stop
        while not stop.is_set():
            self.turn(consumer)

    def turn(self, consumer: Consumer, timeout_s: float = POLL_TIMEOUT_S) -> int:
        """Poll once and finish what came; return how many records that was."""
        self._beat()
        try:
            self._redrive_requested()
            records = consumer.poll_batch(self._batch_records, timeout_s)
            if records:
                crash_point("consumer.after_poll")
                self._take(consumer, records)
            for failure in consumer.commit_failures():
                self._observer.disturbed(f"offsets not committed: {failure}")
            self._tell_lag(consumer)
        except Unavailable as error:
            self._observer.disturbed(str(error))
            self._wait(consumer)
            return 0
        self._failures = 0
        return len(records)

    def _take(self, consumer: Consumer, records: Sequence[Record]) -> None:
        finished: list[Record] = []
        started = self._clock.monotonic_s()

        def done(batch: Sequence[Record]) -> None:
            finished.extend(batch)
            self._beat()

        try:
            self._processor.process(records, done)
        except Unavailable:
            self._rewind(consumer, records[len(finished) :])
            raise
        finally:
            self._commit(consumer, finished)
        self._adapt(len(records), self._clock.monotonic_s() - started)

    def _commit(self, consumer: Consumer, finished: Sequence[Record]) -> None:
        if not finished:
            return
        offsets: dict[Partition, int] = {}
        for record in finished:
            offsets[record.at] = max(record.offset + 1, offsets.get(record.at, 0))
        crash_point("consumer.before_offset_commit")
        consumer.commit(offsets)
        crash_point("consumer.after_offset_commit")

    def _tell_lag(self, consumer: Consumer) -> None:
        now_s = self._clock.monotonic_s()
        if now_s < self._next_lag_s:
            return
        self._next_lag_s = now_s + LAG_INTERVAL_S
        behind = dict.fromkeys(self._subscription.topics, 0)  # what another member holds is not ours to tell
        for at, records in consumer.lag().items():
            behind[at.topic] = behind.get(at.topic, 0) + records
        for topic, records in behind.items():
            self._observer.lag(topic, records)

    def _adapt(self, records: int, duration_s: float) -> None:
        if duration_s * 1000 > self._limits.target_ms:
            self._batch_records = max(BATCH_RECORDS_MIN, min(self._batch_records, records) // 2)
        else:
            self._batch_records = min(self._limits.max_records, self._batch_records * 2)

    def _rewind(self, consumer: Consumer, records: Sequence[Record]) -> None:
        starts: dict[Partition, int] = {}
        for record in records:
            starts[record.at] = min(record.offset, starts.get(record.at, record.offset))
        for partition, offset in starts.items():
            consumer.seek(partition, offset)

    def _wait(self, consumer: Consumer) -> None:
        """Keep polling with everything paused, so that the group does not take us for dead."""
        self._failures += 1
        pause_s = self._jitter.backoff(self._failures, base_s=BACKOFF_BASE_S, cap_s=BACKOFF_CAP_S)
        deadline_s = self._clock.monotonic_s() + pause_s
        while not self._stop.is_set():
            remaining_s = deadline_s - self._clock.monotonic_s()
            if remaining_s <= 0:
                break
            self._beat()
            consumer.pause(consumer.assignment())
            # A partition assigned during this very poll is not paused yet; what it brought is put back.
            self._rewind(consumer, consumer.poll_batch(1, min(remaining_s, POLL_TIMEOUT_S)))
        consumer.resume(consumer.assignment())

    def _redrive_requested(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s < self._next_redrive_s:
            return
        self._next_redrive_s = now_s + REDRIVE_INTERVAL_S
        due = self._due()
        self._processor.forget_but(due)
        for stream in due:
            crash_point("redrive.before_try")
            self._processor.redrive(stream)
            crash_point("redrive.after_try")
            self._beat()

    def _due(self) -> list[Stream]:
        try:
            return due_redrives(self._transactions.engine, self._subscription.consumer)
        except sa.exc.OperationalError as error:
            raise Unavailable(str(error.orig)) from error

    def _beat(self) -> None:
        self._heartbeat_s = self._clock.monotonic_s()

    def _on_assign(self, _partitions: Collection[Partition]) -> None:
        """Nothing to load: all state of a key is in the database."""

    def _on_revoke(self, _partitions: Collection[Partition]) -> None:
        # Runs inside a poll, when nothing is in flight; the adapter drops records of these partitions.
        crash_point("consumer.in_revoke")
