"""What two people decide on the way through a month, before anybody could know better.

A charge that we have not heard of is adjusted in the books, or given back; then we hear of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas import generated as events
from services.reconciliation.app.approve_break import approve_break
from services.reconciliation.app.propose_adjustment import WantedAdjustment, propose_adjustment
from services.reconciliation.app.propose_return import propose_return
from services.reconciliation.entrypoints.http_matching import break_view
from shared.kernel.operators import Actor
from tests.integration.months.desk import ADA, MonthDesk
from tests.integration.months.trade import HeardLate, Told, Wrong

BOB = Actor(name="bob", role="approver")
_WANTED = WantedAdjustment(template="suspense_shortfall_write_off", parameters={"clearing_key": "month"})


def decide(desk: MonthDesk, found: Iterable[HeardLate]) -> None:
    """Decide each of these, have it done, and hear of the charge."""
    desk.tell_what_is_proved()
    for late in found:
        _DECIDE[late.wrong](desk, late, _the_break(desk, late))
        desk.publish([late.told])
    desk.consume()


def approved(desk: MonthDesk, break_id: str) -> None:
    """The second person's word."""
    read = desk.run(lambda uow: break_view(break_id, uow))["proposal"]
    desk.run(lambda uow: approve_break(break_id, read, "as I read it", BOB, uow))


def _the_break(desk: MonthDesk, late: HeardLate) -> str:
    ((break_id,),) = desk.rows(
        "SELECT break_id FROM breaks AS b JOIN matchable_lines AS l ON b.subject = 'line:' || l.source || ':' || l.line_id"
        f" WHERE b.state = 'OPEN' AND l.processor = '{late.processor}' AND l.object_id = '{late.object_id}'"
    )
    return str(break_id)


def _adjust(desk: MonthDesk, late: HeardLate, break_id: str) -> None:
    desk.run(lambda uow: propose_adjustment(break_id, _WANTED, "nobody knows of it", ADA, uow))
    approved(desk, break_id)
    nth = late.told.event_id[-26:]
    booked = {"adjustment_id": f"adj_{nth}", "journal_id": f"jrn_a{nth[1:]}"}
    answer = events.AdjustmentAnsweredV1(
        break_id=break_id, proposal_event_id=_asked(desk, break_id), outcome="applied", **booked
    )
    desk.hear("ledger.events", break_id, answer, f"evt_a{nth[1:]}")


def _give_back(desk: MonthDesk, late: HeardLate, break_id: str) -> None:
    desk.run(lambda uow: propose_return(break_id, "charged twice", ADA, uow))
    approved(desk, break_id)
    charge, nth = late.told.event, late.told.event_id[-26:]
    whose = {"payment_id": charge.payment_id, "merchant_id": charge.merchant_id}
    answer = events.StrayReturnAnsweredV1(
        **whose, break_id=break_id, proposal_event_id=_asked(desk, break_id), outcome="accepted",
        operation_id=late.operation_id,
    )  # fmt: skip
    desk.hear("payment.events", charge.payment_id, answer, f"evt_a{nth[1:]}")
    done = events.StrayReturnSucceededV1(
        **whose, stray_id=late.stray_id, operation_id=late.operation_id, amount_minor=late.amount_minor,
        currency=charge.currency, processor=charge.processor, account=charge.account, object_id=late.returned_as,
        fact_key=f"{charge.processor}:{charge.account}:{late.returned_as}:succeeded:1",
    )  # fmt: skip
    desk.publish([Told(desk.clock.at, f"evt_{int(nth) + 1:026d}", done, posted=True)])


def _asked(desk: MonthDesk, break_id: str) -> str:
    ((event_id,),) = desk.rows(f"SELECT event_id FROM asked_resolutions WHERE break_id = '{break_id}'")
    return str(event_id)


_DECIDE = {Wrong.ADJUSTED: _adjust, Wrong.RETURNED: _give_back}
