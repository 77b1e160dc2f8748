"""Where an operation stands with risk, as a table; and on what terms risk is asked at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from shared.kernel.errors import InvariantViolation

RISK_REVIEW: Final = "risk_review"
"""What a payment's ``hold`` says while a person has to decide."""


class RiskState(StrEnum):
    """How far risk has come with an operation; an operation that nobody asked about has none."""

    WAITING = "WAITING"
    REVIEW = "REVIEW"
    ALLOWED = "ALLOWED"
    BLOCKED = "BLOCKED"
    #: Before anything was sent the merchant took the wish back, or the hold had no room for it any more.
    WITHDRAWN = "WITHDRAWN"
    #: Evidence shows that the processor did it, whatever risk would have said.
    OVERTAKEN = "OVERTAKEN"
    #: Allowed without a decision, sent, and then denied.
    DENIED = "DENIED"


class RiskBy(StrEnum):
    """Whose word it stands on."""

    RISK = "risk"
    DEADLINE = "deadline"
    OPERATOR = "operator"
    MERCHANT = "merchant"
    EVIDENCE = "evidence"


_S = RiskState
#: Absent means forbidden. The database holds the same pairs in ``check_risk_step``.
NEXT: Final[Mapping[RiskState, frozenset[RiskState]]] = {
    _S.WAITING: frozenset({_S.REVIEW, _S.ALLOWED, _S.BLOCKED, _S.WITHDRAWN, _S.OVERTAKEN}),
    _S.REVIEW: frozenset({_S.ALLOWED, _S.BLOCKED, _S.WITHDRAWN, _S.OVERTAKEN}),
    _S.ALLOWED: frozenset({_S.DENIED}),
    _S.OVERTAKEN: frozenset({_S.DENIED}),
    _S.BLOCKED: frozenset(),
    _S.WITHDRAWN: frozenset(),
    _S.DENIED: frozenset(),
}
#: Nothing was sent yet, and nothing may be.
UNSENT: Final = frozenset({_S.WAITING, _S.REVIEW})
#: Nothing was ever sent: the processor service has never heard of such an operation.
NEVER_SENT: Final = frozenset({_S.WAITING, _S.REVIEW, _S.BLOCKED, _S.WITHDRAWN})
#: What was held for the operation must be given back.
REFUSED: Final = frozenset({_S.BLOCKED, _S.DENIED})


def check_step(source: RiskState | None, target: RiskState) -> None:
    """Refuse a step that the table does not list."""
    if source is None or target not in NEXT[source]:
        raise InvariantViolation("risk_transition_legal", f"{source} -> {target}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskTerms:
    """Whether operations wait for risk, how long, and what holds where no decision comes."""

    required: bool = False
    deadline: timedelta = timedelta(milliseconds=300)
    #: A capture later than this after the last judgement is judged again.
    recheck_after: timedelta = timedelta(days=1)
    #: By "operation" or "operation:CURRENCY": up to this amount it goes through without a decision.
    small_minor: Mapping[str, int] = field(default_factory=dict)

    def is_small(self, operation_type: str, amount_minor: int, currency: str) -> bool:
        """Whether so much may go through without a decision; what is not listed is large."""
        exact = self.small_minor.get(f"{operation_type}:{currency}")
        limit_minor = self.small_minor.get(operation_type, 0) if exact is None else exact
        return amount_minor <= limit_minor


NOT_ASKED: Final = RiskTerms()
