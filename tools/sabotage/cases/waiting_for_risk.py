"""Sabotage of what waits for risk: it made nothing, and it has only what the hold still has."""

from typing import Final

from tools.sabotage.case import Case, Patch

_HOLDING = "services/payment/domain/holding.py"
_RISKING = "services/payment/domain/risking.py"
_TESTS = "services/payment/tests/unit/test_captures_that_wait_for_risk.py::"
_STRAYS = "services/payment/tests/unit/test_accepted_strays.py::"
_TIMELINE = "services/payment/tests/db/test_http_payments.py::"

WAITING_FOR_RISK: Final = (
    Case(
        name="unsent-proves-nothing",
        protection="a refund or dispute of a charge proves no capture that was never sent",
        change="a capture that waits for risk may have taken it",
        patches=(
            Patch(
                "services/payment/domain/payment.py",
                "blocking.takes_money and not blocking.unsent",
                "blocking.takes_money",
            ),
        ),
        tests=(_TESTS + "test_what_was_never_sent_is_not_what_a_refund_or_dispute_proves",),
    ),
    Case(
        name="ended-hold-ends-the-wait",
        protection="a hold that ended leaves no capture before risk or people, and ends its payment",
        change="the capture waits on",
        patches=(
            Patch(
                _HOLDING,
                "if blocking is not None and blocking.type is OperationType.CAPTURE and blocking.unsent:",
                "if False:",
            ),
        ),
        tests=(_TESTS + "test_a_hold_that_ends_takes_the_capture_along_that_waits",),
    ),
    Case(
        name="let-go-within-the-hold",
        protection="a capture is let go only where the hold still has its amount",
        change="it goes out, whatever somebody else took meanwhile",
        patches=(
            Patch(
                _RISKING,
                "if operation.type is OperationType.CAPTURE and operation.amount_minor"
                " > payment.amounts.capturable_minor:",
                "if False:",
            ),
        ),
        tests=(_TESTS + "test_what_somebody_else_took_of_the_hold_is_not_sent_for_again",),
    ),
    Case(
        name="dropped-settles-denials",
        protection="what was denied while a capture waited is given back, or told, as that capture is dropped",
        change="the denial is forgotten until something else is heard",
        patches=(
            Patch(
                _RISKING,
                "        settle_release(payment, moment)\n        settle_denials(payment, moment)\n        return\n",
                "        return\n",
            ),
        ),
        tests=(_TESTS + "test_a_denial_that_waited_for_a_capture_is_settled_as_that_is_dropped",),
    ),
    Case(
        name="unsent-sale-keeps-open",
        protection="a payment does not end while a sale of it waits for people, who could still let it go",
        change="the end of a hold ends it, and what is let go then is astray",
        patches=(
            Patch(_HOLDING, "    elif blocking is not None and blocking.takes_money:", "    elif False:"),
        ),
        tests=(_TESTS + "test_a_sale_that_waits_keeps_its_payment_open_though_a_hold_of_it_ended",),
    ),
    Case(
        name="earlier-was-sent",
        protection="only an earlier capture that was sent may have taken what a refund gives back",
        change="one that was dropped unsent keeps the refund waiting",
        patches=(Patch("services/payment/domain/proving.py", "        and not o.never_sent\n", ""),),
        tests=(_TESTS + "test_a_capture_that_was_dropped_is_no_earlier_one_that_may_have_taken_the_money",),
    ),
    Case(
        name="unsent-is-no-doubt",
        protection="what cannot be read is told to people also while a capture waits for risk",
        change="it is taken to be about that capture",
        patches=(
            Patch(
                "services/payment/app/apply_fact.py",
                "(operation is blocking and not operation.unsent)",
                "operation is blocking",
            ),
        ),
        tests=(_TESTS + "test_what_cannot_be_read_is_told_to_a_person_although_a_capture_waits",),
    ),
    Case(
        name="line-waits-for-no-unsent",
        protection="a report's line that names nothing of ours waits for no capture that was never sent",
        change="it waits until the capture is decided",
        patches=(
            Patch(
                "services/payment/domain/reported.py",
                "if not operation.undecided or operation.unsent or",
                "if not operation.undecided or",
            ),
        ),
        tests=(_TESTS + "test_a_line_that_names_nothing_of_ours_waits_for_no_capture_that_was_never_sent",),
    ),
    Case(
        name="review-shown",
        protection="a payment shows that an operation of it is before a person, whatever is decided about another",
        change="the last decision alone is shown",
        patches=(
            Patch(
                "services/payment/domain/payment.py",
                "any(each.risk is RiskState.REVIEW for each in self.operations.values())",
                "target is RiskState.REVIEW",
            ),
        ),
        tests=(_TESTS + "test_a_payment_shows_its_review_whatever_is_decided_about_an_earlier_operation",),
    ),
    Case(
        name="accepted-before-asked",
        protection="money astray is not accepted for a payment that asked for nothing, as its approval could only fail",
        change="it can be proposed, and each approval ends in an error",
        patches=(
            Patch(
                "services/payment/domain/resolving_strays.py",
                "        if payment.latest_operation is None:\n",
                "        if False:\n",
            ),
        ),
        tests=(_STRAYS + "test_money_is_not_accepted_for_a_payment_that_asked_for_nothing_yet",),
    ),
    Case(
        name="waited-no-more",
        protection="the timeline says of evidence that waited that it waits no more",
        change="it shows the first verdict for ever",
        patches=(Patch("services/payment/adapters/timeline.py", """'{"verdict": "waited"}'""", "'{}'"),),
        tests=(_TIMELINE + "test_the_timeline_tells_what_was_told_before_anybody_knew_whose_it_was",),
    ),
)
