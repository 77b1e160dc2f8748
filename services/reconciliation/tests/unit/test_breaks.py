"""Break types and their life, as tables: every pair is listed or refused."""

import itertools

import pytest

from services.reconciliation.domain.break_life import NEXT, BreakState, Outcome, Trigger, advance, answered
from services.reconciliation.domain.breaks import (
    ADVICE,
    FIRST_MATCH,
    BreakType,
    Sign,
    classify,
    money_at_risk_minor,
)
from shared.kernel.decisions import check_four_eyes
from shared.kernel.errors import Rejected

DESIGN_ORDER = [
    "currency_mismatch",
    "amount_mismatch",
    "duplicate_charge",
    "stray_capture",
    "status_conflict",
    "processor_success_internal_missing",
    "missing_refund",
    "settlement_delay",
    "internal_success_processor_failure",
    "fee_mismatch",
    "missing_in_bank",
    "unexpected_in_bank",
    "unposted",
    "unexplained_journal",
    "unfounded_adjustment",
    "unfounded_return",
    "payout_total_mismatch",
    "statement_total_mismatch",
    "unreadable_lines",
    "statement_missing",
    "file_order_unknown",
]


def test_the_order_is_the_designs():
    order = list(dict.fromkeys(kind.value for _, kind in FIRST_MATCH))
    assert order == DESIGN_ORDER == [kind.value for kind in BreakType]


def test_every_sign_names_a_type_and_every_type_has_advice():
    assert {sign for sign, _ in FIRST_MATCH} == set(Sign)
    assert set(ADVICE) == set(BreakType)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(range(len(FIRST_MATCH)), 2)))
def test_of_two_signs_the_earlier_row_holds(one, other):
    assert classify({FIRST_MATCH[other][0], FIRST_MATCH[one][0]}) is FIRST_MATCH[one][1]


def test_without_a_sign_nothing_is_wrong():
    assert classify(set()) is None


@pytest.mark.parametrize(("state", "trigger"), list(itertools.product(BreakState, Trigger)))
def test_every_pair_of_state_and_trigger_is_listed_or_refused(state, trigger):
    if (state, trigger) in NEXT:
        assert advance("brk_1", state, trigger) is NEXT[state, trigger]
    else:
        with pytest.raises(Rejected) as refused:
            advance("brk_1", state, trigger)
        assert refused.value.code == "break_wrong_state"


def test_only_a_second_person_resolves():
    assert {state for (state, trigger), to in NEXT.items() if to is BreakState.RESOLVED} == {
        BreakState.PROPOSED,
        BreakState.APPLYING,
    }
    assert {state for (state, _), to in NEXT.items() if to is BreakState.APPLYING} == {
        BreakState.PROPOSED,
        BreakState.APPLYING,
    }
    with pytest.raises(Rejected) as refused:
        check_four_eyes("ada", "ada")
    assert refused.value.code == "four_eyes"


def test_at_risk_is_the_difference_where_both_speak_and_all_of_it_where_one_does():
    assert money_at_risk_minor(BreakType.AMOUNT_MISMATCH, ours_minor=1_000, theirs_minor=900) == 100
    assert money_at_risk_minor(BreakType.AMOUNT_MISMATCH, ours_minor=-1_000, theirs_minor=1_000) == 2_000
    assert money_at_risk_minor(BreakType.MISSING_REFUND, ours_minor=-400, theirs_minor=0) == 400
    assert money_at_risk_minor(BreakType.DUPLICATE_CHARGE, ours_minor=0, theirs_minor=700) == 700
    assert money_at_risk_minor(BreakType.CURRENCY_MISMATCH, ours_minor=700, theirs_minor=90_000) == 700


@pytest.mark.parametrize(
    ("state", "outcome", "as_asked"), list(itertools.product(BreakState, Outcome, (True, False)))
)
def test_an_answer_moves_what_waits_for_it_and_takes_back_what_it_had_resolved(state, outcome, as_asked):
    wanted = {
        (BreakState.APPLYING, Outcome.APPLIED): Trigger.APPLIED if as_asked else Trigger.OUTGROWN,
        (BreakState.APPLYING, Outcome.REFUSED): Trigger.REFUSED,
        (BreakState.RESOLVED, Outcome.REFUSED): Trigger.UNDONE,
    }.get((state, outcome))
    assert answered(state, outcome, as_asked=as_asked) is wanted
    assert wanted is None or (state, wanted) in NEXT
