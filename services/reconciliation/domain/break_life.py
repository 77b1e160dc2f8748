"""The life of a break as a table: found, gone by itself, found again, put off, or resolved by two people.

What two people have another service do is resolved only as that says that it happened.
"""

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
    #: Two people decided; whoever was asked to do it has not said yet that it happened.
    APPLYING = "APPLYING"
    RESOLVED = "RESOLVED"
    #: What was missing came, or what differed was corrected.
    SELF_CLOSED = "SELF_CLOSED"


#: What still needs somebody, or waits for a date, a second person or another service.
UNSETTLED: Final = (BreakState.OPEN, BreakState.DEFERRED, BreakState.PROPOSED, BreakState.APPLYING)


class Trigger(StrEnum):
    """What moves a break: a run (found, changed, gone, due), an operator, or an answer that a run takes in."""

    FOUND = "found"
    CHANGED = "changed"
    GONE = "gone"
    DUE = "due"
    #: Gone, as two people matched by hand what it is about.
    MATCHED_BY_HAND = "matched_by_hand"
    DEFER = "defer"
    PROPOSE = "propose"
    APPROVE = "approve"
    #: Approve, where another service has to do it.
    ASK = "ask"
    REJECT = "reject"
    APPLIED = "applied"
    #: It happened, for what the break was when it was asked for; it is another difference by now.
    OUTGROWN = "outgrown"
    REFUSED = "refused"
    #: It had happened, and was taken back.
    UNDONE = "undone"


class Resolution(StrEnum):
    """How a break is resolved by people."""

    ACCEPTED = "accepted"
    TIMING_DIFFERENCE = "timing_difference"
    #: A charge that is astray is given back, by payment.
    STRAY_RETURN = "stray_return"
    #: The books are corrected, or the difference is written off: the ledger is asked.
    ADJUSTMENT = "adjustment"


#: What another service is asked to do when it is approved: each by itself, never among many.
TOLD_ELSEWHERE: Final = frozenset({Resolution.STRAY_RETURN.value, Resolution.ADJUSTMENT.value})

_S, _T = BreakState, Trigger
#: Absent means forbidden. The database holds the same pairs in ``check_break_step``.
NEXT: Final[Mapping[tuple[BreakState, Trigger], BreakState]] = {
    (_S.OPEN, _T.CHANGED): _S.OPEN,
    (_S.OPEN, _T.GONE): _S.SELF_CLOSED,
    (_S.OPEN, _T.MATCHED_BY_HAND): _S.SELF_CLOSED,
    (_S.OPEN, _T.DEFER): _S.DEFERRED,
    (_S.OPEN, _T.PROPOSE): _S.PROPOSED,
    (_S.DEFERRED, _T.CHANGED): _S.OPEN,
    (_S.DEFERRED, _T.GONE): _S.SELF_CLOSED,
    (_S.DEFERRED, _T.MATCHED_BY_HAND): _S.SELF_CLOSED,
    (_S.DEFERRED, _T.DUE): _S.OPEN,
    (_S.DEFERRED, _T.PROPOSE): _S.PROPOSED,
    # What was proposed was proposed for something else.
    (_S.PROPOSED, _T.CHANGED): _S.OPEN,
    (_S.PROPOSED, _T.GONE): _S.SELF_CLOSED,
    (_S.PROPOSED, _T.MATCHED_BY_HAND): _S.SELF_CLOSED,
    (_S.PROPOSED, _T.APPROVE): _S.RESOLVED,
    (_S.PROPOSED, _T.ASK): _S.APPLYING,
    (_S.PROPOSED, _T.REJECT): _S.OPEN,
    # It is being done, whatever the break becomes: nothing else is asked for beside it.
    (_S.APPLYING, _T.CHANGED): _S.APPLYING,
    (_S.APPLYING, _T.GONE): _S.SELF_CLOSED,
    (_S.APPLYING, _T.MATCHED_BY_HAND): _S.SELF_CLOSED,
    (_S.APPLYING, _T.APPLIED): _S.RESOLVED,
    (_S.APPLYING, _T.OUTGROWN): _S.OPEN,
    (_S.APPLYING, _T.REFUSED): _S.OPEN,
    # Somebody saw that no answer will come.
    (_S.APPLYING, _T.REJECT): _S.OPEN,
    (_S.SELF_CLOSED, _T.FOUND): _S.OPEN,
    (_S.RESOLVED, _T.CHANGED): _S.OPEN,
    (_S.RESOLVED, _T.GONE): _S.SELF_CLOSED,
    (_S.RESOLVED, _T.MATCHED_BY_HAND): _S.SELF_CLOSED,
    (_S.RESOLVED, _T.UNDONE): _S.OPEN,
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


class Outcome(StrEnum):
    """What a service that was asked says of it; of several words about one wish the last one holds."""

    #: It is under way there.
    ACCEPTED = "accepted"
    APPLIED = "applied"
    #: It does not happen, or was taken back after it had.
    REFUSED = "refused"


def answered(state: BreakState, outcome: Outcome, *, as_asked: bool) -> Trigger | None:
    """What the last answer moves; ``as_asked``: the break has as much at risk as when it was asked for.

    None where there is nothing to move: it is under way, or nobody waits for it any more.
    """
    if state is BreakState.RESOLVED:
        return Trigger.UNDONE if outcome is Outcome.REFUSED else None
    if state is not BreakState.APPLYING or outcome is Outcome.ACCEPTED:
        return None
    if outcome is Outcome.REFUSED:
        return Trigger.REFUSED
    return Trigger.APPLIED if as_asked else Trigger.OUTGROWN
