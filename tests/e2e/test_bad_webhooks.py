"""Webhooks count only if they are signed over their bytes, now, by a secret of ours; and never break the service."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import pytest

from shared.kernel.clock import SystemClock
from shared.testing.serving import Answer, Served
from tests.e2e.books import Books
from tests.e2e.shop import exchange, head_of, new_key, server_at
from tools.local_stack.services import SERVICES
from tools.local_stack.stack import LocalStack

PATH = "/webhooks/alpha"
OTHER_SECRET = "whsec_somebody-elses-secret-0123456789"


@dataclass(frozen=True, slots=True)
class Sender:
    """Somebody who knows the secret, and the server that listens."""

    server: Served
    secret: str

    def sign(self, body: bytes, *, stamp: int | None = None, secret: str | None = None) -> tuple[int, str]:
        stamp = now() if stamp is None else stamp
        message = str(stamp).encode() + b"." + body
        return stamp, hmac.digest((secret or self.secret).encode(), message, hashlib.sha256).hex()

    def good(self, body: bytes, *, stamp: int | None = None, secret: str | None = None) -> bytes:
        stamp, signature = self.sign(body, stamp=stamp, secret=secret)
        return f"t={stamp},v1={signature}".encode()

    def send(self, body: bytes, *signatures: bytes) -> Answer:
        head = head_of("POST", PATH, {"Content-Length": str(len(body))})
        lines = b"".join(b"Alpha-Signature: " + signature + b"\r\n" for signature in signatures)
        return exchange(self.server, head + lines + b"\r\n" + body)


def now() -> int:
    return int(SystemClock().now().timestamp())


def event(name: str) -> bytes:
    """An authentic-looking event about an object that does not exist, spelled with some space to lose."""
    moment = SystemClock().now().isoformat()
    content = {
        "id": name, "object": "capture", "account": "acct_alpha", "authorization": f"auth_{name}",
        "status": "succeeded", "version": 1, "amount": 100, "currency": "EUR", "reference": f"op_{name}",
        "metadata": {}, "created_at": moment, "updated_at": moment,
    }  # fmt: skip
    whole = {
        "id": name, "type": "capture.succeeded", "account": "acct_alpha", "created_at": moment,
        "data": {"object": content},
    }  # fmt: skip
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2)


@pytest.fixture(scope="module")
def sender(stack: LocalStack) -> Sender:
    ingest = next(service for service in SERVICES if service.name == "webhook_ingest")
    file = stack.place.secrets / ingest.name / (ingest.prefix + "ALPHA_WEBHOOK_SECRETS").lower()
    return Sender(server_at(stack.url("webhook_ingest")), file.read_text())


@pytest.fixture
def name(books: Books) -> Iterator[str]:
    """An event's name that must leave nothing: no claim, no delivery, no body, no announcement."""
    unused = "aevt_" + new_key()
    yield unused
    for statement in (
        "SELECT count(*) FROM delivery_claims WHERE processor_event_id = %s",
        "SELECT count(*) FROM deliveries WHERE processor_event_id = %s",
        "SELECT count(*) FROM delivery_bodies WHERE encode(body, 'escape') LIKE '%%' || %s || '%%'",
        "SELECT count(*) FROM outbox WHERE encode(payload, 'escape') LIKE '%%' || %s || '%%'",
    ):
        assert books.count("webhook_ingest", statement, unused) == 0, statement


