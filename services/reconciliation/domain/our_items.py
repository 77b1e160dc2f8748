"""What we expect a processor to report, made from ``payment.events``: one item for each movement of money.

An item is a function of the set of events about it. Of two that say different things of one item the stronger word
wins, never the one that came last; so order and repeats of events make no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from services.reconciliation.domain.lines import LineCategory

Fields = Mapping[str, Any]
#: Our own id of a refund, stray return or refund astray, and the processor, account and object that it stands for.
RefundObject = tuple[str, str, str, str]


class ItemKind(StrEnum):
    """Why we expect it."""

    CAPTURE = "capture"
    STRAY = "stray"
    REFUND = "refund"
    STRAY_RETURN = "stray_return"
    REFUND_STRAY = "refund_stray"
    REFUND_FAILURE = "refund_failure"
    DISPUTE_WITHDRAWN = "dispute_withdrawn"
    DISPUTE_REINSTATED = "dispute_reinstated"
    REVERSAL = "reversal"
    REVERSAL_GIVEN_BACK = "reversal_given_back"
    IN_DOUBT = "in_doubt"


class Standing(StrEnum):
    """Whether a line of it has to come."""

    EXPECTED = "expected"
    #: It may have happened or not; a line of it decides.
    IN_DOUBT = "in_doubt"
    #: It undoes what another item says; until that one is known there is nothing to undo.
    WAITING = "waiting"
    #: Nothing is expected of it any more.
    ENDED = "ended"


class OurItem(NamedTuple):
    """One expected movement. ``amount_minor`` is signed from our side: positive comes to us.

    A tuple, because each of a busy day's events makes one, and batches of them are written by column.
    """

    item_key: str
    kind: ItemKind
    category: LineCategory
    standing: Standing
    rank: int
    """Of two words about one item the higher rank holds."""
    event_id: str
    """The event that says it; the smaller one holds among equal ranks."""
    payment_id: str
    merchant_id: str
    operation_id: str | None
    business_id: str | None
    """Our own id of the refund, stray return, stray, dispute or reversal."""
    processor: str | None
    account: str | None
    object_id: str | None
    parent_object_id: str | None
    money_row_id: str | None
    amount_minor: int
    currency: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """How one event type makes an item."""

    kind: ItemKind
    category: LineCategory
    sign: int
    identity: tuple[str, ...]
    """The fields that tell it from every other item of its category."""
    business: str | None = None
    rank: int = 3
    standing: Standing = Standing.EXPECTED
    when: tuple[str, object] | None = None
    """The field, and the value that it must have; otherwise the event makes no item."""


_OBJECT: Final = ("processor", "account", "object_id")
_FACT: Final = ("fact_key",)
_C, _K, _S = LineCategory, ItemKind, Standing

#: A type that is not here makes no item. A stray that is accepted is told again by the capture or refund it becomes,
#: under the same object: that is the stronger word.
ITEM_ROWS: Final[Mapping[str, tuple[ItemRow, ...]]] = {
    "PaymentCaptured": (ItemRow(kind=_K.CAPTURE, category=_C.CHARGE, sign=1, identity=_OBJECT),),
    "StrayFound": (
        ItemRow(
            kind=_K.STRAY, category=_C.CHARGE, sign=1, identity=_OBJECT, business="stray_id", rank=1,
            when=("kind", "money"),
        ),
    ),
    "RefundSucceeded": (
        ItemRow(kind=_K.REFUND, category=_C.REFUND, sign=-1, identity=_OBJECT, business="refund_id"),
    ),
    "RefundAdopted": (
        ItemRow(kind=_K.REFUND, category=_C.REFUND, sign=-1, identity=_OBJECT, business="refund_id"),
    ),
    "StrayReturnSucceeded": (
        ItemRow(kind=_K.STRAY_RETURN, category=_C.REFUND, sign=-1, identity=_OBJECT, business="operation_id"),
    ),
    "RefundStrayFound": (
        ItemRow(
            kind=_K.REFUND_STRAY, category=_C.REFUND, sign=-1, identity=_OBJECT, business="stray_id", rank=1
        ),
    ),
    "RefundFailed": (
        ItemRow(
            kind=_K.REFUND_FAILURE, category=_C.REFUND_FAILURE, sign=1, identity=("refund_id",),
            business="refund_id", standing=_S.WAITING, when=("was_succeeded", True),
        ),
    ),
    "StrayReturnFailed": (
        ItemRow(
            kind=_K.REFUND_FAILURE, category=_C.REFUND_FAILURE, sign=1, identity=("operation_id",),
            business="operation_id", standing=_S.WAITING,
        ),
    ),
    "RefundStrayFailed": (
        ItemRow(
            kind=_K.REFUND_FAILURE, category=_C.REFUND_FAILURE, sign=1, identity=("stray_id",),
            business="stray_id", standing=_S.WAITING,
        ),
    ),
    "DisputeWithdrawn": (
        ItemRow(
            kind=_K.DISPUTE_WITHDRAWN, category=_C.DISPUTE, sign=-1, identity=_FACT, business="dispute_id"
        ),
    ),
    "DisputeReinstated": (
        ItemRow(
            kind=_K.DISPUTE_REINSTATED, category=_C.DISPUTE, sign=1, identity=_FACT, business="dispute_id"
        ),
    ),
    "ReversalReceived": (
        ItemRow(kind=_K.REVERSAL, category=_C.REVERSAL, sign=-1, identity=_FACT, business="reversal_id"),
    ),
    "ReversalGivenBack": (
        ItemRow(
            kind=_K.REVERSAL_GIVEN_BACK, category=_C.REVERSAL, sign=1, identity=_FACT, business="reversal_id"
        ),
    ),
    "OperationUncertain": (
        ItemRow(
            kind=_K.IN_DOUBT, category=_C.CHARGE, sign=1, identity=("operation_id",), rank=1,
            standing=_S.IN_DOUBT, when=("direction", "in"),
        ),
        ItemRow(
            kind=_K.IN_DOUBT, category=_C.REFUND, sign=-1, identity=("operation_id",), rank=1,
            standing=_S.IN_DOUBT, when=("direction", "out"),
        ),
    ),
    "OperationResolved": (
        ItemRow(
            kind=_K.IN_DOUBT, category=_C.CHARGE, sign=1, identity=("operation_id",), standing=_S.ENDED,
            when=("direction", "in"),
        ),
        ItemRow(
            kind=_K.IN_DOUBT, category=_C.REFUND, sign=-1, identity=("operation_id",), standing=_S.ENDED,
            when=("direction", "out"),
        ),
    ),
}  # fmt: skip

#: Refunds that a failure can undo, by our own id of them.
UNDOABLE: Final = frozenset({ItemKind.REFUND, ItemKind.STRAY_RETURN, ItemKind.REFUND_STRAY})


def item_of(event_type: str, fields: Fields, *, event_id: str, told_at: datetime) -> OurItem | None:
    """The item that an event makes, changes or ends; None where no money moves by it."""
    for row in ITEM_ROWS.get(event_type, ()):
        if row.when is None or fields.get(row.when[0]) == row.when[1]:
            return _made(row, fields, event_id, told_at)
    return None


def stronger(one: OurItem, other: OurItem) -> OurItem:
    """Of two words about one item, the one that holds, whichever came first."""
    return min(one, other, key=lambda item: (-item.rank, item.event_id))


def fold(items: Iterable[OurItem]) -> dict[str, OurItem]:
    """All items as they stand after these words, in any order and however often repeated."""
    standing: dict[str, OurItem] = {}
    undoable: dict[str, RefundObject] = {}
    for item in items:
        known = standing.get(item.item_key)
        standing[item.item_key] = item if known is None else stronger(known, item)
        if (named := refund_object_of(item)) is not None:
            other = undoable.get(named[0], named)
            undoable[named[0]] = min(named, other)
    return {key: _completed(item, undoable) for key, item in standing.items()}


def refund_object_of(item: OurItem) -> RefundObject | None:
    """Which object our own id stands for, where a failure may undo it; whatever stronger word comes of the object."""
    if item.kind not in UNDOABLE or None in {item.business_id, item.processor, item.account, item.object_id}:
        return None
    return (str(item.business_id), str(item.processor), str(item.account), str(item.object_id))


def _completed(item: OurItem, undoable: Mapping[str, RefundObject]) -> OurItem:
    """A failure is about the object of what failed."""
    if item.standing is not Standing.WAITING or (undone := undoable.get(item.business_id or "")) is None:
        return item
    _, processor, account, object_id = undone
    return item._replace(
        standing=Standing.EXPECTED, processor=processor, account=account, object_id=object_id
    )


def _made(row: ItemRow, fields: Fields, event_id: str, told_at: datetime) -> OurItem | None:
    if not fields["amount_minor"]:
        return None
    # Doubts have keys of their own: what an operation turns out to be is an item beside it.
    space = row.kind.value if row.kind is ItemKind.IN_DOUBT else row.category.value
    identity = ":".join(str(fields[name]) for name in row.identity)
    return OurItem(
        item_key=f"{space}:{identity}",
        kind=row.kind,
        category=row.category,
        standing=row.standing,
        # Of a stray that was corrected the second finding is the stronger word; what it becomes is stronger still.
        rank=row.rank + (1 if fields.get("corrects") else 0),
        event_id=event_id,
        payment_id=fields["payment_id"],
        merchant_id=fields["merchant_id"],
        operation_id=fields.get("operation_id"),
        business_id=fields[row.business] if row.business is not None else None,
        processor=fields.get("processor"),
        account=fields.get("account"),
        object_id=fields.get("object_id"),
        parent_object_id=fields.get("capture_id"),
        money_row_id=fields.get("money_row_id"),
        amount_minor=row.sign * fields["amount_minor"],
        currency=fields["currency"],
        occurred_at=fields.get("effective_at") or told_at,
    )
