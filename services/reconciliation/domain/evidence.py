"""What a line of a closed payout proves of the object that it names, by its category and which way the money went."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.reconciliation.domain.lines import LineCategory

Fields = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Proof:
    """The object's type and what became of it; ``sign`` is that of the line's gross amount."""

    object_type: str
    status: str
    sign: int


#: Disputes and reversals move money by rows of their own, which a line does not name: they prove nothing here.
PROOFS: Final[Mapping[LineCategory, Proof]] = {
    LineCategory.CHARGE: Proof("capture", "succeeded", 1),
    LineCategory.REFUND: Proof("refund", "succeeded", -1),
    LineCategory.REFUND_FAILURE: Proof("refund", "failed", 1),
}


def digest_of(proof: Proof, line: Fields) -> str:
    """The same for the same words about the object, whichever line says them."""
    words = (
        proof.object_type, line["object_id"], proof.status, abs(line["gross_minor"]), line["currency"],
        line["operation_id"], line["parent_object_id"], line["occurred_at"].isoformat(),
    )  # fmt: skip
    return hashlib.sha256("\n".join(str(word) for word in words).encode()).hexdigest()
