"""A batch owns everything that one transaction does for its records: locks, verdicts, effects, inbox, parking.

Consumer and redrive both come through here, so a record is applied in one way only, whoever asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic

import sqlalchemy as sa

from schemas.catalogue import ContractViolation
from shared.kernel.crash_points import crash_point
from shared.kernel.errors import Poison
from shared.messaging.broker import Record
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.envelope import LIVE_TOPIC, Event
from shared.messaging.inbox import GAP, Arrival, InboxState, Plan, Planner, Step, Stream, Verdict
from shared.messaging.inbox_store import InboxStore
from shared.messaging.intake import Intake, Unreadable, read_arrival, read_records, route_of
from shared.messaging.redrive import redrive_served, request_redrive
from shared.messaging.routes import Decode, Routes, Subscription, U
from shared.persistence.commit_lookup import is_refusal, refusal_of

QUARANTINED: Final = (Verdict.PAYLOAD_MISMATCH, Verdict.VERSION_CONFLICT)


class PoisonedTogether(Exception):  # noqa: N818 - says what happened to which records
    """Something that several events share was poison, so none can be blamed; they are taken again, one by one."""


class PoisonedEvent(Exception):  # noqa: N818 - says what happened to which record
    """A handler called one record of the batch poison; the batch is rolled back and taken again with that known."""

    def __init__(self, event_id: str, reason: str) -> None:
        super().__init__(f"{event_id}: {reason}")
        self.event_id = event_id
        self.reason = reason


class RefusedByDatabase(Exception):  # noqa: N818 - says what happened
    """The database refused what one of these events has written; nothing is kept. Which one, tells who is alone."""

    def __init__(self, event_ids: Sequence[str], reason: str) -> None:
        super().__init__(reason)
        self.event_ids = tuple(event_ids)
        self.reason = reason


def poison_of(broken: ContractViolation) -> Poison:
    """What makes its consumer announce something that no contract allows can never work, as what breaks its own."""
    return Poison(str(broken), code=broken.code)


def blame(event_ids: Sequence[str], poison: Poison) -> Exception:
    """Return whom to blame for poison that was not raised by one event's own handler."""
    if len(event_ids) == 1:
        return PoisonedEvent(event_ids[0], poison.reason)
    return PoisonedTogether(poison.reason)


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What a committed transaction did, to be told to the observer after the commit."""

    plan: Plan
    unreadable: tuple[Unreadable, ...]

    @property
    def applied_ids(self) -> list[str]:
        return [step.arrival.event_id for step in self.plan.with_verdict(Verdict.APPLY)]


class BatchApplier(Generic[U]):
    """Applies records of one consumer inside a transaction that the loop opened."""

    def __init__(self, routes: Routes[U], subscription: Subscription, decode: Decode) -> None:
        self._routes = routes
        self._subscription = subscription
        self._decode = decode

    def read(self, records: Sequence[Record]) -> Intake:
        return read_records(records, self._subscription, self._decode)

    def apply(
        self, uow: U, intake: Intake, poisoned: Mapping[str, str], *, drain_max: int | None = None
    ) -> BatchOutcome:
        """Apply a batch. Raises ``PoisonedEvent`` where a handler refuses for ever; then nothing is kept.

        ``drain_max`` bounds how many records of a queue go along; the rest is left to a redrive asked for here.
        """
        store = InboxStore(uow.connection, self._subscription.consumer)
        hoped = self._hoped(intake.arrivals, poisoned)
        state = store.load(hoped, [a.stream for a in intake.arrivals], [a.event_id for a in intake.arrivals])
        for stream, parked in state.parked.items():
            if parked.reason == GAP and self._subscription.versioned[stream.topic]:
                self._load_queue(store, state, stream)
        claimed = self._claim_unordered(store, state, intake.arrivals, poisoned)
        planner = self._planner(state, poisoned, drain_max).take_all(intake.arrivals)
        plan = planner.plan()
        self._carry_out(uow, store, plan, state, already_claimed=claimed)
        for unreadable in intake.unreadable:
            self._park_unreadable(uow, store, unreadable)
        self._ask_to_go_on(uow, plan)
        return BatchOutcome(plan, intake.unreadable)

    def redrive(
        self, uow: U, stream: Stream, poisoned: Mapping[str, str], *, drain_max: int | None = None
    ) -> BatchOutcome:
        """Try a parked key's queue again, in order, under the same locks as the consumer's."""
        store = InboxStore(uow.connection, self._subscription.consumer)
        hoped = {stream: 0} if self._subscription.versioned[stream.topic] else {}
        state = store.load(hoped, [stream], [])
        if stream in state.parked:
            self._load_queue(store, state, stream)
        planner = self._planner(state, poisoned, drain_max)
        planner.redrive(stream)
        plan = planner.plan()
        self._carry_out(uow, store, plan, state, already_claimed=frozenset())
        redrive_served(uow.connection, self._subscription.consumer, stream)
        self._ask_to_go_on(uow, plan)
        return BatchOutcome(plan, ())

    def _ask_to_go_on(self, uow: U, plan: Plan) -> None:
        for stream in sorted(plan.undrained):
            request_redrive(uow.connection, self._subscription.consumer, stream)

    def _hoped(self, arrivals: Sequence[Arrival], poisoned: Mapping[str, str]) -> dict[Stream, int]:
        """What the last version of each versioned stream would be if it were new and the planner minded nothing."""
        hoped: dict[Stream, int] = {}
        for arrival in arrivals:
            stream = arrival.stream
            if not self._subscription.versioned[stream.topic]:
                continue
            last = hoped.setdefault(stream, 0)
            dead = arrival.problem is not None or arrival.event_id in poisoned
            if not dead and arrival.stream_version == last + 1:
                hoped[stream] = last + 1
        return hoped

    def _planner(self, state: InboxState, poisoned: Mapping[str, str], drain_max: int | None) -> Planner:
        versioned = self._subscription.versioned
        return Planner(state, versioned=versioned, poisoned=poisoned, drain_max=drain_max)

    def _load_queue(self, store: InboxStore, state: InboxState, stream: Stream) -> None:
        queue = [
            read_arrival(record, self._subscription, self._decode, queued=True)
            for record in store.queue(stream)
        ]
        state.queues[stream] = queue
        state.queued_hashes.update({arrival.event_id: arrival.payload_sha256 for arrival in queue})

    def _claim_unordered(
        self, store: InboxStore, state: InboxState, arrivals: Sequence[Arrival], poisoned: Mapping[str, str]
    ) -> frozenset[str]:
        """Claim records of unordered topics first: there the unique inbox row is the only thing that serialises."""
        wanted: dict[str, Arrival] = {}
        for arrival in arrivals:
            known = arrival.event_id in state.hashes or arrival.event_id in state.queued_hashes
            dead = arrival.problem is not None or arrival.event_id in poisoned
            if not known and not dead and not self._subscription.versioned[arrival.stream.topic]:
                wanted.setdefault(arrival.event_id, arrival)
        won = store.claim([(arrival, self._outcome(arrival)) for arrival in wanted.values()])
        lost = wanted.keys() - won
        if lost:  # another member committed them a moment ago; what it stored decides
            state.hashes.update(store.hashes(sorted(lost)))
        return frozenset(won)

    def _outcome(self, arrival: Arrival) -> str:
        return "ignored" if route_of(arrival) in self._subscription.ignored else "applied"

    def _carry_out(
        self, uow: U, store: InboxStore, plan: Plan, state: InboxState, *, already_claimed: frozenset[str]
    ) -> None:
        applied = [step.arrival for step in plan.with_verdict(Verdict.APPLY)]
        self._run_handlers(uow, applied)
        claims = [(a, self._outcome(a)) for a in applied if a.event_id not in already_claimed]
        store.settle(claims, plan.versions, state)
        store.park(plan.parked)
        store.hold(plan.enqueued)
        store.release(plan.dequeued)
        store.unpark(plan.unparked)
        store.quarantine(step for step in plan.steps if step.verdict in QUARANTINED)
        letters = DeadLetters(uow.outbox, self._subscription.consumer, uow.now)
        for step in plan.dead_letters:
            self._dead_letter(letters, step)
        crash_point("consumer.after_inbox")

    def _run_handlers(self, uow: U, applied: Sequence[Arrival]) -> None:
        try:
            self._call_handlers(uow, applied)
        except sa.exc.DBAPIError as error:
            if is_refusal(error):
                raise RefusedByDatabase([a.event_id for a in applied], refusal_of(error)) from error
            raise

    def _call_handlers(self, uow: U, applied: Sequence[Arrival]) -> None:
        handled: list[Event] = [
            arrival.event
            for arrival in applied
            if arrival.event is not None and route_of(arrival) in self._routes.handlers
        ]
        if handled and self._routes.prepare is not None:
            try:
                self._routes.prepare(handled, uow)
            except Poison as poison:
                raise blame([event.event_id for event in handled], poison) from poison
        for event in handled:
            try:
                self._routes.handlers[event.topic, event.event_type, event.version](event, uow)
            except Poison as poison:
                raise PoisonedEvent(event.event_id, poison.reason) from poison
            except ContractViolation as broken:
                raise PoisonedEvent(event.event_id, poison_of(broken).reason) from broken

    def _dead_letter(self, letters: DeadLetters, step: Step) -> None:
        topic = self._subscription.dead_letter_topics[step.arrival.stream.topic]
        letters.append(topic, step.arrival, step.reason)

    def _park_unreadable(self, uow: U, store: InboxStore, unreadable: Unreadable) -> None:
        if store.is_met(unreadable.raw_id):
            return
        store.hold_unreadable(unreadable)
        live = self._live_topic(unreadable.record)
        letters = DeadLetters(uow.outbox, self._subscription.consumer, uow.now)
        letters.append_unreadable(self._subscription.dead_letter_topics[live], live, unreadable)

    def _live_topic(self, record: Record) -> str:
        for name, value in record.headers:
            if name == LIVE_TOPIC and value.decode("utf-8", "replace") in self._subscription.versioned:
                return value.decode()
        if record.topic in self._subscription.versioned:
            return record.topic
        return next(iter(self._subscription.topics))
