"""Makes what the old books told the beginning of what the new ones tell: every event of their archive, as it was.

A consumer has read those streams. Told anew, with other ids, every journal would stand in a place that it has passed,
which is a version conflict; under other journal ids it would even count twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from schemas import catalogue
from schemas.generated import JournalPostedV1, LedgerHeadSignedV1, LedgerPeriodClosedV1, PeriodCloseDecidedV1
from services.ledger.adapters.former_keys import keep_former_keys
from services.ledger.adapters.publishing import TOPIC
from services.ledger.adapters.restoring_closes import keep_told_closes
from services.ledger.adapters.told_journals import keep_told
from services.ledger.adapters.topic_records import check_finished, records_of
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from shared.messaging.envelope import is_refill_unsent, read_envelope
from shared.persistence.outbox_takeover import ToldRow, take_over
from shared.persistence.unit_of_work import Transactions

if TYPE_CHECKING:
    from shared.messaging.broker import Broker, Record

BATCH_EVENTS: Final = 5_000
"""One transaction's worth: a few MB, and a statement for each table."""
_KEPT: Final = frozenset(
    ("JournalPosted.v1", "PeriodCloseDecided.v1", "LedgerHeadSigned.v1", "LedgerPeriodClosed.v1")
)
"""What the books remember beside the events themselves."""


def take_over_told(broker: Broker, refill: str, owner: Transactions[LedgerUnitOfWork]) -> int:
    """Take over a refill of ``ledger.events``; return how many events were new here. As often as wanted.

    Raises ``BrokerError`` where the refill has no end, and ``Rejected`` where a stream is not whole or these books told
    something else already.
    """
    check_finished(broker, refill)
    taken, records = 0, records_of(broker, refill)
    while batch := list(islice(records, BATCH_EVENTS)):
        taken += owner.run(partial(_take_over, batch), name="take over what was told")
    return taken


def _take_over(records: Sequence[Record], uow: LedgerUnitOfWork) -> int:
    fresh = take_over(uow.connection, TOPIC, [_told(record) for record in records], shards=uow.outbox.shards)
    told = [catalogue.decode(TOPIC, row.event_type, row.payload) for row in fresh if row.event_type in _KEPT]
    keep_told(uow.connection, [data for data in told if isinstance(data, JournalPostedV1)])
    keep_told_closes(uow.connection, [data for data in told if isinstance(data, PeriodCloseDecidedV1)])
    signed = (data for data in told if isinstance(data, (LedgerHeadSignedV1, LedgerPeriodClosedV1)))
    keep_former_keys(uow.connection, {data.key_id for data in signed})
    return len(fresh)


def _told(record: Record) -> ToldRow:
    envelope = read_envelope(record)
    return ToldRow(
        key=envelope.key,
        stream_version=envelope.stream_version or 0,
        event_id=envelope.event_id,
        event_type=envelope.type_and_version,
        data_schema=envelope.data_schema,
        source=envelope.source,
        subject=envelope.subject or envelope.key,
        event_time=envelope.time,
        cause_id=envelope.cause_id,
        traceparent=envelope.traceparent,
        payload=envelope.payload,
        payload_sha256=envelope.payload_sha256,
        sent=not is_refill_unsent(record),
    )
