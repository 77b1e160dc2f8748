"""Disputes and reversals through the posting rules: what stands where after each of their ends."""

from __future__ import annotations

import itertools

import pytest

from services.ledger.tests.memory_books import MemoryBooks

PAYMENT = {
    "payment_id": "pay_1",
    "merchant_id": "mer_1",
    "currency": "EUR",
    "processor": "alpha",
    "account": "acct",
}


class Books(MemoryBooks):
    """The books of one payment of 100 with a fee of 3, and a dispute of it."""

    def __init__(self):
        super().__init__()
        self.rows = itertools.count(1)
        self.tell("PaymentCaptured", 10_000, object_id="cap_1", fee_minor=300)

    def tell(self, event_type, amount_minor, **fields):
        fact_key = f"alpha:acct:row_{next(self.rows)}"
        return self.post(event_type, PAYMENT | {"fact_key": fact_key, "amount_minor": amount_minor} | fields)

    def dispute(self, event_type, amount_minor, **fields):
        return self.tell(
            event_type, amount_minor, dispute_id="dp_1", object_id="dsp_1", charged_to="merchant", **fields
        )

    def reversal(self, event_type, amount_minor):
        return self.tell(
            event_type, amount_minor, reversal_id="rvs_1", object_id="rvl_1", charged_to="merchant"
        )


@pytest.fixture
def books():
    return Books()


CAPTURED = {"processor_receivable": 10_000, "merchant_pending": 9_700, "fee_revenue": 300}


def test_while_a_dispute_is_open_its_money_is_disputed_and_withheld(books):
    books.dispute("DisputeWithdrawn", 6_000, fee_minor=1_500)
    assert books.balances() == CAPTURED | {
        "processor_receivable": 4_000,
        "disputed": 6_000,
        "merchant_held": 6_000,
        "merchant_available": -7_500,
        "dispute_fees": 1_500,
    }


def test_a_dispute_won_leaves_only_its_fee(books):
    books.dispute("DisputeWithdrawn", 6_000, fee_minor=1_500)
    assert books.tell("DisputeClosed", 6_000) == ()
    books.dispute("DisputeReinstated", 6_000, held_minor=6_000)
    assert books.balances() == CAPTURED | {"merchant_available": -1_500, "dispute_fees": 1_500}


LOST = CAPTURED | {"processor_receivable": 4_000, "merchant_available": -6_000}


def test_a_dispute_lost_costs_the_merchant_its_money_and_clears_what_was_held(books):
    books.dispute("DisputeWithdrawn", 6_000, fee_minor=0)
    books.dispute("DisputeWrittenOff", 6_000)
    assert books.balances() == LOST


@pytest.mark.parametrize("first", ["reinstated", "written off"])
def test_a_dispute_lost_in_part_ends_alike_whatever_came_first(books, first):
    books.dispute("DisputeWithdrawn", 6_000, fee_minor=0)
    if first == "reinstated":
        books.dispute("DisputeReinstated", 2_000, held_minor=2_000)
        books.dispute("DisputeWrittenOff", 4_000)
    else:
        books.dispute("DisputeWrittenOff", 6_000)
        books.dispute("DisputeReinstated", 2_000, held_minor=0)
    assert books.balances() == CAPTURED | {"processor_receivable": 6_000, "merchant_available": -4_000}


def test_a_loss_taken_back_is_disputed_again_until_the_money_comes(books):
    books.dispute("DisputeWithdrawn", 6_000, fee_minor=0)
    open_ = books.balances()
    books.dispute("DisputeWrittenOff", 6_000)
    books.dispute("DisputeWriteOffReversed", 6_000)
    assert books.balances() == open_
    books.dispute("DisputeReinstated", 6_000, held_minor=6_000)
    assert books.balances() == CAPTURED


def test_money_that_comes_back_before_we_hear_that_it_was_taken_clears_all_the_same(books):
    books.dispute("DisputeReinstated", 6_000, held_minor=6_000)
    books.dispute("DisputeWithdrawn", 6_000, fee_minor=0)
    assert books.balances() == CAPTURED


def test_a_reversal_costs_the_merchant_its_money_until_it_is_given_back(books):
    books.reversal("ReversalReceived", 6_000)
    assert books.balances() == LOST
    books.reversal("ReversalGivenBack", 6_000)
    assert books.balances() == CAPTURED


def test_a_disputed_and_reversed_stray_never_touches_the_merchant(books):
    stray = {"stray_id": "str_1", "charged_to": "suspense"}
    books.tell("StrayFound", 900, object_id="cap_9", kind="money", stray_id="str_1")
    books.tell("DisputeWithdrawn", 500, object_id="dsp_9", dispute_id="dp_9", fee_minor=0, **stray)
    books.tell("ReversalReceived", 400, object_id="rvl_9", reversal_id="rvs_9", **stray)
    assert books.balances() == CAPTURED
    books.tell("DisputeReinstated", 500, object_id="dsp_9", dispute_id="dp_9", held_minor=0, **stray)
    assert books.balances() == CAPTURED | {"processor_receivable": 10_500, "suspense": 500}


def test_the_same_money_row_told_twice_is_booked_once(books):
    event = PAYMENT | {
        "fact_key": "alpha:acct:row_77",
        "amount_minor": 6_000,
        "dispute_id": "dp_1",
        "object_id": "dsp_1",
        "charged_to": "merchant",
        "fee_minor": 0,
    }
    books.post("DisputeWithdrawn", event)
    once = books.balances()
    books.post("DisputeWithdrawn", event)
    assert books.balances() == once


#: Money rows come in any order, and are told as they come: nothing bounds the one that gives back.
IN_ANY_ORDER = {
    "dispute": [
        ("dispute", "DisputeReinstated", {"held_minor": 6_000}),
        ("dispute", "DisputeWithdrawn", {"fee_minor": 0}),
    ],
    "reversal": [("reversal", "ReversalGivenBack", {}), ("reversal", "ReversalReceived", {})],
}


@pytest.mark.parametrize("what", IN_ANY_ORDER)
def test_money_that_comes_back_before_it_is_known_to_be_taken_leaves_nothing_behind(books, what):
    for kind, event_type, fields in IN_ANY_ORDER[what]:
        assert getattr(books, kind)(event_type, 6_000, **fields)
    assert books.balances() == CAPTURED
