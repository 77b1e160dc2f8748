"""One MT940 statement: whose it is, its balances, and whether they hold with what was booked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import ClassVar, Final

from mt940.tags import Tags

from services.reconciliation.adapters.readers.mt940_fields import TextField
from services.reconciliation.domain.lines import (
    BankLine,
    ControlTotal,
    StatementHead,
    UnreadableFileError,
)
from services.reconciliation.domain.report_values import MINOR_MAX, FieldError, Figures, currency, visible

_AMOUNT: Final = re.compile(r"([0-9]{1,15}),([0-9]{0,5})", re.ASCII)
_BALANCE: Final = Tags.OPENING_BALANCE.value.re
_SIGNS: Final = {"C": 1, "D": -1}
_FIGURES: Final = Figures()
_ID_CHARS_MAX: Final = 64
_PART: Final = re.compile(r"([^/]+)/0*([1-9][0-9]{0,8})", re.ASCII)
_YEAR_2000: Final = 2000


def amount(text: str, code: str, field: str) -> int:
    """An amount with its comma, which is always there (``12,`` is twelve); zeros before it are filling."""
    stated = _AMOUNT.fullmatch(text)
    if stated is None:
        raise FieldError("amount_malformed", field, "digits and one comma, such as 1234,50")
    whole, decimals = stated[1].lstrip("0") or "0", stated[2]
    minor = _FIGURES.unsigned(f"{whole}.{decimals}" if decimals else whole, code, field)
    if minor > MINOR_MAX:
        raise FieldError("amount_too_large", field, f"at most {MINOR_MAX} minor units")
    return minor


class Statement:
    """Fills up as its fields come."""

    TAGS: ClassVar[frozenset[str]] = frozenset({"13D", "25", "25P", "28", "28C", "60F", "60M"})

    def __init__(self, first_line: int) -> None:
        self._first_line = first_line
        self._made_at: datetime | None = None
        self._opening_on: date | None = None
        self._opens = self._closes = False
        self.account = ""
        self.statement_id = ""
        self.currency = ""
        self._opening_minor = 0
        self._closing_minor = 0
        self._booked_minor = 0

    @property
    def identity(self) -> tuple[str, str]:
        """Account and statement, as ids of entries carry them."""
        return self.account, self.statement_id

    def take(self, field: TextField) -> None:
        """Take when it was made, the account, the statement's number or a balance."""
        name = f":{field.tag}:"
        try:
            if field.tag == "13D":
                self._made_at = _made_at(field.text)
            elif field.tag.startswith("25"):
                self.account = visible("".join(field.text.split("\n")[0].split()), name, _ID_CHARS_MAX)
            elif field.tag.startswith("28"):
                self.statement_id = visible("".join(field.text.split()), name, _ID_CHARS_MAX)
            elif field.tag.startswith("60"):
                if self.currency:
                    raise FieldError("tag_repeated", name, "one opening balance")  # noqa: TRY301
                self.currency, self._opening_on, self._opening_minor = _balance(field.text, name)
                self._opens = field.tag == "60F"
            else:
                code, _, self._closing_minor = _balance(field.text, name)
                self._closes = field.tag == "62F"
                self.begin_entries(field.number)
                if code != self.currency:
                    raise FieldError("currency_differs", name, f"{self.currency}, as the opening balance")  # noqa: TRY301
        except FieldError as refused:
            raise UnreadableFileError(refused.code, refused.field, refused.expected) from None

    def begin_entries(self, number: int) -> None:
        """Refuse entries before it is known whose they are and in what currency."""
        for tag, known in ((":25:", self.account), (":28C:", self.statement_id), (":60F:", self.currency)):
            if not known:
                raise UnreadableFileError("tag_missing", tag, f"{tag} before line {number}")

    def add(self, line: BankLine) -> None:
        """Count a booked entry."""
        self._booked_minor += line.amount_minor

    def control_totals(self) -> Iterator[ControlTotal]:
        """Whether opening and what was booked give closing; for a page of a statement between its interim balances."""
        subject, counted_minor = (
            f"{self.account}/{self.statement_id}",
            self._opening_minor + self._booked_minor,
        )
        yield ControlTotal(
            "opening + booked = closing", subject, self.currency, self._closing_minor, counted_minor
        )

    def head(self, last_line: int) -> StatementHead:
        """Which statement it was. ``:20:`` names the message and not the statement: a corrected one has another."""
        found = _PART.fullmatch(self.statement_id)
        return StatementHead(
            account_number=self.account,
            account_field=":25:",
            statement_id=self.statement_id,
            sequence="",
            currency=self.currency,
            opening_on=self._opening_on,
            opening_minor=self._opening_minor,
            closing_minor=self._closing_minor,
            final=self._opens and self._closes,
            created_at=self._made_at,
            first_line=self._first_line,
            last_line=last_line,
            number=None if found is None else found[1],
            part=None if found is None else int(found[2]),
            opens=None if found is None else self._opens,
            closes=None if found is None else self._closes,
        )


def _made_at(text: str) -> datetime | None:
    """Nothing rests on it but which of two readings is the newer one: without a time and its offset nothing is said."""
    try:
        return datetime.strptime(text.strip(), "%y%m%d%H%M%z").astimezone(UTC)
    except ValueError:
        return None


def continued(former: StatementHead | None, head: StatementHead) -> Iterator[ControlTotal]:
    """Whether a part begins with the interim balance that the part before it, in the same file, ended with."""
    if former is None or former.part is None or head.part is None or former.closes or head.opens:
        return
    if _line_of_parts(former) != _line_of_parts(head) or head.part != former.part + 1:
        return
    opening_minor, closing_minor = head.opening_minor or 0, former.closing_minor or 0
    name = f":60M: of part {head.part} = :62M: of part {former.part}"
    yield ControlTotal(
        name, f"{head.account_number}/{head.statement_id}", head.currency, opening_minor, closing_minor
    )


def _line_of_parts(head: StatementHead) -> tuple[str, str | None, str]:
    return head.account_number, head.number, head.currency


def _balance(text: str, name: str) -> tuple[str, date | None, int]:
    found = _BALANCE.fullmatch(text.strip())
    sign = None if found is None else _SIGNS.get(found["status"])
    if found is None or sign is None:
        raise FieldError("balance_malformed", name, "C or D, a date, a currency and an amount")
    code = currency(found["currency"], name)
    return code, _day_of(found), sign * amount(found["amount"], code, name)


def _day_of(found: re.Match[str]) -> date | None:
    try:
        return date(_YEAR_2000 + int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None
