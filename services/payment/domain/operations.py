"""Operations: what we ask a processor to do, and the table of states such a request may walk through."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.payment.domain.risk_states import NEVER_SENT, UNSENT, RiskBy, RiskState, check_step


class OperationType(StrEnum):
    """What is asked for; a one-step sale is an authorize with ``capture`` set."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"
    DISPUTE_EVIDENCE = "dispute_evidence"
    DISPUTE_ACCEPT = "dispute_accept"
    STRAY_RETURN = "stray_return"
    STRAY_VOID = "stray_void"


class OperationState(StrEnum):
    """How far the request is known to have come."""

    REQUESTED = "REQUESTED"
    SENT = "SENT"
    PENDING = "PENDING"
    UNCERTAIN = "UNCERTAIN"
    IN_REVIEW = "IN_REVIEW"
    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    ABANDONED = "ABANDONED"
    FAILED_LATER = "FAILED_LATER"


_S = OperationState
#: Absent means forbidden. The database holds the same pairs in ``legal_transitions``.
NEXT: Final[Mapping[OperationState, frozenset[OperationState]]] = {
    _S.REQUESTED: frozenset({_S.SENT, _S.ABANDONED}),
    _S.SENT: frozenset({_S.SUCCEEDED, _S.DECLINED, _S.PENDING, _S.UNCERTAIN, _S.ABANDONED}),
    _S.PENDING: frozenset({_S.SUCCEEDED, _S.DECLINED, _S.UNCERTAIN}),
    _S.UNCERTAIN: frozenset({_S.SUCCEEDED, _S.DECLINED, _S.PENDING, _S.ABANDONED, _S.IN_REVIEW}),
    _S.IN_REVIEW: frozenset({_S.SUCCEEDED, _S.DECLINED}),
    _S.SUCCEEDED: frozenset({_S.FAILED_LATER}),
    _S.DECLINED: frozenset({_S.SUCCEEDED}),
    _S.ABANDONED: frozenset(),
    _S.FAILED_LATER: frozenset(),
}
#: At most one of these is undecided at a time: two could do the same thing twice.
BLOCKING: Final = frozenset({OperationType.AUTHORIZE, OperationType.CAPTURE, OperationType.CANCEL})
#: Answers to a dispute: they move no money themselves, and block only each other on one dispute.
ANSWERS: Final = frozenset({OperationType.DISPUTE_EVIDENCE, OperationType.DISPUTE_ACCEPT})
#: What we do about strays is no wish of the merchant's and stands in nobody's way; to a processor it is the usual.
_PUBLISHED: Final[Mapping[OperationType, str]] = {
    OperationType.STRAY_RETURN: "refund",
    OperationType.STRAY_VOID: "cancel",
}
UNDECIDED: Final = frozenset({_S.REQUESTED, _S.SENT, _S.PENDING, _S.UNCERTAIN, _S.IN_REVIEW})
#: Nothing is known to have arrived, also where a call was begun or is in doubt: the processor service may have proved,
#: or prove yet, that it did not happen, and sends it again then. Only it knows, so it is asked to withdraw: what may
#: have arrived runs on there, looked for and sent no more. Before a person nothing is sent again anyhow.
MAY_BE_UNSENT: Final = frozenset({_S.REQUESTED, _S.SENT, _S.UNCERTAIN})
IN_DOUBT: Final = frozenset({_S.UNCERTAIN, _S.IN_REVIEW})
#: Steps that evidence may prove without having been seen: only these are ever written as implied.
IMPLIABLE: Final = frozenset({_S.SENT, _S.UNCERTAIN})


def pairs() -> list[tuple[OperationState, OperationState]]:
    """Every legal (from, to) pair, in a stable order: what the migration writes and the tests compare."""
    return [(source, target) for source in _S for target in _S if target in NEXT[source]]


def path(source: OperationState, target: OperationState) -> tuple[OperationState, ...] | None:
    """The shortest legal walk to ``target`` through steps that may be implied; None where there is none."""
    queue: deque[tuple[OperationState, tuple[OperationState, ...]]] = deque([(source, ())])
    seen = {source}
    while queue:
        state, walked = queue.popleft()
        if target in NEXT[state]:
            return (*walked, target)
        for step in sorted(NEXT[state] & IMPLIABLE):
            if step not in seen:
                seen.add(step)
                queue.append((step, (*walked, step)))
    return None


@dataclass(slots=True, kw_only=True)
class Operation:
    """One request to a processor; changed only through its payment."""

    operation_id: str
    number: int
    type: OperationType
    state: OperationState
    amount_minor: int
    processor: str
    account: str
    created_at: datetime
    since: datetime
    #: When it was first in doubt; set once, so that going before a person does not make the doubt young again.
    doubtful_since: datetime | None = None
    #: A one-step sale: authorize and take the money at once.
    capture: bool = False
    #: A capture after which the rest of the hold is given back.
    final: bool = False
    #: The fixed part of the merchant's fee, frozen when the operation was asked for.
    fee_fixed_minor: int = 0
    payment_method: str | None = None
    refund_id: str | None = None
    dispute_id: str | None = None
    stray_id: str | None = None
    object_id: str | None = None
    uncertain_announced: bool = False
    resolved_announced: bool = False
    #: Its withdrawal was asked for; that wish is never taken back.
    withdrawal_asked: bool = False
    next_check_at: datetime | None = None
    looked_up_at: datetime | None = None
    error_code: str | None = None
    decline_code: str | None = None
    message: str | None = None
    #: Where it stands with risk; None where nobody asked. The version is the payment's as of the question.
    risk: RiskState | None = None
    risk_by: RiskBy | None = None
    risk_version: int | None = None
    risk_deadline_at: datetime | None = None
    risk_proposed_by: str | None = None
    risk_approved_by: str | None = None
    #: The steps taken since the row was last written; the database walks them against its own table.
    state_path: list[str] = field(default_factory=list)
    stored: bool = False
    dirty: bool = True

    @property
    def undecided(self) -> bool:
        """Whether nothing final is known yet."""
        return self.state in UNDECIDED

    @property
    def unsent(self) -> bool:
        """Whether it waits for risk: nothing of it was sent yet, so it is no doubt and made nothing."""
        return self.risk in UNSENT

    @property
    def never_sent(self) -> bool:
        """Whether it waits for risk, or ended so: the processor service has never heard of it."""
        return self.risk in NEVER_SENT

    def wait_for_risk(self, payment_version: int, deadline_at: datetime) -> None:
        """Nothing is sent until risk, the deadline or a person allows it."""
        self.risk = RiskState.WAITING
        self.risk_version = payment_version
        self.risk_deadline_at = deadline_at

    def stand_with_risk(self, target: RiskState, by: RiskBy) -> None:
        """Take one step of the table."""
        check_step(self.risk, target)
        self.risk, self.risk_by = target, by
        self.dirty = True

    @property
    def blocks(self) -> bool:
        """Whether it keeps further authorizes, captures and cancels away while it is undecided."""
        return self.type in BLOCKING

    @property
    def takes_money(self) -> bool:
        """Whether success means captured money."""
        return self.type is OperationType.CAPTURE or (self.type is OperationType.AUTHORIZE and self.capture)

    @property
    def published_type(self) -> str:
        """The name under which events speak of it."""
        if self.type is OperationType.AUTHORIZE and self.capture:
            return "sale"
        return _PUBLISHED.get(self.type, self.type.value)

    @property
    def direction(self) -> str:
        """Which way money would move: into our books, out of them, or not at all."""
        if self.takes_money:
            return "in"
        return "out" if self.type in {OperationType.REFUND, OperationType.STRAY_RETURN} else "none"
