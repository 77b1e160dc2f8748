"""Each day is worked out once it is over: by one full run, by whoever comes first, and kept as it was then."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest

from services.reconciliation.adapters.daily_runs import StoredDays, list_days
from services.reconciliation.app.work_out_days import work_out_days
from services.reconciliation.tests.months import Shop

TODAY = datetime(2026, 1, 12, 0, 1, tzinfo=UTC)


def work_out(shop, now=TODAY):
    """As the worker does it, at another time."""

    def work(uow):
        names = (
            "ids", "terms", "matching", "allocating", "finding", "break_adjustments", "returns", "runs",
        )  # fmt: skip
        parts = {name: getattr(uow, name) for name in names}
        return work_out_days(SimpleNamespace(now=now, days=StoredDays(uow.connection, now), **parts))

    return shop.desk.run(work)


def days(shop):
    found = shop.desk.run(lambda uow: list_days(uow.connection, date(2026, 1, 1), date(2026, 1, 31)))
    return [
        (row["day"].day, row["matched_minor"], row["timing_minor"], row["broken_minor"], row["run_id"])
        for row in found
    ]


@pytest.fixture
def shop(desk):
    made = Shop(desk)
    made.january()
    return made


def test_a_day_is_worked_out_once_by_a_full_run(shop):
    assert work_out(shop)
    assert not work_out(shop)
    [(run_id, kind)] = shop.rows("SELECT run_id, kind FROM runs")
    assert kind == "full"
    assert days(shop) == [(11, 0, 0, 7_000, run_id)]


def test_days_that_were_missed_are_made_up_for_and_say_what_was_known_then(shop):
    work_out(shop)
    work_out(shop, TODAY + timedelta(days=3))
    found = days(shop)
    assert [day for day, *_ in found] == [11, 12, 13, 14]
    assert len({run_id for *_, run_id in found}) == 2


def test_without_any_money_there_is_nothing_to_work_out(desk):
    assert not desk.run(work_out_days)


def test_a_day_cannot_be_worked_out_before_it_is_over_nor_changed(shop, app_sql):
    work_out(shop)
    with pytest.raises(psycopg.errors.CheckViolation, match="daily_runs_over"):
        app_sql.execute("INSERT INTO daily_runs SELECT '2026-01-20', run_id, '2026-01-20 23:59+00' FROM runs")
    app_sql.rollback()
    with pytest.raises(psycopg.Error):
        app_sql.execute("UPDATE day_figures SET broken_minor = 0")
