"""One entry of a BAI2 account, a record 16, as a bank line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bai2.constants import TypeCodeLevel, TypeCodes, TypeCodeTransaction
from bai2.exceptions import NotSupportedYetException, ParsingException
from bai2.helpers import IteratorHelper
from bai2.parsers import TransactionDetailParser

from services.reconciliation.adapters.readers.bai2_records import Record, day, minor
from services.reconciliation.adapters.readers.bai2_sections import Account
from services.reconciliation.adapters.readers.bank_lines import entry_id, references_of, text_of
from services.reconciliation.adapters.readers.line_ids import LineIds
from services.reconciliation.domain.lines import BankLine
from services.reconciliation.domain.report_values import FieldError

_SIGNS: Final[Mapping[Any, int]] = {TypeCodeTransaction.credit: 1, TypeCodeTransaction.debit: -1}
_NOTHING_MOVED: Final = "890"
_RETURNS: Final = frozenset(
    {"123", "252", "255", "257", "258", "266", "395", "423", "552", "555", "557", "558", "566", "694"}
)
"""Returned items and reversals of earlier entries, by the catalogue of type codes."""
_VALUE_DATED: Final = "V"


def bank_line(record: Record, account: Account, ids: LineIds) -> BankLine | None:
    """The entry; None where it moves nothing (890), ``FieldError`` where it cannot be read."""
    fields = record.fields()
    type_code, stated, funds = [*fields, "", "", ""][:3]
    if type_code == _NOTHING_MOVED and stated.strip("0") == "":
        return None
    amount_minor = minor(stated, "16: amount")
    account.total_minor += amount_minor
    sign = _sign(type_code)
    found = _detail(record)
    booked_on = value_on = account.as_of
    if funds == _VALUE_DATED and len(fields) > 3 and fields[3]:  # noqa: PLR2004
        value_on = day(fields[3], "16: value date")
    bank_reference = found.bank_reference or ""
    references = references_of([bank_reference, found.customer_reference])
    text = text_of([found.text])
    content = [type_code, *references, text]
    return BankLine(
        line_number=record.number,
        line_id=entry_id(ids, account.identity, bank_reference, (booked_on, value_on), content),
        statement_id=account.as_of.isoformat(),
        account_number=account.account,
        currency=account.currency,
        amount_minor=sign * amount_minor,
        booked_on=booked_on,
        value_on=value_on,
        references=references,
        text=text,
        returned=type_code in _RETURNS,
    )


def _sign(type_code: str) -> int:
    known = TypeCodes.get(type_code)
    if known is None or known.level is not TypeCodeLevel.detail or known.transaction not in _SIGNS:
        raise FieldError(
            "type_code_unknown", "16: type code", "the code of a credit or a debit, such as 195 or 495"
        )
    return _SIGNS[known.transaction]


def _detail(record: Record) -> Any:
    """The record as the library reads it: its funds type says which of its fields are the references."""
    try:
        return TransactionDetailParser(IteratorHelper(record.lines), check_integrity=False).parse()
    except (ParsingException, NotSupportedYetException, ValueError, IndexError, KeyError):
        expected = "an amount, a funds type with its availability, references and text"
        raise FieldError("record_malformed", "16", expected) from None
