"""Hostile input over a real socket: the documented refusal or a disconnect, never a 5xx, never a hang."""

import socket

import pytest
from fastapi import Request

from shared.kernel.clock import SystemClock
from shared.kernel.errors import Rejected
from shared.runtime import server as server_module
from shared.runtime.face import ProcessFace
from shared.runtime.health import Health
from shared.runtime.http import ApiModel, api, json_reply, read_json_body
from shared.runtime.tracing import current_traceparent
from shared.testing.serving import served

BODY_MAX = 64 * 1024
CLOCK = SystemClock()


class Thing(ApiModel):
    amount: int
    reference: str | None = None


@pytest.fixture(scope="module")
def shop():
    app = api(title="shop", body_deadline_s=1.0, log_requests=False)

    @app.post("/things")
    async def make(request: Request):
        body = await read_json_body(request, Thing)
        return json_reply(body.model_dump_json().encode(), 201, {"Trace": current_traceparent() or ""})

    @app.get("/things/{thing_id}")
    def get(thing_id: str):
        raise Rejected("not_found", "No such thing.", status=404)

    @app.get("/broken")
    def broken():
        raise ZeroDivisionError("secret detail")

    @app.get("/listed")
    def listed(limit: int = 10):
        return {"limit": limit}

    patch = pytest.MonkeyPatch()
    patch.setattr(server_module, "HEADER_DEADLINE_S", 1.0)
    with served(ProcessFace(app, Health(SystemClock(), 30.0))) as running:
        yield running
    patch.undo()


