"""What the use cases need from outside: locked payments, evidence, waiting facts, and a way to tell the time."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from services.payment.domain.decisions import Decision
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.domain.pricing import Price
from services.payment.domain.risk_states import RiskTerms
from services.payment.domain.settling import LineKey, SettlementLine
from services.payment.domain.status import Source
from shared.kernel.ids import Ids
from shared.kernel.operators import Actor

#: (processor, account, object id or reference)
Ref = tuple[str, str, str]
#: A fact that was dismissed is looked at no more by the clock; what it names still wakes it, should that become known.
NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
#: By a payment's id, whether it is its turn now.
Takes = Callable[[str], bool]


def takes_all(payment_id: str) -> bool:  # noqa: ARG001 - it is every payment's turn
    """None rests because its work failed."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One piece of evidence as it reached us; stored as it is, never changed."""

    evidence_id: str
    fact: Fact
    source: Source
    rank: int
    verdict: str
    payment_id: str | None
    cause_id: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFact:
    """A fact whose payment or object is not known yet."""

    waiting_id: str
    fact: Fact
    source: Source
    evidence_id: str
    cause_id: str
    payment_id: str | None
    received_at: datetime
    next_check_at: datetime
    deadline_at: datetime
    checks: int = 0
    #: When an operator said that nothing is left to do about it.
    dismissed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a payment of a merchant in a currency."""

    price: Price
    processor: str | None = None


class Payments(Protocol):
    """Payments, loaded locked and written together at the end of the transaction."""

    def add(self, payment: Payment) -> None:
        """Take in a new payment."""
        ...

    def locked(self, payment_id: str) -> Payment | None:
        """The payment, locked until the transaction ends; the same object every time."""
        ...

    def lock_many(self, payment_ids: Collection[str]) -> None:
        """Lock and load a batch's payments at once, in id order."""
        ...

    def reference_holder(self, merchant_id: str, mode: str, reference: str) -> str | None:
        """The payment that holds a merchant's reference; whoever asks holds it until the transaction ends."""
        ...

    def reserve_refund(self, payment_id: str, capture_id: str, amount_minor: int) -> bool:
        """Take refund room by one guarded update; False where the payment or the capture has none."""
        ...

    def reserve_stray(self, stray_id: str, amount_minor: int) -> bool:
        """Reserve what of a stray is to be returned by one guarded update; False where it may not be."""
        ...

    def holder(self, subject_id: str) -> str | None:
        """The payment that an operation, a stray or a case belongs to."""
        ...

    def terms(self, merchant_id: str, currency: str, at: datetime) -> Terms:
        """The merchant's price in a currency, and the processor that such payments go to, if a rule says so."""
        ...

    def claim_forsaken(self, untouched_since: datetime, limit: int) -> Sequence[str]:
        """Lock payments that wait for a method and were left alone, skipping those that somebody else holds."""
        ...

    def waiting_for_risk(self, limit: int) -> Sequence[tuple[str, str, datetime]]:
        """(payment, operation, deadline) that wait for risk, the earliest deadline first."""
        ...


class ObjectRefs(Protocol):
    """Who a processor's object id or an echoed reference of ours belongs to."""

    def lock(self, refs: Collection[Ref]) -> None:
        """Create what is missing and lock all, in order: fact and payment cannot miss each other."""
        ...

    def owner(self, ref: Ref) -> str | None:
        """The payment it belongs to; only after :meth:`lock`."""
        ...

    def claim(self, ref: Ref, payment_id: str) -> None:
        """Found in this transaction: later facts of the batch must see it."""
        ...


class WaitingFacts(Protocol):
    """Facts that wait."""

    def add(self, waiting: WaitingFact) -> None:
        """Let a fact wait."""
        ...

    def claim_due(self, now: datetime, limit: int) -> Sequence[WaitingFact]:
        """Lock facts whose time has come, skipping those that another worker holds."""
        ...

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Which facts' time has come, without locking them."""
        ...

    def others_stuck(self, waiting: WaitingFact, now: datetime) -> bool:
        """Whether another fact of the same object is past its deadline and not dismissed; its names are locked."""
        ...

    def finish(self, waiting_id: str) -> None:
        """It found its payment."""
        ...

    def postpone(self, waiting: WaitingFact, next_check_at: datetime) -> None:
        """It goes on waiting; past its deadline it shows as stuck."""
        ...

    def locked(self, waiting_id: str) -> WaitingFact | None:
        """One of them, locked until the transaction ends."""
        ...

    def dismiss(self, waiting_id: str, *, by: str, reason: str, at: datetime) -> None:
        """Nobody need look at it any more; what it names still wakes it."""
        ...


class EvidenceLog(Protocol):
    """Everything anybody told us, once per fact, source and digest."""

    def add(self, evidence: Evidence) -> None:
        """Keep it."""
        ...

    def find(self, evidence_id: str) -> Fact | None:
        """What it said, as it was kept."""
        ...


class SettlementLines(Protocol):
    """What reports say of our payments: of each line the reading that stands."""

    def load_payments(self, payment_ids: Collection[str]) -> None:
        """Read every line of these payments, which are locked; what was read in this transaction is not again."""
        ...

    def get(self, key: LineKey) -> SettlementLine | None:
        """The line as it stands; only of those that were loaded."""
        ...

    def of_payment(self, payment_id: str) -> Sequence[SettlementLine]:
        """The lines about this payment; only after :meth:`load_payments`."""
        ...

    def put(self, line: SettlementLine) -> None:
        """Let this reading stand."""
        ...


class Decisions(Protocol):
    """What operators proposed, approved and rejected."""

    def add(self, decision: Decision) -> None:
        """Keep a proposal, or one that needs no second pair of eyes and is applied already."""
        ...

    def locked(self, decision_id: str) -> Decision | None:
        """The decision, locked until the transaction ends."""
        ...

    def open_for(self, subject_id: str) -> Decision | None:
        """The proposal on this subject that waits for its second pair of eyes."""
        ...

    def settle(self, decision: Decision) -> None:
        """Write its end: applied or rejected, by whom and why."""
        ...


class PaymentUnit(Protocol):
    """What one transaction of this service offers its use cases."""

    @property
    def now(self) -> datetime: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def risk(self) -> RiskTerms: ...
    @property
    def payments(self) -> Payments: ...
    @property
    def refs(self) -> ObjectRefs: ...
    @property
    def waiting(self) -> WaitingFacts: ...
    @property
    def evidence(self) -> EvidenceLog: ...
    @property
    def settlement(self) -> SettlementLines: ...


class OperatorUnit(PaymentUnit, Protocol):
    """What a transaction offers to what operators do."""

    @property
    def decisions(self) -> Decisions: ...

    def acted(self, actor: Actor, action: str, target: str, reason: str) -> None:
        """Announce it as OperatorActed, in this transaction."""
        ...