def _broken_headers(sender: Sender, body: bytes) -> dict[str, list[bytes]]:
    stamp, right = sender.sign(body)
    _, wrong = sender.sign(body, secret=OTHER_SECRET)
    compact = orjson.dumps(orjson.loads(body))
    assert compact != body
    return {
        "no header": [],
        "an empty one": [b""],
        "another secret": [sender.good(body, secret=OTHER_SECRET)],
        "all zeros": [b"t=%d,v1=" % stamp + b"0" * 64],
        "signed for the same JSON, serialised again": [sender.good(compact)],
        "301 s old": [sender.good(body, stamp=now() - 302)],
        "in the future": [sender.good(body, stamp=now() + 330)],
        "a stamp swapped after signing": [f"t={stamp + 1},v1={right}".encode()],
        "no stamp": [f"v1={right}".encode()],
        "two stamps": [f"t={stamp},t={stamp},v1={right}".encode()],
        "a stamp of 5,000 digits": [b"t=" + b"9" * 3_000 + f",v1={right}".encode()],
        "a negative stamp": [f"t=-{stamp},v1={right}".encode()],
        "a stamp that is no number": [f"t=now,v1={right}".encode()],
        "a stamp in other digits": [f"t={stamp}²,v1={right}".encode()],
        "v0 only": [f"t={stamp},v0={right}".encode()],
        "not hex": [b"t=%d,v1=" % stamp + b"zz" * 32],
        "hex of another length": [f"t={stamp},v1={right[:-2]}".encode()],
        "odd hex": [f"t={stamp},v1={right[:-1]}".encode()],
        "spaces inside the hex": [f"t={stamp},v1={right[:32]} {right[32:]}".encode()],
        "not ASCII, as UTF-8": ["t=1,v1=ключ".encode()],
        "not ASCII, as Latin-1": [b"t=%d,v1=\xe9\xff" % stamp],
        "no separators": [b"garbage"],
        "a thousand wrong ones": [b"t=%d" % stamp + f",v1={wrong}".encode() * 1_000],
        "fifty signatures, the last one right": [
            b"t=%d" % stamp + f",v1={wrong}".encode() * 50 + f",v1={right}".encode()
        ],
        "the right header twice": [sender.good(body), sender.good(body)],
        "the right one beside a wrong header": [b"t=%d,v1=" % stamp + b"0" * 64, sender.good(body)],
    }


def test_every_broken_signature_is_one_and_the_same_refusal(sender: Sender, name: str) -> None:
    body = event(name)
    answers = {what: sender.send(body, *lines) for what, lines in _broken_headers(sender, body).items()}
    seen = {what: (answer.status, answer.code) for what, answer in answers.items()}
    # One header above the server's limit on all headers is cut off before anybody reads it.
    oversized = seen.pop("a thousand wrong ones")
    assert oversized == (431, "headers_too_large")
    assert set(seen.values()) == {(401, "signature_invalid")}, seen
    assert len({answers[what].body for what in seen}) == 1, "the reason is for our records only"


def test_a_signature_for_another_body_is_refused(sender: Sender, name: str) -> None:
    body = event(name)
    answer = sender.send(body + b" ", sender.good(body))
    assert (answer.status, answer.code) == (401, "signature_invalid")


def test_one_right_signature_among_two_is_enough_and_counts_once(sender: Sender, books: Books) -> None:
    """As a sender does while it changes its secret; the copy that follows changes nothing."""
    body = event("aevt_" + new_key())
    event_id = orjson.loads(body)["id"]
    stamp, right = sender.sign(body)
    _, wrong = sender.sign(body, secret=OTHER_SECRET)
    for signatures in (f"v1={wrong},v1={right}", f"v0={wrong},v1={right},v1={wrong}"):
        answer = sender.send(body, f"t={stamp},{signatures}".encode())
        assert (answer.status, answer.document) == (200, {"received": True})
    deliveries = books.rows(
        "webhook_ingest",
        "SELECT d.verdict, c.times_seen, b.body FROM deliveries d JOIN delivery_bodies b USING (delivery_id)"
        " JOIN delivery_claims c USING (processor, account, processor_event_id) WHERE d.processor_event_id = %s",
        event_id,
    )
    assert [(row["times_seen"], bytes(row["body"])) for row in deliveries] == [(2, body)]


def test_stamps_within_the_tolerance_are_accepted_both_ways(sender: Sender) -> None:
    for stamp in (now() - 270, now() + 270):
        body = event("aevt_" + new_key())
        assert sender.send(body, sender.good(body, stamp=stamp)).status == 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"id": "%s", "id": "other"}', "duplicate_key"),
        (b'{"id": "%s", "amount": NaN}', "not_a_number"),
        (b'{"id": "%s", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not_json"),
        (b'{"id": "%s"', "not_json"),
        (b"%s \xff\xfe", "not_json"),
        (b"%s", "not_json"),
    ],
    ids=["duplicate key", "NaN", "100,000 levels", "half a JSON", "not UTF-8", "not JSON"],
)
def test_an_authentic_body_that_says_nothing_is_kept_and_never_believed(
    sender: Sender, books: Books, body: bytes, reason: str
) -> None:
    body = body.replace(b"%s", b"aevt_" + new_key().encode())
    assert sender.send(body, sender.good(body)).status == 200
    (kept,) = books.rows(
        "webhook_ingest",
        "SELECT verdict, reason FROM deliveries WHERE body_sha256 = %s",
        hashlib.sha256(body).digest(),
    )
    assert kept == {"verdict": "unrecognised", "reason": reason}
