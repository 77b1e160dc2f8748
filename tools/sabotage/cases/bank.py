"""Sabotage of the bank's side: what corrects a statement, whose it is, and which payout a line names."""

from typing import Final

from tools.sabotage.case import Case, Patch

_STAGING: Final = "services/reconciliation/adapters/staging_bank_sql.py"
_ALLOCATING: Final = "services/reconciliation/adapters/allocating.py"
_STAGE: Final = "services/reconciliation/app/stage_file.py"
_SOURCES: Final = "services/reconciliation/domain/sources.py"
_STATEMENTS: Final = "services/reconciliation/tests/db/test_statements.py::"
_PARTS: Final = "services/reconciliation/tests/db/test_statement_parts.py::"
_READER: Final = "services/reconciliation/adapters/readers/mt940.py"
_GAPS: Final = "services/reconciliation/migrations/versions/0023_follow_parts_of_statements.py"
_NAMED: Final = "services/reconciliation/tests/db/test_allocating_by_reference.py::"
_OPTIONS: Final = "services/reconciliation/tests/unit/test_sources.py::"

BANK: Final = (
    Case(
        name="bank-same-statement",
        protection="only the same statement, with the same opening balance, takes lines of it away",
        change="whatever has its number does",
        patches=(
            Patch(
                _STAGING,
                "(e.account_number, e.statement_id, e.sequence, e.currency, e.opening_on)\n"
                "     = (h.account_number, h.statement_id, h.sequence, h.currency, h.opening_on)\n"
                "   AND (e.opening_minor = h.opening_minor OR NOT h.opens)\n",
                "(e.account_number, e.statement_id) = (h.account_number, h.statement_id)\n",
            ),
        ),
        tests=(_STATEMENTS + "test_what_is_not_the_same_statement_or_not_whole_takes_nothing_away",),
    ),
    Case(
        name="bank-part-corrects",
        protection="a part behind the first corrects its own, also as the part before it was corrected",
        change="it has to begin with the balance that it began with",
        patches=(Patch(_STAGING, " OR NOT h.opens)", ")"),),
        tests=(_PARTS + "test_a_corrected_part_takes_away_what_it_leaves_out_and_the_next_one_follows_it",),
    ),
    Case(
        name="bank-same-part",
        protection="a part is corrected only by one that begins and ends as it does",
        change="by any of its number",
        patches=(
            Patch(
                _STAGING,
                "\n   AND (coalesce(e.opens, true), coalesce(e.closes, true))"
                " = (coalesce(h.opens, true), coalesce(h.closes, true))",
                "",
            ),
        ),
        tests=(_PARTS + "test_what_is_not_the_same_part_or_not_whole_takes_nothing_away",),
    ),
    Case(
        name="bank-parts-of-a-file",
        protection="parts of one file that do not go on from each other correct nothing",
        change="their balances are not compared",
        patches=(Patch(_READER, "            yield from continued(self._former, head)\n", ""),),
        tests=(_PARTS + "test_parts_of_one_file_that_do_not_go_on_correct_nothing",),
    ),
    Case(
        name="bank-part-goes-on",
        protection="a part that begins elsewhere than another ended is named",
        change="a part beside it is enough",
        patches=(Patch(_GAPS, "n.ends OR n.minor IS DISTINCT FROM e.minor", "n.part IS NULL"),),
        tests=(_PARTS + "test_a_part_that_goes_on_elsewhere_is_named_with_what_was_found",),
    ),
    Case(
        name="bank-part-missing",
        protection="a part that did not come is named",
        change="only parts that came are compared",
        patches=(Patch(_GAPS, "n.minor IS DISTINCT FROM e.minor", "n.minor <> e.minor"),),
        tests=(_PARTS + "test_a_part_that_did_not_come_is_named_by_the_balances_beside_it",),
    ),
    Case(
        name="bank-whole-corrects",
        protection="only a statement whose entries come to its balances takes lines of an earlier one away",
        change="every one that is the same does",
        patches=(Patch(_STAGING, "p.whole AND NOT p.overtaken", "NOT p.overtaken"),),
        tests=(_STATEMENTS + "test_what_is_not_the_same_statement_or_not_whole_takes_nothing_away",),
    ),
    Case(
        name="bank-mt940-made-at",
        protection="a statement in MT940 was made when its own time says, and the newer one holds",
        change="nobody reads when",
        patches=(
            Patch(
                "services/reconciliation/adapters/readers/mt940_statements.py",
                "            created_at=self._made_at,\n",
                "            created_at=None,\n",
            ),
        ),
        tests=(_STATEMENTS + "test_where_the_bank_says_when_it_made_them_the_last_one_holds_in_any_order",),
    ),
    Case(
        name="bank-newer-holds",
        protection="a statement that the bank made before one that is here already changes nothing",
        change="the one that came last holds",
        patches=(Patch(_STAGING, "WHERE e.created_at > h.created_at", "WHERE false"),),
        tests=(_STATEMENTS + "test_where_the_bank_says_when_it_made_them_the_last_one_holds_in_any_order",),
    ),
    Case(
        name="bank-own-account",
        protection="a statement of another account than its source's is refused",
        change="it is read as the source's",
        patches=(Patch(_STAGE, "if not same_account(", "if False and not same_account("),),
        tests=(
            _STATEMENTS + "test_a_statement_of_another_account_is_refused_with_the_field_and_the_account",
        ),
    ),
    Case(
        name="bank-short-reference",
        protection="a number that banks use themselves names a payout only with its amount",
        change="it counts with any amount",
        patches=(Patch(_ALLOCATING, "OR abs(n.net_minor) = abs(l.amount_minor)", "OR true"),),
        tests=(_NAMED + "test_a_number_of_the_banks_own_is_not_the_batch_of_the_same_number",),
    ),
    Case(
        name="bank-whole-reference",
        protection="a whole reference goes before a word within another",
        change="both count alike",
        patches=(Patch(_ALLOCATING, "WHERE whole OR NOT any_whole", "WHERE true"),),
        tests=(_NAMED + "test_a_whole_reference_goes_before_a_word_within_one",),
    ),
    Case(
        name="bank-options-known",
        protection="a mistyped option of a source is refused with the names that are known",
        change="it is passed over",
        patches=(Patch(_SOURCES, "if name not in known:", "if False:"),),
        tests=(_OPTIONS + "test_a_mistyped_option_is_refused_with_the_names_that_are_known",),
    ),
)
