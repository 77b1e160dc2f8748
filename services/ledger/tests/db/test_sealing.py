"""Sealing on a real PostgreSQL: every committed journal once, without a gap, whoever commits when."""

from __future__ import annotations

import threading
from datetime import timedelta

import psycopg
import pytest

from services.ledger.adapters.journal_records import journals_at
from services.ledger.adapters.sealing import Sealer, unsealed_age_s
from services.ledger.app.seal_journals import seal_journals
from services.ledger.domain.horizon import Horizon
from services.ledger.domain.seals import GENESIS, chain_hash
from services.ledger.tests.payloads import Payment
from services.ledger.tests.slow_journals import begin_slowly

SEALS = (
    "SELECT position, journal_position, (extract(epoch FROM sealed_at) * 1000000)::bigint, digest, hash FROM seals"
    " WHERE shard = 0 ORDER BY position"
)


@pytest.fixture
def sealer(ledger):
    return Sealer(ledger.transactions)


def book(ledger, *numbers):
    ledger.tell(*(Payment(number).captured(10_000 + number, 300) for number in numbers))


def settled(ledger):
    return ledger.rows("SELECT settled_position FROM seal_shards")[0][0]


def assert_chain(ledger, count):
    """The chain, recomputed from the journals as they stand."""
    rows = ledger.rows(SEALS)
    assert [row[0] for row in rows] == list(range(1, count + 1))
    with ledger.engine.connect() as connection:
        journals = journals_at(connection, [row[1] for row in rows])
    before = GENESIS
    for position, journal_position, sealed_at_us, digest, found in rows:
        assert digest == journals[journal_position].digest()
        before = chain_hash(
            shard=0, position=position, journal_position=journal_position, sealed_at_us=sealed_at_us, before=before,
            digest=digest,
        )  # fmt: skip
        assert found == before
    assert ledger.rows("SELECT count(*) FROM journals") == [(count,)]


def test_every_journal_is_sealed_once_in_its_order(ledger, sealer):
    book(ledger, 1, 2, 3)
    assert sealer.turn() is False
    assert_chain(ledger, 3)
    book(ledger, 4)
    sealer.turn()
    sealer.turn()
    assert_chain(ledger, 4)


def test_a_batch_that_is_full_says_that_there_may_be_more(ledger):
    book(ledger, *range(1, 6))
    horizon = Horizon()
    said = [
        ledger.transactions.run(lambda uow: seal_journals(horizon, uow, limit=2), name="seal")
        for _ in range(3)
    ]
    assert said == [True, True, False]
    assert_chain(ledger, 5)
    assert settled(ledger) == ledger.rows("SELECT max(position) FROM journals")[0][0]


def test_a_journal_that_commits_late_is_not_skipped(ledger, sealer, app_sql):
    book(ledger, 1)
    slow = begin_slowly(app_sql, "slow")
    book(ledger, 2)
    sealer.turn()
    book(ledger, 3)
    sealer.turn()
    sealer.turn()
    assert [row[1] for row in ledger.rows(SEALS)] == [slow - 1, slow + 1, slow + 2]
    assert settled(ledger) < slow
    app_sql.commit()
    sealer.turn()
    assert_chain(ledger, 4)
    assert ledger.rows(SEALS)[-1][1] == slow
    assert settled(ledger) == slow + 2


def test_a_sealer_that_is_new_skips_nobody_either(ledger, app_sql):
    book(ledger, 1)
    slow = begin_slowly(app_sql, "slow")
    book(ledger, 2)
    Sealer(ledger.transactions).turn()
    Sealer(ledger.transactions).turn()
    app_sql.commit()
    Sealer(ledger.transactions).turn()
    assert_chain(ledger, 3)
    assert ledger.rows(SEALS)[-1][1] == slow


def test_a_position_that_was_drawn_and_rolled_back_is_passed(ledger, sealer, app_sql):
    book(ledger, 1)
    gone = begin_slowly(app_sql, "gone")
    book(ledger, 2)
    sealer.turn()
    assert settled(ledger) < gone
    app_sql.rollback()
    sealer.turn()
    assert settled(ledger) > gone
    assert_chain(ledger, 2)
    assert sealer.turn() is False


def test_a_second_sealer_passes_on_while_one_is_at_work(ledger, sealer):
    book(ledger, 1)
    sealer.turn()
    book(ledger, 2)

    def work(uow):
        seal_journals(Horizon(), uow)
        assert sealer.turn() is False  # on a session of its own, which neither waits nor writes
        assert ledger.rows("SELECT count(*) FROM seals") == [(1,)]

    ledger.transactions.run(work, name="first")
    assert_chain(ledger, 2)


def test_posting_waits_for_no_sealer_and_no_sealer_for_posting(ledger, sealer, app_sql):
    app_sql.execute("SET lock_timeout = '200ms'")
    book(ledger, 1)

    def work(uow):
        seal_journals(Horizon(), uow)
        begin_slowly(app_sql, "meanwhile")
        app_sql.commit()

    ledger.transactions.run(work, name="seal")
    sealer.turn()
    assert_chain(ledger, 2)


