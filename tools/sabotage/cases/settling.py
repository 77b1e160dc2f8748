"""Sabotage of settlement in the books: revisions, matches, what is taken back, rates, and pages of what is open."""

from typing import Final

from tools.sabotage.case import Case, Patch

_POSTING: Final = "services/ledger/domain/posting.py"
_LINES: Final = "services/ledger/domain/settlement_lines.py"
_CLEARING: Final = "services/ledger/adapters/clearing.py"
_SETTLING_TESTS: Final = "services/ledger/tests/db/test_settling.py::"
_BOUNDS_TESTS: Final = "services/ledger/tests/unit/test_bounds.py::"
_LINES_TESTS: Final = "services/ledger/tests/unit/test_settlement_lines.py::"
_CLEARING_TESTS: Final = "services/ledger/tests/db/test_clearing.py::"
_PAGES: Final = "services/ledger/app/pages.py"
_PAGES_TESTS: Final = "services/ledger/tests/db/test_pages.py::"

SETTLING: Final = (
    Case(
        name="first-reading-only",
        protection="a line is accepted in its first revision; any other is an amendment that names what it amends",
        change="any revision is a first reading",
        patches=(Patch(_LINES, '    if fields["revision"] != 1:\n', "    if False:\n"),),
        tests=(_LINES_TESTS + "test_a_second_revision_is_no_first_reading",),
    ),
    Case(
        name="moves-its-way",
        protection="what moves money moves some, and its way: zero and less are poison, not another booking",
        change="an amount may be anything",
        patches=(Patch(_POSTING, "    check_bound(row, fields)\n", ""),),
        tests=(_BOUNDS_TESTS + "test_whatever_moves_money_is_refused_where_it_moves_none_or_the_other_way",),
    ),
    Case(
        name="amended-long-before",
        protection="what an amendment names is found however many revisions lie between",
        change="only the last hundred are looked at",
        patches=(Patch(_LINES, " | ({amended} if amended else set())", ""),),
        tests=(_SETTLING_TESTS + "test_what_was_amended_long_before_is_still_found",),
    ),
    Case(
        name="amended-from-its-day",
        protection="by effect an amended line stands once: its reversal takes effect when it did",
        change="the reversal takes effect with the amendment",
        patches=(Patch(_POSTING, "        at = original.told_at\n", "        at = effective_at\n"),),
        tests=(
            _SETTLING_TESTS
            + "test_by_effect_a_line_that_was_amended_stands_once_and_from_the_day_it_says_now",
        ),
    ),
    Case(
        name="taken-back-from-the-start",
        protection="what was made available and taken back was by effect never available",
        change="it is taken back from when that was told",
        patches=(Patch(_POSTING, "at = original.told_at if row.from_the_start else since", "at = since"),),
        tests=(_SETTLING_TESTS + "test_what_is_taken_back_never_made_anything_available_by_effect",),
    ),
    Case(
        name="reversed-not-before",
        protection="a reversal never takes effect before what it reverses",
        change="it takes effect when it was told",
        patches=(Patch(_POSTING, "since = max(effective_at, original.told_at)", "since = effective_at"),),
        tests=(
            _SETTLING_TESTS + "test_a_failure_takes_effect_when_it_came_but_never_before_what_it_takes_back",
        ),
    ),
    Case(
        name="nothing-to-take-back",
        protection="what was never settled is not taken back in silence",
        change="a reversal that finds nothing adds nothing",
        patches=(
            Patch(
                _POSTING,
                "    if row.must_exist and not originals and not booked_nothing:\n",
                "    if False:\n",
            ),
        ),
        tests=(_SETTLING_TESTS + "test_taking_back_what_was_never_settled_is_poison",),
    ),
    Case(
        name="all-fee-is-taken-back",
        protection="taking back what rightly booked nothing parks no payment",
        change="it finds no journal, and that is poison",
        patches=(
            Patch(
                _POSTING,
                "booked_nothing = row.amount is not None and not _sum(row.amount, fields)",
                "booked_nothing = False",
            ),
        ),
        tests=(
            _SETTLING_TESTS + "test_a_capture_that_is_all_fee_makes_nothing_available_and_takes_nothing_back",
        ),
    ),
    Case(
        name="allocation-by-number",
        protection="a correction of what a bank's line was allocated to is a fact of its own",
        change="it has the key of what it corrects",
        patches=(Patch(_LINES, "fields.get('allocation_number') or 1", "1"),),
        tests=(_SETTLING_TESTS + "test_a_bank_line_that_was_allocated_wrongly_is_allocated_anew",),
    ),
    Case(
        name="corrected-line-own-key",
        protection="a corrected line stands under its own key, so that a later match can move it again",
        change="it stands under the object that it names",
        patches=(
            Patch(
                _LINES,
                'object_key if fields["revision"] == 1 else _line_key(fields)',
                "object_key",
            ),
        ),
        tests=(_CLEARING_TESTS + "test_a_match_moves_what_a_revision_with_an_object_booked",),
    ),
    Case(
        name="match-of-its-revision",
        protection="a match holds for the revision that it matched alone",
        change="the match with the highest number holds for all",
        patches=(Patch(_CLEARING, "ORDER BY m.revision DESC, m.number DESC", "ORDER BY m.number DESC"),),
        tests=(_CLEARING_TESTS + "test_a_match_holds_for_the_revision_that_it_matched_alone",),
    ),
    Case(
        name="newest-match-holds",
        protection="of a revision's matches the newest holds, also where that takes it back",
        change="the first one holds for ever",
        patches=(
            Patch(
                _CLEARING,
                "ORDER BY m.revision DESC, m.number DESC",
                "ORDER BY m.revision DESC, m.number",
            ),
        ),
        tests=(
            _CLEARING_TESTS + "test_a_matched_line_counts_under_its_object_without_a_posting",
            _PAGES_TESTS + "test_open_items_name_a_line_by_the_object_that_it_was_matched_to",
        ),
    ),
    Case(
        name="match-moves-claims-alone",
        protection="a match moves claims on the processor and leaves suspense to people",
        change="it moves every key of the line",
        patches=(Patch(_CLEARING, "a.family = '{R.name}' AND e.clearing_key", "e.clearing_key"),),
        tests=(_CLEARING_TESTS + "test_a_match_moves_no_key_of_suspense",),
    ),
    Case(
        name="match-told-otherwise",
        protection="a match that was told is never told otherwise in silence",
        change="what is stored is not compared",
        patches=(
            Patch(
                "services/ledger/adapters/line_matches.py",
                "        if kept != rekeying.clearing_key:\n",
                "        if False:\n",
            ),
        ),
        tests=(_SETTLING_TESTS + "test_a_match_told_again_is_one_and_told_otherwise_is_poison",),
    ),
    Case(
        name="unmatched-is-about-nobody",
        protection="a line that is back under its own key is about no payment",
        change="it keeps the payment of the match that was taken back",
        patches=(
            Patch(
                "services/ledger/app/rekey_line.py",
                "event.data.payment_id if clearing_key != line_key else None",
                "event.data.payment_id",
            ),
        ),
        tests=(_SETTLING_TESTS + "test_a_match_that_is_taken_back_leaves_the_line_under_its_own_key",),
    ),
    Case(
        name="rate-between-major-units",
        protection="a rate is one between major units, whatever decimals the two currencies have",
        change="the decimals of the currency that it leads to are not looked at",
        patches=(
            Patch(
                _LINES,
                "Fraction(10) ** (currency_scale(",
                "Fraction(10) ** (0 * currency_scale(",
            ),
        ),
        tests=(_LINES_TESTS + "test_rates_are_between_major_units",),
    ),
    Case(
        name="line-that-does-not-add-up",
        protection="a line that does not add up is booked as it says, and the rest is a question in suspense",
        change="the rest is nothing",
        patches=(
            Patch(
                _LINES,
                'return {"unexplained_minor": given_minor + fee_minor - gross_minor}',
                'return {"unexplained_minor": 0}',
            ),
        ),
        tests=(
            _LINES_TESTS + "test_a_line_that_does_not_add_up_is_booked_as_it_says_and_the_rest_is_a_question",
        ),
    ),
    Case(
        name="page-behind-a-place",
        protection="pages of open keys show each once",
        change="the last of a page is the first of the next",
        patches=(
            Patch(
                _CLEARING,
                "> (%(after_since)s, %(after_account)s",
                ">= (%(after_since)s, %(after_account)s",
            ),
        ),
        tests=(_PAGES_TESTS + "test_pages_show_everything_once_and_in_order",),
    ),
    Case(
        name="page-of-debts",
        protection="pages of negative balances show each once",
        change="the last of a page is the first of the next",
        patches=(
            Patch(
                "services/ledger/adapters/negative_balances.py",
                '(since, owner COLLATE "C", currency COLLATE "C") > (',
                '(since, owner COLLATE "C", currency COLLATE "C") >= (',
            ),
        ),
        tests=(_PAGES_TESTS + "test_pages_show_everything_once_and_in_order",),
    ),
    Case(
        name="cursor-of-this-list",
        protection="a cursor that no page of this list said is refused, naming the field",
        change="anything behind a time is taken",
        patches=(
            Patch(
                _PAGES,
                'BY_ACCOUNT: Final = "[0-9]{1,18}"',
                'BY_ACCOUNT: Final = ".*"',
            ),
        ),
        tests=(
            _PAGES_TESTS + "test_a_cursor_that_no_page_said_is_refused_with_its_field",
            _PAGES_TESTS + "test_a_cursor_of_another_list_is_refused",
        ),
    ),
    Case(
        name="cursor-is-no-card",
        protection="a list goes on behind any key: no cursor is refused as a card number",
        change="cursors hold keys as they are",
        patches=(
            Patch(
                _PAGES,
                '    return _FOUR_DIGITS.sub(r"\\g<0>~.", cursor.replace("~", "~~"))\n',
                "    return cursor\n",
            ),
        ),
        tests=(
            _PAGES_TESTS + "test_no_cursor_is_refused_as_a_card_number",
            _PAGES_TESTS + "test_a_key_that_looks_like_a_card_number_ends_no_list",
        ),
    ),
)
