"""What the operator commands of every service do: parked keys, skips under four eyes, refill both ways, archive.

Each is one operator's action: safe to repeat, and recorded through ``record`` in the transaction of its effect.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from schemas import catalogue
from schemas.catalogue import ContractViolation, UnknownEvent
from shared.kernel.clock import Clock, SystemClock
from shared.kernel.crash_points import crash_point
from shared.kernel.operators import Actor, OperatorAct
from shared.messaging.broker import Broker, CommitFailed, Record
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.discard import approve_discard, propose_discard
from shared.messaging.envelope import Event, UnreadableEnvelope, event_of, read_envelope
from shared.messaging.inbox import Stream
from shared.messaging.parked import ParkedPage, ParkedPlace, parked_keys
from shared.messaging.redrive import approve_skip, propose_skip, request_redrive
from shared.messaging.refill import RefillLoop, RefillWriter, Waiting
from shared.messaging.topics import refill_topic
from shared.persistence.archive_files import ArchiveCorrupt
from shared.persistence.partitions import ArchiveRefused, archive_due
from shared.persistence.unit_of_work import Transactions, UnitOfWork
from shared.runtime.archiving import owner_engine
from shared.runtime.logs import logger
from shared.runtime.settings import ServiceSettings
from shared.runtime.startup import EXIT_FAILED, StartupRefused

U = TypeVar("U", bound=UnitOfWork)
_log = logger(__name__)
PARKED_PAGE: Final = 1_000
"""Parked keys that are read at once where all are wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who acts and why; from the command line there is no request."""

    actor: str
    reason: str
    role: str
    request_id: str | None = None


class Operations(Generic[U]):
    """The operator's side of one service's inbox and outbox.

    ``record`` appends ``OperatorActed`` to the service's own topic; ``make_broker`` and ``loops``, the consumer's loops
    not yet running, are asked only by a refill. ``let_go`` is told of each event that two people dropped without its
    effect, in the transaction that drops it: who asked by it may be answered. What cannot be read it is not told of.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        transactions: Transactions[U],
        *,
        consumer: str | None,
        record: Callable[[U, OperatorAct], None],
        make_broker: Callable[[], Broker] | None = None,
        loops: Callable[[], Iterable[ConsumerLoop[U]]] = tuple,
        let_go: Callable[[U, Event, Act], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._transactions = transactions
        self._consumer = consumer
        self._record = record
        self._make_broker = make_broker
        self._loops = loops
        self._let_go = let_go
        self._clock = clock or SystemClock()

    def parked(self) -> list[dict[str, Any]]:
        """All parked keys, oldest first, however many there are."""
        page = self.parked_page(PARKED_PAGE, None)
        keys = [*page.keys]
        while page.behind is not None:
            page = self.parked_page(PARKED_PAGE, page.behind)
            keys += page.keys
        return [asdict(key) for key in keys]

    def parked_page(self, limit: int, behind: ParkedPlace | None) -> ParkedPage:
        """One page of them."""
        consumer = self._required_consumer()
        return self._transactions.read(
            lambda uow: parked_keys(uow.connection, consumer, limit=limit, behind=behind), name="parked_keys"
        )

    def redrive(self, topic: str, key: str, act: Act) -> dict[str, Any]:
        """Ask the running consumer to try the key again, in order; a key that is not parked is left alone."""
        return self._transactions.run(lambda uow: self.redrive_in(uow, topic, key, act), name="redrive")

    def propose_skip(self, topic: str, key: str, version: int, act: Act) -> dict[str, Any]:
        """The first pair of eyes: nothing changes yet."""
        return self._transactions.run(
            lambda uow: self.propose_skip_in(uow, topic, key, version, act), name="propose_skip"
        )

    def approve_skip(self, topic: str, key: str, version: int, act: Act) -> dict[str, Any]:
        """The second pair of eyes: the version counts as applied, and what waits behind it flows."""
        return self._transactions.run(
            lambda uow: self.approve_skip_in(uow, topic, key, version, act), name="approve_skip"
        )

    def propose_discard(self, event_id: str, act: Act) -> dict[str, Any]:
        """The first pair of eyes on one record that has no version."""
        return self._transactions.run(
            lambda uow: self.propose_discard_in(uow, event_id, act), name="propose_discard"
        )

    def approve_discard(self, event_id: str, act: Act) -> dict[str, Any]:
        """The second pair of eyes: the record is dropped and remembered as skipped."""
        return self._transactions.run(
            lambda uow: self.approve_discard_in(uow, event_id, act), name="approve_discard"
        )

    # The same inside of a transaction that somebody else opened, as the idempotency layer does.

    def redrive_in(self, uow: U, topic: str, key: str, act: Act) -> dict[str, Any]:
        asked = request_redrive(uow.connection, self._required_consumer(), Stream(topic, key))
        if asked:
            self._acted(uow, act, "redrive", f"{topic}/{key}")
            crash_point("redrive.after_request")
        return {"topic": topic, "key": key, "requested": asked}

    def propose_skip_in(self, uow: U, topic: str, key: str, version: int, act: Act) -> dict[str, Any]:
        propose_skip(
            uow.connection, self._required_consumer(), Stream(topic, key),
            version=version, reason=act.reason, proposed_by=act.actor,
        )  # fmt: skip
        self._acted(uow, act, "propose_skip", f"{topic}/{key}/{version}")
        return {"topic": topic, "key": key, "version": version, "proposed_by": act.actor}

    def approve_skip_in(self, uow: U, topic: str, key: str, version: int, act: Act) -> dict[str, Any]:
        consumer = self._required_consumer()
        dropped = approve_skip(
            uow.connection, consumer, Stream(topic, key), version=version, approved_by=act.actor
        )
        self._answer(uow, dropped, act)
        self._acted(uow, act, "approve_skip", f"{topic}/{key}/{version}")
        return {"topic": topic, "key": key, "version": version, "approved_by": act.actor}

    def propose_discard_in(self, uow: U, event_id: str, act: Act) -> dict[str, Any]:
        consumer = self._required_consumer()
        propose_discard(uow.connection, consumer, event_id, reason=act.reason, proposed_by=act.actor)
        self._acted(uow, act, "propose_discard", event_id)
        return {"event_id": event_id, "proposed_by": act.actor}

    def approve_discard_in(self, uow: U, event_id: str, act: Act) -> dict[str, Any]:
        dropped = approve_discard(uow.connection, self._required_consumer(), event_id, approved_by=act.actor)
        self._answer(uow, dropped, act)
        self._acted(uow, act, "approve_discard", event_id)
        return {"event_id": event_id, "approved_by": act.actor}

    def refill(self, topic: str, consumer: str, folder: Path, act: Act) -> dict[str, Any]:
        """Publish a topic's whole history for one consumer, from archive files and the outbox."""
        if self._make_broker is None:
            raise StartupRefused("refill: this service publishes no topics")
        with owner_engine(self._settings) as owner:
            written = RefillWriter(owner, self._make_broker(), folder).write(topic, consumer)
        target = f"{topic} for {consumer}"
        self._transactions.run(lambda uow: self._acted(uow, act, "refill", target), name="refill")
        return {"topic": topic, "consumer": consumer, "records": written}

    def take_refill(self, topic: str, act: Act) -> dict[str, Any]:
        """Apply a topic's refill up to its markers, then set the group back to the beginning of the live topic.

        Waits for markers where they are not all written yet, and says so after a while. Safe to repeat: what was
        applied is a duplicate.
        Refused while other members of the group run, before anything is read and again before the group is set back.
        """
        consumer = self._consumer
        if consumer is None or self._make_broker is None:
            raise StartupRefused("take-refill: this service consumes no topics")
        loops = {name: loop for loop in self._loops() for name in loop.reads}
        if topic not in loops:
            raise StartupRefused(
                f"take-refill: {consumer} does not read {topic!r}; expected one of {', '.join(sorted(loops))}"
            )
        broker, source = self._make_broker(), refill_topic(topic, consumer)
        if broker.describe_topic(source) is None or any(
            start == end for start, end in broker.offsets(source).values()
        ):
            raise StartupRefused(
                f"take-refill: {source} is not written: the topic's producer does that, by `refill {topic} {consumer}`",
                exit_code=EXIT_FAILED,
            )
        refill = RefillLoop(broker, loops[topic], topic, clock=self._clock, waits_long=tell_of_waiting)
        try:
            refill.rewind_live_group()
            crash_point("take_refill.before_history")
            refill.read_to_markers(threading.Event())
            crash_point("take_refill.after_history")
            refill.rewind_live_group()
            crash_point("take_refill.after_rewind")
        except CommitFailed as refused:
            raise StartupRefused(
                f"take-refill: other processes of {consumer} consume: stop them, then start again ({refused})",
                exit_code=EXIT_FAILED,
            ) from refused
        self._transactions.run(lambda uow: self._acted(uow, act, "take_refill", topic), name="take refill")
        return {"topic": topic, "consumer": consumer, "taken_from": source}

    def archive(self, folder: Path) -> dict[str, Any]:
        """Export outbox partitions past their retention to hashed files and drop them; never an unsent row."""
        folder.mkdir(parents=True, exist_ok=True)
        with owner_engine(self._settings) as owner:
            try:
                done = archive_due(
                    owner,
                    folder,
                    today=self._clock.now().date(),
                    keep_days=self._settings.archive_keep_days,
                )
            except (ArchiveRefused, ArchiveCorrupt) as refused:
                raise StartupRefused(f"archive: {refused}", exit_code=EXIT_FAILED) from refused
        return {"archived": [each.partition_name for each in done], "rows": sum(each.rows for each in done)}

    def _answer(self, uow: U, dropped: Iterable[Record], act: Act) -> None:
        if self._let_go is None:
            return
        for record in dropped:
            event = _event_in(record)
            if event is not None:
                self._let_go(uow, event, act)

    def _acted(self, uow: U, act: Act, action: str, target: str) -> None:
        self._record(
            uow,
            OperatorAct(
                actor=Actor(name=act.actor, role=act.role, request_id=act.request_id),
                action=action,
                target=target,
                reason=act.reason,
            ),
        )  # fmt: skip

    def _required_consumer(self) -> str:
        if self._consumer is None:
            raise StartupRefused("parked: this service consumes no topics")
        return self._consumer


def _event_in(record: Record) -> Event | None:
    try:
        envelope = read_envelope(record)
        return event_of(
            envelope, catalogue.decode(envelope.topic, envelope.type_and_version, envelope.payload)
        )
    except (UnreadableEnvelope, ContractViolation, UnknownEvent):
        return None


def tell_of_waiting(waiting: Waiting) -> None:
    """Say in one line what a refill waits for, and what to do if nobody is writing it."""
    _log.warning(
        "take_refill_waits",
        source=waiting.source,
        partitions=", ".join(map(str, waiting.partitions)),
        silent_s=round(waiting.silent_s),
        detail=(
            f"these partitions have no marker at their end: if `refill {waiting.topic} {waiting.consumer}` of the "
            "topic's producer is not at work any more, run it again; what is read here goes on by itself"
        ),
    )
