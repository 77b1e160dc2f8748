"""The harness is not green for nothing: a point that no process reaches fails its case, and so does a broken book."""

import threading

import pytest

from tools.auditor.model import Invariant, Report
from tools.crash import kill
from tools.crash.kill import kill_at
from tools.crash.points import CrashCase

CASE = CrashCase("ledger", "relay.after_mark")
OTHER = CrashCase("payment", "http.before_reply")


class FakeLoad:
    problems = ()

    def __init__(self, _stack, _run):
        self.has_begun = threading.Event()
        self.has_begun.set()

    def start(self):
        return self

    def is_running(self):
        return False

    def finish(self):
        return list(self.problems)


class FakeStack:
    def __init__(self, *, never=(), twice=(), holds=True):
        self.never = never
        self.twice = twice
        self.report = Report(holds, [Invariant("I1", "sums to zero", 1, holds, [])], {})
        self.ordered = []
        self.withdrawn = []
        self.audits = 0

    def kills_seen(self, service):
        ordered = any(case.service == service for case in self.ordered if case not in self.never)
        return ordered * (2 if service in {case.service for case in self.twice} else 1)

    def order_death(self, service, point):
        self.ordered.append(CrashCase(service, point))

    def order_was_taken(self, service):
        return self.kills_seen(service) > 0

    def withdraw_order(self, service):
        self.withdrawn.append(service)

    def wait_until_back(self, *_services):
        pass

    def audit(self):
        self.audits += 1
        return self.report


@pytest.fixture(autouse=True)
def _no_real_load(monkeypatch):
    monkeypatch.setattr(kill, "Load", FakeLoad)


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
    assert played.failure_of(OTHER) == f"{OTHER}: killed 2 times"


def test_books_that_do_not_tie_out_fail_every_case_and_name_all_who_died():
    played = kill_at(FakeStack(holds=False), CASE, OTHER)
    for case in (CASE, OTHER):
        assert "sums to zero" in played.failure_of(case)
        assert str(CASE) in played.failure_of(case)
        assert str(OTHER) in played.failure_of(case)


def test_a_payment_that_did_not_end_as_expected_fails(monkeypatch):
    monkeypatch.setattr(FakeLoad, "problems", ("pay_1 ended FAILED",))
    assert "pay_1" in kill_at(FakeStack(), CASE).failure_of(CASE)
