"""A break that another service has to resolve waits for its answer: done, refused, or taken back later."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from services.reconciliation.adapters.break_queue import Wanted, queue
from services.reconciliation.app.keep_matched import keep_matched
from services.reconciliation.app.propose_adjustment import WantedAdjustment, propose_adjustment
from services.reconciliation.app.resolve_break import reject_resolution
from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.entrypoints.http_matching import break_view
from services.reconciliation.tests import deciding
from services.reconciliation.tests.answering import (
    ADJUSTMENT,
    JOURNAL,
    OPERATION,
    SHORT,
    STRAY,
    TWICE,
    ask_for_return,
    charged_twice,
    hear_adjustment,
    hear_not_returned,
    hear_return,
    hear_returned,
    paid_short,
    the_break,
)
from services.reconciliation.tests.three_legs import LATER
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor

pytestmark = pytest.mark.db
ADA = Actor(name="ada", role="operator")


@pytest.fixture
def world(desk):
    return paid_short(desk)


@pytest.fixture
def twice(desk):
    """Charged twice by one operation; payment was told of it, and is asked to give it back."""
    made = charged_twice(desk)
    ask_for_return(made)
    assert standing(made, TWICE)[0] == "APPLYING"
    return made


def propose(world, amount=None):
    wanted = WantedAdjustment(
        template="suspense_shortfall_write_off", parameters={"clearing_key": "k"}, amount_minor=amount
    )
    return world.desk.run(lambda uow: propose_adjustment(the_break(world), wanted, "small", ADA, uow))


def ask(world, amount=None):
    propose(world, amount)
    assert deciding.approve(world, the_break(world)).state == "APPLYING"


def standing(world, subject=SHORT):
    return world.rows(
        "SELECT state, resolution, proposed_by, approved_by FROM breaks WHERE subject = :subject",
        subject=subject,
    )[0]


def history(world, subject=SHORT):
    return world.rows(
        "SELECT trigger, to_state, reason FROM break_history WHERE break_id = :break_id ORDER BY nth",
        break_id=the_break(world, subject),
    )


OPEN = ("OPEN", None, None, None)
APPLYING = ("APPLYING", "adjustment", "ada", "bob")
RESOLVED = ("RESOLVED", "adjustment", "ada", "bob")


def test_it_waits_as_money_at_risk_until_the_ledger_has_booked_it(world, desk):
    ask(world)
    hear_adjustment(world, the_break(world), "accepted")
    world.match()
    world.match(RunKind.FULL)
    assert standing(world) == APPLYING
    waits = desk.run(lambda uow: queue(uow.connection, uow.now, Wanted(), limit=10)).breaks
    assert [(each["state"], each["at_risk_minor"]) for each in waits if each["subject"] == SHORT] == [
        ("APPLYING", 100)
    ]
    event_id = hear_adjustment(
        world, the_break(world), "applied", journal_id=JOURNAL, reason="approved by carol"
    )
    assert world.match().result["breaks_moved"]["applied"] == 1
    assert standing(world) == RESOLVED
    assert history(world)[-1] == ("applied", "RESOLVED", f"{JOURNAL}: approved by carol")
    hear_adjustment(world, the_break(world), "applied", event_id=event_id, journal_id=JOURNAL)
    before = history(world)
    world.match()
    world.match(RunKind.FULL)
    assert (standing(world), history(world)) == (RESOLVED, before)
    shown = desk.run(lambda uow: break_view(the_break(world), uow))
    assert [(each["outcome"], each["named"]) for each in shown["asked"]] == [("applied", JOURNAL)]


def test_what_is_refused_opens_again_with_the_reason_and_may_be_asked_for_again(world):
    ask(world)
    with pytest.raises(Rejected, match="is APPLYING"):
        propose(world)
    hear_adjustment(
        world, the_break(world), "refused", adjustment_id=None, reason="template_unknown: no such"
    )
    world.match()
    assert standing(world) == OPEN
    assert history(world)[-1] == ("refused", "OPEN", "template_unknown: no such")
    ask(world, 100)
    hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
    world.match()
    assert standing(world) == RESOLVED


def test_an_adjustment_that_is_reversed_opens_its_break_again(world):
    ask(world)
    hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
    world.match()
    hear_adjustment(world, the_break(world), "refused", reason="reversed by dora: wrong")
    world.match()
    assert standing(world) == OPEN
    assert history(world)[-1] == ("undone", "OPEN", f"{ADJUSTMENT}: reversed by dora: wrong")
    ask(world, 100)


def test_what_is_another_difference_by_the_time_it_is_done_opens_for_what_is_left(world):
    ask(world)
    world.amend("l1", 850, object_id="cap_1")
    world.match()
    assert standing(world) == APPLYING
    hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
    world.match()
    assert standing(world) == OPEN
    assert history(world)[-1][:2] == ("outgrown", "OPEN")
    with pytest.raises(Rejected, match="at most 50"):
        propose(world, 51)


def test_people_may_stop_waiting_and_what_was_asked_for_counts_until_it_is_refused(world):
    ask(world, 60)
    world.desk.run(lambda uow: reject_resolution(the_break(world), "its key is discarded", ADA, uow))
    assert standing(world) == OPEN
    with pytest.raises(Rejected, match="at most 40"):
        propose(world, 41)
    hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
    world.match()
    assert standing(world) == OPEN
    shown = world.desk.run(lambda uow: break_view(the_break(world), uow))
    assert [each["outcome"] for each in shown["asked"]] == ["applied"]


def test_an_answer_alone_makes_a_run_and_a_look_back_leaves_it_to_the_next(world, desk):
    ask(world)
    world.match()
    desk.run(keep_matched)
    assert not desk.run(keep_matched)
    hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
    world.match(as_of=LATER - timedelta(hours=1))
    assert standing(world) == APPLYING
    assert desk.run(keep_matched)
    assert standing(world) == RESOLVED


def test_an_answer_is_heard_beside_whoever_moves_the_break(world, app_sql):
    ask(world)
    app_sql.execute("UPDATE breaks SET owner = 'somebody'")
    hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
    app_sql.rollback()
    assert world.rows("SELECT outcome FROM resolution_answers") == [("applied",)]


def test_a_charge_is_given_back_once_payment_says_so_and_is_astray_again_if_that_fails(twice):
    break_id = the_break(twice, TWICE)
    twice.told("StrayFound", 1, 10_000, object_id="cap_2", stray_id=STRAY, kind="money")
    twice.match()
    assert standing(twice, TWICE)[:2] == ("APPLYING", "stray_return")
    hear_returned(twice, "op_" + "8" * 26)
    hear_return(twice, break_id, "accepted", operation_id=OPERATION)
    twice.match()
    assert standing(twice, TWICE)[0] == "APPLYING"
    hear_returned(twice)
    twice.match()
    assert standing(twice, TWICE)[0] == "RESOLVED"
    assert history(twice, TWICE)[-1] == ("applied", "RESOLVED", OPERATION)
    hear_not_returned(twice)
    twice.match()
    assert standing(twice, TWICE) == OPEN
    assert history(twice, TWICE)[-1] == ("undone", "OPEN", f"{OPERATION}: the return failed")


def test_a_return_that_payment_refuses_opens_with_its_code(twice):
    hear_return(twice, the_break(twice, TWICE), "refused", reason="stray_disputed")
    twice.match()
    assert standing(twice, TWICE) == OPEN
    assert history(twice, TWICE)[-1] == ("refused", "OPEN", "stray_disputed")


def test_nobody_resolves_what_is_not_answered_to_have_happened(world, app_sql):
    resolve = "UPDATE breaks SET state = 'RESOLVED', approved_by = 'bob' WHERE subject = %s"
    propose(world)
    with pytest.raises(psycopg.errors.CheckViolation, match="not answered to have happened"):
        app_sql.execute(resolve, (SHORT,))
    app_sql.rollback()
    deciding.approve(world, the_break(world))
    hear_adjustment(world, the_break(world), "accepted")
    with pytest.raises(psycopg.errors.CheckViolation, match="not answered to have happened"):
        app_sql.execute(resolve, (SHORT,))
    app_sql.rollback()
    hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
    app_sql.execute(resolve, (SHORT,))
    app_sql.rollback()


def test_an_answer_is_about_what_was_asked_and_stays(world, app_sql):
    ask(world)
    hear_adjustment(world, the_break(world), "accepted")
    copied = (
        "INSERT INTO resolution_answers (event_id, asked_event_id, break_id, outcome, answered_at)"
        " SELECT 'evt_x', 'evt_y', break_id, 'applied', answered_at FROM resolution_answers"
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="nothing was asked"):
        app_sql.execute(copied)
    app_sql.rollback()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_sql.execute("UPDATE resolution_answers SET outcome = 'applied'")
