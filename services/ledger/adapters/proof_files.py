"""Proofs as files: canonical JSON (RFC 8785), so that one document has one sequence of bytes and no other is taken."""

from __future__ import annotations

import json
from typing import Any, Final

import rfc8785

from services.ledger.domain.proofs import ProofRefused

BYTES_MAX: Final = 64 * 2**20


def written_proof(proof: dict[str, Any]) -> bytes:
    """The bytes of the file."""
    return rfc8785.dumps(proof) + b"\n"


def read_proof(written: bytes) -> object:
    """What a file says. Raises ``ProofRefused`` for any bytes but those that ``written_proof`` makes of it."""
    if len(written) > BYTES_MAX:
        raise ProofRefused(f"more than {BYTES_MAX} bytes")
    try:
        document = json.loads(written.decode())
        canonical = rfc8785.dumps(document) + b"\n"
    except (ValueError, TypeError, RecursionError) as error:
        raise ProofRefused(f"no JSON document: {error}") from None
    if canonical != written:
        raise ProofRefused("not in canonical form: the file was changed after it was made")
    return document
