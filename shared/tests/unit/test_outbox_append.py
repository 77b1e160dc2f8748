"""Appending: refused where the event was made, traced, and spread over shards in the same way for ever."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from schemas.catalogue import UnknownEvent
from shared.kernel.errors import InvariantViolation
from shared.kernel.ids import UlidIds
from shared.persistence.outbox import MAX_PAYLOAD_BYTES, Outbox, current_traceparent, shard_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    payload: bytes
    event_type: str = "Said.v1"
    data_schema: str = "/s"


def outbox(size=2, **options):
    options.setdefault("encode", lambda _topic, _event: Said(b"x" * size))
    return Outbox(None, source="/tieout/probe", now=NOW, ids=UlidIds(), **options)


def test_an_event_gets_an_id_a_subject_and_a_digest():
    box = outbox()
    event_id = box.append("t", None, key="k", cause_id="c")
    (row,) = box.pending
    assert (row.event_id, row.subject, len(row.payload_sha256)) == (event_id, "k", 32)
    assert event_id.startswith("evt_")


def test_an_event_too_large_for_the_table_is_refused_at_once():
    outbox(MAX_PAYLOAD_BYTES).append("t", None, key="k", cause_id="c")
    with pytest.raises(InvariantViolation, match="event_size"):
        outbox(MAX_PAYLOAD_BYTES + 1).append("t", None, key="k", cause_id="c")


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_cannot_name_a_stream_is_refused(key):
    with pytest.raises(InvariantViolation, match="event_key"):
        outbox().append("t", None, key=key, cause_id="c")


def test_the_contract_is_checked_where_the_event_is_made():
    box = Outbox(None, source="/tieout/probe", now=NOW, ids=UlidIds())
    with pytest.raises(UnknownEvent):
        box.append("no.such.topic", None, key="k", cause_id="c")
    assert box.pending == []


def test_an_empty_outbox_asks_nothing_of_the_database():
    assert outbox().flush() is None


def test_the_trace_of_the_one_who_works_goes_with_the_event():
    assert current_traceparent() is None
    context = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(context)):
        assert current_traceparent() == f"00-{0xABC:032x}-{0xDEF:016x}-01"


def test_shards_never_move_between_releases():
    # Recorded once: another answer would send one stream's events through two relays.
    assert [shard_of("some.events", key, 8) for key in ("a", "b", "c", "pay_1")] == [4, 6, 0, 0]
    assert shard_of("some.events", "a", 1) == 0
