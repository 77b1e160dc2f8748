"""The harness is not green for nothing: a point that no process reaches fails its case, and so does a broken book."""

import threading
from contextlib import contextmanager

import pytest

from tools.auditor.model import Invariant, Report
from tools.crash import kill
from tools.crash.deaths import REBALANCES
from tools.crash.kill import kill_at
from tools.crash.operators import HELD_UP
from tools.crash.points import CrashCase

CASE = CrashCase("ledger", "relay.after_mark")
OTHER = CrashCase("payment", "unit_of_work.after_commit")
AGAIN = CrashCase("ledger", "seal.after_append")
REDRIVEN = CrashCase("risk", "redrive.after_try")


class FakeLoad:
    problems = ()

    def __init__(self, _stack, _run, *, beside):
        beside()
        self.has_begun = threading.Event()
        self.has_begun.set()

    def start(self):
        return self

    def is_running(self):
        return False

    def finish(self):
        return list(self.problems)


class FakeLiveAudits:
    def __init__(self, broken=(), problems=()):
        self.broken = {item.name: item for item in broken}
        self._problems = list(problems)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def problems(self):
        return self._problems


class FakeStack:
    def __init__(self, *, never=(), twice=(), holds=True, slow=0, live=None):
        self.live = live or FakeLiveAudits()
        self.never = never
        self.twice = twice
        self.slow = slow
        self.report = Report(holds, [Invariant("I1", "sums to zero", 1, holds, [])], {})
        self.ordered = []
        self.joined = []
        self.withdrawn = []
        self.audits = 0

    def kills_seen(self, service):
        return sum(
            2 if case in self.twice else 1
            for case in self.ordered
            if case.service == service and case not in self.never
        )

    def order_death(self, service, point):
        self.ordered.append(CrashCase(service, point))

    def order_was_taken(self, service):
        return [case for case in self.ordered if case.service == service][-1] not in self.never

    def is_ready(self, _service):
        self.slow -= 1
        return self.slow < 0

    @contextmanager
    def second_copy(self, service, *roles):
        self.joined.append((service, *roles))
        yield

    def withdraw_order(self, service):
        self.withdrawn.append(service)

    def wait_until_back(self, *_services):
        pass

    def live_audits(self):
        return self.live

    def audit(self):
        self.audits += 1
        return self.report


@pytest.fixture(autouse=True)
def redriven(monkeypatch):
    """No real load; at which services operators were at work beside it."""
    found = []

    class FakeRedrives:
        def __init__(self, _stack, service):
            self.send = lambda: found.append(service)

    monkeypatch.setattr(kill, "Load", FakeLoad)
    monkeypatch.setattr(kill, "Redrives", FakeRedrives)
    return found


def test_kills_after_which_all_holds_fail_nobody_and_are_audited_once():
    stack = FakeStack()
    played = kill_at(stack, CASE, OTHER)
    assert stack.ordered == [CASE, OTHER]
    assert (played.failure_of(CASE), played.failure_of(OTHER)) == ("", "")
    assert stack.audits == 1


def test_a_point_that_is_not_reached_fails_its_own_case_and_nobody_dies_of_it_later():
    stack = FakeStack(never=[CASE])
    played = kill_at(stack, CASE, OTHER)
    assert played.failure_of(CASE) == f"{CASE}: the point was not reached in {kill.WAVES_MAX} waves of load"
    assert played.failure_of(OTHER) == ""
    assert stack.withdrawn == ["ledger", "payment"]
    assert stack.audits == 1


def test_a_process_that_dies_more_than_once_fails_its_own_case():
    played = kill_at(FakeStack(twice=[OTHER]), CASE, OTHER)
    assert played.failure_of(CASE) == ""
    assert played.failure_of(OTHER) == f"{OTHER}: killed 2 times, not 1"


def test_books_that_do_not_tie_out_fail_every_case_and_name_all_who_died():
    played = kill_at(FakeStack(holds=False), CASE, OTHER)
    for case in (CASE, OTHER):
        assert "sums to zero" in played.failure_of(case)
        assert str(CASE) in played.failure_of(case)
        assert str(OTHER) in played.failure_of(case)


def test_books_that_did_not_hold_at_some_moment_of_the_load_fail_although_they_do_at_the_end():
    live = FakeLiveAudits(broken=[Invariant("I3", "", 1, False, [{"account": "in_doubt"}])])
    assert "under load: {'I3': [{'account': 'in_doubt'}]}" in kill_at(FakeStack(live=live), CASE).failure_of(
        CASE
    )


