"""Lines by their kind, exchanges by their rate, and the rules that book them."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import asdict

from services.ledger.domain.chart import Side
from services.ledger.domain.rules import NoPosting, Rekeying
from services.ledger.domain.settlement_lines import LineKind, completed
from services.ledger.domain.settlement_rules import SETTLEMENT_RULES
from services.ledger.domain.worked_examples import balances, booked
from services.ledger.domain.worked_settlements import SETTLEMENT_EXAMPLES
from services.ledger.tests import report
from services.ledger.tests.memory_books import MemoryBooks
from shared.kernel.errors import Poison

SYMBOLS = {
    "processor_receivable": "R", "bank_clearing": "BC", "processor_fees": "PF", "suspense": "SUSPENSE", "fx": "FX",
    "processor_reserve": "RESERVE",
}  # fmt: skip


def complete(**fields):
    return completed("SettlementLineAccepted", asdict(report.accepted("1", **fields)))


def exchanged(gross_minor, rate, net_minor, fee_minor=0, *, currency="USD", net_currency="EUR", **fields):
    return complete(
        category="charge", gross_minor=gross_minor, fee_minor=fee_minor, currency=currency,
        **{"net_currency": net_currency, "fee_currency": net_currency, "net_minor": net_minor} | fields,
        exchange_rate=rate,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gross_minor", "rate", "net_minor", "converted", "rounding", "unexplained"),
    [
        pytest.param(10_000, "0.92435", 9_244, 9_244, 0, 0, id="half a cent is rounded up"),
        pytest.param(10_000, "0.92434", 9_243, 9_243, 0, 0, id="less is rounded down"),
        pytest.param(-10_000, "0.92435", -9_244, -9_244, 0, 0, id="a negative half away from zero"),
        pytest.param(10_000, "0.92435", 9_243, 9_244, -1, 0, id="the processor rounded down"),
        pytest.param(
            10_000_000, "0.924", 9_244_900, 9_240_000, 4_900, 0, id="what three decimals leave open"
        ),
        pytest.param(10_000_000, "0.924", 9_246_000, 9_240_000, 0, 6_000, id="more than they leave open"),
        pytest.param(10_000_000, "0.9", 9_010_000, 9_000_000, 0, 10_000, id="a part in a thousand at most"),
        pytest.param(10_000, "0.92435", 9_000, 9_244, 0, -244, id="money is missing"),
        pytest.param(3, "1", 4, 3, 1, 0, id="one minor unit is always the processor's rounding"),
        pytest.param(3, None, 1, 0, 0, 1, id="without a rate nothing is rounded, and all is a question"),
        pytest.param(
            100_000_000, "202612021530", 92_000, 0, 0, 92_000, id="a column that is no rate makes no amount"
        ),
    ],
)
def test_what_the_rate_does_not_explain_is_rounding_or_a_question(
    gross_minor, rate, net_minor, converted, rounding, unexplained
):
    line = exchanged(gross_minor, rate, net_minor)
    assert line["line_kind"] == LineKind.EXCHANGE.value
    found = (line["converted_minor"], line["rounding_minor"], line["unexplained_minor"])
    assert found == (converted, rounding, unexplained)


def test_rates_are_between_major_units():
    """100.00 EUR at 157.35 are 15,735 JPY, which have no cents; and back into three decimals of a KWD."""
    assert (
        exchanged(10_000, "157.35", 15_735, currency="EUR", net_currency="JPY")["converted_minor"] == 15_735
    )
    assert (
        exchanged(15_735, "0.00196", 30_841, currency="JPY", net_currency="KWD")["converted_minor"] == 30_841
    )


def test_a_fee_is_taken_in_its_own_currency():
    in_gross = exchanged(10_000, "0.92437", 8_966, 300, fee_currency="USD")
    assert in_gross["line_kind"] == LineKind.EXCHANGE_FEE_IN_GROSS.value
    assert (in_gross["converted_minor"], in_gross["rounding_minor"]) == (8_966, 0)
    third = exchanged(10_000, "0.92437", 9_044, 170, fee_currency="GBP", fee_in_net_currency_minor=200)
    assert third["line_kind"] == LineKind.EXCHANGE_FEE_IN_THIRD.value
    assert (third["converted_minor"], third["unexplained_minor"]) == (9_244, 0)


@pytest.mark.parametrize(
    ("category", "fields", "books"),
    [
        (
            "charge",
            {"net_minor": 9_801},
            {("R", "EUR"): -10_000, ("BC", "EUR"): 9_801, ("PF", "EUR"): 200, ("SUSPENSE", "EUR"): -1},
        ),
        (
            "reserve",
            {"net_minor": 9_000},
            {("RESERVE", "EUR"): -10_000, ("BC", "EUR"): 9_000, ("PF", "EUR"): 200, ("SUSPENSE", "EUR"): 800},
        ),
        (
            "charge",
            {"net_currency": "USD", "fee_currency": "USD", "net_minor": 10_800},
            {
                ("R", "EUR"): -10_000, ("FX", "EUR"): 10_000, ("BC", "USD"): 10_800, ("PF", "USD"): 200,
                ("SUSPENSE", "USD"): -11_000,
            },
        ),
        (
            "charge",
            {"net_currency": "XXQ", "fee_currency": "XXQ", "net_minor": 5, "exchange_rate": "1"},
            {
                ("R", "EUR"): -10_000, ("FX", "EUR"): 10_000, ("BC", "XXQ"): 5, ("PF", "XXQ"): 200,
                ("SUSPENSE", "XXQ"): -205,
            },
        ),
        (
            "charge",
            {"fee_currency": "GBP", "net_minor": 9_770},
            {
                ("R", "EUR"): -10_000, ("BC", "EUR"): 9_770, ("PF", "GBP"): 200, ("FX", "GBP"): -200,
                ("SUSPENSE", "EUR"): 230,
            },
        ),
    ],
    ids=["net is not gross less fee", "nor of a reserve", "no rate", "a currency nobody knows", "no fee in net currency"],
)  # fmt: skip
def test_a_line_that_does_not_add_up_is_booked_as_it_says_and_the_rest_is_a_question(category, fields, books):
    """It is in a closed payout, whatever it says: its net is the bank's, its gross clears the claim."""
    line = report.accepted("1", category, 10_000, 200, **fields)
    (journal,) = MemoryBooks().post("SettlementLineAccepted", asdict(line))
    net = Counter()
    for entry in journal.entries:
        signed = entry.amount_minor if entry.side is Side.DEBIT else -entry.amount_minor
        net[SYMBOLS.get(entry.account.family, entry.account.family), entry.account.currency] += signed
        if entry.account.family == "suspense":
            assert entry.clearing_key == report.line_key("1")
    assert {key: minor for key, minor in net.items() if minor} == books


