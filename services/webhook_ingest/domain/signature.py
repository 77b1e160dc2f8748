"""What a signature is to us, and alpha's scheme: `Alpha-Signature: t=<unix>,v1=<hex>[,v1=<hex>...]` over the raw bytes.

Rotation works because several secrets may live at once, each to its own end, and because a sender may sign with
several. Only scheme v1 counts: an unknown scheme is no signature, so nobody can talk us down to a weaker one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

TOLERANCE: Final = timedelta(seconds=300)
"""Both ways: an old stamp is a replay, a future one would stay replayable until then."""
HEADER_CHARS_MAX: Final = 4_096
SIGNATURES_MAX: Final = 10
"""More would let one small request cost a thousand digests."""
_UNIX_DIGITS_MAX: Final = 12
_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Secret:
    """One signing secret and when it stops counting; never printed."""

    key: bytes
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        """Hide the key from logs and tracebacks."""
        return f"Secret(********, expires_at={self.expires_at})"

    @property
    def fingerprint(self) -> str:
        """Name the secret in the records of deliveries without telling it."""
        return hashlib.sha256(b"fingerprint:" + self.key).hexdigest()[:12]


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The delivery is not taken, as a rule because it is not authentic; the reason is for our records."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, a stable code."""
        super().__init__(reason)
        self.reason = reason


def verify(header: str | None, body: bytes, secrets: Sequence[Secret], *, now: datetime) -> Secret:
    """Return the secret that signed the body, or raise ``Refused``; no header makes it raise anything else."""
    stamp, signatures = _read(header)
    message = stamp.encode() + b"." + body
    signer: Secret | None = None
    for secret in secrets:
        if secret.expires_at is not None and secret.expires_at <= now:
            continue
        wanted = hmac.digest(secret.key, message, "sha256")
        for signature in signatures:
            # Every pair is compared, in constant time: how long it takes tells nothing about which was near.
            if hmac.compare_digest(wanted, signature) and signer is None:
                signer = secret
    if signer is None:
        raise Refused("signature_mismatch")
    # After the signature: a stranger learns nothing about our clock.
    if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        raise Refused("timestamp_out_of_tolerance")
    return signer


def _read(header: str | None) -> tuple[str, list[bytes]]:
    if not header or len(header) > HEADER_CHARS_MAX or not header.isascii():
        raise Refused("header_missing" if not header else "header_malformed")
    stamps: list[str] = []
    signatures: list[bytes] = []
    for part in header.split(","):
        name, separator, value = part.strip().partition("=")
        if not separator:
            raise Refused("header_malformed")
        if name == "t":
            stamps.append(value)
        elif name == "v1":
            signatures.append(_digest(value))
    if len(stamps) != 1 or not stamps[0].isdigit() or len(stamps[0]) > _UNIX_DIGITS_MAX:
        raise Refused("timestamp_malformed")
    if not 0 < len(signatures) <= SIGNATURES_MAX:
        raise Refused("signature_missing" if not signatures else "signatures_too_many")
    return stamps[0], signatures


def _digest(value: str) -> bytes:
    # Bytes before comparing: compare_digest raises on text that is not ASCII, which would be our 500.
    try:
        digest = bytes.fromhex(value)
    except ValueError:
        raise Refused("signature_malformed") from None
    if len(digest) != _DIGEST_BYTES or len(value) != 2 * _DIGEST_BYTES:
        raise Refused("signature_malformed")
    return digest
