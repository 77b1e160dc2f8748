"""The harness is not green for nothing: a point that no process reaches fails its case, and so does a broken book."""

import threading

import pytest

from tools.auditor.model import Invariant, Report
from tools.crash import kill
from tools.crash.kill import CrashFailed, kill_at
from tools.crash.points import CrashCase

CASE = CrashCase("ledger", "relay.after_mark")


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
    def __init__(self, *, dies, holds=True):
        self.dies = dies
        self.report = Report(holds, [Invariant("I1", "sums to zero", 1, holds, [])], {})
        self.ordered = []
        self.withdrawn = []

    def kills_seen(self, _service):
        return len(self.ordered) if self.dies else 0

    def order_death(self, service, point):
        self.ordered.append((service, point))

    def order_was_taken(self, _service):
        return self.dies

    def withdraw_order(self, service):
        self.withdrawn.append(service)

    def wait_until_back(self, *_services):
        pass

    def audit(self):
        return self.report


@pytest.fixture(autouse=True)
def _no_real_load(monkeypatch):
    monkeypatch.setattr(kill, "Load", FakeLoad)


def test_a_kill_after_which_all_holds_passes():
    stack = FakeStack(dies=True)
    kill_at(stack, CASE)
    assert stack.ordered == [("ledger", "relay.after_mark")]


def test_a_point_that_is_not_reached_fails_and_nobody_dies_of_it_later():
    stack = FakeStack(dies=False)
    with pytest.raises(CrashFailed, match="not reached"):
        kill_at(stack, CASE)
    assert stack.withdrawn == ["ledger"]


def test_books_that_do_not_tie_out_fail():
    with pytest.raises(CrashFailed, match="sums to zero"):
        kill_at(FakeStack(dies=True, holds=False), CASE)


def test_a_payment_that_did_not_end_as_expected_fails(monkeypatch):
    monkeypatch.setattr(FakeLoad, "problems", ("pay_1 ended FAILED",))
    with pytest.raises(CrashFailed, match="pay_1"):
        kill_at(FakeStack(dies=True), CASE)
