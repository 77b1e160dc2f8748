"""Hot statements: the same transaction, the same errors and the same refusals as through SQLAlchemy."""

import os
import socket
from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from shared.kernel.errors import InvariantViolation
from shared.persistence.arrays import binary_bytes_array, binary_time_array
from shared.persistence.commit_lookup import is_away
from shared.persistence.engine import make_engine
from shared.persistence.statements import (
    commit,
    execute,
    execute_alone,
    execute_later,
    roll_back,
    send_queued,
)


@pytest.fixture
def engine(probe):
    engine = make_engine(probe.urls.app, application_name="statements-test", pool_size=1)
    yield engine
    engine.dispose()


def test_values_of_every_kind_arrive_as_they_were(engine):
    at = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    query = (
        "SELECT %(text)s::text, encode(%(octets)s::bytea, 'hex'), %(number)s::bigint, %(yes)s::boolean,"
        " %(at)s::timestamptz = '2026-02-03T04:05:06.000789Z', %(none)s::text IS NULL, '%%', %(number)s::bigint + 1"
    )
    values = {"text": "zwölf'\\", "octets": b"\x00\xff", "number": -5, "yes": True, "at": at, "none": None}
    with engine.connect() as connection:
        for _ in range(2):  # prepared, then found prepared
            rows = execute(connection, query, values).rows
            assert rows == [("zwölf'\\", "00ff", "-5", "t", "t", "t", "%", "-4")]


def test_binary_arrays_arrive_to_the_microsecond_and_the_byte(engine):
    times = [
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=2))),
    ]
    query = "SELECT extract(epoch FROM t), encode(b, 'hex') FROM unnest(%s::timestamptz[], %s::bytea[]) AS u(t, b)"
    with engine.connect() as connection:
        for _ in range(2):
            values = (binary_time_array(times), binary_bytes_array([b"\x00\xff", b"", b"{"]))
            assert execute(connection, query, values).rows == [
                ("-0.000001", "00ff"),
                ("253402300799.999999", ""),
                ("1774747800.000000", "7b"),
            ]
        assert execute(connection, query, (binary_time_array([]), binary_bytes_array([]))).rows == []


def test_both_ways_share_one_transaction_and_its_rollback(engine, probe):
    with engine.connect() as connection:
        execute(connection, "INSERT INTO things (id) VALUES (%s)", ("a",))
        connection.exec_driver_sql("INSERT INTO things (id) VALUES ('b')")
        assert execute(connection, "UPDATE things SET amount = amount").affected == 2
        roll_back(connection)
        assert execute(connection, "SELECT id FROM things").rows == []
        execute(connection, "INSERT INTO things (id) VALUES (%s)", ("c",))
        commit(connection)
    assert probe.rows("SELECT id FROM things") == [("c",)]


def test_errors_are_sqlalchemys_with_the_servers_code_and_without_values(engine):
    with engine.connect() as connection:
        execute(connection, "INSERT INTO things (id) VALUES (%s)", ("secret",))
        with pytest.raises(sa.exc.IntegrityError) as caught:
            execute(connection, "INSERT INTO things (id) VALUES (%s)", ("secret",))
        assert caught.value.orig.sqlstate == "23505"
        assert not caught.value.connection_invalidated


def test_an_aborted_transaction_cannot_be_committed(engine, probe):
    with engine.connect() as connection:
        execute(connection, "INSERT INTO things (id) VALUES ('a')")
        with pytest.raises(sa.exc.DBAPIError):
            execute(connection, "SELECT 1 / 0")
        with pytest.raises(sa.exc.DBAPIError, match="rolled an aborted transaction back"):
            commit(connection)
    assert probe.rows("SELECT id FROM things") == []


def test_a_session_that_forgot_its_statements_prepares_them_again(engine, probe):
    transactions = probe.transactions()
    runs = []

    def work(uow):
        runs.append(1)
        execute(uow.connection, "INSERT INTO things (id) VALUES (%s)", (f"t{len(runs)}",))

    transactions.run(work, name="prepares")
    with transactions.engine.connect() as connection:
        connection.exec_driver_sql("DEALLOCATE ALL")
        connection.commit()
    transactions.run(work, name="forgotten")
    assert len(runs) == 3
    assert probe.rows("SELECT id FROM things ORDER BY id") == [("t1",), ("t3",)]


