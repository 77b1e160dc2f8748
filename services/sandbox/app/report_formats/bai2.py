"""Owns the bank's statement as BAI2: one group a day, amounts in minor units, totals and counts in every trailer."""

from typing import Final

from services.sandbox.app.report_formats.writers import Statement, wrapped
from services.sandbox.domain.bank import BankEntry

SENDER: Final = "TIEOUTBANK"
RECEIVER: Final = "TIEOUT"
TEXT_MAX: Final = 60
"""Of the text, in one record; the rest follows in continuations."""
_TYPES: Final = {(True, False): "165", (False, False): "455", (False, True): "557", (True, True): "257"}
"""Credit or not, sent back or not: ACH credit and debit, and what comes back of either."""


class Bai2:
    """The writer."""

    media_type = "text/plain; charset=us-ascii"

    def __init__(self) -> None:
        self._groups = 0
        self._file_total = 0
        self._file_records = 0
        self._account_total = 0
        self._account_records = 0

    def head(self, first: Statement) -> bytes:
        self._file_records = 1
        return _record(
            "01", SENDER, RECEIVER, f"{first.drawn_at:%y%m%d}", f"{first.drawn_at:%H%M}", "1", "", "", "2"
        )

    def opening(self, statement: Statement) -> bytes:
        self._groups += 1
        self._account_total = statement.opening_minor + statement.closing_minor
        self._account_records = 1
        group = _record(
            "02", RECEIVER, SENDER, "1", f"{statement.day:%y%m%d}", "2359", statement.currency, "2"
        )
        opening, closing = str(statement.opening_minor), str(statement.closing_minor)
        balances = ("010", opening, "", "", "015", closing, "", "")
        return group + _record("03", statement.account, statement.currency, *balances)

    def entry(self, statement: Statement, entry: BankEntry) -> bytes:  # noqa: ARG002 - the group says the currency
        kind = _TYPES[entry.amount_minor > 0, entry.returns is not None]
        amount_minor = abs(entry.amount_minor)
        cut = wrapped(entry.text, TEXT_MAX)
        self._account_total += amount_minor
        self._account_records += len(cut)
        funds = ("V", f"{entry.value_on:%y%m%d}", "")
        first = (
            f"16,{kind},{amount_minor},{','.join(funds)},{entry.bank_reference},{entry.reference},{cut[0]}\n"
        )
        return (first + "".join(f"88,{part}\n" for part in cut[1:])).encode("ascii")

    def closing(self, statement: Statement) -> bytes:  # noqa: ARG002 - the group says the account
        account_records, group_records = self._account_records + 1, self._account_records + 3
        self._file_total += self._account_total
        self._file_records += group_records
        return _record("49", str(self._account_total), str(account_records)) + _record(
            "98", str(self._account_total), "1", str(group_records)
        )

    def end(self) -> bytes:
        return _record("99", str(self._file_total), str(self._groups), str(self._file_records + 1))


def _record(*fields: str) -> bytes:
    return f"{','.join(fields)}/\n".encode("ascii")
