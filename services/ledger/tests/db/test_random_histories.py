"""Random legal histories through PostgreSQL: after every batch the books say what the plain model says."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.ledger.tests.expected import Line, by_account, lines_of, open_of, summed
from services.ledger.tests.histories import histories
from services.ledger.tests.interleaving import PAYMENTS as PAYMENTS_MIXED
from services.ledger.tests.interleaving import REPORTS as REPORTS_MIXED
from services.ledger.tests.interleaving import interleaved, stories, streams_of, wide
from services.ledger.tests.report_histories import ReportHistory

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

#: What every fact comes to on every account and for every key, its reversals counted with it, on the normal side.
LINES = """
SELECT j.fact_key, a.family, a.owner, a.currency, e.clearing_key,
       sum(CASE WHEN e.side = a.normal_side THEN e.amount_minor ELSE -e.amount_minor END)::bigint
  FROM entries e JOIN journals j ON j.position = e.journal_position JOIN accounts a USING (account_id)
 GROUP BY 1, 2, 3, 4, 5
"""
UNBALANCED = """
SELECT journal_position, currency FROM entries GROUP BY 1, 2
HAVING sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) <> 0
"""


def assert_as_the_model_says(ledger, every):
    expected = lines_of(every)
    lines = {Line(*line): net for *line, net in ledger.rows(LINES)}
    assert {line: net for line, net in lines.items() if net} == expected
    assert ledger.balances() == by_account(expected)
    assert ledger.rows(UNBALANCED) == []
    assert ledger.reader.trial_balance().balanced


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
        told = histories(PAYMENTS, first=1 + len(every))
        every.extend(told)
        for batch in batches:
            ledger.tell(*(told[which].step(choice, amount) for which, choice, amount in batch))
            assert_as_the_model_says(ledger, every)
        again = [event for history in told for event in history.told]
        ledger.tell(*again)
        assert_as_the_model_says(ledger, every)

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
            assert_as_the_model_says(ledger, every)
        ledger.tell(*history.told)
        assert_as_the_model_says(ledger, every)

    run()


MIXED = st.lists(
    st.tuples(
        st.integers(0, PAYMENTS_MIXED + REPORTS_MIXED - 1), st.integers(0, 10**9), st.integers(1, 10**12)
    ),
    min_size=1,
    max_size=60,
)


def test_any_order_of_streams_through_the_real_consumer_ends_as_the_model_says(ledger, stream):
    every = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    # A seed, as an example that draws too much is ended anywhere, and what it told the books would stay.
    @given(steps=MIXED, seed=st.integers(0, 2**32 - 1))
    @example(steps=wide(120), seed=1)
    def run(steps, seed):
        order = Random(seed)  # noqa: S311 - the same seed gives the same order
        told = stories(steps, first=1 + len(every))
        every.extend(told)
        sent = {}
        for keyed, is_new in interleaved(streams_of(told), order):
            if is_new:
                stream.publish(keyed)
                sent[id(keyed)] = stream.sent[-1]
            else:
                stream.send(sent[id(keyed)])
            if order.random() < 0.1:
                stream.drain()
                assert ledger.rows(UNBALANCED) == []
        stream.drain()
        assert ledger.rows("SELECT count(*) FROM parked_keys") == [(0,)]
        assert_as_the_model_says(ledger, every)
        assert open_items(ledger) == open_of(every)
        assert sql_sums(ledger) == open_items(ledger)
        assert asked_of(ledger) == wanted_of(every)

    run()
    assert any(history.withdrawn for history in every if hasattr(history, "asked")), "nothing was withdrawn"


#: What the database itself looks at before it lets people take from a clearing key.
SQL_SUMS = """
SELECT k.family, k.currency, k.clearing_key,
       sum(CASE k.normal_side WHEN 'debit' THEN 1 ELSE -1 END * clearing_net_minor(k.account_id, k.clearing_key))::bigint
  FROM (SELECT DISTINCT a.*, e.clearing_key FROM entries e JOIN accounts a USING (account_id)
         WHERE e.clearing_key IS NOT NULL
         UNION
        SELECT DISTINCT a.*, m.clearing_key FROM accounts a, line_matches m WHERE a.family = 'processor_receivable') k
 GROUP BY 1, 2, 3
"""
#: What waits here, or ended; how it ended; and what reconciliation was told of it.
ASKED = """
SELECT a.asked_event_id, a.state, a.decided_by, a.journal_id, a.amount_minor, a.currency,
       (SELECT array_agg(convert_from(o.payload, 'UTF8')::jsonb ->> 'outcome' ORDER BY o.position) FROM outbox o
         WHERE o.event_type = 'AdjustmentAnswered.v1'
           AND convert_from(o.payload, 'UTF8')::jsonb ->> 'adjustment_id' = a.adjustment_id)
  FROM adjustments a
"""


def sql_sums(ledger):
    return {(family, currency, key): net for family, currency, key, net in ledger.rows(SQL_SUMS) if net}


def asked_of(ledger):
    return sorted((*row[:-1], tuple(row[-1])) for row in ledger.rows(ASKED))


def wanted_of(every):
    """Everything that was asked for, once: it waits, or nobody wants it any more; booked is none of it."""
    wanted = []
    for history in every:
        for event_id, said in getattr(history, "asked", {}).items():
            by = history.withdrawn.get(event_id, "nobody")
            ended = ("PROPOSED", None) if by == "nobody" else ("REJECTED", by or "reconciliation")
            told = ("accepted",) if by == "nobody" else ("accepted", "refused")
            wanted.append((event_id, *ended, None, said.amount_minor, said.currency, told))
    return sorted(wanted)


def open_items(ledger):
    found = ledger.reader.open_items(family=None, limit=100_000)
    return summed(
        {Line("", item.family, item.owner, item.currency, item.clearing_key): item.balance_minor for item in found},
        "family", "currency", "key",
    )  # fmt: skip
