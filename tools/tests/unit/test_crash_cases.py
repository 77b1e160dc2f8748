"""The crash suite's table: no known point is left out, and no case kills at a point that does not exist."""

from shared.kernel.crash_points import KNOWN_CRASH_POINTS
from tools.crash.points import PASSED_BY, PASSED_BY_COMMAND, command_cases, points_in_no_case, service_cases
from tools.local_stack.services import SERVICES


def test_every_known_point_is_in_some_case():
    assert points_in_no_case() == []


def test_a_point_of_an_unknown_family_would_be_noticed(monkeypatch):
    added = {**KNOWN_CRASH_POINTS, "moon.before_landing": "Not yet."}
    monkeypatch.setattr("tools.crash.points.KNOWN_CRASH_POINTS", added)
    assert points_in_no_case() == ["moon.before_landing"]


def test_every_service_of_the_stack_is_killed_and_no_other():
    assert {case.service for case in service_cases()} == {service.name for service in SERVICES}


def test_every_family_of_the_table_has_points():
    families = {point.partition(".")[0] for point in KNOWN_CRASH_POINTS}
    assert PASSED_BY.keys() | PASSED_BY_COMMAND.keys() == families
    assert {case.point.partition(".")[0] for case in command_cases()} == PASSED_BY_COMMAND.keys()
