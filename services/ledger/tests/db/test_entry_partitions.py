"""Entries in partitions: every protection holds on each of them, also named directly, and none is ever missing silently."""

from __future__ import annotations

import threading

import psycopg
import pytest
import sqlalchemy as sa

from services.ledger.adapters.entry_partitions import (
    PARTITION_POSITIONS,
    PARTITIONS_AHEAD,
    make_ahead,
    positions_left,
)
from services.ledger.adapters.head_keys import HeadVerifier
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.adapters.sealing import Sealer
from services.ledger.adapters.snapshotting import Folder
from services.ledger.app.fold_snapshots import Folding
from services.ledger.app.verify_seals import verify_seals
from services.ledger.bootstrap import LedgerParts
from services.ledger.settings import LedgerSettings
from services.ledger.tests.payloads import Payment
from shared.persistence.commit_lookup import is_away
from shared.persistence.migrate import migrate
from shared.persistence.provision import provision
from shared.runtime.settings import load_settings
from shared.testing.passwords import TEST_PASSWORD

FIRST, SECOND, THIRD = ("entries_p000000", "entries_p000001", "entries_p000002")
R = ("processor_receivable", "alpha:acct_alpha", "EUR")


@pytest.fixture
def owner(ledger_urls):
    with psycopg.connect(ledger_urls.owner, autocommit=True) as connection:
        yield connection


@pytest.fixture
def skip_to(owner):
    """As if so many positions had been drawn and every one rolled back."""

    def skip(position):
        owner.execute("SELECT setval('journal_positions', %s)", [position])

    return skip


def partitions(ledger):
    return [
        name
        for (name,) in ledger.rows(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'entries'::regclass ORDER BY 1"
        )
    ]


def rows_of_partitions(owner):
    return {
        name: owner.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in (FIRST, SECOND, THIRD)
    }


def test_a_new_database_has_the_first_partition_and_those_ahead(ledger):
    assert partitions(ledger) == [FIRST, SECOND, THIRD]
    assert positions_left(ledger.engine) == (1 + PARTITIONS_AHEAD) * PARTITION_POSITIONS - 1
    assert make_ahead(ledger.engine) == 0


def test_a_batch_that_crosses_into_the_next_partition_is_booked_whole(ledger, owner, skip_to):
    skip_to(PARTITION_POSITIONS - 3)
    one, two = Payment(1), Payment(2)
    ledger.tell(
        one.captured(10_000, 300), two.captured(500), one.refund_requested(4_000), two.captured(7, nth=1)
    )
    assert rows_of_partitions(owner) == {FIRST: 5, SECOND: 4, THIRD: 0}
    assert ledger.balances()[R] == 10_507
    assert ledger.reader.trial_balance().balanced


