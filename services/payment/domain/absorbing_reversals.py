"""Facts about reversals and their money rows: money moves on the rows alone."""

from services.payment.domain.absorbing_disputes import foreign_money
from services.payment.domain.changes import Moment
from services.payment.domain.clawing_back import BY_PROCESSOR, ensure_reversal, give_back, take_back
from services.payment.domain.facts import TAKEN, Fact, ProcessorObject, Role
from services.payment.domain.operations import Operation
from services.payment.domain.payment import Payment
from services.payment.domain.proving import proven_capture


def absorb_reversal(
    payment: Payment,
    thing: ProcessorObject,
    fact: Fact,
    operation: Operation | None,  # noqa: ARG001  # nobody asks for a reversal
    moment: Moment,
) -> bool:
    """Know the reversal, and the capture that it proves; its own status moves nothing."""
    capture = proven_capture(payment, fact, moment)
    if capture is None:
        return False
    if not foreign_money(payment, capture, fact, moment):
        reversal = ensure_reversal(payment, fact.key, capture, BY_PROCESSOR, moment)
        thing.role = Role.STRAY if reversal.stray_id else Role.COUNTED
        thing.stray_id = reversal.stray_id
    return True


def absorb_reversal_row(payment: Payment, thing: ProcessorObject, fact: Fact, moment: Moment) -> bool:
    """Move the money of one row; a row that comes before its reversal implies it."""
    capture = proven_capture(payment, fact, moment)
    if capture is None:
        return False
    if foreign_money(payment, capture, fact, moment):
        return True
    reversal = ensure_reversal(payment, fact.key, capture, BY_PROCESSOR, moment)
    thing.role = Role.STRAY if reversal.stray_id else Role.COUNTED
    thing.stray_id = reversal.stray_id
    move = take_back if fact.status in TAKEN else give_back
    move(
        payment,
        reversal,
        moment,
        amount_minor=fact.amount_minor,
        fact_key=fact.fact_key,
        money_row_id=fact.money_row_id,
        effective_at=fact.occurred_at,
    )
    return True
