"""Sabotage of adjustments: money moves by hand only by two people, by template, above a floor, and is reversed once."""

from typing import Final

from tools.sabotage.case import Case, Patch

_USE_CASES: Final = "services/ledger/app/adjust_books.py"
_STORE: Final = "services/ledger/adapters/adjustments.py"
_SCHEMA: Final = "services/ledger/migrations/versions/0010_adjust_books.py"
_AUDITED: Final = "tools/auditor/adjustments.py"
_GOES_RED: Final = "tools/tests/db/test_auditor_goes_red.py::test_a_planted_manual_journal_is_reported"
_TESTS: Final = "services/ledger/tests/db/test_adjustments.py::"

ADJUSTING: Final = (
    Case(
        name="adjustment-four-eyes",
        protection="whoever proposed an adjustment is told that somebody else has to approve it",
        change="the use case does not compare them",
        patches=(Patch(_USE_CASES, "    check_four_eyes(adjustment.proposed_by, actor.name)\n", ""),),
        tests=(_TESTS + "test_nothing_is_booked_before_a_second_person_approves",),
    ),
    Case(
        name="adjustment-four-eyes-in-sql",
        protection="the database keeps whoever proposed an adjustment from approving it",
        change="the CHECK is gone",
        patches=(Patch(_SCHEMA, "CHECK (state <> 'APPROVED' OR decided_by <> proposed_by)", "CHECK (true)"),),
        tests=(_TESTS + "test_plain_sql_is_refused_what_python_refuses",),
    ),
    Case(
        name="adjustment-approved-journals",
        protection="no journal of an adjustment's rule stands without an approved adjustment",
        change="the trigger on journals lets every rule pass",
        patches=(Patch(_SCHEMA, "WHEN (NEW.rule LIKE 'adjustment:%')", "WHEN (false)"),),
        tests=(_TESTS + "test_plain_sql_is_refused_what_python_refuses",),
    ),
    Case(
        name="adjustment-decided-once",
        protection="a decided adjustment is never decided again",
        change="the trigger looks at new ones only",
        patches=(Patch(_SCHEMA, " OR (TG_OP = 'UPDATE' AND OLD.state <> 'PROPOSED')", ""),),
        tests=(_TESTS + "test_plain_sql_is_refused_what_python_refuses",),
    ),
    Case(
        name="adjustment-append-only",
        protection="nothing of an adjustment but its decision ever changes",
        change="its amount may be updated, too",
        patches=(Patch(_SCHEMA, 'LIFE = ("state",', 'LIFE = ("amount_minor", "state",'),),
        tests=(_TESTS + "test_plain_sql_is_refused_what_python_refuses",),
    ),
    Case(
        name="floor-in-turn",
        protection="payouts of one account take turns, so that together they never go below zero",
        change="Python takes no turn",
        patches=(Patch(_USE_CASES, '    work.adjustments.take_turns([":".join(account)])\n', ""),),
        tests=(_TESTS + "test_payouts_approved_at_once_never_go_below_zero",),
    ),
    Case(
        name="floor-in-sql",
        protection="the database keeps a payout from going below zero",
        change="the trigger takes every balance",
        patches=(Patch(_SCHEMA, "    IF left_minor < 0 THEN\n", "    IF false THEN\n"),),
        tests=(_TESTS + "test_the_database_keeps_the_floor_by_itself",),
    ),
    Case(
        name="floor-counts-clocks-ahead",
        protection="a payout booked by a clock ahead of ours counts for the next one",
        change="only what took effect before our own now counts",
        patches=(
            Patch(
                _STORE,
                "until = self._now if last is None else max(self._now, last + timedelta(microseconds=1))",
                "until = self._now",
            ),
        ),
        tests=(_TESTS + "test_a_payout_of_a_clock_ahead_of_ours_is_not_hidden_by_money_of_a_far_day",),
    ),
    Case(
        name="adjustment-clears-what-is-open",
        protection="an adjustment takes a clearing key towards zero, and never past it",
        change="what is open is not looked at",
        patches=(Patch(_USE_CASES, "    if open_minor < adjustment.amount_minor:\n", "    if False:\n"),),
        tests=(_TESTS + "test_a_refund_astray_gets_its_way_out_of_suspense",),
    ),
    Case(
        name="adjustment-audited-as-approved",
        protection="an audit notices a manual journal that is not what was approved",
        change="whose money it moved is not compared",
        patches=(
            Patch(_AUDITED, "e.family = 'merchant_available' AND e.owner IS NOT a.merchant_id", "false"),
        ),
        tests=(_GOES_RED,),
    ),
    Case(
        name="adjustment-audited-by-two",
        protection="an audit notices a manual journal that the same person proposed and approved, by what was told",
        change="who told the proposal is not looked at",
        patches=(Patch(_AUDITED, "p.actor IS NOT a.proposed_by", "false"),),
        tests=(_GOES_RED,),
    ),
    Case(
        name="adjustment-audited-cause",
        protection="an audit excuses only manual journals from having been told by payment",
        change="every event that comes with reports is taken for a cause",
        patches=(Patch("tools/auditor/books.py", " AND s.handling = 'handled' AND s.", " AND s."),),
        tests=(_GOES_RED,),
    ),
    Case(
        name="adjustment-own-entries",
        protection="an approved adjustment stands for the two entries that were proposed",
        change="the trigger does not compare their amounts",
        patches=(Patch(_SCHEMA, "e.amount_minor <> NEW.amount_minor OR a.family", "a.family"),),
        tests=(_TESTS + "test_an_adjustment_stands_for_no_other_journal_than_its_own",),
    ),
    Case(
        name="floor-looks-again",
        protection="a payout that a refund overtook is refused by its code, not as a fault of ours",
        change="the trigger's error is none that is tried again",
        patches=(Patch(_SCHEMA, "'serialization_failure'", "'integrity_constraint_violation'"),),
        tests=(_TESTS + "test_a_payout_beside_a_refund_is_refused_by_its_code",),
    ),
    Case(
        name="floor-behind-snapshots",
        protection="the floor counts what was sealed late once, whatever is folded",
        change="every entry behind the snapshot's settled position counts",
        patches=(Patch(_SCHEMA, "AND (s.position IS NULL OR s.position > coalesce(b.position, 0))", ""),),
        tests=(_TESTS + "test_the_database_reads_the_floor_behind_a_snapshot",),
    ),
    Case(
        name="stray-key-is-payments",
        protection="no adjustment gives the money of a stray away, which payment returns or accepts",
        change="its key is taken like any other",
        patches=(
            Patch(
                "services/ledger/domain/adjustment_templates.py",
                'STRAY_PREFIX: Final = "str_"',
                'STRAY_PREFIX: Final = "none"',
            ),
        ),
        tests=(
            "services/ledger/tests/unit/test_adjustments.py::test_only_payment_gives_the_money_of_a_stray_away",
        ),
    ),
    Case(
        name="adjusted-accounts-are-known",
        protection="an adjustment by hand opens no account of an owner whom the books do not know",
        change="nobody looks whether there is any",
        patches=(
            Patch(
                "services/ledger/domain/adjustments.py",
                "    if not held:\n        raise _refused(",
                "    if False:\n        raise _refused(",
            ),
            Patch(
                "services/ledger/domain/adjustments.py",
                "    if proposed.currency not in held and ",
                "    if held and proposed.currency not in held and ",
            ),
        ),
        tests=(
            "services/ledger/tests/db/test_refusals_change_nothing.py::test_an_account_that_nobody_has_is_not_opened_by_a_slip_of_the_pen",
            "services/ledger/tests/db/test_refusals_change_nothing.py::test_what_was_proposed_of_nobody_is_not_approved_either",
        ),
    ),
    Case(
        name="no-more-than-owed",
        protection="no more is written off of a merchant, or cleared of roundings, than stands there",
        change="nobody looks what is owed",
        patches=(
            Patch("services/ledger/app/adjust_books.py", "        _check_owed(adjustment, work)\n", ""),
        ),
        tests=(
            "services/ledger/tests/db/test_writing_off.py::test_no_more_is_written_off_than_a_merchant_owes",
            "services/ledger/tests/db/test_writing_off.py::test_nothing_is_written_off_of_a_merchant_who_has_money",
            "services/ledger/tests/db/test_writing_off.py::test_no_rounding_is_cleared_that_is_not_there",
        ),
    ),
)
