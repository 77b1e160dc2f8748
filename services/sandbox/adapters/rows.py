"""Owns the mapping between the processor's objects and their rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.sandbox.adapters.claim_rows import claim_columns, to_claim
from services.sandbox.app.ports import Change
from services.sandbox.domain.faults import Imitation
from services.sandbox.domain.objects import (
    Authorization,
    Capture,
    Movement,
    Origin,
    ProcessorObject,
    Refund,
    Status,
)


def object_row(item: ProcessorObject) -> dict[str, Any]:
    """Return the columns of an object, null where its kind has none."""
    origin = item.origin
    row: dict[str, Any] = {
        "id": item.id,
        "kind": item.kind,
        "account": origin.account,
        "payment_method": origin.payment_method,
        "currency": origin.currency,
        "metadata": origin.metadata,
        "payment_id": origin.payment_id,
        "reference": item.reference,
        "status": item.status,
        "amount_minor": item.amount_minor,
        "version": item.version,
        "revision": item.revision,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }
    if isinstance(item, Authorization):
        row["captured_minor"] = item.captured_minor
        row["released_minor"] = item.released_minor
        row["decline_code"] = item.decline_code
        row["void_reference"] = item.void_reference
        row["capture_before"] = item.capture_before
    elif isinstance(item, Capture):
        row["parent_id"] = item.authorization_id
        row["refunded_minor"] = item.refunded_minor
    elif isinstance(item, Refund):
        row["parent_id"] = item.capture_id
    else:
        row |= claim_columns(item)
    return row


def movement_row(movement: Movement, booked_at: datetime) -> dict[str, Any]:
    """Return the columns of a book row."""
    item = movement.object
    return {
        "kind": movement.kind,
        "object_id": item.id,
        "subject_id": movement.subject_id,
        "subject_revision": movement.subject_revision,
        "account": item.origin.account,
        # What nobody asked for stands under the reference of the capture that it is taken from.
        "reference": getattr(item, "capture_reference", None) or item.reference,
        "payment_id": item.origin.payment_id,
        "currency": item.origin.currency,
        "held_minor": movement.held_minor,
        "captured_minor": movement.captured_minor,
        "refunded_minor": movement.refunded_minor,
        "withdrawn_minor": movement.withdrawn_minor,
        "reversed_minor": movement.reversed_minor,
        "fee_minor": movement.fee_minor,
        "booked_at": booked_at,
    }


def event_rows(change: Change) -> list[dict[str, Any]]:
    return [
        {
            "id": event.id,
            "type": event.type,
            "object_id": event.object_id,
            "created_at": event.created_at,
            "body": event.body,
            "in_feed": event.in_feed,
        }
        for event in change.events
    ]


def webhook_rows(change: Change) -> list[dict[str, Any]]:
    ours = [
        {"event_id": event.id, "due_at": due_at, "imitation": None}
        for event in change.events
        for due_at in event.deliveries
    ]
    return ours + [
        {"event_id": event.id, "due_at": change.now, "imitation": _stored(event.imitation)}
        for event in change.events
        if event.imitation is not None
    ]


def _stored(imitation: Imitation) -> str:
    """The column's word: what nobody signed is a forgery there, and an event of its own by its name."""
    return Imitation.FORGED if imitation is Imitation.UNSIGNED else imitation


def timer_rows(change: Change) -> list[dict[str, Any]]:
    return [
        {"action": timer.action, "object_id": timer.object_id, "due_at": timer.due_at}
        for timer in change.timers
    ]


def to_object(row: Sequence[Any]) -> ProcessorObject:
    """Return the object of a row in the order of ``tables.OBJECT_COLUMNS``."""
    (
        item_id, kind, account, payment_method, currency, metadata, _, parent_id, reference, void_reference,
        status, amount_minor, captured_minor, released_minor, refunded_minor, decline_code, capture_before,
        version, revision, created_at, updated_at, claim,
    ) = row  # fmt: skip
    common: dict[str, Any] = {
        "id": item_id,
        "origin": Origin(
            account=account, payment_method=payment_method, currency=currency, metadata=metadata
        ),
        "reference": reference,
        "status": Status(status),
        "amount_minor": amount_minor,
        "version": version,
        "revision": revision,
        "created_at": created_at,
        "updated_at": updated_at,
    }
    if kind == "authorization":
        return Authorization(
            captured_minor=captured_minor,
            released_minor=released_minor,
            decline_code=decline_code,
            void_reference=void_reference,
            capture_before=capture_before,
            **common,
        )
    if kind == "capture":
        return Capture(authorization_id=parent_id, refunded_minor=refunded_minor, **common)
    if kind == "refund":
        return Refund(capture_id=parent_id, **common)
    return to_claim(kind, parent_id, claim, common)
