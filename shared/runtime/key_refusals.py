"""What a caller is told whose idempotency key is taken and gives no reply."""

from __future__ import annotations

from shared.kernel.errors import Rejected
from shared.persistence.idempotency import Claim, KeyRow, Standing
from shared.runtime.problems import RETRY_AFTER_S


def refusal_of(claim: Claim, row: KeyRow | None, standing: Standing) -> Rejected:
    """The refusal that a taken key calls for; none of them is kept, the key stays as it is."""
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
