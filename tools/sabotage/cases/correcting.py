"""Cases of replies that lied: what may be believed instead, once, and what the books then have of it."""

from typing import Final

from tools.sabotage.case import Case, Patch

_CORRECTING: Final = "services/payment/domain/correcting_strays.py"
_UNIT: Final = "services/payment/tests/unit/test_corrected_strays.py::test_"
_RETURNS: Final = "services/payment/tests/unit/test_corrected_returns.py::test_"
_ITEMS: Final = "services/reconciliation/tests/property/test_our_items.py::test_"
_DB: Final = "services/payment/tests/db/test_corrected_strays.py::test_"

CORRECTING: Final = (
    Case(
        name="correct-by-its-own-evidence",
        protection="a stray is corrected by evidence of its own object alone",
        change="any evidence is believed",
        patches=(Patch(_CORRECTING, "if told != meant:", "if False:"),),
        tests=(_UNIT + "evidence_that_corrects_nothing_is_refused",),
    ),
    Case(
        name="correct-once",
        protection="what was said of an object is corrected once",
        change="as often as anybody likes",
        patches=(Patch(_CORRECTING, "if stray.corrects is not None:", "if False:"),),
        tests=(_UNIT + "it_is_corrected_once",),
    ),
    Case(
        name="correct-not-beside-a-return",
        protection="a stray that is being returned is not corrected meanwhile",
        change="it is",
        patches=(Patch(_CORRECTING, "    refuse_under_way(payment, stray)\n", ""),),
        tests=(_UNIT + "what_is_being_returned_is_not_corrected",),
    ),
    Case(
        name="corrected-stray-is-a-new-fact",
        protection="a stray that was corrected is booked as what it is: the lie has the fact's own key in the books",
        change="it is announced under the key that is booked already",
        patches=(
            Patch(
                "services/payment/domain/straying.py",
                'stray.fact_key = f"{stray.fact_key}:{before.stray_id}"',
                "pass",
            ),
        ),
        tests=(_UNIT + "of_a_dead_payment_it_is_astray_anew_in_its_true_amount_and_can_be_returned",),
    ),
    Case(
        name="correct-by-two-people",
        protection="two people have other evidence believed",
        change="one person does",
        patches=(
            Patch(
                "services/payment/app/decide.py",
                "moves_money = command.outcome is not Outcome.VOID",
                "moves_money = command.outcome not in {Outcome.VOID, Outcome.CORRECT}",
            ),
        ),
        tests=(_DB + "two_people_have_other_evidence_believed_than_the_reply_that_lied",),
    ),
    Case(
        name="one-stray-per-object",
        protection="of one object one stray at most lies astray, in SQL as well",
        change="SQL takes any number",
        patches=(
            Patch(
                "services/payment/migrations/versions/0019_correct_strays.py",
                "WHERE (NOT accepted) DEFERRABLE",
                "WHERE (false) DEFERRABLE",
            ),
        ),
        tests=(_DB + "what_is_astray_by_better_evidence_stands_in_place_of_what_was_found",),
    ),
    Case(
        name="recon-corrected-stray",
        protection="reconciliation expects a corrected stray as it was corrected, in whichever order it hears",
        change="what was found first stays expected",
        patches=(
            Patch(
                "services/reconciliation/domain/our_items.py",
                'row.rank + (1 if fields.get("corrects") else 0)',
                "row.rank",
            ),
        ),
        tests=(_ITEMS + "a_stray_that_was_corrected_is_expected_as_it_was_corrected",),
    ),
    Case(
        name="return-other-than-asked-is-astray",
        protection="a return of another amount than was asked for counts for nothing until somebody decided",
        change="it is given back, and its reply's word stands",
        patches=(
            Patch(
                "services/payment/domain/absorbing.py",
                "return fact.currency != stray.currency or (ours and other_amount)",
                "return fact.currency != stray.currency",
            ),
        ),
        tests=(_RETURNS + "a_return_counts_by_the_truth_and_decides_its_operation",),
    ),
    Case(
        name="return-beside-a-refund-astray",
        protection="nothing more of a stray is returned while a refund of it is astray itself",
        change="it is",
        patches=(
            Patch(
                "services/payment/domain/resolving_strays.py",
                "    if given_back_otherwise(payment, stray):",
                "    if False:",
            ),
        ),
        tests=(_RETURNS + "money_is_not_given_back_once_more_while_a_refund_of_it_is_astray",),
    ),
    Case(
        name="accepted-return-is-the-strays",
        protection="a refund of money astray that is accepted is taken from the stray, not from the merchant",
        change="it is the merchant's refund",
        patches=(
            Patch(
                "services/payment/domain/resolving_strays.py",
                "    of = stray_given_back(payment, stray)\n    if stray.kind is StrayKind.MONEY:",
                "    of = None\n    if stray.kind is StrayKind.MONEY:",
            ),
        ),
        tests=(_RETURNS + "what_was_given_back_otherwise_than_asked_is_accepted_as_given_back_of_the_stray",),
    ),
)
