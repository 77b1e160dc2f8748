"""Sabotage of facts that are hard to take in: money of no amount, and what fails while others wait behind it."""

from typing import Final

from tools.sabotage.case import Case, Patch

_ABSORBING: Final = "services/payment/domain/absorbing.py"
_ODD: Final = "services/payment/tests/unit/test_odd_facts.py::"
_DISPUTES: Final = "services/payment/tests/unit/test_disputes.py::"
_HTTP_DISPUTES: Final = "services/payment/tests/db/test_http_disputes.py::"
_PERSON: Final = "services/payment/tests/db/test_before_a_person.py::"

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
)
