"""A row that was written long after its operation was made is matched and counted by when it was made."""

from __future__ import annotations

from datetime import date

import pytest

from services.reconciliation.adapters.day_pictures import day_pictures
from services.reconciliation.tests.months import Shop
from services.reconciliation.tests.reports import report, take_in
from services.reconciliation.tests.writers import tieout_row

pytestmark = pytest.mark.db
NAMELESS = {"source_id": "", "our_reference": "", "created_utc": "2026-01-20 10:00:00"}


@pytest.mark.parametrize(("made_at", "matched"), [("2026-01-10 11:00:00", 1), ("", 0)])
def test_a_line_that_names_nothing_is_matched_by_amount_near_when_it_was_made(desk, made_at, matched):
    shop = Shop(desk)
    shop.sold(1, 10_000, 1, 10)
    take_in(desk, report([tieout_row(7, **NAMELESS, fee_minor=0, made_at_utc=made_at)]))
    shop.match()
    assert shop.rows("SELECT count(DISTINCT match_id) FROM claims") == [(matched,)]


def test_a_line_that_matches_nothing_counts_on_the_day_on_which_it_was_made(desk):
    shop = Shop(desk)
    take_in(desk, report([tieout_row(7, **NAMELESS, made_at_utc="2026-01-31T23:30:00-01:00")]))
    shop.match()
    [picture] = desk.run(lambda uow: day_pictures(uow.connection, date(2026, 1, 1), date(2026, 2, 28)))
    assert picture.day == date(2026, 2, 1)
