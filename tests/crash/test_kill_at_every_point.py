"""kill -9 at every named point of every process, under load, with restart: the books still tie out.

Cases of one round die in the same load. Those that ``-k`` chooses are all that die: one case by itself is one round.
"""

from itertools import chain

import pytest

from tools.crash.rounds import ROUNDS, number_of

pytestmark = pytest.mark.timeout(
    900
)  # the first case of a round plays it, and looks for the culprit if it fails

CASES = [
    pytest.param(case, id=str(case), marks=pytest.mark.xdist_group(f"round-{number_of(case)}"))
    for case in chain.from_iterable(ROUNDS)
]


@pytest.mark.parametrize("case", CASES)
def test_killed_at(rounds, case, chosen, record_property):
    verdict = rounds.verdict(case, chosen["case"])
    record_property("survived", repr(verdict.took))
    verdict.require_survival()
