"""Sabotage of what people agree and decide in reconciliation: in twos, from then on, and exactly as it was seen."""

from typing import Final

from tools.sabotage.case import Case, Patch

_SCHEMA: Final = "services/reconciliation/migrations/versions/0007_agree_terms.py"
_AGREE: Final = "services/reconciliation/app/agree_terms.py"
_BULK: Final = "services/reconciliation/app/bulk_breaks.py"
_TERMS: Final = "services/reconciliation/tests/db/test_terms.py::"
_QUEUE: Final = "services/reconciliation/tests/db/test_break_queue.py::"
_MANY: Final = "services/reconciliation/tests/db/test_bulk_breaks.py::"

AGREEING: Final = (
    Case(
        name="terms-two-people",
        protection="a tolerance counts only where a second person approves it",
        change="whoever proposed it may approve it, in Python and in SQL",
        patches=(
            Patch(_AGREE, "    check_four_eyes(term.proposed_by, actor.name)\n", ""),
            Patch(_SCHEMA, "CHECK (state <> 'APPROVED' OR decided_by <> proposed_by)", "CHECK (true)"),
        ),
        tests=(_TERMS + "test_it_counts_once_a_second_person_approved_it_and_as_of_its_moment",),
    ),
    Case(
        name="terms-two-people-in-sql",
        protection="the database approves no term by its own proposer",
        change="it does",
        patches=(Patch(_SCHEMA, "CHECK (state <> 'APPROVED' OR decided_by <> proposed_by)", "CHECK (true)"),),
        tests=(_TERMS + "test_plain_sql_agrees_nothing_alone",),
    ),
    Case(
        name="terms-decided-once",
        protection="what was decided of a term stays decided",
        change="the trigger looks at new terms only",
        patches=(Patch(_SCHEMA, " OR TG_OP = 'UPDATE' AND OLD.state <> 'PROPOSED'", ""),),
        tests=(_TERMS + "test_a_decision_is_not_taken_back_in_sql",),
    ),
    Case(
        name="terms-never-before",
        protection="a term counts from its approval on, whatever moment it says",
        change="it counts from the moment that it says",
        patches=(
            Patch(
                _SCHEMA,
                "AND greatest(valid_from, decided_at) <= terms_as_of()",
                "AND valid_from <= terms_as_of()",
            ),
        ),
        tests=(_TERMS + "test_nothing_counts_from_before_it_was_approved_and_an_end_leaves_nothing",),
    ),
    Case(
        name="bulk-as-seen",
        protection="of many breaks only what a preview showed is done",
        change="the token is not looked at",
        patches=(Patch(_BULK, "if result.preview != preview:", "if False:"),),
        tests=(_MANY + "test_what_is_no_longer_what_was_seen_is_not_done",),
    ),
    Case(
        name="bulk-assign-as-seen",
        protection="many breaks are assigned to whom the preview showed",
        change="the token does not stand for whom",
        patches=(Patch(_BULK, "str(wanted.due_on), str(wanted.owner)]", "str(wanted.due_on)]"),),
        tests=(_QUEUE + "test_many_are_assigned_as_they_were_seen",),
    ),
    Case(
        name="assign-keeps-proposal",
        protection="whose a break is changes nothing of what was proposed and read of it",
        change="assigning counts as a change of the break",
        patches=(
            Patch(
                "services/reconciliation/adapters/breaks.py",
                "SET owner = %(owner)s WHERE",
                "SET owner = %(owner)s, changed_at = %(now)s WHERE",
            ),
        ),
        tests=(_QUEUE + "test_a_proposal_that_was_read_is_the_same_whoever_owns_the_break",),
    ),
    Case(
        name="break-queue-whole",
        protection="pages of the queue show every break once, also among those with the same money at risk",
        change="a page goes on behind the amount",
        patches=(
            Patch(
                "services/reconciliation/adapters/break_queue.py",
                "   AND ({RANK} < %(after_risk)s OR b.break_id > %(after_id)s)",
                "   AND {RANK} < %(after_risk)s",
            ),
        ),
        tests=(_QUEUE + "test_pages_show_everything_once_the_most_money_at_risk_first",),
    ),
)
