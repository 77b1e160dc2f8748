"""The encoding that notes are sealed from, and their chain: written down once in full."""

from __future__ import annotations

import hashlib

from services.ledger.adapters.note_records import SOURCES
from services.ledger.domain.notes import Note, NoteName, note_hash, seal_notes
from services.ledger.domain.seals import GENESIS

NOTE = Note(
    NoteName("line_match", "evt_1"), ("line:a:1", 1, 2, "alpha:acct:ch_1", None, 1_700_000_000_000_001)
)
BYTES = b"13:tieout-note-1,10:line_match,5:evt_1,8:line:a:1,1:1,1:2,15:alpha:acct:ch_1,-,16:1700000000000001,"


def test_the_encoding_is_what_the_page_for_auditors_says():
    assert NOTE.digest() == hashlib.sha256(BYTES).digest()


def test_a_note_of_another_kind_key_or_value_is_another_note():
    names = [NoteName(kind, key) for kind in ("line_match", "late_journal") for key in ("1", "2", "")]
    notes = [
        Note(name, values) for name in names for values in ((), (None,), ("",), ("-",), (1, None), (None, 1))
    ]
    assert len({note.digest() for note in notes}) == len(notes)


def test_a_seal_is_the_hash_of_all_notes_before_it_and_says_how_far_the_journals_were():
    one, two = seal_notes(None, [NOTE, NOTE], 7, 9)
    fixed = (0).to_bytes(2, "big") + b"".join(n.to_bytes(8, "big") for n in (1, 7, 9))
    digest = NOTE.digest()
    assert one.hash == hashlib.sha256(b"tieout-note-seal-1" + fixed + GENESIS + digest).digest()
    assert two.hash == note_hash(
        shard=0, position=2, behind=7, sealed_at_us=9, before=one.hash, digest=digest
    )
    assert (one.follows(GENESIS), two.follows(one.hash)) == (one.hash, two.hash)
    assert seal_notes(one, [NOTE], 7, 9) == [two]
    for other in ((one, [NOTE], 8, 9), (one, [NOTE], 7, 10), (None, [NOTE], 7, 9)):
        assert seal_notes(*other)[0].hash != two.hash


def test_every_table_beside_the_journals_is_read():
    assert {source.table for source in SOURCES.values()} == {
        "adjustments", "exchange_rates", "import_proposals", "imports", "late_journals", "line_matches", "period_closes",
        "withdrawn_proposals", "told_journals", "told_closes", "former_seal_keys",
    }  # fmt: skip
