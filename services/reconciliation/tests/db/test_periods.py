"""Months roll forward, are closed by two people with what was proposed, and stay; what is late belongs to the next."""

from __future__ import annotations

import psycopg
import pytest

from services.reconciliation.adapters.finding_breaks import BreakFinder
from services.reconciliation.app.close_month import approve_close
from services.reconciliation.tests.months import ADA, BOB, FEBRUARY, JANUARY, Shop, at
from shared.kernel.errors import Rejected


@pytest.fixture
def shop(desk):
    return Shop(desk)


_APPROVE = (
    "UPDATE period_closes SET state = 'APPROVED', decided_by = {}, decided_at = now(), decision_reason = 'x'"
)
_NOW = "SET CONSTRAINTS ALL IMMEDIATE"
_CLOSE = (
    "INSERT INTO closed_periods SELECT period, close_id, {}, '2026-01-01 00:00+00', '2026-02-01 00:00+00',"
    " (SELECT min(run_id) FROM runs), '{{}}', 'v', now() FROM period_closes"
)
_LATE = "INSERT INTO period_late VALUES ('2026-01', 'item', 'x', 'EUR', 1, 1, now())"
_ROLL = "INSERT INTO period_rolls VALUES ('2026-01', 'bank', 'x', 'EUR', 0, {}, 0, 0)"


def refused(code, work, *arguments):
    with pytest.raises(Rejected) as caught:
        work(*arguments)
    assert caught.value.code == code
    return caught.value


def test_opening_and_movements_come_to_closing_by_leg_and_every_difference_has_a_name(shop):
    shop.january()
    shop.february()
    shop.close(JANUARY)
    assert shop.rolls(JANUARY) == {
        "processor": ((0, 17_500, 16_900, 600), (500, 100, 0)),
        "payout": ((0, 16_900, 16_900, 0), (0, 0, 0)),
        "bank": ((0, 16_900, 16_900, 0), (0, 0, 0)),
    }
    names = shop.positions(JANUARY)
    assert sorted(names.values()) == [("broken", "amount_mismatch"), ("timing", "matched_after_end")]
    shop.close(FEBRUARY)
    assert shop.rolls(FEBRUARY) == {
        "processor": ((600, 2_000, 2_500, 100), (0, 100, 0)),
        "payout": ((0, 2_500, 2_500, 0), (0, 0, 0)),
        "bank": ((0, 2_500, 2_500, 0), (0, 0, 0)),
    }
    files = shop.rows(
        "SELECT period, count(*), bool_and(length(sha256) = 32) FROM period_files GROUP BY 1 ORDER BY 1"
    )
    # February's files were there already when January was closed.
    assert files == [("2026-01", 4, True)]


def test_what_comes_late_goes_to_the_next_month_and_is_named_there(shop):
    shop.january()
    shop.close(JANUARY)
    before = shop.rows("SELECT * FROM period_positions WHERE period = '2026-01'")
    shop.sold(9, 40, 1, 20)
    shop.february()
    shop.reported("po_late", (2, 12), (9, 40, (1, 20)))
    shop.credited((40, "PAYOUT po_late", (2, 13)))
    shop.close(FEBRUARY)
    assert shop.rolls(FEBRUARY)["processor"] == ((600, 2_040, 2_540, 100), (0, 100, 0))
    assert shop.rows("SELECT period, kind, amount_minor, happened_at FROM period_late ORDER BY kind") == [
        ("2026-02", "item", 40, at(1, 20)),
        ("2026-02", "line", 40, at(1, 20)),
    ]
    assert shop.rows("SELECT * FROM period_positions WHERE period = '2026-01'") == before


def test_whoever_proposed_a_close_cannot_approve_it(shop):
    shop.january()
    close = shop.propose(JANUARY, ADA)
    refused("four_eyes", shop.approve, close, ADA)
    assert shop.rows("SELECT count(*) FROM closed_periods") == [(0,)]
    assert shop.approve(close, BOB).state == "APPROVED"


def test_a_month_is_closed_with_the_figures_that_were_proposed_or_not_at_all(shop):
    shop.january()
    close = shop.propose(JANUARY)
    shop.sold(8, 333, 1, 30)
    refused("period_changed", shop.approve, close)
    assert shop.rows("SELECT count(*) FROM period_rolls") == [(0,)]
    assert shop.rows("SELECT count(*) FROM closed_periods") == [(0,)]


def test_months_are_closed_once_in_order_and_when_they_are_over(shop):
    shop.january()
    close = shop.propose(JANUARY)
    refused("period_proposed_already", shop.propose, JANUARY)
    shop.approve(close)
    refused("period_closed", shop.propose, JANUARY)
    refused("period_close_wrong_state", shop.approve, close)
    refused("period_out_of_order", shop.propose, FEBRUARY.next)
    over = JANUARY.starting_at(shop.desk.transactions.run(lambda uow: uow.now, name="now"))
    refused("period_out_of_order", shop.propose, over)


