"""The words that posting rules are written in: amounts, legs, and the kinds of rows a table of rules has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.ledger.domain.chart import Family, Side

STATED: Final = (("amount_minor", "currency"),)


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum of event fields, some of them taken away."""

    plus: tuple[str, ...]
    minus: tuple[str, ...] = ()

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.plus + other.minus, self.minus + other.plus)

    def __str__(self) -> str:
        names = [name.removesuffix("_minor") for name in self.plus]
        return " + ".join(names) + "".join(f" - {name.removesuffix('_minor')}" for name in self.minus)


@dataclass(frozen=True, slots=True)
class Leg:
    """One entry of a rule. ``key`` lists the fields whose values, joined by colons, are the clearing key.

    ``currency`` names the field that holds the currency of the entry, and of its account.
    """

    side: Side
    family: Family
    amount: Amount
    key: tuple[str, ...] = ()
    currency: str = "currency"


@dataclass(frozen=True, slots=True)
class When:
    """The row holds only for events whose field has this value."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Within:
    """The leg on this family takes no more off its clearing key than these rules put there for its payment.

    None: all rules. More would leave a residue under the key that nothing ever clears.
    """

    family: Family
    rules: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """A journal of this rule stands booked of the same payment, under the clearing key that these fields make.

    The leg on ``family`` takes exactly what that journal put there, and once: other money, or the same again, would
    stay there for ever.
    """

    rule: str
    key: tuple[str, ...]
    family: Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """The event writes one journal. ``fact_key`` and ``subject`` name the fields that hold them.

    ``stated`` is what the journal says its amount is: the first of these (amount, currency) that is not zero.
    Less than ``least_minor`` is poison; None: of either sign, as somebody else's statement says it.
    So is a ``part``, the first field, that is more than its whole, the second. ``completes`` names a rule and the field
    with the fact key that it was booked under: that stands booked, with the same money, or this is poison. So is what
    is not ``within`` what stands, and what has no ``ground``.
    """

    on: str
    rule: str
    fact_key: str
    subject: str
    legs: tuple[Leg, ...]
    parties: tuple[str, str] | None = None
    when: When | None = None
    stated: tuple[tuple[str, str], ...] = STATED
    least_minor: int | None = 1
    part: tuple[str, str] | None = None
    completes: tuple[str, str] | None = None
    within: Within | None = None
    ground: Ground | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """The event reverses, exactly and once, every journal of these rules that stands for the same subject.

    ``must_exist``: an event that finds no journal at all to reverse is poison, unless ``amount`` is zero, for which
    none was written. ``from_the_start``: what is reversed was never so, and the reversal takes effect when it did; else
    when the event came, though never before what it reverses.
    """

    on: str
    reverses: tuple[str, ...]
    subject: str
    must_exist: bool
    when: When | None = None
    amount: Amount | None = None
    from_the_start: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """The event takes the place of an earlier one of the same thing: its journal is reversed, then this one is posted.

    The reversal takes effect when its original did: so by effect exactly one of the two stands at any time, whether
    the new one is of an earlier or of a later day.

    ``amended`` names the field with the fact key of the revision that stands (None: it moved nothing), ``former`` the
    one with the fact keys of all earlier revisions, and ``as_if`` the event type whose rows say what is posted. It is a
    reading of where the thing counts, too, as a `Rekeying`: ``key``, ``becomes`` and ``rank``.
    """

    on: str
    rule: str
    amended: str
    former: str
    as_if: str
    key: str
    becomes: str
    rank: tuple[str, str]
    when: When | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeying:
    """The event moves no money: what stands under clearing key ``key`` counts under key ``becomes``.

    Of several readings the one with the highest ``rank`` holds, whenever it was told.
    """

    on: str
    key: str
    becomes: str
    rank: tuple[str, str]
    why: str
    when: When | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPosting:
    """The event moves no money, and this is why."""

    on: str
    why: str
    when: When | None = None


Row = Posting | Reversal | Amendment | Rekeying | NoPosting


def debit(family: Family, amount: Amount, *key: str, currency: str = "currency") -> Leg:
    return Leg(Side.DEBIT, family, amount, key, currency)


def credit(family: Family, amount: Amount, *key: str, currency: str = "currency") -> Leg:
    return Leg(Side.CREDIT, family, amount, key, currency)


def balances(legs: Iterable[Leg]) -> bool:
    """Whether debits equal credits in every currency whatever the amounts are."""
    net: Counter[tuple[str, str]] = Counter()
    for leg in legs:
        sign = 1 if leg.side is Side.DEBIT else -1
        net.update({(leg.currency, name): sign for name in leg.amount.plus})
        net.subtract({(leg.currency, name): sign for name in leg.amount.minus})
    return not any(net.values())
