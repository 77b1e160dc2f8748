"""Sabotage of verification: what a superuser puts beside the chain, or puts there twice, is found and named."""

from typing import Final

from tools.sabotage.case import Case, Patch

_BESIDE: Final = "services/ledger/app/verify_beside.py"
_RECORDS: Final = "services/ledger/adapters/journal_records.py"
_TESTS: Final = "services/ledger/tests/db/test_verify.py::"
_EVERY_ROW: Final = _TESTS + "test_every_row_that_a_superuser_changes_is_found_by_name"
_TWICE: Final = _TESTS + "test_what_stands_twice_once_the_constraints_are_gone_is_found_by_name"
_AHEAD: Final = "services/ledger/tests/db/test_journals_ahead.py::"

VERIFYING: Final = (
    Case(
        name="verify-stray-seal",
        protection="a seal that is no place of the chain, and lets a journal pass for sealed, is found",
        change="nobody looks for seals beside the chain",
        patches=(Patch(_BESIDE, "    seal = books.first_stray_seal(SHARD)\n", "    seal = None\n"),),
        tests=(_EVERY_ROW,),
    ),
    Case(
        name="verify-seal-twice",
        protection="a place of the chain that two seals take is found, between two pages as well",
        change="a page ends at its last row, whatever stands at the same place",
        patches=(
            Patch(
                "services/ledger/adapters/sealed_books.py",
                "FETCH FIRST %(limit)s ROWS WITH TIES",
                "FETCH FIRST %(limit)s ROWS ONLY",
            ),
        ),
        tests=(_TWICE,),
    ),
    Case(
        name="verify-unused-account",
        protection="an account that was put in before anything was booked on it is found",
        change="nobody looks for accounts without entries",
        patches=(Patch(_BESIDE, "    account = books.first_unused_account()\n", "    account = None\n"),),
        tests=(_EVERY_ROW,),
    ),
    Case(
        name="verify-own-head-of-seal",
        protection="our own copy of a head is of the seal that it names, kept outside or not",
        change="only kept heads are held against our own",
        patches=(Patch(_BESIDE, "    stray = books.first_stray_head(SHARD)\n", "    stray = None\n"),),
        tests=(_EVERY_ROW,),
    ),
    Case(
        name="verify-own-head-signed",
        protection="our own copy of a head that nobody kept is signed by a trusted key",
        change="signatures of our own copies are not checked",
        patches=(Patch(_BESIDE, " and signatures.is_forged(head):", " and False:"),),
        tests=(_EVERY_ROW,),
    ),
    Case(
        name="verify-journal-twice",
        protection="two journals at one position are found, whichever of them is as it was sealed",
        change="the one that is read last counts",
        patches=(
            Patch(_RECORDS, "recorded.entries if before is None else", "recorded.entries if True else"),
        ),
        tests=(_TWICE,),
    ),
    Case(
        name="verify-account-twice",
        protection="two accounts of one id are found, whichever of them is as it was sealed",
        change="the one that is read last counts",
        patches=(Patch(_RECORDS, " if row[0] not in doubled}", "}"),),
        tests=(_TWICE,),
    ),
    Case(
        name="verify-stray-note-seal",
        protection="a note's seal that is no place of the chain, and lets a note pass for sealed, is found",
        change="nobody looks for seals beside the chain of notes",
        patches=(
            Patch(
                "services/ledger/app/verify_notes.py",
                "        stray = self._notes.first_stray_note_seal(SHARD)\n",
                "        stray = None\n",
            ),
        ),
        tests=(
            "services/ledger/tests/db/test_verify_notes.py::test_whatever_a_superuser_does_to_the_chain_of_notes_is_found",
        ),
    ),
    Case(
        name="verify-close-of-chain",
        protection="a close that names another chain is found: nothing else would be held against it",
        change="what chain a close names is not asked",
        patches=(
            Patch(
                "services/ledger/app/verify_periods.py",
                "            if close.shard != SHARD:\n",
                "            if False:\n",
            ),
        ),
        tests=("services/ledger/tests/db/test_closed_periods_verify.py::test_every_change_is_found_by_name",),
    ),
    Case(
        name="verify-every-column",
        protection="a column that is added to the books is tried by the mutation suite",
        change="a migration adds one and nobody tries it",
        patches=(
            Patch(
                "services/ledger/migrations/versions/0001_create_ledger.py",
                "    to_party text,\n",
                "    to_party text,\n    memo text,\n",
            ),
        ),
        tests=(_TESTS + "test_every_column_of_every_table_is_tried_or_is_no_part_of_the_books",),
    ),
    Case(
        name="journals-ahead-in-sql",
        protection="the database adds no journal where everything is settled, nor where nobody has drawn yet",
        change="the trigger never looks",
        patches=(
            Patch(
                "services/ledger/migrations/versions/0026_keep_journals_ahead.py",
                "FOR EACH STATEMENT EXECUTE FUNCTION journals_ahead();",
                "FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION journals_ahead();",
            ),
        ),
        tests=(_AHEAD + "test_the_application_puts_no_journal_where_nothing_may_appear",),
    ),
    Case(
        name="settled-sealed-in-sql",
        protection="the database settles no position over a journal that has no seal, nor one that nobody has drawn",
        change="the trigger never looks",
        patches=(
            Patch(
                "services/ledger/migrations/versions/0027_settle_what_is_sealed.py",
                "    WHEN (NEW.settled_position > OLD.settled_position) EXECUTE",
                "    WHEN (false) EXECUTE",
            ),
        ),
        tests=(_AHEAD + "test_the_application_settles_nothing_that_is_not_sealed",),
    ),
    Case(
        name="undrawn-position-awaited",
        protection="whoever books at a position that somebody else drew is awaited by the sealer, however slow",
        change="only those who drew positions count as writers",
        patches=(
            Patch(
                "services/ledger/adapters/seals.py",
                "relation IN ('journal_positions'::regclass, 'journals'::regclass)",
                "relation = 'journal_positions'::regclass",
            ),
        ),
        tests=(_AHEAD + "test_a_journal_at_a_position_that_somebody_else_drew_is_awaited_and_sealed",),
    ),
)
