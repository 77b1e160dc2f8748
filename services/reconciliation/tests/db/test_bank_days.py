"""Until when a payout is awaited on the bank account: business days of its processor's calendar."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.reconciliation.adapters.bank_days_sql import (
    BANK_GRACE_DAYS,
    CALENDAR_OF_PAYOUT,
    in_time_before,
    late_on,
)
from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.domain.calendars import Calendar
from services.reconciliation.tests.agreed import agree_before
from services.reconciliation.tests.three_legs import World


@pytest.fixture
def world(desk):
    return World(desk)


@pytest.mark.parametrize("kind", list(RunKind))
@pytest.mark.parametrize(
    ("expected_on", "holidays", "in_time", "late"),
    [
        ((2026, 11, 3), [], (2026, 11, 5), (2026, 11, 6)),
        # Friday: Monday and Tuesday are the bank's, the weekend is not; from a weekend on as from Monday.
        ((2026, 11, 6), [], (2026, 11, 10), (2026, 11, 11)),
        ((2026, 11, 7), [], (2026, 11, 11), (2026, 11, 12)),
        # Its processor's own holiday, the Monday, does not count either; another one's would.
        ((2026, 11, 6), [date(2026, 11, 9)], (2026, 11, 11), (2026, 11, 12)),
    ],
)
def test_the_bank_has_two_business_days_of_the_processor(world, kind, expected_on, holidays, in_time, late):
    with world.desk.engine.begin() as connection:
        for processor, days in (("alpha", holidays), ("beta", [date(2026, 11, 4), date(2026, 11, 10)])):
            said = {"settles_after_days": 2, "lost_after_days": 5, "holidays": days}
            agree_before(connection, "calendar", processor=processor, time_zone="UTC", **said)
    world.payout("po_1", 9_800, expected_on=date(*expected_on))
    for day in range(2, in_time[2] + 1):
        world.match(kind, as_of=datetime(2026, 11, day, 23, tzinfo=UTC))
        assert world.breaks() == {}, day
    world.match(kind, as_of=datetime(*late, tzinfo=UTC))
    assert world.breaks() == {"payout:alpha:acct_alpha:po_1:EUR": ("missing_in_bank", 9_800)}


def test_the_bank_s_days_are_those_of_the_calendar_that_items_are_due_by(world):
    holidays = [date(2026, 12, 24) + timedelta(days=n) for n in range(9)] + [date(2026, 11, 30)]
    with world.desk.engine.begin() as connection:
        said = {"settles_after_days": 2, "lost_after_days": 5, "holidays": holidays}
        agree_before(connection, "calendar", processor="alpha", time_zone="UTC", **said)
        query = f"""
SELECT due_on, {late_on("due_on")}, {in_time_before("due_on")}
  FROM (SELECT 'alpha' AS processor, '2026-11-20'::date + d AS due_on FROM generate_series(0, 60) AS d) AS p
  {CALENDAR_OF_PAYOUT}"""
        found = connection.exec_driver_sql(query).all()
    calendar = Calendar(holidays=frozenset(holidays))
    for day, late, before in found:
        assert late == calendar.add_days(day, BANK_GRACE_DAYS)
        assert calendar.add_days(before, BANK_GRACE_DAYS) < day
        assert calendar.add_days(before + timedelta(days=1), BANK_GRACE_DAYS) >= day
