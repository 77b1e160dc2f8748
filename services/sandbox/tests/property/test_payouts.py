"""Any book under any terms: lines come to payouts, payouts come to the bank's entries, nothing is lost or doubled."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.sandbox.domain.balance_transactions import KINDS, BookedMoney, Kind, balance_transaction
from services.sandbox.domain.bank import Fate, Lots
from services.sandbox.domain.payouts import Available, Occasion, pay_out
from services.sandbox.domain.terms import TERMS

START = datetime(2026, 3, 27, 12, tzinfo=UTC)
ROWS = st.tuples(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["EUR", "USD", "JPY", "KWD"]),
    st.integers(1, 1_000_000),
    st.integers(0, 12),
)
TERMS_OF = st.builds(
    lambda processor, settles, reserve: replace(
        TERMS[processor], settles_in=settles, reserve_basis_points=reserve
    ),
    st.sampled_from(["alpha", "beta"]),
    st.sampled_from([{}, {"USD": "EUR"}, {"USD": "EUR", "JPY": "KWD"}]),
    st.sampled_from([0, 500, 10_000]),
)
OUT = {"capture_failed", "refunded", "withdrawn", "reversed"}


def booked(number, kind, currency, amount_minor, days):
    return BookedMoney(
        position=number, kind=kind, account="a", currency=currency,
        amount_minor=-amount_minor if kind in OUT else amount_minor,
        fee_minor=1_500 if kind == "withdrawn" else 0,
        booked_at=START + timedelta(days=days), row_id=None, object_id=f"o{number}", charge_id=f"c{number}",
        authorization_id=f"a{number}", payment_id=None, reference=None,
    )  # fmt: skip


@given(st.lists(ROWS, max_size=30), TERMS_OF, st.integers(0, 100), st.text("ab", min_size=1, max_size=4))
def test_every_movement_is_paid_out_once_and_reaches_the_bank(found, terms, rate, seed):
    unpaid = [balance_transaction("alpha", booked(i, *row), terms) for i, row in enumerate(found)]
    for item in unpaid:
        if item.exchange_rate is None:
            assert item.net_minor == item.gross_minor - item.fee_minor
    everything = list(unpaid)
    payouts, entries, waiting, lines = [], [], [], defaultdict(int)
    for day in range(80):
        today = START.date() + timedelta(days=day)
        ready = [item for item in unpaid if item.available_on <= today]
        sums, charges = defaultdict(int), defaultdict(int)
        for item in ready:
            sums[item.net_currency] += item.net_minor
            charges[item.net_currency] += item.net_minor if item.kind is Kind.CHARGE else 0
        occasion = Occasion(
            made_on=today, made_at=START + timedelta(days=day), next_batch_number=len(payouts) + 1,
            lots=Lots(seed, rate), fate=Fate.ARRIVES if day > 60 else None,
        )  # fmt: skip
        available = [
            Available(
                account="a", currency=currency, net_minor=sums[currency], charges_minor=charges[currency]
            )
            for currency in sums
        ]
        closing = pay_out("alpha", available, waiting, terms, occasion)
        paid = {payout.currency: payout for payout in closing.payouts}
        for item in ready:
            if item.net_currency in paid:
                lines[paid[item.net_currency].id] += item.net_minor
                unpaid.remove(item)
        for reserve in closing.reserves:
            lines[reserve.payout_id] += reserve.held.net_minor
            unpaid.append(reserve.released)
            everything += [reserve.held, reserve.released]
        payouts += closing.payouts
        entries += closing.entries
        told = {part.payout_id for entry in entries for part in entry.parts}
        waiting = [payout.transfer for payout in payouts if payout.id not in told]
    assert len({payout.id for payout in payouts}) == len(payouts) == len({payout.trace for payout in payouts})
    assert len({entry.id for entry in entries}) == len(entries)
    arrived = defaultdict(int)
    for entry in entries:
        assert entry.amount_minor == sum(part.amount_minor for part in entry.parts) != 0
        assert len(entry.reference) <= 16
        for part in entry.parts:
            arrived[part.payout_id] += part.amount_minor
    for payout in payouts:
        assert payout.amount_minor == lines[payout.id] != 0
        if payout.id in arrived:
            assert arrived[payout.id] == payout.amount_minor
        else:
            assert payout.fate is Fate.COMBINED
    assert sum(item.net_minor for item in everything) == sum(item.net_minor for item in unpaid) + sum(
        payout.amount_minor for payout in payouts
    )
    assert all(date(2026, 1, 1) < entry.booked_on == entry.value_on for entry in entries)
