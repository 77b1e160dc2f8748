"""One key, one wish, one payment: raced, repeated, mixed up, malformed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.payment.tests.db.shop import ORDER, Shop, open_shop
from shared.runtime.metric_names import WAITERS_REFUSED
from shared.runtime.metrics import value_of
from shared.runtime.waiting import Waiters
from shared.testing.infra import ServiceDatabase
from shared.testing.waiting import eventually

RACERS = 20


def commands(shop: Shop) -> list[str]:
    return [row[0] for row in shop.rows("SELECT event_type FROM outbox WHERE topic = 'processor.commands'")]


def test_twenty_identical_first_requests_make_one_payment(shop: Shop) -> None:
    start = threading.Barrier(RACERS)

    def post(_: int) -> tuple[int, str | None, bytes]:
        start.wait()
        reply = shop.post("/payments", ORDER, key="race", wait_s=1)
        return reply.status, reply.code, reply.body

    with ThreadPoolExecutor(RACERS) as pool:
        replies = list(pool.map(post, range(RACERS)))
    made = {body for status, _, body in replies if status == 201}
    refused = {(status, code) for status, code, _ in replies if status != 201}
    assert len(made) == 1
    assert refused <= {(409, "idempotency_key_in_use")}
    assert shop.count("payments") == 1
    assert commands(shop) == ["AuthorizePayment.v1"]
    again = shop.post("/payments", ORDER, key="race")
    assert {again.body} == made
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.headers["payment-status"], again.headers["payment-certainty"]) == ("CREATED", "pending")


def test_a_replay_repeats_the_bytes_of_then_and_tells_the_state_of_now(shop: Shop) -> None:
    first = shop.post("/payments", ORDER, key="then")
    shop.authorize(first.document["id"])
    again = shop.post("/payments", ORDER | {"currency": "eur"}, key="then")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["payment-status"] == "AUTHORIZED"


def test_beyond_the_cap_of_waits_the_reply_comes_at_once_and_says_that_nothing_is_decided(shop: Shop) -> None:
    decided = threading.Event()
    waiters = Waiters(lambda ids: ids if decided.is_set() else (), waiting_max=1)
    shop.parts.edge.http.waiters = waiters
    refused = value_of(WAITERS_REFUSED)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shop.post, "/payments", ORDER, key="waits", wait_s=30)
        try:
            eventually(lambda: waiters.waiting)
            beyond = shop.post("/payments", ORDER, key="beyond", wait_s=30)
            assert not waiting.done(), "the one that has the place still waits"
        finally:
            decided.set()
        assert waiting.result(10).status == 201
    assert (beyond.status, beyond.document["status"], beyond.document["certainty"]) == (
        201, "CREATED", "pending",
    )  # fmt: skip
    assert value_of(WAITERS_REFUSED) == refused + 1
    assert shop.rows("SELECT count(*) FROM idempotency_keys WHERE state <> 'finished'") == [(0,)]
    shop.authorize(beyond.document["id"])
    again = shop.post("/payments", ORDER, key="beyond", wait_s=30)
    assert (again.body, again.headers["payment-status"]) == (beyond.body, "AUTHORIZED")
    assert shop.post("/payments", ORDER, key="later", wait_s=30).status == 201
    assert value_of(WAITERS_REFUSED) == refused + 1, "the place was given back, by waits and by replays"
    waiters.close()


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"amount": 10_001}, "amount"), ({"currency": "USD"}, "currency"), ({"metadata": {"a": "b"}}, "metadata"),
        ({"payment_method": None}, "payment_method"), ({"reference": "r"}, "reference"),
    ],
)  # fmt: skip
def test_a_key_with_another_wish_is_refused_naming_the_field(
    shop: Shop, change: dict[str, object], param: str
) -> None:
    shop.post("/payments", ORDER, key="mine")
    reply = shop.post("/payments", ORDER | change, key="mine")
    assert (reply.status, reply.code, reply.document["param"]) == (422, "idempotency_key_reused", param)
    assert shop.count("payments") == 1


def test_a_key_on_another_endpoint_or_payment_is_refused(shop: Shop) -> None:
    payment = shop.captured()["id"]
    other = shop.create(payment_method=None)["id"]
    shop.post("/refunds", {"payment": payment, "amount": 1}, key="mine")
    for path, body in (("/payments", ORDER), (f"/payments/{payment}/capture", {"amount": 1})):
        reply = shop.post(path, body, key="mine")
        assert (reply.status, reply.code, reply.document["param"]) == (
            422,
            "idempotency_key_reused",
            "endpoint",
        )
    shop.post(f"/payments/{other}/cancel", {}, key="cancel")
    reply = shop.post(f"/payments/{payment}/cancel", {}, key="cancel")
    assert (reply.status, reply.document["param"]) == (422, "path.payment_id")
    assert shop.count("refunds") == 1


def test_the_same_key_of_another_merchant_is_another_payment(shop: Shop) -> None:
    mine = shop.post("/payments", ORDER, key="same").document["id"]
    theirs = shop.post("/payments", ORDER, key="same", api_key=shop.new_key().api_key).document["id"]
    assert mine != theirs
    assert shop.count("payments") == 2


def test_refusals_by_state_are_kept_and_those_in_doubt_leave_the_key_free(shop: Shop) -> None:
    payment_id = shop.create(capture_method="manual")["id"]
    path = f"/payments/{payment_id}/capture"
    assert shop.post(path, {}, key="early").code == "operation_in_doubt"
    shop.authorize(payment_id)
    assert shop.post(path, {"amount": 99_999}, key="kept").status == 409
    kept = shop.post(path, {"amount": 99_999}, key="kept")
    assert (kept.code, kept.headers["idempotent-replayed"]) == ("amount_exceeds_capturable", "true")
    assert shop.post(path, {}, key="early").status == 200


def test_a_validation_failure_leaves_the_key_free(shop: Shop) -> None:
    assert shop.post("/payments", ORDER | {"amount": 0}, key="again").status == 422
    assert shop.post("/payments", ORDER, key="again").status == 201


def test_a_key_whose_owner_died_is_finished_by_the_completer(service_database: ServiceDatabase) -> None:
    with open_shop(service_database("payment"), PAYMENT_KEY_LEASE_MARGIN_S="0.001") as shop:
        first = shop.post("/payments", ORDER, key="dead")
        # As if the process had died between its two transactions: the payment is there, the reply is not.
        with shop.parts.common.engine.connect() as connection:
            connection.exec_driver_sql(
                "UPDATE idempotency_keys SET state = 'in_flight', status = NULL, headers = NULL, body = NULL,"
                " finished_at = NULL, lease_owner = 'dead', lease_until = now() - interval '1 second'"
            )
            connection.exec_driver_sql("COMMIT")
        assert shop.parts.edge.http.complete_abandoned() == 1
        again = shop.post("/payments", ORDER, key="dead")
        assert (again.status, again.body) == (201, first.body)
        assert shop.count("payments") == 1


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("missing", b""), ("empty", b"Idempotency-Key: \r\n"), ("too long", b"Idempotency-Key: " + b"k" * 256 + b"\r\n"),
        ("NUL", b"Idempotency-Key: a\x00b\r\n"), ("CR", b"Idempotency-Key: a\rb\r\n"),
        ("space", b"Idempotency-Key: a b\r\n"), ("latin-1", b"Idempotency-Key: caf\xe9\r\n"),
        ("UTF-8", "Idempotency-Key: k\u0101\r\n".encode()), ("twice", b"Idempotency-Key: a\r\n" * 2),
        ("card number", b"Idempotency-Key: 4242424242424242\r\n"), ("folded", b"Idempotency-Key: a\r\n b\r\n"),
    ],
)  # fmt: skip
def test_malformed_keys_are_refused_and_nothing_is_stored(shop: Shop, name: str, header: bytes) -> None:
    body = b'{"amount":1,"currency":"EUR","capture_method":"manual"}'
    request = (
        b"POST /payments HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        + f"Authorization: Bearer {shop.key.api_key}\r\nContent-Length: {len(body)}\r\n".encode()
        + header + b"\r\n" + body
    )  # fmt: skip
    with shop.server.raw() as connection:
        connection.sendall(request)
        status_line = connection.makefile("rb").readline()
    assert status_line.split()[1] in {b"400", b"422"}, (name, status_line)
    assert shop.count("payments") == 0
    assert shop.count("idempotency_keys") == 0


def test_a_key_of_255_characters_is_taken(shop: Shop) -> None:
    assert shop.post("/payments", ORDER, key="~" * 255).status == 201


def test_requests_in_company_are_planned_by_index_from_the_first_one_on(shop: Shop) -> None:
    engine = shop.parts.edge.http.groups._transactions.engine
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW enable_seqscan").scalar_one() == "off"
