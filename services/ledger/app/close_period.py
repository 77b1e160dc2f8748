"""Two people close a month: one proposes it, another approves, and from then on nothing takes effect in it.

Months are closed in order; the first close also closes all that lies before it. What is closed is never opened again.
"""

from __future__ import annotations

from dataclasses import replace

from services.ledger.app.period_ports import ClosingUnit
from services.ledger.app.seal_journals import seal_the_rest
from shared.kernel.decisions import DecisionState, check_four_eyes
from shared.kernel.errors import Rejected
from shared.kernel.months import Month, PeriodClose, check_next, check_step
from shared.kernel.operators import Actor, OperatorAct


def propose_close(month: Month, reason: str, actor: Actor, work: ClosingUnit) -> PeriodClose:
    """Keep the proposal; nothing is closed."""
    work.periods.take_turn()
    check_next(month, work.periods.opens_at(), work.now)
    standing = work.periods.standing(str(month))
    if standing is not None:
        raise Rejected(
            "period_proposed_already",
            f"the close of {month} is proposed as {standing}",
            extra={"close": standing},
        )
    close_id = work.ids.new("cls_")
    work.periods.add(close_id, str(month), reason, by=actor.name, at=work.now)
    work.acted(OperatorAct(actor=actor, action="period_close_proposed", target=close_id, reason=reason))
    return stored_close(close_id, work)


def approve_close(close_id: str, reason: str, actor: Actor, work: ClosingUnit) -> PeriodClose:
    """Close the month; refused for its proposer and out of order.

    What of it is not sealed yet is sealed here: posting waits, so no stream of late facts puts the close off. Refused
    only where that is more than one transaction should take on, which no sealer that runs leaves behind.
    """
    work.periods.take_turn()
    close = stored_close(close_id, work)
    check_step(close, DecisionState.APPROVED)
    check_four_eyes(close.proposed_by, actor.name)
    month = Month.read(close.period)
    check_next(month, work.periods.stop_posting(), work.now)
    end = work.periods.chain_end(month.ends_at)
    if end.unsealed:
        if not seal_the_rest(work):
            raise Rejected("period_busy", "something is being sealed for long: try again", stored=False)
        end = work.periods.chain_end(month.ends_at)
    if end.unsealed:
        raise Rejected(
            "period_not_sealed",
            f"{end.unsealed} journals of {month} are left to be sealed first: does the sealer run?",
            stored=False,
            extra={"unsealed": end.unsealed},
        )
    work.periods.close(month, close_id, end, at=work.now)
    return _decide(close, DecisionState.APPROVED, "period_closed", reason, actor, work)


def reject_close(close_id: str, reason: str, actor: Actor, work: ClosingUnit) -> PeriodClose:
    """End a proposal; its proposer may, too."""
    work.periods.take_turn()
    close = stored_close(close_id, work)
    check_step(close, DecisionState.REJECTED)
    return _decide(close, DecisionState.REJECTED, "period_close_rejected", reason, actor, work)


def stored_close(close_id: str, work: ClosingUnit) -> PeriodClose:
    """The close, or the caller's mistake."""
    found = work.periods.get(close_id)
    if found is None:
        raise Rejected("period_close_not_found", f"there is no close {close_id}", status=404, stored=False)
    return found


def _decide(
    close: PeriodClose, state: DecisionState, action: str, reason: str, actor: Actor, work: ClosingUnit
) -> PeriodClose:
    decided = replace(close, state=state, decided_by=actor.name, decided_at=work.now, decision_reason=reason)
    work.periods.decide(decided)
    event_id = work.acted(OperatorAct(actor=actor, action=action, target=close.close_id, reason=reason))
    work.announce_close_decision(decided, event_id)
    return decided
