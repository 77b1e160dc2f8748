"""Reads alpha's objects into canonical facts: pure, strict about money, tolerant of unknown fields."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.processor.domain.fact import (
    MAX_AMOUNT_MINOR,
    MAX_TEXT_CHARS,
    ROW_STATUSES,
    Fact,
    Unrecognised,
)
from shared.kernel.errors import Rejected
from shared.kernel.money import normalise_currency

PROCESSOR: Final = "alpha"
MAX_CODE_CHARS: Final = 128
REASON: Final = re.compile(r"[a-z][a-z0-9_.:]{0,63}")
MONEY_ROW: Final = "money_row"
ROW_WORDS: Final[Mapping[tuple[str, str], str]] = {
    ("dispute", "withdrawn"): "opened",
    ("dispute", "reinstated"): "reinstated",
    ("reversal", "taken"): "succeeded",
    ("reversal", "given_back"): "given_back",
}
"""What a row of each kind says, in the words of facts: money was taken, or came back."""
VISIBLE_ASCII: Final = re.compile(r"[!-~]+")

PARENTS: Final[Mapping[str, str | None]] = {
    "authorization": None,
    "capture": "authorization",
    "refund": "capture",
    "dispute": "capture",
    "reversal": "capture",
    "money_row": "capture",
}
"""For each object type that we know, the type (and the field) of the object it belongs to."""


def facts_of(obj: object, *, account: str) -> tuple[Fact, ...]:
    """Return the fact of an object, followed by those of the captures that a sale carries inside."""
    fields = _mapping(obj)
    embedded = fields.get("captures") or ()
    if not isinstance(embedded, Sequence) or isinstance(embedded, str):
        raise Unrecognised("captures_invalid")
    return (fact_of(fields, account=account), *(fact_of(each, account=account) for each in embedded))


def fact_of(obj: object, *, account: str) -> Fact:
    """Return the fact that an alpha object states, or raise ``Unrecognised``."""
    fields = _mapping(obj)
    object_type = _text(fields, "object")
    if object_type not in PARENTS:
        raise Unrecognised("object_unknown")
    if _text(fields, "account") != account:
        raise Unrecognised("account_foreign")
    # A row that moved money speaks of the dispute or reversal that it belongs to; its own id is the money's name.
    is_row = object_type == MONEY_ROW
    subject_type = _subject_of_row(fields) if is_row else object_type
    parent_type = PARENTS[object_type]
    metadata = fields.get("metadata")
    return Fact(
        processor=PROCESSOR,
        account=account,
        object_type=subject_type,
        object_id=_text(fields, subject_type) if is_row else _text(fields, "id"),
        money_row_id=_text(fields, "id") if is_row else None,
        status=_row_status(fields, subject_type) if is_row else _text(fields, "status"),
        object_version=_version(fields),
        reference=_optional_text(fields, "reference"),
        payment_id=_optional_text(metadata, "payment") if isinstance(metadata, Mapping) else None,
        parent_type=parent_type,
        parent_id=_text(fields, parent_type) if parent_type else None,
        amount_minor=_amount(fields),
        currency=_currency(fields),
        decline_code=_optional_text(fields, "decline_code", MAX_CODE_CHARS),
        capture_before=_optional_moment(fields, "capture_before"),
        dispute_reason=_reason(fields) if subject_type == "dispute" else None,
        evidence_due_by=_optional_moment(fields, "evidence_due_by"),
        occurred_at=_occurred_at(fields),
    )


def _row_status(fields: Mapping[str, Any], subject_type: str) -> str:
    status = ROW_WORDS.get((subject_type, _text(fields, "status")))
    if status is None:
        raise Unrecognised("status_unknown")
    return status


def _subject_of_row(fields: Mapping[str, Any]) -> str:
    named = [kind for kind in ROW_STATUSES if fields.get(kind) is not None]
    if len(named) != 1:
        raise Unrecognised("money_row_of_nothing")
    return named[0]


def _reason(fields: Mapping[str, Any]) -> str | None:
    """A word for people that moves no money: one that is no plain word is left out, never in the way."""
    value = fields.get("reason")
    return value if isinstance(value, str) and REASON.fullmatch(value) else None


def fact_of_event(event: object, *, account: str) -> Fact:
    """Return the fact inside one of alpha's events; the object's own state counts, not the event's type."""
    fields = _mapping(event)
    if _text(fields, "account") != account:
        raise Unrecognised("account_foreign")
    return fact_of(_mapping(fields.get("data")).get("object"), account=account)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Unrecognised("object_missing")
    return value


def _text(fields: Mapping[str, Any], name: str, chars_max: int = MAX_TEXT_CHARS) -> str:
    value = fields.get(name)
    # Visible ASCII only, as ids are: anything else would break logs, text columns (NUL) or the fact key.
    if not isinstance(value, str) or len(value) > chars_max or VISIBLE_ASCII.fullmatch(value) is None:
        raise Unrecognised(f"{name}_invalid")
    return value


def _optional_text(fields: Mapping[str, Any], name: str, chars_max: int = MAX_TEXT_CHARS) -> str | None:
    return None if fields.get(name) is None else _text(fields, name, chars_max)


def _integer(value: object, reason: str) -> int:
    # bool is an int in Python, and 1.0 == 1: neither is an amount.
    if type(value) is not int or not 0 <= value <= MAX_AMOUNT_MINOR:
        raise Unrecognised(reason)
    return value


def _amount(fields: Mapping[str, Any]) -> int:
    return _integer(fields.get("amount"), "amount_invalid")


def _version(fields: Mapping[str, Any]) -> int | None:
    value = fields.get("version")
    return None if value is None else _integer(value, "version_invalid")


def _currency(fields: Mapping[str, Any]) -> str:
    try:
        return normalise_currency(_text(fields, "currency"))
    except Rejected:
        raise Unrecognised("currency_invalid") from None


def _occurred_at(fields: Mapping[str, Any]) -> datetime:
    moment = _optional_moment(fields, "updated_at") or _optional_moment(fields, "created_at")
    if moment is None:
        raise Unrecognised("created_at_invalid")
    return moment


def _optional_moment(fields: Mapping[str, Any], name: str) -> datetime | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(_text(fields, name))
        if moment.tzinfo is None:
            raise Unrecognised(f"{name}_invalid")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unrecognised(f"{name}_invalid") from None
