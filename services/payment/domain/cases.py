"""Cases: what a person must look at. An open one follows its cause; one that is closed stays as it was closed.

What contradicts a closed case opens another that names it: what somebody decided, and on what, is never rewritten.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.payment.domain.changes import Moment
from services.payment.domain.events import CaseClosed, CaseOpened
from services.payment.domain.status import Source

#: Who closed what late evidence answered; everybody else is a person.
EVIDENCE: Final = "evidence"
#: These say how the payment stands: their exposure is what was said last, up or down. All others say what we were
#: told, which stays told: of two words in one currency the larger is at risk.
OF_STATE: Final = frozenset(
    {
        "refunds_exceed_captured",
        "stray_returned_twice",
        "double_return",
        "reinstated_too_much",
        "amount_changed",
    }
)
#: About an operation that only a person could decide, as long as no evidence does.
OF_REVIEW: Final = frozenset(
    {"ladder_exhausted", "decided_without_proof", "closed_in_doubt", "echo_mismatch"}
)
#: A fact of a known payment that has fitted nowhere.
FACT_STUCK: Final = "fact_stuck"
#: What turns up although somebody had decided: they name that decision's case also where they name no operation.
OF_FINDS: Final = frozenset(
    {"stray_found", "capture_adopted", "refund_adopted", "decision_contradicted", "contradicting_evidence"}
)


class Step(StrEnum):
    """What happens to a case."""

    OPENED = "opened"
    CHANGED = "changed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStep:
    """One step of a case; never changed once written."""

    case_id: str
    step: Step
    exposure_minor: int
    currency: str
    #: What was said: the words of the cause, or why it was closed.
    words: str | None
    done_by: str
    evidence_id: str | None
    cause_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why somebody must look, with the money at risk."""

    reason: str
    #: What it is about: an object, an operation, the payment.
    subject: str
    exposure_minor: int
    currency: str
    operation_id: str | None = None
    #: What was said, in words that are the same whoever says it again.
    words: str | None = None

    @property
    def key(self) -> str:
        """A payment has one open case of this name."""
        return f"{self.reason}:{self.subject}"

    @property
    def told(self) -> str:
        """By this a case knows what it was told already."""
        return f"{self.exposure_minor} {self.currency} {self.words or ''}".strip()


@dataclass(slots=True, kw_only=True)
class Case:
    """Something that a person must look at, with the money at risk."""

    case_id: str
    reason: str
    subject: str
    operation_id: str | None
    exposure_minor: int
    currency: str
    opened_at: datetime
    changed_at: datetime
    #: Every cause that it rests on, oldest first.
    told: list[str]
    #: The closed case that its cause contradicts.
    follows_case_id: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    closed_reason: str | None = None
    closed_evidence_id: str | None = None
    #: What somebody decided about it; None where it was only closed.
    closed_decision_id: str | None = None
    #: The least that was at risk since it was closed; None where that is what was at risk then.
    lowest_minor: int | None = None
    stored: bool = False
    dirty: bool = True

    @property
    def open(self) -> bool:
        """Whether it waits for somebody."""
        return self.closed_at is None

    @property
    def resolution(self) -> str | None:
        """What closed it: evidence, a decision, or an operator by hand, which decides nothing."""
        if self.open:
            return None
        if self.closed_by == EVIDENCE:
            return EVIDENCE
        return "operator" if self.closed_decision_id is None else "decision"

    @property
    def looked_at_minor(self) -> int:
        """So much at risk is no news: what it says, or the least since somebody closed it."""
        return self.exposure_minor if self.lowest_minor is None else self.lowest_minor

    @property
    def key(self) -> str:
        """Its cause's."""
        return f"{self.reason}:{self.subject}"

    def about(self, subjects: Collection[str]) -> bool:
        """Whether it is about one of these subjects or operations."""
        return self.subject in subjects or self.operation_id in subjects

    def news(self, cause: Cause) -> bool:
        """Whether the cause says more than the case knows; what is told twice is not."""
        if self.reason not in OF_STATE:
            return cause.told not in self.told
        same_money = cause.currency == self.currency
        if self.open:
            return not same_money or cause.exposure_minor != self.exposure_minor
        # Somebody has looked at that much; what had gone since and arises anew is another matter.
        return not same_money or cause.exposure_minor > self.looked_at_minor

    def subside(self, cause: Cause) -> None:
        """Closed, it stays as it was closed; it only remembers how much of the risk has gone since."""
        if self.reason in OF_STATE and cause.exposure_minor < self.looked_at_minor:
            self.lowest_minor = cause.exposure_minor
            self.dirty = True

    def follow(self, cause: Cause, at: datetime) -> None:
        """Take the cause's money and words."""
        larger = cause.reason in OF_STATE or cause.currency != self.currency
        self.exposure_minor = (
            cause.exposure_minor if larger else max(self.exposure_minor, cause.exposure_minor)
        )
        self.currency = cause.currency
        self.told = [*self.told, cause.told]
        self.changed_at = at
        self.dirty = True


