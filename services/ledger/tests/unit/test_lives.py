"""Whole lives, account by account: what stands on every account after every step, from a table for people to read.

Small numbers instead of minor units, each on its account's normal side; a blank is zero, and so is every account that
a table has no column for. At the end nothing is open under any clearing key.
"""

from __future__ import annotations

from collections import Counter

import pytest

from services.ledger.domain.chart import CHART, FAMILIES, Side
from services.ledger.domain.worked_settlements import exchanged, line
from services.ledger.tests.memory_books import MemoryBooks

PAYMENT = {
    "payment_id": "pay",
    "merchant_id": "mer",
    "currency": "EUR",
    "processor": "alpha",
    "account": "acct",
    "bank_account": "main",
}
BY_SYMBOL = {family.symbol: family.name for family in CHART}


def capture(amount, fee, nth=1):
    return "PaymentCaptured", {"object_id": f"cap {nth}", "amount_minor": amount, "fee_minor": fee}


def available(amount, fee):
    return "CaptureSettled", {"object_id": "cap 1", "amount_minor": amount, "fee_minor": fee}


def settles(number, category, gross, fee=0, of="cap 1", payout="po 1"):
    return line(f"line {number}", category, gross, fee, object_id=of, payout_id=payout)


def refund(step, amount, fee_returned=0):
    told = {"refund_id": "re", "object_id": "ref", "amount_minor": amount, "fee_returned_minor": fee_returned}
    return f"Refund{step}", told


def dispute(step, amount, **more):
    told = {"object_id": "dsp", "dispute_id": "dp", "charged_to": "merchant", "amount_minor": amount}
    return f"Dispute{step}", told | more


def stray(step, amount, object_id="cap 9"):
    told = {"stray_id": "stray", "operation_id": "op 9", "object_id": object_id, "kind": "money"}
    return f"Stray{step}", told | {"amount_minor": amount}


def doubt(step, amount):
    return f"Operation{step}", {"operation_id": "op 1", "direction": "in", "amount_minor": amount}


def bank(amount, number=1, payout="po 1", event_type="BankCreditAllocated"):
    told = {"source": "bank", "line_id": f"bank {number}", "payout_id": payout, "amount_minor": amount}
    return event_type, told


