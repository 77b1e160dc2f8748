"""A running sandbox on a real database and real sockets, with a receiver of its webhooks."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg.rows import dict_row

from services.sandbox.bootstrap import build
from services.sandbox.settings import SandboxSettings
from shared.runtime.server import bind, make_server, run_server
from shared.testing.infra import ServiceDatabase
from shared.testing.waiting import eventually

API_KEY = "alpha_key"
WEBHOOK_SECRET = "whsec_test"
ACCOUNT = "acct_alpha"
BETA_SECRET = "a secret of beta's own"
BETA_LIST_DELAY_MS = 400


@dataclass
class Receiver:
    """What came in at the webhook URL; ``statuses`` are answered in turn, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    on_receive: Callable[[], None] = lambda: None


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    box = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            box.received.append((dict(self.headers), body))
            box.on_receive()
            self.send_response(box.statuses.pop(0) if box.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    box.url = f"http://127.0.0.1:{server.server_port}/webhooks/alpha"
    yield box
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Alpha:
    """A caller's view of the processor, and a reader's view of its book."""

    http: httpx2.Client
    reader_url: str
    app_url: str

    def post(self, path: str, body: dict[str, Any], key: str) -> httpx2.Response:
        return self.http.post(path, json=body, headers={"Idempotency-Key": key})

    def authorize(self, key: str, **changes: Any) -> httpx2.Response:
        body = {
            "amount": 1_000,
            "currency": "EUR",
            "payment_method": "pm_card_visa",
            "reference": f"op_{key}",
            "capture": False,
            "metadata": {"payment": "pay_1"},
        }
        return self.post("authorizations", body | changes, key)

    def sell(self, key: str, method: str = "pm_card_visa", **changes: Any) -> httpx2.Response:
        return self.authorize(key, payment_method=method, capture=True, **changes)

    def look_up(self, reference: str) -> list[dict[str, Any]]:
        return self.http.get("objects", params={"reference": reference}).json()["data"]

    def advance(self, seconds: float) -> None:
        """Set the sandbox's test clock ahead."""
        base = str(self.http.base_url).replace("/alpha/v1/", "/script/v1/")
        self.http.post(f"{base}clock", json={"advance_s": seconds}).raise_for_status()

    def rows(self, query: str, *, url: str | None = None) -> list[dict[str, Any]]:
        with psycopg.connect(url or self.reader_url, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query.encode()).fetchall()

    def book(self, payment_id: str = "pay_1") -> dict[str, Any]:
        found = self.rows(f"SELECT * FROM alpha_book_by_payment WHERE payment_id = '{payment_id}'")
        return found[0] if found else {}


@pytest.fixture
def start_alpha(service_database: ServiceDatabase, receiver: Receiver) -> Iterator[Callable[..., Alpha]]:
    """A function that starts a sandbox with the given settings on a fresh database."""
    stops: list[Callable[[], None]] = []
    urls = service_database("sandbox")

    def start(**settings: Any) -> Alpha:
        defaults = {
            "database_url": urls.app,
            "alpha_api_key": API_KEY,
            "alpha_webhook_url": receiver.url,
            "alpha_webhook_secret": WEBHOOK_SECRET,
            "alpha_hang_s": 0.2,
            "alpha_webhook_late_ms": 600,
            "alpha_settling_ms": 50,
        }
        runtime = build(SandboxSettings(**(defaults | settings)))
        listener, stop = bind("127.0.0.1", 0), threading.Event()
        server = make_server(runtime.make_app())
        threads = [
            threading.Thread(target=run_server, args=(server, [listener])),
            threading.Thread(target=runtime.roles["work"]().run, args=(stop,)),
        ]
        for thread in threads:
            thread.start()
        eventually(lambda: server.started, describe="the server's start")
        base = f"http://127.0.0.1:{listener.getsockname()[1]}/alpha/v1/"
        http = httpx2.Client(base_url=base, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=5)

        def finish() -> None:
            http.close()
            stop.set()
            server.should_exit = True
            for thread in threads:
                thread.join()
            listener.close()

        stops.append(finish)
        return Alpha(http=http, reader_url=urls.reader, app_url=urls.app)

    yield start
    for stop in stops:
        stop()


@pytest.fixture
def alpha(start_alpha: Callable[..., Alpha]) -> Alpha:
    return start_alpha()


@dataclass
class Beta:
    """A caller's view of beta."""

    http: httpx2.Client
    alpha: Alpha

    def post(self, path: str, body: dict[str, Any]) -> httpx2.Response:
        return self.http.post(path, json=body)

    def open(self, reference: str = "op_1", method: str = "pm_card_visa", **changes: Any) -> httpx2.Response:
        body = {
            "txn_type": "SALE",
            "value": {"total": "10.00", "currency_code": "EUR"},
            "method": method,
            "merchant_ref": reference,
            "order_ref": "pay_1",
        }
        return self.post("transactions", body | changes)

    def listed(self, **query: Any) -> dict[str, Any]:
        document: dict[str, Any] = self.http.get("transactions", params=query).json()
        return document

    def sold(self, reference: str = "op_1", method: str = "pm_card_visa") -> str:
        """Sell; returns the charge's id."""
        charge: str = self.open(reference, method).json()["transactions"][1]["txn_id"]
        return charge

    def script(self, collection: str, transaction_id: str, **said: Any) -> httpx2.Response:
        return self.post(f"script/{collection}/{transaction_id}", said)

    def book(self) -> list[dict[str, Any]]:
        return self.alpha.rows("SELECT * FROM beta_book_by_payment WHERE payment_id = 'pay_1'")


@pytest.fixture
def start_beta(start_alpha: Callable[..., Alpha], receiver: Receiver) -> Iterator[Callable[..., Beta]]:
    """A function that starts a sandbox whose beta has the given settings."""
    with ExitStack() as clients:

        def start(**settings: Any) -> Beta:
            defaults = {
                "beta_api_key": "beta_key",
                "beta_webhook_url": receiver.url,
                "beta_webhook_secret": BETA_SECRET,
                "beta_hang_s": 0.2,
                "beta_settling_ms": 50,
                "beta_list_delay_ms": BETA_LIST_DELAY_MS,
            }
            alpha = start_alpha(**(defaults | settings))
            base = str(alpha.http.base_url).replace("/alpha/v1/", "/beta/v2/")
            http = httpx2.Client(base_url=base, headers={"X-Beta-Key": "beta_key"}, timeout=5)
            return Beta(clients.enter_context(http), alpha)

        yield start


@pytest.fixture
def beta(start_beta: Callable[..., Beta]) -> Beta:
    return start_beta()
