"""The payment aggregate: its state and the few moves that every rule about it is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.payment.domain import lifecycle, operations
from services.payment.domain.amounts import Amounts
from services.payment.domain.cases import EVIDENCE, OF_REVIEW, Case, CaseBook, Cause, closed, opened
from services.payment.domain.changes import Changes, HistoryStep, Moment
from services.payment.domain.commands import OperationDecided, ProcessorCommand
from services.payment.domain.disputes import Dispute
from services.payment.domain.doubting import in_doubt, resolved
from services.payment.domain.events import PaymentEvent, RiskHoldChanged
from services.payment.domain.facts import ObjectKey, ProcessorObject
from services.payment.domain.operations import Operation, OperationState
from services.payment.domain.pricing import FREE, Price
from services.payment.domain.refunds import Refund
from services.payment.domain.reversals import Reversal
from services.payment.domain.risk_states import RISK_REVIEW, RiskBy, RiskState
from services.payment.domain.status import KNOWN_TO_PROCESSOR, CaptureMethod, Certainty, Source, Status
from services.payment.domain.strays import Stray
from shared.kernel.errors import InvariantViolation

_ANNOUNCED_FINALS = frozenset({OperationState.SUCCEEDED, OperationState.DECLINED, OperationState.ABANDONED})
#: Steps by which evidence takes a decided operation to the other side.
_TURNED_AROUND = frozenset(
    {
        (OperationState.DECLINED, OperationState.SUCCEEDED),
        (OperationState.SUCCEEDED, OperationState.FAILED_LATER),
    }
)


@dataclass(slots=True, kw_only=True)
class Payment:
    """One payment with everything under it; loaded locked, changed by the rules, written by the repository."""

    payment_id: str
    merchant_id: str
    mode: str
    currency: str
    amount_minor: int
    capture_method: CaptureMethod
    processor: str
    account: str
    created_at: datetime
    updated_at: datetime
    max_attempts: int = 3
    price: Price = FREE
    status: Status = Status.CREATED
    amounts: Amounts = field(default_factory=Amounts)
    payment_method: str | None = None
    customer: str | None = None
    reference: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    hold: str | None = None
    #: Canceled because nobody went on paying it.
    abandoned: bool = False
    attempts_used: int = 0
    fee_total_minor: int = 0
    fee_returned_minor: int = 0
    captures_counted: int = 0
    authorization_id: str | None = None
    authorization_released: bool = False
    released_reason: str | None = None
    release_announced: bool = False
    capture_before: datetime | None = None
    last_error_code: str | None = None
    last_error_message: str | None = None
    last_decline_code: str | None = None
    #: The names of all cases that it ever had: where there are none, none are loaded.
    case_keys: set[str] = field(default_factory=set)
    cases: CaseBook = field(default_factory=CaseBook)
    version: int = 0
    operations: dict[str, Operation] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    objects: dict[ObjectKey, ProcessorObject] = field(default_factory=dict)
    strays: dict[str, Stray] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    reversals: dict[str, Reversal] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)

    # -- what it shows

    @property
    def dead(self) -> bool:
        """Whether it ended without money: whatever is found later is a stray."""
        return self.status in lifecycle.DEAD

    @property
    def certainty(self) -> Certainty:
        """How sure we are: the least sure of the operations that were asked for decides."""
        states = {o.state for o in self.operations.values() if o.stray_id is None}
        if states & operations.IN_DOUBT:
            return Certainty.UNCERTAIN
        return Certainty.PENDING if states & operations.UNDECIDED else Certainty.CERTAIN

    @property
    def in_doubt_minor(self) -> int:
        """Money of captures, sales and refunds of which we do not know whether it moved."""
        return sum(
            operation.amount_minor
            for operation in self.operations.values()
            if operation.state in operations.IN_DOUBT
            and operation.direction != "none"
            and operation.stray_id is None
        )

    @property
    def attempts_left(self) -> int:
        """How often another payment method may still be tried."""
        return max(self.max_attempts - self.attempts_used, 0)

    @property
    def latest_operation(self) -> Operation | None:
        """The operation that the merchant asked for last; what is done about strays is not among them."""
        asked = (operation for operation in self.operations.values() if operation.stray_id is None)
        return max(asked, key=lambda operation: operation.number, default=None)

    def currency_of(self, operation: Operation) -> str:
        """The operation's money: that of the payment, or of the stray which it is about."""
        stray = self.strays.get(operation.stray_id or "")
        return stray.currency if stray is not None else self.currency

    def blocking_operation(self) -> Operation | None:
        """The undecided authorize, capture or cancel; at most one exists."""
        return next((o for o in self.operations.values() if o.undecided and o.blocks), None)

    def undecided_taking(self) -> Operation | None:
        """The undecided operation that may have taken money, if there is one; what was never sent cannot have."""
        blocking = self.blocking_operation()
        return blocking if blocking and blocking.takes_money and not blocking.unsent else None

    def has_taken_money(self) -> bool:
        """Whether one of its own operations took money; the first that does carries the fee's fixed part."""
        done = {OperationState.SUCCEEDED, OperationState.FAILED_LATER}
        return any(o.takes_money and o.state in done for o in self.operations.values())

    def superseded(self, operation: Operation) -> bool:
        """Whether something newer than this authorize, capture or cancel was asked for."""
        return any(other.number > operation.number and other.blocks for other in self.operations.values())

    # -- recording

    def touch(self, moment: Moment) -> None:
        """Mark it as changed."""
        self.changes.dirty = True
        self.updated_at = max(moment.now, self.updated_at)

    def announce(self, event: PaymentEvent, moment: Moment) -> None:
        """Say on ``payment.events`` what happened."""
        self.touch(moment)
        self.changes.announcements.append((event, moment.cause_id))

    def ask(self, command: ProcessorCommand, moment: Moment) -> None:
        """Ask ``processor`` for something."""
        self.touch(moment)
        self.changes.commands.append((command, moment.cause_id))

    def open_case(
        self,
        reason: str,
        subject: str,
        moment: Moment,
        *,
        exposure_minor: int,
        currency: str | None = None,
        operation_id: str | None = None,
        words: str | None = None,
    ) -> Case | None:
        """Put something before a person; the case, where it opens one: an open one of that name follows it instead.

        ``currency`` is that of the exposure; what says none is the payment's own money. What a closed case knew
        already opens nothing; what it did not know opens another.
        """
        cause = Cause(
            reason=reason,
            subject=subject,
            operation_id=operation_id,
            exposure_minor=exposure_minor,
            currency=currency or self.currency,
            words=words,
        )
        told_before = len(self.cases.steps)
        case = self.cases.tell(cause, moment)
        if len(self.cases.steps) > told_before or any(known.dirty for known in self.cases):
            self.touch(moment)
        if case is None:
            return None
        self.case_keys.add(cause.key)
        self.announce(opened(case), moment)
        return case

    def answer_cases(
        self,
        cases: Iterable[Case],
        moment: Moment,
        *,
        why: str,
        by: str = EVIDENCE,
        decision_id: str | None = None,
    ) -> None:
        """Close those of these cases that are open."""
        for case in cases:
            if case.open:
                self.cases.answer(case, moment, by=by, why=why, decision_id=decision_id)
                self.announce(closed(case), moment)

    def contradict(self, operation: Operation, words: str, moment: Moment) -> None:
        """Evidence speaks against what a person decided about an operation: a person hears of it again."""
        if operation.operation_id in self.cases.decided and moment.source is not Source.OPERATOR:
            self.open_case(
                "decision_contradicted",
                operation.operation_id,
                moment,
                exposure_minor=operation.amount_minor,
                currency=self.currency_of(operation),
                operation_id=operation.operation_id,
                words=words,
            )

    # -- status

    def move(self, target: Status, moment: Moment, *, implied: bool = False) -> None:
        """Take one step of the table; staying is no step."""
        if target is self.status:
            return
        lifecycle.check_transition(self.status, target)
        if target in lifecycle.DEAD and self.amounts.captured_minor:
            raise InvariantViolation(
                "dead_payment_has_no_money", f"{self.payment_id} {self.status} -> {target}"
            )
        self._record("payment", self.payment_id, self.status, target, moment, implied=implied)
        self.status = target
        self.changes.status_path.append(target)
        self.touch(moment)

    def derive_status(self, moment: Moment) -> None:
        """Follow the amounts, once money is captured."""
        if self.amounts.captured_minor:
            self.move(lifecycle.status_of_captured(self.amounts), moment)

    # -- operations

    def add_operation(self, operation: Operation, moment: Moment) -> None:
        """Remember an operation just asked for."""
        self.operations[operation.operation_id] = operation
        self._record("operation", operation.operation_id, None, operation.state, moment, implied=False)
        self.touch(moment)

    def advance(self, operation: Operation, target: OperationState, moment: Moment) -> bool:
        """Walk an operation to ``target``, unseen steps as implied; False where no way leads there."""
        if operation.state is target:
            return True
        before = operation.state
        walk = operations.path(before, target)
        if walk is None:
            return False
        if operation.unsent and target is not OperationState.ABANDONED:
            # Facts are never refused: the processor has it, whoever sent it.
            self.step_with_risk(operation, RiskState.OVERTAKEN, RiskBy.EVIDENCE, moment)
        for state in walk:
            self._record(
                "operation",
                operation.operation_id,
                operation.state,
                state,
                moment,
                implied=state is not target,
            )
            operation.state = state
            operation.state_path.append(state)
            if state is OperationState.UNCERTAIN:
                operation.doubtful_since = operation.doubtful_since or moment.now
                self._announce_uncertain(operation, moment)
        operation.since = moment.now
        operation.dirty = True
        self.touch(moment)
        if target in _ANNOUNCED_FINALS:
            self._announce_decided(operation, moment)
        self._settle_cases(operation, before, moment)
        return True

    def _settle_cases(self, operation: Operation, before: OperationState, moment: Moment) -> None:
        """Late evidence answers what was before a person; what contradicts a person's answer is a case again."""
        name, now = operation.operation_id, operation.state
        if before is OperationState.IN_REVIEW and moment.source is not Source.OPERATOR:
            asked = [case for case in self.cases if case.reason in OF_REVIEW and case.about({name})]
            self.answer_cases(asked, moment, why=f"{operation.type.value} {name} is {now.value} by evidence")
        elif before is OperationState.IN_REVIEW:
            self.cases.decided.add(name)
        elif (before, now) in _TURNED_AROUND:
            self.contradict(operation, now.value, moment)

    def step_with_risk(self, operation: Operation, target: RiskState, by: RiskBy, moment: Moment) -> None:
        """Take one step of risk's table; ``hold`` shows whether any operation is before a person."""
        operation.stand_with_risk(target, by)
        reviewed = any(each.risk is RiskState.REVIEW for each in self.operations.values())
        before, self.hold = self.hold, RISK_REVIEW if reviewed else None
        self.touch(moment)
        if self.hold != before:
            told = RiskHoldChanged(operation_id=operation.operation_id, hold=self.hold, decided_by=by.value)
            self.announce(told, moment)

    def next_operation_number(self) -> int:
        """Operations are numbered in the order in which they were asked for."""
        return 1 + max((operation.number for operation in self.operations.values()), default=0)

    def _announce_uncertain(self, operation: Operation, moment: Moment) -> None:
        """Doubt is announced once per operation, however often; an answer to a dispute puts no money in doubt."""
        if operation.uncertain_announced or operation.type in operations.ANSWERS:
            return
        operation.uncertain_announced = True
        self.announce(in_doubt(operation, self.currency_of(operation)), moment)

    def _announce_decided(self, operation: Operation, moment: Moment) -> None:
        """Close announced doubt, and stop the ladder where ``processor`` cannot know the evidence."""
        operation.next_check_at = None
        if operation.uncertain_announced and not operation.resolved_announced:
            operation.resolved_announced = True
            self.announce(resolved(operation, self.currency_of(operation)), moment)
        if moment.source not in KNOWN_TO_PROCESSOR and not operation.never_sent:
            self.ask(
                OperationDecided(operation_id=operation.operation_id, outcome=operation.state.value), moment
            )

    def _record(
        self,
        subject: str,
        subject_id: str,
        source: str | None,
        target: str,
        moment: Moment,
        *,
        implied: bool,
    ) -> None:
        self.changes.history.append(
            HistoryStep(
                subject=subject,
                subject_id=subject_id,
                from_state=None if source is None else str(source),
                to_state=str(target),
                implied=implied,
                evidence_id=moment.evidence_id,
                cause_id=moment.cause_id,
                at=moment.now,
            )
        )