LIVES = {
    "the design's example": (
        """
        |                              | R   | MP | MA  | RF | D  | MH | BC  | PF | bank_cash | fee_revenue |
        | capture 100, fee 3           | 100 | 97 |     |    |    |    |     |    |           | 3           |
        | line +100, fee 2             |     | 97 |     |    |    |    | 98  | 2  |           | 3           |
        | available                    |     |    | 97  |    |    |    | 98  | 2  |           | 3           |
        | refund 40 asked for          |     |    | 57  | 40 |    |    | 98  | 2  |           | 3           |
        | refund 40 done               | -40 |    | 57  |    |    |    | 98  | 2  |           | 3           |
        | line -40                     |     |    | 57  |    |    |    | 58  | 2  |           | 3           |
        | dispute 60 withdrawn         | -60 |    | -3  |    | 60 | 60 | 58  | 2  |           | 3           |
        | line -60, fee 15             |     |    | -3  |    | 60 | 60 | -17 | 17 |           | 3           |
        | dispute lost                 |     |    | -3  |    |    |    | -17 | 17 |           | 3           |
        | bank -17                     |     |    | -3  |    |    |    |     | 17 | -17       | 3           |
        """,
        [
            capture(100, 3),
            settles(1, "charge", 100, 2),
            available(100, 3),
            refund("Requested", 40),
            refund("Succeeded", 40),
            settles(2, "refund", -40, of="ref"),
            dispute("Withdrawn", 60, fee_minor=0),
            settles(3, "dispute", -60, 15, of="dsp"),
            dispute("WrittenOff", 60),
            bank(-17),
        ],
    ),
    "a refund of settled money that gives a part of the fee back": (
        """
        |                              | R   | MP | MA | RF | BC  | PF | bank_cash | fee_revenue |
        | capture 100, fee 10          | 100 | 90 |    |    |     |    |           | 10          |
        | line +100, fee 2             |     | 90 |    |    | 98  | 2  |           | 10          |
        | available                    |     |    | 90 |    | 98  | 2  |           | 10          |
        | bank +98                     |     |    | 90 |    |     | 2  | 98        | 10          |
        | refund 50 asked for, 5 back  |     |    | 45 | 50 |     | 2  | 98        | 5           |
        | refund 50 done               | -50 |    | 45 |    |     | 2  | 98        | 5           |
        | line -50 in the next payout  |     |    | 45 |    | -50 | 2  | 98        | 5           |
        | bank -50                     |     |    | 45 |    |     | 2  | 48        | 5           |
        """,
        [
            capture(100, 10),
            settles(1, "charge", 100, 2),
            available(100, 10),
            bank(98),
            refund("Requested", 50, 5),
            refund("Succeeded", 50),
            settles(2, "refund", -50, of="ref", payout="po 2"),
            bank(-50, 2, "po 2"),
        ],
    ),
    "a refund that fails after it was settled": (
        """
        |                              | R   | MP | MA | RF | BC  | bank_cash | fee_revenue |
        | capture 100, fee 3           | 100 | 97 |    |    |     |           | 3           |
        | line +100                    |     | 97 |    |    | 100 |           | 3           |
        | available                    |     |    | 97 |    | 100 |           | 3           |
        | refund 40 asked for          |     |    | 57 | 40 | 100 |           | 3           |
        | refund 40 done               | -40 |    | 57 |    | 100 |           | 3           |
        | line -40                     |     |    | 57 |    | 60  |           | 3           |
        | bank +60                     |     |    | 57 |    |     | 60        | 3           |
        | refund failed                | 40  |    | 97 |    |     | 60        | 3           |
        | line +40 in the next payout  |     |    | 97 |    | 40  | 60        | 3           |
        | bank +40                     |     |    | 97 |    |     | 100       | 3           |
        """,
        [
            capture(100, 3),
            settles(1, "charge", 100),
            available(100, 3),
            refund("Requested", 40),
            refund("Succeeded", 40),
            settles(2, "refund", -40, of="ref"),
            bank(60),
            refund("Failed", 40),
            settles(3, "refund_failure", 40, of="ref", payout="po 2"),
            bank(40, 2, "po 2"),
        ],
    ),
    "a dispute won": (
        """
        |                              | R   | MP | MA | D  | MH | BC  | PF | bank_cash | fee_revenue | dispute_fees |
        | capture 100, fee 3           | 100 | 97 |    |    |    |     |    |           | 3           |              |
        | line +100, fee 2             |     | 97 |    |    |    | 98  | 2  |           | 3           |              |
        | available                    |     |    | 97 |    |    | 98  | 2  |           | 3           |              |
        | bank +98                     |     |    | 97 |    |    |     | 2  | 98        | 3           |              |
        | dispute 60, our fee 15       | -60 |    | 22 | 60 | 60 |     | 2  | 98        | 3           | 15           |
        | line -60, fee 15             |     |    | 22 | 60 | 60 | -75 | 17 | 98        | 3           | 15           |
        | won                          |     |    | 22 | 60 | 60 | -75 | 17 | 98        | 3           | 15           |
        | 60 reinstated                | 60  |    | 82 |    |    | -75 | 17 | 98        | 3           | 15           |
        | line +60                     |     |    | 82 |    |    | -15 | 17 | 98        | 3           | 15           |
        | bank -15                     |     |    | 82 |    |    |     | 17 | 83        | 3           | 15           |
        """,
        [
            capture(100, 3),
            settles(1, "charge", 100, 2),
            available(100, 3),
            bank(98),
            dispute("Withdrawn", 60, fee_minor=15),
            settles(2, "dispute", -60, 15, of="dsp", payout="po 2"),
            dispute("Closed", 60, outcome="won"),
            dispute("Reinstated", 60, held_minor=60),
            settles(3, "dispute", 60, of="dsp", payout="po 2"),
            bank(-15, 2, "po 2"),
        ],
    ),
    "a dispute lost, of which a part comes back": (
        """
        |                              | R   | MP  | MA  | D  | MH | BC  | bank_cash |
        | capture 100                  | 100 | 100 |     |    |    |     |           |
        | line +100                    |     | 100 |     |    |    | 100 |           |
        | available                    |     |     | 100 |    |    | 100 |           |
        | bank +100                    |     |     | 100 |    |    |     | 100       |
        | dispute 60                   | -60 |     | 40  | 60 | 60 |     | 100       |
        | line -60                     |     |     | 40  | 60 | 60 | -60 | 100       |
        | lost                         |     |     | 40  |    |    | -60 | 100       |
        | 20 reinstated after the loss | 20  |     | 60  |    |    | -60 | 100       |
        | line +20                     |     |     | 60  |    |    | -40 | 100       |
        | bank -40                     |     |     | 60  |    |    |     | 60        |
        """,
        [
            capture(100, 0),
            settles(1, "charge", 100),
            available(100, 0),
            bank(100),
            dispute("Withdrawn", 60, fee_minor=0),
            settles(2, "dispute", -60, of="dsp", payout="po 2"),
            dispute("WrittenOff", 60),
            dispute("Reinstated", 20, held_minor=0),
            settles(3, "dispute", 20, of="dsp", payout="po 2"),
            bank(-40, 2, "po 2"),
        ],
    ),
    "a payout that is returned and paid again": (
        """
        |                              | R   | MP | MA | BC | PF | bank_cash | fee_revenue |
        | capture 100, fee 3           | 100 | 97 |    |    |    |           | 3           |
        | line +100, fee 2             |     | 97 |    | 98 | 2  |           | 3           |
        | available                    |     |    | 97 | 98 | 2  |           | 3           |
        | bank +98                     |     |    | 97 |    | 2  | 98        | 3           |
        | returned                     |     |    | 97 | 98 | 2  |           | 3           |
        | bank +98 again               |     |    | 97 |    | 2  | 98        | 3           |
        """,
        [
            capture(100, 3),
            settles(1, "charge", 100, 2),
            available(100, 3),
            bank(98),
            bank(98, 2, event_type="PayoutReturned"),
            bank(98, 3),
        ],
    ),
    "an exchange": (
        """
        |                          | R USD | MP USD | MA USD | fx USD | fx  | BC  | PF | bank_cash | fee_revenue USD |
        | capture 100 USD, fee 3   | 100   | 97     |        |        |     |     |    |           | 3               |
        | line: 90 EUR less fee 2  |       | 97     |        | 100    | -90 | 88  | 2  |           | 3               |
        | available                |       |        | 97     | 100    | -90 | 88  | 2  |           | 3               |
        | bank +88                 |       |        | 97     | 100    | -90 |     | 2  | 88        | 3               |
        """,
        [
            ("PaymentCaptured", capture(100, 3)[1] | {"currency": "USD"}),
            exchanged("line 1", 100, "0.9", 88, 2, object_id="cap 1", payout_id="po 1"),
            ("CaptureSettled", available(100, 3)[1] | {"currency": "USD"}),
            bank(88),
        ],
    ),
    "money astray that is given back": (
        """
        |                              | R    | suspense | RF  | BC  |
        | found: 100                   | 100  | 100      |     |     |
        | line +100                    |      | 100      |     | 100 |
        | return asked for             |      |          | 100 | 100 |
        | returned                     | -100 |          |     | 100 |
        | line -100                    |      |          |     |     |
        """,
        [
            stray("Found", 100),
            settles(1, "charge", 100, of="cap 9"),
            stray("ReturnRequested", 100),
            stray("ReturnSucceeded", 100, "ref 9"),
            settles(2, "refund", -100, of="ref 9"),
        ],
    ),
    "a charge in doubt that turns out to be one": (
        """
        |                              | in_doubt_in | in_doubt_contra | R   | MP | MA | BC  | bank_cash | fee_revenue |
        | 100 in doubt                 | 100         | 100             |     |    |    |     |           |             |
        | decided                      |             |                 |     |    |    |     |           |             |
        | capture 100, fee 3           |             |                 | 100 | 97 |    |     |           | 3           |
        | line +100                    |             |                 |     | 97 |    | 100 |           | 3           |
        | available                    |             |                 |     |    | 97 | 100 |           | 3           |
        | bank +100                    |             |                 |     |    | 97 |     | 100       | 3           |
        """,
        [
            doubt("Uncertain", 100),
            doubt("Resolved", 100),
            capture(100, 3),
            settles(1, "charge", 100),
            available(100, 3),
            bank(100),
        ],
    ),
}  # fmt: skip


