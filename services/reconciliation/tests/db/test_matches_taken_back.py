"""A match that was told and goes away is told, once, and only when a run has seen that it is gone."""

from __future__ import annotations

import psycopg
import pytest

from services.reconciliation.app.announce_lines import announce_lines
from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.tests.three_legs import MERCHANT, T0, World, op, pay

pytestmark = pytest.mark.db


@pytest.fixture
def world(desk):
    made = World(desk)
    made.payout("po_1", 10_000)
    return made


def told(world):
    """Each telling about lines, in order: what kind, which number, which object."""
    return [
        (kind.removeprefix("SettlementLine").removesuffix(".v1"), number, object_id)
        for kind, number, object_id in world.rows(
            "SELECT event_type, (said ->> 'match_number')::int, said ->> 'object_id' FROM ("
            "  SELECT position, event_type, convert_from(payload, 'UTF8')::jsonb AS said FROM outbox) AS told"
            " WHERE event_type LIKE 'SettlementLine%atched%' ORDER BY position"
        )
    ]


def two_lines_of_one_object(world):
    """The later line is matched, until an earlier one comes that is as good."""
    world.captured(1, 10_000)
    world.line("l2", 10_000, object_id="cap_1", occurred_at=T0.replace(hour=12))
    world.match()
    world.line("l1", 10_000, object_id="cap_1")


@pytest.mark.parametrize("kind", list(RunKind))
def test_a_match_that_another_line_takes_is_taken_back_once(world, kind):
    two_lines_of_one_object(world)
    world.match(kind)
    assert sorted(told(world)[1:]) == [("Matched", 1, "cap_1"), ("Unmatched", 2, "cap_1")]
    (said,) = world.events("SettlementLineUnmatched.v1")
    assert (said["line_id"], said["payment_id"], said["gross_minor"]) == ("l2", pay(1), 10_000)
    before = told(world)
    for again in RunKind:
        world.match(again)
    assert told(world) == before


def test_a_match_that_comes_again_is_told_with_the_next_number(world):
    two_lines_of_one_object(world)
    world.match()
    world.amend("l1", 10_000, object_id="cap_2")
    world.match()
    assert told(world)[-1] == ("Matched", 3, "cap_1")


@pytest.mark.parametrize("kind", list(RunKind))
def test_what_a_line_said_when_it_was_accepted_is_taken_back_as_well(world, kind):
    world.captured(1, 10_000)
    world.line("l2", 10_000, object_id="cap_1", occurred_at=T0.replace(hour=12), announced=False)
    world.desk.run(announce_lines)
    (accepted,) = world.events("SettlementLineAccepted.v1")
    assert (accepted["payment_id"], accepted["merchant_id"]) == (pay(1), MERCHANT)
    world.line("l1", 10_000, object_id="cap_1")
    world.match(kind)
    assert sorted(told(world)) == [("Matched", 1, "cap_1"), ("Unmatched", 1, "cap_1")]


def test_nothing_is_taken_back_before_a_run_has_seen_the_line(world):
    world.captured(1, 10_000)
    world.line("l1", 10_000, object_id="cap_1", announced=False)
    world.desk.run(announce_lines)
    assert world.desk.run(lambda uow: uow.telling.tell()) is False
    world.match()
    assert told(world) == []


def test_nothing_is_taken_back_before_a_run_has_seen_the_item(world):
    world.line("l1", 10_000, object_id="cap_1", announced=False)
    world.match()
    world.captured(1, 10_000)
    world.desk.run(announce_lines)
    assert world.desk.run(lambda uow: uow.telling.tell()) is False
    world.match()
    assert told(world) == []


def test_a_corrected_line_is_not_told_of_what_it_was_matched_with_before(world):
    world.captured(1, 10_000)
    world.captured(2, 10_000)
    world.line("l1", 10_000, object_id="cap_1")
    world.match()
    before = told(world)
    world.amend("l1", 10_000, object_id="cap_2", announced=False)
    world.desk.run(announce_lines)
    (amended,) = world.events("SettlementLineAmended.v1")
    assert (amended["payment_id"], amended["object_id"]) == (pay(2), "cap_2")
    assert world.desk.run(lambda uow: uow.telling.tell()) is False
    assert told(world) == before
    world.match()
    assert told(world) == before


def test_a_corrected_line_that_names_what_it_named_stays_matched(world):
    world.captured(1, 10_000)
    world.line("l1", 10_000, our_reference=op(1))
    world.match()
    world.amend("l1", 9_000, our_reference=op(1), announced=False)
    world.desk.run(announce_lines)
    (amended,) = world.events("SettlementLineAmended.v1")
    assert (amended["payment_id"], amended["object_id"]) == (pay(1), "cap_1")


def test_a_line_that_a_correction_makes_something_else_is_told_as_amended_only(world):
    world.captured(1, 10_000)
    world.line("l1", 10_000, object_id="cap_1")
    world.match()
    world.amend("l1", 10_000, category="other", announced=False)
    world.desk.run(announce_lines)
    world.match(RunKind.FULL)
    (amended,) = world.events("SettlementLineAmended.v1")
    taken_back = [event for event in told(world) if event[0] == "Unmatched"]
    assert len(taken_back) == (1 if amended.get("payment_id") else 0)


def test_a_telling_names_all_of_what_it_is_about_or_nothing(world, app_sql):
    two_lines_of_one_object(world)
    world.match()
    with pytest.raises(psycopg.errors.CheckViolation, match="told_matches_whole_or_nothing"):
        app_sql.execute(
            "INSERT INTO told_matches SELECT source, line_id, revision, 9, payment_id, NULL, rule, 'evt_x', told_at"
            "  FROM told_matches WHERE payment_id IS NOT NULL LIMIT 1"
        )
