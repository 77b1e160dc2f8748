"""The auditor's checks stay usable on ten thousand payments, whose streams are a hundred thousand, and say what they show."""

from contextlib import closing
from itertools import pairwise

import pytest

from tools.auditor.audit import chosen
from tools.auditor.model import Check, Moment
from tools.auditor.scratch import Scratch


@pytest.mark.parametrize("check", chosen(drained=True, only=None), ids=lambda check: check.name)
def test_no_check_reads_a_whole_side_for_each_row_of_the_other(check):
    # SQLite looks for each row of a full or right join in all of the other side, whatever indexes there are.
    words = f"{check.checked} {check.violations}".upper().split()
    joined = {kind for kind, join in pairwise(words) if join in {"JOIN", "OUTER"}}
    assert not joined & {"FULL", "RIGHT"}, check.name


@pytest.mark.parametrize(
    ("broken", "limit", "shown", "more"),
    [(100, 100, 100, False), (101, 100, 100, True), (5_000, None, 5_000, False)],
)
def test_it_is_said_whether_further_rows_break_a_check_than_are_shown(broken, limit, shown, more):
    rows = (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {broken}) SELECT i FROM n"
    )
    with closing(Scratch()) as scratch:
        found = scratch.ask(Check("I0.rows", "", Moment.LIVE, "SELECT 1", rows), limit)
    assert (found.holds, len(found.violations), found.more) == (False, shown, more)
