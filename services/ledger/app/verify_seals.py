"""Goes along the chain from its beginning, or from a kept head, and names the first row that is not what was sealed.

Nothing here trusts the database: journals are encoded and hashed anew, and what the chain says of itself is compared
with heads that were kept outside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from services.ledger.app.findings import Finding, at_head
from services.ledger.app.period_ports import ClosedPeriod
from services.ledger.app.verify_beside import HeadSignatures, RowsBeside, beside_the_chain
from services.ledger.app.verify_notes import NotesAlong, SealedNotes
from services.ledger.app.verify_periods import ClosesAlong
from services.ledger.app.verify_periods import Signatures as CloseSignatures
from services.ledger.domain.closes import SignedClose
from services.ledger.domain.heads import Head
from services.ledger.domain.seals import GENESIS, SHARD, Recorded, Seal, chain_hash
from shared.kernel.errors import Rejected

PAGE_SEALS: Final = 1_000
_OF_FORMER: Final = (
    "key {} sealed the books that these were rebuilt from: hold it against those or their backup"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How far it was looked, and what was found there first; ``heads`` counts the kept heads that were compared.

    ``closes`` counts the closed months that were held against the chain; ``notes`` is how far the chain of notes was
    looked at.
    """

    sealed_from: int
    sealed_to: int
    hash: str
    heads: int
    closes: int
    notes: int
    finding: Finding | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongSnapshot:
    """A snapshot that does not say what the entries say."""

    account: str
    position: int
    detail: str


class SealedBooks(SealedNotes, RowsBeside, Protocol):
    """The books as a read-only role sees them, in one snapshot."""

    def seals_after(self, shard: int, position: int, limit: int) -> Sequence[Seal]: ...
    def journals_at(self, positions: Sequence[int]) -> Mapping[int, Recorded]: ...
    def former_keys(self) -> frozenset[str]: ...
    def first_wrong_snapshot(self, shard: int) -> WrongSnapshot | None: ...
    def closes(self) -> Sequence[ClosedPeriod]: ...
    def first_unsealed_before(self, opens_at: datetime) -> tuple[int, str] | None: ...
    def first_wrong_late(self) -> tuple[int, str | None] | None: ...


class Signatures(CloseSignatures, HeadSignatures, Protocol):
    """The keys that the auditor trusts."""

    def is_genuine(self, head: Head) -> bool: ...


def verify_seals(
    books: SealedBooks,
    kept: Collection[Head],
    signatures: Signatures,
    *,
    after: int = 0,
    kept_closes: Collection[SignedClose] = (),
) -> Verified:
    """Verify everything sealed above position ``after``; beyond 0 a kept head of that position is trusted instead."""
    heads = sorted(
        (head for head in kept if head.shard == SHARD), key=lambda head: (head.position, head.notes or 0)
    )
    start = _start(heads, after)
    former = books.former_keys()
    finding = _of_no_shard(kept) or next(
        (found for head in heads if (found := _forged(head, former, signatures)) is not None), None
    )
    closes = books.closes()
    along = ClosesAlong(closes, after)
    walk = _Walk(books, heads, after, GENESIS if start is None else bytes.fromhex(start.hash), along)
    notes = NotesAlong(books, heads, start)
    if finding is None:
        finding = (
            _closes(along, former, kept_closes, signatures)
            or walk.to_the_end()
            or beside_the_chain(books, heads, signatures, start)
            or _closed_months(books, along, walk.position)
            or _notes(notes)
            or _snapshots(books)
        )
    return Verified(
        sealed_from=after + 1,
        sealed_to=walk.position,
        hash=walk.hash.hex(),
        heads=walk.compared,
        closes=len(closes),
        notes=notes.position,
        finding=finding,
    )


def _start(heads: Sequence[Head], after: int) -> Head | None:
    start = next((head for head in heads if head.position == after), None)
    if after and start is None:
        raise Rejected("no_head_there", f"No kept head is at position {after}.", status=422, param="after")
    return start


def _of_no_shard(kept: Collection[Head]) -> Finding | None:
    other = next((head for head in kept if head.shard != SHARD), None)
    if other is None:
        return None
    return at_head(
        "head_of_unknown_shard", other, f"these books have shard {SHARD} only: it is compared with nothing"
    )


def _forged(head: Head, former: Collection[str], signatures: Signatures) -> Finding | None:
    # Never left out of account instead: whoever calls a key former would have all its heads unseen.
    if head.key_id in former:
        return at_head("head_of_former_books", head, _OF_FORMER.format(head.key_id))
    if signatures.is_genuine(head):
        return None
    return at_head("head_not_genuine", head, "no trusted key signed this")


