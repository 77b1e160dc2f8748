"""What may be paired by hand, and the steps of such a match: the first wrong thing is named, with what was expected."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reconciliation.domain.hand_matches import (
    MEMBERS_MAX,
    NEXT,
    HandState,
    HandStep,
    Member,
    Pair,
    advance,
    check_names,
    check_pair,
)
from services.reconciliation.domain.matching import BY_HAND, DIFFERS_FROM_RANK, PASSES
from shared.kernel.errors import Rejected

ONE = Member(
    name="l1", said_by="1", can_be_matched=True, kind=("alpha", "acct", "charge", 1), currency="EUR", amount_minor=1_000,
    rule=None, rule_rank=None, subject="line:rep:l1", break_state=None, resolution=None, held_by=None,
)  # fmt: skip
DECIDED = (("PROPOSED", "accepted"), ("APPLYING", "adjustment"), ("RESOLVED", "stray_return"))


def pair(lines=(ONE,), items=(ONE,), tolerance_minor=0):
    return Pair(lines=lines, items=items, tolerance_minor=tolerance_minor)


def refusal(said):
    with pytest.raises(Rejected) as refused:
        check_pair(said)
    return refused.value.code, refused.value.param


@pytest.mark.parametrize(("state", "step"), list(itertools.product(HandState, HandStep)))
def test_every_pair_of_state_and_step_is_listed_or_refused(state, step):
    if (state, step) in NEXT:
        assert advance("hnd_1", state, step) is NEXT[state, step]
        return
    with pytest.raises(Rejected) as refused:
        advance("hnd_1", state, step)
    assert (refused.value.code, refused.value.extra["state"]) == ("hand_match_wrong_state", state.value)


def test_what_is_over_is_over():
    over = {HandState.REJECTED, HandState.TAKEN_BACK, HandState.OUTDATED}
    assert not over & {state for state, _ in NEXT}
    assert {(state, HandStep.OUTDATE) for state in HandState if state not in over} <= set(NEXT)


@pytest.mark.parametrize("names", [(), ("a", "a"), tuple(str(n) for n in range(MEMBERS_MAX + 1))])
def test_names_are_some_not_too_many_and_each_once(names):
    with pytest.raises(Rejected) as refused:
        check_names("line_ids", names)
    assert refused.value.param == "line_ids"
    check_names("line_ids", ("a", "b"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"can_be_matched": False}, "hand_match_invalid"),
        ({"held_by": "hnd_2"}, "hand_match_held"),
        *(
            ({"rule": one.rule.value, "rule_rank": one.rank}, "hand_match_matched")
            for one in PASSES
            if one.rank < DIFFERS_FROM_RANK
        ),
        *(
            ({"break_state": state, "resolution": resolution}, "hand_match_decided")
            for state, resolution in DECIDED
        ),
    ],
)
def test_what_is_settled_otherwise_is_refused_on_either_side(change, code):
    changed = replace(ONE, **change)
    assert refusal(pair(lines=(changed,))) == (code, "line_ids")
    assert refusal(pair(items=(changed,))) == (code, "item_keys")


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "object_differs", "rule_rank": DIFFERS_FROM_RANK},
        {"rule": BY_HAND.rule.value, "rule_rank": BY_HAND.rank},
        {"break_state": "OPEN"},
        {"break_state": "DEFERRED", "resolution": "timing_difference"},
        {"break_state": "RESOLVED", "resolution": "accepted"},
    ],
)
def test_what_nobody_settled_may_be_paired(change):
    check_pair(pair(lines=(replace(ONE, **change),)))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": ("beta", "acct", "charge", 1)},
        {"kind": ("alpha", "other", "charge", 1)},
        {"kind": ("alpha", "acct", "refund", 1)},
        {"kind": ("alpha", "acct", "charge", -1)},
        {"currency": "USD"},
    ],
)
def test_all_of_it_is_of_one_kind_and_currency(change):
    assert refusal(pair(items=(replace(ONE, **change),))) == ("hand_match_invalid", "item_keys")
    assert refusal(pair(items=(ONE, replace(ONE, name="i2", **change))))[0] == "hand_match_invalid"


def test_the_rule_by_hand_is_before_every_other():
    assert all(one.rank > BY_HAND.rank and one.rule is not BY_HAND.rule for one in PASSES)


_AMOUNTS = st.lists(st.integers(1, 10**12), min_size=1, max_size=4)


@given(lines=_AMOUNTS, items=_AMOUNTS, tolerance=st.integers(0, 10**12), way=st.sampled_from((1, -1)))
def test_it_is_refused_exactly_where_it_differs_by_more_than_is_agreed(lines, items, tolerance, way):
    kind = (*ONE.kind[:3], way)
    said = pair(
        [replace(ONE, name=f"l{n}", kind=kind, amount_minor=way * minor) for n, minor in enumerate(lines)],
        [replace(ONE, name=f"i{n}", kind=kind, amount_minor=way * minor) for n, minor in enumerate(items)],
        tolerance,
    )
    if abs(sum(lines) - sum(items)) <= tolerance:
        check_pair(said)
    else:
        assert refusal(said) == ("hand_match_differs", "item_keys")
