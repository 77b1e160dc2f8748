"""A database of an older release, full of what that release wrote, comes to the newest version and to the same answers."""

from __future__ import annotations

from types import SimpleNamespace

import psycopg
import pytest
from psycopg import sql

from services.reconciliation.adapters.readers import READERS
from services.reconciliation.adapters.recomputing import recompute
from services.reconciliation.app.close_month import approve_close, propose_close
from services.reconciliation.app.resolve_break import propose_acceptance
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.entrypoints.worker import take_turn
from services.reconciliation.tests import deciding
from services.reconciliation.tests.months import ADA, BOB, FEBRUARY, JANUARY, Shop
from services.reconciliation.tests.reports import receive, report, take_in
from services.reconciliation.tests.writers import tieout_payout, tieout_row
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.migrate import migrate
from shared.persistence.provision import provision
from shared.persistence.schema_version import VERSION_TABLE
from shared.testing.passwords import TEST_PASSWORD

pytestmark = pytest.mark.db
BEFORE = "0028"
"""The last version that asked nobody which of two files holds."""
TABLES = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relname <> %s AND a.attgenerated = '' GROUP BY c.relname ORDER BY c.relname
"""
IDENTITIES = """
SELECT table_name, column_name FROM information_schema.columns
 WHERE table_schema = 'public' AND is_identity = 'YES'
"""
STAND = """
SELECT source, line_id, revision, file_id, withdrawn, gross_minor, announced FROM settlement_lines WHERE stands
 ORDER BY source, line_id
