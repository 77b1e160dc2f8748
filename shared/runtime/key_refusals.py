"""What a caller is told whose idempotency key is taken and gives no reply."""

from __future__ import annotations

from typing import Final

from shared.kernel.errors import Rejected
from shared.persistence.idempotency import Claim, KeyRow, Standing
from shared.persistence.key_repeats import Mismatch, Repeat
from shared.runtime.problems import RETRY_AFTER_S

#: An abandoned key without a resource is one that only its first request could finish: in use, for whoever asks.
_REPEATS: Final = {
    Standing.MISMATCH: Repeat.MISMATCH,
    Standing.EXPIRED: Repeat.EXPIRED,
    Standing.IN_USE: Repeat.IN_USE,
    Standing.ABANDONED: Repeat.IN_USE,
    Standing.FINISHED: Repeat.IN_USE,
}


class KeyRefused(Rejected):
    """The key is taken and gives no reply. Never kept: the key stays as it is."""

    def __init__(self, rejected: Rejected, scope: str, repeat: Repeat, mismatch: Mismatch | None) -> None:
        super().__init__(
            rejected.code, rejected.message, status=rejected.status, param=rejected.param, stored=False,
            extra=rejected.extra,
        )  # fmt: skip
        self.scope = scope
        self.repeat = repeat
        self.mismatch = mismatch


def refusal_of(claim: Claim, row: KeyRow | None, standing: Standing) -> KeyRefused:
    """The refusal that a taken key calls for, and what is to be counted of it."""
    rejected = _rejected(claim, row, standing)
    mismatch = None
    if standing is Standing.MISMATCH:
        mismatch = Mismatch(endpoint=claim.fingerprint.endpoint, param=rejected.param)
    return KeyRefused(rejected, claim.scope, _REPEATS[standing], mismatch)


def _rejected(claim: Claim, row: KeyRow | None, standing: Standing) -> Rejected:
    if row is not None and standing is Standing.MISMATCH:
        stored = type(claim.fingerprint)(endpoint=row.endpoint, digest=row.fingerprint, fields=row.fields)
        param = stored.first_difference(claim.fingerprint.endpoint, claim.fingerprint.fields)
        return Rejected(
            "idempotency_key_reused", f"This key belongs to a request that differs in {param!r}.",
            status=422, param=param, stored=False,
        )  # fmt: skip
    if row is not None and standing is Standing.EXPIRED:
        return Rejected(
            "idempotency_key_expired",
            f"This key was used before, for {row.resource_id}; its reply is gone.",
            status=409, stored=False, extra={"resource": row.resource_id},
        )  # fmt: skip
    return Rejected(
        "idempotency_key_in_use", "A request with this key is being worked on; ask again for its reply.",
        status=409, stored=False, extra={"retry_after_s": RETRY_AFTER_S},
    )  # fmt: skip
