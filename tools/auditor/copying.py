"""What is read from each database, as one table of queries; two snapshots per database, in an order that matters.

Everything is read upstream last: committed offsets, then inboxes, then topics, then the books, then what caused them.
So whatever has an effect here has its cause here too, also while payments flow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from tools.auditor.addresses import Addresses
from tools.auditor.ledger_queries import LEDGER
from tools.auditor.model import AuditImpossible
from tools.auditor.reconciliation_queries import PIECES_AT_ONCE, RECONCILIATION, STORED_BYTES, hashed
from tools.auditor.sandbox_queries import SANDBOX
from tools.auditor.scratch import Scratch

FETCH_ROWS: Final = 20_000
CONNECT_TIMEOUT_S: Final = 5
STATEMENT_TIMEOUT_MS: Final = 600_000
#: The order of reading: whoever is told comes before whoever tells.
READING_ORDER: Final = (
    "ledger",
    "sandbox",
    "webhook_ingest",
    "processor",
    "risk",
    "reconciliation",
    "payment",
)
WITHOUT_KAFKA: Final = frozenset({"sandbox"})

_INBOX: Final = (
    (
        "inbox",
        "SELECT consumer, event_id, encode(payload_sha256, 'hex'), topic, key, stream_version, outcome FROM inbox",
    ),
    ("inbox_versions", "SELECT consumer, topic, key, last_version FROM inbox_versions"),
    (
        "inbox_horizons",
        "SELECT consumer, (extract(epoch FROM horizon) * 1000000)::bigint FROM inbox_horizons",
    ),
    ("parked_keys", "SELECT consumer, topic, key, reason, detail FROM parked_keys"),
    (
        "parked_records",
        "SELECT consumer, event_id, topic, key, stream_version, encode(payload_sha256, 'hex') FROM parked_records",
    ),
    (
        "quarantined",
        "SELECT consumer, event_id, topic, key, reason, encode(payload_sha256, 'hex') FROM quarantined_records",
    ),
    (
        "skipped",
        "SELECT consumer, topic, key, stream_version FROM skipped_versions WHERE applied_at IS NOT NULL",
    ),
)

_OUTBOX: Final = (
    (
        "outbox",
        (
            "SELECT '{service}', topic, key, stream_version, event_id, event_type, encode(payload_sha256, 'hex'),"
            " cause_id, (sent_at IS NOT NULL)::int, created_on::text FROM outbox"
        ),
    ),
    ("streams", "SELECT '{service}', topic, key, last_version FROM outbox_streams"),
    (
        "dropped_days",
        (
            "SELECT '{service}', to_date(right(partition_name, 8), 'YYYYMMDD')::text FROM outbox_archives"
            " WHERE dropped_at IS NOT NULL AND partition_name ~ '[0-9]{8}$'"
        ),
    ),
    (
        "dead_letters",
        (
            "SELECT '{service}', j->>'consumer', j->>'topic', j->>'key', j->>'event_id' FROM outbox,"
            " LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed WHERE event_type = 'DeadLettered.v1'"
        ),
    ),
)

_PAYMENT: Final = (
    (
        "payments",
        (
            "SELECT payment_id, merchant_id, status, currency, amount_minor, authorized_minor, capturable_minor,"
            " captured_minor, refunded_minor, refunded_adopted_minor, refund_reserved_minor, disputed_open_minor,"
            " reversed_minor, settled_minor, stray_minor, fee_total_minor, fee_returned_minor,"
            " authorization_released::int, created_at::date::text FROM payments"
        ),
    ),
    (
        "operations",
        (
            "SELECT operation_id, payment_id, type, state, amount_minor,"
            " (type = 'capture' OR (type = 'authorize' AND capture))::int, refund_id, dispute_id FROM operations"
        ),
    ),
    (
        "refunds",
        (
            "SELECT refund_id, payment_id, amount_minor, currency, state, operation_id, adopted::int,"
            " fee_returned_minor, capture_id FROM refunds"
        ),
    ),
    (
        "objects",
        (
            "SELECT object_id, payment_id, object_type, status, amount_minor, currency, role, operation_id, stray_id,"
            " counted_minor, implied::int, fact_key, parent_id, concat_ws(':', processor, account, object_id),"
            " settled::int FROM processor_objects"
        ),
    ),
    (
        "settlement_lines",
        (
            "SELECT concat_ws(':', 'line', source, line_id), payment_id, concat_ws(':', processor, account, object_id),"
            " category, gross_minor, currency FROM settlement_lines WHERE payment_id IS NOT NULL"
        ),
    ),
    (
        "strays",
        (
            "SELECT stray_id, payment_id, kind, amount_minor, currency, returned_minor, reserved_minor,"
            " released::int, mismatch::int, taken_back_minor, accepted::int FROM strays"
        ),
    ),
    (
        "disputes",
        (
            "SELECT dispute_id, payment_id, object_id, concat_ws(':', processor, account, object_id), status,"
            " amount_minor, currency, stray_id, withdrawn_minor, reinstated_minor, written_off_minor, fee_minor,"
            " capture_id FROM disputes"
        ),
    ),
    (
        "reversals",
        (
            "SELECT reversal_id, payment_id, object_id, concat_ws(':', processor, account, object_id), currency,"
            " stray_id, taken_minor, given_back_minor, cause, capture_id FROM reversals"
        ),
    ),
    (
        "history",
        "SELECT history_id, payment_id, subject, subject_id, from_state, to_state FROM status_history",
    ),
    ("stored_legal", "SELECT subject, from_state, to_state FROM legal_transitions"),
    ("evidence", "SELECT DISTINCT payment_id, fact_key FROM evidence"),
    (
        "waiting",
        "SELECT waiting_id, payment_id, (deadline_at < now())::int FROM waiting_facts WHERE dismissed_at IS NULL",
    ),
    (
        "cases",
        "SELECT case_id, payment_id, reason, (closed_at IS NOT NULL)::int, subject, operation_id FROM cases",
    ),
    (
        "keys",
        (
            "SELECT scope, endpoint, state, resource_id, status, (body IS NOT NULL)::int, replays + attaches,"
            ' CASE WHEN status < 300 THEN substring(convert_from(body, \'UTF8\') FROM \'"id"\\s*:\\s*"([^"]+)"\') END'
            " FROM idempotency_keys LEFT JOIN idempotency_key_repeats USING (scope)"
        ),
    ),
    (
        "events",
        (
            "SELECT event_id, left(event_type, -3), j->>'payment_id', j->>'merchant_id', (j->>'amount_minor')::bigint,"
            " j->>'currency', j->>'fact_key', j->>'operation_id', j->>'refund_id', j->>'stray_id', j->>'direction',"
            " coalesce(j->>'kind', j->>'stage', j->>'outcome'), (j->>'fee_minor')::bigint,"
            " (j->>'fee_returned_minor')::bigint, ((j->>'was_succeeded')::boolean)::int, j->>'charged_to',"
            " j->>'dispute_id', j->>'reversal_id', (j->>'held_minor')::bigint,"
            " j->>'settled_fact_key', concat_ws(':', j->>'processor', j->>'account', j->>'object_id'),"
            " stream_version FROM outbox, LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed"
            " WHERE topic = 'payment.events' AND event_type = ANY (ARRAY['PaymentAuthorized.v1', 'PaymentCaptured.v1',"
            " 'HoldReleased.v1', 'RefundRequested.v1', 'RefundSucceeded.v1', 'RefundFailed.v1', 'RefundAdopted.v1',"
            " 'OperationUncertain.v1', 'OperationResolved.v1', 'StrayFound.v1', 'StrayReturnRequested.v1',"
            " 'StrayReturnSucceeded.v1', 'StrayReturnFailed.v1', 'StrayAccepted.v1', 'RefundStrayFound.v1',"
            " 'RefundStrayFailed.v1', 'DisputeOpened.v1', 'DisputeClosed.v1', 'DisputeWithdrawn.v1',"
            " 'DisputeReinstated.v1', 'DisputeWrittenOff.v1', 'DisputeWriteOffReversed.v1', 'ReversalReceived.v1',"
            " 'ReversalGivenBack.v1', 'CaptureSettled.v1', 'CaptureUnsettled.v1'])"
        ),
    ),
    (
        "risk_waits",
        (
            "SELECT operation_id, payment_id, state, risk, risk_by, risk_version, (risk = 'WAITING'"
            " AND risk_deadline_at < now() - interval '60 seconds')::int FROM operations WHERE risk IS NOT NULL"
        ),
    ),
    (
        "asked",
        (
            "SELECT event_id, j->>'operation_id', (j->>'payment_version')::bigint,"
            " (j ? 'decide_by_at' AND j->>'decide_by_at' IS NOT NULL)::int FROM outbox,"
            " LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed"
            " WHERE topic = 'payment.events' AND event_type = 'OperationRequested.v1'"
        ),
    ),
    (
        "commands",
        (
            "SELECT event_id, CASE event_type WHEN 'SubmitDisputeEvidence.v1' THEN 'dispute_evidence'"
            " WHEN 'AcceptDispute.v1' THEN 'dispute_accept'"
            " ELSE lower(replace(left(event_type, -3), 'Payment', '')) END, j->>'payment_id',"
            " j->>'operation_id', (j->>'amount_minor')::bigint, j->>'currency' FROM outbox,"
            " LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed"
            " WHERE topic = 'processor.commands' AND (event_type LIKE '%Payment.v1'"
            " OR event_type IN ('SubmitDisputeEvidence.v1', 'AcceptDispute.v1'))"
        ),
    ),
)

_RISK: Final = (
    (
        "decisions",
        (
            "SELECT d.decision_id, d.operation_id, d.payment_id, d.payment_version, d.rule_set_version, d.decision,"
            " d.cause_event_id, coalesce(r.activated_at IS NOT NULL, false)::int FROM decisions AS d"
            " LEFT JOIN rule_sets AS r ON r.version = d.rule_set_version"
        ),
    ),
    (
        "told_decisions",
        (
            "SELECT j->>'decision_id', j->>'operation_id', (j->>'payment_version')::bigint,"
            " (j->>'rule_set_version')::int, j->>'decision' FROM outbox,"
            " LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed"
            " WHERE event_type = 'RiskDecided.v1'"
        ),
    ),
)

_PROCESSOR: Final = (
    (
        "attempts",
        "SELECT operation_id, payment_id, kind, amount_minor, currency, state, closing, attempt_number FROM attempts",
    ),
)

_WEBHOOK_INGEST: Final = (
    ("deliveries", "SELECT delivery_id, processor_event_id, verdict FROM deliveries"),
    ("claims", "SELECT processor_event_id, times_seen FROM delivery_claims"),
    ("refused", "SELECT reason, count(*) FROM refused_deliveries GROUP BY 1"),
    (
        "webhook_events",
        (
            "SELECT event_id, event_type, j->>'delivery_id', j->'fact'->>'fact_key' FROM outbox,"
            " LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) AS parsed"
            " WHERE event_type IN ('WebhookFactReceived.v1', 'WebhookUnrecognised.v1')"
        ),
    ),
)

_OWN: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "payment": _PAYMENT,
    "processor": _PROCESSOR,
    "webhook_ingest": _WEBHOOK_INGEST,
    "ledger": LEDGER,
    "risk": _RISK,
    "reconciliation": RECONCILIATION,
    "sandbox": SANDBOX,
}


def copy_inboxes(addresses: Addresses, scratch: Scratch) -> None:
    """What every consumer has taken in; before the topics are read."""
    for service in READING_ORDER:
        if service not in WITHOUT_KAFKA:
            _copy(addresses, service, _INBOX, scratch)


def copy_books(addresses: Addresses, scratch: Scratch) -> None:
    """What every service holds and what it told; after the topics were read."""
    for service in READING_ORDER:
        outbox = () if service in WITHOUT_KAFKA else _OUTBOX
        _copy(addresses, service, (*_OWN[service], *outbox), scratch)
    with reading(addresses, "reconciliation") as connection:
        scratch.fill("stored_files", hashed(_stream(connection, STORED_BYTES, PIECES_AT_ONCE)))


def queries_of(service: str) -> tuple[tuple[str, str], ...]:
    """Everything that is copied of one database, by the table of the copy that it fills."""
    if service in WITHOUT_KAFKA:
        return _OWN[service]
    queries = (*_INBOX, *_OWN[service], *_OUTBOX)
    return tuple((table, query.replace("{service}", service)) for table, query in queries)


@contextmanager
def reading(addresses: Addresses, service: str) -> Iterator[psycopg.Connection]:
    """A read-only connection whose transaction sees one snapshot."""
    try:
        connection = psycopg.connect(
            addresses.database(service),
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name="tieout-auditor",
            options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
        )
    except psycopg.OperationalError as problem:
        raise AuditImpossible(f"cannot read the database of {service}: {problem}") from problem
    with connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield connection


def _copy(addresses: Addresses, service: str, queries: Sequence[tuple[str, str]], scratch: Scratch) -> None:
    with reading(addresses, service) as connection:
        for table, query in queries:
            scratch.fill(table, _stream(connection, query.replace("{service}", service)))


def _stream(
    connection: psycopg.Connection, query: str, rows_at_once: int = FETCH_ROWS
) -> Iterator[tuple[Any, ...]]:
    with connection.cursor(name="audit") as cursor:
        cursor.itersize = rows_at_once
        cursor.execute(query.encode())
        yield from cursor
