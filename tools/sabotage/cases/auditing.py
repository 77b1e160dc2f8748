"""Sabotage of the audit of reconciliation: what is left, told, kept and booked of a line is looked at itself."""

from typing import Final

from tools.sabotage.case import Case, Patch

_OWN: Final = "tools/auditor/reconciliation.py"
_LEGS: Final = "tools/auditor/three_legs.py"
_SCHEMA: Final = "services/reconciliation/migrations/versions/0017_mark_what_was_told.py"
_TESTS: Final = "tools/tests/db/test_auditor_of_reconciliation.py::"
_GOES_RED: Final = _TESTS + "test_a_planted_figure_is_reported"
_KEPT: Final = _TESTS + "test_what_is_planted_in_suspense_or_in_a_closed_month_is_reported"
_ANNOUNCED: Final = "services/reconciliation/tests/db/test_announcing.py::"

AUDITING: Final = (
    Case(
        name="audited-nothing-unexplained",
        protection="an audit notices an item of ours that is due, is in no match, and in no break",
        change="it takes every item for one that is not due yet",
        patches=(
            Patch(_OWN, "i.standing = 'expected' AND i.due AND", "i.standing = 'expected' AND false AND"),
        ),
        tests=(_GOES_RED,),
    ),
    Case(
        name="audited-tellings",
        protection="an audit notices a telling whose words are not those that are kept",
        change="it counts tellings, and does not compare their words",
        patches=(Patch(_OWN, "count(*) <> 2 OR max(kept) IS NOT max(told)", "count(*) <> 2"),),
        tests=(_GOES_RED,),
    ),
    Case(
        name="audited-file-bytes",
        protection="an audit notices bytes of a file that are not those that its hash says",
        change="it compares only how many they are",
        patches=(Patch(_OWN, "s.sha IS NOT f.sha OR s.bytes", "s.bytes"),),
        tests=(_GOES_RED,),
    ),
    Case(
        name="audited-as-booked",
        protection="an audit notices a line or a bank's credit that is booked with other amounts than were told",
        change="it only looks whether it was told at all",
        patches=(Patch(_LEGS, "WHERE t.event_id IS NULL OR {_DIFFERS}", "WHERE t.event_id IS NULL"),),
        tests=(_GOES_RED,),
    ),
    Case(
        name="audited-unseen",
        protection="an audit takes nothing for unexplained that no run has looked at since it changed",
        change="it does not ask whether a run has seen the line",
        patches=(
            Patch(
                _OWN, """AND NOT {_UNSEEN.format("line", "l.line_key")} AND NOT {_NAMED""", "AND NOT {_NAMED"
            ),
        ),
        tests=(_TESTS + "test_what_no_run_has_seen_is_for_the_next_one",),
    ),
    Case(
        name="audited-suspense",
        protection="an audit notices money that a line leaves in suspense and that no break names",
        change="it does not compare the amounts",
        patches=(Patch(_LEGS, "HAVING sum(waits) <> sum(named)", "HAVING false"),),
        tests=(_KEPT,),
    ),
    Case(
        name="audited-days",
        protection="an audit notices days of a closed month that are not what the month was computed from",
        change="it compares no amounts",
        patches=(
            Patch(
                _OWN,
                "GROUP BY period, day, currency HAVING sum(kept) <> sum(closed)",
                "GROUP BY period, day, currency HAVING false",
            ),
        ),
        tests=(_KEPT,),
    ),
    Case(
        name="line-marked-as-told",
        protection="no reading of a line counts as told without the row that says by which event it was",
        change="the database takes everybody's word for it",
        patches=(
            Patch(
                _SCHEMA,
                "    IF NOT EXISTS (SELECT FROM announced_lines",
                "    IF false AND NOT EXISTS (SELECT FROM announced_lines",
            ),
        ),
        tests=(_ANNOUNCED + "test_a_line_is_marked_by_having_been_told_and_by_nothing_else",),
    ),
    Case(
        name="told-line-is-marked",
        protection="a reading of a line that was told is marked by that, and never replaced where it lies",
        change="the row marks nothing",
        patches=(Patch(_SCHEMA, "AND NOT l.announced'", "AND false'"),),
        tests=(_ANNOUNCED + "test_a_line_is_marked_by_having_been_told_and_by_nothing_else",),
    ),
)
