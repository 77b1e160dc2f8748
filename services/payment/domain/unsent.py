"""An operation's steps with risk, and how one that was never sent is dropped."""

from services.payment.domain.changes import Moment
from services.payment.domain.events import RiskHoldChanged
from services.payment.domain.operations import Operation, OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.risk_states import RISK_REVIEW, RiskBy, RiskState


def step(payment: Payment, operation: Operation, target: RiskState, by: RiskBy, moment: Moment) -> None:
    """Take one step of the table; the payment shows whether any of its operations is before a person."""
    before = payment.hold
    operation.stand_with_risk(target, by)
    reviewed = any(each.risk is RiskState.REVIEW for each in payment.operations.values())
    payment.hold = RISK_REVIEW if reviewed else None
    payment.touch(moment)
    if payment.hold != before:
        payment.announce(
            RiskHoldChanged(operation_id=operation.operation_id, hold=payment.hold, decided_by=by.value),
            moment,
        )


def drop(payment: Payment, operation: Operation, target: RiskState, by: RiskBy, moment: Moment) -> None:
    """Give it up for good."""
    # First the one, so that nobody tells the processor service of what it has never heard of.
    step(payment, operation, target, by, moment)
    payment.advance(operation, OperationState.ABANDONED, moment)
