"""Which capture a refund is taken from: processors give back one capture at a time."""

from services.payment.domain.facts import ObjectType, ProcessorObject, Role
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import RefundState
from shared.kernel.errors import Rejected


def capture_with_room(payment: Payment, amount_minor: int) -> str:
    """The oldest capture that can give the whole amount back; processors refund one capture at a time.

    Where none can, the refusal names the refunds that can be asked for instead, one after the other; none where nothing
    is left at all.
    """
    rooms = capture_rooms(payment)
    for taken, room_minor in rooms:
        if room_minor >= amount_minor:
            return taken.object_id
    # Facts may have taken more than there was: to whoever asks that is nothing left.
    largest_minor = max((room_minor for _, room_minor in rooms if room_minor > 0), default=0)
    parts_minor = split_over([room_minor for _, room_minor in rooms], amount_minor)
    message = f"no single capture has {amount_minor} left to refund; the largest has {largest_minor}"
    extra: dict[str, int | list[int]] = {"refundable": largest_minor}
    if parts_minor:
        message += f"; ask for {', then '.join(map(str, parts_minor))} as refunds of their own"
        extra["split"] = parts_minor
    raise Rejected("refund_exceeds_capture", message, param="amount", extra=extra)


def split_over(rooms_minor: list[int], amount_minor: int) -> list[int]:
    """Amounts that, asked for in this order, find their captures: the largest room first, each used up but the last."""
    parts_minor, left_minor = [], amount_minor
    for room_minor in sorted(rooms_minor, reverse=True):
        part_minor = min(room_minor, left_minor)
        if part_minor <= 0:
            break
        parts_minor.append(part_minor)
        left_minor -= part_minor
    return parts_minor


def capture_rooms(payment: Payment) -> list[tuple[ProcessorObject, int]]:
    """Each capture that counts, oldest first, with what it still has to give; negative where facts took more.

    The rooms add up to the payment's, but for what a dispute has taken and does not say yet: that is no room here.
    """
    taken = [
        thing
        for thing in payment.objects.values()
        if thing.object_type is ObjectType.CAPTURE and thing.role in {Role.COUNTED, Role.ADOPTED}
    ]
    taken.sort(key=lambda thing: (thing.occurred_at, thing.object_id))
    return [(thing, _room_of(payment, thing)) for thing in taken]


def _room_of(payment: Payment, taken: ProcessorObject) -> int:
    return (
        taken.counted_minor
        - _given_back_minor(payment, taken)
        - _reserved_minor(payment, taken)
        - _taken_back_minor(payment, taken)
    )


def _given_back_minor(payment: Payment, taken: ProcessorObject) -> int:
    return sum(
        thing.counted_minor
        for thing in payment.objects.values()
        if thing.object_type is ObjectType.REFUND
        and (thing.processor, thing.account, thing.parent_id) == taken.key
    )


def _reserved_minor(payment: Payment, taken: ProcessorObject) -> int:
    return sum(
        refunded.amount_minor
        for refunded in payment.refunds.values()
        if refunded.state is RefundState.REQUESTED
        and refunded.capture_id == taken.object_id
        and not refunded.adopted
    )


def _taken_back_minor(payment: Payment, taken: ProcessorObject) -> int:
    """What disputes hold or have lost of it, and reversals took."""
    disputed_minor = sum(
        dispute.taken_back_minor
        for dispute in payment.disputes.values()
        if (dispute.processor, dispute.account, dispute.capture_id) == taken.key and dispute.stray_id is None
    )
    reversed_minor = sum(
        reversal.outstanding_minor
        for reversal in payment.reversals.values()
        if (reversal.processor, reversal.account, reversal.capture_id) == taken.key
        and reversal.stray_id is None
    )
    return disputed_minor + reversed_minor
