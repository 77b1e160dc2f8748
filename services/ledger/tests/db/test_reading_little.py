"""Reads begin and end at snapshots: the database says how many entries it looked at, not how long that took."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy as sa

from services.ledger.adapters.head_keys import HeadSigner
from services.ledger.adapters.heads import HeadStore, nearest_head
from services.ledger.adapters.periods import StoredPeriods
from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.snapshotting import Folder
from services.ledger.adapters.statements import SqlStatements
from services.ledger.app.fold_snapshots import Folding
from services.ledger.app.moments import EVERYTHING, Moment
from services.ledger.app.post_event import load_books
from services.ledger.app.statements import DrawUpStatement, draw_up_statement
from services.ledger.domain.chart import AccountRef
from services.ledger.tests import report
from services.ledger.tests.db.conftest import Told
from services.ledger.tests.payloads import Payment
from services.ledger.tests.plain_books import PlainBooks
from shared.runtime.operator_tokens import new_key_pair

JOURNALS, WINDOW, LIMIT = 120, 5, 4
ACCOUNT = AccountRef("merchant_pending", Payment(1).merchant_id, "EUR")
FAR = datetime(2099, 1, 1, tzinfo=UTC)
EVER = {"since": datetime(1970, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}


NOBODY_ELSE_ANALYSES = """
DO $$
DECLARE
    each regclass;
BEGIN
    FOR each IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', each);
    END LOOP;
