"""After any history a run over what changed comes to what a run over everything would: matches, credits and breaks."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from services.reconciliation.app.our_side import JournalFact
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.tests.db.test_any_order import amendment, steps
from services.reconciliation.tests.three_legs import T0, World, op, pay

pytestmark = pytest.mark.db
_STATE = {
    "matches": "SELECT match_id, rule, line_id, item_key FROM claims ORDER BY 1, 3, 4",
    "breaks": "SELECT subject, type, state, ours_minor, theirs_minor, currency FROM breaks ORDER BY 1",
    "credits": "SELECT line_id, payout_id, currency, sum(amount_minor) FROM payout_allocations"
    " GROUP BY 1, 2, 3 HAVING sum(amount_minor) <> 0 ORDER BY 1, 2, 3",
}


@pytest.fixture
def world(desk):
    return World(desk)


class NotKeptError(Exception):
    """Ends a transaction of which nothing is to stay."""


def state(connection):
    return {name: [tuple(row) for row in connection.exec_driver_sql(sql)] for name, sql in _STATE.items()}


def over_everything(world, as_of):
    """What a full run comes to, which nobody will have seen, and what it would have moved."""
    found = {}

    def work(uow):
        before = state(uow.connection)
        run = run_matching(RunKind.FULL, "test", uow, as_of)
        found.update(before=before, after=state(uow.connection), result=run.result)
        raise NotKeptError

    with pytest.raises(NotKeptError):
        world.desk.run(work)
    return found


def payments(dice):
    """Payouts, bank lines, facts and journals, fees and tolerances: few enough that they collide."""
    made = []
    for number in range(5):
        said = {"bank_reference": dice.choice((None, f"ref_{number}")), "expected_on": _day(dice)}
        amount = _amount(dice)
        made.append(lambda world, n=number, a=amount, s=said: world.payout(f"payout_{n}", a, **s))
    for number in range(6):
        names = dice.choice(((), (f"ref_{dice.randrange(5)}",), (f"payout_{dice.randrange(5)}",)))
        returned = dice.random() < 0.2
        said = {"value_on": _day(dice), "returned": returned}
        amount = _amount(dice) * (-1 if returned else 1)
        made.append(lambda world, n=number, a=amount, r=names, s=said: world.bank_line(f"b{n}", a, *r, **s))
    for number, hours in [(dice.randrange(1, 25), dice.randrange(96)) for _ in range(6)]:
        made.append(lambda world, n=number, h=hours: booked(world, n, h))
    failed = (dice.randrange(1, 6), dice.randrange(1, 6))
    made += [lambda world, n=number: world.told("PaymentFailed", n, 1_000) for number in failed]
    fixed = dice.choice((0, 30))
    made.append(lambda world: world.tolerate("gross", 500))
    made.append(lambda world: world.agree_fee("charge", per_million=0, fixed=fixed))
    return made


def _amount(dice):
    return dice.choice((1_000, 2_000, 2_000))


def _day(dice):
    return date(2026, 11, 2) + timedelta(days=dice.randrange(9))


def booked(world, number, hours):
    """A journal of event ``number``, which may or may not be there, and may come first."""
    at = T0 + timedelta(hours=hours)
    journal = JournalFact(
        journal_id=f"jrn_{number:026d}", rule="capture", fact_key=f"k{number}", cause_event_id=f"evt_{number:026d}",
        cause_event_type="PaymentCaptured.v1", payment_id=pay(1), currency="EUR", amount_minor=1_000,
        reverses_journal_id=None, effective_at=at, told_at=at,
    )  # fmt: skip
    world.desk.run(lambda uow: uow.our_side.hear_journal(journal))


def put_off(dice, world, as_of):
    """Somebody puts a break off, until a day that comes."""
    found = world.rows("SELECT break_id FROM breaks WHERE state = 'OPEN' ORDER BY 1")
    if not found:
        return
    with world.desk.engine.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE breaks SET state = 'DEFERRED', due_on = :day, resolution = 'timing_difference' WHERE break_id = :id"
            ),
            {"id": dice.choice(found)[0], "day": (as_of + timedelta(days=dice.randrange(3))).date()},
        )


@pytest.mark.parametrize("seed", range(14))
def test_a_run_over_what_changed_comes_to_what_a_run_over_everything_comes_to(world, seed):
    dice = random.Random(seed)  # noqa: S311 - a seed must replay
    happening = steps(dice) + payments(dice)
    dice.shuffle(happening)
    as_of = T0
    for step in happening:
        step(world)
        if dice.random() < 0.2:
            amendment(dice, world)
        if dice.random() < 0.1:
            put_off(dice, world, as_of)
        if dice.random() < 0.35:
            as_of += timedelta(hours=dice.choice((0, 1, 20, 60)))
            run = world.match(as_of=as_of, tell=False)
            found = over_everything(world, as_of)
            assert found["after"] == found["before"]
            assert (found["result"]["breaks_moved"], found["result"]["allocations_told"]) == ({}, 0)
            assert (run.result["matches"], run.result["breaks"]) == (
                found["result"]["matches"],
                found["result"]["breaks"],
            )


def test_a_day_that_was_over_comes_again_after_somebody_looked_back(world):
    """Runs as of an earlier time see what was then; what became late since is late again afterwards."""
    world.captured(1, 1_000)
    for days in (30, 1, 30, 31):
        as_of = T0 + timedelta(days=days)
        world.match(as_of=as_of, tell=False)
        found = over_everything(world, as_of)
        assert found["after"] == found["before"]


READ = """
SELECT relname, (seq_tup_read + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables
 WHERE relname IN ('settlement_lines', 'our_items', 'claims', 'told_facts', 'journal_facts', 'announced_lines', 'breaks')
"""


def rows_read(world, as_of):
    """Rows of history that a run reads, as PostgreSQL counts them."""
    counts = []

    def work(uow):
        # What the session did before may not be counted off yet.
        counts.append(dict(map(tuple, uow.connection.exec_driver_sql(READ))))
        run_matching(RunKind.INCREMENTAL, "test", uow, as_of)
        counts.append(dict(map(tuple, uow.connection.exec_driver_sql(READ))))

    world.desk.run(work)
    before, after = counts
    return {name: count - before.get(name, 0) for name, count in after.items()}


def grow(world, first, count):
    """So many captured payments, settled and matched, a tenth of them not as they should be."""
    rows = {"first": first, "last": first + count - 1}
    statements = (
        """INSERT INTO our_items (item_key, kind, category, standing, rank, event_id, payment_id, merchant_id, operation_id,
               processor, account, object_id, amount_minor, currency, occurred_at, expected_by, lost_by)
           SELECT 'charge:grown:' || n, 'capture', 'charge', 'expected', 2, 'evt_g' || n, 'pay_g' || n, 'mer_1',
               'op_g' || n, 'alpha', 'acct_alpha', 'cap_g' || n, 1000 + n, 'EUR', '2026-11-02', '2026-11-05', '2026-11-12'
             FROM generate_series(:first ::int, :last ::int) AS n""",
        """INSERT INTO settlement_lines (source, line_id, revision, file_id, line_number, payout_id, category, type_text,
               object_id, our_reference, currency, gross_minor, fee_currency, fee_minor, net_currency, net_minor,
               occurred_at, available_on)
           SELECT 'alpha_report', 'g' || n, 1, 'file_alpha_report', n, 'po_1', 'charge', 'charge',
               'cap_g' || n + CASE WHEN n % 10 = 0 THEN 1000000 ELSE 0 END, NULL, 'EUR', 1000 + n, 'EUR', 0, 'EUR',
               1000 + n, '2026-11-02', '2026-11-02' FROM generate_series(:first ::int, :last ::int) AS n""",
        """INSERT INTO told_facts SELECT 'evt_g' || n, 'PaymentCaptured', 'pay_g' || n, 1000, 'EUR', '2026-11-02'
             FROM generate_series(:first ::int, :last ::int) AS n""",
    )
    with world.desk.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement), rows)


def test_a_run_costs_what_changed_and_not_what_there_is(world):
    as_of = T0 + timedelta(days=30)
    reads = []
    for first, count in ((1, 300), (301, 1_200)):
        grow(world, first, count)
        world.match(as_of=as_of, tell=False)
        world.captured(first, 700, object_id=f"cap_now_{first}")
        world.line(
            f"now_{first}", 700, object_id=f"cap_now_{first}", our_reference=op(first), announced=False
        )
        as_of += timedelta(minutes=1)
        reads.append(rows_read(world, as_of))
    open_breaks = world.rows("SELECT count(*) FROM breaks WHERE state = 'OPEN'")[0][0]
    assert reads[1].pop("breaks") <= open_breaks + 20  # how many of each type there are
    assert sum(reads[1].values()) < 60, reads
