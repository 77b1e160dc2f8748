"""Sabotage of matches by hand: in twos, of what was read, coming out, once, and the same in every run."""

from typing import Final

from tools.sabotage.case import Case, Patch

_SCHEMA: Final = "services/reconciliation/migrations/versions/0019_match_by_hand.py"
_APP: Final = "services/reconciliation/app/match_by_hand.py"
_DOMAIN: Final = "services/reconciliation/domain/hand_matches.py"
_MATCH_SQL: Final = "services/reconciliation/adapters/hand_matching_sql.py"
_MATCHER: Final = "services/reconciliation/adapters/matching.py"
_TESTS: Final = "services/reconciliation/tests/db/test_match_by_hand.py::"
_IN_SQL: Final = "services/reconciliation/tests/db/test_hand_matches_in_sql.py::"
_UNIT: Final = "services/reconciliation/tests/unit/test_hand_matches.py::"
_RECOMPUTE: Final = "services/reconciliation/tests/db/test_recompute.py::"
_TWO: Final = "    check_four_eyes(stored.proposed_by, actor.name)\n"
_TWO_IN_SQL: Final = "CHECK (approved_by <> proposed_by)"
_BACK: Final = "    check_four_eyes(stored.back_proposed_by or actor.name, actor.name)\n"
_BACK_IN_SQL: Final = "CHECK (back_approved_by <> back_proposed_by)"
_AS_AGREED: Final = _IN_SQL + "test_plain_sql_changes_nothing_that_was_agreed"