def opened(case: Case) -> CaseOpened:
    """What is announced of a new case."""
    return CaseOpened(
        case_id=case.case_id,
        reason=case.reason,
        operation_id=case.operation_id,
        exposure_minor=case.exposure_minor,
        currency=case.currency,
    )


def closed(case: Case) -> CaseClosed:
    """What is announced when nobody has to look any more."""
    return CaseClosed(
        case_id=case.case_id,
        reason=case.reason,
        operation_id=case.operation_id,
        resolution=case.resolution or "",
        exposure_minor=case.exposure_minor,
        currency=case.currency,
    )


def _age(case: Case) -> tuple[datetime, str]:
    return (case.opened_at, case.case_id)


@dataclass(slots=True)
class CaseBook:
    """All cases of one payment, and the steps not yet written."""

    kept: dict[str, Case] = field(default_factory=dict)
    steps: list[CaseStep] = field(default_factory=list)
    #: Operations that left review by a person's decision, about them or about what was found under them.
    decided: set[str] = field(default_factory=set)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.kept.values())

    def tell(self, cause: Cause, moment: Moment) -> Case | None:
        """Bring the cause before a person: the case that it opens; None where one lies there already, or did."""
        same = [case for case in self if case.key == cause.key]
        before = self._latest(iter(same))
        if cause.reason not in OF_STATE and any(cause.told in case.told for case in same):
            return None
        if before is not None and not before.news(cause):
            if not before.open:
                before.subside(cause)
            return None
        if before is not None and before.open:
            before.follow(cause, moment.now)
            self._note(before, Step.CHANGED, moment, words=cause.words, done_by=moment.source.value)
            return None
        old = before or self._decided(cause, moment)
        case = Case(
            case_id=moment.ids.new("case_"),
            reason=cause.reason,
            subject=cause.subject,
            operation_id=cause.operation_id,
            exposure_minor=cause.exposure_minor,
            currency=cause.currency,
            opened_at=moment.now,
            changed_at=moment.now,
            told=[cause.told],
            follows_case_id=old.case_id if old is not None else None,
        )
        self.kept[case.case_id] = case
        self._note(case, Step.OPENED, moment, words=cause.words, done_by=moment.source.value)
        return case

    def relieve(self, reason: str, still: Collection[str], moment: Moment) -> bool:
        """Nothing is at risk any more in cases of this reason about other subjects; a person closes the open ones."""
        latest = {case.subject: case for case in sorted(self, key=_age) if case.reason == reason}
        gone = [case for case in latest.values() if case.subject not in still and case.looked_at_minor]
        for case in gone:
            nothing = Cause(reason=reason, subject=case.subject, exposure_minor=0, currency=case.currency)
            self.tell(nothing, moment)
        return bool(gone)

    def answer(
        self, case: Case, moment: Moment, *, by: str, why: str, decision_id: str | None = None
    ) -> None:
        """Close it, once and for all; who closes by evidence, or by a decision, names it."""
        case.closed_at = moment.now
        case.closed_by = by
        case.closed_reason = why
        case.closed_evidence_id = moment.evidence_id if by == EVIDENCE else None
        case.closed_decision_id = decision_id
        case.dirty = True
        self._note(case, Step.CLOSED, moment, words=why, done_by=by)

    def decided_by_person(self, operation_id: str) -> Case | None:
        """The case on which somebody decided this operation, even if it was closed before by hand alone.

        Only the decision decides: without one a closed case says nothing.
        """
        if operation_id not in self.decided:
            return None
        asked = (case for case in self if case.reason in OF_REVIEW and case.about({operation_id}))
        return self._latest(case for case in asked if not case.open and case.closed_by != EVIDENCE)

    def _decided(self, cause: Cause, moment: Moment) -> Case | None:
        """The decision that a cause of another name speaks against."""
        if moment.source is Source.OPERATOR:
            return None
        if cause.operation_id is not None:
            return self.decided_by_person(cause.operation_id)
        if cause.reason not in OF_FINDS:
            return None
        decided = (self.decided_by_person(operation_id) for operation_id in self.decided)
        return self._latest(case for case in decided if case is not None)

    def _latest(self, cases: Iterator[Case]) -> Case | None:
        return max(cases, key=_age, default=None)

    def _note(self, case: Case, step: Step, moment: Moment, *, words: str | None, done_by: str) -> None:
        self.steps.append(
            CaseStep(
                case_id=case.case_id,
                step=step,
                exposure_minor=case.exposure_minor,
                currency=case.currency,
                words=words,
                done_by=done_by,
                evidence_id=moment.evidence_id,
                cause_id=moment.cause_id,
                at=moment.now,
            )
        )


def of_stuck_fact(cases: Iterable[Case], object_id: str) -> list[Case]:
    """Those that say of this object's fact that it fits nowhere."""
    return [case for case in cases if case.reason == FACT_STUCK and case.subject == object_id]
