"""Keys of requests that share a transaction: the row decides as it does for one alone, and says the same."""

import hashlib

import psycopg
import pytest

from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.idempotency import (
    Claim,
    Principal,
    StoredReply,
    claim_key,
    fingerprint_of,
    finish_own_key,
)
from shared.persistence.key_batch import TAKEN, KeyTaken
from shared.persistence.statements import execute_later, send_queued
from shared.persistence.unit_of_work import Transactions, UnitOfWork
from shared.tests.db.things import thing_database

THING = "INSERT INTO things VALUES (%(id)s, 1, 'new')"
AWKWARD = StoredReply(
    status=201, body=b'{"a": "\\\\x41 \\"q\\" {},NULL", "b": "\xc3\xa9"}', headers={"X": 'a "b" \\c'}
)
PLAIN = StoredReply(status=200, body=b"", headers={})


@pytest.fixture(scope="module")
def urls(postgres_admin_url):
    with thing_database(postgres_admin_url) as made:
        yield made


@pytest.fixture
def transactions(urls):
    engine = make_engine(urls.app, application_name="keys", pool_size=2, lock_timeout_ms=250)
    yield Transactions(engine, UnitOfWork, source="/tieout/shop", clock=SystemClock(), ids=UlidIds())
    engine.dispose()


@pytest.fixture
def rows(urls):
    with psycopg.connect(urls.owner, autocommit=True) as connection:
        connection.execute("DELETE FROM idempotency_keys")
        connection.execute("DELETE FROM things")
        yield lambda query: connection.execute(query).fetchall()


def claim(text):
    principal = Principal(owner_id="mer_1", mode="test")
    return Claim(
        scope=principal.scope(text), principal=principal, key=text, owner=f"own_{text}", lease_s=30.0,
        fingerprint=fingerprint_of("POST", "/things", {}, {"key": text, "odd": '"\\'}),
        resource_id=f"th_{text}", request_id=f"req_{text}",
    )  # fmt: skip


def asked(uow, *texts):
    claims = [claim(text) for text in texts]
    claimed = [uow.keys.claim(each) for each in claims]
    uow.keys.ask()
    send_queued(uow.connection)
    return claims, claimed


def test_a_key_that_somebody_took_meanwhile_undoes_all_that_was_done_in_company(transactions, rows):
    def work(uow):
        claims, claimed = asked(uow, "a", "b")
        assert [each.holds for each in claimed] == [True, True]
        transactions.run(
            lambda other: claim_key(other.connection, claim("b"), reply=PLAIN), name="the faster one"
        )
        for each in claims:
            execute_later(uow.connection, THING, {"id": each.resource_id}, lambda _: None)
            uow.keys.keep(each, each.resource_id, PLAIN)

    with pytest.raises(KeyTaken):
        transactions.run(work, name="company")
    assert rows("SELECT count(*) FROM things") == [(0,)]
    assert rows("SELECT key_digest FROM idempotency_keys") == [(hashlib.sha256(b"b").hexdigest(),)]


def test_a_taken_key_is_seen_before_anything_is_done_for_it_and_of_two_alike_the_first_has_it(
    transactions, rows
):
    transactions.run(lambda uow: claim_key(uow.connection, claim("old"), reply=PLAIN), name="before")

    def work(uow):
        claims, claimed = asked(uow, "new", "old", "new")
        uow.keys.keep(claims[0], "th_new", PLAIN)
        return [each.holds for each in claimed]

    assert transactions.run(work, name="company") == [True, False, False]
    assert rows("SELECT count(*) FROM idempotency_keys") == [(2,)]


@pytest.mark.parametrize("reply", [AWKWARD, PLAIN, None], ids=["awkward", "empty", "none yet"])
def test_a_row_written_in_company_says_what_it_says_of_one_alone(transactions, rows, reply):
    def alone(uow):
        assert claim_key(uow.connection, claim("k"))
        if reply is not None:
            finish_own_key(uow.connection, claim("k"), reply, "th_k")

    def company(uow):
        claims, _ = asked(uow, "k", "l")
        for each in claims:
            uow.keys.keep(each, each.resource_id, reply)

    shown = """
        SELECT owner_id, mode, key_digest, fingerprint, field_digests, endpoint, state, lease_owner, resource_id,
               request_id, status, headers, body, lease_until - created_at BETWEEN '29 s' AND '31 s',
               expires_at - created_at BETWEEN '30 days' AND '30 days 1 s', finished_at - created_at < '1 s'
          FROM idempotency_keys WHERE resource_id = 'th_k'
    """
    transactions.run(alone, name="alone")
    first = rows(shown)
    rows("DELETE FROM idempotency_keys RETURNING 1")
    transactions.run(company, name="company")
    assert rows(shown) == first
    assert len(first) == 1


def test_company_of_any_size_asks_and_writes_once(transactions, rows, monkeypatch):
    told = []
    monkeypatch.setattr(
        "shared.persistence.key_batch.execute_later",
        lambda connection, sql, *rest: (told.append(sql), execute_later(connection, sql, *rest)),
    )

    def work(uow):
        claims, _ = asked(uow, *(f"k{n}" for n in range(16)))
        for each in claims:
            uow.keys.keep(each, each.resource_id, PLAIN)

    transactions.run(work, name="company")
    assert len(told) == 2
    assert rows("SELECT count(*), count(DISTINCT lease_until) FROM idempotency_keys") == [(16, 0)]


@pytest.mark.parametrize("by_index", [True, False])
def test_a_plan_of_the_first_hour_does_not_read_all_the_keys_of_later_ones(urls, rows, by_index):
    engine = make_engine(urls.app, application_name="plans", pool_size=1, by_index=by_index)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
        asked = TAKEN.replace("%(scopes)s", "$1")
        connection.exec_driver_sql(f"PREPARE asked (text[]) AS {asked}")
        plan = str(connection.exec_driver_sql("EXPLAIN EXECUTE asked ('{a}')").all())
        connection.exec_driver_sql("DEALLOCATE asked")
    engine.dispose()
    assert ("Seq Scan" in plan) is not by_index
