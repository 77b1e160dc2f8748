"""What a processor's settlement report proves of one of its objects, and how it ranks among what is known of it.

A report has no versions. Money in a payout is the latest word wherever it follows from what is known, and no word at
all where what is known says more: a refund that failed had been paid out before.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from services.payment.domain.facts import Fact, ObjectType
from services.payment.domain.operations import Operation
from services.payment.domain.payment import Payment

#: What is known of an object, and what a report says of it that comes after.
FOLLOWS: Final = frozenset(
    {
        ("pending", "succeeded"),
        ("pending", "failed"),
        # It was called refused, and its money moved all the same.
        ("declined", "succeeded"),
        ("succeeded", "failed"),
    }
)


#: Taken back by a line: a line is a movement of money, and of less or more than all of it no word about the whole.
_TAKEN_BACK: Final = ("succeeded", "failed")


def as_known(payment: Payment, fact: Fact) -> Fact:
    """The report's word as the version after the one that is known, where it follows; else as it is."""
    fact = replace(fact, parent_id=_parent(payment, fact))
    known = payment.objects.get(fact.key)
    if known is None or known.implied or (known.status, fact.status) not in FOLLOWS:
        return fact
    said, standing = (fact.amount_minor, fact.currency), (known.amount_minor, known.currency)
    if (known.status, fact.status) == _TAKEN_BACK and said != standing:
        # What is known stands, and a person looks: another word of the same version, and not the newer one.
        return replace(
            fact, object_version=known.version, occurred_at=known.occurred_at - timedelta.resolution
        )
    latest = replace(
        fact,
        object_version=known.version + 1 if known.version > 0 else None,
        occurred_at=max(known.occurred_at, fact.occurred_at),
    )
    # Without versions time alone says what is later; of one moment a refusal would go before the money that moved.
    later = latest.rank > known.rank
    return latest if later else replace(latest, occurred_at=known.occurred_at + timedelta.resolution)


#: Which way the money goes that an object of this type shows.
_WAYS: Final = {ObjectType.CAPTURE: "in", ObjectType.REFUND: "out"}


def may_be_in_doubt(payment: Payment, fact: Fact) -> bool:
    """Whether an operation of ours that is undecided, and of that amount, may have made what names none.

    Formats name the order where the processor itself would name our operation. Taken in as nobody's, the money would
    be counted, and the operation that moved it could end as nothing but failed.
    """
    return fact.key not in payment.objects and any(
        _may_have_made(payment, operation, fact) for operation in payment.operations.values()
    )


def _may_have_made(payment: Payment, operation: Operation, fact: Fact) -> bool:
    if not operation.undecided or operation.unsent or operation.direction != _WAYS.get(fact.object_type):
        return False
    has_its_own = any(
        thing.operation_id == operation.operation_id and thing.object_type is fact.object_type
        for thing in payment.objects.values()
    )
    return operation.amount_minor == fact.amount_minor and not has_its_own


def _parent(payment: Payment, fact: Fact) -> str | None:
    """What the object is of, where the line says it in our terms.

    Formats name the charge itself, an intent or a hold in one column: a capture is of a hold that we know or of none
    that is named, and a refund that names the hold is of its one capture.
    """
    named = payment.objects.get((fact.processor, fact.account, fact.parent_id or ""))
    is_hold = fact.parent_id is not None and (
        fact.parent_id == payment.authorization_id
        or (named is not None and named.object_type is ObjectType.AUTHORIZATION)
    )
    if fact.object_type is ObjectType.CAPTURE:
        return fact.parent_id if is_hold else None
    captures = [
        thing.object_id
        for thing in payment.objects.values()
        if thing.object_type is ObjectType.CAPTURE
        and (thing.processor, thing.account, thing.parent_id)
        == (fact.processor, fact.account, fact.parent_id)
    ]
    return captures[0] if is_hold and len(captures) == 1 else fact.parent_id
