"""Every row of the posting table by example: what is booked, what is not, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.ledger.domain.chart import FAMILIES, AccountRef, Side
from services.ledger.domain.journal import Entry, check_entries
from services.ledger.domain.posting_rules import (
    PAYMENT_RULES,
)
from services.ledger.domain.rules import Posting
from services.ledger.tests.memory_books import MemoryBooks
from shared.kernel.errors import InvariantViolation, Poison

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PAYMENT = {"payment_id": "pay_1", "merchant_id": "mer_1", "currency": "EUR"}
AT_ALPHA = {
    "processor": "alpha",
    "account": "acct",
    "object_id": "cap_1",
    "fact_key": "alpha:acct:cap_1:succeeded:1",
}
DISPUTE = AT_ALPHA | {"dispute_id": "dp_1", "object_id": "dsp_1", "charged_to": "merchant"}
REVERSAL = AT_ALPHA | {"reversal_id": "rvs_1", "object_id": "rvl_1", "charged_to": "merchant"}
OF_STRAY = {"charged_to": "suspense", "stray_id": "str_1"}


class Books(MemoryBooks):
    """The books of one payment: events say only what differs."""

    def post(self, event_type, **fields):
        return super().post(event_type, {**PAYMENT, **fields})


@pytest.fixture
def books():
    return Books()


def legs(journal):
    return sorted((e.side.value, FAMILIES[e.account.family].symbol, e.amount_minor) for e in journal.entries)


POSTINGS = {
    "capture": (
        "PaymentCaptured",
        AT_ALPHA | {"amount_minor": 10_000, "fee_minor": 300},
        [("credit", "MP", 9_700), ("credit", "fee_revenue", 300), ("debit", "R", 10_000)],
    ),
    "capture_settled": (
        "CaptureSettled",
        AT_ALPHA | {"amount_minor": 10_000, "fee_minor": 300},
        [("credit", "MA", 9_700), ("debit", "MP", 9_700)],
    ),
    "refund_requested": (
        "RefundRequested",
        {"refund_id": "re_1", "operation_id": "op_1", "amount_minor": 4_000, "fee_returned_minor": 120},
        [
            ("credit", "MA", 120),
            ("credit", "RF", 4_000),
            ("debit", "MA", 4_000),
            ("debit", "fee_revenue", 120),
        ],
    ),
    "refund_succeeded": (
        "RefundSucceeded",
        AT_ALPHA | {"refund_id": "re_1", "amount_minor": 4_000},
        [("credit", "R", 4_000), ("debit", "RF", 4_000)],
    ),
    "refund_adopted": (
        "RefundAdopted",
        AT_ALPHA | {"refund_id": "re_1", "amount_minor": 4_000},
        [("credit", "R", 4_000), ("debit", "MA", 4_000)],
    ),
    "capture_in_doubt": (
        "OperationUncertain",
        AT_ALPHA | {"operation_id": "op_1", "direction": "in", "amount_minor": 700},
        [("credit", "in_doubt_contra", 700), ("debit", "in_doubt_in", 700)],
    ),
    "refund_in_doubt": (
        "OperationUncertain",
        AT_ALPHA | {"operation_id": "op_1", "direction": "out", "amount_minor": 700},
        [("credit", "in_doubt_out", 700), ("debit", "in_doubt_contra", 700)],
    ),
    "stray_found": (
        "StrayFound",
        AT_ALPHA | {"stray_id": "str_1", "kind": "money", "amount_minor": 900},
        [("credit", "suspense", 900), ("debit", "R", 900)],
    ),
    "refund_stray_found": (
        "RefundStrayFound",
        AT_ALPHA | {"stray_id": "str_1", "amount_minor": 900},
        [("credit", "R", 900), ("debit", "suspense", 900)],
    ),
    "stray_return_requested": (
        "StrayReturnRequested",
        {"stray_id": "str_1", "operation_id": "op_9", "amount_minor": 900},
        [("credit", "RF", 900), ("debit", "suspense", 900)],
    ),
    "stray_return_succeeded": (
        "StrayReturnSucceeded",
        AT_ALPHA | {"stray_id": "str_1", "operation_id": "op_9", "amount_minor": 900},
        [("credit", "R", 900), ("debit", "RF", 900)],
    ),
    "dispute_withdrawn": (
        "DisputeWithdrawn",
        DISPUTE | {"amount_minor": 6_000, "fee_minor": 1_500},
        [
            ("credit", "MH", 6_000),
            ("credit", "R", 6_000),
            ("credit", "dispute_fees", 1_500),
            ("debit", "D", 6_000),
            ("debit", "MA", 1_500),
            ("debit", "MA", 6_000),
        ],
    ),
    "stray_disputed": (
        "DisputeWithdrawn",
        DISPUTE | OF_STRAY | {"amount_minor": 900, "fee_minor": 0},
        [("credit", "R", 900), ("debit", "suspense", 900)],
    ),
    "dispute_reinstated": (
        "DisputeReinstated",
        DISPUTE | {"amount_minor": 6_000, "held_minor": 2_000},
        [("credit", "D", 2_000), ("credit", "MA", 6_000), ("debit", "MH", 2_000), ("debit", "R", 6_000)],
    ),
    "stray_reinstated": (
        "DisputeReinstated",
        DISPUTE | OF_STRAY | {"amount_minor": 900, "held_minor": 0},
        [("credit", "suspense", 900), ("debit", "R", 900)],
    ),
    "dispute_written_off": (
        "DisputeWrittenOff",
        DISPUTE | {"amount_minor": 6_000},
        [("credit", "D", 6_000), ("debit", "MH", 6_000)],
    ),
    "dispute_write_off_reversed": (
        "DisputeWriteOffReversed",
        DISPUTE | {"amount_minor": 6_000},
        [("credit", "MH", 6_000), ("debit", "D", 6_000)],
    ),
    "reversal_received": (
        "ReversalReceived",
        REVERSAL | {"amount_minor": 6_000},
        [("credit", "R", 6_000), ("debit", "MA", 6_000)],
    ),
    "stray_reversed": (
        "ReversalReceived",
        REVERSAL | OF_STRAY | {"amount_minor": 900},
        [("credit", "R", 900), ("debit", "suspense", 900)],
    ),
    "reversal_given_back": (
        "ReversalGivenBack",
        REVERSAL | {"amount_minor": 6_000},
        [("credit", "MA", 6_000), ("debit", "R", 6_000)],
    ),
    "stray_reversal_given_back": (
        "ReversalGivenBack",
        REVERSAL | OF_STRAY | {"amount_minor": 900},
        [("credit", "suspense", 900), ("debit", "R", 900)],
    ),
}


#: What has to stand before an example: nothing is completed that was not asked for, nor given up that is not held.
BEFORE = {
    "capture_settled": ["capture"],
    "refund_succeeded": ["refund_requested"],
    "stray_return_succeeded": ["stray_return_requested"],
    "dispute_written_off": ["dispute_withdrawn"],
    "dispute_write_off_reversed": ["dispute_withdrawn", "dispute_written_off"],
}


def tell(books, *rules):
    """The examples of these rules, each a fact of its own."""
    for rule in rules:
        event_type, fields, _ = POSTINGS[rule]
        books.post(event_type, **fields | {"fact_key": f"alpha:acct:{rule}"})


def test_every_posting_rule_has_its_example():
    assert {row.rule for row in PAYMENT_RULES if isinstance(row, Posting)} == set(POSTINGS)


@pytest.mark.parametrize("rule", POSTINGS)
def test_each_rule_books_the_entries_of_its_example(books, rule):
    event_type, fields, expected = POSTINGS[rule]
    tell(books, *BEFORE.get(rule, []))
    (journal,) = books.post(event_type, **fields)
    assert (journal.rule, legs(journal)) == (rule, expected)
    assert (journal.payment_id, journal.merchant_id) == ("pay_1", "mer_1")


def test_charge_and_return_journals_say_from_whom_to_whom(books):
    (charge,) = books.post("PaymentCaptured", **POSTINGS["capture"][1])
    (returned,) = books.post("RefundRequested", **POSTINGS["refund_requested"][1])
    assert (charge.from_party, charge.to_party) == ("customer", "merchant")
    assert (returned.from_party, returned.to_party) == ("merchant", "customer")


def test_a_fee_of_zero_writes_no_entry(books):
    (journal,) = books.post("PaymentCaptured", **AT_ALPHA, amount_minor=500, fee_minor=0)
    assert legs(journal) == [("credit", "MP", 500), ("debit", "R", 500)]


def test_a_fee_above_the_amount_is_owed_by_the_merchant(books):
    (journal,) = books.post("PaymentCaptured", **AT_ALPHA, amount_minor=20, fee_minor=30)
    assert legs(journal) == [("credit", "fee_revenue", 30), ("debit", "MP", 10), ("debit", "R", 20)]


def test_doubt_about_no_money_books_nothing(books):
    fields = AT_ALPHA | {"operation_id": "op_1", "direction": "in", "amount_minor": 0}
    assert books.post("OperationUncertain", **fields) == ()


@pytest.mark.parametrize("was_succeeded", [False, True])
def test_a_failed_refund_leaves_every_balance_as_it_was(books, was_succeeded):
    books.post("PaymentCaptured", **POSTINGS["capture"][1])
    before = books.balances()
    books.post("RefundRequested", **POSTINGS["refund_requested"][1])
    if was_succeeded:
        books.post("RefundSucceeded", **POSTINGS["refund_succeeded"][1])
    posted = books.post("RefundFailed", refund_id="re_1", amount_minor=4_000)
    assert books.balances() == before
    assert [j.reverses_journal_id for j in posted] == [
        j.journal_id for j in books.journals[1 : 2 + was_succeeded]
    ][::-1]


def test_an_adopted_refund_that_fails_later_is_reversed(books):
    books.post("RefundAdopted", **POSTINGS["refund_adopted"][1])
    books.post("RefundFailed", refund_id="re_1", amount_minor=4_000)
    assert books.balances() == {}


def test_a_second_failure_of_one_refund_books_nothing(books):
    books.post("RefundRequested", **POSTINGS["refund_requested"][1])
    books.post("RefundFailed", refund_id="re_1", amount_minor=4_000)
    assert books.post("RefundFailed", refund_id="re_1", amount_minor=4_000) == ()


def test_a_failure_of_an_unknown_refund_is_poison(books):
    with pytest.raises(Poison, match="finds no journal to reverse"):
        books.post("RefundFailed", refund_id="re_unknown", amount_minor=4_000)


@pytest.mark.parametrize("direction", ["in", "out"])
def test_doubt_is_booked_once_and_resolved_by_its_exact_reversal(books, direction):
    fields = AT_ALPHA | {"operation_id": "op_1", "direction": direction, "amount_minor": 700}
    books.post("OperationUncertain", **fields)
    books.post("OperationUncertain", **fields)
    assert len(books.journals) == 1
    books.post(
        "OperationResolved", operation_id="op_1", direction=direction, outcome="SUCCEEDED", amount_minor=700
    )
    assert books.balances() == {}
    again = books.post(
        "OperationResolved", operation_id="op_1", direction=direction, outcome="SUCCEEDED", amount_minor=700
    )
    assert again == ()


def test_resolving_an_operation_that_moved_no_money_books_nothing(books):
    assert (
        books.post(
            "OperationResolved", operation_id="op_1", direction="none", outcome="DECLINED", amount_minor=0
        )
        == ()
    )


def test_a_returned_stray_leaves_nothing_behind(books):
    books.post("StrayFound", **POSTINGS["stray_found"][1])
    books.post("StrayReturnRequested", **POSTINGS["stray_return_requested"][1])
    books.post("StrayReturnSucceeded", **POSTINGS["stray_return_succeeded"][1])
    assert books.balances() == {}


def test_a_failed_return_leaves_the_stray_in_suspense(books):
    books.post("StrayFound", **POSTINGS["stray_found"][1])
    books.post("StrayReturnRequested", **POSTINGS["stray_return_requested"][1])
    books.post("StrayReturnFailed", stray_id="str_1", operation_id="op_9", amount_minor=900)
    assert books.balances() == {"processor_receivable": 900, "suspense": 900}


def test_a_refund_found_astray_ends_in_nothing_or_as_an_adopted_refund(books):
    books.post("RefundStrayFound", **POSTINGS["refund_stray_found"][1])
    books.post("RefundStrayFailed", stray_id="str_1", amount_minor=900)
    assert books.balances() == {}
    books.post(
        "RefundStrayFound", **POSTINGS["refund_stray_found"][1] | {"stray_id": "str_2", "fact_key": "f_2"}
    )
    books.post("StrayAccepted", stray_id="str_2", amount_minor=900)
    books.post("RefundAdopted", **AT_ALPHA, refund_id="re_2", amount_minor=900)
    assert books.balances() == {"processor_receivable": -900, "merchant_available": -900}


def test_an_accepted_stray_is_reversed_and_becomes_a_capture(books):
    books.post("StrayFound", **POSTINGS["stray_found"][1])
    books.post("StrayAccepted", stray_id="str_1", amount_minor=900)
    assert books.balances() == {}
    books.post("PaymentCaptured", **AT_ALPHA, amount_minor=900, fee_minor=0)
    assert books.balances() == {"processor_receivable": 900, "merchant_pending": 900}


def test_the_worked_example_up_to_the_settlement_files(books):
    """Capture 100 with a fee of 3, then refund 40: the parts of the design's example that payments alone book."""
    books.post("PaymentCaptured", **AT_ALPHA, amount_minor=10_000, fee_minor=300)
    books.post(
        "RefundRequested", refund_id="re_1", operation_id="op_1", amount_minor=4_000, fee_returned_minor=0
    )
    assert books.balances()["refunds_in_flight"] == 4_000
    refund = AT_ALPHA | {"object_id": "ref_1", "fact_key": "alpha:acct:ref_1:succeeded:1"}
    books.post("RefundSucceeded", **refund, refund_id="re_1", amount_minor=4_000)
    assert books.balances() == {
        "processor_receivable": 6_000,
        "merchant_pending": 9_700,
        "merchant_available": -4_000,
        "fee_revenue": 300,
    }


EUR = AccountRef("merchant_pending", "mer_1", "EUR")
USD = AccountRef("merchant_pending", "mer_1", "USD")


@pytest.mark.parametrize(
    ("entries", "invariant"),
    [
        ((Entry(EUR, Side.DEBIT, 5),), "journal_balanced"),
        ((Entry(EUR, Side.DEBIT, 5), Entry(EUR, Side.CREDIT, 4)), "journal_balanced"),
        ((Entry(EUR, Side.DEBIT, 5), Entry(USD, Side.CREDIT, 5)), "journal_balanced"),
        ((Entry(EUR, Side.DEBIT, 0), Entry(EUR, Side.CREDIT, 0)), "entry_positive"),
        ((Entry(EUR, Side.DEBIT, -5), Entry(EUR, Side.CREDIT, -5)), "entry_positive"),
        ((Entry(EUR, Side.DEBIT, 5, "key"), Entry(EUR, Side.CREDIT, 5)), "clearing_key"),
    ],
)
def test_entries_that_do_not_make_a_journal_are_refused(entries, invariant):
    with pytest.raises(InvariantViolation) as refused:
        check_entries(entries)
    assert refused.value.name == invariant
