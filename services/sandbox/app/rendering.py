"""Owns the JSON shapes of objects, events and errors, as the processor's documentation shows them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from services.sandbox.domain.faults import ErrorReply, ReplyFault
from services.sandbox.domain.objects import (
    Authorization,
    Capture,
    Dispute,
    MoneyRow,
    ProcessorObject,
    Status,
)
from services.sandbox.domain.payment_methods import other_currency
from shared.kernel.errors import Rejected

HTTP_OK: Final = 200
HTTP_CREATED: Final = 201
HTTP_DECLINED: Final = 402
NOBODYS_ERROR: Final = b"{}"
GARBLED: Final = "~"
WRONG_BY_MINOR: Final = 100
WRONG_REFERENCE: Final = "somebody_elses"
NOBODYS: Final = "nobodys_"


def shown(item: ProcessorObject) -> dict[str, Any]:
    """Return an object's public shape."""
    shape: dict[str, Any] = {
        "id": item.id,
        "object": item.kind,
        "account": item.origin.account,
        "status": item.status,
        "version": item.version,
        "amount": item.amount_minor,
        "currency": item.origin.currency,
        "reference": item.reference,
        "metadata": item.origin.metadata,
        "created_at": timestamp(item.created_at),
        "updated_at": timestamp(item.updated_at),
    }
    if isinstance(item, Authorization):
        shape["amount_capturable"] = item.capturable_minor
        shape["amount_captured"] = item.captured_minor
        shape["decline_code"] = item.decline_code
        shape["void_reference"] = item.void_reference
        shape["payment_method"] = item.origin.payment_method
        shape["capture_before"] = timestamp(item.capture_before) if item.capture_before else None
    elif isinstance(item, Capture):
        shape["authorization"] = item.authorization_id
    else:
        shape["capture"] = item.capture_id
    if isinstance(item, Dispute):
        due_by = item.evidence_due_by
        shape["reason"] = item.reason
        shape["evidence_due_by"] = timestamp(due_by) if due_by else None
        shape["documents"] = item.documents
    elif isinstance(item, MoneyRow):
        shape[item.subject_kind] = item.subject_id
        shape["fee"] = item.fee_minor
    return shape


def event_body(event_id: str, item: ProcessorObject, now: datetime) -> str:
    """Return the exact text of an event, stored once and sent unchanged for ever."""
    return orjson.dumps(
        {
            "id": event_id,
            "type": event_type(item),
            "account": item.origin.account,
            "created_at": timestamp(now),
            "data": {"object": shown(item)},
        }
    ).decode()


def garbled_event(body: str) -> str:
    """Return the event with its object in a state that no documentation knows."""
    document = orjson.loads(body)
    document["data"]["object"]["status"] = GARBLED
    return orjson.dumps(document).decode()


def nobodys_event(body: str) -> str:
    """Return the event about an object, a parent and a reference that nobody has ever made."""
    document = orjson.loads(body)
    shape = document["data"]["object"]
    for name in {"id", "authorization", "capture", "dispute", "reversal", "reference"} & shape.keys():
        shape[name] = nobodys(shape[name])
    shape["metadata"] = {}
    return orjson.dumps(document).decode()


def nobodys(name: str | None) -> str | None:
    """Return a name that looks like this one and is nobody's."""
    return None if name is None else NOBODYS + name


def event_type(item: ProcessorObject) -> str:
    """Return the type that announces the object's present status."""
    return f"{item.kind}.{item.status.value}"


def authorization_reply(
    authorization: Authorization, captures: Sequence[ProcessorObject]
) -> tuple[int, bytes]:
    """Return status and body of an authorization or sale; a decline is an error that shows the object."""
    shape = shown(authorization)
    shape["captures"] = [shown(taken) for taken in captures]
    if authorization.status is not Status.DECLINED:
        return HTTP_CREATED, orjson.dumps(shape)
    error = {
        "code": "card_declined",
        "decline_code": authorization.decline_code,
        "message": "The card was declined.",
    }
    return HTTP_DECLINED, orjson.dumps({"error": error, "authorization": shape})


def object_body(item: ProcessorObject) -> bytes:
    return orjson.dumps(shown(item))


def list_body(items: Sequence[ProcessorObject]) -> bytes:
    return orjson.dumps({"data": [shown(item) for item in items]})


def feed_body(bodies: Sequence[bytes], next_cursor: str | None, has_more: bool) -> bytes:
    """Return one page of the feed around the stored bytes of its events."""
    rest = orjson.dumps({"next_cursor": next_cursor, "has_more": has_more})
    return b'{"data":[' + b",".join(bodies) + b"]," + rest[1:]


def error_body(code: str, message: str, param: str | None = None) -> bytes:
    error = {"code": code, "message": message}
    if param is not None:
        error["param"] = param
    return orjson.dumps({"error": error})


def stated_error(error: ErrorReply) -> tuple[int, bytes]:
    """Return status and body of an error as a script states it; without a code it has not the processor's shape."""
    if error.code is None:
        return error.status, NOBODYS_ERROR
    return error.status, error_body(error.code, "The script says so.")


def rejection(rejected: Rejected) -> tuple[int, bytes]:
    """Return status and body of a refusal."""
    return rejected.status, error_body(rejected.code, rejected.message, rejected.param)


def lie(body: bytes, fault: ReplyFault) -> bytes:
    """Return a reply that is not what took effect: cut off, or with another amount, currency or reference."""
    if fault is ReplyFault.MALFORMED:
        return body[: len(body) // 2]
    document = orjson.loads(body)
    for shape in (document, *document.get("captures", ())):
        _FALSIFY[fault](shape)
    return orjson.dumps(document)


_FALSIFY: Final[Mapping[ReplyFault, Callable[[dict[str, Any]], None]]] = {
    ReplyFault.WRONG_AMOUNT: lambda shape: shape.update(amount=shape["amount"] + WRONG_BY_MINOR),
    ReplyFault.WRONG_CURRENCY: lambda shape: shape.update(currency=other_currency(shape["currency"])),
    ReplyFault.WRONG_REFERENCE: lambda shape: shape.update(reference=WRONG_REFERENCE),
}


def timestamp(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds, so that equal texts are equal times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