def test_making_ahead_keeps_its_distance_and_two_at_once_make_it_once(ledger, skip_to):
    skip_to(3 * PARTITION_POSITIONS + 5)
    assert positions_left(ledger.engine) < 0
    made = []
    threads = [threading.Thread(target=lambda: made.append(make_ahead(ledger.engine))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [0, 0, 0, 3]
    assert len(partitions(ledger)) == 3 + 1 + PARTITIONS_AHEAD, "no gap before the one being written"


def test_making_ahead_waits_for_nobody_who_books(ledger, app_sql, skip_to):
    """A transaction that is writing entries, and stays open, holds no partition up, nor is it held up by one."""
    ledger.tell(Payment(1).captured(10_000))
    app_sql.execute("INSERT INTO entries SELECT * FROM entries WHERE false")
    skip_to(PARTITION_POSITIONS + 1)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        assert connection.exec_driver_sql("SELECT entries_create_partitions()").scalar_one() == 1
        app_sql.execute("SET LOCAL lock_timeout = '2s'")
        app_sql.execute("INSERT INTO entries SELECT * FROM entries WHERE false")


NOT_FOR_THE_APPLICATION = [
    "SELECT * FROM {0}",
    "INSERT INTO {0} VALUES (1, 9, 1, 'debit', 5, 'EUR', NULL)",
    "UPDATE {0} SET amount_minor = 1",
    "DELETE FROM {0}",
    "TRUNCATE {0}",
    "ALTER TABLE entries DETACH PARTITION {0}",
    "ALTER TABLE {0} DISABLE TRIGGER ALL",
    "DROP TABLE {0}",
    "CREATE TABLE mine PARTITION OF entries FOR VALUES FROM (100000000) TO (100000001)",
    "SELECT entries_guard_partition('{0}')",
    "SELECT setval('journal_positions', 1)",
]


@pytest.mark.parametrize("partition", [FIRST, THIRD, "entries_p000003"])
def test_the_application_may_do_nothing_to_a_partition(ledger, app_sql, skip_to, partition):
    """Neither to what was there before, nor to one that the migration made, nor to one that was made since."""
    skip_to(PARTITION_POSITIONS + 1)
    assert make_ahead(ledger.engine) == 1
    for statement in NOT_FOR_THE_APPLICATION:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app_sql.execute(statement.format(partition))
        app_sql.rollback()


@pytest.fixture
def three_parts(ledger, skip_to):
    """A journal in the first partition and one in a partition that was made later."""
    ledger.tell(Payment(1).captured(10_000, 300))
    skip_to(3 * PARTITION_POSITIONS + 1)
    make_ahead(ledger.engine)
    ledger.tell(Payment(2).captured(10_000, 300))
    return ledger


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_nobody_may_change_a_partition(three_parts, ledger_urls, postgres_admin_url, role):
    """Not the owner, nor who owns the server and replicates."""
    url = postgres_admin_url.rpartition("/")[0] + "/" + ledger_urls.app.rpartition("/")[2]
    with psycopg.connect(url) as superuser:
        for partition in (FIRST, "entries_p000003"):
            for change in (
                "UPDATE {} SET currency = 'USD'",
                "UPDATE {} SET line = line",
                "DELETE FROM {}",
                "TRUNCATE {}",
            ):
                superuser.execute(f"SET session_replication_role = {role}")
                with pytest.raises(psycopg.errors.RestrictViolation, match="never changed"):
                    superuser.execute(change.format(partition))
                superuser.rollback()


@pytest.fixture
def later(three_parts, owner, skip_to):
    """A journal of two entries, in a partition that was made later, whose entries are still to come."""
    position = 3 * PARTITION_POSITIONS + 9
    skip_to(position + 1)
    with owner.transaction(force_rollback=True):
        owner.execute(
            "INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject,"
            " currency, amount_minor, entry_count, effective_at)"
            " VALUES (%s, 'jrn_x', 'r', 'evt_x', 'Test.v1', 'f', 's', 'EUR', 5, 2, now())",
            [position],
        )
        yield position


@pytest.mark.parametrize("table", ["entries", "entries_p000003"])
@pytest.mark.parametrize(
    ("line", "account", "currency", "key"),
    [(3, 2, "EUR", None), (1, 999, "EUR", None), (1, 2, "USD", None), (1, 2, "EUR", "key")],
    ids=["too many", "no account", "other currency", "a key on a balance"],
)
def test_entries_that_do_not_fit_are_refused_in_every_partition(
    later, owner, table, line, account, currency, key
):
    (balance,) = owner.execute("SELECT account_id FROM accounts WHERE NOT transitional LIMIT 1").fetchone()
    account = balance if account == 2 else account
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="does not fit"):
        owner.execute(
            f"INSERT INTO {table} VALUES (%s, %s, %s, 'debit', 5, %s, %s)",
            [later, line, account, currency, key],
        )


def test_a_journal_in_a_later_partition_balances_or_is_refused(later, owner):
    owner.execute(
        "INSERT INTO entries SELECT %s, row_number() OVER (), account_id, 'debit', 5, currency, NULL FROM accounts"
        " WHERE NOT transitional AND currency = 'EUR' ORDER BY account_id LIMIT 2",
        [later],
    )
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="does not balance"):
        owner.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_an_inexact_reversal_of_a_journal_in_an_older_partition_is_refused(later, owner):
    (original,) = owner.execute("SELECT min(position) FROM journals").fetchone()
    owner.execute(
        "INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject, currency,"
        " amount_minor, entry_count, effective_at, reverses_position)"
        " SELECT %s, 'jrn_y', 'r_reversed', 'evt_y', 'Test.v1', fact_key, subject, currency, 5, entry_count, now(), position"
        " FROM journals WHERE position = %s",
        [later + 1, original],
    )
    owner.execute(
        "INSERT INTO entries SELECT %s, line, account_id, side, amount_minor, currency, clearing_key FROM entries"
        " WHERE journal_position = %s",
        [later + 1, original],
    )
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="exact reversal"):
        owner.execute("SET CONSTRAINTS reversal_exact IMMEDIATE")


def test_a_reversal_finds_its_original_in_an_older_partition(ledger, skip_to, owner):
    payment = Payment(1)
    ledger.tell(payment.captured(10_000, 300), payment.refund_requested(4_000))
    before = ledger.balances()
    ledger.tell(payment.refund_requested(500, nth=1))
    skip_to(PARTITION_POSITIONS + 7)
    ledger.tell(payment.refund_failed(500, nth=1))
    assert rows_of_partitions(owner)[SECOND] == 2
    assert ledger.balances() == before
    assert ledger.rows("SELECT count(*) FROM journals WHERE reverses_position IS NOT NULL") == [(1,)]


