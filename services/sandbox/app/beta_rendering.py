"""Owns beta's JSON shapes: transactions, notices and faults, with amounts as decimal texts in major units."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from services.sandbox.app.manners import Voice
from services.sandbox.app.rendering import (
    GARBLED,
    NOBODYS_ERROR,
    WRONG_BY_MINOR,
    WRONG_REFERENCE,
    nobodys,
)
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
from shared.kernel.money import major_units, minor_units

KINDS: Final[Mapping[str, str]] = {
    "authorization": "HOLD",
    "capture": "CHARGE",
    "refund": "CREDIT",
    "dispute": "CLAIM",
    "reversal": "CLAWBACK",
    "money_row": "MOVEMENT",
}
STATES: Final[Mapping[Status, str]] = {
    Status.AUTHORIZED: "APPROVED",
    Status.DECLINED: "REFUSED",
    Status.VOIDED: "CANCELLED",
    Status.EXPIRED: "LAPSED",
    Status.PENDING: "WAITING",
    Status.SUCCEEDED: "BOOKED",
    Status.FAILED: "BOUNCED",
    Status.INQUIRY: "ASKED",
    Status.OPENED: "RAISED",
    Status.UNDER_REVIEW: "ANSWERED",
    Status.ACCEPTED: "CONCEDED",
    Status.WON: "DISMISSED",
    Status.LOST: "UPHELD",
    Status.WITHDRAWN: "DEBITED",
    Status.TAKEN: "DEBITED",
    Status.REINSTATED: "CREDITED",
    Status.GIVEN_BACK: "CREDITED",
}
CLAWBACK_STATES: Final[Mapping[Status, str]] = {Status.SUCCEEDED: "TAKEN", Status.GIVEN_BACK: "RETURNED"}
"""Beta's words of a reversal, which other kinds use for other things."""
FAULTS: Final[Mapping[str, str]] = {
    "amount_exceeds_capturable": "VALUE_ABOVE_HOLD",
    "amount_exceeds_refundable": "VALUE_ABOVE_CHARGE",
    "amount_invalid": "VALUE_WRONG",
    "authorization_expired": "HOLD_LAPSED",
    "authorization_not_capturable": "HOLD_NOT_OPEN",
    "authorization_not_voidable": "HOLD_NOT_OPEN",
    "busy": "TRY_LATER",
    "capture_not_refundable": "CHARGE_NOT_BOOKED",
    "dispute_not_answerable": "CLAIM_NOT_OPEN",
    "currency_unknown": "VALUE_WRONG",
    "not_found": "NO_SUCH_TRANSACTION",
    "payment_method_unknown": "METHOD_UNKNOWN",
    "rate_limited": "SLOW_DOWN",
    "unauthorized": "ACCESS_DENIED",
}
"""Beta's word for each refusal; everything else is a ``MALFORMED`` request."""


def shown(item: ProcessorObject) -> dict[str, Any]:
    """Return a transaction's public shape. Only a claim counts its turns: all others come to each state once."""
    parent = item.authorization_id if isinstance(item, Capture) else getattr(item, "capture_id", None)
    shape: dict[str, Any] = {
        "txn_id": item.id,
        "txn_type": KINDS[item.kind],
        "merchant_code": item.origin.account,
        "state": state_of(item),
        "value": _value(item, item.amount_minor),
        "merchant_ref": item.reference,
        "order_ref": item.origin.payment_id,
        "original_txn": parent,
        "created_ms": unix_ms(item.created_at),
        "changed_ms": unix_ms(item.updated_at),
    }
    if isinstance(item, Authorization):
        shape["refusal"] = item.decline_code
        shape["charge_until_ms"] = unix_ms(item.capture_before) if item.capture_before else None
    elif isinstance(item, Dispute):
        shape["turn"] = item.version
        shape["ground"] = item.reason.upper()
        shape["answer_until_ms"] = unix_ms(item.evidence_due_by) if item.evidence_due_by else None
        shape["exhibits"] = item.documents
    elif isinstance(item, MoneyRow):
        shape["moved_for"] = {"txn_type": KINDS[item.subject_kind], "txn_id": item.subject_id}
        shape["handling_cost"] = _value(item, item.fee_minor)
    return shape


