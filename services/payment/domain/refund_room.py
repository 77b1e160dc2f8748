"""Which capture a refund is taken from: processors give back one capture at a time."""

from services.payment.domain.facts import ObjectType, ProcessorObject, Role
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import RefundState
from shared.kernel.errors import Rejected


def capture_with_room(payment: Payment, amount_minor: int) -> str:
    """The oldest capture that can give the whole amount back; processors refund one capture at a time."""
    rooms = [(_room_of(payment, taken), taken.object_id) for taken in _captures(payment)]
    for room_minor, object_id in rooms:
        if room_minor >= amount_minor:
            return object_id
    largest_minor = max((room_minor for room_minor, _ in rooms), default=0)
    raise Rejected(
        "refund_exceeds_capture",
        f"no single capture has {amount_minor} left to refund; the largest has {largest_minor}",
        param="amount",
        extra={"refundable": largest_minor},
    )


def _captures(payment: Payment) -> list[ProcessorObject]:
    taken = [
        thing
        for thing in payment.objects.values()
        if thing.object_type is ObjectType.CAPTURE and thing.role in {Role.COUNTED, Role.ADOPTED}
    ]
    return sorted(taken, key=lambda thing: (thing.occurred_at, thing.object_id))


def _room_of(payment: Payment, taken: ProcessorObject) -> int:
    returned_minor = sum(
        thing.counted_minor
        for thing in payment.objects.values()
        if thing.object_type is ObjectType.REFUND and thing.parent_id == taken.object_id
    )
    reserved_minor = sum(
        refunded.amount_minor
        for refunded in payment.refunds.values()
        if refunded.state is RefundState.REQUESTED
        and refunded.capture_id == taken.object_id
        and not refunded.adopted
    )
    return taken.counted_minor - returned_minor - reserved_minor
