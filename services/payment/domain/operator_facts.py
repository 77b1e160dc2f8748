"""What an operator saw at the processor, as the canonical fact that it would have been: one way for all evidence.

It ranks right after what is known of the object, and never by our own clock: whatever the processor itself tells of it
that is news to us is compared with what people decided, also where it was said before they did.
"""

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from services.payment.domain.absorbing import absorb
from services.payment.domain.changes import Moment
from services.payment.domain.facts import (
    IMPLIED_VERSION,
    STATUS_RANK,
    Fact,
    ObjectType,
    ProcessorObject,
)
from services.payment.domain.operations import Operation, OperationType
from services.payment.domain.payment import Payment
from shared.kernel.errors import Rejected

#: The object that proves a success, and the status in which it does.
_PROOF: Final[Mapping[OperationType, tuple[ObjectType, str]]] = {
    OperationType.AUTHORIZE: (ObjectType.AUTHORIZATION, "authorized"),
    OperationType.CAPTURE: (ObjectType.CAPTURE, "succeeded"),
    OperationType.CANCEL: (ObjectType.AUTHORIZATION, "voided"),
    OperationType.REFUND: (ObjectType.REFUND, "succeeded"),
    OperationType.STRAY_RETURN: (ObjectType.REFUND, "succeeded"),
    OperationType.STRAY_VOID: (ObjectType.AUTHORIZATION, "voided"),
}
_SALE: Final = (ObjectType.CAPTURE, "succeeded")
_VOIDS: Final = frozenset({OperationType.CANCEL, OperationType.STRAY_VOID})


def proof_of_success(
    payment: Payment, operation: Operation, object_id: str | None, evidence: str, now: datetime
) -> Fact:
    """The fact by which the operation has succeeded; the object is the operator's, or the one we know of it."""
    object_type, status = _SALE if operation.takes_money else _PROOF[operation.type]
    known = _known(payment, operation, object_type, object_id)
    name = object_id or (known.object_id if known is not None else None)
    if known is not None and known.object_type is not object_type:
        raise Rejected(
            "object_of_another_kind",
            f"{known.object_id} is a {known.object_type.value}, not a {object_type.value}",
            status=422,
            param="object_id",
        )
    if name is None:
        raise Rejected(
            "object_id_missing",
            f"name the {object_type.value} by which the processor shows the success",
            status=422,
            param="object_id",
        )
    digest = hashlib.sha256(f"operator\n{operation.operation_id}\n{name}\n{evidence}".encode()).hexdigest()
    version, occurred_at = _place(known, status, now)
    return Fact(
        processor=operation.processor,
        account=operation.account,
        object_type=object_type,
        object_id=name,
        status=status,
        amount_minor=_amount_minor(payment, operation, known),
        currency=known.currency if known is not None else payment.currency_of(operation),
        occurred_at=occurred_at,
        digest=digest,
        fact_key=f"{operation.processor}:{operation.account}:{name}:{status}:operator",
        object_version=version,
        # A void tells of an object that another operation made.
        reference=None if operation.type in _VOIDS else operation.operation_id,
        payment_id=payment.payment_id,
        parent_id=_parent_id(payment, operation),
    )


def _place(known: ProcessorObject | None, status: str, now: datetime) -> tuple[int | None, datetime]:
    """The version and time by which the fact comes after what is known, and before all that is told later."""
    if known is None or known.version < 0:
        # Nobody but people and what other facts implied has spoken of it.
        return IMPLIED_VERSION, now
    if known.version > 0:
        return known.version, now
    *_, known_status = known.rank
    later = STATUS_RANK[status] > known_status
    return None, known.occurred_at if later else known.occurred_at + timedelta.resolution


def would_decide(payment: Payment, operation: Operation, proof: Fact, moment: Moment) -> bool:
    """Whether the operation is decided once the proof is taken in; tried on a copy, and nothing of it is kept."""
    tried = deepcopy(payment)
    absorb(tried, proof, replace(moment, ids=_NotKept()))
    # A cancel needs no object of its own: it is decided by whoever says so.
    return operation.type is OperationType.CANCEL or not tried.operations[operation.operation_id].undecided


class _NotKept:
    """Names for what is made on the copy."""

    def __init__(self) -> None:
        self._given = 0

    def new(self, prefix: str) -> str:
        self._given += 1
        return f"{prefix}{self._given:026d}"


def _known(
    payment: Payment, operation: Operation, object_type: ObjectType, object_id: str | None
) -> ProcessorObject | None:
    if operation.type in _VOIDS:
        stray = payment.strays.get(operation.stray_id or "")
        object_id = stray.object_id if stray is not None else payment.authorization_id
    if object_id is not None:
        return payment.objects.get((operation.processor, operation.account, object_id))
    return next(
        (
            thing
            for thing in payment.objects.values()
            if thing.operation_id == operation.operation_id and thing.object_type is object_type
        ),
        None,
    )


def _amount_minor(payment: Payment, operation: Operation, known: ProcessorObject | None) -> int:
    if operation.type in _VOIDS:
        return known.amount_minor if known is not None else payment.amounts.authorized_minor
    return operation.amount_minor


def _parent_id(payment: Payment, operation: Operation) -> str | None:
    if operation.type is OperationType.REFUND:
        return payment.refunds[operation.refund_id or ""].capture_id
    if operation.type is OperationType.STRAY_RETURN:
        return payment.strays[operation.stray_id or ""].object_id
    return payment.authorization_id if operation.takes_money else None
