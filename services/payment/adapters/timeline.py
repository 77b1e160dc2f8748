"""A payment's whole story: requests, operations, attempts, evidence, steps and events, with causes and times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from shared.persistence.key_inspection import InspectedKey, keys_of_requests, keys_refused

Entry = dict[str, Any]
Row = Mapping[str, Any]

#: The outbox is partitioned by day and found by day; what is older than this has been archived.
DAYS_MAX: Final = 400
#: What waited once and waits no more was taken in: evidence is written once and keeps its first verdict.
_EVIDENCE: Final = """to_jsonb(e) || CASE WHEN e.verdict = 'waits'
       AND NOT EXISTS (SELECT FROM waiting_facts AS w WHERE w.waiting_id = e.evidence_id)
       THEN '{"verdict": "waited"}'::jsonb ELSE '{}'::jsonb END"""
#: One snapshot of everything: each row as JSON under the name of its kind. What was told before anybody knew whose it
#: was is nobody's evidence for ever; the objects that it names tell whose it turned out to be.
_STORY: Final = f"""
SELECT 'transition', to_jsonb(h) FROM status_history AS h WHERE h.payment_id = %(id)s
UNION ALL
SELECT 'operation', to_jsonb(o) FROM operations AS o WHERE o.payment_id = %(id)s
UNION ALL
SELECT 'evidence', {_EVIDENCE} FROM evidence AS e WHERE e.payment_id = %(id)s
UNION ALL
SELECT 'evidence', {_EVIDENCE} FROM evidence AS e
 WHERE e.payment_id IS NULL AND (e.processor, e.account, e.object_id) IN (
       SELECT processor, account, object_id FROM processor_objects WHERE payment_id = %(id)s
       UNION SELECT processor, account, object_id FROM disputes WHERE payment_id = %(id)s
       UNION SELECT processor, account, object_id FROM reversals WHERE payment_id = %(id)s)
UNION ALL
SELECT 'note', to_jsonb(n) FROM payment_notes AS n WHERE n.payment_id = %(id)s
UNION ALL
SELECT 'case', to_jsonb(h) || jsonb_build_object('reason', c.reason, 'operation_id', c.operation_id,
       'follows', c.follows_case_id)
  FROM case_history AS h JOIN cases AS c USING (case_id) WHERE h.payment_id = %(id)s
UNION ALL
SELECT 'stray', to_jsonb(s) FROM strays AS s WHERE s.payment_id = %(id)s
UNION ALL
SELECT 'decision', to_jsonb(d) FROM operator_decisions AS d WHERE d.payment_id = %(id)s
UNION ALL
SELECT 'waiting', to_jsonb(w) FROM waiting_facts AS w WHERE w.payment_id = %(id)s
UNION ALL
SELECT 'event', jsonb_build_object('event_id', x.event_id, 'topic', x.topic, 'event_type', x.event_type,
       'stream_version', x.stream_version, 'cause_id', x.cause_id, 'at', x.event_time, 'sent_at', x.sent_at)
  FROM outbox AS x
 WHERE x.created_on = ANY(%(days)s) AND x.topic IN ('payment.events', 'processor.commands') AND x.key = %(id)s
"""
#: At the same moment a cause comes before its effects.
_ORDER: Final = (
    "request", "attempt", "note", "evidence", "waiting", "decision", "operation", "transition", "stray", "case",
    "event",
)  # fmt: skip


def read_timeline(
    connection: sa.Connection, payment_id: str, *, owner: str, created_at: datetime, updated_at: datetime
) -> list[Entry]:
    """Everything known about a payment, in the order of time."""
    values = {"id": payment_id, "days": _days(created_at, updated_at)}
    rows = [(kind, row) for kind, row in connection.exec_driver_sql(_STORY, values)]
    born = [row for kind, row in rows if kind == "transition" and row["from_state"] is None]
    causes = {row["subject_id"]: row["cause_id"] for row in born}
    entries = [_SHOWN[kind](row) for kind, row in rows]
    entries += [_settled(row) for kind, row in rows if kind == "decision" and row["decided_at"]]
    for entry in entries:
        if entry["kind"] == "operation":
            entry["cause_id"] = causes.get(entry["id"])
    entries += _requests(connection, payment_id, owner, entries)
    entries.sort(key=lambda entry: (entry["at"], _ORDER.index(entry["kind"]), entry["position"]))
    for entry in entries:
        del entry["position"]
    return entries


def _days(created_at: datetime, updated_at: datetime) -> list[Any]:
    """The days on which its events can have been written, by whatever time zone the server keeps."""
    first, last = (created_at - timedelta(days=1)).date(), (updated_at + timedelta(days=1)).date()
    return [last - timedelta(days=back) for back in range(min((last - first).days, DAYS_MAX) + 1)]


def _requests(connection: sa.Connection, payment_id: str, owner: str, entries: list[Entry]) -> list[Entry]:
    """The merchant's requests are the causes of what they changed; their keys tell how they came, and came again.

    Of those that were refused, and so changed nothing, the key alone tells: while it lives, if the refusal was kept.
    """
    first_at: dict[str, datetime] = {}
    for entry in entries:
        cause_id = entry.get("cause_id") or ""
        if entry["kind"] in {"transition", "event"} and cause_id.startswith("req_"):
            first_at[cause_id] = min(entry["at"], first_at.get(cause_id, entry["at"]))
    keys = {key.request_id: key for key in keys_of_requests(connection, list(first_at))}
    told = [_request(name, at, keys.get(name)) for name, at in first_at.items()]
    return told + [
        _request(key.request_id, key.first_request_at.astimezone(UTC), key)
        for key in keys_refused(connection, owner, payment_id)
        if key.request_id is not None and key.request_id not in first_at
    ]


def _request(request_id: str, at: datetime, key: InspectedKey | None) -> Entry:
    """What is known of a request; of one whose key's row is gone, or was never there, only that it came."""
    entry: Entry = {"kind": "request", "at": at, "id": request_id, "cause_id": None, "position": 0}
    if key is None:
        return entry
    return entry | {
        "at": min(at, key.first_request_at.astimezone(UTC)),
        "endpoint": key.endpoint,
        # Only digests of keys are stored: whoever has the key's text compares, nobody else learns it.
        "key_digest": key.key_digest,
        "status": key.status,
        "replays": key.replays + key.attaches,
        "mismatches": key.mismatches,
        "last_seen_at": key.last_seen_at.astimezone(UTC),
    }


