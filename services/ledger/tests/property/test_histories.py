"""Whatever legal history payments have, the books say what a plain model says, and always sum to zero."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from services.ledger.domain.chart import FAMILIES
from services.ledger.tests.expected import lines_of
from services.ledger.tests.histories import histories
from services.ledger.tests.memory_books import MemoryBooks

PAYMENTS = 3
STEPS = st.lists(
    st.tuples(st.integers(0, PAYMENTS - 1), st.integers(0, 999), st.integers(1, 10**12)), max_size=40
)


def post(books, event):
    return books.post(type(event).__name__.removesuffix("V1"), asdict(event))


@given(steps=STEPS)
def test_the_books_equal_the_model_and_sum_to_zero_after_every_step(steps):
    books, told = MemoryBooks(), histories(PAYMENTS)
    for which, choice, amount_minor in steps:
        post(books, told[which].step(choice, amount_minor))
        assert not any(books.net_minor().values())
        assert books.lines() == lines_of(told)


@given(steps=STEPS, again=st.lists(st.integers(0, 999), max_size=20))
def test_events_told_again_change_nothing(steps, again):
    books, told = MemoryBooks(), histories(PAYMENTS)
    for which, choice, amount_minor in steps:
        post(books, told[which].step(choice, amount_minor))
    before, count = books.balances(), len(books.journals)
    everything = [event for history in told for event in history.told]
    for number in again if everything else []:
        post(books, everything[number % len(everything)])
    assert (books.balances(), len(books.journals)) == (before, count)


@given(steps=STEPS)
def test_every_reversal_names_its_original_and_undoes_it_exactly(steps):
    books, told = MemoryBooks(), histories(PAYMENTS)
    for which, choice, amount_minor in steps:
        post(books, told[which].step(choice, amount_minor))
    by_id = {journal.journal_id: journal for journal in books.journals}
    reversals = [journal for journal in books.journals if journal.reverses_journal_id]
    assert len({journal.reverses_journal_id for journal in reversals}) == len(reversals)
    for journal in reversals:
        original = by_id[journal.reverses_journal_id]
        assert [(e.account, e.side.opposite, e.amount_minor, e.clearing_key) for e in journal.entries] == [
            (e.account, e.side, e.amount_minor, e.clearing_key) for e in original.entries
        ]


@given(steps=STEPS)
def test_entries_are_positive_and_keyed_where_accounts_must_return_to_zero(steps):
    books, told = MemoryBooks(), histories(PAYMENTS)
    for which, choice, amount_minor in steps:
        post(books, told[which].step(choice, amount_minor))
    for entry in books.entries():
        assert entry.amount_minor > 0
        assert FAMILIES[entry.account.family].transitional is (entry.clearing_key is not None)
