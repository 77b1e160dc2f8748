"""A source is declared otherwise only while no file of it waits: each is read as it was declared when it came."""

from __future__ import annotations

import dataclasses
import threading

import psycopg
import pytest

from services.reconciliation.adapters.readers import READERS
from services.reconciliation.adapters.recomputing import recompute
from services.reconciliation.entrypoints.feeding import feed
from services.reconciliation.entrypoints.worker import stage_one
from services.reconciliation.tests.db.test_feed import piece
from services.reconciliation.tests.db.test_sources import WAITING
from services.reconciliation.tests.months import JANUARY, Shop
from services.reconciliation.tests.reports import ADA, ALPHA, declare, payout, receive, report, take_in
from services.reconciliation.tests.writers import csv_bytes, tieout_row
from shared.kernel.errors import Rejected
from shared.testing.waiting import eventually

pytestmark = pytest.mark.db
OTHERWISE = dataclasses.replace(ALPHA, format="stripe_payout_csv")
OTHER_OPTIONS = dataclasses.replace(ALPHA, options={"encoding": "latin-1"})
CONTENT = report(payout("po_1", (1, {})))


def stage(desk):
    while stage_one(READERS, desk.transactions):
        pass


def refused(work, *arguments):
    with pytest.raises(Rejected) as caught:
        work(*arguments)
    return caught.value.code, dict(caught.value.extra)


@pytest.mark.parametrize("otherwise", [OTHERWISE, OTHER_OPTIONS], ids=["format", "options"])
@pytest.mark.parametrize("way", ["file", "piece"])
def test_a_source_is_declared_otherwise_once_no_file_of_it_waits(desk, otherwise, way):
    declare(desk)
    if way == "file":
        receive(desk, CONTENT)
    else:
        feed(desk.transactions, "alpha", piece(1, tieout_row(1)), ADA)
    assert refused(declare, desk, otherwise) == ("source_files_waiting", {"files_waiting": 1})
    declare(desk)  # the same again changes nothing
    stage(desk)
    assert desk.rows("SELECT state, line_count > 0 FROM report_files") == [("STAGED", True)]
    declare(desk, otherwise)
    assert desk.rows("SELECT format, options FROM sources") == [(otherwise.format, dict(otherwise.options))]


def test_a_file_that_was_refused_is_no_obstacle_and_is_read_as_the_source_is_declared_then(desk):
    declare(desk, OTHERWISE)
    receive(desk, CONTENT)
    stage(desk)
    assert desk.rows("SELECT state FROM report_files") == [("REFUSED",)]
    declare(desk)
    receive(desk, CONTENT)
    assert refused(declare, desk, OTHERWISE)[0] == "source_files_waiting"
    stage(desk)
    assert desk.rows("SELECT state FROM report_files") == [("STAGED",)]


def test_a_piece_comes_to_the_source_as_it_is_declared_by_then(desk):
    """It waits for a declaration that is under way, and is refused where it cannot be fed any more."""
    declare(desk)
    changed, go, ended = threading.Event(), threading.Event(), []

    def redeclare(uow):
        uow.sources.hold_alone("alpha")
        uow.sources.declare(OTHERWISE, "ada")
        changed.set()
        assert go.wait(30)

    def come():
        try:
            ended.append(feed(desk.transactions, "alpha", piece(1, tieout_row(1)), ADA))
        except Rejected as error:
            ended.append(error.code)

    holder = threading.Thread(target=lambda: desk.run(redeclare))
    holder.start()
    assert changed.wait(30)
    comer = threading.Thread(target=come)
    comer.start()
    eventually(lambda: desk.rows(WAITING) == [(1,)])
    go.set()
    holder.join(30)
    comer.join(30)
    assert ended == ["source_not_fed"]
    assert desk.rows("SELECT count(*) FROM report_files") == [(0,)]


def test_sql_changes_nothing_over_a_file_that_waits(desk):
    declare(desk)
    receive(desk, CONTENT)
    with desk.engine.connect() as connection:
        raw = connection.connection.driver_connection
        for change in ("format = 'stripe_payout_csv'", """options = '{"encoding": "latin-1"}'"""):
            with pytest.raises(psycopg.errors.CheckViolation) as caught, raw.transaction():
                raw.execute(f"UPDATE sources SET {change}")
            assert caught.value.diag.constraint_name == "source_no_file_waits"
        raw.execute("UPDATE sources SET declared_by = 'bob'")
        raw.rollback()


SEMICOLONS = dataclasses.replace(ALPHA, options={"delimiter": ";"})


def more_of_january(desk):
    row = tieout_row(
        5,
        "po_1",
        minor=700,
        fee_minor=0,
        created_utc="2026-01-20 10:00:00",
        available_on_utc="2026-01-21 10:00:00",
    )
    staged = take_in(desk, csv_bytes([row], delimiter=";"))
    assert (staged.state, staged.line_count) == ("STAGED", 1)


def test_a_month_in_which_it_was_declared_otherwise_comes_to_the_same_when_it_is_computed_once_more(desk):
    """Each of its files is read as the source was declared when the file was staged, not as at the close."""
    shop = Shop(desk)
    shop.january()
    declare(desk, SEMICOLONS)
    more_of_january(desk)
    shop.close(JANUARY)
    declare(desk)
    done = desk.run(lambda uow: recompute(READERS, JANUARY, uow.connection, uow.now, uow.ids))
    assert (done.differences, done.files) == ([], 3)


def test_of_files_from_before_it_was_kept_the_declaration_at_the_close_is_taken(desk, reconciliation_urls):
    shop = Shop(desk)
    shop.january()
    shop.close(JANUARY)
    with psycopg.connect(reconciliation_urls.owner) as owner:
        owner.execute("ALTER TABLE report_files DISABLE TRIGGER USER")
        owner.execute("UPDATE report_files SET read_format = NULL, read_options = NULL")
    declare(desk, SEMICOLONS)
    done = desk.run(lambda uow: recompute(READERS, JANUARY, uow.connection, uow.now, uow.ids))
    assert (done.differences, done.files) == ([], 2)


def test_plain_sql_changes_nothing_of_how_a_file_was_read(desk, app_sql, reconciliation_urls):
    declare(desk)
    take_in(desk, CONTENT)
    assert desk.rows("SELECT read_format, read_options FROM report_files") == [("tieout_csv", {})]
    change = """UPDATE report_files SET read_options = '{"delimiter": ";"}'"""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute(change)
    with psycopg.connect(reconciliation_urls.owner) as owner, pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(change)