END $$
"""


@pytest.fixture
def ledger(ledger, ledger_urls):
    """What the planner knows of tables so small decides how it reads them: autovacuum tells it nothing in between."""
    with psycopg.connect(ledger_urls.owner) as connection:
        connection.execute(NOBODY_ELSE_ANALYSES)
    return ledger


@pytest.fixture
def books(ledger):
    """One account with 120 entries and a snapshot behind every fifth of them, and two entries behind the last one."""
    sealer = Sealer(ledger.transactions)
    folder = Folder(ledger.transactions, Folding(every_seals=WINDOW, entries_min=WINDOW))
    for number in range(1, JOURNALS + 3):
        ledger.tell(Payment(number).captured(1_000 + number))
        if number % WINDOW == 0:
            sealer.turn()
            folder.turn()
    sealer.turn()
    return ledger


@contextmanager
def looked_at(engine, table="entries"):
    """How many rows of it the statements inside have read, as their plans say when they are run again."""
    seen = []

    def keep(_connection, _cursor, statement, parameters, *_):
        if not statement.startswith("SET "):
            seen.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", keep)
    counted = []
    yield counted
    sa.event.remove(engine, "before_cursor_execute", keep)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, parameters in seen:
            rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            counted.append(rows_of(rows.scalar_one()[0]["Plan"], table))


def rows_of(plan, table="entries"):
    own = 0
    if re.fullmatch(rf"{table}(_p\d+)?", plan.get("Relation Name", "")):
        own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return own + sum(rows_of(inner, table) for inner in plan.get("Plans", ()))


@pytest.mark.parametrize("moment", [EVERYTHING, Moment(as_of=3), Moment(as_of=61), Moment(as_of=JOURNALS)])
def test_a_balance_reads_what_is_behind_one_snapshot(books, moment):
    with looked_at(books.engine) as entries:
        SqlStatements(books.engine).account(ACCOUNT, moment)
    assert 0 <= sum(entries) <= WINDOW + 1, entries


def test_money_of_a_far_date_makes_no_balance_of_now_read_more(ledger):
    """It is booked first, so every snapshot counts it; and again and again, as money that is not available yet."""
    sealer = Sealer(ledger.transactions)
    folder = Folder(ledger.transactions, Folding(every_seals=WINDOW, entries_min=WINDOW))
    for number in range(1, JOURNALS + 3):
        ahead = number == 1 or number % 3 == 0
        ledger.tell(Payment(number).captured(1_000 + number), time=FAR if ahead else None)
        if number % WINDOW == 0:
            sealer.turn()
            folder.turn()
    moment = Moment(effective_before=datetime.now(UTC))
    with looked_at(ledger.engine) as entries:
        found = SqlStatements(ledger.engine).account(ACCOUNT, moment)
    assert found.balance_minor == PlainBooks(ledger.engine).balance(ACCOUNT, before=moment.effective_before)
    assert 0 < sum(entries) <= WINDOW, entries
    with looked_at(ledger.engine) as entries:
        arriving = SqlStatements(ledger.engine).arrivals(ACCOUNT.owner, None, moment.effective_before, None)
    assert arriving == {}, "that is told of merchant_available only"
    assert sum(entries) <= WINDOW, entries


@pytest.mark.parametrize("analysed", [False, True])
def test_a_page_of_a_statement_reads_about_what_it_shows(books, ledger_urls, analysed):
    """Of 122 entries, whether the planner knows the tables or not."""
    if analysed:
        with psycopg.connect(ledger_urls.owner) as connection:
            connection.execute("ANALYZE")
    reads = SqlStatements(books.engine)
    wanted = DrawUpStatement(account=ACCOUNT, **EVER, limit=LIMIT)
    page, pages = draw_up_statement(wanted, reads), 1
    while page.next_cursor is not None:
        with looked_at(books.engine) as entries:
            page = draw_up_statement(replace(wanted, cursor=page.next_cursor), reads)
        pages += 1
        assert LIMIT <= sum(entries) <= LIMIT + 6 * WINDOW or page.next_cursor is None, (pages, entries)
    assert pages == -(-(JOURNALS + 2) // LIMIT)


def test_the_opening_of_a_period_reads_what_is_behind_one_snapshot(books):
    reads = SqlStatements(books.engine)
    middle = books.rows("SELECT sealed_at FROM seals WHERE position = 63")[0][0]
    wanted = DrawUpStatement(account=ACCOUNT, since=middle, until=EVER["until"], limit=1)
    with looked_at(books.engine) as entries:
        opening = draw_up_statement(wanted, reads).opening_minor
    assert opening == sum(1_000 + number for number in range(1, 61))
    assert sum(entries) <= 4 * WINDOW


def test_a_close_reads_what_is_not_settled(books):
    """Posting waits for it, so neither journals nor seals are read through."""
    for number in range(JOURNALS + 3, JOURNALS + 6):
        books.tell(Payment(number).captured(1_000))
    for table in ("journals", "seals"):
        with looked_at(books.engine, table) as rows, books.engine.connect() as connection:
            end = StoredPeriods(connection).chain_end(EVER["until"])
        assert (end.position, end.unsealed) == (JOURNALS + 2, 3)
        assert sum(rows) <= WINDOW, (table, rows)


def test_folding_looks_no_journal_up_for_accounts_that_hardly_moved(ledger):
    """Most have too few entries for a snapshot: their index tells, and nothing is joined."""
    for number in range(1, 21):
        ledger.tell(Payment(number, merchant=number).captured(1_000))
    Sealer(ledger.transactions).turn()
    with looked_at(ledger.engine, "journals") as journals:
        Folder(ledger.transactions, Folding(every_seals=1, entries_min=1_000)).turn()
    assert (len(journals) > 1, sum(journals)) == (True, 0)
    assert ledger.rows("SELECT count(*) FROM account_snapshots") == [(0,)]


def test_the_plans_do_name_the_entries(books):
    """If they did not, every count above would be zero, and right."""
    with books.engine.connect() as connection:
        plan = connection.execute(
            sa.text("EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM entries")
        ).scalar_one()
    assert rows_of(json.loads(json.dumps(plan))[0]["Plan"]) == 2 * (JOURNALS + 2)


def test_heads_are_looked_up_and_not_read_through(ledger):
    """Whether one is due is asked four times a second, and their number only ever grows."""
    signer = HeadSigner(new_key_pair()[0])
    for number in range(1, 21):
        ledger.tell(Payment(number).captured(1_000))
        Sealer(ledger.transactions, signer).turn()
    with looked_at(ledger.engine, "seal_heads") as heads, ledger.engine.connect() as connection:
        assert not HeadStore(connection).is_due(0, datetime.now(UTC), 1_000), "nothing is sealed since"
        assert nearest_head(connection, 0, 7).position == 7
        assert nearest_head(connection, 0, 21) is None
    assert heads == [1, 1, 0]
    ledger.tell(Payment(21).captured(1_000))
    Sealer(ledger.transactions).turn()
    with ledger.engine.connect() as connection:
        assert HeadStore(connection).is_due(0, datetime.now(UTC), 1_000)
        assert HeadStore(connection).is_due(0, EVER["since"], 1)
        assert not HeadStore(connection).is_due(0, EVER["since"], 2)


def test_what_settles_reads_its_capture_and_nothing_else_of_its_payment(ledger):
    payment = Payment(1)
    refunds = [told(100, refund) for refund in range(1, 6)
               for told in (payment.refund_requested, payment.refund_succeeded)]  # fmt: skip
    ledger.tell(payment.captured(10_000, 300), *refunds)
    ((whole, of_capture),) = ledger.rows(
        "SELECT sum(entry_count), sum(entry_count) FILTER (WHERE rule = 'capture') FROM journals"
    )
    settled = Told("evt_settled", "CaptureSettled", report.settled(payment, 10_000, 300))
    with looked_at(ledger.engine) as entries:
        ledger.transactions.run(lambda uow: load_books([settled], uow), name="test")
    assert (sum(entries), whole) == (of_capture, 23)
    ledger.tell(settled.data)
    assert ledger.rows("SELECT count(*) FROM journals WHERE rule = 'capture_settled'") == [(1,)]
