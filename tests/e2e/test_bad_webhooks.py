"""Webhooks of either processor count only if signed over their bytes, now, by a secret of ours; and never break the service."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import orjson
import pytest

from shared.kernel.clock import SystemClock
from shared.testing.serving import Answer, Served
from tests.e2e.books import Books
from tests.e2e.shop import exchange, head_of, new_key, server_at
from tools.local_stack.services import ALPHA_ACCOUNT, BETA_ACCOUNT, SERVICES
from tools.local_stack.stack import LocalStack

OTHER_SECRET = "whsec_somebody-elses-secret-0123456789"


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one processor signs, and what it calls the parts of its header."""

    header: str
    stamp: str
    mac: str
    separator: str
    #: So many of its stamps make a second.
    a_second: int
    digest: str
    message: Callable[[str, bytes], bytes]
    spelled: Callable[[bytes], str]
    #: The same as text, wrongly: of no such alphabet, of no such length, with something that is not part of it.
    misspelled: Callable[[str], dict[str, str]]


SCHEMES: Final = {
    "alpha": Scheme(
        header="Alpha-Signature", stamp="t", mac="v1", separator=",", a_second=1, digest="sha256",
        message=lambda stamp, body: stamp.encode() + b"." + body,
        spelled=bytes.hex,
        misspelled=lambda mac: {
            "not hex": "zz" * 32, "of another length": mac[:-2], "odd hex": mac[:-1],
        },
    ),
    "beta": Scheme(
        header="X-Beta-Seal", stamp="at", mac="mac", separator="; ", a_second=1_000, digest="sha512",
        message=lambda stamp, body: body + b"|" + stamp.encode(),
        spelled=lambda mac: base64.b64encode(mac).decode(),
        misspelled=lambda mac: {
            "not base64": "!" * 88, "of another length": mac[:-4], "without its end": mac.rstrip("="),
            "in hex": base64.b64decode(mac).hex(),
        },
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sender:
    """Somebody who knows the secret, and the server that listens."""

    processor: str
    server: Served
    secret: str

    @property
    def scheme(self) -> Scheme:
        return SCHEMES[self.processor]

    def now(self) -> int:
        return self.at(0)

    def at(self, seconds: int) -> int:
        """A stamp of so many seconds from now."""
        return int((SystemClock().now().timestamp() + seconds) * self.scheme.a_second)

    def sign(self, body: bytes, *, stamp: int | None = None, secret: str | None = None) -> tuple[int, str]:
        stamp = self.now() if stamp is None else stamp
        message = self.scheme.message(str(stamp), body)
        mac = hmac.digest((secret or self.secret).encode(), message, self.scheme.digest)
        return stamp, self.scheme.spelled(mac)

    def head(self, *macs: str, stamp: object, mac: str | None = None) -> bytes:
        """The header's value: the stamp, and these under the usual name or another."""
        parts = [f"{self.scheme.stamp}={stamp}", *(f"{mac or self.scheme.mac}={value}" for value in macs)]
        return self.scheme.separator.join(parts).encode()

    def good(self, body: bytes, *, stamp: int | None = None, secret: str | None = None) -> bytes:
        stamp, signature = self.sign(body, stamp=stamp, secret=secret)
        return self.head(signature, stamp=stamp)

    def send(self, body: bytes, *signatures: bytes) -> Answer:
        head = head_of("POST", f"/webhooks/{self.processor}", {"Content-Length": str(len(body))})
        lines = b"".join(
            self.scheme.header.encode() + b": " + signature + b"\r\n" for signature in signatures
        )
        return exchange(self.server, head + lines + b"\r\n" + body)

    def event(self, name: str) -> bytes:
        """An authentic-looking event about an object that does not exist, spelled with some space to lose."""
        whole = _alphas(name) if self.processor == "alpha" else _betas(name, self.now())
        return orjson.dumps(whole, option=orjson.OPT_INDENT_2)


def _alphas(name: str) -> dict[str, object]:
    moment = SystemClock().now().isoformat()
    content = {
        "id": name, "object": "capture", "account": ALPHA_ACCOUNT, "authorization": f"auth_{name}",
        "status": "succeeded", "version": 1, "amount": 100, "currency": "EUR", "reference": f"op_{name}",
        "metadata": {}, "created_at": moment, "updated_at": moment,
    }  # fmt: skip
    return {
        "id": name, "type": "capture.succeeded", "account": ALPHA_ACCOUNT, "created_at": moment,
        "data": {"object": content},
    }  # fmt: skip


def _betas(name: str, now_ms: int) -> dict[str, object]:
    content = {
        "txn_id": name, "txn_type": "CHARGE", "merchant_code": BETA_ACCOUNT, "original_txn": f"auth_{name}",
        "state": "BOOKED", "value": {"total": "1.00", "currency_code": "EUR"}, "merchant_ref": f"op_{name}",
        "created_ms": now_ms, "changed_ms": now_ms,
    }  # fmt: skip
    return {
        "notice_id": name, "notice_type": "CHARGE_BOOKED", "merchant_code": BETA_ACCOUNT, "raised_ms": now_ms,
        "transaction": content,
    }  # fmt: skip


@pytest.fixture
def sender(stack: LocalStack, processor: str) -> Sender:
    """At each processor in turn."""
    ingest = next(service for service in SERVICES if service.name == "webhook_ingest")
    file = stack.place.secrets / ingest.name / (ingest.prefix + f"{processor}_WEBHOOK_SECRETS").lower()
    return Sender(processor, server_at(stack.url("webhook_ingest")), file.read_text())


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
    head, scheme = sender.head, sender.scheme
    bare = f"{scheme.mac}={right}".encode()
    middle = len(right) // 2
    return {
        "no header": [],
        "an empty one": [b""],
        "another secret": [sender.good(body, secret=OTHER_SECRET)],
        "all zeros": [head(scheme.spelled(b"\0" * hashlib.new(scheme.digest).digest_size), stamp=stamp)],
        "signed for the same JSON, serialised again": [sender.good(compact)],
        "301 s old": [sender.good(body, stamp=sender.at(-302))],
        "in the future": [sender.good(body, stamp=sender.at(330))],
        "a stamp swapped after signing": [head(right, stamp=stamp + 1)],
        "no stamp": [bare],
        "two stamps": [head(stamp=stamp) + scheme.separator.encode() + head(right, stamp=stamp)],
        "a stamp of 5,000 digits": [head(right, stamp="9" * 3_000)],
        "a negative stamp": [head(right, stamp=-stamp)],
        "a stamp that is no number": [head(right, stamp="now")],
        "a stamp in other digits": [head(right, stamp=f"{stamp}²")],
        "under another name only": [head(right, stamp=stamp, mac="v0")],
        **{what: [head(mac, stamp=stamp)] for what, mac in scheme.misspelled(right).items()},
        "a space inside": [head(f"{right[:middle]} {right[middle:]}", stamp=stamp)],
        "not ASCII, as UTF-8": [head("ключ", stamp=1)],
        "not ASCII, as Latin-1": [head(stamp=stamp) + b"; mac=\xe9\xff, v1=\xe9\xff"],
        "no separators": [b"garbage"],
        "a thousand wrong ones": [head(*[wrong] * 1_000, stamp=stamp)],
        "fifty signatures, the last one right": [head(*[wrong] * 50, right, stamp=stamp)],
        "the right header twice": [sender.good(body), sender.good(body)],
        "the right one beside a wrong header": [head(wrong, stamp=stamp), sender.good(body)],
    }


def test_every_broken_signature_is_one_and_the_same_refusal(sender: Sender, name: str) -> None:
    body = sender.event(name)
    answers = {what: sender.send(body, *lines) for what, lines in _broken_headers(sender, body).items()}
    seen = {what: (answer.status, answer.code) for what, answer in answers.items()}
    # One header above the server's limit on all headers is cut off before anybody reads it.
    oversized = seen.pop("a thousand wrong ones")
    assert oversized == (431, "headers_too_large")
    assert set(seen.values()) == {(401, "signature_invalid")}, seen
    assert len({answers[what].body for what in seen}) == 1, "the reason is for our records only"


def test_a_signature_for_another_body_is_refused(sender: Sender, name: str) -> None:
    body = sender.event(name)
    answer = sender.send(body + b" ", sender.good(body))
    assert (answer.status, answer.code) == (401, "signature_invalid")


def test_one_right_signature_among_two_is_enough_and_counts_once(sender: Sender, books: Books) -> None:
    """As a sender does while it changes its secret; the copy that follows changes nothing."""
    event_id = "aevt_" + new_key()
    body = sender.event(event_id)
    stamp, right = sender.sign(body)
    _, wrong = sender.sign(body, secret=OTHER_SECRET)
    unknown = sender.head(wrong, stamp=stamp, mac="v0") + sender.scheme.separator.encode()
    again = sender.head(right, wrong, stamp=stamp).partition(sender.scheme.separator.encode())[2]
    for header in (sender.head(wrong, right, stamp=stamp), unknown + again):
        answer = sender.send(body, header)
        assert (answer.status, answer.document) == (200, {"received": True})
    deliveries = books.rows(
        "webhook_ingest",
        "SELECT d.verdict, c.times_seen, b.body FROM deliveries d JOIN delivery_bodies b USING (delivery_id)"
        " JOIN delivery_claims c USING (processor, account, processor_event_id) WHERE d.processor_event_id = %s",
        event_id,
    )
    assert [(row["times_seen"], bytes(row["body"])) for row in deliveries] == [(2, body)]


def test_stamps_within_the_tolerance_are_accepted_both_ways(sender: Sender) -> None:
    for stamp in (sender.at(-270), sender.at(270)):
        body = sender.event("aevt_" + new_key())
        assert sender.send(body, sender.good(body, stamp=stamp)).status == 200


def test_nesting_that_no_event_comes_near_is_refused_though_signed(sender: Sender, name: str) -> None:
    for body in (
        b'{"id": "%s", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'["%s", ' + b"[" * 100_000,
        b'{"id": "%s", "a": ' + b'{"a":' * 40_000,
        b'{"id": "%s", "data": ' + b"[" * 64 + b"]" * 64 + b"}",
    ):
        named = body.replace(b"%s", name.encode())
        answer = sender.send(named, sender.good(named))
        assert (answer.status, answer.code) == (400, "json_too_deep")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"id": "%s", "id": "other"}', "duplicate_key"),
        (b'{"id": "%s", "amount": NaN}', "not_a_number"),
        (b'{"id": "%s"', "not_json"),
        (b"%s \xff\xfe", "not_json"),
        (b"%s", "not_json"),
    ],
    ids=["duplicate key", "NaN", "half a JSON", "not UTF-8", "not JSON"],
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