def test_sealing_snapshots_and_verification_span_partitions(three_parts, skip_to):
    sealer = Sealer(three_parts.transactions)
    folder = Folder(three_parts.transactions, Folding(every_seals=1, entries_min=1))
    while sealer.turn() or folder.turn():
        pass
    three_parts.tell(Payment(3).captured(70))
    while sealer.turn():
        pass
    with sealed_books(three_parts.engine) as books:
        found = verify_seals(books, [], HeadVerifier([]))
    assert (found.finding, found.sealed_to) == (None, 3)
    assert three_parts.balances()[R] == 20_070


def test_without_a_partition_booking_waits_and_nothing_is_lost_or_parked(ledger, stream, skip_to):
    """Whoever makes partitions was down for too long: the consumer behaves as if the database were away."""
    payment, other = Payment(1), Payment(2)
    stream.publish(payment.captured(10_000, 300), other.captured(500))
    skip_to(3 * PARTITION_POSITIONS - 2)
    stream.drain()
    assert ledger.rows("SELECT (SELECT count(*) FROM journals), (SELECT count(*) FROM parked_keys)") == [
        (0, 0)
    ]
    assert ledger.rows("SELECT count(*) FROM inbox") == [(0,)], "not even the journal that still had room"
    assert positions_left(ledger.engine) <= 0
    assert make_ahead(ledger.engine) > 0
    stream.drain()
    assert ledger.balances()[R] == 10_500
    assert ledger.rows("SELECT (SELECT count(*) FROM journals), (SELECT count(*) FROM parked_keys)") == [
        (2, 0)
    ]


def test_a_missing_partition_is_a_shortage_and_a_broken_check_is_not(ledger, skip_to):
    skip_to(3 * PARTITION_POSITIONS)
    with pytest.raises(sa.exc.OperationalError, match="no partition") as refused:
        ledger.tell(Payment(1).captured(10_000, 300))
    assert is_away(refused.value)


def test_a_process_makes_room_when_it_starts(ledger, ledger_urls, skip_to):
    skip_to(3 * PARTITION_POSITIONS)
    environment = {"LEDGER_DATABASE_URL": ledger_urls.app, "LEDGER_RELAY_DATABASE_URL": ledger_urls.relay}
    parts = LedgerParts(load_settings(LedgerSettings, environment))
    try:
        room = parts.room_check()
        assert room.concerns(frozenset({"consume"}))
        room.check()
    finally:
        parts.common.close()
    ledger.tell(Payment(1).captured(10_000, 300))
    assert positions_left(ledger.engine) > 2 * PARTITION_POSITIONS


@pytest.mark.parametrize("drawn", [0, 7, PARTITION_POSITIONS * 2 + 7])
def test_books_of_the_release_before_become_the_first_partition(postgres_admin_url, request, drawn):
    """Wherever their sequence is: what is there stays, what comes has room, and the guards stand on both."""
    urls = provision(postgres_admin_url, "ledger", f"d_grow_{drawn}", password=TEST_PASSWORD)
    try:
        migrate(urls.owner, "ledger", revision="0011")
        with psycopg.connect(urls.owner) as owner:
            if drawn:
                owner.execute("SELECT setval('journal_positions', %s)", [drawn])
                owner.execute(
                    "INSERT INTO accounts (family, owner, currency, normal_side, transitional)"
                    " VALUES ('fee_revenue', 'platform', 'EUR', 'credit', false)"
                )
                owner.execute(
                    "INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject,"
                    " currency, amount_minor, entry_count, effective_at)"
                    " VALUES (%s, 'jrn_1', 'r', 'evt_1', 'Test.v1', 'f', 's', 'EUR', 5, 2, now())",
                    [drawn],
                )
                owner.execute(
                    "INSERT INTO entries VALUES (%(p)s, 1, 1, 'debit', 5, 'EUR'), (%(p)s, 2, 1, 'credit', 5, 'EUR')",
                    {"p": drawn},
                )
        migrate(urls.owner, "ledger")
        with psycopg.connect(urls.app) as app:
            assert app.execute("SELECT count(*) FROM entries").fetchone() == (2 if drawn else 0,)
            first = drawn // PARTITION_POSITIONS
            (end,) = app.execute("SELECT entries_end()").fetchone()
            assert end == (first + 1 + PARTITIONS_AHEAD) * PARTITION_POSITIONS
        with (
            psycopg.connect(urls.owner) as owner,
            pytest.raises(psycopg.errors.RestrictViolation),
        ):
            owner.execute(f"TRUNCATE entries_p{first:06}")
        with psycopg.connect(urls.owner) as owner:
            unguarded = owner.execute(
                "SELECT c.relname FROM pg_class c WHERE c.relname ~ '^entries(_p[0-9]{6})?$' AND"
                " (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) <> 3"
            ).fetchall()
        assert unguarded == []
    finally:
        with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE d_grow_{drawn} WITH (FORCE)")
