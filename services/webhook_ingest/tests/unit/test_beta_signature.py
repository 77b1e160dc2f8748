"""Beta's seal: several secrets with an end, several seals, the raw bytes, and headers that mean harm."""

import base64
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from services.webhook_ingest.domain.beta_signature import verify_seal
from services.webhook_ingest.domain.signature import Refused, Secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
BODY = b'{"notice_id":"bn_1"}'
NEW = Secret(b"a new secret of beta")
OLD = Secret(b"an old secret of beta", NOW + timedelta(hours=1))


def mac(secret=NEW, body=BODY, at_ms=NOW_MS):
    digest = hmac.digest(secret.key, body + b"|%d" % at_ms, "sha512")
    return base64.b64encode(digest).decode()


def seal(secret=NEW, body=BODY, at_ms=NOW_MS):
    return f"at={at_ms}; mac={mac(secret, body, at_ms)}"


def refusal(header, secrets=(NEW, OLD), body=BODY, now=NOW):
    with pytest.raises(Refused) as refused:
        verify_seal(header, body, secrets, now=now)
    return refused.value.reason


def test_each_living_secret_counts_until_its_end():
    assert verify_seal(seal(), BODY, (NEW, OLD), now=NOW) is NEW
    assert verify_seal(seal(OLD), BODY, (NEW, OLD), now=NOW) is OLD
    ended = NOW + timedelta(hours=1)
    header = seal(OLD, at_ms=int(ended.timestamp() * 1000))
    assert refusal(header, now=ended) == "signature_mismatch"


def test_one_good_seal_among_several_is_enough():
    assert verify_seal(f"at={NOW_MS}; mac={mac(OLD)}; mac={mac()}", BODY, (NEW,), now=NOW) is NEW


def test_body_time_and_secret_are_all_sealed():
    assert refusal(seal(), body=BODY + b" ") == "signature_mismatch"
    assert refusal(seal(Secret(b"somebody else's"))) == "signature_mismatch"
    assert refusal(seal().replace(str(NOW_MS), str(NOW_MS + 1))) == "signature_mismatch"


@pytest.mark.parametrize("off_s", [-300.001, 300.001])
def test_an_old_or_future_seal_is_refused_though_it_is_genuine(off_s):
    assert refusal(seal(at_ms=NOW_MS + int(off_s * 1000))) == "timestamp_out_of_tolerance"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "header_missing"),
        ("", "header_missing"),
        ("nonsense", "header_malformed"),
        ("at=1; mac=é", "header_malformed"),
        ("at=" + "1" * 5_000, "header_malformed"),
        (f"mac={mac()}", "timestamp_malformed"),
        (f"at=1; at=2; mac={mac()}", "timestamp_malformed"),
        (f"at=1.5; mac={mac()}", "timestamp_malformed"),
        (f"at={'9' * 16}; mac={mac()}", "timestamp_malformed"),
        (f"at={NOW_MS}", "signature_missing"),
        (f"at={NOW_MS}; mac=", "signature_malformed"),
        (f"at={NOW_MS}; mac=%%%", "signature_malformed"),
        (f"at={NOW_MS}; mac={mac()[:-4]}", "signature_malformed"),
        (f"at={NOW_MS}; mac={mac()} ", None),
        (f"at={NOW_MS}" + f"; mac={mac()}" * 11, "signatures_too_many"),
    ],
)
def test_hostile_headers_are_refused_and_nothing_else(header, reason):
    if reason is None:
        assert verify_seal(header, BODY, (NEW,), now=NOW) is NEW
    else:
        assert refusal(header) == reason
