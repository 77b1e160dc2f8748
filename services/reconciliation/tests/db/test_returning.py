"""A second or stray charge is given back: proposed by one, approved by another, told to payment once."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from services.reconciliation.app.bulk_breaks import STEPS, BulkAction, Selection, Wanted
from services.reconciliation.app.propose_return import propose_return
from services.reconciliation.app.resolve_break import reject_resolution
from services.reconciliation.tests import deciding
from services.reconciliation.tests.deciding import BOB
from services.reconciliation.tests.three_legs import World, op, pay
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor

pytestmark = pytest.mark.db
ADA = Actor(name="ada", role="operator")


@pytest.fixture
def world(desk):
    """Charged twice by one operation; payment was told of it."""
    made = World(desk)
    made.payout("po_1", 10_000)
    made.captured(1, 10_000)
    made.line("l1", 10_000, object_id="cap_1", our_reference=op(1))
    made.line("l2", 10_000, object_id="cap_2", our_reference=op(1))
    made.match()
    desk.run(lambda uow: uow.reporting.tell(timedelta(0)))
    return made


def the_break(world):
    ((break_id,),) = world.rows("SELECT break_id FROM breaks WHERE subject = 'line:alpha_report:l2'")
    return break_id


def propose(world, break_id=None, actor=ADA):
    return world.desk.run(lambda uow: propose_return(break_id or the_break(world), "twice", actor, uow))


def approve(world, actor=BOB):
    return deciding.approve(world, the_break(world), actor)


def known_as_stray(world):
    world.told("StrayFound", 1, 10_000, object_id="cap_2", stray_id="str_" + "1" * 26, kind="money")
    world.match()


@pytest.mark.parametrize("known", [False, True])
def test_what_two_people_decide_is_told_to_the_payment_once(world, known):
    if known:
        known_as_stray(world)
    assert propose(world).state == "PROPOSED"
    assert world.events("StrayReturnProposed.v1") == []
    assert approve(world).state == "APPLYING"
    (said,) = world.events("StrayReturnProposed.v1")
    assert (said["payment_id"], said["object_id"], said["amount_minor"]) == (pay(1), "cap_2", 10_000)
    assert (said["proposed_by"], said["approved_by"], said["break_id"]) == ("ada", "bob", the_break(world))
    assert world.rows("SELECT key FROM outbox WHERE event_type = 'StrayReturnProposed.v1'") == [(pay(1),)]
    with pytest.raises(Rejected, match="is APPLYING"):
        approve(world)
    world.match()
    assert world.breaks("APPLYING").keys() == {"line:alpha_report:l2"}


def test_a_break_names_its_payment_as_soon_as_that_is_known(world):
    said = "SELECT type, payment_id, account FROM breaks WHERE subject = 'line:alpha_report:l2'"
    ((before, nobody, account),) = world.rows(said)
    assert (before, nobody) == ("duplicate_charge", None)
    known_as_stray(world)
    assert world.rows(said) == [("stray_capture", pay(1), account)]


def test_before_its_line_is_told_a_charge_is_not_given_back_and_the_refusal_says_when(desk):
    world = World(desk)
    world.payout("po_1", 10_000)
    world.captured(1, 10_000)
    world.line("l1", 10_000, object_id="cap_1", our_reference=op(1))
    world.line("l2", 10_000, object_id="cap_2", our_reference=op(1), announced=False)
    known_as_stray(world)
    with pytest.raises(Rejected, match="once its payout is closed") as refused:
        propose(world)
    assert refused.value.code == "line_not_told"
    assert world.breaks()["line:alpha_report:l2"] == ("stray_capture", 10_000)
    world.announce("l2")
    assert propose(world).state == "PROPOSED"


def test_whoever_proposed_it_does_not_approve_it(world):
    propose(world)
    with pytest.raises(Rejected, match="cannot approve"):
        approve(world, ADA)
    assert world.events("StrayReturnProposed.v1") == []


def test_what_was_rejected_is_not_told(world):
    propose(world)
    world.desk.run(lambda uow: reject_resolution(the_break(world), "no", BOB, uow))
    assert world.events("StrayReturnProposed.v1") == []
    assert world.breaks().keys() == {"line:alpha_report:l2"}


def test_of_a_line_that_says_something_else_by_now_nothing_is_told(world):
    propose(world)
    world.amend("l2", 9_000, object_id="cap_2", our_reference=op(1))
    with pytest.raises(Rejected, match="run a matching first"):
        approve(world)
    assert world.breaks("PROPOSED").keys() == {"line:alpha_report:l2"}
    assert world.events("StrayReturnProposed.v1") == []


def test_another_charge_of_the_same_amount_is_not_what_was_proposed(world):
    propose(world)
    world.amend("l2", 10_000, object_id="cap_3", our_reference=op(1))
    world.match()
    world.desk.run(lambda uow: uow.reporting.tell(timedelta(0)))
    assert world.rows("SELECT object_id FROM told_objects ORDER BY 1") == [("cap_2",), ("cap_3",)]
    assert world.breaks("PROPOSED").keys() == {"line:alpha_report:l2"}
    with pytest.raises(Rejected, match="propose it again"):
        approve(world)
    assert world.events("StrayReturnProposed.v1") == []
    world.desk.run(lambda uow: reject_resolution(the_break(world), "another one", BOB, uow))
    propose(world)
    approve(world)
    assert [said["object_id"] for said in world.events("StrayReturnProposed.v1")] == ["cap_3"]


def test_only_charges_that_payment_was_told_of_are_given_back(world):
    world.line("l3", 700, object_id="cap_9")
    world.match()
    ((break_id,),) = world.rows("SELECT break_id FROM breaks WHERE subject = 'line:alpha_report:l3'")
    with pytest.raises(Rejected, match="about no charge"):
        propose(world, break_id)


def test_nobody_writes_a_return_that_two_people_did_not_decide(world, app_sql):
    propose(world)
    insert = (
        f"INSERT INTO told_returns SELECT 'evt_x', break_id, '{pay(1)}', 'cap_2', 10000, 'EUR', 'ada', 'bob', changed_at"
        "  FROM breaks WHERE subject = 'line:alpha_report:l2'"
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="no two people"):
        app_sql.execute(insert)
    app_sql.rollback()
    approve(world)
    with pytest.raises(psycopg.errors.UniqueViolation, match="told_returns_once"):
        app_sql.execute(insert)
    app_sql.rollback()
    with pytest.raises(psycopg.errors.CheckViolation, match="no two people"):
        app_sql.execute(insert.replace("10000", "20000"))


@pytest.mark.parametrize(("is_of", "other"), [("'cap_2'", "'cap_1'"), (pay(1), pay(2))])
def test_nobody_writes_a_return_of_another_charge_than_the_line_has(world, app_sql, is_of, other):
    propose(world)
    decide = (
        "UPDATE breaks SET state = 'APPLYING', approved_by = 'bob', changed_at = now()"
        " WHERE subject = 'line:alpha_report:l2'"
    )
    insert = (
        f"INSERT INTO told_returns SELECT 'evt_x', break_id, '{pay(1)}', 'cap_2', 10000, 'EUR', 'ada', 'bob', changed_at"
        "  FROM breaks WHERE subject = 'line:alpha_report:l2'"
    )
    app_sql.execute(decide)
    with pytest.raises(psycopg.errors.CheckViolation, match="is not the charge of the line"):
        app_sql.execute(insert.replace(is_of, other))
    app_sql.rollback()
    app_sql.execute(decide)
    app_sql.execute(insert)
    app_sql.rollback()


def test_a_return_is_not_approved_among_many(world):
    propose(world)
    many = Wanted(action=BulkAction.APPROVE, selection=Selection())
    with pytest.raises(Rejected, match="approved by itself"):
        world.desk.run(lambda uow: STEPS[BulkAction.APPROVE].apply(the_break(world), many, "yes", BOB, uow))
    assert world.breaks("PROPOSED").keys() == {"line:alpha_report:l2"}
