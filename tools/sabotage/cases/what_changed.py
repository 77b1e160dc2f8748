"""Sabotage of runs over what changed: nothing is lost beside a run, nobody waits for it, pieces come to the whole."""

from typing import Final

from tools.sabotage.case import Case, Patch

_SCHEMA: Final = "services/reconciliation/migrations/versions/0006_look_at_what_changed.py"
_SQL: Final = "services/reconciliation/adapters/matching_sql.py"
_CLAIMED: Final = "services/reconciliation/migrations/versions/0014_tell_what_was_announced.py"
_MATCHING: Final = "services/reconciliation/adapters/matching.py"
_FINDING: Final = "services/reconciliation/adapters/finding_breaks_sql.py"
_FILES: Final = "services/reconciliation/adapters/files.py"
_DB: Final = "services/reconciliation/tests/db/"
_BESIDE: Final = _DB + "test_beside_a_run.py::"
_GROUPS: Final = _DB + "test_groups.py::"
_IS_FULL: Final = _DB + "test_incremental_is_full.py::"

WHAT_CHANGED: Final = (
    Case(
        name="recon-touch-kept",
        protection="what changes while a run is at work is looked at by the next",
        change="touches of one line are merged into one row, which the run takes",
        patches=(
            Patch(
                _SCHEMA,
                "ALTER TABLE touched_lines DROP CONSTRAINT touched_lines_pkey,\n    ADD COLUMN former_object_id",
                "ALTER TABLE touched_lines ADD COLUMN former_object_id",
            ),
            Patch(
                _SCHEMA,
                "SELECT source, line_id, max(revision) = 1 FROM changed GROUP BY source, line_id;",
                "SELECT source, line_id, max(revision) = 1 FROM changed GROUP BY source, line_id"
                " ON CONFLICT DO NOTHING;",
            ),
            Patch(
                _SCHEMA,
                "o.fee_currency, o.fee_minor, o.net_currency, o.net_minor, o.occurred_at);",
                "o.fee_currency, o.fee_minor, o.net_currency, o.net_minor, o.occurred_at) ON CONFLICT DO NOTHING;",
            ),
            Patch(
                "services/reconciliation/migrations/checks/0006.sql",
                "WHERE relname IN ('touched_lines', 'touched_items')",
                "WHERE relname IN ('touched_items')",
            ),
        ),
        tests=(_BESIDE + "test_what_changes_beside_a_run_is_looked_at_by_the_next",),
    ),
    Case(
        name="recon-seen-is-seen",
        protection="what a run may have seen of a new line the next one does not take for unseen",
        change="it stays marked as fresh",
        patches=(Patch(_MATCHING, "        self._run_all(matching_sql.LEAVE_SEEN)\n", ""),),
        tests=(_BESIDE + "test_what_a_run_may_have_seen_counts_as_seen",),
    ),
    Case(
        name="recon-nobody-waits",
        protection="lines are announced beside a run that matched them",
        change="a line to be told of is one row, which the run holds",
        patches=(
            Patch(
                _SCHEMA,
                "    SELECT source, line_id FROM changed WHERE line_id IS NOT NULL ORDER BY source, line_id;",
                "    SELECT source, line_id FROM changed WHERE line_id IS NOT NULL ORDER BY source, line_id\n"
                "        ON CONFLICT (source, line_id) DO UPDATE SET line_id = excluded.line_id;",
            ),
            Patch(
                _CLAIMED,
                "              ORDER BY c.source, c.line_id';",
                "              ORDER BY c.source, c.line_id'\n"
                "        ' ON CONFLICT (source, line_id) DO UPDATE SET line_id = excluded.line_id';",
            ),
            Patch(
                _SCHEMA,
                "    ADD COLUMN nth bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;",
                "    ADD COLUMN nth bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ADD UNIQUE (source, line_id);",
            ),
        ),
        tests=(_BESIDE + "test_what_is_said_anew_of_a_line_is_announced_beside_a_run_that_matched_it",),
    ),
    Case(
        name="recon-claim-told",
        protection="a match of a line that was announced before is told",
        change="only announcing tells",
        patches=(Patch(_CLAIMED, "              WHERE EXISTS (", "              WHERE false AND EXISTS ("),),
        tests=(
            _DB + "test_exact_path.py::"
            "test_a_line_that_was_told_of_before_our_side_came_is_told_again_with_its_match",
        ),
    ),
    Case(
        name="recon-group-left",
        protection="a group that a line leaves is looked at again",
        change="only the groups that a line is in now are",
        patches=(
            Patch(_SQL, "\n    UNION\n    SELECT k FROM dirty_keys WHERE kind = '{one.key.value}'", ""),
        ),
        tests=(_GROUPS + "test_a_group_that_a_line_leaves_is_looked_at_again",),
    ),
    Case(
        name="recon-late-by-its-day",
        protection="a run over what changed finds what became late since the last one",
        change="it looks at what changed alone",
        patches=(
            Patch(
                _FINDING,
                "SELECT item_key FROM our_items WHERE expected_by > %(since)s AND expected_by <= %(as_of)s\nUNION ",
                "",
            ),
        ),
        tests=(
            _DB + "test_breaks_found.py::"
            "test_ours_alone_is_waited_for_then_late_then_missing_and_closes_when_its_line_comes",
        ),
    ),
    Case(
        name="recon-named-by-line",
        protection="a line that nobody claimed is looked at again when what it names changes",
        change="only lines that changed themselves are",
        patches=(
            Patch(
                _FINDING,
                "  JOIN matchable_lines AS l ON l.our_reference = named.name\n",
                "  JOIN matchable_lines AS l ON l.our_reference = named.name AND false\n",
            ),
        ),
        tests=(
            _GROUPS
            + "test_a_line_that_nobody_claimed_is_a_duplicate_once_another_is_claimed_for_its_operation",
        ),
    ),
    Case(
        name="recon-cost-of-change",
        protection="a run costs what changed, not what there is",
        change="every run over what changed looks at every line that stands",
        patches=(
            Patch(
                _FINDING,
                '    "/*of lines*/": "JOIN suspect_lines USING (source, line_id)",\n',
                '    "/*of lines*/": "",\n',
            ),
        ),
        tests=(_IS_FULL + "test_a_run_costs_what_changed_and_not_what_there_is",),
    ),
    Case(
        name="recon-upload-by-pieces",
        protection="a large file may take longer than a statement may",
        change="it is kept by one statement",
        patches=(
            Patch(_FILES, "number % CHUNKS_PER_STATEMENT == 0 or not", "not"),
            Patch(_FILES, "for _ in range(CHUNKS_PER_STATEMENT):", "for _ in range(1_000_000):"),
        ),
        tests=(
            _DB + "test_uploads_take_their_time.py::test_a_file_is_kept_some_chunks_a_statement_and_whole",
        ),
    ),
)
