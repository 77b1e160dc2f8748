"""Random histories with closes in between: a closed month never changes, and nothing else is otherwise for it."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from services.ledger.app.moments import EVERYTHING, Moment
from services.ledger.domain.chart import AccountRef, Side
from services.ledger.tests.db.closing import close, seal
from services.ledger.tests.histories import History
from services.ledger.tests.memory_books import MemoryBooks
from services.ledger.tests.payloads import Payment
from services.ledger.tests.plain_books import PlainBooks
from shared.kernel.months import Month

pytestmark = pytest.mark.db
PAYMENTS = 2
EXAMPLES = 15
FIRST = Month(2010, 1)
MONTHS = 4
#: A batch: how many months after the first of this example, whether a close goes before it, and the events.
BATCHES = st.lists(
    st.tuples(
        st.integers(0, MONTHS - 1),
        st.booleans(),
        st.lists(
            st.tuples(st.integers(0, PAYMENTS - 1), st.integers(0, 999), st.integers(1, 10**12)),
            min_size=1,
            max_size=8,
        ),
    ),
    min_size=2,
    max_size=8,
)


def months_from(month):
    while True:
        yield month
        month = month.next


def without_zeros(sides):
    return {account: both for account, both in sides.items() if both[0] or both[1]}


def read_at(ledger, moment):
    accounts = ledger.reader.account_balances(
        family=None, owner=None, currency=None, after=0, limit=10_000, moment=moment
    )
    return without_zeros(
        {AccountRef(a.family, a.owner, a.currency): (a.debit_minor, a.credit_minor) for a in accounts}
    )


def model_at(books, before=None):
    """Both sides by account, of a ledger that never closed anything."""
    found = {}
    for journal in books.journals:
        if before is None or journal.effective_at < before:
            for entry in journal.entries:
                debit, credit = found.get(entry.account, (0, 0))
                minor = entry.amount_minor
                both = (debit + minor, credit) if entry.side is Side.DEBIT else (debit, credit + minor)
                found[entry.account] = both
    return found


def net_per_fact(journals):
    net = Counter()
    for rule, fact_key, entries in journals:
        for account, side, minor in entries:
            net[rule, fact_key, account] += minor if side == "debit" else -minor
    return net


def at(event, time):
    """The event, with money that takes effect at this time."""
    own = [name for name in ("effective_at", "available_on") if hasattr(event, name)]
    return replace(event, **dict.fromkeys(own, time))


def test_a_closed_month_stays_and_everything_else_is_as_if_nothing_was_closed(ledger):
    # The books cannot be emptied, nor a month opened again: each example begins where the last one ended.
    open_months, numbers, model = months_from(FIRST), itertools.count(), MemoryBooks()
    as_closed = {}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(batches=BATCHES)
    def run(batches):
        nonlocal open_months
        first = next(open_months)
        open_months = itertools.chain([first], open_months)
        told = [History(Payment(next(numbers))) for _ in range(PAYMENTS)]
        everything = []
        for ahead, closes, batch in batches:
            if closes:
                month = next(open_months)
                close(ledger, str(month))
                as_closed[month.ends_at] = read_at(ledger, Moment(effective_before=month.ends_at))
            time = next(itertools.islice(months_from(first), ahead, None)).starts_at + timedelta(days=9)
            events = [told[which].step(choice, amount) for which, choice, amount in batch]
            events = [at(event, time) for event in events]
            everything.append((time, events))
            ledger.tell(*events, time=time)
            for event in events:
                model.post(type(event).__name__.removesuffix("V1"), asdict(event), time)
        for time, events in everything:
            ledger.tell(*events, time=time)
        seal(ledger)
        for ends_at, sides in as_closed.items():
            assert read_at(ledger, Moment(effective_before=ends_at)) == sides
            assert without_zeros(PlainBooks(ledger.engine).sides(before=ends_at)) == sides
        assert read_at(ledger, EVERYTHING) == model_at(model)
        if as_closed:
            # Behind the last close there is no difference at any time.
            for month in itertools.islice(months_from(first), MONTHS + len(batches)):
                later = month.starts_at + timedelta(days=5)
                if later > max(as_closed):
                    assert read_at(ledger, Moment(effective_before=later)) == model_at(model, later)
        assert net_per_fact(booked(ledger)) == net_per_fact(
            (
                j.rule,
                j.fact_key,
                [(e.account, e.side.value, e.amount_minor) for e in j.entries],
            )
            for j in model.journals
        )

    run()


def booked(ledger):
    rows = ledger.rows(
        "SELECT j.rule, j.fact_key, a.family, a.owner, a.currency, e.side::text, e.amount_minor FROM journals j"
        " JOIN entries e ON e.journal_position = j.position JOIN accounts a ON a.account_id = e.account_id"
    )
    return [(rule, fact, [(AccountRef(*account), side, minor)]) for rule, fact, *account, side, minor in rows]
