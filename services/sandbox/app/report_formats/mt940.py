"""Owns the bank's statement as SWIFT MT940: a message a day, amounts with a comma, 6 lines of 65 in ``:86:``."""

from typing import Final

from services.sandbox.app.report_formats.writers import Statement, wrapped
from services.sandbox.domain.bank import BankEntry
from shared.kernel.money import currency_scale, major_units

TEXT_LINE_MAX: Final = 65
TEXT_LINES_MAX: Final = 6
_MARKS: Final = {(True, False): "C", (False, False): "D", (False, True): "RC", (True, True): "RD"}
"""Credit or not, sent back or not. What sends a credit back is a reversal of a credit."""


class Mt940:
    """The writer."""

    media_type = "text/plain; charset=us-ascii"

    def head(self, first: Statement) -> bytes:  # noqa: ARG002 - messages follow one another without a head
        return b""

    def opening(self, statement: Statement) -> bytes:
        return _lines(
            f":20:{statement.id}",
            f":25:{statement.account}",
            f":28C:{statement.number:05d}/001",
            f":60F:{_balance(statement.opening_minor, statement)}",
        )

    def entry(self, statement: Statement, entry: BankEntry) -> bytes:
        mark = _MARKS[entry.amount_minor > 0, entry.returns is not None]
        amount = _amount(entry.amount_minor, statement.currency)
        cut = wrapped(entry.text, TEXT_LINE_MAX)[:TEXT_LINES_MAX]
        return _lines(
            f":61:{entry.value_on:%y%m%d}{entry.booked_on:%m%d}{mark}{amount}"
            f"NTRF{entry.reference}//{entry.bank_reference}",
            f":86:{cut[0]}",
            *cut[1:],
        )

    def closing(self, statement: Statement) -> bytes:
        return _lines(f":62F:{_balance(statement.closing_minor, statement)}", "-")

    def end(self) -> bytes:
        return b""


def _amount(amount_minor: int, currency: str) -> str:
    shown = major_units(abs(amount_minor), currency)
    return shown.replace(".", ",") if currency_scale(currency) else f"{shown},"


def _balance(amount_minor: int, statement: Statement) -> str:
    side = "C" if amount_minor >= 0 else "D"
    return f"{side}{statement.day:%y%m%d}{statement.currency}{_amount(amount_minor, statement.currency)}"


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
