"""Rounds leave no case out, never ask one process to die twice, and still say by whose death something broke."""

import pytest

from tools.crash import culprits
from tools.crash.culprits import Rounds
from tools.crash.kill import CrashFailed, Round, Survived
from tools.crash.points import service_cases
from tools.crash.rounds import ROUNDS, companions, number_of

CASES = ROUNDS[0]
GUILTY, INNOCENT = CASES[:2]
TOOK = Survived(1, 1, 1, 1)


class FakeStack:
    def __init__(self):
        self.renewed = 0

    def renew(self):
        self.renewed += 1


@pytest.fixture
def played(monkeypatch):
    """The rounds that were played; what breaks them is ``played.broken_by``."""

    class Played(list):
        broken_by = staticmethod(lambda _cases: "")

    seen = Played()

    def play(_stack, *cases):
        seen.append(cases)
        return Round(cases, TOOK, {}, seen.broken_by(cases))

    monkeypatch.setattr(culprits, "kill_at", play)
    return seen


def test_every_case_is_in_exactly_one_round():
    assert sorted(map(str, (case for cases in ROUNDS for case in cases))) == sorted(map(str, service_cases()))


def test_no_round_kills_one_process_twice():
    for cases in ROUNDS:
        assert len({case.service for case in cases}) == len(cases)


def test_what_is_chosen_by_itself_dies_by_itself():
    assert companions(GUILTY, [GUILTY, *ROUNDS[1]]) == (GUILTY,)
    assert companions(GUILTY, service_cases()) == ROUNDS[number_of(GUILTY)]


def test_a_round_is_played_once_for_all_its_cases(played):
    rounds = Rounds(FakeStack(), may_renew=True)
    for case in CASES:
        rounds.verdict(case, CASES).require_survival()
    assert played == [CASES]


def test_who_breaks_something_alone_too_is_the_culprit_and_the_others_are_not_blamed(played):
    played.broken_by = lambda cases: "books are off" if GUILTY in cases else ""
    stack = FakeStack()
    rounds = Rounds(stack, may_renew=True)
    with pytest.raises(CrashFailed, match=rf"books are off.*; alone: killed {GUILTY}: books are off"):
        rounds.verdict(GUILTY, CASES).require_survival()
    rounds.verdict(INNOCENT, CASES).require_survival()
    assert played == [CASES, *((case,) for case in CASES)]
    assert stack.renewed == 2, "after the round, and after the culprit"


def test_a_round_that_breaks_only_together_fails_every_case(played):
    played.broken_by = lambda cases: "books are off" if len(cases) > 1 else ""
    rounds = Rounds(FakeStack(), may_renew=True)
    for case in CASES:
        with pytest.raises(CrashFailed, match="each of them alone did no harm"):
            rounds.verdict(case, CASES).require_survival()


def test_a_kept_stack_is_never_thrown_away_and_every_case_fails(played):
    played.broken_by = lambda _cases: "books are off"
    stack = FakeStack()
    rounds = Rounds(stack, may_renew=False)
    for case in CASES:
        with pytest.raises(CrashFailed, match="books are off"):
            rounds.verdict(case, CASES).require_survival()
    assert (played, stack.renewed) == ([CASES], 0)


def test_a_round_that_stops_in_the_middle_fails_its_case_and_says_why(monkeypatch):
    def stop(_stack, *_cases):
        raise TimeoutError("ledger did not come back")

    monkeypatch.setattr(culprits, "kill_at", stop)
    rounds = Rounds(FakeStack(), may_renew=True)
    with pytest.raises(CrashFailed, match="TimeoutError: ledger did not come back") as failed:
        rounds.verdict(GUILTY, [GUILTY]).require_survival()
    assert isinstance(failed.value.__cause__, TimeoutError)


def test_the_next_round_has_a_stack_that_ties_out(played):
    played.broken_by = lambda cases: "books are off" if GUILTY in cases else ""
    stack = FakeStack()
    rounds = Rounds(stack, may_renew=True)
    with pytest.raises(CrashFailed):
        rounds.verdict(GUILTY, [GUILTY]).require_survival()
    rounds.verdict(ROUNDS[1][0], [ROUNDS[1][0]]).require_survival()
    assert stack.renewed == 1
