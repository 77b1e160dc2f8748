"""An adjustment whose break went away is withdrawn from the ledger; booked by then, it is a break of its own."""

from __future__ import annotations

import psycopg
import pytest

from services.reconciliation.app.propose_adjustment import WantedAdjustment, propose_adjustment
from services.reconciliation.app.reject_break import reject_break
from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.entrypoints.http_matching import break_view
from services.reconciliation.tests import deciding
from services.reconciliation.tests.answering import (
    JOURNAL,
    SHORT,
    ask_for_adjustment,
    asked,
    hear_adjustment,
    paid_short,
    the_break,
)
from services.reconciliation.tests.three_legs import LATER, T0
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor

pytestmark = pytest.mark.db
ADA = Actor(name="ada", role="operator")


@pytest.fixture
def world(desk):
    """The processor paid 100 less than was captured, and the ledger is asked to write that off."""
    made = paid_short(desk)
    ask_for_adjustment(made)
    return made


def state_of(world, subject=SHORT):
    return world.rows("SELECT state FROM breaks WHERE subject = :subject", subject=subject)[0][0]


def goes_away(world, kind=RunKind.INCREMENTAL):
    world.amend("l1", 1_000, object_id="cap_1")
    return world.match(kind)


def comes_back(world):
    world.amend("l1", 900, object_id="cap_1")
    return world.match()


def withdrawn(world):
    return world.events("AdjustmentWithdrawn.v1")


def unfounded(world):
    return world.rows(
        "SELECT subject, state, ours_minor, theirs_minor, at_risk_minor, currency FROM breaks"
        " WHERE type = 'unfounded_adjustment'"
    )


@pytest.mark.parametrize("outcome", [None, "accepted"])
@pytest.mark.parametrize("kind", RunKind)
def test_what_went_away_while_it_waited_is_withdrawn_once(world, kind, outcome):
    wish = asked(world, the_break(world))
    if outcome is not None:
        hear_adjustment(world, the_break(world), outcome)
    assert goes_away(world, kind).result["adjustments_withdrawn"] == 1
    assert state_of(world) == "SELF_CLOSED"
    world.match()
    world.match(RunKind.FULL)
    (said,) = withdrawn(world)
    assert (said["break_id"], said["proposal_event_id"]) == (the_break(world), wish)
    assert world.rows("SELECT key FROM outbox WHERE event_type = 'AdjustmentWithdrawn.v1'") == [
        (the_break(world),)
    ]
    shown = world.desk.run(lambda uow: break_view(the_break(world), uow))
    assert [each["withdrawn_at"] is not None for each in shown["asked"]] == [True]
    hear_adjustment(world, the_break(world), "refused", reason="withdrawn: it came")
    assert world.match().result["breaks_moved"] == {}
    assert unfounded(world) == []


def test_what_is_withdrawn_and_refused_may_be_asked_for_again_if_the_difference_comes_back(world):
    goes_away(world)
    comes_back(world)
    assert state_of(world) == "OPEN"
    with pytest.raises(Rejected, match="was asked for 100 already"):
        ask_for_adjustment(world)
    hear_adjustment(world, the_break(world), "refused", reason="withdrawn: it came")
    ask_for_adjustment(world)
    goes_away(world)
    assert len({said["proposal_event_id"] for said in withdrawn(world)}) == 2


@pytest.mark.parametrize("booked_first", [True, False])
@pytest.mark.parametrize("kind", RunKind)
def test_what_is_booked_for_a_difference_that_went_away_is_a_break_until_it_is_reversed(
    world, kind, booked_first
):
    subject = "adjustment:" + asked(world, the_break(world))
    if booked_first:
        hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
        world.match()
        assert (state_of(world), unfounded(world)) == ("RESOLVED", [])
        goes_away(world, kind)
    else:
        goes_away(world)
        hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
        world.match(kind)
    assert unfounded(world) == [(subject, "OPEN", 100, 0, 100, "EUR")]
    assert len(withdrawn(world)) == (not booked_first)
    for again in RunKind:
        assert world.match(again).result["breaks_moved"] == {}
    hear_adjustment(world, the_break(world), "refused", reason="reversed by dora: it came")
    assert world.match(kind).result["breaks_moved"] == {"gone": 1}
    assert unfounded(world)[0][1] == "SELF_CLOSED"


def test_what_was_booked_is_founded_again_where_the_difference_comes_back(world):
    hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
    goes_away(world)
    assert unfounded(world)[0][1] == "OPEN"
    comes_back(world)
    assert (state_of(world), unfounded(world)[0][1]) == ("OPEN", "SELF_CLOSED")


def test_a_look_back_says_nothing_of_what_is_booked(world):
    hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
    world.match()
    world.amend("l1", 1_000, object_id="cap_1")
    world.match(as_of=T0)
    assert unfounded(world) == []
    world.match(as_of=LATER)
    assert len(unfounded(world)) == 1


def test_whoever_opens_a_break_again_withdraws_what_it_waits_for(world):
    wish = asked(world, the_break(world))
    stored = world.desk.run(lambda uow: reject_break(the_break(world), "its key is discarded", ADA, uow))
    assert stored.state == "OPEN"
    (said,) = withdrawn(world)
    assert (said["proposal_event_id"], said["reason"], said["withdrawn_by"]) == (
        wish,
        "its key is discarded",
        "ada",
    )
    hear_adjustment(world, the_break(world), "refused", adjustment_id=None, reason="it does not wait here")
    ask_for_adjustment(world)
    assert state_of(world) == "APPLYING"


def test_a_proposal_that_was_told_to_nobody_is_withdrawn_from_nobody(world):
    world.desk.run(lambda uow: reject_break(the_break(world), "first", ADA, uow))
    hear_adjustment(world, the_break(world), "refused")
    wanted = WantedAdjustment(template="suspense_shortfall_write_off", parameters={"clearing_key": "k"})
    world.desk.run(lambda uow: propose_adjustment(the_break(world), wanted, "small", ADA, uow))
    world.desk.run(lambda uow: reject_break(the_break(world), "no", deciding.BOB, uow))
    assert len(withdrawn(world)) == 1


def test_plain_sql_withdraws_nothing_that_is_wanted_and_nothing_twice(world, app_sql):
    withdraw = (
        "INSERT INTO withdrawn_adjustments (asked_event_id, event_id, break_id, reason, run_id, withdrawn_at)"
        " SELECT event_id, 'evt_x', break_id, 'because', 'run_x', now() FROM told_adjustments"
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="is wanted still"):
        app_sql.execute(withdraw)
    app_sql.rollback()
    goes_away(world)
    with pytest.raises(psycopg.errors.UniqueViolation):
        app_sql.execute(withdraw)
    app_sql.rollback()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute("UPDATE withdrawn_adjustments SET reason = 'another'")