def _transition(row: Row) -> Entry:
    return {
        "kind": "transition",
        "at": _time(row["at"]),
        "subject": row["subject"],
        "id": row["subject_id"],
        "from": row["from_state"],
        "to": row["to_state"],
        "implied": row["implied"],
        "evidence_id": row["evidence_id"],
        "cause_id": row["cause_id"],
        "position": row["history_id"],
    }


def _operation(row: Row) -> Entry:
    return {
        "kind": "operation",
        "at": _time(row["created_at"]),
        "id": row["operation_id"],
        "type": row["type"],
        "state": row["state"],
        "amount": row["amount_minor"],
        "refund": row["refund_id"],
        "dispute": row["dispute_id"],
        "position": row["number"],
    }


def _evidence(row: Row) -> Entry:
    fact = row["fact"]
    return {
        "kind": "evidence",
        "at": _time(row["received_at"]),
        "id": row["evidence_id"],
        "source": row["source"],
        "rank": row["rank"],
        "verdict": row["verdict"],
        "object_type": row["object_type"],
        "object_id": row["object_id"],
        "money_row": fact.get("money_row_id"),
        "status": fact["status"],
        "amount": fact["amount_minor"],
        "currency": fact["currency"],
        "fact_key": row["fact_key"],
        "digest": row["digest"],
        "occurred_at": _time(row["occurred_at"]),
        "cause_id": row["cause_id"],
        "position": 0,
    }


def _note(row: Row) -> Entry:
    entry: Entry = {
        "kind": "attempt" if row["attempt_id"] else "note",
        "at": _time(row["at"]),
        "what": row["kind"],
        "operation_id": row["operation_id"],
        "result": row["result"],
        "detail": row["detail"],
        "cause_id": row["cause_id"],
        "position": row["attempt_number"] or 0,
    }
    return entry | ({"id": row["attempt_id"], "number": row["attempt_number"]} if row["attempt_id"] else {})


def _case(row: Row) -> Entry:
    """One step of a case; how it was closed is told in the words of who closed it."""
    entry = {
        "kind": "case",
        "at": _time(row["at"]),
        "id": row["case_id"],
        "step": row["step"],
        "reason": row["reason"],
        "operation_id": row["operation_id"],
        "exposure": row["exposure_minor"],
        "currency": row["currency"],
        "evidence_id": row["evidence_id"],
        "cause_id": row["cause_id"],
        "position": row["history_id"],
    }
    if row["step"] == "closed":
        return entry | {"closed_by": row["done_by"], "closed_reason": row["words"]}
    return entry | {"words": row["words"], "follows": row["follows"]}


def _stray(row: Row) -> Entry:
    return {
        "kind": "stray",
        "at": _time(row["found_at"]),
        "id": row["stray_id"],
        "what": row["kind"],
        "object_type": row["object_type"],
        "object_id": row["object_id"],
        "operation_id": row["operation_id"],
        "amount": row["amount_minor"],
        "currency": row["currency"],
        "returned": row["returned_minor"],
        "mismatch": row["mismatch"],
        "position": 0,
    }


def _decision(row: Row) -> Entry:
    return {
        "kind": "decision",
        "at": _time(row["proposed_at"]),
        "id": row["decision_id"],
        "subject": row["subject_id"],
        "outcome": row["outcome"],
        "state": "proposed",
        "by": row["proposed_by"],
        "reason": row["reason"],
        "evidence": row["evidence"],
        "position": 0,
    }


def _settled(row: Row) -> Entry:
    return {
        "kind": "decision",
        "at": _time(row["decided_at"]),
        "id": row["decision_id"],
        "subject": row["subject_id"],
        "outcome": row["outcome"],
        "state": row["state"],
        "by": row["decided_by"],
        "reason": row["decided_reason"],
        "position": 1,
    }


def _waiting(row: Row) -> Entry:
    fact = row["fact"]
    return {
        "kind": "waiting",
        "at": _time(row["received_at"]),
        "id": row["waiting_id"],
        "object_type": fact["object_type"],
        "object_id": fact["object_id"],
        "status": fact["status"],
        "checks": row["checks"],
        "deadline_at": _time(row["deadline_at"]),
        "dismissed_by": row["dismissed_by"],
        "dismissed_reason": row["dismissed_reason"],
        "cause_id": row["cause_id"],
        "position": 0,
    }


def _event(row: Row) -> Entry:
    return {
        "kind": "event",
        "at": _time(row["at"]),
        "id": row["event_id"],
        "topic": row["topic"],
        "type": row["event_type"],
        "stream_version": row["stream_version"],
        "sent_at": _time(row["sent_at"]) if row["sent_at"] else None,
        "cause_id": row["cause_id"],
        "position": row["stream_version"],
    }


_SHOWN: Final[Mapping[str, Callable[[Row], Entry]]] = {
    "transition": _transition,
    "operation": _operation,
    "evidence": _evidence,
    "note": _note,
    "case": _case,
    "stray": _stray,
    "decision": _decision,
    "waiting": _waiting,
    "event": _event,
}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
