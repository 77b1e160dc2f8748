"""Files, groups and accounts of BAI2: what their headers say, and what their trailers are held to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Final

from services.reconciliation.adapters.readers.bai2_records import day, number, signed_minor
from services.reconciliation.domain.lines import BankLine, ControlTotal, StatementHead
from services.reconciliation.domain.report_values import FieldError, currency, visible

_VERSION: Final = "2"
_GROUP_STATUSES: Final = frozenset({"1", "3"})
"""Update and correction. A deletion or a test is no statement."""
_AVAILABILITY_FIELDS: Final[Mapping[str, int]] = {"S": 3, "V": 2}
_OPENING: Final = "010"
_CLOSING: Final = "015"
_ID_CHARS_MAX: Final = 64
_READING: Final = 6
_INTERIM: Final = frozenset({"1", "3"})
"""Of the readings of a day, those that are not the last: previous day and same day, interim."""
_TIME: Final = re.compile(r"([01][0-9]|2[0-3])([0-5][0-9])", re.ASCII)


@dataclass(slots=True, kw_only=True)
class Section:
    """A header, what came after it, and the trailer: total, number of sections within (not for accounts), records."""

    name: str
    subject: str
    currency: str
    as_of: date
    record_count: int = 0
    total_minor: int = 0
    created_at: datetime | None = None
    """When the bank made the file: said by the file's header alone."""
    interim: bool = False
    """A reading of a day that goes on: said by the group's header."""
    inner_count: int = 0

    def close_inner(self, inner: Section) -> None:
        """Count a section that ended within this one, by what its own trailer said of the total."""
        self.record_count += inner.record_count
        self.total_minor += inner.total_minor
        self.inner_count += 1
        self.currency = self.currency or inner.currency

    def control_totals(self, trailer: list[str]) -> Iterator[ControlTotal]:
        """The trailer's three statements; further up, the trailer's total counts and not what we came to."""
        if len(trailer) < 3:  # noqa: PLR2004
            raise FieldError(
                "record_malformed", "trailer", "a control total, a number of sections and one of records"
            )
        stated_minor = signed_minor(trailer[0], "control total")
        yield self._total(f"{self.name} control total", stated_minor, self.total_minor)
        yield self._total(f"{self.name} sections", number(trailer[1], "number of sections"), self.inner_count)
        yield self._total(f"{self.name} records", number(trailer[2], "number of records"), self.record_count)
        self.total_minor = stated_minor

    def _total(self, name: str, stated: int, counted: int) -> ControlTotal:
        return ControlTotal(name, self.subject, self.currency, stated, counted)


@dataclass(slots=True, kw_only=True)
class Account(Section):
    """An account: its balances, and what was booked on it."""

    account: str
    first_line: int
    balances: dict[str, int] = field(default_factory=dict)
    booked_minor: int = 0

    @property
    def identity(self) -> tuple[str, str]:
        """Account and statement, as ids of entries carry them: a statement is a day of an account."""
        return self.account, self.as_of.isoformat()

    def book(self, line: BankLine) -> None:
        """Count a booked entry."""
        self.booked_minor += line.amount_minor

    def control_totals(self, trailer: list[str]) -> Iterator[ControlTotal]:
        """Its trailer, and whether opening and what was booked give closing, where it states both."""
        if len(trailer) < 2:  # noqa: PLR2004
            raise FieldError("record_malformed", "49", "a control total and a number of records")
        stated_minor = signed_minor(trailer[0], "control total")
        yield self._total("account control total", stated_minor, self.total_minor)
        yield self._total("account records", number(trailer[1], "number of records"), self.record_count)
        self.total_minor = stated_minor
        if _OPENING in self.balances and _CLOSING in self.balances:
            counted_minor = self.balances[_OPENING] + self.booked_minor
            yield self._total("opening + booked = closing", self.balances[_CLOSING], counted_minor)

    def head(self, last_line: int, created_at: datetime | None) -> StatementHead:
        """Which statement it was: a day of an account, with the balances that it states."""
        return StatementHead(
            account_number=self.account,
            account_field="03",
            statement_id=self.as_of.isoformat(),
            sequence="",
            currency=self.currency,
            opening_on=self.as_of,
            opening_minor=self.balances.get(_OPENING),
            closing_minor=self.balances.get(_CLOSING),
            final=not self.interim,
            created_at=created_at,
            first_line=self.first_line,
            last_line=last_line,
        )


def open_file(fields: list[str]) -> Section:
    """``01``: sender, receiver, day, time, id, record length, block size, version."""
    if len(fields) < 8 or fields[7] != _VERSION:  # noqa: PLR2004
        raise FieldError("version_unknown", "01", "a file header of BAI version 2")
    made_on = day(fields[2], "01")
    return Section(
        name="file",
        subject=fields[4][:_ID_CHARS_MAX],
        currency="",
        as_of=made_on,
        created_at=_moment(made_on, fields[3]),
    )


def open_group(fields: list[str], declared_currency: str | None) -> Section:
    """``02``: receiver, originator, status, as-of day, as-of time, currency, which reading of the day."""
    if len(fields) < 4:  # noqa: PLR2004
        raise FieldError("record_malformed", "02", "a group status and an as-of day")
    if fields[2] not in _GROUP_STATUSES:
        raise FieldError("group_status", "02", "an update (1) or a correction (3)")
    stated = (fields[5] if len(fields) > 5 else "") or declared_currency or ""  # noqa: PLR2004
    as_of = day(fields[3], "02")
    return Section(
        name="group",
        subject=as_of.isoformat(),
        currency=stated and currency(stated, "02"),
        as_of=as_of,
        interim=len(fields) > _READING and fields[_READING] in _INTERIM,
    )


def open_account(fields: list[str], group: Section, number_of_line: int) -> Account:
    """``03``: account, currency, then balances and sums, each with its availability."""
    account = visible("".join(fields[0].split()), "03", _ID_CHARS_MAX)
    stated = (fields[1] if len(fields) > 1 else "") or group.currency
    if not stated:
        raise FieldError("currency_missing", "03", "a currency in the file, or one declared for the source")
    code = currency(stated, "03")
    opened = Account(
        name="account",
        subject=f"{account}/{group.as_of.isoformat()}",
        currency=code,
        as_of=group.as_of,
        account=account,
        first_line=number_of_line,
        interim=group.interim,
    )
    rest = fields[2:]
    while rest and rest != [""]:
        type_code, amount, *_ = [*rest, "", ""]
        if amount:
            amount_minor = signed_minor(amount, f"03: {type_code}")
            opened.total_minor += amount_minor
            if type_code in opened.balances:
                raise FieldError("balance_repeated", f"03: {type_code}", "each balance once")
            opened.balances[type_code] = amount_minor
        rest = rest[4 + _availability_fields(rest[3:]) :]
    return opened


def _moment(made_on: date, text: str) -> datetime:
    """The bank's clock, whose zone no file says: the same for all of a bank's files, and only compared among them."""
    found = _TIME.fullmatch(text)
    at = time() if found is None else time(int(found[1]), int(found[2]))
    return datetime.combine(made_on, at, UTC)


def _availability_fields(funds: list[str]) -> int:
    """How many fields say when a sum is available."""
    if funds and funds[0] == "D":
        return 1 + 2 * number(funds[1] if len(funds) > 1 else "", "03: availability")
    return _AVAILABILITY_FIELDS.get(funds[0], 0) if funds else 0
