"""What no rule matches two people match by hand: it comes out, holds in every run, and ends where what was read changed."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from services.reconciliation.app.match_by_hand import (
    approve_hand_match,
    approve_taking_back,
    keep_hand_match,
    propose_taking_back,
    reject_hand_match,
)
from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.domain.hand_matches import HandState
from services.reconciliation.tests.answering import ask_for_adjustment
from services.reconciliation.tests.pairing import ADA, BOB, agree, decide, item, named_otherwise, propose
from services.reconciliation.tests.three_legs import T0
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor

pytestmark = pytest.mark.db
CAROL = Actor(name="carol", role="operator")


@pytest.fixture
def world(desk):
    return named_otherwise(desk)


def state_of(world, made):
    ((state,),) = world.rows(
        "SELECT state FROM hand_matches WHERE hand_match_id = :id", id=made.hand_match_id
    )
    return HandState(state)


def test_two_people_match_it_and_every_run_does(desk, world):
    made = propose(desk, ["l1"], [item(1)])
    world.match()
    assert world.matches() == set()
    decide(desk, approve_hand_match, made.hand_match_id)
    agree(desk, ["l2", "l3"], [item(2)])
    world.match()
    by_hand = {("by_hand", ("l1",), (item(1),)), ("by_hand", ("l2", "l3"), (item(2),))}
    assert (world.matches(), world.breaks()) == (by_hand, {})
    run = world.match(RunKind.FULL)
    assert (world.matches(), world.breaks(), run.result["matches"]) == (by_hand, {}, {"by_hand": 2})
    told = {event["line_id"]: event["object_id"] for event in world.events("SettlementLineMatched.v1")}
    assert told == {"l1": "cap_1", "l2": "cap_2", "l3": "cap_2"}
    assert {event["rule"] for event in world.events("SettlementLineMatched.v1")} == {"by_hand"}


def test_several_lines_and_several_items_are_one_match(desk, world):
    agree(desk, ["l1", "l2", "l3"], [item(1), item(2)])
    for kind in (RunKind.INCREMENTAL, RunKind.FULL):
        run = world.match(kind)
        assert world.matches() == {("by_hand", ("l1", "l2", "l3"), (item(1), item(2)))}
        assert (run.result["matches"], world.breaks()) == ({"by_hand": 1}, {})
    assert not world.events("SettlementLineMatched.v1")


def test_whoever_proposed_it_does_not_approve_it(desk, world):
    made = propose(desk, ["l1"], [item(1)])
    with pytest.raises(Rejected) as refused:
        decide(desk, approve_hand_match, made.hand_match_id, actor=ADA)
    assert refused.value.code == "four_eyes"
    world.match()
    assert world.matches() == set()


def test_two_people_take_it_back_and_its_history_says_so(desk, world):
    made = agree(desk, ["l1"], [item(1)])
    world.match()
    decide(desk, propose_taking_back, made.hand_match_id, actor=ADA)
    decide(desk, keep_hand_match, made.hand_match_id, actor=BOB)
    decide(desk, propose_taking_back, made.hand_match_id, actor=BOB)
    world.match(RunKind.FULL)
    assert len(world.matches()) == 1
    with pytest.raises(Rejected) as refused:
        decide(desk, approve_taking_back, made.hand_match_id, actor=BOB)
    assert refused.value.code == "four_eyes"
    decide(desk, approve_taking_back, made.hand_match_id, actor=CAROL)
    world.match()
    assert (world.matches(), state_of(world, made)) == (set(), HandState.TAKEN_BACK)
    assert world.breaks()["line:alpha_report:l1"] == ("processor_success_internal_missing", 1_000)
    assert [event["line_id"] for event in world.events("SettlementLineUnmatched.v1")] == ["l1"]
    history = world.rows("SELECT to_state, actor FROM hand_match_history ORDER BY nth")
    assert history == [
        ("PROPOSED", "ada"), ("APPROVED", "bob"), ("BACK_PROPOSED", "ada"), ("APPROVED", "bob"),
        ("BACK_PROPOSED", "bob"), ("TAKEN_BACK", "carol"),
    ]  # fmt: skip
    agree(desk, ["l1"], [item(1)])
    world.match()
    assert len(world.matches()) == 1


@pytest.mark.parametrize("kind", list(RunKind))
def test_an_amended_line_undoes_it_whatever_it_says_afterwards(desk, world, kind):
    made = agree(desk, ["l2", "l3"], [item(2)])
    world.match()
    world.amend("l3", 600, object_id="other_3")
    world.amend("l3", 500, object_id="other_3")
    run = world.match(kind)
    assert (world.matches(), state_of(world, made)) == (set(), HandState.OUTDATED)
    assert set(world.breaks()) == {
        "line:alpha_report:l1", "line:alpha_report:l2", "line:alpha_report:l3",
    }  # fmt: skip
    assert world.rows("SELECT to_state, run_id FROM hand_match_history ORDER BY nth DESC LIMIT 1") == [
        ("OUTDATED", run.run_id)
    ]
    agree(desk, ["l2", "l3"], [item(2)])
    world.match()
    assert len(world.matches()) == 1


def test_another_word_about_an_item_undoes_it(desk, world):
    world.told("StrayFound", 3, 700, stray_id="str_" + "0" * 26, kind="money")
    world.line("l4", 700, object_id="other_4")
    made = agree(desk, ["l4"], [item(3)])
    world.match()
    assert world.breaks()["line:alpha_report:l4"] == ("stray_capture", 700)
    world.captured(3, 700)
    world.match()
    assert (world.matches(), state_of(world, made)) == (set(), HandState.OUTDATED)


def test_what_was_amended_since_it_was_read_is_not_approved(desk, world):
    made = propose(desk, ["l1"], [item(1)])
    world.amend("l1", 1_000, object_id="other_9")
    with pytest.raises(Rejected) as refused:
        decide(desk, approve_hand_match, made.hand_match_id)
    assert (refused.value.code, refused.value.param) == ("hand_match_outdated", "line_ids")


def test_the_difference_is_what_is_agreed_at_most(desk, world):
    world.line("l5", 990, object_id="other_5")
    with pytest.raises(Rejected) as refused:
        propose(desk, ["l5"], [item(1)])
    assert (refused.value.code, refused.value.extra["tolerance_minor"]) == ("hand_match_differs", 0)
    world.tolerate("gross", 10)
    agree(desk, ["l5"], [item(1)])
    world.match()
    assert world.matches() == {("by_hand", ("l5",), (item(1),))}
    assert "line:alpha_report:l5" not in world.breaks()


def test_a_difference_that_is_tolerated_no_more_is_a_break(desk, world):
    world.line("l5", 990, object_id="other_5")
    world.tolerate("gross", 10)
    agree(desk, ["l5"], [item(1)])
    world.match()
    world.tolerate("gross", 5)
    world.match(RunKind.FULL)
    assert world.breaks()["line:alpha_report:l5"] == ("amount_mismatch", 10)


def test_what_is_of_another_kind_is_refused(desk, world):
    world.line("r1", -1_000, object_id="other_r", category="refund")
    world.line("usd", 1_000, object_id="other_u", currency="USD")
    world.line("untold", 1_000, object_id="other_n", announced=False)
    world.told("OperationUncertain", 6, 1_000, direction="in", object_id=None)
    doubt = "in_doubt:op_" + f"{6:026d}"
    refusals = {
        ("r1", item(1)): "item_keys", ("usd", item(1)): "item_keys", ("untold", item(1)): "line_ids",
        ("nobody", item(1)): "line_ids", ("l1", "charge:nobody"): "item_keys", ("l1", doubt): "item_keys",
    }  # fmt: skip
    for (line_id, item_key), param in refusals.items():
        with pytest.raises(Rejected) as refused:
            propose(desk, [line_id], [item_key])
        assert (refused.value.code, refused.value.param) == ("hand_match_invalid", param), line_id
    with pytest.raises(Rejected):
        propose(desk, ["l1", "l1"], [item(1)])
    with pytest.raises(Rejected):
        propose(desk, [], [item(1)])


def test_a_rules_exact_match_is_not_taken_away_but_one_that_differs_is(desk, world):
    world.captured(7, 700)
    world.captured(8, 700)
    world.line("l7", 700, object_id="cap_7")
    world.line("l8", 650, object_id="cap_8")
    world.line("l9", 700, object_id="other_9")
    world.match()
    assert ("object_differs", ("l8",), (item(8),)) in world.matches()
    with pytest.raises(Rejected) as refused:
        propose(desk, ["l9"], [item(7)])
    assert refused.value.code == "hand_match_matched"
    agree(desk, ["l9"], [item(8)])
    world.match()
    matches = world.matches()
    assert {("by_hand", ("l9",), (item(8),)), ("same_object", ("l7",), (item(7),))} == matches
    world.match(RunKind.FULL)
    assert world.matches() == matches


def test_a_line_and_an_item_are_in_one_match_by_hand(desk, world):
    made = propose(desk, ["l1"], [item(1)])
    world.line("l5", 1_000, object_id="other_5")
    for lines in (["l1"], ["l5"]):
        with pytest.raises(Rejected) as refused:
            propose(desk, lines, [item(1)])
        assert refused.value.code == "hand_match_held"
    decide(desk, reject_hand_match, made.hand_match_id, actor=ADA)
    agree(desk, ["l5"], [item(1)])
    world.match()
    assert world.matches() == {("by_hand", ("l5",), (item(1),))}


def test_what_waits_to_be_matched_by_hand_is_not_asked_for_elsewhere(desk, world, app_sql):
    agree(desk, ["l1"], [item(1)])
    with pytest.raises(Rejected) as refused:
        ask_for_adjustment(world, "line:alpha_report:l1")
    assert refused.value.code == "break_matched_by_hand"
    with pytest.raises(psycopg.errors.CheckViolation) as in_sql:
        app_sql.execute(
            "UPDATE breaks SET state = 'APPLYING', approved_by = 'eve' WHERE subject = 'line:alpha_report:l1'"
        )
    assert in_sql.value.diag.constraint_name == "break_not_matched_by_hand"
    world.match()
    assert world.rows("SELECT trigger FROM break_history ORDER BY nth DESC LIMIT 1") == [("matched_by_hand",)]


def test_what_is_decided_otherwise_is_not_matched_by_hand(desk, world):
    ask_for_adjustment(world, "line:alpha_report:l1")
    with pytest.raises(Rejected) as refused:
        propose(desk, ["l1"], [item(1)])
    assert (refused.value.code, refused.value.param) == ("hand_match_decided", "line_ids")


def test_a_line_that_came_after_it_was_agreed_changes_nothing_of_it(desk, world):
    agree(desk, ["l1"], [item(1)])
    world.line("late", 1_000, object_id="cap_1", occurred_at=T0 + timedelta(hours=1))
    world.match()
    expected = {("by_hand", ("l1",), (item(1),))}
    assert world.matches() == expected
    assert world.breaks()["line:alpha_report:late"] == ("duplicate_charge", 1_000)
    world.match(RunKind.FULL)
    assert world.matches() == expected
