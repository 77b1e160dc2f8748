"""kill -9 at every named point of every process, under load, with restart: the books still tie out.

Processes that die in the same load are one round. ``TIEOUT_CRASH_ONLY`` names a part of the cases' names: nobody else
dies, so that a case can be seen by itself.
"""

import os

import pytest

from tools.crash.culprits import require_survival
from tools.crash.rounds import rounds_with

pytestmark = pytest.mark.timeout(900)  # a round that fails is taken apart, case by case

ROUNDS = [
    pytest.param(cases, id=" ".join(map(str, cases)))
    for cases in rounds_with(os.environ.get("TIEOUT_CRASH_ONLY", ""))
]


@pytest.mark.parametrize("cases", ROUNDS)
def test_killed_at(rounds, cases, record_property):
    verdicts = rounds.play(cases)
    for case, verdict in verdicts.items():
        record_property(str(case), repr(verdict.took))
    require_survival(verdicts)
