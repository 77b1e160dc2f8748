"""Owns what each processor has agreed with its merchant: tariff, when money is available, reserves, netting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from services.sandbox.domain.exchange import divided_half_up
from shared.kernel.money import currency_scale

_BASIS_POINTS: Final = 10_000
_HUNDREDTHS_SCALE: Final = 2


@dataclass(frozen=True, slots=True)
class Price:
    """What a processor takes of each charge: a share, and a fixed part in hundredths of the currency's unit."""

    basis_points: int
    fixed_hundredths: int

    def fee_minor(self, charged_minor: int, currency: str) -> int:
        """The fee in the currency's own minor units, half a unit rounded up."""
        share = divided_half_up(charged_minor * self.basis_points, _BASIS_POINTS)
        scale = 10 ** currency_scale(currency)
        return share + divided_half_up(self.fixed_hundredths * scale, 10**_HUNDREDTHS_SCALE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """One processor's terms."""

    price: Price
    prices: Mapping[str, Price]
    """By currency of the payout, where it differs from ``price``."""
    available_after_days: int
    """Business days until a charge is paid out; whatever goes the other way is taken with the next payout."""
    arrives_after_days: int
    """Business days from a payout to its money at the bank."""
    debits_below_zero: bool
    """A sum below zero is collected from the bank account; otherwise it waits for charges to cover it."""
    settles_in: Mapping[str, str] = field(default_factory=dict)
    """Currencies that are paid out in another."""
    reserve_basis_points: int = 0
    """The share of a payout's charges that is kept back ..."""
    reserve_days: int = 30
    """... and for how many days."""

    def fee_minor(self, charged_minor: int, currency: str) -> int:
        """What a charge costs that is paid out in ``currency``."""
        return self.prices.get(currency, self.price).fee_minor(charged_minor, currency)

    def reserve_minor(self, charges_minor: int) -> int:
        """What is kept back of a payout's charges."""
        return max(charges_minor, 0) * self.reserve_basis_points // _BASIS_POINTS


TERMS: Final[Mapping[str, Terms]] = MappingProxyType(
    {
        "alpha": Terms(
            price=Price(290, 30),
            prices={"EUR": Price(150, 25), "GBP": Price(150, 20), "JPY": Price(360, 0)},
            available_after_days=2,
            arrives_after_days=1,
            debits_below_zero=True,
        ),
        "beta": Terms(
            price=Price(250, 10),
            prices={"EUR": Price(120, 10), "USD": Price(220, 12)},
            available_after_days=1,
            arrives_after_days=2,
            debits_below_zero=False,
        ),
    }
)
"""The tariff as the README prints it; what may differ from one sandbox to another comes from its settings."""