def rows_of(table):
    """What each step says of every account: (step, {(family, currency): balance})."""
    lines = [
        [cell.strip() for cell in row.strip().strip("|").split("|")] for row in table.strip().splitlines()
    ]
    (_, *columns), *steps = lines
    accounts = [(BY_SYMBOL[symbol], (*currency, "EUR")[0]) for symbol, *currency in map(str.split, columns)]
    for step, *cells in steps:
        assert len(cells) == len(accounts), step
        yield step, {account: int(cell) for account, cell in zip(accounts, cells, strict=True) if cell}


def balances(books):
    """By family and currency, as the lives have one owner of each kind, without the zeros."""
    total = Counter()
    for (family, _owner, currency), balance in books.accounts().items():
        total[family, currency] += balance
    return {account: balance for account, balance in total.items() if balance}


def open_keys(books):
    """What is left under the clearing keys of transitional accounts."""
    total = Counter()
    for entry in books.entries():
        if FAMILIES[entry.account.family].transitional:
            signed = entry.amount_minor if entry.side is Side.DEBIT else -entry.amount_minor
            total[entry.account.family, entry.clearing_key] += signed
    return {key: net for key, net in total.items() if net}


@pytest.mark.parametrize("life", LIVES)
def test_every_account_is_as_the_table_says_after_every_step_and_nothing_is_left_open(life):
    table, told = LIVES[life]
    books = MemoryBooks()
    for number, ((step, expected), (event_type, fields)) in enumerate(zip(rows_of(table), told, strict=True)):
        books.post(event_type, {**PAYMENT, "fact_key": f"fact {number}", **fields})
        assert balances(books) == expected, step
        assert not any(books.net_minor().values()), step
    assert open_keys(books) == {}
