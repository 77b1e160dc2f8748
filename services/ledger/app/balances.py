"""Balances at a moment: of a merchant, of one account, of all families."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from services.ledger.app.moments import Chain, Moment, invalid
from services.ledger.app.views import AccountBalance, Arrival, MerchantBalance, TrialBalance, TrialBalanceLine
from services.ledger.domain.chart import FAMILIES, MA, MP, AccountRef
from shared.kernel.errors import Rejected


class Balances(Chain, Protocol):
    """Reads of sums; each from one snapshot of the database."""

    def account(self, account: AccountRef, moment: Moment) -> AccountBalance | None: ...
    def of_owner(
        self, owner: str, families: tuple[str, ...], currency: str | None, moment: Moment
    ) -> list[AccountBalance]: ...
    def arrivals(
        self, owner: str, currency: str | None, since: datetime, as_of: int | None
    ) -> dict[str, list[Arrival]]: ...
    def families(self, currency: str | None, moment: Moment) -> list[TrialBalanceLine]: ...


def merchant_balances(
    merchant_id: str, currency: str | None, moment: Moment, books: Balances
) -> list[MerchantBalance]:
    """Pending and available per currency, and what becomes available later; a merchant without entries has none."""
    found: dict[str, dict[str, int]] = {}
    for account in books.of_owner(merchant_id, (MP.name, MA.name), currency, moment):
        found.setdefault(account.currency, {})[account.family] = account.balance_minor
    since = moment.effective_before
    arrivals = {} if since is None else books.arrivals(merchant_id, currency, since, moment.as_of)
    return [
        MerchantBalance(
            merchant_id=merchant_id,
            currency=code,
            pending_minor=balances.get(MP.name, 0),
            available_minor=balances.get(MA.name, 0),
            arriving=tuple(arrivals.get(code, ())),
        )
        for code in sorted({*found, *arrivals})
        for balances in [found.get(code, {})]
    ]


def account_balance(account: AccountRef, moment: Moment, books: Balances) -> AccountBalance:
    """One account. Raises ``Rejected`` where there was none, saying in which currencies there was."""
    found = books.account(account, moment)
    if found is None:
        raise no_such_account(account, moment, books)
    return found


class Accounts(Protocol):
    """What a refusal looks up to be helpful."""

    def of_owner(
        self, owner: str, families: tuple[str, ...], currency: str | None, moment: Moment
    ) -> list[AccountBalance]: ...


def no_such_account(account: AccountRef, moment: Moment, books: Accounts) -> Rejected:
    """The refusal that says what there is instead, at the same moment."""
    if account.family not in FAMILIES:
        return no_such_family()
    held = sorted(one.currency for one in books.of_owner(account.owner, (account.family,), None, moment))
    if held:
        return Rejected(
            "currency_not_held", f"{account.owner} has {account.family} in {', '.join(held)} only.",
            status=404, param="currency", stored=False,
        )  # fmt: skip
    return Rejected("account_not_found", "There is no such account.", status=404, stored=False)


def check_family(family: str | None) -> None:
    """Refuse a family that the chart does not have: nothing found would look as if nothing were there. None: any."""
    if family is not None and family not in FAMILIES:
        raise no_such_family()


def no_such_family() -> Rejected:
    """The refusal that names those there are."""
    return invalid("family", f"One of {', '.join(FAMILIES)}.")


def trial_balance_of(currency: str | None, moment: Moment, books: Balances) -> TrialBalance:
    """Every family's sums at a moment; each currency comes to zero. Raises ``Rejected`` as ``families_of`` does."""
    lines = families_of(currency, moment, books)
    imbalance: dict[str, int] = {}
    for line in lines:
        imbalance[line.currency] = imbalance.get(line.currency, 0) + line.debit_minor - line.credit_minor
    return TrialBalance(lines=tuple(lines), imbalance_minor=imbalance)


def families_of(currency: str | None, moment: Moment, books: Balances) -> list[TrialBalanceLine]:
    """Every family's sums. Raises ``Rejected`` for a currency that has none, naming those that have.

    Nothing at all would otherwise look like books that balance.
    """
    lines = books.families(currency, moment)
    if currency is None or lines:
        return lines
    held = sorted({line.currency for line in books.families(None, moment)})
    text = f"The books are in {', '.join(held)} only." if held else "There is nothing in the books."
    raise Rejected("currency_not_held", text, status=404, param="currency", stored=False)
