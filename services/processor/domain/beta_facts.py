"""Reads beta's transactions into canonical facts: pure, exact about money, tolerant of unknown fields."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.processor.domain.fact import MAX_AMOUNT_MINOR, MAX_TEXT_CHARS, Fact, Unrecognised
from shared.kernel.money import minor_units

PROCESSOR: Final = "beta"
MAX_CODE_CHARS: Final = 128
VISIBLE_ASCII: Final = re.compile(r"[!-~]+")
CURRENCY: Final = re.compile(r"[A-Z]{3}")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECONDS_MAX: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""

TYPES: Final[Mapping[str, tuple[str, str | None]]] = {
    "HOLD": ("authorization", None),
    "CHARGE": ("capture", "authorization"),
    "CREDIT": ("refund", "capture"),
    "CLAIM": ("dispute", "capture"),
    "CLAWBACK": ("reversal", "capture"),
}
"""For each transaction type that we know, our object type and the type of its original."""

STATES: Final[Mapping[tuple[str, str], str]] = {
    ("HOLD", "WAITING"): "pending",
    ("HOLD", "APPROVED"): "authorized",
    ("HOLD", "REFUSED"): "declined",
    ("HOLD", "CANCELLED"): "voided",
    ("HOLD", "LAPSED"): "expired",
    ("CHARGE", "WAITING"): "pending",
    ("CHARGE", "BOOKED"): "succeeded",
    ("CHARGE", "REFUSED"): "declined",
    ("CHARGE", "BOUNCED"): "failed",
    ("CREDIT", "WAITING"): "pending",
    ("CREDIT", "BOOKED"): "succeeded",
    ("CREDIT", "REFUSED"): "declined",
    ("CREDIT", "BOUNCED"): "failed",
    ("CLAIM", "ASKED"): "inquiry",
    ("CLAIM", "RAISED"): "opened",
    ("CLAIM", "ANSWERED"): "under_review",
    ("CLAIM", "CONCEDED"): "accepted",
    ("CLAIM", "DISMISSED"): "won",
    ("CLAIM", "UPHELD"): "lost",
    ("CLAWBACK", "TAKEN"): "succeeded",
    ("CLAWBACK", "RETURNED"): "given_back",
}

MOVEMENT: Final = "MOVEMENT"
MOVES: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("CLAIM", "DEBITED"): ("dispute", "opened"),
    ("CLAIM", "CREDITED"): ("dispute", "reinstated"),
    ("CLAWBACK", "DEBITED"): ("reversal", "succeeded"),
    ("CLAWBACK", "CREDITED"): ("reversal", "given_back"),
}
"""What a movement says, by what it is for: whose money it is, and that it was taken or came back."""
GROUND: Final = re.compile(r"[A-Z][A-Z0-9_.:]{0,63}")
TURNS_MAX: Final = 1_000_000


def fact_of(transaction: object, *, account: str) -> Fact:
    """Return the fact that a transaction states, or raise ``Unrecognised``."""
    fields = _mapping(transaction, "transaction_missing")
    kind = _text(fields, "txn_type")
    if kind == MOVEMENT:
        return _movement(fields, account=account)
    if kind not in TYPES:
        raise Unrecognised("txn_type_unknown")
    if _text(fields, "merchant_code") != account:
        raise Unrecognised("merchant_code_foreign")
    status = STATES.get((kind, _text(fields, "state")))
    if status is None:
        raise Unrecognised("state_unknown")
    object_type, parent_type = TYPES[kind]
    amount_minor, currency = _value(fields)
    return Fact(
        processor=PROCESSOR,
        account=account,
        object_type=object_type,
        object_id=_text(fields, "txn_id"),
        status=status,
        # Only a claim comes to one state more than once, so beta counts its turns; nothing else has versions.
        object_version=_turn(fields) if object_type == "dispute" else None,
        reference=_optional_text(fields, "merchant_ref"),
        payment_id=_optional_text(fields, "order_ref"),
        parent_type=parent_type,
        parent_id=_text(fields, "original_txn") if parent_type else None,
        amount_minor=amount_minor,
        currency=currency,
        decline_code=_optional_text(fields, "refusal", MAX_CODE_CHARS),
        capture_before=_optional_moment(fields, "charge_until_ms"),
        dispute_reason=_ground(fields) if object_type == "dispute" else None,
        evidence_due_by=_optional_moment(fields, "answer_until_ms"),
        occurred_at=_moment(fields, "changed_ms"),
    )


def _movement(fields: Mapping[str, Any], *, account: str) -> Fact:
    """Money of a claim or clawback that moved: the fact is theirs, and the movement's own id names it."""
    if _text(fields, "merchant_code") != account:
        raise Unrecognised("merchant_code_foreign")
    subject = _mapping(fields.get("moved_for"), "moved_for_invalid")
    told = MOVES.get((_text(subject, "txn_type"), _text(fields, "state")))
    if told is None:
        raise Unrecognised("state_unknown")
    object_type, status = told
    amount_minor, currency = _value(fields)
    return Fact(
        processor=PROCESSOR,
        account=account,
        object_type=object_type,
        object_id=_text(subject, "txn_id"),
        money_row_id=_text(fields, "txn_id"),
        status=status,
        object_version=None,
        reference=_optional_text(fields, "merchant_ref"),
        payment_id=_optional_text(fields, "order_ref"),
        parent_type="capture",
        parent_id=_text(fields, "original_txn"),
        amount_minor=amount_minor,
        currency=currency,
        decline_code=None,
        capture_before=None,
        occurred_at=_moment(fields, "changed_ms"),
    )


