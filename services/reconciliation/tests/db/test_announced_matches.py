"""A line names its payment from the start where that is certain: by a match, or because nothing else names the object."""

from __future__ import annotations

import pytest

from services.reconciliation.app.announce_lines import announce_lines
from services.reconciliation.tests.three_legs import MERCHANT, World, pay

pytestmark = pytest.mark.db


@pytest.fixture
def world(desk):
    made = World(desk)
    made.payout("po_1", 10_000)
    return made


def told(world):
    world.desk.run(announce_lines)
    accepted = {said["line_id"]: said for said in world.events("SettlementLineAccepted.v1")}
    keys = dict(world.rows("SELECT line_id, event_key FROM announced_lines"))
    return {
        line_id: (keys[line_id], said.get("payment_id"), said.get("object_id"))
        for line_id, said in accepted.items()
    }


def test_a_line_that_names_our_object_goes_on_its_payments_stream(world):
    world.captured(1, 10_000)
    world.line("l1", 10_000, object_id="cap_1", announced=False)
    assert told(world) == {"l1": (pay(1), pay(1), "cap_1")}
    (said,) = world.events("SettlementLineAccepted.v1")
    assert said["merchant_id"] == MERCHANT
    world.match()
    assert world.events("SettlementLineMatched.v1") == []


def test_a_line_that_was_matched_otherwise_before_it_is_told_says_so(world):
    world.captured(1, 10_000)
    world.line("l1", 10_000, our_reference=f"op_{1:026d}", announced=False)
    world.match()
    assert told(world) == {"l1": (pay(1), pay(1), "cap_1")}


def test_of_two_lines_about_one_object_nobody_guesses(world):
    world.captured(1, 10_000)
    for line_id in ("l1", "l2"):
        world.line(line_id, 10_000, object_id="cap_1", announced=False)
    assert told(world) == {"l1": ("alpha_report:l1", None, None), "l2": ("alpha_report:l2", None, None)}


@pytest.mark.parametrize(
    "changes", [{"object_id": "cap_2"}, {"object_id": "cap_1", "category": "refund"}, {"object_id": None}]
)
def test_a_line_about_nothing_of_ours_is_told_unmatched(world, changes):
    world.captured(1, 10_000)
    world.line("l1", 10_000, announced=False, **changes)
    assert told(world) == {"l1": ("alpha_report:l1", None, None)}


def test_an_amendment_stays_on_the_stream_that_the_line_began_on(world):
    world.line("l1", 10_000, object_id="cap_1", announced=False)
    assert told(world) == {"l1": ("alpha_report:l1", None, None)}
    world.captured(1, 10_000)
    world.amend("l1", 9_000, object_id="cap_1", announced=False)
    world.desk.run(announce_lines)
    (said,) = world.events("SettlementLineAmended.v1")
    assert (said["payment_id"], said["amended_revision"]) == (pay(1), 1)
    assert world.rows("SELECT event_key FROM announced_lines WHERE revision = 2") == [("alpha_report:l1",)]
