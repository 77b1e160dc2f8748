"""One camt.053 statement: whose it is, its balances, and whether they hold with what was booked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

from services.reconciliation.adapters.readers.camt053_elements import children, signed_amount, text_at
from services.reconciliation.domain.lines import (
    BankLine,
    ControlTotal,
    StatementHead,
    UnreadableFileError,
)
from services.reconciliation.domain.report_values import FieldError, Figures, day, visible
from shared.kernel.moments import utc_moment

_OPENING: Final = ("OPBD", "PRCD")
_CLOSING: Final = "CLBD"
_INTERIM: Final = "ITBD"
_SUMS: Final = (("TtlCdtNtries", "sum of credits", 1), ("TtlDbtNtries", "sum of debits", -1))
_FIGURES: Final = Figures()
_ID_CHARS_MAX: Final = 64


class Statement:
    """Fills up as its elements end; nothing of it is read after its end."""

    def __init__(self, first_line: int) -> None:
        self.statement_id = ""
        self.account = ""
        self._first_line = first_line
        self._sequence = ""
        self._created_at: datetime | None = None
        self._opening_on: date | None = None
        self._balances: dict[str, list[tuple[str, int]]] = {}
        self._stated: dict[str, str] = {}
        self._sums = {1: 0, -1: 0}
        self._entries = 0
        self._passed_over = 0

    @property
    def identity(self) -> tuple[str, str]:
        """Account and statement, as ids of entries carry them."""
        return self.account, self.statement_id

    @property
    def currency(self) -> str:
        """The currency of its balances."""
        return self._opening()[0]

    def take(self, name: str, element: Any) -> None:
        """Take the account, a balance or the summary."""
        try:
            if name == "Acct":
                self._take_account(element)
            elif name == "Bal":
                code = (
                    text_at(element, "Tp", "CdOrPrtry", "Cd")
                    or text_at(element, "Tp", "CdOrPrtry", "Prtry")
                    or ""
                )
                self._balances.setdefault(code, []).append(signed_amount(children(element)))
                if code in _OPENING:
                    self._opening_on = _day_of(text_at(element, "Dt", "Dt"))
            elif name == "TxsSummry":
                self._take_summary(element)
        except FieldError as refused:
            raise UnreadableFileError(refused.code, f"{name}/{refused.field}", refused.expected) from None

    def begin_entries(self) -> None:
        """An entry without an account or an opening balance before it cannot be read."""
        if not self.account:
            raise UnreadableFileError("element_missing", "Acct", "an account before the entries")
        self._opening()
        self._entries += 1

    def add(self, line: BankLine) -> None:
        """Count a booked entry."""
        self._sums[1 if line.amount_minor >= 0 else -1] += line.amount_minor

    def pass_over(self) -> None:
        """Count an entry that is not booked."""
        self._passed_over += 1

    def control_totals(self) -> Iterator[ControlTotal]:
        """Whether opening and what was booked give closing, and what else the statement says of itself."""
        subject = f"{self.account}/{self.statement_id}"
        currency, opening_minor = self._opening()
        closing_currency, closing_minor = self._closing()
        if closing_currency != currency:
            raise UnreadableFileError(
                "currency_differs", "Bal", f"{currency} for every balance of the statement"
            )
        booked_minor = sum(self._sums.values())
        yield ControlTotal(
            "opening + booked = closing", subject, currency, closing_minor, opening_minor + booked_minor
        )
        if "entries" in self._stated:
            yield ControlTotal(
                "number of entries", subject, currency, int(self._stated["entries"]), self._entries
            )
        for name, label, sign in _SUMS:
            if name in self._stated and not self._passed_over:
                stated_minor = sign * self._summed(self._stated[name], currency, name)
                yield ControlTotal(label, subject, currency, stated_minor, self._sums[sign])

    def head(self, last_line: int) -> StatementHead:
        """Which statement it was, once all of it was read."""
        if not self.account:
            raise UnreadableFileError("element_missing", "Acct", "an account of the statement")
        currency, opening_minor = self._opening()
        return StatementHead(
            account_number=self.account,
            account_field="Acct/Id",
            statement_id=self.statement_id,
            sequence=self._sequence,
            currency=currency,
            opening_on=self._opening_on,
            opening_minor=opening_minor,
            closing_minor=self._closing()[1],
            final=_CLOSING in self._balances and any(code in self._balances for code in _OPENING),
            created_at=self._created_at,
            first_line=self._first_line,
            last_line=last_line,
        )

    def _take_account(self, element: Any) -> None:
        # The statement's id stands before its account, and is still there.
        statement = element.getparent()
        self.statement_id = visible(_solid(text_at(statement, "Id")), "Stmt/Id", _ID_CHARS_MAX)
        numbered = text_at(statement, "ElctrncSeqNb") or text_at(statement, "LglSeqNb")
        self._sequence = _solid(numbered)[:_ID_CHARS_MAX]
        self._created_at = _moment_of(text_at(statement, "CreDtTm"))
        stated = text_at(element, "Id", "IBAN") or text_at(element, "Id", "Othr", "Id")
        self.account = visible(_solid(stated), "Id", _ID_CHARS_MAX)

    def _take_summary(self, element: Any) -> None:
        number = text_at(element, "TtlNtries", "NbOfNtries")
        if number is not None:
            if not (number.isascii() and number.isdigit() and len(number) <= 15):  # noqa: PLR2004 - as ISO 20022 has it
                raise FieldError("number_malformed", "NbOfNtries", "a number of entries")
            self._stated["entries"] = number
        for name, _, _ in _SUMS:
            stated = text_at(element, name, "Sum")
            if stated is not None:
                self._stated[name] = stated

    def _opening(self) -> tuple[str, int]:
        for code in _OPENING:
            if code in self._balances:
                return self._balances[code][0]
        # A page of a longer statement opens and closes with interim balances.
        if _INTERIM in self._balances:
            return self._balances[_INTERIM][0]
        raise UnreadableFileError("element_missing", "Bal", f"an opening balance ({' or '.join(_OPENING)})")

    def _closing(self) -> tuple[str, int]:
        if _CLOSING in self._balances:
            return self._balances[_CLOSING][0]
        interim = self._balances.get(_INTERIM, [])
        needed = 1 if any(code in self._balances for code in _OPENING) else 2
        if len(interim) >= needed:
            return interim[-1]
        raise UnreadableFileError("element_missing", "Bal", f"a closing balance ({_CLOSING})")

    @staticmethod
    def _summed(stated: str, currency: str, name: str) -> int:
        """A sum is a plain decimal number: zeros at its end say nothing."""
        plain = stated.rstrip("0").removesuffix(".") if "." in stated else stated
        try:
            return _FIGURES.unsigned(plain, currency, name)
        except FieldError as refused:
            raise UnreadableFileError(refused.code, f"TxsSummry/{name}/Sum", refused.expected) from None


def _moment_of(text: str | None) -> datetime | None:
    """A time of which nobody can say when it was says nothing of which statement is newer."""
    try:
        return utc_moment((text or "").strip())
    except ValueError:
        return None


def _day_of(text: str | None) -> date | None:
    try:
        return day((text or "")[:10], "Bal/Dt")
    except FieldError:
        return None


def _solid(text: str | None) -> str:
    """An id without the spaces that people write in account numbers."""
    return "".join((text or "").split())
