"""Payments, reports and banks mixed in every order that the consumer allows end in the books of the plain model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from services.ledger.tests.expected import by_account, lines_of
from services.ledger.tests.interleaving import PAYMENTS, REPORTS, interleaved, stories, streams_of, wide
from services.ledger.tests.memory_books import MemoryBooks

STEPS = st.lists(
    st.tuples(st.integers(0, PAYMENTS + REPORTS - 1), st.integers(0, 10**9), st.integers(1, 10**12)),
    max_size=60,
)


@given(steps=STEPS, order=st.randoms(use_true_random=False))
def test_any_order_of_streams_with_anything_told_again_ends_as_the_model_says(steps, order):
    every, books = stories(steps), MemoryBooks()
    for told, is_new in interleaved(streams_of(every), order):
        before = len(books.journals)
        books.post(type(told.data).__name__.removesuffix("V1"), asdict(told.data))
        assert is_new or len(books.journals) == before
        assert not any(books.net_minor().values())
    expected = lines_of(every)
    assert books.lines() == expected
    assert books.accounts() == by_account(expected)


def test_the_stories_are_wide():
    """Every kind of event that moves something, several merchants, and money of two, no and three decimals."""
    every = stories(wide(3_000))
    told = {type(event).__name__ for history in every for event in history.told}
    assert {"CaptureSettledV1", "CaptureUnsettledV1", "SettlementLineAmendedV1", "RefundAdoptedV1"} <= told
    assert {"SettlementLineMatchedV1", "SettlementLineUnmatchedV1", "AdjustmentProposedV1"} <= told
    assert "AdjustmentWithdrawnV1" in told
    moved = lines_of(every)
    assert {"EUR", "JPY", "KWD"} <= {line.currency for line in moved}
    assert len({line.owner for line in moved if line.family == "merchant_available"}) > 1
    assert {"fx", "rounding", "suspense", "processor_reserve"} <= {line.family for line in moved}
