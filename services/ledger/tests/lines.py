"""What one line of a report says, and what it comes to per family and currency, worked out by hand."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from services.ledger.tests.histories import CURRENCIES

CATEGORIES = ("charge", "refund", "refund_failure", "dispute", "reversal", "reserve", "other")
#: From, to, the rate between major units as a report prints it, and minor units of the second for one of the first.
EXCHANGES = (
    ("USD", "EUR", "0.92437", (92_437, 100_000)),
    ("EUR", "JPY", "162.35", (16_235, 10_000)),
    ("JPY", "KWD", "0.00205", (205, 100)),
    ("KWD", "EUR", "3.0125", (30_125, 100_000)),
)
THIRD, THIRD_FEE = "GBP", 31


class Content(NamedTuple):
    """One revision: its words, and what it is worth. ``about``: the object that it names itself, if any."""

    said: tuple
    fields: dict
    nets: Counter
    payout: str = "po_1"
    about: tuple | None = None


NOTHING = Content(("charge", 0, 0), {}, Counter())


def drawn(chance, amount, fee):
    """Any line: of one currency or exchanged, with its fee in this or another one, adding up or not."""
    category = chance.choice(CATEGORIES)
    gross = chance.choice((amount, -amount))
    if category not in ("reserve", "other") and chance.random() < 0.4:
        words, nets = _exchanged(chance, gross, fee)
    else:
        words, nets = _plain(chance, category, gross, fee)
    payout = chance.choice(("po_1", "po_2"))
    return Content((category, gross, fee), {**words, "payout_id": payout}, nets, payout)


def _plain(chance, category, gross, fee):
    money = chance.choice(CURRENCIES)
    family = {"reserve": "processor_reserve", "other": "suspense"}.get(category, "processor_receivable")
    at_family = {"processor_reserve": -gross, "suspense": gross - fee}.get(family, -gross)
    nets = Counter({("bank_clearing", money): gross - fee, (family, money): at_family})
    nets["processor_fees", money] += 0 if category == "other" else fee
    words = {"currency": money, "fee_currency": money, "net_currency": money}
    if chance.random() < 0.1:
        # It does not add up: what was paid was paid, and the rest is a question.
        words["net_minor"] = gross - fee + 7
        nets["bank_clearing", money] += 7
        nets["suspense", money] += 7
    return words, nets


def _exchanged(chance, gross, fee):
    """What the processor makes of it is one minor unit off."""
    given, got, rate, (times, per) = chance.choice(EXCHANGES)
    fee_in = chance.choice((got, given, THIRD)) if fee else got
    exchanged = gross - fee if fee_in == given else gross
    converted = (abs(exchanged) * times * 2 + per) // (per * 2) * (1 if exchanged >= 0 else -1)
    rated = chance.random() < 0.9
    converted = converted if rated else 0
    kept = {got: fee, given: 0, THIRD: THIRD_FEE}[fee_in]
    net = converted + 1 - kept
    nets = Counter()
    for family, currency, minor in (
        ("processor_receivable", given, -gross),
        ("fx", given, exchanged),
        ("fx", got, -converted),
        ("bank_clearing", got, net),
        ("processor_fees", fee_in, fee),
        # Without a rate nothing explains what was paid.
        ("rounding" if rated else "suspense", got, 1),
    ):
        nets[family, currency] += minor
    if fee_in == THIRD:
        nets["fx", THIRD] -= fee
        nets["fx", got] += kept
    words = {"currency": given, "net_currency": got, "fee_currency": fee_in, "net_minor": net}
    words["exchange_rate"] = rate if rated else None
    words["fee_in_net_currency_minor"] = kept if fee_in == THIRD else None
    return words, nets
