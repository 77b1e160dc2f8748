"""Goes along the chain of notes as along the journals' chain, and names the first note that is not what was sealed.

What is written of a journal in its own transaction is sealed no later than it: a note that is not was put there later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from services.ledger.domain.heads import Head
from services.ledger.domain.notes import Note, NoteName, NoteSeal
from services.ledger.domain.seals import GENESIS, SHARD

PAGE_NOTES: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteFinding:
    """The first bad note: a code, its place in the chain and its name as far as there are any."""

    what: str
    position: int | None
    name: NoteName | None
    detail: str


class SealedNotes(Protocol):
    """The notes as a read-only role sees them, in the same snapshot as the books."""

    def note_seals_after(self, shard: int, position: int, limit: int) -> Sequence[NoteSeal]: ...
    def notes_at(self, names: Sequence[NoteName]) -> Mapping[NoteName, Note]: ...
    def first_stray_note_seal(self, shard: int) -> tuple[int, NoteName] | None:
        """The first seal of a note that is no place of this chain: (its position, its name)."""
        ...

    def first_inserted_note(self) -> NoteName | None:
        """The first row that has a note and neither its seal nor a place among those to be sealed."""
        ...

    def first_note_afterwards(self, shard: int) -> tuple[int, NoteName, int] | None:
        """The first note that was sealed after its journal: (its seal, its name, the journal's seal)."""
        ...


class NotesAlong:
    """One pass along the chain of notes, page by page, against the kept heads that speak of it."""

    def __init__(self, notes: SealedNotes, heads: Sequence[Head], start: Head | None) -> None:
        self._notes = notes
        self.position = 0
        self._hash = GENESIS
        if start is not None and start.notes is not None and start.notes_hash is not None:
            self.position, self._hash = start.notes, bytes.fromhex(start.notes_hash)
        told = {
            (head.notes, head.notes_hash)
            for head in heads
            if head.notes is not None and head.notes_hash is not None and head.notes > self.position
        }
        self._told = deque(sorted(told))

    def first_wrong(self) -> NoteFinding | None:
        """What the chain, its notes and the heads contradict, then what stands beside the chain."""
        return self._to_the_end() or self._beside()

    def _to_the_end(self) -> NoteFinding | None:
        while page := self._notes.note_seals_after(SHARD, self.position, PAGE_NOTES):
            notes = self._notes.notes_at([seal.name for seal in page])
            for seal in page:
                wrong = self._seal(seal, notes.get(seal.name)) or self._head(seal)
                if wrong is not None:
                    return wrong
        if self._told:
            detail = f"the chain of notes ends at {self.position}, a kept head says {self._told[0][0]}"
            return NoteFinding(what="notes_cut", position=self._told[0][0], name=None, detail=detail)
        return None

    def _seal(self, seal: NoteSeal, note: Note | None) -> NoteFinding | None:
        expected = self.position + 1
        if seal.position == self.position:
            return _at(seal, "note_seal_inserted", "its place in the chain is taken twice")
        if seal.position != expected:
            detail = f"the seal of note {expected} is missing, the next is {seal.position}"
            return NoteFinding(what="note_seal_missing", position=expected, name=None, detail=detail)
        if note is None:
            return _at(seal, "note_missing", "it was sealed and is not there")
        digest = note.digest()
        if digest != seal.digest:
            detail = f"sealed as {seal.digest.hex()}, is {digest.hex()}"
            return _at(seal, "note_changed", detail)
        follows = seal.follows(self._hash)
        if follows != seal.hash:
            return _at(seal, "note_seal_changed", f"says {seal.hash.hex()}, follows {follows.hex()}")
        self.position, self._hash = seal.position, seal.hash
        return None

    def _head(self, seal: NoteSeal) -> NoteFinding | None:
        while self._told and self._told[0][0] == seal.position:
            _, told = self._told.popleft()
            if told != seal.hash.hex():
                return _at(seal, "notes_rewritten", f"a kept head says {told}, the chain {seal.hash.hex()}")
        return None

    def _beside(self) -> NoteFinding | None:
        # Asked first: a note that such a seal names would pass for sealed.
        stray = self._notes.first_stray_note_seal(SHARD)
        if stray is not None:
            detail = "it is no place of the chain, and makes its note pass for sealed"
            return NoteFinding(what="note_seal_inserted", position=stray[0], name=stray[1], detail=detail)
        inserted = self._notes.first_inserted_note()
        if inserted is not None:
            detail = "it is there, without a seal, and nothing that the ledger runs wrote it"
            return NoteFinding(what="note_inserted", position=None, name=inserted, detail=detail)
        afterwards = self._notes.first_note_afterwards(SHARD)
        if afterwards is not None:
            position, name, journal = afterwards
            detail = f"it is of the journal at seal {journal}, was written with it, and was sealed after it"
            return NoteFinding(what="note_inserted", position=position, name=name, detail=detail)
        return None


def _at(seal: NoteSeal, what: str, detail: str) -> NoteFinding:
    return NoteFinding(what=what, position=seal.position, name=seal.name, detail=detail)
