"""The only commit: retried when the database asks for it, looked up when its answer is lost, never guessed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa

from shared.kernel.errors import CommitUnknown, InvariantViolation
from shared.testing.lossy_proxy import Loss, lossy_proxy
from shared.testing.virtual_clock import VirtualClock


def insert(uow, thing):
    uow.connection.exec_driver_sql("INSERT INTO things (id) VALUES (%s)", (thing,))
    uow.outbox.append("probe.events", thing, key=thing, cause_id="cause")
    return thing


def things(probe):
    return [row[0] for row in probe.rows("SELECT id FROM things ORDER BY id")]


def events(probe):
    return [row[0] for row in probe.rows("SELECT key FROM outbox ORDER BY key")]


def test_state_and_event_commit_together_and_the_relay_is_told(probe):
    told = []
    transactions = probe.transactions(on_commit=lambda: told.append(1))
    assert transactions.run(lambda uow: insert(uow, "a"), name="insert") == "a"
    assert (things(probe), events(probe), told) == (["a"], ["a"], [1])


def test_a_commit_without_events_tells_nobody(probe):
    told = []
    transactions = probe.transactions(on_commit=lambda: told.append(1))
    transactions.run(
        lambda uow: uow.connection.exec_driver_sql("INSERT INTO things VALUES ('a')"), name="quiet"
    )
    assert (things(probe), told) == (["a"], [])


def test_an_exception_rolls_everything_back(probe):
    def work(uow):
        insert(uow, "a")
        raise LookupError

    with pytest.raises(LookupError):
        probe.transactions().run(work, name="refused")
    assert (things(probe), events(probe)) == ([], [])


def test_a_swallowed_database_error_cannot_turn_commit_into_a_silent_rollback(probe):
    def work(uow):
        insert(uow, "a")
        with pytest.raises(sa.exc.IntegrityError):
            uow.connection.exec_driver_sql("INSERT INTO things VALUES ('a')")

    with pytest.raises(sa.exc.DBAPIError):
        probe.transactions().run(work, name="swallowed")
    assert things(probe) == []


def test_a_deadlock_is_run_again(probe):
    transactions = probe.transactions()
    transactions.run(lambda uow: [insert(uow, "a"), insert(uow, "b")], name="set up")
    meet = threading.Barrier(2)
    runs = []

    def work(uow, order):
        runs.append(order)
        for step, thing in enumerate(order):
            uow.connection.exec_driver_sql("UPDATE things SET amount = amount + 1 WHERE id = %s", (thing,))
            if step == 0 and len(runs) <= 2:
                meet.wait(10)

    with ThreadPoolExecutor() as pool:
        list(
            pool.map(lambda order: transactions.run(lambda uow: work(uow, order), name="dead"), ["ab", "ba"])
        )
    assert len(runs) == 3
    assert probe.rows("SELECT amount FROM things") == [(2,), (2,)]


def test_a_serialisation_failure_is_run_again_with_fresh_state(probe):
    transactions = probe.transactions()
    transactions.run(lambda uow: insert(uow, "a"), name="set up")
    runs = []

    def work(uow):
        runs.append(1)
        uow.connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        uow.connection.exec_driver_sql("SELECT * FROM things").all()
        if len(runs) == 1:
            with psycopg.connect(probe.urls.app) as other:
                other.execute("UPDATE things SET amount = 10")
        uow.connection.exec_driver_sql("UPDATE things SET amount = amount + 1")

    transactions.run(work, name="serial")
    assert len(runs) == 2
    assert probe.rows("SELECT amount FROM things") == [(11,)]


def test_retries_are_capped(probe):
    clock = VirtualClock()

    def work(uow):
        uow.connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")

    with pytest.raises(sa.exc.DBAPIError):
        probe.transactions(clock=clock).run(work, name="hopeless")
    assert len(clock.slept_s) == 5
    assert max(clock.slept_s) <= 1.0


def test_other_database_errors_are_not_run_again(probe):
    runs = []

    def work(uow):
        runs.append(1)
        uow.connection.exec_driver_sql("SELECT 1 / 0")

    with pytest.raises(sa.exc.DBAPIError):
        probe.transactions().run(work, name="wrong")
    assert len(runs) == 1


def test_a_session_killed_before_commit_is_run_again(probe, postgres_admin_url):
    runs = []

    def work(uow):
        runs.append(1)
        insert(uow, "a")
        if len(runs) == 1:
            own = uow.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with psycopg.connect(postgres_admin_url) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", [own])

    probe.transactions().run(work, name="killed")
    assert (len(runs), things(probe), events(probe)) == (2, ["a"], ["a"])


@pytest.mark.parametrize(("loss", "runs_expected"), [(Loss.ANSWER, 1), (Loss.REQUEST, 2)])
def test_a_lost_commit_is_looked_up_and_has_one_effect(probe, loss, runs_expected):
    runs = []
    told = []

    def work(uow):
        runs.append(1)
        return insert(uow, f"thing {len(runs)}")

    with lossy_proxy(probe.urls.app) as (proxy, url):
        transactions = probe.transactions(probe.engine_at(url), on_commit=lambda: told.append(1))
        proxy.lose_next_commit(loss)
        result = transactions.run(work, name="lost")
    assert proxy.lost == 1
    assert len(runs) == runs_expected
    assert (things(probe), events(probe), told) == ([result], [result], [1])


def test_a_lost_commit_without_events_is_looked_up_too(probe):
    runs = []

    def work(uow):
        runs.append(1)
        uow.connection.exec_driver_sql("UPDATE things SET amount = amount + 1")

    probe.transactions().run(lambda uow: insert(uow, "a"), name="set up")
    with lossy_proxy(probe.urls.app) as (proxy, url):
        transactions = probe.transactions(probe.engine_at(url))
        proxy.lose_next_commit(Loss.ANSWER)
        transactions.run(work, name="lost")
    assert (len(runs), probe.rows("SELECT amount FROM things")) == (1, [(1,)])


def test_an_outcome_that_nobody_can_tell_is_said_to_be_unknown_and_not_run_again(probe):
    runs = []

    def work(uow):
        runs.append(1)
        insert(uow, "a")

    with lossy_proxy(probe.urls.app) as (proxy, url):
        transactions = probe.transactions(probe.engine_at(url), clock=VirtualClock())
        proxy.lose_next_commit(Loss.SILENCE)
        with pytest.raises(CommitUnknown, match="in progress"):
            transactions.run(work, name="doubtful")
    assert len(runs) == 1


def test_a_reader_cannot_write(probe):
    transactions = probe.transactions()
    assert (
        transactions.read(lambda uow: uow.connection.exec_driver_sql("SELECT 7").scalar_one(), name="r") == 7
    )
    with pytest.raises(sa.exc.DBAPIError, match="read-only"):
        transactions.read(lambda uow: insert(uow, "a"), name="sneaky")
    with pytest.raises(InvariantViolation):
        transactions.read(
            lambda uow: uow.outbox.append("probe.events", "x", key="k", cause_id="c"), name="sneaky"
        )
    # The connection goes back to the pool as one that may write.
    transactions.run(lambda uow: insert(uow, "b"), name="write")
    assert things(probe) == ["b"]
