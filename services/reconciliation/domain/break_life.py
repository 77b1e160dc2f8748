"""The life of a break as a table: found, gone by itself, found again, put off, or resolved by two people."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from shared.kernel.errors import Rejected


class BreakState(StrEnum):
    """Where a break stands."""

    OPEN = "OPEN"
    #: A difference of timing, accepted until its due date.
    DEFERRED = "DEFERRED"
    #: A resolution waits for a second person.
    PROPOSED = "PROPOSED"
    RESOLVED = "RESOLVED"
    #: What was missing came, or what differed was corrected.
    SELF_CLOSED = "SELF_CLOSED"


class Trigger(StrEnum):
    """What moves a break: a run (found, changed, gone, due) or an operator."""

    FOUND = "found"
    CHANGED = "changed"
    GONE = "gone"
    DUE = "due"
    DEFER = "defer"
    PROPOSE = "propose"
    APPROVE = "approve"
    REJECT = "reject"


class Resolution(StrEnum):
    """How a break is resolved by people."""

    ACCEPTED = "accepted"
    TIMING_DIFFERENCE = "timing_difference"
    #: A charge that is astray is given back, by payment.
    STRAY_RETURN = "stray_return"
    #: The books are corrected, or the difference is written off: the ledger is asked.
    ADJUSTMENT = "adjustment"


#: What another service is told of when it is approved: each by itself, never among many.
TOLD_ELSEWHERE: Final = frozenset({Resolution.STRAY_RETURN.value, Resolution.ADJUSTMENT.value})

_S, _T = BreakState, Trigger
#: Absent means forbidden. The database holds the same pairs in ``check_break_step``.
NEXT: Final[Mapping[tuple[BreakState, Trigger], BreakState]] = {
    (_S.OPEN, _T.CHANGED): _S.OPEN,
    (_S.OPEN, _T.GONE): _S.SELF_CLOSED,
    (_S.OPEN, _T.DEFER): _S.DEFERRED,
    (_S.OPEN, _T.PROPOSE): _S.PROPOSED,
    (_S.DEFERRED, _T.CHANGED): _S.OPEN,
    (_S.DEFERRED, _T.GONE): _S.SELF_CLOSED,
    (_S.DEFERRED, _T.DUE): _S.OPEN,
    (_S.DEFERRED, _T.PROPOSE): _S.PROPOSED,
    # What was proposed was proposed for something else.
    (_S.PROPOSED, _T.CHANGED): _S.OPEN,
    (_S.PROPOSED, _T.GONE): _S.SELF_CLOSED,
    (_S.PROPOSED, _T.APPROVE): _S.RESOLVED,
    (_S.PROPOSED, _T.REJECT): _S.OPEN,
    (_S.SELF_CLOSED, _T.FOUND): _S.OPEN,
    (_S.RESOLVED, _T.CHANGED): _S.OPEN,
    (_S.RESOLVED, _T.GONE): _S.SELF_CLOSED,
}


def advance(break_id: str, state: BreakState, trigger: Trigger) -> BreakState:
    """The state that follows, or the caller's mistake."""
    try:
        return NEXT[state, trigger]
    except KeyError:
        raise Rejected(
            "break_wrong_state",
            f"break {break_id} is {state}: {trigger} is not possible",
            extra={"break_id": break_id, "state": state.value},
        ) from None
