"""Manual journals by template: what people may book by hand, as a table. Nothing else is ever booked by hand.

Amounts are above zero; the other direction is another template, so that its name says what was done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.ledger.domain.chart import (
    ADJUSTMENTS,
    BANK_CASH,
    MA,
    PF,
    ROUNDING,
    SUSPENSE,
    WRITE_OFF,
    Family,
    Owner,
    R,
    Side,
)
from services.ledger.domain.rules import Amount, Leg, balances, credit, debit
from shared.kernel.errors import InvariantViolation

STRAY_PREFIX: Final = "str_"
"""Clearing keys that are payment's: it returns or accepts the stray, and would not know that it is gone."""
RULE_PREFIX: Final = "adjustment:"
#: What a template may ask for. Owners of accounts follow from these names.
PARAMETERS: Final[Mapping[str, re.Pattern[str]]] = {
    "merchant_id": re.compile(r"mer_[0-9a-z]{26}", re.ASCII),
    "clearing_key": re.compile(r"[!-~]{1,512}", re.ASCII),
    "processor": re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII),
    "account": re.compile(r"[!-~]{1,128}", re.ASCII),
    "bank_account": re.compile(r"[!-~]{1,128}", re.ASCII),
}
TAKEN_BY: Final[Mapping[Owner, tuple[str, ...]]] = {
    Owner.MERCHANT: ("merchant_id",),
    Owner.PROCESSOR_ACCOUNT: ("processor", "account"),
    Owner.BANK_ACCOUNT: ("bank_account",),
    Owner.PLATFORM: (),
}
_AMOUNT: Final = Amount(("amount_minor",))
_KEY: Final = "clearing_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One kind of manual journal. A transitional leg only ever clears a key, and never past zero.

    ``floor``: the family whose balance the movement must leave at zero or above. ``takes_back``: the one that it takes
    towards zero and never past it.
    """

    name: str
    purpose: str
    legs: tuple[Leg, ...]
    floor: Family | None = None
    takes_back: Family | None = None

    @property
    def rule(self) -> str:
        return RULE_PREFIX + self.name

    @property
    def takes(self) -> tuple[str, ...]:
        """The parameters that it needs, all of them, and no other."""
        names = {name for leg in self.legs for name in (*TAKEN_BY[leg.family.owner], *leg.key)}
        return tuple(name for name in PARAMETERS if name in names)

    @property
    def takes_strays(self) -> bool:
        """Whether it could take from suspense what payment holds there for a stray."""
        leg = self.clears
        return leg is not None and leg.family is SUSPENSE and leg.side is Side.DEBIT

    @property
    def clears(self) -> Leg | None:
        """The leg that takes money off a clearing key."""
        return next((leg for leg in self.legs if leg.family.transitional), None)


def _from_to(
    name: str,
    purpose: str,
    debited: Family,
    credited: Family,
    *,
    floor: Family | None = None,
    takes_back: Family | None = None,
) -> Template:
    """Debit one family, credit another; each transitional one by its clearing key."""
    keys = {family: (_KEY,) if family.transitional else () for family in (debited, credited)}
    legs = (debit(debited, _AMOUNT, *keys[debited]), credit(credited, _AMOUNT, *keys[credited]))
    return Template(name=name, purpose=purpose, legs=legs, floor=floor, takes_back=takes_back)


_TABLE: Final = (
    _from_to("merchant_credit", "goodwill or a correction for the merchant", ADJUSTMENTS, MA),
    _from_to("merchant_debit", "a charge or a correction against the merchant", MA, ADJUSTMENTS),
    _from_to(
        "merchant_payout",
        "what was paid to the merchant elsewhere; never below zero",
        MA,
        BANK_CASH,
        floor=MA,
    ),
    _from_to(
        "merchant_debt_write_off", "what a merchant owes and will not pay", WRITE_OFF, MA, takes_back=MA
    ),
    _from_to("suspense_to_merchant", "money in suspense was the merchant's", SUSPENSE, MA),
    _from_to("suspense_from_merchant", "what left suspense short is the merchant's to bear", MA, SUSPENSE),
    _from_to("suspense_surplus_write_off", "money in suspense whose owner is not found", SUSPENSE, WRITE_OFF),
    _from_to("suspense_shortfall_write_off", "what left suspense short is ours to bear", WRITE_OFF, SUSPENSE),
    _from_to("suspense_to_processor_fees", "a shortfall in suspense was a processor's fee", PF, SUSPENSE),
    _from_to("suspense_from_processor_fees", "money in suspense was a fee given back", SUSPENSE, PF),
    _from_to("receivable_write_off", "what a processor owes and will not pay", WRITE_OFF, R),
    _from_to("receivable_surplus_write_off", "what a processor paid beyond its debt", R, WRITE_OFF),
    _from_to(
        "rounding_gain_cleared",
        "rounding gains of a period, taken out",
        ROUNDING,
        ADJUSTMENTS,
        takes_back=ROUNDING,
    ),
    _from_to(
        "rounding_loss_cleared",
        "rounding losses of a period, taken out",
        ADJUSTMENTS,
        ROUNDING,
        takes_back=ROUNDING,
    ),
)
TEMPLATES: Final[Mapping[str, Template]] = {template.name: template for template in _TABLE}


def check_table(templates: Iterable[Template]) -> None:
    """Raise for a template that would book what does not balance: nothing starts that serves it."""
    for template in templates:
        if not balances(template.legs):
            raise InvariantViolation("template_unbalanced", template.name)


check_table(TEMPLATES.values())
