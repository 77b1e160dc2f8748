"""Owns the sandbox's bank: one account per currency, and which entries a payout makes on it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from services.sandbox.domain.business_days import business_days_after

BANK_CODE: Final = "50010517"
_LETTER_BASE: Final = 10
_IBAN_MODULUS: Final = 97
_IBAN_COMPLEMENT: Final = 98
_RATE_MAX: Final = 100
_STEPS: Final = 2**32
REPEATED_AFTER_DAYS: Final = 2
"""Business days until a processor repeats what failed or came back."""
_SPLIT_SHARE: Final = 3


class Fate(StrEnum):
    """What becomes of a payout on its way to the bank."""

    ARRIVES = "arrives"
    SPLIT = "split"
    """It arrives in two credits, on two days."""
    COMBINED = "combined"
    """It waits, and arrives in one credit with the next payout of the processor in its currency."""
    FAILS = "fails"
    """It does not arrive; the processor repeats it some days later."""
    RETURNED = "returned"
    """It arrives, the bank sends it back, and the processor repeats it."""


LOTS: Final = (Fate.SPLIT, Fate.COMBINED, Fate.FAILS, Fate.RETURNED)


@dataclass(frozen=True, slots=True)
class Lots:
    """A seed, and of how many payouts in a hundred something comes other than usual."""

    seed: str
    rate: int

    def draw(self, payout_id: str) -> Fate:
        """The fate of a payout: the same whenever it is asked for."""
        digest = hashlib.sha256(f"{self.seed}|{payout_id}".encode()).digest()
        if int.from_bytes(digest[:4]) * _RATE_MAX >= self.rate * _STEPS:
            return Fate.ARRIVES
        return LOTS[int.from_bytes(digest[4:8]) % len(LOTS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A payout on its way to the bank."""

    processor: str
    payout_id: str
    currency: str
    amount_minor: int
    trace: str
    due_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What of an entry belongs to which payout, with the payout's own reference."""

    processor: str
    payout_id: str
    trace: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BankEntry:
    """One booked entry: a credit is positive. Its parts add up to it."""

    id: str
    currency: str
    amount_minor: int
    booked_on: date
    value_on: date
    reference: str
    """What whoever ordered it wrote: the payout's trace, or the order's own where it is of several."""
    bank_reference: str
    text: str
    returns: str | None
    """The entry that it sends back."""
    parts: tuple[Part, ...]


def account_number(currency: str) -> str:
    """The number of the merchant's account in a currency, with right check digits."""
    own = "".join(str(ord(letter) - ord("A") + _LETTER_BASE) for letter in currency).rjust(10, "0")
    national = BANK_CODE + own
    checked = int(national + "131400") % _IBAN_MODULUS
    return f"DE{_IBAN_COMPLEMENT - checked:02d}{national}"


def entries_of(transfer: Transfer, fate: Fate, joined: Sequence[Transfer]) -> list[BankEntry]:
    """The entries of a payout; transfers that waited for it arrive in one entry with it."""
    total_minor = transfer.amount_minor + sum(each.amount_minor for each in joined)
    if joined and total_minor:
        return [_together([*joined, transfer], total_minor, transfer.due_on)]
    alone = [_entry(each, each.amount_minor, transfer.due_on, 1) for each in joined]
    if fate is Fate.SPLIT and abs(transfer.amount_minor) > 1:
        first_minor = transfer.amount_minor // _SPLIT_SHARE or transfer.amount_minor // 2
        return [
            *alone,
            _entry(transfer, first_minor, transfer.due_on, 1),
            _entry(transfer, transfer.amount_minor - first_minor, _later(transfer.due_on, 1), 2),
        ]
    if fate is Fate.FAILS:
        return [
            *alone,
            _entry(transfer, transfer.amount_minor, _later(transfer.due_on, REPEATED_AFTER_DAYS), 1),
        ]
    first = _entry(transfer, transfer.amount_minor, transfer.due_on, 1)
    if fate is Fate.RETURNED and transfer.amount_minor > 0:
        back_on = _later(transfer.due_on, 1)
        back = _entry(transfer, -transfer.amount_minor, back_on, 2, returns=first.id)
        again = _entry(transfer, transfer.amount_minor, _later(back_on, REPEATED_AFTER_DAYS), 3)
        return [*alone, first, back, again]
    return [*alone, first]


def _later(day: date, count: int) -> date:
    return business_days_after(day, count)


def _entry(
    transfer: Transfer, amount_minor: int, booked_on: date, number: int, *, returns: str | None = None
) -> BankEntry:
    word = "RETURN OF PAYOUT" if returns else "PAYOUT"
    return BankEntry(
        id=f"ent_{transfer.trace}_{number}",
        currency=transfer.currency,
        amount_minor=amount_minor,
        booked_on=booked_on,
        value_on=booked_on,
        reference=transfer.trace,
        bank_reference=bank_reference(f"{transfer.trace}_{number}"),
        text=f"{transfer.processor.upper()} {word} {transfer.trace}",
        returns=returns,
        parts=(
            Part(
                processor=transfer.processor,
                payout_id=transfer.payout_id,
                trace=transfer.trace,
                amount_minor=amount_minor,
            ),
        ),
    )


def _together(transfers: Sequence[Transfer], total_minor: int, booked_on: date) -> BankEntry:
    last = transfers[-1]
    traces = [each.trace for each in transfers]
    order = f"SUM{last.trace[3:]}"
    return BankEntry(
        id=f"ent_{order}_1",
        currency=last.currency,
        amount_minor=total_minor,
        booked_on=booked_on,
        value_on=booked_on,
        reference=order,
        bank_reference=bank_reference(order),
        text=" ".join([last.processor.upper(), "PAYOUTS", *traces]),
        returns=None,
        parts=tuple(
            Part(
                processor=each.processor,
                payout_id=each.payout_id,
                trace=each.trace,
                amount_minor=each.amount_minor,
            )
            for each in transfers
        ),
    )


def bank_reference(subject: str) -> str:
    """The bank's own reference of an entry: ten digits of the entry's name."""
    return f"B{int.from_bytes(hashlib.sha256(subject.encode()).digest()[:8]) % 10**10:010d}"
