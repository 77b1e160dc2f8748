"""What operators see of idempotency keys, over HTTP and in the terminal: all of a key's life, nothing of its reply."""

import json
from contextlib import closing
from datetime import datetime
from urllib.parse import quote

import psycopg
import pytest
from pydantic_settings import SettingsConfigDict
from typer.testing import CliRunner

from shared.persistence.engine import make_engine
from shared.persistence.idempotency import Principal, prune_keys
from shared.runtime.cli import service_cli
from shared.runtime.idempotency_keys_http import ROUTE, IdempotencyKeysApi
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, TokenVerifier, new_key_pair
from shared.runtime.process import ServiceRuntime
from shared.runtime.settings import ProcessSettings
from shared.testing.serving import served
from shared.tests.db.things import Shop, thing_database

SECRET_COLOUR = "ultramarine"


@pytest.fixture(scope="module")
def urls(postgres_admin_url):
    with thing_database(postgres_admin_url) as made:
        yield made


@pytest.fixture
def shop(urls):
    with closing(Shop(make_engine(urls.app, application_name="test", pool_size=10))) as made:
        yield made


@pytest.fixture
def sql(urls):
    with psycopg.connect(urls.owner, autocommit=True) as connection:
        for table in ("idempotency_key_repeats", "idempotency_keys", "things"):
            connection.execute(f"DELETE FROM {table}")
        yield connection.execute


class Desk:
    """A merchant who posts, and an operator who looks."""

    def __init__(self, server, issuer):
        self.server = server
        self.issuer = issuer

    def post(self, key, path="/things", amount=5, colour=SECRET_COLOUR, **headers):
        sent = {"Idempotency-Key": key, "Prefer": "wait=0", **headers}
        return self.server.call("POST", path, {"amount": amount, "colour": colour}, sent)

    def ask(self, query, role=OperatorRole.VIEWER):
        token = self.issuer.operator("ann", role)
        return self.server.call("GET", f"{ROUTE}?{query}", headers={"Authorization": f"Bearer {token}"})

    def found(self, query):
        reply = self.ask(query)
        assert reply.status == 200, reply
        return reply.document["data"]


@pytest.fixture
def desk(shop, sql):
    private, public = new_key_pair()
    shop.app.include_router(IdempotencyKeysApi(shop.http, TokenVerifier(public)).router())
    with served(shop.app) as server:
        yield Desk(server, TokenIssuer(private))


@pytest.fixture
def run(shop):
    """The commands that every service has, on this one."""

    class ShopSettings(ProcessSettings):
        model_config = SettingsConfigDict(env_prefix="SHOP_")

    def build(settings):
        return ServiceRuntime(name="shop", settings=settings, transactions=shop.transactions)

    cli = service_cli("shop", ShopSettings, build)

    def run(*words, fails=False):
        result = CliRunner().invoke(cli, ["idempotency-keys", *words])
        assert (result.exit_code != 0) is fails, result.output
        return result.output

    return run


def put_in_flight(sql, ago_s, lease_s, amount):
    """A request whose owner has not stored its reply, or has died before it could."""
    sql(
        "UPDATE idempotency_keys SET state = 'in_flight', status = NULL, headers = NULL, body = NULL,"
        " finished_at = NULL, lease_owner = 'own_1', created_at = clock_timestamp() - make_interval(secs => %s),"
        " lease_until = clock_timestamp() + make_interval(secs => %s)"
        " WHERE resource_id = (SELECT thing_id FROM things WHERE amount = %s)",
        [ago_s, lease_s, amount],
    )


