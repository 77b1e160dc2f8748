"""Owns how a processor pays out what is available: one sum per account and currency, reserves, netting."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from services.sandbox.domain.balance_transactions import Reserve
from services.sandbox.domain.bank import BankEntry, Fate, Lots, Transfer, entries_of
from services.sandbox.domain.business_days import business_days_after
from services.sandbox.domain.terms import Terms

_BATCH_DIGITS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """What stands ready of one account and currency."""

    account: str
    currency: str
    net_minor: int
    charges_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """One sum to the bank, or from it where it is negative; it never changes."""

    processor: str
    id: str
    account: str
    currency: str
    batch_number: int
    amount_minor: int
    made_on: date
    made_at: datetime
    arrives_on: date
    trace: str
    """What its money carries at the bank."""
    fate: Fate

    @property
    def transfer(self) -> Transfer:
        """The payout as the bank sees it."""
        return Transfer(
            processor=self.processor,
            payout_id=self.id,
            currency=self.currency,
            amount_minor=self.amount_minor,
            trace=self.trace,
            due_on=self.arrives_on,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When money is paid out: at the end of a day, or because somebody says so."""

    made_on: date
    made_at: datetime
    next_batch_number: int
    lots: Lots
    fate: Fate | None = None
    """The same for every payout; otherwise each draws its lot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """Everything that one paying out writes, whole or not at all."""

    payouts: tuple[Payout, ...]
    reserves: tuple[Reserve, ...]
    entries: tuple[BankEntry, ...]


def pay_out(
    processor: str,
    available: Iterable[Available],
    waiting: Iterable[Transfer],
    terms: Terms,
    occasion: Occasion,
) -> Closing:
    """Pay out what is available, in the order of accounts and currencies; what comes to nothing waits."""
    payouts: list[Payout] = []
    reserves: list[Reserve] = []
    entries: list[BankEntry] = []
    left = list(waiting)
    for ready in sorted(available, key=lambda found: (found.account, found.currency)):
        number = occasion.next_batch_number + len(payouts)
        payout_id = f"po_{processor}_{number:0{_BATCH_DIGITS}d}"
        kept_minor = terms.reserve_minor(ready.charges_minor) if ready.net_minor > 0 else 0
        amount_minor = ready.net_minor - kept_minor
        if amount_minor == 0 or (amount_minor < 0 and not terms.debits_below_zero):
            continue
        payout = Payout(
            processor=processor,
            id=payout_id,
            account=ready.account,
            currency=ready.currency,
            batch_number=number,
            amount_minor=amount_minor,
            made_on=occasion.made_on,
            made_at=occasion.made_at,
            arrives_on=business_days_after(occasion.made_on, terms.arrives_after_days),
            trace=f"{processor[:5].upper()}{number:0{_BATCH_DIGITS}d}{ready.currency}",
            fate=occasion.fate or occasion.lots.draw(payout_id),
        )
        payouts.append(payout)
        if kept_minor:
            reserves.append(
                Reserve(
                    processor=processor,
                    payout_id=payout_id,
                    account=ready.account,
                    currency=ready.currency,
                    amount_minor=kept_minor,
                    made_at=occasion.made_at,
                    days=terms.reserve_days,
                )
            )
        if payout.fate is Fate.COMBINED:
            left.append(payout.transfer)
            continue
        joined = [transfer for transfer in left if transfer.currency == payout.currency]
        left = [transfer for transfer in left if transfer.currency != payout.currency]
        entries.extend(entries_of(payout.transfer, payout.fate, joined))
    return Closing(payouts=tuple(payouts), reserves=tuple(reserves), entries=tuple(entries))