def test_seals_that_were_not_committed_are_made_again(ledger, sealer):
    book(ledger, 1, 2)

    def lost(uow):
        seal_journals(Horizon(), uow)
        raise ConnectionError("lost before COMMIT")

    with pytest.raises(ConnectionError):
        ledger.transactions.run(lost, name="seal")
    sealer.turn()
    assert_chain(ledger, 2)


def test_many_writers_and_two_sealers_leave_a_whole_chain(ledger):
    done = threading.Event()
    failures = []

    def guarded(work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    def write(first):
        for number in range(first, first + 15):
            book(ledger, number)

    def seal():
        own = Sealer(ledger.transactions)
        while not done.is_set():
            own.turn()

    writers = [threading.Thread(target=guarded, args=(lambda n=n: write(n * 100),)) for n in (1, 2)]
    sealers = [threading.Thread(target=guarded, args=(seal,)) for _ in range(2)]
    for thread in (*writers, *sealers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in sealers:
        thread.join()
    Sealer(ledger.transactions).turn()
    assert failures == []
    assert_chain(ledger, 30)


def test_times_of_seals_never_run_backwards_whatever_the_clocks_say(ledger, sealer):
    book(ledger, 1)
    sealer.turn()
    book(ledger, 2)

    def with_a_slow_clock(uow):
        uow.now -= timedelta(hours=1)
        return seal_journals(Horizon(), uow)

    ledger.transactions.run(with_a_slow_clock, name="seal")
    assert_chain(ledger, 2)
    first, second = [row[2] for row in ledger.rows(SEALS)]
    assert second == first


def test_the_age_of_what_is_unsealed_is_a_metric(ledger, sealer):
    assert unsealed_age_s(ledger.engine) == 0
    book(ledger, 1)
    assert unsealed_age_s(ledger.engine) > 0
    sealer.turn()
    assert unsealed_age_s(ledger.engine) == 0


# What PostgreSQL refuses of the application's own role


@pytest.fixture
def sealed(ledger, sealer, app_sql):
    book(ledger, 1, 2)
    sealer.turn()
    book(ledger, 3)
    return app_sql


CHANGES = (
    "UPDATE seals SET digest = digest",
    "DELETE FROM seals",
    "TRUNCATE seals",
    "DELETE FROM seal_shards",
)


@pytest.mark.parametrize("statement", CHANGES)
def test_the_application_may_not_change_a_seal(sealed, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sealed.execute(statement)


@pytest.mark.parametrize("statement", CHANGES[:3])
def test_not_even_their_owner_may_change_a_seal(sealed, ledger_urls, statement):
    with (
        psycopg.connect(ledger_urls.owner) as owner,
        pytest.raises(psycopg.errors.RestrictViolation, match="never changed"),
    ):
        owner.execute(statement)


def test_the_settled_position_never_goes_back(sealed):
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="back to 0"):
        sealed.execute("UPDATE seal_shards SET settled_position = 0")


RIGHT = (
    "sha256('tieout-seal-1'::bytea || int2send(%(shard)s) || int8send(%(position)s) || int8send(%(journal)s)"
    " || int8send((extract(epoch FROM timestamptz '2100-01-01Z') * 1000000)::bigint) || (SELECT hash FROM seals"
    " WHERE position = 2) || sha256('x'))"
)
WRONG = "sha256('y')"


@pytest.mark.parametrize(
    ("position", "journal", "hashed", "refused"),
    [
        (3, 3, RIGHT, None),
        (3, 3, WRONG, "does not continue the chain"),
        (4, 3, RIGHT, "does not continue the chain"),
        (3, 99, RIGHT, "does not continue the chain"),
        (3, 2, RIGHT, "seals_journal_position_key"),
        (2, 3, RIGHT, "seals_pkey"),
    ],
    ids=["right", "wrong hash", "gap", "no such journal", "sealed already", "place taken"],
)
def test_a_seal_that_does_not_continue_the_chain_is_refused(sealed, position, journal, hashed, refused):
    statement = (
        "INSERT INTO seals (shard, position, journal_position, sealed_at, digest, hash)"
        f" VALUES (%(shard)s, %(position)s, %(journal)s, '2100-01-01Z', sha256('x'), {hashed})"
    )
    values = {"shard": 0, "position": position, "journal": journal}
    if refused is None:
        sealed.execute(statement, values)
        return
    with pytest.raises(psycopg.errors.IntegrityError, match=refused):
        sealed.execute(statement, values)


def test_a_seal_of_an_earlier_time_than_its_predecessor_is_refused(sealed):
    early = "'2000-01-01Z'"
    hashed = RIGHT.replace("'2100-01-01Z'", early)
    with pytest.raises(psycopg.errors.IntegrityError, match="does not continue the chain"):
        sealed.execute(
            "INSERT INTO seals (shard, position, journal_position, sealed_at, digest, hash)"
            f" VALUES (%(shard)s, %(position)s, %(journal)s, {early}, sha256('x'), {hashed})",
            {"shard": 0, "position": 3, "journal": 3},
        )
