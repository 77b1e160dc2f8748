"""Proof of a capture by what can only come after one: a refund, a dispute, a reversal."""

from services.payment.domain.absorbing_captures import take
from services.payment.domain.changes import Moment
from services.payment.domain.deciding import counted_captures
from services.payment.domain.facts import IMPLIED_VERSION, Fact, ObjectType, ProcessorObject, Role
from services.payment.domain.operations import Operation, OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.taking import implied_fact_key


def proven_capture(payment: Payment, fact: Fact, moment: Moment) -> ProcessorObject | None:
    """The capture of which a dispute or reversal speaks, implied where it must be; None: the fact waits."""
    if fact.parent_id is not None:
        parent = payment.objects.get((fact.processor, fact.account, fact.parent_id))
    else:
        # One that names none can only mean the one there is.
        captures = counted_captures(payment)
        parent = captures[0] if len(captures) == 1 else None
    if parent is not None and parent.role is not Role.SEEN:
        return parent
    return imply_capture(payment, parent, fact, moment)


def imply_capture(
    payment: Payment, parent: ProcessorObject | None, fact: Fact, moment: Moment
) -> ProcessorObject | None:
    """Count the capture of the undecided operation, with that operation's amount; none is ever guessed.

    Of an object that was never shown nobody knows whose it is where an earlier attempt was given up, or refused without
    an object that says so: it may have taken effect. The fact waits until the object itself is shown.
    """
    taking = payment.undecided_taking()
    if payment.dead or taking is None or fact.parent_id is None:
        return None
    if parent is not None and parent.operation_id != taking.operation_id:
        return None
    if parent is None and _may_be_of_an_earlier(payment, fact):
        return None
    taken = parent or ProcessorObject(
        processor=fact.processor,
        account=fact.account,
        object_id=fact.parent_id,
        object_type=ObjectType.CAPTURE,
        status="succeeded",
        version=IMPLIED_VERSION,
        occurred_at=fact.occurred_at,
        amount_minor=taking.amount_minor,
        currency=payment.currency,
        fact_key="",
        digest=fact.digest,
    )
    taken.implied = True
    taken.status = "succeeded"
    taken.fact_key = implied_fact_key(taken, taken.object_id, "succeeded")
    payment.objects[taken.key] = taken
    take(payment, taken, fact, taking, moment)
    return taken


def _may_be_of_an_earlier(payment: Payment, fact: Fact) -> bool:
    """Whether an earlier attempt to take money there is held dead; had it an effect after all, that is astray."""
    return any(
        o.takes_money
        and not o.never_sent
        and (o.processor, o.account) == (fact.processor, fact.account)
        and (o.state is OperationState.ABANDONED or _refused_by_word(payment, o))
        for o in payment.operations.values()
    )


def _refused_by_word(payment: Payment, operation: Operation) -> bool:
    """Whether all that says that it was declined is a reply, or a person: no object does."""
    return operation.state is OperationState.DECLINED and not any(
        thing.operation_id == operation.operation_id and thing.status in {"declined", "failed"}
        for thing in payment.objects.values()
    )
