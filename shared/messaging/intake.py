"""Intake owns the step from a record to an arrival: envelope, declared type, decoded payload."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas.catalogue import ContractViolation, UnknownEvent
from shared.messaging.broker import Record
from shared.messaging.envelope import Envelope, UnreadableEnvelope, event_of, read_envelope, split_type
from shared.messaging.inbox import Arrival, Stream
from shared.messaging.routes import Decode, RouteKey, Subscription

RAW_PREFIX: Final = "raw:"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that has no trustworthy id, key or version; it is parked alone, under an id of its own."""

    record: Record
    raw_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Intake:
    """A batch of records, read."""

    arrivals: tuple[Arrival, ...]
    unreadable: tuple[Unreadable, ...]

    def __len__(self) -> int:
        return len(self.arrivals) + len(self.unreadable)


def raw_id(record: Record) -> str:
    """Name a record by its place where its own id cannot be read."""
    return f"{RAW_PREFIX}{record.topic}:{record.partition}:{record.offset}"


def read_records(records: Iterable[Record], subscription: Subscription, decode: Decode) -> Intake:
    """Read a batch; nothing here raises for what is inside a record."""
    arrivals: list[Arrival] = []
    unreadable: list[Unreadable] = []
    for record in records:
        try:
            arrivals.append(read_arrival(record, subscription, decode))
        except UnreadableEnvelope as error:
            unreadable.append(Unreadable(record, raw_id(record), str(error)))
    return Intake(tuple(arrivals), tuple(unreadable))


def read_arrival(
    record: Record, subscription: Subscription, decode: Decode, *, queued: bool = False
) -> Arrival:
    """Read one record, or raise ``UnreadableEnvelope``."""
    envelope = read_envelope(record)
    versioned = subscription.versioned.get(envelope.topic)
    if versioned is None:
        raise UnreadableEnvelope(f"{subscription.consumer} does not read {envelope.topic}")
    if versioned and envelope.stream_version is None:
        raise UnreadableEnvelope("ce_streamversion is missing on a versioned topic")
    event, problem = None, _undeclared(envelope, subscription)
    if problem is None:
        try:
            event = event_of(envelope, decode(envelope.topic, envelope.type_and_version, envelope.payload))
        except (ContractViolation, UnknownEvent) as error:
            problem = f"{error.code}: {error}"
    return Arrival(
        record=record,
        event_id=envelope.event_id,
        stream=Stream(envelope.topic, envelope.key),
        stream_version=envelope.stream_version,
        time=envelope.time,
        payload_sha256=envelope.payload_sha256,
        event=event,
        problem=problem,
        queued=queued,
    )


def route_of(arrival: Arrival) -> RouteKey | None:
    """Return what the routes are asked for, or None where there is no event."""
    event = arrival.event
    return None if event is None else (event.topic, event.event_type, event.version)


def _undeclared(envelope: Envelope, subscription: Subscription) -> str | None:
    route = (envelope.topic, *split_type(envelope.type_and_version))
    if route in subscription.handled or route in subscription.ignored:
        return None
    told = f"{envelope.type_and_version} of {envelope.topic}"
    return f"event_undeclared: {told} is not declared by {subscription.consumer}"
