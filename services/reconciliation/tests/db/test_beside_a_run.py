"""What comes while a run is at work: nobody waits for the run, and the next one looks at all of it."""

from __future__ import annotations

import pytest

from services.reconciliation.app.announce_lines import announce_lines
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.tests.three_legs import LATER, World

pytestmark = pytest.mark.db


@pytest.fixture
def world(desk):
    made = World(desk)
    for number in (1, 2):
        made.captured(number, 1_000)
        made.line(f"l{number}", 1_000, object_id=f"cap_{number}", announced=False)
    made.payout("po_1", 2_000)
    return made


def beside_a_run(world, work):
    """Do ``work``, in transactions of its own, while a run has done everything and is not over yet."""

    def run(uow):
        run_matching(RunKind.INCREMENTAL, "test", uow, LATER)
        work()

    world.desk.run(run)


def as_a_full_run_says(world):
    world.match()
    found = world.matches(), world.breaks()
    world.match(RunKind.FULL)
    assert (world.matches(), world.breaks()) == found
    return found[0]


def test_lines_are_announced_beside_a_run_that_matched_them(world):
    def announce():
        world.desk.run(announce_lines)

    beside_a_run(world, announce)
    assert world.rows("SELECT line_id FROM announced_lines ORDER BY line_id") == [("l1",), ("l2",)]
    world.match()
    assert {said["line_id"] for said in world.events("SettlementLineAccepted.v1")} == {"l1", "l2"}


def test_what_is_said_anew_of_a_line_is_announced_beside_a_run_that_matched_it(world):
    """A claim on a line that was told of once has a row of the run's own, which nobody waits for."""
    world.announce("l1")
    world.amend("l1", 1_000, object_id="cap_1", our_reference="op_9", announced=False)

    beside_a_run(world, lambda: world.desk.run(announce_lines))
    assert world.rows("SELECT line_id, revision FROM announced_lines ORDER BY line_id, revision") == [
        ("l1", 1), ("l1", 2), ("l2", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("touched", [True, False])
def test_what_changes_beside_a_run_is_looked_at_by_the_next(world, touched):
    """Whether it had been touched before that run or not: the run took what it saw, and no more."""
    if not touched:
        world.match()

    def change():
        world.announce("l1")
        world.amend("l1", 1_000, object_id="cap_3")
        world.captured(3, 1_000)

    beside_a_run(world, change)
    matches = as_a_full_run_says(world)
    assert ("same_object", ("l1",), ("charge:alpha:acct_alpha:cap_3",)) in matches


def test_an_item_that_changes_beside_a_run_that_took_it_is_looked_at_again(world):
    def change():
        world.told("RefundFailed", 1, 400, refund_id="re_1", object_id="re_1", was_succeeded=True)
        world.told("StrayFound", 3, 1_000, stray_id="str_" + "1" * 26, kind="money", object_id="cap_3")
        world.line("l3", 1_000, object_id="cap_3", announced=False)

    beside_a_run(world, change)
    assert len(as_a_full_run_says(world)) == 3


def test_what_a_run_may_have_seen_counts_as_seen(world):
    """A line that comes between two statements of a run may be claimed by it already."""

    def run(uow):
        added = []
        plain = uow.matching._run

        def add_a_line(statement):
            if "TRUNCATE group_lines" in statement and not added:
                added.append(statement)
                world.captured(9, 1_000)
                world.line("l9", 1_000, object_id="cap_1", announced=False)
            plain(statement)

        uow.matching._run = add_a_line
        run_matching(RunKind.INCREMENTAL, "test", uow, LATER)

    world.desk.run(run)
    assert world.rows("SELECT line_id, fresh FROM touched_lines") == [("l9", False)]
    assert world.rows("SELECT fresh FROM touched_items") == [(False,)]
    as_a_full_run_says(world)
