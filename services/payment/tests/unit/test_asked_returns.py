"""What is made of a proposed return and its withdrawal, in every order: the tables have no hole, and no way back."""

from __future__ import annotations

from itertools import product

import pytest

from services.payment.domain.asked_returns import (
    STEPS,
    STOPS,
    WHEN_WITHDRAWN,
    AskedState,
    Step,
    Stop,
    Word,
)
from services.payment.domain.operations import MAY_BE_UNSENT, NEXT, UNDECIDED, OperationState


def test_every_word_is_answered_in_every_state():
    assert set(STEPS) == set(product((None, *AskedState), Word))
    assert set(STOPS) == set(OperationState)


def test_a_return_is_asked_for_only_where_nothing_was_heard_of_it():
    assert [pair for pair, step in STEPS.items() if step is Step.ASK] == [(None, Word.PROPOSED)]


@pytest.mark.parametrize("state", WHEN_WITHDRAWN.values())
def test_what_is_withdrawn_is_withdrawn_for_good(state):
    assert state not in WHEN_WITHDRAWN
    assert STEPS[state, Word.WITHDRAWN] is Step.NOTHING
    assert STEPS[state, Word.PROPOSED] is not Step.ASK


def test_every_state_that_a_withdrawal_does_something_in_has_one_that_follows():
    told = {
        state for (state, word), step in STEPS.items() if word is Word.WITHDRAWN and step is not Step.NOTHING
    }
    assert told == set(WHEN_WITHDRAWN)


@pytest.mark.parametrize("state", OperationState)
def test_only_what_may_be_unsent_is_dropped_and_only_what_failed_is_over(state):
    assert (STOPS[state] is Stop.DROP) == (state in MAY_BE_UNSENT)
    if STOPS[state] is Stop.DROP:
        assert OperationState.ABANDONED in NEXT[state]
    if STOPS[state] is Stop.OVER:
        assert state not in UNDECIDED | {OperationState.SUCCEEDED}
