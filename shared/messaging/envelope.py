"""The envelope owns how an event becomes a Kafka record and back: CloudEvents 1.0, binary mode.

The value is the exact bytes of the outbox row. Nothing of a record is believed before ``read_envelope``.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Protocol

import msgspec

from shared.messaging.broker import Record

CE_SPECVERSION: Final = "ce_specversion"
CE_ID: Final = "ce_id"
CE_TYPE: Final = "ce_type"
CE_SOURCE: Final = "ce_source"
CE_SUBJECT: Final = "ce_subject"
CE_TIME: Final = "ce_time"
CE_DATASCHEMA: Final = "ce_dataschema"
CE_STREAMVERSION: Final = "ce_streamversion"
CE_CAUSEID: Final = "ce_causeid"
TRACEPARENT: Final = "traceparent"
CONTENT_TYPE: Final = "content-type"
LIVE_TOPIC: Final = "tieout_livetopic"  # on a refill topic: the topic that the record is claimed under
REFILL_MARKER: Final = "tieout_refillmarker"  # on a refill topic: nothing follows in this partition
REFILL_UNSENT: Final = "tieout_refillunsent"  # on a refill topic: the live topic may lack this record

SPEC_VERSION: Final = "1.0"
JSON_CONTENT: Final = b"application/json"
ID_MAX_CHARS: Final = 200  # our own ids have 30; anything far longer is not ours
KEY_MAX_BYTES: Final = 512
TYPES_REMEMBERED: Final = 1_024  # the contract has under a hundred; a bound, because records name them


class SupportsGetItem(Protocol):
    """A row by column name, whatever class the driver gives it."""

    def __getitem__(self, name: str, /) -> Any: ...


class UnreadableEnvelope(ValueError):  # noqa: N818 - a state of the record
    """The record's headers or key cannot be trusted for routing at all."""


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What the headers say; the payload is still bytes."""

    event_id: str
    type_and_version: str
    topic: str
    key: str
    stream_version: int | None
    time: datetime
    source: str
    subject: str | None
    cause_id: str
    data_schema: str
    traceparent: str | None
    payload: bytes
    payload_sha256: bytes


class Event(msgspec.Struct, frozen=True, gc=False):
    """A record that may reach a handler: readable envelope, declared type, decoded payload.

    Like everything that is made for each record, made in C, and never part of a cycle that a collector would find.
    """

    event_id: str
    event_type: str
    version: int
    topic: str
    key: str
    stream_version: int | None
    time: datetime
    source: str
    subject: str | None
    cause_id: str
    data_schema: str
    traceparent: str | None
    data: Any
    payload_sha256: bytes


@lru_cache(maxsize=TYPES_REMEMBERED)
def split_type(type_and_version: str) -> tuple[str, int]:
    """Split ``PaymentCaptured.v1`` into its name and version."""
    name, separator, digits = type_and_version.rpartition(".v")
    if not separator or not name or not (digits.isascii() and digits.isdigit()):
        raise UnreadableEnvelope(f"ce_type {type_and_version!r} is not <Type>.v<N>")
    return name, int(digits)


def event_of(envelope: Envelope, data: object) -> Event:
    """Join an envelope and its decoded payload."""
    name, version = split_type(envelope.type_and_version)
    return Event(
        event_id=envelope.event_id,
        event_type=name,
        version=version,
        topic=envelope.topic,
        key=envelope.key,
        stream_version=envelope.stream_version,
        time=envelope.time,
        source=envelope.source,
        subject=envelope.subject,
        cause_id=envelope.cause_id,
        data_schema=envelope.data_schema,
        traceparent=envelope.traceparent,
        data=data,
        payload_sha256=envelope.payload_sha256,
    )


def format_time(moment: datetime) -> str:
    """Write a time as RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def write_headers(row: SupportsGetItem) -> list[tuple[str, bytes]]:
    """Return the headers of an outbox row."""
    headers = [
        (CE_SPECVERSION, SPEC_VERSION.encode()),
        (CE_ID, row["event_id"].encode()),
        (CE_TYPE, row["event_type"].encode()),
        (CE_SOURCE, row["source"].encode()),
        (CE_TIME, format_time(row["event_time"]).encode()),
        (CE_DATASCHEMA, row["data_schema"].encode()),
        (CE_CAUSEID, row["cause_id"].encode()),
        (CONTENT_TYPE, JSON_CONTENT),
    ]
    if row["stream_version"] is not None:
        headers.append((CE_STREAMVERSION, str(row["stream_version"]).encode()))
    if row["subject"] is not None:
        headers.append((CE_SUBJECT, row["subject"].encode()))
    if row["traceparent"] is not None:
        headers.append((TRACEPARENT, row["traceparent"].encode()))
    return headers


