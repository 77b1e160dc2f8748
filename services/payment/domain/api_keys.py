"""API keys: how one looks, and the digest that is all we keep of it."""

import hashlib
import hmac
from base64 import b32encode
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

#: 160 bits, above the 128 that nobody can guess, and a whole number of base-32 characters.
ENTROPY_BYTES: Final = 20
_SHOWN_CHARS: Final = 12
_LAST_CHARS: Final = 4


class Mode(StrEnum):
    """What a key acts on; the modes share nothing but the merchant."""

    TEST = "test"
    LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key just made; ``secret`` is shown once and never kept."""

    secret: str
    prefix: str
    last4: str
    digest: bytes


def make_api_key(mode: Mode, entropy: bytes, pepper: str) -> ApiKey:
    """Make a key from fresh random bytes."""
    secret = f"sk_{mode.value}_{b32encode(entropy).decode().lower()}"
    return ApiKey(
        secret=secret,
        prefix=secret[:_SHOWN_CHARS],
        last4=secret[-_LAST_CHARS:],
        digest=digest_of(secret, pepper),
    )


def digest_of(secret: str, pepper: str) -> bytes:
    """HMAC-SHA-256 under the pepper: a copy of the table is of no use without it, and a lookup needs no salt."""
    keyed = _keyed(pepper).copy()
    keyed.update(secret.encode())
    return keyed.digest()


@cache
def _keyed(pepper: str) -> hmac.HMAC:
    # Begun once: the one-shot form gives the interpreter's lock away for a few microseconds of work.
    return hmac.new(pepper.encode(), digestmod=hashlib.sha256)
