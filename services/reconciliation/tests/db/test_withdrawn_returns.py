"""A return whose break went away is withdrawn from payment; given back by then, it is a break of its own."""

from __future__ import annotations

import psycopg
import pytest

from services.reconciliation.app.reject_break import reject_break
from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.entrypoints.http_matching import break_view
from services.reconciliation.tests.answering import (
    OPERATION,
    TWICE,
    ask_for_return,
    asked,
    charged_twice,
    hear_not_returned,
    hear_return,
    hear_returned,
    the_break,
)
from services.reconciliation.tests.three_legs import LATER, T0, op, pay
from shared.kernel.operators import Actor

pytestmark = pytest.mark.db
ADA = Actor(name="ada", role="operator")


@pytest.fixture
def world(desk):
    """Charged twice by one operation, and payment is asked to give the second charge back."""
    made = charged_twice(desk)
    ask_for_return(made)
    return made


def state_of(world):
    return world.rows("SELECT state FROM breaks WHERE subject = :subject", subject=TWICE)[0][0]


def goes_away(world, kind=RunKind.INCREMENTAL):
    """The corrected report knows of no second charge."""
    world.amend("l2", 0, object_id="cap_2", our_reference=op(1), withdrawn=True)
    return world.match(kind)


def comes_back(world):
    world.amend("l2", 10_000, object_id="cap_2", our_reference=op(1))
    return world.match()


def answer(world, outcome, **more):
    return hear_return(world, the_break(world, TWICE), outcome, **more)


def withdrawn(world):
    return world.events("StrayReturnWithdrawn.v1")


def unfounded(world):
    return world.rows(
        "SELECT subject, state, ours_minor, theirs_minor, at_risk_minor, currency, payment_id FROM breaks"
        " WHERE type = 'unfounded_return'"
    )


@pytest.mark.parametrize("outcome", [None, "accepted"])
@pytest.mark.parametrize("kind", RunKind)
def test_what_lost_its_ground_while_it_waited_is_withdrawn_once(world, kind, outcome):
    wish = asked(world, the_break(world, TWICE))
    if outcome is not None:
        answer(world, outcome, operation_id=OPERATION)
    assert goes_away(world, kind).result["returns_withdrawn"] == 1
    assert state_of(world) == "SELF_CLOSED"
    world.match()
    world.match(RunKind.FULL)
    (said,) = withdrawn(world)
    assert (said["break_id"], said["payment_id"], said["proposal_event_id"]) == (
        the_break(world, TWICE),
        pay(1),
        wish,
    )
    assert world.rows("SELECT key FROM outbox WHERE event_type = 'StrayReturnWithdrawn.v1'") == [(pay(1),)]
    shown = world.desk.run(lambda uow: break_view(the_break(world, TWICE), uow))
    assert [each["withdrawn_at"] is not None for each in shown["asked"]] == [True]
    answer(world, "refused", reason="return_withdrawn")
    assert world.match().result["breaks_moved"] == {}
    assert unfounded(world) == []


def test_another_line_that_explains_the_charge_withdraws_it_too(desk):
    world = charged_twice(desk)
    ask_for_return(world)
    world.captured(2, 10_000, object_id="cap_2", operation_id=op(2))
    world.match()
    assert state_of(world) == "SELF_CLOSED"
    assert len(withdrawn(world)) == 1


def test_what_waits_still_is_withdrawn_from_nobody(world):
    world.match()
    world.match(RunKind.FULL)
    assert (state_of(world), withdrawn(world)) == ("APPLYING", [])


def test_what_was_withdrawn_may_be_asked_for_again_if_the_charge_comes_back(world):
    goes_away(world)
    answer(world, "refused", reason="return_withdrawn")
    comes_back(world)
    assert state_of(world) == "OPEN"
    ask_for_return(world)
    goes_away(world)
    assert len({said["proposal_event_id"] for said in withdrawn(world)}) == 2