class _Walk:
    """One pass along the chain, page by page, against the kept heads in their order."""

    def __init__(
        self, books: SealedBooks, heads: Sequence[Head], after: int, before: bytes, closes: ClosesAlong
    ) -> None:
        self._books = books
        self._closes = closes
        self.position = after
        self.hash = before
        self._good = after
        self._heads = deque(head for head in heads if head.position > after)
        self.compared = 0

    def to_the_end(self) -> Finding | None:
        """The first bad row of the chain, or the first head that it does not reach or contradicts."""
        while page := self._books.seals_after(SHARD, self.position, PAGE_SEALS):
            journals = self._books.journals_at([seal.journal_position for seal in page])
            for seal in page:
                recorded = journals.get(seal.journal_position)
                finding = (
                    self._seal(seal, recorded) or self._head(seal, recorded) or self._close(seal, recorded)
                )
                if finding is not None:
                    return finding
        if self._heads:
            head = self._heads[0]
            detail = f"the chain ends at {self.position}, a kept head is at {head.position}"
            return at_head("tail_cut", head, detail)
        return None

    def _seal(self, seal: Seal, recorded: Recorded | None) -> Finding | None:
        """Compare one seal with its predecessor and its journal, in the order in which a reader would ask."""
        expected = self.position + 1
        if seal.position == self.position:
            return self._bad(seal, recorded, "seal_inserted", "its place in the chain is taken twice")
        if seal.position != expected:
            detail = f"seal {expected} is missing, the next is {seal.position}"
            return Finding(
                what="seal_missing", shard=seal.shard, position=expected, journal_position=None, journal=None,
                detail=detail,
            )  # fmt: skip
        chained = chain_hash(
            shard=seal.shard,
            position=seal.position,
            journal_position=seal.journal_position,
            sealed_at_us=seal.sealed_at_us,
            before=self.hash,
            digest=seal.digest,
        )
        if recorded is None:
            return self._bad(seal, recorded, "journal_missing", "it was sealed and is not there")
        if recorded.digest() != seal.digest:
            listed, counted = recorded.journal.entry_count, len(recorded.entries)
            entries = f"; {counted} of {listed} entries" if listed != counted else ""
            detail = f"sealed as {seal.digest.hex()}, is {recorded.digest().hex()}{entries}"
            return self._bad(seal, recorded, "journal_changed", detail)
        if chained != seal.hash:
            detail = f"says {seal.hash.hex()}, follows {chained.hex()}"
            return self._bad(seal, recorded, "seal_changed", detail)
        self.position, self.hash = seal.position, seal.hash
        return None

    def _head(self, seal: Seal, recorded: Recorded | None) -> Finding | None:
        while self._heads and self._heads[0].position == seal.position:
            head = self._heads.popleft()
            self.compared += 1
            if head.hash != seal.hash.hex():
                between = f"rewritten between {self._good + 1} and {seal.position}"
                detail = f"{between}: the kept head says {head.hash}, the chain {seal.hash.hex()}"
                return self._bad(seal, recorded, "chain_rewritten", detail)
            self._good = head.position
        return None

    def _close(self, seal: Seal, recorded: Recorded | None) -> Finding | None:
        wrong = None if recorded is None else self._closes.at(seal, recorded.journal.effective_at_us)
        return None if wrong is None else self._bad(seal, recorded, *wrong)

    @staticmethod
    def _bad(seal: Seal, recorded: Recorded | None, what: str, detail: str) -> Finding:
        return Finding(
            what=what,
            shard=seal.shard,
            position=seal.position,
            journal_position=seal.journal_position,
            journal=None if recorded is None else recorded.journal.journal_id,
            detail=detail,
        )


def _closes(
    closes: ClosesAlong, former: Collection[str], kept: Collection[SignedClose], signatures: Signatures
) -> Finding | None:
    """What closes say of themselves, and what those say that were kept outside."""
    of_former = next((close for close in kept if close.key_id in former), None)
    if of_former is not None:
        return _at_close(of_former, "close_of_former_books", _OF_FORMER.format(of_former.key_id))
    wrong = closes.wrong_by_itself(signatures) or closes.other_than_kept(kept, signatures)
    return None if wrong is None else _at_close(*wrong)


def _closed_months(books: SealedBooks, closes: ClosesAlong, sealed_to: int) -> Finding | None:
    """What the chain does not reach, and what stands in closed months without a seal."""
    unreached = closes.beyond(sealed_to)
    if unreached is not None:
        detail = f"it rests on seal {unreached.position}, the chain ends at {sealed_to}"
        return _at_close(unreached, "close_changed", detail)
    opens_at = closes.opens_at()
    unsealed = None if opens_at is None else books.first_unsealed_before(opens_at)
    if unsealed is not None:
        return Finding(
            what="period_changed", shard=SHARD, position=None, journal_position=unsealed[0], journal=unsealed[1],
            detail="takes effect in a month that was closed when everything in it was sealed, and has no seal",
        )  # fmt: skip
    late = books.first_wrong_late()
    if late is not None:
        return Finding(
            what="late_changed", shard=SHARD, position=None, journal_position=late[0], journal=late[1],
            detail="is called late, and does not take effect where a closed month ends, or not later than told",
        )  # fmt: skip
    return None


def _at_close(close: ClosedPeriod | SignedClose, what: str, detail: str) -> Finding:
    return Finding(
        what=what, shard=close.shard, position=close.position, journal_position=None, journal=None,
        detail=f"close of {close.period}: {detail}",
    )  # fmt: skip


def _notes(along: NotesAlong) -> Finding | None:
    wrong = along.first_wrong()
    if wrong is None:
        return None
    return Finding(
        what=wrong.what, shard=SHARD, position=wrong.position, journal_position=None, journal=None,
        detail=wrong.detail, note=None if wrong.name is None else " ".join(wrong.name),
    )  # fmt: skip


def _snapshots(books: SealedBooks) -> Finding | None:
    """Asked last: the entries that a snapshot is compared with have been found as sealed by then."""
    wrong = books.first_wrong_snapshot(SHARD)
    if wrong is None:
        return None
    return Finding(
        what="snapshot_wrong", shard=SHARD, position=wrong.position, journal_position=None, journal=None,
        detail=f"snapshot of {wrong.account}: {wrong.detail}; `ledger snapshots rebuild` makes them anew",
    )  # fmt: skip
