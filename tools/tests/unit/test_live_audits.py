"""Audits beside the work: what broke at one moment is kept, and silence is no proof."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, repeat

import pytest

from shared.testing.waiting import eventually
from tools.auditor.model import AuditImpossible, Invariant, Report
from tools.auditor.watching import LiveAudits

GOOD = Report(True, [Invariant("I1.zero", "sums to zero", 1, True)], {})


def bad(*rows):
    return Report(False, [Invariant("I1.zero", "sums to zero", 1, False, list(rows))], {})


def watched(*reports):
    """Audits that find these reports one after the other, then only good ones."""
    found = chain(reports, repeat(GOOD))
    return LiveAudits(None, ask=partial(next, found), elsewhere=partial(ThreadPoolExecutor, 1), rest=0.0)


def let_it_look(audits, times):
    with audits:
        eventually(lambda: audits.audits >= times, timeout_s=10, interval_s=0.001, describe="audits")


def test_rows_that_broke_at_any_moment_are_kept_once_each():
    audits = watched(GOOD, bad({"id": 1}), bad({"id": 1}, {"id": 2}))
    let_it_look(audits, 5)
    assert audits.broken["I1.zero"].violations == [{"id": 1}, {"id": 2}]
    assert audits.problems() == []


def test_what_always_holds_leaves_nothing():
    audits = watched()
    let_it_look(audits, 3)
    assert (audits.broken, audits.problems()) == ({}, [])


def test_one_audit_is_made_however_soon_it_is_left():
    audits = watched()
    with audits:
        pass
    assert audits.audits >= 1


def test_an_audit_that_was_impossible_is_a_problem():
    def impossible():
        raise AuditImpossible("topic payment.events: gone")

    audits = LiveAudits(None, ask=impossible, elsewhere=partial(ThreadPoolExecutor, 1))
    with audits:
        pass
    assert audits.problems() == ["live audit 1 was impossible: AuditImpossible: topic payment.events: gone"]


def test_audits_that_were_never_made_are_a_problem():
    assert watched().problems() == ["no live audit was made"]


@pytest.mark.parametrize("times", [1, 2])
def test_it_works_in_a_process_of_its_own(times):
    audits = LiveAudits(None, ask=partial(Report, True, [], {}), rest=0.0)
    let_it_look(audits, times)
    assert audits.problems() == []