@pytest.mark.parametrize("done_first", [True, False])
@pytest.mark.parametrize("kind", RunKind)
def test_what_is_given_back_without_ground_is_a_break_with_all_of_it_at_risk(world, kind, done_first):
    subject = "return:" + asked(world, the_break(world, TWICE))
    answer(world, "accepted", operation_id=OPERATION)
    if done_first:
        hear_returned(world)
        world.match()
        assert (state_of(world), unfounded(world)) == ("RESOLVED", [])
        goes_away(world, kind)
    else:
        goes_away(world)
        hear_returned(world)
        answer(world, "accepted", operation_id=OPERATION, reason="return_too_late")
        world.match(kind)
    assert unfounded(world) == [(subject, "OPEN", 10_000, 0, 10_000, "EUR", pay(1))]
    assert len(withdrawn(world)) == (not done_first)
    for again in RunKind:
        assert world.match(again).result["breaks_moved"] == {}
    hear_not_returned(world)
    assert world.match(kind).result["breaks_moved"] == {"gone": 1}
    assert unfounded(world)[0][1] == "SELF_CLOSED"


def test_that_it_was_withdrawn_too_late_takes_no_result_back(world):
    answer(world, "accepted", operation_id=OPERATION)
    hear_returned(world)
    answer(world, "accepted", operation_id=OPERATION, reason="return_too_late")
    said = world.rows("SELECT outcome, reason FROM resolution_answers ORDER BY nth")
    assert said == [("accepted", None), ("applied", None), ("applied", "return_too_late")]
    world.match()
    assert state_of(world) == "RESOLVED"


def test_what_was_given_back_is_founded_again_where_the_charge_comes_back(world):
    answer(world, "accepted", operation_id=OPERATION)
    hear_returned(world)
    goes_away(world)
    assert unfounded(world)[0][1] == "OPEN"
    comes_back(world)
    assert (state_of(world), unfounded(world)[0][1]) == ("OPEN", "SELF_CLOSED")


def test_a_look_back_says_nothing_of_what_is_given_back(world):
    answer(world, "accepted", operation_id=OPERATION)
    hear_returned(world)
    world.match()
    world.amend("l2", 0, object_id="cap_2", our_reference=op(1), withdrawn=True)
    world.match(as_of=T0)
    assert (unfounded(world), withdrawn(world)) == ([], [])
    world.match(as_of=LATER)
    assert len(unfounded(world)) == 1


def test_whoever_opens_a_break_again_withdraws_the_return_that_it_waits_for(world):
    wish = asked(world, the_break(world, TWICE))
    stored = world.desk.run(lambda uow: reject_break(the_break(world, TWICE), "not ours", ADA, uow))
    assert stored.state == "OPEN"
    (said,) = withdrawn(world)
    assert (said["proposal_event_id"], said["reason"], said["withdrawn_by"]) == (wish, "not ours", "ada")
    assert world.events("AdjustmentWithdrawn.v1") == []
    world.match()
    assert len(withdrawn(world)) == 1


def test_the_withdrawal_follows_its_proposal_on_one_stream(world):
    goes_away(world)
    told = world.rows(
        "SELECT event_type, key FROM outbox WHERE event_type LIKE 'StrayReturn%' ORDER BY position"
    )
    assert told == [("StrayReturnProposed.v1", pay(1)), ("StrayReturnWithdrawn.v1", pay(1))]


def test_plain_sql_withdraws_no_return_that_is_wanted_and_none_twice(world, app_sql):
    withdraw = (
        "INSERT INTO withdrawn_returns (asked_event_id, event_id, break_id, payment_id, reason, run_id, withdrawn_at)"
        " SELECT event_id, 'evt_x', break_id, payment_id, 'because', 'run_x', now() FROM told_returns"
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="is wanted still"):
        app_sql.execute(withdraw)
    app_sql.rollback()
    goes_away(world)
    with pytest.raises(psycopg.errors.UniqueViolation):
        app_sql.execute(withdraw)
    app_sql.rollback()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute("UPDATE withdrawn_returns SET reason = 'another'")
