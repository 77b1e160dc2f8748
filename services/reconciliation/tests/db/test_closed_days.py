"""What a closed month shows and exports stays, to the byte, whatever lines, amendments and credits come later."""

from __future__ import annotations

from datetime import UTC, date, datetime

import psycopg
import pytest

from services.reconciliation.adapters.kept_days import explained_as_closed, pictures_as_closed
from services.reconciliation.adapters.period_exports import as_csv, as_json
from services.reconciliation.adapters.period_tables import TABLES
from services.reconciliation.adapters.readers import READERS
from services.reconciliation.adapters.recomputing import recompute
from services.reconciliation.adapters.report_figures import report_figures
from services.reconciliation.adapters.report_page import report_page
from services.reconciliation.domain.pictures import Band
from services.reconciliation.tests.months import FEBRUARY, JANUARY, Shop
from services.reconciliation.tests.reports import report, take_in
from services.reconciliation.tests.writers import tieout_row
from shared.kernel.errors import Rejected

FIRST, LAST = date(2026, 1, 1), date(2026, 1, 31)


@pytest.fixture
def shop(desk):
    """January with a line of nobody's, and a payout of which the bank has a part."""
    made = Shop(desk)
    made.january()
    made.reported("po_short", (1, 20), (77, 800, (1, 18)))
    made.credited((300, "PAYOUT po_short", (1, 21)))
    return made


def shown(shop):
    """Every byte that a closed January has: page, document, tables."""

    def work(uow):
        page = report_page(report_figures(uow.connection, uow.now, FIRST, LAST))
        tables = {table: as_csv(uow.connection, "2026-01", table) for table in TABLES}
        return {"page": page.encode(), "json": as_json(uow.connection, "2026-01"), **tables}

    return shop.desk.run(work)


def everything_comes_late(shop):
    """A sale that was unknown, a sale's line as it should have been, a line taken out, and the rest of a credit."""
    shop.sold(9, 40, 1, 12)
    shop.sold(77, 800, 1, 18)
    shop.corrected("po_january", (1, 14), (1, 10_000, (1, 10)), (2, 7_000, (1, 11)))
    shop.reported("po_late", (1, 13), (9, 40, (1, 12)))
    shop.credited((500, "PAYOUT po_short", (1, 22)), (9, "nobody's", (1, 23)))
    take_in(
        shop.desk, report([tieout_row(78, "", minor=5, created_utc="2026-01-19 10:00:00", line_id="lone")])
    )
    shop.february()
    shop.match()


def test_nothing_that_comes_after_the_close_changes_a_byte_of_it(shop):
    shop.close(JANUARY)
    before = shown(shop)
    assert b"broken" in before["page"]
    assert before["days"].count(b"\r\n") == 5
    everything_comes_late(shop)
    after = shown(shop)
    assert {name for name in before if before[name] != after[name]} == set()
    shop.close(FEBRUARY)
    assert shown(shop) == before


def test_days_come_to_the_same_when_they_are_computed_once_more(shop):
    def again(month):
        return shop.desk.run(lambda uow: recompute(READERS, month, uow.connection, uow.now, uow.ids))

    shop.close(JANUARY)
    assert shop.rows("SELECT count(*) FROM period_explained")[0][0] > 1
    everything_comes_late(shop)
    shop.close(FEBRUARY)
    for month in (JANUARY, FEBRUARY):
        assert again(month).differences == []


def test_days_are_kept_as_they_were_shown_before_the_close(shop):
    def read(work):
        return shop.desk.run(lambda uow: work(uow.connection, FIRST, date(2026, 2, 28)))

    shop.match()
    as_they_are = read(pictures_as_closed), read(explained_as_closed)
    assert Band.BROKEN in as_they_are[0][0].minor or Band.BROKEN in as_they_are[0][1].minor
    assert any(row["named_by"] for row in as_they_are[1])
    shop.close(JANUARY)
    assert (read(pictures_as_closed), read(explained_as_closed)) == as_they_are
    everything_comes_late(shop)
    closed = read(pictures_as_closed), read(explained_as_closed)
    assert [one for one in closed[0] if one.day <= LAST] == as_they_are[0]
    assert [row for row in closed[1] if row["day"] <= LAST] == as_they_are[1]
    # The days of the open month are as they are.
    assert [one.day for one in closed[0] if one.day > LAST] == [date(2026, 2, 5)]


def test_the_first_closed_month_keeps_the_days_before_it_as_well(shop):
    shop.captured(12, 70, account="acct_1", at=datetime(2025, 12, 30, 9, tzinfo=UTC))
    shop.close(JANUARY)
    assert shop.rows("SELECT day FROM period_days WHERE day < '2026-01-01'") == [(date(2025, 12, 30),)]
    shop.close(FEBRUARY)
    assert shop.rows("SELECT count(*) FROM period_days WHERE period = '2026-02' AND day < '2026-02-01'") == [
        (0,)
    ]


def test_a_month_closed_before_days_were_kept_is_exported_as_it_was(shop, reconciliation_urls):
    shop.close(JANUARY)
    with psycopg.connect(reconciliation_urls.owner) as owner:
        for table in ("closed_periods", "period_days", "period_explained"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute("UPDATE closed_periods SET keeps_days = false")
        owner.execute("DELETE FROM period_days")
        owner.execute("DELETE FROM period_explained")
    document = shop.desk.run(lambda uow: as_json(uow.connection, "2026-01"))
    assert b'"days"' not in document
    with pytest.raises(Rejected) as caught:
        shop.desk.run(lambda uow: as_csv(uow.connection, "2026-01", "days"))
    assert caught.value.code == "period_days_not_kept"
    figures = shop.desk.run(lambda uow: report_figures(uow.connection, uow.now, FIRST, LAST))
    assert [picture.day.day for picture in figures.pictures] == [10, 11, 18, 31]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE period_days SET matched_minor = matched_minor + 1",
        "DELETE FROM period_days",
        "UPDATE period_explained SET unnamed_minor = 0",
        "TRUNCATE period_explained",
        "UPDATE closed_periods SET keeps_days = false",
        "INSERT INTO period_days VALUES ('2026-01', '2026-01-02', 'EUR', 1, 0, 0, 0, 0)",
        (
            'INSERT INTO period_explained SELECT (jsonb_populate_record(p, \'{"day": "2026-01-02"}\')).*'
            " FROM period_explained AS p LIMIT 1"
        ),
    ],
)
@pytest.mark.parametrize("role", ["app", "owner"])
def test_what_days_came_to_cannot_be_changed_in_sql(shop, reconciliation_urls, role, statement):
    shop.close(JANUARY)
    allowed = (psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)
    with psycopg.connect(getattr(reconciliation_urls, role)) as connection, pytest.raises(allowed):
        connection.execute(statement)
