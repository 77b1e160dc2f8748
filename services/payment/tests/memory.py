"""The payment service's unit of work kept in memory: the same use cases, no database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.payment.app.ports import NEVER, Evidence, Ref, Terms, WaitingFact
from services.payment.domain.cases import CaseStep
from services.payment.domain.changes import Changes, HistoryStep
from services.payment.domain.commands import ProcessorCommand
from services.payment.domain.events import OperationDeadLettered, PaymentEvent
from services.payment.domain.facts import Fact
from services.payment.domain.lifecycle import DEAD
from services.payment.domain.payment import Payment
from services.payment.domain.pricing import FREE
from services.payment.domain.risk_states import NOT_ASKED, RiskTerms
from services.payment.domain.settling import LineKey, SettlementLine
from shared.kernel.ids import Ids

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class CountedIds:
    """Ids in the contract's form, in order."""

    def __init__(self) -> None:
        self.given = 0

    def new(self, prefix: str) -> str:
        self.given += 1
        return f"{prefix}{self.given:026d}"


class MemoryPayments:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self.rows: dict[str, Payment] = {}
        self.agreed = FREE
        self.route: str | None = None
        self._now = now

    def add(self, payment: Payment) -> None:
        self.rows[payment.payment_id] = payment

    def locked(self, payment_id: str) -> Payment | None:
        return self.rows.get(payment_id)

    def lock_many(self, payment_ids: Collection[str]) -> None:
        pass

    def reference_holder(self, merchant_id: str, mode: str, reference: str) -> str | None:
        return next(
            (
                p.payment_id
                for p in self.rows.values()
                if (p.merchant_id, p.mode, p.reference) == (merchant_id, mode, reference)
                and p.status not in DEAD
            ),
            None,
        )

    def reserve_refund(self, payment_id: str, capture_id: str, amount_minor: int) -> bool:  # noqa: ARG002
        return self.rows[payment_id].amounts.refund_room_minor() >= 0 and amount_minor > 0

    def terms(self, merchant_id: str, currency: str, at: datetime) -> Terms:  # noqa: ARG002  # one for all
        return Terms(self.agreed, self.route)

    def claim_forsaken(self, untouched_since: datetime, limit: int) -> Sequence[str]:
        alone = [
            p
            for p in self.rows.values()
            if p.status == "REQUIRES_PAYMENT_METHOD" and p.updated_at <= untouched_since
        ]
        return [p.payment_id for p in sorted(alone, key=lambda p: p.created_at)][:limit]

    def waiting_for_risk(self, limit: int) -> Sequence[tuple[str, str, datetime]]:
        waits = [
            (payment.payment_id, operation.operation_id, operation.risk_deadline_at)
            for payment in self.rows.values()
            for operation in payment.operations.values()
            if operation.risk == "WAITING" and operation.risk_deadline_at
        ]
        return sorted(waits, key=lambda wait: wait[2])[:limit]


class MemoryRefs:
    def __init__(self) -> None:
        self.owners: dict[Ref, str] = {}

    def lock(self, refs: Collection[Ref]) -> None:
        pass

    def owner(self, ref: Ref) -> str | None:
        return self.owners.get(ref)

    def claim(self, ref: Ref, payment_id: str) -> None:
        self.owners.setdefault(ref, payment_id)


class MemoryWaiting:
    def __init__(self) -> None:
        self.rows: dict[str, WaitingFact] = {}

    def add(self, waiting: WaitingFact) -> None:
        self.rows.setdefault(waiting.waiting_id, waiting)

    def claim_due(self, now: datetime, limit: int) -> Sequence[WaitingFact]:
        return [waiting for waiting in self.rows.values() if waiting.next_check_at <= now][:limit]

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        return [waiting.waiting_id for waiting in self.claim_due(now, limit)]

    def others_stuck(self, waiting: WaitingFact, now: datetime) -> bool:
        return any(
            other.fact.key == waiting.fact.key
            and other.waiting_id != waiting.waiting_id
            and other.dismissed_at is None
            and other.deadline_at <= now
            for other in self.rows.values()
        )

    def finish(self, waiting_id: str) -> None:
        del self.rows[waiting_id]

    def postpone(self, waiting: WaitingFact, next_check_at: datetime) -> None:
        self.rows[waiting.waiting_id] = replace(
            waiting, next_check_at=next_check_at, checks=waiting.checks + 1
        )

    def locked(self, waiting_id: str) -> WaitingFact | None:
        return self.rows.get(waiting_id)

    def dismiss(self, waiting_id: str, *, by: str, reason: str, at: datetime) -> None:  # noqa: ARG002
        waiting = self.rows[waiting_id]
        self.rows[waiting_id] = replace(waiting, next_check_at=NEVER, dismissed_at=at)


class MemoryEvidence:
    def __init__(self) -> None:
        self.rows: dict[str, Evidence] = {}

    def add(self, evidence: Evidence) -> None:
        self.rows.setdefault(evidence.evidence_id, evidence)

    def find(self, evidence_id: str) -> Fact | None:
        kept = self.rows.get(evidence_id)
        return kept.fact if kept is not None else None


class MemorySettlement:
    def __init__(self) -> None:
        self.rows: dict[LineKey, SettlementLine] = {}

    def load_payments(self, payment_ids: Collection[str]) -> None:
        pass

    def get(self, key: LineKey) -> SettlementLine | None:
        return self.rows.get(key)

    def of_payment(self, payment_id: str) -> Sequence[SettlementLine]:
        return [line for line in self.rows.values() if line.payment_id == payment_id]

    def put(self, line: SettlementLine) -> None:
        self.rows[line.key] = line


class MemoryUnit:
    """Meets ``PaymentUnit``; :meth:`commit` ends a transaction, as the database's flush would."""

    def __init__(self) -> None:
        self.now = START
        self.ids: Ids = CountedIds()
        self.risk: RiskTerms = NOT_ASKED
        self.payments = MemoryPayments(lambda: self.now)
        self.refs = MemoryRefs()
        self.waiting = MemoryWaiting()
        self.evidence = MemoryEvidence()
        self.settlement = MemorySettlement()
        self.events: list[tuple[str, PaymentEvent]] = []
        self.commands: list[ProcessorCommand] = []
        self.history: list[HistoryStep] = []
        self.dead_letters: list[OperationDeadLettered] = []
        self.case_steps: list[CaseStep] = []

    def commit(self) -> None:
        for payment in self.payments.rows.values():
            self.events += [(payment.payment_id, event) for event, _ in payment.changes.announcements]
            self.commands += [command for command, _ in payment.changes.commands]
            self.history += payment.changes.history
            self.dead_letters += [letter for letter, _ in payment.changes.dead_letters]
            payment.changes = Changes()
            self.case_steps += payment.cases.steps
            payment.cases.steps = []
            for operation in payment.operations.values():
                operation.stored, operation.state_path = True, []
                self.refs.claim(
                    (operation.processor, operation.account, operation.operation_id), payment.payment_id
                )
            for thing in payment.objects.values():
                thing.stored = True
                self.refs.claim(thing.key, payment.payment_id)
        self.now += timedelta(seconds=1)
