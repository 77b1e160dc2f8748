"""Sabotage of settlement: lines, what they settle, and what the books say has not returned to zero."""

from typing import Final

from tools.sabotage.case import Case, Patch

_POSTING = "services/ledger/domain/posting.py"
_LEDGER_TESTS = "services/ledger/tests/db/test_settling.py::"
_LINES_TESTS = "services/ledger/tests/unit/test_settlement_lines.py::"
_REPORTS_TESTS = "services/ledger/tests/property/test_report_histories.py::"
_CLEARING = "services/ledger/adapters/clearing.py"
_CLEARING_TESTS = "services/ledger/tests/db/test_clearing.py::"
_SETTLING_TESTS = "services/payment/tests/unit/test_settling.py::"
_ORDER_TESTS = "services/payment/tests/property/test_settlement_order.py::"

SETTLEMENT: Final = (
    Case(
        name="amendment-reverses",
        protection="an amended line leaves the books before its new revision enters them",
        change="the revision that stands is not reversed",
        patches=(
            Patch(
                _POSTING,
                "    for original in standing.values():\n",
                "    for original in list(standing.values())[:0]:\n",
            ),
        ),
        tests=(
            _LEDGER_TESTS + "test_an_amendment_reverses_what_stands_exactly_and_posts_the_new_revision",
            _REPORTS_TESTS + "test_of_every_line_at_most_one_revision_stands",
        ),
    ),
    Case(
        name="amends-what-stands",
        protection="an amendment that does not name the revision that stands is refused",
        change="it is taken at its word",
        patches=(
            Patch(
                _POSTING,
                "    if others:\n        raise Poison(",
                "    if others and not row:\n        raise Poison(",
            ),
        ),
        tests=(_LEDGER_TESTS + "test_a_line_can_never_stand_twice",),
    ),
    Case(
        name="rounding-has-bounds",
        protection="what the rate of an exchange does not explain waits in suspense",
        change="whatever is left is rounding",
        patches=(
            Patch(
                "services/ledger/domain/settlement_lines.py",
                "    rounds = abs(rest_minor) <= left_open\n",
                "    rounds = abs(rest_minor) <= left_open or True\n",
            ),
        ),
        tests=(_LINES_TESTS + "test_the_worked_examples_of_settlement_end_as_the_design_says",),
    ),
    Case(
        name="settlement-taken-back",
        protection="a capture that its lines no longer cover is told to be settled no more",
        change="settled is for ever",
        patches=(
            Patch(
                "services/payment/domain/settling.py",
                "        if thing.settled and not (covered and",
                "        if thing.settled and not lines and not (covered and",
            ),
        ),
        tests=(
            _SETTLING_TESTS + "test_an_amended_line_takes_settlement_back_and_may_bring_it_again",
            _ORDER_TESTS + "test_the_newest_readings_alone_decide",
        ),
    ),
    Case(
        name="newest-reading",
        protection="of a line the newest reading holds, in whatever order they come",
        change="the reading that came last holds",
        patches=(
            Patch(
                "services/payment/app/apply_settlement_line.py",
                "    if before is not None and before.rank >= line.rank:\n",
                "    if before is not None and before == line:\n",
            ),
        ),
        tests=(
            _SETTLING_TESTS + "test_an_older_reading_told_again_changes_nothing",
            _ORDER_TESTS + "test_the_newest_readings_alone_decide",
        ),
    ),
    Case(
        name="newest-reading-stored",
        protection="PostgreSQL keeps no older reading of a line than it has",
        change="the trigger never fires",
        patches=(
            Patch(
                "services/payment/migrations/versions/0017_settle_captures.py",
                "    WHEN ((NEW.revision, NEW.match_number) <= (OLD.revision, OLD.match_number)\n",
                "    WHEN (false AND (NEW.revision, NEW.match_number) <= (OLD.revision, OLD.match_number)\n",
            ),
        ),
        tests=("services/payment/tests/db/test_settlement.py::test_a_newer_reading_is_never_overwritten",),
    ),
    Case(
        name="completed-as-asked",
        protection="a refund or a return is completed with the money that was asked for, else parked",
        change="whatever is told is booked, and the difference stays in flight",
        patches=(
            Patch(
                "services/ledger/domain/bounds.py",
                "    if _money(journal) != _money(asked):\n",
                "    if _money(journal) != _money(journal):\n",
            ),
        ),
        tests=(
            (
                "services/ledger/tests/db/test_refused_events.py::"
                "test_what_was_asked_for_is_completed_with_the_same_money_or_parked"
            ),
        ),
    ),
    Case(
        name="settled-is-available",
        protection="what settles leaves what is pending for what is available, in any order of all streams",
        change="it goes the other way",
        patches=(
            Patch(
                "services/ledger/domain/posting_rules.py",
                "legs=(debit(MP, AMOUNT - FEE), credit(MA, AMOUNT - FEE)),",
                "legs=(debit(MA, AMOUNT - FEE), credit(MP, AMOUNT - FEE)),",
            ),
        ),
        tests=(
            (
                "services/ledger/tests/property/test_free_orders.py::"
                "test_any_order_of_streams_with_anything_told_again_ends_as_the_model_says"
            ),
        ),
    ),
    Case(
        name="match-rekeys",
        protection="a line that was matched after it was booked clears its object",
        change="its claim stays under its own key",
        patches=(Patch(_CLEARING, "AND m.line_key = e.clearing_key", "AND m.line_key = 'none'"),),
        tests=(_CLEARING_TESTS + "test_a_matched_line_counts_under_its_object_without_a_posting",),
    ),
    Case(
        name="clearing-is-current",
        protection="what is open is shown as of now, however far the folder is",
        change="only what was folded is read",
        patches=(
            Patch(
                _CLEARING, 'after="%(folded)s", until="9223372036854775807"', 'after="%(folded)s", until="0"'
            ),
        ),
        tests=(_CLEARING_TESTS + "test_any_history_folded_at_any_time_is_what_the_entries_say",),
    ),
    Case(
        name="folded-once",
        protection="open keys are never folded twice, nor past what is settled",
        change="the trigger never fires",
        patches=(
            Patch(
                "services/ledger/migrations/versions/0008_track_clearing.py",
                "ON clearing_progress FOR EACH ROW EXECUTE FUNCTION folded_once();",
                "ON clearing_progress FOR EACH ROW WHEN (false) EXECUTE FUNCTION folded_once();",
            ),
        ),
        tests=(_CLEARING_TESTS + "test_nothing_is_folded_twice_or_before_it_is_decided",),
    ),
)
