"""Random legal histories through PostgreSQL: the same balances as the plain model, whatever the batches."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ledger.tests.histories import History, expected_of
from services.ledger.tests.payloads import Payment
from services.ledger.tests.report_histories import ReportHistory
from services.ledger.tests.report_histories import expected_of as expected_of_reports

PAYMENTS = 3
EXAMPLES = 25
"""Each costs some fifteen transactions; the pure property test has the many."""
BATCHES = st.lists(
    st.lists(
        st.tuples(st.integers(0, PAYMENTS - 1), st.integers(0, 999), st.integers(1, 10**12)),
        min_size=1,
        max_size=12,
    ),
    min_size=1,
    max_size=8,
)


def test_any_legal_history_in_any_batches_gives_the_models_balances(ledger):
    every = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(batches=BATCHES)
    def run(batches):
        # The books cannot be emptied: each example adds payments of its own to what stands.
        told = [History(Payment(len(every) + nth)) for nth in range(PAYMENTS)]
        every.extend(told)
        for batch in batches:
            ledger.tell(*(told[which].step(choice, amount) for which, choice, amount in batch))
        again = [event for history in told for event in history.told]
        ledger.tell(*again)
        families = {}
        for (family, _owner, _currency), balance in ledger.balances().items():
            families[family] = families.get(family, 0) + balance
        assert {family: sum_ for family, sum_ in families.items() if sum_} == expected_of(every)
        assert ledger.reader.trial_balance().balanced

    run()


REPORTS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 999), st.integers(1, 10**12), st.integers(0, 10**6)), min_size=1, max_size=12
    ),
    min_size=1,
    max_size=8,
)


def test_any_reports_in_any_batches_give_the_models_balances(ledger):
    every = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(batches=REPORTS)
    def run(batches):
        history = ReportHistory(f"{len(every)}-")
        every.append(history)
        for batch in batches:
            ledger.tell(*(history.step(*numbers) for numbers in batch))
        ledger.tell(*history.told)
        balances = {
            (family, currency): balance for (family, _owner, currency), balance in ledger.balances().items()
        }
        assert balances == expected_of_reports(every)
        assert ledger.reader.trial_balance().balanced

    run()
