"""Repository of payments: loaded locked and set-based, kept once per transaction, written in one statement."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from services.payment.adapters import tables
from services.payment.adapters.batch_writer import BatchWriter
from services.payment.adapters.routes import TERMS, find_terms, terms_of
from services.payment.adapters.rows import Child, attach, child_row, children_of, payment_from, payment_row
from services.payment.app.ports import Terms
from services.payment.domain.changes import Changes
from services.payment.domain.payment import Payment
from shared.persistence.arrays import text_array
from shared.persistence.statements import ask_later, execute, execute_later, send_queued
from shared.persistence.wire_statements import Answer

_LOCK: Final = """
SELECT to_jsonb(p) FROM payments AS p WHERE p.payment_id = ANY(%(ids)s::text[]) ORDER BY p.payment_id FOR UPDATE
"""
# A statement of its own, after the locks: its snapshot then holds everything that the locks' last owners wrote.
_CHILDREN: Final = " UNION ALL ".join(
    f"SELECT '{table}', c.payment_id, to_jsonb(c) FROM {table} AS c"
    f" WHERE c.payment_id = ANY({'%(cased)s' if table == 'cases' else '%(ids)s'}::text[])"
    for table in tables.CHILDREN
)
# What a person decided is told by the step out of review that the decision caused, whatever became of the case.
_DECIDED: Final = """
UNION ALL SELECT 'decided', h.payment_id, to_jsonb(h.subject_id)
  FROM status_history AS h JOIN operator_decisions AS d ON d.decision_id = h.cause_id
 WHERE h.payment_id = ANY(%(cased)s::text[]) AND h.subject = 'operation' AND h.from_state = 'IN_REVIEW'
"""
_GUARD: Final = """
UPDATE payments SET refund_reserved_minor = refund_reserved_minor + %(amount)s
 WHERE payment_id = %(id)s
   AND %(amount)s <= captured_minor - refunded_minor - refund_reserved_minor - disputed_open_minor - reversed_minor
   AND %(amount)s <= (
       SELECT c.counted_minor
            - coalesce((SELECT sum(r.counted_minor) FROM processor_objects AS r
                         WHERE r.payment_id = c.payment_id AND r.object_type = 'refund'
                           AND (r.processor, r.account, r.parent_id) = (c.processor, c.account, c.object_id)), 0)
            - coalesce((SELECT sum(r.amount_minor) FROM refunds AS r
                         WHERE r.payment_id = c.payment_id AND r.capture_id = c.object_id
                           AND r.state = 'REQUESTED' AND NOT r.adopted), 0)
            - coalesce((SELECT sum(d.written_off_minor + greatest(
                               CASE WHEN d.status IN ('opened', 'under_review')
                                      OR d.status IN ('lost', 'accepted') AND d.withdrawn_minor = 0
                                    THEN d.amount_minor ELSE 0 END,
                               d.withdrawn_minor - d.reinstated_minor - d.written_off_minor)) FROM disputes AS d
                         WHERE d.payment_id = c.payment_id AND d.stray_id IS NULL
                           AND (d.processor, d.account, d.capture_id) = (c.processor, c.account, c.object_id)), 0)
            - coalesce((SELECT sum(greatest(v.taken_minor - v.given_back_minor, 0)) FROM reversals AS v
                         WHERE v.payment_id = c.payment_id AND v.stray_id IS NULL
                           AND (v.processor, v.account, v.capture_id) = (c.processor, c.account, c.object_id)), 0)
         FROM processor_objects AS c
        WHERE c.payment_id = %(id)s AND c.object_type = 'capture' AND c.object_id = %(capture)s
          AND c.role IN ('counted', 'adopted'))
"""
_GUARD_STRAY: Final = """
UPDATE strays AS s SET reserved_minor = reserved_minor + %(amount)s
 WHERE s.stray_id = %(id)s AND s.kind = 'money' AND NOT s.released
   AND %(amount)s <= s.amount_minor - s.returned_minor - s.reserved_minor - greatest(s.taken_back_minor, 0)
   AND NOT EXISTS (SELECT FROM disputes AS d WHERE d.payment_id = s.payment_id AND d.stray_id = s.stray_id
                    AND (d.implied OR d.status NOT IN ('won', 'inquiry')))
