"""After any legal history poison: a success of what was never asked for or failed, a loss of more than is held, and what
settles without its capture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.tests import report
from services.ledger.tests.histories import histories
from services.ledger.tests.memory_books import MemoryBooks
from services.ledger.tests.property.test_histories import PAYMENTS, STEPS, post
from shared.kernel.errors import Poison

UNKNOWN = 49
"""No history comes to a refund, a stray or a dispute of such a number."""
AMOUNTS = st.integers(1, 10**12)


def success_never_requested(history, amount):
    yield "never_requested", history.payment.refund_succeeded(amount, UNKNOWN)
    yield "never_requested", history.payment.return_succeeded(amount, UNKNOWN)


def success_after_the_failure(history, _amount):
    for nth, (state, (asked, _returned)) in history.refunds.items():
        if state == "failed" and not told(
            history, "RefundSucceeded", refund_id=history.payment.id("re", nth)
        ):
            adopted = told(history, "RefundAdopted", refund_id=history.payment.id("re", nth))
            if not adopted:
                yield "never_requested", history.payment.refund_succeeded(asked, nth)
    for nth, (state, returned) in history.strays.items():
        if state == "kept":
            yield "never_requested", history.payment.return_succeeded(returned, nth)


def more_than_stands(history, amount):
    yield "more_than_stands", history.payment.dispute_written_off(amount, "odd", UNKNOWN)
    yield "more_than_stands", history.payment.write_off_reversed(amount, "odd", UNKNOWN)
    for nth, (held, _lost) in history.disputes.items():
        yield "more_than_stands", history.payment.dispute_written_off(held + amount, "odd", nth)


def settled_without_its_capture(history, amount):
    yield "without_ground", report.settled(history.payment, amount, nth=UNKNOWN, number=UNKNOWN)
    for nth, (captured, fee, *_) in history.captures.items():
        settled = report.settled(history.payment, captured + amount, fee, nth=nth, number=UNKNOWN)
        yield "differs_from_ground", settled


def settled_again(history, _amount):
    for nth, (captured, fee, settled, _times) in history.captures.items():
        alike = [each for each in history.captures.values() if each[:2] == (captured, fee) and not each[2]]
        if settled and not alike and captured != fee:
            yield "ground_taken", report.settled(history.payment, captured, fee, nth=nth, number=UNKNOWN)


def told(history, event, **named):
    return any(
        type(each).__name__ == f"{event}V1"
        and all(getattr(each, name) == value for name, value in named.items())
        for each in history.told
    )


WRONG = [
    success_never_requested,
    success_after_the_failure,
    more_than_stands,
    settled_without_its_capture,
    settled_again,
]


@pytest.mark.parametrize("wrong", WRONG)
@given(steps=STEPS, amount=AMOUNTS)
def test_it_is_refused_by_its_code_and_books_nothing(wrong, steps, amount):
    books, every = MemoryBooks(), histories(PAYMENTS)
    for which, choice, amount_minor in steps:
        post(books, every[which].step(choice, amount_minor))
    before = len(books.journals)
    for history in every:
        for code, event in wrong(history, amount):
            with pytest.raises(Poison, match=f"^{code}: "):
                post(books, event)
    assert len(books.journals) == before