def test_a_key_is_shown_with_its_first_request_its_end_and_what_came_since(desk, shop):
    made = desk.post("k-1")
    desk.post("k-1")
    desk.post("k-1")
    desk.post("k-1", amount=6)
    desk.post("k-1", path="/things/th_1/change")
    shop.tally.write()
    (key,) = desk.found("owner=mer_1&key=k-1")
    assert (key["owner"], key["mode"], key["endpoint"]) == ("mer_1", "test", "POST /things")
    assert (key["state"], key["status"], key["resource"]) == ("finished", 201, made.document["id"])
    assert (key["in_flight_s"], key["lease_owner"], key["lease_ended"]) == (None, None, None)
    assert len(key["fingerprint"]) == len(key["key_digest"]) == 64
    assert (key["replays"], key["mismatches"], key["attaches"], key["in_use"]) == (2, 1, 0, 0)
    assert (key["last_mismatch_endpoint"], key["last_mismatch_param"]) == ("POST /things", "amount")
    times = [
        datetime.fromisoformat(key[name])
        for name in ("first_request_at", "finished_at", "last_seen_at", "expires_at")
    ]
    assert times == sorted(times)


def test_a_key_that_nobody_used_again_was_last_seen_at_its_first_request(desk):
    desk.post("k-1")
    (key,) = desk.found("owner=mer_1&key=k-1")
    assert key["last_seen_at"] == key["first_request_at"]
    assert key["last_mismatch_at"] is None


def test_neither_body_nor_reply_nor_key_is_shown(desk, shop):
    made = desk.post("k-secret-text")
    desk.post("k-secret-text", colour="umber")
    shop.tally.write()
    shown = desk.ask("owner=mer_1&key=k-secret-text").body
    for hidden in (SECRET_COLOUR, "umber", "k-secret-text", "field_digests", '"amount":5', "own_"):
        assert hidden.encode() not in shown
    assert made.document["id"].encode() in shown


@pytest.mark.parametrize("query", ["owner=mer_2&key=k-1", "owner=mer_1&key=k-2", "owner=mer_&key=1k-1"])
def test_another_owner_or_key_is_another_key(desk, query):
    desk.post("k-1")
    assert desk.found(query) == []


def test_one_text_is_a_key_per_mode(desk):
    desk.post("k-1")
    desk.post("k-1", mode="live")
    assert [key["mode"] for key in desk.found("owner=mer_1&key=k-1")] == ["live", "test"]


def test_keys_in_flight_are_listed_by_age_with_their_lease(desk, sql):
    for amount in (1, 2, 3):
        desk.post(f"k-{amount}", amount=amount)
    put_in_flight(sql, ago_s=20, lease_s=20, amount=1)
    put_in_flight(sql, ago_s=500, lease_s=-400, amount=2)
    old, new = desk.found("in_flight_for_s=0")
    assert (old["state"], old["lease_owner"], old["lease_ended"]) == ("in_flight", "own_1", True)
    assert (new["lease_ended"], new["status"]) == (False, None)
    assert 500 <= old["in_flight_s"] < 600
    assert 20 <= new["in_flight_s"] < 120
    assert [key["fingerprint"] for key in desk.found("in_flight_for_s=200")] == [old["fingerprint"]]
    assert [key["fingerprint"] for key in desk.found("in_flight_for_s=0&limit=1")] == [old["fingerprint"]]


def test_keys_under_which_another_request_came_are_listed_the_latest_first(desk, shop, sql):
    for key in ("k-1", "k-2", "k-3"):
        desk.post(key)
    for key in ("k-2", "k-1"):
        desk.post(key, amount=9)
        shop.tally.write()
    desk.post("k-3")
    shop.tally.write()
    digests = {key: desk.found(f"owner=mer_1&key={key}")[0]["key_digest"] for key in ("k-1", "k-2")}
    assert [key["key_digest"] for key in desk.found("mismatched_within_s=60")] == [
        digests["k-1"],
        digests["k-2"],
    ]
    sql("UPDATE idempotency_key_repeats SET last_mismatch_at = now() - interval '1 h' WHERE scope = %s",
        [Principal(owner_id="mer_1", mode="test").scope("k-1")])  # fmt: skip
    assert [key["key_digest"] for key in desk.found("mismatched_within_s=60")] == [digests["k-2"]]


