"""Operator commands on a real database: listed, idempotent, recorded, four eyes, and the gauges that watch it."""

import base64
import json

import psycopg
import pytest

from shared.kernel.clock import SystemClock
from shared.kernel.errors import Rejected
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.mechanism import create_v1, create_v2, create_v3
from shared.persistence.provision import provision
from shared.persistence.unit_of_work import Transactions, UnitOfWork
from shared.runtime import operations as operations_module
from shared.runtime.http import api
from shared.runtime.idempotent_http import IdempotentHttp
from shared.runtime.metrics import exposition
from shared.runtime.operations import Act, Operations
from shared.runtime.operator_http import ParkedKeysApi
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, TokenVerifier, new_key_pair
from shared.runtime.probes import watch_mechanism
from shared.runtime.repeat_tally import RepeatTally
from shared.runtime.settings import ServiceSettings
from shared.runtime.startup import StartupRefused
from shared.testing.passwords import TEST_PASSWORD
from shared.testing.serving import served

KEY = ("orders.events", "ord_1")


def act(actor, reason):
    return Act(actor=actor, reason=reason, role="approver")


@pytest.fixture
def urls(postgres_admin_url):
    name = f"d_operations_{UlidIds().new('')[-12:]}"
    made = provision(postgres_admin_url, "mechanism", name, password=TEST_PASSWORD)
    with psycopg.connect(made.owner) as connection:
        create_v1(connection, service="mechanism")
        create_v2(connection, service="mechanism")
        create_v3(connection)
        connection.execute("INSERT INTO inbox_versions VALUES ('shop', %s, %s, 4)", KEY)
        connection.execute(
            "INSERT INTO parked_keys (consumer, topic, key, reason, since, next_version, detail)"
            " VALUES ('shop', %s, %s, 'poison', now(), 5, 'unreadable')",
            KEY,
        )
    yield made
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def engine(urls):
    made = make_engine(urls.app, application_name="test", pool_size=2)
    yield made
    made.dispose()


@pytest.fixture
def recorded():
    return []


@pytest.fixture
def operations(urls, engine, recorded):
    transactions = Transactions(engine, UnitOfWork, source="/tieout/shop", clock=SystemClock(), ids=UlidIds())
    settings = ServiceSettings(database_url=urls.app, owner_database_url=urls.owner)
    return Operations(
        settings, transactions, consumer="shop", record=lambda _uow, action: recorded.append(action)
    )


def test_a_parked_key_is_listed_and_a_redrive_asked_for_once_is_recorded(operations, recorded):
    (parked,) = operations.parked()
    assert (parked["topic"], parked["key"], parked["reason"]) == (*KEY, "poison")
    assert operations.redrive(*KEY, act("ada", "fixed"))["requested"]
    assert operations.parked()[0]["redrive_requested_at"] is not None
    assert not operations.redrive("orders.events", "ord_2", act("ada", "typo"))["requested"]
    assert [(act.actor.name, act.action) for act in recorded] == [("ada", "redrive")]


MANY = 250


def written(*place):
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


@pytest.fixture
def many(urls, operations):
    """Keys parked within one moment and at others, of any form, and records that nobody could read."""
    with psycopg.connect(urls.owner) as connection:
        connection.execute(
            "INSERT INTO parked_keys (consumer, topic, key, reason, since, detail) SELECT 'shop', 'orders.events',"
            " 'kéy ' || n, 'gap', now() - make_interval(mins => n %% 3), '' FROM generate_series(1, %s) AS n",
            [MANY],
        )
        connection.execute(
            'INSERT INTO parked_records (consumer, event_id, topic, key, partition, "offset", headers, payload_sha256)'
            " SELECT 'shop', 'raw:orders.events:0:' || n, 'orders.events', 'raw:orders.events:0:' || n, 0, n, '{}', ''"
            " FROM generate_series(1, %s) AS n",
            [MANY],
        )
    return 2 * MANY + 1


def test_all_that_is_parked_is_listed_however_much_it_is(operations, many, monkeypatch):
    monkeypatch.setattr(operations_module, "PARKED_PAGE", 100, raising=False)
    keys = [(row["since"], row["topic"], row["key"]) for row in operations.parked()]
    assert len(keys) == len(set(keys)) == many
    assert [since for since, _, _ in keys] == sorted(since for since, _, _ in keys)


def test_pages_of_what_is_parked_go_on_where_the_last_one_ended(desk, many):
    seen, cursor = [], ""
    while cursor is not None:
        page = desk("ann", f"?limit=97{cursor and '&cursor=' + cursor}", role=OperatorRole.VIEWER).document
        assert len(page["data"]) == 97 or page["next_cursor"] is None
        seen += [(row["topic"], row["key"]) for row in page["data"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == many
    assert len(desk("ann").document["data"]) == 100


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "W10=", "WyJub3ciLCJhIiwiYiJd", "WyIyMDI2LTExLTIyVDEyOjAwOjAwIiwiYSIsImIiXQ==", "bnVsbA==",
        written("2026-11-22T12:00:00Z", "a", "\ud800"), written("2026-11-22T12:00:00Z", "\udc00", "b"),
        written("0001-01-01T00:00:00+20:00", "a", "b"), written("9999-12-31T23:59:59-01:00", "a", "b"),
    ],
)  # fmt: skip
def test_a_cursor_that_no_page_told_is_refused_by_its_name(desk, cursor):
    refused = desk("ann", f"?cursor={cursor}")
    assert (refused.status, refused.document.get("param")) == (422, "cursor")