"""
_HOLDS: Final = """
SELECT payment_id FROM operations WHERE operation_id = %(id)s
UNION ALL SELECT payment_id FROM strays WHERE stray_id = %(id)s
UNION ALL SELECT payment_id FROM cases WHERE case_id = %(id)s LIMIT 1
"""
_HOLDER: Final = """
SELECT payment_id FROM payments
 WHERE merchant_id = %(merchant_id)s AND mode = %(mode)s AND reference = %(reference)s
   AND status NOT IN ('FAILED', 'CANCELED')
"""
_REFERENCE_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))"
_WAITING_FOR_RISK: Final = """
SELECT payment_id, operation_id, risk_deadline_at FROM operations
 WHERE risk = 'WAITING' ORDER BY risk_deadline_at LIMIT %(limit)s
"""

# What is undecided is no silence, whoever asked for it.
_FORSAKEN: Final = """
SELECT p.payment_id FROM payments AS p
 WHERE p.status = 'REQUIRES_PAYMENT_METHOD' AND p.created_at <= %(since)s AND p.updated_at <= %(since)s
   AND NOT EXISTS (SELECT FROM operations AS o
                    WHERE o.payment_id = p.payment_id AND o.type IN ('authorize', 'capture', 'cancel')
                      AND o.state IN ('REQUESTED', 'SENT', 'PENDING', 'UNCERTAIN', 'IN_REVIEW'))
 ORDER BY p.created_at LIMIT %(limit)s FOR UPDATE OF p SKIP LOCKED
