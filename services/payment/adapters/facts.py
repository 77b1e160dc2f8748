"""Repositories of what surrounds facts: who an object belongs to, what waits, what was told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from services.payment.adapters import tables
from services.payment.adapters.batch_writer import BatchWriter
from services.payment.adapters.rows import fact_from, fact_json
from services.payment.app.apply_fact import refs_of
from services.payment.app.ports import NEVER, Evidence, Ref, WaitingFact
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.domain.status import Source
from shared.persistence.arrays import text_array
from shared.persistence.statements import execute, execute_later

_MAKE_REFS: Final = """
INSERT INTO object_refs (processor, account, ref)
SELECT * FROM unnest(%(processors)s::text[], %(accounts)s::text[], %(refs)s::text[])
ON CONFLICT DO NOTHING
"""
_LOCK_REFS: Final = """
SELECT r.processor, r.account, r.ref, r.payment_id FROM object_refs AS r
  JOIN unnest(%(processors)s::text[], %(accounts)s::text[], %(refs)s::text[]) AS w(processor, account, ref)
    ON r.processor = w.processor AND r.account = w.account AND r.ref = w.ref
 ORDER BY r.processor, r.account, r.ref FOR UPDATE OF r
"""
_OWN_REFS: Final = """
INSERT INTO object_refs AS r (processor, account, ref, payment_id)
SELECT processor, account, ref, payment_id
  FROM jsonb_populate_recordset(NULL::object_refs, %({rows})s::jsonb)
ON CONFLICT (processor, account, ref) DO UPDATE SET payment_id = excluded.payment_id
 WHERE r.payment_id IS NULL
"""
# Rows that the worker holds are skipped: it locks the payment after us, and so sees what we wrote.
_WAKE: Final = """
UPDATE waiting_facts SET next_check_at = %(now)s WHERE waiting_id IN (
  SELECT waiting_id FROM waiting_facts WHERE refs && %(refs)s::text[] AND next_check_at > %(now)s
   ORDER BY waiting_id FOR UPDATE SKIP LOCKED)
"""
_CLAIM_DUE: Final = """
SELECT to_jsonb(w) FROM waiting_facts AS w WHERE w.next_check_at <= %(now)s
 ORDER BY w.next_check_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
_DUE: Final = """
SELECT waiting_id FROM waiting_facts WHERE next_check_at <= %(now)s ORDER BY next_check_at LIMIT %(limit)s
"""
_OTHERS_STUCK: Final = """
SELECT EXISTS (
  SELECT FROM waiting_facts WHERE refs && %(refs)s::text[] AND waiting_id <> ALL(%(not_these)s::text[])
     AND fact ->> 'processor' = %(processor)s AND fact ->> 'account' = %(account)s
     AND fact ->> 'object_id' = %(object_id)s AND dismissed_at IS NULL AND deadline_at <= %(now)s)
"""
_LOCK_WAITING: Final = (
    "SELECT to_jsonb(w) FROM waiting_facts AS w WHERE w.waiting_id = %(waiting_id)s FOR UPDATE"
)
_DISMISS: Final = """
UPDATE waiting_facts SET dismissed_at = %(at)s, dismissed_by = %(by)s, dismissed_reason = %(reason)s,
       next_check_at = %(never)s
 WHERE waiting_id = %(waiting_id)s
"""
_EVIDENCE: Final = "SELECT fact FROM evidence WHERE evidence_id = %(evidence_id)s"
_FINISH: Final = "DELETE FROM waiting_facts WHERE waiting_id = ANY(%(ids)s::text[])"


