"""Endless, slow and lying requests are cut off; they cost the server nothing and leave nothing."""

from __future__ import annotations

import http.client
import select
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.kernel.clock import SystemClock
from shared.testing.serving import Answer, Served
from tests.e2e.books import Books
from tests.e2e.shop import Shop, exchange, head_of, new_key, order, read_answer, server_at
from tools.local_stack.stack import LocalStack

MEBIBYTE = 1024 * 1024
#: What the buffers of two sockets may swallow before the sender notices that nobody reads.
SWALLOWED_MAX = 16 * MEBIBYTE
SLOW_MAX_S = 25.0

HeadOf = Callable[[dict[str, str]], bytes]


@pytest.fixture(autouse=True)
def _nothing_stays(other_shop: Shop, books: Books) -> Iterator[None]:
    before = books.stored_of(other_shop.merchant_id)
    yield
    assert books.stored_of(other_shop.merchant_id) == before


SEALS = {"alpha": {"Alpha-Signature": "t=1,v1=00"}, "beta": {"X-Beta-Seal": "at=1; mac=AA=="}}
"""What stands for a signature at the doors of webhooks, by the processor that they are for."""
DOORS = ("payment", *SEALS)


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, stack: LocalStack, other_shop: Shop) -> tuple[Served, HeadOf]:
    """A server that takes bodies from outside, and the head of a request to it."""
    return _door(request.param, stack, other_shop)


def _door(name: str, stack: LocalStack, other_shop: Shop) -> tuple[Served, HeadOf]:
    if name == "payment":
        return server_at(stack.url(name)), lambda more: other_shop.head(
            "/payments", {"Idempotency-Key": new_key()} | more
        )
    sealed = SEALS[name]
    return server_at(stack.url("webhook_ingest")), lambda more: head_of(
        "POST", f"/webhooks/{name}", sealed | more
    )


def test_a_body_of_64_mib_without_a_length_is_cut_off(door: tuple[Served, HeadOf]) -> None:
    server, head = door
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    sent = 0
    with server.raw() as connection:
        connection.sendall(head({"Transfer-Encoding": "chunked"}) + b"\r\n")
        try:
            while sent < 64 * MEBIBYTE:
                connection.sendall(chunk)
                sent += 0x10000
            connection.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has hung up, as it may
        answer = _answer_or_none(connection)
    assert answer is None or (answer.status, answer.code) == (413, "body_too_large")
    assert sent < SWALLOWED_MAX


def test_a_body_that_admits_to_64_mib_is_refused_unread(door: tuple[Served, HeadOf]) -> None:
    server, head = door
    answer = exchange(server, head({"Content-Length": str(64 * MEBIBYTE)}) + b"\r\n")
    assert (answer.status, answer.code) == (413, "body_too_large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "9" * 5_000},
        {"Content-Length": "-1"},
        {"Content-Length": "ten"},
        {"Content-Length": "10", "Transfer-Encoding": "chunked"},
        {"Content-Length": "10", "Content-Encoding": "gzip"},
        {"X-Endless": "a" * 20_000},
        {"Content-Length": "0"} | {f"X-{number}": "a" for number in range(200)},
    ],
    ids=["5,000 digits", "negative", "a word", "both lengths", "gzip", "20 kB header", "200 headers"],
)
def test_lengths_and_headers_that_lie_are_refused(
    door: tuple[Served, HeadOf], headers: dict[str, str]
) -> None:
    server, head = door
    answer = exchange(server, head(headers) + b"\r\n" + b"{}        ")
    assert 400 <= answer.status < 500, answer
    assert answer.code in {"http_malformed", "body_too_large", "headers_too_large", "encoding_unsupported"}


def test_one_byte_per_second_is_cut_off(stack: LocalStack, other_shop: Shop) -> None:
    """Body and headers, at every door, at the same time: each has its deadline, whatever length was announced."""
    body, slow = str(order()).encode(), []
    for name in DOORS:
        server, head = _door(name, stack, other_shop)
        slow += [
            (server, head({"Content-Length": str(len(body))}) + b"\r\n", body),
            (server, head({"Transfer-Encoding": "chunked"}) + b"\r\n", b"1\r\n \r\n" * 20),
            (server, b"", head({"X-Slow": "a" * 200})),
        ]
    with ThreadPoolExecutor(len(slow)) as threads:
        answers = list(threads.map(lambda parts: _dribble(*parts), slow))
    for answer, took_s in answers:
        assert answer is None or (answer.status, answer.code) == (408, "request_too_slow")
        assert took_s < SLOW_MAX_S


def test_a_client_that_leaves_in_the_middle_leaves_nothing(door: tuple[Served, HeadOf]) -> None:
    server, head = door
    with server.raw() as connection:
        connection.sendall(head({"Content-Length": "100"}) + b'\r\n{"amount": 1')
    assert server.call("GET", "/health/ready").status == 200


def _dribble(server: Served, at_once: bytes, slowly: bytes) -> tuple[Answer | None, float]:
    """Send one byte per second until the server answers or hangs up; returns the answer and how long it took."""
    clock = SystemClock()
    began_s = clock.monotonic_s()
    with server.raw() as connection:
        connection.sendall(at_once)
        for byte in slowly:
            if select.select([connection], [], [], 1.0)[0]:
                break
            try:
                connection.sendall(bytes([byte]))
            except (BrokenPipeError, ConnectionResetError):
                break
        else:
            pytest.fail("the whole request was taken, one byte per second")
        return _answer_or_none(connection), clock.monotonic_s() - began_s


def _answer_or_none(connection: object) -> Answer | None:
    try:
        return read_answer(connection)  # type: ignore[arg-type]
    except (ConnectionError, http.client.BadStatusLine):
        return None
