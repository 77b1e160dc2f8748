"""Walking the chain of notes, and sealing notes before journals, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from services.ledger.app.seal_journals import seal_the_rest
from services.ledger.app.verify_notes import NotesAlong
from services.ledger.domain.heads import Head, HeadUnreadable
from services.ledger.domain.notes import Note, NoteName, seal_notes
from services.ledger.domain.seals import Recorded
from services.ledger.tests.unit.test_canonical import ACCOUNTS, ENTRIES, JOURNAL

NOTES = [Note(NoteName("line_match", f"evt_{number}"), (number, "k", None)) for number in range(1, 7)]


class Stored:
    """Six notes sealed as two batches, as some database says."""

    def __init__(self):
        first = seal_notes(None, NOTES[:4], 3, 9)
        self.seals = [*first, *seal_notes(first[-1], NOTES[4:], 5, 9)]
        self.notes = {note.name: note for note in NOTES}
        self.inserted = self.afterwards = self.stray = None

    def note_seals_after(self, shard, position, limit):
        assert shard == 0
        return sorted((s for s in self.seals if s.position > position), key=lambda s: s.position)[:limit]

    def notes_at(self, names):
        return {name: self.notes[name] for name in names if name in self.notes}

    def first_stray_note_seal(self, _shard):
        return self.stray

    def first_inserted_note(self):
        return self.inserted

    def first_note_afterwards(self, _shard):
        return self.afterwards


def head(notes, stored=None):
    told = None if notes is None else (stored or Stored()).seals[notes - 1].hash.hex()
    return Head(
        shard=0, position=9, journal_id="jrn_1", hash="", settled_position=9, signed_at="", key_id="", signature="",
        notes=notes, notes_hash=told,
    )  # fmt: skip


HEADS = [head(None), head(2), head(6), head(2)]


def wrong(stored, heads=HEADS, start=None):
    found = NotesAlong(stored, heads, start).first_wrong()
    return None if found is None else (found.what, found.position)


@pytest.mark.parametrize("page", [1, 2, 6, 1_000])
def test_a_chain_as_it_was_sealed_is_whole(monkeypatch, page):
    monkeypatch.setattr("services.ledger.app.verify_notes.PAGE_NOTES", page)
    along = NotesAlong(Stored(), HEADS, None)
    assert (along.first_wrong(), along.position) == (None, 6)
    along = NotesAlong(Stored(), HEADS, head(2))
    assert (along.first_wrong(), along.position) == (None, 6)


def _seal(number, **changed):
    def change(stored):
        stored.seals[number - 1] = replace(stored.seals[number - 1], **changed)

    return change


def _swap(stored):
    two, four = stored.seals[1], stored.seals[3]
    stored.seals[1], stored.seals[3] = replace(four, position=2), replace(two, position=4)


def _rewrite(stored):
    stored.notes[NOTES[3].name] = Note(NOTES[3].name, (0, "another", None))
    kept = [stored.notes[note.name] for note in NOTES]
    first = seal_notes(None, kept[:4], 3, 9)
    stored.seals = [*first, *seal_notes(first[-1], kept[4:], 5, 9)]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda s: s.notes.update({NOTES[2].name: Note(NOTES[2].name, (3, "other", None))}), ("note_changed", 3)),
        (lambda s: s.notes.pop(NOTES[2].name), ("note_missing", 3)),
        (lambda s: s.seals.pop(2), ("note_seal_missing", 3)),
        (lambda s: s.seals.pop(), ("notes_cut", 6)),
        (_seal(3, position=60), ("note_seal_missing", 3)),
        (_seal(3, digest=bytes(32)), ("note_changed", 3)),
        (_seal(3, hash=bytes(32)), ("note_seal_changed", 3)),
        (_seal(3, behind=4), ("note_seal_changed", 3)),
        (_seal(3, sealed_at_us=8), ("note_seal_changed", 3)),
        (_seal(3, key="another"), ("note_missing", 3)),
        (_swap, ("note_seal_changed", 2)),
        (_rewrite, ("notes_rewritten", 6)),
        (lambda s: s.seals.append(s.seals[2]), ("note_seal_inserted", 3)),
        (lambda s: setattr(s, "stray", (0, NOTES[0].name)), ("note_seal_inserted", 0)),
        (lambda s: setattr(s, "inserted", NOTES[0].name), ("note_inserted", None)),
        (lambda s: setattr(s, "afterwards", (2, NOTES[1].name, 3)), ("note_inserted", 2)),
    ],
)  # fmt: skip
def test_whatever_was_changed_is_found_at_its_place(change, found):
    stored = Stored()
    change(stored)
    assert wrong(stored) == found


def test_a_kept_head_is_trusted_where_one_begins_behind_it():
    stored = Stored()
    _seal(1, digest=bytes(32))(stored)
    assert wrong(stored) == ("note_changed", 1)
    assert wrong(stored, start=head(2)) is None
    _rewrite(stored)
    assert wrong(stored, [head(None)]) is None, "no head speaks of notes"


def test_a_head_is_read_with_both_of_its_notes_or_neither():
    for kept in (head(None), head(2)):
        assert Head.read(kept.fields()) == kept
    assert Head.read({**head(None).fields(), "notes": None, "notes_hash": None}) == head(None)
    for field in ("notes", "notes_hash"):
        with pytest.raises(HeadUnreadable, match=field):
            Head.read({**head(2).fields(), field: None})


def test_notes_are_sealed_before_the_journals_that_were_read_before_them():
    done, last = [], None
    journals = [Recorded(JOURNAL, ENTRIES, ACCOUNTS)]

    def queue(positions, limit):
        done.append(("queue", list(positions)))
        return NOTES[:2]

    seals = SimpleNamespace(
        wait_for_lease=lambda _: 0,
        unsealed=lambda *_: done.append("journals read") or journals,
        last=lambda _: last,
        append=lambda made: done.append(("journals", [(s.position, s.sealed_at_us) for s in made])),
    )
    notes = SimpleNamespace(
        unsealed=queue,
        last=lambda _: None,
        append=lambda made: done.append(("notes", [(s.position, s.behind, s.sealed_at_us) for s in made])),
    )
    now = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert seal_the_rest(SimpleNamespace(seals=seals, notes=notes, now=now))
    at = 1_000_000
    assert done == [
        "journals read", ("queue", [7]), ("notes", [(1, 0, at), (2, 0, at)]), ("journals", [(1, at)]),
    ]  # fmt: skip