def test_a_second_revision_is_no_first_reading():
    with pytest.raises(Poison, match="that is an amendment"):
        complete(category="charge", gross_minor=10_000, revision=2)


@pytest.mark.parametrize(
    ("category", "fields", "kind"),
    [
        ("refund_failure", {}, LineKind.PLAIN),
        ("charge", {"fee_currency": "GBP"}, LineKind.PLAIN),
        ("reserve", {}, LineKind.RESERVE),
        ("reserve", {"net_currency": "USD"}, LineKind.OTHER),
        ("other", {"net_currency": "USD", "net_minor": 3}, LineKind.OTHER),
    ],
)
def test_a_line_is_booked_by_its_category_and_currencies(category, fields, kind):
    assert complete(category=category, gross_minor=-500, **fields)["line_kind"] == kind.value


def test_an_unmatched_line_stands_under_its_own_key():
    assert complete(category="charge", gross_minor=5)["object_key"] == report.line_key("1")
    assert complete(category="charge", gross_minor=5, object_id="cap_9")["object_key"] == report.object_key(
        "cap_9"
    )


def test_a_line_of_nothing_books_nothing():
    books = MemoryBooks()
    assert books.post("SettlementLineAccepted", asdict(report.accepted("1", "charge", 0))) == ()
    assert books.post("BankCreditAllocated", asdict(report.bank_credit(0))) == ()


def test_a_fee_alone_is_stated_as_what_it_took():
    (journal,) = MemoryBooks().post("SettlementLineAccepted", asdict(report.accepted("1", "charge", 0, 30)))
    assert (journal.amount_minor, journal.currency) == (30, "EUR")


def test_the_worked_examples_of_settlement_end_as_the_design_says():
    ends = [balances(booked(example)) for example in SETTLEMENT_EXAMPLES]
    assert ends[0] == {
        "processor_fees": 1_700,
        "bank_cash": -1_700,
        "merchant_available": -300,
        "fee_revenue": 300,
    }
    assert ends[2] == {}
    assert ends[3] == {"bank_clearing": -2_000, "processor_reserve": 2_000}
    assert ends[6]["rounding"] == -1
    assert ends[9]["suspense"] == -500


def test_every_rule_of_settlement_has_its_worked_example():
    told = [story for example in SETTLEMENT_EXAMPLES for story in example.told]
    assert {row.on for row in SETTLEMENT_RULES if not isinstance(row, NoPosting | Rekeying)} <= {
        name for name, _ in told
    }
    lines = [fields for name, fields in told if name == "SettlementLineAccepted"]
    base = {"currency": "EUR", "processor": "alpha", "account": "acct"}
    kinds = {completed("SettlementLineAccepted", base | dict(fields))["line_kind"] for fields in lines}
    assert kinds == {kind.value for kind in LineKind}