def test_a_skip_needs_two_people(operations, recorded):
    operations.propose_skip(*KEY, 5, act("ada", "cannot be read"))
    with pytest.raises(Rejected, match="same_person"):
        operations.approve_skip(*KEY, 5, act("ada", "sure"))
    operations.approve_skip(*KEY, 5, act("bob", "agreed"))
    assert [(act.actor.name, act.action) for act in recorded] == [
        ("ada", "propose_skip"),
        ("bob", "approve_skip"),
    ]


def test_an_archive_with_nothing_due_does_nothing(operations, tmp_path):
    assert operations.archive(tmp_path / "files") == {"archived": [], "rows": 0}


def test_what_a_service_has_not_is_refused_in_one_line(operations, tmp_path):
    with pytest.raises(StartupRefused, match="publishes no topics"):
        operations.refill("orders.events", "reader", tmp_path, act("ada", "new"))


def test_the_mechanisms_gauges_are_read_at_the_scrape(engine):
    watch_mechanism(engine)
    shown = exposition()[1].decode()
    assert 'tieout_parked_keys{consumer="shop",reason="poison"} 1.0' in shown
    assert "tieout_outbox_unsent 0.0" in shown
    assert "tieout_outbox_oldest_unsent_seconds 0.0" in shown
    assert "tieout_idempotency_abandoned 0.0" in shown
    assert "tieout_idempotency_oldest_in_flight_seconds 0.0" in shown


@pytest.fixture
def desk(operations, engine):
    """The same operations over HTTP, as every service that consumes serves them."""
    private, public = new_key_pair()
    issuer = TokenIssuer(private)
    transactions = Transactions(engine, UnitOfWork, source="/tieout/shop", clock=SystemClock(), ids=UlidIds())
    http = IdempotentHttp(transactions, tally=RepeatTally(transactions))
    app = api(title="shop")
    app.include_router(ParkedKeysApi(http, operations, TokenVerifier(public)).router())
    with served(app) as server:

        def call(who, path="", once="k", role=OperatorRole.APPROVER, **body):
            headers = {"Authorization": f"Bearer {issuer.operator(who, role)}", "Idempotency-Key": once}
            return server.call(
                "POST" if body else "GET", f"/operator/parked-keys{path}", body or None, headers
            )

        yield call
    http.close()


def test_parked_keys_are_released_over_http_once_per_key_and_by_the_right_people(desk, recorded):
    topic, key = KEY
    asked = {"topic": topic, "key": key, "reason": "fixed"}
    assert [found["key"] for found in desk("ann").document["data"]] == [key]
    assert desk("ann", "/redrive", role=OperatorRole.VIEWER, **asked).status == 403
    first, again = desk("ann", "/redrive", **asked), desk("ann", "/redrive", **asked)
    assert (first.status, first.document["requested"], again.body) == (200, True, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    reused = desk("ann", "/redrive", **asked | {"reason": "other"})
    assert (reused.status, reused.document["param"]) == (422, "reason")
    assert [(act.actor.name, act.action, act.actor.role) for act in recorded] == [
        ("ann", "redrive", "approver")
    ]
    skip = asked | {"version": 5}
    assert desk("ann", "/skip", once="s", **skip).status == 200
    assert desk("ann", "/approve-skip", once="a", **skip).document["code"] == "same_person"
    assert desk("bob", "/approve-skip", role=OperatorRole.OPERATOR, **skip).document["code"] == "role_too_low"
    assert desk("bob", "/approve-skip", **skip).status == 200
    assert [act.action for act in recorded] == ["redrive", "propose_skip", "approve_skip"]
    assert recorded[0].actor.request_id.startswith("req_")


@pytest.mark.parametrize(
    "key", ["route:all merchants:all currencies", "orders.events for shop", "kéy 1", "k" * 512, "é" * 256]
)
def test_whatever_key_a_record_may_have_is_released_by_it(desk, urls, key):
    topic, _ = KEY
    with psycopg.connect(urls.owner) as connection:
        connection.execute("UPDATE parked_keys SET key = %s", [key])
        connection.execute("UPDATE inbox_versions SET key = %s", [key])
    asked = {"topic": topic, "key": key, "reason": "fixed"}
    assert desk("ann", "/redrive", **asked).document["requested"] is True
    skip = asked | {"version": 5}
    assert desk("ann", "/skip", once="s", **skip).status == 200
    assert desk("bob", "/approve-skip", **skip).status == 200


@pytest.mark.parametrize("key", ["", "a\nb", "a\x1b[2K", "k" * 513, "é" * 257])
def test_what_no_record_is_published_under_is_refused_by_its_name(desk, key):
    refused = desk("ann", "/redrive", topic="orders.events", key=key, reason="r")
    assert (refused.status, refused.document["param"]) == (422, "key")


def test_a_bad_field_is_named(desk):
    refused = desk("ann", "/skip", topic="orders.events", key="ord_1", version=0, reason="r")
    assert (refused.status, refused.document["param"]) == (422, "version")
