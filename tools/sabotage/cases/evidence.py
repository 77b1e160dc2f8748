"""Sabotage of what lines prove: told once, of one payment, not before its time; ranked by what the payment knows."""

from typing import Final

from tools.sabotage.case import Case, Patch

_TELLING: Final = "services/reconciliation/adapters/telling_objects.py"
_TOLD: Final = "services/reconciliation/tests/db/test_evidence.py::"
_REPORTED: Final = "services/payment/domain/reported.py"
_RETURNS: Final = "services/reconciliation/migrations/versions/0011_propose_returns.py"
_RETURNING: Final = "services/reconciliation/tests/db/test_returning.py::"
_PROPOSED: Final = "services/payment/tests/db/test_returns_proposed.py::"
_ADJUSTMENTS: Final = "services/reconciliation/migrations/versions/0012_propose_adjustments.py"
_ADJUSTING: Final = "services/reconciliation/tests/db/test_adjusting.py::"
_KEPT_NOWHERE: Final = "test_what_one_person_alone_decided_is_before_people_and_kept_nowhere"
_TAKEN_BACK: Final = "services/reconciliation/tests/db/test_matches_taken_back.py::"
_UNIT: Final = "services/payment/tests/unit/test_reported_objects.py::"

EVIDENCE: Final = (
    Case(
        name="recon-evidence-once",
        protection="the database keeps what was told of an object once, whoever writes",
        change="its key is no key",
        patches=(
            Patch(
                "services/reconciliation/migrations/versions/0010_tell_objects.py",
                "    PRIMARY KEY (processor, account, object_id, category),\n",
                "",
            ),
        ),
        tests=(_TOLD + "test_an_object_is_told_once_whoever_writes_and_stays_told",),
    ),
    Case(
        name="recon-evidence-waits",
        protection="what may still be on its way to us is waited for before a line is told as evidence",
        change="a line is told at once",
        patches=(Patch(_TELLING, "   AND a.announced_at <= %(before)s\n", ""),),
        tests=(_TOLD + "test_what_may_be_on_its_way_is_waited_for",),
    ),
    Case(
        name="recon-evidence-no-guess",
        protection="of two lines about one object neither is told as evidence",
        change="each is",
        patches=(Patch(_TELLING, "AND other.source = l.source)", "AND false)"),),
        tests=(_TOLD + "test_what_proves_nothing_of_one_payment_is_not_told",),
    ),
    Case(
        name="payment-report-follows",
        protection="a report's word that follows from what is known of an object is the newer one",
        change="it ranks as a word without a version",
        patches=(Patch(_REPORTED, "(known.status, fact.status) not in FOLLOWS", "True"),),
        tests=(_UNIT + "test_a_refund_that_a_report_gives_back_restores_its_room",),
    ),
    Case(
        name="payment-report-says-less",
        protection="a report's word that says less than is known changes nothing",
        change="every word of a report is the newest",
        patches=(Patch(_REPORTED, "(known.status, fact.status) not in FOLLOWS", "False"),),
        tests=(_UNIT + "test_a_line_of_the_refund_itself_takes_nothing_back_of_its_failure",),
    ),
    Case(
        name="recon-return-two-people",
        protection="payment is told only of returns that a break was resolved as, by the two people whom it names",
        change="the database does not compare",
        patches=(Patch(_RETURNS, "BEFORE INSERT ON told_returns FOR", "BEFORE DELETE ON told_returns FOR"),),
        tests=(_RETURNING + "test_nobody_writes_a_return_that_two_people_did_not_decide",),
    ),
    Case(
        name="recon-return-as-it-stands",
        protection="a return is told only while the line says what was approved",
        change="the line is not looked at again",
        patches=(
            Patch(
                "services/reconciliation/app/propose_return.py",
                "if (charge.amount_minor, charge.currency) != (stored.theirs_minor, stored.currency):",
                "if not charge.currency:",
            ),
            Patch(_RETURNS, "BEFORE INSERT ON told_returns FOR", "BEFORE DELETE ON told_returns FOR"),
        ),
        tests=(_RETURNING + "test_of_a_line_that_says_something_else_by_now_nothing_is_told",),
    ),
    Case(
        name="payment-return-as-approved",
        protection="payment returns nothing but the amount that two people approved",
        change="whatever is astray is returned",
        patches=(
            Patch(
                "services/payment/app/apply_return_proposed.py",
                "if (stray.amount_minor, stray.currency) != (command.amount_minor, command.currency):",
                "if not stray.currency:",
            ),
        ),
        tests=(_PROPOSED + "test_what_is_not_what_was_approved_is_not_returned",),
    ),
    Case(
        name="payment-return-two-people",
        protection="payment returns nothing that one person alone decided",
        change="payment does not compare them",
        patches=(
            Patch(
                "services/payment/app/apply_return_proposed.py",
                "if command.proposed_by == command.approved_by:",
                "if not command.approved_by:",
            ),
        ),
        tests=(_PROPOSED + "test_one_person_alone_returns_nothing",),
    ),
    Case(
        name="recon-adjust-as-proposed",
        protection="an adjustment is kept only as its break was proposed for, and told only as two people resolved it",
        change="the database compares neither",
        patches=(
            Patch(_ADJUSTMENTS, "BEFORE INSERT ON break_adjustments", "BEFORE DELETE ON break_adjustments"),
            Patch(_ADJUSTMENTS, "BEFORE INSERT ON told_adjustments", "BEFORE DELETE ON told_adjustments"),
        ),
        tests=(_ADJUSTING + "test_nobody_keeps_or_tells_what_two_people_did_not_decide",),
    ),
    Case(
        name="recon-adjust-within-risk",
        protection="no more is asked of the ledger than the break has at risk",
        change="the service does not compare",
        patches=(
            Patch(
                "services/reconciliation/app/propose_adjustment.py",
                "if not 0 < amount_minor <= stored.at_risk_minor:",
                "if amount_minor is None:",
            ),
        ),
        tests=(_ADJUSTING + "test_no_more_is_asked_for_than_is_at_risk",),
    ),
    Case(
        name="ledger-asked-two-people",
        protection="the ledger keeps no adjustment that one person alone asks for elsewhere",
        change="it does not compare them",
        patches=(
            Patch(
                "services/ledger/app/hear_adjustment.py",
                "if proposed_by == approved_by:",
                "if not approved_by:",
            ),
        ),
        tests=("services/ledger/tests/db/test_asked_adjustments.py::" + _KEPT_NOWHERE,),
    ),
    Case(
        name="payment-report-of-doubt",
        protection="a charge that a line ties to the payment alone waits for what the payment's doubt comes to",
        change="it is taken for a stray at once",
        patches=(
            Patch(
                "services/payment/domain/absorbing_captures.py",
                "        return authorizing or payment.undecided_taking() is not None\n",
                "        return authorizing\n",
            ),
        ),
        tests=(_UNIT + "test_a_line_that_names_the_payment_alone_waits_for_what_its_doubt_comes_to",),
    ),
    Case(
        name="payment-report-of-all",
        protection="a line of part of a refund's money says nothing of the whole refund",
        change="it takes the whole back",
        patches=(
            Patch(_REPORTED, "(known.status, fact.status) == _TAKEN_BACK and said != standing", "False"),
        ),
        tests=(_UNIT + "test_a_line_of_other_money_than_the_refund_restores_no_room",),
    ),
    Case(
        name="payment-report-parent",
        protection="what a report names beside a charge is its hold only if it is a hold that we know",
        change="any name is one",
        patches=(
            Patch(
                _REPORTED,
                "        return fact.parent_id if is_hold else None\n",
                "        return fact.parent_id\n",
            ),
        ),
        tests=(_UNIT + "test_a_charge_that_names_itself_or_an_intent_names_no_hold",),
    ),
    Case(
        name="payment-report-money-moved",
        protection="money that a report shows counts although its object was called refused as late or later",
        change="time alone says what is later",
        patches=(Patch(_REPORTED, "    later = latest.rank > known.rank\n", "    later = True\n"),),
        tests=(_UNIT + "test_money_that_moved_counts_whenever_its_object_was_called_refused",),
    ),
    Case(
        name="payment-report-waited",
        protection="a report's word that waited is ranked by what is known when it is applied",
        change="it keeps the rank that it came with",
        patches=(
            Patch(
                "services/payment/app/wake_waiting_facts.py",
                "reported = waiting.source is Source.SETTLEMENT",
                "reported = waiting.source is None",
            ),
        ),
        tests=(_UNIT + "test_a_word_that_waited_is_the_latest_of_what_is_known_by_then",),
    ),
    Case(
        name="recon-return-as-proposed",
        protection="the charge that is given back is the one that was proposed",
        change="the line's reading of today decides",
        patches=(
            Patch(
                "services/reconciliation/app/propose_return.py",
                "    if not charge.as_proposed:\n",
                "    if False:\n",
            ),
        ),
        tests=(_RETURNING + "test_another_charge_of_the_same_amount_is_not_what_was_proposed",),
    ),
    Case(
        name="recon-break-names-payment",
        protection="a break names its payment as soon as that is known",
        change="it keeps what it was opened with",
        patches=(
            Patch(
                "services/reconciliation/adapters/finding_breaks.py",
                "payment_id = coalesce(r.payment_id, b.payment_id), ",
                "",
            ),
        ),
        tests=(_RETURNING + "test_a_break_names_its_payment_as_soon_as_that_is_known",),
    ),
    Case(
        name="recon-renamed-line",
        protection="a corrected line is not told by its former match",
        change="its claim counts until a run has seen it",
        patches=(Patch("services/reconciliation/adapters/exact_matches.py", " AND NOT n.renamed", ""),),
        tests=(_TAKEN_BACK + "test_a_corrected_line_is_not_told_of_what_it_was_matched_with_before",),
    ),
)
