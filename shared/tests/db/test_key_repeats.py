"""What came under used keys, counted on a real database: every kind, at once, after deaths, and never in the way."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa

from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.idempotency import prune_keys
from shared.persistence.key_repeats import Repeat
from shared.runtime.repeat_tally import RepeatTally
from shared.testing.serving import served
from shared.testing.waiting import eventually
from shared.tests.db.things import Shop, thing_database

COUNTS = ("replays", "attaches", "in_use", "mismatches", "after_expiry")


@pytest.fixture(scope="module")
def urls(postgres_admin_url):
    with thing_database(postgres_admin_url) as made:
        yield made


@pytest.fixture
def shop(urls):
    with closing(Shop(make_engine(urls.app, application_name="test", pool_size=10))) as made:
        yield made


@pytest.fixture
def web(shop):
    with served(shop.app) as running:
        yield running


@pytest.fixture
def sql(urls):
    with psycopg.connect(urls.owner, autocommit=True) as connection:
        for table in ("idempotency_key_repeats", "idempotency_keys", "things"):
            connection.execute(f"DELETE FROM {table}")
        yield connection.execute


@pytest.fixture
def statements(shop):
    """Every statement on the table of counts."""
    heard = []

    def hear(_connection, _cursor, statement, *_):
        if "idempotency_key_repeats" in statement:
            heard.append(statement)

    sa.event.listen(shop.engine, "before_cursor_execute", hear)
    return heard


def headers(key=None, wait_s=0):
    return {"Idempotency-Key": key or UlidIds().new("k_"), "Prefer": f"wait={wait_s}"}


def counted(sql):
    """The one row of counts, those that are not zero."""
    rows = sql(f"SELECT {', '.join(COUNTS)} FROM idempotency_key_repeats").fetchall()
    return [{name: count for name, count in zip(COUNTS, row, strict=True) if count} for row in rows]


def test_first_requests_count_nothing_and_write_nothing(shop, web, sql, statements):
    for _ in range(5):
        assert web.call("POST", "/things", {"amount": 5}, headers()).status == 201
    shop.tally.write()
    assert (counted(sql), statements) == ([], [])


def test_a_replay_costs_no_statement_and_a_hundred_of_them_one(shop, web, sql, statements):
    sent = headers()
    for _ in range(101):
        assert web.call("POST", "/things", {"amount": 5}, sent).status == 201
    assert statements == [], "written only once a second, not with the request"
    shop.tally.write()
    assert len(statements) == 1
    assert counted(sql) == [{"replays": 100}]
    (row,) = sql(
        "SELECT r.last_repeat_at >= k.created_at, r.last_mismatch_at, r.last_mismatch_endpoint"
        " FROM idempotency_key_repeats r JOIN idempotency_keys k USING (scope)"
    ).fetchall()
    assert row == (True, None, None)


def test_mismatches_are_counted_with_the_last_ones_endpoint_field_and_time(shop, web, sql):
    sent = headers()
    web.call("POST", "/things", {"amount": 5}, sent)
    web.call("POST", "/things", {"amount": 6}, sent)
    shop.tally.write()
    read = "SELECT mismatches, last_mismatch_endpoint, last_mismatch_param, last_mismatch_at FROM idempotency_key_repeats"
    (first,) = sql(read).fetchall()
    assert first[:3] == (1, "POST /things", "amount")
    web.call("POST", "/things/th_1/change", {"amount": 5}, sent)
    shop.tally.write()
    (second,) = sql(read).fetchall()
    assert second[:3] == (2, "POST /things/{thing_id}/change", "endpoint")
    assert second[3] > first[3]
    web.call("POST", "/things", {"amount": 5}, sent)
    shop.tally.write()
    assert sql(read).fetchall() == [second], "a replay is no mismatch"
    assert counted(sql) == [{"replays": 1, "mismatches": 2}]


def test_who_comes_while_the_first_is_in_flight_is_counted_apart(shop, web, sql):
    sent = headers()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(web.call, "POST", "/things", {"amount": 5}, sent | {"Prefer": "wait=2"})
        eventually(
            lambda: sql("SELECT count(*) FROM things").fetchone()[0] == 1, describe="the first's commit"
        )
        assert web.call("POST", "/things", {"amount": 5}, sent).code == "idempotency_key_in_use"
        first.result()
    shop.tally.write()
    assert counted(sql) == [{"in_use": 1}]


def test_who_attaches_after_a_death_is_counted_apart(shop, web, sql):
    sent = headers()
    web.call("POST", "/things", {"amount": 5}, sent)
    sql(
        "UPDATE idempotency_keys SET state = 'in_flight', status = NULL, headers = NULL, body = NULL, finished_at = NULL,"
        " lease_owner = 'own_dead', lease_until = clock_timestamp() - interval '1 s'"
    )
    for _ in range(3):
        assert web.call("POST", "/things", {"amount": 5}, sent).status == 201
    shop.tally.write()
    assert counted(sql) == [{"replays": 2, "attaches": 1}]


def test_reuse_after_expiry_is_counted_and_the_tombstone_keeps_its_counts(shop, web, sql):
    sent = headers()
    for _ in range(2):
        web.call("POST", "/things", {"amount": 5}, sent)
    shop.tally.write()
    sql("UPDATE idempotency_keys SET expires_at = clock_timestamp() - interval '1 s'")
    assert shop.transactions.run(lambda uow: prune_keys(uow.connection, 10), name="t") == 1
    assert web.call("POST", "/things", {"amount": 5}, sent).code == "idempotency_key_expired"
    shop.tally.write()
    assert counted(sql) == [{"replays": 1, "after_expiry": 1}]


def test_a_stored_refusal_that_is_sent_again_is_a_replay(shop, web, sql):
    from shared.kernel.errors import Rejected

    sent = headers()
    shop.refuse = Rejected("no_room", "Nothing is left.", status=409)
    for _ in range(3):
        assert web.call("POST", "/things", {"amount": 5}, sent).code == "no_room"
    shop.tally.write()
    assert counted(sql) == [{"replays": 2}]


def test_a_request_that_is_refused_before_its_key_counts_for_no_key(shop, web, sql):
    sent = headers()
    web.call("POST", "/things", {"amount": 5}, sent)
    for body in (b"[", b'{"amount": 1.5}'):
        assert web.call("POST", "/things", body, sent).status in {400, 422}
    shop.tally.write()
    assert counted(sql) == []


def test_counts_of_many_processes_on_the_same_keys_add_up(shop, web, sql):
    keys = [headers() for _ in range(20)]
    for sent in keys:
        web.call("POST", "/things", {"amount": 5}, sent)
    scopes = [row[0] for row in sql("SELECT scope FROM idempotency_keys").fetchall()]
    processes = [RepeatTally(shop.transactions) for _ in range(4)]

    def live(number):
        order = scopes if number % 2 else scopes[::-1]
        for turn in range(25):
            for scope in order:
                processes[number].note(scope, Repeat.REPLAYED if turn % 5 else Repeat.IN_USE)
            processes[number].write()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(live, range(4)))
    assert counted(sql) == [{"replays": 4 * 20, "in_use": 4 * 5}] * 20


def test_a_storm_of_replays_leaves_the_first_requests_of_others_alone(shop, web, sql):
    """The counting never holds a lock that a request waits for: not even while its transaction is stuck open."""
    sent = headers()
    first = web.call("POST", "/things", {"amount": 5}, sent)
    web.call("POST", "/things", {"amount": 5}, sent)
    shop.tally.write()
    with shop.engine.connect() as stuck:
        stuck.execute(sa.text("SELECT 1 FROM idempotency_key_repeats FOR UPDATE"))
        web.call("POST", "/things", {"amount": 5}, sent)
        writing = threading.Thread(target=shop.tally.write)
        writing.start()
        again = [web.call("POST", "/things", {"amount": 5}, sent) for _ in range(20)]
        assert {reply.body for reply in again} == {first.body}
        assert web.call("POST", "/things", {"amount": 5}, headers()).status == 201
        assert writing.is_alive()
    writing.join(10)
    shop.tally.write()
    assert counted(sql) == [{"replays": 22}]


def test_a_killed_process_loses_what_it_had_not_written_and_nothing_else(shop, web, sql):
    sent = headers()
    for _ in range(4):
        web.call("POST", "/things", {"amount": 5}, sent)
    shop.tally.write()
    for _ in range(7):
        web.call("POST", "/things", {"amount": 5}, sent)
    shop.http.tally = shop.tally = RepeatTally(shop.transactions)  # what a start after kill -9 begins with
    for _ in range(2):
        web.call("POST", "/things", {"amount": 5}, sent)
    shop.tally.write()
    assert counted(sql) == [{"replays": 3 + 2}]


def test_a_count_never_stands_without_its_key(shop, sql):
    shop.tally.note("of nobody", Repeat.REPLAYED)
    shop.tally.write()
    assert counted(sql) == []


@pytest.mark.parametrize(
    "change",
    ["replays = -1", "replays = 0", "mismatches = 1", "last_mismatch_at = now()", "last_repeat_at = NULL"],
)
def test_the_database_refuses_counts_that_make_no_sense(shop, web, sql, change):
    sent = headers()
    for _ in range(2):
        web.call("POST", "/things", {"amount": 5}, sent)
    shop.tally.write()
    with pytest.raises(psycopg.errors.IntegrityError):
        sql(f"UPDATE idempotency_key_repeats SET {change}")


def test_the_application_may_not_take_counts_away(shop):
    with (
        shop.engine.connect() as connection,
        pytest.raises(sa.exc.ProgrammingError, match="permission denied"),
    ):
        connection.execute(sa.text("DELETE FROM idempotency_key_repeats"))
