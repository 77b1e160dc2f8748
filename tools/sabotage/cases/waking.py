"""Sabotage of facts that are hard to take in: money of no amount, and what fails while others wait behind it."""

from typing import Final

from tools.sabotage.case import Case, Patch

_ABSORBING: Final = "services/payment/domain/absorbing.py"
_ODD: Final = "services/payment/tests/unit/test_odd_facts.py::"
_DISPUTES: Final = "services/payment/tests/unit/test_disputes.py::"
_HTTP_DISPUTES: Final = "services/payment/tests/db/test_http_disputes.py::"
_PERSON: Final = "services/payment/tests/db/test_before_a_person.py::"

_WAKE: Final = "services/payment/app/wake_waiting_facts.py"
_FAIL: Final = "services/payment/tests/db/test_facts_that_fail.py::"
_CASES: Final = "services/payment/tests/unit/test_cases.py::"
_APART: Final = "shared/tests/unit/test_apart.py::"
_WORK: Final = "services/payment/tests/db/test_work_that_fails.py::"
_DISMISSED: Final = "services/payment/tests/db/test_dismissed_facts.py::"
_AMONG_GOOD_ONES: Final = _FAIL + "test_one_that_fails_among_good_ones_rests_and_the_others_are_applied"

WAKING: Final = (
    Case(
        name="failed-without-amount",
        protection="a capture that failed and tells no amount counts for nothing, in whatever order it is told",
        change="it came and went with no amount at all",
        patches=(
            Patch(
                _ABSORBING,
                'failed = fact.object_type is ObjectType.CAPTURE and fact.status == "failed"',
                "failed = False",
            ),
        ),
        tests=(
            _ODD + "test_a_capture_that_failed_without_an_amount_takes_no_amount_with_it_in_either_order",
            _PERSON + "test_a_capture_that_failed_without_an_amount_is_kept_and_takes_nothing",
        ),
    ),
    Case(
        name="dispute-without-amount",
        protection="a dispute that tells no amount changes nothing of it, also where it echoes our answer",
        change="where it echoes our answer it is taken in with no amount",
        patches=(
            Patch(
                _ABSORBING,
                "(claims or fact.object_type is ObjectType.DISPUTE)",
                "(claims or (operation is None and fact.object_type is ObjectType.DISPUTE))",
            ),
        ),
        tests=(
            _DISPUTES + "test_a_dispute_that_echoes_our_answer_without_an_amount_keeps_its_own",
            _HTTP_DISPUTES
            + "test_a_dispute_that_echoes_our_answer_without_an_amount_is_kept_and_a_person_looks",
        ),
    ),
    Case(
        name="failing-fact-alone",
        protection="a waiting fact that fails keeps none of the others waiting, and ends no process",
        change="its whole batch fails, again and again",
        patches=(
            Patch(
                "shared/runtime/apart.py",
                "        return together()\n    except Exception as error:",
                "        return together()\n    except StopIteration as error:",
            ),
        ),
        tests=(_AMONG_GOOD_ONES,),
    ),
    Case(
        name="failing-fact-rests",
        protection="a waiting fact that failed alone is tried again with back-off, whatever it failed at",
        change="it stays due",
        patches=(
            Patch(
                "services/payment/app/set_aside_fact.py",
                "    look_again_later(waiting, uow)\n    return",
                "    return",
            ),
        ),
        tests=(_AMONG_GOOD_ONES,),
    ),
    Case(
        name="failing-fact-told",
        protection="a waiting fact that fails whenever it is tried goes before a person after its day",
        change="only the log knows",
        patches=(
            Patch(
                "services/payment/entrypoints/worker.py",
                "if run(partial(set_aside_fact, command)):",
                "if run(partial(set_aside_fact, command)) is None:",
            ),
        ),
        tests=(_AMONG_GOOD_ONES,),
    ),
    Case(
        name="failing-work-rests",
        protection="a payment at which a timer's work failed rests with back-off, and the others are done",
        change="it is taken again at once",
        patches=(
            Patch("shared/runtime/apart.py", "            if self._rests(piece):", "            if False:"),
        ),
        tests=(
            _WORK + "test_a_wait_for_risk_that_cannot_be_ended_keeps_no_other_waiting",
            _WORK + "test_a_stray_that_cannot_be_given_back_keeps_no_other_astray",
        ),
    ),
    Case(
        name="failing-work-in-nobodys-way",
        protection="payments that rest because a timer's work failed at them take no place in its batch",
        change="they do, and a batch full of them is the last one",
        patches=(
            Patch("shared/runtime/apart.py", "        return len(self._failed)\n", "        return 0\n"),
        ),
        tests=(_WORK + "test_a_payment_that_cannot_be_abandoned_keeps_no_other_alive",),
    ),
    Case(
        name="too-long-is-its-own",
        protection="work that takes too long or meets a limit of the database is its own fault: the others are done",
        change="the database is taken to be away, for ever",
        patches=(
            Patch("shared/runtime/apart.py", "return is_away(error) or is_transient(error)", "return True"),
        ),
        tests=(_APART + "test_a_piece_that_takes_too_long_or_meets_a_limit_keeps_no_other_waiting",),
    ),
    Case(
        name="finding-fails-aloud",
        protection="that the work of a timer cannot be found ends its role for all to see",
        change="nothing was found, and nothing is done, turn by turn",
        patches=(Patch("shared/runtime/apart.py", "            if not asked:", "            if False:"),),
        tests=(_APART + "test_that_the_pieces_cannot_be_found_ends_the_role_for_all_to_see",),
    ),
    Case(
        name="stuck-case-of-all",
        protection="a case of facts that are stuck stays open while one of its object is",
        change="it is closed with the first that is dismissed",
        patches=(Patch(_WAKE, "    return [] if asked else cases\n", "    return cases\n"),),
        tests=(
            _DISMISSED + "test_a_case_of_two_stuck_facts_stays_until_both_are_dismissed",
            _CASES + "test_one_case_is_told_every_stuck_fact_of_its_object_and_closes_once_all_fit",
        ),
    ),
    Case(
        name="stuck-fact-by-name",
        protection="a fact that is stuck after others of its object and amount were dismissed has a case",
        change="it says nothing that the closed case does not know",
        patches=(Patch(_WAKE, "        words=waiting.waiting_id,\n", ""),),
        tests=(
            _DISMISSED
            + "test_a_fact_that_is_stuck_after_another_of_its_object_was_dismissed_has_a_case_of_its_own",
        ),
    ),
    Case(
        name="stuck-in-its-own-money",
        protection="a fact that is stuck is told to people in the money that it speaks of",
        change="its amount is told in the payment's currency",
        patches=(Patch(_WAKE, "        currency=waiting.fact.currency,\n", ""),),
        tests=(_ODD + "test_a_fact_that_is_stuck_is_told_in_its_own_money",),
    ),
)
