"""What an operator decides about an operation in review or a stray, and how many pairs of eyes that takes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DecisionKind(StrEnum):
    """What is decided about."""

    OPERATION = "operation"
    STRAY = "stray"


class Outcome(StrEnum):
    """What is decided: the first two of an operation, the others of a stray."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    RETURN = "return"
    VOID = "void"
    ACCEPT = "accept"
    CORRECT = "correct"


class DecisionState(StrEnum):
    """How far a decision has come; the last two are final."""

    PROPOSED = "proposed"
    APPLIED = "applied"
    REJECTED = "rejected"


#: What of an operation may be decided by its outcome, and what of a stray.
OUTCOMES = {
    DecisionKind.OPERATION: frozenset({Outcome.SUCCEEDED, Outcome.DECLINED}),
    DecisionKind.STRAY: frozenset({Outcome.RETURN, Outcome.VOID, Outcome.ACCEPT, Outcome.CORRECT}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision with its evidence and the people behind it."""

    decision_id: str
    kind: DecisionKind
    subject_id: str
    payment_id: str
    outcome: Outcome
    #: Where money moves, or is said to have moved, one person alone decides nothing.
    moves_money: bool
    amount_minor: int
    currency: str
    evidence: str
    object_id: str | None
    reason: str
    state: DecisionState
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    decided_reason: str | None = None
