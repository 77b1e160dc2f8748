"""One entry of an MT940 statement, ``:61:`` with the ``:86:`` after it, as a bank line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from mt940.models import Transactions
from mt940.options import Options
from mt940.processors import transaction_details_post_processor
from mt940.tags import Tags

from services.reconciliation.adapters.readers.bank_lines import entry_id, references_of, text_of
from services.reconciliation.adapters.readers.line_ids import LineIds
from services.reconciliation.adapters.readers.mt940_fields import TextField
from services.reconciliation.adapters.readers.mt940_statements import Statement, amount
from services.reconciliation.domain.lines import BankLine
from services.reconciliation.domain.report_values import FieldError

_ENTRY: Final = Tags.STATEMENT.value.re
_DETAILS_TAG: Final = Tags.TRANSACTION_DETAILS.value
_SETTINGS: Final = Transactions(options=Options(gvc_leading_text=True, applicant_iban=True))
_MARKS: Final[Mapping[str, tuple[int, bool]]] = {
    "C": (1, False), "D": (-1, False), "RC": (-1, True), "RD": (1, True)
}  # fmt: skip
"""Sign and whether it takes an earlier entry back: the reversal of a credit is a debit."""
_RETURNED_ITEM: Final = "RTI"
_DETAIL_REFERENCES: Final = ("end_to_end_reference", "customer_reference", "additional_position_reference")
_DETAIL_TEXTS: Final = ("posting_text", "purpose", "additional_purpose", "applicant_name")
_SLASHED: Final = re.compile(r"/(?:EREF|KREF|IREF|TREF|MREF|BREF|CREF)/([^/]+)")
_YEAR_2000: Final = 2000
_HALF_A_YEAR_DAYS: Final = 183


def bank_line(entry: TextField, details: TextField | None, statement: Statement, ids: LineIds) -> BankLine:
    """The entry, or ``FieldError``."""
    found = _ENTRY.fullmatch(entry.text)
    if found is None or not found[0][: found.end("amount")].isascii():
        raise FieldError(
            "entry_malformed", ":61:", "dates, a mark, an amount with a comma, a type and references"
        )
    mark = _MARKS.get(found["status"])
    if mark is None:
        raise FieldError("direction_unknown", ":61:", f"one of {', '.join(_MARKS)}")
    sign, reversal = mark
    value_on = _value_date(found)
    booked_on = _entry_date(found, value_on)
    amount_minor = sign * amount(found["amount"], statement.currency, ":61:")
    text, named = _details(details)
    bank_reference = (found["bank_reference"] or "").strip()
    references = references_of([bank_reference, found["customer_reference"], *named])
    text = text_of([text, found["extra_details"]])
    return BankLine(
        line_number=entry.number,
        line_id=entry_id(ids, statement.identity, bank_reference, (booked_on, value_on), [*references, text]),
        statement_id=statement.statement_id,
        account_number=statement.account,
        currency=statement.currency,
        amount_minor=amount_minor,
        booked_on=booked_on,
        value_on=value_on,
        references=references,
        text=text,
        returned=reversal or (found["id"] or "")[1:] == _RETURNED_ITEM,
    )


def _value_date(found: re.Match[str]) -> date:
    try:
        return date(_YEAR_2000 + int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        raise FieldError("date_malformed", ":61:", "a value date that exists, such as 261127") from None


def _entry_date(found: re.Match[str], value_on: date) -> date:
    """Month and day of booking in the year that is nearest to the value date; without them the value date."""
    month, day = found["entry_month"], found["entry_day"]
    if not (month and day and month.strip() and day.strip()):
        return value_on
    around = _in_years_around(value_on, int(month), int(day))
    near = [each for each in around if abs((each - value_on).days) <= _HALF_A_YEAR_DAYS]
    if not near:
        raise FieldError("date_malformed", ":61:", "an entry date that exists, such as 1127")
    return near[0]


def _in_years_around(value_on: date, month: int, day: int) -> Iterator[date]:
    for year in (value_on.year - 1, value_on.year, value_on.year + 1):
        try:
            yield date(year, month, day)
        except ValueError:
            continue


def _details(details: TextField | None) -> tuple[str, list[str]]:
    """Text and references of ``:86:``: German banks' subfields, slashed codes, or free text as it is."""
    if details is None:
        return "", []
    stated = {"transaction_details": details.text}
    read: dict[str, Any] = transaction_details_post_processor(_SETTINGS, _DETAILS_TAG, stated, dict(stated))
    joined = details.text.replace("\n", "")
    slashed = _SLASHED.findall(joined)
    if "transaction_details" in read:
        return details.text, slashed
    texts = [str(read[name]) for name in _DETAIL_TEXTS if read.get(name)]
    return text_of(texts), [str(read[name]) for name in _DETAIL_REFERENCES if read.get(name)] + slashed
