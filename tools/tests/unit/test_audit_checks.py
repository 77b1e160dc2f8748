"""The auditor's checks stay usable on ten thousand payments, whose streams are a hundred thousand."""

from itertools import pairwise

import pytest

from tools.auditor.audit import chosen


@pytest.mark.parametrize("check", chosen(drained=True, only=None), ids=lambda check: check.name)
def test_no_check_reads_a_whole_side_for_each_row_of_the_other(check):
    # SQLite looks for each row of a full or right join in all of the other side, whatever indexes there are.
    words = f"{check.checked} {check.violations}".upper().split()
    joined = {kind for kind, join in pairwise(words) if join in {"JOIN", "OUTER"}}
    assert not joined & {"FULL", "RIGHT"}, check.name
