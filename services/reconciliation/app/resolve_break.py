"""What operators do about a break: put it off, or accept it, which takes a second person."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from services.reconciliation.domain.break_life import TOLD_ELSEWHERE, BreakState, Resolution, Trigger, advance
from shared.kernel.decisions import check_four_eyes
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor, OperatorAct

#: What is announced of a proposal.
PROPOSED_AS: Final = {
    Resolution.ACCEPTED: "break_acceptance_proposed",
    Resolution.STRAY_RETURN: "break_return_proposed",
    Resolution.ADJUSTMENT: "break_adjustment_proposed",
}
#: Nothing that really is a difference of timing takes longer.
DEFERRED_FOR_MAX: Final = timedelta(days=90)
PROPOSAL_LETTERS: Final = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBreak:
    """A break with what people decided about it."""

    break_id: str
    subject: str
    type: str
    state: BreakState
    currency: str
    ours_minor: int
    theirs_minor: int
    at_risk_minor: int
    processor: str | None
    account: str | None
    payment_id: str | None
    since: datetime
    expected_by: datetime | None
    opened_at: datetime
    changed_at: datetime
    owner: str | None
    due_on: date | None
    resolution: str | None
    proposed_by: str | None
    approved_by: str | None
    waits_for_file: str | None = None
    """The file that a person has hold instead and that does not hold yet, where it is about which file holds."""

    @property
    def proposal(self) -> str | None:
        """Names the proposal that waits, and the difference that it is for; None while none waits.

        Taken back and proposed again it is another one, whoever proposes it and whatever it says.
        """
        if self.state is not BreakState.PROPOSED:
            return None
        said = (
            self.break_id, self.resolution, self.proposed_by, self.changed_at.isoformat(), self.type, self.currency,
            self.ours_minor, self.theirs_minor, self.at_risk_minor,
        )  # fmt: skip
        return "prp_" + hashlib.sha256("|".join(map(str, said)).encode()).hexdigest()[:PROPOSAL_LETTERS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a decision leaves of a break."""

    state: BreakState
    trigger: Trigger
    actor: str
    reason: str
    owner: str | None = None
    due_on: date | None = None
    resolution: Resolution | None = None
    proposed_by: str | None = None
    approved_by: str | None = None


class Breaks(Protocol):
    """Breaks of one transaction."""

    def locked(self, break_id: str) -> StoredBreak | None:
        """The break, which nobody else changes until this transaction ends."""
        ...

    def decide(self, break_id: str, decided: Decided) -> None:
        """Write what people decided, and add it to the history."""
        ...


class ResolveUnit(Protocol):
    """What one transaction offers."""

    @property
    def now(self) -> datetime: ...
    @property
    def breaks(self) -> Breaks: ...

    def announce(self, act: OperatorAct) -> None:
        """Say what an operator did."""
        ...


def defer_break(break_id: str, due_on: date, reason: str, actor: Actor, uow: ResolveUnit) -> StoredBreak:
    """Accept that it is a difference of timing until that day; if it stands then, it opens again."""
    today = uow.now.date()
    if not today <= due_on <= today + DEFERRED_FOR_MAX:
        raise Rejected(
            "due_date_invalid",
            f"a difference of timing is due within {DEFERRED_FOR_MAX.days} days",
            status=400,
            param="due_on",
            stored=False,
        )
    stored = locked_break(break_id, uow)
    decided = Decided(
        state=advance(break_id, stored.state, Trigger.DEFER),
        trigger=Trigger.DEFER,
        actor=actor.name,
        reason=reason,
        owner=actor.name,
        due_on=due_on,
        resolution=Resolution.TIMING_DIFFERENCE,
    )
    return _decide(break_id, decided, "break_deferred", actor, uow)


def propose_acceptance(break_id: str, reason: str, actor: Actor, uow: ResolveUnit) -> StoredBreak:
    """Propose to accept the difference as it is; nothing is accepted before somebody else approves."""
    return propose_resolution(break_id, Resolution.ACCEPTED, reason, actor, uow)