def test_a_month_with_a_difference_that_nothing_names_is_not_closed_and_says_which(shop, monkeypatch):
    """Should a run ever fail to name a difference, the month does not close over it."""
    shop.january()
    shop.sold(5, 4_321, 1, 20)
    monkeypatch.setattr(BreakFinder, "find", lambda *_, **__: {})
    refusal = refused("period_unexplained", shop.propose, JANUARY)
    assert len(refusal.extra["subjects"]) == 3
    assert refusal.extra["subjects"][-1] == "line:alpha:txn_2 EUR"


def test_a_month_is_not_closed_while_a_file_waits(shop):
    shop.january()
    with shop.desk.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO report_files (file_id, source, sha256, name, byte_count, state, received_at, received_by)"
            " VALUES ('file_w', 'bank', sha256('w'), 'w', 1, 'RECEIVED', now(), 'ada')"
        )
    refused("period_files_waiting", shop.propose, JANUARY)


@pytest.mark.parametrize(
    ("statement", "promise"),
    [
        ("UPDATE period_rolls SET closing_minor = closing_minor", "never changed"),
        ("DELETE FROM period_positions", "never changed"),
        ("UPDATE closed_periods SET run_id = run_id", "never changed"),
        ("TRUNCATE period_files", "never changed"),
    ],
)
def test_plain_sql_changes_nothing_of_a_closed_month(shop, reconciliation_urls, statement, promise):
    shop.january()
    shop.close(JANUARY)
    for url in (reconciliation_urls.owner, reconciliation_urls.app):
        with psycopg.connect(url) as connection, pytest.raises(psycopg.Error) as caught:
            connection.execute(statement)
        assert promise in str(caught.value) or "permission denied" in str(caught.value)


@pytest.mark.parametrize(
    ("statements", "constraint"),
    [
        ((_APPROVE.format("proposed_by"),), "period_closes_four_eyes"),
        ((_APPROVE.format("'bob'"), _NOW), "closed_period_approved"),
        (("UPDATE period_closes SET proposed_by = 'eve'",), "permission denied"),
        (("UPDATE period_closes SET digest = sha256('x')",), "permission denied"),
        ((_ROLL.format("5, 3, 3, 3"),), "period_rolls_forward"),
        ((_ROLL.format("5, 3, 2, 1"),), "period_rolls_explained"),
        ((_ROLL.format("5, 3, 2, 2"), _CLOSE.format("digest")), "its positions do not come to"),
        ((_ROLL.format("0, 0, 0, 0"), _NOW), "period_rolls_period_fkey"),
    ],
)
def test_plain_sql_closes_no_month_that_two_people_did_not(shop, app_sql, statements, constraint):
    shop.january()
    shop.propose(JANUARY)
    *before, last = statements
    for statement in before:
        app_sql.execute(statement)
    with pytest.raises(psycopg.Error) as caught:
        app_sql.execute(last)
    assert constraint in str(caught.value)


def test_a_month_opens_with_what_the_one_before_closed_with(shop, app_sql):
    shop.january()
    shop.close(JANUARY)
    shop.february()
    shop.propose(FEBRUARY)
    with pytest.raises(psycopg.Error, match="does not open with what 2026-01 closed with"):
        app_sql.execute(
            "INSERT INTO closed_periods SELECT period, close_id, digest, '2026-02-01 00:00+00', '2026-03-01 00:00+00',"
            " (SELECT min(run_id) FROM runs), '{}', 'v', now() FROM period_closes WHERE period = '2026-02'"
        )


def test_plain_sql_closes_no_month_with_other_figures_than_were_proposed(shop, reconciliation_urls):
    shop.january()
    shop.propose(JANUARY)
    with (
        psycopg.connect(reconciliation_urls.app) as connection,
        pytest.raises(psycopg.errors.ForeignKeyViolation, match="closed_periods_as_proposed"),
    ):
        connection.execute(_CLOSE.format("sha256('other')"))


def test_plain_sql_adds_nothing_to_a_closed_month(shop, reconciliation_urls):
    shop.january()
    shop.close(JANUARY)
    with (
        psycopg.connect(reconciliation_urls.app) as connection,
        pytest.raises(psycopg.errors.RestrictViolation, match="closed and stays as it is"),
    ):
        connection.execute(_LATE)


def test_plain_sql_adds_nothing_to_a_month_while_it_is_being_closed(shop, reconciliation_urls):
    shop.january()
    close = shop.propose(JANUARY)

    def closing(uow):
        approve_close(close.close_id, "seen", BOB, uow)
        with psycopg.connect(reconciliation_urls.app) as beside:
            beside.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                beside.execute(_LATE)

    shop.desk.run(closing)
    assert shop.rows("SELECT count(*) FROM period_late") == [(0,)]
