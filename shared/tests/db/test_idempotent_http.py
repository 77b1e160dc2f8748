"""Idempotency over a real socket and a real database: one execution, one reply, whatever is retried, raced or killed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from shared.kernel.clock import SystemClock
from shared.kernel.errors import Rejected
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.idempotency import prune_keys
from shared.persistence.unit_of_work import Transactions, UnitOfWork
from shared.runtime.group_commit import GroupCommit
from shared.testing.serving import served
from shared.testing.waiting import eventually
from shared.tests.db.things import Shop, thing_database


@pytest.fixture(scope="module")
def urls(postgres_admin_url):
    with thing_database(postgres_admin_url) as made:
        yield made


@pytest.fixture(params=["alone", "together"])
def shop(request, urls):
    """A shop whose POSTs run in transactions of their own, and one whose POSTs may share them."""
    groups = None
    if request.param == "together":
        engine = make_engine(urls.app, application_name="groups", pool_size=2, lock_timeout_ms=250)
        transactions = Transactions(
            engine, UnitOfWork, source="/tieout/shop", clock=SystemClock(), ids=UlidIds()
        )
        groups = GroupCommit(transactions, name="together")
    with closing(Shop(make_engine(urls.app, application_name="test", pool_size=10), groups=groups)) as made:
        yield made
    if groups is not None:
        engine.dispose()


@pytest.fixture
def sql(urls):
    """Statements by the owner, for what time or a dead process would have done."""
    with psycopg.connect(urls.owner, autocommit=True) as connection:
        connection.execute("DELETE FROM idempotency_keys")
        connection.execute("DELETE FROM things")
        yield connection.execute


@pytest.fixture
def web(shop):
    with served(shop.app) as running:
        yield running


@pytest.fixture
def key():
    return {"Idempotency-Key": UlidIds().new("k_"), "Prefer": "wait=0"}


def things(sql):
    return sql("SELECT count(*) FROM things").fetchone()[0]


def test_a_retry_gets_the_same_bytes_and_the_state_of_now(shop, web, sql, key):
    first = web.call("POST", "/things", {"amount": 5}, key)
    assert (first.status, first.document["state"]) == (201, "new")
    assert "idempotent-replayed" not in first.headers
    sql("UPDATE things SET state = 'done' WHERE thing_id = %s", [first.document["id"]])
    again = web.call("POST", "/things", b'{"colour": "red", "amount":   5}', key)
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["thing-state"] == "done"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["request-id"] != first.headers["request-id"]
    assert shop.executions == 1


def test_twenty_first_requests_at_once_execute_once(shop, web, sql, key):
    before = things(sql)
    barrier = threading.Barrier(20)

    def one(_):
        barrier.wait(10)
        return web.call("POST", "/things", {"amount": 5}, key | {"Prefer": "wait=1"})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(one, range(20)))
    assert things(sql) == before + 1
    done = [answer for answer in answers if answer.status == 201]
    assert len({answer.body for answer in done}) == 1
    assert {answer.code for answer in answers if answer.status != 201} <= {"idempotency_key_in_use"}
    assert all(a.headers["retry-after"] for a in answers if a.status == 409)
    assert web.call("POST", "/things", {"amount": 5}, key).body == done[0].body


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/things", {"amount": 6}, "amount"),
        ("/things", {"amount": 5, "colour": "blue"}, "colour"),
        ("/things/th_1/change", {"amount": 5}, "endpoint"),
    ],
)
def test_the_same_key_with_another_wish_is_refused_and_named(shop, web, key, path, body, param):
    web.call("POST", "/things", {"amount": 5}, key)
    refused = web.call("POST", path, body, key)
    assert (refused.status, refused.code) == (422, "idempotency_key_reused")
    assert refused.document["param"] == param
    assert shop.executions == 1


def test_another_path_id_is_another_wish(shop, web, key):
    web.call("POST", "/things/th_1/change", {}, key)
    refused = web.call("POST", "/things/th_2/change", {}, key)
    assert (refused.code, refused.document["param"]) == ("idempotency_key_reused", "path.thing_id")


@pytest.mark.parametrize("other", [{"owner": "mer_2"}, {"mode": "live"}])
def test_another_owner_or_mode_has_keys_of_its_own(shop, web, key, other):
    mine = web.call("POST", "/things", {"amount": 5}, key)
    theirs = web.call("POST", "/things", {"amount": 6}, key | other)
    assert (mine.status, theirs.status) == (201, 201)
    assert mine.document["id"] != theirs.document["id"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (None, "idempotency_key_missing"), ("", "idempotency_key_invalid"), ("x" * 256, "idempotency_key_invalid"),
        ("a b", "idempotency_key_invalid"), ("caf\xe9", "idempotency_key_invalid"),
        ("4111111111111111", "card_number_refused"),
    ],
)  # fmt: skip
def test_unfit_keys_are_refused(shop, web, given, code):
    answer = web.call("POST", "/things", {"amount": 5}, {} if given is None else {"Idempotency-Key": given})
    assert answer.code == code
    assert answer.status in {400, 422}
    assert shop.executions == 0


def test_the_longest_key_is_a_key(shop, web):
    assert (
        web.call("POST", "/things", {"amount": 5}, {"Idempotency-Key": "~" * 255, "Prefer": "wait=0"}).status
        == 201
    )


def test_every_line_of_what_is_preferred_counts(shop, web):
    """A proxy may send preferences on lines of their own, the wait on any of them."""
    two = {"Prefer": "respond-async", "prefer": "wait=x"}
    assert (
        web.call("POST", "/things", {"amount": 5}, {**two, "Idempotency-Key": "k"}).code == "prefer_malformed"
    )
    assert shop.executions == 0


def test_validation_leaves_the_key_free(shop, web, key):
    for body in (b'{"amount":100.0}', b'{"amount":1,"amount":1}', b'{"size":1}', b"["):
        assert web.call("POST", "/things", body, key).status in {400, 422}
    assert web.call("POST", "/things", {"amount": 5}, key).status == 201


def test_a_refusal_by_state_is_kept_and_its_work_is_not(shop, web, sql, key):
    before = things(sql)
    shop.refuse = Rejected("no_room", "Nothing is left.", status=409, extra={"left": 0})
    first = web.call("POST", "/things", {"amount": 5}, key)
    assert (first.status, first.code, first.document["left"]) == (409, "no_room", 0)
    shop.refuse = None
    again = web.call("POST", "/things", {"amount": 5}, key)
    assert (again.status, again.body, again.headers["idempotent-replayed"]) == (409, first.body, "true")
    assert again.headers["content-type"] == "application/problem+json"
    assert things(sql) == before
    assert web.call("POST", "/things", {"amount": 6}, key).code == "idempotency_key_reused"


@pytest.mark.parametrize(
    "refusal",
    [
        Rejected("operation_in_doubt", "Undecided.", status=409, stored=False),
        Rejected("rate_limited", "Slow down.", status=429),
        Rejected("draining", "Later.", status=503),
        Rejected("unauthorized", "Who?", status=401),
    ],
    ids=lambda r: r.code,
)
def test_a_passing_refusal_leaves_the_key_free(shop, web, key, refusal):
    shop.refuse = refusal
    assert web.call("POST", "/things", {"amount": 5}, key).status == refusal.status
    shop.refuse = None
    assert web.call("POST", "/things", {"amount": 5}, key).status == 201


def test_the_reply_waits_for_the_decision(shop, web, sql, key):
    def decide():
        eventually(lambda: sql("UPDATE things SET state = 'done' WHERE state = 'new'").rowcount)

    thread = threading.Thread(target=decide)
    thread.start()
    answer = web.call("POST", "/things", {"amount": 5}, key | {"Prefer": "wait=10"})
    thread.join(10)
    assert (answer.status, answer.document["state"]) == (201, "done")


def test_a_request_in_flight_is_409_with_retry_after(shop, web, sql, key):
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(web.call, "POST", "/things", {"amount": 5}, key | {"Prefer": "wait=2"})
        eventually(lambda: things(sql) == 1, describe="the first request's commit")
        answer = web.call("POST", "/things", {"amount": 5}, key)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (409, "idempotency_key_in_use", "1")
    assert first.result().document["state"] == "new", "the wait ended without a decision, and says so"


def abandon(sql, shop, web, key):
    """A request whose owner died after its commit: the row in flight, its lease over, the reply unwritten."""
    made = web.call("POST", "/things", {"amount": 5}, key)
    sql(
        "UPDATE idempotency_keys SET state = 'in_flight', status = NULL, headers = NULL, body = NULL, finished_at = NULL,"
        " lease_owner = 'own_dead', lease_until = clock_timestamp() - interval '1 s' WHERE resource_id = %s",
        [made.document["id"]],
    )
    return made.document["id"]


def test_the_first_retry_after_a_death_attaches_to_the_same_thing(shop, web, sql, key):
    thing_id = abandon(sql, shop, web, key)
    sql("UPDATE things SET state = 'done' WHERE thing_id = %s", [thing_id])
    attached = web.call("POST", "/things", {"amount": 5}, key)
    assert (attached.status, attached.document) == (201, {"id": thing_id, "amount": 5, "state": "done"})
    assert shop.executions == 1
    sql("UPDATE things SET state = 'gone' WHERE thing_id = %s", [thing_id])
    assert web.call("POST", "/things", {"amount": 5}, key).body == attached.body


def test_the_completer_stores_what_a_dead_owner_left(shop, web, sql, key):
    thing_id = abandon(sql, shop, web, key)
    assert shop.http.complete_abandoned() >= 1
    assert shop.http.complete_abandoned() == 0
    sql("UPDATE things SET state = 'done' WHERE thing_id = %s", [thing_id])
    replayed = web.call("POST", "/things", {"amount": 5}, key)
    assert replayed.document["state"] == "new", "the reply as of then"
    assert replayed.headers["thing-state"] == "done"
    assert replayed.headers["idempotent-replayed"] == "true"
    assert shop.executions == 1


def test_keys_that_cannot_be_completed_keep_no_other_waiting(shop, web, sql, key):
    """One whose reply cannot be made, one whose endpoint is gone: neither ends the process nor stands in the way."""
    broken, homeless, whole = (
        abandon(sql, shop, web, {**key, "Idempotency-Key": UlidIds().new("k_")}) for _ in range(3)
    )
    sql("DELETE FROM things WHERE thing_id = %s", [broken])
    sql("UPDATE idempotency_keys SET endpoint = 'POST /gone' WHERE resource_id = %s", [homeless])
    assert [shop.http.complete_abandoned(limit=1) for _ in range(2)] == [1, 0]
    finished = sql("SELECT resource_id FROM idempotency_keys WHERE state = 'finished'").fetchall()
    assert finished == [(whole,)]


def test_ten_retries_and_a_completer_on_one_abandoned_key_agree(shop, web, sql, key):
    abandon(sql, shop, web, key)
    with ThreadPoolExecutor(11) as pool:
        done = pool.submit(shop.http.complete_abandoned)
        answers = [pool.submit(web.call, "POST", "/things", {"amount": 5}, key) for _ in range(10)]
    done.result()
    assert {answer.result().status for answer in answers} == {201}
    assert len({answer.result().body for answer in answers}) == 1
    assert shop.executions == 1


def test_a_living_lease_is_left_alone(shop, web, sql, key):
    thing_id = abandon(sql, shop, web, key)
    sql(
        "UPDATE idempotency_keys SET lease_until = clock_timestamp() + interval '1 minute' WHERE resource_id = %s",
        [thing_id],
    )
    assert shop.http.complete_abandoned() == 0
    assert web.call("POST", "/things", {"amount": 5}, key).code == "idempotency_key_in_use"


def test_a_late_owner_sends_the_reply_that_somebody_else_stored(shop, web, sql, key):
    decided = threading.Event()

    def outlast():
        """While the owner waits, its lease ends and another stores the reply."""
        query = "UPDATE idempotency_keys SET lease_until = clock_timestamp() - interval '1 s' WHERE state = 'in_flight'"
        eventually(lambda: decided.is_set() or sql(query).rowcount)
        shop.http.complete_abandoned()
        sql("UPDATE things SET state = 'done' WHERE state = 'new'")

    thread = threading.Thread(target=outlast)
    thread.start()
    answer = web.call("POST", "/things", {"amount": 5}, key | {"Prefer": "wait=10"})
    decided.set()
    thread.join(10)
    assert answer.document["state"] == "new", "the stored reply wins over what the late owner would say"
    assert web.call("POST", "/things", {"amount": 5}, key).body == answer.body


@pytest.mark.parametrize(
    "change", ["expires_at = clock_timestamp() - interval '1 s'", "state = 'tombstone', body = NULL"]
)
def test_an_expired_key_never_executes_again_and_names_the_resource(shop, web, sql, key, change):
    made = web.call("POST", "/things", {"amount": 5}, key)
    sql(f"UPDATE idempotency_keys SET {change} WHERE resource_id = %s", [made.document["id"]])
    for amount in (5, 6):
        refused = web.call("POST", "/things", {"amount": amount}, key)
        assert (refused.status, refused.code) == (409, "idempotency_key_expired")
        assert refused.document["resource"] == made.document["id"]
    assert shop.executions == 1


def test_pruning_takes_the_replies_of_expired_keys_in_bounded_batches_and_no_others(shop, web, sql, key):
    made = [web.call("POST", "/things", {"amount": 5}, key | {"Idempotency-Key": f"k-{n}"}) for n in range(5)]
    ids = [reply.document["id"] for reply in made]
    sql(
        "UPDATE idempotency_keys SET expires_at = clock_timestamp() - interval '1 s' WHERE resource_id = ANY(%s)",
        [ids[:3]],
    )
    sql("UPDATE idempotency_keys SET state = 'in_flight', body = NULL WHERE resource_id = %s", [ids[2]])
    batches = [shop.transactions.run(lambda uow: prune_keys(uow.connection, 1), name="t") for _ in range(3)]
    assert batches == [1, 1, 0]
    rows = sql(
        "SELECT state, body IS NULL, field_digests IS NULL, length(fingerprint), resource_id FROM idempotency_keys"
        " WHERE resource_id = ANY(%s) ORDER BY resource_id",
        [ids],
    ).fetchall()
    by_id = {row[4]: row[:4] for row in rows}
    assert [by_id[thing][0] for thing in ids] == [
        "tombstone",
        "tombstone",
        "in_flight",
        "finished",
        "finished",
    ]
    assert by_id[ids[0]] == ("tombstone", True, True, 32)
    refused = web.call("POST", "/things", {"amount": 5}, key | {"Idempotency-Key": "k-0"})
    assert (refused.status, refused.code) == (409, "idempotency_key_expired")
    assert refused.document["resource"] == ids[0]
    assert web.call("POST", "/things", {"amount": 5}, key | {"Idempotency-Key": "k-4"}).body == made[4].body
    assert shop.executions == 5


def test_the_key_itself_is_never_stored(shop, web, sql, key):
    web.call("POST", "/things", {"amount": 5}, key)
    rows = sql("SELECT row_to_json(k)::text FROM idempotency_keys k").fetchall()
    assert all(key["Idempotency-Key"] not in row[0] for row in rows)


def test_a_broken_handler_leaves_nothing_behind(shop, web, sql, key):
    before = things(sql)
    shop.refuse = ZeroDivisionError()
    assert web.call("POST", "/things", {"amount": 5}, key).status == 500
    shop.refuse = None
    assert things(sql) == before
    assert web.call("POST", "/things", {"amount": 5}, key).status == 201
