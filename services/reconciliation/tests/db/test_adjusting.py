"""A break is adjusted or written off: proposed by one, approved by another, and asked of the ledger once."""

from __future__ import annotations

import psycopg
import pytest

from services.reconciliation.app.propose_adjustment import WantedAdjustment, propose_adjustment
from services.reconciliation.app.resolve_break import reject_resolution
from services.reconciliation.entrypoints.http_matching import break_view
from services.reconciliation.tests import deciding
from services.reconciliation.tests.answering import JOURNAL, hear_adjustment, paid_short, the_break
from services.reconciliation.tests.deciding import BOB
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor

pytestmark = pytest.mark.db
ADA = Actor(name="ada", role="operator")
KEY = "line:alpha_report:l1"


@pytest.fixture
def world(desk):
    return paid_short(desk)


def propose(world, amount=None, template="suspense_shortfall_write_off"):
    wanted = WantedAdjustment(template=template, parameters={"clearing_key": KEY}, amount_minor=amount)
    return world.desk.run(lambda uow: propose_adjustment(the_break(world), wanted, "too small", ADA, uow))


def proposal(world):
    return deciding.proposal_of(world, the_break(world))


def approve(world, actor=BOB, read=None):
    return deciding.approve(world, the_break(world), actor, read)


def told(world):
    return world.events("AdjustmentProposed.v1")


@pytest.mark.parametrize(("asked", "amount"), [(None, 100), (40, 40)])
def test_what_two_people_decide_is_asked_of_the_ledger_once(world, asked, amount):
    assert propose(world, asked).state == "PROPOSED"
    assert told(world) == []
    assert approve(world).state == "APPLYING"
    (said,) = told(world)
    assert (said["template"], said["amount_minor"], said["currency"]) == (
        "suspense_shortfall_write_off",
        amount,
        "EUR",
    )
    assert (said["clearing_key"], said["proposed_by"], said["approved_by"]) == (KEY, "ada", "bob")
    assert world.rows("SELECT key FROM outbox WHERE event_type = 'AdjustmentProposed.v1'") == [
        (the_break(world),)
    ]
    with pytest.raises(Rejected, match="is APPLYING"):
        approve(world)


@pytest.mark.parametrize("amount", [0, -1, 101])
def test_no_more_is_asked_for_than_is_at_risk(world, amount):
    with pytest.raises(Rejected, match="at risk"):
        propose(world, amount)
    assert world.rows("SELECT state FROM breaks WHERE subject = 'line:alpha_report:l1'") == [("OPEN",)]


def test_whoever_proposed_it_does_not_approve_it(world):
    propose(world)
    with pytest.raises(Rejected, match="cannot approve"):
        approve(world, ADA)
    assert told(world) == []


def test_of_several_proposals_the_one_that_stands_is_asked_for(world):
    propose(world, 10)
    world.desk.run(lambda uow: reject_resolution(the_break(world), "no", BOB, uow))
    propose(world, 20)
    approve(world)
    assert [said["amount_minor"] for said in told(world)] == [20]


def test_an_approval_is_of_the_proposal_that_was_read(world):
    propose(world, 10)
    read = proposal(world)
    world.desk.run(lambda uow: reject_resolution(the_break(world), "wrong", ADA, uow))
    propose(world, 90)
    with pytest.raises(Rejected) as refused:
        approve(world, read=read)
    assert (refused.value.code, refused.value.param, refused.value.status) == (
        "proposal_changed",
        "proposal",
        409,
    )
    assert refused.value.extra["proposal"] == proposal(world) != read
    assert told(world) == []
    assert world.breaks("PROPOSED").keys() == {KEY}
    approve(world)
    assert [said["amount_minor"] for said in told(world)] == [90]


def test_whoever_approves_reads_what_would_be_asked_for(world):
    propose(world, 40)
    shown = world.desk.run(lambda uow: break_view(the_break(world), uow))
    assert (shown["adjustment"]["template"], shown["adjustment"]["amount_minor"]) == (
        "suspense_shortfall_write_off",
        40,
    )
    world.desk.run(lambda uow: reject_resolution(the_break(world), "no", BOB, uow))
    assert world.desk.run(lambda uow: break_view(the_break(world), uow))["adjustment"] is None


def opened_again(world, amount):
    """What was asked for is done, and then a corrected file says something else."""
    hear_adjustment(world, the_break(world), "applied", journal_id=JOURNAL)
    world.match()
    world.amend("l1", amount, object_id="cap_1")
    world.match()
    assert world.rows(f"SELECT state, at_risk_minor FROM breaks WHERE subject = '{KEY}'") == [
        ("OPEN", 1_000 - amount)
    ]


def test_what_was_asked_for_is_not_asked_for_again(world):
    propose(world)
    approve(world)
    opened_again(world, 850)
    with pytest.raises(Rejected, match="at most 50") as refused:
        propose(world, 51)
    assert refused.value.code == "amount_asked_already"
    propose(world)
    approve(world)
    assert [said["amount_minor"] for said in told(world)] == [100, 50]
    opened_again(world, 900)
    with pytest.raises(Rejected, match="at most 0"):
        propose(world)


def test_nobody_tells_more_than_is_at_risk(world, app_sql):
    propose(world)
    approve(world)
    opened_again(world, 850)
    mine = f" WHERE subject = '{KEY}'"
    steps = (
        "UPDATE breaks SET state = 'PROPOSED', resolution = 'adjustment', proposed_by = 'ada', changed_at = now()",
        "INSERT INTO break_adjustments SELECT break_id, changed_at, 'ada', 'off', '{{}}', {}, currency FROM breaks",
        "UPDATE breaks SET state = 'APPLYING', approved_by = 'bob'",
    )
    decide = [step + mine for step in steps]
    tell = (
        "INSERT INTO told_adjustments SELECT 'evt_x', break_id, changed_at, 'bob', changed_at FROM breaks"
        + mine
    )
    for statement in decide:
        app_sql.execute(statement.format(51))
    with pytest.raises(psycopg.errors.CheckViolation, match="more is asked for"):
        app_sql.execute(tell)
    app_sql.rollback()
    for statement in decide:
        app_sql.execute(statement.format(50))
    app_sql.execute(tell)
    app_sql.rollback()


def test_nobody_keeps_or_tells_what_two_people_did_not_decide(world, app_sql):
    keep = (
        "INSERT INTO break_adjustments SELECT break_id, changed_at, 'ada', 'write_off', '{}', %s, currency FROM breaks"
        " WHERE subject = 'line:alpha_report:l1'"
    )
    tell = "INSERT INTO told_adjustments SELECT 'evt_x', break_id, proposed_at, 'bob', now() FROM break_adjustments"
    with pytest.raises(psycopg.errors.CheckViolation, match="not proposed so"):
        app_sql.execute(keep, (10,))
    app_sql.rollback()
    propose(world, 10)
    with pytest.raises(psycopg.errors.CheckViolation, match="no two people"):
        app_sql.execute(tell)
    app_sql.rollback()
    approve(world)
    with pytest.raises(psycopg.errors.CheckViolation, match="no two people"):
        app_sql.execute(tell)
