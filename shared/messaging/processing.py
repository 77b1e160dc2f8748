"""Processing owns the transactions of a consumer: a batch in one, a failing batch one by one, and what is retried.

Four kinds of failure: the database is away (``Unavailable``: wait and try again, for ever), a handler says poison or
announces what a contract forbids (the record is parked, the rest goes on), the database refuses what a record writes
(a few tries, then the record is poison), anything else (a few tries, then the process ends).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final, Generic

import sqlalchemy as sa

from schemas.catalogue import ContractViolation
from shared.kernel.clock import Clock
from shared.kernel.errors import CommitUnknown, InvariantViolation, Poison
from shared.kernel.jitter import Jitter
from shared.messaging.batch import (
    BatchApplier,
    BatchOutcome,
    PoisonedEvent,
    PoisonedTogether,
    RefusedByDatabase,
    blame,
    poison_of,
)
from shared.messaging.broker import Record
from shared.messaging.inbox import POISON, Stream, Verdict
from shared.messaging.intake import route_of
from shared.messaging.observer import ConsumerObserver
from shared.messaging.routes import Subscription, U
from shared.persistence.commit_lookup import is_away, is_refusal, refusal_of
from shared.persistence.unit_of_work import Transactions

ATTEMPTS_MAX: Final = 3  # of one record that fails for a reason we do not know, or that the database refuses
BACKOFF_BASE_S: Final = 0.1
BACKOFF_CAP_S: Final = 2.0
POISONED_PER_TURN_MAX: Final = 100

Done = Callable[[Sequence[Record]], None]


class Unavailable(Exception):  # noqa: N818 - a state of the database
    """The database cannot be used now; nothing of what was asked for is known to be done."""


class BatchProcessor(Generic[U]):
    """Runs records through ``BatchApplier``, each in a transaction that committed before ``done`` is called."""

    def __init__(
        self,
        applier: BatchApplier[U],
        transactions: Transactions[U],
        subscription: Subscription,
        *,
        observer: ConsumerObserver,
        clock: Clock,
        jitter: Jitter,
    ) -> None:
        self._applier = applier
        self._transactions = transactions
        self._subscription = subscription
        self._observer = observer
        self._clock = clock
        self._jitter = jitter
        self._still_poison: dict[Stream, dict[str, str]] = {}

    def process(self, records: Sequence[Record], done: Done) -> None:
        """Apply records in order. ``done`` is told of those committed, also where a later one raises."""
        try:
            self._attempt(records, {})
        except PoisonedEvent as poisoned:
            if len(records) == 1:
                self._one(records[0], {poisoned.event_id: poisoned.reason})
                done(records)
                return
            self._observer.disturbed(f"batch replayed one by one: {poisoned}")
        except (Unavailable, InvariantViolation):
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of message handling; it is retried below, then raised
            self._observer.disturbed(f"batch replayed one by one: {type(error).__name__}")
        else:
            done(records)
            return
        for record in records:
            self._one(record, {})
            done([record])

    def redrive(self, stream: Stream) -> None:
        """Try a parked key again; a record that is still poison stays parked.

        So many of those are found in one turn at most: then it stays asked for, and the next turn goes on behind them.
        """
        poisoned = self._still_poison.pop(stream, {})
        most = len(poisoned) + POISONED_PER_TURN_MAX
        drain_max: int | None = None
        refusals = 0
        while len(poisoned) < most:
            try:
                outcome = self._transact(partial(self._redrive, stream, poisoned, drain_max))
            except PoisonedEvent as found:
                self._remember(poisoned, found)
            except PoisonedTogether as shared:
                drain_max = self._narrow(drain_max, 1, shared)
            except RefusedByDatabase as refused:
                refusals = self._try_again(refusals, refused)
                if not refusals:
                    drain_max = self._settle(poisoned, drain_max, 1, refused)
            else:
                if stream in outcome.plan.undrained:
                    self._still_poison[stream] = poisoned
                self._tell(outcome)
                return
        self._still_poison[stream] = poisoned
        self._observer.disturbed(f"redrive goes on behind {len(poisoned)} records that are still poison")

    def forget_but(self, asked_for: Collection[Stream]) -> None:
        """Forget what was still poison under keys that nobody asks for any more: the next try is one of everything."""
        for stream in self._still_poison.keys() - set(asked_for):
            del self._still_poison[stream]

    def _redrive(
        self, stream: Stream, poisoned: Mapping[str, str], drain_max: int | None, uow: U
    ) -> BatchOutcome:
        return self._applier.redrive(uow, stream, poisoned, drain_max=drain_max)

    def _attempt(
        self, records: Sequence[Record], poisoned: Mapping[str, str], drain_max: int | None = None
    ) -> BatchOutcome:
        started = self._clock.monotonic_s()
        intake = self._applier.read(records)
        outcome = self._transact(lambda uow: self._applier.apply(uow, intake, poisoned, drain_max=drain_max))
        self._tell(outcome)
        self._observer.batch(len(records), self._clock.monotonic_s() - started)
        return outcome

    def _one(self, record: Record, poisoned: dict[str, str]) -> None:
        failures = refusals = 0
        drain_max: int | None = None
        while True:
            try:
                self._attempt([record], poisoned, drain_max)
            except PoisonedEvent as found:
                self._remember(poisoned, found)
            except PoisonedTogether as shared:
                drain_max = self._narrow(drain_max, 0, shared)
            except RefusedByDatabase as refused:
                refusals = self._try_again(refusals, refused)
                if not refusals:
                    drain_max = self._settle(poisoned, drain_max, 0, refused)
            except (Unavailable, InvariantViolation):
                raise
            except Exception as error:
                failures += 1
                self._observer.disturbed(f"record failed {failures} times: {type(error).__name__}")
                if failures >= ATTEMPTS_MAX:
                    raise
                self._back_off(failures)
            else:
                return

    def _try_again(self, refusals: int, refused: RefusedByDatabase) -> int:
        """Wait for another try, as another session's row may have been in the way; 0 once that has gone on for long."""
        self._observer.disturbed(f"refused {refusals + 1} times: {refused}")
        if refusals + 1 >= ATTEMPTS_MAX:
            return 0
        self._back_off(refusals + 1)
        return refusals + 1

    def _settle(
        self, poisoned: dict[str, str], drain_max: int | None, narrowed: int, refused: RefusedByDatabase
    ) -> int | None:
        """Whoever was alone is poison; where several were at it, each gets a turn of its own."""
        if len(refused.event_ids) == 1:
            self._remember(poisoned, PoisonedEvent(refused.event_ids[0], refused.reason))
            return drain_max
        return self._narrow(drain_max, narrowed, PoisonedTogether(refused.reason))

    def _back_off(self, failures: int) -> None:
        self._clock.sleep(self._jitter.backoff(failures, base_s=BACKOFF_BASE_S, cap_s=BACKOFF_CAP_S))

    def _remember(self, poisoned: dict[str, str], found: PoisonedEvent) -> None:
        if found.event_id in poisoned:
            raise InvariantViolation(
                "poison_settles", f"{found.event_id} was refused again after being parked"
            )
        poisoned[found.event_id] = found.reason

    def _narrow(self, drain_max: int | None, narrowed: int, shared: PoisonedTogether) -> int:
        """Leave what waited behind the record to turns of its own, so that the poisonous one is alone in its own."""
        if drain_max is not None:
            raise InvariantViolation("poison_settles", f"one event was alone and several blamed: {shared}")
        self._observer.disturbed(f"queue drained one by one: {shared}")
        return narrowed

    def _transact(self, work: Callable[[U], BatchOutcome]) -> BatchOutcome:
        done: list[BatchOutcome] = []

        def keep(uow: U) -> BatchOutcome:
            done[:] = [work(uow)]
            return done[0]

        try:
            return self._transactions.run(keep, name=f"consume.{self._subscription.consumer}")
        except Poison as poison:  # raised while the repositories were written out, after the handlers
            raise blame(done[0].applied_ids if done else (), poison) from poison
        except ContractViolation as broken:  # the same of what they announce
            if done and done[0].applied_ids:
                raise blame(done[0].applied_ids, poison_of(broken)) from broken
            raise
        except CommitUnknown as error:  # the inbox knows: a repeat of what committed is a duplicate
            raise Unavailable(str(error)) from error
        except sa.exc.TimeoutError as error:
            raise Unavailable("no connection became free") from error
        except sa.exc.DBAPIError as error:
            if is_away(error):
                raise Unavailable(str(error.orig)) from error
            # While handlers' work was written out, or at COMMIT, where deferred constraints are asked.
            if done and done[0].applied_ids and is_refusal(error):
                raise RefusedByDatabase(done[0].applied_ids, refusal_of(error)) from error
            raise

    def _tell(self, outcome: BatchOutcome) -> None:
        now = self._clock.now()
        for step in outcome.plan.steps:
            arrival, verdict = step.arrival, step.verdict
            topic, key = arrival.stream
            if verdict is Verdict.APPLY and arrival.event is not None:
                ignored = route_of(arrival) in self._subscription.ignored
                delay_s = (now - arrival.time).total_seconds()
                self._observer.applied(topic, arrival.event.event_type, ignored=ignored, delay_s=delay_s)
            elif verdict is Verdict.DUPLICATE:
                self._observer.duplicate(topic)
            elif verdict in {Verdict.PAYLOAD_MISMATCH, Verdict.VERSION_CONFLICT}:
                self._observer.quarantined(topic, key, arrival.event_id, verdict.value)
            elif verdict in {Verdict.GAP, Verdict.POISON}:
                self._observer.parked(topic, key, arrival.event_id, verdict.value, step.reason)
        for stream in sorted(outcome.plan.unparked):
            self._observer.unparked(*stream)
        for unreadable in outcome.unreadable:
            self._observer.parked(unreadable.record.topic, "", unreadable.raw_id, POISON, unreadable.reason)
