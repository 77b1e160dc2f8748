"""Prices read exactly, keys that nobody can guess, credentials read strictly."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from starlette.requests import Request

from services.payment.app.manage_merchants import ppm_of
from services.payment.domain.api_keys import ENTROPY_BYTES, Mode, digest_of, make_api_key
from services.payment.entrypoints.access import api_key
from shared.kernel.errors import Rejected
from shared.kernel.money import all_currencies


@pytest.mark.parametrize(
    ("percent", "ppm"),
    [("2.9", 29_000), ("0", 0), ("100", 1_000_000), ("0.0001", 1), ("1.1", 11_000), ("33.3333", 333_333)],
)
def test_percentages_are_exact(percent: str, ppm: int) -> None:
    assert ppm_of(percent) == ppm


@pytest.mark.parametrize(
    "percent", ["", "-1", "100.0001", "2,9", "2.", ".5", "1e1", "0.00001", "NaN", "\u0662", "2.9 "]
)
def test_what_is_no_percentage_is_refused(percent: str) -> None:
    with pytest.raises(Rejected, match="percent_invalid"):
        ppm_of(percent)


def test_a_price_covers_every_currency() -> None:
    assert {"EUR", "USD", "JPY", "KWD"} <= set(all_currencies())


def test_keys_hold_their_entropy_and_digests_need_the_pepper() -> None:
    assert ENTROPY_BYTES * 8 >= 128
    first, second = (make_api_key(Mode.LIVE, bytes([n] * ENTROPY_BYTES), "p") for n in (1, 2))
    assert first.secret.startswith("sk_live_")
    assert len(first.secret) == len("sk_live_") + 32
    assert first.secret != second.secret
    assert first.digest == digest_of(first.secret, "p") != digest_of(first.secret, "q")


def request(*credentials: str) -> Request:
    headers: list[Any] = [(b"authorization", value.encode("latin-1")) for value in credentials]
    return Request({"type": "http", "headers": headers})


def basic(text: bytes) -> str:
    return "Basic " + b64encode(text).decode()


@pytest.mark.parametrize(
    "credential", ["Bearer sk_test_a", "bearer  sk_test_a ", basic(b"sk_test_a:"), basic(b"sk_test_a:any")]
)
def test_a_key_is_read_from_both_schemes(credential: str) -> None:
    assert api_key(request(credential)) == "sk_test_a"


@pytest.mark.parametrize(
    "credentials",
    [
        (), ("Bearer sk_test_a", "Bearer sk_test_a"), ("Bearer pk_test_a",), ("sk_test_a",), (basic(b":sk_test_a"),),
        (basic(b"sk_\xff:"),), ("Basic sk_test_a",), ("Bearer sk_\xe9",), ("Bearer sk_" + "a" * 600,),
    ],
)  # fmt: skip
def test_anything_else_is_unauthorized(credentials: tuple[str, ...]) -> None:
    with pytest.raises(Rejected, match="unauthorized"):
        api_key(request(*credentials))
