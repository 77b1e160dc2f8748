"""Cases of money astray beside money that counts: what each leaves the other."""

from typing import Final

from tools.sabotage.case import Case, Patch

_STRAYS: Final = "services/payment/tests/unit/test_strays.py::"
_NAMELESS: Final = "services/payment/tests/unit/test_refunds_that_name_no_parent.py::"
_LAST_TESTS: Final = "services/payment/tests/unit/test_last_captures_astray.py::"
_ACCEPTED: Final = "services/payment/tests/unit/test_accepted_strays.py::"

_ROOMS: Final = "services/payment/tests/unit/test_refund_rooms.py::"
_CLAIMED: Final = "services/payment/tests/unit/test_disputed_strays.py::"
_DECIDE: Final = "services/payment/tests/db/test_operators_decide.py::"
_STOPPED: Final = "services/payment/tests/db/test_withdrawn_returns.py::"

STRAYS: Final = (
    Case(
        name="tried-is-not-sent",
        protection="what was tried and may be proved not sent is withdrawn as what was never tried",
        change="it counts as sent, and goes out with its next try beside the dispute",
        patches=(
            Patch(
                "services/payment/domain/operations.py",
                "MAY_BE_UNSENT: Final = frozenset({_S.REQUESTED, _S.SENT, _S.UNCERTAIN})",
                "MAY_BE_UNSENT: Final = frozenset({_S.REQUESTED, _S.UNCERTAIN})",
            ),
        ),
        tests=(
            _ROOMS
            + "test_a_refund_of_which_no_send_is_known_to_have_arrived_is_withdrawn_when_its_capture_is_disputed",
            _CLAIMED + "test_a_return_that_was_sent_runs_on_and_both_taking_it_is_a_case",
        ),
    ),
    Case(
        name="doubt-is-not-arrived",
        protection="what is in doubt is withdrawn when its money is taken otherwise: not found, it is sent again",
        change="it counts as arrived, and goes out once more when it is proved absent",
        patches=(
            Patch(
                "services/payment/domain/operations.py",
                "MAY_BE_UNSENT: Final = frozenset({_S.REQUESTED, _S.SENT, _S.UNCERTAIN})",
                "MAY_BE_UNSENT: Final = frozenset({_S.REQUESTED, _S.SENT})",
            ),
        ),
        tests=(
            _ROOMS
            + "test_a_refund_of_which_no_send_is_known_to_have_arrived_is_withdrawn_when_its_capture_is_disputed",
            _CLAIMED
            + "test_a_return_in_doubt_is_withdrawn_keeps_its_money_and_is_over_once_it_is_proved_absent",
        ),
    ),
    Case(
        name="withdrawn-once",
        protection="an operation is asked to be withdrawn once, however many facts say so",
        change="each fact asks again, as long as it is in doubt",
        patches=(
            Patch(
                "services/payment/domain/withdrawing.py",
                "    operation.withdrawal_asked = True\n",
                "",
            ),
        ),
        tests=(
            _ROOMS + "test_what_is_heard_after_a_refund_was_withdrawn_withdraws_it_no_second_time",
            _STOPPED + "test_what_is_in_doubt_is_withdrawn_once_by_whatever_claims_it",
        ),
    ),
    Case(
        name="refund-stays-its-captures",
        protection="a refund told of a capture that counts stays its own, also as the answer to a stray's return",
        change="it decides the return, which has no refund",
        patches=(
            Patch(
                "services/payment/domain/absorbing_refunds.py",
                "if operation is not None and operation.stray_id is not None:\n        # Asked",
                "if False:\n        # Asked",
            ),
        ),
        tests=(_STRAYS + "test_a_refund_told_of_our_capture_stays_its_own_whatever_return_it_is_said_to_be",),
    ),
    Case(
        name="settled-rest-astray",
        protection="a payment whose rest of the hold was taken astray is settled once what counts of it is",
        change="its status stays behind its amounts",
        patches=(
            Patch(
                "services/payment/domain/absorbing_strays.py",
                "may be all there is.\n    payment.derive_status(moment)\n",
                "may be all there is.\n",
            ),
        ),
        tests=(
            _LAST_TESTS + "test_what_was_settled_is_all_there_is_once_the_rest_of_the_hold_was_taken_astray",
        ),
    ),
    Case(
        name="accepted-beside-a-hold",
        protection="money of another hold is not accepted while the payment's own hold stands",
        change="it is, and the rest of the own hold is shown as smaller than it is",
        patches=(
            Patch(
                "services/payment/domain/resolving_strays.py",
                "    if held_minor > 0 and parent is not None",
                "    if held_minor < 0 and parent is not None",
            ),
        ),
        tests=(_ACCEPTED + "test_money_of_another_hold_is_not_accepted_while_the_payments_own_stands",),
    ),
    Case(
        name="accepted-beside-a-doubt",
        protection="money astray is not accepted while an attempt, a capture or a cancel of the payment is undecided",
        change="it is, and the later attempt takes it once more",
        patches=(
            Patch(
                "services/payment/domain/resolving_strays.py",
                "    if operation is not None and operation.operation_id != stray.operation_id:",
                "    if False:",
            ),
        ),
        tests=(
            _ACCEPTED
            + "test_money_of_an_earlier_attempt_is_not_accepted_while_a_later_one_may_take_it_once_more",
            _ACCEPTED + "test_money_is_not_accepted_while_a_capture_of_the_payments_own_hold_is_under_way",
            _DECIDE + "test_money_is_not_accepted_once_a_later_attempt_may_take_it_as_well",
        ),
    ),
    Case(
        name="return-names-no-parent",
        protection="the return of a stray is measured by the stray, also where it names no parent",
        change="it is measured by the payment",
        patches=(
            Patch(
                "services/payment/domain/absorbing.py",
                "parent = given_back(payment, fact, operation) if fact.object_type is ObjectType.REFUND else None",
                "parent = given_back(payment, fact, None) if fact.object_type is ObjectType.REFUND else None",
            ),
        ),
        tests=(
            _NAMELESS + "test_the_return_of_a_stray_is_measured_by_the_stray_also_where_it_names_none",
            _NAMELESS + "test_a_return_in_other_money_than_the_stray_is_before_a_person",
        ),
    ),
    Case(
        name="later-word-names-no-parent",
        protection="a later word of a refund that names no parent is about the same one as before",
        change="it is taken for one of the only capture that counts",
        patches=(
            Patch(
                "services/payment/domain/absorbing.py",
                "if parent_id is None or fact.parent_id == parent_id:",
                "if parent_id is None or fact.parent_id in {None, parent_id}:",
            ),
        ),
        tests=(
            _NAMELESS
            + "test_a_refund_of_a_stray_that_fails_without_naming_it_gives_the_stray_its_money_back",
        ),
    ),
)
