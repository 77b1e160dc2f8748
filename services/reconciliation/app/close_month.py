"""Two people close a month: one proposes its figures, another approves exactly these, and then nothing of it changes.

Both do a full run first, so the figures rest on everything that is known. Months are closed in order; the first close
also takes in all that lies before it. What comes later belongs to the next month and is named there as late.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from services.reconciliation.app.run_matching import RunKind, RunUnit, run_matching
from services.reconciliation.domain.periods import PeriodClose, Unfinished, check_finished
from shared.kernel.decisions import DecisionState, check_four_eyes
from shared.kernel.errors import Rejected
from shared.kernel.months import Month, check_next, check_step
from shared.kernel.operators import Actor, OperatorAct


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkedOut:
    """A month's figures as they were written in this transaction, and what keeps it from being closed."""

    digest: bytes
    unfinished: Unfinished


class Periods(Protocol):
    """Months of one transaction."""

    def take_turn(self) -> None:
        """Queue behind others who close."""
        ...

    def opens_at(self) -> datetime | None:
        """The end of the last closed month."""
        ...

    def standing(self, period: str) -> str | None:
        """The close of this month that is proposed or approved."""
        ...

    def get(self, close_id: str) -> PeriodClose | None: ...

    def add(self, close: PeriodClose) -> None: ...

    def try_out(self, month: Month, as_of: datetime) -> WorkedOut:
        """Work the month out and leave nothing of it."""
        ...

    def work_out(self, month: Month, as_of: datetime) -> WorkedOut:
        """Write its figures and what they are computed from, all as of one moment."""
        ...

    def close(self, month: Month, close: PeriodClose, run_id: str) -> None:
        """Close it with what was worked out."""
        ...

    def decide(self, decided: PeriodClose) -> None: ...


class ClosingUnit(RunUnit, Protocol):
    """What one transaction offers."""

    @property
    def periods(self) -> Periods: ...

    def announce(self, act: OperatorAct) -> None:
        """Say what an operator did."""
        ...


def propose_close(month: Month, reason: str, actor: Actor, uow: ClosingUnit) -> PeriodClose:
    """Work the month out and propose to close it so; nothing is closed."""
    uow.periods.take_turn()
    check_next(month, uow.periods.opens_at(), uow.now)
    standing = uow.periods.standing(str(month))
    if standing is not None:
        raise Rejected(
            "period_proposed_already",
            f"the close of {month} is proposed as {standing}",
            extra={"close": standing},
        )
    run_matching(RunKind.FULL, actor.name, uow)
    worked_out = uow.periods.try_out(month, uow.now)
    check_finished(month, worked_out.unfinished)
    close = PeriodClose(
        close_id=uow.ids.new("cls_"),
        period=str(month),
        digest=worked_out.digest,
        reason=reason,
        state=DecisionState.PROPOSED,
        proposed_by=actor.name,
        proposed_at=uow.now,
    )
    uow.periods.add(close)
    uow.announce(
        OperatorAct(actor=actor, action="period_close_proposed", target=close.close_id, reason=reason)
    )
    return close


def approve_close(close_id: str, reason: str, actor: Actor, uow: ClosingUnit) -> PeriodClose:
    """Close the month as it was proposed; refused for its proposer, and where the figures became others."""
    uow.periods.take_turn()
    close = stored_close(close_id, uow)
    check_step(close, DecisionState.APPROVED)
    check_four_eyes(close.proposed_by, actor.name)
    month = Month.read(close.period)
    check_next(month, uow.periods.opens_at(), uow.now)
    run = run_matching(RunKind.FULL, actor.name, uow)
    worked_out = uow.periods.work_out(month, uow.now)
    check_finished(month, worked_out.unfinished)
    if worked_out.digest != close.digest:
        raise Rejected(
            "period_changed",
            f"the figures of {month} are not those that were proposed: reject the close and propose them anew",
            stored=False,
            extra={"close": close_id},
        )
    uow.periods.close(month, close, run.run_id)
    return _decide(close, DecisionState.APPROVED, "period_closed", reason, actor, uow)


def reject_close(close_id: str, reason: str, actor: Actor, uow: ClosingUnit) -> PeriodClose:
    """End a proposal; its proposer may, too."""
    uow.periods.take_turn()
    close = stored_close(close_id, uow)
    check_step(close, DecisionState.REJECTED)
    return _decide(close, DecisionState.REJECTED, "period_close_rejected", reason, actor, uow)


def stored_close(close_id: str, uow: ClosingUnit) -> PeriodClose:
    """The close, or the caller's mistake."""
    found = uow.periods.get(close_id)
    if found is None:
        raise Rejected("period_close_not_found", f"there is no close {close_id}", status=404, stored=False)
    return found


def _decide(
    close: PeriodClose, state: DecisionState, action: str, reason: str, actor: Actor, uow: ClosingUnit
) -> PeriodClose:
    decided = replace(close, state=state, decided_by=actor.name, decided_at=uow.now, decision_reason=reason)
    uow.periods.decide(decided)
    uow.announce(OperatorAct(actor=actor, action=action, target=close.close_id, reason=reason))
    return decided
