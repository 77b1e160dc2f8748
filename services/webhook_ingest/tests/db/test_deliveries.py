"""Deliveries over a real socket into a real PostgreSQL: kept, counted once, announced once, then answered."""

import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import orjson
import psycopg
import pytest
import sqlalchemy as sa

from services.webhook_ingest.adapters.unit_of_work import DeliveryUnitOfWork
from services.webhook_ingest.app.erase_bodies import erase_bodies
from services.webhook_ingest.app.ports import Source
from services.webhook_ingest.domain.alpha_facts import fact_of_event
from services.webhook_ingest.domain.signature import Secret
from services.webhook_ingest.entrypoints.http import Intake, make_app
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions
from shared.runtime.group_commit import LANES, GroupCommit
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, TokenVerifier, new_key_pair
from shared.runtime.request_threads import RequestThreads
from shared.testing.serving import served
from shared.testing.virtual_clock import VirtualClock
from shared.testing.waiting import eventually

SECRET = "whsec_for_tests_only"
IDS = UlidIds()


def event(number=1, *, event_id=None, status="succeeded", payment="pay_1", **changes):
    capture = {
        "id": f"cap_{number}", "object": "capture", "account": "acct_alpha", "authorization": "auth_1",
        "status": status, "version": 1, "amount": 100, "currency": "EUR", "reference": "op_1",
        "metadata": {"payment": payment}, "created_at": "2026-01-01T00:00:00.000000Z",
        "updated_at": "2026-01-01T00:00:00.000000Z",
    }  # fmt: skip
    return orjson.dumps({
        "id": event_id or f"aevt_{number}", "type": f"capture.{status}", "account": "acct_alpha",
        "created_at": "2026-01-01T00:00:00Z", "data": {"object": capture | changes},
    })  # fmt: skip


class Ingest:
    """The service on a socket."""

    def __init__(self, urls, server, engine, transactions, groups, issuer):
        self.urls, self.server, self.engine, self.transactions = urls, server, engine, transactions
        self.groups = groups
        self.issuer = issuer

    def deliver(self, body, *, secret=SECRET, headers=None, t=None):
        t = t if t is not None else int(datetime.now(UTC).timestamp())
        digest = hmac.new(secret.encode(), f"{t}.".encode() + body, hashlib.sha256).hexdigest()
        return self.server.call(
            "POST", "/webhooks/alpha", body, headers or {"Alpha-Signature": f"t={t},v1={digest}"}
        )

    def query(self, statement):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]

    def events(self):
        return [
            (row[0], orjson.loads(row[1]))
            for row in self.query("SELECT event_type, payload FROM outbox ORDER BY position")
        ]

    def look(self, path):
        token = self.issuer.operator("ann", OperatorRole.VIEWER)
        return self.server.call("GET", path, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def ingest(service_database):
    urls = service_database("webhook_ingest")
    engine = make_engine(urls.app, application_name="webhook-ingest-test", pool_size=8)
    clock, threads = SystemClock(), RequestThreads()
    transactions = Transactions(
        engine, DeliveryUnitOfWork, source="/tieout/webhook_ingest", clock=clock, ids=UlidIds()
    )
    source = Source(
        processor="alpha", account="acct_alpha", signature_header="alpha-signature",
        secrets=(Secret(SECRET.encode()),), read_event=fact_of_event,
    )  # fmt: skip
    lanes = make_engine(urls.app, application_name="webhook-ingest-lanes", pool_size=LANES)
    groups = GroupCommit(
        Transactions(lanes, DeliveryUnitOfWork, source="/tieout/webhook_ingest", clock=clock, ids=UlidIds()),
        name="webhooks together",
    )
    intake = Intake(
        {"alpha": source},
        transactions,
        clock=clock,
        refused_kept_per_minute=3,
        threads=threads,
        groups=groups,
    )
    private, public = new_key_pair()
    with served(make_app(intake, transactions, TokenVerifier(public))) as server:
        yield Ingest(urls, server, engine, transactions, groups, TokenIssuer(private))
    groups.close()
    threads.close()
    lanes.dispose()
    engine.dispose()


def test_a_delivery_is_kept_byte_for_byte_and_announced_as_a_fact(ingest):
    body = event()
    assert ingest.deliver(body).status == 200
    assert [bytes(row[0]) for row in ingest.query("SELECT body FROM delivery_bodies")] == [body]
    ((event_type, payload),) = ingest.events()
    assert event_type == "WebhookFactReceived.v1"
    assert payload["fact"]["fact_key"] == "alpha:acct_alpha:cap_1:succeeded:1"
    assert ingest.query("SELECT topic, key FROM outbox") == [("webhook.events", "pay_1")]


def test_the_same_delivery_many_times_at_once_is_one(ingest):
    body = event()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: ingest.deliver(body).status, range(16)))
    assert statuses == [200] * 16
    assert ingest.query("SELECT count(*) FROM deliveries") == [(1,)]
    assert len(ingest.events()) == 1
    assert ingest.query("SELECT times_seen FROM delivery_claims") == [(16,)]


