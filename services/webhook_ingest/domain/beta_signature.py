"""Verifies beta's `X-Beta-Seal: at=<unix ms>; mac=<base64>[; mac=<base64>...]`: HMAC-SHA-512 over body, bar and time.

Several secrets may live at once, each to its own end, and several seals may come, so that either side can rotate.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.webhook_ingest.domain.signature import (
    HEADER_CHARS_MAX,
    SIGNATURES_MAX,
    TOLERANCE,
    Refused,
    Secret,
)

_MS_DIGITS_MAX: Final = 15
_DIGEST_BYTES: Final = 64
_BASE64_CHARS: Final = 88


def verify_seal(header: str | None, body: bytes, secrets: Sequence[Secret], *, now: datetime) -> Secret:
    """Return the secret that sealed the body, or raise ``Refused``; no header makes it raise anything else."""
    sent_ms, seals = _read(header)
    message = body + b"|" + sent_ms.encode()
    signer: Secret | None = None
    for secret in secrets:
        if secret.expires_at is not None and secret.expires_at <= now:
            continue
        wanted = hmac.digest(secret.key, message, "sha512")
        for seal in seals:
            # Every pair is compared, in constant time: how long it takes tells nothing about which was near.
            if hmac.compare_digest(wanted, seal) and signer is None:
                signer = secret
    if signer is None:
        raise Refused("signature_mismatch")
    # After the seal: a stranger learns nothing about our clock.
    if abs(now.timestamp() - int(sent_ms) / 1000) > TOLERANCE.total_seconds():
        raise Refused("timestamp_out_of_tolerance")
    return signer


def _read(header: str | None) -> tuple[str, list[bytes]]:
    if not header or len(header) > HEADER_CHARS_MAX or not header.isascii():
        raise Refused("header_missing" if not header else "header_malformed")
    stamps: list[str] = []
    seals: list[bytes] = []
    for part in header.split(";"):
        # Only the first sign separates: base64 ends in some of its own.
        name, separator, value = part.strip().partition("=")
        if not separator:
            raise Refused("header_malformed")
        if name == "at":
            stamps.append(value)
        elif name == "mac":
            seals.append(_digest(value))
    if len(stamps) != 1 or not stamps[0].isdigit() or len(stamps[0]) > _MS_DIGITS_MAX:
        raise Refused("timestamp_malformed")
    if not 0 < len(seals) <= SIGNATURES_MAX:
        raise Refused("signature_missing" if not seals else "signatures_too_many")
    return stamps[0], seals


def _digest(value: str) -> bytes:
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("signature_malformed") from None
    if len(digest) != _DIGEST_BYTES or len(value) != _BASE64_CHARS:
        raise Refused("signature_malformed")
    return digest