def test_an_expired_key_is_a_tombstone_before_and_after_its_pruning(desk, shop, sql):
    made = desk.post("k-1")
    sql("UPDATE idempotency_keys SET expires_at = clock_timestamp() - interval '1 s'")
    (before,) = desk.found("owner=mer_1&key=k-1")
    shop.transactions.run(lambda uow: prune_keys(uow.connection, 10), name="t")
    (after,) = desk.found("owner=mer_1&key=k-1")
    assert (before, after["state"], after["resource"]) == (after, "tombstone", made.document["id"])


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("", None), ("limit=3", None), ("owner=mer_1", "owner"), ("key=k-1", "owner"),
        ("in_flight_for_s=1&mismatched_within_s=1", None), ("owner=a&key=b&in_flight_for_s=1", None),
        ("in_flight_for_s=-1", "in_flight_for_s"), ("in_flight_for_s=nan", "in_flight_for_s"),
        ("mismatched_within_s=1e99", "mismatched_within_s"), ("in_flight_for_s=0&limit=0", "limit"),
        ("owner=a&key=b%20c", "key"), ("owner=&key=b", "owner"),
    ],
)  # fmt: skip
def test_a_question_that_is_none_or_two_is_refused(desk, query, param):
    refused = desk.ask(query)
    assert (refused.status, refused.document.get("param")) == (422, param)


def test_a_card_number_in_the_question_is_refused(desk):
    assert desk.ask("owner=mer_1&key=4111111111111111").code == "card_number_refused"


def test_only_operators_look(desk):
    assert desk.server.call("GET", f"{ROUTE}?in_flight_for_s=0").status == 401
    merchant = {"Authorization": "Bearer sk_test_1"}
    assert desk.server.call("GET", f"{ROUTE}?in_flight_for_s=0", headers=merchant).status == 401
    assert desk.ask("in_flight_for_s=0", OperatorRole.VIEWER).status == 200


def test_the_terminal_shows_the_same(desk, shop, run, sql):
    made = desk.post("k-1")
    desk.post("k-1")
    desk.post("k-2", amount=7)
    desk.post("k-2", amount=8)
    shop.tally.write()
    (key,) = json.loads(run("show", "mer_1", "k-1", "--json"))
    assert (key["resource"], key["replays"], key["state"]) == (made.document["id"], 1, "finished")
    shown = dict(line.split(None, 1) for line in run("show", "mer_1", "k-1").splitlines())
    assert (shown["resource"], shown["replays"]) == (made.document["id"], "1")
    (mismatched,) = json.loads(run("mismatched", "--json"))
    assert mismatched["last_mismatch_param"] == "amount"
    assert run("mismatched").splitlines()[1].split()[-1] == "amount"
    assert run("in-flight") == "none\n"
    put_in_flight(sql, ago_s=300, lease_s=-200, amount=7)
    (flying,) = json.loads(run("in-flight", "--for-s", "60", "--json"))
    assert (flying["lease_owner"], flying["lease_ended"]) == ("own_1", True)
    assert "own_1" in run("in-flight").splitlines()[1]
    assert "idempotency_key_not_found" in run("show", "mer_1", "k-9", fails=True)
    assert "Show a key" in run("show", "--help")


def test_operators_keys_are_found_like_merchants(desk, shop):
    operator = Principal(owner_id="operator:ann", mode="operator")
    desk.post("k-1", owner=operator.owner_id, mode=operator.mode)
    (key,) = desk.found("owner=operator:ann&key=k-1")
    assert (key["owner"], key["mode"]) == ("operator:ann", "operator")


@pytest.mark.parametrize("subject", ["Jane Doe", "Zoë", "田中", "x" * 128])
def test_whoever_a_token_may_name_is_found(desk, sql, subject):
    made = desk.post("k-1")
    operator = Principal(owner_id=f"operator:{subject}", mode="operator")
    sql("UPDATE idempotency_keys SET scope = %s", [operator.scope("k-1")])
    (key,) = desk.found(f"owner={quote(operator.owner_id)}&key=k-1")
    assert key["resource"] == made.document["id"]


@pytest.mark.parametrize("owner", ["a%0Ab", "a%1B[2K", "x" * 256])
def test_an_owner_that_nobody_can_be_is_refused_by_its_name(desk, owner):
    refused = desk.ask(f"owner={owner}&key=k-1")
    assert (refused.status, refused.document["param"]) == (422, "owner")
