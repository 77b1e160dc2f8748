"""What no seal can tell: rows that stand beside the chain, and our own copies of the heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.ledger.app.findings import Finding, at_head
from services.ledger.domain.heads import Head
from services.ledger.domain.seals import SHARD


class RowsBeside(Protocol):
    """The part of the books that is asked for what belongs to nothing."""

    def settled(self, shard: int) -> int: ...
    def first_stray_seal(self, shard: int) -> tuple[int, int, int] | None:
        """The first seal that is no place of this chain: (shard, position, journal position)."""
        ...

    def first_unsealed(self, after: int, to: int) -> tuple[int, str] | None: ...
    def first_orphan(self, after: int) -> tuple[int, int] | None: ...
    def first_unused_account(self) -> tuple[int, str] | None:
        """The first account that no entry was ever booked on: (its id, its name)."""
        ...

    def heads(self, shard: int) -> Sequence[Head]: ...
    def first_stray_head(self, shard: int) -> tuple[int, int, str] | None:
        """The first of our copies that is not of the seal where it stands: (shard, position, journal)."""
        ...


class HeadSignatures(Protocol):
    """The keys that the auditor trusts."""

    def is_forged(self, head: Head) -> bool:
        """Whether keys are trusted and none of them signed this."""
        ...


def beside_the_chain(
    books: RowsBeside, heads: Sequence[Head], signatures: HeadSignatures, start: Head | None
) -> Finding | None:
    """The first row that belongs to nothing that is sealed; what a head at ``start`` covers is trusted."""
    known_from = 0 if start is None else start.settled_position
    return _rows(books, heads, known_from) or _own_heads(
        books, heads, signatures, 0 if start is None else start.position
    )


def _rows(books: RowsBeside, heads: Sequence[Head], known_from: int) -> Finding | None:
    # Asked first: a journal that such a seal names would pass for sealed.
    seal = books.first_stray_seal(SHARD)
    if seal is not None:
        return Finding(
            what="seal_inserted", shard=seal[0], position=seal[1], journal_position=seal[2], journal=None,
            detail="it is no place of the chain, and makes its journal pass for sealed",
        )  # fmt: skip
    settled = max([books.settled(SHARD), *(head.settled_position for head in heads)])
    unsealed = books.first_unsealed(known_from, settled)
    if unsealed is not None:
        detail = f"stands at or below {settled}, where nothing may appear any more, without a seal"
        return Finding(
            what="journal_inserted", shard=SHARD, position=None, journal_position=unsealed[0], journal=unsealed[1],
            detail=detail,
        )  # fmt: skip
    orphan = books.first_orphan(known_from)
    if orphan is not None:
        return Finding(
            what="entry_inserted", shard=SHARD, position=None, journal_position=orphan[0], journal=None,
            detail=f"entry {orphan[1]} belongs to no journal",
        )  # fmt: skip
    account = books.first_unused_account()
    if account is not None:
        return Finding(
            what="account_inserted", shard=SHARD, position=None, journal_position=None, journal=None,
            detail=f"account {account[0]}, {account[1]}, has no entry: one is opened together with its first",
        )  # fmt: skip
    return None


def _own_heads(
    books: RowsBeside, heads: Sequence[Head], signatures: HeadSignatures, after: int
) -> Finding | None:
    ours = books.heads(SHARD)
    held = set(ours)
    for head in heads:
        if head not in held:
            return at_head("head_changed", head, "our own copy is another, or is not there")
    stray = books.first_stray_head(SHARD)
    if stray is not None:
        return Finding(
            what="head_changed", shard=stray[0], position=stray[1], journal_position=None, journal=stray[2],
            detail="our own copy is not of the seal that it names",
        )  # fmt: skip
    kept = set(heads)
    for head in ours:
        if head.position > after and head not in kept and signatures.is_forged(head):
            return at_head("head_not_genuine", head, "our own copy: no trusted key signed this")
    return None
