"""A month of payments over three processors' formats and three banks': every planted break found, and nothing else."""

from __future__ import annotations

import pytest

from services.reconciliation.domain.breaks import BreakType
from tests.integration.months.desk import MonthDesk
from tests.integration.months.key import end_of
from tests.integration.months.month import Month, Plan, stops
from tests.integration.months.residue import unexplained
from tests.integration.months.trade import START

pytestmark = pytest.mark.timeout(600)
"""A month is much work, and the machine may be shared."""


@pytest.fixture
def desk(service_database):
    made = MonthDesk(service_database("reconciliation").app, end_of(START.date()))
    made.declare()
    yield made
    made.close()


def live(desk, plan):
    """Through the month; everything that it comes to is checked here."""
    month = Month(plan)
    score = month.live(desk)
    assert score.missed == {}
    assert score.invented == {}
    assert set(score.expected) == {kind.value for kind in BreakType}, "a type that no month has"
    assert unexplained(desk, month.world, month.key.answers(month.plan.stops[-1])) == []
    assert desk.rows("SELECT key FROM parked_keys") == []
    found = {(answer.about, answer.type) for answers in score.found.values() for answer in answers}
    return set(month.key.planted_breaks()) - found


def test_every_type_that_there_is_is_planted_by_seed():
    month = Month(Plan(seed="1", payments=300, each=1, stops=stops(7)))
    assert {kind for _, kind in month.key.planted_breaks()} == {kind.value for kind in BreakType}


def test_with_a_run_after_every_day_each_planted_break_is_found_and_nothing_else(desk):
    assert live(desk, Plan(seed="0", payments=300, each=1, stops=stops(1))) == set()


@pytest.mark.parametrize("seed", ["1", "2"])
def test_with_a_run_now_and_then_only_lines_that_came_meanwhile_are_not_seen_to_be_late(desk, seed):
    left = live(desk, Plan(seed=seed, payments=300, each=1, stops=stops(5)))
    assert {kind for _, kind in left} <= {"settlement_delay"}


def test_a_small_month_with_a_run_every_week(desk):
    left = live(desk, Plan(seed="3", payments=300, each=1, stops=stops(7)))
    assert {kind for _, kind in left} <= {"settlement_delay"}


def test_a_month_of_ten_thousand_payments(desk):
    left = live(desk, Plan(seed="4", payments=10_000, each=10, stops=stops(15)))
    assert {kind for _, kind in left} <= {"settlement_delay"}


def test_errors_fall_on_lines_that_are_exchanged_and_on_currencies_without_hundredths():
    months = [Month(Plan(seed=seed, payments=300, each=1, stops=stops(7))) for seed in "0123"]
    fallen = {
        (line.currency, each.error)
        for month in months
        for each in month.planted
        for line in (each.changed, *(added.line for added in each.added))
        if line is not None
    }
    assert {currency for currency, _ in fallen} == {"EUR", "USD", "JPY", "KWD"}
    assert len([error for currency, error in fallen if currency == "JPY"]) > 2
    assert len([error for currency, error in fallen if currency == "KWD"]) > 2
