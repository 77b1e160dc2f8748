"""Makes the proof of one journal, and checks one without the books."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from services.ledger.domain.heads import Head
from services.ledger.domain.proofs import ProofRefused, Proven, check_proof, proof_of
from services.ledger.domain.seals import GENESIS, SHARD, Recorded, Seal
from shared.kernel.errors import Rejected

LINKS_MAX: Final = 100_000
"""Some 20 MiB of proof, well under what is read again."""


class ProvableBooks(Protocol):
    """The books in one snapshot."""

    def position_of(self, journal_id: str) -> int | None: ...
    def seal_of(self, shard: int, journal_position: int) -> Seal | None: ...
    def seals_after(self, shard: int, position: int, limit: int) -> Sequence[Seal]: ...
    def journals_at(self, positions: Sequence[int]) -> Mapping[int, Recorded]: ...
    def nearest_head(self, shard: int, position: int) -> Head | None: ...


class Signatures(Protocol):
    """The keys that whoever checks trusts."""

    def is_genuine(self, head: Head) -> bool: ...


def prove_journal(journal_id: str, books: ProvableBooks, kept: Collection[Head] = ()) -> dict[str, Any]:
    """The proof up to the nearest head behind the journal, of the kept ones if there are any, else of our own.

    Raises ``Rejected`` where there is no such journal, or nothing signed behind it yet. What it makes it has checked:
    of books that somebody changed there is no proof.
    """
    journal_position = books.position_of(journal_id)
    if journal_position is None:
        raise Rejected("journal_not_found", f"There is no journal {journal_id}.", status=404, stored=False)
    seal = books.seal_of(SHARD, journal_position)
    if seal is None:
        raise Rejected("not_sealed_yet", "It has no place in the chain yet.", status=409, stored=False)
    head = _nearest(seal, kept) if kept else books.nearest_head(SHARD, seal.position)
    if head is None:
        text = f"No head is signed behind its place, {seal.position}, yet."
        raise Rejected("not_signed_yet", text, status=409, stored=False)
    if head.position - seal.position > LINKS_MAX:
        text = (
            f"The nearest head, at {head.position}, is more than {LINKS_MAX:,} seals behind its place,"
            f" {seal.position}: give kept heads that are nearer, or have heads signed more often"
            " (LEDGER_SEAL_HEAD_EVERY_SEALS)."
        )
        raise Rejected("head_too_far", text, status=409, stored=False)
    chain = books.seals_after(SHARD, max(seal.position - 2, 0), head.position - seal.position + 2)
    before = GENESIS if seal.position == 1 else chain[0].hash
    links = [link for link in chain if seal.position < link.position <= head.position]
    proof = proof_of(books.journals_at([journal_position])[journal_position], seal, before, links, head)
    try:
        check_proof(proof)
    except ProofRefused as refused:
        text = f"The books are not what was sealed ({refused}); `ledger verify` names the row."
        raise Rejected("not_provable", text, status=409, stored=False) from None
    return proof


def checked_proof(document: object, signatures: Signatures, kept: Collection[Head] | None) -> Proven:
    """What the document proves, given the keys and, if there are any, the heads kept by whoever checks."""
    proven = check_proof(document)
    if not signatures.is_genuine(proven.head):
        raise ProofRefused("no trusted key signed the head")
    if kept is not None and proven.head not in kept:
        raise ProofRefused(f"the head at {proven.head.position} is none of the kept ones")
    return proven


def _nearest(seal: Seal, heads: Collection[Head]) -> Head | None:
    behind = (head for head in heads if head.shard == SHARD and head.position >= seal.position)
    return min(behind, key=lambda head: head.position, default=None)
