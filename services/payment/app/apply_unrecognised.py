"""Apply what says that something authentic cannot be read, by webhook or in a feed: we ask what it was about."""

from dataclasses import dataclass
from typing import Final

from services.payment.app.apply_fact import look_again, look_up_doubts
from services.payment.app.ports import PaymentUnit, Ref
from services.payment.domain.changes import Moment
from services.payment.domain.facts import ProcessorObject
from services.payment.domain.operations import Operation, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.status import Source

#: Within what a processor calls an event's type: of objects that no operation makes, and that no look-up of one shows.
_MADE_BY_NONE: Final = ("dispute", "chargeback", "claim", "clawback", "reversal", "money_row", "movement")
#: Operations that make one object: another one is not theirs once it is known.
_MAKE_ONE: Final = frozenset({OperationType.CAPTURE, OperationType.REFUND, OperationType.STRAY_RETURN})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyUnrecognised:
    """What little could be read of it."""

    processor: str
    account: str
    object_id: str | None
    reference: str | None
    payment_id: str | None
    cause_id: str
    source: Source = Source.WEBHOOK
    #: The processor's own name of it.
    event_type: str | None = None


def refs_named(command: ApplyUnrecognised) -> list[Ref]:
    """The names it carries."""
    return [
        (command.processor, command.account, name) for name in (command.object_id, command.reference) if name
    ]


def apply_unrecognised(command: ApplyUnrecognised, uow: PaymentUnit) -> None:
    """Send a look-up for every doubt of the payment it seems to be about, and for the operation that it names.

    A person is told, for a look-up shows how the object stands now, not what happened to it in between; not where it
    is about what is in doubt, or may be: that stays before us until it is decided.
    """
    refs = refs_named(command)
    uow.refs.lock(refs)
    owners = [uow.refs.owner(ref) for ref in refs]
    payment_id = next((owner for owner in owners if owner), command.payment_id)
    payment = uow.payments.locked(payment_id) if payment_id else None
    if payment is None:
        return
    moment = Moment(now=uow.now, cause_id=command.cause_id, ids=uow.ids, source=command.source)
    doubts = look_up_doubts(payment, "webhook_unrecognised", moment)
    thing = payment.objects.get((command.processor, command.account, command.object_id or ""))
    named = _operation_named(payment, command, thing)
    if named is not None and named not in doubts and not named.never_sent:
        look_again(payment, named, "webhook_unrecognised", moment)
    of_a_doubt = any(_may_have_made(payment, doubt, command) for doubt in doubts)
    of_no_doubt = named not in doubts if named is not None else thing is not None or not of_a_doubt
    if of_no_doubt:
        payment.open_case(
            "webhook_unrecognised",
            command.object_id or command.cause_id,
            moment,
            exposure_minor=0,
            words=command.cause_id,
        )


def _operation_named(
    payment: Payment, command: ApplyUnrecognised, thing: ProcessorObject | None
) -> Operation | None:
    """By our reference, or else as the one that made the object."""
    made_by = thing.operation_id if thing is not None else None
    return payment.operations.get(command.reference or "") or payment.operations.get(made_by or "")


def _may_have_made(payment: Payment, doubt: Operation, command: ApplyUnrecognised) -> bool:
    """Whether something that nobody knows may be the object of an operation in doubt, which its look-up then shows."""
    if (doubt.processor, doubt.account) != (command.processor, command.account):
        return False
    if any(word in (command.event_type or "").lower() for word in _MADE_BY_NONE):
        return False
    shown = doubt.type in _MAKE_ONE and any(
        thing.operation_id == doubt.operation_id for thing in payment.objects.values()
    )
    return not (shown and command.object_id)
