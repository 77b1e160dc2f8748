"""Closes a month again as the old books' archive tells it: by the same people, at the same time, on the new chain.

Nobody decides anew. The same rules hold as for any close: in order, by two people, with everything in it sealed.
"""

from __future__ import annotations

from services.ledger.app.period_ports import ClosingUnit
from shared.kernel.decisions import DecisionState, check_four_eyes
from shared.kernel.errors import Rejected
from shared.kernel.months import Month, PeriodClose


def restore_close(told: PeriodClose, work: ClosingUnit) -> bool:
    """Store it, and close its month where it was approved; False where that is so already.

    Raises ``Rejected`` where something else is there, or something of the month is not sealed.
    """
    work.periods.take_turn()
    stored = work.periods.get(told.close_id)
    if stored is not None and stored != told:
        raise _contradiction(told, f"{told.close_id} is in the books already, otherwise")
    if stored is not None:
        return False
    if told.state is DecisionState.APPROVED:
        check_four_eyes(told.proposed_by, str(told.decided_by))
    work.periods.add(told.close_id, told.period, told.reason, by=told.proposed_by, at=told.proposed_at)
    if told.state is DecisionState.APPROVED and told.decided_at is not None:
        month = Month.read(told.period)
        work.periods.stop_posting()
        end = work.periods.chain_end(month.ends_at)
        if end.unsealed:
            raise _contradiction(told, f"{end.unsealed} journals of {month} are not sealed: who books here?")
        work.periods.close(month, told.close_id, end, at=told.decided_at)
    work.periods.decide(told)
    return True


def _contradiction(told: PeriodClose, detail: str) -> Rejected:
    return Rejected("close_contradicts", detail, extra={"close": told.close_id}, stored=False)