def while_nobody_can_claim(ingest, bodies):
    """Deliver all of these at once, while the lanes wait for the table; the statuses."""
    with ThreadPoolExecutor(len(bodies)) as pool, psycopg.connect(ingest.urls.owner) as holder:
        holder.execute("LOCK TABLE delivery_claims IN SHARE MODE")
        sent = [pool.submit(ingest.deliver, body) for body in bodies]
        eventually(lambda: len(ingest.groups._waiting) >= len(bodies) // 2)
        holder.rollback()
        return [future.result().status for future in sent]


def test_what_comes_together_is_kept_together_each_copy_and_each_quarrel_told_apart(ingest):
    bodies = [event(number) for number in range(10)]
    bodies += [bodies[0], bodies[9], event(3, amount=999)]
    assert while_nobody_can_claim(ingest, bodies) == [200] * len(bodies)
    verdicts = "SELECT verdict, count(*), count(DISTINCT xmin::text) FROM deliveries GROUP BY 1 ORDER BY 1"
    (accepted, number, transactions), quarantined = ingest.query(verdicts)
    assert (accepted, number, quarantined[:2]) == ("accepted", 10, ("quarantined", 1))
    assert transactions <= 2 * LANES, "two went ahead; the others shared what the lanes took next"
    assert len(ingest.events()) == 11
    assert ingest.query("SELECT count(*), sum(times_seen) FROM delivery_claims") == [(10, 13)]


def test_one_at_fault_costs_its_company_nothing(ingest):
    with psycopg.connect(ingest.urls.owner, autocommit=True) as owner:
        owner.execute(
            "ALTER TABLE deliveries ADD CONSTRAINT not_7 CHECK (processor_event_id <> 'aevt_7') NOT VALID"
        )
    statuses = while_nobody_can_claim(ingest, [event(number) for number in range(10)])
    assert statuses == [500 if number == 7 else 200 for number in range(10)]
    assert ingest.query("SELECT count(*) FROM deliveries") == [(9,)]
    assert len(ingest.events()) == 9


def test_a_delivery_that_could_not_be_kept_is_not_acknowledged(ingest):
    with psycopg.connect(ingest.urls.owner.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("ALTER TABLE deliveries ADD CONSTRAINT full_up CHECK (false) NOT VALID")
        assert ingest.deliver(event()).status == 500
        owner.execute("ALTER TABLE deliveries DROP CONSTRAINT full_up")
    assert ingest.query("SELECT count(*) FROM deliveries") == [(0,)]
    assert ingest.deliver(event()).status == 200, "the sender's retry is a first delivery"
    assert len(ingest.events()) == 1


def test_the_same_event_id_with_other_bytes_is_kept_apart_and_not_believed(ingest):
    ingest.deliver(event(amount=100))
    other = event(amount=999)
    assert [ingest.deliver(other).status for _ in range(2)] == [200, 200]
    assert ingest.query("SELECT verdict, reason FROM deliveries ORDER BY delivery_id") == [
        ("accepted", None),
        ("quarantined", "payload_mismatch"),
    ]
    assert [name for name, _ in ingest.events()] == ["WebhookFactReceived.v1", "WebhookUnrecognised.v1"]
    assert "999" not in json.dumps(ingest.events()[1][1]), "only ids: the look-up decides"


def test_two_event_ids_for_one_fact_carry_one_fact_key(ingest):
    ingest.deliver(event(event_id="aevt_a"))
    ingest.deliver(event(event_id="aevt_b"))
    assert len({payload["fact"]["fact_key"] for _, payload in ingest.events()}) == 1


@pytest.mark.parametrize("body", [b"not json", event(status="teleported"), event(amount=1.5)])
def test_what_is_authentic_but_unreadable_is_kept_and_makes_payment_look(ingest, body):
    assert ingest.deliver(body).status == 200
    assert [name for name, _ in ingest.events()] == ["WebhookUnrecognised.v1"]
    assert ingest.query("SELECT verdict FROM deliveries") == [("unrecognised",)]


def test_refused_deliveries_leave_a_trace_up_to_a_cap_and_no_effect(ingest):
    body = b"x" * 5_000
    assert {ingest.deliver(body, secret="wrong").status for _ in range(6)} == {401}
    assert ingest.query("SELECT count(*), max(octet_length(first_bytes)) FROM refused_deliveries") == [
        (3, 1024)
    ]
    assert ingest.query("SELECT count(*) FROM deliveries") == [(0,)]
    assert ingest.events() == []


@pytest.mark.parametrize("before", [0, 1_010, 1_020])
@pytest.mark.parametrize("card", [b"5105105105105100", b"5105 1051 0510 5100"])
def test_a_card_number_in_what_is_refused_is_not_kept(ingest, before, card):
    body = b"\xff" * before + b'"' + card + b'"' + b"y" * 2_000
    assert ingest.deliver(body, secret="wrong").status == 401
    [(digest, kept)] = ingest.query("SELECT body_sha256, first_bytes FROM refused_deliveries")
    assert digest == hashlib.sha256(body).digest()
    assert len(kept) == 1_024
    masked = b"\xff" * before + b'"[card ..5100]"'
    assert kept == (masked + b"y" * 1_024)[:1_024]


def test_nesting_that_no_event_comes_near_is_refused_though_signed(ingest):
    body = b'{"id": "aevt_1", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = ingest.deliver(body)
    assert (answer.status, answer.code) == (400, "json_too_deep")
    assert ingest.deliver(body, secret="wrong").status == 401, "a stranger learns nothing"
    assert ingest.query(
        "SELECT source, reason, body_sha256, body_bytes, first_bytes FROM refused_deliveries ORDER BY position"
    ) == [
        ("alpha", reason, hashlib.sha256(body).digest(), len(body), body[:1024])
        for reason in ("json_too_deep", "signature_mismatch")
    ]
    for table in ("delivery_claims", "deliveries", "delivery_bodies", "outbox"):
        assert ingest.query(f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"t=1,v1=\xff\xfe",
        b"\xc3\xa9",
        b"t=1,v1=" + b"0" * 6_000,
        b"t=99999999999999999999,v1=00",
        b"," * 1_000,
    ],
)
def test_hostile_headers_are_refused_never_an_error_of_ours(ingest, header):
    with ingest.server.raw() as connection:
        connection.sendall(
            b"POST /webhooks/alpha HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n"
            b"Alpha-Signature: " + header + b"\r\n\r\n{}"
        )  # fmt: skip
        status = int(connection.makefile("rb").readline().split()[1])
    assert status in (400, 401, 431)


def test_an_old_or_future_stamp_and_an_oversized_body_are_refused(ingest):
    now = int(datetime.now(UTC).timestamp())
    assert ingest.deliver(event(), t=now - 400).status == 401
    assert ingest.deliver(event(), t=now + 400).status == 401
    assert ingest.deliver(b"x" * (256 * 1024 + 1)).status == 413
    assert ingest.server.call("POST", "/webhooks/omega", b"{}").status == 404


def test_operators_see_deliveries_and_nobody_else_does(ingest):
    ingest.deliver(event())
    assert ingest.server.call("GET", "/deliveries").status == 401
    (listed,) = ingest.look("/deliveries?verdict=accepted").document["data"]
    shown = ingest.look(f"/deliveries/{listed['delivery_id']}").document
    assert shown["times_seen"] == 1
    assert shown["body_base64"]


def test_bodies_are_erased_after_their_time_and_verdicts_stay(ingest):
    ingest.deliver(event())
    later = VirtualClock(datetime.now(UTC))
    later.advance(181 * 86_400)
    aged = Transactions(
        ingest.engine, DeliveryUnitOfWork, source="/tieout/webhook_ingest", clock=later, ids=UlidIds()
    )
    assert aged.run(erase_bodies, name="erase") is False
    assert ingest.query("SELECT count(*) FROM delivery_bodies") == [(0,)]
    assert ingest.query("SELECT count(*) FROM deliveries") == [(1,)]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE deliveries SET verdict = 'accepted'", "DELETE FROM deliveries", "TRUNCATE deliveries"],
)
def test_deliveries_are_append_only_even_for_their_owner(ingest, statement):
    ingest.deliver(event())
    with (
        psycopg.connect(ingest.urls.owner.replace("+psycopg", "")) as owner,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        owner.execute(statement)


def test_claims_cannot_be_forgotten_by_the_application(ingest):
    ingest.deliver(event())
    with pytest.raises(sa.exc.DBAPIError), ingest.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM delivery_claims")


def test_a_delivery_that_was_not_written_is_not_acknowledged(ingest):
    """Whatever swallows the row, the processor has to send it again."""
    with psycopg.connect(ingest.urls.owner) as owner:
        owner.execute(
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            "CREATE TRIGGER swallowed BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION swallow()"
        )
    assert ingest.deliver(event()).status >= 500
    assert ingest.events() == []
    assert ingest.query("SELECT count(*) FROM delivery_claims") == [(0,)]
    with psycopg.connect(ingest.urls.owner) as owner:
        owner.execute("DROP TRIGGER swallowed ON deliveries")
    assert ingest.deliver(event()).status == 200