def propose_resolution(
    break_id: str, resolution: Resolution, reason: str, actor: Actor, uow: ResolveUnit
) -> StoredBreak:
    """Propose it; it waits for a second person."""
    stored = locked_break(break_id, uow)
    _check_alone(stored)
    decided = Decided(
        state=advance(break_id, stored.state, Trigger.PROPOSE),
        trigger=Trigger.PROPOSE,
        actor=actor.name,
        reason=reason,
        owner=actor.name,
        resolution=resolution,
        proposed_by=actor.name,
    )
    return _decide(break_id, decided, PROPOSED_AS[resolution], actor, uow)


def approve_resolution(
    break_id: str, proposal: str, reason: str, actor: Actor, uow: ResolveUnit
) -> StoredBreak:
    """Resolve it as somebody else proposed; should it become another difference, it opens again.

    What another service has to do waits for its answer instead: whoever calls this asks for it.
    ``proposal`` is the one that the second person read. Is another one waiting by now, ``proposal_changed``.
    """
    stored = locked_break(break_id, uow)
    trigger = Trigger.ASK if stored.resolution in TOLD_ELSEWHERE else Trigger.APPROVE
    state = advance(break_id, stored.state, trigger)
    check_four_eyes(stored.proposed_by or actor.name, actor.name)
    _check_alone(stored)
    _check_read(stored, proposal)
    decided = Decided(
        state=state,
        trigger=trigger,
        actor=actor.name,
        reason=reason,
        owner=stored.owner,
        resolution=Resolution(stored.resolution or Resolution.ACCEPTED),
        proposed_by=stored.proposed_by,
        approved_by=actor.name,
    )
    action = "break_resolution_asked" if trigger is Trigger.ASK else "break_resolved"
    return _decide(break_id, decided, action, actor, uow)


def reject_resolution(break_id: str, reason: str, actor: Actor, uow: ResolveUnit) -> StoredBreak:
    """Open it again; its proposer may, too.

    Where it waits for an answer, what was asked for counts until it is answered to be refused: see ``reject_break``.
    """
    stored = locked_break(break_id, uow)
    decided = Decided(
        state=advance(break_id, stored.state, Trigger.REJECT),
        trigger=Trigger.REJECT,
        actor=actor.name,
        reason=reason,
        owner=stored.owner,
    )
    return _decide(break_id, decided, "break_resolution_rejected", actor, uow)


def _check_alone(stored: StoredBreak) -> None:
    """Two people do not decide which file holds beside one who has another one hold."""
    if stored.waits_for_file is not None:
        raise Rejected(
            "file_order_waits",
            f"break {stored.break_id}: a person has {stored.waits_for_file} hold, which is not done yet: look at what"
            " is left then",
            extra={"break_id": stored.break_id, "file_id": stored.waits_for_file},
            stored=False,
        )


def _check_read(stored: StoredBreak, proposal: str) -> None:
    if proposal == stored.proposal:
        return
    raise Rejected(
        "proposal_changed",
        f"{proposal} does not wait: {stored.proposal} does, for {stored.at_risk_minor} {stored.currency},"
        f" {stored.resolution}, by {stored.proposed_by} at {stored.changed_at.isoformat()}: look at it first",
        param="proposal",
        extra={
            "break_id": stored.break_id,
            "proposal": stored.proposal,
            "resolution": stored.resolution,
            "proposed_by": stored.proposed_by,
            "at_risk_minor": stored.at_risk_minor,
            "currency": stored.currency,
        },
        stored=False,
    )


def locked_break(break_id: str, uow: ResolveUnit) -> StoredBreak:
    """The break, which nobody else decides until this transaction ends, or the caller's mistake."""
    found = uow.breaks.locked(break_id)
    if found is None:
        raise Rejected("break_not_found", f"there is no break {break_id}", status=404, stored=False)
    return found


def _decide(break_id: str, decided: Decided, action: str, actor: Actor, uow: ResolveUnit) -> StoredBreak:
    uow.breaks.decide(break_id, decided)
    uow.announce(OperatorAct(actor=actor, action=action, target=break_id, reason=decided.reason))
    return locked_break(break_id, uow)
