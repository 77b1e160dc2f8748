"""Risk and one operation: asked, decided, late, denied after the fact; what comes twice or too late changes nothing."""

from collections.abc import Callable, Mapping
from typing import Final

from services.payment.domain.asking import new_operation, place_of, send_command
from services.payment.domain.changes import Moment
from services.payment.domain.events import PaymentFailed
from services.payment.domain.holding import drop_capture, drop_unsent, note_error, refused, settle_release
from services.payment.domain.lifecycle import BEFORE_AUTHORIZATION
from services.payment.domain.operations import Operation, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.risk_states import RiskBy, RiskState
from services.payment.domain.status import Status
from shared.kernel.errors import Rejected

REFUSED_BY_RISK: Final = "refused_by_risk"


def decide(
    payment: Payment, operation: Operation, verdict: str, payment_version: int, moment: Moment
) -> bool:
    """Apply a decision; False where it is about another version of the payment, or says nothing new."""
    if operation.risk is None or operation.risk_version != payment_version:
        return False
    apply = _DECISIONS.get((operation.risk, operation.risk_by, verdict))
    if apply is None:
        return False
    apply(payment, operation, moment)
    return True


def expire(payment: Payment, operation: Operation, moment: Moment) -> bool:
    """No decision came in time: a small amount goes through, flagged; a large one goes before a person."""
    due = operation.risk_deadline_at
    if operation.risk is not RiskState.WAITING or due is None or moment.now < due:
        return False
    if moment.risk.is_small(operation.published_type, operation.amount_minor, payment.currency):
        _allow(payment, operation, moment, RiskBy.DEADLINE)
    else:
        _review(payment, operation, moment, RiskBy.DEADLINE)
    return True


def approve_review(payment: Payment, operation: Operation, actor: str, moment: Moment) -> bool:
    """Let a reviewed operation go; where money moves by it, only with a second person. True once it goes."""
    _check_in_review(operation)
    if operation.takes_money and operation.risk_proposed_by is None:
        operation.risk_proposed_by = actor
        _touch(payment, operation, moment)
        return False
    if operation.risk_proposed_by == actor:
        raise Rejected("four_eyes", "another person must approve it", status=403, stored=False)
    operation.risk_approved_by = actor
    _allow(payment, operation, moment, RiskBy.OPERATOR)
    return True


def refuse_review(payment: Payment, operation: Operation, moment: Moment) -> None:
    """End a reviewed operation: one person is enough, no money moves."""
    _check_in_review(operation)
    _block(payment, operation, moment, RiskBy.OPERATOR)


def waits_for_risk(payment: Payment) -> bool:
    """Whether what keeps further requests away was never sent."""
    operation = payment.blocking_operation()
    return operation is not None and operation.unsent


def withdraw_waiting(payment: Payment, moment: Moment) -> None:
    """Take back what waits for risk: nothing of it was sent, so it is given up at once."""
    operation = payment.blocking_operation()
    if operation is not None and operation.unsent:
        _give_up(payment, operation, RiskState.WITHDRAWN, RiskBy.MERCHANT, moment)


def settle_denials(payment: Payment, moment: Moment) -> None:
    """What was denied must not keep what it took: a hold is given back, money taken goes before a person.

    Called whenever evidence or people may have decided an operation, so that a denial waits for the one it is about.
    """
    denied = refused(payment)
    if not denied or payment.blocking_operation() is not None:
        return
    latest = max(denied, key=lambda operation: operation.number)
    if payment.amounts.captured_minor:
        if latest.risk is RiskState.DENIED or latest.type is OperationType.CAPTURE:
            payment.open_case(
                "risk_denied_late",
                latest.operation_id,
                moment,
                exposure_minor=payment.amounts.captured_minor,
                operation_id=latest.operation_id,
            )
    elif payment.status is Status.AUTHORIZED and payment.authorization_id is not None:
        _void(payment, payment.authorization_id, latest, moment)


def _void(payment: Payment, authorization_id: str, denied: Operation, moment: Moment) -> None:
    """Once per denial: a void that came to nothing goes before a person."""
    voids = [
        operation
        for operation in payment.operations.values()
        if operation.type is OperationType.CANCEL and operation.number > denied.number
    ]
    if voids:
        payment.open_case(
            "risk_void_failed",
            denied.operation_id,
            moment,
            exposure_minor=payment.amounts.authorized_minor,
            operation_id=denied.operation_id,
        )
        return
    place = place_of(payment, authorization_id)
    send_command(payment, new_operation(payment, OperationType.CANCEL, 0, moment, place=place), moment)