class StoredObjectRefs:
    """Names of processors' objects and of ours; the row that fact and payment both lock."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._owners: dict[Ref, str | None] = {}

    def lock(self, refs: Collection[Ref]) -> None:
        """Create what is missing and lock all in order; until the transaction ends nobody else can claim them."""
        wanted = sorted(set(refs) - self._owners.keys())
        if not wanted:
            return
        processors, accounts, names = (text_array(column) for column in zip(*wanted, strict=True))
        values = {"processors": processors, "accounts": accounts, "refs": names}
        execute_later(self._connection, _MAKE_REFS, values, check=lambda _answer: None)
        for processor, account, ref, owner in execute(self._connection, _LOCK_REFS, values).rows:
            self._owners[str(processor), str(account), str(ref)] = owner

    def owner(self, ref: Ref) -> str | None:
        """The payment it belongs to."""
        return self._owners.get(ref)

    def claim(self, ref: Ref, payment_id: str) -> None:
        """Found in this transaction: later facts of the batch must see it."""
        if self._owners.get(ref) is None:
            self._owners[ref] = payment_id

    def write(self, writer: BatchWriter, payments: Sequence[Payment]) -> list[str]:
        """Hand the names of new operations and objects to the writer, in the order in which facts lock them."""
        rows = sorted((ref, payment.payment_id) for payment in payments for ref in new_refs(payment))
        values = [
            {"processor": ref[0], "account": ref[1], "ref": ref[2], "payment_id": payment_id}
            for ref, payment_id in rows
        ]
        # A row that was there before was made by a fact, which may wait for it.
        writer.raw("object_refs", _OWN_REFS, values, counting="(xmax::text <> '0')::int")
        return [ref[2] for ref, _ in rows]


def new_refs(payment: Payment) -> set[Ref]:
    """Names by which facts may know the payment and that are not stored yet."""
    operations = {
        (o.processor, o.account, o.operation_id) for o in payment.operations.values() if not o.stored
    }
    return operations | {thing.key for thing in payment.objects.values() if not thing.stored}


class StoredWaitingFacts:
    """Facts that wait for a payment, an object or an amount."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._added: list[WaitingFact] = []
        self._finished: list[str] = []
        self._postponed: list[dict[str, Any]] = []

    def add(self, waiting: WaitingFact) -> None:
        """Let a fact wait; told twice it waits once."""
        self._added.append(waiting)

    def claim_due(self, now: datetime, limit: int) -> Sequence[WaitingFact]:
        """Lock facts whose time has come, skipping those that another worker holds."""
        rows = self._connection.exec_driver_sql(_CLAIM_DUE, {"now": now, "limit": limit}).scalars()
        return [_waiting_from(row) for row in rows]

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Which facts' time has come, without locking them."""
        rows = self._connection.exec_driver_sql(_DUE, {"now": now, "limit": limit}).scalars()
        return [str(row) for row in rows]

    def others_stuck(self, waiting: WaitingFact, now: datetime) -> bool:
        """Whether another fact of the same object is past its deadline and not dismissed; its names are locked."""
        processor, account, object_id = waiting.fact.key
        values = {
            "refs": text_array([object_id]),
            "not_these": text_array([waiting.waiting_id, *self._finished]),
            "processor": processor,
            "account": account,
            "object_id": object_id,
            "now": now,
        }
        return bool(self._connection.exec_driver_sql(_OTHERS_STUCK, values).scalar())

    def finish(self, waiting_id: str) -> None:
        """It found its payment."""
        self._finished.append(waiting_id)

    def postpone(self, waiting: WaitingFact, next_check_at: datetime) -> None:
        """It goes on waiting; past its deadline it shows as stuck."""
        row = _waiting_row(waiting)
        self._postponed.append(row | {"next_check_at": next_check_at, "checks": waiting.checks + 1})

    def locked(self, waiting_id: str) -> WaitingFact | None:
        """One of them, locked until the transaction ends."""
        row = self._connection.exec_driver_sql(_LOCK_WAITING, {"waiting_id": waiting_id}).scalar()
        return None if row is None else _waiting_from(row)

    def dismiss(self, waiting_id: str, *, by: str, reason: str, at: datetime) -> None:
        """Nobody need look at it any more; what it names still wakes it."""
        values = {"waiting_id": waiting_id, "by": by, "reason": reason, "at": at, "never": NEVER}
        self._connection.exec_driver_sql(_DISMISS, values)

    def write(self, writer: BatchWriter) -> None:
        """Hand what changed to the writer."""
        writer.insert_new("waiting_facts", tables.WAITING, [_waiting_row(waiting) for waiting in self._added])
        writer.update(
            "waiting_facts", ("waiting_id",), ("waiting_id", "next_check_at", "checks"), self._postponed
        )

    @property
    def settled(self) -> bool:
        """Whether a fact has stopped waiting in this transaction."""
        return bool(self._finished)

    def wake(self, refs: Collection[str], payments: Collection[str], now: datetime) -> None:
        """After the writes: drop what is finished, and have those looked at that waited for these names."""
        if self._finished:
            execute(self._connection, _FINISH, {"ids": text_array(self._finished)})
        names = [*refs, *payments]
        if names:
            execute(self._connection, _WAKE, {"refs": text_array(names), "now": now})


class StoredEvidence:
    """Everything anybody told us; only ever added to."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._added: dict[str, Evidence] = {}

    def add(self, evidence: Evidence) -> None:
        """Keep it, once."""
        self._added.setdefault(evidence.evidence_id, evidence)

    def find(self, evidence_id: str) -> Fact | None:
        """What it said, as it was kept; only what an earlier transaction kept."""
        row = self._connection.exec_driver_sql(_EVIDENCE, {"evidence_id": evidence_id}).scalar()
        return fact_from(row) if row is not None else None

    def write(self, writer: BatchWriter) -> None:
        """Hand it to the writer."""
        writer.insert_new("evidence", tables.EVIDENCE, [_evidence_row(e) for e in self._added.values()])


def _evidence_row(evidence: Evidence) -> dict[str, Any]:
    fact = evidence.fact
    return {
        "evidence_id": evidence.evidence_id,
        "payment_id": evidence.payment_id,
        "processor": fact.processor,
        "account": fact.account,
        "object_type": fact.object_type,
        "object_id": fact.object_id,
        "fact_key": fact.fact_key,
        "source": evidence.source,
        "rank": evidence.rank,
        "verdict": evidence.verdict,
        "digest": fact.digest,
        "fact": fact_json(fact),
        "cause_id": evidence.cause_id,
        "occurred_at": fact.occurred_at,
        "received_at": evidence.received_at,
    }


def _waiting_row(waiting: WaitingFact) -> dict[str, Any]:
    names = [ref[2] for ref in refs_of(waiting.fact)]
    return {
        "waiting_id": waiting.waiting_id,
        "fact": fact_json(waiting.fact),
        "source": waiting.source,
        "evidence_id": waiting.evidence_id,
        "cause_id": waiting.cause_id,
        "payment_id": waiting.payment_id,
        # The payment's own id is a name as well: it wakes facts that wait for its next step.
        "refs": [*names, *([waiting.payment_id] if waiting.payment_id else [])],
        "received_at": waiting.received_at,
        "next_check_at": waiting.next_check_at,
        "deadline_at": waiting.deadline_at,
        "checks": waiting.checks,
    }


def _waiting_from(row: dict[str, Any]) -> WaitingFact:
    times = ("received_at", "next_check_at", "deadline_at", "dismissed_at")
    return WaitingFact(
        waiting_id=row["waiting_id"],
        fact=fact_from(row["fact"]),
        source=Source(row["source"]),
        evidence_id=row["evidence_id"],
        cause_id=row["cause_id"],
        payment_id=row["payment_id"],
        checks=row["checks"],
        **{name: datetime.fromisoformat(row[name]) for name in times if row[name] is not None},
    )
