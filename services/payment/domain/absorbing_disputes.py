"""Facts about disputes and their money rows: status by the newest word, money by the rows alone."""

from services.payment.domain.changes import Moment
from services.payment.domain.disputes import Dispute, DisputeStatus
from services.payment.domain.disputing import reinstate, settle_dispute, withdraw
from services.payment.domain.facts import TAKEN, Fact, ProcessorObject, Role
from services.payment.domain.operations import Operation, OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.proving import proven_capture
from services.payment.domain.reviewing import relieve


def absorb_dispute(
    payment: Payment, thing: ProcessorObject, fact: Fact, operation: Operation | None, moment: Moment
) -> bool:
    """Apply where it stands; a dispute proves its capture, and waits where no amount of one is known."""
    capture = proven_capture(payment, fact, moment)
    if capture is None:
        return False
    if foreign_money(payment, capture, fact, moment):
        return True
    dispute = _dispute_of(payment, fact, capture, moment)
    thing.role = Role.STRAY if dispute.stray_id else Role.COUNTED
    thing.stray_id = dispute.stray_id
    dispute.implied = False
    dispute.status = DisputeStatus(fact.status)
    dispute.amount_minor = fact.amount_minor
    dispute.reason = fact.dispute_reason or dispute.reason
    dispute.evidence_due_by = fact.evidence_due_by or dispute.evidence_due_by
    _decide_answer(payment, dispute, operation, moment)
    settle_dispute(payment, dispute, fact, moment)
    _check_reinstated(payment, dispute, moment)
    return True


def absorb_dispute_row(payment: Payment, thing: ProcessorObject, fact: Fact, moment: Moment) -> bool:
    """Move the money of one row; a row that comes before its dispute implies it."""
    capture = proven_capture(payment, fact, moment)
    if capture is None:
        return False
    if foreign_money(payment, capture, fact, moment):
        return True
    dispute = _dispute_of(payment, fact, capture, moment)
    thing.role = Role.STRAY if dispute.stray_id else Role.COUNTED
    thing.stray_id = dispute.stray_id
    if fact.status in TAKEN:
        withdraw(payment, dispute, fact, moment)
    else:
        reinstate(payment, dispute, fact, moment)
    _check_reinstated(payment, dispute, moment)
    return True


def foreign_money(payment: Payment, capture: ProcessorObject, fact: Fact, moment: Moment) -> bool:
    """Whether the fact speaks of another currency than its capture: kept as evidence, and a person looks."""
    stray = payment.strays.get(capture.stray_id or "")
    if capture.role is Role.STRAY and stray is None:
        return True
    currency = stray.currency if stray is not None else payment.currency
    if fact.currency == currency:
        return False
    payment.open_case(
        f"{fact.object_type.value}_in_other_currency",
        fact.money_row_id or fact.object_id,
        moment,
        exposure_minor=fact.amount_minor,
        currency=fact.currency,
    )
    return True


def _dispute_of(payment: Payment, fact: Fact, capture: ProcessorObject, moment: Moment) -> Dispute:
    known = next(
        (d for d in payment.disputes.values() if (d.processor, d.account, d.object_id) == fact.key), None
    )
    if known is not None:
        return known
    made = Dispute(
        dispute_id=moment.ids.new("dp_"),
        processor=fact.processor,
        account=fact.account,
        object_id=fact.object_id,
        capture_id=capture.object_id,
        status=DisputeStatus.INQUIRY,
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        created_at=moment.now,
        updated_at=moment.now,
        stray_id=capture.stray_id if capture.role is Role.STRAY else None,
        implied=True,
    )
    payment.disputes[made.dispute_id] = made
    return made


def _decide_answer(payment: Payment, dispute: Dispute, operation: Operation | None, moment: Moment) -> None:
    """An answer is decided by the object that echoes it; that it was accepted, by the status alone."""
    for mine in payment.operations.values():
        if mine.dispute_id != dispute.dispute_id or not mine.undecided:
            continue
        accepted = mine.type is OperationType.DISPUTE_ACCEPT and dispute.status is DisputeStatus.ACCEPTED
        if mine is operation or accepted:
            mine.object_id = dispute.object_id
            payment.advance(mine, OperationState.SUCCEEDED, moment)


def _check_reinstated(payment: Payment, dispute: Dispute, moment: Moment) -> None:
    """More money back than was ever taken: after a dispute is closed nothing that is still to come explains it.

    Rows and words come in any order, so both ask; a dispute that is opened again has nothing less over for it.
    """
    closed = dispute.status in {DisputeStatus.WON, DisputeStatus.LOST, DisputeStatus.ACCEPTED}
    over_minor = dispute.reinstated_minor - dispute.withdrawn_minor
    if closed and dispute.withdrawn_minor and over_minor > 0:
        payment.open_case(
            "reinstated_too_much",
            dispute.object_id,
            moment,
            exposure_minor=over_minor,
            currency=dispute.currency,
        )
    elif over_minor <= 0:
        relieve(payment, "reinstated_too_much", dispute.object_id, moment)