# -- the moves ---------------------------------------------------------------------------------------------------------


def _allow(payment: Payment, operation: Operation, moment: Moment, by: RiskBy) -> None:
    """Let it go; a capture only where the hold still has its amount: meanwhile somebody else may have taken of it."""
    if operation.type is OperationType.CAPTURE and operation.amount_minor > payment.amounts.capturable_minor:
        drop_capture(payment, operation, moment)
        settle_release(payment, moment)
        settle_denials(payment, moment)
        return
    payment.step_with_risk(operation, RiskState.ALLOWED, by, moment)
    send_command(payment, operation, moment)


def _review(payment: Payment, operation: Operation, moment: Moment, by: RiskBy) -> None:
    payment.step_with_risk(operation, RiskState.REVIEW, by, moment)


def _block(payment: Payment, operation: Operation, moment: Moment, by: RiskBy) -> None:
    _give_up(payment, operation, RiskState.BLOCKED, by, moment)
    operation.message = "refused by risk"
    note_error(payment, operation, code=REFUSED_BY_RISK, decline_code=None)
    if operation.type is OperationType.AUTHORIZE and payment.status in BEFORE_AUTHORIZATION:
        payment.move(Status.FAILED, moment)
        payment.announce(
            PaymentFailed(operation_id=operation.operation_id, reason=REFUSED_BY_RISK, decline_code=None),
            moment,
        )
    settle_denials(payment, moment)


def _deny(payment: Payment, operation: Operation, moment: Moment) -> None:
    """It was sent without a decision, and the decision says no."""
    payment.step_with_risk(operation, RiskState.DENIED, RiskBy.RISK, moment)
    settle_denials(payment, moment)


def _ask_a_person(payment: Payment, operation: Operation, moment: Moment) -> None:
    """It was sent already: whether it should have been is for a person to say."""
    payment.open_case(
        "risk_review_late",
        operation.operation_id,
        moment,
        exposure_minor=operation.amount_minor,
        operation_id=operation.operation_id,
    )


def _stand_by_risk(payment: Payment, operation: Operation, moment: Moment) -> None:
    """The review that was put for want of a decision is the rules' own now."""
    operation.risk_by = RiskBy.RISK
    _touch(payment, operation, moment)


def _give_up(payment: Payment, operation: Operation, target: RiskState, by: RiskBy, moment: Moment) -> None:
    drop_unsent(payment, operation, target, by, moment)
    settle_release(payment, moment)


def _touch(payment: Payment, operation: Operation, moment: Moment) -> None:
    operation.dirty = True
    payment.touch(moment)


def _check_in_review(operation: Operation) -> None:
    if operation.risk is not RiskState.REVIEW:
        raise Rejected(
            "not_in_risk_review",
            f"operation {operation.operation_id} does not wait for a decision about risk",
            extra={"operation": operation.operation_id, "risk": operation.risk},
        )


_Move = Callable[[Payment, Operation, Moment], None]


def _by_risk(move: Callable[[Payment, Operation, Moment, RiskBy], None]) -> _Move:
    return lambda payment, operation, moment: move(payment, operation, moment, RiskBy.RISK)


#: (where it stands, by whose word, what risk says) -> what follows; absent means that nothing does.
_DECISIONS: Final[Mapping[tuple[RiskState, str | None, str], _Move]] = {
    (RiskState.WAITING, None, "allow"): _by_risk(_allow),
    (RiskState.WAITING, None, "review"): _by_risk(_review),
    (RiskState.WAITING, None, "block"): _by_risk(_block),
    (RiskState.REVIEW, RiskBy.DEADLINE, "allow"): _by_risk(_allow),
    (RiskState.REVIEW, RiskBy.DEADLINE, "review"): _stand_by_risk,
    (RiskState.REVIEW, RiskBy.DEADLINE, "block"): _by_risk(_block),
    (RiskState.ALLOWED, RiskBy.DEADLINE, "review"): _ask_a_person,
    (RiskState.ALLOWED, RiskBy.DEADLINE, "block"): _deny,
    (RiskState.ALLOWED, RiskBy.OPERATOR, "block"): _ask_a_person,
    (RiskState.OVERTAKEN, RiskBy.EVIDENCE, "review"): _ask_a_person,
    (RiskState.OVERTAKEN, RiskBy.EVIDENCE, "block"): _deny,
}
