"""Owns the meaning of a used idempotency key: replay, refuse, or free again after its life."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.kernel.errors import Rejected

KEY_LIFE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReply:
    """What the first request under a key was answered, byte for byte."""

    fingerprint: bytes
    status: int
    body: bytes
    expires_at: datetime


def replayable(stored: StoredReply | None, fingerprint: bytes, now: datetime) -> bool:
    """Tell whether the stored reply answers this request; another request under the key is refused."""
    if stored is None or stored.expires_at <= now:
        return False
    if stored.fingerprint != fingerprint:
        raise Rejected("idempotency_key_reused", "The key was used for another request.", status=422)
    return True
