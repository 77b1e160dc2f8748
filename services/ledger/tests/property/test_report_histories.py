"""Whatever reports and banks say, corrected and told again in whatever order, the books say what stands at last."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from services.ledger.domain.chart import FAMILIES, Side
from services.ledger.tests import report
from services.ledger.tests.expected import lines_of, summed
from services.ledger.tests.memory_books import MemoryBooks
from services.ledger.tests.report_histories import ReportHistory

SOURCES = 3
STEPS = st.lists(
    st.tuples(
        st.integers(0, SOURCES - 1), st.integers(0, 10**9), st.integers(1, 10**12), st.integers(0, 10**6)
    ),
    max_size=40,
)


def post(books, event):
    return books.post(type(event).__name__.removesuffix("V1"), asdict(event))


def balances(books):
    total = Counter()
    for entry in books.entries():
        signed = (
            entry.amount_minor
            if entry.side is FAMILIES[entry.account.family].normal_side
            else -entry.amount_minor
        )
        total[entry.account.family, entry.account.currency] += signed
    return {account: balance for account, balance in total.items() if balance}


@given(steps=STEPS)
def test_the_books_equal_the_model_and_sum_to_zero_after_every_step(steps):
    books, told = MemoryBooks(), [ReportHistory(f"{number}-") for number in range(SOURCES)]
    for which, choice, amount_minor, fee_minor in steps:
        post(books, told[which].step(choice, amount_minor, fee_minor))
        assert not any(books.net_minor().values())
        assert books.lines() == lines_of(told)


@given(steps=STEPS, again=st.lists(st.integers(0, 999), max_size=20))
def test_events_told_again_change_nothing(steps, again):
    books, told = MemoryBooks(), [ReportHistory(f"{number}-") for number in range(SOURCES)]
    for which, choice, amount_minor, fee_minor in steps:
        post(books, told[which].step(choice, amount_minor, fee_minor))
    before, count = balances(books), len(books.journals)
    everything = [event for history in told for event in history.told]
    for number in again if everything else []:
        post(books, everything[number % len(everything)])
    assert (balances(books), len(books.journals)) == (before, count)


@given(steps=STEPS, order=st.randoms(use_true_random=False))
def test_streams_may_come_in_any_order_among_each_other(steps, order):
    told = [ReportHistory(f"{number}-") for number in range(SOURCES)]
    for which, choice, amount_minor, fee_minor in steps:
        told[which].step(choice, amount_minor, fee_minor)
    waiting = {}
    for history in told:
        for event in history.told:
            waiting.setdefault(report.on_stream(event).key, []).append(event)
    books = MemoryBooks()
    while waiting:
        stream = order.choice(sorted(waiting))
        post(books, waiting[stream].pop(0))
        if not waiting[stream]:
            del waiting[stream]
    assert balances(books) == summed(lines_of(told), "family", "currency")


@given(steps=STEPS)
def test_of_every_line_at_most_one_revision_stands(steps):
    books, told = MemoryBooks(), ReportHistory()
    for _which, choice, amount_minor, fee_minor in steps:
        post(books, told.step(choice, amount_minor, fee_minor))
    standing = Counter(
        journal.subject
        for journal in books.journals
        if journal.rule == "settlement_line"
        and books.find_fact("settlement_line_reversed", journal.fact_key) is None
    )
    assert all(count == 1 for count in standing.values())
    assert all(entry.side in Side for entry in books.entries())
