"""kill -9 at every named point of every process, under load, with restart: the books still tie out."""

import pytest

from tools.crash.kill import kill_at
from tools.crash.points import service_cases

pytestmark = pytest.mark.timeout(400)


@pytest.mark.parametrize("case", service_cases(), ids=str)
def test_killed_at(stack, case, record_property):
    record_property("survived", repr(kill_at(stack, case)))