def test_a_reading_unit_stays_read_only_and_keeps_what_is_prepared(probe):
    transactions = probe.transactions()
    insert = "INSERT INTO things (id) VALUES (%s)"
    with pytest.raises(sa.exc.DBAPIError) as caught:
        transactions.read(lambda uow: execute(uow.connection, insert, ("a",)), name="reads")
    assert caught.value.orig.sqlstate == "25006"
    runs = []
    for thing in ("b", "c"):
        transactions.run(
            lambda uow, thing=thing: runs.append(execute(uow.connection, insert, (thing,))), name="writes"
        )
        transactions.read(lambda uow: execute(uow.connection, "SELECT 1"), name="reads")
    assert len(runs) == 2
    assert probe.rows("SELECT id FROM things ORDER BY id") == [("b",), ("c",)]


def test_a_lost_session_leaves_the_pool(engine, postgres_admin_url):
    with engine.connect() as connection:
        killed = execute(connection, "SELECT pg_backend_pid()").rows[0][0]
        with psycopg.connect(postgres_admin_url) as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", [int(killed)])
        with pytest.raises(sa.exc.DBAPIError) as caught:
            execute(connection, "SELECT 1")
        assert caught.value.connection_invalidated
    with engine.connect() as connection:
        assert execute(connection, "SELECT pg_backend_pid()").rows[0][0] != killed


@pytest.mark.parametrize("together", [False, True])
def test_a_server_that_is_gone_without_a_word_is_away_and_not_at_fault(engine, together):
    with engine.connect() as connection:
        execute(connection, "SELECT 1", ())
        if together:
            roll_back(connection)  # so that the next one begins a transaction, in one round trip with it
        line = socket.socket(fileno=os.dup(connection.connection.driver_connection.pgconn.socket))
        line.shutdown(socket.SHUT_RDWR)
        line.close()
        with pytest.raises(sa.exc.OperationalError) as gone:
            execute(connection, "SELECT 1", ())
    assert gone.value.connection_invalidated
    assert is_away(gone.value)
    with engine.connect() as connection:
        assert execute(connection, "SELECT 1", ()).rows == [("1",)]


def test_a_server_that_cannot_be_reached_is_away_for_a_statement_of_its_own(probe):
    closed = make_url(probe.urls.app).set(port=1).render_as_string(hide_password=False)
    nowhere = make_engine(closed, application_name="statements-test", pool_size=1)
    with pytest.raises(sa.exc.OperationalError) as away:
        execute_alone(nowhere, "SELECT 1")
    assert is_away(away.value)


def test_a_statement_of_its_own_stays_out_of_transactions(probe):
    engine = make_engine(probe.urls.app, application_name="statements-test", pool_size=1, autocommit=True)
    execute_alone(engine, "INSERT INTO things (id) VALUES (%s)", ("a",))
    assert probe.rows("SELECT id FROM things") == [("a",)]
    with pytest.raises(sa.exc.DBAPIError):
        execute_alone(engine, "SELECT 1 / %s::int", (0,))
    assert execute_alone(engine, "SELECT 1").rows == [("1",)]
    engine.dispose()


@pytest.mark.parametrize("value", ["a\0b", object(), [1]])
def test_what_cannot_be_sent_whole_is_refused(engine, value):
    with engine.connect() as connection, pytest.raises(InvariantViolation):
        execute(connection, "SELECT %s::text", (value,))


def test_named_and_positional_placeholders_do_not_mix(engine):
    with engine.connect() as connection, pytest.raises(InvariantViolation):
        execute(connection, "SELECT %s::text, %(a)s::text", ("x",))


def test_queued_statements_go_out_with_the_next_one_and_in_order(engine, probe):
    seen = []
    with engine.connect() as connection:
        for thing in ("a", "b"):
            execute_later(
                connection,
                "INSERT INTO things (id) VALUES (%s)",
                (thing,),
                lambda answer: seen.append(answer.affected),
            )
        assert seen == []
        assert execute(connection, "SELECT count(*) FROM things").rows == [("2",)]
        assert seen == [1, 1]
        commit(connection)
    assert probe.rows("SELECT id FROM things ORDER BY id") == [("a",), ("b",)]


