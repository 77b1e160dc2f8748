"""Balances over HTTP: of a merchant, of one account, of all families; now, as of a seal or a time, by effect."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import Depends, FastAPI, Query

from services.ledger.app.account_tree import Branch, account_tree
from services.ledger.app.balances import (
    Balances,
    account_balance,
    check_family,
    families_of,
    merchant_balances,
    trial_balance_of,
)
from services.ledger.app.moments import EVERYTHING, AskedMoment, Moment, TimeKind, moment_of
from services.ledger.app.pages import BY_CURRENCY, Place, next_cursor, place_of
from services.ledger.app.views import (
    AccountBalance,
    BooksReader,
    MerchantBalance,
    NegativeBalance,
    NegativeBalances,
    NegativeTotal,
    TrialBalanceLine,
)
from services.ledger.domain.chart import AccountRef
from services.ledger.entrypoints.http_parts import (
    After,
    Currency,
    Limit,
    Name,
    Now,
    Scope,
    asked_moment,
    owner_in_scope,
)

ByEffect = Annotated[AskedMoment, Depends(asked_moment(TimeKind.EFFECTIVE))]
ByBooking = Annotated[AskedMoment, Depends(asked_moment(TimeKind.BOOKED))]


class NegativeReader(Protocol):
    """Where balances below zero are read."""

    def negative_balances(
        self, now: datetime, limit: int, after: Place | None = None
    ) -> NegativeBalances: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancesReply:
    """``as_of``: of which seal position this is; null where everything booked counts, sealed or not."""

    as_of: int | None
    data: list[MerchantBalance]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceReply:
    as_of: int | None
    account: AccountBalance


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsReply:
    as_of: int | None
    data: list[AccountBalance]
    next_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalanceReply:
    as_of: int | None
    balanced: bool
    imbalance_minor: dict[str, int]
    lines: list[TrialBalanceLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTreeReply:
    as_of: int | None
    branches: list[Branch]


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeReply:
    totals: list[NegativeTotal]
    data: list[NegativeBalance]
    next_cursor: str | None


def add_balances(app: FastAPI, balances: Balances, scope_of: Scope, now: Now) -> None:
    """The routes that merchants have as well, each for their own accounts."""

    @app.get("/balances")
    def of_merchant(
        scope: Annotated[str | None, Depends(scope_of)],
        asked: ByEffect,
        merchant: Name = None,
        currency: Currency = None,
    ) -> BalancesReply:
        """A merchant's pending and available money per currency, and what of the pending becomes available when.

        By default of now: what takes effect later is not available yet. `by=booked` counts everything booked.
        """
        wanted = owner_in_scope(scope, merchant, "merchant")
        moment = moment_of(asked, balances, now())
        found = merchant_balances(wanted, currency, moment, balances)
        return BalancesReply(as_of=moment.as_of, data=found)

    @app.get("/balance")
    def of_account(
        scope: Annotated[str | None, Depends(scope_of)],
        asked: ByBooking,
        family: Annotated[str, Query(min_length=1, max_length=200, description="A family of the chart")],
        currency: Annotated[str, Query(pattern="^[A-Z]{3}$", description="ISO 4217 code, upper case")],
        owner: Name = None,
    ) -> BalanceReply:
        """One account with what stands on each side. The refusal of a currency names those there are."""
        account = AccountRef(family, owner_in_scope(scope, owner, "owner"), currency)
        moment = moment_of(asked, balances, now())
        return BalanceReply(as_of=moment.as_of, account=account_balance(account, moment, balances))


def add_whole_books(
    app: FastAPI,
    balances: Balances,
    reader: BooksReader,
    negatives: NegativeReader,
    viewer: Callable[..., object],
    now: Now,
) -> None:
    """The routes that only operators have."""
    needs_operator = [Depends(viewer)]

    @app.get("/accounts", dependencies=needs_operator)
    def accounts(
        asked: ByBooking,
        family: Name = None,
        owner: Name = None,
        currency: Currency = None,
        after: Annotated[int, Query(ge=0, description="next_after of the page before")] = 0,
        limit: Limit = 100,
    ) -> AccountsReply:
        """Accounts with what stands on each side, a page at a time in the order in which they were opened."""
        check_family(family)
        moment = moment_of(asked, balances, now())
        found = reader.account_balances(
            family=family, owner=owner, currency=currency, after=after, limit=limit, moment=moment
        )
        following = found[-1].account_id if len(found) == limit else None
        return AccountsReply(as_of=moment.as_of, data=found, next_after=following)

    @app.get("/trial-balance", dependencies=needs_operator)
    def trial_balance(asked: ByBooking, currency: Currency = None) -> TrialBalanceReply:
        """Sums by currency and family, now or at a moment; each currency must come to zero.

        That of now, in all currencies, adds up every single entry and believes no snapshot.
        """
        moment = moment_of(asked, balances, now())
        every_entry = moment == EVERYTHING and currency is None
        found = reader.trial_balance() if every_entry else trial_balance_of(currency, moment, balances)
        return TrialBalanceReply(
            as_of=moment.as_of,
            balanced=found.balanced,
            imbalance_minor=found.imbalance_minor,
            lines=list(found.lines),
        )

    @app.get("/account-tree", dependencies=needs_operator)
    def tree(asked: ByBooking, currency: Currency = None) -> AccountTreeReply:
        """Families under whose money they are (merchants, processors, the platform), with subtotals per currency."""
        moment: Moment = moment_of(asked, balances, now())
        return AccountTreeReply(
            as_of=moment.as_of, branches=account_tree(families_of(currency, moment, balances))
        )

    @app.get("/negative-balances", dependencies=needs_operator)
    def negative(cursor: After = None, limit: Limit = 100) -> NegativeReply:
        """Merchants whose available money of now is below zero, since when without a break, oldest first; and the sums.

        Available as `/balances` says it: what takes effect later covers nothing yet. The sums are over all of them,
        the list is a page.
        """
        found = negatives.negative_balances(now(), limit, place_of(cursor, BY_CURRENCY))
        return NegativeReply(
            totals=list(found.totals),
            data=list(found.balances),
            next_cursor=next_cursor(found.balances, limit),
        )