def read_envelope(record: Record) -> Envelope:
    """Read what the headers say, or raise ``UnreadableEnvelope`` naming the first thing wrong."""
    texts = _header_texts(record)
    if texts.get(CE_SPECVERSION) != SPEC_VERSION:
        raise UnreadableEnvelope("ce_specversion is not 1.0")
    event_id = _required(texts, CE_ID)
    type_and_version = _required(texts, CE_TYPE)
    split_type(type_and_version)
    if record.value is None:
        raise UnreadableEnvelope("the record has no value")
    return Envelope(
        event_id=event_id,
        type_and_version=type_and_version,
        topic=texts.get(LIVE_TOPIC, record.topic),
        key=_key(record.key),
        stream_version=_stream_version(texts.get(CE_STREAMVERSION)),
        time=_time(_required(texts, CE_TIME)),
        source=_required(texts, CE_SOURCE),
        subject=texts.get(CE_SUBJECT),
        cause_id=_required(texts, CE_CAUSEID),
        data_schema=_required(texts, CE_DATASCHEMA),
        traceparent=texts.get(TRACEPARENT),
        payload=record.value,
        payload_sha256=hashlib.sha256(record.value).digest(),
    )


def is_refill_marker(record: Record) -> bool:
    """Whether the record ends its refill partition."""
    return any(name == REFILL_MARKER for name, _value in record.headers)


def is_refill_unsent(record: Record) -> bool:
    """Whether its owner's relay had not marked the record as sent when it was written to the refill topic."""
    return any(name == REFILL_UNSENT for name, _value in record.headers)


def _header_texts(record: Record) -> dict[str, str]:
    try:
        texts = {name: value.decode() for name, value in record.headers}
    except UnicodeDecodeError:
        return _checked_texts(record)
    if len(texts) == len(record.headers) and "\x00" not in "".join(texts.values()):
        return texts
    return _checked_texts(record)


def _checked_texts(record: Record) -> dict[str, str]:
    """Read header by header, to name the one that is wrong."""
    texts: dict[str, str] = {}
    for name, value in record.headers:
        if name in texts:
            raise UnreadableEnvelope(f"header {name} stands twice")
        try:
            text = value.decode()
        except UnicodeDecodeError as error:
            raise UnreadableEnvelope(f"header {name} is not UTF-8") from error
        if "\x00" in text:
            raise UnreadableEnvelope(f"header {name} holds a NUL")
        texts[name] = text
    return texts


def _required(texts: Mapping[str, str], name: str) -> str:
    text = texts.get(name, "")
    if not text or len(text) > ID_MAX_CHARS:
        raise UnreadableEnvelope(f"{name} is missing, empty or longer than {ID_MAX_CHARS} characters")
    return text


def _key(raw: bytes | None) -> str:
    if not raw or len(raw) > KEY_MAX_BYTES:
        raise UnreadableEnvelope("the key is missing, empty or too long")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise UnreadableEnvelope("the key is not UTF-8") from error
    if "\x00" in text:
        raise UnreadableEnvelope("the key holds a NUL")
    return text


def _stream_version(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or int(text) < 1:  # noqa: PLR2004 - fits bigint
        raise UnreadableEnvelope("ce_streamversion is not a positive integer")
    return int(text)


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnreadableEnvelope("ce_time is not RFC 3339") from error
    if moment.tzinfo is None:
        raise UnreadableEnvelope("ce_time has no zone")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
