"""Tokens are verified offline; every way of being wrong is the same 401."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from shared.kernel.errors import Rejected
from shared.runtime.operator_tokens import (
    OPERATOR_AUDIENCE,
    OperatorRole,
    TokenIssuer,
    TokenVerifier,
    new_key_pair,
)
from shared.runtime.startup import StartupRefused

PRIVATE, PUBLIC = new_key_pair()
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FixedClock:
    def __init__(self, now=NOW):
        self._now = now

    def now(self):
        return self._now

    def monotonic_s(self):
        return 0.0

    def sleep(self, seconds): ...


def verifier(now=NOW, public=PUBLIC):
    return TokenVerifier(public, clock=FixedClock(now))


def issuer():
    return TokenIssuer(PRIVATE, clock=FixedClock())


def test_an_operator_is_who_the_token_says():
    operator = verifier().operator(issuer().operator("ada@example.com", OperatorRole.APPROVER))
    assert (operator.subject, operator.role) == ("ada@example.com", OperatorRole.APPROVER)
    operator.require(OperatorRole.OPERATOR)
    with pytest.raises(Rejected) as caught:
        operator.require(OperatorRole.ADMIN)
    assert (caught.value.status, caught.value.code) == (403, "role_too_low")


def test_a_key_may_be_folded_on_one_line():
    folded = PUBLIC.replace("\n", "\\n")
    assert verifier(public=folded).operator(issuer().operator("ada", OperatorRole.VIEWER)).subject == "ada"


def hand_made(key=PRIVATE, algorithm="EdDSA", **claims):
    stamp = int(NOW.timestamp())
    full = {
        "aud": OPERATOR_AUDIENCE,
        "sub": "eve",
        "iat": stamp,
        "exp": stamp + 60,
        "jti": "t",
        "role": "admin",
    } | claims
    return jwt.encode({k: v for k, v in full.items() if v is not None}, key, algorithm=algorithm)


OTHER_PRIVATE, _ = new_key_pair()
BAD = {
    "empty": "",
    "noise": "a.b.c",
    "not ascii": "ä.b.c",
    "huge": "a" * 100_000,
    "unsigned": jwt.encode({"sub": "eve", "role": "admin"}, None, algorithm="none"),
    "other key": hand_made(key=OTHER_PRIVATE),
    "hmac": hand_made(key="x" * 64, algorithm="HS256"),
    "other audience": hand_made(aud="tieout:merchant-read"),
    "no expiry": hand_made(exp=None),
    "no subject": hand_made(sub=None),
    "no id": hand_made(jti=None),
    "lives too long": hand_made(exp=int(NOW.timestamp()) + 10**9),
    "from the future": hand_made(iat=int(NOW.timestamp()) + 3600, exp=int(NOW.timestamp()) + 3660),
    "unknown role": hand_made(role="root"),
    "role as list": hand_made(role=["admin"]),
    "expiry as float": hand_made(exp=NOW.timestamp() + 60.5),
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
def test_every_bad_token_is_the_same_401(token):
    with pytest.raises(Rejected) as caught:
        verifier().operator(token)
    assert (caught.value.status, caught.value.code, caught.value.message) == (
        401, "unauthorized", "A valid token or key is required.",
    )  # fmt: skip


def test_tokens_end():
    token = issuer().operator("ada", OperatorRole.VIEWER, 3600)
    verifier(NOW + timedelta(seconds=3599)).operator(token)
    with pytest.raises(Rejected):
        verifier(NOW + timedelta(seconds=3600)).operator(token)


def test_a_merchants_token_reads_for_a_quarter_of_an_hour_and_is_no_operators():
    token = issuer().merchant_reader("mer_1", "test")
    reader = verifier(NOW + timedelta(minutes=14, seconds=59)).merchant_reader(token)
    assert (reader.merchant_id, reader.mode) == ("mer_1", "test")
    with pytest.raises(Rejected):
        verifier(NOW + timedelta(minutes=15)).merchant_reader(token)
    with pytest.raises(Rejected):
        verifier().operator(token)


@pytest.mark.parametrize("pem", ["", "nonsense", PRIVATE])
def test_an_unreadable_public_key_refuses_the_start_in_one_line(pem):
    with pytest.raises(StartupRefused, match="expected an Ed25519 public key in PEM"):
        TokenVerifier(pem)


@pytest.mark.parametrize("subject", ["", " ", " ada", "ada ", "a\nb", "ada\x00", "a" * 129])
def test_a_subject_is_a_name_without_blanks_around_it_whoever_signed_it(subject):
    with pytest.raises(Rejected) as unsaid:
        issuer().operator(subject, OperatorRole.APPROVER)
    assert unsaid.value.code == "subject_invalid"
    with pytest.raises(Rejected) as refused:
        verifier().operator(hand_made(sub=subject, role="approver"))
    assert refused.value.status == 401
