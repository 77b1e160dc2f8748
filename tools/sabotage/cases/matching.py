"""Sabotage of reconciliation's matching: claimed once, the same in pieces, told once, resolved by two people."""

from typing import Final

from tools.sabotage.case import Case, Patch

_SCHEMA: Final = "services/reconciliation/migrations/versions/0002_match_three_legs.py"
_SEVERAL: Final = "services/reconciliation/migrations/versions/0021_find_a_match_by_its_claims.py"
_SQL: Final = "services/reconciliation/adapters/matching_sql.py"
_ITEMS: Final = "services/reconciliation/adapters/our_items.py"
_DECISIONS: Final = "shared/kernel/decisions.py"
_TELLING: Final = "services/reconciliation/adapters/telling_matches.py"
_ALLOCATING: Final = "services/reconciliation/adapters/allocating.py"
_DB: Final = "services/reconciliation/tests/db/"
_ANY_ORDER: Final = (
    _DB + "test_any_order.py::test_run_in_pieces_it_comes_to_what_one_run_over_everything_comes_to"
)
_TAKEN_BACK: Final = _DB + "test_matches_taken_back.py::"
_CLAIMED_ONCE: Final = _DB + "test_breaks_found.py::test_an_item_and_a_line_are_claimed_once_whoever_writes"

MATCHING: Final = (
    Case(
        name="recon-line-claimed-once",
        protection="the database lets a line be claimed once, whoever writes",
        change="the unique index on lines is a plain one",
        patches=(Patch(_SCHEMA, "CREATE UNIQUE INDEX claims_of_line ON", "CREATE INDEX claims_of_line ON"),),
        tests=(_CLAIMED_ONCE,),
    ),
    Case(
        name="recon-item-claimed-once",
        protection="the database lets an item of ours be claimed once, whoever writes",
        change="the unique index on items is a plain one",
        patches=(Patch(_SCHEMA, "CREATE UNIQUE INDEX claims_of_item ON", "CREATE INDEX claims_of_item ON"),),
        tests=(_CLAIMED_ONCE,),
    ),
    Case(
        name="recon-claims-of-two",
        protection="a claim that names one side is of a match that is looked up by all of its claims",
        change="any rule may make a claim of one side",
        patches=(Patch(_SEVERAL, "CHECK (\n    rule_rank IN (5, 50, 60) OR", "CHECK (\n    true OR"),),
        tests=(_DB + "test_breaks_found.py::test_only_a_match_of_several_has_rows_that_name_one_side",),
    ),
    Case(
        name="recon-weaker-released",
        protection="what a stronger rule could claim is released by the weaker one first: pieces come to the whole",
        change="whatever is claimed stays claimed",
        patches=(Patch(_SQL, "OR c.rule_rank >= {one.rank}) AND i.standing", "OR false) AND i.standing"),),
        tests=(_ANY_ORDER,),
    ),
    Case(
        name="recon-stronger-word",
        protection="of two words about one item the stronger holds, in whichever order they came",
        change="the last word holds",
        patches=(
            Patch(
                _ITEMS,
                " WHERE (-excluded.rank, excluded.event_id) < (-known.rank, known.event_id)\n",
                "",
            ),
        ),
        tests=(
            _DB + "test_our_side.py::test_in_any_order_and_pieces_the_database_holds_what_the_domain_says",
        ),
    ),
    Case(
        name="recon-match-told-once",
        protection="a match is told once, and again only where it became another",
        change="every line that is looked at is told",
        patches=(
            Patch(
                _TELLING,
                "   AND (i.payment_id, i.object_id) IS DISTINCT FROM (t.payment_id, t.object_id)\n",
                "   AND (i.payment_id, i.object_id) IS NOT NULL\n",
            ),
        ),
        tests=(_DB + "test_exact_path.py::test_a_second_run_tells_nothing_and_changes_nothing",),
    ),
    Case(
        name="recon-match-taken-back",
        protection="a match that was told and goes away is told, once",
        change="lines that a run leaves without a match are not looked at",
        patches=(
            Patch(
                "services/reconciliation/adapters/matching.py",
                "        self._run(matching_sql.HAVE_LEFT_TOLD)\n",
                "",
            ),
        ),
        tests=(_TAKEN_BACK + "test_a_match_that_another_line_takes_is_taken_back_once",),
    ),
    Case(
        name="recon-taken-back-after-a-run",
        protection="nothing is taken back before a run has seen the line and the item as they are now",
        change="nothing is waited for",
        patches=(
            Patch(
                _TELLING,
                "EXISTS (SELECT FROM unseen AS u WHERE",
                "false AND EXISTS (SELECT FROM unseen AS u WHERE",
            ),
            Patch(_TELLING, "OR i.payment_id IS NULL AND EXISTS (\n", "OR false AND EXISTS (\n"),
        ),
        tests=(
            _TAKEN_BACK + "test_nothing_is_taken_back_before_a_run_has_seen_the_line",
            _TAKEN_BACK + "test_nothing_is_taken_back_before_a_run_has_seen_the_item",
        ),
    ),
    Case(
        name="payment-match-taken-back",
        protection="a line whose match was taken back settles nothing",
        change="it stays with the payment that it was matched to",
        patches=(
            Patch(
                "services/payment/entrypoints/settlement.py",
                "isinstance(told, SettlementLineUnmatchedV1)",
                "told is None",
            ),
        ),
        tests=(
            "services/payment/tests/db/test_settlement.py::test_a_match_that_is_taken_back_settles_nothing_any_more",
        ),
    ),
    Case(
        name="recon-credit-told-once",
        protection="of a bank's credit only the difference to what was told is told",
        change="what is wanted is told by every run",
        patches=(
            Patch(
                _ALLOCATING,
                "(coalesce(w.amount_minor, 0) - coalesce(t.amount_minor, 0))::bigint AS amount_minor,",
                "coalesce(w.amount_minor, 0)::bigint AS amount_minor,",
            ),
            Patch(
                _ALLOCATING,
                " WHERE coalesce(w.amount_minor, 0) <> coalesce(t.amount_minor, 0)\n",
                " WHERE w.amount_minor <> 0\n",
            ),
        ),
        tests=(_DB + "test_exact_path.py::test_a_second_run_tells_nothing_and_changes_nothing",),
    ),
    Case(
        name="recon-two-people",
        protection="a difference is given up only where a second person agrees",
        change="whoever proposed it may approve it, in Python and in SQL",
        patches=(
            Patch(_DECISIONS, "    if proposed_by == approved_by:\n", "    if False:\n"),
            Patch(
                _SCHEMA,
                "CONSTRAINT breaks_four_eyes CHECK (approved_by <> proposed_by)",
                "CONSTRAINT breaks_four_eyes CHECK (true)",
            ),
        ),
        tests=(
            _DB + "test_break_desk.py::"
            "test_a_difference_is_accepted_by_two_people_and_opens_again_when_it_changes",
        ),
    ),
    Case(
        name="recon-break-steps",
        protection="the database lets a break take only the steps of its table",
        change="it may go from any state to any other",
        patches=(
            Patch(
                _SCHEMA,
                "ELSIF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN\n",
                "ELSIF false AND (OLD.state, NEW.state) NOT IN\n",
            ),
        ),
        tests=(_DB + "test_break_desk.py::test_plain_sql_takes_no_step_that_the_table_does_not_list",),
    ),
)
