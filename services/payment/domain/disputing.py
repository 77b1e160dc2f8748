"""What becomes of a dispute: opened, closed, its money withdrawn, reinstated, written off."""

from services.payment.domain.changes import Moment
from services.payment.domain.clawing_back import refresh_taken_back, take_from_stray
from services.payment.domain.dispute_events import (
    DisputeClosed,
    DisputeOpened,
    DisputeReinstated,
    DisputeWithdrawn,
    DisputeWriteOffReversed,
    DisputeWrittenOff,
)
from services.payment.domain.disputes import OPEN, Dispute, DisputeStatus
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.domain.room import flag_double_return
from services.payment.domain.straying import withdraw_returns

INQUIRY = "inquiry"
DISPUTE = "dispute"


def withdraw(payment: Payment, dispute: Dispute, row: Fact, moment: Moment) -> None:
    """The processor took disputed money: one event per money row, the merchant's fee with the first."""
    fee_minor = 0
    if dispute.withdrawn_minor == 0 and dispute.stray_id is None:
        fee_minor = dispute.fee_minor = payment.price.dispute_fee_minor
    dispute.withdrawn_minor += row.amount_minor
    if dispute.implied:
        # Money was taken for it, so it is open; its own fact will say how much is disputed.
        dispute.status = DisputeStatus.OPENED
        dispute.amount_minor = dispute.withdrawn_minor
    if dispute.stray_id is not None:
        take_from_stray(payment, dispute.stray_id, row.amount_minor, moment)
    payment.announce(
        DisputeWithdrawn(
            dispute_id=dispute.dispute_id,
            charged_to=dispute.charged_to,
            stray_id=dispute.stray_id,
            processor=dispute.processor,
            account=dispute.account,
            object_id=dispute.object_id,
            money_row_id=row.money_row_id or "",
            fact_key=row.fact_key,
            amount_minor=row.amount_minor,
            currency=dispute.currency,
            fee_minor=fee_minor,
            effective_at=row.occurred_at,
        ),
        moment,
    )
    settle_dispute(payment, dispute, row, moment)


def reinstate(payment: Payment, dispute: Dispute, row: Fact, moment: Moment) -> None:
    """Disputed money came back: what was still held, or what was written off before."""
    if dispute.stray_id is not None:
        dispute.reinstated_minor += row.amount_minor
        held_minor = 0
        take_from_stray(payment, dispute.stray_id, -row.amount_minor, moment)
    else:
        held_minor = dispute.reinstate(row.amount_minor)
    payment.announce(
        DisputeReinstated(
            dispute_id=dispute.dispute_id,
            charged_to=dispute.charged_to,
            stray_id=dispute.stray_id,
            processor=dispute.processor,
            account=dispute.account,
            object_id=dispute.object_id,
            money_row_id=row.money_row_id or "",
            fact_key=row.fact_key,
            amount_minor=row.amount_minor,
            currency=dispute.currency,
            held_minor=held_minor,
            effective_at=row.occurred_at,
        ),
        moment,
    )
    settle_dispute(payment, dispute, row, moment)


def settle_dispute(payment: Payment, dispute: Dispute, fact: Fact, moment: Moment) -> None:
    """After any change: say where it stands, write off what is due, bring the payment's amounts up to it."""
    dispute.updated_at = max(dispute.updated_at, moment.now)
    dispute.dirty = True
    stage = dispute.announced
    _announce_stage(payment, dispute, fact, moment)
    if dispute.stray_id is not None:
        if dispute.claims and (dispute.implied or dispute.announced != stage):
            withdraw_returns(payment, dispute.stray_id, "stray_disputed", moment)
    else:
        _write_off(payment, dispute, fact, moment)
        if dispute.status in OPEN:
            flag_double_return(payment, dispute.capture_id)
    refresh_taken_back(payment, moment)


def _announce_stage(payment: Payment, dispute: Dispute, fact: Fact, moment: Moment) -> None:
    if dispute.status is DisputeStatus.INQUIRY:
        stage = None if dispute.implied else INQUIRY
    else:
        stage = DISPUTE if dispute.status in OPEN else dispute.status.value
    if stage is None or stage == dispute.announced or dispute.amount_minor <= 0:
        return
    dispute.announced = stage
    if stage in {INQUIRY, DISPUTE}:
        payment.announce(
            DisputeOpened(
                dispute_id=dispute.dispute_id,
                stage=stage,
                charged_to=dispute.charged_to,
                stray_id=dispute.stray_id,
                processor=dispute.processor,
                account=dispute.account,
                object_id=dispute.object_id,
                capture_id=dispute.capture_id,
                fact_key=fact.fact_key,
                amount_minor=dispute.amount_minor,
                currency=dispute.currency,
                reason=dispute.reason,
                evidence_due_by=dispute.evidence_due_by,
            ),
            moment,
        )
        return
    payment.announce(
        DisputeClosed(
            dispute_id=dispute.dispute_id,
            outcome=stage,
            charged_to=dispute.charged_to,
            stray_id=dispute.stray_id,
            processor=dispute.processor,
            account=dispute.account,
            object_id=dispute.object_id,
            capture_id=dispute.capture_id,
            fact_key=fact.fact_key,
            amount_minor=dispute.amount_minor,
            currency=dispute.currency,
        ),
        moment,
    )


def _write_off(payment: Payment, dispute: Dispute, fact: Fact, moment: Moment) -> None:
    """Publish the difference between what must stand as written off and what does."""
    delta_minor = dispute.written_off_due_minor - dispute.written_off_minor
    if delta_minor == 0:
        return
    dispute.written_off_minor += delta_minor
    kind = DisputeWrittenOff if delta_minor > 0 else DisputeWriteOffReversed
    payment.announce(
        kind(
            dispute_id=dispute.dispute_id,
            processor=dispute.processor,
            account=dispute.account,
            object_id=dispute.object_id,
            # The fact that made it due: one fact is applied once, and changes it once.
            fact_key=fact.fact_key,
            amount_minor=abs(delta_minor),
            currency=dispute.currency,
            effective_at=fact.occurred_at,
        ),
        moment,
    )