def test_a_key_that_our_own_operators_parked_as_poison_is_nobodys_fault():
    ours, theirs = {"key": "pay_1", "detail": HELD_UP}, {"key": "pay_2", "detail": "unknown event version"}
    live = FakeLiveAudits(broken=[Invariant("I15", "", 1, False, [ours])])
    assert kill_at(FakeStack(live=live), CASE).failure_of(CASE) == ""
    live = FakeLiveAudits(broken=[Invariant("I15", "", 1, False, [ours, theirs])])
    found = kill_at(FakeStack(live=live), CASE).failure_of(CASE)
    assert "pay_2" in found
    assert "pay_1" not in found


def test_a_load_beside_which_nobody_could_audit_fails():
    live = FakeLiveAudits(problems=["no live audit was made"])
    assert "no live audit was made" in kill_at(FakeStack(live=live), CASE).failure_of(CASE)


def test_a_payment_that_did_not_end_as_expected_fails(monkeypatch):
    monkeypatch.setattr(FakeLoad, "problems", ("pay_1 ended FAILED",))
    assert "pay_1" in kill_at(FakeStack(), CASE).failure_of(CASE)


def test_a_service_dies_at_one_point_after_the_other_once_it_is_back():
    stack = FakeStack(slow=3)
    played = kill_at(stack, CASE, OTHER, AGAIN)
    assert stack.ordered == [CASE, OTHER, AGAIN]
    assert [played.failure_of(case) for case in (CASE, OTHER, AGAIN)] == ["", "", ""]
    assert stack.slow < 0, "the next order waits until it takes requests"


def test_load_that_comes_while_a_process_is_on_its_way_back_is_not_its_chance():
    stack = FakeStack(slow=3 * kill.WAVES_MAX)
    played = kill_at(stack, CASE, AGAIN)
    assert stack.ordered == [CASE, AGAIN]
    assert played.failure_of(AGAIN) == ""


def test_a_point_that_is_not_reached_takes_no_wave_from_those_of_others(monkeypatch):
    late = CrashCase("payment", "relay.after_mark")

    class Late(FakeStack):
        waves = 0

        def order_was_taken(self, service):
            needed = {OTHER: kill.WAVES_MAX, late: 2 * kill.WAVES_MAX - 1}
            ordered = [case for case in self.ordered if case.service == service][-1]
            return ordered not in self.never and self.waves >= needed.get(ordered, 0)

        def kills_seen(self, service):
            return super().kills_seen(service) if self.ordered and self.order_was_taken(service) else 0

    class CountedLoad(FakeLoad):
        def __init__(self, stack, run, *, beside):
            super().__init__(stack, run, beside=beside)
            stack.waves += 1

    monkeypatch.setattr(kill, "Load", CountedLoad)
    played = kill_at(Late(never=[CASE]), CASE, OTHER, late)
    assert "the point was not reached" in played.failure_of(CASE)
    assert played.failure_of(late) == ""


def test_no_order_is_given_to_a_process_that_is_dying_of_the_last_one():
    class SlowToDie(FakeStack):
        asked = 0

        def kills_seen(self, service):
            self.asked += 1
            return super().kills_seen(service) if self.asked > 20 else 0

        def order_death(self, service, point):
            assert not self.ordered or self.asked > 20, "it would take this one along"
            super().order_death(service, point)

    stack = SlowToDie()
    played = kill_at(stack, CASE, AGAIN)
    assert stack.ordered == [CASE, AGAIN]
    assert [played.failure_of(case) for case in (CASE, AGAIN)] == ["", ""]


def test_what_stands_behind_a_point_that_is_not_reached_was_not_reached_either():
    stack = FakeStack(never=[CASE])
    played = kill_at(stack, CASE, AGAIN)
    assert stack.ordered == [CASE]
    assert all("the point was not reached" in played.failure_of(case) for case in (CASE, AGAIN))


def test_two_points_of_one_service_are_two_deaths_and_no_more():
    played = kill_at(FakeStack(twice=[AGAIN]), CASE, AGAIN)
    assert [played.failure_of(case) for case in (CASE, AGAIN)] == [
        f"{case}: killed 3 times, not 2" for case in (CASE, AGAIN)
    ]


def test_a_member_joins_where_partitions_have_to_be_taken_away_and_that_comes_first():
    revoked = CrashCase("ledger", REBALANCES)
    stack = FakeStack()
    kill_at(stack, CASE, revoked)
    assert stack.ordered == [revoked, CASE]
    assert stack.joined == [("ledger", "consume")]


def test_operators_work_only_where_a_point_needs_them(redriven):
    kill_at(FakeStack(), CASE, OTHER)
    assert redriven == []
    kill_at(FakeStack(), CASE, REDRIVEN)
    assert redriven == ["risk"]