@pytest.mark.parametrize("next_step", ["sqlalchemy", "commit", "send"])
def test_nothing_queued_is_left_out(engine, probe, next_step):
    with engine.connect() as connection:
        execute_later(connection, "INSERT INTO things (id) VALUES ('a')", (), lambda _: None)
        if next_step == "sqlalchemy":
            assert connection.exec_driver_sql("SELECT count(*) FROM things").scalar_one() == 1
        elif next_step == "send":
            send_queued(connection)
        commit(connection)
    assert probe.rows("SELECT id FROM things") == [("a",)]


def test_a_rollback_forgets_what_was_queued(engine, probe):
    with engine.connect() as connection:
        execute_later(connection, "INSERT INTO things (id) VALUES ('a')", (), lambda _: None)
        roll_back(connection)
        execute(connection, "SELECT 1")
        commit(connection)
    assert probe.rows("SELECT id FROM things") == []


def test_a_refused_check_comes_before_the_failure_of_a_later_statement(engine):
    class RefusedError(Exception):
        pass

    def refuse(_answer):
        raise RefusedError

    with engine.connect() as connection:
        execute_later(connection, "SELECT 1", (), refuse)
        with pytest.raises(RefusedError):
            execute(connection, "SELECT 1 / 0")
        roll_back(connection)
        execute_later(connection, "SELECT 1 / 0", (), refuse)
        with pytest.raises(sa.exc.DBAPIError, match="division by zero"):
            execute(connection, "SELECT 1")
        roll_back(connection)
        assert execute(connection, "SELECT 1").rows == [("1",)]


def test_the_first_failure_is_told_even_where_what_follows_was_still_to_be_prepared(engine):
    with engine.connect() as connection:
        execute(connection, "SELECT 1 / %s::int", (1,))
        execute_later(connection, "SELECT 1 / %s::int", (0,), lambda _: None)
        with pytest.raises(sa.exc.DBAPIError) as caught:
            execute(connection, "SELECT 'not prepared yet'")
        assert caught.value.orig.sqlstate == "22012"


def test_a_session_given_back_after_reading_keeps_what_is_prepared(engine):
    names = "SELECT name FROM pg_prepared_statements WHERE name LIKE 'tieout%%'"
    with engine.connect() as connection:
        execute(connection, "SELECT 1")
        for _ in range(3):  # the driver prepares what it sees often, and forgets all of it when it rolls back
            connection.exec_driver_sql("SELECT 2")
    with engine.connect() as connection:
        before = connection.exec_driver_sql(names).scalars().all()
    assert len(before) == 1
    with engine.connect() as connection:
        assert connection.exec_driver_sql(names).scalars().all() == before


def test_a_session_lost_while_statements_were_together_leaves_the_pool(engine, postgres_admin_url):
    with engine.connect() as connection:
        killed = execute(connection, "SELECT pg_backend_pid()").rows[0][0]
        with psycopg.connect(postgres_admin_url) as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", [int(killed)])
        execute_later(connection, "SELECT 1", (), lambda _: None)
        with pytest.raises(sa.exc.DBAPIError) as caught:
            execute(connection, "SELECT 2")
        assert caught.value.connection_invalidated
        roll_back(connection)
    with engine.connect() as connection:
        assert execute(connection, "SELECT pg_backend_pid()").rows[0][0] != killed


def test_large_values_both_ways_do_not_block_each_other(engine):
    text, copies = "x" * 400_000, 20
    lengths = []
    with engine.connect() as connection:
        for number in range(copies):
            execute_later(
                connection,
                f"SELECT %s::text, {number}",
                (text,),
                lambda answer: lengths.append(len(answer.rows[0][0])),
            )
        assert execute(connection, "SELECT 1").rows == [("1",)]
    assert lengths == [len(text)] * copies


def test_a_session_that_was_taken_out_of_the_pool_and_closed_ends_in_peace(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        connection.detach()
        connection.connection.close()
    with engine.connect() as connection:
        assert execute(connection, "SELECT 1").rows == [("1",)]
