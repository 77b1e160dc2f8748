"""A moment is read with its offset, and kept in UTC: what UTC has no year for is none."""

from datetime import UTC, datetime

import pytest

from shared.kernel.moments import utc_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-30T12:00:00Z", datetime(2026, 11, 30, 12, tzinfo=UTC)),
        ("2026-12-01T00:00:00+20:00", datetime(2026, 11, 30, 4, tzinfo=UTC)),
        ("2026-12-01T00:00:00-23:59", datetime(2026, 12, 1, 23, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_offset_counts_and_is_left_behind(text, moment):
    read = utc_moment(text)
    assert (read, read.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-11-30T12:00:00",
        "2026-11-30",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(ValueError, match=r"time|isoformat"):
        utc_moment(text)