def _value(item: ProcessorObject, amount_minor: int) -> dict[str, str]:
    currency = item.origin.currency
    return {"total": major_units(amount_minor, currency), "currency_code": currency}


def state_of(item: ProcessorObject) -> str:
    """Return beta's word for what the object's status is."""
    own = CLAWBACK_STATES if item.kind == "reversal" else STATES
    return own[item.status]


def notice_type(item: ProcessorObject) -> str:
    return f"{KINDS[item.kind]}_{state_of(item)}"


def notice_body(notice_id: str, item: ProcessorObject, now: datetime) -> str:
    """Return the exact text of a notice, stored once; the list shows the same."""
    return orjson.dumps(
        {
            "notice_id": notice_id,
            "notice_type": notice_type(item),
            "merchant_code": item.origin.account,
            "raised_ms": unix_ms(now),
            "transaction": shown(item),
        }
    ).decode()


def garbled_notice(body: str) -> str:
    """Return the notice with its transaction in a state that no documentation knows."""
    document = orjson.loads(body)
    document["transaction"]["state"] = GARBLED
    return orjson.dumps(document).decode()


def nobodys_notice(body: str) -> str:
    """Return the notice about a transaction that nobody has ever asked for."""
    document = orjson.loads(body)
    shape = document["transaction"]
    for name in ("txn_id", "original_txn", "merchant_ref"):
        shape[name] = nobodys(shape[name])
    if "moved_for" in shape:
        shape["moved_for"]["txn_id"] = nobodys(shape["moved_for"]["txn_id"])
    shape["order_ref"] = None
    return orjson.dumps(document).decode()


BETA_VOICE: Final = Voice(
    event_prefix="bn_",
    event_type=notice_type,
    event_body=notice_body,
    garbled=garbled_notice,
    nobodys=nobodys_notice,
)


def transactions_body(items: Sequence[ProcessorObject]) -> bytes:
    return orjson.dumps({"transactions": [shown(item) for item in items]})


def lie(body: bytes, fault: ReplyFault) -> bytes:
    """Return a reply that is not what took effect: cut off, or with another value or reference."""
    if fault is ReplyFault.MALFORMED:
        return body[: len(body) // 2]
    document = orjson.loads(body)
    for shape in document["transactions"]:
        _FALSIFY[fault](shape)
    return orjson.dumps(document)


def _add_to_value(shape: dict[str, Any]) -> None:
    value = shape["value"]
    amount_minor = minor_units(value["total"], value["currency_code"]) + WRONG_BY_MINOR
    value["total"] = major_units(amount_minor, value["currency_code"])


def _change_currency(shape: dict[str, Any]) -> None:
    value = shape["value"]
    value["currency_code"] = other_currency(value["currency_code"])


_FALSIFY: Final[Mapping[ReplyFault, Callable[[dict[str, Any]], None]]] = {
    ReplyFault.WRONG_AMOUNT: _add_to_value,
    ReplyFault.WRONG_CURRENCY: _change_currency,
    ReplyFault.WRONG_REFERENCE: lambda shape: shape.update(merchant_ref=WRONG_REFERENCE),
}


def list_body(notices: Sequence[bytes], next_cursor: str | None, *, more: bool) -> bytes:
    """Return a page of the list around the stored bytes of its notices."""
    rest = orjson.dumps({"next": next_cursor, "more": more})
    return b'{"notices":[' + b",".join(notices) + b"]," + rest[1:]


def fault_body(fault_id: str, text: str, field: str | None = None) -> bytes:
    return orjson.dumps({"fault": {"id": fault_id, "text": text, "field": field}})


def stated_error(error: ErrorReply) -> tuple[int, bytes]:
    """Return status and body of an error as a script states it, in beta's word for the code where it has one."""
    if error.code is None:
        return error.status, NOBODYS_ERROR
    return error.status, fault_body(FAULTS.get(error.code, error.code), "The script says so.")


def rejection(rejected: Rejected) -> tuple[int, bytes]:
    """Return status and body of a refusal in beta's words."""
    fault_id = FAULTS.get(rejected.code, "MALFORMED")
    return rejected.status, fault_body(fault_id, rejected.message, rejected.param)


def unix_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
