"""Sabotage of notes: what stands beside the journals is sealed, before its journal, and found when it is not."""

from typing import Final

from tools.sabotage.case import Case, Patch

_SCHEMA: Final = "services/ledger/migrations/versions/0015_seal_notes.py"
_VERIFY: Final = "services/ledger/app/verify_notes.py"
_TESTS: Final = "services/ledger/tests/db/test_sealing_notes.py::"
_ALONG_TESTS: Final = "services/ledger/tests/unit/test_notes_along.py::"
_VERIFY_TESTS: Final = "services/ledger/tests/db/test_verify_notes.py::"

NOTING: Final = (
    Case(
        name="note-queued",
        protection="whatever writes a row beside the journals queues its note in the same transaction",
        change="the triggers never fire",
        patches=(
            Patch(
                _SCHEMA,
                "FOR EACH STATEMENT EXECUTE FUNCTION queue_{kind}();",
                "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION queue_{kind}();",
            ),
        ),
        tests=(_VERIFY_TESTS + "test_notes_that_nobody_touched_are_whole",),
    ),
    Case(
        name="note-import-queued",
        protection="what two people say of a file that is brought over queues its note in the same transaction",
        change="the triggers never fire",
        patches=(
            Patch(
                "services/ledger/migrations/versions/0019_seal_import_proposals.py",
                "FOR EACH STATEMENT EXECUTE FUNCTION queue_{kind}();",
                "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION queue_{kind}();",
            ),
        ),
        tests=(_VERIFY_TESTS + "test_notes_that_nobody_touched_are_whole",),
    ),
    Case(
        name="note-told-queued",
        protection="what was withdrawn, and what was told before a rebuild, queues its note when it is written",
        change="the triggers never fire",
        patches=(
            Patch(
                "services/ledger/migrations/versions/0021_seal_what_was_told.py",
                "FOR EACH STATEMENT EXECUTE FUNCTION queue_{kind}();",
                "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION queue_{kind}();",
            ),
        ),
        tests=(_VERIFY_TESTS + "test_notes_that_nobody_touched_are_whole",),
    ),
    Case(
        name="note-leaves-sealed",
        protection="a note leaves the queue only once it is sealed",
        change="the database does not look",
        patches=(
            Patch(
                _SCHEMA,
                "FOR EACH STATEMENT EXECUTE FUNCTION notes_sealed_first();",
                "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION notes_sealed_first();",
            ),
        ),
        tests=(_TESTS + "test_the_application_is_refused",),
    ),
    Case(
        name="note-chain-continued",
        protection="a note's seal is stored only if it continues the chain, of a queued note, at the journals' end",
        change="the trigger never looks",
        patches=(
            Patch(
                _SCHEMA,
                "FOR EACH STATEMENT EXECUTE FUNCTION notes_chained();",
                "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION notes_chained();",
            ),
        ),
        tests=(_TESTS + "test_a_note_seal_that_does_not_continue_the_chain_is_refused",),
    ),
    Case(
        name="note-before-journal",
        protection="no journal is sealed before what was noted of it in its own transaction",
        change="the sealer seals the journals first",
        patches=(
            Patch(
                "services/ledger/app/seal_journals.py",
                "    if notes:\n        noted = ",
                "    if journals:\n        work.seals.append(seal_all(last, journals, at_us))\n        journals = ()\n"
                "    if notes:\n        noted = ",
            ),
        ),
        tests=(_ALONG_TESTS + "test_notes_are_sealed_before_the_journals_that_were_read_before_them",),
    ),
    Case(
        name="note-before-journal-in-sql",
        protection="the database lets no sealer, of an older release either, seal a journal before its note",
        change="the trigger never looks",
        patches=(
            Patch(
                _SCHEMA,
                "FOR EACH STATEMENT EXECUTE FUNCTION notes_before_journals();",
                "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION notes_before_journals();",
            ),
        ),
        tests=(_TESTS + "test_no_journal_is_sealed_before_its_note",),
    ),
    Case(
        name="note-in-head",
        protection="a head says of the notes what their chain says, or is not kept",
        change="the database does not compare",
        patches=(
            Patch(
                _SCHEMA,
                "FOR EACH ROW EXECUTE FUNCTION head_fits_notes();",
                "FOR EACH ROW WHEN (false) EXECUTE FUNCTION head_fits_notes();",
            ),
        ),
        tests=(_TESTS + "test_a_head_that_says_other_notes_than_the_chain_is_refused",),
    ),
    Case(
        name="note-changed-found",
        protection="a value of a note that a superuser changed is found, and the note named",
        change="notes are not hashed anew",
        patches=(Patch(_VERIFY, "        if digest != seal.digest:\n", "        if False:\n"),),
        tests=(_ALONG_TESTS + "test_whatever_was_changed_is_found_at_its_place",),
    ),
    Case(
        name="note-doubled-found",
        protection="two rows of one key, beside the journals, are found whichever of them is as it was sealed",
        change="the one that is read last counts",
        patches=(
            Patch(
                "services/ledger/adapters/note_records.py",
                "found[name].values if name in found else ()",
                "()",
            ),
        ),
        tests=(_VERIFY_TESTS + "test_a_row_that_a_superuser_doubles_is_found_by_name",),
    ),
    Case(
        name="note-inserted-found",
        protection="a row that a superuser put beside the journals is found, and named",
        change="rows without a seal are not looked for",
        patches=(Patch(_VERIFY, "        if inserted is not None:\n", "        if False:\n"),),
        tests=(_ALONG_TESTS + "test_whatever_was_changed_is_found_at_its_place",),
    ),
    Case(
        name="note-afterwards-found",
        protection="a note put beside a journal that was sealed before is found, though it is sealed itself",
        change="nobody asks how far the journals were",
        patches=(Patch(_VERIFY, "        if afterwards is not None:\n", "        if False:\n"),),
        tests=(_ALONG_TESTS + "test_whatever_was_changed_is_found_at_its_place",),
    ),
    Case(
        name="note-heads-compared",
        protection="a chain of notes that was rewritten as a whole contradicts the kept heads",
        change="heads are not compared with it",
        patches=(Patch(_VERIFY, "            if told != seal.hash.hex():\n", "            if False:\n"),),
        tests=(_ALONG_TESTS + "test_whatever_was_changed_is_found_at_its_place",),
    ),
)