"""
MATCHED = "SELECT rule, source, line_id, item_key FROM claims ORDER BY rule, source, line_id, item_key"
WRONG = "SELECT subject, type, state, at_risk_minor FROM breaks ORDER BY subject"
ALLOCATED = "SELECT source, line_id, payout_id, allocation_number, amount_minor FROM payout_allocations ORDER BY 1, 2, 3, 4"
ROLLS = "SELECT period, leg, account, currency, opening_minor, ours_minor, theirs_minor, closing_minor FROM period_rolls ORDER BY 1, 2, 3, 4"
ANEW = "touched_bank"
"""The next run looks anew at what files lack: by which one came later."""
ASKED = "SELECT at_risk_minor FROM breaks WHERE type = 'file_order_unknown' AND state = 'OPEN'"


@pytest.fixture
def former_urls(postgres_admin_url):
    """An empty database as it was at that version."""
    name = f"u_reconcil_{UlidIds().new('')[-12:]}"
    urls = provision(postgres_admin_url, "reconciliation", name, password=TEST_PASSWORD)
    assert migrate(urls.owner, "reconciliation", revision=BEFORE) == BEFORE
    yield urls
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def born_now(desk, reconciliation_urls):
    """Everything that the older release knew, written: a closed month, amendments, files that contradict each other,
    lines in quarantine, a refused file, and one that waits.
    """
    shop = Shop(desk)
    shop.january()
    shop.reported("po_january", (1, 14), (1, 10_000, (1, 10)), (2, 6_950, (1, 11)))
    shop.sold(8, 400, 1, 12)
    shop.reported("po_twice", (1, 20), (8, 400, (1, 12)))
    shop.reported("po_twice", (1, 20), (8, 300, (1, 12)))
    take_in(desk, b"no report at all")
    shop.february()
    take_in(desk, report([tieout_row(9, "po_9"), tieout_row(10, "po_9", gross="a lot")]))
    with psycopg.connect(reconciliation_urls.owner) as owner:
        owner.execute("ALTER TABLE contradicted_files DISABLE TRIGGER USER")
        owner.execute("DELETE FROM contradicted_files")
        owner.execute(
            "INSERT INTO files_before_orders SELECT file_id FROM report_files WHERE state = 'STAGED'"
        )
    shop.match()
    shop.close(JANUARY)
    receive(
        desk,
        report(
            [
                tieout_row(8, "po_twice", minor=250, fee_minor=0),
                tieout_payout("po_twice_total", "po_twice", 250),
            ]
        ),
    )
    return shop


@pytest.fixture
def upgraded(born_now, postgres_admin_url, reconciliation_urls, former_urls):
    """The same rows in a database of the older version, brought to the newest one; and what it held before."""
    with (
        psycopg.connect(postgres_admin_url, dbname=name_of(reconciliation_urls)) as written,
        psycopg.connect(postgres_admin_url, dbname=name_of(former_urls)) as former,
    ):
        copy(written, former)
        tables = columns_of(former)
        held = contents(former, tables)
    migrate(former_urls.owner, "reconciliation")
    engine = make_engine(former_urls.app, application_name="upgraded", pool_size=4)
    made = type(born_now.desk)(engine)
    yield made, held, tables
    engine.dispose()


def name_of(urls):
    return urls.owner.rpartition("/")[2].partition("?")[0]


def copy(written, former):
    """Every row of every table that the older version has; no trigger adds to them."""
    former.execute("SET session_replication_role = replica")
    for table, columns in columns_of(former).items():
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        into, out = (
            sql.SQL(text).format(sql.Identifier(table), names)
            for text in ("COPY {} ({}) FROM STDIN", "COPY (SELECT {1} FROM {0}) TO STDOUT")
        )
        with written.cursor().copy(out) as source, former.cursor().copy(into) as target:
            for piece in source:
                target.write(piece)
    for table, column in former.execute(IDENTITIES).fetchall():
        former.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence(%s, %s), coalesce(max({0}), 0) + 1) FROM {1}"
            ).format(sql.Identifier(column), sql.Identifier(table)),
            (f"public.{table}", column),
        )
    former.commit()


def columns_of(connection):
    """By table, without what a database works out by itself."""
    return dict(connection.execute(TABLES, (VERSION_TABLE,)).fetchall())


def contents(connection, tables):
    """By table: how many rows, and a digest of these columns of all of them."""
    found = {}
    for table, columns in tables.items():
        row = sql.SQL(", ").join(map(sql.Identifier, columns))
        found[table] = connection.execute(
            sql.SQL(
                "SELECT count(*), md5(string_agg(r::text, '|' ORDER BY r::text)) FROM (SELECT {} FROM {}) AS r"
            ).format(row, sql.Identifier(table))
        ).fetchone()
    return found


def answers(desk):
    """What it comes to once all that waits is staged and matched anew, what came later holds, and the next month is closed."""
    while take_turn(READERS, desk.transactions):
        pass
    desk.run(lambda uow: run_matching(RunKind.FULL, "test", uow))
    asked = desk.rows(ASKED)
    for (break_id,) in desk.rows(
        "SELECT break_id FROM breaks WHERE type = 'file_order_unknown' AND state = 'OPEN'"
    ):
        desk.run(lambda uow, one=break_id: propose_acceptance(one, "it came later", ADA, uow))
        deciding.approve(SimpleNamespace(desk=desk), break_id)
    close = desk.run(lambda uow: propose_close(FEBRUARY, "month is over", ADA, uow))
    desk.run(lambda uow: approve_close(close.close_id, "seen", BOB, uow))
    return {ASKED: asked} | {query: desk.rows(query) for query in (STAND, MATCHED, WRONG, ALLOCATED, ROLLS)}


def test_nothing_of_what_an_older_release_wrote_is_lost_or_changed(upgraded, postgres_admin_url, former_urls):
    _, held, tables = upgraded
    filled = {table for table, (count, _) in held.items() if count}
    assert filled >= {
        "report_files", "report_file_chunks", "report_lines", "quarantined_lines", "statement_lines", "settlement_lines",
        "bank_lines", "announced_lines", "claims", "payout_allocations", "breaks", "break_history", "closed_periods",
        "period_items", "period_breaks", "period_explained", "outbox",
    }  # fmt: skip
    with psycopg.connect(postgres_admin_url, dbname=name_of(former_urls)) as connection:
        found = contents(connection, tables)
    assert {name for name in held if found[name] != held[name]} <= {ANEW}


def test_an_upgraded_database_answers_as_one_that_was_never_older(upgraded, born_now):
    desk, *_ = upgraded
    answered = answers(desk)
    assert answered == answers(born_now.desk)
    assert answered[ASKED] == [(50,)], (
        "nobody is asked about files of before, and about what came since everybody"
    )
    for month in (JANUARY, FEBRUARY):
        done = desk.run(lambda uow: recompute(READERS, month, uow.connection, uow.now, uow.ids))  # noqa: B023
        assert done.differences == []
