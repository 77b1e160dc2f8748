"""A merchant as the API sees one: requests over real HTTP, well-formed ones and ones that no client would send."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.kernel.ids import UlidIds
from shared.testing.serving import CLIENT_TIMEOUT_S, Answer, Served
from shared.testing.waiting import eventually

Order = dict[str, Any]
SETTLE_S = 60.0


def order(amount: int = 1999, currency: str = "EUR", method: str = "pm_card_visa", **more: object) -> Order:
    """The body of a sale."""
    return {
        "amount": amount,
        "currency": currency,
        "capture_method": "automatic",
        "payment_method": method,
    } | more


def new_key() -> str:
    """An idempotency key that nobody has used."""
    return UlidIds().new("t_")


def server_at(url: str) -> Served:
    """The server behind a URL."""
    address = urlsplit(url)
    return Served(address.hostname or "", address.port or 0)


@dataclass(frozen=True, slots=True)
class Shop:
    """One merchant with a test key."""

    url: str
    merchant_id: str
    api_key: str

    @property
    def server(self) -> Served:
        return server_at(self.url)

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    def post(self, path: str, body: object, *, key: str | None = None, wait_s: int = 10) -> Answer:
        """One POST, never repeated."""
        headers = {"Idempotency-Key": key or new_key(), "Prefer": f"wait={wait_s}"}
        return self.server.call("POST", path, body, self.authorization | headers)

    def get(self, path: str) -> Answer:
        return self.server.call("GET", path, headers=self.authorization)

    def payment(self, payment_id: str) -> dict[str, Any]:
        reply = self.get(f"/payments/{payment_id}")
        assert reply.status == 200, reply
        document: dict[str, Any] = reply.document
        return document

    def settled(self, payment_id: str) -> dict[str, Any]:
        """The payment once nothing about it is under way or in doubt."""

        def look() -> dict[str, Any] | None:
            payment = self.payment(payment_id)
            return payment if payment["certainty"] == "certain" else None

        found = eventually(look, timeout_s=SETTLE_S, interval_s=0.1, describe=f"certainty about {payment_id}")
        assert found is not None
        return found

    def head(self, path: str, headers: Mapping[str, str | bytes]) -> bytes:
        """Request line and headers of a POST, byte for byte, up to where further headers may follow."""
        return head_of("POST", path, {**self.authorization, **headers})


def head_of(method: str, path: str, headers: Mapping[str, str | bytes]) -> bytes:
    """A request's head without its empty last line; header values may be any bytes."""
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: localhost", b"Connection: close"]
    for name, value in headers.items():
        lines.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()))
    return b"\r\n".join(lines) + b"\r\n"


def exchange(server: Served, request: bytes) -> Answer:
    """Send these bytes and read one reply."""
    with server.raw() as connection:
        connection.sendall(request)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> Answer:
    """One whole reply; a hang-up without one raises ``http.client.BadStatusLine`` or ``ConnectionError``."""
    connection.settimeout(CLIENT_TIMEOUT_S)
    reply = http.client.HTTPResponse(connection)
    try:
        reply.begin()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    finally:
        reply.close()