def fact_of_notice(notice: object, *, account: str) -> Fact:
    """Return the fact inside a notice; the transaction's own state counts, not the notice's type."""
    fields = _mapping(notice, "notice_missing")
    if _text(fields, "merchant_code") != account:
        raise Unrecognised("merchant_code_foreign")
    return fact_of(fields.get("transaction"), account=account)


def _mapping(value: object, reason: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Unrecognised(reason)
    return value


def _text(fields: Mapping[str, Any], name: str, chars_max: int = MAX_TEXT_CHARS) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or len(value) > chars_max or VISIBLE_ASCII.fullmatch(value) is None:
        raise Unrecognised(f"{name}_invalid")
    return value


def _optional_text(fields: Mapping[str, Any], name: str, chars_max: int = MAX_TEXT_CHARS) -> str | None:
    return None if fields.get(name) is None else _text(fields, name, chars_max)


def _value(fields: Mapping[str, Any]) -> tuple[int, str]:
    """Read ``{"total": "19.99", "currency_code": "EUR"}``: a text, exact, or no fact at all."""
    stated = _mapping(fields.get("value"), "value_invalid")
    currency = _text(stated, "currency_code")
    if CURRENCY.fullmatch(currency) is None:
        raise Unrecognised("currency_code_invalid")
    try:
        amount_minor = minor_units(_text(stated, "total"), currency)
    except ValueError:
        raise Unrecognised("total_invalid") from None
    if amount_minor > MAX_AMOUNT_MINOR:
        raise Unrecognised("total_invalid")
    return amount_minor, currency


def _turn(fields: Mapping[str, Any]) -> int:
    value = fields.get("turn")
    if type(value) is not int or not 0 < value <= TURNS_MAX:
        raise Unrecognised("turn_invalid")
    return value


def _ground(fields: Mapping[str, Any]) -> str | None:
    """A word for people that moves no money: one that is no plain word is left out, never in the way."""
    value = fields.get("ground")
    return value.lower() if isinstance(value, str) and GROUND.fullmatch(value) else None


def _moment(fields: Mapping[str, Any], name: str) -> datetime:
    value = fields.get(name)
    # bool is an int in Python, and a float has lost its end.
    if type(value) is not int or not 0 <= value <= MILLISECONDS_MAX:
        raise Unrecognised(f"{name}_invalid")
    return EPOCH + timedelta(milliseconds=value)


def _optional_moment(fields: Mapping[str, Any], name: str) -> datetime | None:
    return None if fields.get(name) is None else _moment(fields, name)
