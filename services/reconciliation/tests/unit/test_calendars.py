"""Business days, in the processor's own time zone."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from services.reconciliation.domain.calendars import CLOSED_DAYS_MAX, Calendar, DueTimes

BERLIN = Calendar(time_zone="Europe/Berlin", settles_after_days=2, lost_after_days=3)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("occurred", "expected_by"),
    [
        # Monday noon: the end of Wednesday in Berlin (23:00 UTC in winter).
        ("2026-11-02T12:00", "2026-11-04T23:00"),
        # Friday: Monday and Tuesday count, the weekend does not.
        ("2026-11-06T12:00", "2026-11-10T23:00"),
        # Saturday and Sunday count as Monday.
        ("2026-11-07T12:00", "2026-11-11T23:00"),
        # Half past eleven at night in London is tomorrow in Berlin.
        ("2026-11-02T23:30", "2026-11-05T23:00"),
        # Over the end of daylight saving time (25 October 2026): the last day ends by winter's clock.
        ("2026-10-23T12:00", "2026-10-27T23:00"),
        ("2026-10-21T12:00", "2026-10-23T22:00"),
    ],
)
def test_a_line_is_late_from_the_end_of_its_last_business_day(occurred, expected_by):
    assert BERLIN.expected_by(at(occurred)) == at(expected_by)


def test_holidays_are_no_business_days():
    christmas = Calendar(settles_after_days=1, holidays=frozenset({date(2026, 12, 24), date(2026, 12, 25)}))
    assert christmas.expected_by(at("2026-12-23T10:00")) == at("2026-12-29T00:00")


def test_missing_comes_after_late():
    happened = at("2026-11-02T12:00")
    assert BERLIN.lost_by(happened) == at("2026-11-09T23:00")
    assert BERLIN.lost_by(happened) > BERLIN.expected_by(happened)


def test_of_a_batch_each_moment_is_due_as_it_is_by_itself():
    batch, zone = DueTimes(BERLIN), timezone(timedelta(hours=-8))
    for hours in range(24 * 9):  # over a weekend and the end of daylight saving time
        moment = (at("2026-10-21T00:30") + timedelta(hours=hours)).astimezone(zone)
        assert batch.of(moment) == (BERLIN.expected_by(moment), BERLIN.lost_by(moment))


def test_a_calendar_that_never_opens_is_refused_instead_of_looping():
    closed = frozenset(
        date.fromordinal(date(2026, 11, 1).toordinal() + n) for n in range(CLOSED_DAYS_MAX + 5)
    )
    with pytest.raises(ValueError, match="no open day"):
        Calendar(holidays=closed).expected_by(at("2026-11-02T12:00"))
