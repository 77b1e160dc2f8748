"""What a query can say of positions keeps it out of partitions: shown by plans, and by what a transaction scanned."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy as sa

from services.ledger.adapters.clearing import ClearingFolder, SqlClearing
from services.ledger.adapters.entry_partitions import PARTITION_POSITIONS, make_ahead
from services.ledger.adapters.journal_records import journals_at
from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.snapshotting import Folder
from services.ledger.adapters.statements import SqlStatements
from services.ledger.app.clearing import ClearingWanted
from services.ledger.app.fold_snapshots import Folding, fold_snapshots
from services.ledger.app.moments import EVERYTHING, Moment
from services.ledger.app.seal_journals import seal_journals
from services.ledger.app.statements import DrawUpStatement, draw_up_statement
from services.ledger.domain.chart import AccountRef
from services.ledger.tests.payloads import Payment

ACCOUNT = AccountRef("merchant_pending", Payment(1).merchant_id, "EUR")
EVER = {"since": datetime(1970, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}
EACH = 12
_SCANS = (
    "SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_xact_user_tables"
    " WHERE relname ~ '^entries_p[0-9]+$'"
)


class Growing:
    """Books whose one account has entries in three partitions, with a snapshot at the end of each."""

    def __init__(self, ledger, urls):
        self.ledger, self.urls, self.told = ledger, urls, 0
        self.sealer = Sealer(ledger.transactions)
        self.folder = Folder(ledger.transactions, Folding(every_seals=EACH, entries_min=EACH))
        self.clearing = ClearingFolder(ledger.transactions)

    def book(self, journals):
        for _ in range(journals):
            self.told += 1
            self.ledger.tell(Payment(self.told).captured(1_000 + self.told))

    def catch_up(self):
        for turn in (self.sealer.turn, self.folder.turn, self.clearing.turn):
            while turn():
                pass

    def next_partition(self):
        with psycopg.connect(self.urls.owner) as owner:
            owner.execute(
                "SELECT setval('journal_positions', (last_value / %(n)s + 1) * %(n)s) FROM journal_positions",
                {"n": PARTITION_POSITIONS},
            )
        make_ahead(self.ledger.engine)


@pytest.fixture
def growing(ledger, ledger_urls):
    made = Growing(ledger, ledger_urls)
    for number in range(3):
        if number:
            made.next_partition()
        made.book(EACH)
        made.catch_up()
    made.book(2)
    made.catch_up()
    return made


@contextmanager
def partitions_read(engine, only=""):
    """The partitions of entries that the statements inside have read, as their plans say when they are run again.

    Those ahead of the books are left out: they are empty, and whoever reads up to now reads them as well.
    """
    seen = []

    def keep(_connection, _cursor, statement, parameters, *_):
        if only in statement and not statement.startswith("SET "):
            seen.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", keep)
    read = set()
    yield read
    sa.event.remove(engine, "before_cursor_execute", keep)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, parameters in seen:
            rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            read |= set(_read(rows.scalar_one()[0]["Plan"])) & {0, 1, 2}


def _read(plan):
    found = re.fullmatch(r"entries_p(\d+)", plan.get("Relation Name", ""))
    if found and plan["Actual Loops"]:
        yield int(found[1])
    for inner in plan.get("Plans", ()):
        yield from _read(inner)


def scanned(uow, work):
    """Which partitions this work scans, as the database itself counts within the transaction."""
    before = dict(uow.connection.exec_driver_sql(_SCANS).all())
    work()
    after = dict(uow.connection.exec_driver_sql(_SCANS).all())
    return {int(name[-6:]) for name, scans in after.items() if scans > before[name]}


def test_a_balance_from_a_snapshot_reads_the_partitions_behind_it_only(growing):
    reads = SqlStatements(growing.ledger.engine)
    for moment, expected in (
        (EVERYTHING, {2}),
        (Moment(as_of=3 * EACH + 1), {2}),
        (Moment(as_of=2 * EACH + 5), {1, 2}),
        (Moment(as_of=EACH + 5), {0, 1}),
        (Moment(as_of=5), {0}),
    ):
        with partitions_read(growing.ledger.engine) as read:
            found = reads.account(ACCOUNT, moment)
        count = 3 * EACH + 2 if moment.as_of is None else moment.as_of
        assert found.credit_minor == sum(1_000 + number for number in range(1, count + 1))
        assert read <= expected, (moment, read)
    assert growing.ledger.rows("SELECT count(DISTINCT tableoid) FROM entries") == [(3,)]


def test_a_page_of_a_statement_reads_the_partitions_that_it_shows(growing):
    """And those of the snapshots that it begins behind and ends at."""
    reads = SqlStatements(growing.ledger.engine)
    wanted, shown, read_by_page = DrawUpStatement(account=ACCOUNT, **EVER, limit=5), [], []
    while True:
        with partitions_read(growing.ledger.engine, only="WITH base") as read:
            page = draw_up_statement(wanted, reads)
        shown += page.movements
        read_by_page.append(read)
        if page.next_cursor is None:
            break
        wanted = replace(wanted, cursor=page.next_cursor)
    assert len(shown) == 3 * EACH + 2
    most = [{0, 1}, {0, 1}, {0, 1}, {0, 1, 2}, {0, 1, 2}, {1, 2}, {1, 2}, {1, 2}]
    assert all(read <= allowed for read, allowed in zip(read_by_page, most, strict=True)), read_by_page


def test_a_journal_is_looked_up_in_its_own_partition(growing):
    (journal_id,) = growing.ledger.rows(
        "SELECT journal_id FROM journals ORDER BY position OFFSET 15 LIMIT 1"
    )[0]
    with partitions_read(growing.ledger.engine) as read:
        assert growing.ledger.reader.journal(journal_id, None) is not None
    assert read == {1}
    with partitions_read(growing.ledger.engine) as read:
        assert growing.ledger.reader.journals_of_payment(Payment(3).payment_id, None)
    assert read == {0}


def test_booking_sealing_and_folding_scan_the_partition_being_written(growing):
    """In one transaction each, as the database counts; a session's later turns use plans that are made for any value."""
    ledger = growing.ledger
    for _ in range(8):
        growing.book(EACH)
        growing.catch_up()
    seen = {}

    def look(uow):
        seen["seal"] = scanned(uow, lambda: seal_journals(growing.sealer._horizon, uow))
        folding = Folding(every_seals=1, entries_min=1)
        seen["fold"] = scanned(uow, lambda: fold_snapshots(folding, uow))
        seen["clear"] = scanned(uow, lambda: growing.clearing._fold(uow.connection))

    for _ in range(8):
        growing.book(3)
        ledger.transactions.run(look, name="look")
        assert seen["seal"] | seen["fold"] | seen["clear"] <= {2}, seen
    first = ledger.rows("SELECT min(position) FROM journals")[0][0]
    for _ in range(8):
        ledger.transactions.run(
            lambda uow: seen.update(at=scanned(uow, lambda: journals_at(uow.connection, [first, first + 1]))),
            name="look",
        )
        assert seen["at"] == {0}


def test_open_clearing_keys_are_read_from_where_they_are_folded_to(growing):
    growing.book(1)
    with partitions_read(growing.ledger.engine) as read:
        (receivable,) = SqlClearing(growing.ledger.engine).open_sums(
            ClearingWanted(family="processor_receivable")
        )
    assert receivable.keys == growing.told
    assert read <= {2}
