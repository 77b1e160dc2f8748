"""Money that the processor takes back from captures: reversals, and what it does to the payment's amounts."""

from datetime import datetime

from services.payment.domain.changes import Moment
from services.payment.domain.dispute_events import ReversalGivenBack, ReversalReceived
from services.payment.domain.facts import ObjectKey, ProcessorObject, Role
from services.payment.domain.payment import Payment
from services.payment.domain.reversals import Reversal
from services.payment.domain.room import check_double_return, check_overcommitted
from services.payment.domain.straying import check_returned_twice, refresh_stray_amount

#: Why a reversal exists: the processor says so, or a capture that had succeeded failed.
BY_PROCESSOR = "processor"
CAPTURE_FAILED = "capture_failed"


def find_reversal(payment: Payment, key: ObjectKey) -> Reversal | None:
    """The reversal of that name at the processor."""
    return next((r for r in payment.reversals.values() if (r.processor, r.account, r.object_id) == key), None)


def ensure_reversal(
    payment: Payment, key: ObjectKey, capture: ProcessorObject, cause: str, moment: Moment
) -> Reversal:
    """The reversal of that name, made where it was not known."""
    known = find_reversal(payment, key)
    if known is not None:
        return known
    made = Reversal(
        reversal_id=moment.ids.new("rvs_"),
        processor=key[0],
        account=key[1],
        object_id=key[2],
        capture_id=capture.object_id,
        currency=capture.currency,
        cause=cause,
        created_at=moment.now,
        updated_at=moment.now,
        stray_id=capture.stray_id if capture.role is Role.STRAY else None,
    )
    payment.reversals[made.reversal_id] = made
    payment.touch(moment)
    return made


def take_back(
    payment: Payment,
    reversal: Reversal,
    moment: Moment,
    *,
    amount_minor: int,
    fact_key: str,
    money_row_id: str | None,
    effective_at: datetime,
) -> None:
    """Money of a capture was taken; it never moves in the books without a row, or a capture's failure, behind it."""
    reversal.taken_minor += amount_minor
    payment.announce(
        ReversalReceived(
            reversal_id=reversal.reversal_id,
            charged_to=reversal.charged_to,
            stray_id=reversal.stray_id,
            cause=reversal.cause,
            processor=reversal.processor,
            account=reversal.account,
            object_id=reversal.object_id,
            capture_id=reversal.capture_id,
            money_row_id=money_row_id,
            fact_key=fact_key,
            amount_minor=amount_minor,
            currency=reversal.currency,
            effective_at=effective_at,
        ),
        moment,
    )
    _settle(payment, reversal, amount_minor, moment)


def give_back(
    payment: Payment,
    reversal: Reversal,
    moment: Moment,
    *,
    amount_minor: int,
    fact_key: str,
    money_row_id: str | None,
    effective_at: datetime,
) -> None:
    """Reversed money came back."""
    reversal.given_back_minor += amount_minor
    payment.announce(
        ReversalGivenBack(
            reversal_id=reversal.reversal_id,
            charged_to=reversal.charged_to,
            stray_id=reversal.stray_id,
            processor=reversal.processor,
            account=reversal.account,
            object_id=reversal.object_id,
            capture_id=reversal.capture_id,
            money_row_id=money_row_id,
            fact_key=fact_key,
            amount_minor=amount_minor,
            currency=reversal.currency,
            effective_at=effective_at,
        ),
        moment,
    )
    _settle(payment, reversal, -amount_minor, moment)


def take_from_stray(payment: Payment, stray_id: str, amount_minor: int, moment: Moment) -> None:
    """A stray was disputed or reversed (negative: it came back): suspense bears it, never the merchant."""
    stray = payment.strays[stray_id]
    stray.taken_back_minor += amount_minor
    stray.dirty = True
    refresh_stray_amount(payment)
    check_returned_twice(payment, stray, moment)


def refresh_taken_back(payment: Payment, moment: Moment) -> None:
    """Bring the payment's amounts and status up to its disputes and reversals, and look at what they leave."""
    disputes = [d for d in payment.disputes.values() if d.stray_id is None]
    reversals = [r for r in payment.reversals.values() if r.stray_id is None]
    payment.amounts.disputed_open_minor = sum(dispute.open_minor for dispute in disputes)
    payment.amounts.reversed_minor = sum(dispute.written_off_minor for dispute in disputes) + sum(
        reversal.outstanding_minor for reversal in reversals
    )
    payment.touch(moment)
    payment.derive_status(moment)
    check_overcommitted(payment, moment)
    check_double_return(payment, moment)


def _settle(payment: Payment, reversal: Reversal, taken_minor: int, moment: Moment) -> None:
    reversal.updated_at = moment.now
    reversal.dirty = True
    if reversal.stray_id is not None:
        take_from_stray(payment, reversal.stray_id, taken_minor, moment)
    refresh_taken_back(payment, moment)