def exchange(shop, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Send raw bytes, return everything that comes back until the peer hangs up."""
    with shop.raw() as connection:
        connection.settimeout(8)
        try:
            for part in parts:
                connection.sendall(part)
                CLOCK.sleep(pause_s)
            connection.shutdown(socket.SHUT_WR) if not pause_s else None
        except OSError:
            pass
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass  # hung up with our bytes unread; a TimeoutError would be a hang, and fails the test
        return received


def status_of(received: bytes) -> int:
    return int(received.split(b" ", 2)[1])


def test_a_good_request_is_answered_with_a_request_id_and_its_trace(shop):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = shop.call("POST", "/things", {"amount": 5}, {"traceparent": trace})
    assert (answer.status, answer.document) == (201, {"amount": 5, "reference": None})
    assert answer.headers["request-id"].startswith("req_")
    assert answer.headers["trace"].startswith(trace[:36])


HOSTILE = [
    (b'{"amount":1,"amount":2}', 400, "json_duplicate_key"),
    (b'{"amount":NaN}', 400, "number_not_finite"),
    (b'{"amount":1e400}', 422, "number_not_integer"),
    (b'{"amount":100.0}', 422, "number_not_integer"),
    (b'{"amount":"100"}', 422, "field_invalid"),
    (b'{"amount":-0}', 422, "number_negative_zero"),
    (b'{"amount":9223372036854775808}', 422, "number_too_large"),
    (b'{"amount":1,"colour":"red"}', 422, "field_unknown"),
    (b'{"amount":1,"reference":"a\\u0000b"}', 422, "text_not_storable"),
    (b'{"amount":1,"reference":"\\udead"}', 422, "text_not_storable"),
    (b'{"amount":1,"reference":"4111111111111111"}', 422, "card_number_refused"),
    (b'{"amount":' + b"[" * 60_000, 400, "json_too_deep"),
    (b"", 422, "field_missing"),
    (b"\xff\xfe", 400, "body_not_utf8"),
    (b" " * (BODY_MAX + 1), 413, "body_too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), HOSTILE, ids=lambda v: str(v)[:32])
def test_hostile_bodies_get_their_documented_refusal(shop, body, status, code):
    answer = shop.call("POST", "/things", body)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["request-id"]
    assert b"4111" not in answer.body


def test_depth_of_100_000_is_too_large_or_too_deep(shop):
    assert shop.call("POST", "/things", b"[" * 100_000).status in {400, 413}


def test_64_mib_without_a_length_are_cut_off_early(shop):
    sent = 0
    with shop.raw() as connection:
        connection.settimeout(8)
        connection.sendall(b"POST /things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        try:
            for _ in range(1024):
                connection.sendall(chunk)
                sent += 65536
        except OSError:
            pass
    assert sent < 16 * 1024 * 1024, "somebody read it all"
    assert shop.call("POST", "/things", {"amount": 5}).status == 201


def test_a_lying_length_is_refused_before_the_body_comes(shop):
    received = exchange(
        shop, b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999999999\r\n\r\n{}"
    )
    assert status_of(received) in {400, 413}
    assert b"problem+json" in received


@pytest.mark.parametrize("length", [b"-1", b"abc", b"1, 2", b"9" * 5_000, b"5\r\nContent-Length: 6"])
def test_senseless_lengths_are_400(shop, length):
    received = exchange(
        shop, b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\n{}"
    )
    assert status_of(received) in {400, 413}
    assert b"request-id" in received.lower()


def test_length_and_chunks_together_are_refused(shop):
    received = exchange(
        shop,
        b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    )
    assert status_of(received) == 400


def test_a_body_that_never_comes_is_408(shop):
    received = exchange(
        shop, b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{", pause_s=0.01
    )
    assert status_of(received) == 408
    assert b"request_too_slow" in received


def test_a_dribbling_body_is_cut_off_by_the_deadline_of_the_whole(shop):
    began = CLOCK.monotonic_s()
    head = b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    received = exchange(shop, head, *([b" "] * 12), pause_s=0.2)
    assert status_of(received) == 408
    assert CLOCK.monotonic_s() - began < 5


def test_dribbling_headers_are_cut_off(shop):
    received = exchange(shop, b"GET /listed HTTP/1.1\r\n", *([b"A: b\r\n"] * 12), pause_s=0.2)
    assert status_of(received) == 408


def test_a_silent_connection_is_closed(shop):
    assert exchange(shop, b"", pause_s=0.01) == b""


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /listed HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /listed HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET /listed?" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /listed HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 2_000_000,
    ],
    ids=["one header", "many headers", "long target", "endless header"],
)
def test_oversized_headers_are_431_or_a_disconnect(shop, request_bytes):
    received = exchange(shop, request_bytes)
    assert received == b"" or status_of(received) == 431


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /listed HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\x00b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"BREW /listed HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_not_http_is_400(shop, request_bytes):
    assert status_of(exchange(shop, request_bytes)) == 400


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nope", 404, "not_found"),
        ("/things/thing_1", 404, "not_found"),
        ("/things/%00", 422, "text_not_storable"),
        ("/things/4111111111111111", 422, "card_number_refused"),
        ("/listed?limit=4111%201111%201111%201111", 422, "card_number_refused"),
        ("/listed?limit=%00", 422, "text_not_storable"),
        ("/listed?limit=ten", 422, "field_invalid"),
    ],
)
def test_hostile_targets_get_their_refusal(shop, path, status, code):
    answer = shop.call("GET", path)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["request-id"]


def test_other_methods_are_405_with_what_is_allowed(shop):
    answer = shop.call("DELETE", "/things")
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "method_not_allowed", "POST")


def test_compressed_bodies_are_415(shop):
    assert shop.call("POST", "/things", b"x", {"Content-Encoding": "gzip"}).code == "encoding_unsupported"


def test_our_own_fault_is_a_500_that_tells_nothing(shop):
    answer = shop.call("GET", "/broken")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret" not in answer.body
    assert answer.headers["request-id"]


def test_health_and_metrics_answer_beside_the_application(shop):
    assert shop.call("GET", "/health/live").status == 200
    assert shop.call("GET", "/health/ready").status == 503
    assert shop.call("GET", "/broken").status == 500
    metrics = shop.call("GET", "/metrics")
    assert metrics.status == 200
    assert b'tieout_http_requests_total{method="GET",route="/broken",status="500"}' in metrics.body
