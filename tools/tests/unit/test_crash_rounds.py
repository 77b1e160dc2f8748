"""Rounds leave no case out, ask no process to die too often, and still say by whose death something broke."""

from collections import Counter

import pytest

from tools.crash import culprits
from tools.crash.culprits import Rounds, require_survival
from tools.crash.kill import CrashFailed, Round, Survived
from tools.crash.points import service_cases
from tools.crash.rounds import DEATHS_MAX, ROUNDS, rounds_with

CASES = ROUNDS[0]
GUILTY = CASES[0]
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


def test_no_round_kills_one_process_more_often_than_a_load_lasts():
    for cases in ROUNDS:
        assert max(Counter(case.service for case in cases).values()) <= DEATHS_MAX


def test_what_is_chosen_by_itself_dies_by_itself():
    assert rounds_with(str(GUILTY)) == ((GUILTY,),)
    assert rounds_with("") == ROUNDS
    assert rounds_with("nobody") == ()


def test_who_breaks_something_alone_too_is_the_culprit_and_the_others_are_not_blamed(played):
    played.broken_by = lambda cases: "books are off" if GUILTY in cases else ""
    stack = FakeStack()
    verdicts = Rounds(stack, may_renew=True).play(CASES)
    with pytest.raises(CrashFailed, match=rf"books are off.*; alone: killed {GUILTY}: books are off"):
        require_survival(verdicts)
    assert [case for case, verdict in verdicts.items() if verdict.failure] == [GUILTY]
    assert played == [CASES, *((case,) for case in CASES)]
    assert stack.renewed == 2, "after the round, and after the culprit"


def test_a_round_that_breaks_only_together_fails_every_case(played):
    played.broken_by = lambda cases: "books are off" if len(cases) > 1 else ""
    for verdict in Rounds(FakeStack(), may_renew=True).play(CASES).values():
        assert "each of them alone did no harm" in verdict.failure


def test_a_kept_stack_is_never_thrown_away_and_every_case_fails(played):
    played.broken_by = lambda _cases: "books are off"
    stack = FakeStack()
    for verdict in Rounds(stack, may_renew=False).play(CASES).values():
        assert "books are off" in verdict.failure
    assert (played, stack.renewed) == ([CASES], 0)


def test_a_round_after_which_all_holds_is_played_once_and_fails_nobody(played):
    require_survival(Rounds(FakeStack(), may_renew=True).play(CASES))
    assert played == [CASES]


def test_a_point_that_was_not_reached_is_no_reason_to_begin_again(monkeypatch):
    def play(_stack, *cases):
        return Round(cases, TOOK, {GUILTY: "not reached"}, "")

    monkeypatch.setattr(culprits, "kill_at", play)
    stack = FakeStack()
    with pytest.raises(CrashFailed, match=r"^not reached$"):
        require_survival(Rounds(stack, may_renew=True).play(CASES))
    assert stack.renewed == 0


def test_a_round_that_stops_in_the_middle_fails_and_says_why(monkeypatch):
    def stop(_stack, *_cases):
        raise TimeoutError("ledger did not come back")

    monkeypatch.setattr(culprits, "kill_at", stop)
    with pytest.raises(CrashFailed, match="TimeoutError: ledger did not come back") as failed:
        require_survival(Rounds(FakeStack(), may_renew=True).play((GUILTY,)))
    assert isinstance(failed.value.__cause__, TimeoutError)


def test_the_next_round_has_a_stack_that_ties_out(played):
    played.broken_by = lambda cases: "books are off" if GUILTY in cases else ""
    stack = FakeStack()
    rounds = Rounds(stack, may_renew=True)
    assert rounds.play((GUILTY,))[GUILTY].failure
    require_survival(rounds.play(ROUNDS[1]))
    assert stack.renewed == 1


def test_only_the_first_broken_round_is_taken_apart(played):
    played.broken_by = lambda _cases: "books are off"
    rounds = Rounds(FakeStack(), may_renew=True)
    rounds.play(CASES)
    played.clear()
    assert {verdict.failure for verdict in rounds.play(ROUNDS[1]).values()} != {""}
    assert played == [ROUNDS[1]]
