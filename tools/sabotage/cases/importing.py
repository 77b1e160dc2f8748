"""Sabotage of imports: journals that are brought over from another ledger."""

from typing import Final

from tools.sabotage.case import Case, Patch

_MIGRATION = "services/ledger/migrations/versions/0013_import_journals.py"
_USE_CASE = "services/ledger/app/import_journals.py"
_PROPOSE = "services/ledger/app/propose_import.py"
_APPROVE_SQL = "services/ledger/migrations/versions/0018_approve_imports.py"
_SQL_TESTS = "services/ledger/tests/db/test_approving_imports.py::"
_TESTS = "services/ledger/tests/db/test_importing.py::"
_IN_SQL = "services/ledger/tests/db/test_imports_in_sql.py::"
_TWO_PEOPLE = "services/ledger/tests/unit/test_propose_import.py::"

IMPORTING: Final = (
    Case(
        name="import-four-eyes",
        protection="a file of journals is approved by somebody else than proposed it",
        change="whoever proposed it approves it",
        patches=(
            Patch(_PROPOSE, "        check_four_eyes(found.proposed_by, actor.name)\n", "        pass\n"),
        ),
        tests=(_TWO_PEOPLE + "test_one_proposes_and_another_approves",),
    ),
    Case(
        name="import-approved-first",
        protection="a file of journals is booked only once its digest is approved",
        change="a proposal is enough",
        patches=(Patch(_PROPOSE, "    if found.state is not DecisionState.APPROVED:", "    if False:"),),
        tests=(_TWO_PEOPLE + "test_one_proposes_and_another_approves",),
    ),
    Case(
        name="import-decided-once",
        protection="a proposal to bring journals over is decided once",
        change="what was rejected is approved, and the other way round",
        patches=(Patch(_PROPOSE, "    if state not in NEXT[found.state]:", "    if False:"),),
        tests=(_TWO_PEOPLE + "test_only_what_is_proposed_is_decided_and_once",),
    ),
    Case(
        name="import-totals-once",
        protection="the totals that are approved count a journal once, as it is booked once",
        change="a line that says the same again counts again",
        patches=(
            Patch(
                _USE_CASE,
                "        elif known != cause_id:\n",
                "        else:\n            add_debits(line, self.found.totals)\n"
                "        if known is not None and known != cause_id:\n",
            ),
        ),
        tests=(_TWO_PEOPLE + "test_totals_are_what_the_journals_of_a_file_debit_each_counted_once",),
    ),
    Case(
        name="import-four-eyes-in-sql",
        protection="SQL refuses a file of journals that is approved by whoever proposed it",
        change="the constraint is always true",
        patches=(
            Patch(
                _APPROVE_SQL,
                "CONSTRAINT import_proposals_four_eyes CHECK (state <> 'APPROVED' OR decided_by <> proposed_by)",
                "CONSTRAINT import_proposals_four_eyes CHECK (true)",
            ),
        ),
        tests=(_SQL_TESTS + "test_sql_refuses_a_proposal_that_one_person_decides_and_an_import_without_two",),
    ),
    Case(
        name="import-approved-in-sql",
        protection="SQL lets an import begin only of approved bytes",
        change="the trigger on imports never looks for the proposal",
        patches=(
            Patch(
                _APPROVE_SQL,
                "    IF NOT NEW.two_people OR NOT EXISTS (",
                "    IF false AND NOT EXISTS (",
            ),
        ),
        tests=(
            _SQL_TESTS + "test_sql_refuses_a_proposal_that_one_person_decides_and_an_import_without_two",
            _SQL_TESTS + "test_sql_refuses_to_decide_again_and_to_begin_something_else_than_was_approved",
        ),
    ),
    Case(
        name="import-decided-once-in-sql",
        protection="SQL lets a proposal be born proposed, and decided once",
        change="the trigger on proposals never refuses",
        patches=(
            Patch(
                _APPROVE_SQL,
                "    IF (TG_OP = 'INSERT' AND NEW.state <> 'PROPOSED') OR (TG_OP = 'UPDATE'",
                "    IF false AND (TG_OP = 'UPDATE'",
            ),
        ),
        tests=(
            _SQL_TESTS + "test_sql_refuses_to_decide_again_and_to_begin_something_else_than_was_approved",
        ),
    ),
    Case(
        name="import-proposed-once",
        protection="of the same bytes one proposal stands, however many people give them at once",
        change="the index is not unique, and nobody takes a turn",
        patches=(
            Patch(
                _APPROVE_SQL,
                "CREATE UNIQUE INDEX import_proposals_once",
                "CREATE INDEX import_proposals_once",
            ),
            Patch(
                "services/ledger/adapters/import_proposals.py",
                "        self._connection.exec_driver_sql(_TURN)\n",
                "",
            ),
        ),
        tests=(_SQL_TESTS + "test_sql_refuses_a_proposal_that_one_person_decides_and_an_import_without_two",),
    ),
    Case(
        name="import-all-or-nothing",
        protection="of a file with a bad line nothing is written",
        change="the refused lines are told and the rest is imported",
        patches=(
            Patch(
                "services/ledger/adapters/importing.py",
                "    if checked.refused or dry_run:\n",
                "    if dry_run:\n",
            ),
            Patch("services/ledger/adapters/importing.py", "    if checked.refused:\n", "    if False:\n"),
            Patch(
                "services/ledger/adapters/importing.py",
                "[_checked(line) for _, line in batch]",
                "[line for _, line in batch if not isinstance(line, LineRefused)]",
            ),
        ),
        tests=(_TESTS + "test_a_line_that_is_no_journal_is_named_and_nothing_is_written",),
    ),
    Case(
        name="import-same-id-same-content",
        protection="an id that is booked with other content is refused, in the check and while booking",
        change="whatever has its id counts as booked already",
        patches=(
            Patch(_USE_CASE, "if booked.get(fact_key, cause_id) != cause_id:", "if False:"),
            Patch(_USE_CASE, "        if known != cause_id:", "        if False:"),
        ),
        tests=(_TESTS + "test_one_id_with_two_contents_is_refused_in_a_file_and_against_the_books",),
    ),
    Case(
        name="import-unchanged-file",
        protection="what is booked is what was checked: a file that changes meanwhile is refused",
        change="the second reading is not held against the first",
        patches=(
            Patch(
                "services/ledger/adapters/import_files.py",
                "if next(expected, None) != digest:",
                "if next(expected, None) is None:",
            ),
        ),
        tests=(_TESTS + "test_a_file_that_changes_meanwhile_is_refused_before_the_changed_part_is_booked",),
    ),
    Case(
        name="import-of-an-act",
        protection="a journal of the rule for imports names one that somebody began and nobody finished",
        change="the trigger on journals never looks",
        patches=(Patch(_MIGRATION, "WHEN (NEW.rule = 'imported')", "WHEN (false)"),),
        tests=(_IN_SQL + "test_sql_refuses_a_journal_of_an_import_that_nobody_began_or_that_is_done",),
    ),
    Case(
        name="import-counted",
        protection="an import is begun once, finished once, and then counts its journals",
        change="the trigger on imports never refuses",
        patches=(
            Patch(
                _MIGRATION,
                "    IF (TG_OP = 'INSERT' AND NEW.finished_at",
                "    IF false AND (TG_OP = 'INSERT' AND NEW.finished_at",
            ),
            Patch(_MIGRATION, "(TG_OP = 'UPDATE' AND OLD.finished_at IS NOT NULL)", "false"),
            Patch(
                _MIGRATION,
                "(TG_OP = 'UPDATE' AND NEW.booked IS DISTINCT",
                "(false AND NEW.booked IS DISTINCT",
            ),
        ),
        tests=(
            _IN_SQL + "test_sql_refuses_to_change_what_an_import_was",
            _IN_SQL + "test_sql_refuses_an_import_that_is_finished_with_another_number_of_journals",
        ),
    ),
)
