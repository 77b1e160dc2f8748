"""Owns the bank's statement as SWIFT MT940: a comma in amounts, 6 lines of 65 in ``:86:``, 2,000 characters.

A longer day (SWIFT's User Handbook, MT 940, has that limit) goes on in further parts of the statement, each of which
opens with what the one before it closed with, ``:62M:`` and ``:60M:``.
"""

from typing import Final

from services.sandbox.app.report_formats.writers import Statement, wrapped
from services.sandbox.domain.bank import BankEntry
from shared.kernel.money import currency_scale, major_units

TEXT_LINE_MAX: Final = 65
TEXT_LINES_MAX: Final = 6
MESSAGE_MAX: Final = 2_000
_MARKS: Final = {(True, False): "C", (False, False): "D", (False, True): "RC", (True, True): "RD"}
"""Credit or not, sent back or not. What sends a credit back is a reversal of a credit."""


class Mt940:
    """The writer."""

    media_type = "text/plain; charset=us-ascii"

    def head(self, first: Statement) -> bytes:  # noqa: ARG002 - messages follow one another without a head
        return b""

    def __init__(self) -> None:
        self._part = 1
        self._balance_minor = 0
        self._length = 0

    def opening(self, statement: Statement) -> bytes:
        self._part, self._balance_minor = 1, statement.opening_minor
        return self._begun(statement, "60F")

    def entry(self, statement: Statement, entry: BankEntry) -> bytes:
        mark = _MARKS[entry.amount_minor > 0, entry.returns is not None]
        amount = _amount(entry.amount_minor, statement.currency)
        cut = wrapped(entry.text, TEXT_LINE_MAX)[:TEXT_LINES_MAX]
        told = _lines(
            f":61:{entry.value_on:%y%m%d}{entry.booked_on:%m%d}{mark}{amount}"
            f"NTRF{entry.reference}//{entry.bank_reference}",
            f":86:{cut[0]}",
            *cut[1:],
        )
        ends = _ended(statement, "62M", self._balance_minor + entry.amount_minor)
        goes_on = b""
        if self._length + len(told) + len(ends) > MESSAGE_MAX:
            goes_on = _ended(statement, "62M", self._balance_minor)
            self._part += 1
            goes_on += self._begun(statement, "60M")
        self._balance_minor += entry.amount_minor
        self._length += len(told)
        return goes_on + told

    def closing(self, statement: Statement) -> bytes:
        return _ended(statement, "62F", statement.closing_minor)

    def _begun(self, statement: Statement, opens: str) -> bytes:
        """A message's head, by which its length begins anew."""
        begun = _lines(
            f":20:{statement.id}",
            f":25:{statement.account}",
            f":28C:{statement.number:05d}/{self._part:03d}",
            f":{opens}:{_balance(self._balance_minor, statement)}",
        )
        self._length = len(begun)
        return begun

    def end(self) -> bytes:
        return b""


def _ended(statement: Statement, tag: str, balance_minor: int) -> bytes:
    return _lines(f":{tag}:{_balance(balance_minor, statement)}", "-")


def _amount(amount_minor: int, currency: str) -> str:
    shown = major_units(abs(amount_minor), currency)
    return shown.replace(".", ",") if currency_scale(currency) else f"{shown},"


def _balance(amount_minor: int, statement: Statement) -> str:
    side = "C" if amount_minor >= 0 else "D"
    return f"{side}{statement.day:%y%m%d}{statement.currency}{_amount(amount_minor, statement.currency)}"


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
