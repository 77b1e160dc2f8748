"""What facts do to the room that refunds took: money promised twice goes before a person."""

from services.payment.domain.changes import Moment
from services.payment.domain.payment import Payment
from services.payment.domain.refund_room import capture_rooms
from services.payment.domain.refunds import RefundState
from services.payment.domain.withdrawing import withdraw_unsent


def check_overcommitted(payment: Payment, moment: Moment) -> None:
    """Facts may leave less room than refunds took: a person looks, and what was not sent yet is withdrawn.

    Of every capture, not only of the payment: what one gave twice is not made good by what another still has.
    What was tried in vain, or is in doubt, would go out with its next try: it is sent no more.
    """
    payment_room_minor = payment.amounts.refund_room_minor()
    over = {taken.object_id: -room_minor for taken, room_minor in capture_rooms(payment) if room_minor < 0}
    if payment_room_minor < 0 and not over:
        over = {payment.payment_id: -payment_room_minor}
    for subject, exposure_minor in over.items():
        payment.open_case("refunds_exceed_captured", subject, moment, exposure_minor=exposure_minor)
    if payment.cases.relieve("refunds_exceed_captured", over, moment):
        payment.touch(moment)
    for operation in payment.operations.values():
        refund = payment.refunds.get(operation.refund_id or "")
        if refund is not None and (payment_room_minor < 0 or refund.capture_id in over):
            withdraw_unsent(payment, operation, "refunds_exceed_captured", moment)


def flag_double_return(payment: Payment, capture_id: str | None) -> None:
    """A refund that is under way when a dispute of its capture opens runs on; the money may go back twice."""
    for refund in payment.refunds.values():
        under_way = refund.state is RefundState.REQUESTED and not refund.adopted
        if under_way and refund.capture_id == capture_id and not refund.double_return_risk:
            refund.double_return_risk = True
            refund.dirty = True


def check_double_return(payment: Payment, moment: Moment) -> None:
    """Refund and dispute both took the money: a person looks."""
    lost_minor: dict[str | None, int] = {}
    for dispute in payment.disputes.values():
        if dispute.stray_id is None:
            gone_minor = lost_minor.get(dispute.capture_id, 0) + dispute.written_off_minor
            lost_minor[dispute.capture_id] = gone_minor
    for refund in payment.refunds.values():
        gone_minor = lost_minor.get(refund.capture_id, 0)
        if refund.double_return_risk and refund.state is RefundState.SUCCEEDED and gone_minor:
            payment.open_case(
                "double_return",
                refund.refund_id,
                moment,
                exposure_minor=min(refund.amount_minor, gone_minor),
                operation_id=refund.operation_id,
            )
