"""Books again what people decided of an adjustment, as the old books' archive tells it: once, and as it was decided.

Nothing is decided anew: floors and open keys were looked at then, and stand elsewhere in books that are being filled.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from services.ledger.app.adjust_books import journal_of
from services.ledger.app.adjustment_ports import AdjustingUnit
from services.ledger.domain.adjustments import Adjustment, Proposed, check_proposal
from services.ledger.domain.journal import Cause
from shared.kernel.decisions import DecisionState, check_four_eyes
from shared.kernel.errors import Rejected


@dataclass(frozen=True, slots=True)
class Decision:
    """An adjustment that was approved or rejected, and the act that its journal names as its cause."""

    adjustment: Adjustment
    cause: Cause


def restore_adjustment(decision: Decision, work: AdjustingUnit) -> bool:
    """Store it with its journal; False where it is there already.

    Raises ``Rejected`` where something else is there, and for what never was an adjustment: people must look.
    """
    told = decision.adjustment
    check_proposal(told)
    if told.state is DecisionState.APPROVED:
        check_four_eyes(told.proposed_by, str(told.decided_by))
    stored = work.adjustments.get(told.adjustment_id, locked=True)
    if stored is not None and _content(stored) != _content(told):
        raise _contradiction(told, "as another adjustment")
    if stored is not None and stored.state is not DecisionState.PROPOSED:
        if _ending(stored) != _ending(told):
            raise _contradiction(told, "decided otherwise")
        return False
    if stored is None:
        work.adjustments.add(told.adjustment_id, told, by=told.proposed_by, at=told.proposed_at)
    if told.state is DecisionState.APPROVED:
        work.journals.add(journal_of(told, decision.cause, work))
    work.adjustments.decide(told)
    return True


def _content(adjustment: Adjustment) -> Proposed:
    return Proposed(**{field.name: getattr(adjustment, field.name) for field in fields(Proposed)})


def _ending(adjustment: Adjustment) -> tuple[object, ...]:
    return adjustment.state, adjustment.decided_by, adjustment.decided_at, adjustment.journal_id


def _contradiction(told: Adjustment, how: str) -> Rejected:
    detail = f"{told.adjustment_id} is in the books already, {how}"
    return Rejected("adjustment_contradicts", detail, extra={"adjustment": told.adjustment_id}, stored=False)
