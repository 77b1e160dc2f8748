"""The crash suite's table: no known point is left out, and no case kills at a point that does not exist."""

import pytest

from shared.kernel.crash_points import KNOWN_CRASH_POINTS
from tools.crash.operators import FED_BY
from tools.crash.points import (
    ONLY_BY_OPERATORS,
    PASSED_BY,
    PASSED_BY_COMMAND,
    WITH_INBOX,
    CrashCase,
    command_cases,
    points_in_no_case,
    service_cases,
)
from tools.local_stack.services import SERVICES


def test_every_known_point_is_in_some_case():
    assert points_in_no_case() == []


def test_a_point_of_an_unknown_family_would_be_noticed(monkeypatch):
    added = {**KNOWN_CRASH_POINTS, "moon.before_landing": "Not yet."}
    monkeypatch.setattr("tools.crash.points.KNOWN_CRASH_POINTS", added)
    assert points_in_no_case() == ["moon.before_landing"]


def test_every_service_of_the_stack_is_killed_and_no_other():
    assert {case.service for case in service_cases()} == {service.name for service in SERVICES}


def test_every_row_of_the_table_is_a_family_or_a_point_and_every_family_has_a_row():
    families = {point.partition(".")[0] for point in KNOWN_CRASH_POINTS}
    rows = PASSED_BY.keys() | PASSED_BY_COMMAND.keys()
    assert families <= rows <= families | KNOWN_CRASH_POINTS.keys()
    assert set(ONLY_BY_OPERATORS) <= families


@pytest.mark.parametrize("family", PASSED_BY_COMMAND)
def test_every_command_dies_at_every_point_of_its_own_in_every_service_that_has_it(family):
    points = [point for point in KNOWN_CRASH_POINTS if point.startswith(f"{family}.")]
    expected = [CrashCase(service, point) for point in points for service in PASSED_BY_COMMAND[family]]
    assert command_cases(family) == expected != []


def test_a_point_with_a_row_of_its_own_is_not_its_familys():
    late = [case for case in service_cases() if case.point == "idempotency.before_reply_stored"]
    assert late == [CrashCase("payment", "idempotency.before_reply_stored")]


def test_operators_can_hold_a_key_up_wherever_one_is_tried_again():
    assert set(FED_BY) == set(WITH_INBOX)
