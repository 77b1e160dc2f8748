"""The chart of accounts: its families, who owns them, which side is normal, which must return to zero.

An account is (family, owner, currency) and is opened by the first entry that needs it. Balances are shown on
the normal side, so that a healthy balance is positive; entries themselves are never negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple


class Side(StrEnum):
    """Where an entry stands; the amount beside it is always positive."""

    DEBIT = "debit"
    CREDIT = "credit"

    @property
    def opposite(self) -> Side:
        return Side.CREDIT if self is Side.DEBIT else Side.DEBIT


class Owner(StrEnum):
    """Whose account it is, and thereby which fields of an event name the owner."""

    MERCHANT = "merchant"
    PROCESSOR_ACCOUNT = "processor account"
    PLATFORM = "platform"
    BANK_ACCOUNT = "bank account"


PLATFORM_OWNER: Final = "platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One line of the chart. ``transitional`` families return to zero, per clearing key."""

    name: str
    symbol: str
    owner: Owner
    normal_side: Side
    transitional: bool
    purpose: str


def _family(
    name: str, symbol: str, owner: Owner, normal: Side, purpose: str, *, transitional: bool = False
) -> Family:
    return Family(
        name=name, symbol=symbol, owner=owner, normal_side=normal, transitional=transitional, purpose=purpose
    )


_MERCHANT, _PROCESSOR, _PLATFORM = Owner.MERCHANT, Owner.PROCESSOR_ACCOUNT, Owner.PLATFORM
_BANK: Final = Owner.BANK_ACCOUNT
_DR, _CR = Side.DEBIT, Side.CREDIT

R: Final = _family(
    "processor_receivable",
    "R",
    _PROCESSOR,
    _DR,
    "our claim on the processor, by processor object",
    transitional=True,
)
MP: Final = _family("merchant_pending", "MP", _MERCHANT, _CR, "owed to the merchant, not yet settled")
MA: Final = _family(
    "merchant_available", "MA", _MERCHANT, _CR, "owed to the merchant and available; may go negative"
)
RF: Final = _family(
    "refunds_in_flight",
    "RF",
    _MERCHANT,
    _CR,
    "asked to be returned, not yet confirmed, by refund",
    transitional=True,
)
SUSPENSE: Final = _family(
    "suspense",
    "suspense",
    _PLATFORM,
    _CR,
    "money whose owner is not known yet, by stray or line",
    transitional=True,
)
D: Final = _family(
    "disputed",
    "D",
    _PROCESSOR,
    _DR,
    "taken from us by open disputes, by processor object",
    transitional=True,
)
MH: Final = _family(
    "merchant_held",
    "MH",
    _MERCHANT,
    _CR,
    "withheld from the merchant while a dispute is open, by processor object",
    transitional=True,
)
IN_DOUBT_IN: Final = _family(
    "in_doubt_in",
    "in_doubt_in",
    _PROCESSOR,
    _DR,
    "charges that may have happened, by operation",
    transitional=True,
)
IN_DOUBT_OUT: Final = _family(
    "in_doubt_out",
    "in_doubt_out",
    _PROCESSOR,
    _CR,
    "refunds that may have happened, by operation",
    transitional=True,
)
IN_DOUBT_CONTRA: Final = _family(
    "in_doubt_contra",
    "in_doubt_contra",
    _PROCESSOR,
    _CR,
    "the other side of money in doubt",
    transitional=True,
)
FEE_REVENUE: Final = _family("fee_revenue", "fee_revenue", _PLATFORM, _CR, "what merchants pay us")
DISPUTE_FEES: Final = _family(
    "dispute_fees", "dispute_fees", _PLATFORM, _CR, "what merchants pay us for disputes"
)
PF: Final = _family("processor_fees", "PF", _PROCESSOR, _DR, "what processors charge us")
BC: Final = _family(
    "bank_clearing",
    "BC",
    _PROCESSOR,
    _DR,
    "in payouts that the bank has not credited yet, by payout",
    transitional=True,
)
BANK_CASH: Final = _family("bank_cash", "bank_cash", _BANK, _DR, "what payouts brought to our bank account")
PROCESSOR_RESERVE: Final = _family(
    "processor_reserve", "processor_reserve", _PROCESSOR, _DR, "ours, and kept back by the processor"
)
FX: Final = _family("fx", "fx", _PLATFORM, _DR, "what exchanges left us in each currency: a position")
ROUNDING: Final = _family("rounding", "rounding", _PLATFORM, _CR, "what exchanges gave beyond their rate")
WRITE_OFF: Final = _family(
    "write_off", "write_off", _PLATFORM, _DR, "lost for good, or found without an owner"
)
ADJUSTMENTS: Final = _family(
    "adjustments", "adjustments", _PLATFORM, _DR, "the platform's side of what people correct by hand"
)

CHART: Final[tuple[Family, ...]] = (
    R,
    MP,
    MA,
    RF,
    SUSPENSE,
    D,
    MH,
    IN_DOUBT_IN,
    IN_DOUBT_OUT,
    IN_DOUBT_CONTRA,
    FEE_REVENUE,
    DISPUTE_FEES,
    PF,
    BC,
    BANK_CASH,
    PROCESSOR_RESERVE,
    FX,
    ROUNDING,
    WRITE_OFF,
    ADJUSTMENTS,
)
FAMILIES: Final[Mapping[str, Family]] = {family.name: family for family in CHART}


class AccountRef(NamedTuple):
    """The natural key of an account; ordered, so that every writer opens accounts in the same order."""

    family: str
    owner: str
    currency: str


def balance_on_normal_side(family: str, debit_minor: int, credit_minor: int) -> int:
    """The balance of an account as people read it: positive when it stands on its family's normal side."""
    net_debit_minor = debit_minor - credit_minor
    return net_debit_minor if FAMILIES[family].normal_side is Side.DEBIT else -net_debit_minor