"""


class StoredPayments:
    """Payments of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._loaded: dict[str, Payment | None] = {}
        self._added: set[str] = set()
        self._terms: dict[tuple[str, str, datetime], Terms] = {}
        self._holders: dict[tuple[str, str, str], str | None] = {}

    def add(self, payment: Payment) -> None:
        """Take in a new payment."""
        self._loaded[payment.payment_id] = payment
        self._added.add(payment.payment_id)

    def locked(self, payment_id: str) -> Payment | None:
        """The payment, locked until the transaction ends; the same object every time."""
        if payment_id not in self._loaded:
            self.lock_many([payment_id])
        return self._loaded[payment_id]

    def lock_many(self, payment_ids: Collection[str]) -> None:
        """Lock and load at once, in id order, so that two batches cannot wait for each other."""
        wanted = sorted(set(payment_ids) - self._loaded.keys())
        if not wanted:
            return
        self._loaded |= dict.fromkeys(wanted)
        found: dict[str, Payment] = {}
        for (text,) in execute(self._connection, _LOCK, {"ids": text_array(wanted)}).rows:
            row = json.loads(str(text))
            found[row["payment_id"]] = payment_from(row)
        if not found:
            return
        # Nearly every payment never has a case: only theirs are looked for.
        cased = [name for name, payment in found.items() if payment.case_keys]
        wanted_of = {"ids": text_array(list(found)), "cased": text_array(cased)}
        for kind, name, text in execute(self._connection, _CHILDREN + _DECIDED, wanted_of).rows:
            payment_id, row = str(name), json.loads(str(text))
            if kind == "decided":
                found[payment_id].cases.decided.add(row)
            else:
                attach(found[payment_id], str(kind), row)
        self._loaded |= found

    def foresee_reference(self, merchant_id: str, mode: str, reference: str) -> None:
        """Have :meth:`reference_holder` asked for together with the transaction's next statement."""
        values = {"merchant_id": merchant_id, "mode": mode, "reference": reference}
        name = f"reference {merchant_id} {mode} {reference}"

        def keep(answer: Answer) -> None:
            self._holders[merchant_id, mode, reference] = answer.rows[0][0] if answer.rows else None

        execute_later(self._connection, _REFERENCE_LOCK, {"name": name}, _nothing)
        execute_later(self._connection, _HOLDER, values, keep)

    def reference_holder(self, merchant_id: str, mode: str, reference: str) -> str | None:
        """The payment that holds a reference. Askers of one reference take turns, so none can slip in after."""
        asked = (merchant_id, mode, reference)
        for payment in (self._loaded[payment_id] for payment_id in self._added):
            if payment is not None and (payment.merchant_id, payment.mode, payment.reference) == asked:
                return payment.payment_id
        if asked not in self._holders:
            self.foresee_reference(*asked)
            send_queued(self._connection)
        return self._holders[asked]

    def reserve_refund(self, payment_id: str, capture_id: str, amount_minor: int) -> bool:
        """Take refund room by one guarded update: safe even without the payment's lock."""
        values = {"id": payment_id, "capture": capture_id, "amount": amount_minor}
        result = self._connection.exec_driver_sql(_GUARD, values)
        return result.rowcount == 1

    def reserve_stray(self, stray_id: str, amount_minor: int) -> bool:
        """Reserve what of a stray is to be returned, by one guarded update; a disputed stray is not."""
        result = self._connection.exec_driver_sql(_GUARD_STRAY, {"id": stray_id, "amount": amount_minor})
        return result.rowcount == 1

    def holder(self, subject_id: str) -> str | None:
        """The payment that an operation, a stray or a case belongs to."""
        row = self._connection.exec_driver_sql(_HOLDS, {"id": subject_id}).one_or_none()
        return None if row is None else str(row[0])

    def foresee_terms(self, merchant_id: str, currency: str, at: datetime) -> None:
        """Have :meth:`terms` asked for together with the transaction's next statement."""

        def keep(answer: Answer) -> None:
            self._terms[merchant_id, currency, at] = terms_of(answer)

        values = {"merchant_id": merchant_id, "currency": currency, "at": at}
        ask_later(self._connection, TERMS, values, keep)

    def terms(self, merchant_id: str, currency: str, at: datetime) -> Terms:
        """The merchant's price in a currency, and where such payments go; no price agreed means free."""
        foreseen = self._terms.get((merchant_id, currency, at))
        return foreseen or find_terms(self._connection, merchant_id, currency, at)

    def waiting_for_risk(self, limit: int) -> list[tuple[str, str, datetime]]:
        """What waits for risk; read before its payments are locked, so looked at again under the lock."""
        rows = self._connection.exec_driver_sql(_WAITING_FOR_RISK, {"limit": limit})
        return [(row[0], row[1], row[2]) for row in rows]

    def claim_forsaken(self, untouched_since: datetime, limit: int) -> list[str]:
        """Lock payments that wait for a method and were left alone; of two workers each takes its own."""
        values = {"since": untouched_since, "limit": limit}
        return [row[0] for row in self._connection.exec_driver_sql(_FORSAKEN, values)]

    def changed(self) -> list[Payment]:
        """Payments with something to write, in id order."""
        loaded = (payment for payment in self._loaded.values() if payment is not None)
        return sorted((p for p in loaded if p.changes.dirty), key=lambda payment: payment.payment_id)

    def is_new(self, payment: Payment) -> bool:
        """Whether this transaction made it."""
        return payment.payment_id in self._added

    def write(self, writer: BatchWriter, changed: Sequence[Payment]) -> None:
        """Hand every row of the changed payments to the writer."""
        writer.insert("payments", tables.PAYMENT, [payment_row(p) for p in changed if self.is_new(p)])
        writer.update(
            "payments",
            ("payment_id",),
            tables.PAYMENT,
            [payment_row(p) for p in changed if not self.is_new(p)],
            condition="t.version = v.version - 1",
        )
        dirty: dict[str, list[tuple[str, Child]]] = {}
        for payment in changed:
            for kind, child in children_of(payment):
                if child.dirty:
                    dirty.setdefault(kind, []).append((payment.payment_id, child))
        for table, (key, columns) in tables.CHILDREN.items():
            if table in dirty:
                new = [child_row(owner, table, child) for owner, child in dirty[table] if not child.stored]
                old = [child_row(owner, table, child) for owner, child in dirty[table] if child.stored]
                # What is decided now makes room for what follows from it in the same transaction: of either kind
                # the unique indexes allow one that is not.
                writer.update(table, key, columns, old)
                writer.insert(table, columns, new)
        for table, columns in tables.APPENDED.items():
            rows = [
                {column: getattr(item, column) for column in columns if column != "payment_id"}
                | {"payment_id": payment.payment_id}
                for payment in changed
                for item in _appended(payment)[table]
            ]
            writer.insert(table, columns, rows)

    def written(self, changed: Sequence[Payment]) -> None:
        """Everything of them is in the database now."""
        for payment in changed:
            payment.version += 1
            payment.changes = Changes()
            payment.cases.steps = []
            for _, child in children_of(payment):
                child.stored, child.dirty = True, False
            for operation in payment.operations.values():
                operation.state_path = []
        self._added.clear()


def _appended(payment: Payment) -> dict[str, Sequence[object]]:
    """What it adds to the tables that only grow."""
    return {"status_history": payment.changes.history, "case_history": payment.cases.steps}


def _nothing(_answer: Answer) -> None:
    """A lock says nothing."""
