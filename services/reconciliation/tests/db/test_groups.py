"""Which groups a run looks at again, and what it claims where nothing is named: the one candidate or none."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.tests.three_legs import LATER, T0, World, op

pytestmark = pytest.mark.db
LOST = T0 + timedelta(days=20)


@pytest.fixture
def world(desk):
    return World(desk)


def item(number):
    return f"charge:alpha:acct_alpha:cap_{number}"


def test_of_several_candidates_nobody_chooses_and_all_are_breaks(world):
    for number in (1, 2):
        world.captured(number, 1_000)
        world.line(f"l{number}", 1_000)
    world.match(as_of=LOST)
    assert world.matches() == set()
    assert world.breaks() == {
        f"item:{item(1)}": ("internal_success_processor_failure", 1_000),
        f"item:{item(2)}": ("internal_success_processor_failure", 1_000),
        "line:alpha_report:l1": ("processor_success_internal_missing", 1_000),
        "line:alpha_report:l2": ("processor_success_internal_missing", 1_000),
    }


@pytest.mark.parametrize(
    ("hours", "matched"),
    [
        ({"l1": 0, "l2": 200}, {("l1", 1), ("l2", 2)}),
        ({"l1": 72, "l2": 128}, {("l1", 1), ("l2", 2)}),
        ({"l1": 71, "l2": 72}, set()),
        ({"l1": 73, "l2": 200}, {("l2", 2)}),
        ({"l1": 100, "l2": 200}, set()),
    ],
)
def test_candidates_are_what_is_within_three_days_of_each_other(world, hours, matched):
    """Our two are at 0 and 200 hours; at 100 there is none of ours, and two lines near one of ours are one too many."""
    world.captured(1, 1_000, at=T0)
    world.captured(2, 1_000, at=T0 + timedelta(hours=200))
    if hours["l1"] == 100:
        hours = hours | {"l3": 201}
    for line_id, hour in hours.items():
        world.line(line_id, 1_000, occurred_at=T0 + timedelta(hours=hour))
    world.match()
    assert world.matches() == {("attributes", (line_id,), (item(number),)) for line_id, number in matched}


def test_one_line_between_two_of_ours_is_of_neither(world):
    for number in (1, 2):
        world.captured(number, 1_000, at=T0 + timedelta(hours=100 * number))
    world.line("l1", 1_000, occurred_at=T0 + timedelta(hours=150))
    world.match()
    assert world.matches() == set()


def _named_otherwise(world):
    world.amend("l2", 1_000, object_id="cap_unknown")


def _withdrawn(world):
    world.amend("l2", 0, withdrawn=True)


def _other_money(world):
    world.amend("l2", 900)


@pytest.mark.parametrize("change", [_named_otherwise, _withdrawn, _other_money])
def test_a_group_that_a_line_leaves_is_looked_at_again(world, change):
    world.captured(1, 1_000)
    for line_id in ("l1", "l2"):
        world.line(line_id, 1_000)
    world.match()
    assert world.matches() == set()
    change(world)
    world.match()
    assert ("attributes", ("l1",), (item(1),)) in world.matches()


def test_a_group_that_an_item_leaves_is_looked_at_again(world):
    """A doubt and what became of it share the operation: once it is no doubt, the line is the stray's alone."""
    for number in (1, 2):
        world.told("OperationUncertain", number, 1_000, direction="in", object_id=None, operation_id=op(1))
    world.captured(1, 600, object_id="cap_a", operation_id=op(1))
    world.captured(1, 400, object_id="cap_b", operation_id=op(1))
    world.line("l1", 1_000, our_reference=op(1))
    world.match()
    world.told(
        "OperationResolved", 1, 1_000, direction="in", operation_id=op(1), object_id="x", outcome="DECLINED"
    )
    world.match()
    found = world.matches(), world.breaks()
    world.match(RunKind.FULL, as_of=LATER)
    assert (world.matches(), world.breaks()) == found


def test_a_line_that_nobody_claimed_is_a_duplicate_once_another_is_claimed_for_its_operation(world):
    """Nothing about the line itself changes: its break becomes another by what it names."""
    world.line("l2", 1_000, object_id="cap_77", our_reference=op(1))
    world.match()
    assert world.breaks() == {"line:alpha_report:l2": ("processor_success_internal_missing", 1_000)}
    world.captured(1, 1_000)
    world.line("l1", 1_000, object_id="cap_1")
    world.match()
    assert world.breaks() == {"line:alpha_report:l2": ("duplicate_charge", 1_000)}
