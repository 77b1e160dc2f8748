"""The gauges: what stands now by type and currency, read at most once per interval, each with a way to make it rise."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.reconciliation.adapters.standing_gauges import GAUGES, READ_EVERY_S, StandingGauges
from services.reconciliation.tests.answering import JOURNAL, ask_for_adjustment, hear_adjustment
from services.reconciliation.tests.months import Shop, at
from services.reconciliation.tests.reports import receive
from services.reconciliation.tests.three_legs import World
from shared.runtime import metric_names as names


class StoppedClock:
    """Time that the test moves."""

    def __init__(self, now):
        self.time = now
        self.seconds = 0.0

    def now(self):
        return self.time

    def monotonic_s(self):
        return self.seconds


@pytest.fixture
def clock():
    return StoppedClock(at(2, 10))


@pytest.fixture
def gauges(desk, clock):
    return StandingGauges(desk.engine, clock)


def read(gauges, clock):
    clock.seconds += READ_EVERY_S
    return {metric: dict(gauges.samples_of(metric)) for metric in GAUGES}


def test_an_empty_service_shows_zeros_and_no_breaks(gauges, clock):
    found = read(gauges, clock)
    assert found[names.RECONCILIATION_BREAKS] == found[names.RECONCILIATION_FILES_IN_DOUBT] == {}
    assert found[names.RECONCILIATION_FILES_HELD] == {("RECEIVED",): 0, ("REFUSED",): 0}
    for metric in GAUGES[4:-1]:
        assert found[metric] == {(): 0}


def test_breaks_money_at_risk_and_age_by_type_and_currency(desk, gauges, clock):
    shop = Shop(desk)
    shop.january()
    shop.match(as_of=at(1, 20))
    found = read(gauges, clock)
    key = ("amount_mismatch", "EUR")
    assert found[names.RECONCILIATION_BREAKS][key] == 1
    assert found[names.RECONCILIATION_AT_RISK_MINOR][key] == 100
    assert found[names.RECONCILIATION_OLDEST_BREAK_S][key] == timedelta(days=30).total_seconds()


def test_files_that_wait_or_were_refused_and_lines_that_nobody_heard_of(desk, gauges, clock):
    shop = Shop(desk)
    shop.reported("po_january", (1, 14), (1, 10_000, (1, 10)))
    assert read(gauges, clock)[names.RECONCILIATION_LINES_UNTOLD] == {(): 0}
    assert read(gauges, clock)[names.RECONCILIATION_FILES_HELD] == {("RECEIVED",): 0, ("REFUSED",): 2}
    receive(desk, b"waits")
    assert read(gauges, clock)[names.RECONCILIATION_FILES_HELD][("RECEIVED",)] == 1
    world = World.__new__(World)
    world.desk, world._events = desk, 0
    world.payout("po_1", 5, closed_at=at(1, 1))
    world.line("untold", 5, announced=False)
    assert read(gauges, clock)[names.RECONCILIATION_LINES_UNTOLD] == {(): 1}


def test_a_day_that_is_not_explained_ages_until_a_break_names_it_or_the_bank_pays(desk, gauges, clock):
    shop = Shop(desk)
    shop.reported("po_january", (1, 31), (1, 10_000, (1, 30)))
    unpaid = read(gauges, clock)[names.RECONCILIATION_UNEXPLAINED_AGE_S]
    # Due on a Saturday: the bank had Monday to Wednesday.
    assert unpaid == {(): (clock.time - at(2, 4) + timedelta(hours=10)).total_seconds()}
    shop.match(as_of=at(2, 9))
    assert read(gauges, clock)[names.RECONCILIATION_UNEXPLAINED_AGE_S] == {(): 0}
    shop.credited((10_000, "PAYOUT po_january", (2, 1)))
    shop.match(as_of=at(2, 9))
    found = read(gauges, clock)
    assert found[names.RECONCILIATION_UNEXPLAINED_AGE_S] == {(): 0}
    assert ("missing_in_bank", "EUR") not in found[names.RECONCILIATION_BREAKS]


def test_what_waits_for_an_answer_ages_until_it_comes(desk, gauges, clock):
    world = World(desk)
    world.payout("po_1", 900)
    world.captured(1, 1_000)
    world.line("l1", 900, object_id="cap_1")
    world.match()
    assert read(gauges, clock)[names.RECONCILIATION_UNANSWERED_AGE_S] == {(): 0}
    break_id = ask_for_adjustment(world)
    ((told_at,),) = world.rows("SELECT told_at FROM asked_resolutions")
    clock.time = told_at + timedelta(hours=25)
    assert read(gauges, clock)[names.RECONCILIATION_UNANSWERED_AGE_S] == {(): 25 * 3_600}
    hear_adjustment(world, break_id, "applied", journal_id=JOURNAL)
    world.match()
    assert read(gauges, clock)[names.RECONCILIATION_UNANSWERED_AGE_S] == {(): 0}


def test_however_often_they_are_scraped_they_are_read_once_per_interval(desk, gauges, clock):
    asked = []
    sa.event.listen(desk.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    for _ in range(50):
        for metric in GAUGES:
            gauges.samples_of(metric)
    assert len(asked) == 9
