"""What facts do to the room that refunds took: money promised twice goes before a person."""

from services.payment.domain.changes import Moment
from services.payment.domain.commands import WithdrawOperation
from services.payment.domain.operations import OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import RefundState


def check_overcommitted(payment: Payment, moment: Moment) -> None:
    """Facts may leave less room than refunds took: a person looks, and what was not sent yet is withdrawn."""
    room_minor = payment.amounts.refund_room_minor()
    if room_minor >= 0:
        return
    payment.open_case("refunds_exceed_captured", payment.payment_id, moment, exposure_minor=-room_minor)
    for operation in payment.operations.values():
        if operation.type is OperationType.REFUND and operation.state is OperationState.REQUESTED:
            payment.ask(
                WithdrawOperation(operation_id=operation.operation_id, reason="refunds_exceed_captured"),
                moment,
            )


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