BY_HAND: Final = (
    Case(
        name="hand-two-people",
        protection="a line is matched by hand only where a second person approves it",
        change="whoever proposed it may approve it, in Python and in SQL",
        patches=(Patch(_APP, _TWO, ""), Patch(_SCHEMA, _TWO_IN_SQL, "CHECK (true)")),
        tests=(_TESTS + "test_whoever_proposed_it_does_not_approve_it",),
    ),
    Case(
        name="hand-two-people-in-sql",
        protection="the database approves no match by hand by its own proposer",
        change="it does",
        patches=(Patch(_SCHEMA, _TWO_IN_SQL, "CHECK (true)"),),
        tests=(_IN_SQL + "test_plain_sql_approves_nothing_alone_and_nothing_that_does_not_come_out",),
    ),
    Case(
        name="hand-back-two-people",
        protection="a match by hand is taken back only where a second person approves that",
        change="whoever proposed to take it back may approve it, in Python and in SQL",
        patches=(Patch(_APP, _BACK, ""), Patch(_SCHEMA, _BACK_IN_SQL, "CHECK (true)")),
        tests=(_TESTS + "test_two_people_take_it_back_and_its_history_says_so",),
    ),
    Case(
        name="hand-held-once",
        protection="a line and an item are in one match by hand at a time, whoever writes",
        change="the unique indexes are plain ones",
        patches=(
            Patch(_SCHEMA, "UNIQUE INDEX hand_match_lines_once", "INDEX hand_match_lines_once"),
            Patch(_SCHEMA, "UNIQUE INDEX hand_match_items_once", "INDEX hand_match_items_once"),
        ),
        tests=(_IN_SQL + "test_plain_sql_holds_nothing_twice",),
    ),
    Case(
        name="hand-comes-out",
        protection="what is matched by hand differs by no more than is agreed: it is no write-off",
        change="any difference is taken",
        patches=(Patch(_DOMAIN, "    if abs(differs) > pair.tolerance_minor:", "    if False:"),),
        tests=(_UNIT + "test_it_is_refused_exactly_where_it_differs_by_more_than_is_agreed",),
    ),
    Case(
        name="hand-comes-out-in-sql",
        protection="the database approves no match by hand that differs by more than is agreed",
        change="it looks at no difference",
        patches=(Patch(_SCHEMA, " OR abs(theirs - ours) > may_differ THEN", " THEN"),),
        tests=(_IN_SQL + "test_plain_sql_approves_nothing_alone_and_nothing_that_does_not_come_out",),
    ),
    Case(
        name="hand-difference-looked-at",
        protection="a match by hand whose difference is agreed no more is a break",
        change="breaks are looked for only where a rule says that money differs",
        patches=(
            Patch(
                "services/reconciliation/adapters/finding_breaks_sql.py",
                " OR s.rule_rank = {BY_HAND.rank}",
                "",
            ),
        ),
        tests=(_TESTS + "test_a_difference_that_is_tolerated_no_more_is_a_break",),
    ),
    Case(
        name="hand-in-every-run",
        protection="what was agreed by hand is matched by a run over everything, too",
        change="only a run over what changed looks at it",
        patches=(
            Patch(
                _MATCH_SQL, 'PAIR_ALL: Final = _PAIR.format(among="")', "PAIR_ALL: Final = BY_HAND_STATEMENTS.pair"
            ),
        ),
        tests=(_TESTS + "test_two_people_match_it_and_every_run_does",),
    ),
    Case(
        name="hand-before-every-rule",
        protection="no rule claims what was claimed by hand",
        change="the first rule takes both sides as if nothing were claimed",
        patches=(
            Patch(_MATCHER, "first = matching_sql.PAIR_THE_REST if by_hand else ", "first = "),
        ),
        tests=(_TESTS + "test_a_line_that_came_after_it_was_agreed_changes_nothing_of_it",),
    ),
    Case(
        name="hand-of-what-was-read",
        protection="an amended line undoes a match by hand, whatever it says afterwards",
        change="it is matched as it stands by now",
        patches=(
            Patch(_MATCH_SQL, "AND (NOT l.stands OR l.withdrawn))", "AND false)"),
            Patch(_MATCH_SQL, "USING (source, line_id, revision)", "USING (source, line_id)"),
        ),
        tests=(_TESTS + "test_an_amended_line_undoes_it_whatever_it_says_afterwards",),
    ),
    Case(
        name="hand-approved-as-read",
        protection="a match by hand is approved of what was read when it was proposed",
        change="nobody compares",
        patches=(Patch(_APP, "        if changed:\n", "        if False:\n"),),
        tests=(_TESTS + "test_what_was_amended_since_it_was_read_is_not_approved",),
    ),
    Case(
        name="hand-takes-no-exact-match",
        protection="what a rule matched exactly is not paired otherwise by hand",
        change="it is",
        patches=(Patch(_DOMAIN, "member.rule_rank < DIFFERS_FROM_RANK:", "member.rule_rank < 0:"),),
        tests=(
            _UNIT + "test_what_is_settled_otherwise_is_refused_on_either_side",
            _TESTS + "test_a_rules_exact_match_is_not_taken_away_but_one_that_differs_is",
        ),
    ),
    Case(
        name="hand-or-asked-elsewhere",
        protection="what waits to be matched by hand is not booked or given back as well",
        change="nobody looks whether it waits, in Python and in SQL",
        patches=(
            Patch(
                "services/reconciliation/app/approve_break.py", "    if hand_match is not None:", "    if False:"
            ),
            Patch(_SCHEMA, "IF awaited_hand_match(NEW.subject) IS NOT NULL THEN", "IF false THEN"),
        ),
        tests=(_TESTS + "test_what_waits_to_be_matched_by_hand_is_not_asked_for_elsewhere",),
    ),
    Case(
        name="hand-members-stay",
        protection="nothing is added to a match by hand that was decided",
        change="it may be",
        patches=(Patch(_SCHEMA, "    IF NOT FOUND OR NOT NEW.holds THEN", "    IF NOT NEW.holds THEN"),),
        tests=(_AS_AGREED,),
    ),
    Case(
        name="hand-steps",
        protection="a match by hand takes only the steps of its table",
        change="the database also lets it be taken back at once",
        patches=(
            Patch(
                _SCHEMA, "('APPROVED', 'BACK_PROPOSED'), ", "('APPROVED', 'BACK_PROPOSED'), ('APPROVED', 'TAKEN_BACK'),"
            ),
        ),
        tests=(_AS_AGREED,),
    ),
    Case(
        name="hand-recomputed",
        protection="a closed month is computed again with the matches by hand that it was closed with",
        change="they are not taken from the close",
        patches=(
            Patch("services/reconciliation/adapters/recomputing.py", '    "hand_match_lines",\n', ""),
        ),
        tests=(_RECOMPUTE + "test_a_match_by_hand_is_part_of_what_was_closed_whatever_became_of_it",),
    ),
    Case(
        name="audited-by-hand",
        protection="an audit notices a match by hand that nobody agreed so",
        change="it takes every match by hand for an agreed one",
        patches=(
            Patch(
                "tools/auditor/reconciliation.py", "WHERE c.rule = 'by_hand' AND NOT", "WHERE false AND NOT"
            ),
        ),
        tests=("tools/tests/db/test_auditor_of_reconciliation.py::test_a_planted_figure_is_reported",),
    ),
)  # fmt: skip
