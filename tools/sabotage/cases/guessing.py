"""Cases of what is guessed or taken for another's: charges never shown, answers of others, room that a dispute took."""

from typing import Final

from tools.sabotage.case import Case, Patch

_IN_DOUBT = "services/payment/tests/unit/test_reports_while_in_doubt.py::"
_ANSWERS: Final = "services/payment/tests/unit/test_answers_of_others.py::"
_PAYMENTS: Final = "services/payment/adapters/payments.py"
_REFUND_TESTS: Final = "services/payment/tests/db/test_refund_guard.py::"
_ROOM_TESTS: Final = "services/payment/tests/unit/test_refund_rooms.py::"

GUESSING: Final = (
    Case(
        name="in-doubt-before-reported",
        protection="what a report shows of nobody waits while an operation of that amount is in doubt",
        change="it is adopted, and the operation that moved the money can end as nothing but failed",
        patches=(
            Patch(
                "services/payment/domain/absorbing.py",
                "too_early = unsaid or ",
                "too_early = ",
            ),
        ),
        tests=(
            _IN_DOUBT + "test_a_refund_in_doubt_ends_as_ours_whichever_is_heard_first",
            _IN_DOUBT + "test_a_capture_in_doubt_that_a_line_shows_by_its_hold_ends_as_ours",
        ),
    ),
    Case(
        name="late-charge-waits",
        protection="what speaks of a charge never shown proves no later attempt where an earlier one was given up",
        change="it proves whatever is undecided",
        patches=(
            Patch(
                "services/payment/domain/proving.py",
                "    if parent is None and _may_be_of_an_earlier(payment, fact):\n",
                "    if False:\n",
            ),
        ),
        tests=(
            (
                "services/payment/tests/unit/test_late_charges.py::"
                "test_what_speaks_of_a_charge_that_was_never_shown_waits_for_it"
            ),
        ),
    ),
    Case(
        name="late-charge-of-a-refused",
        protection="nor does it where an earlier attempt was refused by a word alone, and no object shows it",
        change="only attempts that were given up are in doubt",
        patches=(
            Patch(
                "services/payment/domain/proving.py",
                "(o.state is OperationState.ABANDONED or _refused_by_word(payment, o))",
                "o.state is OperationState.ABANDONED",
            ),
        ),
        tests=(
            (
                "services/payment/tests/unit/test_late_charges.py::"
                "test_what_speaks_of_a_charge_that_was_never_shown_waits_for_it"
            ),
        ),
    ),
    Case(
        name="answer-of-another",
        protection="an answer that tells of another payment's object changes what was asked for, not that payment",
        change="the other payment's money is taken for a mismatch, and its hold for given back",
        patches=(
            Patch(
                "services/payment/app/apply_fact.py",
                "asked=asked if ours else None)",
                "asked=asked)",
            ),
        ),
        tests=(
            _ANSWERS + "test_what_it_tells_of_the_other_payment_counts_there_and_its_asker_is_in_review",
            _ANSWERS + "test_its_hold_is_not_given_back_for_the_askers_last_capture",
        ),
    ),
    Case(
        name="dispute-took-room",
        protection="what a dispute took is no room for a refund before its word says that it is one",
        change="only what is in question by its word is none",
        patches=(
            Patch(
                "services/payment/domain/disputes.py",
                "return max(in_question_minor, held_minor) + self.written_off_minor",
                "return in_question_minor + self.written_off_minor",
            ),
        ),
        tests=(_ROOM_TESTS + "test_what_a_dispute_took_is_no_room_whatever_its_word_says",),
    ),
    Case(
        name="dispute-took-room-in-sql",
        protection="the guarded update says the same by itself",
        change="it asks the dispute's word alone",
        patches=(
            Patch(
                _PAYMENTS,
                "d.withdrawn_minor - d.reinstated_minor - d.written_off_minor)) FROM",
                "0)) FROM",
            ),
        ),
        tests=(_REFUND_TESTS + "test_the_guarded_update_alone_refuses_what_a_dispute_took_before_its_word",),
    ),
    Case(
        name="lost-before-its-money",
        protection="what a dispute has lost is no room for a refund before its money row is told",
        change="it is room from the dispute's last word until the row comes",
        patches=(
            Patch(
                "services/payment/domain/disputes.py",
                "in_question_minor = self.open_minor + self.untaken_minor",
                "in_question_minor = self.open_minor",
            ),
        ),
        tests=(_ROOM_TESTS + "test_what_a_dispute_has_lost_is_no_room_before_its_money_is_told",),
    ),
    Case(
        name="lost-before-its-money-in-sql",
        protection="the guarded update says the same by itself",
        change="it asks for open disputes and for money that went",
        patches=(Patch(_PAYMENTS, "d.status IN ('lost', 'accepted') AND d.withdrawn_minor = 0", "false"),),
        tests=(_REFUND_TESTS + "test_the_guarded_update_and_the_domain_agree_about_what_a_dispute_leaves",),
    ),
    Case(
        name="nothing-left-is-nothing",
        protection="where a capture gave more than it had, whoever asks for a refund is told that nothing is left",
        change="it is told what is left below nothing",
        patches=(
            Patch(
                "services/payment/domain/refund_room.py",
                "max((room_minor for _, room_minor in rooms if room_minor > 0), default=0)",
                "max((room_minor for _, room_minor in rooms), default=0)",
            ),
        ),
        tests=(
            _ROOM_TESTS
            + "test_where_nothing_is_left_no_capture_is_said_to_have_less_than_nothing_and_no_refund_is_named",
        ),
    ),
)
