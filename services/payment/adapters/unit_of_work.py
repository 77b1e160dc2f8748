"""One transaction of the payment service: its repositories, written and announced together at the end."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from services.payment.adapters.asked_returns import StoredAskedReturns
from services.payment.adapters.batch_writer import BatchWriter
from services.payment.adapters.decisions import StoredDecisions
from services.payment.adapters.facts import StoredEvidence, StoredObjectRefs, StoredWaitingFacts
from services.payment.adapters.merchants import StoredMerchants
from services.payment.adapters.notes import StoredNotes
from services.payment.adapters.payments import StoredPayments
from services.payment.adapters.publishing import PAYMENT_EVENTS, publish
from services.payment.adapters.routes import StoredRoutes
from services.payment.adapters.settlement_lines import StoredSettlementLines
from services.payment.adapters.tallies import Tallies
from services.payment.domain.risk_states import NOT_ASKED, RiskTerms
from shared.kernel.ids import Ids
from shared.kernel.operators import Actor, OperatorAct
from shared.messaging.operator_acts import announce
from shared.persistence.outbox import Outbox
from shared.persistence.unit_of_work import UnitOfWork

_UNTOUCHED: Final = """
SELECT s.payment_id, s.stray_id FROM strays AS s
 WHERE NOT s.released AND NOT s.mismatch AND s.kind IN ('money', 'hold')
   AND s.returned_minor = 0 AND s.reserved_minor = 0 AND s.taken_back_minor = 0
   AND s.found_at <= %(now)s - make_interval(secs => %(seconds)s)
   AND NOT EXISTS (SELECT FROM operations AS o WHERE o.payment_id = s.payment_id AND o.stray_id = s.stray_id)
   AND NOT EXISTS (SELECT FROM disputes AS d WHERE d.payment_id = s.payment_id AND d.stray_id = s.stray_id)
   -- Of which a refund is astray itself (`given_back_otherwise`): those would stand at the head of the list for ever.
   AND NOT EXISTS (
       SELECT FROM strays AS r
         JOIN processor_objects AS o
           ON (o.processor, o.account, o.object_id) = (r.processor, r.account, r.object_id)
         JOIN processor_objects AS of
           ON (of.processor, of.account, of.object_id) = (o.processor, o.account, o.parent_id)
        WHERE r.payment_id = s.payment_id AND r.kind = 'refund' AND NOT r.released AND of.stray_id = s.stray_id)
 ORDER BY s.found_at LIMIT %(limit)s
"""


class PaymentUnitOfWork(UnitOfWork):
    """The base unit of work with this service's repositories: meets both units of ``app``."""

    #: On which terms operations wait for risk; the composition root sets its own on a subclass.
    risk: RiskTerms = NOT_ASKED

    def __init__(self, connection: sa.Connection, outbox: Outbox, now: datetime, ids: Ids) -> None:
        super().__init__(connection, outbox, now, ids)
        self.payments = StoredPayments(connection)
        self.refs = StoredObjectRefs(connection)
        self.waiting = StoredWaitingFacts(connection)
        self.evidence = StoredEvidence(connection)
        self.settlement = StoredSettlementLines(connection)
        self.notes = StoredNotes()
        self.merchants = StoredMerchants(connection)
        self.decisions = StoredDecisions(connection)
        self.asked_returns = StoredAskedReturns(connection)
        self.tallies = Tallies()
        self.routes = StoredRoutes(connection)

    def flush(self) -> None:
        """Write all rows in one statement, wake facts that waited for them, and announce what happened."""
        changed = self.payments.changed()
        older = [payment.payment_id for payment in changed if not self.payments.is_new(payment)]
        writer = BatchWriter(self.connection)
        self.payments.write(writer, changed)
        refs = self.refs.write(writer, changed)
        self.waiting.write(writer)
        self.evidence.write(writer)
        self.notes.write(writer)
        self.settlement.write(writer)
        if refs or older or self.waiting.settled:
            counted = writer.run()
            self.waiting.wake(refs if counted.get("object_refs") else [], older, self.now)
        else:
            writer.run_later()  # nothing can be waiting for a payment that only we know
        for payment in changed:
            publish(payment, self.outbox)
            self.tallies.take(payment.changes)
        self.payments.written(changed)

    def acted(self, actor: Actor, action: str, target: str, reason: str) -> None:
        """Announce an operator's action on our own topic, with what it did."""
        act = OperatorAct(actor=actor, action=action, target=target, reason=reason)
        announce(self.outbox, PAYMENT_EVENTS, act, self.now)

    def untouched_strays(self, found_before_s: float, limit: int) -> list[tuple[str, str]]:
        """Payment and stray of what is the policy's to give back, oldest first: nothing else counts to the limit."""
        values = {"seconds": found_before_s, "now": self.now, "limit": limit}
        return [(row[0], row[1]) for row in self.connection.exec_driver_sql(_UNTOUCHED, values)]

    def committed(self) -> None:
        """Count what is certain now: per batch, and never for a transaction that was rolled back."""
        self.tallies.count()


def unit_of_work_with(risk: RiskTerms) -> type[PaymentUnitOfWork]:
    """The unit of work whose operations wait for risk on these terms."""
    return type("PaymentUnitOfWork", (PaymentUnitOfWork,), {"risk": risk})
