"""Statements of one account over one period: opening + movements = closing, page by page.

A statement is of one seal position (``as_of``): journals sealed later are no part of it, whatever times they bear. So
its pages fit together while booking goes on, and the same question with the same position is answered the same for
ever. What is not sealed yet (2 s is the aim) is not on it. By booked time a period is a stretch of the chain, and its
movements stand in the chain's order; by effective time they stand in the order of that time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol

from services.ledger.app.balances import Accounts, no_such_account
from services.ledger.app.moments import Chain, Moment, TimeKind, in_future, invalid, sealed_position
from services.ledger.app.pages import read_spelt, spelt
from services.ledger.app.views import AccountBalance
from services.ledger.domain.chart import FAMILIES, AccountRef
from shared.kernel.errors import Rejected

PAGE_MAX: Final = 1_000
CURSOR_MAX: Final = 200
_CURSOR: Final = re.compile(r"(\d{1,18})_([^_ ]{20,40})_(\d{1,18})_(\d{1,5})_(-?\d{1,30})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From ``since`` to just before ``until``, as the chain stood at seal ``as_of``.

    By booked time that is all behind seal ``behind`` up to seal ``last``.
    """

    since: datetime
    until: datetime
    by: TimeKind
    as_of: int
    behind: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The last movement that was shown, by its seal; the balance behind it; and of which seal the statement is."""

    as_of: int
    at: datetime
    seal_position: int
    line: int
    balance_minor: int

    def written(self) -> str:
        at = self.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return spelt(f"{self.as_of}_{at}_{self.seal_position}_{self.line}_{self.balance_minor}")

    @classmethod
    def read(cls, text: str) -> Cursor:
        """What ``written`` made; anything else is refused."""
        parts = _CURSOR.fullmatch(read_spelt(text))
        try:
            at = datetime.fromisoformat(parts[2]) if parts else None
        except ValueError:
            at = None
        if parts is None or at is None or at.tzinfo is None:
            raise Rejected(
                "field_invalid", "Take it from next_cursor.", status=422, param="cursor", stored=False
            )
        return cls(
            as_of=int(parts[1]),
            at=at,
            seal_position=int(parts[3]),
            line=int(parts[4]),
            balance_minor=int(parts[5]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One entry; ``net_minor`` is positive on the account's normal side.

    ``told_effective_at`` is there where it belongs to a closed month: then ``at`` of a statement by effect is later.
    """

    at: datetime
    seal_position: int
    line: int
    journal_id: str
    rule: str
    payment_id: str | None
    from_party: str | None
    to_party: str | None
    side: str
    amount_minor: int
    clearing_key: str | None
    net_minor: int
    told_effective_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the store finds."""

    movements: tuple[Movement, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A page of a statement; its closing balance is the next page's opening balance."""

    family: str
    owner: str
    currency: str
    by: TimeKind
    since: datetime
    until: datetime
    as_of: int
    opening_minor: int
    movements: tuple[Movement, ...]
    closing_minor: int
    next_cursor: str | None


class Statements(Chain, Accounts, Protocol):
    """Reads of one account. A period of one seal position never changes, so reads of it fit together."""

    def account_id(self, account: AccountRef) -> int | None: ...
    def account(self, account: AccountRef, moment: Moment) -> AccountBalance | None: ...
    def balance_minor(self, account: AccountRef, moment: Moment) -> int: ...
    def page(self, account_id: int, period: Period, after: Cursor | None, limit: int) -> Page: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawUpStatement:
    """Whose account, which period; ``as_of`` None takes the seal position of now. ``now`` is the asker's clock."""

    account: AccountRef
    since: datetime
    until: datetime
    by: TimeKind = TimeKind.BOOKED
    as_of: int | None = None
    cursor: str | None = None
    limit: int = PAGE_MAX
    now: datetime | None = None


def draw_up_statement(wanted: DrawUpStatement, books: Statements) -> Statement:
    """One page. Raises ``Rejected`` where the account, the period or the position is none."""
    _check(wanted)
    after = None if wanted.cursor is None else Cursor.read(wanted.cursor)
    period = _period(wanted, sealed_position(books, wanted.as_of if after is None else after.as_of), books)
    account_id = _account_id(wanted.account, after, period.as_of, books)
    opening_minor = (
        books.balance_minor(wanted.account, _opening(period)) if after is None else after.balance_minor
    )
    page = books.page(account_id, period, after, wanted.limit)
    closing_minor = opening_minor + sum(movement.net_minor for movement in page.movements)
    return Statement(
        family=wanted.account.family,
        owner=wanted.account.owner,
        currency=wanted.account.currency,
        by=wanted.by,
        since=wanted.since,
        until=wanted.until,
        as_of=period.as_of,
        opening_minor=opening_minor,
        movements=page.movements,
        closing_minor=closing_minor,
        next_cursor=_cursor(page, period.as_of, closing_minor),
    )


def _account_id(account: AccountRef, after: Cursor | None, as_of: int, books: Statements) -> int:
    """Of an account with an entry at that position; a cursor comes from a page of one."""
    moment = Moment(as_of=as_of)
    if after is None:
        found = books.account(account, moment)
        account_id = None if found is None else found.account_id
    else:
        account_id = books.account_id(account)
    if account_id is None:
        raise no_such_account(account, moment, books)
    return account_id


def _period(wanted: DrawUpStatement, as_of: int, books: Statements) -> Period:
    by_booked = wanted.by is TimeKind.BOOKED
    return Period(
        since=wanted.since,
        until=wanted.until,
        by=wanted.by,
        as_of=as_of,
        behind=min(books.position_before(wanted.since), as_of) if by_booked else 0,
        last=min(books.position_before(wanted.until), as_of) if by_booked else as_of,
    )


def _opening(period: Period) -> Moment:
    if period.by is TimeKind.BOOKED:
        return Moment(as_of=period.behind)
    return Moment(as_of=period.as_of, effective_before=period.since)


def _cursor(page: Page, as_of: int, balance_minor: int) -> str | None:
    if not page.more:
        return None
    last = page.movements[-1]
    return Cursor(
        as_of=as_of, at=last.at, seal_position=last.seal_position, line=last.line, balance_minor=balance_minor
    ).written()


def whole_statement(wanted: DrawUpStatement, books: Statements) -> Iterator[Statement]:
    """All pages, one after another, in constant memory."""
    page = draw_up_statement(wanted, books)
    yield page
    while page.next_cursor is not None:
        page = draw_up_statement(replace(wanted, cursor=page.next_cursor), books)
        yield page


def _check(wanted: DrawUpStatement) -> None:
    for name, time in (("since", wanted.since), ("until", wanted.until)):
        if time.tzinfo is None:
            raise invalid(name, "A time with its offset from UTC, as 2026-11-24T00:00:00Z.")
    if wanted.since >= wanted.until:
        raise invalid("until", "Later than since.")
    if wanted.now is not None and wanted.by is TimeKind.BOOKED and wanted.since > wanted.now:
        raise in_future("since")
    if wanted.account.family not in FAMILIES:
        raise invalid("family", f"One of {', '.join(FAMILIES)}.")
